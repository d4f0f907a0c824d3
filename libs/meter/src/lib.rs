#![doc = include_str!("../README.md")]
//!
//! # A price
//!
//! The cost of a call is exact, and unknown where any part of it has no price:
//!
//! ```
//! use zos_meter::{Catalogue, Clock, Micros, Usage, estimate_tokens};
//!
//! let today = Clock::system().today();
//! let catalogue = Catalogue::shipped();
//! let price = catalogue.price("openai", None, "gpt-4o-mini", today).ok_or("it is in the catalogue")?;
//! let usage = Usage { input: 80, output: 20, ..Usage::default() };
//! assert_eq!(price.cost(&usage), Some(Micros(24))); // 80 * 0.15 + 20 * 0.60 dollars for a million
//! assert!(catalogue.price("openai", None, "no-such-model", today).is_none());
//! assert!(estimate_tokens("Where no provider reports usage, text is counted.") > 0);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # Map
//!
//! Reading order: [`Usage`] holds the tokens of a call, [`UsageReader`] takes them from a provider's report, [`TextCount`]
//! estimates where nothing was reported, [`tokens`] counts with a tokenizer. [`Day`] and [`Clock`] are time, [`Limit`] is a
//! bound on spending. [`Ledger`] is the contract of a store of budgets, [`SqliteLedger`] keeps it in one file, [`Interim`]
//! holds calls while a store is away.

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
