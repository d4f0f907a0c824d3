//! The ledger in one SQLite file: the default, for one machine.
//!
//! One connection writes. A thread commits whatever is waiting as one transaction, so that many callers share
//! the price of one commit (group commit); a lone caller commits by itself. A second thread reads.
//! The rule that decides whether a budget can carry a call is in SQL, inside that transaction, so
//! several processes on one file cannot overspend either.
//!
//! Start with [`SqliteLedger`]; `books` holds the statements, `sheet` the sums that a transaction changes, `writer`
//! the transactions, `queue` says on whose thread they run, `file` opens and locks.

mod books;
mod file;
mod grant;
mod queue;
mod reader;
mod sheet;
mod writer;

use std::collections::HashMap;
use std::future::ready;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use tokio::sync::oneshot;

use crate::{
    Ask, Balance, BoxFuture, Clock, Day, HistoryQuery, Ledger, LedgerError, Limit, ReserveError, Spend,
    UsageRow,
};
use grant::Grant;
use queue::{Job, Queue, Read};
use writer::Writer;

/// Point at which a commit counts as done.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Durability {
    /// The operating system has it. Survives the death of the process; a power cut can lose
    /// the last commits, never the integrity of the file.
    #[default]
    Relaxed,
    /// The disk has it: some milliseconds for every commit.
    Sync,
}

/// Settings of an open file.
#[derive(Debug, Clone)]
pub struct SqliteOptions {
    /// Refuse to share the file with another process (the default). Shared, no budget can be
    /// overspent either, but what a crashed process held stays held until an open finds nobody else.
    pub exclusive: bool,
    /// Point at which a commit counts as done.
    pub durability: Durability,
    /// Longest wait for another program that is writing to the file.
    pub busy_timeout: Duration,
    /// Clock.
    pub clock: Clock,
}

impl Default for SqliteOptions {
    fn default() -> Self {
        Self {
            exclusive: true,
            durability: Durability::default(),
            busy_timeout: Duration::from_secs(5),
            clock: Clock::system(),
        }
    }
}

/// A [`Ledger`] in one SQLite file.
///
/// Dropping it commits what is queued and waits for that, which can block for as long as a
/// commit takes: on an async executor, await [`Ledger::flush`] first.
#[derive(Debug)]
pub struct SqliteLedger {
    queue: Queue,
    standings: Arc<Standings>,
    threads: Vec<JoinHandle<()>>,
}

impl SqliteLedger {
    /// Opens the ledger at `path` for this process alone; the file and its folder are made when
    /// missing. What a process that died still held is booked as spent.
    ///
    /// Blocks while the disk works. A neighbour named like the file plus `.lock` holds the lock.
    ///
    /// # Errors
    /// When the file is in use, damaged, of a newer format, something else, or cannot be written.
    pub fn open(path: &Path) -> Result<Self, LedgerError> {
        Self::open_with(path, SqliteOptions::default())
    }

    /// Opens the ledger with options of your own.
    ///
    /// # Errors
    /// Those of [`SqliteLedger::open`].
    pub fn open_with(path: &Path, options: SqliteOptions) -> Result<Self, LedgerError> {
        let (file, connection) = file::open(path, &options)?;
        let (reads, reading) =
            reader::spawn(file.place().clone()).map_err(|error| file.cannot_open(error))?;
        let (queue, standings) = (Queue::new(), Arc::new(Standings::default()));
        let writer =
            Writer::new(file, connection, options.clock, queue.clone(), reads, Arc::clone(&standings));
        let serving = queue.clone();
        let writing = thread::Builder::new()
            .name("ledger-writer".to_owned())
            .spawn(move || serving.run(writer))
            .map_err(|error| LedgerError::Open { path: path.to_owned(), source: Arc::new(error) })?;
        // The writer first: its end is what ends the reader.
        Ok(Self { queue, standings, threads: vec![writing, reading] })
    }
}

impl Drop for SqliteLedger {
    fn drop(&mut self) {
        self.queue.close();
        for thread in self.threads.drain(..) {
            if thread.join().is_err() {
                tracing::error!("a thread of the usage ledger has panicked");
            }
        }
    }
}

impl Ledger for SqliteLedger {
    fn reserve(&self, ask: Ask) -> BoxFuture<Result<Balance, ReserveError>> {
        if self.queue.is_full() {
            return Box::pin(ready(Err(LedgerError::Overloaded.into())));
        }
        if ask.limits.is_empty() {
            let granted = Grant::new(self.queue.clone(), ask.id.clone(), self.standings.with(&ask));
            if !self.queue.send(Job::Reserve { ask, reply: None }) {
                return Box::pin(ready(Err(LedgerError::Closed.into())));
            }
            return Box::pin(async move { Ok(granted.accept()) });
        }
        let (reply, answer) = oneshot::channel();
        self.queue.send(Job::Reserve { ask, reply: Some(reply) });
        Box::pin(async move { answer.await.unwrap_or(Err(LedgerError::Closed.into())).map(Grant::accept) })
    }

    fn settle(&self, id: &str, spend: Spend) -> BoxFuture<Result<Balance, LedgerError>> {
        let (reply, answer) = oneshot::channel();
        self.queue.send(Job::Settle { id: id.to_owned(), spend, reply: Some(reply) });
        wait_for(answer)
    }

    fn release(&self, id: &str) -> BoxFuture<Result<(), LedgerError>> {
        let (reply, answer) = oneshot::channel();
        self.queue.send(Job::Release { id: id.to_owned(), reply: Some(reply) });
        wait_for(answer)
    }

    fn balance(&self, context: &str, day: Day, limits: &[Limit]) -> BoxFuture<Result<Balance, LedgerError>> {
        let (reply, answer) = oneshot::channel();
        let (context, limits) = (context.to_owned(), limits.to_vec());
        self.queue.send_unless_full(Job::Read(Read::Balance { context, day, limits, reply }), answer)
    }

    fn history(&self, query: HistoryQuery) -> BoxFuture<Result<Vec<UsageRow>, LedgerError>> {
        let (reply, answer) = oneshot::channel();
        self.queue.send_unless_full(Job::Read(Read::History { query, reply }), answer)
    }

    fn flush(&self) -> BoxFuture<Result<(), LedgerError>> {
        let (reply, answer) = oneshot::channel();
        self.queue.send_unless_full(Job::Flush { reply }, answer)
    }
}

/// The answer, or that the thread which owed it is gone.
fn wait_for<T: Send + 'static>(
    answer: oneshot::Receiver<Result<T, LedgerError>>,
) -> BoxFuture<Result<T, LedgerError>> {
    Box::pin(async move { answer.await.unwrap_or(Err(LedgerError::Closed)) })
}

/// Balance of each context after the last commit that touched it: the answer to an unlimited reservation,
/// which does not wait for its own commit. One entry a context.
#[derive(Debug, Default)]
struct Standings(Mutex<HashMap<String, Balance>>);

impl Standings {
    fn note(&self, balance: &Balance) {
        let standing = Balance { limits: Vec::new(), ..balance.clone() };
        // A panic between two plain writes cannot leave the map half-changed.
        let mut map = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        match map.get_mut(&balance.context) {
            // The settlement of a call that began yesterday does not hide today.
            Some(last) if last.day > balance.day => {}
            Some(last) => *last = standing,
            None => drop(map.insert(balance.context.clone(), standing)),
        }
    }

    fn with(&self, ask: &Ask) -> Balance {
        let map = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let last = map.get(&ask.context).filter(|last| last.day == ask.day);
        let (mut today, mut month) = last.map(|last| (last.today, last.month)).unwrap_or_default();
        for sums in [&mut today, &mut month] {
            sums.reserved = sums.reserved.saturating_add(ask.tokens);
            sums.reserved_micros = sums.reserved_micros.saturating_add(ask.micros.unwrap_or_default().0);
        }
        Balance { context: ask.context.clone(), day: ask.day, today, month, limits: Vec::new() }
    }
}
