//! The keys that zOS hands out to clients.
//!
//! A key is 256 random bits, shown once. The file keeps its SHA-256: nobody can search through
//! 256 random bits, so a slow hash would protect nothing more and cost every call. The command
//! line and the gateway may both change the file; each sees what the other did within a second.
//!
//! It does not decide what a key may do: that is its context's matter.

mod file;

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};

use crate::digest::sha256;
use crate::files::FileError;
use crate::secret::Secret;
use file::{KeyFile, Stamp, StoredKey};

/// Prefix of every key, so that secret scanners and people know it.
pub const PREFIX: &str = "zos_";

/// Time for which the file counts as unchanged without another look at it.
const LOOK: Duration = Duration::from_millis(200);

/// The least time between two writes of last-used times.
const TOUCH: Duration = Duration::from_secs(60);

/// Clock in Unix milliseconds.
pub type Clock = Arc<dyn Fn() -> u64 + Send + Sync>;

/// Facts about a key that may be shown: everything but the key.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct KeyInfo {
    /// Random name of the key, which is no part of it.
    pub id: String,
    /// The one context it is for; `None` lets the caller choose.
    pub context: Option<String>,
    /// Name of the client that it was made for.
    pub client: String,
    /// Time of making: RFC 3339, UTC.
    pub created: String,
    /// Time of last use, to about a minute; `None` for never.
    pub last_used: Option<String>,
}

/// Why keys could not be read or changed.
#[derive(Debug, thiserror::Error)]
pub enum KeysError {
    /// The file cannot be read or written.
    #[error(transparent)]
    File(#[from] FileError),
    /// The file is not what we wrote.
    #[error(
        "{} is damaged at line {line}, column {column}: {why}; put a copy back, or remove it and make new keys",
        .path.display()
    )]
    Damaged {
        /// The file.
        path: PathBuf,
        /// The line, from 1; 0 where the whole is meant.
        line: usize,
        /// The column, from 1; 0 where the whole is meant.
        column: usize,
        /// The fault, as a part of a sentence.
        why: String,
    },
    /// A newer version wrote it.
    #[error("{} has version {version}, and this program knows only version 1; update zOS", .path.display())]
    Version {
        /// The file.
        path: PathBuf,
        /// Its version.
        version: u64,
    },
    /// Another process kept the file locked.
    #[error("another process is changing {}; try again", .path.display())]
    Busy {
        /// The file.
        path: PathBuf,
    },
    /// A client name that would be hard to tell apart.
    #[error("a client's name must be 1 to 64 characters without control characters")]
    Client,
    /// The system gave no random bytes.
    #[error("the system gave no random bytes: {0}")]
    Random(#[from] getrandom::Error),
}

/// The keys in one file; cheap to clone, and every clone is the same.
#[derive(Clone)]
pub struct ClientKeys(Arc<Shared>);

struct Shared {
    path: PathBuf,
    clock: Clock,
    table: Mutex<KeyTable>,
    /// Whether a thread is writing last-used times.
    touching: AtomicBool,
}

struct KeyTable {
    /// Sorted by their digest.
    keys: Vec<StoredKey>,
    /// Version of the file that `keys` were read from; `None` to read it again.
    stamp: Option<Stamp>,
    looked: Instant,
    /// Fault of the file as it is now; `keys` are those of its last good version.
    problem: Option<String>,
    /// Last-used times that are not in the file yet, by id, in Unix milliseconds.
    touched: HashMap<String, u64>,
    written: Instant,
}

impl std::fmt::Debug for ClientKeys {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ClientKeys").field("path", &self.0.path).finish_non_exhaustive()
    }
}

impl ClientKeys {
    /// The keys in the file at `path`; no file is no keys.
    ///
    /// # Errors
    /// When there is a file that cannot be read or understood.
    pub fn open(path: &Path) -> Result<Self, KeysError> {
        Self::with_clock(path, Arc::new(system_clock))
    }

    /// Opens the file with a clock for `created` and `last_used`.
    ///
    /// # Errors
    /// Those of [`ClientKeys::open`].
    pub fn with_clock(path: &Path, clock: Clock) -> Result<Self, KeysError> {
        let stamp = Stamp::of(path)?;
        let keys = sorted(KeyFile::read(path)?.keys()?);
        let now = Instant::now();
        let table = KeyTable {
            keys,
            stamp: Some(stamp),
            looked: now,
            problem: None,
            touched: HashMap::new(),
            written: now,
        };
        let shared = Shared {
            path: path.to_owned(),
            clock,
            table: Mutex::new(table),
            touching: AtomicBool::new(false),
        };
        Ok(Self(Arc::new(shared)))
    }

    /// Makes a key. This is the only time that it can be seen.
    ///
    /// # Errors
    /// When the name is none, or the file cannot be changed; no key is made then.
    pub fn create(&self, context: Option<String>, client: String) -> Result<(KeyInfo, Secret), KeysError> {
        if !(1..=64).contains(&client.chars().count()) || client.chars().any(char::is_control) {
            return Err(KeysError::Client);
        }
        let key = Secret::random(PREFIX)?;
        let info = KeyInfo {
            id: hex::encode(&getrandom::u64()?.to_be_bytes()[..6]),
            context,
            client,
            created: format_time((self.0.clock)()),
            last_used: None,
        };
        let stored = StoredKey { info: info.clone(), sha256: sha256(key.expose().as_bytes()) };
        self.0.change(|file| {
            file.push(&stored);
            true
        })?;
        Ok((info, key))
    }

    /// All keys, in the order in which they were made.
    ///
    /// # Errors
    /// When the file cannot be read or understood.
    pub fn list(&self) -> Result<Vec<KeyInfo>, KeysError> {
        let keys = KeyFile::read(&self.0.path)?.keys()?;
        let table = self.0.table();
        Ok(keys
            .into_iter()
            .map(|StoredKey { mut info, .. }| {
                if let Some(time) = table.touched.get(&info.id) {
                    info.last_used = Some(format_time(*time));
                }
                info
            })
            .collect())
    }

    /// Takes a key back, at once; says whether there was one with this id.
    ///
    /// # Errors
    /// When the file cannot be changed; the key works on then.
    pub fn revoke(&self, id: &str) -> Result<bool, KeysError> {
        self.0.change(|file| file.remove(id))
    }

    /// The key that was presented, if it is one of ours, and notes that it was used.
    ///
    /// Takes about a microsecond, and looks at the file at most every 200 ms. Where the file
    /// became unreadable the keys of its last good version count, and [`ClientKeys::problem`] tells.
    pub fn check(&self, presented: &str) -> Option<KeyInfo> {
        if !presented.starts_with(PREFIX) {
            return None;
        }
        let digest = sha256(presented.as_bytes());
        let mut table = self.0.table();
        if table.looked.elapsed() >= LOOK {
            self.0.look(&mut table);
        }
        let info = table.known(&digest)?.info.clone();
        let due = self.0.touch(&mut table, &info.id);
        drop(table);
        if due {
            self.0.write_touched_aside();
        }
        Some(info)
    }

    /// Whether this is a key of ours, without noting that it was used: for a last look at what leaves.
    pub fn has(&self, text: &str) -> bool {
        let digest = sha256(text.as_bytes());
        self.0.table().known(&digest).is_some()
    }

    /// Whether any key was made; where none was, keyless callers are the only ones.
    pub fn is_empty(&self) -> bool {
        self.0.table().keys.is_empty()
    }

    /// Fault of the file as it is now, as a sentence.
    pub fn problem(&self) -> Option<String> {
        let mut table = self.0.table();
        self.0.look(&mut table);
        table.problem.clone()
    }

    /// Writes last-used times that are not in the file yet; the last clone does so when dropped.
    ///
    /// # Errors
    /// When the file cannot be changed; the times are kept for later.
    pub fn flush(&self) -> Result<(), KeysError> {
        self.0.write_touched()
    }
}

impl Shared {
    fn table(&self) -> MutexGuard<'_, KeyTable> {
        self.table.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Reads the file again if it is another one than before.
    fn look(&self, table: &mut KeyTable) {
        table.looked = Instant::now();
        let read = || {
            let stamp = Stamp::of(&self.path)?;
            if table.stamp.as_ref() == Some(&stamp) {
                return Ok(None);
            }
            Ok::<_, KeysError>(Some((sorted(KeyFile::read(&self.path)?.keys()?), stamp)))
        };
        match read() {
            Ok(None) => {}
            Ok(Some((keys, stamp))) => {
                table.keys = keys;
                table.stamp = Some(stamp);
                table.problem = None;
            }
            Err(error) => {
                table.problem = Some(error.to_string());
                table.stamp = None;
            }
        }
    }

    /// Reads the file, changes it and writes it back if `change` says that it did something.
    fn change(&self, change: impl FnOnce(&mut KeyFile) -> bool) -> Result<bool, KeysError> {
        let _lock = file::lock(&self.path)?;
        let mut file = KeyFile::read(&self.path)?;
        // What cannot be understood is not written over.
        file.keys()?;
        let changed = change(&mut file);
        if changed {
            file.write()?;
        }
        let mut table = self.table();
        table.stamp = None;
        self.look(&mut table);
        Ok(changed)
    }

    /// Notes that a key was used. Returns whether the last-used times are due to be written.
    fn touch(&self, table: &mut KeyTable, id: &str) -> bool {
        let now = (self.clock)();
        match table.touched.get_mut(id) {
            Some(time) => *time = now,
            None => drop(table.touched.insert(id.to_owned(), now)),
        }
        let due = table.written.elapsed() >= TOUCH;
        if due {
            table.written = Instant::now();
        }
        due
    }

    /// Writes last-used times on a thread of its own: a call does not wait for a disk.
    fn write_touched_aside(self: &Arc<Self>) {
        if self.touching.swap(true, Ordering::AcqRel) {
            return;
        }
        let shared = Arc::clone(self);
        let write = move || {
            // A failure is no reason to refuse a call; the times stay for the next attempt.
            let _ = shared.write_touched();
            shared.touching.store(false, Ordering::Release);
        };
        if std::thread::Builder::new().name("key-times".to_owned()).spawn(write).is_err() {
            self.touching.store(false, Ordering::Release);
        }
    }

    fn write_touched(&self) -> Result<(), KeysError> {
        let touched = self.table().touched.clone();
        if touched.is_empty() {
            return Ok(());
        }
        self.change(|file| {
            touched.iter().fold(false, |changed, (id, time)| file.touch(id, &format_time(*time)) || changed)
        })?;
        self.table().touched.retain(|id, time| touched.get(id) != Some(time));
        Ok(())
    }
}

impl KeyTable {
    /// The key with this digest.
    ///
    /// The search by the first bytes takes a time that depends on the digest, which tells nothing:
    /// whoever presents a key cannot choose its digest. The whole is compared in constant time.
    fn known(&self, digest: &[u8; 32]) -> Option<&StoredKey> {
        let from = self.keys.partition_point(|key| key.sha256[..8] < digest[..8]);
        let alike = self.keys[from..].iter().take_while(|key| key.sha256[..8] == digest[..8]);
        alike.into_iter().find(|key| key.has(digest))
    }
}

impl Drop for Shared {
    fn drop(&mut self) {
        let _ = self.write_touched();
    }
}

/// Sorts keys as [`KeyTable::known`] searches them.
fn sorted(mut keys: Vec<StoredKey>) -> Vec<StoredKey> {
    keys.sort_unstable_by_key(|key| key.sha256);
    keys
}

fn format_time(unix_ms: u64) -> String {
    let time = i64::try_from(unix_ms).ok().and_then(|ms| jiff::Timestamp::from_millisecond(ms).ok());
    format!("{:.3}", time.unwrap_or(jiff::Timestamp::MAX))
}

/// The clock of the machine; an hour before 1970 counts as 1970.
fn system_clock() -> u64 {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests;
