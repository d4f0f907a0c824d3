//! Orderly stopping: no new calls, the ones in progress finish, and what takes too long is cut.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;
use tokio::sync::{Notify, watch};

/// How far stopping has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Phase {
    Serving,
    Draining,
    Cut,
}

/// Knows which calls are in progress.
pub(crate) struct Drain {
    phase: watch::Sender<Phase>,
    active: AtomicUsize,
    idle: Notify,
}

/// One call in progress.
pub(crate) struct Active(Arc<Drain>);

impl Drain {
    pub(crate) fn new() -> Arc<Self> {
        Arc::new(Drain {
            phase: watch::Sender::new(Phase::Serving),
            active: AtomicUsize::new(0),
            idle: Notify::new(),
        })
    }

    /// Registers a call; `None` while stopping.
    pub(crate) fn enter(self: &Arc<Self>) -> Option<Active> {
        // Count first, then look: whoever drains sees either the count or no call at all.
        self.active.fetch_add(1, Ordering::SeqCst);
        let active = Active(self.clone());
        (*self.phase.borrow() == Phase::Serving).then_some(active)
    }

    /// How many calls are in progress.
    pub(crate) fn active(&self) -> usize {
        self.active.load(Ordering::SeqCst)
    }

    /// Whether stopping has begun.
    pub(crate) fn is_draining(&self) -> bool {
        *self.phase.borrow() > Phase::Serving
    }

    /// Waits until stopping begins.
    pub(crate) async fn is_begun(&self) {
        self.wait(Phase::Draining).await;
    }

    /// Waits until what is still in progress must end.
    pub(crate) async fn is_cut(&self) {
        self.wait(Phase::Cut).await;
    }

    async fn wait(&self, phase: Phase) {
        let mut phases = self.phase.subscribe();
        // The sender lives as long as `self`.
        let _ = phases.wait_for(|now| *now >= phase).await;
    }

    /// Refuses new calls, waits for those in progress, and cuts them after `patience`.
    pub(crate) async fn run(&self, patience: Duration) {
        self.phase.send_if_modified(|phase| {
            let begins = *phase == Phase::Serving;
            *phase = (*phase).max(Phase::Draining);
            begins
        });
        if tokio::time::timeout(patience, self.idle()).await.is_err() {
            tracing::warn!(calls = self.active(), "calls in progress are cut");
            self.phase.send_replace(Phase::Cut);
            // A cut stream has only its ending left to write; a caller that does not read it is dropped.
            let _ = tokio::time::timeout(Duration::from_secs(2), self.idle()).await;
        }
    }

    async fn idle(&self) {
        loop {
            let notified = self.idle.notified();
            tokio::pin!(notified);
            notified.as_mut().enable();
            if self.active() == 0 {
                return;
            }
            notified.await;
        }
    }
}

impl Drop for Active {
    fn drop(&mut self) {
        if self.0.active.fetch_sub(1, Ordering::SeqCst) == 1 {
            self.0.idle.notify_waiters();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn stopping_waits_for_calls_and_cuts_what_takes_too_long() {
        let drain = Drain::new();
        let active = drain.enter().unwrap();
        let stopping = tokio::spawn({
            let drain = drain.clone();
            async move { drain.run(Duration::from_secs(5)).await }
        });
        drain.is_begun().await;
        assert!(drain.enter().is_none());
        assert_eq!(drain.active(), 1);
        drain.is_cut().await;
        drop(active);
        stopping.await.unwrap();
        assert_eq!(drain.active(), 0);
    }
}
