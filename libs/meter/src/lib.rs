#![doc = include_str!("../README.md")]
//!
//! # Map
//!
//! Reading order: [`Usage`] is what a call cost, [`UsageReader`] takes it from what a provider
//! reported, [`TextCount`] estimates where nothing was reported. [`Day`] and [`Clock`] are time,
//! [`Ledger`] is the contract of a budget, [`SqliteLedger`] keeps it in one file.

mod clock;
mod day;
mod estimate;
mod ledger;
mod sqlite;
mod usage;

pub use clock::Clock;
pub use day::{Day, ParseDayError};
pub use estimate::{Estimate, TextCount, estimate_tokens};
pub use ledger::{
    Ask, Balance, BoxFuture, HistoryQuery, Ledger, LedgerError, ReserveError, Spend, Trouble, UsageRow,
};
pub use sqlite::{Durability, SqliteLedger, SqliteOptions};
pub use usage::{Face, Usage, UsageReader};
