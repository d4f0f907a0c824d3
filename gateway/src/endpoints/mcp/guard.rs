//! The room's firewall on everything that leaves through MCP.
//!
//! A text that a rule denies, or asks the owner about, is withheld; where a rule redacts, only what it found
//! is. Both say which rule. There are no placeholders as in model calls: nothing comes back through here to
//! have them replaced, and a number from another conversation would name something else there.

use serde_json::Value;
use zos_core::Effect;
use zos_guard::findings::{Findings, Sighting};
use zos_guard::policy::Policy;
use zos_rules::Violation;

/// Checks what leaves, and remembers what it found for the record.
pub(super) struct Guard {
    policy: Policy,
    findings: Findings,
    held_back: HeldBack,
}

/// How much of an answer did not leave.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum HeldBack {
    /// All of it left.
    Nothing,
    /// Some texts did not, or not whole.
    Parts,
    /// Nothing of it left.
    All,
}

impl Guard {
    pub(super) fn new(policy: Policy) -> Self {
        Guard { policy, findings: Findings::default(), held_back: HeldBack::Nothing }
    }

    pub(super) fn policy(&self) -> &Policy {
        &self.policy
    }

    pub(super) fn findings(&self) -> &Findings {
        &self.findings
    }

    pub(super) fn held_back(&self) -> HeldBack {
        self.held_back
    }

    /// Looks at a text that does not leave, for the record and the caller.
    pub(super) fn look(&mut self, text: &str, field: &str) -> Vec<Violation> {
        let mut found = Vec::new();
        self.policy.rules().scan(text, &mut found);
        for violation in &found {
            self.findings.note(&self.policy, &Sighting::new(violation, text), || field.to_owned());
        }
        found
    }

    /// Makes every text of `value` one that may leave.
    ///
    /// # Errors
    /// The rules that deny it as a whole: what they look for stands over several texts.
    pub(super) fn clean(&mut self, value: &mut Value) -> Result<(), Vec<String>> {
        self.clean_texts(value);
        let mut whole = String::new();
        join(value, &mut whole);
        let denied = self.denied(&whole);
        if denied.is_empty() {
            return Ok(());
        }
        self.look(&whole, "answer");
        self.held_back = HeldBack::All;
        Err(denied)
    }

    /// Whether a text may leave as it is. What may not is held back.
    pub(super) fn may_leave(&mut self, text: &str) -> bool {
        let may_leave = self.instead(text).is_none();
        if !may_leave {
            self.held_back = HeldBack::Parts;
        }
        may_leave
    }

    fn clean_texts(&mut self, value: &mut Value) {
        match value {
            Value::String(text) => {
                if let Some(instead) = self.instead(text) {
                    *text = instead;
                    self.held_back = HeldBack::Parts;
                }
            }
            Value::Array(elements) => elements.iter_mut().for_each(|element| self.clean_texts(element)),
            Value::Object(members) => members.values_mut().for_each(|member| self.clean_texts(member)),
            Value::Null | Value::Bool(_) | Value::Number(_) => {}
        }
    }

    /// What is said instead of a text; `None` where it may leave as it is.
    fn instead(&mut self, text: &str) -> Option<String> {
        let found = self.look(text, "answer");
        let denied = self.ids(&found, |effect| matches!(effect, Effect::Block | Effect::Ask));
        if !denied.is_empty() {
            return Some(withheld(&denied));
        }
        let redacting = self.ids(&found, |effect| effect == Effect::Redact);
        if redacting.is_empty() {
            return None;
        }
        // To replace a part of a match would leave the rest.
        if found.iter().any(|violation| !violation.is_whole) {
            return Some(withheld(&redacting));
        }
        let (mut shown, mut at) = (String::new(), 0);
        let mut spans: Vec<&Violation> =
            found.iter().filter(|violation| self.policy.effect(violation.rule) == Effect::Redact).collect();
        spans.sort_by_key(|violation| violation.span.start);
        for violation in spans.into_iter().filter(|violation| !violation.span.is_empty()) {
            if violation.span.start >= at {
                shown.push_str(text.get(at..violation.span.start).unwrap_or_default());
                shown.push_str(&format!("[redacted: rule {}]", self.policy.rule_id(violation.rule)));
            }
            at = at.max(violation.span.end);
        }
        shown.push_str(text.get(at..).unwrap_or_default());
        // What is left may still say it.
        Some(if self.denied(&shown).is_empty() { shown } else { withheld(&redacting) })
    }

    /// The rules that let a text not leave as it is.
    fn denied(&self, text: &str) -> Vec<String> {
        let mut found = Vec::new();
        self.policy.rules().scan(text, &mut found);
        self.ids(&found, |effect| effect != Effect::Report)
    }

    fn ids(&self, found: &[Violation], is_wanted: impl Fn(Effect) -> bool) -> Vec<String> {
        let mut ids = Vec::new();
        for violation in found.iter().filter(|violation| is_wanted(self.policy.effect(violation.rule))) {
            let id = self.policy.rule_id(violation.rule);
            if !ids.iter().any(|known| known == id) {
                ids.push(id.to_owned());
            }
        }
        ids
    }
}

fn withheld(rules: &[String]) -> String {
    format!("[withheld: {}]", named(rules))
}

/// `rule a`, `rules a, b`.
pub(super) fn named(rules: &[String]) -> String {
    format!("{} {}", if rules.len() == 1 { "rule" } else { "rules" }, rules.join(", "))
}

/// All texts in their order, a line each.
fn join(value: &Value, whole: &mut String) {
    match value {
        Value::String(text) => {
            whole.push_str(text);
            whole.push('\n');
        }
        Value::Array(elements) => elements.iter().for_each(|element| join(element, whole)),
        Value::Object(members) => members.values().for_each(|member| join(member, whole)),
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}
