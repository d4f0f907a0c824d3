//! Leaves a provider alone that failed too often. After a while one call probes it: its success closes the
//! breaker, its failure opens it again.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};
use zos_core::fleet::Breaker;

/// The breakers of all providers, by name.
#[derive(Default)]
pub(crate) struct Breakers {
    states: Arc<Mutex<HashMap<String, State>>>,
}

#[derive(Default)]
struct State {
    failures: VecDeque<Instant>,
    open_until: Option<Instant>,
    is_probed: bool,
}

/// Leave to call a provider once. Dropped without a word, it says nothing about the provider: the caller
/// left, or the provider only asked to wait.
pub(crate) struct Leave {
    states: Arc<Mutex<HashMap<String, State>>>,
    provider: String,
    is_probe: bool,
}

impl Breakers {
    /// Leave to call `provider`.
    ///
    /// # Errors
    /// How long it is still left alone.
    pub(crate) fn ask(&self, provider: &str, now: Instant) -> Result<Leave, Duration> {
        let mut states = self.states.lock().unwrap_or_else(PoisonError::into_inner);
        let state = states.entry(provider.to_owned()).or_default();
        let is_probe = match state.open_until {
            None => false,
            Some(until) if until > now => return Err(until - now),
            Some(_) if state.is_probed => return Err(Duration::from_secs(1)),
            Some(_) => {
                state.is_probed = true;
                true
            }
        };
        Ok(Leave { states: self.states.clone(), provider: provider.to_owned(), is_probe })
    }
}

impl Leave {
    /// The provider answered.
    pub(crate) fn succeeded(self) {
        self.state(|state| *state = State::default());
    }

    /// The provider failed.
    pub(crate) fn failed(self, breaker: &Breaker, now: Instant) {
        let is_probe = self.is_probe;
        self.state(|state| {
            state.failures.push_back(now);
            while state.failures.front().is_some_and(|first| now.duration_since(*first) > breaker.window)
                || state.failures.len() > breaker.failures as usize
            {
                state.failures.pop_front();
            }
            if is_probe || state.failures.len() >= breaker.failures as usize {
                state.open_until = Some(now + breaker.open);
            }
        });
    }

    fn state(&self, change: impl FnOnce(&mut State)) {
        let mut states = self.states.lock().unwrap_or_else(PoisonError::into_inner);
        change(states.entry(self.provider.clone()).or_default());
    }
}

impl Drop for Leave {
    fn drop(&mut self) {
        if self.is_probe {
            self.state(|state| state.is_probed = false);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const BREAKER: Breaker =
        Breaker { failures: 2, window: Duration::from_secs(10), open: Duration::from_secs(5) };

    fn at(start: Instant, seconds: u64) -> Instant {
        start + Duration::from_secs(seconds)
    }

    #[test]
    fn it_opens_after_enough_failures_and_one_probe_decides() {
        let (breakers, start) = (Breakers::default(), Instant::now());
        let fail = |seconds| {
            breakers.ask("p", at(start, seconds)).ok().unwrap().failed(&BREAKER, at(start, seconds))
        };
        let wait = |seconds| breakers.ask("p", at(start, seconds)).err();
        fail(0);
        assert!(wait(1).is_none());
        fail(1);
        assert_eq!(wait(2), Some(Duration::from_secs(4)));
        assert!(breakers.ask("other", at(start, 2)).is_ok());
        let probe = breakers.ask("p", at(start, 6)).ok().unwrap();
        assert!(wait(6).is_some(), "one probe at a time");
        probe.failed(&BREAKER, at(start, 6));
        assert_eq!(wait(7), Some(Duration::from_secs(4)));
        breakers.ask("p", at(start, 11)).ok().unwrap().succeeded();
        assert!(wait(11).is_none());
    }

    #[test]
    fn failures_far_apart_open_nothing_and_a_probe_that_is_left_frees_the_next() {
        let (breakers, start) = (Breakers::default(), Instant::now());
        for seconds in [0, 11, 22] {
            breakers.ask("p", at(start, seconds)).ok().unwrap().failed(&BREAKER, at(start, seconds));
        }
        assert!(breakers.ask("p", at(start, 22)).is_ok());
        breakers.ask("p", at(start, 23)).ok().unwrap().failed(&BREAKER, at(start, 23));
        drop(breakers.ask("p", at(start, 30)).ok().unwrap());
        assert!(breakers.ask("p", at(start, 30)).is_ok(), "the probe was given back");
    }
}
