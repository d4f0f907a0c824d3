//! The contract of a budget: reserve before the call, settle after it.
//!
//! Every store keeps the same promises. A limited reservation is granted only if everything settled
//! and everything held for that context and day, plus what is asked for, stays within the limit, however
//! many callers ask at once. A reservation belongs to the day it was made on, also when it is
//! settled on another. What a crashed process still held counts as spent.

mod error;

pub use error::{LedgerError, ReserveError, Trouble};

use std::future::Future;
use std::pin::Pin;

use serde::{Deserialize, Serialize};

use crate::limit::Sums;
use crate::{Day, Limit, Micros, Scope, Standing, Unit, Usage};

/// A future that owns all it needs. The work behind it is queued when the method is called, so
/// dropping the future of a settlement or release loses the answer, never the work.
pub type BoxFuture<T> = Pin<Box<dyn Future<Output = T> + Send + 'static>>;

/// Store of budgets and usage.
pub trait Ledger: Send + Sync + 'static {
    /// Holds tokens and money for a call that is about to be forwarded; the balance is the one after it.
    /// All limits have to carry the call, or nothing is held anywhere.
    ///
    /// With limits, the answer waits until the reservation is committed. Without any it does not
    /// wait for the disk: the reservation is queued, and the balance is the last one this process
    /// saw plus what is asked for.
    ///
    /// Dropping the future before it has answered gives the reservation back. Once it has answered,
    /// the caller must settle or release it.
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

    /// Balance of a context on a day, everything queued before included.
    fn balance(&self, context: &str, day: Day, limits: &[Limit]) -> BoxFuture<Result<Balance, LedgerError>>;

    /// Usage, one row for each day, context, model, provider and client, oldest first.
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
    /// The most that it is expected to cost in money; `None` when its price is unknown. Then it holds no
    /// money, and limits of money do not stop it: whether it may go on is the asker's decision.
    pub micros: Option<Micros>,
    /// Limits that may not be exceeded; empty is unlimited.
    pub limits: Vec<Limit>,
}

impl Ask {
    /// Amount that is asked for, in the unit of a limit; `None` for money when the price is unknown.
    #[must_use]
    pub fn amount(&self, unit: Unit) -> Option<u64> {
        match unit {
            Unit::Tokens => Some(self.tokens),
            Unit::Micros => self.micros.map(|micros| micros.0),
        }
    }
}

/// Cost of a call, and the context, client and model it is booked on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Spend {
    /// The tokens.
    pub usage: Usage,
    /// The money; `None` when the price is unknown, which is not the same as nothing.
    pub micros: Option<Micros>,
    /// The model that answered.
    pub model: String,
    /// The provider that served it.
    pub provider: String,
    /// The client program that asked; empty when unknown.
    pub client: String,
}

/// Balance of a context on a day.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Balance {
    /// Whose budget it is.
    pub context: String,
    /// The day it counts for.
    pub day: Day,
    /// Sums that the whole context has spent and holds on that day.
    pub today: Sums,
    /// The same for that day's month.
    pub month: Sums,
    /// Standing of each limit that was asked about, in the order of the request.
    pub limits: Vec<Standing>,
}

impl Balance {
    /// Balance of a context that never spent anything.
    #[must_use]
    pub fn unused(context: &str, day: Day, limits: Vec<Limit>) -> Self {
        let (today, month) = (Sums::default(), Sums::default());
        let limits = limits.iter().map(|limit| limit.standing(day, &today)).collect();
        Self { context: context.to_owned(), day, today, month, limits }
    }

    /// The limit of tokens a day for the whole context; `None` is unlimited.
    #[must_use]
    pub fn limit(&self) -> Option<u64> {
        self.daily_tokens().map(|standing| standing.limit.amount)
    }

    /// Tokens that can still be reserved today; `None` is unlimited.
    #[must_use]
    pub fn remaining(&self) -> Option<u64> {
        self.daily_tokens().map(Standing::remaining)
    }

    /// Time of the reset of the day's budget, in milliseconds since 1970.
    #[must_use]
    pub fn resets_at(&self) -> u64 {
        self.day.resets_at()
    }

    fn daily_tokens(&self) -> Option<&Standing> {
        self.limits.iter().find(|standing| {
            standing.limit.scope == Scope::Context && standing.limit.name() == "daily_tokens"
        })
    }
}

/// Bytes kept of the name of a model, provider or client: they come from outside.
const MAX_NAME_BYTES: usize = 256;

/// A name as it is kept: cut to a length, and without NUL, which not every store can hold.
pub(crate) fn kept(name: &str) -> String {
    name[..name.floor_char_boundary(MAX_NAME_BYTES)].replace('\0', "\u{FFFD}")
}

/// Filter of the usage to list.
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
    /// Cost of the calls with a known price; for expired ones, the amount that was held.
    pub cost: Micros,
    /// Calls whose price is unknown: `cost` leaves them out.
    pub unpriced_calls: u64,
}

impl UsageRow {
    /// Tokens that these calls took from the budget.
    #[must_use]
    pub fn total(&self) -> u64 {
        self.usage.total().saturating_add(self.expired)
    }
}
