//! The walk of one call through the house. Read this first.
//!
//! Every step is one file with one function; each takes what only the step before can make, so a body
//! that was not inspected cannot be forwarded, and nothing is forwarded that was not reserved. The
//! [`Call`] rides along: it owns the reservation and the record, whatever happens on the way.

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

use crate::call::Call;
use crate::house::House;
use crate::inspectors::Weight;
use axum::body::Body;
use axum::extract::Request;
use axum::response::Response;
use http::HeaderMap;
use std::sync::Arc;
use zos_audit::Outcome;
use zos_wire::face::Face;
use zos_wire::problem::{Code, Problem, Shape};

use inspect_request::Judged;
pub(crate) use inspect_request::{note, raise_verdict};
pub(crate) use receive::{Arrived, whole};
pub(crate) use resolve::{Head, Resolved, resolve_headers, resolve_owner};

/// Serves one call that arrived under `/v1` or `/rooms/<name>/v1` and leaves exactly one record.
pub(crate) async fn serve(
    house: Arc<House>,
    face: Face,
    room: Option<String>,
    request: Request,
    mut call: Call,
) -> Response {
    let arrived = match receive::run(&house, face, room, request, &mut call).await {
        Ok(arrived) => arrived,
        Err(problem) => return refuse(call, face.shape(), problem, HeaderMap::new()).await,
    };
    let mut headers = HeaderMap::new();
    let (call, judged) = in_turn(&house, arrived.weight, call, &mut headers, |house, call, headers| {
        let resolved = resolve::run(house, arrived, call, headers)?; // which context governs
        inspect_request::run(house, resolved, call, headers) // what it says
    })
    .await;
    let judged = match judged {
        Ok(judged) => judged,
        Err(problem) => return refuse(call, face.shape(), problem, headers).await,
    };
    if let Some(face) = judged.held_stream() {
        return held::respond(house, face, judged, call, headers);
    }
    match Box::pin(walk(&house, judged, call, &mut headers)).await {
        Ok(response) => response,
        Err((call, problem)) => refuse(*call, face.shape(), problem, headers).await,
    }
}

/// The straight line. What is known of context, verdict, rules and route is noted in `headers` on the way.
async fn walk(
    house: &Arc<House>,
    judged: Judged,
    call: Call,
    headers: &mut HeaderMap,
) -> Result<Response<Body>, (Box<Call>, Problem)> {
    let weight = judged.weight();
    let decided = match judged.decided(house).await {
        Ok(decided) => decided, // by the owner, where one is asked
        Err(problem) => return Err((Box::new(call), problem)),
    };
    let (mut call, routed) = in_turn(house, weight, call, headers, move |house, call, headers| {
        let inspected = decided.inspected(house, call, headers)?; // the final bytes, or a refusal
        let inspected = canon::run(house, inspected, call, headers)?; // the owner's own words in front, if wanted
        let routed = route::run(house, inspected, call, headers)?; // which provider is permitted and asked
        Ok(if weight.is_light() { routed } else { reserve::measured(house, routed, call) })
    })
    .await;
    let reserved = match routed {
        Ok(routed) => reserve::run(house, routed, &mut call, headers).await, // tokens are held from here on
        Err(problem) => Err(problem),
    };
    let reserved = match reserved {
        Ok(reserved) => reserved,
        Err(problem) => return Err((Box::new(call), problem)),
    };
    let forwarded = match Box::pin(forward::run(house, reserved, &mut call, headers)).await {
        Ok(forwarded) => forwarded, // the only step that leaves the machine
        Err(problem) => return Err((Box::new(call), problem)),
    };
    inspect_response::run(house, forwarded, call, headers).await // its end settles and records
}

/// Does a step that reads a text of this weight, off the workers where that may take long. The step owns the
/// call meanwhile: when the caller leaves, the call ends with the step.
pub(crate) async fn in_turn<T: Send + 'static>(
    house: &Arc<House>,
    weight: Weight,
    mut call: Call,
    headers: &mut HeaderMap,
    step: impl FnOnce(&Arc<House>, &mut Call, &mut HeaderMap) -> T + Send + 'static,
) -> (Call, T) {
    if weight.is_light() {
        let done = step(house, &mut call, headers);
        return (call, done);
    }
    let (own, mut known) = (house.clone(), std::mem::take(headers));
    let work = move || {
        let done = step(&own, &mut call, &mut known);
        (call, known, done)
    };
    // Boxed like every future here that is large and not always needed: whoever awaits it would carry it along.
    let (call, known, done) = Box::pin(house.inspectors.run(weight, work)).await;
    *headers = known;
    (call, done)
}

/// Ends a call with an answer of ours.
pub(crate) async fn refuse(
    mut call: Call,
    shape: Shape,
    problem: Problem,
    mut headers: HeaderMap,
) -> Response {
    call.note(&problem);
    call.settle(crate::call::Cost::Nothing).await;
    let outcome = outcome(&problem);
    let problem = finish(&mut call, outcome, problem, shape).await;
    let mut response = problem.respond(shape, &call.request_id).map(Body::from);
    if matches!(problem.code, Code::FirewallRequest | Code::FirewallResponse) {
        headers.insert("x-zos-verdict", http::HeaderValue::from_static("deny"));
    }
    response.headers_mut().extend(headers);
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
mod tests {
    use super::*;

    /// Bytes of the future of a function with five arguments.
    fn future_bytes<A, B, C, D, E, F>(_: impl Fn(A, B, C, D, E) -> F) -> usize {
        size_of::<F>()
    }

    /// Every layer around a call may move its future once. What is large in it has to be boxed where it begins.
    #[test]
    fn whoever_awaits_a_call_carries_little_along() {
        let bytes = future_bytes(serve);
        assert!(bytes <= 12 << 10, "{bytes}");
    }
}
