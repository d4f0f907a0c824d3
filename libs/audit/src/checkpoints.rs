//! The checkpoints of a log as they stand in its folder.
//!
//! A new one is written to `checkpoint.new` first and takes the name `checkpoint` once its tiles are written, so a crash
//! can leave both; a reader takes the newer of the two.

use std::io;
use std::path::Path;

use crate::files::read;
use crate::keys::Keys;
use crate::note::{Checkpoint, VerifierKey};

/// Name of the file with the newest checkpoint whose tiles are all written.
pub(crate) const CHECKPOINT: &str = "checkpoint";

/// Name of the file with the checkpoint that is being written.
pub(crate) const CHECKPOINT_NEW: &str = "checkpoint.new";

/// The newest checkpoint of a log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Newest {
    pub(crate) checkpoint: Checkpoint,
    /// The key that signed it.
    pub(crate) key: VerifierKey,
    /// The size up to which all tiles are written: smaller while a crash left the newest note alone.
    pub(crate) settled: u64,
}

/// The notes of a log as they stand in its folder.
pub(crate) struct Notes {
    new: Option<Vec<u8>>,
    settled: Option<Vec<u8>>,
}

impl Notes {
    /// Reads the notes. It must run before the keys are read, so that the key of each note is among those.
    pub(crate) fn read(dir: &Path) -> io::Result<Self> {
        // In this order: the new one becomes the other, never the other way round.
        Ok(Self { new: read(&dir.join(CHECKPOINT_NEW))?, settled: read(&dir.join(CHECKPOINT))? })
    }

    /// Whether there is none at all.
    pub(crate) fn are_missing(&self) -> bool {
        self.new.is_none() && self.settled.is_none()
    }

    /// Whether there is one that counts.
    pub(crate) fn is_settled(&self) -> bool {
        self.settled.is_some()
    }
}

/// The newest checkpoint of a log that its keys signed; `None` where no note of it is there.
///
/// # Errors
/// When `checkpoint` is none of this log. What stands in `checkpoint.new` may be cut by a crash and counts
/// only when it is whole.
pub(crate) fn head(notes: &Notes, keys: &Keys) -> Result<Option<Newest>, String> {
    let open = |note: &Vec<u8>| keys.open(note).map(|(checkpoint, key)| (checkpoint, key.clone()));
    let new = notes.new.as_ref().and_then(|note| open(note).ok());
    let settled = notes.settled.as_ref().map(open).transpose().map_err(|error| error.to_string())?;
    let size = settled.as_ref().map_or(0, |(settled, _)| settled.size);
    let newest = match (settled, new) {
        (Some(settled), Some(new)) if new.0.size > settled.0.size => Some(new),
        (settled, new) => settled.or(new),
    };
    Ok(newest.map(|(checkpoint, key)| Newest { settled: size.min(checkpoint.size), checkpoint, key }))
}
