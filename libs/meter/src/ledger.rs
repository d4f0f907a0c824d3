//! The contract of a budget: reserve before the call, settle after it.
//!
//! Every store keeps the same promises. A limited reservation is granted only if everything settled
//! and everything held for that context and day, plus what is asked for, stays within the limit, however
//! many callers ask at once. A reservation belongs to the day it was made on, also when it is
//! settled on another. What a crashed process still held counts as spent.

use std::error::Error;
use std::future::Future;
use std::path::PathBuf;
use std::pin::Pin;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::{Day, Usage};

/// A future that owns all it needs. The work behind it is queued when the method is called, so
/// dropping the future of a settlement or release loses the answer, never the work.
pub type BoxFuture<T> = Pin<Box<dyn Future<Output = T> + Send + 'static>>;

/// Where budgets and usage are kept.
pub trait Ledger: Send + Sync + 'static {
    /// Holds tokens for a call that is about to be forwarded; the balance is the one after it.
    ///
    /// With a limit, the answer waits until the reservation is committed. Without one it does not
    /// wait for the disk: the reservation is queued, and the balance is the last one this process
    /// saw plus what is asked for.
    ///
    /// Dropping the future before it has answered gives the reservation back. Once it has answered,
    /// whoever asked must settle or release.
    fn reserve(&self, ask: Ask) -> BoxFuture<Result<Balance, ReserveError>>;

    /// Replaces a reservation by what the call really cost, which may be more than was held.
    /// Settling again changes nothing and answers with the balance as it is.
    ///
    /// An error of kind [`LedgerError::Storage`] means "not yet on disk": the ledger keeps the
    /// settlement and goes on trying.
    fn settle(&self, id: &str, spend: Spend) -> BoxFuture<Result<Balance, LedgerError>>;

    /// Gives a reservation back whole: the call was never forwarded, or costs nothing. Releasing
    /// again, or after settling, changes nothing.
    fn release(&self, id: &str) -> BoxFuture<Result<(), LedgerError>>;

    /// How a context stands on a day, everything queued before included.
    fn balance(&self, context: &str, day: Day, limit: Option<u64>)
    -> BoxFuture<Result<Balance, LedgerError>>;

    /// What was spent, one row for each day, context, model, provider and client, oldest first.
    fn history(&self, query: HistoryQuery) -> BoxFuture<Result<Vec<UsageRow>, LedgerError>>;

    /// Answers when everything queued before is committed, or says why it is not.
    fn flush(&self) -> BoxFuture<Result<(), LedgerError>>;
}

/// Asks to hold tokens for one call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ask {
    /// Names the reservation: never used before, so make it here and not from what a client sent.
    pub id: String,
    /// Whose budget it is.
    pub context: String,
    /// The day it counts for.
    pub day: Day,
    /// The most that the call is expected to cost.
    pub tokens: u64,
    /// Tokens a day; `None` is unlimited.
    pub limit: Option<u64>,
}

/// What a call cost, and whom it is booked on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Spend {
    /// The tokens.
    pub usage: Usage,
    /// The model that answered.
    pub model: String,
    /// The provider that served it.
    pub provider: String,
    /// The client program that asked; empty when unknown.
    pub client: String,
}

/// How a context stands on a day.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Balance {
    /// Whose budget it is.
    pub context: String,
    /// The day it counts for.
    pub day: Day,
    /// Tokens a day; `None` is unlimited.
    pub limit: Option<u64>,
    /// Tokens settled.
    pub used: u64,
    /// Tokens held for calls under way.
    pub reserved: u64,
}

impl Balance {
    /// Tokens that can still be reserved; `None` is unlimited.
    #[must_use]
    pub fn remaining(&self) -> Option<u64> {
        self.limit.map(|limit| limit.saturating_sub(self.used).saturating_sub(self.reserved))
    }

    /// When the budget starts anew, in milliseconds since 1970.
    #[must_use]
    pub fn resets_at(&self) -> u64 {
        self.day.resets_at()
    }
}

/// Which usage to list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HistoryQuery {
    /// One context, or all.
    pub context: Option<String>,
    /// First day, included.
    pub since: Day,
    /// Last day, included.
    pub until: Day,
}

/// The usage of one client with one model in one context on one day.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct UsageRow {
    /// The day on which the calls were reserved.
    pub day: Day,
    /// The context that paid.
    pub context: String,
    /// The model that answered; empty when the process died before it was known.
    pub model: String,
    /// The provider that served it; empty like `model`.
    pub provider: String,
    /// The client program; empty when unknown.
    pub client: String,
    /// Calls settled, and reservations that expired.
    pub calls: u64,
    /// Calls of which at least one count is an estimate; expired ones are.
    pub estimated_calls: u64,
    /// Sums over all calls; `estimated` when any of them is.
    pub usage: Usage,
    /// Tokens of reservations whose process died: spent, as far as anybody can know, but on input
    /// or output nobody can say, so they are not in `usage`.
    pub expired: u64,
}

impl UsageRow {
    /// What these calls took from the budget.
    #[must_use]
    pub fn total(&self) -> u64 {
        self.usage.total().saturating_add(self.expired)
    }
}

/// Why nothing was reserved.
#[derive(Debug, Clone, thiserror::Error)]
pub enum ReserveError {
    /// The budget cannot carry the call.
    #[error("the daily budget of {limit} tokens has {} left, and the call may need {asked}",
        limit.saturating_sub(*used).saturating_sub(*reserved))]
    Exhausted {
        /// Tokens a day.
        limit: u64,
        /// Tokens settled.
        used: u64,
        /// Tokens held for calls under way.
        reserved: u64,
        /// Tokens asked for.
        asked: u64,
        /// When the budget starts anew, in milliseconds since 1970.
        resets_at: u64,
    },
    /// The ledger could not tell.
    #[error(transparent)]
    Ledger(#[from] LedgerError),
}

/// What can go wrong with the ledger itself. Errors are shared by all callers of one commit, hence
/// `Clone`.
#[derive(Debug, Clone, thiserror::Error)]
pub enum LedgerError {
    /// Another process, or another handle in this one, keeps this ledger.
    #[error("{} is in use by another program; close it first, or open another file", path.display())]
    InUse {
        /// The lock file that is held.
        path: PathBuf,
    },
    /// A newer program wrote the file, and guessing at it could lose money.
    #[error("{} has format {found}, this program knows formats up to {known}; use the newer program", path.display())]
    NewerFormat {
        /// The file.
        path: PathBuf,
        /// Its format.
        found: i64,
        /// The newest format known here.
        known: i64,
    },
    /// The file is something else.
    #[error("{} is not a usage ledger; move it away or name another file", path.display())]
    NotALedger {
        /// The file.
        path: PathBuf,
    },
    /// The file is ours but cannot be read any more.
    #[error("{} is damaged; restore it from a backup or move it away", path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
    },
    /// The file or its folder cannot be opened, made or locked.
    #[error("cannot open the usage ledger {}", path.display())]
    Open {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: Arc<dyn Error + Send + Sync>,
    },
    /// Reading or writing failed.
    #[error("the usage ledger {trouble}")]
    Storage {
        /// What kind of failure.
        trouble: Trouble,
        /// What the store said.
        source: Arc<dyn Error + Send + Sync>,
    },
    /// The id of a reservation was used before.
    #[error("a reservation of that id exists already")]
    DuplicateId,
    /// No reservation has this id, or it was closed long ago. Nothing was charged.
    #[error("no reservation has that id")]
    UnknownId,
    /// More work is waiting than the ledger is willing to hold in memory.
    #[error("the usage ledger cannot keep up")]
    Overloaded,
    /// The ledger's thread has ended.
    #[error("the usage ledger is closed")]
    Closed,
}

/// Kinds of storage failure, apart because a person mends them in different ways.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Trouble {
    /// The disk, or the quota on it, is full.
    Full,
    /// The file or its file system cannot be written.
    ReadOnly,
    /// Another program held the file for too long.
    Busy,
    /// The file is damaged.
    Damaged,
    /// The system failed to read or write.
    Io,
    /// Anything else.
    Other,
}

impl std::fmt::Display for Trouble {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.write_str(match self {
            Self::Full => "has no room left on its disk",
            Self::ReadOnly => "cannot be written: the file or its disk is read-only",
            Self::Busy => "is held by another program for too long",
            Self::Damaged => "is damaged; restore it from a backup or move it away",
            Self::Io => "could not be read or written",
            Self::Other => "failed",
        })
    }
}
