//! The witness of a log: the size and root of its newest checkpoint, kept in a file outside of its folder.
//!
//! A program that can write the folder can put the whole of it back to an earlier day, or take its tree away, and nothing
//! in the folder tells. The witness is compared when the log is opened. It protects from programs that can write the
//! folder and not that file.

use std::fs;
use std::io::{self, Write};
use std::path::Path;

use serde::{Deserialize, Serialize};

use crate::note::Checkpoint;
use crate::segment;

/// The version this library writes into `v`.
const VERSION: u32 = 1;

/// The longest file that is one.
const MAX_BYTES: u64 = 4096;

/// Facts about the newest checkpoint that was written, or the fact that there was none.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Witness {
    v: u32,
    /// The name of the log; empty for one without a tree.
    pub(crate) origin: String,
    /// Number of records that the checkpoint covers; 0 for a log without a tree.
    pub(crate) size: u64,
    /// The root in hexadecimal; empty for a log without a tree.
    root: String,
}

impl Witness {
    /// Witness of a checkpoint.
    pub(crate) fn of(checkpoint: &Checkpoint) -> Self {
        let root = hex::encode(checkpoint.root);
        Self { v: VERSION, origin: checkpoint.origin.clone(), size: checkpoint.size, root }
    }

    /// Witness of a log that was begun without a key.
    pub(crate) fn treeless() -> Self {
        Self { v: VERSION, origin: String::new(), size: 0, root: String::new() }
    }

    /// Whether it speaks of a log without a tree.
    pub(crate) fn is_treeless(&self) -> bool {
        self.size == 0
    }

    /// Contradiction with the newest checkpoint of the folder, as a sentence; `None` where they agree.
    pub(crate) fn against(&self, head: Option<&Checkpoint>) -> Option<String> {
        let signed = format!("{} records were signed for", self.size);
        match head {
            _ if self.is_treeless() => None,
            None => Some(format!("checkpoint is missing, and {signed}")),
            Some(head) if head.origin != self.origin => {
                Some(format!("another log stands in the place of {}, of which {signed}", self.origin))
            }
            Some(head) if head.size < self.size => {
                Some(format!("checkpoint is an older one, put back: it covers {}, and {signed}", head.size))
            }
            Some(head) if head.size == self.size && Self::of(head).root != self.root => {
                Some("checkpoint is not the one that was written last".to_owned())
            }
            Some(_) => None,
        }
    }

    /// Reads the file. One that is absent or cut says nothing: it is written without waiting for the disk.
    pub(crate) fn read(path: &Path) -> io::Result<Option<Self>> {
        let is_small = match fs::metadata(path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            metadata => metadata.map(|file| file.is_file() && file.len() <= MAX_BYTES)?,
        };
        let read = is_small.then(|| fs::read(path)).transpose()?;
        Ok(read.and_then(|text| serde_json::from_slice::<Self>(&text).ok()).filter(|read| read.v == VERSION))
    }

    /// Replaces the file, by way of a neighbour.
    pub(crate) fn write(&self, path: &Path) -> io::Result<()> {
        let neighbour = path.with_extension("tmp");
        let mut options = fs::OpenOptions::new();
        options.write(true).create(true).truncate(true);
        segment::private(&mut options);
        let text = serde_json::to_string(self).map_err(io::Error::other)?;
        options.open(&neighbour)?.write_all(format!("{text}\n").as_bytes())?;
        fs::rename(&neighbour, path)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_agrees_with_the_same_and_a_newer_state_and_with_no_earlier_or_other_one() {
        let head =
            |origin: &str, size, root| Checkpoint { origin: origin.to_owned(), size, root: [root; 32] };
        let witness = Witness::of(&head("zos/a", 300, 1));
        for (found, word) in [
            (None, Some("missing")),
            (Some(head("zos/a", 299, 1)), Some("older")),
            (Some(head("zos/b", 400, 1)), Some("another log")),
            (Some(head("zos/a", 300, 2)), Some("written last")),
            (Some(head("zos/a", 300, 1)), None),
            (Some(head("zos/a", 301, 9)), None),
        ] {
            let told = witness.against(found.as_ref());
            assert_eq!(told.is_some(), word.is_some(), "{found:?}");
            assert!(told.is_none_or(|told| told.contains(word.unwrap())), "{found:?}");
            assert_eq!(Witness::treeless().against(found.as_ref()), None);
        }
    }

    #[test]
    fn a_file_that_is_absent_cut_newer_or_huge_says_nothing() {
        let home = tempfile::tempdir().unwrap();
        let path = home.path().join("head.json");
        assert_eq!(Witness::read(&path).unwrap(), None);
        Witness::treeless().write(&path).unwrap();
        assert_eq!(Witness::read(&path).unwrap(), Some(Witness::treeless()));
        let whole = fs::read_to_string(&path).unwrap();
        for text in [&whole[..10], "", "[]", &whole.replace("\"v\":1", "\"v\":2"), &" ".repeat(5000)] {
            fs::write(&path, text).unwrap();
            assert_eq!(Witness::read(&path).unwrap(), None, "{text:.20}");
        }
    }
}
