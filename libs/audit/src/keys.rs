//! Keys that may sign the checkpoints of a log: the one it began with, and each one that the key before
//! has vouched for.
//!
//! `log.keys` has a line for each replacement: the `seq` of the record that tells of it, both keys, and the
//! signature of the old one over all three. A key signs for trees that hold its record, its predecessor for
//! smaller ones; so a verifier with an early key can follow the lines to the newest, and a stolen old key
//! signs for nothing that came later. `log.vkey` names the newest key.
//!
//! The order is what makes a crash harmless at every point: first the line, then the record, then
//! `log.vkey`, then the first checkpoint of the new key. A line whose record never came is dropped when the
//! log is opened; everything later is finished.

use std::io;
use std::path::Path;
use std::str::FromStr;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use crate::files;
use crate::note::{BadKey, BadNote, Checkpoint, Signer, VerifierKey};
use crate::read::{Filter, ReadError, recent};
use crate::record::{Kind, Record};

/// Name of the file with the newest key.
pub(crate) const VERIFIER_KEY: &str = "log.vkey";

/// The file with the replacements.
pub(crate) const LINKS: &str = "log.keys";

/// The most replacements of one log.
pub const LINKS_LIMIT: usize = 1000;

/// Beginning of the `detail` of a record that tells of a replacement.
const DETAIL: &str = "the log: key ";

/// The word of one key about the next.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Link {
    /// The record that tells of it.
    pub(crate) seq: u64,
    pub(crate) old: VerifierKey,
    pub(crate) new: VerifierKey,
    signature: [u8; 64],
}

impl Link {
    /// The old key vouches for the new one.
    pub(crate) fn sign(
        seq: u64,
        old: &VerifierKey,
        signer: &dyn Signer,
        new: &[u8; 32],
    ) -> Result<Self, BadKey> {
        let new = VerifierKey::new(old.name(), new)?;
        let signature = signer.sign(message(seq, old, &new).as_bytes());
        Ok(Self { seq, old: old.clone(), new, signature })
    }

    fn holds(&self) -> bool {
        self.old.name() == self.new.name()
            && self.old.verifies(message(self.seq, &self.old, &self.new).as_bytes(), &self.signature)
    }

    /// The record that tells of it, without its `seq`.
    pub(crate) fn record(&self) -> Record {
        let detail = format!(
            "{DETAIL}{} follows {}, which signed {}",
            self.new,
            self.old.short(),
            STANDARD.encode(self.signature)
        );
        Record::event(Kind::Key, detail).bounded()
    }

    /// Whether a record tells of a replacement.
    pub(crate) fn is_told_by(record: &Record) -> bool {
        record.kind == Kind::Key && record.detail.as_deref().is_some_and(|detail| detail.starts_with(DETAIL))
    }
}

fn message(seq: u64, old: &VerifierKey, new: &VerifierKey) -> String {
    format!("zos/log-key/1\n{seq}\n{old}\n{new}\n")
}

impl std::fmt::Display for Link {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} {} {} {}", self.seq, self.old, self.new, STANDARD.encode(self.signature))
    }
}

impl FromStr for Link {
    type Err = String;

    fn from_str(line: &str) -> Result<Self, String> {
        let read = || {
            let mut parts = line.split(' ');
            let link = Self {
                seq: parts.next()?.parse().ok()?,
                old: parts.next()?.parse().ok()?,
                new: parts.next()?.parse().ok()?,
                signature: STANDARD.decode(parts.next()?).ok()?.try_into().ok()?,
            };
            // Only the one spelling.
            (link.to_string() == line).then_some(link)
        };
        let link = read().ok_or("it does not name two keys of a log and a signature")?;
        if link.holds() { Ok(link) } else { Err("the new key is not signed by the one before".to_owned()) }
    }
}

/// The keys of a log in their order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Keys {
    first: VerifierKey,
    links: Vec<Link>,
}

impl Keys {
    /// One key that was never replaced.
    pub(crate) fn new(first: VerifierKey) -> Self {
        Self { first, links: Vec::new() }
    }

    /// The keys that these lines lead to, of which `named` must be the newest or, while a replacement is
    /// not done, the one before.
    ///
    /// # Errors
    /// What is wrong with which line.
    pub(crate) fn follow<'a>(
        named: &VerifierKey,
        lines: impl IntoIterator<Item = &'a str>,
    ) -> Result<Self, String> {
        let mut links: Vec<Link> = Vec::new();
        for (index, line) in lines.into_iter().enumerate() {
            let wrong = |why: &str| format!("line {}: {why}", index + 1);
            let link: Link = line.parse().map_err(|why: String| wrong(&why))?;
            if let Some(before) = links.last()
                && (before.new != link.old || before.seq >= link.seq)
            {
                return Err(wrong("it does not go on where the line before ends"));
            }
            if links.len() == LINKS_LIMIT {
                return Err(wrong("there are too many keys"));
            }
            links.push(link);
        }
        let Some(last) = links.last() else { return Ok(Self::new(named.clone())) };
        if *named != last.new && *named != last.old {
            return Err(format!("{} does not name the newest key", VERIFIER_KEY));
        }
        Ok(Self { first: links[0].old.clone(), links })
    }

    /// The keys of the log in `dir`, and the one that `log.vkey` names; `None` where that names none.
    ///
    /// # Errors
    /// When a file cannot be read; inside, what is wrong with the lines.
    pub(crate) fn read(dir: &Path) -> io::Result<Result<Option<(Self, VerifierKey)>, String>> {
        // In this order: the line is written before the name.
        let named = files::read(&dir.join(VERIFIER_KEY))?;
        let lines = files::read(&dir.join(LINKS))?.unwrap_or_default();
        let named = named.and_then(|text| std::str::from_utf8(&text).ok()?.parse::<VerifierKey>().ok());
        let Some(named) = named else { return Ok(Ok(None)) };
        let lines = match std::str::from_utf8(&lines) {
            Ok("") => "",
            Ok(text) if text.ends_with('\n') => &text[..text.len() - 1],
            _ => return Ok(Err("it is cut, or no text".to_owned())),
        };
        let lines = (!lines.is_empty()).then(|| lines.split('\n')).into_iter().flatten();
        Ok(Self::follow(&named, lines).map(|keys| Some((keys, named))))
    }

    /// The lines as the file has them.
    pub(crate) fn lines(&self) -> Vec<String> {
        self.links.iter().map(ToString::to_string).collect()
    }

    /// Writes them. Where there are none, there is no file.
    pub(crate) fn write(&self, dir: &Path) -> io::Result<()> {
        let path = dir.join(LINKS);
        if self.links.is_empty() {
            return match std::fs::remove_file(&path) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
                _ => crate::segment::sync_folder(dir),
            };
        }
        let text: String = self.links.iter().map(|link| format!("{link}\n")).collect();
        crate::tiles::replace(&path, text.as_bytes())
    }

    pub(crate) fn links(&self) -> &[Link] {
        &self.links
    }

    /// With one more.
    pub(crate) fn with(&self, link: Link) -> Self {
        let mut longer = self.clone();
        longer.links.push(link);
        longer
    }

    /// Drops the last replacement if its record is none of the first `end`: it was begun and never told of.
    /// Once the new key is `named`, the record was there.
    pub(crate) fn told_by(mut self, end: u64, named: &VerifierKey) -> Self {
        self.links.pop_if(|link| link.seq >= end && link.old == *named);
        self
    }

    /// The newest.
    pub(crate) fn newest(&self) -> &VerifierKey {
        self.links.last().map_or(&self.first, |link| &link.new)
    }

    /// The keys from this one on; `None` where it is none of them.
    pub(crate) fn from(&self, known: &VerifierKey) -> Option<Self> {
        if self.first == *known {
            return Some(self.clone());
        }
        let at = self.links.iter().position(|link| link.new == *known)?;
        Some(Self { first: known.clone(), links: self.links[at + 1..].to_vec() })
    }

    /// Number of replacements that lead to this key.
    pub(crate) fn changes_to(&self, key: &VerifierKey) -> u64 {
        self.links.iter().position(|link| link.new == *key).map_or(0, |at| at as u64 + 1)
    }

    /// Whether `signing` came after `key`.
    pub(crate) fn is_replaced(&self, key: &VerifierKey, signing: &VerifierKey) -> bool {
        self.changes_to(key) < self.changes_to(signing)
    }

    /// The one that signs for a tree of this size.
    fn for_size(&self, size: u64) -> &VerifierKey {
        self.links.iter().rev().find(|link| link.seq < size).map_or(&self.first, |link| &link.new)
    }

    /// Reads a note that one of them signed, and says which.
    ///
    /// # Errors
    /// Those of [`Checkpoint::open`], and where the key that signed was not the one to do so.
    pub(crate) fn open(&self, note: &[u8]) -> Result<(Checkpoint, &VerifierKey), BadNote> {
        for key in self.links.iter().rev().map(|link| &link.new).chain([&self.first]) {
            match Checkpoint::open(note, key) {
                Ok(checkpoint) if self.for_size(checkpoint.size) == key => return Ok((checkpoint, key)),
                Ok(_) => return Err(BadNote::Replaced),
                Err(BadNote::Unsigned) => {}
                Err(error) => return Err(error),
            }
        }
        Err(BadNote::Unsigned)
    }
}

/// Key that the next writer of the log in `dir` has to sign with; `None` where there is no log with a
/// tree yet.
///
/// # Errors
/// When it cannot be read, or its keys do not follow from one another.
pub fn signing_key(dir: &Path) -> Result<Option<VerifierKey>, ReadError> {
    let path = dir.join(LINKS);
    let read = Keys::read(dir).map_err(|source| ReadError::Io { path: path.clone(), source })?;
    let read = read.map_err(|why| ReadError::Damaged { file: path, byte: 0, why })?;
    let Some((keys, named)) = read else { return Ok(None) };
    if keys.links.is_empty() {
        return Ok(Some(keys.first));
    }
    let newest = recent(dir, &Filter::default(), None, 1)?;
    let end = newest.records.first().map_or(0, |record| record.seq + 1);
    Ok(Some(keys.told_by(end, &named).newest().clone()))
}

#[cfg(test)]
mod tests;
