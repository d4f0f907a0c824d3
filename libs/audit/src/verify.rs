//! Finds whether a log is what was signed for: offline, on a copy, with the public key alone.
//!
//! Every line is hashed, the tree is built again from the lines and compared with the tiles and with the
//! newest checkpoint. Lines behind the checkpoint are only looked at for their form and number, and are
//! counted as unsigned: a crash leaves such, and nobody can vouch for them.

mod check;
mod lines;

use std::path::{Path, PathBuf};

pub use check::Finding;

use crate::checkpoints;
use crate::keys::{self, Keys, VERIFIER_KEY};
use crate::note::VerifierKey;
use crate::read::{ReadError, segments};
use crate::tiles;
use crate::witness::Witness;

/// The most findings that are kept; the first ones tell where to look.
const FINDINGS: usize = 32;

/// Result of a verification.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Report {
    /// The verifier key that signs now, where one is known.
    pub key: Option<VerifierKey>,
    /// Whether a key was given, and not only found in the folder of the log itself.
    pub is_key_given: bool,
    /// Number of replacements of the key, each vouched for by the key before: since the one that was given,
    /// else since the first.
    pub key_changes: u64,
    /// Number of records that the newest checkpoint covers.
    pub size: u64,
    /// The records that are there.
    pub records: u64,
    /// The oldest records, which were pruned and of which the tree keeps the hashes.
    pub pruned: u64,
    /// The records behind the newest checkpoint.
    pub unsigned: u64,
    /// Half lines that crashes left: files they were set aside in, and one that still stands at the end.
    pub torn: Vec<String>,
    /// Places where the log differs from what was signed.
    pub findings: Vec<Finding>,
}

impl Report {
    /// Whether no damage was found.
    pub fn is_intact(&self) -> bool {
        self.findings.is_empty()
    }

    fn find(&mut self, place: impl Into<String>, what: impl Into<String>) {
        if self.findings.len() < FINDINGS {
            self.findings.push(Finding { place: place.into(), what: what.into() });
        }
    }
}

/// Verifies the log in `dir`, with this key or else with the one that lies in the folder.
///
/// `progress` is told the records and the bytes of all of them, now and then.
///
/// # Errors
/// When there is no log, or a file of it cannot be read. What is wrong with it is no error.
pub fn verify(
    dir: &Path,
    key: Option<&VerifierKey>,
    progress: &mut dyn FnMut(u64, u64),
) -> Result<Report, ReadError> {
    verify_witnessed(dir, key, None, progress)
}

/// Verifies as [`verify`], and compares the newest checkpoint with the file outside of the folder that repeats it
/// ([`Options::witness`](crate::Options::witness)): a folder that was put back to an earlier day is found.
///
/// # Errors
/// Those of [`verify`].
pub fn verify_witnessed(
    dir: &Path,
    key: Option<&VerifierKey>,
    witness: Option<&Path>,
    progress: &mut dyn FnMut(u64, u64),
) -> Result<Report, ReadError> {
    let io = |path: PathBuf| move |source| ReadError::Io { path, source };
    // Before the checkpoint, which is written first.
    let witness = match witness {
        Some(path) => Witness::read(path).map_err(io(path.to_owned()))?,
        None => None,
    };
    // First what the tree reaches to, then the head, then the segments: the writer goes the other way, so
    // that a log which is being written is never found to be less than it was signed for.
    segments(dir)?;
    let extent = tiles::extent(dir).map_err(io(dir.join("tile")))?;
    let notes = checkpoints::Notes::read(dir).map_err(io(dir.join(checkpoints::CHECKPOINT)))?;
    let found = Keys::read(dir).map_err(io(dir.join(VERIFIER_KEY)))?;
    let mut report = Report {
        key: key.cloned(),
        is_key_given: key.is_some(),
        key_changes: 0,
        size: 0,
        records: 0,
        pruned: 0,
        unsigned: 0,
        torn: Vec::new(),
        findings: Vec::new(),
    };
    let (own, named) = match found {
        Ok(found) => found.unzip(),
        Err(why) => {
            report.find(keys::LINKS, why);
            (None, None)
        }
    };
    // Whoever knows the log by an early key follows the words of the keys from there.
    let keys = match (key, &own) {
        (Some(known), Some(own)) => Some(own.from(known).unwrap_or_else(|| Keys::new(known.clone()))),
        (Some(known), None) => Some(Keys::new(known.clone())),
        (None, own) => own.clone(),
    };
    let head = match &keys {
        None => {
            if report.is_intact() {
                report.find(VERIFIER_KEY, "the verifier key is missing or is none");
            }
            None
        }
        Some(keys) => match checkpoints::head(&notes, keys) {
            Ok(Some(head)) => Some(head),
            Ok(None) => {
                report.find(checkpoints::CHECKPOINT, "the checkpoint is missing");
                None
            }
            Err(why) => {
                report.find(checkpoints::CHECKPOINT, why);
                None
            }
        },
    };
    if let (Some(keys), Some(head)) = (&keys, &head) {
        report.key = Some(head.key.clone());
        report.key_changes = keys.changes_to(&head.key);
        if named.as_ref().is_some_and(|named| keys.is_replaced(named, &head.key)) {
            report.find(VERIFIER_KEY, "it names a key that signs no more");
        }
    } else if let (None, Some(own)) = (&report.key, &own) {
        report.key = Some(own.newest().clone());
    }
    let settled = head.as_ref().map_or(0, |head| head.settled);
    let head = head.map(|head| head.checkpoint);
    if let Some(why) = witness.and_then(|witness| witness.against(head.as_ref())) {
        report.find("log", why);
    }
    let names = segments(dir)?;
    if names.is_empty() && own.is_none() && extent == 0 {
        return Err(ReadError::Missing { dir: dir.to_owned() });
    }
    report.size = head.as_ref().map_or(0, |head| head.size);
    if head.is_some() && extent > report.size {
        let what =
            format!("it covers {} records, and the tree {extent}: an older one was put back", report.size);
        report.find(checkpoints::CHECKPOINT, what);
    }
    let is_named = own.as_ref().map(Keys::newest) == named.as_ref();
    let words = check::Words { links: own.map_or_else(Vec::new, |own| own.links().to_vec()), is_named };
    check::run(dir, &names, head.as_ref().map(|head| (head, settled)), words, &mut report, progress)?;
    Ok(report)
}

#[cfg(test)]
mod tests;
