#![doc = include_str!("../README.md")]
//!
//! # Map
//!
//! Reading order: [`Usage`] is what a call cost, [`UsageReader`] takes it from what a provider
//! reported, [`TextCount`] estimates where nothing was reported, [`tokens`] counts with a tokenizer. [`Day`] and [`Clock`] are time,
//! [`Ledger`] is the contract of a budget, [`SqliteLedger`] keeps it in one file, [`Interim`] holds calls while it is away.

mod answer;
mod clock;
mod day;
mod estimate;
mod interim;
mod ledger;
mod limit;
#[cfg(feature = "postgres")]
mod postgres;
mod price;
mod sqlite;
pub mod tokens;
mod usage;

pub use answer::AnswerText;
pub use clock::Clock;
pub use day::{Day, ParseDayError};
pub use estimate::{Estimate, TextCount, estimate_tokens};
pub use interim::{Booked, Interim};
pub use ledger::{
    Ask, Balance, BoxFuture, HistoryQuery, Ledger, LedgerError, ReserveError, Spend, Trouble, UsageRow,
};
pub use limit::{Limit, Period, Scope, Standing, Sums, Unit};
#[cfg(feature = "postgres")]
pub use postgres::{PostgresLedger, PostgresOptions};
pub use price::{Catalogue, CatalogueError, Micros, ParseRateError, Price, Rate, Terms, Tiered};
pub use sqlite::{Durability, SqliteLedger, SqliteOptions};
pub use usage::{Face, Tier, Usage, UsageReader};
