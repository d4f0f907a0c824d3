//! An append-only audit log.
//!
//! One folder, one writer, one canonical JSON line a record. A record has reached the operating
//! system when [`Log::append`] returns and the disk within 100 ms; [`Log::wait_durable`] waits for
//! the disk. What a crash cut is set aside and recorded, damage is refused, and while the disk is
//! full the log says so and goes on by itself when it is not. Reading needs no lock and no writer.
//!
//! The lines are the leaves of a Merkle tree ([`tree`]) that is kept beside them, with signed checkpoints
//! ([`note`]): whoever has the public key finds every change, removal and reordering of what a checkpoint
//! covers ([`verify()`]), offline and on a copy.
//!
//! Records are appended by one writer and read by anybody:
//!
//! ```
//! use zos_audit::{Filter, Log, Options, Record, Verdict, recent};
//!
//! let home = tempfile::tempdir()?;
//! let log = Log::open(home.path(), Options::default())?;
//! let seq = log.append(Record { verdict: Some(Verdict::Deny), ..Record::default() })?;
//! log.wait_durable(seq)?; // now a power cut loses it no more
//! let denied = Filter { verdict: Some(Verdict::Deny), ..Filter::default() };
//! assert_eq!(recent(home.path(), &denied, None, 20)?.records[0].seq, seq);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! With a key that signs, every later change is found:
//!
//! ```
//! use std::sync::Arc;
//! use zos_audit::{Log, Options, Record, Signer, verify};
//!
//! struct Key(ed25519_dalek::SigningKey);
//!
//! impl Signer for Key {
//!     fn public_key(&self) -> [u8; 32] {
//!         self.0.verifying_key().to_bytes()
//!     }
//!     fn sign(&self, message: &[u8]) -> [u8; 64] {
//!         ed25519_dalek::Signer::sign(&self.0, message).to_bytes()
//!     }
//! }
//!
//! let home = tempfile::tempdir()?;
//! let key = Key(ed25519_dalek::SigningKey::from_bytes(&[7; 32])); // yours comes from a keychain
//! let log = Log::open(home.path(), Options { signer: Some(Arc::new(key)), ..Options::default() })?;
//! log.append(Record { context: Some("acme".into()), ..Record::default() })?;
//! log.close()?;
//! assert!(verify(home.path(), None, &mut |_, _| ())?.is_intact());
//!
//! let mut files = std::fs::read_dir(home.path())?.filter_map(|entry| Some(entry.ok()?.path()));
//! let segment = files.find(|path| path.extension().is_some_and(|ending| ending == "jsonl"));
//! let segment = segment.ok_or("a log has a segment")?;
//! let forged = std::fs::read_to_string(&segment)?.replace("acme", "other");
//! std::fs::write(&segment, forged)?;
//! assert!(!verify(home.path(), None, &mut |_, _| ())?.is_intact());
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! Not told: whether the newest checkpoint is the newest that ever was, once somebody has put
//! the whole folder back to an earlier day. Only a checkpoint that was kept elsewhere tells that.
//!
//! Reading order: [`record`], `segment`, [`log`], [`read`], [`follow`], [`tree`], [`note`], [`keys`], [`verify()`],
//! [`proof`], [`prune()`].

mod checkpoints;
pub mod export;
mod files;
pub mod follow;
pub mod keys;
pub mod log;
pub mod note;
pub mod proof;
pub mod prune;
pub mod read;
pub mod record;
mod scan;
mod segment;
mod tiles;
pub mod time;
pub mod tree;
pub mod verify;
mod witness;

pub use follow::{Entry, Lines, read_all};
pub use keys::signing_key;
pub use log::{
    AppendError, Clock, Durability, Health, Log, OnDamage, OpenError, Options, RotateError, Rotated,
};
pub use note::{Checkpoint, Signer, VerifierKey};
pub use proof::{Bundle, Proof, ProofError, Prover};
pub use prune::{PruneError, Pruned, prune};
pub use read::{BadCursor, Cursor, Filter, Page, ReadError, recent};
pub use record::{Kind, Outcome, Record, Usage, Verdict};
pub use time::{format_time, parse_time};
pub use tree::leaf_hash;
pub use verify::{Report, verify, verify_witnessed};

/// Runs the example of the README.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
