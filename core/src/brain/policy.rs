//! Policy of one context: the rules of all contexts, and what each leads to in this one.
//!
//! In a context its own `outbound_deny` holds, and the `confidential` lists of all others, less
//! the words that the context itself calls confidential too: these belong to both.

use std::collections::{BTreeMap, HashSet};
use std::fmt;
use std::sync::Arc;

use zos_rules::{Action, CompileError, Evasions, Room, RoomRules, RuleKind, RuleSpec, Ruleset};

use crate::context::{Context, ContextName, Effect, Entry, Isolation};
use crate::targets::RestoreTo;

/// The rules that govern calls in one context.
pub struct RoomPolicy {
    /// The compiled rules. Violations name a rule by its index.
    pub rules: RoomRules,
    /// Effect of each rule in this context, by the rule's index.
    pub effects: Vec<Effect>,
    /// Place of each rule's entry, by the rule's index.
    pub places: Vec<RulePlace>,
    /// Word for a redacted match of each rule, by the rule's index: `person` makes `⟦person-1⟧`.
    pub labels: Vec<String>,
    /// Places that what each rule redacts may be put back for, by the same index, where its entry names them.
    pub restore_to: Vec<Option<RestoreTo>>,
}

/// Entry of a context's file that a rule was written as.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct RulePlace {
    /// The context whose file holds it.
    pub context: ContextName,
    /// Line in that file, from 1.
    pub line: usize,
}

impl fmt::Display for RulePlace {
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
        let (room, side) = room(context, contexts, owner_index);
        rooms.push(room);
        sides.push((context.name.clone(), side));
    }
    let ruleset = Arc::new(Ruleset::compile(&rooms)?);
    let policies = sides
        .into_iter()
        .map(|(name, Side { effects, places, labels, restore_to })| {
            let rules = ruleset.room(name.as_str()).expect("each of these rooms was just compiled");
            (name, Arc::new(RoomPolicy { rules, effects, places, labels, restore_to }))
        })
        .collect();
    Ok((ruleset, policies))
}

/// Facts about a rule besides its pattern.
#[derive(Default)]
struct Side {
    effects: Vec<Effect>,
    places: Vec<RulePlace>,
    labels: Vec<String>,
    restore_to: Vec<Option<RestoreTo>>,
}

impl Side {
    fn push(&mut self, effect: Effect, owner: &Context, entry: &Entry, label: String) {
        self.effects.push(effect);
        self.places.push(RulePlace { context: owner.name.clone(), line: entry.line });
        self.labels.push(label);
        self.restore_to.push(entry.restore_to.clone());
    }
}

fn room(
    context: &Context,
    contexts: &BTreeMap<ContextName, Arc<Context>>,
    owner_index: &BTreeMap<ContextName, usize>,
) -> (Room, Side) {
    let mut rules: Vec<RuleSpec> = Vec::new();
    let mut side = Side::default();
    // What this context calls its own as well is free here, whoever else does.
    let own: HashSet<_> = context.confidential.iter().map(|entry| identity(&entry.rule)).collect();
    for entry in &context.outbound_deny {
        let effect = context.effective(entry);
        rules.push(RuleSpec { action: acting(effect), ..entry.rule.clone() });
        side.push(effect, context, entry, label(entry));
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
            // An open owner says nothing of what a hard room looks for.
            let evasions = match (context.isolation, entry.rule.evasions) {
                (Isolation::Hard, Evasions::ORDINARY) => Evasions::ALL,
                (_, evasions) => evasions,
            };
            rules.push(RuleSpec { id, action: acting(effect), evasions, ..entry.rule.clone() });
            // Nor are its own words for the term.
            side.push(effect, owner, entry, kind_label(&entry.rule).to_owned());
        }
    }
    (Room { name: context.name.to_string(), rules }, side)
}

/// The longest word of a person's that names a placeholder.
const LABEL_MAX_LETTERS: usize = 16;

/// Word for a redacted match of an own entry: the letters that its id starts with, a note that is
/// one plain word, or what kind of rule it is. The word reaches the provider in the place of the match.
fn label(entry: &Entry) -> String {
    let rule = &entry.rule;
    // An id that nobody gave has a slash.
    let id = (!rule.id.contains('/')).then(|| rule.id.split(|c: char| !c.is_ascii_lowercase()).next());
    let note = entry.note.as_deref().map(str::to_lowercase);
    let sought = identity(rule);
    [id.flatten(), note.as_deref()]
        .into_iter()
        .flatten()
        .find(|word| {
            (2..=LABEL_MAX_LETTERS).contains(&word.len())
                && word.bytes().all(|byte| byte.is_ascii_lowercase())
                // A note that says the term again would give it away.
                && !sought.contains(word)
                && !word.contains(&sought[1..])
        })
        .unwrap_or(kind_label(rule))
        .to_owned()
}

fn kind_label(rule: &RuleSpec) -> &str {
    match &rule.kind {
        RuleKind::Term(_) => "term",
        RuleKind::Pattern(_) => "value",
        RuleKind::Pack(pack) => match pack.name() {
            "secrets" => "secret",
            name if name.len() <= LABEL_MAX_LETTERS && name.bytes().all(|byte| byte.is_ascii_lowercase()) => {
                name
            }
            // The name of an own pack may be anything; a placeholder has letters alone.
            _ => "value",
        },
    }
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

/// Text that identifies a rule's pattern, so that two rooms' entries can be compared.
fn identity(rule: &RuleSpec) -> String {
    match &rule.kind {
        RuleKind::Term(term) => format!("t{}", term.text().trim().to_lowercase()),
        RuleKind::Pattern(pattern) => format!("p{}", pattern.source()),
        RuleKind::Pack(pack) => {
            let detectors: Vec<&str> = pack.detectors().collect();
            format!("k{}:{}", pack.name(), detectors.join(","))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::context::parse_context;

    #[test]
    fn a_placeholder_is_called_by_a_plain_word_that_gives_nothing_away() {
        let check = |entry: &str, expected: &str| {
            let text = format!("outbound_deny:\n  - {entry}\n");
            let name: ContextName = "acme".parse().unwrap();
            let parsed = parse_context(&name, text.as_bytes());
            let context = parsed.context.expect("it is a valid context");
            assert_eq!(label(&context.outbound_deny[0]), expected, "{entry}");
        };
        check("Ann Lee", "term");
        check("{term: Ann Lee, note: Patient}", "patient");
        check("{term: Ann Lee, note: my sister's friend}", "term");
        check("{term: Ann Lee, note: lee}", "term");
        check("{term: Ann, note: annual}", "term");
        check("{term: Ann Lee, id: person-1, note: patient}", "person");
        check("{pattern: 'ACME-[0-9]{6}'}", "value");
        check("{pack: secrets}", "secret");
        check("{pack: pii, note: data}", "data");
    }
}
