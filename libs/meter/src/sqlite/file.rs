//! Opens the file: lock, format, connection; and tells apart what can be wrong with it.

use std::error::Error;
use std::fs::{File, OpenOptions, TryLockError};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread::sleep;
use std::time::{Duration, Instant};

use rusqlite::hooks::Wal;
use rusqlite::{Connection, ErrorCode, OpenFlags, TransactionBehavior};

use super::{Durability, SqliteOptions, books};
use crate::{LedgerError, Trouble};

/// Marks the file as ours in SQLite's header: "zOSm".
const APPLICATION_ID: i32 = i32::from_be_bytes(*b"zOSm");

/// The format written here, in `PRAGMA user_version`. A newer one is refused, not guessed at.
const FORMAT: i64 = 2;

/// Time that an open that shares waits for another that is just setting up.
const SHARED_LOCK_WAIT: Duration = Duration::from_secs(5);

/// Time that an exclusive open waits: a process that is being started elsewhere in this program
/// has a copy of the lock for a moment, and one that is being stopped may need a moment to go.
const EXCLUSIVE_LOCK_WAIT: Duration = Duration::from_millis(500);

/// An opened ledger file: where it is, and the lock on it, held as long as this lives.
#[derive(Debug)]
pub(super) struct LedgerFile {
    place: Place,
    /// Closing the file gives the lock back, also when the process is killed.
    _lock: File,
}

/// Path of the file, and the settings of a connection to it.
#[derive(Debug, Clone)]
pub(super) struct Place {
    path: PathBuf,
    durability: Durability,
    busy_timeout: Duration,
    exclusive: bool,
    /// Pages of SQLite's log as the last commit left it. Carrying them over is the ledger's own work.
    log_pages: Arc<AtomicU64>,
}

/// Opens, makes or refuses the file. An opener that is alone books the holds of processes that are gone.
pub(super) fn open(path: &Path, options: &SqliteOptions) -> Result<(LedgerFile, Connection), LedgerError> {
    let place = Place {
        path: path.to_owned(),
        durability: options.durability,
        busy_timeout: options.busy_timeout,
        exclusive: options.exclusive,
        log_pages: Arc::default(),
    };
    if let Some(folder) = path.parent() {
        std::fs::create_dir_all(folder).map_err(|error| place.cannot_open(error))?;
    }
    let (lock, alone) = lock(&place, options.exclusive)?;
    create_private(path).map_err(|error| place.cannot_open(error))?;
    let mut connection = place.connect()?;
    place.set_up(&mut connection, alone)?;
    if alone {
        books::expire_all(&mut connection, options.clock.now_ms()).map_err(|error| place.refusal(error))?;
        if !options.exclusive {
            lock.unlock().map_err(|error| place.cannot_open(error))?;
            wait_until(SHARED_LOCK_WAIT, &place, || try_locked(lock.try_lock_shared()))?;
        }
    }
    Ok((LedgerFile { place, _lock: lock }, connection))
}

impl LedgerFile {
    pub(super) fn place(&self) -> &Place {
        &self.place
    }

    pub(super) fn cannot_open(&self, error: impl Error + Send + Sync + 'static) -> LedgerError {
        self.place.cannot_open(error)
    }
}

impl Place {
    /// A connection that writes; the file has to exist.
    pub(super) fn connect(&self) -> Result<Connection, LedgerError> {
        let connect = || {
            let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
            let mut connection = Connection::open_with_flags(&self.path, flags)?;
            connection.busy_timeout(self.busy_timeout)?;
            let log_pages = Arc::clone(&self.log_pages);
            connection.wal_hook(Some(move |_: &mut Wal, pages: i32| {
                log_pages.store(u64::try_from(pages).unwrap_or(0), Ordering::Relaxed);
                Ok(())
            }))?;
            connection.pragma_update(
                None,
                "synchronous",
                match self.durability {
                    Durability::Relaxed => "NORMAL",
                    Durability::Sync => "FULL",
                },
            )?;
            connection.set_prepared_statement_cache_capacity(32);
            Ok(connection)
        };
        connect().map_err(|error| self.refusal(error))
    }

    /// Whether a commit waits neither for the disk nor for another process.
    pub(super) fn commits_at_once(&self) -> bool {
        self.exclusive && self.durability == Durability::Relaxed
    }

    /// Longest time that a commit waits for another program that writes to the file.
    pub(super) fn busy_timeout(&self) -> Duration {
        self.busy_timeout
    }

    /// Pages of SQLite's log as the last commit left it.
    pub(super) fn log_pages(&self) -> u64 {
        self.log_pages.load(Ordering::Relaxed)
    }

    /// The log was carried over; the next commit tells how much of it is left.
    pub(super) fn note_checkpoint(&self) {
        self.log_pages.store(0, Ordering::Relaxed);
    }

    /// A connection that cannot write.
    pub(super) fn connect_to_read(&self) -> rusqlite::Result<Connection> {
        let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let connection = Connection::open_with_flags(&self.path, flags)?;
        connection.busy_timeout(self.busy_timeout)?;
        Ok(connection)
    }

    /// Makes the tables in an empty file; refuses a file that is not ours or of a newer format.
    fn set_up(&self, connection: &mut Connection, alone: bool) -> Result<(), LedgerError> {
        let refusal = |error| self.refusal(error);
        // The first statement that reads the file: it finds out what is no database.
        let tables: i64 = connection
            .query_row("SELECT count(*) FROM sqlite_schema", [], |row| row.get(0))
            .map_err(refusal)?;
        let application: i32 =
            connection.pragma_query_value(None, "application_id", |row| row.get(0)).map_err(refusal)?;
        let format: i64 =
            connection.pragma_query_value(None, "user_version", |row| row.get(0)).map_err(refusal)?;
        let is_empty = tables == 0 && application == 0 && format == 0;
        if !is_empty && application != APPLICATION_ID {
            return Err(LedgerError::NotALedger { path: self.path.clone() });
        }
        if format > FORMAT {
            return Err(LedgerError::NewerFormat { path: self.path.clone(), found: format, known: FORMAT });
        }
        let is_old = !is_empty && format < FORMAT;
        if is_old && !alone {
            // Whoever is in it may be a program that knows only the old format.
            return Err(LedgerError::InUse { path: self.lock_path() });
        }
        let make = |connection: &mut Connection| {
            connection.pragma_update(None, "journal_mode", "WAL")?;
            // Also where nothing is to be made: a file that cannot be written is refused here.
            let making = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
            if is_old {
                making.execute_batch("ALTER TABLE reservation RENAME TO reservation_1")?;
            }
            making.execute_batch(books::TABLES)?;
            if is_old {
                making.execute_batch(books::FROM_1_TO_2)?;
            }
            making.pragma_update(None, "application_id", APPLICATION_ID)?;
            making.pragma_update(None, "user_version", FORMAT)?;
            making.commit()
        };
        make(connection).map_err(refusal)
    }

    fn refusal(&self, error: rusqlite::Error) -> LedgerError {
        match error.sqlite_error_code() {
            Some(ErrorCode::NotADatabase) => LedgerError::NotALedger { path: self.path.clone() },
            Some(ErrorCode::DatabaseCorrupt) => LedgerError::Damaged { path: self.path.clone() },
            _ => self.cannot_open(error),
        }
    }

    fn cannot_open(&self, error: impl Error + Send + Sync + 'static) -> LedgerError {
        LedgerError::Open { path: self.path.clone(), source: Arc::new(error) }
    }

    fn lock_path(&self) -> PathBuf {
        let mut path = self.path.clone().into_os_string();
        path.push(".lock");
        path.into()
    }
}

/// Kind of a failure of SQLite, by what a person can do about it.
pub(super) fn storage(error: rusqlite::Error) -> LedgerError {
    let trouble = match error.sqlite_error_code() {
        Some(ErrorCode::DiskFull) => Trouble::Full,
        Some(ErrorCode::ReadOnly | ErrorCode::PermissionDenied) => Trouble::ReadOnly,
        Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => Trouble::Busy,
        Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase) => Trouble::Damaged,
        Some(ErrorCode::SystemIoFailure | ErrorCode::CannotOpen) => Trouble::Io,
        _ => Trouble::Other,
    };
    LedgerError::Storage { trouble, source: Arc::new(error) }
}

/// Takes the lock, and tells whether nobody else has it. The system gives it back when its
/// holder dies, so a lock that can be taken means that nobody alive holds reservations.
fn lock(place: &Place, exclusive: bool) -> Result<(File, bool), LedgerError> {
    let path = place.lock_path();
    let lock = create_private(&path).map_err(|error| place.cannot_open(error))?;
    if exclusive {
        wait_until(EXCLUSIVE_LOCK_WAIT, place, || try_locked(lock.try_lock()))?;
        return Ok((lock, true));
    }
    let mut alone = false;
    wait_until(SHARED_LOCK_WAIT, place, || {
        alone = try_locked(lock.try_lock())?;
        Ok(alone || try_locked(lock.try_lock_shared())?)
    })?;
    Ok((lock, alone))
}

/// Tries until it is locked, or refuses with the name of the lock.
fn wait_until(
    patience: Duration,
    place: &Place,
    mut locked: impl FnMut() -> io::Result<bool>,
) -> Result<(), LedgerError> {
    let end = Instant::now() + patience;
    while !locked().map_err(|error| place.cannot_open(error))? {
        if Instant::now() >= end {
            return Err(LedgerError::InUse { path: place.lock_path() });
        }
        sleep(Duration::from_millis(5));
    }
    Ok(())
}

fn try_locked(attempt: Result<(), TryLockError>) -> io::Result<bool> {
    match attempt {
        Ok(()) => Ok(true),
        Err(TryLockError::WouldBlock) => Ok(false),
        Err(TryLockError::Error(error)) => Err(error),
    }
}

/// Opens a file, or makes it for the owner's eyes only. SQLite gives its side files the same rights.
fn create_private(path: &Path) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.read(true).write(true).create(true).truncate(false);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(path)
}
