//! The newest records first, by filter, page by page.
//!
//! Reads segments backwards in blocks, so that the newest page of a huge log is quick; takes no
//! lock and bothers no writer. It trusts the lines as they are: what checks them is
//! [`read_all`](crate::read_all), and of those it looks only at `seq`.

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::record::{Kind, Record, Verdict};
use crate::scan::Backward;
use crate::segment::{self, SegmentName};
use crate::time::{format_time, parse_time};

/// The most bytes one page looks through. A filter that matches little gets a shorter page then,
/// with a cursor to go on from; so that no question takes longer than about a second.
pub const SCAN_BYTES: u64 = 64 << 20;

/// Filter of records; a field that is `None` lets all through.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Filter {
    /// The context that governed the call.
    pub context: Option<String>,
    /// Verdict of the policy.
    pub verdict: Option<Verdict>,
    /// The id of a rule that spoke.
    pub rule: Option<String>,
    /// The client's name.
    pub client: Option<String>,
    /// The earliest time, in Unix milliseconds; see [`parse_time`].
    pub since: Option<u64>,
    /// The kind of event.
    pub kind: Option<Kind>,
}

impl Filter {
    /// Whether the record is one of those asked for.
    pub fn matches(&self, record: &Record) -> bool {
        fn equal<T: PartialEq>(asked: &Option<T>, found: Option<&T>) -> bool {
            asked.as_ref().is_none_or(|asked| found == Some(asked))
        }
        equal(&self.context, record.context.as_ref())
            && equal(&self.verdict, record.verdict.as_ref())
            && equal(&self.client, record.client.as_ref())
            && equal(&self.kind, Some(&record.kind))
            && self.rule.as_ref().is_none_or(|rule| record.rules.contains(rule))
            && self.since.is_none_or(|since| parse_time(&record.time).is_ok_and(|time| time >= since))
    }
}

/// One page, newest first.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Page {
    /// The records; can be fewer than asked for although older ones exist.
    pub records: Vec<Record>,
    /// Place of the next page; `None` when nothing older is left to look at.
    pub next: Option<Cursor>,
}

/// A place in the log, opaque to clients. New records do not move it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Cursor {
    name: SegmentName,
    /// Everything before this byte comes next.
    before: u64,
}

impl fmt::Display for Cursor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{:03}.{}", self.name.day, self.name.number, self.before)
    }
}

impl FromStr for Cursor {
    type Err = BadCursor;

    fn from_str(text: &str) -> Result<Self, BadCursor> {
        let (stem, before) = text.rsplit_once('.').ok_or(BadCursor)?;
        let name = format!("{stem}.jsonl").parse().map_err(|_| BadCursor)?;
        Ok(Self { name, before: before.parse().map_err(|_| BadCursor)? })
    }
}

impl TryFrom<String> for Cursor {
    type Error = BadCursor;

    fn try_from(text: String) -> Result<Self, BadCursor> {
        text.parse()
    }
}

impl From<Cursor> for String {
    fn from(cursor: Cursor) -> Self {
        cursor.to_string()
    }
}

/// A text that is no cursor of ours.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the cursor is not one that an earlier page gave; leave it out to begin with the newest record")]
pub struct BadCursor;

/// Why a log cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// There is no such folder.
    #[error("there is no audit log at {}; it is made when `zos serve` or the desktop first runs", .dir.display())]
    Missing {
        /// The folder.
        dir: PathBuf,
    },
    /// A line is not what was written there.
    #[error("the audit log is damaged: {}, byte {byte}: {why}", .file.display())]
    Damaged {
        /// The segment.
        file: PathBuf,
        /// First byte of the line, in the file.
        byte: u64,
        /// The fault, as a part of a sentence.
        why: String,
    },
    /// The operating system said no.
    #[error("could not read the audit log at {}: {source}", .path.display())]
    Io {
        /// The file or folder.
        path: PathBuf,
        /// The system's error.
        source: io::Error,
    },
}

/// The segments of the log, oldest first.
pub(crate) fn segments(dir: &Path) -> Result<Vec<SegmentName>, ReadError> {
    segment::list(dir).map_err(|source| match source.kind() {
        io::ErrorKind::NotFound => ReadError::Missing { dir: dir.to_owned() },
        _ => ReadError::Io { path: dir.to_owned(), source },
    })
}

/// The newest records that match, from `cursor` on, at most `limit` (at least 1).
///
/// # Errors
/// When the folder is missing, a file cannot be read, or a line is no record.
pub fn recent(dir: &Path, filter: &Filter, cursor: Option<Cursor>, limit: usize) -> Result<Page, ReadError> {
    page(dir, filter, cursor, limit.max(1), SCAN_BYTES)
}

fn page(
    dir: &Path,
    filter: &Filter,
    cursor: Option<Cursor>,
    limit: usize,
    scan_bytes: u64,
) -> Result<Page, ReadError> {
    // No record is younger than the day of its segment.
    let first_day = filter.since.map(|since| format_time(since)[..10].to_owned());
    let names: Vec<_> = segments(dir)?
        .into_iter()
        .filter(|name| first_day.as_ref().is_none_or(|day| name.day >= *day))
        .filter(|name| cursor.as_ref().is_none_or(|cursor| *name <= cursor.name))
        .collect();
    let mut records = Vec::new();
    let mut scanned = 0;
    for (index, name) in names.iter().enumerate().rev() {
        let path = dir.join(name.to_string());
        let failed = |source| ReadError::Io { path: path.clone(), source };
        let before = cursor.as_ref().filter(|cursor| cursor.name == *name).map(|cursor| cursor.before);
        let mut lines = match Backward::open(&path, before) {
            // Pruned since the folder was listed.
            Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
            other => other.map_err(failed)?,
        };
        while let Some((byte, line)) = lines.next_line().map_err(failed)? {
            let record = Record::parse(line).map_err(|error| ReadError::Damaged {
                file: path.clone(),
                byte,
                why: error.to_string(),
            })?;
            scanned += line.len() as u64 + 1;
            if filter.matches(&record) {
                records.push(record);
            }
            if records.len() == limit || scanned >= scan_bytes {
                let next = (byte > 0 || index > 0).then(|| Cursor { name: name.clone(), before: byte });
                return Ok(Page { records, next });
            }
        }
    }
    Ok(Page { records, next: None })
}

#[cfg(test)]
mod tests;
