//! The whole log in its order, and what is added to it.
//!
//! Needs no lock and no writer: it reads a copied folder as well as one that is being written.

use std::path::{Path, PathBuf};

use crate::read::{ReadError, segments};
use crate::record::Record;
use crate::scan::Forward;
use crate::segment::SegmentName;
use crate::tree::leaf_hash;

/// A record and the line it stands on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// The line as a record.
    pub record: Record,
    /// The line as it stands in the file, without its line feed.
    pub line: Vec<u8>,
}

impl Entry {
    /// The hash of the line as a leaf of the tree.
    pub fn leaf_hash(&self) -> [u8; 32] {
        leaf_hash(&self.line)
    }
}

/// The records of a log, oldest first.
///
/// `None` means that nothing more is there now; asked again later, the iterator gives what was
/// added since. After an error it gives nothing more. Checks that every line is a record and that
/// `seq` has no gap.
#[derive(Debug)]
pub struct Lines {
    dir: PathBuf,
    current: Option<(SegmentName, Forward)>,
    /// The `seq` that comes next; `None` before the first, which may be any: old segments get pruned.
    next_seq: Option<u64>,
    broken: bool,
}

/// All records from the oldest on.
///
/// # Errors
/// When the folder is missing or cannot be read.
pub fn read_all(dir: &Path) -> Result<Lines, ReadError> {
    segments(dir)?;
    Ok(Lines { dir: dir.to_owned(), current: None, next_seq: None, broken: false })
}

impl Lines {
    fn step(&mut self) -> Result<Option<Entry>, ReadError> {
        loop {
            // Listed before the end is looked for: what was written to a segment was written
            // before the next one was made.
            let names = segments(&self.dir)?;
            let newer = match &self.current {
                Some((name, _)) => names.into_iter().find(|other| other > name),
                None => names.into_iter().next(),
            };
            if let Some(entry) = self.entry()? {
                return Ok(Some(entry));
            }
            let Some(name) = newer else { return Ok(None) };
            if let Some((name, lines)) = &self.current {
                let path = self.dir.join(name.to_string());
                let length = std::fs::metadata(&path).map_or(lines.offset(), |metadata| metadata.len());
                if length > lines.offset() {
                    let why = "the line is cut, and later segments follow".to_owned();
                    return Err(ReadError::Damaged { file: path, byte: lines.offset(), why });
                }
            }
            let path = self.dir.join(name.to_string());
            let lines = Forward::open(&path, 0).map_err(|source| ReadError::Io { path, source })?;
            self.current = Some((name, lines));
        }
    }

    /// The next line of the current segment.
    fn entry(&mut self) -> Result<Option<Entry>, ReadError> {
        let Some((name, lines)) = &mut self.current else { return Ok(None) };
        let byte = lines.offset();
        let path = || self.dir.join(name.to_string());
        let Some(line) = lines.next_line().map_err(|source| ReadError::Io { path: path(), source })? else {
            return Ok(None);
        };
        let damaged = |why| ReadError::Damaged { file: path(), byte, why };
        let record = Record::parse(line).map_err(|error| damaged(error.to_string()))?;
        if let Some(expected) = self.next_seq.filter(|expected| *expected != record.seq) {
            return Err(damaged(format!("seq {} stands where seq {expected} belongs", record.seq)));
        }
        self.next_seq = Some(record.seq + 1);
        Ok(Some(Entry { record, line: line.to_vec() }))
    }
}

impl Iterator for Lines {
    type Item = Result<Entry, ReadError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.broken {
            return None;
        }
        // Within a segment there is no need to look at the folder.
        let outcome = match self.entry() {
            Ok(None) => self.step(),
            other => other,
        };
        self.broken = outcome.is_err();
        outcome.transpose()
    }
}
