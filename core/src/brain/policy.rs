//! What the rules of all contexts do in one of them.
//!
//! In a context its own `outbound_deny` holds, and the `confidential` lists of all others, less
//! what the context itself calls confidential in the same words: that belongs to both.

use std::collections::{BTreeMap, HashSet};
use std::fmt;
use std::sync::Arc;

use zos_rules::{Action, CompileError, Room, RoomRules, RuleKind, RuleSpec, Ruleset};

use crate::context::{Context, ContextName, Effect};

/// The rules that govern calls in one context.
pub struct RoomPolicy {
    /// The compiled rules. Violations name a rule by its index.
    pub rules: RoomRules,
    /// What each rule leads to here, by the same index.
    pub effects: Vec<Effect>,
    /// Where each rule was written, by the same index.
    pub places: Vec<Place>,
}

/// Where a rule was written.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Place {
    /// The context whose file holds it.
    pub context: ContextName,
    /// Line in that file, from 1.
    pub line: usize,
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "contexts/{}.yml:{}", self.context, self.line)
    }
}

/// The policy of each context.
pub(super) type Policies = BTreeMap<ContextName, Arc<RoomPolicy>>;

/// The signature of [`compile`].
pub(super) type Compile = fn(
    &BTreeMap<ContextName, Arc<Context>>,
    &BTreeMap<ContextName, usize>,
) -> Result<(Arc<Ruleset>, Policies), CompileError>;

/// Compiles the rules of all contexts that govern.
pub(super) fn compile(
    contexts: &BTreeMap<ContextName, Arc<Context>>,
    owner_index: &BTreeMap<ContextName, usize>,
) -> Result<(Arc<Ruleset>, Policies), CompileError> {
    let mut rooms = Vec::with_capacity(contexts.len());
    let mut sides = Vec::with_capacity(contexts.len());
    for context in contexts.values() {
        let (room, effects, places) = room(context, contexts, owner_index);
        rooms.push(room);
        sides.push((context.name.clone(), effects, places));
    }
    let ruleset = Arc::new(Ruleset::compile(&rooms)?);
    let policies = sides
        .into_iter()
        .map(|(name, effects, places)| {
            let rules = ruleset.room(name.as_str()).expect("each of these rooms was just compiled");
            (name, Arc::new(RoomPolicy { rules, effects, places }))
        })
        .collect();
    Ok((ruleset, policies))
}

fn room(
    context: &Context,
    contexts: &BTreeMap<ContextName, Arc<Context>>,
    owner_index: &BTreeMap<ContextName, usize>,
) -> (Room, Vec<Effect>, Vec<Place>) {
    let mut rules: Vec<RuleSpec> = Vec::new();
    let mut effects = Vec::new();
    let mut places = Vec::new();
    // What this context calls its own as well is free here, whoever else does.
    let own: HashSet<_> = context.confidential.iter().map(|entry| identity(&entry.rule)).collect();
    for entry in &context.outbound_deny {
        let effect = context.effective(entry);
        rules.push(RuleSpec { action: acting(effect), ..entry.rule.clone() });
        effects.push(effect);
        places.push(Place { context: context.name.clone(), line: entry.line });
    }
    for owner in contexts.values().filter(|owner| owner.name != context.name) {
        let owner_number = owner_index.get(&owner.name).copied().unwrap_or_default();
        for (position, entry) in owner.confidential.iter().enumerate() {
            if own.contains(&identity(&entry.rule)) {
                continue;
            }
            // The owner's own id is not used: it could tell another room's calls what it is about.
            let id = format!("elsewhere/{owner_number}.{}", position + 1);
            let effect = owner.effective_elsewhere(entry, context.isolation);
            rules.push(RuleSpec { id, action: acting(effect), ..entry.rule.clone() });
            effects.push(effect);
            places.push(Place { context: owner.name.clone(), line: entry.line });
        }
    }
    (Room { name: context.name.to_string(), rules }, effects, places)
}

/// The action that leads to an effect. Scanners of streams hold text back by action, and what is only
/// reported in this context must not be held back in it, whatever the file asks for.
fn acting(effect: Effect) -> Action {
    match effect {
        Effect::Block => Action::Deny,
        Effect::Redact => Action::Redact,
        Effect::Ask => Action::Ask,
        Effect::Report => Action::Warn,
    }
}

/// What a rule looks for, so that two rooms' entries can be compared.
fn identity(rule: &RuleSpec) -> String {
    match &rule.kind {
        RuleKind::Term(term) => format!("t{}", term.text().trim().to_lowercase()),
        RuleKind::Pattern(pattern) => format!("p{}", pattern.source()),
        RuleKind::Pack(pack) => format!("k{}", pack.name()),
    }
}
