//! Replacement of the key of a log: its outcome, and the reasons for a refusal.

use std::io;
use std::path::PathBuf;

use crate::keys::LINKS_LIMIT;
use crate::note::{BadKey, VerifierKey};

/// Why the key of a log was not replaced.
#[derive(Debug, thiserror::Error)]
pub enum RotateError {
    /// Nothing signs.
    #[error("this log is not signed, so no key can vouch for the next; bring its key back first")]
    NoTree,
    /// The one before is not done.
    #[error("the key was replaced a moment ago and has signed nothing yet; try again")]
    Busy,
    /// There is no end to it.
    #[error("the key of this log was replaced {LINKS_LIMIT} times; begin a new log")]
    TooMany,
    /// It is none.
    #[error(transparent)]
    Key(#[from] BadKey),
    /// A file cannot be written. The old key goes on.
    #[error("could not write {}: {source}", .path.file_name().unwrap_or_default().display())]
    Io {
        /// The file.
        path: PathBuf,
        /// The system's error.
        source: io::Error,
    },
    /// The record of it cannot be written. The old key goes on.
    #[error("the record of it could not be written: {0}")]
    Record(io::Error),
    /// The new key is the one from here on, and its first checkpoint is yet to come.
    #[error("the new key counts from now on, but could not sign yet: {0}")]
    Unsealed(#[source] super::AppendError),
}

/// A key that was replaced.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rotated {
    /// The key that signed so far.
    pub old: VerifierKey,
    /// The key that signs from now on.
    pub new: VerifierKey,
    /// The record that tells of it.
    pub seq: u64,
}
