//! Texts that are tried against a context's rules, and what comes of them.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use zos_core::{ContextName, Effect, RoomPolicy};
use zos_rules::{RuleKind, Violation};

/// A text to try against a context's rules.
#[derive(Debug, Clone, Deserialize, ToSchema)]
pub struct FirewallTest {
    /// Name of the context; absent means the active one.
    pub context: Option<String>,
    /// The text.
    pub text: String,
}

/// What the rules of a context make of a text.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct FirewallVerdict {
    /// The context that was asked.
    pub context: String,
    /// `allow`, `warn`, `redact` or `deny`.
    pub verdict: String,
    /// Each finding, in order.
    pub violations: Vec<FirewallViolation>,
    /// What packs found that is reserved for examples and tests, and so is no violation: it passes unless
    /// the pack says `examples: count`.
    pub examples: Vec<FirewallViolation>,
    /// What would be sent: the text, or the text with placeholders; absent where nothing would be.
    pub sent: Option<String>,
}

/// One finding in a tried text.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct FirewallViolation {
    /// Rule id as it stands in records.
    pub rule: String,
    /// First byte of the finding.
    pub start: u64,
    /// First byte after the finding.
    pub end: u64,
    /// What would happen: `deny`, `redact`, `ask` or `warn` (an open context only reports); `allow` for examples.
    pub action: String,
    /// How the term was hidden, where it was.
    pub evasion: Option<String>,
    /// The detector of a pack that found it, such as `secrets/aws-key`.
    pub detector: Option<String>,
    /// Where the rule stands, as `file:line`.
    pub place: Option<String>,
}

/// The verdict over a text: each finding explained, and what would be sent.
pub fn judge(name: &ContextName, policy: &RoomPolicy, text: &str) -> FirewallVerdict {
    let (mut found, mut examples) = (Vec::new(), Vec::new());
    policy.rules.scan_with_examples(text, &mut found, &mut examples);
    let effects: Vec<Effect> = found.iter().map(|violation| effect(policy, violation)).collect();
    let strongest = [Effect::Block, Effect::Ask, Effect::Redact, Effect::Report]
        .into_iter()
        .find(|effect| effects.contains(effect));
    let sent = match strongest {
        Some(Effect::Block | Effect::Ask) => None,
        Some(Effect::Redact) => Some(redacted(policy, text, &found)),
        Some(Effect::Report) | None => Some(text.to_owned()),
    };
    let violations =
        found.iter().zip(effects).map(|(violation, effect)| explained(policy, violation, effect.name()));
    FirewallVerdict {
        context: name.to_string(),
        verdict: strongest.map_or("allow", Effect::name).to_owned(),
        violations: violations.collect(),
        examples: examples.iter().map(|example| explained(policy, example, "allow")).collect(),
        sent,
    }
}

/// What would be done: where a part of a match stands beyond its bytes, it cannot be replaced.
fn effect(policy: &RoomPolicy, violation: &Violation) -> Effect {
    match policy.effects[violation.rule] {
        Effect::Redact if !violation.is_whole => Effect::Block,
        effect => effect,
    }
}

fn explained(policy: &RoomPolicy, violation: &Violation, action: &str) -> FirewallViolation {
    FirewallViolation {
        rule: policy.rules.rule(violation.rule).id.clone(),
        start: violation.span.start as u64,
        end: violation.span.end as u64,
        action: action.to_owned(),
        evasion: violation.evasion.map(|evasion| evasion.to_string()),
        detector: violation.detector.as_deref().map(str::to_owned),
        place: policy.places.get(violation.rule).map(ToString::to_string),
    }
}

/// The text with a placeholder for each part that would not be sent. The numbers are those of this text
/// alone: a session goes on counting.
fn redacted(policy: &RoomPolicy, text: &str, found: &[Violation]) -> String {
    let (mut shown, mut at) = (String::new(), 0);
    let mut known: Vec<(&str, &str)> = Vec::new();
    let is_redacted = |violation: &&Violation| policy.effects[violation.rule] == Effect::Redact;
    for violation in found.iter().filter(is_redacted) {
        // One that begins inside another is gone with it, but for what stands out.
        let start = violation.span.start.max(at);
        if violation.span.end <= at {
            continue;
        }
        let rule = policy.rules.rule(violation.rule);
        let kind = match (&violation.detector, &rule.kind) {
            (Some(detector), _) => detector.rsplit('/').next().unwrap_or("value"),
            (None, RuleKind::Term(_)) if rule.person => "person",
            (None, RuleKind::Term(_)) => "term",
            (None, _) => "pattern",
        };
        let value = &text[violation.span.clone()];
        let number = known.iter().position(|one| *one == (kind, value)).unwrap_or_else(|| {
            known.push((kind, value));
            known.len() - 1
        });
        let number = known[..=number].iter().filter(|one| one.0 == kind).count();
        shown.push_str(&text[at..start]);
        shown.push_str(&format!("⟦{kind}-{number}⟧"));
        at = violation.span.end;
    }
    shown.push_str(&text[at..]);
    shown
}
