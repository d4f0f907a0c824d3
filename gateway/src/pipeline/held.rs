//! A call that waits for the owner while its client listens to a stream: the answer begins at once with
//! pings, and goes on as the walk's own answer, or ends with an error event.
//!
//! The walk is a part of the answer's body: when the client leaves, both are dropped, and the call
//! records itself as abandoned.

use super::inspect_request::Judged;
use super::{outcome, walk};
use crate::call::{Call, Cost, Fact};
use crate::gateway::Gateway;
use crate::pipeline::waiting::PING_EVERY;
use axum::body::{Body, BodyDataStream};
use axum::response::Response;
use bytes::Bytes;
use futures::future::BoxFuture;
use futures::{FutureExt, StreamExt, stream};
use http::{HeaderName, HeaderValue, StatusCode, header};
use std::sync::Arc;
use zos_core::code::Actor;
use zos_meter::Usage;
use zos_wire::dialect::Cut;
use zos_wire::faces::Dialect;
use zos_wire::problem::{Code, Problem};

/// The longest error answer of a provider that is said again as an event.
const ERROR_MAX_BYTES: usize = 1 << 20;

/// Where such an answer is.
enum State {
    /// It has yet to say that it lives.
    Fresh(BoxFuture<'static, Response>),
    /// The owner decides, or the provider has not answered yet.
    Waiting(BoxFuture<'static, Response>),
    /// The answer goes on.
    Answering(BodyDataStream),
}

pub(super) fn respond(gateway: Arc<Gateway>, dialect: Dialect, judged: Judged, mut call: Call) -> Response {
    if let Ok(value) = HeaderValue::from_str(&call.request_id) {
        call.tell(Fact::Answer(HeaderName::from_static("x-request-id"), value));
    }
    let mut begun = call.headers().clone();
    begun.insert(header::CONTENT_TYPE, HeaderValue::from_static("text/event-stream"));
    begun.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-cache"));
    let ping = dialect.ping();
    let rest = async move {
        let request_id = call.request_id.clone();
        match walk(&gateway, judged, call).await {
            Ok(response) => as_events(&dialect, response, &request_id).await,
            Err((call, problem)) => refuse(*call, &dialect, problem).await,
        }
    };
    let bytes = stream::unfold(State::Fresh(rest.boxed()), move |state| {
        let ping = ping.clone();
        async move {
            let mut body = match state {
                State::Fresh(rest) => return Some((Ok(ping), State::Waiting(rest))),
                State::Waiting(mut rest) => {
                    tokio::select! {
                        response = &mut rest => response.into_body().into_data_stream(),
                        () = tokio::time::sleep(PING_EVERY) => return Some((Ok(ping), State::Waiting(rest))),
                    }
                }
                State::Answering(body) => body,
            };
            let bytes: Result<Bytes, axum::Error> = body.next().await?;
            Some((bytes, State::Answering(body)))
        }
    });
    let mut response = Response::new(Body::from_stream(bytes));
    *response.headers_mut() = begun;
    response
}

/// Ends the call with an error event. The record says what the caller got: a stream that began.
async fn refuse(mut call: Call, dialect: &Dialect, problem: Problem) -> Response {
    call.note(&problem);
    call.settle(Cost::Nothing).await;
    let mut bytes = ended(&call, dialect, problem.clone());
    call.record.bytes_out = bytes.len() as u64;
    if let Err(unavailable) = call.finish(outcome(&problem), Some(StatusCode::OK.as_u16())).await {
        bytes = dialect.failure(&unavailable, &call.request_id);
    }
    Response::new(Body::from(bytes))
}

/// The event that ends a stream in which nothing was said. What is no refusal may go better the next time, and says so.
fn ended(call: &Call, dialect: &Dialect, problem: Problem) -> Bytes {
    if problem.code.actor() == Actor::Time {
        return dialect.failure(&problem, &call.request_id);
    }
    let problem = problem.told(dialect.face().shape(), call.form);
    // As inside of a call: there is no text that could end.
    let cut = Cut { problem: &problem, request_id: &call.request_id, in_call: true, usage: Usage::default() };
    dialect.cut(&cut, call.form)
}

/// An answer that is no stream, such as an error of the provider, as the event that a stream has for it.
async fn as_events(dialect: &Dialect, response: Response, request_id: &str) -> Response {
    let is_stream = response
        .headers()
        .get(header::CONTENT_TYPE)
        .is_some_and(|value| value.as_bytes().starts_with(b"text/event-stream"));
    if is_stream {
        return response;
    }
    let status = response.status();
    let body = axum::body::to_bytes(response.into_body(), ERROR_MAX_BYTES).await.unwrap_or_default();
    let parsed: Option<serde_json::Value> = serde_json::from_slice(&body).ok();
    let bytes = match parsed.filter(|_| !status.is_success()) {
        Some(error) => dialect.foreign_failure(&error),
        None => {
            let sentence =
                format!("The provider answered {status} and no stream, after this call had waited.");
            dialect.failure(&Problem::new(Code::UpstreamUnreachable, sentence), request_id)
        }
    };
    Response::new(Body::from(bytes))
}
