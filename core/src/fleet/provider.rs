//! One provider: which API it speaks, where it is, and where its key comes from.

use std::fmt;
use std::net::IpAddr;
use std::path::PathBuf;
use std::time::Duration;

use serde::Serialize;
use url::{Host, Url};

use super::{Auth, Headers, KeyCommand};

/// A wire API that clients and providers speak.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Api {
    /// Anthropic's messages API.
    Anthropic,
    /// OpenAI's API: chat completions, responses, embeddings.
    OpenAi,
}

impl Api {
    /// `anthropic` or `openai`, as files write it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Anthropic => "anthropic",
            Self::OpenAi => "openai",
        }
    }

    /// Way in which its makers' own service is shown who calls.
    pub fn usual_auth(self) -> Auth {
        match self {
            Self::Anthropic => Auth::XApiKey,
            Self::OpenAi => Auth::Bearer,
        }
    }
}

impl fmt::Display for Api {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// Sources of a provider's key.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub enum KeySource {
    /// The OS keychain, under this name.
    Keychain(String),
    /// The environment variable of this name.
    Env(String),
    /// A program that prints it.
    Command(KeyCommand),
}

/// Shows of a command the program alone: an argument may name an account.
impl fmt::Display for KeySource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Keychain(name) => write!(f, "keychain:{name}"),
            Self::Env(name) => write!(f, "env:{name}"),
            Self::Command(command) => write!(f, "command:{}", command.program()),
        }
    }
}

/// Ways in which calls of a provider are paid for.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Billing {
    /// By the token, at the prices of its models.
    #[default]
    Tokens,
    /// By a plan, so that a call costs no further money.
    Plan,
}

/// The way out to a provider, where it is not the one of the environment.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub enum Proxy {
    /// None, whatever the environment says.
    None,
    /// The proxy at this address: `http`, `https`, `socks5` or `socks5h`.
    At(Url),
}

/// Longest waits for a provider; absent ones are those of the gateway.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct TimeLimits {
    /// Until there is a connection.
    pub connect: Option<Duration>,
    /// Until the head of an answer has arrived.
    pub first_byte: Option<Duration>,
    /// Between two pieces of an answer.
    pub idle: Option<Duration>,
}

/// Models that take over once a share of a plan's quota is used.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct StepDown {
    /// Share of any of its quotas, in percent from 1 to 100.
    pub at_percent: u8,
    /// Models, in the order in which they are tried. Each has to pass the hard filter of the call.
    pub to: Vec<String>,
}

/// One provider.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Provider {
    /// Its name in the fleet.
    pub name: String,
    /// Name of the preset that filled in what the file does not say.
    pub preset: Option<&'static str>,
    /// The API it speaks. The demo provider speaks all; this is then only a label.
    pub api: Api,
    /// Address of its API; absent for the demo provider, which is inside this process.
    pub base_url: Option<Url>,
    /// Way in which it is shown who calls.
    pub auth: Auth,
    /// Sources of its key, in the order in which they are asked; empty where it needs none.
    pub keys: Vec<KeySource>,
    /// Residency of its data, in the person's words.
    pub residency: Option<String>,
    /// Retention of what it is sent, in the person's words.
    pub retention: Option<String>,
    /// Whether it has the responses endpoint; where not, such calls are carried to chat completions.
    pub speaks_responses: bool,
    /// Whether the owner accepts plain http to it over a network.
    pub dangerous_plain_http: bool,
    /// The way out to it; absent means the environment's, and none for this machine.
    pub proxy: Option<Proxy>,
    /// File with the certificates that vouch for it beside those of the system, as PEM. A relative path begins at the home.
    pub ca: Option<PathBuf>,
    /// How long it is waited for.
    pub limits: TimeLimits,
    /// Headers of the caller that it is sent beside those that every provider is.
    pub pass_up: Headers,
    /// Headers of its answers that reach the caller beside those of every provider.
    pub pass_down: Headers,
    /// What pays for its calls.
    pub billing: Billing,
    /// Models that take over when its plan runs short.
    pub step_down: Option<StepDown>,
}

impl Provider {
    /// A provider of which no more is known than this: no key, and what is usual for its API.
    pub fn at(name: &str, api: Api, base_url: Option<Url>) -> Self {
        Self {
            name: name.to_owned(),
            preset: None,
            api,
            base_url,
            auth: api.usual_auth(),
            keys: Vec::new(),
            residency: None,
            retention: None,
            speaks_responses: true,
            dangerous_plain_http: false,
            proxy: None,
            ca: None,
            limits: TimeLimits::default(),
            pass_up: Headers::default(),
            pass_down: Headers::default(),
            billing: Billing::default(),
            step_down: None,
        }
    }

    /// The program that prints its key, where that is a source of it.
    pub fn key_command(&self) -> Option<&KeyCommand> {
        self.keys.iter().find_map(|source| match source {
            KeySource::Command(command) => Some(command),
            KeySource::Keychain(_) | KeySource::Env(_) => None,
        })
    }

    /// Whether it is on this machine.
    pub fn is_on_this_machine(&self) -> bool {
        self.base_url.as_ref().is_some_and(is_loopback)
    }

    /// Whether this is the built-in demo provider.
    pub fn is_demo(&self) -> bool {
        self.base_url.is_none()
    }

    /// The address of an API path such as `/v1/messages` or `/v1/chat/completions?x=y` at this
    /// provider; absent for the demo provider. The base of an OpenAI provider holds its version
    /// already (`…/v1`), the base of an Anthropic provider is its root.
    pub fn endpoint(&self, path_and_query: &str) -> Option<Url> {
        let base = self.base_url.as_ref()?;
        let (path, query) = match path_and_query.split_once('?') {
            Some((path, query)) => (path, Some(query)),
            None => (path_and_query, None),
        };
        let root = base.path().trim_end_matches('/');
        let joined = match self.api {
            Api::OpenAi => format!("{root}{}", path.strip_prefix("/v1").unwrap_or(path)),
            Api::Anthropic => {
                format!("{}{path}", root.strip_suffix("/v1").unwrap_or(root).trim_end_matches('/'))
            }
        };
        let mut url = base.clone();
        url.set_path(&joined);
        url.set_query(query.or(base.query()));
        Some(url)
    }
}

/// Why an address cannot be a provider's base.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum BaseUrlError {
    #[error("\"{0}\" is not an address")]
    NotAnAddress(String),
    #[error("an address starts with https:// or http://")]
    Scheme,
    #[error("the address holds a user name or password")]
    UserInfo,
    #[error("plain http to \"{0}\" would show every prompt to the network")]
    PlainHttp(String),
    #[error("the address ends in a fragment (#…)")]
    Fragment,
}

impl BaseUrlError {
    pub(crate) fn fix(&self) -> &'static str {
        match self {
            Self::NotAnAddress(_) | Self::Scheme => "write for example https://api.example.com/v1",
            Self::UserInfo => "remove it and put the key in the keychain: key: \"keychain:NAME\"",
            Self::PlainHttp(_) => {
                "write https://, or add dangerous_plain_http: true if that network is yours alone"
            }
            Self::Fragment => "remove everything from # on",
        }
    }
}

/// Checks the base address of a provider.
pub(crate) fn parse_base_url(text: &str, plain_http_allowed: bool) -> Result<Url, BaseUrlError> {
    // An unparsable address may hold a password: it is shown only when it cannot.
    let shown = if text.contains('@') { "…" } else { text };
    let url = Url::parse(text.trim()).map_err(|_| BaseUrlError::NotAnAddress(shown.to_owned()))?;
    if !matches!(url.scheme(), "http" | "https") {
        return Err(BaseUrlError::Scheme);
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Err(BaseUrlError::UserInfo);
    }
    if url.fragment().is_some() {
        return Err(BaseUrlError::Fragment);
    }
    if url.scheme() == "http" && !plain_http_allowed && !is_loopback(&url) {
        return Err(BaseUrlError::PlainHttp(url.host_str().unwrap_or_default().to_owned()));
    }
    Ok(url)
}

fn is_loopback(url: &Url) -> bool {
    match url.host() {
        Some(Host::Domain(name)) => name == "localhost" || name.ends_with(".localhost"),
        Some(Host::Ipv4(address)) => IpAddr::V4(address).is_loopback(),
        Some(Host::Ipv6(address)) => address.to_canonical().is_loopback(),
        None => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn endpoint(api: Api, base: &str, path: &str) -> String {
        let provider = Provider::at("p", api, Some(parse_base_url(base, false).unwrap()));
        provider.endpoint(path).unwrap().to_string()
    }

    #[test]
    fn an_openai_base_holds_its_version_already() {
        let path = "/v1/chat/completions";
        for (base, url) in [
            ("https://api.openai.com/v1", "https://api.openai.com/v1/chat/completions"),
            ("https://api.openai.com/v1/", "https://api.openai.com/v1/chat/completions"),
            ("https://h.example/v1beta/openai", "https://h.example/v1beta/openai/chat/completions"),
            ("http://127.0.0.1:8080", "http://127.0.0.1:8080/chat/completions"),
            ("https://h.example/v1?api-version=2", "https://h.example/v1/chat/completions?api-version=2"),
        ] {
            assert_eq!(endpoint(Api::OpenAi, base, path), url);
        }
    }

    #[test]
    fn an_anthropic_base_is_the_root_and_a_version_is_tolerated() {
        for base in
            ["https://a.example", "https://a.example/", "https://a.example/v1", "https://a.example/v1//"]
        {
            assert_eq!(
                endpoint(Api::Anthropic, base, "/v1/messages?beta=true"),
                "https://a.example/v1/messages?beta=true"
            );
        }
        assert_eq!(
            endpoint(Api::Anthropic, "https://a.example/proxy/v1", "/v1/messages"),
            "https://a.example/proxy/v1/messages"
        );
    }

    #[test]
    fn an_unsafe_base_is_refused() {
        let refused = |text| parse_base_url(text, false).unwrap_err();
        assert_eq!(refused("ftp://a.example"), BaseUrlError::Scheme);
        assert_eq!(refused("file:///etc/passwd"), BaseUrlError::Scheme);
        assert_eq!(refused("https://me:secret@a.example"), BaseUrlError::UserInfo);
        assert_eq!(refused("https://me@a.example"), BaseUrlError::UserInfo);
        assert_eq!(refused("http://a.example/v1"), BaseUrlError::PlainHttp("a.example".into()));
        assert_eq!(
            refused("http://127.0.0.1.a.example"),
            BaseUrlError::PlainHttp("127.0.0.1.a.example".into())
        );
        assert_eq!(refused("api.example.com"), BaseUrlError::NotAnAddress("api.example.com".into()));
        assert!(!refused("me:sec ret@a").to_string().contains("sec"));
        for fine in
            ["http://localhost:1", "http://127.8.0.1/v1", "http://[::1]:80", "http://[::ffff:127.0.0.1]/"]
        {
            assert!(parse_base_url(fine, false).is_ok(), "{fine}");
        }
        assert!(parse_base_url("http://a.example/v1", true).is_ok());
    }
}
