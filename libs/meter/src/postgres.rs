//! The ledger in PostgreSQL: for several gateways that share budgets.
//!
//! Reserving is one statement and so is settling: functions in the database take the rows of all purses that a
//! call concerns, in one order, and decide. Whoever waits for a row sees what the one before it wrote, so no
//! budget is overspent however many processes ask.
//!
//! A process holds its reservations under a lease of a minute, which it renews. When it dies, the next renewal of
//! any other books what it held as spent, by the clock of the database. The connections live on a
//! thread of their own, so that work which is queued is done also when nobody waits for it.

mod statements;
mod worker;

use std::future::ready;
use std::str::FromStr;
use std::sync::Arc;
use std::sync::atomic::AtomicUsize;
use std::thread::JoinHandle;
use std::time::Duration;

use sqlx::postgres::PgConnectOptions;
use tokio::sync::{mpsc, oneshot};

use crate::{
    Ask, Balance, BoxFuture, Day, HistoryQuery, Ledger, LedgerError, Limit, ReserveError, Spend, UsageRow,
};
use worker::{Grant, Job, Queue};

/// Settings of the database's use.
#[derive(Debug, Clone)]
pub struct PostgresOptions {
    /// Connections at most.
    pub connections: u32,
    /// Time after which the holds of a process that is gone expire. It is renewed four times as often.
    pub lease: Duration,
    /// Longest time of one statement or one connection.
    pub patience: Duration,
}

impl Default for PostgresOptions {
    fn default() -> Self {
        Self { connections: 8, lease: Duration::from_secs(60), patience: Duration::from_secs(5) }
    }
}

/// A [`Ledger`] in a PostgreSQL database. Dropping it does what is queued, and waits for that.
#[derive(Debug)]
pub struct PostgresLedger {
    queue: Queue,
    thread: Option<JoinHandle<()>>,
}

impl PostgresLedger {
    /// Connects to `postgres://user:password@host/database`, and makes the tables where there are none. What
    /// dead processes held is booked as spent. Blocks; no error holds the address or its password.
    ///
    /// # Errors
    /// When the address is none, the database cannot be reached, or its tables are of a newer format.
    pub fn connect(url: &str, options: PostgresOptions) -> Result<Self, LedgerError> {
        // The parser's own error could repeat a part of the address.
        let address = PgConnectOptions::from_str(url).map_err(|_| LedgerError::Address)?;
        let (jobs, receiver) = mpsc::unbounded_channel();
        let queue = Queue { jobs, waiting: Arc::new(AtomicUsize::new(0)) };
        let (ready, opened) = std::sync::mpsc::channel();
        let worker_queue = queue.clone();
        let thread = std::thread::Builder::new()
            .name("ledger-postgres".to_owned())
            .spawn(move || worker::run(address, &options, worker_queue, receiver, &ready))
            .map_err(|error| LedgerError::Connect { source: Arc::new(error) })?;
        let ledger = Self { queue, thread: Some(thread) };
        match opened.recv() {
            Ok(Ok(())) => Ok(ledger),
            Ok(Err(error)) => Err(error),
            Err(_) => Err(LedgerError::Closed),
        }
    }

    fn send<T: Send + 'static>(
        &self,
        job: impl FnOnce(oneshot::Sender<Result<T, LedgerError>>) -> Job,
    ) -> BoxFuture<Result<T, LedgerError>> {
        let (reply, answer) = oneshot::channel();
        self.queue.send(job(reply));
        Box::pin(async move { answer.await.unwrap_or(Err(LedgerError::Closed)) })
    }

    fn send_unless_full<T: Send + 'static>(
        &self,
        job: impl FnOnce(oneshot::Sender<Result<T, LedgerError>>) -> Job,
    ) -> BoxFuture<Result<T, LedgerError>> {
        if self.queue.is_full() {
            return Box::pin(ready(Err(LedgerError::Overloaded)));
        }
        self.send(job)
    }
}

impl Drop for PostgresLedger {
    fn drop(&mut self) {
        self.queue.send(Job::Stop);
        if self.thread.take().is_some_and(|thread| thread.join().is_err()) {
            tracing::error!("the thread of the usage ledger has panicked");
        }
    }
}

impl Ledger for PostgresLedger {
    fn reserve(&self, ask: Ask) -> BoxFuture<Result<Balance, ReserveError>> {
        if self.queue.is_full() {
            return Box::pin(ready(Err(LedgerError::Overloaded.into())));
        }
        let (reply, answer) = oneshot::channel();
        self.queue.send(Job::Reserve { ask, reply });
        Box::pin(async move { answer.await.unwrap_or(Err(LedgerError::Closed.into())).map(Grant::accept) })
    }

    fn settle(&self, id: &str, spend: Spend) -> BoxFuture<Result<Balance, LedgerError>> {
        self.send(|reply| Job::Settle { id: id.to_owned(), spend, reply })
    }

    fn release(&self, id: &str) -> BoxFuture<Result<(), LedgerError>> {
        self.send(|reply| Job::Release { id: id.to_owned(), reply: Some(reply) })
    }

    fn balance(&self, context: &str, day: Day, limits: &[Limit]) -> BoxFuture<Result<Balance, LedgerError>> {
        let (context, limits) = (context.to_owned(), limits.to_vec());
        self.send_unless_full(|reply| Job::Balance { context, day, limits, reply })
    }

    fn history(&self, query: HistoryQuery) -> BoxFuture<Result<Vec<UsageRow>, LedgerError>> {
        self.send_unless_full(|reply| Job::History { query, reply })
    }

    fn flush(&self) -> BoxFuture<Result<(), LedgerError>> {
        self.send_unless_full(|reply| Job::Flush { reply })
    }
}
