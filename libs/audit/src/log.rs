//! The one writer of a log.
//!
//! An append takes a lock, writes one line and leaves: nothing on that path waits for the disk. A
//! thread of the log syncs within 100 ms, and at once while somebody waits for it, for all who wait
//! together. When a write or a sync fails the log is [`Health::Failing`] and every append is
//! answered at once; the same thread tries again until a `gap` record can be written.
//!
//! Limit: a file system that hangs instead of failing (a lost network mount) holds the
//! writer for as long as it hangs.

mod damage;
mod end;
mod flusher;
mod opening;
mod rotation;
mod sealer;
mod takeover;
mod writer;

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::{SystemTime, UNIX_EPOCH};

pub use damage::OpenError;
pub use rotation::{RotateError, Rotated};

use crate::note::Signer;
use crate::record::Record;
use flusher::Shared;

/// Clock in Unix milliseconds.
pub type Clock = Arc<dyn Fn() -> u64 + Send + Sync>;

/// Whether a call waits for the disk.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Durability {
    /// The operating system has the record when the call ends, the disk within 100 ms.
    #[default]
    Relaxed,
    /// The disk has it when the call ends.
    Sync,
}

/// Choices for a log whose past is not as it was written.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum OnDamage {
    /// It is not opened: the owner has to look first.
    #[default]
    Refuse,
    /// Its folder is renamed, a new log begins, and its first record says so.
    SetAside,
    /// It is written on behind the damage, and no checkpoint is signed any more. A record says so.
    DangerousServe,
}

/// Settings of a log that is written.
#[derive(Clone)]
pub struct Options {
    /// Point at which [`Log::write`] returns.
    pub durability: Durability,
    /// The length beyond which a segment is closed and the next one begun.
    pub rotate_bytes: u64,
    /// Clock for `time` and for the day of a segment.
    pub clock: Clock,
    /// Signs the checkpoints. Without one no tree is kept; a later life with one covers what was written.
    pub signer: Option<Arc<dyn Signer>>,
    /// Choice for a log that is found damaged.
    pub on_damage: OnDamage,
    /// A file outside of the folder that is told the size and the root of each checkpoint, and is held against the
    /// newest one when the log is opened: who can write the folder alone can put nothing back.
    pub witness: Option<PathBuf>,
    /// Take over records that are under no tree although no witness vouches that there never was one.
    pub adopts: bool,
    /// Begin as [`Health::Failing`] where the folder cannot be used, and go on trying, instead of not opening.
    pub waits: bool,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            durability: Durability::Relaxed,
            rotate_bytes: 64 << 20,
            clock: Arc::new(system_clock),
            signer: None,
            on_damage: OnDamage::Refuse,
            witness: None,
            adopts: false,
            waits: false,
        }
    }
}

impl std::fmt::Debug for Options {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Options")
            .field("durability", &self.durability)
            .field("rotate_bytes", &self.rotate_bytes)
            .finish_non_exhaustive()
    }
}

/// Whether records are being kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Health {
    /// The last write and the last sync went well.
    Healthy,
    /// Records are being lost. The log recovers by itself and then records the gap.
    Failing {
        /// Time of the first failure: RFC 3339, UTC.
        since: String,
        /// Last error of the operating system.
        error: String,
    },
}

/// Why a record was not kept.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum AppendError {
    /// The line could not be written; nothing of it is in the log.
    #[error("could not write to the audit log: {0}; free space or fix the folder, the log goes on by itself")]
    Write(String),
    /// The line was written, and the disk did not confirm it.
    #[error("the disk did not confirm the audit record: {0}")]
    Sync(String),
    /// [`Log::close`] came first.
    #[error("the audit log is closed")]
    Closed,
}

/// The writer of a log: cheap to clone, and every clone is the same log.
#[derive(Debug, Clone)]
pub struct Log(Arc<Handle>);

#[derive(Debug)]
struct Handle {
    shared: Arc<Shared>,
    durability: Durability,
    flusher: Mutex<Option<JoinHandle<()>>>,
}

impl Log {
    /// Opens the log in `dir` for writing; makes the folder where it is missing.
    ///
    /// Half a line that a crash left at the very end is moved to `<segment>.torn` and recorded.
    /// The newest segment is walked through, of each older one the first and last line are checked.
    ///
    /// # Errors
    /// When another process writes it, when the log is damaged, or when the folder cannot be used.
    pub fn open(dir: &Path, options: Options) -> Result<Self, OpenError> {
        let durability = options.durability;
        let shared = match opening::open(dir, &options) {
            Ok(opened) => Shared::new(opened),
            Err(error @ OpenError::Io { .. }) if options.waits => {
                Shared::waiting(dir.to_owned(), options, &error)
            }
            Err(error) => return Err(error),
        };
        let shared = Arc::new(shared);
        let flusher = flusher::spawn(Arc::clone(&shared)).map_err(|source| OpenError::Io {
            doing: "start the thread of",
            path: dir.to_owned(),
            source,
        })?;
        Ok(Self(Arc::new(Handle { shared, durability, flusher: Mutex::new(Some(flusher)) })))
    }

    /// Appends a record and returns its `seq`; the operating system has it then.
    ///
    /// Sets `v`, `seq` and `time`, and brings every field inside its bound.
    ///
    /// # Errors
    /// At once, when it cannot be written. The loss is counted and told by the next `gap` record.
    pub fn append(&self, record: Record) -> Result<u64, AppendError> {
        self.0.shared.append(record.bounded())
    }

    /// Blocks until the disk has the record with this `seq` and all before it.
    ///
    /// # Errors
    /// When the sync fails that it waited for, or the log is closed before it.
    pub fn wait_durable(&self, seq: u64) -> Result<(), AppendError> {
        self.0.shared.wait_durable(seq)
    }

    /// Whether the log takes records, as far as can be known without writing one: trouble that is over is left
    /// behind first, and a segment that was removed is noticed. A disk that is full is noticed by the next write only.
    ///
    /// # Errors
    /// When records are being lost just now, or the log is closed. Nothing counts as lost by asking.
    pub fn ready(&self) -> Result<(), AppendError> {
        self.0.shared.ready()
    }

    /// Appends a record and, with [`Durability::Sync`], blocks until the disk has it.
    ///
    /// # Errors
    /// Those of [`Log::append`] and [`Log::wait_durable`].
    pub fn write(&self, record: Record) -> Result<u64, AppendError> {
        let seq = self.append(record)?;
        if self.0.durability == Durability::Sync {
            self.wait_durable(seq)?;
        }
        Ok(seq)
    }

    /// Signs a checkpoint over every record that is there now, blocks until the disk has it, and returns
    /// its size; `None` where no tree is kept.
    ///
    /// # Errors
    /// When the disk does not take it; the log goes on trying by itself.
    pub fn seal(&self) -> Result<Option<u64>, AppendError> {
        self.0.shared.seal()
    }

    /// Replaces the key that signs checkpoints: the old one vouches for it, and a `key` record tells of it.
    /// Blocks until the new key has signed.
    ///
    /// # Errors
    /// When it cannot be done; unless it is [`RotateError::Unsealed`], the old key goes on.
    pub fn rotate_key(&self, signer: Arc<dyn Signer>) -> Result<Rotated, RotateError> {
        self.0.shared.rotate(signer)
    }

    /// Damage of the past of this log, where it is written all the same.
    pub fn damage(&self) -> Option<String> {
        self.0.shared.damage()
    }

    /// Durability that this log was opened with.
    pub fn durability(&self) -> Durability {
        self.0.durability
    }

    /// Whether records are being kept.
    pub fn health(&self) -> Health {
        self.0.shared.health()
    }

    /// Syncs, seals, ends the thread and gives the folder free. Other clones answer [`AppendError::Closed`] from then on.
    ///
    /// The last clone that is dropped does the same, without telling how it went.
    ///
    /// # Errors
    /// When the last sync fails.
    pub fn close(self) -> Result<(), AppendError> {
        self.0.stop()
    }
}

impl Handle {
    fn stop(&self) -> Result<(), AppendError> {
        self.shared.stop();
        let flusher = self.flusher.lock().unwrap_or_else(std::sync::PoisonError::into_inner).take();
        if let Some(flusher) = flusher {
            // A panic of the thread is already told by what it left unsynced.
            let _ = flusher.join();
        }
        self.shared.farewell()
    }
}

impl Drop for Handle {
    fn drop(&mut self) {
        let _ = self.stop();
    }
}

/// The clock of the machine; an hour before 1970 counts as 1970.
fn system_clock() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests;
