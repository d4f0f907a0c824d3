//! Keys that programs print (`key: {command: […], ttl: …}`): each kept for its time in memory that is wiped, and nowhere
//! else.
//!
//! A command runs once for all who wait for it, at most once in its time: a little early, so that nobody waits, and once
//! more where the provider refuses the key. A run belongs to no call, so that a caller who hangs up ends nobody's wait.
//! Whether it may run at all is asked before each run ([`allowed`]).

pub(crate) mod allowed;
mod running;

use futures::FutureExt;
use futures::future::{BoxFuture, Shared};
use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};
use zos_core::fleet::KeyCommand;
use zos_core::{Home, Provider};
use zos_seal::Secret;

/// How long a command that failed is left alone: every call would run it again.
const PAUSE: Duration = Duration::from_secs(15);

/// Commands whose keys are kept.
const KEPT: usize = 64;

/// Why a command gave no key. Nothing of what it printed is in it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum CommandError {
    /// The owner has not said yes to it as it stands now.
    #[error("the command that prints it is new or changed, and its owner has not allowed it yet")]
    NotAllowed,
    /// Others may write the file that names it.
    #[error("the command that prints it is not run, because others may write {what} ({why})")]
    OthersMayWrite { what: String, why: String },
    /// There is no such program, or it cannot be run.
    #[error("the command that prints it cannot be started: {0}")]
    Start(std::io::ErrorKind),
    /// It took too long and was ended.
    #[error("the command that prints it took longer than {0} s and was ended")]
    Timeout(u64),
    /// It says itself that it failed.
    #[error("the command that prints it {}", match .0 {
        Some(code) => format!("ended with status {code}"),
        None => "was ended by a signal".to_owned(),
    })]
    Failed(Option<i32>),
    /// It printed no key.
    #[error("the command that prints it printed {0}")]
    Printed(&'static str),
    /// The run was given up with the program that it belonged to.
    #[error("the command that prints it was given up")]
    GivenUp,
}

impl CommandError {
    /// What to do about it.
    pub(crate) fn hint(&self, provider: &str) -> String {
        match self {
            Self::NotAllowed => format!("See what would run, and allow it: zos providers allow {provider}"),
            Self::OthersMayWrite { what, .. } => {
                format!("Let nobody else write there: chmod go-w, for {what}.")
            }
            Self::Start(_) => "Write its full path in routing/fleet.yml, or install it.".to_owned(),
            _ => "`zos doctor` shows what it complained.".to_owned(),
        }
    }

    /// Whether only the owner changes it: a word of his, or the rights of a file. It counts at once when he does.
    pub(crate) fn is_for_the_owner(&self) -> bool {
        matches!(self, Self::NotAllowed | Self::OthersMayWrite { .. })
    }

    /// Word of the admin API.
    pub(crate) fn word(&self) -> &'static str {
        match self {
            Self::NotAllowed => "not_allowed",
            Self::OthersMayWrite { .. } => "refused",
            _ => "failed",
        }
    }
}

/// A key that was printed.
#[derive(Clone)]
pub(crate) struct Printed {
    pub(crate) key: Secret,
    /// Number of the run that printed it.
    pub(crate) generation: u64,
}

/// A run in progress, for all who wait for it.
type Running = Shared<BoxFuture<'static, Result<Printed, CommandError>>>;

/// Where a command stands.
#[derive(Default)]
struct State {
    printed: Option<(Printed, Instant)>,
    running: Option<Running>,
    /// Why the last run failed, and when.
    failed: Option<(CommandError, Instant)>,
    /// What it complained when it failed.
    stderr: String,
    /// Runs so far.
    runs: u64,
    /// Whether the key is from a run that a refusal asked for: then another refusal asks for none.
    was_refused: bool,
}

/// Age of a printed key.
#[derive(Debug, PartialEq, Eq)]
enum Age {
    Fresh,
    /// Still good, and about to be none.
    Late,
    Over,
}

fn age(since: Duration, ttl: Duration) -> Age {
    match since {
        since if since >= ttl => Age::Over,
        since if since >= ttl.mul_f64(0.9) => Age::Late,
        _ => Age::Fresh,
    }
}

/// All commands of a home.
pub(crate) struct KeyCommands {
    home: Home,
    states: Mutex<HashMap<String, State>>,
}

impl KeyCommands {
    pub(crate) fn new(home: Home) -> Arc<Self> {
        Arc::new(Self { home, states: Mutex::default() })
    }

    /// The key that a provider's command printed, or prints now.
    ///
    /// # Errors
    /// When the command may not run, or gave no key.
    pub(crate) async fn key(
        self: &Arc<Self>,
        provider: &Provider,
        command: &KeyCommand,
    ) -> Result<Printed, CommandError> {
        match self.kept_or_running(provider, command, Instant::now()) {
            Ok(known) => known,
            Err(running) => running.await,
        }
    }

    /// A key in place of one that the provider refused; `None` where the refused one was such a key already.
    ///
    /// # Errors
    /// When the command may not run, or gave no key.
    pub(crate) async fn in_place_of(
        self: &Arc<Self>,
        provider: &Provider,
        command: &KeyCommand,
        generation: u64,
    ) -> Option<Result<Printed, CommandError>> {
        {
            let mut states = self.states.lock().unwrap_or_else(PoisonError::into_inner);
            let state = states.entry(command.digest(&provider.name)).or_default();
            let is_current = state.printed.as_ref().is_some_and(|(known, _)| known.generation == generation);
            if is_current && state.was_refused {
                return None;
            }
            if is_current {
                state.printed = None;
                state.was_refused = true;
            }
        }
        Some(self.key(provider, command).await)
    }

    /// Notes that a provider accepted a key, so that a refusal later asks for another one.
    pub(crate) fn accepted(&self, provider: &Provider, generation: u64) {
        let Some(command) = provider.key_command() else { return };
        let mut states = self.states.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(state) = states.get_mut(&command.digest(&provider.name))
            && state.printed.as_ref().is_some_and(|(known, _)| known.generation == generation)
        {
            state.was_refused = false;
        }
    }

    /// Why a provider's command would give no key now, as far as that is known without running it; and what it complained
    /// the last time. Reads files.
    pub(crate) fn standing(
        &self,
        provider: &Provider,
        command: &KeyCommand,
    ) -> (Option<CommandError>, String) {
        if let Err(error) = self.may_run(provider, command) {
            return (Some(error), String::new());
        }
        let states = self.states.lock().unwrap_or_else(PoisonError::into_inner);
        match states.get(&command.digest(&provider.name)) {
            Some(state) => (state.failed.as_ref().map(|(error, _)| error.clone()), state.stderr.clone()),
            None => (None, String::new()),
        }
    }

    fn may_run(&self, provider: &Provider, command: &KeyCommand) -> Result<(), CommandError> {
        allowed::only_its_owner_writes(&self.home)?;
        match allowed::is_allowed(&self.home, &provider.name, &command.digest(&provider.name)) {
            true => Ok(()),
            false => Err(CommandError::NotAllowed),
        }
    }

    /// What is known at once, or the run that will tell.
    fn kept_or_running(
        self: &Arc<Self>,
        provider: &Provider,
        command: &KeyCommand,
        now: Instant,
    ) -> Result<Result<Printed, CommandError>, Running> {
        let digest = command.digest(&provider.name);
        let mut states = self.states.lock().unwrap_or_else(PoisonError::into_inner);
        if states.len() >= KEPT && !states.contains_key(&digest) {
            // Commands come and go with the file; what is forgotten runs anew.
            states.retain(|_, state| state.running.is_some());
        }
        let state = states.entry(digest.clone()).or_default();
        let kept = state
            .printed
            .as_ref()
            .map(|(printed, at)| (printed.clone(), age(now.saturating_duration_since(*at), command.ttl)));
        let has_just_failed =
            state.failed.as_ref().filter(|(_, at)| now.saturating_duration_since(*at) < PAUSE);
        match (kept, has_just_failed) {
            (Some((printed, Age::Fresh)), _) => return Ok(Ok(printed)),
            (Some((printed, Age::Late)), failed) => {
                if state.running.is_none() && failed.is_none() {
                    state.running = Some(self.begin(provider, command, digest, state.runs + 1));
                }
                return Ok(Ok(printed));
            }
            (_, Some((error, _))) if state.running.is_none() => return Ok(Err(error.clone())),
            _ => {}
        }
        // A key that is replaced in its own time may be refused like any first one.
        if state.printed.take().is_some() {
            state.was_refused = false;
        }
        let running = match &state.running {
            Some(running) => running.clone(),
            None => {
                let running = self.begin(provider, command, digest, state.runs + 1);
                state.running.insert(running).clone()
            }
        };
        Err(running)
    }

    /// Begins a run in a task of its own.
    fn begin(
        self: &Arc<Self>,
        provider: &Provider,
        command: &KeyCommand,
        digest: String,
        run: u64,
    ) -> Running {
        let (commands, provider, command) = (Arc::clone(self), provider.clone(), command.clone());
        let task = tokio::spawn(async move {
            let outcome = commands.run(&provider, &command, run).await;
            commands.settle(&provider.name, &digest, run, outcome)
        });
        task.map(|ended| ended.unwrap_or(Err(CommandError::GivenUp))).boxed().shared()
    }

    async fn run(self: &Arc<Self>, provider: &Provider, command: &KeyCommand, run: u64) -> running::Ran {
        let (commands, asked) = (Arc::clone(self), (provider.clone(), command.clone()));
        let may_run = tokio::task::spawn_blocking(move || commands.may_run(&asked.0, &asked.1)).await;
        if let Err(error) = may_run.unwrap_or(Err(CommandError::GivenUp)) {
            return running::Ran { outcome: Err(error), stderr: String::new() };
        }
        tracing::info!(provider = provider.name, program = command.program(), run, "a command prints a key");
        running::run(command, self.home.root(), running::LIMIT).await
    }

    /// Keeps what a run came to.
    fn settle(
        &self,
        provider: &str,
        digest: &str,
        run: u64,
        ran: running::Ran,
    ) -> Result<Printed, CommandError> {
        let mut states = self.states.lock().unwrap_or_else(PoisonError::into_inner);
        let state = states.entry(digest.to_owned()).or_default();
        state.running = None;
        state.runs = run;
        match ran.outcome {
            Ok(key) => {
                let printed = Printed { key, generation: run };
                state.printed = Some((printed.clone(), Instant::now()));
                state.failed = None;
                state.stderr = String::new();
                Ok(printed)
            }
            Err(error) => {
                tracing::warn!(provider, %error, "there is no key");
                tracing::debug!(provider, stderr = ran.stderr, "what its command complained");
                // What the owner changes has to count at once.
                state.failed = (!error.is_for_the_owner()).then(|| (error.clone(), Instant::now()));
                state.stderr = ran.stderr;
                Err(error)
            }
        }
    }
}

#[cfg(test)]
mod tests;
