//! Books: what calls may spend and have spent. Which ledger serves, what a call is expected to cost, what tokens cost,
//! and which limits the owner was told of.

pub mod budget;
pub mod ledger;
pub mod prices;
pub(crate) mod quotas;
pub(crate) mod tokens;
mod trouble;

use crate::journal::Journal;
use crate::views::{BudgetLimit, Event};
use ledger::LedgerHealth;
use prices::Prices;
use quotas::Quotas;
use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use zos_core::Home;
use zos_meter::tokens::Factors;
use zos_meter::{Balance, Clock, Interim, Ledger, Limit, Period, Standing};

/// Context, scope and name of a limit.
type LimitKey = (String, String, &'static str);

/// Limits whose announcements are remembered.
const ANNOUNCED_KEPT: usize = 4096;

/// The ledger, what stands in for it while it is away, and what is needed to say what a call costs.
pub(crate) struct Books {
    pub(crate) ledger: Arc<dyn Ledger>,
    /// This home's own SQLite ledger, kept open for its lock even where another serves: it keeps a second zOS out.
    _own_ledger: Arc<dyn Ledger>,
    pub(crate) health: LedgerHealth,
    /// What is held and spent while the ledger is away.
    pub(crate) interim: Interim,
    pub(crate) prices: Prices,
    /// Quotas of plans, as providers told them.
    pub(crate) quotas: Quotas,
    /// Ratio of each model family's token count to OpenAI's, learned from bills.
    pub(crate) factors: Factors,
    /// Highest mark (80 or 100 %) that each limit was announced at, with the day or month it was announced for.
    announced: Mutex<HashMap<LimitKey, (String, u8)>>,
    clock: Clock,
    journal: Arc<Journal>,
}

impl Books {
    /// The books of a home, kept in `ledger`; `own` is the home's own ledger, which may be the same.
    pub(crate) fn new(
        home: Home,
        ledger: Arc<dyn Ledger>,
        own: Arc<dyn Ledger>,
        clock: Clock,
        journal: Arc<Journal>,
    ) -> Arc<Self> {
        Arc::new(Books {
            ledger,
            _own_ledger: own,
            health: LedgerHealth::default(),
            interim: Interim::default(),
            prices: Prices::new(home),
            quotas: Quotas::default(),
            factors: Factors::default(),
            announced: Mutex::default(),
            clock,
            journal,
        })
    }

    /// Milliseconds since 1970.
    pub(crate) fn now_ms(&self) -> u64 {
        self.clock.now_ms()
    }

    /// Announces each limit that crossed 80 % or 100 %, once a day or month each.
    pub(crate) fn moved(&self, balance: &Balance) {
        for standing in &balance.limits {
            self.reached(&balance.context, standing, standing.mark());
        }
    }

    /// Announces a limit that could not carry a call. A call can be refused while tokens are left, so a limit that is
    /// nearly used up is announced as used up.
    pub(crate) fn refused(&self, context: &str, standing: &Standing) {
        if standing.mark() > 0 {
            self.reached(context, standing, 100);
        }
    }

    fn reached(&self, context: &str, standing: &Standing, percent: u8) {
        if percent == 0 {
            return;
        }
        let Limit { scope, period, .. } = &standing.limit;
        let key = (context.to_owned(), scope.code(), standing.limit.name());
        let period: String = Period::code(*period, standing.day);
        let mut announced = self.announced.lock().unwrap_or_else(PoisonError::into_inner);
        // Limits come and go with the files; what is announced twice after that does no harm.
        if announced.len() >= ANNOUNCED_KEPT {
            announced.clear();
        }
        let mark = announced.entry(key).or_insert((period.clone(), 0));
        if (mark.0.as_str(), mark.1) < (period.as_str(), percent) {
            *mark = (period, percent);
            drop(announced);
            let limit = BudgetLimit::new(standing, self.now_ms());
            self.journal.announce(Event::Budget { context: context.to_owned(), limit, percent });
        }
    }
}
