//! The keychain of the operating system, asked by one thread with a time limit.
//!
//! A call on a locked keychain hangs for as long as its prompt is open, and nothing can call it
//! back. So one thread makes all calls, one after another; whoever waits too long is told that the
//! keychain is locked, and so is everybody after that, at once, until the thread is back.

use std::sync::atomic::{AtomicU8, Ordering};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError, Sender, TrySendError};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::Duration;

use keyring_core::{CredentialStore, Entry, Error};

use super::VaultError;
use crate::secret::Secret;

/// The most calls that wait for the thread; more are told that it is busy.
const QUEUE: usize = 64;

/// The way to the thread that calls the keychain.
pub(super) struct Keychain {
    service: String,
    account_prefix: String,
    timeout: Duration,
    /// `None` until the first call, and again when the thread could not be started.
    jobs: Mutex<Option<mpsc::SyncSender<Job>>>,
    /// The call that somebody gave up on and that has not come back.
    hanging: Mutex<Option<Arc<Claim>>>,
    connect: Connect,
}

/// Reaches the store of this platform.
type Connect = Arc<dyn Fn() -> keyring_core::Result<Arc<CredentialStore>> + Send + Sync>;

/// Requests to the thread.
enum Call {
    Get,
    Set(Secret),
    Delete,
}

impl Call {
    /// Makes the call; gives the key that was asked for.
    fn run(&self, entry: &Entry) -> keyring_core::Result<Option<Secret>> {
        match self {
            Self::Get => entry.get_password().map(|key| Some(Secret::new(key))),
            Self::Set(key) => entry.set_password(key.expose()).map(|()| None),
            Self::Delete => entry.delete_credential().map(|()| None),
        }
    }
}

struct Job {
    account: String,
    call: Call,
    claim: Arc<Claim>,
    reply: Sender<keyring_core::Result<Option<Secret>>>,
}

/// Owner of a job: it is done only when the thread takes it before the caller gives it up.
#[derive(Debug, Default)]
struct Claim(AtomicU8);

impl Claim {
    const WAITING: u8 = 0;
    const RUNNING: u8 = 1;
    const GIVEN_UP: u8 = 2;
    const FINISHED: u8 = 3;

    fn turn(&self, from: u8, to: u8) -> bool {
        self.0.compare_exchange(from, to, Ordering::AcqRel, Ordering::Acquire).is_ok()
    }

    fn is_running(&self) -> bool {
        self.0.load(Ordering::Acquire) == Self::RUNNING
    }
}

impl std::fmt::Debug for Keychain {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Keychain")
            .field("service", &self.service)
            .field("account_prefix", &self.account_prefix)
            .field("timeout", &self.timeout)
            .finish_non_exhaustive()
    }
}

impl Keychain {
    pub(super) fn new(service: String, account_prefix: String, timeout: Duration) -> Self {
        Self::with_store(service, account_prefix, timeout, Arc::new(connect))
    }

    pub(super) fn with_store(
        service: String,
        account_prefix: String,
        timeout: Duration,
        connect: Connect,
    ) -> Self {
        Self { service, account_prefix, timeout, jobs: Mutex::default(), hanging: Mutex::default(), connect }
    }

    pub(super) fn get(&self, name: &str) -> Result<Option<Secret>, VaultError> {
        match self.ask(name, Call::Get) {
            Err(Error::NoEntry) => Ok(None),
            other => other.map_err(told),
        }
    }

    pub(super) fn set(&self, name: &str, key: Secret) -> Result<(), VaultError> {
        self.ask(name, Call::Set(key)).map(drop).map_err(told)
    }

    pub(super) fn delete(&self, name: &str) -> Result<bool, VaultError> {
        match self.ask(name, Call::Delete) {
            Err(Error::NoEntry) => Ok(false),
            other => other.map(|_| true).map_err(told),
        }
    }

    fn ask(&self, name: &str, call: Call) -> keyring_core::Result<Option<Secret>> {
        if self.is_hanging() {
            return Err(no_answer());
        }
        let (reply, answer) = mpsc::channel();
        let claim = Arc::new(Claim::default());
        let account = format!("{}{name}", self.account_prefix);
        self.send(Job { account, call, claim: Arc::clone(&claim), reply })?;
        match answer.recv_timeout(self.timeout) {
            Ok(answer) => answer,
            Err(RecvTimeoutError::Disconnected) => {
                *self.jobs.lock().unwrap_or_else(PoisonError::into_inner) = None;
                Err(Error::PlatformFailure("the thread that asks the keychain has ended".into()))
            }
            Err(RecvTimeoutError::Timeout) => {
                if !claim.turn(Claim::WAITING, Claim::GIVEN_UP) {
                    *self.hanging.lock().unwrap_or_else(PoisonError::into_inner) = Some(claim);
                }
                Err(no_answer())
            }
        }
    }

    fn is_hanging(&self) -> bool {
        let mut hanging = self.hanging.lock().unwrap_or_else(PoisonError::into_inner);
        if hanging.as_ref().is_some_and(|claim| !claim.is_running()) {
            *hanging = None;
        }
        hanging.is_some()
    }

    /// Hands the job to the thread, which is started for the first one.
    fn send(&self, job: Job) -> keyring_core::Result<()> {
        let mut jobs = self.jobs.lock().unwrap_or_else(PoisonError::into_inner);
        let sender = match &*jobs {
            Some(sender) => sender.clone(),
            None => {
                let (sender, receiver) = mpsc::sync_channel(QUEUE);
                let (service, connect) = (self.service.clone(), Arc::clone(&self.connect));
                thread::Builder::new()
                    .name("keychain".to_owned())
                    .spawn(move || serve(&receiver, &service, &connect))
                    .map_err(|error| Error::PlatformFailure(Box::new(error)))?;
                jobs.insert(sender).clone()
            }
        };
        sender.try_send(job).map_err(|error| match error {
            TrySendError::Full(_) => no_answer(),
            TrySendError::Disconnected(_) => {
                *jobs = None;
                Error::PlatformFailure("the thread that asks the keychain has ended".into())
            }
        })
    }
}

/// Loop of the thread: one job after another, until every sender is gone.
fn serve(jobs: &Receiver<Job>, service: &str, connect: &Connect) {
    let mut store = None;
    for job in jobs {
        if !job.claim.turn(Claim::WAITING, Claim::RUNNING) {
            continue;
        }
        let known = store.is_some();
        let mut outcome = attempt(&mut store, service, connect, &job);
        // The service may have been started anew since we reached it; then a new session helps.
        if known && matches!(outcome, Err(Error::PlatformFailure(_))) {
            store = None;
            outcome = attempt(&mut store, service, connect, &job);
        }
        if matches!(outcome, Err(Error::PlatformFailure(_))) {
            store = None;
        }
        job.claim.turn(Claim::RUNNING, Claim::FINISHED);
        // Nobody is there when the caller gave up.
        let _ = job.reply.send(outcome);
    }
}

fn attempt(
    store: &mut Option<Arc<CredentialStore>>,
    service: &str,
    connect: &Connect,
    job: &Job,
) -> keyring_core::Result<Option<Secret>> {
    let store = match store {
        Some(store) => store,
        None => store.insert(connect()?),
    };
    let entry = store.build(service, &job.account, None)?;
    job.call.run(&entry)
}

fn connect() -> keyring_core::Result<Arc<CredentialStore>> {
    #[cfg(target_os = "macos")]
    return Ok(apple_native_keyring_store::keychain::Store::new()?);
    #[cfg(windows)]
    return Ok(windows_native_keyring_store::Store::new()?);
    #[cfg(all(unix, not(target_os = "macos")))]
    return Ok(zbus_secret_service_keyring_store::Store::new()?);
}

fn no_answer() -> Error {
    Error::NoStorageAccess("no answer in time".into())
}

/// Sentence for a person about an error of the keychain. The texts of `keyring` hold no key; its `Debug` may.
fn told(error: Error) -> VaultError {
    let reason = match error {
        Error::NoStorageAccess(_) => return VaultError::Locked,
        Error::PlatformFailure(error) => format!(
            "no keychain answers on this machine ({error}); start one, such as gnome-keyring or KWallet, or set the key as an environment variable"
        ),
        Error::Ambiguous(entries) => format!(
            "the keychain has {} entries for this key; remove all but one with its own program",
            entries.len()
        ),
        Error::BadEncoding(_) | Error::BadDataFormat(..) => {
            "the keychain's entry for this key is not text; set the key again".to_owned()
        }
        other => format!("the keychain refused ({other}); set the key as an environment variable"),
    };
    VaultError::Unavailable { reason }
}

#[cfg(test)]
mod tests;
