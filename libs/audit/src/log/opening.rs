//! Takes a log over from an earlier life: finds where it ends, sets a torn tail aside, refuses damage.

use std::fs::OpenOptions;
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use super::Options;
use super::writer::{FolderLock, Writer};
use crate::record::{Head, Kind, Record};
use crate::scan::{Backward, Forward};
use crate::segment::{self, SegmentName};

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

pub(super) fn open(dir: &Path, options: Options) -> Result<Writer, OpenError> {
    segment::create_folder(dir).map_err(failed("make the folder of", dir))?;
    let lock = FolderLock::take(dir)
        .map_err(failed("lock", dir))?
        .ok_or_else(|| OpenError::Locked { dir: dir.to_owned() })?;
    let names = segment::list(dir).map_err(failed("read", dir))?;
    let end = find_end(dir, &names)?;
    if let Some(torn) = &end.torn {
        set_aside(dir, torn)?;
    }
    let mut writer = Writer::new(dir.to_owned(), options, lock, names.last().cloned(), end.next_seq)
        .map_err(failed("write", dir))?;
    if let Some(Torn { name, whole_bytes, length }) = end.torn {
        let detail = format!(
            "{length} bytes behind byte {whole_bytes} of {name} were half a line; set aside in {name}.torn"
        );
        writer
            .append(Record::event(Kind::Torn, detail))
            .map_err(|error| failed("write", dir)(io::Error::other(error)))?;
    }
    Ok(writer)
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
