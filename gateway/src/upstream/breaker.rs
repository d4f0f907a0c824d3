//! Leaves what failed too often alone. After a while one call probes it: its success closes the breaker, its
//! failure opens it again.
//!
//! A breaker is for one model at one endpoint of one provider: what fails beside must not bar what works. It
//! exists to reach the next route sooner, so who asks is only a call that has one; without, a provider's own
//! errors say more than we could.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};
use zos_core::fleet::Breaker;

/// Breakers that are remembered. Names of models are the caller's words, so there could be any number.
const KEPT: usize = 4096;

/// What a breaker is for.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct Scope {
    /// The provider's name.
    pub(crate) provider: String,
    /// The model as it is sent.
    pub(crate) model: String,
    /// The path at the provider.
    pub(crate) endpoint: &'static str,
}

/// All breakers.
#[derive(Default)]
pub(crate) struct Breakers {
    states: Arc<Mutex<HashMap<Scope, State>>>,
}

#[derive(Default)]
struct State {
    failures: VecDeque<Instant>,
    open_until: Option<Instant>,
    is_probed: bool,
}

/// Permission to call once. Dropped without a word, it says nothing about the provider: the caller left, or the
/// provider only asked to wait.
pub(crate) struct Permit {
    states: Arc<Mutex<HashMap<Scope, State>>>,
    scope: Scope,
    is_probe: bool,
}

impl Breakers {
    /// Permission to call what `scope` names.
    ///
    /// # Errors
    /// How long it is still left alone.
    pub(crate) fn ask(&self, scope: Scope, now: Instant) -> Result<Permit, Duration> {
        let mut states = lock(&self.states);
        let mut is_probe = false;
        if let Some(State { open_until: Some(until), is_probed, .. }) = states.get_mut(&scope) {
            if *until > now {
                return Err(*until - now);
            }
            if *is_probed {
                return Err(Duration::from_secs(1));
            }
            *is_probed = true;
            is_probe = true;
        }
        Ok(Permit { states: self.states.clone(), scope, is_probe })
    }
}

impl Permit {
    /// It answered. Returns whether that closed the breaker.
    pub(crate) fn succeeded(self) -> bool {
        lock(&self.states).remove(&self.scope).is_some_and(|state| state.open_until.is_some())
    }

    /// It failed. Returns whether that opened the breaker, for the first time or anew.
    pub(crate) fn failed(self, breaker: &Breaker, now: Instant) -> bool {
        let mut states = lock(&self.states);
        if states.len() >= KEPT && !states.contains_key(&self.scope) {
            make_room(&mut states, breaker, now);
        }
        let state = states.entry(self.scope.clone()).or_default();
        state.failures.push_back(now);
        while state.failures.front().is_some_and(|first| now.duration_since(*first) > breaker.window)
            || state.failures.len() > breaker.failures as usize
        {
            state.failures.pop_front();
        }
        // A call that began before the breaker opened may fail after it did.
        let was_open = state.open_until.is_some_and(|until| until > now);
        let opens = self.is_probe || state.failures.len() >= breaker.failures as usize;
        if opens {
            state.open_until = Some(now + breaker.open);
        }
        // Before `self` is dropped, which locks again.
        drop(states);
        opens && !was_open
    }
}

/// Forgets what failed long ago, and, where that is nothing, everything: then some are asked once more.
fn make_room(states: &mut HashMap<Scope, State>, breaker: &Breaker, now: Instant) {
    states.retain(|_, state| {
        state.open_until.is_some_and(|until| until > now)
            || state.failures.back().is_some_and(|last| now.duration_since(*last) <= breaker.window)
    });
    if states.len() >= KEPT {
        states.clear();
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        if self.is_probe
            && let Some(state) = lock(&self.states).get_mut(&self.scope)
        {
            state.is_probed = false;
        }
    }
}

fn lock(states: &Mutex<HashMap<Scope, State>>) -> MutexGuard<'_, HashMap<Scope, State>> {
    states.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    const BREAKER: Breaker =
        Breaker { failures: 2, window: Duration::from_secs(10), open: Duration::from_secs(5) };

    fn at(start: Instant, seconds: u64) -> Instant {
        start + Duration::from_secs(seconds)
    }

    fn scope(model: &str) -> Scope {
        Scope { provider: "p".to_owned(), model: model.to_owned(), endpoint: "/v1/messages" }
    }

    #[test]
    fn what_fails_bars_only_itself() {
        let (breakers, now) = (Breakers::default(), Instant::now());
        for _ in 0..2 {
            breakers.ask(scope("m"), now).ok().unwrap().failed(&BREAKER, now);
        }
        assert!(breakers.ask(scope("m"), now).is_err());
        assert!(breakers.ask(scope("other"), now).is_ok());
        assert!(breakers.ask(Scope { endpoint: "/v1/chat/completions", ..scope("m") }, now).is_ok());
        assert!(breakers.ask(Scope { provider: "q".to_owned(), ..scope("m") }, now).is_ok());
    }

    #[test]
    fn names_that_callers_make_up_do_not_fill_the_memory() {
        let (breakers, start) = (Breakers::default(), Instant::now());
        for number in 0..3 * KEPT {
            breakers.ask(scope(&number.to_string()), start).ok().unwrap().failed(&BREAKER, start);
        }
        assert!(lock(&breakers.states).len() <= KEPT);
        breakers.ask(scope("late"), at(start, 60)).ok().unwrap().failed(&BREAKER, at(start, 60));
        assert!(lock(&breakers.states).contains_key(&scope("late")));
        breakers.ask(scope("late"), at(start, 60)).ok().unwrap().succeeded();
        assert!(!lock(&breakers.states).contains_key(&scope("late")), "what works is not remembered");
    }

    #[test]
    fn it_opens_after_enough_failures_and_one_probe_decides() {
        let (breakers, start) = (Breakers::default(), Instant::now());
        let fail = |seconds| {
            breakers.ask(scope("m"), at(start, seconds)).ok().unwrap().failed(&BREAKER, at(start, seconds))
        };
        let wait = |seconds| breakers.ask(scope("m"), at(start, seconds)).err();
        fail(0);
        assert!(wait(1).is_none());
        fail(1);
        assert_eq!(wait(2), Some(Duration::from_secs(4)));
        let probe = breakers.ask(scope("m"), at(start, 6)).ok().unwrap();
        assert!(wait(6).is_some(), "one probe at a time");
        probe.failed(&BREAKER, at(start, 6));
        assert_eq!(wait(7), Some(Duration::from_secs(4)));
        breakers.ask(scope("m"), at(start, 11)).ok().unwrap().succeeded();
        assert!(wait(11).is_none());
    }

    #[test]
    fn failures_far_apart_open_nothing_and_a_probe_that_is_left_frees_the_next() {
        let (breakers, start) = (Breakers::default(), Instant::now());
        for seconds in [0, 11, 22] {
            breakers.ask(scope("m"), at(start, seconds)).ok().unwrap().failed(&BREAKER, at(start, seconds));
        }
        assert!(breakers.ask(scope("m"), at(start, 22)).is_ok());
        breakers.ask(scope("m"), at(start, 23)).ok().unwrap().failed(&BREAKER, at(start, 23));
        drop(breakers.ask(scope("m"), at(start, 30)).ok().unwrap());
        assert!(breakers.ask(scope("m"), at(start, 30)).is_ok(), "the probe was given back");
    }
}
