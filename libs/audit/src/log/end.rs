//! The end of a log on the disk: which record comes next, and half a line that a crash left.

use std::fs::OpenOptions;
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use super::damage::{OpenError, damaged, failed};
use crate::record::Head;
use crate::scan::{Backward, Forward};
use crate::segment::{self, SegmentName};
use crate::tree::{Hash, leaf_hash};

/// End of a log on the disk.
#[derive(Debug)]
pub(super) struct End {
    pub(super) next_seq: u64,
    pub(super) torn: Option<Torn>,
    /// The segment it ends in, hashed.
    pub(super) tail: Tail,
}

/// The lines of the segment that a log ends in.
#[derive(Debug, Default)]
pub(super) struct Tail {
    pub(super) path: PathBuf,
    /// The `seq` of the first line.
    pub(super) begin: u64,
    pub(super) leaves: Vec<Hash>,
}

/// Half a line at the end of a segment, or whole ones that are not the log's.
#[derive(Debug)]
pub(super) struct Torn {
    pub(super) name: SegmentName,
    pub(super) whole_bytes: u64,
    pub(super) length: u64,
}

pub(super) fn find_end(dir: &Path, names: &[SegmentName]) -> Result<End, OpenError> {
    let mut next_seq = None;
    let mut torn = None;
    let mut tail = Tail::default();
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
            (torn, tail) = check_whole(dir, name, &mut next_seq)?;
        } else {
            check_ends(dir, name, &mut next_seq)?;
        }
    }
    Ok(End { next_seq: next_seq.unwrap_or(0), torn, tail })
}

/// Reads every line of the segment the log ends in.
fn check_whole(
    dir: &Path,
    name: &SegmentName,
    next_seq: &mut Option<u64>,
) -> Result<(Option<Torn>, Tail), OpenError> {
    let path = dir.join(name.to_string());
    let mut lines = Forward::open(&path, 0).map_err(failed("read", &path))?;
    let mut leaves = Vec::new();
    let mut offset = 0;
    while let Some(line) = lines.next_line().map_err(failed("read", &path))? {
        check_line(&path, leaves.len() as u64 + 1, line, next_seq)?;
        leaves.push(leaf_hash(line));
        offset += line.len() as u64 + 1;
    }
    let length = std::fs::metadata(&path).map_err(failed("read", &path))?.len() - offset;
    let torn = (length > 0).then(|| Torn { name: name.clone(), whole_bytes: offset, length });
    let begin = next_seq.unwrap_or(0).saturating_sub(leaves.len() as u64);
    Ok((torn, Tail { path, begin, leaves }))
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

/// Moves half a line to `<segment>.torn`; first there, then away, so that a crash can only double it.
pub(super) fn set_aside(dir: &Path, torn: &Torn) -> Result<(), OpenError> {
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
