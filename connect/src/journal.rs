//! The journal of what was written where: `connect/<client>.json` in the home of zOS, and beside it a copy of every
//! file as it was.
//!
//! The journal is written before the first file is touched and says `applying`; when the last one is written it says
//! `applied`. A process that dies in between leaves a journal that says where it was, and [`Journal::recover`] takes
//! back what it had written: so a client's files are all as they were, or all as planned. Undoing works the same way
//! forwards. One lock holds off a second `zos connect`.
//!
//! Undoing a file that nobody changed since gives its bytes back. Where somebody did, only our keys are taken back,
//! and only those that still hold what we wrote; the others are told.

use crate::edit::{self, Format, Step, Way};
use crate::plan::{FileChange, Plan, bytes};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use zos_seal::{FileError, atomic_write, private_folder, sha256_hex};

const VERSION: u32 = 1;

/// Where a change of files stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
enum State {
    Applying,
    Applied,
    Undoing,
}

/// What is kept of a key.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct KeptKey {
    way: Vec<Step>,
    before: Option<Value>,
    after: Value,
    kept: usize,
}

/// What is kept of a file.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct KeptFile {
    path: PathBuf,
    format: Format,
    /// Bytes before, in base64; absent where there was no file.
    before: Option<String>,
    /// Digest of the bytes that we wrote.
    after: String,
    /// Folders that were made for it, outermost first.
    folders: Vec<PathBuf>,
    keys: Vec<KeptKey>,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
struct Kept {
    version: u32,
    client: String,
    state: State,
    files: Vec<KeptFile>,
}

/// Why files were not changed, or not back.
#[derive(Debug, thiserror::Error)]
pub enum JournalError {
    /// A file could not be written or read.
    #[error(transparent)]
    File(#[from] FileError),
    /// The system said no.
    #[error("{}: {source}", .path.display())]
    Io {
        /// The file or folder.
        path: PathBuf,
        /// The system's error.
        source: io::Error,
    },
    /// A file is not as it was shown.
    #[error("{} changed since the plan was shown; look at it again", .0.display())]
    Changed(PathBuf),
    /// The client is connected already.
    #[error("{0} is connected already; `zos disconnect {0}` takes that back first")]
    Connected(String),
    /// The journal is of a later version, or damaged.
    #[error("{} is damaged or of a later zOS; the copies beside it hold the files as they were", .0.display())]
    Damaged(PathBuf),
    /// Another process works on it.
    #[error("another zos connect is at work; wait until it is done")]
    Busy,
}

/// A moment at which a process may die; tests do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Moment {
    /// The journal was written.
    Journalled,
    /// A copy of a file was made.
    Copied,
    /// A file was written.
    Written,
    /// All is done.
    Done,
}

/// How a key stands beside what we wrote.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Drift {
    /// The file.
    pub path: PathBuf,
    /// The key, or nothing where the whole file is gone or unreadable.
    pub key: Option<String>,
}

/// What came of an undo.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Undone {
    /// Files that are byte for byte as they were.
    pub restored: Vec<PathBuf>,
    /// Files that somebody changed since: only our keys were taken back.
    pub edited: Vec<PathBuf>,
    /// Keys that hold something else than we wrote, and were left.
    pub left: Vec<Drift>,
}

/// The journals of a home.
pub struct Journal {
    folder: PathBuf,
    _lock: File,
}

fn io_error(path: &Path) -> impl FnOnce(io::Error) -> JournalError {
    let path = path.to_owned();
    move |source| JournalError::Io { path, source }
}

impl Journal {
    /// Opens the journals in `folder`, which is made where it is missing, and holds off others. What a process that
    /// died has left half done is finished or taken back.
    ///
    /// # Errors
    /// If another process works on them, or a file cannot be read or written.
    pub fn open(folder: &Path) -> Result<Self, JournalError> {
        private_folder(folder)?;
        let path = folder.join("lock");
        let lock = File::options().create(true).append(true).open(&path).map_err(io_error(&path))?;
        match lock.try_lock() {
            Ok(()) => {}
            Err(fs::TryLockError::WouldBlock) => return Err(JournalError::Busy),
            Err(fs::TryLockError::Error(source)) => return Err(JournalError::Io { path, source }),
        }
        let journal = Journal { folder: folder.to_owned(), _lock: lock };
        for client in journal.clients()? {
            journal.recover(&client)?;
        }
        Ok(journal)
    }

    /// Clients that are connected, by name.
    ///
    /// # Errors
    /// If the folder cannot be read.
    pub fn clients(&self) -> Result<Vec<String>, JournalError> {
        connected(&self.folder).map_err(io_error(&self.folder))
    }

    /// Writes what a plan says.
    ///
    /// # Errors
    /// If a file is not as the plan found it, the client is connected already, or something cannot be written; then
    /// what was written is taken back.
    pub fn apply(&self, client: &str, plan: &Plan) -> Result<(), JournalError> {
        self.apply_observed(client, plan, "now", &mut |_| {})
    }

    /// As [`Journal::apply`], with the time for the names of the copies, and telling of every step.
    ///
    /// # Errors
    /// As [`Journal::apply`].
    pub fn apply_observed(
        &self,
        client: &str,
        plan: &Plan,
        time: &str,
        observe: &mut dyn FnMut(Moment),
    ) -> Result<(), JournalError> {
        if plan.files.is_empty() {
            return Ok(());
        }
        if self.read(client)?.is_some() {
            return Err(JournalError::Connected(client.to_owned()));
        }
        for file in &plan.files {
            if bytes(&file.path).map_err(io_error(&file.path))? != file.before {
                return Err(JournalError::Changed(file.path.clone()));
            }
        }
        let files = plan.files.iter().map(kept).collect();
        let mut kept = Kept { version: VERSION, client: client.to_owned(), state: State::Applying, files };
        self.write(&kept)?;
        observe(Moment::Journalled);
        let written = self.write_files(client, plan, time, observe);
        if let Err(error) = written {
            self.recover(client)?;
            return Err(error);
        }
        kept.state = State::Applied;
        self.write(&kept)?;
        observe(Moment::Done);
        Ok(())
    }

    fn write_files(
        &self,
        client: &str,
        plan: &Plan,
        time: &str,
        observe: &mut dyn FnMut(Moment),
    ) -> Result<(), JournalError> {
        for (number, file) in plan.files.iter().enumerate() {
            if let Some(before) = &file.before {
                let name = file.path.file_name().map(|name| name.to_string_lossy()).unwrap_or_default();
                let copies = self.folder.join("copies");
                private_folder(&copies)?;
                atomic_write(&copies.join(format!("{client}-{time}-{number}-{name}")), before, 0o600)?;
                observe(Moment::Copied);
            }
            if let Some(folder) = file.path.parent() {
                fs::create_dir_all(folder).map_err(io_error(folder))?;
            }
            // A client's settings may hold keys, so a new file is for its owner alone.
            atomic_write(&file.path, &file.after, 0o600)?;
            observe(Moment::Written);
        }
        Ok(())
    }

    /// Takes back what was written for a client.
    ///
    /// # Errors
    /// If something cannot be read or written; calling it again goes on where it was.
    pub fn undo(&self, client: &str) -> Result<Undone, JournalError> {
        self.undo_observed(client, &mut |_| {})
    }

    /// As [`Journal::undo`], telling of every step.
    ///
    /// # Errors
    /// As [`Journal::undo`].
    pub fn undo_observed(
        &self,
        client: &str,
        observe: &mut dyn FnMut(Moment),
    ) -> Result<Undone, JournalError> {
        let Some(mut kept) = self.read(client)? else { return Ok(Undone::default()) };
        kept.state = State::Undoing;
        self.write(&kept)?;
        observe(Moment::Journalled);
        let mut undone = Undone::default();
        for file in kept.files.iter().rev() {
            take_back(file, &mut undone)?;
            observe(Moment::Written);
        }
        let path = self.path(client);
        fs::remove_file(&path).map_err(io_error(&path))?;
        observe(Moment::Done);
        Ok(undone)
    }

    /// Finishes what a process that died has left: what it was writing is taken back, what it was taking back is gone.
    fn recover(&self, client: &str) -> Result<(), JournalError> {
        match self.read(client)?.map(|kept| kept.state) {
            Some(State::Applying | State::Undoing) => self.undo(client).map(drop),
            Some(State::Applied) | None => Ok(()),
        }
    }

    /// What somebody changed of what we wrote for a client.
    ///
    /// # Errors
    /// If the journal cannot be read.
    pub fn drift(&self, client: &str) -> Result<Vec<Drift>, JournalError> {
        let mut drifts = Vec::new();
        for file in self.read(client)?.into_iter().flat_map(|kept| kept.files) {
            let text = bytes(&file.path).ok().flatten().and_then(|bytes| String::from_utf8(bytes).ok());
            let values = text.and_then(|text| file.format.read(&text).ok());
            match values {
                None => drifts.push(Drift { path: file.path, key: None }),
                Some(values) => drifts.extend(
                    file.keys
                        .iter()
                        .filter(|key| edit::get(&values, &key.way) != Some(&key.after))
                        .map(|key| Drift { path: file.path.clone(), key: Some(Way(&key.way).to_string()) }),
                ),
            }
        }
        Ok(drifts)
    }

    fn path(&self, client: &str) -> PathBuf {
        self.folder.join(format!("{client}.json"))
    }

    fn read(&self, client: &str) -> Result<Option<Kept>, JournalError> {
        let path = self.path(client);
        // The bytes of several files as base64, each within its bound.
        let text = match zos_seal::read_regular(&path, 64 << 20) {
            Ok(text) => text,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(io_error(&path)(error)),
        };
        let kept: Option<Kept> = serde_json::from_slice(&text).ok();
        kept.filter(|kept| kept.version == VERSION).map(Some).ok_or(JournalError::Damaged(path))
    }

    fn write(&self, kept: &Kept) -> Result<(), JournalError> {
        let text = serde_json::to_vec_pretty(kept).expect("strings, numbers and JSON are JSON");
        Ok(atomic_write(&self.path(&kept.client), &text, 0o600)?)
    }
}

/// Clients that have a journal in a folder, by name. Takes no lock.
///
/// # Errors
/// If the folder is there and cannot be read.
pub fn connected(folder: &Path) -> io::Result<Vec<String>> {
    let entries = match fs::read_dir(folder) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        entries => entries?,
    };
    let mut clients = Vec::new();
    for entry in entries {
        let name = entry?.file_name();
        clients.extend(name.to_str().and_then(|name| name.strip_suffix(".json")).map(str::to_owned));
    }
    clients.sort();
    Ok(clients)
}

fn kept(file: &FileChange) -> KeptFile {
    let mut folders: Vec<PathBuf> =
        file.path.ancestors().skip(1).take_while(|folder| !folder.exists()).map(Path::to_owned).collect();
    folders.reverse();
    let key = |key: &crate::plan::KeyChange| KeptKey {
        way: key.way.clone(),
        before: key.before.clone(),
        after: key.after.clone(),
        kept: key.kept,
    };
    KeptFile {
        path: file.path.clone(),
        format: file.format,
        before: file.before.as_ref().map(|before| STANDARD.encode(before)),
        after: sha256_hex(&file.after),
        folders,
        keys: file.keys.iter().map(key).collect(),
    }
}

/// Makes a file what it was before, as far as nobody else changed it.
fn take_back(file: &KeptFile, undone: &mut Undone) -> Result<(), JournalError> {
    let path = &file.path;
    let before = match &file.before {
        None => None,
        Some(text) => Some(STANDARD.decode(text).map_err(|_| JournalError::Damaged(path.clone()))?),
    };
    let now = bytes(path).map_err(io_error(path))?;
    let is_untouched = now.as_ref().is_some_and(|now| sha256_hex(now) == file.after);
    if now == before || is_untouched {
        if is_untouched && now != before {
            match &before {
                Some(before) => atomic_write(path, before, 0o600)?,
                None => fs::remove_file(path).map_err(io_error(path))?,
            }
        }
        for folder in file.folders.iter().rev() {
            // One that somebody put something into stays.
            let _ = fs::remove_dir(folder);
        }
        undone.restored.push(path.clone());
        return Ok(());
    }
    let lost = |key: Option<String>| Drift { path: path.clone(), key };
    let Some(mut text) = now.and_then(|now| String::from_utf8(now).ok()) else {
        undone.left.push(lost(None));
        return Ok(());
    };
    let read = text.clone();
    for key in file.keys.iter().rev() {
        let values = file.format.read(&text).unwrap_or_default();
        let edited = match edit::get(&values, &key.way) {
            Some(value) if *value == key.after => match &key.before {
                Some(before) => file.format.set(&text, &key.way, before),
                None => file.format.remove(&text, &key.way, key.kept),
            },
            _ => {
                undone.left.push(lost(Some(Way(&key.way).to_string())));
                continue;
            }
        };
        match edited {
            Ok(edited) => text = edited,
            Err(_) => undone.left.push(lost(Some(Way(&key.way).to_string()))),
        }
    }
    if text != read {
        atomic_write(path, text.as_bytes(), 0o600)?;
    }
    undone.edited.push(path.clone());
    Ok(())
}
