//! An append-only audit log.
//!
//! One folder, one writer, one canonical JSON line a record. A record has reached the operating
//! system when [`Log::append`] returns and the disk within 100 ms; [`Log::wait_durable`] waits for
//! the disk. What a crash cut is set aside and recorded, damage is refused, and while the disk is
//! full the log says so and goes on by itself when it is not. Reading needs no lock and no writer.
//!
//! The lines are made to be leaves of a Merkle tree ([`leaf_hash`]), but no tree is kept yet: a
//! change that leaves every line a record with its `seq` is not found by this crate.
//!
//! Reading order: [`record`], `segment`, [`log`], [`read`], [`follow`].

pub mod follow;
pub mod log;
pub mod read;
pub mod record;
mod scan;
mod segment;
pub mod time;

pub use follow::{Entry, Lines, read_all};
pub use log::{AppendError, Clock, Durability, Health, Log, OpenError, Options};
pub use read::{BadCursor, Cursor, Filter, Page, ReadError, recent};
pub use record::{Kind, Outcome, Record, Usage, Verdict, leaf_hash};
pub use time::{format_time, parse_time};

/// Runs the example of the README.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
