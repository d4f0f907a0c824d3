//! The canon of every room, and the last good version of each.

use std::collections::BTreeMap;
use std::sync::Arc;

use zos_rules::Violation;

use super::policy::{Policies, RoomPolicy};
use super::snapshot::{ContextState, Sources};
use crate::canon::{Build, Canon, CanonFiles, CanonState, Finding, Lint, MANIFEST, build, overlay_of};
use crate::context::{CanonDelivery, Context, ContextName, Effect, Isolation};
use crate::files::FileRead;
use crate::problem::Problem;

/// The canons of all rooms, with what is remembered of each.
#[derive(Default)]
pub(super) struct Canons {
    good: BTreeMap<ContextName, Arc<Canon>>,
    /// The bytes that each of them was built from, by path in the home.
    sources: BTreeMap<ContextName, Arc<Sources>>,
    states: BTreeMap<ContextName, CanonState>,
}

impl Canons {
    /// Builds what the files say now. `rooms_unknown` means that the folder of the rooms could not be
    /// listed: then their prose is unknown too, and all canons stay as they are.
    pub(super) fn update(
        &mut self,
        files: &CanonFiles,
        contexts: &BTreeMap<ContextName, ContextState>,
        policies: &Policies,
        rooms_unknown: bool,
    ) -> BTreeMap<ContextName, CanonState> {
        if rooms_unknown && !self.states.is_empty() {
            return self.states.clone();
        }
        self.good.retain(|name, _| contexts.contains_key(name));
        let read = Arc::new(sources(files));
        self.states = contexts
            .iter()
            .filter_map(|(name, state)| {
                let (context, policy) = (state.context()?, policies.get(name)?);
                Some((name.clone(), self.state(files, context, policy)))
            })
            .collect();
        for (name, state) in &self.states {
            // A stale one keeps what it was built from.
            if matches!(state, CanonState::Built { stale: false, .. }) {
                self.sources.insert(name.clone(), Arc::clone(&read));
            }
        }
        self.sources.retain(|name, _| self.good.contains_key(name));
        self.states.clone()
    }

    /// The files that the canons in force were built from.
    pub(super) fn sources(&self) -> BTreeMap<ContextName, Arc<Sources>> {
        self.sources.clone()
    }

    fn state(&mut self, files: &CanonFiles, context: &Context, policy: &RoomPolicy) -> CanonState {
        let name = &context.name;
        let build = build(files, name, context.isolation);
        let is_broken = build.is_broken();
        let Build { canon, mut findings } = build;
        let before = self.good.get(name);
        let (canon, stale) = match canon {
            // The same canon stays the same object: who holds it need not compare texts.
            Some(canon) => match before {
                Some(before) if **before == canon => (Arc::clone(before), false),
                _ => (Arc::new(canon), false),
            },
            None if !is_broken => {
                self.good.remove(name);
                if context.canon == CanonDelivery::Inject {
                    findings.push(nothing_to_inject(context));
                }
                return CanonState::None { findings };
            }
            None => match before {
                Some(before) => (Arc::clone(before), true),
                None => return CanonState::Broken { findings },
            },
        };
        let denied = denied(&canon, policy, context.isolation);
        let is_denied = denied.iter().any(Finding::is_error);
        findings.extend(denied);
        if is_denied {
            return CanonState::Broken { findings };
        }
        self.good.insert(name.clone(), Arc::clone(&canon));
        CanonState::Built { canon, findings, stale }
    }
}

/// The manifest and the layers below `brain/` as they were read; a room's own prose is kept with the room.
fn sources(files: &CanonFiles) -> Sources {
    let layers = files.layers.iter().filter(|(path, _)| !path.starts_with("contexts/"));
    let manifest = (MANIFEST, &files.raw_manifest);
    let all = layers.map(|(path, read)| (path.as_str(), read)).chain([manifest]);
    all.filter_map(|(path, read)| match read {
        FileRead::Bytes(bytes) => Some((path.to_owned(), bytes.as_slice().into())),
        FileRead::Absent | FileRead::Failed(_) | FileRead::Unread(_) => None,
    })
    .collect()
}

fn nothing_to_inject(context: &Context) -> Finding {
    let overlay = overlay_of(&context.name);
    let message =
        "`canon.deliver: inject` has nothing to put in front of calls: no file says anything to this room";
    let fix = format!("list layers in manifest.json, or write {overlay}");
    let problem = Problem::warning(format!("contexts/{}.yml", context.name), message, fix);
    Finding::new(Lint::NothingToInject, problem)
}

/// Findings about what a room denies and its canon says. The canon is the owner's text and not the
/// caller's, so it is read here, once, instead of with every call; a room whose rules forbid its canon has
/// a broken canon. The finding never says what was found.
fn denied(canon: &Canon, policy: &RoomPolicy, isolation: Isolation) -> Vec<Finding> {
    let mut violations: Vec<Violation> = Vec::new();
    policy.rules.scan(&canon.text, &mut violations);
    let mut findings: Vec<Finding> = Vec::new();
    for violation in violations {
        let Some(origin) = canon.line_at(violation.span.start) else { continue };
        let id = &policy.rules.rule(violation.rule).id;
        let message = format!(
            "this line holds what rule {id} of the {} room denies, and a canon leaves with every call",
            isolation.name()
        );
        let problem = match policy.effects[violation.rule] {
            Effect::Report => {
                Problem::warning(&*origin.file, message, "say it without the words that must not leave")
            }
            Effect::Block | Effect::Redact | Effect::Ask => {
                Problem::error(&*origin.file, message, "say it without the words that must not leave")
            }
        };
        let finding = Finding::new(Lint::Denied, problem.at(origin.file_line, 1));
        if !findings.contains(&finding) {
            findings.push(finding);
        }
    }
    findings
}
