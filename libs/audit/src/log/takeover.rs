//! Takes the tree of a log over: its keys, its newest checkpoint, and whether the lines are those that were signed for.
//!
//! Of the lines, those of the segment that the log ends in are compared with the tree here, each tile up to the signed
//! root. Older segments are for [`verify`](crate::verify()).

use std::collections::HashSet;
use std::io;
use std::path::Path;
use std::sync::Arc;

use super::Options;
use super::damage::{OpenError, damaged, failed};
use super::end::{End, Torn, set_aside};
use super::sealer::Sealer;
use crate::checkpoints::{CHECKPOINT, Newest, Notes, head};
use crate::keys::{self, Keys, VERIFIER_KEY};
use crate::note::{Checkpoint, Signer, VerifierKey};
use crate::record::{Head, Kind};
use crate::scan::Forward;
use crate::segment::SegmentName;
use crate::tiles;
use crate::tree::{Edge, Hash, TILE_WIDTH, Tile, leaf_hash, root_of};
use crate::witness::Witness;

/// A log whose tree is taken over, or begun.
pub(super) struct Tree<'a> {
    dir: &'a Path,
    names: &'a [SegmentName],
    end: &'a End,
    options: &'a Options,
}

/// A tree that was taken over, and what is to be told about it.
pub(super) struct Taken {
    pub(super) sealer: Sealer,
    /// Records that had no tree.
    adopted: u64,
    /// Records behind the newest checkpoint.
    covered: u64,
    /// The log that stood here before, where it is gone.
    gone: Option<Witness>,
}

impl Taken {
    pub(super) fn told(&self) -> Vec<(Kind, String)> {
        let adopted = (self.adopted > 0).then(|| {
            format!("{} records were written before this log had a tree; it covers them now", self.adopted)
        });
        let covered = (self.covered > 0).then(|| {
            let records = if self.covered == 1 { "record stood" } else { "records stood" };
            format!(
                "{} {records} behind the newest checkpoint, signed by nobody; it covers them now",
                self.covered
            )
        });
        let gone = self.gone.as_ref().map(|gone| {
            format!(
                "the log {}, of which {} records were signed for, is not in its place; this one begins anew",
                gone.origin, gone.size
            )
        });
        [adopted, covered, gone].into_iter().flatten().map(|detail| (Kind::Decision, detail)).collect()
    }
}

/// Whole lines where no line of this log can be.
pub(super) struct Foreign {
    /// Segment that they begin in; then the byte.
    segment: usize,
    offset: u64,
    /// The record before them.
    seq: u64,
}

impl Foreign {
    pub(super) fn told(&self, next_seq: u64) -> String {
        let count = next_seq.saturating_sub(self.seq + 1);
        let (lines, were) = if count == 1 { ("line", "was") } else { ("lines", "were") };
        format!(
            "{count} {lines} stood behind record {}, with which this log was closed, and {were} not written by it; set aside in *.torn",
            self.seq
        )
    }

    /// Moves them to `<segment>.torn`.
    pub(super) fn set_aside(&self, dir: &Path, names: &[SegmentName]) -> Result<(), OpenError> {
        for (index, name) in names.iter().enumerate().skip(self.segment) {
            let path = dir.join(name.to_string());
            let length = std::fs::metadata(&path).map_err(failed("read", &path))?.len();
            let whole_bytes = if index == self.segment { self.offset } else { 0 };
            set_aside(
                dir,
                &Torn { name: name.clone(), whole_bytes, length: length.saturating_sub(whole_bytes) },
            )?;
            if index > self.segment {
                std::fs::remove_file(&path).map_err(failed("repair", &path))?;
            }
        }
        Ok(())
    }
}

impl<'a> Tree<'a> {
    pub(super) fn new(dir: &'a Path, names: &'a [SegmentName], end: &'a End, options: &'a Options) -> Self {
        Self { dir, names, end, options }
    }

    /// The newest checkpoint, and the keys that it was read with.
    fn newest(&self, signer: &Arc<dyn Signer>, now_ms: u64) -> Result<(Keys, Option<Newest>), OpenError> {
        let notes = Notes::read(self.dir).map_err(failed("read", self.dir))?;
        if notes.are_missing() && self.end.next_seq > 0 {
            self.may_be_adopted()?;
        }
        let keys = self.keys(&signer.public_key(), notes.is_settled(), now_ms)?;
        let head = head(&notes, &keys);
        let head = head.map_err(|why| self.broken(format!("{}: {why}", CHECKPOINT)))?;
        Ok((keys, head))
    }

    /// Lines behind the record with which the log was closed, where that is the last one under the newest checkpoint: nothing
    /// of ours comes after it before the next start.
    pub(super) fn foreign(
        &self,
        signer: &Arc<dyn Signer>,
        now_ms: u64,
    ) -> Result<Option<Foreign>, OpenError> {
        if Notes::read(self.dir).map_err(failed("read", self.dir))?.are_missing() {
            return Ok(None);
        }
        let (_, head) = self.newest(signer, now_ms)?;
        let size = head.map_or(0, |head| head.checkpoint.size);
        let Some(last) = size.checked_sub(1).filter(|_| size < self.end.next_seq) else { return Ok(None) };
        for (segment, name) in self.names.iter().enumerate().rev() {
            let path = self.dir.join(name.to_string());
            if first_seq(&path)?.is_none_or(|first| first > last) {
                continue;
            }
            let mut lines = Forward::open(&path, 0).map_err(failed("read", &path))?;
            while let Some(line) = lines.next_line().map_err(failed("read", &path))? {
                let head = Head::parse(line).map_err(|error| damaged(&path, 1, &error.to_string()))?;
                if head.seq == last {
                    let foreign = Foreign { segment, offset: lines.offset(), seq: last };
                    return Ok((head.kind == Kind::Stop).then_some(foreign));
                }
            }
            return Ok(None);
        }
        Ok(None)
    }

    /// The sealer, and what became of records that it did not know.
    pub(super) fn open(&self, signer: &Arc<dyn Signer>, now_ms: u64) -> Result<Taken, OpenError> {
        let extent = tiles::extent(self.dir).map_err(failed("read", self.dir))?;
        let is_new = self.names.is_empty() && extent == 0 && !self.dir.join(VERIFIER_KEY).exists();
        let (keys, head) = self.newest(signer, now_ms)?;
        let end = self.end.next_seq;
        let gone = self.compare_witness(head.as_ref().map(|head| &head.checkpoint), is_new)?;
        let settled = head.as_ref().map_or(0, |head| head.settled);
        let head = head.map(|head| head.checkpoint);
        let size = head.as_ref().map_or(0, |head| head.size);
        if extent > size {
            return Err(self.broken(format!("{} is an older one, put back", CHECKPOINT)));
        }
        if size > end {
            let missing = size - end;
            return Err(self.broken(format!("the last {missing} records that were signed for are missing")));
        }
        let edge = tiles::edge(self.dir, size).map_err(failed("read", self.dir))?;
        let is_right = |edge: &Edge| head.as_ref().is_none_or(|head| edge.root() == head.root);
        let (edge, rest) = match edge.filter(is_right) {
            Some(edge) => (edge, Vec::new()),
            None => self.rebuild(size, settled)?,
        };
        if !is_right(&edge) {
            return Err(self.broken("the records are not the ones that were signed for".to_owned()));
        }
        let is_rebuilt = !rest.is_empty();
        if !is_rebuilt {
            self.compare_tail(size, settled)?;
        }
        let witness = self.options.witness.clone();
        let mut sealer = Sealer::new(self.dir.to_owned(), keys, Arc::clone(signer), edge, witness);
        for tile in rest {
            tiles::write(self.dir, &tile).map_err(failed("write", self.dir))?;
        }
        let mut leaves = Vec::new();
        self.leaves_from(size, |leaf| leaves.push(leaf))?;
        let behind = leaves.len() as u64;
        let (adopted, covered) = if head.is_none() { (behind, 0) } else { (0, behind) };
        sealer.add(leaves);
        if head.is_none() || is_rebuilt || sealer.sealed() < end {
            sealer.seal().map_err(failed("sign", self.dir))?;
        }
        Ok(Taken { sealer, adopted, covered, gone })
    }

    /// The word about this log that is kept elsewhere.
    fn witness(&self) -> Result<Option<Witness>, OpenError> {
        let Some(path) = &self.options.witness else { return Ok(None) };
        Witness::read(path).map_err(failed("read", path))
    }

    /// Whether records without any checkpoint may be taken over: where nothing tells of a tree that was taken away, and
    /// the owner or the witness says that there never was one. A crash can fall between the key of a new log and its first
    /// checkpoint, but only before the first line.
    fn may_be_adopted(&self) -> Result<(), OpenError> {
        let witness = self.witness()?;
        if let Some(why) = witness.as_ref().and_then(|witness| witness.against(None)) {
            return Err(self.broken(why));
        }
        if tiles::extent(self.dir).map_err(failed("read", self.dir))? > 0 {
            return Err(self.broken(format!("{} is missing", CHECKPOINT)));
        }
        match self.options.adopts || witness.is_some() {
            true => Ok(()),
            false => Err(OpenError::Treeless { dir: self.dir.to_owned(), records: self.end.next_seq }),
        }
    }

    /// Holds the newest checkpoint against the word that is kept elsewhere. Gives the log that stood here before, where
    /// its whole folder is gone.
    fn compare_witness(&self, head: Option<&Checkpoint>, is_new: bool) -> Result<Option<Witness>, OpenError> {
        let witness = self.witness()?.filter(|witness| !witness.is_treeless());
        if is_new {
            return Ok(witness);
        }
        match witness.and_then(|witness| witness.against(head)) {
            Some(why) => Err(self.broken(why)),
            None => Ok(None),
        }
    }

    /// Compares the lines of the segment that the log ends in with the tree, as far as a checkpoint covers them.
    fn compare_tail(&self, size: u64, settled: u64) -> Result<(), OpenError> {
        const WIDTH: u64 = TILE_WIDTH as u64;
        let tail = &self.end.tail;
        let end = size.min(tail.begin + tail.leaves.len() as u64);
        let mut proven = HashSet::new();
        for index in tail.begin / WIDTH..end.div_ceil(WIDTH) {
            let hashes = tiles::leaves(self.dir, index, size, settled).map_err(failed("read", self.dir))?;
            let missing = || self.broken(format!("{} is missing", tiles::shown(0, index, TILE_WIDTH)));
            let hashes = hashes.ok_or_else(missing)?;
            let first = index * WIDTH;
            for (seq, signed) in (first..end).zip(&hashes).filter(|(seq, _)| *seq >= tail.begin) {
                // Both are below the length of a segment.
                let place = (seq - tail.begin) as usize;
                if tail.leaves[place] != *signed {
                    let why = format!("record {seq} is not the one that was signed for");
                    return Err(damaged(&tail.path, place as u64 + 1, &why));
                }
            }
            self.prove(index, hashes, size, &mut proven)?;
        }
        Ok(())
    }

    /// Follows a full tile of leaves to the edge of the tree, which has the signed root. `proven` has the tiles that
    /// were followed before.
    fn prove(
        &self,
        index: u64,
        mut hashes: Vec<Hash>,
        size: u64,
        proven: &mut HashSet<(u8, u64)>,
    ) -> Result<(), OpenError> {
        let (mut level, mut index) = (0_u8, index);
        while hashes.len() == TILE_WIDTH {
            let (above, at) = (index / TILE_WIDTH as u64, (index % TILE_WIDTH as u64) as usize);
            level += 1;
            let in_level = size >> (8 * u32::from(level));
            let width = in_level.saturating_sub(above * TILE_WIDTH as u64).min(TILE_WIDTH as u64) as usize;
            let shown = || tiles::shown(level, above, width);
            let parent = tiles::read(self.dir, level, above, width).map_err(failed("read", self.dir))?;
            let parent = parent.ok_or_else(|| self.broken(format!("{} is missing", shown())))?;
            if parent.get(at) != Some(&root_of(&hashes)) {
                return Err(self.broken(format!("{} is not the one that was signed for", shown())));
            }
            if !proven.insert((level, above)) {
                return Ok(());
            }
            (index, hashes) = (above, parent);
        }
        Ok(())
    }

    /// The keys of the log, or its first one where it begins now. Finishes or drops a replacement that a
    /// crash cut.
    fn keys(&self, public_key: &[u8; 32], is_signed: bool, now_ms: u64) -> Result<Keys, OpenError> {
        let path = self.dir.join(VERIFIER_KEY);
        let name = |key: &VerifierKey| {
            tiles::replace(&path, format!("{key}\n").as_bytes()).map_err(failed("write", &path))
        };
        let read = Keys::read(self.dir).map_err(failed("read", self.dir))?;
        let read = read.map_err(|why| self.broken(format!("{}: {why}", keys::LINKS)))?;
        let Some((known, named)) = read else {
            if path.exists() {
                return Err(self.broken(format!("{} is no verifier key", VERIFIER_KEY)));
            }
            if is_signed || self.dir.join(keys::LINKS).exists() {
                return Err(self.broken(format!("{} is missing", VERIFIER_KEY)));
            }
            let key = VerifierKey::new(&Sealer::origin(public_key, now_ms), public_key);
            let key = key.map_err(|error| failed("sign", self.dir)(io::Error::other(error)))?;
            name(&key)?;
            return Ok(Keys::new(key));
        };
        let keys = known.clone().told_by(self.end.next_seq, &named);
        if let Some(link) = keys.links().last().filter(|link| link.seq >= self.end.next_seq) {
            return Err(self.broken(format!("record {}, which tells of its key, is missing", link.seq)));
        }
        if keys.newest().public_key() != *public_key {
            return Err(OpenError::OtherKey { dir: self.dir.to_owned() });
        }
        if keys != known {
            keys.write(self.dir).map_err(failed("write", &self.dir.join(keys::LINKS)))?;
        }
        if *keys.newest() != named {
            name(keys.newest())?;
        }
        Ok(keys)
    }

    fn broken(&self, why: String) -> OpenError {
        OpenError::Broken { dir: self.dir.to_owned(), why }
    }

    /// Builds the tree of this size from the lines, and from tiles where lines were pruned.
    fn rebuild(&self, size: u64, settled: u64) -> Result<(Edge, Vec<Tile>), OpenError> {
        let mut edge = Edge::default();
        let mut full = Vec::new();
        let begin = self.first_seq()?.unwrap_or(0).min(size);
        while edge.size() < begin {
            let index = edge.size() / TILE_WIDTH as u64;
            let hashes = tiles::leaves(self.dir, index, size, settled).map_err(failed("read", self.dir))?;
            let hashes = hashes
                .ok_or_else(|| self.broken(format!("{} is missing", tiles::shown(0, index, TILE_WIDTH))))?;
            for hash in hashes.into_iter().take(usize::try_from(begin - edge.size()).unwrap_or(usize::MAX)) {
                edge.push(hash, |tile| full.push(tile));
            }
        }
        self.leaves_from(begin, |leaf| {
            if edge.size() < size {
                edge.push(leaf, |tile| full.push(tile));
            }
        })?;
        full.extend(edge.partial());
        Ok((edge, full))
    }

    fn first_seq(&self) -> Result<Option<u64>, OpenError> {
        for name in self.names {
            if let Some(seq) = first_seq(&self.dir.join(name.to_string()))? {
                return Ok(Some(seq));
            }
        }
        Ok(None)
    }

    /// Hashes the lines from this `seq` on.
    fn leaves_from(&self, seq: u64, mut take: impl FnMut(Hash)) -> Result<(), OpenError> {
        let mut from = self.names.len();
        let mut next = self.end.next_seq;
        while from > 0 && next > seq {
            from -= 1;
            next = first_seq(&self.dir.join(self.names[from].to_string()))?.unwrap_or(next);
        }
        for name in &self.names[from..] {
            let path = self.dir.join(name.to_string());
            let mut lines = Forward::open(&path, 0).map_err(failed("read", &path))?;
            while let Some(line) = lines.next_line().map_err(failed("read", &path))? {
                if next >= seq {
                    take(leaf_hash(line));
                }
                next += 1;
            }
        }
        Ok(())
    }
}

/// The `seq` of the first line of a segment.
fn first_seq(path: &Path) -> Result<Option<u64>, OpenError> {
    let mut lines = Forward::open(path, 0).map_err(failed("read", path))?;
    let Some(line) = lines.next_line().map_err(failed("read", path))? else { return Ok(None) };
    Head::parse(line).map(|head| Some(head.seq)).map_err(|error| damaged(path, 1, &error.to_string()))
}
