//! The way into the writer: jobs in the order they were called for.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc;

use tokio::sync::oneshot;

use super::{grant::Grant, wait_for};
use crate::{Ask, Balance, BoxFuture, Day, HistoryQuery, LedgerError, Limit, ReserveError, Spend, UsageRow};

/// Jobs that may wait before new calls are refused. Settlements and releases are always taken: each
/// belongs to a reservation that was let in, so they are bounded by it. Some 20 MB at worst.
const MAX_WAITING: usize = 65_536;

/// Where an answer goes; the asker may be gone.
pub(super) type Reply<T, E = LedgerError> = oneshot::Sender<Result<T, E>>;

pub(super) enum Job {
    /// Without `reply` it was granted when it was called for (no limit), and has to be recorded.
    Reserve { ask: Ask, reply: Option<Reply<Grant, ReserveError>> },
    /// Without `reply` the asker was already told of trouble; the work is still owed.
    Settle { id: String, spend: Spend, reply: Option<Reply<Balance>> },
    /// As `Settle`.
    Release { id: String, reply: Option<Reply<()>> },
    /// Handed to the reader once everything before it is committed.
    Read(Read),
    /// Answered once everything before it is committed.
    Flush { reply: Reply<()> },
    /// The ledger is being closed; nothing after this is done.
    Stop,
}

pub(super) enum Read {
    Balance { context: String, day: Day, limits: Vec<Limit>, reply: Reply<Balance> },
    History { query: HistoryQuery, reply: Reply<Vec<UsageRow>> },
}

/// The sending end.
#[derive(Debug, Clone)]
pub(super) struct Queue {
    jobs: mpsc::Sender<Job>,
    waiting: Arc<AtomicUsize>,
}

pub(super) fn new() -> (Queue, mpsc::Receiver<Job>) {
    let (jobs, receiver) = mpsc::channel();
    (Queue { jobs, waiting: Arc::default() }, receiver)
}

impl Queue {
    pub(super) fn is_full(&self) -> bool {
        self.waiting.load(Ordering::Relaxed) >= MAX_WAITING
    }

    /// Whether the writer is there to take it. A job that is not taken drops its reply, which
    /// tells the asker.
    pub(super) fn send(&self, job: Job) -> bool {
        self.waiting.fetch_add(1, Ordering::Relaxed);
        self.jobs.send(job).is_ok()
    }

    pub(super) fn send_unless_full<T: Send + 'static>(
        &self,
        job: Job,
        answer: oneshot::Receiver<Result<T, LedgerError>>,
    ) -> BoxFuture<Result<T, LedgerError>> {
        if self.is_full() {
            return Box::pin(std::future::ready(Err(LedgerError::Overloaded)));
        }
        self.send(job);
        wait_for(answer)
    }

    /// So many jobs are done, and wait no more.
    pub(super) fn done(&self, jobs: usize) {
        self.waiting.fetch_sub(jobs, Ordering::Relaxed);
    }
}
