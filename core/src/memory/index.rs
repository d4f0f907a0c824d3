//! The index of one context: SQLite with full-text search (FTS5, porter stemming), beside the files.
//!
//! The index holds nothing that the files do not: it is brought up to date with them before it is asked, and
//! rebuilt where it is missing, damaged, or of another version.

mod vectors;

use std::collections::HashMap;
use std::path::Path;

use rusqlite::{Connection, OptionalExtension, Row, params};

use super::folder::{MemoryFile, MemoryRead, Opened, Stamp};
use super::item::{Id, Item};
use crate::problem::Problem;
use vectors::Vectors;

/// Grows when the tables or what is put into them changes.
const VERSION: i64 = 4;

/// A part's row is that of its memory, and these bits for its place in it. More parts than they can
/// count do not fit into the longest text, but for one of single letters.
const PART_BITS: i64 = 13;
const PART_MASK: i64 = (1 << PART_BITS) - 1;

/// The file, in the context's folder.
const FILE: &str = "index.db";

const TABLES: &str = "
    CREATE TABLE items (
        row INTEGER PRIMARY KEY,
        path TEXT NOT NULL UNIQUE,
        modified_ns INTEGER NOT NULL,
        bytes INTEGER NOT NULL,
        called TEXT NOT NULL,
        id TEXT,
        status TEXT,
        subject_key TEXT,
        json TEXT NOT NULL
    );
    CREATE INDEX by_id ON items (id);
    CREATE INDEX by_status ON items (status);
    CREATE INDEX by_subject ON items (subject_key) WHERE subject_key IS NOT NULL;
    CREATE TABLE replaced (old TEXT NOT NULL, row INTEGER NOT NULL);
    CREATE INDEX by_old ON replaced (old);
    CREATE INDEX by_new ON replaced (row);
    CREATE VIRTUAL TABLE parts USING fts5 (
        text, subject, tokenize = \"porter unicode61 remove_diacritics 2\"
    );
    CREATE TABLE vectors (row INTEGER PRIMARY KEY, parts INTEGER NOT NULL, bytes BLOB NOT NULL);
    CREATE TABLE model (digest TEXT NOT NULL);
";

/// The index, open.
pub(super) struct Index {
    connection: Connection,
    /// The vectors of the sentence model, where there is one.
    vectors: Vectors,
}

/// A part of a memory that holds words of a question.
#[derive(Clone, PartialEq, Debug)]
pub(super) struct Hit {
    /// Row of the memory.
    pub(super) item: i64,
    /// Index of the part.
    pub(super) ordinal: i64,
    /// Score of the match; more is better.
    pub(super) score: f64,
}

/// A memory with its place.
#[derive(Clone, PartialEq, Debug)]
pub(super) struct Stored {
    /// Its row.
    pub(super) row: i64,
    /// Its path below the context's folder.
    pub(super) path: String,
    /// The memory.
    pub(super) item: Item,
}

impl Index {
    /// Opens the index; one that is missing, damaged or of another version is made anew, empty. Where
    /// no file can be written, it is kept in this process's memory alone.
    pub(super) fn open(folder: &Opened<'_>) -> rusqlite::Result<Self> {
        let path = folder.own_file(FILE);
        if let Ok(index) = Self::open_existing(&path) {
            return Ok(index);
        }
        Self::remove(folder);
        if let Ok(index) = Self::open_existing(&path) {
            return Ok(index);
        }
        tracing::warn!(context = %folder.context(), "the index of a memory cannot be written; it is made anew in this process");
        let connection = Connection::open_in_memory()?;
        connection.execute_batch(TABLES)?;
        Ok(Self { connection, vectors: Vectors::default() })
    }

    fn open_existing(path: &Path) -> rusqlite::Result<Self> {
        // Before SQLite opens it, for its side files get the rights that the file has by then.
        make_private(path);
        let connection = Connection::open(path)?;
        connection.busy_timeout(std::time::Duration::from_secs(5))?;
        connection.pragma_update(None, "journal_mode", "WAL")?;
        // The files are the truth: what a power cut takes from the index is read again.
        connection.pragma_update(None, "synchronous", "OFF")?;
        connection.pragma_update(None, "mmap_size", 64 << 20)?;
        let version: i64 = connection.pragma_query_value(None, "user_version", |row| row.get(0))?;
        if version != VERSION {
            let tables: i64 =
                connection.query_row("SELECT count(*) FROM sqlite_schema", [], |row| row.get(0))?;
            if tables > 0 {
                return Err(rusqlite::Error::InvalidQuery);
            }
            connection.execute_batch(&format!("BEGIN; {TABLES} PRAGMA user_version = {VERSION}; COMMIT;"))?;
        }
        private(path);
        Ok(Self { connection, vectors: Vectors::default() })
    }

    /// Removes the index's files.
    pub(super) fn remove(folder: &Opened<'_>) {
        for suffix in ["", "-wal", "-shm", "-journal"] {
            // What is not there need not be removed.
            let _ = std::fs::remove_file(folder.own_file(&format!("{FILE}{suffix}")));
        }
    }

    /// Reads what changed in the folder since the last time.
    pub(super) fn refresh(&mut self, folder: &Opened<'_>) -> rusqlite::Result<()> {
        let entries = folder.list().entries;
        let transaction = self.connection.transaction()?;
        // A file whose name is no id is called after all files of the folder, so it may be called otherwise
        // without having changed.
        let mut known: HashMap<String, (i64, Stamp, String)> = HashMap::new();
        {
            let mut statement =
                transaction.prepare_cached("SELECT row, path, modified_ns, bytes, called FROM items")?;
            let mut rows = statement.query([])?;
            while let Some(row) = rows.next()? {
                let stamp = Stamp { modified_ns: row.get(2)?, bytes: row.get(3)? };
                known.insert(row.get(1)?, (row.get(0)?, stamp, row.get(4)?));
            }
        }
        let mut changed: Vec<MemoryFile> = Vec::new();
        for entry in entries {
            match known.remove(&entry.path) {
                Some((_, stamp, called)) if stamp == entry.stamp && called == entry.id.as_str() => {}
                Some((row, ..)) => {
                    drop_row(&transaction, row)?;
                    changed.push(entry);
                }
                None => changed.push(entry),
            }
        }
        for (row, ..) in known.into_values() {
            drop_row(&transaction, row)?;
        }
        for (entry, outcome) in read_all(folder, changed) {
            match outcome {
                Ok((item, stamp)) => put(&transaction, &MemoryFile { stamp, ..entry }, &item)?,
                Err(problems) => put_broken(&transaction, &entry, &problems)?,
            }
        }
        transaction.commit()
    }

    /// Puts one file that was just written, or takes it away.
    pub(super) fn refresh_one(&mut self, folder: &Opened<'_>, path: &str, id: &Id) -> rusqlite::Result<()> {
        let transaction = self.connection.transaction()?;
        let row: Option<i64> = transaction
            .query_row("SELECT row FROM items WHERE path = ?1", [path], |row| row.get(0))
            .optional()?;
        if let Some(row) = row {
            drop_row(&transaction, row)?;
        }
        if let Ok(Some(stamp)) = folder.stamp(path) {
            let entry = MemoryFile { path: path.to_owned(), id: id.clone(), stamp };
            match folder.read(path, id) {
                Ok((item, stamp)) => put(&transaction, &MemoryFile { stamp, ..entry }, &item)?,
                Err(problems) => put_broken(&transaction, &entry, &problems)?,
            }
        }
        transaction.commit()
    }

    /// Number of memories in it.
    pub(super) fn count(&self) -> rusqlite::Result<u64> {
        let count: i64 =
            self.connection
                .query_row("SELECT count(*) FROM items WHERE id IS NOT NULL", [], |row| row.get(0))?;
        Ok(u64::try_from(count).unwrap_or(0))
    }

    /// Problems of files that could not be read.
    pub(super) fn problems(&self) -> rusqlite::Result<Vec<Problem>> {
        let mut statement =
            self.connection.prepare_cached("SELECT json FROM items WHERE id IS NULL ORDER BY path")?;
        let texts = statement.query_map([], |row| row.get::<_, String>(0))?;
        let mut problems = Vec::new();
        for text in texts {
            problems.extend(serde_json::from_str::<Vec<Problem>>(&text?).unwrap_or_default());
        }
        Ok(problems)
    }

    /// The memory with this id.
    pub(super) fn by_id(&self, id: &Id) -> rusqlite::Result<Option<Stored>> {
        let mut statement = self
            .connection
            .prepare_cached("SELECT row, path, json FROM items WHERE id = ?1 ORDER BY path LIMIT 1")?;
        statement.query_row([id.as_str()], stored).optional().map(Option::flatten)
    }

    /// The memory in this row.
    pub(super) fn by_row(&self, row: i64) -> rusqlite::Result<Option<Stored>> {
        let mut statement =
            self.connection.prepare_cached("SELECT row, path, json FROM items WHERE row = ?1")?;
        statement.query_row([row], stored).optional().map(Option::flatten)
    }

    /// Memories whose file says this status, oldest first.
    pub(super) fn by_status(&self, status: &str) -> rusqlite::Result<Vec<Stored>> {
        self.many("SELECT row, path, json FROM items WHERE status = ?1 ORDER BY id", status)
    }

    /// Memories on this subject, oldest first.
    pub(super) fn by_subject(&self, key: &str) -> rusqlite::Result<Vec<Stored>> {
        self.many("SELECT row, path, json FROM items WHERE subject_key = ?1 ORDER BY id", key)
    }

    /// Memories that say they take the place of this one.
    pub(super) fn replacing(&self, old: &Id) -> rusqlite::Result<Vec<Stored>> {
        self.many(
            "SELECT items.row, path, json FROM replaced JOIN items ON items.row = replaced.row
             WHERE old = ?1 ORDER BY id",
            old.as_str(),
        )
    }

    fn many(&self, sql: &str, value: &str) -> rusqlite::Result<Vec<Stored>> {
        let mut statement = self.connection.prepare_cached(sql)?;
        let rows = statement.query_map([value], stored)?;
        let mut found = Vec::new();
        for row in rows {
            found.extend(row?);
        }
        Ok(found)
    }

    /// Parts that hold any of the words of `query` (FTS5 syntax), best first.
    pub(super) fn search(&self, query: &str, limit: usize) -> rusqlite::Result<Vec<Hit>> {
        let mut statement = self.connection.prepare_cached(
            "SELECT rowid, bm25(parts, 1.0, 1.5) AS score FROM parts WHERE parts MATCH ?1
             ORDER BY score LIMIT ?2",
        )?;
        let limit = i64::try_from(limit).unwrap_or(i64::MAX);
        let rows = statement.query_map(params![query, limit], |row| {
            let part: i64 = row.get(0)?;
            // bm25 of FTS5 is negative: the best is the smallest.
            let score = -row.get::<_, f64>(1)?;
            Ok(Hit { item: part >> PART_BITS, ordinal: part & PART_MASK, score })
        })?;
        rows.collect()
    }
}

/// Reads many files, on two threads where there are many.
fn read_all(folder: &Opened<'_>, entries: Vec<MemoryFile>) -> Vec<(MemoryFile, MemoryRead)> {
    let read = |entries: &[MemoryFile]| -> Vec<_> {
        entries.iter().map(|entry| (entry.clone(), folder.read(&entry.path, &entry.id))).collect()
    };
    if entries.len() < 256 {
        return read(&entries);
    }
    let (first, second) = entries.split_at(entries.len() / 2);
    std::thread::scope(|scope| {
        let other = scope.spawn(|| read(second));
        let mut all = read(first);
        // A panic in a reader is a bug: it must not look like missing files.
        all.extend(other.join().expect("reading a file does not panic"));
        all
    })
}

fn stored(row: &Row<'_>) -> rusqlite::Result<Option<Stored>> {
    let json: String = row.get(2)?;
    Ok(serde_json::from_str(&json).ok().map(|item| Stored {
        row: row.get(0).unwrap_or_default(),
        path: row.get(1).unwrap_or_default(),
        item,
    }))
}

fn put(connection: &Connection, entry: &MemoryFile, item: &Item) -> rusqlite::Result<()> {
    let json = serde_json::to_string(item).expect("a memory has no map keys but text");
    connection
        .prepare_cached(
            "INSERT INTO items (path, modified_ns, bytes, called, id, status, subject_key, json)
             VALUES (?1, ?2, ?3, ?4, ?4, ?5, ?6, ?7)",
        )?
        .execute(params![
            entry.path,
            entry.stamp.modified_ns,
            entry.stamp.bytes,
            item.id.as_str(),
            item.status.name(),
            item.subject_key(),
            json
        ])?;
    let row = connection.last_insert_rowid();
    for old in &item.supersedes {
        connection
            .prepare_cached("INSERT INTO replaced (old, row) VALUES (?1, ?2)")?
            .execute(params![old.as_str(), row])?;
    }
    // What a person called a file is what the note is about, as much as its subject.
    let title = entry.title().unwrap_or_default();
    let subject = format!("{} {title}", item.subject.as_deref().unwrap_or_default());
    let mut statement =
        connection.prepare_cached("INSERT INTO parts (rowid, text, subject) VALUES (?1, ?2, ?3)")?;
    for (part, text) in (row << PART_BITS..=row << PART_BITS | PART_MASK).zip(parts(&item.text)) {
        statement.execute(params![part, text, subject])?;
    }
    Ok(())
}

fn put_broken(connection: &Connection, entry: &MemoryFile, problems: &[Problem]) -> rusqlite::Result<()> {
    let json = serde_json::to_string(problems).expect("problems have no map keys but text");
    connection
        .prepare_cached(
            "INSERT INTO items (path, modified_ns, bytes, called, json) VALUES (?1, ?2, ?3, ?4, ?5)",
        )?
        .execute(params![entry.path, entry.stamp.modified_ns, entry.stamp.bytes, entry.id.as_str(), json])?;
    Ok(())
}

fn drop_row(connection: &Connection, row: i64) -> rusqlite::Result<()> {
    connection.prepare_cached("DELETE FROM items WHERE row = ?1")?.execute([row])?;
    connection.prepare_cached("DELETE FROM replaced WHERE row = ?1")?.execute([row])?;
    connection.prepare_cached("DELETE FROM vectors WHERE row = ?1")?.execute([row])?;
    connection
        .prepare_cached("DELETE FROM parts WHERE rowid BETWEEN ?1 AND ?2")?
        .execute([row << PART_BITS, row << PART_BITS | PART_MASK])?;
    Ok(())
}

/// The parts of a text that are searched on their own: paragraphs, and within long ones sentences
/// taken together up to a few hundred characters.
pub(super) fn parts(text: &str) -> Vec<&str> {
    const PART_BYTES: usize = 600;
    let mut parts = Vec::new();
    for paragraph in text.split("\n\n").map(str::trim).filter(|paragraph| !paragraph.is_empty()) {
        let mut rest = paragraph;
        while rest.len() > PART_BYTES {
            let limit = rest.floor_char_boundary(PART_BYTES);
            let sentence = rest[..limit].rfind(". ").map(|at| at + 1);
            let cut = sentence.or_else(|| rest[..limit].rfind(char::is_whitespace)).filter(|at| *at > 0);
            let (part, after) = rest.split_at(cut.unwrap_or(limit));
            parts.push(part.trim());
            rest = after.trim_start();
        }
        parts.push(rest);
    }
    parts.retain(|part| !part.is_empty());
    parts
}

/// Makes the file for the owner's eyes only, where there is none. Whatever cannot be made here, SQLite tells.
fn make_private(path: &Path) {
    let mut options = std::fs::File::options();
    options.create_new(true).write(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    drop(options.open(path));
}

/// The index holds what the memories hold: for the owner's eyes only.
fn private(path: &Path) {
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        // A file system without permissions keeps what it has.
        let _ = std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o600));
    }
    #[cfg(not(unix))]
    let _ = path;
}
