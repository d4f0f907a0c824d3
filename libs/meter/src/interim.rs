//! Budgets while the ledger is away: calls are held here, against what was last known to be left, and booked when it is
//! back.
//!
//! The standing of each limit is noted whenever the ledger answers. While it does not, everything that is held here or was
//! spent from here counts on top of that, so one process spends no more than it knew to be left. It does not know what other
//! processes on the same ledger spend meanwhile: together they can spend what was left once each. A limit that was
//! never heard of counts as unspent. Everything here is lost with the process.

use std::collections::{HashMap, VecDeque};
use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::{Ask, Balance, Day, Ledger, LedgerError, Limit, ReserveError, Scope, Spend, Standing, Unit};

/// The most calls that wait to be booked; each is some hundred bytes. Beyond it a limited call is refused.
const OWED_MAX: usize = 65_536;

/// Purses of which the last standing is known. Days and months go by, and rooms come and go.
const KNOWN_MAX: usize = 16_384;

/// Holds of calls while the ledger does not answer, within the last known standing of each limit.
#[derive(Debug, Default)]
pub struct Interim {
    state: Mutex<State>,
    /// Lock of the task that books at the ledger, so that nothing is booked twice at once.
    booking: tokio::sync::Mutex<()>,
}

#[derive(Debug, Default)]
struct State {
    /// Last standing of each limit, from the ledger.
    known: HashMap<Counter, Known>,
    /// Amounts held here or spent from here since then.
    ours: HashMap<Counter, u64>,
    /// Calls under way that are held here.
    held: HashMap<String, LocalHold>,
    /// Calls that ended while they were held here.
    owed: VecDeque<(Ask, Spend)>,
    /// Whether the ledger is back and knows of everything: nothing is held here any more.
    is_over: bool,
}

/// Counter of one limit: context, scope, day or month, unit.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct Counter {
    context: String,
    scope: Scope,
    period: String,
    unit: Unit,
}

impl Counter {
    fn of(context: &str, day: Day, limit: &Limit) -> Self {
        Self {
            context: context.to_owned(),
            scope: limit.scope.clone(),
            period: limit.period.code(day),
            unit: limit.unit,
        }
    }
}

#[derive(Debug, Clone, Copy, Default)]
struct Known {
    used: u64,
    reserved: u64,
}

#[derive(Debug)]
struct LocalHold {
    ask: Ask,
    /// Whether the ledger holds it by now: then it is settled there.
    is_adopted: bool,
}

/// Books that a call held here went into.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Booked {
    /// Here, until the ledger is back.
    Here,
    /// The ledger took the hold over: settle or release it there.
    AtTheLedger,
}

impl Interim {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Notes how limits stand, as the ledger says. Answers may arrive out of order: of one period the one with more
    /// spent is the newer, and of two with as much spent the one with more held is taken.
    pub fn note(&self, balance: &Balance) {
        let mut state = self.state();
        if state.known.len() >= KNOWN_MAX {
            state.known.clear();
        }
        for standing in &balance.limits {
            let purse = Counter::of(&balance.context, standing.day, &standing.limit);
            let known = state.known.entry(purse).or_default();
            if standing.used > known.used {
                *known = Known { used: standing.used, reserved: standing.reserved };
            } else if standing.used == known.used {
                known.reserved = known.reserved.max(standing.reserved);
            }
        }
    }

    /// Whether the ledger has ever said how this limit stands.
    #[must_use]
    pub fn knows(&self, context: &str, day: Day, limit: &Limit) -> bool {
        self.state().known.contains_key(&Counter::of(context, day, limit))
    }

    /// The ledger is away: calls are held here from now on.
    pub fn begin(&self) {
        self.state().is_over = false;
    }

    /// Ends the holding of calls, if all is booked; says whether it is. From then on only the ledger grants, so that it
    /// never grants what was spent from here unknown to it.
    pub fn end(&self) -> bool {
        let mut state = self.state();
        state.is_over = state.is_empty();
        state.is_over
    }

    /// Whether the ledger grants again.
    #[must_use]
    pub fn is_over(&self) -> bool {
        self.state().is_over
    }

    /// Holds a call against what was last known to be left.
    ///
    /// # Errors
    /// When a limit cannot carry it, too many calls wait to be booked, or the ledger grants again
    /// ([`LedgerError::Closed`]).
    pub fn hold(&self, ask: Ask) -> Result<(), ReserveError> {
        let mut state = self.state();
        if state.is_over {
            return Err(LedgerError::Closed.into());
        }
        if state.held.len() + state.owed.len() >= OWED_MAX {
            return Err(LedgerError::Overloaded.into());
        }
        for limit in &ask.limits {
            let purse = Counter::of(&ask.context, ask.day, limit);
            let Known { used, reserved } = state.known.get(&purse).copied().unwrap_or_default();
            let reserved = reserved.saturating_add(state.ours.get(&purse).copied().unwrap_or_default());
            let standing = Standing { limit: limit.clone(), day: ask.day, used, reserved };
            if let Some(asked) = ask.amount(limit.unit)
                && !standing.can_carry(asked)
            {
                return Err(ReserveError::Exhausted { standing: Box::new(standing), asked });
            }
        }
        state.count(&ask, Unit::amount_asked, true);
        state.held.insert(ask.id.clone(), LocalHold { ask, is_adopted: false });
        Ok(())
    }

    /// Ends a call that was held here, with what it cost or with nothing.
    pub fn close(&self, id: &str, spend: Option<Spend>) -> Booked {
        let mut state = self.state();
        let Some(LocalHold { ask, is_adopted }) = state.held.remove(id) else { return Booked::Here };
        if is_adopted {
            return Booked::AtTheLedger;
        }
        state.count(&ask, Unit::amount_asked, false);
        if let Some(spend) = spend {
            state.count(&ask, |unit, _| spent(unit, &spend), true);
            state.owed.push_back((ask, spend));
        }
        Booked::Here
    }

    /// Whether nothing is held here and nothing waits to be booked.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.state().is_empty()
    }

    /// Books spending at the ledger, and hands holds over to it. Nothing of it can be refused: it is
    /// spent.
    ///
    /// # Errors
    /// When the ledger does not answer; what it did not take stays here.
    pub async fn book(&self, ledger: &dyn Ledger) -> Result<(), LedgerError> {
        let _alone = self.booking.lock().await;
        loop {
            let next = self.state().next();
            let Some(next) = next else { return Ok(()) };
            let ask = match &next {
                Next::Owed(ask, _) | Next::LocalHold(ask) => ask,
            };
            match ledger.reserve(unlimited(ask)).await {
                // The answer to an earlier attempt was lost.
                Ok(_) | Err(ReserveError::Ledger(LedgerError::DuplicateId)) => {}
                Err(ReserveError::Ledger(error)) => return Err(error),
                Err(ReserveError::Exhausted { .. }) => {
                    tracing::error!("a budget is full to the last number, so a call could not be booked");
                }
            }
            match next {
                Next::Owed(ask, spend) => {
                    match ledger.settle(&ask.id, spend.clone()).await {
                        Ok(balance) => self.note(&balance),
                        Err(LedgerError::UnknownId) => {}
                        Err(error) => return Err(error),
                    }
                    let mut state = self.state();
                    // Only who books takes from the front.
                    state.owed.pop_front();
                    state.count(&ask, |unit, _| spent(unit, &spend), false);
                }
                Next::LocalHold(ask) => {
                    // It may have ended meanwhile, with nothing to settle.
                    let is_wanted = self.state().adopt(&ask.id);
                    if !is_wanted {
                        ledger.release(&ask.id).await?;
                    }
                }
            }
        }
    }
}

enum Next {
    Owed(Ask, Spend),
    LocalHold(Ask),
}

impl State {
    fn is_empty(&self) -> bool {
        self.owed.is_empty() && self.held.values().all(|held| held.is_adopted)
    }

    fn next(&self) -> Option<Next> {
        if let Some((ask, spend)) = self.owed.front() {
            return Some(Next::Owed(ask.clone(), spend.clone()));
        }
        self.held.values().find(|held| !held.is_adopted).map(|held| Next::LocalHold(held.ask.clone()))
    }

    /// The ledger holds this call now. Says whether that is of use: a call that ended meanwhile is owed, and settled
    /// under the same id, or cost nothing.
    fn adopt(&mut self, id: &str) -> bool {
        let Some(held) = self.held.get_mut(id) else {
            return self.owed.iter().any(|(ask, _)| ask.id == id);
        };
        held.is_adopted = true;
        let ask = held.ask.clone();
        self.count(&ask, Unit::amount_asked, false);
        true
    }

    /// Adds what a call holds or spent to each of its purses, or takes it away.
    fn count(&mut self, ask: &Ask, amount: impl Fn(Unit, &Ask) -> u64, is_added: bool) {
        for limit in &ask.limits {
            let amount = amount(limit.unit, ask);
            let purse = Counter::of(&ask.context, ask.day, limit);
            let ours = self.ours.entry(purse.clone()).or_default();
            *ours = if is_added { ours.saturating_add(amount) } else { ours.saturating_sub(amount) };
            if *ours == 0 {
                self.ours.remove(&purse);
            }
        }
    }
}

impl Unit {
    fn amount_asked(self, ask: &Ask) -> u64 {
        ask.amount(self).unwrap_or(0)
    }
}

fn spent(unit: Unit, spend: &Spend) -> u64 {
    match unit {
        Unit::Tokens => spend.usage.total(),
        Unit::Micros => spend.micros.unwrap_or_default().0,
    }
}

/// The same hold, for which there is always room: its limits name only the purses that it is booked in.
fn unlimited(ask: &Ask) -> Ask {
    let limits = ask.limits.iter().map(|limit| Limit { amount: u64::MAX, ..limit.clone() }).collect();
    Ask { limits, ..ask.clone() }
}
