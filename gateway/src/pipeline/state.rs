//! State at the provider: which kept ids a request may refer to, and which an answer gives to its room.

use super::Governed;
use crate::call::{Call, Fact};
use crate::guards::provider_state::ProviderStates;
use std::sync::Arc;
use zos_audit::Verdict;
use zos_core::{Context, ContextName, ContextState, Isolation, ProviderState};
use zos_guard::made::{IdDigest, Made, digest};
use zos_wire::json::Value;
use zos_wire::problem::{Code, Problem};
use zos_wire::state;

/// Rules by which records name what was met.
const FOREIGN: &str = "state-foreign";
const UNKNOWN: &str = "state-unknown";
const NONE: &str = "state-none";

/// What is wrong with an id.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Fault {
    /// A call of another room made it.
    Foreign,
    /// No call that zOS knows of made it.
    Unknown,
    /// The room keeps nothing at providers.
    Denied,
}

impl Fault {
    fn rule(self) -> &'static str {
        match self {
            Fault::Foreign => FOREIGN,
            Fault::Unknown => UNKNOWN,
            Fault::Denied => NONE,
        }
    }

    fn problem(self, field: &str) -> Problem {
        let (what, hint) = match self {
            Fault::Foreign => (
                "belongs to a conversation of another context",
                "Begin a new conversation here, or go on in the context where this one began.",
            ),
            Fault::Unknown => (
                "was not made by a call of this context that zOS has seen",
                "Begin a new conversation, or write `state: any` in this context's file to use what was made elsewhere.",
            ),
            Fault::Denied => (
                "is kept at the provider, and this context keeps nothing there (`state: none`)",
                "Send the whole conversation instead, or write `state: own` in this context's file.",
            ),
        };
        Problem::new(Code::ForeignState, format!("What `{field}` refers to {what}.")).hint(hint)
    }
}

/// Checks the ids that a request refers to.
///
/// # Errors
/// [`Code::ForeignState`] where an id may not be used. A table that cannot be read makes every id an unknown one.
pub(super) fn check(
    states: &ProviderStates,
    governed: &Governed,
    body: &Value<'_>,
    call: &mut Call,
) -> Result<(), Problem> {
    let context = &governed.context;
    if context.state == ProviderState::None && body.get("background").and_then(Value::as_bool) == Some(true) {
        meet(Fault::Denied, governed.policy.is_paused(), "background", call)?;
    }
    let used = state::used(body);
    if used.is_empty() {
        return Ok(());
    }
    let ids: Vec<IdDigest> = used.iter().map(|used| digest(&used.id)).collect();
    let owners = states.owners(&ids).unwrap_or_else(|error| {
        tracing::error!(%error, "what providers keep cannot be told apart by room");
        vec![None; ids.len()]
    });
    for (used, owner) in used.iter().zip(owners) {
        let is_foreign = owner.as_ref().is_some_and(|owner| owner != governed.name.as_str());
        let fault = match (context.state, &owner) {
            _ if is_foreign => Fault::Foreign,
            (ProviderState::None, _) => Fault::Denied,
            (ProviderState::Own, None) => Fault::Unknown,
            (ProviderState::Own, Some(_)) => continue,
            (ProviderState::Any, None) => {
                call.tell(Fact::Uninspected(format!("state:{}", used.field)));
                continue;
            }
            (ProviderState::Any, Some(_)) => continue,
        };
        let is_reported = governed.policy.is_paused()
            || fault == Fault::Foreign && context.isolation == Isolation::Open && is_open(governed, owner);
        meet(fault, is_reported, used.field, call)?;
    }
    Ok(())
}

/// Whether the room that an id belongs to is there and open, so that what it said may be told elsewhere.
fn is_open(governed: &Governed, owner: Option<String>) -> bool {
    let name: Option<ContextName> = owner.and_then(|owner| owner.parse().ok());
    let state =
        name.and_then(|name| governed.snapshot.context(&name).and_then(ContextState::context).cloned());
    state.is_some_and(|context: Arc<Context>| context.isolation == Isolation::Open)
}

/// Notes what was met, and refuses it unless it is only reported.
fn meet(fault: Fault, is_reported: bool, field: &str, call: &mut Call) -> Result<(), Problem> {
    call.tell(Fact::Rule(fault.rule(), if is_reported { Verdict::Warn } else { Verdict::Deny }));
    if is_reported { Ok(()) } else { Err(fault.problem(field)) }
}

/// Gives the ids of an answer to a room, off the async workers. The handle is to be awaited where the answer may
/// not end before; where nobody waits, the table is written all the same.
pub(super) fn keep(
    made: &mut Made,
    states: &Arc<ProviderStates>,
    room: &ContextName,
) -> Option<tokio::task::JoinHandle<()>> {
    let ids = made.take();
    if ids.is_empty() {
        return None;
    }
    let (states, room) = (states.clone(), room.to_string());
    let handle = tokio::runtime::Handle::try_current().ok()?;
    Some(handle.spawn_blocking(move || {
        if let Err(error) = states.keep(&room, &ids) {
            tracing::error!(%error, "what the provider keeps of an answer could not be given to its room");
        }
    }))
}
