//! The listener: connections, their limits, and which handler serves a path.

use crate::call::Call;
use crate::config::Config;
use crate::exposure;
use crate::house::{House, Listening};
use crate::{admin, ids, mcp, models, pipeline, tls};
use axum::Router;
use axum::body::Body;
use axum::extract::{Request, State};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};
use futures::FutureExt;
use http::{HeaderMap, Method, StatusCode, header};
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use std::io;
use std::net::SocketAddr;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use tokio_rustls::TlsAcceptor;
use zos_wire::face::Face;
use zos_wire::problem::{Code, Problem, Shape};

/// How long a connection may take to send the head of a request, and may lie idle between two.
const HEAD_LIMIT: Duration = Duration::from_secs(75);

/// How long a connection may take to agree on its encryption.
const HANDSHAKE_LIMIT: Duration = Duration::from_secs(10);

/// More headers than any client sends.
const HEADERS_LIMIT: usize = 256;

/// Why the gateway cannot listen.
#[derive(Debug, thiserror::Error)]
pub enum BindError {
    /// The address is in use.
    #[error(
        "port {port} is taken by another program, so zOS cannot listen on {address}; end that program, or set `listen` in gateway/config.yml"
    )]
    Taken {
        /// The address.
        address: SocketAddr,
        /// Its port.
        port: u16,
    },
    /// The address cannot be used for another reason.
    #[error("zOS cannot listen on {address}: {source}")]
    Unusable {
        /// The address.
        address: SocketAddr,
        /// Why.
        source: io::Error,
    },
    /// Listening there would let others on the network use the owner's keys.
    #[error("zOS does not listen on {0}, which other machines can reach, {1}")]
    Unprotected(SocketAddr, &'static str),
    /// Certificate or key cannot be used.
    #[error("zOS does not listen, as {0}")]
    Tls(Box<zos_core::Problem>),
}

/// A listener that is ready to serve.
pub struct Server {
    house: Arc<House>,
    listener: TcpListener,
    tls: Option<TlsAcceptor>,
}

impl Server {
    /// Listens on the configured address, or on `listen`.
    ///
    /// # Errors
    /// When the address is taken, unusable, or reachable from outside without protection. The house knows
    /// it too, for the screens.
    pub async fn bind(house: &Arc<House>, listen: Option<SocketAddr>) -> Result<Server, BindError> {
        let address = listen.unwrap_or(house.config.listen);
        match bind(house, address).await {
            Ok((listener, tls)) => {
                let address = listener.local_addr().unwrap_or(address);
                house.set_listening(Listening { address: Some(address), error: None });
                Ok(Server { house: house.clone(), listener, tls })
            }
            Err(error) => {
                house.set_listening(Listening { address: None, error: Some(error.to_string()) });
                Err(error)
            }
        }
    }

    /// The address it listens on.
    ///
    /// # Errors
    /// When the system does not tell.
    pub fn address(&self) -> io::Result<SocketAddr> {
        self.listener.local_addr()
    }

    /// Serves until the house stops, then until every connection has ended.
    pub async fn run(self) {
        let router = router(self.house.clone());
        let announcing = tokio::spawn({
            let house = self.house.clone();
            async move { house.announce_changes().await }
        });
        // Spans of the last calls go out after them: dropping `serving` is the sign.
        let (serving, served) = tokio::sync::oneshot::channel::<()>();
        let telemetry = tokio::spawn({
            let house = self.house.clone();
            async move { house.telemetry.run(async { drop(served.await) }).await }
        });
        let permits = Arc::new(Semaphore::new(self.house.config.limits.connections));
        let mut connections = JoinSet::new();
        loop {
            let accepted = tokio::select! {
                accepted = async {
                    // Waiting for a place leaves further callers in the system's queue.
                    let permit = permits.clone().acquire_owned().await;
                    (permit, self.listener.accept().await)
                } => accepted,
                () = self.house.drain.is_begun() => break,
            };
            match accepted {
                (Ok(permit), Ok((stream, _))) => {
                    let (house, router, tls) = (self.house.clone(), router.clone(), self.tls.clone());
                    connections.spawn(async move {
                        arrived(&house, router, tls, stream).await;
                        drop(permit);
                    });
                }
                (_, Err(error)) => {
                    // Out of file descriptors, most likely: wait for some to come back.
                    tracing::warn!(%error, "a connection could not be accepted");
                    tokio::time::sleep(Duration::from_millis(50)).await;
                }
                (Err(_), _) => break,
            }
            while connections.try_join_next().is_some() {}
        }
        drop(self.listener);
        while connections.join_next().await.is_some() {}
        announcing.abort();
        drop(serving);
        if let Err(error) = telemetry.await {
            tracing::error!(%error, "the last spans could not be sent");
        }
    }
}

async fn bind(house: &House, address: SocketAddr) -> Result<(TcpListener, Option<TlsAcceptor>), BindError> {
    protection(&house.config, address)?;
    let tls = house.config.tls.as_ref().map(|tls| tls::acceptor(house.brain.home(), tls)).transpose();
    let tls = tls.map_err(BindError::Tls)?;
    let listener = TcpListener::bind(address).await.map_err(|source| match source.kind() {
        io::ErrorKind::AddrInUse => BindError::Taken { address, port: address.port() },
        _ => BindError::Unusable { address, source },
    })?;
    Ok((listener, tls))
}

/// Whether an address may be served with this configuration.
fn protection(config: &Config, address: SocketAddr) -> Result<(), BindError> {
    if address.ip().to_canonical().is_loopback() {
        return Ok(());
    }
    if config.auth.keyless {
        return Err(BindError::Unprotected(
            address,
            "without keys; set `auth: {keyless: false}` in gateway/config.yml",
        ));
    }
    if config.tls.is_none() && !config.dangerous_plain_http {
        return Err(BindError::Unprotected(
            address,
            "without encryption; set `tls: {cert: ..., key: ...}` in gateway/config.yml, or `dangerous_plain_http: true` if that network is yours alone",
        ));
    }
    Ok(())
}

/// Serves one connection, after its handshake where there is encryption.
async fn arrived(house: &Arc<House>, router: Router, tls: Option<TlsAcceptor>, stream: TcpStream) {
    // Small events must leave at once: with Nagle's algorithm each waits for an acknowledgement.
    if let Err(error) = stream.set_nodelay(true) {
        tracing::debug!(%error, "TCP_NODELAY could not be set");
    }
    let Some(tls) = tls else { return connection(house, router, stream).await };
    let handshake = tokio::select! {
        handshake = tokio::time::timeout(HANDSHAKE_LIMIT, tls.accept(stream)) => handshake,
        () = house.drain.is_begun() => return,
    };
    match handshake {
        Ok(Ok(stream)) => connection(house, router, stream).await,
        Ok(Err(error)) => tracing::debug!(%error, "a connection could not be encrypted"),
        Err(_) => tracing::debug!("a connection was not encrypted in time"),
    }
}

async fn connection(
    house: &Arc<House>,
    router: Router,
    stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
) {
    let mut builder = hyper::server::conn::http1::Builder::new();
    builder
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD_LIMIT)
        .max_buf_size(house.config.limits.header_bytes.max(8192))
        .max_headers(HEADERS_LIMIT);
    let connection = builder.serve_connection(TokioIo::new(stream), TowerToHyperService::new(router));
    tokio::pin!(connection);
    let served = tokio::select! {
        served = connection.as_mut() => served,
        () = house.drain.is_begun() => {
            connection.as_mut().graceful_shutdown();
            tokio::select! {
                served = connection.as_mut() => served,
                () = async {
                    house.drain.is_cut().await;
                    // Time for the last bytes of a cut stream.
                    tokio::time::sleep(Duration::from_secs(2)).await;
                } => Ok(()),
            }
        }
    };
    if let Err(error) = served {
        // Callers hang up all the time; what it meant for a call stands in its record.
        tracing::debug!(%error, "a connection ended early");
    }
}

/// Everything that the listener serves.
pub fn router(house: Arc<House>) -> Router {
    let side: Router<Arc<House>> = Router::new()
        .route("/", axum::routing::get(root))
        .route("/healthz", axum::routing::get(|| async { "ok\n" }))
        .route("/readyz", axum::routing::get(ready))
        .route("/metrics", axum::routing::get(metrics))
        .merge(admin::listener_router(house.clone()))
        .fallback(|| async {
            Problem::new(Code::UnknownEndpoint, "There is nothing at this path.")
                .hint("AI clients use /v1; see docs/endpoints.md.")
                .respond(Shape::OpenAi, &ids::unique())
                .map(Body::from)
        })
        .layer(middleware::from_fn_with_state(house.clone(), guard_side));
    Router::new()
        .route("/v1/{*path}", axum::routing::any(governed))
        .route("/rooms/{*path}", axum::routing::any(governed))
        .route("/mcp", axum::routing::any(governed))
        .merge(side)
        .with_state(house)
}

/// Host and Origin rules for everything that is not a governed call.
async fn guard_side(State(house): State<Arc<House>>, request: Request, next: Next) -> Response {
    match exposure::check(&house.config.auth, request.uri(), request.headers()) {
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
    Unknown,
}

/// Every call under `/v1` and `/rooms` and at `/mcp`: it leaves a record, whatever it asks for.
async fn governed(State(house): State<Arc<House>>, request: Request) -> Response {
    let (room, target) = target(request.method(), request.uri().path());
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
        Target::Unknown => "unknown",
    };
    let request_id = ids::of_request(request.headers());
    let active = house.drain.enter();
    let is_stopping = active.is_none();
    let call = Call::arrived(house.clone(), request_id.clone(), name, active);
    let refusal = if is_stopping {
        Err(Problem::new(Code::ShuttingDown, "zOS is stopping.").hint("Try again in a moment."))
    } else {
        exposure::check(&house.config.auth, request.uri(), request.headers())
    };
    let refusal = refusal.and_then(|()| small_head(&house.config, &request));
    let served = async {
        match (refusal, target) {
            (Err(problem), _) => pipeline::refuse(call, shape, problem, HeaderMap::new()).await,
            (Ok(()), Target::Face(face)) => pipeline::serve(house, face, room, request, call).await,
            (Ok(()), Target::Models(id)) => models::serve(house, room, id, shape, request, call).await,
            (Ok(()), Target::Mcp) => mcp::serve(house, room, request, call).await,
            (Ok(()), Target::Unknown) => {
                let problem = Problem::new(
                    Code::UnknownEndpoint,
                    "zOS does not know this endpoint, so nothing passes through it.",
                )
                .hint("docs/endpoints.md lists the ones it governs.");
                pipeline::refuse(call, shape, problem, HeaderMap::new()).await
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

fn target(method: &Method, path: &str) -> (Option<String>, Target) {
    if path == "/mcp" {
        return (None, Target::Mcp);
    }
    let (room, rest) = match path.strip_prefix("/rooms/").and_then(|rest| rest.split_once('/')) {
        Some((room, "mcp")) => return (Some(room.to_owned()), Target::Mcp),
        Some((room, rest)) => (Some(room.to_owned()), rest.strip_prefix("v1/")),
        None => (None, path.strip_prefix("/v1/")),
    };
    let target = match (method, rest) {
        (&Method::POST, Some(rest)) => Face::of(rest).map_or(Target::Unknown, Target::Face),
        (&Method::GET, Some("models")) => Target::Models(None),
        (&Method::GET, Some(rest)) => match rest.strip_prefix("models/") {
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

async fn ready(State(house): State<Arc<House>>) -> Response {
    let health = house.health();
    let status = if health.ok && !house.drain.is_draining() {
        StatusCode::OK
    } else {
        StatusCode::SERVICE_UNAVAILABLE
    };
    (status, axum::Json(health)).into_response()
}

async fn metrics(State(house): State<Arc<House>>) -> Response {
    let mut text = house.counters.prometheus(house.log_is_healthy());
    if house.telemetry.is_on() {
        text.push_str(&format!(
            "# HELP zos_spans_lost_total Spans that the collector did not take.\n\
             # TYPE zos_spans_lost_total counter\nzos_spans_lost_total {}\n",
            house.telemetry.lost()
        ));
    }
    ([(header::CONTENT_TYPE, "text/plain; version=0.0.4")], Body::from(text)).into_response()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name(method: Method, path: &str) -> String {
        match target(&method, path) {
            (room, Target::Face(face)) => format!("{room:?} {}", face.name()),
            (room, Target::Models(id)) => format!("{room:?} models {id:?}"),
            (room, Target::Mcp) => format!("{room:?} mcp"),
            (room, Target::Unknown) => format!("{room:?} unknown"),
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
        for (method, path) in [
            (Method::POST, "/rooms/acme/mcp/"),
            (Method::GET, "/v1/messages"),
            (Method::POST, "/v1/files"),
            (Method::POST, "/v1/messages/"),
            (Method::POST, "/v1//messages"),
            (Method::POST, "/v1/Messages"),
            (Method::POST, "/rooms/acme/messages"),
            (Method::POST, "/rooms/v1/messages"),
            (Method::GET, "/v1/models/"),
        ] {
            assert!(name(method, path).ends_with("unknown"), "{path}");
        }
    }
}
