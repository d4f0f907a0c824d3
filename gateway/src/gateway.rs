//! The gateway as a whole: its parts, opened once and shared by all calls.
//!
//! It composes and decides nothing. Each part guards its own changes, and no part names it: a part that becomes better or
//! worse says so to the journal, and the one task here puts their words together.

use crate::access::{Access, AccessError, Listening};
use crate::books::Books;
use crate::books::ledger::{SharedLedgerError, address, open_shared};
use crate::config::{Config, ConfigError};
use crate::drain::Drain;
use crate::guards::Guards;
use crate::journal::attest::Keys;
use crate::journal::{self, Journal, JournalOptions};
use crate::upstream::commands::CommandError;
use crate::upstream::{ClientError, Upstreams};
use crate::views::{self, Event, Health};
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::Duration;
use tokio::sync::{Notify, broadcast};
use tokio::task::AbortHandle;
use zos_audit::{Kind, OnDamage};
use zos_core::memory::Memories;
use zos_core::{Brain, Fleet, Home, Snapshot};
use zos_meter::{Clock, Ledger, LedgerError, SqliteLedger};

/// Everything a gateway has open.
pub struct Gateway {
    pub(crate) config: Config,
    pub(crate) files: Files,
    pub(crate) access: Access,
    pub(crate) guards: Arc<Guards>,
    pub(crate) books: Arc<Books>,
    pub(crate) journal: Arc<Journal>,
    pub(crate) upstreams: Arc<Upstreams>,
    /// Who is in progress, and whether to stop.
    pub(crate) drain: Arc<Drain>,
    /// The task that composes health, once there is a runtime for it.
    telling: Mutex<Option<Telling>>,
}

/// The person's files, and what is made of them.
pub(crate) struct Files {
    /// Contexts, packs, canon, fleet and the active context.
    pub(crate) brain: Brain,
    /// What each room remembers.
    pub(crate) memories: Memories,
    /// Keeps the watcher alive.
    watching: Mutex<Option<zos_core::Watching>>,
}

/// How a gateway is opened.
#[derive(Debug, Clone, Default)]
pub struct Opening {
    /// Where private keys are kept.
    pub keys: Keys,
    /// What becomes of a log that is damaged.
    pub on_damage: OnDamage,
    /// Whether records that are under no signature may be taken over, though nothing vouches that they never were.
    pub adopts_log: bool,
    /// Clock that decides the UTC day of a call; the system clock if `None`.
    pub clock: Option<Clock>,
}

/// Why the gateway cannot be opened. Broken context files are no reason.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// The gateway's own configuration is wrong.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// The folder of the home cannot be used.
    #[error(transparent)]
    Brain(#[from] zos_core::OpenError),
    /// The files cannot be watched.
    #[error(transparent)]
    Watch(#[from] zos_core::WatchError),
    /// A folder cannot be made.
    #[error(transparent)]
    Folder(#[from] zos_seal::FileError),
    /// Another zOS, or a command, works on this home.
    #[error(
        "the home {0} is in use by another process; stop that one first, or give this one a home of its own"
    )]
    InUse(String),
    /// The log cannot be opened.
    #[error(transparent)]
    Audit(#[from] zos_audit::OpenError),
    /// The ledger cannot be opened.
    #[error(transparent)]
    Ledger(#[from] LedgerError),
    /// The shared ledger cannot be used.
    #[error(transparent)]
    SharedLedger(#[from] SharedLedgerError),
    /// The zOS keys or the admin token cannot be used.
    #[error(transparent)]
    Access(#[from] AccessError),
    /// The HTTPS client cannot be made.
    #[error(transparent)]
    Client(#[from] ClientError),
}

impl Gateway {
    /// Opens everything below `home` and starts to watch its files. Blocks; call it before serving.
    ///
    /// # Errors
    /// When another zOS uses this home, or a part cannot be opened: a sentence says which and why.
    pub fn open(home: Home) -> Result<Arc<Gateway>, OpenError> {
        Gateway::open_with(home, Opening::default())
    }

    /// As [`Gateway::open`], with a say in where keys are kept and what becomes of a damaged log.
    ///
    /// # Errors
    /// Those of [`Gateway::open`].
    pub fn open_with(home: Home, opening: Opening) -> Result<Arc<Gateway>, OpenError> {
        let Opening { keys, on_damage, adopts_log, clock } = opening;
        let config = Config::load(&home)?;
        zos_seal::private_folder(home.root())?;
        zos_seal::private_folder(&home.root().join("gateway"))?;
        if let Some(problem) = home.exposed() {
            tracing::warn!(fix = problem.fix, "{}", problem.message);
        }
        let brain = Brain::open(home.clone())?;
        let clock = clock.unwrap_or_else(Clock::system);
        // First of all: its lock is what keeps a second zOS from this home, also where a shared ledger serves.
        let own: Arc<dyn Ledger> =
            Arc::new(SqliteLedger::open(&home.usage_db()).map_err(|error| match error {
                LedgerError::InUse { .. } => OpenError::InUse(home.root().display().to_string()),
                error => error.into(),
            })?);
        let options = JournalOptions { keys, on_damage, adopts: adopts_log };
        let journal = Arc::new(Journal::open(&home, &config, options, clock.clone())?);
        let ledger = match address(&config) {
            Some(address) => open_shared(&address)?,
            None => Arc::clone(&own),
        };
        let drain = Drain::new();
        let gateway = Arc::new(Gateway {
            access: Access::open(&home, &config, Arc::clone(&journal))?,
            guards: Guards::new(&home, &config, Arc::clone(&drain)),
            books: Books::new(home.clone(), ledger, own, clock, Arc::clone(&journal)),
            upstreams: Arc::new(Upstreams::new(&home, &config.upstream)?),
            files: Files { watching: Mutex::new(Some(brain.watch()?)), memories: Memories::new(home), brain },
            config,
            journal,
            drain,
            telling: Mutex::default(),
        });
        gateway.journal.record_kind(Kind::Start);
        gateway.journal.record_unfinished_deeds();
        Ok(gateway)
    }

    /// The person's files.
    pub fn brain(&self) -> &Brain {
        &self.files.brain
    }

    /// Log level from gateway/config.yml.
    pub fn log_level(&self) -> &'static str {
        self.config.log_level
    }

    /// Live events.
    pub fn events(&self) -> broadcast::Receiver<Arc<Event>> {
        self.journal.events()
    }

    /// Where the listener is, or why there is none.
    pub fn listening(&self) -> Listening {
        self.access.listening()
    }

    /// Stops in order: calls end, then settlements, then the log.
    pub async fn stop(&self, patience: Duration) {
        self.drain.run(patience).await;
        if let Err(error) = self.books.ledger.flush().await {
            tracing::error!(%error, "not all usage could be written");
        }
        self.files.watching.lock().unwrap_or_else(PoisonError::into_inner).take();
        self.telling.lock().unwrap_or_else(PoisonError::into_inner).take();
        self.journal.record_kind(Kind::Stop);
        if let Err(error) = self.journal.log.clone().close() {
            tracing::error!(%error, "the log could not be closed in order");
        }
    }

    /// The owner's pause, as it stands.
    pub(crate) fn shield(&self) -> views::Shield {
        views::Shield::new(&self.guards.shield, self.journal.now_ms())
    }

    /// Health of the parts, without asking anything that could block.
    pub(crate) fn health(&self) -> Health {
        let mut problems = self.journal.problems();
        problems.extend(self.books.health.problem());
        let listening = self.access.listening();
        problems.extend(listening.error);
        problems.extend(self.access.keys.problem());
        let snapshot = self.files.brain.snapshot();
        if let Some(unread) = snapshot.unread.first() {
            problems.push(format!(
                "{}: {}. Its last good version governs, and it is read again by itself.",
                unread.file, unread.message
            ));
        }
        problems.extend(fleet_never_loaded(&snapshot.fleet));
        problems.extend(self.journal.unsigned());
        let ok = problems.is_empty();
        problems.extend(self.commands_to_allow());
        problems.extend(listening.notice);
        Health { ok, problems }
    }

    /// Sentences about commands that would print a provider's key and may not run yet. They are no failure: the owner may
    /// mean to say no.
    fn commands_to_allow(&self) -> Vec<String> {
        let fleet = self.files.brain.snapshot().fleet.clone();
        let waiting = fleet.providers().filter_map(|provider| {
            let command = provider.key_command()?;
            let (error, _) = self.upstreams.keys.commands.standing(provider, command);
            let error = error.filter(CommandError::is_for_the_owner)?;
            let name = &provider.name;
            Some(format!("There is no key for provider {name}: {error}. {}", error.hint(name)))
        });
        waiting.collect()
    }

    /// Logs once for each state of things which commands wait for their owner's yes.
    fn tell_of_commands(&self, told: &mut Vec<String>) {
        let waiting = self.commands_to_allow();
        for sentence in waiting.iter().filter(|sentence| !told.contains(sentence)) {
            tracing::warn!("{sentence}");
        }
        if *told != waiting {
            *told = waiting;
            self.journal.health_changed();
        }
    }

    /// Begins to announce health whenever a part says that it changed, until the gateway stops. Must be called within a
    /// runtime; calling it again changes nothing.
    pub(crate) fn tell_of_health(self: &Arc<Self>) {
        let mut telling = self.telling.lock().unwrap_or_else(PoisonError::into_inner);
        if telling.is_none() {
            let task = tell_of_health(Arc::downgrade(self), self.journal.health_moves());
            *telling = Some(Telling(tokio::spawn(task).abort_handle()));
        }
    }

    /// Tells the screens of every change of the files and of the active context, until the gateway stops.
    pub(crate) async fn announce_changes(self: &Arc<Self>) {
        let mut snapshots = self.files.brain.subscribe();
        self.attest_ahead();
        let mut told = None;
        let mut commands = Vec::new();
        let mut before = snapshots.borrow().clone();
        tell_of_the_start(&before);
        tokio::spawn(verify_log(self.files.brain.home().clone(), Arc::downgrade(&self.journal)));
        self.books.look_ahead(&self.files.brain.snapshot()).await;
        loop {
            self.tell_of_the_fleet(&mut told);
            self.tell_of_commands(&mut commands);
            tokio::select! {
                changed = snapshots.changed() => if changed.is_err() { return },
                () = self.drain.is_begun() => return,
            }
            let snapshot = snapshots.borrow_and_update().clone();
            self.tell_of_changes(&before, &snapshot);
            before = Arc::clone(&snapshot);
            self.attest_ahead();
            let active = snapshot.effective_active().ok().map(ToString::to_string);
            self.journal.announce(Event::Config { active, problems: snapshot.problems.len() as u64 });
            self.books.look_ahead(&snapshot).await;
        }
    }

    /// Logs and counts each difference in what governs.
    fn tell_of_changes(&self, before: &Snapshot, now: &Snapshot) {
        for change in now.changes_since(before) {
            self.journal.counters.config_changed(change.is_failure());
            let revision = now.revision;
            if change.is_failure() {
                tracing::warn!(revision, "{change}");
            } else {
                tracing::info!(revision, "{change}");
            }
        }
    }

    /// Logs and announces that the file of the fleet never loaded, once for each mistake, and that it does now.
    fn tell_of_the_fleet(&self, told: &mut Option<String>) {
        let now = fleet_never_loaded(&self.files.brain.snapshot().fleet);
        if *told == now {
            return;
        }
        match &now {
            Some(problem) => tracing::error!("{problem}"),
            None => tracing::info!("the fleet is loaded"),
        }
        *told = now;
        self.journal.health_changed();
    }

    /// Signs for the active context before its first call, which would have to wait for the disk.
    fn attest_ahead(&self) {
        let (snapshot, journal) = (self.files.brain.snapshot(), Arc::clone(&self.journal));
        tokio::task::spawn_blocking(move || {
            if let Ok(name) = snapshot.effective_active()
                && snapshot.policy(name).is_some()
                && let Err(error) = journal.attester.state_id(&snapshot, name)
            {
                tracing::error!(%error, "what governs could not be signed for");
            }
        });
    }
}

/// The task that announces health; it ends when this is dropped.
struct Telling(AbortHandle);

impl Drop for Telling {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// Composes and announces health whenever a part says that it changed; several words that come together are one.
async fn tell_of_health(gateway: Weak<Gateway>, moved: Arc<Notify>) {
    loop {
        moved.notified().await;
        let Some(gateway) = gateway.upgrade() else { return };
        gateway.journal.announce(Event::Health { health: gateway.health(), shield: gateway.shield() });
    }
}

/// Sentence about the file of the fleet where it never loaded. The built-in providers that served before it was written go
/// on to serve open rooms; after a start with it nobody knows where the owner wants any call to go.
fn fleet_never_loaded(fleet: &Fleet) -> Option<String> {
    let problem = fleet.broken()?;
    let barred =
        if fleet.is_builtin() { "hard rooms reach no provider" } else { "no room reaches a provider" };
    Some(format!("The fleet never loaded, so {barred}: {problem}"))
}

/// Logs how many contexts govern at the start and which one governs calls that name none, and each error of a file.
fn tell_of_the_start(snapshot: &Snapshot) {
    let governing = snapshot.contexts.values().filter(|state| state.context().is_some()).count();
    let active = snapshot.effective_active().ok().map(ToString::to_string);
    tracing::info!(contexts = governing, active, "what governs is loaded");
    for problem in snapshot.problems.iter().filter(|problem| problem.is_error()) {
        tracing::warn!("{problem}");
    }
}

/// Verifies the whole log beside the calls.
async fn verify_log(home: Home, journal: Weak<Journal>) {
    let looked = tokio::task::spawn_blocking(move || journal::verify_slowly(&home)).await;
    if let (Ok(Some(report)), Some(journal)) = (looked, journal.upgrade()) {
        journal.verified(&report);
    }
}
