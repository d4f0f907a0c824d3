//! Removes the oldest segments, and keeps what proves the rest.
//!
//! The hashes of the removed records stay in the tree, so every checkpoint and every proof of what is
//! left stays valid. First the record that tells of it is signed for, then the files go: a crash between
//! leaves a record of something that is done at the next call.

use std::path::Path;

use crate::log::{AppendError, Log};
use crate::read::{ReadError, segments};
use crate::record::{Head, Record};
use crate::scan::Forward;

/// Why a log was not pruned.
#[derive(Debug, thiserror::Error)]
pub enum PruneError {
    /// It cannot be read.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// The record of it cannot be written.
    #[error(transparent)]
    Append(#[from] AppendError),
    /// Nothing signs for what is removed.
    #[error("this log has no tree, so nothing would prove what was removed; open it with a key first")]
    NoTree,
}

/// Records and files that were removed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pruned {
    /// The first record that is gone.
    pub from: u64,
    /// The first one that is left.
    pub to: u64,
    /// The files, by name.
    pub files: Vec<String>,
}

/// Removes all segments of days before `day` (`2026-01-02`), never the newest segment.
///
/// `None` when there are none.
///
/// # Errors
/// When the log cannot be read or written, or has no tree.
pub fn prune(log: &Log, dir: &Path, day: &str) -> Result<Option<Pruned>, PruneError> {
    let names = segments(dir)?;
    let old = names.iter().take_while(|name| name.day.as_str() < day).count();
    let old = old.min(names.len().saturating_sub(1));
    if old == 0 {
        return Ok(None);
    }
    let first_of = |index: usize| -> Result<Option<u64>, ReadError> {
        for name in &names[index..] {
            let path = dir.join(name.to_string());
            let failed = |source| ReadError::Io { path: path.clone(), source };
            let mut lines = Forward::open(&path, 0).map_err(failed)?;
            if let Some(line) = lines.next_line().map_err(failed)? {
                let damaged = |why: String| ReadError::Damaged { file: path.clone(), byte: 0, why };
                return Head::parse(line).map(|head| Some(head.seq)).map_err(|e| damaged(e.to_string()));
            }
        }
        Ok(None)
    };
    let (Some(from), Some(to)) = (first_of(0)?, first_of(old)?) else { return Ok(None) };
    if log.seal()?.is_none() {
        return Err(PruneError::NoTree);
    }
    log.append(Record::pruned(from, to, day))?;
    log.seal()?;
    let mut files = Vec::new();
    for name in &names[..old] {
        let path = dir.join(name.to_string());
        std::fs::remove_file(&path).map_err(|source| ReadError::Io { path, source })?;
        files.push(name.to_string());
    }
    Ok(Some(Pruned { from, to, files }))
}
