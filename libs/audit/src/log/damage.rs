//! Why a log cannot be opened for writing.

use std::io;
use std::path::{Path, PathBuf};

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
        /// The fault, as a part of a sentence.
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
        /// The fault, as a part of a sentence.
        why: String,
    },
    /// The records are under no signature, and nobody vouches that there never was one.
    #[error(
        "the audit log in {} has {records} records and no tree over them: either it was begun without a key, or its tree was taken away; \
         the owner has to say that it may be taken over as it is",
        .dir.display()
    )]
    Treeless {
        /// The folder.
        dir: PathBuf,
        /// Number of records.
        records: u64,
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
        /// Step that failed, for the sentence.
        doing: &'static str,
        /// File or folder of the failed step.
        path: PathBuf,
        /// The system's error.
        source: io::Error,
    },
}

/// Names what was tried and where.
pub(super) fn failed(doing: &'static str, path: &Path) -> impl FnOnce(io::Error) -> OpenError {
    let path = path.to_owned();
    move |source| OpenError::Io { doing, path, source }
}

pub(super) fn damaged(path: &Path, line: u64, why: &str) -> OpenError {
    OpenError::Damaged { file: path.to_owned(), line, why: why.to_owned() }
}

impl OpenError {
    /// Whether the log is not as it was written.
    #[must_use]
    pub fn is_damage(&self) -> bool {
        match self {
            Self::Damaged { .. } | Self::Broken { .. } | Self::Treeless { .. } | Self::OtherKey { .. } => {
                true
            }
            Self::Locked { .. } | Self::Io { .. } => false,
        }
    }

    /// The fault, with places as names inside the log: the path of the home must not stand in a record.
    pub(super) fn within(&self) -> String {
        match self {
            Self::Damaged { file, line, why } => {
                format!("{}, line {line}: {why}", file.file_name().unwrap_or_default().display())
            }
            Self::Broken { why, .. } => why.clone(),
            Self::Treeless { records, .. } => format!("{records} records with no tree over them"),
            Self::OtherKey { .. } => "signed by another key".to_owned(),
            Self::Locked { .. } | Self::Io { .. } => "it cannot be used".to_owned(),
        }
    }
}
