//! Routes: which handler serves a path of the listener or of the desktop's window, and what holds for every answer.

use crate::access::{cors, exposure};
use crate::admin::problem::AdminRefusal;
use crate::call::{Call, Fact};
use crate::config::Config;
use crate::endpoints::{mcp, models};
use crate::gateway::Gateway;
use crate::{admin, ids, pipeline};
use axum::Router;
use axum::body::Body;
use axum::extract::{Request, State};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};
use futures::FutureExt;
use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header};
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use zos_wire::clients::Form;
use zos_wire::face::Face;
use zos_wire::problem::{Code, Problem, Shape};

/// Everything that the listener serves.
pub(crate) fn router(gateway: Arc<Gateway>) -> Router {
    let side: Router<Arc<Gateway>> = Router::new()
        .route("/", axum::routing::get(root))
        .route("/healthz", axum::routing::get(|| async { "ok\n" }))
        .route("/readyz", axum::routing::get(ready))
        .route("/metrics", axum::routing::get(metrics))
        .merge(admin_router(gateway.clone()))
        .layer(middleware::from_fn_with_state(gateway.clone(), guard_side));
    Router::new()
        .route("/v1/{*path}", axum::routing::any(governed))
        .route("/rooms/{*path}", axum::routing::any(governed))
        .route("/mcp", axum::routing::any(governed))
        .merge(side)
        .fallback(elsewhere)
        .with_state(gateway)
}

/// The admin API, behind its token, and the screens for the listener.
fn admin_router(gateway: Arc<Gateway>) -> Router<Arc<Gateway>> {
    admin::router(mcp::owner_router())
        .layer(middleware::from_fn_with_state(gateway, admin::require_token))
        .merge(admin::screens::router())
        .layer(middleware::from_fn(admin::harden))
}

/// The admin API and the screens for the desktop's own window: in this process, so without a token.
pub fn window_router(gateway: Arc<Gateway>) -> Router {
    admin::router(mcp::owner_router())
        .merge(admin::screens::router())
        .fallback(|| async { AdminRefusal::unknown_endpoint() })
        .layer(middleware::from_fn(admin::harden))
        .with_state(gateway)
}

/// A path that no route has: one of the faces by a base that is nearly right, or nothing.
async fn elsewhere(State(gateway): State<Arc<Gateway>>, request: Request) -> Response {
    let is_probe = request.method() == Method::HEAD && !request.uri().path().starts_with("/zos");
    if is_probe || !matches!(target(request.method(), request.uri().path()), (_, Target::Unknown)) {
        return governed(State(gateway), request).await;
    }
    let id = ids::of_request(request.headers());
    match exposure::check(&gateway.access.auth, request.uri(), request.headers()) {
        Ok(()) => unknown_endpoint(request.headers(), "There is nothing at this path.")
            .respond(Shape::OpenAi, &id)
            .map(Body::from),
        Err(problem) => problem.respond(Shape::OpenAi, &id).map(Body::from),
    }
}

/// The refusal of a path that is none, with the address that clients should have.
fn unknown_endpoint(headers: &HeaderMap, message: &str) -> Problem {
    // The name by which the caller reached us: it was looked at before.
    let host = headers.get(header::HOST).and_then(|host| host.to_str().ok()).unwrap_or("127.0.0.1:8788");
    Problem::new(Code::UnknownEndpoint, message).hint(format!(
        "The base address is http://{host} for Anthropic clients and http://{host}/v1 for all others; docs/endpoints.md lists the endpoints."
    ))
}

/// Host and Origin rules for everything that is not a governed call.
async fn guard_side(State(gateway): State<Arc<Gateway>>, request: Request, next: Next) -> Response {
    match exposure::check(&gateway.access.auth, request.uri(), request.headers()) {
        Ok(()) => next.run(request).await,
        Err(problem) => problem.respond(Shape::OpenAi, &ids::of_request(request.headers())).map(Body::from),
    }
}

/// The bound of a request's head. The connection's own buffer bounds it only roughly.
fn small_head(config: &Config, request: &Request) -> Result<(), Problem> {
    let headers: usize =
        request.headers().iter().map(|(name, value)| name.as_str().len() + value.len() + 4).sum();
    if headers + request.uri().path().len() <= config.limits.header_bytes {
        return Ok(());
    }
    Err(Problem::new(
        Code::InvalidRequest,
        format!("The head of the request is larger than {} bytes.", config.limits.header_bytes),
    )
    .hint("Raise limits.header_bytes in gateway/config.yml if this is intended.")
    .status(StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE))
}

/// What a path below `/v1` or `/rooms`, or `/mcp`, asks for.
enum Target {
    Face(Face),
    Models(Option<String>),
    Mcp,
    /// A connection for something that is no HTTP.
    Upgrade,
    Unknown,
}

/// Every call under `/v1` and `/rooms` and at `/mcp`: it leaves a record, whatever it asks for. Only the
/// question of a browser whether an allowed page may call leaves none, for it is no call, and of web pages
/// that may not call those beyond a bound, for they could fill the disk.
async fn governed(State(gateway): State<Arc<Gateway>>, request: Request) -> Response {
    let origin = cors::allowed_origin(&gateway.access.auth, request.headers());
    let allowed = exposure::check(&gateway.access.auth, request.uri(), request.headers());
    let mut response = match (&origin, allowed) {
        (_, Ok(())) if request.method() == Method::HEAD => probed(),
        (Some(_), Ok(())) => match cors::preflight(request.method(), request.headers()) {
            Some(answer) => answer,
            None => answered(gateway, request, Ok(())).await,
        },
        (_, Err(problem)) if !gateway.access.strangers.is_recorded() => {
            problem.respond(Shape::OpenAi, &ids::of_request(request.headers())).map(Body::from)
        }
        (_, allowed) => answered(gateway, request, allowed).await,
    };
    let headers = response.headers_mut();
    for (name, value) in
        [("x-content-type-options", "nosniff"), ("cross-origin-resource-policy", "same-origin")]
    {
        headers.insert(HeaderName::from_static(name), HeaderValue::from_static(value));
    }
    if let Some(origin) = origin {
        cors::grant(headers, &origin);
    }
    response
}

/// The answer to a call that leaves a record.
async fn answered(gateway: Arc<Gateway>, request: Request, allowed: Result<(), Problem>) -> Response {
    let (room, mut target) = target(request.method(), request.uri().path());
    if matches!(target, Target::Unknown) && is_upgrade(request.headers()) {
        target = Target::Upgrade;
    }
    let shape = match &target {
        Target::Face(face) => face.shape(),
        _ if request.headers().contains_key("anthropic-version")
            || request.uri().path().contains("/v1/messages") =>
        {
            Shape::Anthropic
        }
        _ => Shape::OpenAi,
    };
    let name = match &target {
        Target::Face(face) => face.name(),
        Target::Models(_) => "models",
        Target::Mcp => mcp::FACE,
        Target::Upgrade | Target::Unknown => "unknown",
    };
    let request_id = ids::of_request(request.headers());
    // Another protocol, whose clients are told by its own errors.
    let form = match &target {
        Target::Mcp => Form::Reference,
        _ => Form::of(gateway.config.refusals, request.headers()),
    };
    let active = gateway.drain.enter();
    let is_stopping = active.is_none();
    let mut call =
        Call::arrived(gateway.books.clone(), gateway.journal.clone(), request_id.clone(), name, form, active);
    if allowed.is_err()
        && let Some(remark) = gateway.access.strangers.remark()
    {
        call.remark(&remark);
    }
    let refusal = if is_stopping {
        Err(Problem::new(Code::ShuttingDown, "zOS is stopping.").hint("Try again in a moment."))
    } else {
        allowed
    };
    let refusal = refusal.and_then(|()| small_head(&gateway.config, &request));
    let served = async {
        match (refusal, target) {
            (Err(problem), _) => pipeline::refuse(call, shape, problem).await,
            // Boxed, as their futures are large and every layer around this one moves what it holds.
            (Ok(()), Target::Face(face)) => {
                Box::pin(pipeline::serve(gateway, face, room, request, call)).await
            }
            (Ok(()), Target::Models(id)) => {
                Box::pin(models::serve(gateway, room, id, shape, request, call)).await
            }
            (Ok(()), Target::Mcp) => Box::pin(mcp::serve(gateway, room, request, call)).await,
            (Ok(()), Target::Upgrade) => {
                call.tell(Fact::Answer(header::UPGRADE, HeaderValue::from_static("HTTP/1.1")));
                call.tell(Fact::Answer(header::CONNECTION, HeaderValue::from_static("upgrade")));
                pipeline::refuse(call, shape, only_http()).await
            }
            (Ok(()), Target::Unknown) => {
                call.remark(&shape_of(request.method(), request.uri().path()));
                let message = "zOS does not know this endpoint, so nothing passes through it.";
                let problem = unknown_endpoint(request.headers(), message);
                pipeline::refuse(call, shape, problem).await
            }
        }
    };
    // A panic is a defect of ours; its call is recorded by its drop, and the caller gets an answer.
    AssertUnwindSafe(served).catch_unwind().await.unwrap_or_else(|_| {
        tracing::error!(request_id, "a call panicked");
        Problem::new(Code::Internal, "zOS failed on this call; nothing more was sent.")
            .hint("Please report it, with the request id and the log.")
            .respond(shape, &request_id)
            .map(Body::from)
    })
}

/// The answer to a `HEAD`, by which agents ask at their start whether anybody is here. It asks for nothing, so it is no
/// call and leaves no record.
fn probed() -> Response {
    Response::new(Body::empty())
}

/// Words that paths of AI APIs are made of. Any other part of a path may be somebody's text.
const PATH_WORDS: &[&str] = &[
    "v1",
    "v1beta",
    "v2",
    "api",
    "openai",
    "anthropic",
    "rooms",
    "messages",
    "batches",
    "count_tokens",
    "chat",
    "completions",
    "responses",
    "input_items",
    "cancel",
    "compact",
    "input_tokens",
    "embeddings",
    "models",
    "files",
    "content",
    "uploads",
    "images",
    "generations",
    "edits",
    "variations",
    "audio",
    "speech",
    "transcriptions",
    "translations",
    "moderations",
    "rerank",
    "assistants",
    "threads",
    "runs",
    "vector_stores",
    "fine_tuning",
    "jobs",
    "realtime",
    "sessions",
    "conversations",
    "items",
    "organizations",
    "organization",
    "usage",
    "hello",
    "event_logging",
    "batch",
    "oauth",
    "token",
    "profile",
    "generate",
    "tags",
    "show",
    "version",
    "mcp",
    "containers",
    "skills",
    "evals",
    "videos",
];

/// Method and path of a call that asks for nothing we know, with a star for every part that could be a name or an id.
fn shape_of(method: &Method, path: &str) -> String {
    let is_usual = ["GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"].contains(&method.as_str());
    let mut shape = String::from(if is_usual { method.as_str() } else { "?" });
    shape.push(' ');
    for part in path.split('/').skip(1).take(8) {
        shape.push('/');
        shape.push_str(PATH_WORDS.iter().find(|word| **word == part).unwrap_or(if part.is_empty() {
            &""
        } else {
            &"*"
        }));
    }
    shape
}

/// Whether the client wants a WebSocket instead of an answer.
fn is_upgrade(headers: &HeaderMap) -> bool {
    headers.get(header::UPGRADE).is_some_and(|upgrade| upgrade.as_bytes().eq_ignore_ascii_case(b"websocket"))
}

/// The refusal that lets a client fall back to HTTP at once.
fn only_http() -> Problem {
    Problem::new(Code::UnknownEndpoint, "zOS does not speak WebSocket: send the call over HTTP.")
        .hint("Clients that know both fall back by themselves.")
        .status(StatusCode::UPGRADE_REQUIRED)
}

/// What a path asks for, with the room that it names. Bases that people write are forgiven: without `/v1`,
/// with it twice, and with one slash too many in front.
fn target(method: &Method, path: &str) -> (Option<String>, Target) {
    let (room, rest) = match path.strip_prefix("/rooms/").and_then(|rest| rest.split_once('/')) {
        Some((room, rest)) => (Some(room.to_owned()), rest),
        None => (None, path.strip_prefix('/').unwrap_or(path)),
    };
    if rest == "mcp" {
        return (room, Target::Mcp);
    }
    let mut rest = rest.trim_start_matches('/');
    while let Some(shorter) = rest.strip_prefix("v1/") {
        rest = shorter.trim_start_matches('/');
    }
    let target = match (method, rest) {
        (&Method::POST, rest) => Face::of(rest).map_or(Target::Unknown, Target::Face),
        (&Method::GET, "models") => Target::Models(None),
        (&Method::GET, rest) => match rest.strip_prefix("models/") {
            Some(id) if !id.is_empty() => Target::Models(Some(models::decode_id(id))),
            _ => Target::Unknown,
        },
        _ => Target::Unknown,
    };
    (room, target)
}

/// `GET /` and the `HEAD /` that clients probe with.
async fn root() -> &'static str {
    "zOS is running. AI clients use this address; the screens are at /zos/.\n"
}

async fn ready(State(gateway): State<Arc<Gateway>>) -> Response {
    let health = gateway.health();
    let status = if health.ok && !gateway.drain.is_draining() {
        StatusCode::OK
    } else {
        StatusCode::SERVICE_UNAVAILABLE
    };
    (status, axum::Json(health)).into_response()
}

async fn metrics(State(gateway): State<Arc<Gateway>>) -> Response {
    let mut text = gateway.journal.counters.prometheus(gateway.journal.is_healthy());
    text.push_str(&gateway.books.quotas.prometheus(gateway.journal.now_ms()));
    if gateway.journal.telemetry.is_on() {
        text.push_str(&format!(
            "# HELP zos_spans_lost_total Spans that the collector did not take.\n\
             # TYPE zos_spans_lost_total counter\nzos_spans_lost_total {}\n",
            gateway.journal.telemetry.lost()
        ));
    }
    ([(header::CONTENT_TYPE, "text/plain; version=0.0.4")], Body::from(text)).into_response()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Bytes of the future of a function with two arguments.
    fn future_bytes<A, B, F>(_: impl Fn(A, B) -> F) -> usize {
        size_of::<F>()
    }

    #[test]
    fn what_the_listener_moves_of_a_call_is_small() {
        let bytes = future_bytes(governed);
        assert!(bytes <= 8 << 10, "{bytes}");
    }

    fn name(method: Method, path: &str) -> String {
        match target(&method, path) {
            (room, Target::Face(face)) => format!("{room:?} {}", face.name()),
            (room, Target::Models(id)) => format!("{room:?} models {id:?}"),
            (room, Target::Mcp) => format!("{room:?} mcp"),
            (room, Target::Upgrade | Target::Unknown) => format!("{room:?} unknown"),
        }
    }

    #[test]
    fn the_shape_of_a_path_holds_no_word_of_the_caller() {
        for (method, path, shape) in [
            (Method::POST, "/v1/files/file-Falcon/content", "POST /v1/files/*/content"),
            (Method::GET, "/rooms/acme/v1/responses/resp_1", "GET /rooms/*/v1/responses/*"),
            (Method::POST, "/v1beta/models/gemini-3:generateContent", "POST /v1beta/models/*"),
            (Method::from_bytes(b"FALCON").unwrap(), "/v1/Files", "? /v1/*"),
            (Method::DELETE, "/v1//a/b/c/d/e/f/g/h", "DELETE /v1//*/*/*/*/*/*"),
        ] {
            assert_eq!(shape_of(&method, path), shape, "{path}");
        }
    }

    #[test]
    fn only_known_paths_lead_anywhere() {
        assert_eq!(name(Method::POST, "/v1/messages"), "None messages");
        assert_eq!(name(Method::POST, "/rooms/acme/v1/chat/completions"), "Some(\"acme\") chat_completions");
        assert_eq!(name(Method::GET, "/v1/models/demo/echo"), "None models Some(\"demo/echo\")");
        assert_eq!(name(Method::GET, "/rooms/acme/v1/models"), "Some(\"acme\") models None");
        assert_eq!(name(Method::POST, "/mcp"), "None mcp");
        assert_eq!(name(Method::GET, "/rooms/acme/mcp"), "Some(\"acme\") mcp");
        for path in ["/messages", "/v1/v1/messages", "//v1/messages", "/v1//messages", "///messages"] {
            assert_eq!(name(Method::POST, path), "None messages", "{path}");
        }
        for path in ["/rooms/acme/messages", "/rooms/acme//v1/messages", "/rooms/acme/v1/v1/messages"] {
            assert_eq!(name(Method::POST, path), "Some(\"acme\") messages", "{path}");
        }
        assert_eq!(name(Method::GET, "/models"), "None models None");
        for (method, path) in [
            (Method::POST, "/rooms/acme/mcp/"),
            (Method::GET, "/v1/messages"),
            (Method::POST, "/v1/files"),
            (Method::POST, "/v1/messages/"),
            (Method::POST, "/v1/Messages"),
            (Method::POST, "/v2/messages"),
            (Method::POST, "/openai/v1/chat/completions"),
            (Method::POST, "/rooms/acme"),
            (Method::GET, "/v1/models/"),
        ] {
            assert!(name(method, path).ends_with("unknown"), "{path}");
        }
    }
}
