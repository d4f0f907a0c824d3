//! `/zos/v1/approvals`: what waits for the owner, and the owner's decision.

mod targets;

use super::Admin;
use super::deeds::{self, Deed, Done};
use super::problem::{AdminRefusal, Body};
use crate::house::House;
use crate::views::{AdminProblem, Approval, ApprovalDecided, ApprovalDecision, Approvals, Decision, Event};
use axum::Json;
use axum::extract::{Path, State};
use zos_core::edit;
use zos_core::{Code, ContextName, WriteError};
use zos_guard::approvals::{self, Unknown};

/// What can be answered, oldest first. It never holds the words that were found; targets of tool calls it
/// does, for the owner to look at.
#[utoipa::path(get, path = "/zos/v1/approvals", operation_id = "list_approvals", responses((status = 200, body = Approvals)))]
pub(crate) async fn list(State(house): Admin) -> Json<Approvals> {
    let (snapshot, approvals) = (house.brain.snapshot(), house.approvals.list(house.now_ms()));
    Json(Approvals {
        approvals: approvals.iter().map(|approval| Approval::new(&snapshot, approval)).collect(),
    })
}

/// Answers an ask. Calls that wait go on or are refused; where none waits any more, the same body passes
/// once within ten minutes.
#[utoipa::path(
    post, path = "/zos/v1/approvals/{id}", operation_id = "decide_approval",
    params(("id" = String, Path, description = "The ask, as `zos allow` shows it.")),
    request_body = ApprovalDecision,
    responses(
        (status = 200, body = ApprovalDecided),
        (status = 400, description = "`redact`, and the ask is about targets.", body = AdminProblem),
        (status = 404, body = AdminProblem),
        (status = 409, description = "`always`, and the rule cannot be changed from here.", body = AdminProblem),
    )
)]
pub(crate) async fn decide(
    State(house): Admin,
    Path(id): Path<String>,
    Body(wanted): Body<ApprovalDecision>,
) -> Result<Json<ApprovalDecided>, AdminRefusal> {
    let asked = house.approvals.get(&id, house.now_ms()).map_err(|Unknown| unknown())?;
    let decision = match wanted.decision {
        Decision::AllowOnce => approvals::Decision::AllowOnce,
        Decision::Redact => approvals::Decision::Redact,
        Decision::Deny => approvals::Decision::Deny,
        Decision::Always => approvals::Decision::Always,
    };
    if decision == approvals::Decision::Redact && !asked.targets.is_empty() {
        return Err(AdminRefusal::invalid(
            "This ask is about where a tool call or link points, and that cannot be redacted.",
        )
        .hint("Answer with `allow_once`, `deny` or `always`."));
    }
    let rules: Vec<&str> = asked.asked.iter().map(|asked| asked.rule.as_str()).collect();
    let detail = format!("ask {id} about {}: {}", rules.join(", "), decision.name());
    let deed = Deed::decision(Some(&asked.context), format!("answer ask {id}: {}", decision.name()));
    deeds::act(house, deed, move |house| {
        let written = match (decision, asked.targets.is_empty()) {
            (approvals::Decision::Always, true) => write_rules(house, &asked)?,
            (approvals::Decision::Always, false) => targets::write(house, &asked)?,
            _ => Vec::new(),
        };
        match house.approvals.decide(&id, decision, house.now_ms()) {
            Ok(decided) => {
                let approval = Approval::new(&house.brain.snapshot(), &decided);
                house.announce(Event::Approval { approval: Box::new(approval.clone()) });
                Ok(Done::Happened(Ok(Json(ApprovalDecided { approval, written })), detail))
            }
            Err(Unknown) if written.is_empty() => Err(unknown()),
            // The ask ran out meanwhile, and the file is changed all the same.
            Err(Unknown) => Ok(Done::Happened(Err(unknown()), detail)),
        }
    })
    .await?
}

/// Makes the rules of an ask report only, in the file of its context. Gives the lines as they are read
/// now: file, place in the list, and the entry.
fn write_rules(house: &House, asked: &approvals::Approval) -> Result<Vec<String>, AdminRefusal> {
    let name: ContextName = asked.context.parse().map_err(|_| AdminRefusal::unknown_context())?;
    let snapshot = house.brain.snapshot();
    let state = snapshot.context(&name).ok_or_else(AdminRefusal::unknown_context)?;
    let entries = state.context().map(|context| context.outbound_deny.as_slice()).unwrap_or_default();
    let source = house.brain.source(&name).map_err(refusal)?;
    let mut list = edit::list(&source.yaml, "outbound_deny").map_err(|error| not_here(&error.to_string()))?;
    let mut written = Vec::new();
    for asked in &asked.asked {
        let index = entries.iter().position(|entry| entry.rule.id == asked.rule);
        let Some((index, entry)) = index.and_then(|index| Some((index, list.get_mut(index)?))) else {
            return Err(not_here(&format!("rule {} belongs to another context", asked.rule)));
        };
        entry.action = Some("warn".to_owned());
        let (key, text) = [("term", &entry.term), ("pattern", &entry.pattern), ("pack", &entry.pack)]
            .into_iter()
            .find_map(|(key, text)| Some((key, text.as_deref()?)))
            .ok_or_else(|| not_here("the entry is written in a way that is not known here"))?;
        written.push(format!(
            "contexts/{name}.yml, outbound_deny entry {}: {{{key}: {text}, action: warn}}",
            index + 1
        ));
    }
    let yaml =
        edit::set_list(&source.yaml, "outbound_deny", &list).map_err(|error| not_here(&error.to_string()))?;
    house.brain.write(&name, &yaml, Some(&source.etag)).map_err(refusal)?;
    Ok(written)
}

fn unknown() -> AdminRefusal {
    AdminRefusal::new(
        Code::UnknownApproval,
        "Nothing of that id waits for a decision: it was answered, or ten minutes have passed.",
    )
    .hint("`zos allow` lists what waits; a call that is sent again asks again.")
}

fn not_here(why: &str) -> AdminRefusal {
    AdminRefusal::new(Code::RuleNotEditable, format!("The rule cannot be changed from here: {why}."))
        .hint("Allow it once, and edit the rule's own file.")
}

fn refusal(error: WriteError) -> AdminRefusal {
    match error {
        WriteError::Unknown(_) => AdminRefusal::unknown_context(),
        WriteError::Conflict { .. } => not_here("the file changed just now; try again"),
        WriteError::Invalid { problems } => not_here("the file has problems").problems(&problems),
        error @ WriteError::Io(_) => AdminRefusal::failed("The context's file could not be used", &error),
    }
}
