//! Keyed hashes of matched terms, and of other things that nobody else may guess.
//!
//! Each room has a key of its own, so that its owner can ask whether a term was ever matched, and nobody
//! without the key can guess it from the log. Once the key is removed the hashes say nothing any more.

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::{Mutex, PoisonError};

use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;
use zeroize::Zeroizing;

use crate::digest::parse_hex;
use crate::files::{self, FileError};

/// The most rooms whose keys are kept in memory.
const ROOMS: usize = 4096;

/// The keys of all rooms: a private file each.
#[derive(Debug)]
pub struct TermKeys {
    folder: PathBuf,
    known: Mutex<HashMap<String, Zeroizing<[u8; 32]>>>,
}

/// Why a room's key cannot be had.
#[derive(Debug, thiserror::Error)]
pub enum TermKeyError {
    /// The system gives no random numbers.
    #[error("the system gives no random numbers: {0}")]
    Random(#[from] getrandom::Error),
    /// The private file cannot be used.
    #[error(transparent)]
    File(#[from] FileError),
    /// The name cannot be that of a file.
    #[error("this is not the name of a room")]
    Name,
}

impl TermKeys {
    /// Keys in this folder, which is made with the first of them.
    pub fn new(folder: PathBuf) -> Self {
        Self { folder, known: Mutex::default() }
    }

    /// The keyed hash of a term in a room, in hexadecimal; makes the room's key where it has none.
    ///
    /// # Errors
    /// When the key cannot be read or made.
    pub fn hash(&self, room: &str, term: &str) -> Result<String, TermKeyError> {
        Ok(keyed(&*self.key(room)?, term))
    }

    /// The keyed digest, in hexadecimal, of bytes that are no term; those of different purposes have nothing
    /// in common. Makes the room's key where it has none.
    ///
    /// # Errors
    /// When the key cannot be read or made.
    pub fn digest<'a>(
        &self,
        room: &str,
        purpose: &str,
        parts: impl IntoIterator<Item = &'a [u8]>,
    ) -> Result<String, TermKeyError> {
        Ok(digest(&*self.key(room)?, purpose, parts))
    }

    /// The keyed digest of bytes; `None` where the room has no key.
    ///
    /// # Errors
    /// When the key cannot be read.
    pub fn digest_known<'a>(
        &self,
        room: &str,
        purpose: &str,
        parts: impl IntoIterator<Item = &'a [u8]>,
    ) -> Result<Option<String>, TermKeyError> {
        Ok(self.read(room)?.map(|key| digest(&key, purpose, parts)))
    }

    /// The key of a room, which is made where it has none.
    fn key(&self, room: &str) -> Result<Zeroizing<[u8; 32]>, TermKeyError> {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(key) = known.get(room) {
            return Ok(key.clone());
        }
        let key = match self.read(room)? {
            Some(key) => key,
            None => self.make(room)?,
        };
        if known.len() >= ROOMS {
            known.clear();
        }
        known.insert(room.to_owned(), key.clone());
        Ok(key)
    }

    /// The keyed hash of a term; `None` where the room has no key, so that nothing was ever hashed.
    ///
    /// # Errors
    /// When the key cannot be read.
    pub fn hash_known(&self, room: &str, term: &str) -> Result<Option<String>, TermKeyError> {
        Ok(self.read(room)?.map(|key| keyed(&key, term)))
    }

    /// Removes a room's key: what was hashed with it cannot be told from chance any more.
    ///
    /// # Errors
    /// When the file cannot be removed.
    pub fn forget(&self, room: &str) -> Result<bool, TermKeyError> {
        let path = self.path(room)?;
        self.known.lock().unwrap_or_else(PoisonError::into_inner).remove(room);
        match std::fs::remove_file(&path) {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(false),
            other => Ok(other.map_err(files::failed("remove", &path)).map(|()| true)?),
        }
    }

    fn path(&self, room: &str) -> Result<PathBuf, TermKeyError> {
        let is_name = !room.is_empty()
            && room.len() <= 64
            && room.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_'));
        is_name.then(|| self.folder.join(format!("{room}.key"))).ok_or(TermKeyError::Name)
    }

    fn read(&self, room: &str) -> Result<Option<Zeroizing<[u8; 32]>>, TermKeyError> {
        let text = files::read_private(&self.path(room)?)?;
        Ok(text.and_then(|text| parse_hex(text.trim())).map(Zeroizing::new))
    }

    fn make(&self, room: &str) -> Result<Zeroizing<[u8; 32]>, TermKeyError> {
        let mut key = Zeroizing::new([0; 32]);
        getrandom::fill(key.as_mut_slice())?;
        files::private_folder(&self.folder)?;
        files::atomic_write(&self.path(room)?, hex::encode(key.as_slice()).as_bytes(), 0o600)?;
        Ok(key)
    }
}

/// Case, and how words are set apart, make no other term.
fn keyed(key: &[u8; 32], term: &str) -> String {
    let folded: Vec<String> = term.split_whitespace().map(str::to_lowercase).collect();
    let mut mac = <Hmac<Sha256> as KeyInit>::new_from_slice(key).expect("HMAC takes keys of every length");
    mac.update(folded.join(" ").as_bytes());
    hex::encode(mac.finalize().into_bytes())
}

/// No term begins with a zero byte: a folded one has no control characters.
fn digest<'a>(key: &[u8; 32], purpose: &str, parts: impl IntoIterator<Item = &'a [u8]>) -> String {
    let mut mac = <Hmac<Sha256> as KeyInit>::new_from_slice(key).expect("HMAC takes keys of every length");
    mac.update(b"\0");
    mac.update(purpose.as_bytes());
    mac.update(b"\0");
    parts.into_iter().for_each(|part| mac.update(part));
    hex::encode(mac.finalize().into_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_term_is_found_again_in_its_room_until_the_key_is_gone() {
        let folder = tempfile::tempdir().unwrap();
        let keys = TermKeys::new(folder.path().join("terms"));
        assert_eq!(keys.hash_known("acme", "Falcon").unwrap(), None);
        let hash = keys.hash("acme", "Project  Falcon").unwrap();
        assert_eq!(hash.len(), 64);
        let other = TermKeys::new(folder.path().join("terms"));
        assert_eq!(other.hash_known("acme", "project falcon").unwrap(), Some(hash.clone()));
        assert_ne!(keys.hash("clinic", "Project Falcon").unwrap(), hash);
        assert_ne!(keys.hash("acme", "Project Eagle").unwrap(), hash);
        let digest = |purpose, parts: &[&[u8]]| keys.digest("acme", purpose, parts.iter().copied()).unwrap();
        assert_eq!(digest("text", &[b"a", b"b"]), digest("text", &[b"ab"]));
        assert_eq!(other.digest_known("acme", "text", [&b"ab"[..]]).unwrap(), Some(digest("text", &[b"ab"])));
        assert_ne!(digest("text", &[b"ab"]), digest("other", &[b"ab"]));
        assert_ne!(digest("text", &[b"ab"]), keys.hash("acme", "ab").unwrap());
        assert!(keys.forget("acme").unwrap());
        assert!(!keys.forget("acme").unwrap());
        assert_eq!(other.hash_known("acme", "project falcon").unwrap(), None);
        assert_ne!(keys.hash("acme", "Project Falcon").unwrap(), hash);
        for name in ["", "../x", "a/b", "a.b"] {
            assert!(matches!(keys.hash(name, "x"), Err(TermKeyError::Name)), "{name}");
        }
    }
}
