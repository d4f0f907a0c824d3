//! Reads `slots`, `rules` and `defaults`. A rule restricts, so what is unknown in one is an error: a
//! misspelt restriction would be none.

use std::collections::BTreeMap;
use std::time::Duration;

use super::super::{Breaker, Defaults, Requirement, SLOTS, Slot};
use crate::context::Isolation;
use crate::glob::Glob;
use crate::yaml::{Fields, Findings, Node, Unknown, Value};

/// The longest time that the file may name, in seconds: a day.
const TIME_LIMIT_S: u64 = 86_400;

/// The most further attempts.
const RETRIES_LIMIT: u64 = 10;

/// Slots of a fleet: `slots: {background: gpt-small, …}`.
pub(super) fn read_slots(fields: &mut Fields<'_>, findings: &mut Findings) -> BTreeMap<Slot, String> {
    let Some(mut inner) = fields.map("slots", findings) else { return BTreeMap::new() };
    let named = Slot::ALL.into_iter().filter_map(|slot| {
        let model = inner.text(slot.name(), findings)?;
        if model.split_once('/').is_some_and(|(first, _)| first == SLOTS) {
            let place = inner.entry(slot.name()).map_or(inner.place(), |entry| entry.value.place);
            let message = format!("the slot `{}` names another slot", slot.name());
            findings.error(place, message, "name a model");
            return None;
        }
        Some((slot, model.to_owned()))
    });
    let slots = named.collect();
    inner.finish(Unknown::Warn, findings);
    slots
}

/// `rules: [{when: {context, isolation}, require: {residency, retention, caps}}]`.
pub(super) fn read_rules(fields: &mut Fields<'_>, findings: &mut Findings) -> Vec<Requirement> {
    let Some(items) = fields.list("rules", "rules", findings) else { return Vec::new() };
    let numbered = items.iter().enumerate();
    numbered.filter_map(|(index, node)| read_rule(node, &format!("rules[{}]", index + 1), findings)).collect()
}

fn read_rule(node: &Node, path: &str, findings: &mut Findings) -> Option<Requirement> {
    let mut fields = Fields::of(node, path, findings)?;
    let mut rule = Requirement::default();
    if let Some(mut when) = fields.map("when", findings) {
        let contexts = read_words(&mut when, "context", findings);
        rule.contexts = contexts.map(|globs| globs.iter().map(|glob| Glob::new(glob)).collect());
        let words = [("open", Isolation::Open), ("hard", Isolation::Hard)];
        rule.isolation = when.word("isolation", &words, findings);
        when.finish(Unknown::Refuse, findings);
    }
    match fields.map("require", findings) {
        Some(mut require) => {
            rule.residency = read_words(&mut require, "residency", findings);
            rule.retention = read_words(&mut require, "retention", findings);
            rule.caps = read_words(&mut require, "caps", findings).unwrap_or_default();
            require.finish(Unknown::Refuse, findings);
        }
        None if fields.entry("require").is_none_or(|entry| entry.value.value == Value::Null) => {
            let fix = "write for example require: {residency: local}";
            findings.error(node.place, format!("`{path}` requires nothing"), fix);
        }
        None => {}
    }
    fields.finish(Unknown::Refuse, findings);
    Some(rule)
}

/// A text, or a list of texts.
pub(super) fn read_words(
    fields: &mut Fields<'_>,
    key: &'static str,
    findings: &mut Findings,
) -> Option<Vec<String>> {
    match &fields.entry(key)?.value.value {
        Value::Text(word) => Some(vec![word.clone()]),
        _ => {
            let words = fields.texts(key, findings)?;
            Some(words.into_iter().map(|(word, _)| word.to_owned()).collect())
        }
    }
}

/// `defaults: {retries, timeout_s, breaker: {failures, window_s, open_s}}`.
pub(super) fn read_defaults(fields: &mut Fields<'_>, findings: &mut Findings) -> Defaults {
    let mut defaults = Defaults::default();
    let Some(mut inner) = fields.map("defaults", findings) else { return defaults };
    if let Some(retries) = bounded(&mut inner, "retries", 0, RETRIES_LIMIT, findings) {
        defaults.retries = u32::try_from(retries).unwrap_or(0);
    }
    defaults.timeout = seconds(&mut inner, "timeout_s", findings);
    if let Some(mut breaker) = inner.map("breaker", findings) {
        let usual = Breaker::default();
        let failures = bounded(&mut breaker, "failures", 1, 1000, findings);
        defaults.breaker = Breaker {
            failures: failures.and_then(|count| u32::try_from(count).ok()).unwrap_or(usual.failures),
            window: seconds(&mut breaker, "window_s", findings).unwrap_or(usual.window),
            open: seconds(&mut breaker, "open_s", findings).unwrap_or(usual.open),
        };
        breaker.finish(Unknown::Warn, findings);
    }
    inner.finish(Unknown::Warn, findings);
    defaults
}

fn seconds(fields: &mut Fields<'_>, key: &'static str, findings: &mut Findings) -> Option<Duration> {
    bounded(fields, key, 1, TIME_LIMIT_S, findings).map(Duration::from_secs)
}

fn bounded(
    fields: &mut Fields<'_>,
    key: &'static str,
    least: u64,
    most: u64,
    findings: &mut Findings,
) -> Option<u64> {
    let number = fields.whole(key, findings)?;
    if (least..=most).contains(&number) {
        return Some(number);
    }
    let place = fields.entry(key).map_or(fields.place(), |entry| entry.value.place);
    let message = format!("`{}` must be from {least} to {most}", fields.name(key));
    findings.error(place, message, format!("write for example {}", least.max(1)));
    None
}
