//! The thread that syncs, and the lock it shares with those who append.

use std::io;
use std::path::PathBuf;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use super::damage::OpenError;
use super::opening::{self, Opened};
use super::rotation::{RotateError, Rotated};
use super::sealer::Sealer;
use super::writer::Writer;
use super::{AppendError, Health, Options};
use crate::note::Signer;
use crate::record::Record;

/// From the first unsynced record to the sync; half of the 100 ms that are promised, the other
/// half is for the disk.
const GATHER: Duration = Duration::from_millis(50);

/// Between two attempts to leave trouble behind.
const RETRY: Duration = Duration::from_millis(200);

/// A writer behind its lock, and those who wait for it.
#[derive(Debug)]
pub(super) struct Shared {
    state: Mutex<LogState>,
    /// Wakes the flusher.
    work: Condvar,
    /// Wakes those who wait for the disk.
    done: Condvar,
    /// The tree, where one is kept. A thread that takes both locks takes this one first.
    sealer: Mutex<Option<Sealer>>,
}

#[derive(Debug)]
struct LogState {
    /// `None` once the log is closed: then its files and its lock are free. And while it waits to be opened.
    writer: Option<Writer>,
    /// A log whose folder cannot be used yet.
    unopened: Option<Unopened>,
    /// Damage of the log's past, where it is written all the same.
    damage: Option<String>,
    /// Number of callers that wait for the disk.
    waiting: usize,
    /// Counts failed syncs, so that a waiter sees that one of them was its own.
    failed_syncs: u64,
    last_failure: String,
    /// Counts checkpoints that could not be written.
    failed_seals: u64,
    stopping: bool,
}

/// A log whose folder could not be used.
#[derive(Debug)]
struct Unopened {
    dir: PathBuf,
    options: Options,
    /// Since when.
    since: String,
    /// Last error.
    error: String,
    /// The records that were refused since.
    lost: u64,
}

impl Shared {
    pub(super) fn new(Opened { writer, sealer, damage }: Opened) -> Self {
        Self::with(Some(writer), sealer, None, damage)
    }

    /// A log whose folder cannot be used; the flusher goes on trying.
    pub(super) fn waiting(dir: PathBuf, options: Options, error: &OpenError) -> Self {
        let since = crate::time::format_time((options.clock)());
        let unopened = Unopened { dir, options, since, error: said(error), lost: 0 };
        Self::with(None, None, Some(unopened), None)
    }

    fn with(
        writer: Option<Writer>,
        sealer: Option<Sealer>,
        unopened: Option<Unopened>,
        damage: Option<String>,
    ) -> Self {
        let state = LogState {
            writer,
            unopened,
            damage,
            waiting: 0,
            failed_syncs: 0,
            last_failure: String::new(),
            failed_seals: 0,
            stopping: false,
        };
        Self {
            state: Mutex::new(state),
            work: Condvar::new(),
            done: Condvar::new(),
            sealer: Mutex::new(sealer),
        }
    }

    /// Every update leaves the state consistent, so that of a poisoned lock is usable.
    fn state(&self) -> MutexGuard<'_, LogState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn append(&self, record: Record) -> Result<u64, AppendError> {
        let mut state = self.state();
        if state.stopping {
            return Err(AppendError::Closed);
        }
        if let Some(unopened) = &mut state.unopened {
            unopened.lost += 1;
            return Err(AppendError::Write(unopened.error.clone()));
        }
        let writer = state.writer.as_mut().ok_or(AppendError::Closed)?;
        let idle = !writer.is_dirty() && writer.health() == Health::Healthy;
        let outcome = writer.append(record);
        let is_due = writer.seal_due().is_some_and(|due| due.is_zero());
        drop(state);
        // While there is something to do, the flusher looks by itself.
        if idle || is_due {
            self.work.notify_one();
        }
        outcome
    }

    /// Whether the next record can be taken, as far as that is known.
    pub(super) fn ready(&self) -> Result<(), AppendError> {
        let mut state = self.state();
        if state.stopping {
            return Err(AppendError::Closed);
        }
        if let Some(unopened) = &state.unopened {
            return Err(AppendError::Write(unopened.error.clone()));
        }
        let outcome = state.writer.as_mut().ok_or(AppendError::Closed)?.usable();
        drop(state);
        // The end of trouble is a record, and that one has to reach the disk as well.
        self.work.notify_one();
        outcome
    }

    pub(super) fn wait_durable(&self, seq: u64) -> Result<(), AppendError> {
        let mut state = self.state();
        let failures = state.failed_syncs;
        state.waiting += 1;
        self.work.notify_one();
        let outcome = loop {
            if state.failed_syncs != failures {
                break Err(AppendError::Sync(state.last_failure.clone()));
            }
            match &state.writer {
                Some(writer) if writer.is_durable(seq) => break Ok(()),
                Some(_) => state = self.done.wait(state).unwrap_or_else(PoisonError::into_inner),
                None => break Err(AppendError::Closed),
            }
        };
        state.waiting -= 1;
        outcome
    }

    /// Lets a checkpoint be written and blocks until it covers every record that is there now.
    pub(super) fn seal(&self) -> Result<Option<u64>, AppendError> {
        let mut state = self.state();
        let failures = (state.failed_seals, state.failed_syncs);
        let writer = state.writer.as_mut().ok_or(AppendError::Closed)?;
        let wanted = writer.next_seq();
        writer.seal_soon();
        self.work.notify_one();
        loop {
            let writer = state.writer.as_ref().ok_or(AppendError::Closed)?;
            match writer.sealed_size() {
                None => return Ok(None),
                Some(size) if size >= wanted => return Ok(Some(size)),
                Some(_) if (state.failed_seals, state.failed_syncs) != failures => {
                    let Health::Failing { error, .. } = writer.health() else { return Ok(None) };
                    return Err(AppendError::Sync(error));
                }
                Some(_) => state = self.done.wait(state).unwrap_or_else(PoisonError::into_inner),
            }
        }
    }

    /// Lets the key of the log vouch for the next one, and signs with that from the record on that tells of
    /// it. Nothing is appended meanwhile, so that the record has the place that was signed.
    pub(super) fn rotate(&self, signer: Arc<dyn Signer>) -> Result<Rotated, RotateError> {
        let rotated = {
            let mut sealer = self.sealer.lock().unwrap_or_else(PoisonError::into_inner);
            let sealer = sealer.as_mut().ok_or(RotateError::NoTree)?;
            let mut state = self.state();
            let closed = || RotateError::Record(io::Error::other(AppendError::Closed));
            if state.stopping {
                return Err(closed());
            }
            let writer = state.writer.as_mut().ok_or_else(closed)?;
            let seq = writer.ready().map_err(RotateError::Record)?;
            let link = sealer.vouch(seq, &*signer)?;
            if let Err(error) = writer.append_at(seq, link.record()) {
                sealer.take_back();
                return Err(RotateError::Record(error));
            }
            // Not by the flusher, which may wait for the tree.
            let (file, up_to) = writer.unsynced();
            let synced = file.sync_data();
            state.note_sync(up_to, &synced);
            let rotated = Rotated { old: link.old.clone(), new: link.new.clone(), seq };
            sealer.replace(link, signer);
            rotated
        };
        self.done.notify_all();
        self.seal().map_err(RotateError::Unsealed)?;
        Ok(rotated)
    }

    pub(super) fn health(&self) -> Health {
        let state = self.state();
        match (&state.unopened, &state.writer) {
            (Some(Unopened { since, error, .. }), _) => {
                Health::Failing { since: since.clone(), error: error.clone() }
            }
            (None, Some(writer)) => writer.health(),
            (None, None) => Health::Healthy,
        }
    }

    pub(super) fn damage(&self) -> Option<String> {
        self.state().damage.clone()
    }

    /// Tries to open what could not be opened, until it can be or the log is closed.
    fn open(&self) {
        loop {
            let state = self.state();
            let Some(unopened) = &state.unopened else { return };
            let (dir, options) = (unopened.dir.clone(), unopened.options.clone());
            let paused = self.work.wait_timeout_while(state, RETRY, |state| !state.stopping);
            let (state, _) = paused.unwrap_or_else(PoisonError::into_inner);
            if state.stopping {
                return;
            }
            drop(state);
            let opened = opening::open(&dir, &options);
            // Who takes both locks takes this one first.
            let mut sealer = self.sealer.lock().unwrap_or_else(PoisonError::into_inner);
            let mut state = self.state();
            match opened {
                Err(error) => {
                    if let Some(unopened) = &mut state.unopened {
                        unopened.error = said(&error);
                    }
                }
                Ok(Opened { mut writer, sealer: tree, damage }) => {
                    if let Some(Unopened { since, error, lost, .. }) = state.unopened.take() {
                        writer.failed_before(since, error, lost);
                    }
                    *sealer = tree;
                    state.writer = Some(writer);
                    state.damage = damage;
                    return;
                }
            }
        }
    }

    pub(super) fn stop(&self) {
        self.state().stopping = true;
        self.work.notify_one();
    }

    /// Gives the writer's files free once the flusher has ended.
    pub(super) fn farewell(&self) -> Result<(), AppendError> {
        let mut state = self.state();
        state.unopened = None;
        let health = state.writer.take().map(|writer| writer.health());
        drop(state);
        self.done.notify_all();
        match health {
            Some(Health::Failing { error, .. }) => Err(AppendError::Sync(error)),
            Some(Health::Healthy) | None => Ok(()),
        }
    }

    /// Syncs until it is told to stop, and once more then.
    fn flush(&self) {
        self.open();
        let mut state = self.state();
        loop {
            let Some(writer) = &mut state.writer else { return };
            let failing = writer.health() != Health::Healthy;
            let dirty = writer.is_dirty();
            let pause = match (failing, dirty) {
                (true, _) => Some(RETRY),
                (false, true) => Some(GATHER),
                (false, false) => writer.seal_due(),
            };
            let urgent = |state: &LogState| {
                let is_due = || {
                    let due = state.writer.as_ref().and_then(Writer::seal_due);
                    !failing && due.is_some_and(|due| due.is_zero())
                };
                state.stopping || (dirty && state.waiting > 0) || is_due()
            };
            if !urgent(&state) {
                if !failing && !dirty {
                    // Whatever wakes it, a record or the time, it looks anew.
                    state = match pause {
                        None => self.work.wait(state).unwrap_or_else(PoisonError::into_inner),
                        Some(pause) => {
                            self.work.wait_timeout(state, pause).unwrap_or_else(PoisonError::into_inner).0
                        }
                    };
                    continue;
                }
                let pause = pause.unwrap_or(GATHER);
                state = self
                    .work
                    .wait_timeout_while(state, pause, |state| !urgent(state))
                    .unwrap_or_else(PoisonError::into_inner)
                    .0;
            }
            let last_round = state.stopping;
            let Some(writer) = &mut state.writer else { return };
            writer.check();
            let (file, up_to) = writer.unsynced();
            drop(state);
            let outcome = file.sync_data();
            state = self.state();
            state.note_sync(up_to, &outcome);
            self.done.notify_all();
            if outcome.is_ok() {
                state = self.seal_if_due(state, last_round);
            }
            if last_round {
                return;
            }
        }
    }
}

impl Shared {
    /// Writes a checkpoint over all that is on the disk, where one is due.
    fn seal_if_due<'a>(
        &'a self,
        mut state: MutexGuard<'a, LogState>,
        is_last: bool,
    ) -> MutexGuard<'a, LogState> {
        let Some(writer) = &mut state.writer else { return state };
        let due = writer.seal_due();
        if !due.is_some_and(|due| due.is_zero() || is_last) {
            return state;
        }
        let Some(leaves) = writer.take_leaves() else { return state };
        drop(state);
        let outcome = {
            let mut sealer = self.sealer.lock().unwrap_or_else(PoisonError::into_inner);
            sealer.as_mut().map(|sealer| {
                sealer.add(leaves);
                sealer.seal()
            })
        };
        let mut state = self.state();
        if let Some(outcome) = outcome {
            state.failed_seals += u64::from(outcome.is_err());
            if let Some(writer) = &mut state.writer {
                writer.sealed(&outcome);
            }
        }
        self.done.notify_all();
        state
    }
}

impl LogState {
    fn note_sync(&mut self, up_to: u64, outcome: &io::Result<()>) {
        if let Err(error) = outcome {
            self.failed_syncs += 1;
            self.last_failure = error.to_string();
        }
        if let Some(writer) = &mut self.writer {
            writer.synced(up_to, outcome);
        }
    }
}

/// Error of an opening without the path of the folder, which must not be shown to clients.
fn said(error: &OpenError) -> String {
    match error {
        OpenError::Io { doing, source, .. } => format!("could not {doing} it: {source}"),
        other => other.to_string(),
    }
}

/// Starts the thread; it ends after [`Shared::stop`].
pub(super) fn spawn(shared: Arc<Shared>) -> io::Result<JoinHandle<()>> {
    thread::Builder::new().name("audit-flusher".to_owned()).spawn(move || shared.flush())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failed_sync_is_told_to_those_who_wait_and_recorded() {
        let home = tempfile::tempdir().unwrap();
        let dir = home.path().join("audit");
        // Without a flusher: the test is the disk.
        let shared = Shared::new(opening::open(&dir, &Options::default()).unwrap());
        assert_eq!(shared.append(Record::default()), Ok(0));
        let outcome = thread::scope(|scope| {
            let waiting = scope.spawn(|| shared.wait_durable(0));
            while shared.state().waiting == 0 {
                thread::yield_now();
            }
            shared.state().note_sync(1, &Err(io::Error::other("broken disk")));
            shared.done.notify_all();
            waiting.join().unwrap()
        });
        assert_eq!(outcome, Err(AppendError::Sync("broken disk".to_owned())));
        let Health::Failing { error, .. } = shared.health() else { panic!("a failed sync is no health") };
        assert_eq!(error, "records 0 to 0 may not have reached the disk: broken disk");
        // The next append tells the log about it first.
        assert_eq!(shared.append(Record::default()), Ok(2));
        assert_eq!(shared.health(), Health::Healthy);
        let gap = crate::read_all(&dir).unwrap().nth(1).unwrap().unwrap().record;
        assert!(gap.detail.unwrap().ends_with("records 0 to 0 may not have reached the disk: broken disk"));
    }
}
