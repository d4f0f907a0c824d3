//! The walk of one call through the gateway. Read this first.
//!
//! Every step is one file with one function; each takes what only the step before can make, so a body
//! that was not inspected cannot be forwarded, and nothing is forwarded that was not reserved. A step takes the parts of
//! the gateway that it uses. The [`Call`] rides along: it owns the reservation and the record, whatever happens on the way,
//! and is told what becomes known ([`Fact`]).

mod body;
mod canon;
mod forward;
mod headers;
mod held;
mod inspect_request;
mod inspect_response;
mod receive;
mod reserve;
mod resolve;
mod route;
mod state;
pub(crate) mod waiting;

use crate::call::{Call, Cost};
use crate::gateway::Gateway;
use crate::inspectors::{Inspectors, Weight};
use axum::extract::Request;
use axum::response::Response;
use body::Body;
use std::sync::Arc;
use zos_audit::Outcome;
use zos_wire::face::Face;
use zos_wire::problem::{Code, Problem, Shape};

use inspect_request::{Decided, Judged};
pub(crate) use receive::{Arrived, whole};
pub(crate) use resolve::{By, Governed, Head, Resolved, by_head, by_owner};
use route::Routed;

/// Serves one call that arrived under `/v1` or `/rooms/<name>/v1` and leaves exactly one record.
pub(crate) async fn serve(
    gateway: Arc<Gateway>,
    face: Face,
    room: Option<String>,
    request: Request,
    mut call: Call,
) -> Response {
    let (limits, inspectors) = (&gateway.config.limits, &gateway.guards.inspectors);
    let arrived = match receive::run(limits, inspectors, face, room, request, &mut call).await {
        Ok(arrived) => arrived, // the whole body
        Err(problem) => return refuse(call, face.shape(), problem).await,
    };
    let shared = Arc::clone(&gateway);
    let (call, read) =
        in_turn(inspectors, arrived.weight, call, move |call| read(&shared, arrived, call)).await;
    let walked = match read {
        Ok(Read::Ready(routed)) => Box::pin(leave(&gateway, *routed, call)).await,
        Ok(Read::Waits(judged)) => match judged.held_stream() {
            Some(dialect) => return held::respond(gateway, dialect, *judged, call),
            None => Box::pin(walk(&gateway, *judged, call)).await,
        },
        Err(problem) => Err((Box::new(call), problem)),
    };
    match walked {
        Ok(response) => response,
        Err((call, problem)) => refuse(*call, face.shape(), problem).await,
    }
}

/// What a call came to by its first reading.
enum Read {
    /// It may leave.
    Ready(Box<Routed>),
    /// The owner is asked about it.
    Waits(Box<Judged>),
}

/// Everything that looks at what the request says, over one tree of it.
fn read(gateway: &Gateway, arrived: Arrived, call: &mut Call) -> Result<Read, Problem> {
    let resolved = resolve::run(By::of(gateway), arrived, call)?; // which context governs
    let bytes = resolved.arrived.body.clone();
    let body = Body::read(&bytes)?;
    let judged = inspect_request::run(&gateway.files, &gateway.guards, resolved, &body, call)?; // what it says
    match judged.undisputed() {
        Ok(decided) => Ok(Read::Ready(Box::new(ready(gateway, decided, &body, call)?))),
        Err(judged) => Ok(Read::Waits(judged)),
    }
}

/// The final body, and who is asked.
fn ready(gateway: &Gateway, decided: Decided, body: &Body<'_>, call: &mut Call) -> Result<Routed, Problem> {
    // The final bytes: what is redacted is replaced, and the owner's own words stand in front, if wanted.
    decided.inspected(&gateway.guards, body, call, |inspected, body, call| {
        let routed = route::run(&gateway.access, inspected, call)?; // which provider is permitted and asked
        Ok(reserve::measured(routed, body, call))
    })
}

/// Goes on with a call once the owner has decided about it.
async fn walk(gateway: &Arc<Gateway>, judged: Judged, call: Call) -> Result<Response, (Box<Call>, Problem)> {
    let weight = judged.weight();
    let decided = match judged.decided().await {
        Ok(decided) => decided,
        Err(problem) => return Err((Box::new(call), problem)),
    };
    let shared = Arc::clone(gateway);
    let (call, routed) = in_turn(&gateway.guards.inspectors, weight, call, move |call| {
        let bytes = decided.bytes();
        ready(&shared, decided, &Body::again(&bytes)?, call)
    })
    .await;
    match routed {
        Ok(routed) => leave(gateway, routed, call).await,
        Err(problem) => Err((Box::new(call), problem)),
    }
}

/// The way out and back: budget, provider, answer.
async fn leave(gateway: &Arc<Gateway>, routed: Routed, call: Call) -> Result<Response, (Box<Call>, Problem)> {
    let (mut call, reserved) = Box::pin(reserve::run(gateway, routed, call)).await?; // tokens are held from here on
    let forwarding = Box::pin(forward::run(&gateway.access, &gateway.upstreams, reserved, &mut call));
    let forwarded = match forwarding.await {
        Ok(forwarded) => forwarded, // the only step that leaves the machine
        Err(problem) => return Err((Box::new(call), problem)),
    };
    inspect_response::run(&gateway.guards, forwarded, call).await // its end settles and records
}

/// Does a step that reads a text of this weight, off the workers where that may take long. The step owns the
/// call meanwhile: when the caller leaves, the call ends with the step.
pub(crate) async fn in_turn<T: Send + 'static>(
    inspectors: &Inspectors,
    weight: Weight,
    mut call: Call,
    step: impl FnOnce(&mut Call) -> T + Send + 'static,
) -> (Call, T) {
    if weight.is_light() {
        let done = step(&mut call);
        return (call, done);
    }
    let work = move || {
        let done = step(&mut call);
        (call, done)
    };
    // Boxed like every future here that is large and not always needed: whoever awaits it would carry it along.
    Box::pin(inspectors.run(weight, work)).await
}

/// Ends a call with an answer of ours.
pub(crate) async fn refuse(mut call: Call, shape: Shape, problem: Problem) -> Response {
    call.note(&problem);
    let problem = problem.told(shape, call.form);
    call.settle(Cost::Nothing).await;
    let outcome = outcome(&problem);
    let problem = finish(&mut call, outcome, problem, shape).await;
    let mut response = problem.respond(shape, &call.request_id).map(axum::body::Body::from);
    response.headers_mut().extend(call.take_headers());
    response
}

/// What a call came to that ends with this.
fn outcome(problem: &Problem) -> Outcome {
    match problem.code {
        Code::UpstreamUnreachable | Code::UpstreamTimeout | Code::Internal => Outcome::Failed,
        _ => Outcome::Refused,
    }
}

/// Writes the record of a refusal; where even that fails under a hard context, that is the answer.
async fn finish(call: &mut Call, outcome: Outcome, problem: Problem, shape: Shape) -> Problem {
    call.record.bytes_out = problem.body(shape, &call.request_id).len() as u64;
    match call.finish(outcome, Some(problem.status.as_u16())).await {
        Ok(()) => problem,
        Err(unavailable) => unavailable,
    }
}

#[cfg(test)]
mod tests;
