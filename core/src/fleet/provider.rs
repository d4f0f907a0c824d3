//! One provider: which API it speaks, where it is, and where its key comes from.

use std::fmt;
use std::net::IpAddr;

use serde::Serialize;
use url::{Host, Url};

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
}

impl fmt::Display for KeySource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Keychain(name) => write!(f, "keychain:{name}"),
            Self::Env(name) => write!(f, "env:{name}"),
        }
    }
}

/// One provider.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Provider {
    /// Its name in the fleet.
    pub name: String,
    /// The API it speaks. The demo provider speaks all; this is then only a label.
    pub api: Api,
    /// Address of its API; absent for the demo provider, which is inside this process.
    pub base_url: Option<Url>,
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
}

impl Provider {
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
        let provider = Provider {
            name: "p".into(),
            api,
            base_url: Some(parse_base_url(base, false).unwrap()),
            keys: Vec::new(),
            residency: None,
            retention: None,
            speaks_responses: true,
            dangerous_plain_http: false,
        };
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
