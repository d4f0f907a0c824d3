//! Compares lines, tiles and checkpoint.

use std::io;
use std::path::Path;

use super::Report;
use super::lines::{self, Batch, Line};
use crate::keys::{Keys, LINKS, Link};
use crate::note::Checkpoint;
use crate::read::ReadError;
use crate::record::Record;
use crate::segment::SegmentName;
use crate::tiles;
use crate::tree::{Edge, TILE_WIDTH, Tile};

/// One place where the log differs from what was signed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// A file of the log, with the line where one can be named.
    pub place: String,
    /// The fault, as a part of a sentence.
    pub what: String,
}

impl std::fmt::Display for Finding {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}: {}", self.place, self.what)
    }
}

/// Content of `log.keys` and `log.vkey`.
#[derive(Debug, Default)]
pub(super) struct Words {
    /// The replacements of the key.
    pub(super) links: Vec<Link>,
    /// Whether the newest key is named, so that the record which tells of it must be there.
    pub(super) is_named: bool,
}

/// A log as it is walked through.
pub(super) struct Walk<'a> {
    dir: &'a Path,
    head: Option<&'a Checkpoint>,
    /// The size up to which all tiles must be there: a crash can leave a note without its tiles.
    settled: u64,
    report: &'a mut Report,
    /// The tree over the lines so far; stops at the size of the checkpoint.
    edge: Edge,
    /// Tiles that became full and are not compared yet.
    full: Vec<Tile>,
    /// The first `seq` that is there, and the one that comes next.
    first: Option<u64>,
    next: u64,
    /// Up to which `seq` the newest prune record tells that records are gone.
    pruned_to: u64,
    words: Words,
    /// The records that tell of a new key.
    told: Vec<Record>,
    /// First `seq` of each segment, to name the place of a record.
    begins: Vec<(String, u64)>,
    is_broken: bool,
}

pub(super) fn run(
    dir: &Path,
    names: &[SegmentName],
    head: Option<(&Checkpoint, u64)>,
    words: Words,
    report: &mut Report,
    progress: &mut dyn FnMut(u64, u64),
) -> Result<(), ReadError> {
    let io = |source: io::Error| ReadError::Io { path: dir.to_owned(), source };
    for entry in std::fs::read_dir(dir).map_err(io)? {
        let name = entry.map_err(io)?.file_name().to_string_lossy().into_owned();
        if name.ends_with(".torn") {
            report.torn.push(name);
        }
    }
    report.torn.sort();
    let mut walk = Walk::new(dir, head, words, report);
    // Behind the last segment with a line there can be empty ones: a crash right after a rotation.
    let has_bytes = |name: &SegmentName| {
        std::fs::metadata(dir.join(name.to_string())).is_ok_and(|metadata| metadata.len() > 0)
    };
    let last = names.iter().rposition(has_bytes).unwrap_or(0);
    let mut current = None;
    let mut number = 0;
    let mut bytes = 0;
    lines::each(dir, names, |batch| {
        if current != Some(batch.segment) {
            (current, number) = (Some(batch.segment), 0);
        }
        bytes += batch.bytes;
        let is_last = batch.segment >= last;
        let go_on = walk.batch(&names[batch.segment].to_string(), &mut number, batch, is_last);
        progress(walk.next, bytes);
        go_on
    })
    .map_err(|(path, source)| ReadError::Io { path, source })?;
    walk.finish().map_err(io)
}

impl<'a> Walk<'a> {
    pub(super) fn new(
        dir: &'a Path,
        head: Option<(&'a Checkpoint, u64)>,
        words: Words,
        report: &'a mut Report,
    ) -> Self {
        Self {
            dir,
            head: head.map(|(head, _)| head),
            settled: head.map_or(0, |(_, settled)| settled),
            report,
            edge: Edge::default(),
            full: Vec::new(),
            first: None,
            next: 0,
            pruned_to: 0,
            words,
            told: Vec::new(),
            begins: Vec::new(),
            is_broken: false,
        }
    }

    /// Takes the next lines of a segment; `false` when to go on makes no sense.
    fn batch(&mut self, name: &str, number: &mut u64, batch: Batch, is_last: bool) -> bool {
        for line in batch.lines {
            *number += 1;
            if *number == 1 {
                self.begins.push((name.to_owned(), self.next));
            }
            if let Err((what, stop)) = self.line(line) {
                self.report.find(format!("{name}:{number}"), what);
                self.is_broken = true;
                if stop {
                    return false;
                }
            }
        }
        if batch.cut > 0 {
            let place = format!("{name}:{}", *number + 1);
            if is_last {
                self.report.torn.push(place);
            } else {
                self.report.find(place, "the line is cut, and later segments follow");
                self.is_broken = true;
            }
        }
        // Tiles as they become full, so that a long log needs no memory.
        match self.compare_full() {
            Ok(()) => true,
            Err(error) => {
                self.report.find("tile", format!("cannot be read: {error}"));
                false
            }
        }
    }

    /// Takes one line; an error says what is wrong, and whether nothing behind it can be checked.
    pub(super) fn line(&mut self, line: Line) -> Result<(), (String, bool)> {
        let (seq, record) = line.record.map_err(|what| (what, true))?;
        match self.first {
            None => {
                self.first = Some(seq);
                self.next = seq;
                if let Some(begin) = self.begins.last_mut() {
                    begin.1 = seq;
                }
                self.take_pruned(seq).map_err(|what| (what, true))?;
            }
            Some(_) if seq != self.next => {
                return Err((format!("seq {seq} stands where seq {} belongs", self.next), true));
            }
            Some(_) => {}
        }
        if let Some(record) = record {
            if let Some(to) = record.pruned_to() {
                self.pruned_to = self.pruned_to.max(to);
            }
            if Link::is_told_by(&record) {
                self.told.push(*record);
            }
        }
        self.next += 1;
        self.report.records += 1;
        if self.head.is_some_and(|head| seq < head.size) {
            let full = &mut self.full;
            self.edge.push(line.leaf, |tile| full.push(tile));
        }
        Ok(())
    }

    /// Takes the hashes of records that are gone from the tree.
    fn take_pruned(&mut self, first: u64) -> Result<(), String> {
        self.report.pruned = first;
        let Some(head) = self.head else { return Ok(()) };
        if first > head.size {
            return Err(format!("seq {first} lies beyond the checkpoint, which covers {}", head.size));
        }
        while self.edge.size() < first {
            let index = self.edge.size() / TILE_WIDTH as u64;
            let hashes =
                tiles::leaves(self.dir, index, head.size, self.settled).map_err(|error| error.to_string())?;
            let hashes = hashes.ok_or_else(|| {
                format!("the first record is {first}, and the tree does not know those before it")
            })?;
            let wanted = usize::try_from(first - self.edge.size()).unwrap_or(usize::MAX);
            for hash in hashes.into_iter().take(wanted) {
                let full = &mut self.full;
                self.edge.push(hash, |tile| full.push(tile));
            }
        }
        Ok(())
    }

    fn compare_full(&mut self) -> io::Result<()> {
        for tile in std::mem::take(&mut self.full) {
            self.compare(&tile)?;
        }
        Ok(())
    }

    /// Compares a tile that was built from the lines with the one on the disk.
    fn compare(&mut self, tile: &Tile) -> io::Result<()> {
        let shown = tiles::shown(tile.level, tile.index, tile.hashes.len());
        match tiles::read_grown(self.dir, tile.level, tile.index, tile.hashes.len())? {
            None => {
                let end = (tile.index * TILE_WIDTH as u64 + tile.hashes.len() as u64) << (8 * tile.level);
                if end <= self.settled {
                    self.report.find(shown, "the tile is missing");
                }
            }
            Some(hashes) if hashes == tile.hashes => {}
            Some(hashes) => {
                let place = tile.hashes.iter().zip(&hashes).position(|(built, kept)| built != kept);
                let seq = tile.index * TILE_WIDTH as u64 + place.unwrap_or(0) as u64;
                if tile.level == 0 {
                    let place = self.place_of(seq);
                    self.report.find(place, format!("record {seq} is not the one in the tree ({shown})"));
                } else {
                    self.report.find(shown, "the tile is not the one that the records give");
                }
            }
        }
        Ok(())
    }

    /// The file and line of a record.
    fn place_of(&self, seq: u64) -> String {
        match self.begins.iter().rev().find(|(_, begin)| *begin <= seq) {
            Some((name, begin)) => format!("{name}:{}", seq - begin + 1),
            None => "a pruned record".to_owned(),
        }
    }

    /// Every replacement of the key has its record, and every such record its replacement.
    fn compare_keys(&mut self, size: u64) -> io::Result<()> {
        let told = |link: &Link, told: &[Record]| {
            let expected = link.record();
            told.iter().any(|record| record.seq == link.seq && record.detail == expected.detail)
        };
        for link in &self.words.links {
            let is_gone = link.seq < self.first.unwrap_or(0);
            // A crash, or a look while it is done, can fall between the word and its record.
            let is_begun = !self.words.is_named && link.seq >= self.next && link.seq >= size;
            if !is_gone && !is_begun && !told(link, &self.told) {
                let what = format!("record {} does not tell of the key that it is about", link.seq);
                self.report.find(LINKS, what);
            }
        }
        let is_known = |record: &Record, links: &[Link]| links.iter().any(|link| link.seq == record.seq);
        let unknown: Vec<u64> = self
            .told
            .iter()
            .filter(|record| !is_known(record, &self.words.links))
            .map(|record| record.seq)
            .collect();
        if unknown.is_empty() {
            return Ok(());
        }
        // It may have come since the words were read.
        let now = Keys::read(self.dir)?.ok().flatten().map(|(keys, _)| keys);
        let now = now.as_ref().map_or(&[][..], Keys::links);
        for seq in unknown {
            if !now.iter().any(|link| link.seq == seq && told(link, &self.told)) {
                let place = self.place_of(seq);
                self.report.find(place, format!("record {seq} tells of a key that {LINKS} does not have"));
            }
        }
        Ok(())
    }

    /// Checks that need the whole log.
    pub(super) fn finish(mut self) -> io::Result<()> {
        self.compare_full()?;
        let Some(head) = self.head else {
            self.report.unsigned = self.report.records;
            return Ok(());
        };
        self.report.unsigned = self.next.saturating_sub(head.size);
        if self.is_broken {
            return Ok(());
        }
        self.compare_keys(head.size)?;
        if self.report.pruned > self.pruned_to {
            let what = format!(
                "the records before {} are gone, and no record tells that they were pruned",
                self.report.pruned
            );
            self.report.find("log", what);
        }
        if self.next < head.size {
            let what =
                format!("{} records that were signed for are missing at the end", head.size - self.next);
            self.report.find("log", what);
            return Ok(());
        }
        if self.edge.root() != head.root {
            self.report.find("checkpoint", "the records are not the ones that were signed for");
        }
        let partial: Vec<Tile> = self.edge.partial().collect();
        for tile in partial {
            self.compare(&tile)?;
        }
        Ok(())
    }
}
