//! HTTP clients: one for each way out to providers that the fleet asks for, made when it is first needed.
//!
//! Redirects are not followed. A provider on this machine is never reached through a proxy of the environment; one that its
//! own entry names is used wherever it is.

use super::unreachable::SetupError;
use crate::access::is_on_this_machine;
use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, SystemTime};
use url::Url;
use zos_core::Provider;
use zos_core::fleet::Proxy;

/// Clients that are kept: each holds connections.
const KEPT: usize = 64;

/// The largest file of certificates that is read: the whole list of a browser is a quarter of it.
const CA_LIMIT_BYTES: usize = 1 << 20;

/// What one client differs in from another.
#[derive(Clone, PartialEq, Eq, Hash)]
struct Way {
    on_this_machine: bool,
    proxy: Option<Proxy>,
    connect_timeout: Duration,
    /// File of certificates, and its time and size: a file that is replaced counts at once.
    ca: Option<(PathBuf, Option<SystemTime>, u64)>,
}

/// All clients.
pub(super) struct Clients {
    home: PathBuf,
    connect_timeout: Duration,
    made: Mutex<HashMap<Way, reqwest::Client>>,
}

impl Clients {
    /// No client yet. A relative path of certificates begins at `home`.
    pub(super) fn new(home: &Path, connect_timeout: Duration) -> Self {
        Clients { home: home.to_owned(), connect_timeout, made: Mutex::default() }
    }

    /// The client for a provider's address.
    ///
    /// # Errors
    /// When its certificates cannot be read.
    pub(super) fn of(&self, provider: &Provider, url: &Url) -> Result<reqwest::Client, SetupError> {
        let way = Way {
            on_this_machine: is_on_this_machine(url),
            proxy: provider.proxy.clone(),
            connect_timeout: provider.limits.connect.unwrap_or(self.connect_timeout),
            ca: match &provider.ca {
                None => None,
                Some(path) => {
                    let path = self.home.join(path);
                    let found =
                        std::fs::metadata(&path).map_err(|error| SetupError::Ca(error.kind().to_string()))?;
                    Some((path, found.modified().ok(), found.len()))
                }
            },
        };
        let mut made = self.made.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(client) = made.get(&way) {
            return Ok(client.clone());
        }
        let client = make(&way)?;
        if made.len() >= KEPT {
            made.clear();
        }
        made.insert(way, client.clone());
        Ok(client)
    }
}

fn make(way: &Way) -> Result<reqwest::Client, SetupError> {
    let mut client = reqwest::Client::builder()
        .redirect(reqwest::redirect::Policy::none())
        .connect_timeout(way.connect_timeout)
        .pool_idle_timeout(Duration::from_secs(60))
        .tcp_nodelay(true)
        .referer(false);
    client = match &way.proxy {
        Some(Proxy::At(url)) => {
            client.proxy(reqwest::Proxy::all(url.as_str()).map_err(|_| SetupError::Proxy)?)
        }
        Some(Proxy::None) => client.no_proxy(),
        None if way.on_this_machine => client.no_proxy(),
        None => client,
    };
    if let Some((path, ..)) = &way.ca {
        let bytes = zos_seal::read_regular(path, CA_LIMIT_BYTES)
            .map_err(|error| SetupError::Ca(error.kind().to_string()))?;
        let certificates = reqwest::Certificate::from_pem_bundle(&bytes)
            .map_err(|_| SetupError::Ca("it holds no certificate in PEM".to_owned()))?;
        if certificates.is_empty() {
            return Err(SetupError::Ca("it holds no certificate in PEM".to_owned()));
        }
        client = client.tls_certs_merge(certificates);
    }
    client.build().map_err(|_| SetupError::Client)
}
