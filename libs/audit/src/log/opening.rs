//! Takes a log over from an earlier life: finds where it ends, sets a torn tail aside, refuses damage.

use std::fs::OpenOptions;
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use super::sealer::{self, Sealer};
use super::writer::{FolderLock, Writer};
use super::{OnDamage, Options};
use crate::keys::{self, Keys};
use crate::note::{Signer, VerifierKey};
use crate::record::{Head, Kind, Record};
use crate::scan::{Backward, Forward};
use crate::segment::{self, SegmentName};
use crate::tiles;
use crate::tree::{Edge, Hash, TILE_WIDTH, Tile, leaf_hash};

/// Why a log cannot be opened for writing.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// Another process is its writer.
    #[error(
        "the audit log {} is being written by another process; stop that one first, or use another folder",
        .dir.display()
    )]
    Locked {
        /// The folder of the log.
        dir: PathBuf,
    },
    /// A line before the end is not what was written there.
    #[error(
        "the audit log is damaged: {}, line {line}: {why}; move the folder away to begin a new log, and keep it as evidence",
        .file.display()
    )]
    Damaged {
        /// The segment.
        file: PathBuf,
        /// The line, from 1.
        line: u64,
        /// What is wrong with it.
        why: String,
    },
    /// The lines and the tree are not those of one log.
    #[error(
        "the audit log in {} is damaged: {why}; move the folder away to begin a new log, and keep it as evidence",
        .dir.display()
    )]
    Broken {
        /// The folder.
        dir: PathBuf,
        /// What is wrong.
        why: String,
    },
    /// The log was begun with another key.
    #[error(
        "the audit log in {} is signed by another key than the one that is here; bring that key back, or move the folder away to begin a new log",
        .dir.display()
    )]
    OtherKey {
        /// The folder.
        dir: PathBuf,
    },
    /// The operating system said no.
    #[error("could not {doing} the audit log at {}: {source}", .path.display())]
    Io {
        /// What was tried.
        doing: &'static str,
        /// Where.
        path: PathBuf,
        /// What it said.
        source: io::Error,
    },
}

/// Names what was tried and where.
fn failed(doing: &'static str, path: &Path) -> impl FnOnce(io::Error) -> OpenError {
    let path = path.to_owned();
    move |source| OpenError::Io { doing, path, source }
}

pub(super) fn open(dir: &Path, options: Options) -> Result<(Writer, Option<Sealer>), OpenError> {
    let damage =
        match take_over(dir, &options) {
            Err(
                damage @ (OpenError::Damaged { .. } | OpenError::Broken { .. } | OpenError::OtherKey { .. }),
            ) if options.on_damage == OnDamage::SetAside => damage,
            other => return other,
        };
    let now = crate::time::format_time((options.clock)());
    let stamp: String = now.chars().filter(char::is_ascii_alphanumeric).collect();
    let mut aside = dir.file_name().unwrap_or_default().to_owned();
    aside.push(format!(".damaged-{stamp}"));
    std::fs::rename(dir, dir.with_file_name(&aside)).map_err(failed("set aside", dir))?;
    let opened = take_over(dir, &options)?;
    let (mut writer, sealer) = opened;
    // Names the place within the log only: where the home is, is nobody's business.
    let what = match damage {
        OpenError::Damaged { file, line, why } => {
            format!("{}, line {line}: {why}", file.file_name().unwrap_or_default().display())
        }
        OpenError::Broken { why, .. } => why,
        _ => "signed by another key".to_owned(),
    };
    let detail = format!("a damaged log was set aside in {} as the owner asked: {what}", aside.display());
    writer.append(Record::event(Kind::Decision, detail)).map_err(unwritten(dir))?;
    Ok((writer, sealer))
}

fn unwritten(dir: &Path) -> impl FnOnce(super::AppendError) -> OpenError {
    let failed = failed("write", dir);
    move |error| failed(io::Error::other(error))
}

fn take_over(dir: &Path, options: &Options) -> Result<(Writer, Option<Sealer>), OpenError> {
    segment::create_folder(dir).map_err(failed("make the folder of", dir))?;
    let lock = FolderLock::take(dir)
        .map_err(failed("lock", dir))?
        .ok_or_else(|| OpenError::Locked { dir: dir.to_owned() })?;
    let names = segment::list(dir).map_err(failed("read", dir))?;
    let end = find_end(dir, &names)?;
    let tree = match &options.signer {
        Some(signer) => Some(Tree { dir, names: &names, end: end.next_seq }.open(signer, (options.clock)())?),
        None => None,
    };
    if let Some(torn) = &end.torn {
        set_aside(dir, torn)?;
    }
    let (sealer, adopted) = tree.map_or((None, 0), |(sealer, adopted)| (Some(sealer), adopted));
    let sealed = sealer.as_ref().map(Sealer::sealed);
    let mut writer =
        Writer::new(dir.to_owned(), options.clone(), lock, names.last().cloned(), end.next_seq, sealed)
            .map_err(failed("write", dir))?;
    if adopted > 0 {
        let detail = format!("{adopted} records were written before this log had a tree; it covers them now");
        writer.append(Record::event(Kind::Decision, detail)).map_err(unwritten(dir))?;
    }
    if let Some(Torn { name, whole_bytes, length }) = end.torn {
        let detail = format!(
            "{length} bytes behind byte {whole_bytes} of {name} were half a line; set aside in {name}.torn"
        );
        writer.append(Record::event(Kind::Torn, detail)).map_err(unwritten(dir))?;
    }
    Ok((writer, sealer))
}

/// A log whose tree is taken over, or begun.
struct Tree<'a> {
    dir: &'a Path,
    names: &'a [SegmentName],
    /// How many records there are.
    end: u64,
}

impl Tree<'_> {
    /// The sealer, and how many records it adopted that had no tree.
    fn open(&self, signer: &std::sync::Arc<dyn Signer>, now_ms: u64) -> Result<(Sealer, u64), OpenError> {
        let notes = sealer::Notes::read(self.dir).map_err(failed("read", self.dir))?;
        let keys = self.keys(&signer.public_key(), notes.is_settled(), now_ms)?;
        let head = sealer::head(&notes, &keys);
        let head = head.map_err(|why| self.broken(format!("{}: {why}", sealer::CHECKPOINT)))?;
        // A crash can fall between the key of a new log and its first checkpoint, before the first line;
        // beside lines the key alone tells that a checkpoint was taken away, or that adopting was cut.
        let extent = tiles::extent(self.dir).map_err(failed("read", self.dir))?;
        if head.is_none() && extent > 0 {
            return Err(self.broken(format!("{} is missing", sealer::CHECKPOINT)));
        }
        let settled = head.as_ref().map_or(0, |head| head.settled);
        let head = head.map(|head| head.checkpoint);
        let size = head.as_ref().map_or(0, |head| head.size);
        if extent > size {
            return Err(self.broken(format!("{} is an older one, put back", sealer::CHECKPOINT)));
        }
        if size > self.end {
            let missing = size - self.end;
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
        let mut sealer = Sealer::new(self.dir.to_owned(), keys, std::sync::Arc::clone(signer), edge);
        for tile in rest {
            tiles::write(self.dir, &tile).map_err(failed("write", self.dir))?;
        }
        let mut leaves = Vec::new();
        self.leaves_from(size, |leaf| leaves.push(leaf))?;
        let adopted = if head.is_none() { leaves.len() as u64 } else { 0 };
        sealer.add(leaves);
        if head.is_none() || is_rebuilt || sealer.sealed() < self.end {
            sealer.seal().map_err(failed("sign", self.dir))?;
        }
        Ok((sealer, adopted))
    }

    /// The keys of the log, or its first one where it begins now. Finishes or drops a replacement that a
    /// crash cut.
    fn keys(&self, public_key: &[u8; 32], is_signed: bool, now_ms: u64) -> Result<Keys, OpenError> {
        let path = self.dir.join(sealer::VERIFIER_KEY);
        let name = |key: &VerifierKey| {
            tiles::replace(&path, format!("{key}\n").as_bytes()).map_err(failed("write", &path))
        };
        let read = Keys::read(self.dir).map_err(failed("read", self.dir))?;
        let read = read.map_err(|why| self.broken(format!("{}: {why}", keys::LINKS)))?;
        let Some((known, named)) = read else {
            if path.exists() {
                return Err(self.broken(format!("{} is no verifier key", sealer::VERIFIER_KEY)));
            }
            if is_signed || self.dir.join(keys::LINKS).exists() {
                return Err(self.broken(format!("{} is missing", sealer::VERIFIER_KEY)));
            }
            let key = VerifierKey::new(&Sealer::origin(public_key, now_ms), public_key);
            let key = key.map_err(|error| failed("sign", self.dir)(io::Error::other(error)))?;
            name(&key)?;
            return Ok(Keys::new(key));
        };
        let keys = known.clone().told_by(self.end, &named);
        if let Some(link) = keys.links().last().filter(|link| link.seq >= self.end) {
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
        let mut next = self.end;
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

/// Where a log ends.
struct End {
    next_seq: u64,
    torn: Option<Torn>,
}

/// Half a line at the end of a segment.
struct Torn {
    name: SegmentName,
    whole_bytes: u64,
    length: u64,
}

fn find_end(dir: &Path, names: &[SegmentName]) -> Result<End, OpenError> {
    let mut next_seq = None;
    let mut torn = None;
    // Behind the last segment with a byte there can be empty ones: a crash right after a rotation.
    let length = |name: &SegmentName| {
        let path = dir.join(name.to_string());
        std::fs::metadata(&path).map(|metadata| metadata.len()).map_err(failed("read", &path))
    };
    let mut last = None;
    for (index, name) in names.iter().enumerate() {
        if length(name)? > 0 {
            last = Some(index);
        }
    }
    for (index, name) in names.iter().enumerate() {
        if Some(index) == last {
            torn = check_whole(dir, name, &mut next_seq)?;
        } else {
            check_ends(dir, name, &mut next_seq)?;
        }
    }
    Ok(End { next_seq: next_seq.unwrap_or(0), torn })
}

/// Reads every line of the segment the log ends in.
fn check_whole(
    dir: &Path,
    name: &SegmentName,
    next_seq: &mut Option<u64>,
) -> Result<Option<Torn>, OpenError> {
    let path = dir.join(name.to_string());
    let mut lines = Forward::open(&path, 0).map_err(failed("read", &path))?;
    let mut number = 0;
    let mut offset = 0;
    while let Some(line) = lines.next_line().map_err(failed("read", &path))? {
        number += 1;
        check_line(&path, number, line, next_seq)?;
        offset += line.len() as u64 + 1;
    }
    let length = std::fs::metadata(&path).map_err(failed("read", &path))?.len() - offset;
    Ok((length > 0).then(|| Torn { name: name.clone(), whole_bytes: offset, length }))
}

/// Reads the first and the last line of a segment that others follow.
fn check_ends(dir: &Path, name: &SegmentName, next_seq: &mut Option<u64>) -> Result<(), OpenError> {
    let path = dir.join(name.to_string());
    let read = || failed("read", &path);
    let mut lines = Forward::open(&path, 0).map_err(read())?;
    let Some(first) = lines.next_line().map_err(read())? else {
        return match std::fs::metadata(&path).map_err(read())?.len() {
            0 => Ok(()),
            _ => Err(damaged(&path, 1, "the line is cut, and later segments follow")),
        };
    };
    check_line(&path, 1, first, next_seq)?;
    let second = next_seq.unwrap_or_default();
    let first_end = lines.offset();
    let length = std::fs::metadata(&path).map_err(read())?.len();
    let mut lines = Backward::open(&path, None).map_err(read())?;
    let (begin, last) = lines
        .next_line()
        .map_err(read())?
        .map(|(begin, line)| (begin, line.to_vec()))
        .ok_or_else(|| damaged(&path, 1, "the segment became shorter while it was read"))?;
    let seq = Head::parse(&last).map(|record| record.seq).unwrap_or(second);
    let number = (seq + 2).saturating_sub(second);
    if begin + (last.len() as u64) + 1 != length {
        return Err(damaged(&path, number + 1, "the line is cut, and later segments follow"));
    }
    if begin >= first_end {
        if seq < second {
            return Err(damaged(&path, number, &format!("seq {seq} stands behind seq {}", second - 1)));
        }
        *next_seq = Some(seq);
        check_line(&path, number, &last, next_seq)?;
    }
    Ok(())
}

/// Checks that a line is a record and the one that is next.
fn check_line(path: &Path, number: u64, line: &[u8], next_seq: &mut Option<u64>) -> Result<(), OpenError> {
    let record = Head::parse(line).map_err(|error| damaged(path, number, &error.to_string()))?;
    // A log whose oldest segments were pruned begins where it begins.
    match *next_seq {
        Some(expected) if record.seq != expected => {
            Err(damaged(path, number, &format!("seq {} stands where seq {expected} belongs", record.seq)))
        }
        _ => {
            *next_seq = Some(record.seq + 1);
            Ok(())
        }
    }
}

fn damaged(path: &Path, line: u64, why: &str) -> OpenError {
    OpenError::Damaged { file: path.to_owned(), line, why: why.to_owned() }
}

/// Moves half a line to `<segment>.torn`; first there, then away, so that a crash can only double it.
fn set_aside(dir: &Path, torn: &Torn) -> Result<(), OpenError> {
    let path = dir.join(torn.name.to_string());
    let aside = dir.join(format!("{}.torn", torn.name));
    let mut segment = OpenOptions::new().read(true).write(true).open(&path).map_err(failed("read", &path))?;
    let mut options = OpenOptions::new();
    options.append(true).create(true);
    segment::private(&mut options);
    let mut copy = || {
        let mut file = options.open(&aside)?;
        segment.seek(SeekFrom::Start(torn.whole_bytes))?;
        io::copy(&mut (&mut segment).take(torn.length), &mut file)?;
        file.write_all(b"\n")?;
        file.sync_all()?;
        segment::sync_folder(dir)
    };
    copy().map_err(failed("set a torn line aside for", &aside))?;
    segment.set_len(torn.whole_bytes).and_then(|()| segment.sync_all()).map_err(failed("repair", &path))
}
