//! Notes of what the owner is just doing, kept until the log has the record.
//!
//! The log tells what happened, so its record comes after the deed; between the two the machine may stop. The note is
//! on the disk before the deed begins and goes when the record is on the disk. One that is found at a start stands for
//! a deed whose end nobody saw. It holds what the record would: no text, no key.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use zos_audit::Record;
use zos_core::Home;

/// The longest note that is read, in bytes. A record's strings are bounded far below it; what is longer is not ours.
const NOTE_BYTES: u64 = 64 * 1024;

/// The notes of one home.
pub(crate) struct DeedNotes {
    folder: PathBuf,
    /// Records of deeds that were done while the log failed.
    owed: Mutex<Vec<(Note, Record)>>,
}

/// One note on the disk.
#[derive(Debug)]
#[must_use = "a note that is not closed tells of a deed whose end is not known"]
pub(crate) struct Note(PathBuf);

impl DeedNotes {
    pub(crate) fn new(home: &Home) -> Self {
        DeedNotes { folder: home.root().join("gateway").join("deeds"), owed: Mutex::default() }
    }

    /// Notes a deed that is about to begin. Blocks until the disk has the note.
    ///
    /// # Errors
    /// When the disk does not take it: the deed must not begin.
    pub(crate) fn begin(&self, record: &Record) -> io::Result<Note> {
        let text = serde_json::to_vec(record).map_err(io::Error::other)?;
        private_folder(&self.folder)?;
        let note = Note(self.folder.join(format!("{}.json", crate::ids::unique())));
        let written = write_new(&note.0, &text).and_then(|()| sync_folder(&self.folder));
        if let Err(error) = written {
            // Half a note is of no deed; the next start removes what cannot be removed now.
            let _ = fs::remove_file(&note.0);
            return Err(error);
        }
        Ok(note)
    }

    /// Notes that an earlier run of zOS left, oldest first. Half a note is removed: its deed never began.
    pub(crate) fn left(&self) -> Vec<(Note, Record)> {
        let Ok(entries) = fs::read_dir(&self.folder) else { return Vec::new() };
        let is_note = |path: &PathBuf| path.extension().is_some_and(|extension| extension == "json");
        let mut paths: Vec<PathBuf> = entries.flatten().map(|entry| entry.path()).filter(is_note).collect();
        paths.sort_unstable();
        let read = |path: PathBuf| match read(&path) {
            Ok(bytes) => match serde_json::from_slice(&bytes) {
                Ok(record) => Some((Note(path), record)),
                Err(_) => {
                    Note(path).close();
                    None
                }
            },
            Err(error) => {
                tracing::error!(%error, "a note of what the owner did could not be read");
                None
            }
        };
        paths.into_iter().filter_map(read).collect()
    }

    /// Keeps the record of a deed for when the log takes records again.
    pub(crate) fn owe(&self, note: Note, record: Record) {
        self.owed.lock().unwrap_or_else(PoisonError::into_inner).push((note, record));
    }

    /// The records that are owed, in the order of their deeds; they are the caller's to write now.
    pub(crate) fn take_owed(&self) -> Vec<(Note, Record)> {
        std::mem::take(&mut *self.owed.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Note {
    /// Removes the note: the log has its record, or nothing was done.
    pub(crate) fn close(self) {
        if let Err(error) = fs::remove_file(&self.0) {
            tracing::error!(%error, "a note of what the owner did could not be removed; the next start tells of it");
        }
    }
}

fn read(path: &Path) -> io::Result<Vec<u8>> {
    if !fs::symlink_metadata(path)?.is_file() {
        return Err(io::Error::other("it is no file"));
    }
    let mut bytes = Vec::new();
    File::open(path)?.take(NOTE_BYTES).read_to_end(&mut bytes)?;
    Ok(bytes)
}

fn write_new(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let mut file = options.open(path)?;
    file.write_all(bytes)?;
    file.sync_all()
}

fn private_folder(path: &Path) -> io::Result<()> {
    let mut builder = fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(path)
}

/// Lets the disk have the names of a folder.
#[cfg(unix)]
fn sync_folder(path: &Path) -> io::Result<()> {
    File::open(path)?.sync_all()
}

/// Elsewhere a folder cannot be opened to be synced, and the file system keeps names in its journal.
#[cfg(not(unix))]
fn sync_folder(_: &Path) -> io::Result<()> {
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use zos_audit::Kind;

    fn notes() -> (tempfile::TempDir, DeedNotes) {
        let folder = tempfile::tempdir().unwrap();
        let home = Home::resolve(Some(folder.path())).unwrap();
        (folder, DeedNotes::new(&home))
    }

    #[test]
    fn a_note_stays_until_it_is_closed() {
        let (_folder, notes) = notes();
        assert!(notes.left().is_empty());
        let first = notes.begin(&Record::event(Kind::Key, "make a key")).unwrap();
        let second = notes.begin(&Record::event(Kind::Decision, "pause")).unwrap();
        let left = notes.left();
        let told: Vec<_> = left.iter().map(|(_, record)| (record.kind, record.detail.as_deref())).collect();
        assert!(told.contains(&(Kind::Key, Some("make a key"))), "{told:?}");
        assert!(told.contains(&(Kind::Decision, Some("pause"))), "{told:?}");
        first.close();
        assert_eq!(notes.left().len(), 1);
        second.close();
        assert!(notes.left().is_empty());
    }

    #[test]
    fn half_a_note_is_of_no_deed() {
        let (_folder, notes) = notes();
        let note = notes.begin(&Record::event(Kind::Key, "make a key")).unwrap();
        let bytes = fs::read(&note.0).unwrap();
        for length in 0..bytes.len() {
            fs::write(&note.0, &bytes[..length]).unwrap();
            assert!(notes.left().is_empty(), "{length} bytes");
            assert!(!note.0.exists(), "{length} bytes");
        }
    }

    #[test]
    fn a_disk_that_takes_no_note_lets_no_deed_begin() {
        let (folder, notes) = notes();
        fs::create_dir_all(folder.path().join("gateway")).unwrap();
        fs::write(folder.path().join("gateway/deeds"), "in the way").unwrap();
        notes.begin(&Record::event(Kind::Key, "make a key")).unwrap_err();
    }
}
