//! The way to the books: jobs in the order they were called for, and who commits them.
//!
//! A thread commits whatever is in line as one transaction, so that many callers share the price of one
//! commit. While few calls are under way there is nothing to share, and waking the thread and being woken by it
//! costs more than a commit: then a job is committed where it comes from. What may keep a caller's thread for
//! longer than that is always the thread's: a disk that is waited for or slow, books that other processes
//! write to, work that failed, and SQLite's own checkpoints.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError, TryLockError};
use std::thread;
use std::time::{Duration, Instant};

use tokio::sync::oneshot;

use super::writer::Writer;
use super::{grant::Grant, wait_for};
use crate::{Ask, Balance, BoxFuture, Day, HistoryQuery, LedgerError, Limit, ReserveError, Spend, UsageRow};

/// Jobs that may wait before new calls are refused. Settlements and releases are always taken: each
/// belongs to a reservation that was let in, so they are bounded by it. Some 20 MB at worst.
const MAX_WAITING: usize = 65_536;

/// Channel of an answer; the asker may be gone.
pub(super) type Reply<T, E = LedgerError> = oneshot::Sender<Result<T, E>>;

pub(super) enum Job {
    /// Without `reply` it was granted when it was called for (no limit), and has to be recorded.
    Reserve { ask: Ask, reply: Option<Reply<Grant, ReserveError>> },
    /// Without `reply` the asker was already told of trouble; the work is still owed.
    Settle { id: String, spend: Spend, reply: Option<Reply<Balance>> },
    /// Release of a reservation; `reply` as in `Settle`.
    Release { id: String, reply: Option<Reply<()>> },
    /// Query that goes to the reader once everything before it is committed.
    Read(Read),
    /// Answered once everything before it is committed.
    Flush { reply: Reply<()> },
}

pub(super) enum Read {
    Balance { context: String, day: Day, limits: Vec<Limit>, reply: Reply<Balance> },
    History { query: HistoryQuery, reply: Reply<Vec<UsageRow>> },
}

/// The most jobs in one transaction: enough to share the price of a commit, few enough to keep the
/// first of them from waiting long.
const MAX_BATCH: usize = 512;

/// Pause before owed work is tried again when nothing else comes.
const RETRY: Duration = Duration::from_millis(250);

/// With more calls under way than this, commits are shared.
const FEW: usize = 2;

/// After a commit that took longer, no caller makes one until one was faster.
const SLOW: Duration = Duration::from_millis(1);

/// The way in, one for everybody.
#[derive(Clone)]
pub(super) struct Queue(Arc<Shared>);

struct Shared {
    line: Mutex<Line>,
    /// Wakes the thread.
    called: Condvar,
    /// `None` before the thread has begun, and when it has ended. Whoever held it looks at the line once
    /// more after letting go, so a job may be left there while it is held.
    writer: Mutex<Option<Writer>>,
    /// Whether a caller may commit.
    by_callers: AtomicBool,
    /// Jobs that are not done, owed ones included.
    waiting: AtomicUsize,
    /// Reservations that were called for and neither settled nor released.
    under_way: AtomicUsize,
}

#[derive(Default)]
struct Line {
    jobs: VecDeque<Job>,
    /// Whether something could not be committed and is tried again.
    owes: bool,
    /// SQLite's log has grown and is to be carried over into the file.
    checkpoint_due: bool,
    /// The ledger is being closed, or was left by a panic: nothing more is taken.
    closed: bool,
}

impl Line {
    fn is_idle(&self) -> bool {
        self.jobs.is_empty() && !self.checkpoint_due && !self.closed
    }
}

impl std::fmt::Debug for Queue {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Queue").field("waiting", &self.0.waiting).finish_non_exhaustive()
    }
}

impl Queue {
    pub(super) fn new() -> Self {
        Self(Arc::new(Shared {
            line: Mutex::default(),
            called: Condvar::new(),
            writer: Mutex::new(None),
            by_callers: AtomicBool::new(false),
            waiting: AtomicUsize::new(0),
            under_way: AtomicUsize::new(0),
        }))
    }

    pub(super) fn is_full(&self) -> bool {
        self.0.waiting.load(Ordering::Relaxed) >= MAX_WAITING
    }

    /// Whether it was taken; it may be done already. A job that is not taken drops its reply, which tells
    /// the asker.
    pub(super) fn send(&self, job: Job) -> bool {
        let under_way = match &job {
            Job::Reserve { .. } => self.0.under_way.fetch_add(1, Ordering::Relaxed) + 1,
            Job::Settle { .. } | Job::Release { .. } => self.note_closed(),
            Job::Read(_) | Job::Flush { .. } => self.0.under_way.load(Ordering::Relaxed),
        };
        let mut line = self.line();
        if line.closed {
            return false;
        }
        self.0.waiting.fetch_add(1, Ordering::Relaxed);
        line.jobs.push_back(job);
        drop(line);
        if under_way > FEW || !self.0.by_callers.load(Ordering::Relaxed) || !self.serve() {
            self.0.called.notify_one();
        }
        true
    }

    /// Number of calls under way before this one was closed. Closing twice is harmless.
    fn note_closed(&self) -> usize {
        let less = |under_way: usize| Some(under_way.saturating_sub(1));
        self.0.under_way.fetch_update(Ordering::Relaxed, Ordering::Relaxed, less).unwrap_or_default()
    }

    /// A reservation that was called for is not granted: nobody will close it.
    pub(super) fn note_refused(&self) {
        self.note_closed();
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

    fn line(&self) -> MutexGuard<'_, Line> {
        // Between two statements a line is in order, wherever a panic leaves it.
        self.0.line.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Commits queued jobs on this thread. Returns whether none is left for the writer thread.
    fn serve(&self) -> bool {
        match self.0.writer.try_lock() {
            Ok(mut writer) => {
                let Some(writer) = writer.as_mut() else { return false };
                if !writer.begin_at_once() {
                    self.0.by_callers.store(false, Ordering::Relaxed);
                    return false;
                }
                self.commit(writer);
            }
            // Who is at it looks once more.
            Err(TryLockError::WouldBlock) => return true,
            Err(TryLockError::Poisoned(_)) => return false,
        }
        let line = self.line();
        line.is_idle() && !line.owes
    }

    /// Commits what is in line as one transaction.
    fn commit(&self, writer: &mut Writer) {
        let batch: Vec<Job> = {
            let mut line = self.line();
            let taken = line.jobs.len().min(MAX_BATCH);
            line.jobs.drain(..taken).collect()
        };
        let began = Instant::now();
        let done = writer.work(batch);
        let quick = began.elapsed() < SLOW;
        self.0.waiting.fetch_sub(done, Ordering::Relaxed);
        let mut line = self.line();
        line.owes = writer.owes();
        line.checkpoint_due |= writer.is_checkpoint_due();
        // A checkpoint is not kept waiting by callers who come first again and again.
        let by_callers = quick && writer.may_serve_callers() && !line.checkpoint_due;
        self.0.by_callers.store(by_callers, Ordering::Relaxed);
    }

    /// Lets nothing more in; the thread commits what is in line, and ends.
    pub(super) fn close(&self) {
        self.line().closed = true;
        self.0.called.notify_one();
    }

    /// Loop of the thread: it commits whatever no caller commits, until the ledger is closed.
    pub(super) fn run(&self, writer: Writer) {
        let lock = || self.0.writer.lock();
        if let Ok(mut place) = lock() {
            *place = Some(writer);
        }
        loop {
            let (checkpoint_due, closed) = self.wait();
            if self.0.under_way.load(Ordering::Relaxed) > FEW {
                // Whoever shares the core with this thread puts more in line before it commits: woken by the first
                // job, it would commit that one alone. Where no one else wants the core this returns at once.
                thread::yield_now();
            }
            // A caller that panicked at the books left them in an unknown state.
            let Ok(mut place) = lock() else { break };
            let Some(writer) = place.as_mut() else { break };
            if checkpoint_due {
                writer.checkpoint();
            }
            self.commit(writer);
            if closed && self.line().jobs.is_empty() {
                break;
            }
        }
        let mut line = self.line();
        line.closed = true;
        // Whoever still waits is told so by the loss of the reply.
        line.jobs.clear();
        drop(line);
        let writer = lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(writer) = writer {
            writer.farewell();
        }
    }

    /// Waits until there is something to do. Whether a checkpoint is due, and whether to end.
    fn wait(&self) -> (bool, bool) {
        let mut line = self.line();
        while line.is_idle() && !line.owes {
            line = self.0.called.wait(line).unwrap_or_else(PoisonError::into_inner);
        }
        if line.is_idle() {
            let waited = self.0.called.wait_timeout_while(line, RETRY, |line| line.is_idle());
            line = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
        (std::mem::take(&mut line.checkpoint_due), line.closed)
    }
}
