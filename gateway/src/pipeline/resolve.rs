//! Step 1: which context governs this call.
//!
//! The first of these that there is: a zOS key that is bound to a context, the header `X-ZOS-Context`, the path prefix
//! `/rooms/<name>`, the active context, a context called `default`. With no contexts at all the built-in one serves. A zOS
//! key or the admin token in any form but the ones for it ends the call here.

use super::Arrived;
use crate::access::Access;
use crate::access::caller::Caller;
use crate::call::{Call, Fact, audit_unavailable};
use crate::gateway::{Files, Gateway};
use crate::guards::Guards;
use crate::ids;
use crate::pipeline::inspect_request::finds_nothing;
use crate::upstream::credentials::{Misplaced, Presented};
use http::HeaderMap;
use http::request::Parts;
use std::sync::Arc;
use zos_core::{Api, Context, ContextName, Isolation, NoContext, RouteRequest, Snapshot};
use zos_guard::policy::Policy;
use zos_wire::clients::{claimed, conversation};
use zos_wire::problem::{Code, Problem};

/// A context that governs a call, and who calls.
pub(crate) struct Governed {
    pub(crate) presented: Presented,
    pub(crate) snapshot: Arc<Snapshot>,
    pub(crate) name: ContextName,
    pub(crate) context: Arc<Context>,
    pub(crate) policy: Policy,
    /// Whether key, header or path say which context it is, rather than the choice of the moment.
    pub(crate) is_bound: bool,
    /// The conversation that the client names.
    pub(crate) conversation: Option<String>,
}

impl Governed {
    /// What a caller of this API asks of the fleet who wants this model, and nothing special of it.
    pub(crate) fn route_request<'a>(
        &'a self,
        face: Api,
        model: &'a str,
        may_fall_back: bool,
    ) -> RouteRequest<'a> {
        RouteRequest {
            face,
            model,
            filter: &self.context.models,
            context: self.name.as_str(),
            isolation: self.context.isolation,
            caps: &[],
            thinks: false,
            tokens: 0,
            may_fall_back,
        }
    }
}

/// A call whose context is known.
pub(crate) struct Resolved {
    pub(super) governed: Governed,
    pub(super) arrived: Arrived,
}

pub(super) fn run(by: By<'_>, arrived: Arrived, call: &mut Call) -> Result<Resolved, Problem> {
    let head = Head {
        headers: &arrived.headers,
        query: &arrived.query,
        room: arrived.room.as_deref(),
        caller: arrived.caller,
    };
    Ok(Resolved { governed: by_head(by, &head, call)?, arrived })
}

/// The parts of the gateway that say what governs.
#[derive(Clone, Copy)]
pub(crate) struct By<'g> {
    files: &'g Files,
    access: &'g Access,
    guards: &'g Guards,
}

impl<'g> By<'g> {
    /// Those of a gateway.
    pub(crate) fn of(gateway: &'g Gateway) -> Self {
        By { files: &gateway.files, access: &gateway.access, guards: &gateway.guards }
    }
}

/// What stands outside of the body of a call.
pub(crate) struct Head<'a> {
    headers: &'a HeaderMap,
    query: &'a str,
    room: Option<&'a str>,
    caller: Caller,
}

impl<'a> Head<'a> {
    /// The head of a request, with the room that its path names.
    pub(crate) fn of(parts: &'a Parts, room: Option<&'a str>) -> Self {
        let query = parts.uri.query().unwrap_or_default();
        Head { headers: &parts.headers, query, room, caller: Caller::of(parts) }
    }
}

/// Resolves the context from what stands outside of the body.
pub(crate) fn by_head(by: By<'_>, head: &Head<'_>, call: &mut Call) -> Result<Governed, Problem> {
    let Head { headers: request, query, room, caller } = *head;
    let presented =
        Presented::read(request, query, &by.access.own_secrets).map_err(|found| misplaced(&found))?;
    let bound = key_context(by.access, &presented, caller, call)?;
    let snapshot = by.files.brain.snapshot();
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
    let governed = governed(by.guards, Chosen { presented, snapshot, name, is_bound, conversation }, call)?;
    // Like every header it may hold what the room denies, and a record has no place for that.
    call.record.agent = claimed(request).map(str::to_owned);
    Ok(governed)
}

/// Resolves the context that the owner names, on the owner's own side of the gateway: no key is asked for.
pub(crate) fn by_owner(by: By<'_>, room: &str, call: &mut Call) -> Result<Governed, Problem> {
    let name = room.parse().map_err(|_| unknown_context())?;
    let snapshot = by.files.brain.snapshot();
    let presented = Presented::default();
    let chosen = Chosen { presented, snapshot, name, is_bound: true, conversation: None };
    governed(by.guards, chosen, call)
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
fn governed(guards: &Guards, chosen: Chosen, call: &mut Call) -> Result<Governed, Problem> {
    let Chosen { presented, snapshot, name, is_bound, conversation } = chosen;
    let Some(state) = snapshot.context(&name) else {
        return Err(unknown_context());
    };
    call.tell(Fact::Context(&name));
    let (Some(context), Some(policy)) = (state.context().cloned(), snapshot.policy(&name)) else {
        call.is_hard = true;
        return Err(Problem::new(
            Code::ContextBroken,
            "The file of this context never loaded, so nothing is known of its rules.",
        )
        .hint("`zos lint` names the file, the line and what to write instead."));
    };
    call.is_hard = context.isolation == Isolation::Hard;
    if call.is_hard && !call.journal.is_healthy() {
        return Err(audit_unavailable());
    }
    match call.journal.attester.state_id(&snapshot, &name) {
        Ok(id) => call.tell(Fact::State(&id)),
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
    let policy = Policy::new(policy, guards.shield.is_paused(call.now_ms()));
    name_call(&policy, call);
    Ok(Governed { presented, snapshot, name, context, policy, is_bound, conversation })
}

/// Gives the call an id of our own in the place of the caller's, where a rule finds something in that.
fn name_call(policy: &Policy, call: &mut Call) {
    if !finds_nothing(policy, &call.request_id) {
        call.request_id = ids::unique();
        call.record.request_id = Some(call.request_id.clone());
    }
}

/// The context that the zOS keys are bound to. A wrong key is refused even where none is needed.
fn key_context(
    access: &Access,
    presented: &Presented,
    caller: Caller,
    call: &mut Call,
) -> Result<Option<ContextName>, Problem> {
    let mut bound: Option<String> = None;
    for key in presented.zos_keys() {
        let Some(info) = access.keys.check(key.expose()) else {
            return Err(Problem::new(Code::Unauthorized, "This zOS key is wrong or revoked.")
                .hint("`zos key list` shows the ones there are."));
        };
        call.record.client.get_or_insert(info.client);
        match (&bound, info.context) {
            (Some(first), Some(second)) if *first != second => return Err(two_rooms()),
            (None, Some(context)) => bound = Some(context),
            _ => {}
        }
    }
    if presented.zos_key.is_none() {
        needs_no_key(access, caller)?;
    }
    bound
        .map(|name| {
            name.parse().map_err(|_| {
                Problem::new(Code::UnknownContext, "This key is bound to a context that cannot exist.")
            })
        })
        .transpose()
}

/// Whether a call without a key is served: where the owner allows it, to programs of the owner.
fn needs_no_key(access: &Access, caller: Caller) -> Result<(), Problem> {
    let message = match caller.keyless_refusal() {
        _ if !access.auth.keyless => "A zOS key is required.".to_owned(),
        Some(why) => format!("A zOS key is required: {why}."),
        None => return Ok(()),
    };
    Err(Problem::new(Code::Unauthorized, message)
        .hint("Make one with `zos key add NAME` and send it as x-zos-key, x-api-key or bearer token."))
}

fn two_rooms() -> Problem {
    Problem::new(Code::ContextMismatch, "The call holds zOS keys of two different contexts.")
        .hint("Send one key: look at x-zos-key, x-api-key and authorization.")
}

/// The refusal of a secret of ours in a place or form that is none for it.
fn misplaced(found: &Misplaced) -> Problem {
    let (message, hint) = match found {
        Misplaced::AdminToken => (
            "This is the admin token, which is no key for calls.".to_owned(),
            "It is for the screens and /zos/v1 only. Make a key with `zos key add NAME`.".to_owned(),
        ),
        Misplaced::Key { place } => (
            format!("There is a zOS key in {place}, in a form that is not accepted, so the call was stopped."),
            "Send the bare key, without quotes, lists or another scheme: as x-zos-key, x-api-key or \"Authorization: Bearer\"."
                .to_owned(),
        ),
        Misplaced::Unsearchable => (
            "A header of the call holds too many encoded words to be searched for zOS keys.".to_owned(),
            "Send shorter headers.".to_owned(),
        ),
    };
    Problem::new(Code::Unauthorized, message).hint(hint)
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
