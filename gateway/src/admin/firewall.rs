//! `POST /zos/v1/firewall/test`: what a context's rules make of a text, and nothing is sent anywhere.

use super::Admin;
use super::problem::{AdminRefusal, Body};
use super::types::{AdminProblem, FirewallTest, FirewallVerdict, FirewallViolation};
use axum::Json;
use axum::extract::State;
use http::StatusCode;
use zos_core::{ContextName, Effect, RoomPolicy};
use zos_rules::Violation;

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
    let name: ContextName = match &wanted.context {
        Some(name) => name.parse().map_err(|_| AdminRefusal::unknown_context())?,
        None => snapshot.effective_active().map_err(|_| AdminRefusal::unknown_context())?.clone(),
    };
    let policy = snapshot.policy(&name).ok_or_else(|| match snapshot.context(&name) {
        None => AdminRefusal::unknown_context(),
        Some(state) => AdminRefusal::new(
            StatusCode::CONFLICT,
            "zos_context_broken",
            "The file of this context never loaded.",
        )
        .problems(state.problems()),
    })?;
    Ok(Json(judge(&name, &policy, &wanted.text)))
}

/// The verdict over a text.
fn judge(name: &ContextName, policy: &RoomPolicy, text: &str) -> FirewallVerdict {
    let mut found: Vec<Violation> = Vec::new();
    policy.rules.scan(text, &mut found);
    let effects: Vec<Effect> = found.iter().map(|violation| policy.effects[violation.rule]).collect();
    let strongest = [Effect::Block, Effect::Ask, Effect::Redact, Effect::Report]
        .into_iter()
        .find(|effect| effects.contains(effect));
    let violations = found.into_iter().zip(effects).map(|(violation, effect)| {
        let rule = policy.rules.rule(violation.rule);
        FirewallViolation {
            rule: rule.id.clone(),
            start: violation.span.start as u64,
            end: violation.span.end as u64,
            action: effect.name().to_owned(),
            evasion: violation.evasion.map(|evasion| evasion.to_string()),
            place: policy.places.get(violation.rule).map(ToString::to_string),
        }
    });
    FirewallVerdict {
        context: name.to_string(),
        verdict: strongest.map_or("allow", Effect::name).to_owned(),
        violations: violations.collect(),
    }
}
