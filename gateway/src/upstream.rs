//! The way to the providers: one client for all of them, the built-in demo among them.
//!
//! Redirects are not followed. Compressed answers, which we do not ask for, are decoded. The way out is that of the
//! provider's entry in the fleet ([`clients`]).

pub(crate) mod breaker;
mod clients;
pub(crate) mod commands;
pub(crate) mod credentials;
mod decode;
pub(crate) mod demo;
pub(crate) mod departing;
pub mod discover;
pub(crate) mod lists;
pub mod providers;
pub(crate) mod unreachable;

use crate::config::UpstreamLimits;
use crate::inspectors::{BodyMemory, Inspectors};
use bytes::Bytes;
use clients::Clients;
use credentials::Keys;
use decode::Decoder;
use departing::Departing;
use futures::StreamExt;
use futures::stream::BoxStream;
use http::{HeaderMap, HeaderValue, StatusCode, header};
use std::sync::Arc;
use std::time::Duration;
use unreachable::{SetupError, Unreachable};
use url::Url;
use zos_core::{Home, Provider};

/// What goes to a provider.
#[derive(Clone)]
pub(crate) struct Outgoing {
    /// Path and query of the API.
    pub(crate) path: String,
    /// Headers that may leave, the credential among them.
    pub(crate) headers: Departing,
    /// The final body.
    pub(crate) body: Bytes,
}

/// A provider's answer, its body still to be read.
pub(crate) struct Answer {
    /// Its status.
    pub(crate) status: StatusCode,
    /// Its headers as it sent them.
    pub(crate) headers: HeaderMap,
    /// Its body.
    pub(crate) body: AnswerBody,
}

/// The body of an answer, decoded.
pub(crate) struct AnswerBody {
    source: Source,
    decoder: Option<Decoder>,
    idle_timeout: Duration,
    is_over: bool,
    /// What was read to see what the body is, or why it could not be.
    ahead: Option<Result<Bytes, UpstreamError>>,
}

enum Source {
    Http(Box<reqwest::Response>),
    Demo(BoxStream<'static, Bytes>),
}

/// Why a provider gave no answer, or no end of it.
#[derive(Debug, thiserror::Error)]
pub(crate) enum UpstreamError {
    /// No connection, so nothing was sent.
    #[error("the provider cannot be reached: {0}")]
    Connect(Unreachable),
    /// What its entry in the fleet asks for cannot be done, so nothing was sent.
    #[error("the provider cannot be called: {0}")]
    Setup(#[from] SetupError),
    /// Sent, but the answer broke off or was no HTTP.
    #[error("the connection to the provider broke")]
    Broken,
    /// Nothing arrived for too long.
    #[error("the provider took longer than {} s", .0.as_secs_f32())]
    Timeout(Duration),
    /// Others hold the memory that the answer needs.
    #[error("too many large answers are in progress")]
    Crowded,
    /// A content encoding that we cannot decode, or damaged data in one.
    #[error("the provider's answer is compressed in a way that cannot be read")]
    Encoding,
}

/// All providers.
pub(crate) struct Upstreams {
    clients: Clients,
    first_byte_timeout: Duration,
    idle_timeout: Duration,
    /// Which providers are left alone.
    pub(crate) breakers: breaker::Breakers,
    lists: lists::ModelLists,
    /// The owner's keys for providers.
    pub(crate) keys: Arc<Keys>,
}

/// The kinds of proxies that the HTTP client knows.
const PROXY_SCHEMES: &[&str] = &["http", "https", "socks4", "socks4a", "socks5", "socks5h"];

/// A client could not be made: the TLS configuration of this machine is broken.
#[derive(Debug, thiserror::Error)]
#[error("the HTTPS client cannot be made: {0}")]
pub struct ClientError(#[from] reqwest::Error);

/// Chooses the cryptography of every HTTPS client in this process. Doing it again changes nothing.
pub fn install_tls() {
    let _already_there = rustls::crypto::ring::default_provider().install_default();
}

impl Upstreams {
    /// Providers of a home, with these time limits.
    ///
    /// # Errors
    /// When no HTTPS client can be made on this machine.
    pub(crate) fn new(home: &Home, limits: &UpstreamLimits) -> Result<Self, ClientError> {
        install_tls();
        tell_unusable_proxies();
        // Made to be sure that one can be.
        reqwest::Client::builder().build()?;
        Ok(Upstreams {
            clients: Clients::new(home.root(), limits.connect_timeout),
            first_byte_timeout: limits.first_byte_timeout,
            idle_timeout: limits.idle_timeout,
            breakers: breaker::Breakers::default(),
            lists: lists::ModelLists::default(),
            keys: Arc::new(Keys::of(home)),
        })
    }

    /// Sends a body to a provider and waits for the head of its answer: for as long as its entry says, else for `timeout`
    /// where it is given.
    pub(crate) async fn send(
        &self,
        provider: &Provider,
        outgoing: Outgoing,
        timeout: Option<Duration>,
    ) -> Result<Answer, UpstreamError> {
        let Some(url) = provider.endpoint(&outgoing.path) else {
            let said = demo::answer(&outgoing.path, &outgoing.body);
            let body = AnswerBody {
                source: Source::Demo(said.body),
                decoder: None,
                idle_timeout: self.idle_timeout,
                is_over: false,
                ahead: None,
            };
            return Ok(Answer { status: said.status, headers: said.headers, body });
        };
        let request = self
            .clients
            .of(provider, &url)?
            .post(url)
            .headers(outgoing.headers.into_headers())
            .header(header::ACCEPT_ENCODING, HeaderValue::from_static("identity"))
            .body(outgoing.body);
        self.answer(provider, request, timeout).await
    }

    /// Asks a provider for a document, such as its list of models.
    pub(crate) async fn get(
        &self,
        provider: &Provider,
        url: Url,
        headers: Departing,
    ) -> Result<Answer, UpstreamError> {
        let request = self.clients.of(provider, &url)?.get(url).headers(headers.into_headers());
        self.answer(provider, request, None).await
    }

    async fn answer(
        &self,
        provider: &Provider,
        request: reqwest::RequestBuilder,
        timeout: Option<Duration>,
    ) -> Result<Answer, UpstreamError> {
        let timeout = provider.limits.first_byte.or(timeout).unwrap_or(self.first_byte_timeout);
        let response = tokio::time::timeout(timeout, request.send())
            .await
            .map_err(|_| UpstreamError::Timeout(timeout))?
            .map_err(|error| match error {
                error if error.is_connect() => UpstreamError::Connect(Unreachable::of(&error, provider)),
                _ => UpstreamError::Broken,
            })?;
        let decoder = Decoder::of(response.headers())?;
        Ok(Answer {
            status: response.status(),
            headers: response.headers().clone(),
            body: AnswerBody {
                source: Source::Http(Box::new(response)),
                decoder,
                idle_timeout: provider.limits.idle.unwrap_or(self.idle_timeout),
                is_over: false,
                ahead: None,
            },
        })
    }
}

/// Tells of proxies in the environment that cannot be used: calls go past them, which their owner may not want.
fn tell_unusable_proxies() {
    for variable in ["ALL_PROXY", "all_proxy", "HTTPS_PROXY", "https_proxy", "HTTP_PROXY", "http_proxy"] {
        let Ok(value) = std::env::var(variable) else { continue };
        if value.split_once("://").is_some_and(|(scheme, _)| !PROXY_SCHEMES.contains(&scheme)) {
            tracing::warn!(
                variable,
                "the proxy of this variable is of a kind that cannot be used, so calls go past it; write one of {}",
                PROXY_SCHEMES.join("://, ")
            );
        }
    }
}

impl AnswerBody {
    /// The first decoded bytes, at least `least` unless there are fewer. They are still to be read.
    pub(crate) async fn begin(&mut self, least: usize) -> &[u8] {
        let mut first = Bytes::new();
        while first.len() < least {
            match self.chunk().await {
                Ok(Some(next)) if first.is_empty() => first = next,
                Ok(Some(next)) => first = [first, next].concat().into(),
                Ok(None) => break,
                Err(error) => {
                    self.ahead = Some(Err(error));
                    return &[];
                }
            }
            // Should this wait be given up, nothing of it is lost.
            self.ahead = Some(Ok(first.clone()));
            if first.len() < least {
                first = self.ahead.take().and_then(Result::ok).unwrap_or_default();
            }
        }
        let ahead = self.ahead.insert(Ok(first));
        ahead.as_deref().unwrap_or_default()
    }

    /// The next decoded bytes; `None` at the end.
    pub(crate) async fn chunk(&mut self) -> Result<Option<Bytes>, UpstreamError> {
        match self.ahead.take() {
            Some(Ok(first)) if !first.is_empty() => return Ok(Some(first)),
            Some(Err(error)) => return Err(error),
            _ => {}
        }
        while !self.is_over {
            let next = tokio::time::timeout(self.idle_timeout, async {
                match &mut self.source {
                    Source::Http(response) => response.chunk().await.map_err(|_| UpstreamError::Broken),
                    Source::Demo(body) => Ok(body.next().await),
                }
            });
            let raw = next.await.map_err(|_| UpstreamError::Timeout(self.idle_timeout))??;
            self.is_over = raw.is_none();
            let decoded = match (&mut self.decoder, raw) {
                (None, raw) => raw.unwrap_or_default(),
                (Some(decoder), Some(raw)) => decoder.push(&raw)?,
                (Some(decoder), None) => decoder.finish()?,
            };
            if !decoded.is_empty() {
                return Ok(Some(decoded));
            }
        }
        Ok(None)
    }

    /// The whole rest of the body, at most `limit_bytes`; `None` when it is larger.
    pub(crate) async fn whole(&mut self, limit_bytes: usize) -> Result<Option<Bytes>, UpstreamError> {
        self.whole_within(limit_bytes, None).await
    }

    /// The same, within the memory that all calls share: it is taken before more of the answer is kept.
    pub(crate) async fn whole_within(
        &mut self,
        limit_bytes: usize,
        mut shared: Option<(&Inspectors, &mut BodyMemory)>,
    ) -> Result<Option<Bytes>, UpstreamError> {
        let Some(first) = self.chunk().await? else { return Ok(Some(Bytes::new())) };
        if first.len() > limit_bytes {
            return Ok(None);
        }
        grow(&mut shared, first.len(), first.len()).await?;
        let Some(second) = self.chunk().await? else { return Ok(Some(first)) };
        let mut whole = Vec::from(first);
        let mut next = Some(second);
        while let Some(chunk) = next {
            let length = whole.len() + chunk.len();
            if length > limit_bytes {
                return Ok(None);
            }
            grow(&mut shared, length, chunk.len()).await?;
            whole.extend_from_slice(&chunk);
            next = self.chunk().await?;
        }
        Ok(Some(whole.into()))
    }
}

/// Takes memory for an answer that has grown by so many bytes to this length.
async fn grow(
    shared: &mut Option<(&Inspectors, &mut BodyMemory)>,
    length: usize,
    by: usize,
) -> Result<(), UpstreamError> {
    match shared {
        Some((inspectors, memory)) => {
            inspectors.grow(memory, length, by).await.map_err(|_| UpstreamError::Crowded)
        }
        None => Ok(()),
    }
}
