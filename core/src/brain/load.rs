//! Loads all files of a home into a snapshot, and remembers the last good version of each.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::sync::Arc;

use sha2::{Digest, Sha256};
use zos_rules::Ruleset;

use super::contexts::{self, Rooms};
use super::files::{self, ContentDigest, FileRead};
use super::policy::{self, Policies};
use super::snapshot::{ContextState, Snapshot};
use super::state;
use crate::context::{Context, ContextName};
use crate::fleet::{Environment, Fleet, parse_fleet};
use crate::home::Home;
use crate::problem::Problem;

/// Loads a home again and again.
pub(super) struct Loader {
    home: Home,
    environment: Environment,
    revision: u64,
    /// Digest of everything that was read for the last snapshot.
    fingerprint: Option<ContentDigest>,
    rooms: Rooms,
    fleet: Option<Arc<Fleet>>,
    active: ActiveMemory,
    compiled: Option<Compiled>,
}

/// What is remembered of `state.json`.
enum ActiveMemory {
    /// It was never read.
    Unknown,
    /// As it was last read well.
    Known(Option<ContextName>),
}

/// The rules of the last time that they could be compiled.
struct Compiled {
    version: u64,
    rules: Arc<Ruleset>,
    policies: Policies,
    /// The contexts that these are the rules of.
    governing: BTreeMap<ContextName, Arc<Context>>,
}

impl Loader {
    pub(super) fn new(home: Home, environment: Environment) -> Self {
        Self {
            home,
            environment,
            revision: 0,
            fingerprint: None,
            rooms: Rooms::default(),
            fleet: None,
            active: ActiveMemory::Unknown,
            compiled: None,
        }
    }

    /// Reads everything. Absent where nothing changed since the last time.
    pub(super) fn load(&mut self) -> Option<Snapshot> {
        let mut hasher = Sha256::new();
        let home = self.home.clone();
        let mut read = |path: &Path| {
            let read = files::read(&home, path);
            note(&mut hasher, &home.relative(path), &read);
            read
        };
        let state_file = read(&home.state());
        let fleet_file = read(&home.fleet());
        let listing = contexts::list(&home);
        self.rooms.update(listing, &mut read, &home);
        let own_packs = own_packs(&home);
        for problem in self.rooms.stray.iter().chain(&own_packs) {
            hasher.update(problem.to_string().as_bytes());
        }
        let fingerprint = hasher.finalize().into();
        if self.fingerprint == Some(fingerprint) {
            return None;
        }
        self.fingerprint = Some(fingerprint);

        let mut problems = self.rooms.stray.clone();
        problems.extend(own_packs);
        problems.extend(self.take_fleet(fleet_file));
        problems.extend(self.take_state(state_file));
        Some(self.snapshot(problems))
    }

    fn take_fleet(&mut self, file: FileRead) -> Vec<Problem> {
        let parsed = match &file {
            FileRead::Absent => parse_fleet(None, &self.environment),
            FileRead::Bytes(bytes) => parse_fleet(Some(bytes), &self.environment),
            FileRead::Failed(problem) => return vec![problem.clone()],
        };
        if let Some(fleet) = parsed.fleet
            && self.fleet.as_deref() != Some(&fleet)
        {
            self.fleet = Some(Arc::new(fleet));
        }
        parsed.problems
    }

    fn take_state(&mut self, file: FileRead) -> Option<Problem> {
        let parsed = match &file {
            FileRead::Absent => Ok(None),
            FileRead::Bytes(bytes) => state::parse(bytes),
            FileRead::Failed(problem) => Err(problem.clone()),
        };
        match parsed {
            Ok(active) => {
                self.active = ActiveMemory::Known(active);
                None
            }
            Err(problem) => Some(problem),
        }
    }

    fn snapshot(&mut self, mut problems: Vec<Problem>) -> Snapshot {
        let mut contexts = self.rooms.states();
        let mut governing = self.rooms.governing();
        if self.rooms.none_at_all {
            let builtin = Arc::new(Context::builtin());
            governing.insert(builtin.name.clone(), Arc::clone(&builtin));
            let state = ContextState::Live { context: builtin, problems: Vec::new(), stale: false };
            contexts.insert(ContextName::default_context(), state);
        }
        let (rules, policies) = self.compile(governing, &mut contexts);
        problems.extend(contexts.values().flat_map(|state| state.problems().iter().cloned()));

        self.revision += 1;
        let (active, active_unknown) = match &self.active {
            ActiveMemory::Known(active) => (active.clone(), false),
            ActiveMemory::Unknown => (None, true),
        };
        let fleet = self.fleet.clone().unwrap_or_else(|| Arc::new(Fleet::unloaded()));
        let mut snapshot = Snapshot {
            revision: self.revision,
            contexts,
            active,
            fleet,
            rules,
            problems,
            policies,
            active_unknown,
        };
        snapshot.problems.extend(active_problem(&snapshot));
        let place = |problem: &Problem| (problem.file.clone(), problem.line, problem.column);
        snapshot.problems.sort_by_key(|problem| (problem.severity, place(problem)));
        snapshot
    }

    /// Compiles the rules if they changed. Parsing refuses a rule that cannot be looked for, but all
    /// rooms together may still be too much; then the last good rules and rooms govern, and where
    /// there are none, no room does, rather than one without its rules.
    fn compile(
        &mut self,
        governing: BTreeMap<ContextName, Arc<Context>>,
        contexts: &mut BTreeMap<ContextName, ContextState>,
    ) -> (Arc<Ruleset>, Policies) {
        // The built-in context comes and goes without a change of files' rules.
        let version = self.rooms.rules_version << 1 | u64::from(self.rooms.none_at_all);
        if let Some(compiled) = self.compiled.as_ref().filter(|compiled| compiled.version == version) {
            return (Arc::clone(&compiled.rules), compiled.policies.clone());
        }
        match policy::compile(&governing, &self.rooms.numbers()) {
            Ok((rules, policies)) => {
                let (kept_rules, kept_policies) = (Arc::clone(&rules), policies.clone());
                self.compiled =
                    Some(Compiled { version, rules: kept_rules, policies: kept_policies, governing });
                (rules, policies)
            }
            Err(error) => {
                let problem = |name: &ContextName| {
                    let message = format!("the rules of all rooms together cannot be compiled: {error}");
                    let file = format!("contexts/{name}.yml");
                    Problem::error(file, message, "undo the last change, or shorten the lists")
                };
                let last_good = self.compiled.as_ref();
                for (name, state) in contexts.iter_mut() {
                    let mut problems = state.problems().to_vec();
                    problems.push(problem(name));
                    let context = last_good.and_then(|last| last.governing.get(name)).cloned();
                    *state = match context {
                        Some(context) => ContextState::Live { context, problems, stale: true },
                        None => ContextState::Broken { problems },
                    };
                }
                match last_good {
                    Some(last) => (Arc::clone(&last.rules), last.policies.clone()),
                    None => {
                        let empty = Ruleset::compile(&[]).expect("no rooms at all always compile");
                        (Arc::new(empty), Policies::new())
                    }
                }
            }
        }
    }
}

/// Adds what was read of one file to the fingerprint.
fn note(hasher: &mut Sha256, file: &str, read: &FileRead) {
    hasher.update((file.len() as u64).to_le_bytes());
    hasher.update(file.as_bytes());
    match read {
        FileRead::Absent => hasher.update([0]),
        FileRead::Bytes(bytes) => {
            hasher.update([1]);
            hasher.update(files::digest(bytes));
        }
        FileRead::Failed(problem) => {
            hasher.update([2]);
            hasher.update(problem.message.as_bytes());
        }
    }
}

/// The person's own detector packs are not read by this version; a file there must not be trusted.
fn own_packs(home: &Home) -> Vec<Problem> {
    let Ok(entries) = fs::read_dir(home.rules()) else { return Vec::new() };
    let mut names: Vec<String> =
        entries.flatten().map(|entry| entry.file_name().to_string_lossy().into_owned()).collect();
    names.retain(|name| name.ends_with(".yml") && !name.starts_with('.'));
    names.sort();
    let problem = |name: String| {
        let message = "own detector packs are not read by this version";
        Problem::warning(format!("rules/{name}"), message, "name plain terms in contexts/<name>.yml instead")
    };
    names.into_iter().map(problem).collect()
}

/// What is to be said about the active context.
fn active_problem(snapshot: &Snapshot) -> Option<Problem> {
    let error = snapshot.effective_active().err()?;
    let message = format!("{error}; calls that name no context are refused");
    let mend = "choose one: `zos context use NAME`";
    match error {
        super::NoContext::NoneActive => Some(Problem::warning(state::FILE, message, mend)),
        super::NoContext::Missing(_) => Some(Problem::error(state::FILE, message, mend)),
        // That the file is broken is said already.
        super::NoContext::Unknown => None,
    }
}
