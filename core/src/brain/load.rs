//! Loads all files of a home into a snapshot, and remembers the last good version of each.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use zos_rules::Ruleset;

use super::canons::Canons;
use super::contexts::Rooms;
use super::look::Look;
use super::packs::OwnPacks;
use super::policy::{self, Policies};
use super::snapshot::{ContextState, Snapshot};
use super::state;
use crate::canon::CanonFiles;
use crate::context::{Context, ContextName};
use crate::files::{ContentDigest, FileRead};
use crate::fleet::{Environment, Fleet, ParsedFleet, parse_fleet};
use crate::home::Home;
use crate::problem::Problem;
use crate::rules::Packs;

/// Loads a home again and again.
pub(super) struct Loader {
    home: Home,
    environment: Environment,
    revision: u64,
    /// Whether the last look could not read everything, for a reason that passes.
    is_short: bool,
    /// Digest of everything that was read for the last snapshot.
    fingerprint: Option<ContentDigest>,
    /// The files that were there then.
    present: BTreeSet<String>,
    /// Files among them that were missing at the last look, which had no effect for that reason.
    suspects: BTreeSet<String>,
    packs: OwnPacks,
    rooms: Rooms,
    fleet: Option<Arc<Fleet>>,
    /// The bytes of the fleet's file that governs.
    fleet_bytes: Option<Arc<[u8]>>,
    active: ActiveMemory,
    canons: Canons,
    compiled: Option<Compiled>,
    /// Compiler of rules; a test puts a failure here.
    compile: policy::Compile,
}

/// Outcome of a look at the files.
pub(super) enum Loaded {
    /// Nothing changed.
    Same,
    /// Something changed.
    New(Box<Snapshot>),
    /// A file is missing that was there: look again in a moment.
    Unsure,
}

/// Memory of `state.json`.
enum ActiveMemory {
    /// The file was never read.
    Unknown,
    /// The active context as it was last read well.
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
            is_short: false,
            fingerprint: None,
            present: BTreeSet::new(),
            suspects: BTreeSet::new(),
            packs: OwnPacks::default(),
            rooms: Rooms::default(),
            fleet: None,
            fleet_bytes: None,
            active: ActiveMemory::Unknown,
            canons: Canons::default(),
            compiled: None,
            compile: policy::compile,
        }
    }

    /// Reads everything again. The absence of a file that was there counts when it is seen twice in a
    /// row: an editor may be in the middle of a save.
    pub(super) fn load(&mut self) -> Loaded {
        let look = Look::take(&self.home);
        let unread = look.unread();
        self.is_short = !unread.is_empty();
        let present = look.present();
        let vanished: BTreeSet<String> = self.present.difference(&present).cloned().collect();
        if !vanished.is_subset(&self.suspects) {
            self.suspects.extend(vanished);
            return Loaded::Unsure;
        }
        self.suspects.clear();
        self.present = present;
        let fingerprint = look.fingerprint();
        if self.fingerprint == Some(fingerprint) {
            return Loaded::Same;
        }
        let rooms_unknown = look.contexts.failed;
        let packs_changed = self.packs.update(look.packs);
        self.rooms.update(look.contexts, &self.packs, packs_changed);
        let mut problems = self.rooms.stray.clone();
        problems.extend(self.packs.problems());
        problems.extend(self.take_fleet(look.fleet));
        problems.extend(self.take_state(look.state));
        let mut snapshot = self.snapshot(problems, &look.canon, rooms_unknown);
        snapshot.unread = unread;
        self.fingerprint = Some(fingerprint);
        Loaded::New(Box::new(snapshot))
    }

    /// Whether the last look could not read everything, for a reason that passes: no event tells when it is over.
    pub(super) fn is_short(&self) -> bool {
        self.is_short
    }

    /// The packs that a context can name.
    pub(super) fn packs(&self) -> &Packs {
        self.packs.packs()
    }

    fn take_fleet(&mut self, file: FileRead) -> Vec<Problem> {
        let parsed = match &file {
            FileRead::Absent => parse_fleet(None, &self.environment),
            FileRead::Bytes(bytes) => parse_fleet(Some(bytes), &self.environment),
            FileRead::Failed(problem) | FileRead::Unread(problem) => {
                ParsedFleet { fleet: None, problems: vec![problem.clone()] }
            }
        };
        // A last good version governs on. Without one, nobody knows what the owner wants.
        if parsed.fleet.is_none()
            && self.fleet_bytes.is_none()
            && let Some(problem) = parsed.problems.iter().find(|problem| problem.is_error())
        {
            let fleet = self.fleet.as_deref().cloned().unwrap_or_else(Fleet::unloaded);
            self.fleet = Some(Arc::new(fleet.in_place_of(problem)));
        }
        if let Some(fleet) = parsed.fleet {
            self.fleet_bytes = match file {
                FileRead::Bytes(bytes) => Some(bytes.into()),
                FileRead::Absent | FileRead::Failed(_) | FileRead::Unread(_) => None,
            };
            if self.fleet.as_deref() != Some(&fleet) {
                self.fleet = Some(Arc::new(fleet));
            }
        }
        parsed.problems
    }

    fn take_state(&mut self, file: FileRead) -> Option<Problem> {
        let parsed = match &file {
            FileRead::Absent => Ok(None),
            FileRead::Bytes(bytes) => state::parse(bytes),
            FileRead::Failed(problem) | FileRead::Unread(problem) => Err(problem.clone()),
        };
        match parsed {
            Ok(active) => {
                self.active = ActiveMemory::Known(active);
                None
            }
            Err(problem) => Some(problem),
        }
    }

    fn snapshot(
        &mut self,
        mut problems: Vec<Problem>,
        canon_files: &CanonFiles,
        rooms_unknown: bool,
    ) -> Snapshot {
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
        let canons = self.canons.update(canon_files, &contexts, &policies, rooms_unknown);
        // What is wrong with a layer is said once, however many rooms load it.
        for finding in canons.values().flat_map(|state| state.findings()) {
            if !problems.contains(&finding.problem) {
                problems.push(finding.problem.clone());
            }
        }

        self.revision += 1;
        let (active, active_unknown) = match &self.active {
            ActiveMemory::Known(active) => (active.clone(), false),
            ActiveMemory::Unknown => (None, true),
        };
        let fleet_file = self.fleet_bytes.clone().map(|bytes| ("routing/fleet.yml".to_owned(), bytes));
        let sources = self.rooms.sources().chain(self.packs.sources()).chain(fleet_file).collect();
        let fleet = self.fleet.clone().unwrap_or_else(|| Arc::new(Fleet::unloaded()));
        let mut snapshot = Snapshot {
            revision: self.revision,
            contexts,
            active,
            fleet,
            rules,
            problems,
            unread: Vec::new(),
            policies,
            canons,
            sources,
            canon_sources: self.canons.sources(),
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
        match (self.compile)(&governing, &self.rooms.numbers()) {
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

/// Problem of the active context, if it has one.
fn active_problem(snapshot: &Snapshot) -> Option<Problem> {
    let error = snapshot.effective_active().err()?;
    let message = format!("{error}; calls that name no context are refused");
    let fix = "choose one: `zos context use NAME`";
    match error {
        super::NoContext::NoneActive => Some(Problem::warning(state::FILE, message, fix)),
        super::NoContext::Missing(_) => Some(Problem::error(state::FILE, message, fix)),
        // That the file is broken is said already.
        super::NoContext::Unknown => None,
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn rules_that_cannot_be_compiled_leave_the_last_good_ones_in_force() {
        let folder = tempfile::tempdir().unwrap();
        let home = Home::resolve_from(Some(folder.path()), None, None).unwrap();
        fs::create_dir_all(home.contexts()).unwrap();
        let save = |text: &str| fs::write(home.contexts().join("a.yml"), text).unwrap();
        let load = |loader: &mut Loader| match loader.load() {
            Loaded::New(snapshot) => snapshot,
            _ => panic!("nothing new"),
        };
        let name: ContextName = "a".parse().unwrap();
        let rules = |snapshot: &Snapshot| snapshot.policy(&name).map(|policy| policy.effects.len());
        let fail: policy::Compile =
            |_, _| Err(zos_rules::CompileError::DuplicateRoom { name: "a".to_owned() });

        save("outbound_deny: [Falcon]");
        let mut loader = Loader::new(home.clone(), Environment::default());
        assert_eq!(rules(&load(&mut loader)), Some(1));
        loader.compile = fail;
        save("outbound_deny: [Falcon, Eagle]");
        let failed = load(&mut loader);
        assert_eq!(rules(&failed), Some(1));
        let Some(ContextState::Live { context, stale: true, problems }) = failed.context(&name) else {
            panic!()
        };
        assert_eq!(context.outbound_deny.len(), 1, "room and rules are of one version");
        assert!(problems.iter().any(|problem| problem.message.contains("cannot be compiled")));
        loader.compile = policy::compile;
        save("outbound_deny: [Falcon, Eagle, Hawk]");
        assert_eq!(rules(&load(&mut loader)), Some(3));

        // Without a last good version no room governs.
        let mut fresh = Loader::new(home.clone(), Environment::default());
        fresh.compile = fail;
        let failed = load(&mut fresh);
        assert!(matches!(failed.context(&name), Some(ContextState::Broken { .. })));
        assert_eq!(rules(&failed), None);
    }

    #[test]
    fn own_packs_are_loaded_and_the_last_good_version_survives() {
        let folder = tempfile::tempdir().unwrap();
        let home = Home::resolve_from(Some(folder.path()), None, None).unwrap();
        fs::create_dir_all(home.contexts()).unwrap();
        fs::create_dir_all(home.rules()).unwrap();
        let save = |path: &str, text: &str| fs::write(home.root().join(path), text).unwrap();
        let load = |loader: &mut Loader| match loader.load() {
            Loaded::New(snapshot) => snapshot,
            _ => panic!("nothing new"),
        };
        let name: ContextName = "a".parse().unwrap();
        let finds = |snapshot: &Snapshot, text: &str| {
            let mut found = Vec::new();
            snapshot.policy(&name).unwrap().rules.scan(text, &mut found);
            found.first().and_then(|violation| violation.detector.clone()).unwrap_or_default().to_string()
        };
        let pack =
            |pattern: &str| format!("detectors:\n  - {{id: badge, pattern: '{pattern}', find: [B-1]}}\n");

        save("contexts/a.yml", "outbound_deny: [{pack: acme}]");
        let mut loader = Loader::new(home.clone(), Environment::default());
        let missing = load(&mut loader);
        assert!(missing.policy(&name).is_none(), "a room without its rules does not govern");
        save("rules/acme.yml", &pack("B-[0-9]"));
        assert_eq!(finds(&load(&mut loader), "B-7"), "acme/badge");
        save("rules/acme.yml", &pack("[BC]-[0-9]"));
        assert_eq!(finds(&load(&mut loader), "C-7"), "acme/badge", "a change is live");

        save("rules/acme.yml", &pack("D-[0-9]"));
        let broken = load(&mut loader);
        assert_eq!(finds(&broken, "C-7"), "acme/badge", "its own example fails, so the last good one holds");
        let problem = broken.problems.iter().find(|problem| problem.file == "rules/acme.yml").unwrap();
        assert_eq!((problem.line, problem.is_error()), (Some(2), true));

        fs::remove_file(home.rules().join("acme.yml")).unwrap();
        assert!(matches!(loader.load(), Loaded::Unsure));
        let gone = load(&mut loader);
        assert_eq!(finds(&gone, "C-7"), "acme/badge", "the room's last good version survives");
        assert!(gone.problems.iter().any(|problem| problem.message.contains("no detector pack")));
    }

    #[test]
    fn a_file_that_is_missing_for_a_moment_has_no_effect() {
        let folder = tempfile::tempdir().unwrap();
        let home = Home::resolve_from(Some(folder.path()), None, None).unwrap();
        fs::create_dir_all(home.contexts()).unwrap();
        fs::create_dir_all(home.fleet().parent().unwrap()).unwrap();
        let files = [
            (home.contexts().join("a.yml"), "outbound_deny: [Falcon]"),
            (home.fleet(), "providers: {local: {api: openai, base_url: 'http://127.0.0.1:1/v1'}}"),
            (home.state(), "{\"active\": \"a\"}"),
        ];
        for (path, text) in &files {
            fs::write(path, text).unwrap();
        }
        let mut loader = Loader::new(home, Environment::default());
        assert!(matches!(loader.load(), Loaded::New(_)));
        for (path, text) in &files {
            fs::remove_file(path).unwrap();
            assert!(matches!(loader.load(), Loaded::Unsure), "{path:?}");
            fs::write(path, text).unwrap();
            assert!(matches!(loader.load(), Loaded::Same), "{path:?}");
        }
        for (path, _) in &files {
            fs::remove_file(path).unwrap();
            assert!(matches!(loader.load(), Loaded::Unsure), "{path:?}");
            assert!(matches!(loader.load(), Loaded::New(_)), "{path:?} is gone for good");
        }
    }
}
