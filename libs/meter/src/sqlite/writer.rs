//! Writes: commits jobs as one transaction, then answers. [`super::queue`] says on whose thread.
//!
//! When a commit fails, limited reservations are refused with the reason, for nothing was granted. What has
//! already happened in the world (settlements, releases, unlimited reservations) is still owed:
//! its asker is told, and it is tried again, in its old order and before anything newer, until it is
//! committed or the ledger is closed. What is never committed stays reserved in the file and
//! counts as spent at the next open.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::mpsc::Sender;
use std::time::Duration;

use rusqlite::Connection;

use super::file::{LedgerFile, storage};
use super::grant::Grant;
use super::queue::{Job, Queue, Read, Reply};
use super::sheet::Sheet;
use super::{Standings, books};
use crate::{Balance, Clock, LedgerError, ReserveError, Trouble};

/// Pages of SQLite's log at which it is carried over into the file, 16 MB of them. A call alone writes six, and
/// everybody waits while the disk confirms what was carried over, so this is rarer than SQLite's own 1,000; the index
/// of the log finds a page among 4,096 in one step.
const CHECKPOINT_PAGES: u64 = 4_000;

/// Number of closed calls between two rounds of forgetting old ids.
const FORGET_EVERY: usize = 512;

pub(super) struct Writer {
    file: LedgerFile,
    /// `None` after trouble that a fresh connection may not have.
    connection: Option<Connection>,
    clock: Clock,
    queue: Queue,
    reads: Sender<Read>,
    standings: Arc<Standings>,
    /// Sums as the connection's last transaction left them.
    sheet: Sheet,
    /// Jobs that could not be committed yet.
    owed: VecDeque<Job>,
    /// The last failure, until a commit succeeds.
    trouble: Option<LedgerError>,
    closed_since_forgetting: usize,
    /// Whether the next transaction has begun.
    has_begun: bool,
}

impl Writer {
    pub(super) fn new(
        file: LedgerFile,
        connection: Connection,
        clock: Clock,
        queue: Queue,
        reads: Sender<Read>,
        standings: Arc<Standings>,
    ) -> Self {
        Self {
            file,
            connection: Some(connection),
            clock,
            queue,
            reads,
            standings,
            sheet: Sheet::default(),
            owed: VecDeque::new(),
            trouble: None,
            closed_since_forgetting: 0,
            has_begun: false,
        }
    }

    /// Begins the transaction of the next [`Self::work`] unless another program writes to the file just now.
    pub(super) fn begin_at_once(&mut self) -> bool {
        let Some(connection) = &self.connection else { return false };
        let begun = connection.busy_timeout(Duration::ZERO).and_then(|()| begin(connection));
        if connection.busy_timeout(self.file.place().busy_timeout()).is_err() {
            self.connection = None;
            return false;
        }
        self.has_begun = begun.is_ok();
        self.has_begun
    }

    /// Does these jobs, after what is owed; how many are done.
    pub(super) fn work(&mut self, batch: Vec<Job>) -> usize {
        let taken = self.owed.len() + batch.len();
        let mut writes = std::mem::take(&mut self.owed);
        let mut reads = Vec::new();
        for job in batch {
            match job {
                Job::Read(_) | Job::Flush { .. } => reads.push(job),
                write => writes.push_back(write),
            }
        }
        self.write(writes);
        if std::mem::take(&mut self.has_begun)
            && let Some(connection) = &self.connection
        {
            roll_back(connection);
        }
        for read in reads {
            match read {
                Job::Flush { reply } => {
                    let owed = if self.owed.is_empty() { None } else { self.trouble.clone() };
                    let _ = reply.send(owed.map_or(Ok(()), Err));
                }
                // If the reader is gone, dropping the job tells the asker.
                Job::Read(read) => drop(self.reads.send(read)),
                _ => {}
            }
        }
        taken - self.owed.len()
    }

    /// Whether something could not be committed yet.
    pub(super) fn owes(&self) -> bool {
        !self.owed.is_empty()
    }

    /// Whether a commit waits for nothing but the operating system: no disk, no other process.
    pub(super) fn may_serve_callers(&self) -> bool {
        self.file.place().commits_at_once() && self.trouble.is_none()
    }

    /// Whether SQLite's log is long enough to be carried over into the file.
    pub(super) fn is_checkpoint_due(&self) -> bool {
        self.file.place().log_pages() >= CHECKPOINT_PAGES
    }

    /// Carries SQLite's log over into the file, which waits for the disk.
    pub(super) fn checkpoint(&mut self) {
        self.file.place().note_checkpoint();
        let Some(connection) = &self.connection else { return };
        // What a reader still needs is left for the next time.
        let carried = connection.query_row("PRAGMA wal_checkpoint(PASSIVE)", [], |_| Ok(()));
        if let Err(error) = carried {
            tracing::warn!(
                error = &error as &dyn std::error::Error,
                "the log of the usage ledger goes on growing"
            );
        }
    }

    /// The end: what could not be written stays reserved in the file.
    pub(super) fn farewell(self) {
        if self.owes() {
            tracing::error!(
                owed = self.owed.len(),
                "the usage ledger closes with work that could not be written"
            );
        }
    }

    /// Commits the jobs as one transaction. If one of them is what the store chokes on, each
    /// gets a transaction of its own, so that it harms no other.
    fn write(&mut self, jobs: VecDeque<Job>) {
        if jobs.is_empty() {
            return;
        }
        match self.commit(&jobs) {
            Ok(outcomes) => self.answer_all(jobs, outcomes),
            Err(error) if jobs.len() > 1 && is_about_one_job(&error) => {
                for job in jobs {
                    self.write_alone(job);
                }
            }
            Err(error) => self.fail_all(jobs, &error),
        }
    }

    /// Behind owed work nothing is written: a settlement may not overtake its reservation.
    fn write_alone(&mut self, job: Job) {
        let alone = VecDeque::from([job]);
        match self.trouble.clone().filter(|_| !self.owed.is_empty()) {
            Some(trouble) => self.fail_all(alone, &trouble),
            None => self.write(alone),
        }
    }

    fn commit(&mut self, jobs: &VecDeque<Job>) -> Result<Vec<Outcome>, LedgerError> {
        let now_ms = self.clock.now_ms();
        let connection = match self.connection.take() {
            Some(connection) => connection,
            None => {
                // Versions of the file are counted by each connection for itself.
                self.sheet.forget();
                self.file.place().connect()?
            }
        };
        let closing = jobs.iter().filter(|job| !matches!(job, Job::Reserve { .. })).count();
        self.closed_since_forgetting += closing;
        let forget = self.closed_since_forgetting >= FORGET_EVERY;
        let has_begun = std::mem::take(&mut self.has_begun);
        let begun = if has_begun { Ok(()) } else { begin(&connection) };
        let sheet = &mut self.sheet;
        let outcomes =
            begun.and_then(|()| transact(&connection, sheet, jobs, now_ms, forget)).map_err(storage);
        if forget {
            self.closed_since_forgetting = 0;
        }
        let is_broken = outcomes.as_ref().is_err_and(needs_new_connection) || !connection.is_autocommit();
        self.connection = (!is_broken).then_some(connection);
        outcomes
    }

    fn answer_all(&mut self, jobs: VecDeque<Job>, outcomes: Vec<Outcome>) {
        if self.trouble.take().is_some() {
            tracing::info!("the usage ledger can be written again");
        }
        for (job, outcome) in jobs.into_iter().zip(outcomes) {
            if let Some(balance) = outcome.balance() {
                self.standings.note(balance);
            }
            self.answer(job, outcome);
        }
    }

    /// An asker who is gone needs no answer, hence the ignored results.
    fn answer(&self, job: Job, outcome: Outcome) {
        match (job, outcome) {
            (Job::Reserve { ask, reply: Some(reply) }, Outcome::Reserved(outcome)) => {
                if outcome.is_err() {
                    self.queue.note_refused();
                }
                let granted = outcome.map(|balance| Grant::new(self.queue.clone(), ask.id, balance));
                let _ = reply.send(granted);
            }
            (Job::Reserve { .. }, Outcome::Reserved(Err(error))) => {
                tracing::error!(%error, "a reservation without a limit was not recorded");
            }
            (Job::Settle { reply, .. }, Outcome::Settled(outcome)) => answer(reply, outcome),
            (Job::Release { reply, .. }, Outcome::Released(outcome)) => answer(reply, outcome.map(|_| ())),
            _ => {}
        }
    }

    fn fail_all(&mut self, jobs: VecDeque<Job>, error: &LedgerError) {
        if self.trouble.replace(error.clone()).is_none() {
            tracing::error!(error = error as &dyn std::error::Error, "the usage ledger cannot be written");
        }
        let is_owed = !is_about_one_job(error);
        for job in jobs {
            let owed = match job {
                Job::Reserve { reply: Some(reply), .. } => {
                    self.queue.note_refused();
                    let _ = reply.send(Err(ReserveError::Ledger(error.clone())));
                    continue;
                }
                Job::Settle { id, spend, reply } => {
                    answer(reply, Err(error.clone()));
                    Job::Settle { id, spend, reply: None }
                }
                Job::Release { id, reply } => {
                    answer(reply, Err(error.clone()));
                    Job::Release { id, reply: None }
                }
                other => other,
            };
            if is_owed {
                self.owed.push_back(owed);
            }
        }
    }
}

/// Outcome of a job in its transaction.
enum Outcome {
    Reserved(Result<Balance, ReserveError>),
    Settled(Result<Balance, LedgerError>),
    Released(Result<Option<Balance>, LedgerError>),
    Nothing,
}

impl Outcome {
    fn balance(&self) -> Option<&Balance> {
        match self {
            Self::Reserved(outcome) => outcome.as_ref().ok(),
            Self::Settled(outcome) => outcome.as_ref().ok(),
            Self::Released(outcome) => outcome.as_ref().ok()?.as_ref(),
            Self::Nothing => None,
        }
    }
}

/// Begins a transaction.
fn begin(books: &Connection) -> rusqlite::Result<()> {
    // Immediate: a transaction that read first and wrote later could find its reading outdated.
    books.prepare_cached("BEGIN IMMEDIATE")?.execute([]).map(drop)
}

/// Ends a transaction without a trace. SQLite has done so by itself after some failures; whoever goes on
/// looks at the connection.
fn roll_back(books: &Connection) {
    let _ = books.execute_batch("ROLLBACK");
}

/// Runs the jobs in the transaction that has begun: all of them are committed, or none.
fn transact(
    books: &Connection,
    sheet: &mut Sheet,
    jobs: &VecDeque<Job>,
    now_ms: u64,
    forget: bool,
) -> rusqlite::Result<Vec<Outcome>> {
    let mut run = || {
        if forget {
            books::forget_some(books, now_ms)?;
        }
        sheet.begin(books)?;
        let run = |job| run(books, sheet, job, now_ms);
        let outcomes = jobs.iter().map(run).collect::<rusqlite::Result<_>>()?;
        sheet.write(books)?;
        books.prepare_cached("COMMIT")?.execute([])?;
        Ok(outcomes)
    };
    let outcomes = run();
    outcomes.inspect_err(|_| {
        sheet.forget();
        roll_back(books);
    })
}

fn run(books: &Connection, sheet: &mut Sheet, job: &Job, now_ms: u64) -> rusqlite::Result<Outcome> {
    Ok(match job {
        Job::Reserve { ask, .. } => Outcome::Reserved(books::reserve(books, sheet, ask)?),
        Job::Settle { id, spend, .. } => Outcome::Settled(books::settle(books, sheet, id, spend, now_ms)?),
        Job::Release { id, .. } => Outcome::Released(books::release(books, sheet, id, now_ms)?),
        Job::Read(_) | Job::Flush { .. } => Outcome::Nothing,
    })
}

fn answer<T>(reply: Option<Reply<T>>, outcome: Result<T, LedgerError>) {
    if let Some(reply) = reply {
        let _ = reply.send(outcome);
    }
}

/// Whether a failure is about the data of one job and not about the disk. Trying that again would hold up
/// everything behind it for ever.
fn is_about_one_job(error: &LedgerError) -> bool {
    matches!(error, LedgerError::Storage { trouble: Trouble::Other, .. })
}

fn needs_new_connection(error: &LedgerError) -> bool {
    matches!(error, LedgerError::Storage { trouble: Trouble::Io | Trouble::Damaged | Trouble::ReadOnly, .. })
}
