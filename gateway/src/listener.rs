//! The listener: connections and their limits. Which handler serves a path is in [`crate::routes`].

mod connections;
mod tls;

use crate::access::Listening;
use crate::access::caller::Caller;
use crate::config::Config;
use crate::gateway::Gateway;
use crate::{process, routes};
use axum::Router;
use axum::body::Body;
use connections::{Arriving, Leaving, Place, Places, Watched};
use hyper::service::{Service, service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;
use tokio_rustls::TlsAcceptor;

/// How long a connection may take to send the whole head of a request, and may lie idle between two.
const HEAD_LIMIT: Duration = Duration::from_secs(75);

/// How long a connection may take to agree on its encryption.
const HANDSHAKE_LIMIT: Duration = Duration::from_secs(10);

/// More headers than any client sends.
const HEADERS_LIMIT: usize = 256;

/// How long a connection without a call has for its last bytes when somebody else needs its place.
const FAREWELL: Duration = Duration::from_secs(1);

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
    gateway: Arc<Gateway>,
    listener: TcpListener,
    /// The same port of the other loopback address: clients that say `localhost` come by either, and nobody
    /// else shall answer them. Absent where it is not ours to hold.
    twin: Option<TcpListener>,
    tls: Option<TlsAcceptor>,
}

impl Server {
    /// Listens on the configured address, or on `listen`.
    ///
    /// # Errors
    /// When the address is taken, unusable, or reachable from outside without protection. The gateway knows
    /// it too, for the screens.
    pub async fn bind(gateway: &Arc<Gateway>, listen: Option<SocketAddr>) -> Result<Server, BindError> {
        gateway.tell_of_health();
        let address = listen.unwrap_or(gateway.config.listen);
        match bind(gateway, address).await {
            Ok((listener, tls)) => {
                let address = listener.local_addr().unwrap_or(address);
                let (twin, notice) = twin(address).await;
                gateway.access.set_listening(Listening { address: Some(address), error: None, notice });
                Ok(Server { gateway: gateway.clone(), listener, twin, tls })
            }
            Err(error) => {
                gateway
                    .access
                    .set_listening(Listening { error: Some(error.to_string()), ..Listening::default() });
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

    /// Serves until the gateway stops, then until every connection has ended.
    pub async fn run(self) {
        let router = routes::router(self.gateway.clone());
        let announcing = tokio::spawn({
            let gateway = self.gateway.clone();
            async move { gateway.announce_changes().await }
        });
        // Spans of the last calls go out after them: dropping `serving` is the sign.
        let (serving, served) = tokio::sync::oneshot::channel::<()>();
        let telemetry = tokio::spawn({
            let gateway = self.gateway.clone();
            async move { gateway.journal.telemetry.run(async { drop(served.await) }).await }
        });
        let places = Places::new(places(&self.gateway));
        let mut connections = JoinSet::new();
        loop {
            let accepted = tokio::select! {
                accepted = accept(&self.listener, self.twin.as_ref()) => accepted,
                () = self.gateway.drain.is_begun() => break,
            };
            match accepted {
                Ok((stream, peer)) => {
                    // Waiting for a place leaves further callers in the system's queue.
                    let place = tokio::select! {
                        place = places.take() => place,
                        () = self.gateway.drain.is_begun() => break,
                    };
                    let (gateway, router, tls) = (self.gateway.clone(), router.clone(), self.tls.clone());
                    connections
                        .spawn(async move { arrived(&gateway, router, tls, stream, peer, place).await });
                }
                Err(error) => {
                    // Out of file descriptors, most likely: wait for some to come back.
                    tracing::warn!(%error, "a connection could not be accepted");
                    tokio::time::sleep(Duration::from_millis(50)).await;
                }
            }
            while connections.try_join_next().is_some() {}
        }
        drop((self.listener, self.twin));
        while connections.join_next().await.is_some() {}
        announcing.abort();
        drop(serving);
        if let Err(error) = telemetry.await {
            tracing::error!(%error, "the last spans could not be sent");
        }
    }
}

async fn bind(
    gateway: &Gateway,
    address: SocketAddr,
) -> Result<(TcpListener, Option<TlsAcceptor>), BindError> {
    protection(&gateway.config, address)?;
    let tls =
        gateway.config.tls.as_ref().map(|tls| tls::acceptor(gateway.files.brain.home(), tls)).transpose();
    let tls = tls.map_err(BindError::Tls)?;
    let listener = TcpListener::bind(address).await.map_err(|source| match source.kind() {
        io::ErrorKind::AddrInUse => BindError::Taken { address, port: address.port() },
        _ => BindError::Unusable { address, source },
    })?;
    Ok((listener, tls))
}

/// The next connection on either address.
async fn accept(listener: &TcpListener, twin: Option<&TcpListener>) -> io::Result<(TcpStream, SocketAddr)> {
    match twin {
        None => listener.accept().await,
        Some(twin) => tokio::select! {
            accepted = listener.accept() => accepted,
            accepted = twin.accept() => accepted,
        },
    }
}

/// The same port of the other loopback address, and what the owner should know where it is not ours.
async fn twin(address: SocketAddr) -> (Option<TcpListener>, Option<String>) {
    let other: IpAddr = match address.ip() {
        IpAddr::V4(Ipv4Addr::LOCALHOST) => Ipv6Addr::LOCALHOST.into(),
        IpAddr::V6(Ipv6Addr::LOCALHOST) => Ipv4Addr::LOCALHOST.into(),
        _ => return (None, None),
    };
    let other = SocketAddr::new(other, address.port());
    match TcpListener::bind(other).await {
        Ok(listener) => (Some(listener), None),
        Err(error) if error.kind() == io::ErrorKind::AddrInUse => {
            tracing::warn!(%other, "another program listens there, and clients that say localhost may reach it");
            (
                None,
                Some(format!(
                    "Another program listens on {other}: clients that say localhost may reach it instead of zOS, with their keys."
                )),
            )
        }
        // A machine without the other kind of address.
        Err(error) => {
            tracing::debug!(%other, %error, "the other loopback address is not held");
            (None, None)
        }
    }
}

/// How many connections are served at once.
fn places(gateway: &Gateway) -> usize {
    let wanted = gateway.config.limits.connections;
    let possible = process::connections(wanted);
    if possible < wanted {
        tracing::warn!(
            wanted,
            possible,
            "limits.connections is more than the system has file descriptors for; raise its bound (ulimit -n)"
        );
    }
    possible
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
async fn arrived(
    gateway: &Arc<Gateway>,
    router: Router,
    tls: Option<TlsAcceptor>,
    stream: TcpStream,
    peer: SocketAddr,
    place: Place,
) {
    // Small events must leave at once: with Nagle's algorithm each waits for an acknowledgement.
    if let Err(error) = stream.set_nodelay(true) {
        tracing::debug!(%error, "TCP_NODELAY could not be set");
    }
    // Only where calls may come without a key does it matter whose they are.
    let caller = match stream.local_addr() {
        Ok(local) if gateway.access.auth.keyless => Caller::at(peer, local),
        _ => Caller::default(),
    };
    let stream = Watched::new(stream, place.clone(), gateway.config.upstream.idle_timeout);
    let Some(tls) = tls else { return connection(gateway, router, stream, caller, &place).await };
    let handshake = tokio::select! {
        handshake = tokio::time::timeout(HANDSHAKE_LIMIT, tls.accept(stream)) => handshake,
        () = place.is_wanted() => return,
        () = gateway.drain.is_begun() => return,
    };
    match handshake {
        Ok(Ok(stream)) => connection(gateway, router, stream, caller, &place).await,
        Ok(Err(error)) => tracing::debug!(%error, "a connection could not be encrypted"),
        Err(_) => tracing::debug!("a connection was not encrypted in time"),
    }
}

async fn connection(
    gateway: &Arc<Gateway>,
    router: Router,
    stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
    caller: Caller,
    place: &Place,
) {
    let mut builder = hyper::server::conn::http1::Builder::new();
    builder
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD_LIMIT)
        .max_buf_size(gateway.config.limits.header_bytes.max(8192))
        .max_headers(HEADERS_LIMIT);
    let router = TowerToHyperService::new(router);
    let service = service_fn(|mut request: http::Request<hyper::body::Incoming>| {
        place.is_busy();
        request.extensions_mut().insert(caller);
        let request = request.map(|body| Body::new(Arriving::new(body, place.clone())));
        let (answer, place) = (router.call(request), place.clone());
        async move { answer.await.map(|response| response.map(|body| Leaving::new(body, place))) }
    });
    let connection = builder.serve_connection(TokioIo::new(stream), service);
    tokio::pin!(connection);
    let served = tokio::select! {
        served = connection.as_mut() => served,
        () = place.is_wanted() => {
            // Whoever is in the middle of a call has been waited for long enough.
            if !place.has_no_call() {
                return tracing::debug!("a connection that waited for its caller made room for another");
            }
            connection.as_mut().graceful_shutdown();
            loop {
                match tokio::time::timeout(FAREWELL, connection.as_mut()).await {
                    Ok(served) => break served,
                    // A call that came at the last moment is served to its end.
                    Err(_) if !place.has_no_call() => {}
                    Err(_) => break Ok(()),
                }
            }
        }
        () = gateway.drain.is_begun() => {
            connection.as_mut().graceful_shutdown();
            tokio::select! {
                served = connection.as_mut() => served,
                () = async {
                    gateway.drain.is_cut().await;
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
