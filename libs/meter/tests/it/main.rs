//! What every ledger promises, and what the SQLite one does when files, disks and processes fail.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod callers;
mod contract;
mod files;
mod house;
mod interim;
mod limits;
mod model;
#[cfg(feature = "postgres")]
mod postgres;
#[cfg(feature = "postgres")]
mod postgres_trouble;
mod processes;
mod race;
mod sheet;
mod trouble;
