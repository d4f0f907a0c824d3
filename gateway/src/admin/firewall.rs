//! `POST /zos/v1/firewall/test`: what a context's rules make of a text, and nothing is sent anywhere.

use super::Admin;
use super::problem::{AdminRefusal, Body, named_or_active};
use super::types::{AdminProblem, FirewallTest, FirewallVerdict, FirewallViolation};
use axum::Json;
use axum::extract::State;
use http::StatusCode;
use zos_core::{Code, ContextName, Effect, RoomPolicy};
use zos_rules::{RuleKind, Violation};

/// Tries a text against a context's rules.
#[utoipa::path(
    post, path = "/zos/v1/firewall/test", operation_id = "test_text", request_body = FirewallTest,
    responses((status = 200, body = FirewallVerdict), (status = 404, body = AdminProblem))
)]
pub(crate) async fn test(
    State(house): Admin,
    Body(wanted): Body<FirewallTest>,
) -> Result<Json<FirewallVerdict>, AdminRefusal> {
    let snapshot = house.brain.snapshot();
    let name = named_or_active(&snapshot, wanted.context.as_deref())?;
    let policy = snapshot.policy(&name).ok_or_else(|| AdminRefusal::no_context(&snapshot, &name))?;
    // The owner's own text may be as slow to read as anybody's.
    let Ok(weight) = house.inspectors.weigh(wanted.text.as_bytes()) else {
        return Err(AdminRefusal::new(
            Code::InvalidRequest,
            "The text holds too many small values to be tried at once.",
        )
        .status(StatusCode::PAYLOAD_TOO_LARGE));
    };
    let judge = move || judge(&name, &policy, &wanted.text);
    Ok(Json(house.inspectors.run(weight, judge).await))
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
