//! The thread with the connections: each job is a task of its own, so that calls of different rooms do not
//! wait for each other. A settlement that fails is tried again until it is written or the ledger is closed.

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use sqlx::PgPool;
use sqlx::postgres::{PgConnectOptions, PgPoolOptions};
use tokio::sync::{OwnedRwLockReadGuard, RwLock, mpsc, oneshot};
use tokio::task::LocalSet;

use super::{PostgresOptions, statements};
use crate::{Ask, Balance, Day, HistoryQuery, LedgerError, Limit, ReserveError, Spend, UsageRow};

/// As with the file: jobs that may wait before new calls are refused.
const MAX_WAITING: usize = 65_536;

/// Pause before owed work is tried again.
const RETRY: Duration = Duration::from_millis(250);

/// Longest time that closing waits for work that cannot be written.
const CLOSING: Duration = Duration::from_secs(5);

type Reply<T, E = LedgerError> = oneshot::Sender<Result<T, E>>;

pub(super) enum Job {
    Reserve { ask: Ask, reply: Reply<Grant, ReserveError> },
    Settle { id: String, spend: Spend, reply: Reply<Balance> },
    Release { id: String, reply: Option<Reply<()>> },
    Balance { context: String, day: Day, limits: Vec<Limit>, reply: Reply<Balance> },
    History { query: HistoryQuery, reply: Reply<Vec<UsageRow>> },
    Flush { reply: Reply<()> },
    Stop,
}

/// The sending end.
#[derive(Debug, Clone)]
pub(super) struct Queue {
    pub(super) jobs: mpsc::UnboundedSender<Job>,
    pub(super) waiting: Arc<AtomicUsize>,
}

impl Queue {
    pub(super) fn is_full(&self) -> bool {
        self.waiting.load(Ordering::Relaxed) >= MAX_WAITING
    }

    /// A job that nobody takes any more drops its reply, which tells the asker.
    pub(super) fn send(&self, job: Job) {
        self.waiting.fetch_add(1, Ordering::Relaxed);
        let _ = self.jobs.send(job);
    }
}

/// A reservation on its way to its caller: dropped on the way, it is given back.
#[derive(Debug)]
pub(super) struct Grant {
    queue: Queue,
    id: String,
    balance: Option<Balance>,
}

impl Grant {
    pub(super) fn accept(mut self) -> Balance {
        self.balance.take().expect("a grant is accepted once, by value")
    }
}

impl Drop for Grant {
    fn drop(&mut self) {
        if self.balance.is_some() {
            self.queue.send(Job::Release { id: std::mem::take(&mut self.id), reply: None });
        }
    }
}

/// State that the tasks share.
struct Worker {
    pool: PgPool,
    queue: Queue,
    holder: String,
    /// Every write holds it for reading until its first attempt is done; taking it for writing waits for all
    /// that were called for before.
    order: Arc<RwLock<()>>,
    /// Settlements and releases that are still tried.
    owed: Cell<usize>,
    trouble: RefCell<Option<LedgerError>>,
    is_closing: Cell<bool>,
    /// Whether the lease was given back: a renewal that is still under way must not bring it to life again.
    is_lease_over: tokio::sync::Mutex<bool>,
}

/// Opens, says whether that worked, then works until it is stopped.
pub(super) fn run(
    address: PgConnectOptions,
    options: &PostgresOptions,
    queue: Queue,
    jobs: mpsc::UnboundedReceiver<Job>,
    ready: &std::sync::mpsc::Sender<Result<(), LedgerError>>,
) {
    let runtime = match tokio::runtime::Builder::new_current_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            let _ = ready.send(Err(LedgerError::Connect { source: Arc::new(error) }));
            return;
        }
    };
    LocalSet::new().block_on(&runtime, async {
        match open(address, options, queue).await {
            Ok(worker) => {
                let _ = ready.send(Ok(()));
                work(Rc::new(worker), options.lease, jobs).await;
            }
            Err(error) => drop(ready.send(Err(error))),
        }
    });
}

async fn open(
    address: PgConnectOptions,
    options: &PostgresOptions,
    queue: Queue,
) -> Result<Worker, LedgerError> {
    let patience = options.patience.as_millis().to_string();
    let address = address.application_name("zos").options([("statement_timeout", patience.as_str())]);
    let pool = PgPoolOptions::new()
        .max_connections(options.connections)
        .acquire_timeout(options.patience)
        .connect_with(address)
        .await
        .map_err(|error| LedgerError::Connect { source: Arc::new(error) })?;
    statements::set_up(&pool).await?;
    let holder = statements::new_holder(&pool, options.lease).await?;
    statements::expire(&pool).await?;
    Ok(Worker {
        pool,
        queue,
        holder,
        order: Arc::default(),
        owed: Cell::new(0),
        trouble: RefCell::default(),
        is_closing: Cell::new(false),
        is_lease_over: tokio::sync::Mutex::new(false),
    })
}

async fn work(worker: Rc<Worker>, lease: Duration, mut jobs: mpsc::UnboundedReceiver<Job>) {
    let mut renewal = tokio::time::interval(lease / 4);
    renewal.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        let job = tokio::select! {
            job = jobs.recv() => job,
            _ = renewal.tick() => {
                let worker = Rc::clone(&worker);
                tokio::task::spawn_local(async move { worker.renew(lease).await });
                continue;
            }
        };
        match job {
            None | Some(Job::Stop) => break,
            Some(job) => worker.start(job),
        }
    }
    // A task like the jobs: it waits for `order` behind all that were started before it, and not ahead of them.
    let closing = tokio::task::spawn_local(async move { worker.close().await });
    if let Err(error) = closing.await {
        tracing::error!(%error, "the usage ledger could not be closed in order");
    }
}

impl Worker {
    /// Starts a job. Tasks run in the order of their start up to their first wait, which is for `order`.
    fn start(self: &Rc<Self>, job: Job) {
        let worker = Rc::clone(self);
        tokio::task::spawn_local(async move {
            match job {
                Job::Reserve { ask, reply } => worker.reserve(ask, reply).await,
                Job::Settle { id, spend, reply } => {
                    worker.close_call(&id, Some(&spend), Some(reply)).await;
                }
                Job::Release { id, reply } => {
                    let (inner, answer) = oneshot::channel::<Result<Balance, LedgerError>>();
                    let forward = async {
                        if let (Some(reply), Ok(outcome)) = (reply, answer.await) {
                            let _ = reply.send(outcome.map(|_| ()));
                        }
                    };
                    tokio::join!(worker.close_call(&id, None, Some(inner)), forward);
                }
                Job::Balance { context, day, limits, reply } => {
                    drop(worker.order.write().await);
                    let _ = reply.send(statements::balance(&worker.pool, &context, day, &limits).await);
                }
                Job::History { query, reply } => {
                    drop(worker.order.write().await);
                    let _ = reply.send(statements::history(&worker.pool, &query).await);
                }
                Job::Flush { reply } => {
                    drop(worker.order.write().await);
                    let owed = if worker.owed.get() == 0 { None } else { worker.trouble.borrow().clone() };
                    let _ = reply.send(owed.map_or(Ok(()), Err));
                }
                Job::Stop => {}
            }
            worker.queue.waiting.fetch_sub(1, Ordering::Relaxed);
        });
    }

    async fn reserve(&self, ask: Ask, reply: Reply<Grant, ReserveError>) {
        let _turn = Arc::clone(&self.order).read_owned().await;
        let outcome = statements::reserve(&self.pool, &self.holder, &ask).await;
        if let Err(ReserveError::Ledger(LedgerError::Storage { .. })) = &outcome {
            // It may have been written although the answer was lost; releasing what is not there does nothing.
            self.queue.send(Job::Release { id: ask.id.clone(), reply: None });
        }
        let granted =
            outcome.map(|balance| Grant { queue: self.queue.clone(), id: ask.id, balance: Some(balance) });
        // An asker who is gone drops the grant, which gives it back.
        let _ = reply.send(granted);
    }

    /// Settles, or releases without a spend. The asker hears of the first attempt.
    async fn close_call(&self, id: &str, spend: Option<&Spend>, mut reply: Option<Reply<Balance>>) {
        let mut turn: Option<OwnedRwLockReadGuard<()>> = Some(Arc::clone(&self.order).read_owned().await);
        let mut is_owed = false;
        loop {
            let outcome = statements::close(&self.pool, id, spend).await;
            let again = matches!(outcome, Err(LedgerError::Storage { .. }));
            if let Err(error) = &outcome
                && again
                && self.trouble.replace(Some(error.clone())).is_none()
            {
                tracing::error!(
                    error = error as &dyn std::error::Error,
                    "the usage ledger cannot be written"
                );
            }
            if let Some(reply) = reply.take() {
                let _ = reply.send(outcome);
            }
            if !again {
                // As long as something else is owed there is trouble, although this one went through.
                let others = self.owed.get() - usize::from(is_owed);
                if others == 0 && self.trouble.take().is_some() {
                    tracing::info!("the usage ledger can be written again");
                }
                break;
            }
            if !is_owed {
                is_owed = true;
                self.owed.set(self.owed.get() + 1);
            }
            turn.take();
            if self.is_closing.get() {
                break;
            }
            tokio::time::sleep(RETRY).await;
        }
        if is_owed {
            self.owed.set(self.owed.get() - 1);
        }
    }

    async fn renew(&self, lease: Duration) {
        let is_over = self.is_lease_over.lock().await;
        if *is_over {
            return;
        }
        let renewed = async {
            statements::renew(&self.pool, &self.holder, lease).await?;
            statements::expire(&self.pool).await?;
            statements::forget(&self.pool).await
        };
        if let Err(error) = renewed.await {
            tracing::warn!(%error, "the lease on what this process holds could not be renewed");
        }
    }

    /// Does what is queued, and gives the lease back: what is still held then counts as spent.
    async fn close(&self) {
        let done = async {
            drop(self.order.write().await);
            while self.owed.get() > 0 {
                tokio::time::sleep(RETRY).await;
            }
        };
        if tokio::time::timeout(CLOSING, done).await.is_err() {
            self.is_closing.set(true);
            tracing::error!(
                owed = self.owed.get(),
                "the usage ledger closes with work that could not be written"
            );
        }
        *self.is_lease_over.lock().await = true;
        if let Err(error) = statements::end_holder(&self.pool, &self.holder).await {
            tracing::warn!(%error, "the lease could not be given back; it ends by itself");
        }
        let _ = tokio::time::timeout(CLOSING, self.pool.close()).await;
    }
}
