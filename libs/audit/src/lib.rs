//! An append-only audit log.
//!
//! One folder, one writer, one canonical JSON line a record. A record has reached the operating
//! system when [`Log::append`] returns and the disk within 100 ms; [`Log::wait_durable`] waits for
//! the disk. What a crash cut is set aside and recorded, damage is refused, and while the disk is
//! full the log says so and goes on by itself when it is not. Reading needs no lock and no writer.
//!
//! The lines are the leaves of a Merkle tree ([`tree`]) that is kept beside them, with signed checkpoints
//! ([`note`]): who has the public key finds every change, removal and reordering of what a checkpoint
//! covers ([`verify`]), offline and on a copy.
//!
//! What it cannot tell: whether the newest checkpoint is the newest that ever was, once somebody has put
//! the whole folder back to an earlier day. Only who keeps a checkpoint elsewhere can.
//!
//! Reading order: [`record`], `segment`, [`log`], [`read`], [`follow`], [`tree`], [`note`], [`keys`], [`verify`].

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
