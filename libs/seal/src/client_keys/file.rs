//! The file of keys: what it looks like, and how two processes change it without losing either's work.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, SystemTime};

use serde_json::{Map, Value, json};
use subtle::ConstantTimeEq;

use super::{KeyInfo, KeysError};
use crate::digest::parse_hex;
use crate::files::{FileError, atomic_write, failed, read_regular};

/// The largest file of keys that is read: some hundred thousand keys.
const FILE_BYTES: usize = 64 << 20;

/// Time that a process waits for another to finish its change.
const PATIENCE: Duration = Duration::from_secs(2);

/// A key as the file has it.
#[derive(Clone)]
pub(super) struct StoredKey {
    pub(super) info: KeyInfo,
    pub(super) sha256: [u8; 32],
}

impl StoredKey {
    /// Whether this is the key with that digest; takes the same time for every digest.
    pub(super) fn has(&self, digest: &[u8; 32]) -> bool {
        self.sha256.ct_eq(digest).into()
    }
}

/// The file as JSON, so that fields we do not know stay in it.
pub(super) struct KeyFile {
    path: PathBuf,
    root: Map<String, Value>,
}

impl KeyFile {
    /// Reads the file; no file is one without keys.
    pub(super) fn read(path: &Path) -> Result<Self, KeysError> {
        let text = match read_regular(path, FILE_BYTES) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                let mut root = Map::new();
                root.insert("version".to_owned(), json!(1));
                root.insert("keys".to_owned(), json!([]));
                return Ok(Self { path: path.to_owned(), root });
            }
            other => other.map_err(failed("read", path))?,
        };
        let root: Map<String, Value> = serde_json::from_slice(&text).map_err(|error| {
            let (line, column) = (error.line(), error.column());
            let why = error.to_string();
            let why = why.split(" at line ").next().unwrap_or(&why).to_owned();
            KeysError::Damaged { path: path.to_owned(), line, column, why }
        })?;
        let file = Self { path: path.to_owned(), root };
        match file.root.get("version").map(Value::as_u64) {
            Some(Some(1)) => Ok(file),
            Some(Some(version)) => Err(KeysError::Version { path: path.to_owned(), version }),
            Some(None) | None => Err(file.damaged("`version` is missing or no number")),
        }
    }

    /// The keys in it.
    pub(super) fn keys(&self) -> Result<Vec<StoredKey>, KeysError> {
        let Some(Value::Array(entries)) = self.root.get("keys") else {
            return Err(self.damaged("`keys` is missing or no list"));
        };
        let key = |(index, entry): (usize, &Value)| {
            let wrong = |why: &str| self.damaged(&format!("key {} of the list {why}", index + 1));
            let info =
                KeyInfo::deserialize_from(entry).map_err(|error| wrong(&format!("is no key: {error}")))?;
            let sha256 = entry.get("sha256").and_then(Value::as_str).and_then(parse_hex);
            Ok(StoredKey { info, sha256: sha256.ok_or_else(|| wrong("has no `sha256` of 64 digits"))? })
        };
        entries.iter().enumerate().map(key).collect()
    }

    pub(super) fn push(&mut self, key: &StoredKey) {
        let KeyInfo { id, context, client, created, last_used } = &key.info;
        self.entries().push(json!({
            "id": id,
            "context": context,
            "client": client,
            "created": created,
            "last_used": last_used,
            "sha256": hex::encode(key.sha256),
        }));
    }

    pub(super) fn remove(&mut self, id: &str) -> bool {
        let entries = self.entries();
        let before = entries.len();
        entries.retain(|entry| entry["id"] != id);
        entries.len() < before
    }

    /// Moves the last-used time forward; never back, for another process may have been later.
    pub(super) fn touch(&mut self, id: &str, time: &str) -> bool {
        let Some(entry) = self.entries().iter_mut().find(|entry| entry["id"] == id) else { return false };
        if entry["last_used"].as_str().is_some_and(|known| known >= time) {
            return false;
        }
        entry["last_used"] = json!(time);
        true
    }

    pub(super) fn write(&self) -> Result<(), KeysError> {
        let mut text = serde_json::to_vec_pretty(&self.root).expect("JSON that was read can be written");
        text.push(b'\n');
        Ok(atomic_write(&self.path, &text, 0o600)?)
    }

    fn entries(&mut self) -> &mut Vec<Value> {
        self.root
            .get_mut("keys")
            .and_then(Value::as_array_mut)
            .expect("keys() was asked first, and it refuses a file without the list")
    }

    fn damaged(&self, why: &str) -> KeysError {
        KeysError::Damaged { path: self.path.clone(), line: 0, column: 0, why: why.to_owned() }
    }
}

impl KeyInfo {
    fn deserialize_from(entry: &Value) -> Result<Self, serde_json::Error> {
        serde::Deserialize::deserialize(entry)
    }
}

/// Version of a file by its metadata (time, size, inode), told without reading it; `None` inside if there is no file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Stamp(Option<(SystemTime, u64, u64)>);

impl Stamp {
    /// The stamp of the file; that of a missing file is like no other.
    pub(super) fn of(path: &Path) -> Result<Self, FileError> {
        let metadata = match fs::metadata(path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Self(None)),
            other => other.map_err(failed("read", path))?,
        };
        let modified = metadata.modified().map_err(failed("read", path))?;
        #[cfg(unix)]
        let inode = std::os::unix::fs::MetadataExt::ino(&metadata);
        #[cfg(not(unix))]
        let inode = 0;
        Ok(Self(Some((modified, metadata.len(), inode))))
    }
}

/// Waits until no other process changes the file; the lock is free again when dropped.
pub(super) fn lock(path: &Path) -> Result<File, KeysError> {
    let mut name = path.as_os_str().to_owned();
    name.push(".lock");
    let lock = PathBuf::from(name);
    let mut options = OpenOptions::new();
    // For reading as well: a pipe in its place is then opened at once, and fails to be locked or does no harm.
    options.create(true).truncate(false).read(true).write(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let file = options.open(&lock).map_err(failed("open", &lock))?;
    let begun = std::time::Instant::now();
    loop {
        match file.try_lock() {
            Ok(()) => return Ok(file),
            Err(TryLockError::Error(error)) => return Err(failed("lock", &lock)(error).into()),
            Err(TryLockError::WouldBlock) if begun.elapsed() >= PATIENCE => {
                return Err(KeysError::Busy { path: path.to_owned() });
            }
            Err(TryLockError::WouldBlock) => thread::sleep(Duration::from_millis(5)),
        }
    }
}
