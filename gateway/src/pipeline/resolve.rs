//! Step 1: which context governs this call.
//!
//! First of: a zOS key that is bound to a context, the header `X-ZOS-Context`, the path prefix
//! `/rooms/<name>`, the active context, a context called `default`. With no contexts at all the built-in
//! one serves.

use super::Arrived;
use crate::call::{Call, audit_unavailable};
use crate::house::House;
use crate::upstream::credentials::Presented;
use http::{HeaderMap, HeaderValue};
use std::sync::Arc;
use zos_core::{Context, ContextName, Isolation, NoContext, Snapshot};
use zos_guard::policy::Policy;
use zos_guard::redact::Masks;
use zos_guard::redact::sessions::conversation;
use zos_wire::problem::{Code, Problem};

/// A call whose context is known.
pub(crate) struct Resolved {
    pub(super) arrived: Option<Arrived>,
    pub(crate) presented: Presented,
    pub(crate) snapshot: Arc<Snapshot>,
    pub(crate) name: ContextName,
    pub(crate) context: Arc<Context>,
    pub(crate) policy: Policy,
    /// Whether key, header or path say which context it is, rather than the choice of the moment.
    pub(crate) is_bound: bool,
    /// The conversation that the client names.
    pub(crate) conversation: Option<String>,
    /// Digest of the body as it arrived; set where the owner is asked about it.
    pub(crate) digest: [u8; 32],
    /// The placeholders of this call, once its request was inspected and the room may redact.
    pub(super) masks: Option<Masks>,
}

pub(super) fn run(
    house: &House,
    arrived: Arrived,
    call: &mut Call,
    headers: &mut HeaderMap,
) -> Result<Resolved, Problem> {
    let mut resolved = resolve_headers(house, &arrived.headers, arrived.room.as_deref(), call, headers)?;
    resolved.arrived = Some(arrived);
    Ok(resolved)
}

/// Resolves the context from what stands outside of the body.
pub(crate) fn resolve_headers(
    house: &House,
    request: &HeaderMap,
    room: Option<&str>,
    call: &mut Call,
    headers: &mut HeaderMap,
) -> Result<Resolved, Problem> {
    let presented = Presented::read(request);
    let bound = key_context(house, &presented, call)?;
    let snapshot = house.brain.snapshot();
    let named = named(request, room)?;
    if let (Some(bound), Some(named)) = (&bound, &named)
        && bound != named
    {
        return Err(Problem::new(
            Code::ContextMismatch,
            "This key is bound to another context than the one that is named.",
        )
        .hint("Leave out the X-ZOS-Context header and the /rooms/ path, or use a key of that context."));
    }
    let named = bound.or(named);
    let is_bound = named.is_some();
    let name = match named {
        Some(name) => name,
        None => snapshot.effective_active().map_err(no_context)?.clone(),
    };
    let conversation = conversation(request).map(str::to_owned);
    governed(house, Chosen { presented, snapshot, name, is_bound, conversation }, call, headers)
}

/// Resolves the context that the owner names, on the owner's own side of the gateway: no key is asked for.
pub(crate) fn resolve_owner(
    house: &House,
    room: &str,
    call: &mut Call,
    headers: &mut HeaderMap,
) -> Result<Resolved, Problem> {
    let name = room.parse().map_err(|_| unknown_context())?;
    let snapshot = house.brain.snapshot();
    let presented = Presented::read(&HeaderMap::new());
    let chosen = Chosen { presented, snapshot, name, is_bound: true, conversation: None };
    governed(house, chosen, call, headers)
}

/// A context that was chosen, before it is known whether it governs.
struct Chosen {
    presented: Presented,
    snapshot: Arc<Snapshot>,
    name: ContextName,
    is_bound: bool,
    conversation: Option<String>,
}

/// What governs in the context that was chosen.
fn governed(
    house: &House,
    chosen: Chosen,
    call: &mut Call,
    headers: &mut HeaderMap,
) -> Result<Resolved, Problem> {
    let Chosen { presented, snapshot, name, is_bound, conversation } = chosen;
    let Some(state) = snapshot.context(&name) else {
        return Err(unknown_context());
    };
    call.record.context = Some(name.to_string());
    if let Ok(value) = HeaderValue::from_str(name.as_str()) {
        headers.insert("x-zos-context", value);
    }
    let (Some(context), Some(policy)) = (state.context().cloned(), snapshot.policy(&name)) else {
        call.is_hard = true;
        return Err(Problem::new(
            Code::ContextBroken,
            "The file of this context never loaded, so nothing is known of its rules.",
        )
        .hint("`zos lint` names the file, the line and what to write instead."));
    };
    call.is_hard = context.isolation == Isolation::Hard;
    if call.is_hard && !house.log_is_healthy() {
        return Err(audit_unavailable());
    }
    match house.attester.state_id(&snapshot, &name) {
        Ok(id) => {
            call.record.state_id = Some(id.to_string());
            if let Ok(value) = HeaderValue::from_str(&id) {
                headers.insert("x-zos-state", value);
            }
        }
        Err(error) => {
            tracing::error!(%error, "what governs could not be signed for");
            if context.attest_required {
                return Err(Problem::new(
                    Code::AuditUnavailable,
                    "What governs this context cannot be signed for, and the context asks for that.",
                )
                .hint("See `zos doctor`: the disk may be full or the key not here."));
            }
        }
    }
    let policy = Policy::new(policy, house.shield.is_paused(house.now_ms()));
    Ok(Resolved {
        arrived: None,
        presented,
        snapshot,
        name,
        context,
        policy,
        is_bound,
        conversation,
        digest: [0; 32],
        masks: None,
    })
}

/// The context that a zOS key is bound to. A wrong key is refused even where none is needed.
fn key_context(
    house: &House,
    presented: &Presented,
    call: &mut Call,
) -> Result<Option<ContextName>, Problem> {
    let Some(key) = &presented.zos_key else {
        if house.config.auth.keyless {
            return Ok(None);
        }
        return Err(Problem::new(Code::Unauthorized, "A zOS key is required.").hint(
            "Make one with `zos key add --client NAME` and send it as x-zos-key, x-api-key or bearer token.",
        ));
    };
    let info = match house.keys.check(key.expose()) {
        Some(info) => info,
        None => {
            return Err(Problem::new(Code::Unauthorized, "This zOS key is wrong or revoked.")
                .hint("`zos key list` shows the ones there are."));
        }
    };
    call.record.client = Some(info.client);
    info.context
        .map(|name| {
            name.parse().map_err(|_| {
                Problem::new(Code::UnknownContext, "This key is bound to a context that cannot exist.")
            })
        })
        .transpose()
}

/// The context that header or path name. When both do, they must agree.
fn named(request: &HeaderMap, room: Option<&str>) -> Result<Option<ContextName>, Problem> {
    let mut names =
        request.get_all("x-zos-context").iter().map(|value| value.to_str().unwrap_or("")).chain(room);
    let Some(first) = names.next() else { return Ok(None) };
    if names.any(|other| other != first) {
        return Err(Problem::new(Code::ContextMismatch, "The call names two different contexts.")
            .hint("Name one, in the X-ZOS-Context header or in the path."));
    }
    first.parse().map(Some).map_err(|_| unknown_context())
}

fn unknown_context() -> Problem {
    Problem::new(Code::UnknownContext, "There is no context of that name.")
        .hint("`zos context list` shows the ones there are.")
}

/// Why no context governs a call that names none.
fn no_context(reason: NoContext) -> Problem {
    let message = match reason {
        NoContext::NoneActive => "No context is active, and none is called \"default\".",
        NoContext::Missing(_) => "The active context has no file any more.",
        NoContext::Unknown => "Which context is active is unknown, because state.json cannot be read.",
    };
    Problem::new(Code::UnknownContext, message).hint(
        "Choose one in the tray or with `zos context use NAME`, or name one in the X-ZOS-Context header.",
    )
}
