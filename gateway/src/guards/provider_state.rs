//! Rooms of what providers keep: which room's call made an id (an answer, a conversation, a container, a
//! sealed item), so that no other room can bring its text into a call.
//!
//! A table in `gateway/state.db` (SQLite, write-ahead log) holds a digest of each id and the name of its room,
//! never the id itself: an id is a key to what is kept. The first room that an id was given to keeps it; the
//! newest [`IDS_KEPT`] ids are kept. The provider is no part of the key: ids are random at all of them, and a
//! fallback must not be a way around. A crash loses at most ids of answers that had not ended; they count as
//! never seen then, which hard rooms refuse.
//!
//! The file is opened when it is first needed, and again after a failure. It blocks: callers on async workers
//! hand it over.

use rusqlite::{Connection, OptionalExtension, params};
use std::collections::HashSet;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;
use zos_guard::made::IdDigest;

/// Ids that are kept: a year of a busy agent, in some 10 MB.
const IDS_KEPT: i64 = 100_000;

/// How long another process that has the file is waited for.
const BUSY: Duration = Duration::from_secs(2);

/// The format of the table, in `PRAGMA user_version`. A newer one is not read.
const FORMAT: i64 = 1;

/// Why the table cannot be used.
#[derive(Debug, thiserror::Error)]
pub(crate) enum StateError {
    /// The file cannot be made, opened or read.
    #[error("gateway/state.db cannot be used: {0}")]
    File(#[from] rusqlite::Error),
    /// The file is no table of this version.
    #[error("gateway/state.db was written by a newer zOS (format {0})")]
    Newer(i64),
    /// The file cannot be made private.
    #[error("gateway/state.db cannot be made: {0}")]
    Create(#[from] std::io::Error),
}

/// The table of one home.
pub(crate) struct ProviderStates {
    path: PathBuf,
    connection: Mutex<Option<Connection>>,
}

impl ProviderStates {
    /// The table in a file that need not exist yet.
    pub(crate) fn new(path: PathBuf) -> Self {
        ProviderStates { path, connection: Mutex::new(None) }
    }

    /// Names of the rooms that ids belong to, in their order; `None` for one that was never seen.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub(crate) fn owners(&self, ids: &[IdDigest]) -> Result<Vec<Option<String>>, StateError> {
        self.with(|connection| {
            let mut find = connection.prepare_cached("SELECT room FROM made WHERE id = ?1")?;
            let owner = |id: &IdDigest| find.query_row([id.as_slice()], |row| row.get(0)).optional();
            ids.iter().map(owner).collect()
        })
    }

    /// Keeps ids for a room. Those that belong to a room already stay where they are.
    ///
    /// # Errors
    /// When the file cannot be written: the ids count as never seen then.
    pub(crate) fn keep(&self, room: &str, ids: &HashSet<IdDigest>) -> Result<(), StateError> {
        if ids.is_empty() {
            return Ok(());
        }
        self.with(|connection| {
            let transaction = connection.transaction()?;
            {
                let mut put =
                    transaction.prepare_cached("INSERT OR IGNORE INTO made (id, room) VALUES (?1, ?2)")?;
                for id in ids {
                    put.execute(params![id.as_slice(), room])?;
                }
                // Numbers count up, so the oldest are those that lie furthest behind the newest.
                transaction.execute(
                    "DELETE FROM made WHERE number <= (SELECT max(number) FROM made) - ?1",
                    [IDS_KEPT],
                )?;
            }
            transaction.commit()
        })
    }

    fn with<T>(&self, work: impl FnOnce(&mut Connection) -> rusqlite::Result<T>) -> Result<T, StateError> {
        let mut held = self.connection.lock().unwrap_or_else(PoisonError::into_inner);
        if held.is_none() {
            *held = Some(open(&self.path)?);
        }
        let connection = held.as_mut().expect("it was just opened");
        let done = work(connection);
        if done.is_err() {
            *held = None;
        }
        Ok(done?)
    }
}

fn open(path: &Path) -> Result<Connection, StateError> {
    create_private(path)?;
    let connection = Connection::open(path)?;
    connection.busy_timeout(BUSY)?;
    let format: i64 = connection.query_row("PRAGMA user_version", [], |row| row.get(0))?;
    if format > FORMAT {
        return Err(StateError::Newer(format));
    }
    connection.pragma_update(None, "journal_mode", "WAL")?;
    connection.pragma_update(None, "synchronous", "NORMAL")?;
    connection.execute_batch(
        "CREATE TABLE IF NOT EXISTS made (
             number INTEGER PRIMARY KEY AUTOINCREMENT,
             id BLOB NOT NULL UNIQUE,
             room TEXT NOT NULL
         );
         PRAGMA user_version = 1;",
    )?;
    Ok(connection)
}

/// Makes the file, readable by its owner alone, where there is none; SQLite's own files beside it take its mode.
fn create_private(path: &Path) -> std::io::Result<()> {
    let mut options = std::fs::OpenOptions::new();
    options.append(true).create(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(path).map(drop)
}

#[cfg(test)]
mod tests {
    use super::*;
    use zos_guard::made::digest;

    fn ids(names: &[&str]) -> HashSet<IdDigest> {
        names.iter().map(|name| digest(name)).collect()
    }

    #[test]
    fn an_id_stays_with_the_first_room_also_after_a_restart() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("state.db");
        let states = ProviderStates::new(path.clone());
        states.keep("acme", &ids(&["resp_1", "conv_1"])).unwrap();
        states.keep("other", &ids(&["resp_1", "resp_2"])).unwrap();
        let owners = |states: &ProviderStates| {
            states.owners(&["resp_1", "resp_2", "conv_1", "unknown"].map(digest)).unwrap()
        };
        let expected = [Some("acme"), Some("other"), Some("acme"), None].map(|room| room.map(str::to_owned));
        assert_eq!(owners(&states), expected);
        drop(states);
        assert_eq!(owners(&ProviderStates::new(path.clone())), expected);
        let bytes = std::fs::read(&path).unwrap();
        assert!(!bytes.windows(6).any(|window| window == b"resp_1"), "the id itself is kept");
    }

    #[test]
    fn the_oldest_ids_go_first() {
        let folder = tempfile::tempdir().unwrap();
        let states = ProviderStates::new(folder.path().join("state.db"));
        states.keep("acme", &ids(&["first"])).unwrap();
        let bump = |connection: &mut Connection| {
            connection.execute("UPDATE sqlite_sequence SET seq = ?1 WHERE name = 'made'", [IDS_KEPT])
        };
        states.with(bump).unwrap();
        states.keep("acme", &ids(&["second"])).unwrap();
        let owners = states.owners(&["first", "second"].map(digest)).unwrap();
        assert_eq!(owners, [None, Some("acme".to_owned())]);
    }

    #[test]
    fn a_damaged_file_is_an_error_and_not_a_panic() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("state.db");
        std::fs::write(&path, vec![7u8; 8192]).unwrap();
        let states = ProviderStates::new(path.clone());
        assert!(states.owners(&[digest("x")]).is_err());
        std::fs::remove_file(&path).unwrap();
        assert_eq!(states.owners(&[digest("x")]).unwrap(), [None]);
    }
}
