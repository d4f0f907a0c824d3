//! Everything a call needs, opened once and shared by all of them.

pub(crate) mod ledger;

use crate::access::exposure::Strangers;
use crate::books::ledger::{LedgerHealth, SharedLedgerError, address, open_shared};
use crate::books::prices::Prices;
use crate::config::{Config, ConfigError};
use crate::drain::Drain;
use crate::guards::provider_state::ProviderStates;
use crate::inspectors::Inspectors;
use crate::journal::attest::{Attester, Keys, LogSigner, PrivateKeys};
use crate::journal::counters::Counters;
use crate::journal::deed_notes::DeedNotes;
use crate::journal::log_damage::LogDamage;
use crate::journal::telemetry::Telemetry;
use crate::upstream::{self, ClientError, Upstreams};
use crate::views::{self, BudgetLimit, Event, Health};
use std::collections::HashMap;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::{Duration, Instant};
use tokio::sync::broadcast;
use zos_audit::{Kind, Log, OnDamage, Record};
use zos_core::memory::Memories;
use zos_core::{Brain, Home, Provider, Snapshot};
use zos_guard::approvals::Approvals;
use zos_guard::redact::Sessions;
use zos_guard::shield::Shield;
use zos_guard::targets::taint::Taints;
use zos_meter::tokens::Factors;
use zos_meter::{Balance, Clock, Interim, Ledger, LedgerError, Limit, Period, SqliteLedger, Standing};
use zos_seal::{ClientKeys, OwnSecrets, Secret, TermKeys, Vault};

/// How many events a slow reader may lag behind before some are lost to it.
const EVENTS_KEPT: usize = 1024;

/// Context, scope and name of a limit.
type LimitKey = (String, String, &'static str);

/// Limits whose announcements are remembered.
const ANNOUNCED_KEPT: usize = 4096;

/// Pause after each megabyte of a log that is verified in the background, so that the calls beside it have the machine: it
/// goes at some 40 MB/s then.
const VERIFY_PAUSE: Duration = Duration::from_millis(20);

/// Where the size and the root of the newest checkpoint are told outside of the folder of the log.
#[must_use]
pub fn audit_head(home: &Home) -> PathBuf {
    home.root().join("gateway").join("audit-head.json")
}

/// Everything a call needs.
pub struct House {
    pub(crate) brain: Brain,
    pub(crate) memories: Memories,
    pub(crate) config: Config,
    pub(crate) ledger: Arc<dyn Ledger>,
    pub(crate) ledger_health: LedgerHealth,
    /// What is held and spent while the ledger is away.
    pub(crate) interim: Interim,
    /// The file of this home, which is locked as long as this lives.
    _own_ledger: Arc<dyn Ledger>,
    pub(crate) audit: Log,
    /// What the owner is just doing.
    pub(crate) deed_notes: DeedNotes,
    pub(crate) keys: ClientKeys,
    /// What recognises secrets of this house in what others send.
    pub(crate) own_secrets: OwnSecrets,
    pub(crate) attester: Attester,
    pub(crate) term_keys: Arc<TermKeys>,
    /// Why checkpoints are not signed, where they are not.
    unsigned: Option<String>,
    /// What verification found wrong in the log.
    log_damage: LogDamage,
    /// The token of the admin API on the listener; `None` in the desktop, which needs none.
    pub(crate) admin_token: Option<Secret>,
    pub(crate) vault: Arc<Vault>,
    pub(crate) upstreams: Arc<Upstreams>,
    pub(crate) prices: Prices,
    /// Rooms of what providers keep.
    pub(crate) provider_states: Arc<ProviderStates>,
    /// How many tokens models of other makers have for one of OpenAI's.
    pub(crate) factors: Factors,
    pub(crate) counters: Counters,
    pub(crate) telemetry: Telemetry,
    pub(crate) shield: Shield,
    /// Threads and memory for what calls say.
    pub(crate) inspectors: Inspectors,
    /// Web pages that may not call, and how many of their requests leave a record.
    pub(crate) strangers: Strangers,
    /// What waits for the owner.
    pub(crate) approvals: Approvals,
    /// The placeholders of conversations.
    pub(crate) redactions: Sessions,
    pub(crate) taints: Taints,
    pub(crate) drain: Arc<Drain>,
    pub(crate) events: broadcast::Sender<Arc<Event>>,
    pub(crate) started: Instant,
    clock: Clock,
    /// Where the listener is, or why there is none.
    listening: Mutex<Listening>,
    /// The highest mark that each limit of each context was announced at, by its day or month.
    announced: Mutex<HashMap<LimitKey, (String, u8)>>,
    was_log_healthy: AtomicBool,
    /// Keeps the watcher alive.
    watching: Mutex<Option<zos_core::Watching>>,
}

/// How a house is opened.
#[derive(Debug, Clone, Default)]
pub struct Opening {
    /// Where private keys are kept.
    pub keys: Keys,
    /// What becomes of a log that is damaged.
    pub on_damage: OnDamage,
    /// Whether records that are under no signature may be taken over, though nothing vouches that they never were.
    pub adopts_log: bool,
    /// What tells days apart; the machine's clock where there is none.
    pub clock: Option<Clock>,
}

/// State of the listener.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Listening {
    /// Its address, once it listens.
    pub address: Option<SocketAddr>,
    /// Why it does not, in words.
    pub error: Option<String>,
    /// What the owner should know although it does.
    pub notice: Option<String>,
}

/// Why the house cannot be opened. Broken context files are no reason.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// The gateway's own configuration is wrong.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// The folder of the house cannot be used.
    #[error(transparent)]
    Brain(#[from] zos_core::OpenError),
    /// The files cannot be watched.
    #[error(transparent)]
    Watch(#[from] zos_core::WatchError),
    /// A folder cannot be made.
    #[error("the folder {0} cannot be made: {1}")]
    Folder(String, #[source] std::io::Error),
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
    /// The zOS keys cannot be read.
    #[error(transparent)]
    Keys(#[from] zos_seal::KeysError),
    /// The admin token cannot be read or made.
    #[error(transparent)]
    Token(#[from] zos_seal::TokenError),
    /// The HTTPS client cannot be made.
    #[error(transparent)]
    Client(#[from] ClientError),
}

impl House {
    /// Opens everything below `home` and starts to watch its files. Blocks; call it before serving.
    ///
    /// # Errors
    /// When another zOS uses this home, or a part cannot be opened: a sentence says which and why.
    pub fn open(home: Home) -> Result<Arc<House>, OpenError> {
        House::open_with(home, Opening::default())
    }

    /// As [`House::open`], with a say in where keys are kept and what becomes of a damaged log.
    ///
    /// # Errors
    /// Those of [`House::open`].
    pub fn open_with(home: Home, opening: Opening) -> Result<Arc<House>, OpenError> {
        let config = Config::load(&home)?;
        make_private_folder(home.root())?;
        make_private_folder(&home.root().join("gateway"))?;
        if let Some(problem) = home.exposed() {
            tracing::warn!(fix = problem.fix, "{}", problem.message);
        }
        let brain = Brain::open(home.clone())?;
        let clock = opening.clock.unwrap_or_else(Clock::system);
        // First of all: its lock is what keeps a second zOS from this home, also where a shared ledger serves.
        let own: Arc<dyn Ledger> =
            Arc::new(SqliteLedger::open(&home.usage_db()).map_err(|error| match error {
                LedgerError::InUse { .. } => OpenError::InUse(home.root().display().to_string()),
                error => error.into(),
            })?);
        let private_keys = PrivateKeys::new(&home, opening.keys);
        // A keychain that is locked, or a key that is gone, must not keep open rooms from working: the log
        // goes on without checkpoints, says so, and the next start with the key covers what was written.
        let (signer, unsigned) = match private_keys.log() {
            Ok(key) => (Some(Arc::new(LogSigner(key)) as Arc<dyn zos_audit::Signer>), None),
            Err(error) => (None, Some(error.to_string())),
        };
        let options = zos_audit::Options {
            durability: config.audit.durability,
            signer,
            on_damage: opening.on_damage,
            witness: Some(audit_head(&home)),
            adopts: opening.adopts_log,
            waits: true,
            ..zos_audit::Options::default()
        };
        let audit = Log::open(&home.audit_dir(), options)?;
        let log_damage = LogDamage::new(&audit, opening.on_damage);
        let ledger = match address(&config) {
            Some(address) => open_shared(&address)?,
            None => Arc::clone(&own),
        };
        let keys = ClientKeys::open(&home.keys())?;
        let admin_token = zos_seal::admin_token(&home.admin_token())?;
        let deed_notes = DeedNotes::new(&home);
        let telemetry = Telemetry::new(config.telemetry.clone());
        let inspectors = Inspectors::new(config.limits.body_bytes);
        let house = Arc::new(House {
            upstreams: Arc::new(Upstreams::new(&config.upstream)?),
            watching: Mutex::new(Some(brain.watch()?)),
            memories: Memories::new(home.clone()),
            brain,
            config,
            ledger,
            ledger_health: LedgerHealth::default(),
            interim: Interim::default(),
            _own_ledger: own,
            audit,
            deed_notes,
            keys,
            own_secrets: OwnSecrets::new(Some(admin_token.clone())),
            attester: Attester::new(&home, private_keys),
            term_keys: Arc::new(TermKeys::new(home.private_keys().join("terms"))),
            unsigned,
            log_damage,
            admin_token: Some(admin_token),
            vault: Arc::new(Vault::new(zos_seal::VaultOptions::default())),
            provider_states: Arc::new(ProviderStates::new(home.state_db())),
            prices: Prices::new(home),
            factors: Factors::default(),
            counters: Counters::default(),
            telemetry,
            shield: Shield::default(),
            inspectors,
            strangers: Strangers::default(),
            approvals: Approvals::default(),
            redactions: Sessions::default(),
            taints: Taints::default(),
            drain: Drain::new(),
            events: broadcast::Sender::new(EVENTS_KEPT),
            started: Instant::now(),
            clock,
            listening: Mutex::default(),
            announced: Mutex::default(),
            was_log_healthy: AtomicBool::new(true),
        });
        house.record_kind(Kind::Start, None);
        house.record_unfinished_deeds();
        Ok(house)
    }

    /// The person's files.
    pub fn brain(&self) -> &Brain {
        &self.brain
    }

    /// What the program itself is to write down, as gateway/config.yml says.
    pub fn log_level(&self) -> &'static str {
        self.config.log_level
    }

    /// Live events.
    pub fn events(&self) -> broadcast::Receiver<Arc<Event>> {
        self.events.subscribe()
    }

    /// Where the listener is, or why there is none.
    pub fn listening(&self) -> Listening {
        self.listening.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Whether a provider's address is the one we listen on ourselves.
    pub(crate) fn is_own_address(&self, provider: &Provider) -> bool {
        let (Some(url), Some(own)) = (&provider.base_url, self.listening().address) else { return false };
        url.port_or_known_default() == Some(own.port()) && upstream::is_on_this_machine(url)
    }

    pub(crate) fn set_listening(&self, listening: Listening) {
        *self.listening.lock().unwrap_or_else(PoisonError::into_inner) = listening;
        self.announce_health();
    }

    pub(crate) fn now_ms(&self) -> u64 {
        self.clock.now_ms()
    }

    /// Whether records are kept, in a log that hard rooms may rest on.
    pub(crate) fn log_is_healthy(&self) -> bool {
        matches!(self.audit.health(), zos_audit::Health::Healthy) && !self.log_damage.stops_hard_rooms()
    }

    /// Stops in order: calls end, then settlements, then the log.
    pub async fn stop(&self, patience: Duration) {
        self.drain.run(patience).await;
        if let Err(error) = self.ledger.flush().await {
            tracing::error!(%error, "not all usage could be written");
        }
        self.watching.lock().unwrap_or_else(PoisonError::into_inner).take();
        self.record_kind(Kind::Stop, None);
        if let Err(error) = self.audit.clone().close() {
            tracing::error!(%error, "the log could not be closed in order");
        }
    }

    /// Tells of the deeds that an earlier life of this house began, and whose end is not known.
    fn record_unfinished_deeds(&self) {
        for (note, mut record) in self.deed_notes.left() {
            let intent = record.detail.unwrap_or_default();
            record.detail = Some(format!("not known whether done, zOS ended meanwhile: {intent}"));
            let written = self.write_record(record).map(|seq| self.audit.wait_durable(seq));
            if matches!(written, Ok(Ok(()))) {
                note.close();
            }
        }
    }

    fn record_kind(&self, kind: Kind, detail: Option<String>) {
        // A failure is counted and told by the log's health; start and stop must not fail for it.
        let _ = self.write_record(Record { kind, detail, ..Record::default() });
    }

    /// Appends a record and tells whoever listens. An error is logged here; callers decide what follows.
    pub(crate) fn write_record(&self, record: Record) -> Result<u64, ()> {
        if record.kind == Kind::Call && self.telemetry.is_on() {
            self.telemetry.ended(&record, self.now_ms());
        }
        let kept = (self.events.receiver_count() > 0).then(|| record.clone());
        let written = self.audit.append(record);
        self.log_answered(written.is_ok());
        match written {
            Ok(seq) => {
                if let Some(mut record) = kept {
                    record.seq = seq;
                    record.time = zos_audit::format_time(self.now_ms());
                    self.announce(Event::Call { record: Box::new(record.into()) });
                }
                Ok(seq)
            }
            Err(error) => {
                self.counters.unrecorded();
                tracing::error!(%error, "a record could not be written");
                Err(())
            }
        }
    }

    /// Tells the screens where the log began to fail, or to work again.
    pub(crate) fn log_answered(&self, is_healthy: bool) {
        if self.was_log_healthy.swap(is_healthy, Ordering::Relaxed) != is_healthy {
            self.announce_health();
        }
    }

    /// Tells whoever listens.
    pub(crate) fn announce(&self, event: Event) {
        // An error only means that nobody listens.
        let _ = self.events.send(Arc::new(event));
    }

    pub(crate) fn announce_health(&self) {
        self.announce(Event::Health { health: self.health(), shield: self.shield_state() });
    }

    /// The owner's pause, as it stands.
    pub(crate) fn shield_state(&self) -> views::Shield {
        views::Shield::new(&self.shield, self.now_ms())
    }

    /// Health of the parts, without asking anything that could block.
    pub(crate) fn health(&self) -> Health {
        let mut problems = Vec::new();
        if let zos_audit::Health::Failing { since, error } = self.audit.health() {
            problems.push(format!("The log cannot be written since {since}: {error}."));
        }
        problems.extend(self.log_damage.problem());
        problems.extend(self.ledger_health.problem());
        let listening = self.listening();
        problems.extend(listening.error);
        problems.extend(self.keys.problem());
        if let Some(unread) = self.brain.snapshot().unread.first() {
            problems.push(format!(
                "{}: {}. Its last good version governs, and it is read again by itself.",
                unread.file, unread.message
            ));
        }
        problems.extend(fleet_never_loaded(&self.brain.snapshot().fleet));
        problems.extend(self.unsigned.as_ref().map(|why| format!("The log is not signed: {why}.")));
        let ok = problems.is_empty();
        problems.extend(listening.notice);
        Health { ok, problems }
    }

    /// Tells the screens of every change of the files and of the active context, until the house stops.
    pub(crate) async fn announce_changes(self: &Arc<Self>) {
        let mut snapshots = self.brain.subscribe();
        self.attest_ahead();
        let mut told = None;
        let mut before = snapshots.borrow().clone();
        tell_of_the_start(&before);
        tokio::spawn(verify_log(Arc::downgrade(self)));
        ledger::look_ahead(self, &self.brain.snapshot()).await;
        loop {
            self.tell_of_the_fleet(&mut told);
            tokio::select! {
                changed = snapshots.changed() => if changed.is_err() { return },
                () = self.drain.is_begun() => return,
            }
            let snapshot = snapshots.borrow_and_update().clone();
            self.tell_of_changes(&before, &snapshot);
            before = Arc::clone(&snapshot);
            self.attest_ahead();
            let active = snapshot.effective_active().ok().map(ToString::to_string);
            self.announce(Event::Config { active, problems: snapshot.problems.len() as u64 });
            ledger::look_ahead(self, &snapshot).await;
        }
    }

    /// Logs and counts each difference in what governs.
    fn tell_of_changes(&self, before: &Snapshot, now: &Snapshot) {
        for change in now.changes_since(before) {
            self.counters.config_changed(change.is_failure());
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
        let now = fleet_never_loaded(&self.brain.snapshot().fleet);
        if *told == now {
            return;
        }
        match &now {
            Some(problem) => tracing::error!("{problem}"),
            None => tracing::info!("the fleet is loaded"),
        }
        *told = now;
        self.announce_health();
    }

    /// Signs for the active context before its first call, which would have to wait for the disk.
    fn attest_ahead(self: &Arc<Self>) {
        let house = Arc::clone(self);
        tokio::task::spawn_blocking(move || {
            let snapshot = house.brain.snapshot();
            if let Ok(name) = snapshot.effective_active()
                && snapshot.policy(name).is_some()
                && let Err(error) = house.attester.state_id(&snapshot, name)
            {
                tracing::error!(%error, "what governs could not be signed for");
            }
        });
    }

    /// Announces each limit that crossed 80 % or 100 %, once a day or month each.
    pub(crate) fn budget_moved(&self, balance: &Balance) {
        for standing in &balance.limits {
            self.limit_reached(&balance.context, standing, standing.mark());
        }
    }

    /// Announces a limit that could not carry a call. Calls are refused before the last token is used, so
    /// one that is nearly used up counts as used up here.
    pub(crate) fn budget_refused(&self, context: &str, standing: &Standing) {
        if standing.mark() > 0 {
            self.limit_reached(context, standing, 100);
        }
    }

    fn limit_reached(&self, context: &str, standing: &Standing, percent: u8) {
        if percent == 0 {
            return;
        }
        let Limit { scope, period, .. } = &standing.limit;
        let key = (context.to_owned(), scope.code(), standing.limit.name());
        let period: String = Period::code(*period, standing.day);
        let mut announced = self.announced.lock().unwrap_or_else(PoisonError::into_inner);
        // Limits come and go with the files; what is announced twice after that does no harm.
        if announced.len() >= ANNOUNCED_KEPT {
            announced.clear();
        }
        let mark = announced.entry(key).or_insert((period.clone(), 0));
        if (mark.0.as_str(), mark.1) < (period.as_str(), percent) {
            *mark = (period, percent);
            drop(announced);
            let limit = BudgetLimit::new(standing, self.now_ms());
            self.announce(Event::Budget { context: context.to_owned(), limit, percent });
        }
    }
}

/// Sentence about the file of the fleet where it never loaded. The built-in providers that served before it was written go
/// on to serve open rooms; after a start with it nobody knows where the owner wants any call to go.
fn fleet_never_loaded(fleet: &zos_core::Fleet) -> Option<String> {
    let problem = fleet.broken()?;
    let barred =
        if fleet.is_builtin() { "hard rooms reach no provider" } else { "no room reaches a provider" };
    Some(format!("The fleet never loaded, so {barred}: {problem}"))
}

/// Verifies the whole log beside the calls. Opening looked at its newest segment only.
async fn verify_log(house: Weak<House>) {
    let Some(home) = house.upgrade().map(|house| house.brain.home().clone()) else { return };
    let looked = tokio::task::spawn_blocking(move || {
        let mut pause = |_, _| std::thread::sleep(VERIFY_PAUSE);
        zos_audit::verify_witnessed(&home.audit_dir(), None, Some(&audit_head(&home)), &mut pause)
    });
    if let Ok(Ok(report)) = looked.await
        && let Some(house) = house.upgrade()
        && house.log_damage.found(&report)
    {
        house.announce_health();
    }
}

/// Milliseconds since an instant.
pub(crate) fn millis(since: Instant) -> u64 {
    u64::try_from(since.elapsed().as_millis()).unwrap_or(u64::MAX)
}

/// Makes a folder that only its owner can read, where it does not exist.
fn make_private_folder(path: &Path) -> Result<(), OpenError> {
    let failed = |error| OpenError::Folder(path.display().to_string(), error);
    if path.is_dir() {
        return Ok(());
    }
    let mut builder = std::fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(path).map_err(failed)
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
