//! Proofs that a record is in a log, and bundles of them that stand alone.

use std::collections::HashMap;
use std::io;
use std::path::{Path, PathBuf};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde::{Deserialize, Serialize};

use crate::checkpoints::CHECKPOINT;
use crate::files;
use crate::keys::{Keys, VERIFIER_KEY};
use crate::note::{BadNote, Checkpoint, VerifierKey};
use crate::read::{ReadError, segments};
use crate::record::{Head, Record};
use crate::scan::Forward;
use crate::tiles;
use crate::tree::{Hash, inclusion, leaf_hash, root_from_inclusion};

/// The format of [`Bundle`].
pub const BUNDLE_FORMAT: &str = "zos-evidence/1";

/// A record, the siblings on its way to the root, and the checkpoint that signs for the root.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Proof {
    /// The line, exactly as it stands in the log.
    pub record: String,
    /// Its place among the leaves, which is its `seq`.
    pub index: u64,
    /// The size of the tree.
    pub size: u64,
    /// The siblings from the leaf upwards, in base64.
    pub hashes: Vec<String>,
    /// The signed note.
    pub checkpoint: String,
    /// Lines in which each key of the log vouches for the next, for a verifier that knows an earlier key.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub key_lines: Vec<String>,
}

/// Why something could not be proven.
#[derive(Debug, thiserror::Error)]
pub enum ProofError {
    /// The log cannot be read.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// There is nothing that signs.
    #[error("the log cannot prove anything: {0}")]
    NoHead(String),
    /// The record is not covered yet.
    #[error("record {seq} is under no checkpoint yet; the newest covers {size}")]
    Unsigned {
        /// The record.
        seq: u64,
        /// Number of records that are covered.
        size: u64,
    },
    /// The record is gone.
    #[error("record {0} is not in the log; it was pruned, or never written")]
    Gone(u64),
    /// Line and tree do not fit.
    #[error("record {0} is not the one that the checkpoint signs for; see `zos audit verify`")]
    Tampered(u64),
}

/// Why a proof proves nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum BadProof {
    /// The keys do not lead from the one that is known to the one that signed.
    #[error("the keys of the log do not follow from one another")]
    Keys,
    /// Its checkpoint is none.
    #[error("the checkpoint: {0}")]
    Note(BadNote),
    /// The parts do not fit each other.
    #[error("the record is not under this checkpoint")]
    Mismatch,
}

impl Proof {
    /// Checks it with the public key alone.
    ///
    /// # Errors
    /// When it does not prove that the record is under a checkpoint that this key signed.
    pub fn verify(&self, key: &VerifierKey) -> Result<Checkpoint, BadProof> {
        let head = open(&self.checkpoint, key, &self.key_lines)?.0;
        check(self.record.as_bytes(), self.index, self.size, &self.hashes, &head)?;
        Ok(head)
    }
}

/// Checkpoint of a note that a key of the log signed, checked by a verifier that knows `key`; and the key that signed.
fn open(note: &str, key: &VerifierKey, lines: &[String]) -> Result<(Checkpoint, VerifierKey), BadProof> {
    let newest = lines.last().and_then(|line| line.split(' ').nth(2)?.parse::<VerifierKey>().ok());
    let keys = match (newest, lines) {
        (_, []) => Keys::new(key.clone()),
        (None, _) => return Err(BadProof::Keys),
        (Some(newest), lines) => {
            let keys = Keys::follow(&newest, lines.iter().map(String::as_str)).map_err(|_| BadProof::Keys)?;
            keys.from(key).unwrap_or_else(|| Keys::new(key.clone()))
        }
    };
    let (checkpoint, by) = keys.open(note.as_bytes()).map_err(BadProof::Note)?;
    Ok((checkpoint, by.clone()))
}

/// Whether a line is under a checkpoint, at the place that it names itself.
fn check(line: &[u8], index: u64, size: u64, hashes: &[String], head: &Checkpoint) -> Result<(), BadProof> {
    let decode = |text: &String| STANDARD.decode(text).ok().and_then(|hash| Hash::try_from(hash).ok());
    let hashes: Vec<Hash> = hashes.iter().map(decode).collect::<Option<_>>().ok_or(BadProof::Mismatch)?;
    let root = root_from_inclusion(index, size, leaf_hash(line), &hashes);
    let is_at_its_place = Head::parse(line).is_ok_and(|record| record.seq == index);
    (size == head.size && root == Some(head.root) && is_at_its_place).then_some(()).ok_or(BadProof::Mismatch)
}

/// Proves records of one log against its newest checkpoint.
pub struct Prover {
    dir: PathBuf,
    keys: Keys,
    key: VerifierKey,
    note: String,
    head: Checkpoint,
    /// Roots of subtrees that were read before.
    known: HashMap<(u64, u64), Hash>,
}

/// The most roots that are remembered.
const KNOWN: usize = 1 << 16;

impl Prover {
    /// Takes the newest checkpoint of the log in `dir`.
    ///
    /// # Errors
    /// When there is no log or no checkpoint of it.
    pub fn open(dir: &Path) -> Result<Self, ProofError> {
        segments(dir)?;
        let io = |path: PathBuf| move |source| ReadError::Io { path, source };
        let path = dir.join(CHECKPOINT);
        let note = files::read(&path).map_err(io(path))?;
        let note = note.and_then(|note| String::from_utf8(note).ok());
        let note = note.ok_or_else(|| ProofError::NoHead("the checkpoint is missing".to_owned()))?;
        let keys = Keys::read(dir).map_err(io(dir.join(VERIFIER_KEY)))?;
        let keys = keys.map_err(|why| ProofError::NoHead(format!("{}: {why}", crate::keys::LINKS)))?;
        let (keys, _) = keys.ok_or_else(|| ProofError::NoHead("log.vkey is missing".to_owned()))?;
        let opened = keys.open(note.as_bytes()).map(|(head, key)| (head, key.clone()));
        let (head, key) = opened.map_err(|error| ProofError::NoHead(error.to_string()))?;
        Ok(Self { dir: dir.to_owned(), keys, key, note, head, known: HashMap::new() })
    }

    /// The checkpoint.
    pub fn head(&self) -> &Checkpoint {
        &self.head
    }

    /// The key that signed it.
    pub fn key(&self) -> &VerifierKey {
        &self.key
    }

    /// The siblings of a leaf, in base64.
    fn siblings(&mut self, index: u64) -> Result<Vec<String>, ProofError> {
        let (dir, size, known) = (&self.dir, self.head.size, &mut self.known);
        let mut subtree = |begin: u64, count: u64| -> io::Result<Hash> {
            if let Some(hash) = known.get(&(begin, count)) {
                return Ok(*hash);
            }
            let hash = tiles::subtree(dir, begin, count, size)?;
            if known.len() >= KNOWN {
                known.clear();
            }
            known.insert((begin, count), hash);
            Ok(hash)
        };
        let hashes = inclusion(index, size, &mut subtree)
            .map_err(|source| ReadError::Io { path: self.dir.join("tile"), source })?;
        Ok(hashes.iter().map(|hash| STANDARD.encode(hash)).collect())
    }

    /// Proves one line, which must be the one with this `seq`.
    ///
    /// # Errors
    /// When the line is under no checkpoint, or not the one that is.
    pub fn prove_line(&mut self, seq: u64, line: &[u8]) -> Result<Proven, ProofError> {
        if seq >= self.head.size {
            return Err(ProofError::Unsigned { seq, size: self.head.size });
        }
        let hashes = self.siblings(seq)?;
        check(line, seq, self.head.size, &hashes, &self.head).map_err(|_| ProofError::Tampered(seq))?;
        let record = String::from_utf8(line.to_vec()).map_err(|_| ProofError::Tampered(seq))?;
        Ok(Proven { record, index: seq, hashes })
    }

    /// Finds the record with this `seq` and proves it.
    ///
    /// # Errors
    /// When it is not there, under no checkpoint, or not the one that is.
    pub fn prove(&mut self, seq: u64) -> Result<Proof, ProofError> {
        let line = find(&self.dir, seq)?.ok_or(ProofError::Gone(seq))?;
        let Proven { record, index, hashes } = self.prove_line(seq, &line)?;
        let (checkpoint, key_lines) = (self.note.clone(), self.keys.lines());
        Ok(Proof { record, index, size: self.head.size, hashes, checkpoint, key_lines })
    }

    /// A bundle without records yet.
    pub fn bundle(&self) -> Bundle {
        Bundle {
            format: BUNDLE_FORMAT.to_owned(),
            key: self.key.to_string(),
            key_lines: self.keys.lines(),
            checkpoint: self.note.clone(),
            size: self.head.size,
            records: Vec::new(),
            statements: Vec::new(),
            keys: serde_json::Map::new(),
            objects: serde_json::Map::new(),
        }
    }
}

/// The line of the record with this `seq`.
fn find(dir: &Path, seq: u64) -> Result<Option<Vec<u8>>, ReadError> {
    for name in segments(dir)?.iter().rev() {
        let path = dir.join(name.to_string());
        let failed = |source| ReadError::Io { path: path.clone(), source };
        let mut lines = Forward::open(&path, 0).map_err(failed)?;
        let mut next = None;
        while let Some(line) = lines.next_line().map_err(failed)? {
            let at = match next {
                Some(at) => at,
                // Within a segment the lines are counted from the first, as the tree counts them.
                None => match Head::parse(line) {
                    Ok(head) if head.seq <= seq => head.seq,
                    _ => break,
                },
            };
            if at == seq {
                return Ok(Some(line.to_vec()));
            }
            next = Some(at + 1);
        }
        if next.is_some() {
            return Ok(None);
        }
    }
    Ok(None)
}

/// A record with its proof, in a bundle.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Proven {
    /// The line, exactly as it stands in the log.
    pub record: String,
    /// Its place among the leaves.
    pub index: u64,
    /// The siblings from the leaf upwards, in base64.
    pub hashes: Vec<String>,
}

/// Records of a log that another person can verify without the log.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Bundle {
    /// [`BUNDLE_FORMAT`].
    pub format: String,
    /// Verifier key. A verifier should have it from elsewhere too.
    pub key: String,
    /// Lines in which each key of the log vouches for the next, for a verifier that knows an earlier key.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub key_lines: Vec<String>,
    /// The signed note that all proofs lead to.
    pub checkpoint: String,
    /// The size of its tree.
    pub size: u64,
    /// The records.
    pub records: Vec<Proven>,
    /// Statements about the states that governed them; not this library's to judge.
    #[serde(default)]
    pub statements: Vec<serde_json::Value>,
    /// The public keys that signed the statements, by their id.
    #[serde(default)]
    pub keys: serde_json::Map<String, serde_json::Value>,
    /// The files that the statements cover, in base64 by their digest; only where the owner gave them.
    #[serde(default)]
    pub objects: serde_json::Map<String, serde_json::Value>,
}

impl Bundle {
    /// Records that the bundle proves, and how many it does not.
    ///
    /// # Errors
    /// When the checkpoint is none that this key signed: then nothing is proven.
    pub fn verify(&self, key: &VerifierKey) -> Result<Judged, BadProof> {
        let (head, key) = open(&self.checkpoint, key, &self.key_lines)?;
        if self.size != head.size || self.format != BUNDLE_FORMAT {
            return Err(BadProof::Mismatch);
        }
        let (mut good, mut bad) = (Vec::new(), Vec::new());
        for proven in &self.records {
            let line = proven.record.as_bytes();
            let checked = check(line, proven.index, self.size, &proven.hashes, &head);
            match (checked, Record::parse(line)) {
                (Ok(()), Ok(record)) => good.push(record),
                (Err(why), _) => bad.push((proven.index, why)),
                (Ok(()), Err(_)) => bad.push((proven.index, BadProof::Mismatch)),
            }
        }
        Ok(Judged { key, good, bad })
    }
}

/// Result of checking the records of a bundle.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Judged {
    /// Key that signed: the given one, or one that its replacements lead to.
    pub key: VerifierKey,
    /// Records that are proven.
    pub good: Vec<Record>,
    /// The places of those that are not, with the reason.
    pub bad: Vec<(u64, BadProof)>,
}
