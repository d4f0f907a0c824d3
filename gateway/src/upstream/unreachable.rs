//! Why a provider cannot be reached, in kinds that a person can act on.

use std::error::Error;
use zos_core::Provider;
use zos_core::fleet::Proxy;

/// Why there is no connection to a provider. Nothing was sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Unreachable {
    /// Its name is not known.
    #[error("its name is not known to the network")]
    Name,
    /// Nothing listens there.
    #[error("nothing listens at its address")]
    Refused,
    /// It cannot prove who it is, or speaks no TLS.
    #[error("a secure connection to it cannot be made")]
    Tls,
    /// The proxy of its entry does not answer, or does not let calls through.
    #[error("the proxy on the way to it does not let the call through")]
    Proxy,
    /// It does not answer in time.
    #[error("it does not answer a connection in time")]
    Slow,
    /// Anything else between here and there.
    #[error("the network does not lead there")]
    Network,
}

/// Why no client can be made for a provider.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum SetupError {
    /// Its certificates cannot be read.
    #[error("the certificates that `ca` names cannot be used: {0}")]
    Ca(String),
    /// Its proxy has no usable address.
    #[error("the address of its `proxy` cannot be used")]
    Proxy,
    /// The HTTPS client cannot be made.
    #[error("the HTTPS client cannot be made")]
    Client,
}

impl Unreachable {
    /// The kind of an error of the HTTP client that is about connecting.
    pub(super) fn of(error: &reqwest::Error, provider: &Provider) -> Self {
        let mut kind = None;
        let mut cause: Option<&(dyn Error + 'static)> = error.source();
        while let Some(now) = cause {
            kind = kind.or_else(|| kind_of(now));
            cause = now.source();
        }
        let kind = match kind {
            Some(kind) => kind,
            None if error.is_dns() => Self::Name,
            None if error.is_timeout() => Self::Slow,
            None => Self::Network,
        };
        match (&provider.proxy, kind) {
            // Beyond a proxy only TLS is the provider's own.
            (Some(Proxy::At(_)), kind) if kind != Self::Tls => Self::Proxy,
            (_, kind) => kind,
        }
    }

    /// What to do about it.
    pub(crate) fn hint(self) -> &'static str {
        match self {
            Self::Name => "Check the network, and the host in its base_url in routing/fleet.yml.",
            Self::Refused => "Start it, or check the port in its base_url in routing/fleet.yml.",
            Self::Tls => {
                "Check that its base_url says http or https as the server does; for a company's own certificates name \
                 their file: `ca: FILE.pem` in routing/fleet.yml."
            }
            Self::Proxy => {
                "Check `proxy` of the provider in routing/fleet.yml, and that the proxy runs and knows you."
            }
            Self::Slow | Self::Network => {
                "Check the network, a proxy in the environment of zOS, and its base_url in routing/fleet.yml."
            }
        }
    }
}

fn kind_of(error: &(dyn Error + 'static)) -> Option<Unreachable> {
    if error.is::<rustls::Error>() {
        return Some(Unreachable::Tls);
    }
    let error = error.downcast_ref::<std::io::Error>()?;
    // An error within one of these is not its source.
    if let Some(inner) = error.get_ref() {
        let inner: &(dyn Error + 'static) = inner;
        if let Some(kind) = kind_of(inner) {
            return Some(kind);
        }
    }
    match error.kind() {
        std::io::ErrorKind::ConnectionRefused => Some(Unreachable::Refused),
        std::io::ErrorKind::TimedOut => Some(Unreachable::Slow),
        _ => None,
    }
}
