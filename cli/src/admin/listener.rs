//! The zOS that runs on this home: whether there is one, where it listens, and how it is asked.
//!
//! The admin token is sent only to this machine, and on Linux only to a program of the same user or of
//! root: whoever took the port after a crash must not be given it.

use super::{Ask, Running, read};
use crate::failure::{Failure, Result};
use crate::listening;
use crate::port;
use http::header;
use serde_json::Value;
use std::fs::{File, TryLockError};
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;
use zos_core::{Code, Home};
use zos_gateway::config::Config;
use zos_seal::Secret;

/// How often, and how long apart, a zOS that is just starting is looked for.
const LOOKS: u32 = 5;
const BETWEEN_LOOKS: Duration = Duration::from_millis(100);

/// How long the first question may take; the answer needs no disk.
const GREETING_LIMIT: Duration = Duration::from_secs(2);

/// How long any other question may take: as long as a provider may be silent, and a bit.
const ANSWER_LIMIT: Duration = Duration::from_secs(150);

/// A zOS that answers.
pub(crate) struct Listener {
    client: reqwest::Client,
    origin: String,
    token: Secret,
}

impl Listener {
    fn new(scheme: &str, address: SocketAddr, token: Secret) -> reqwest::Result<Self> {
        zos_gateway::install_tls();
        // No certificates are loaded, which would take a while: nothing leaves this machine, and that it is
        // our listener follows from whose program has the port, not from a name in a certificate.
        let client = reqwest::Client::builder()
            .no_proxy()
            .tls_certs_only([])
            .tls_danger_accept_invalid_certs(true)
            .redirect(reqwest::redirect::Policy::none());
        let client = client.timeout(ANSWER_LIMIT).connect_timeout(GREETING_LIMIT).build()?;
        Ok(Listener { client, origin: format!("{scheme}://{}", reachable(address)), token })
    }

    /// Asks, and gives the body of the answer.
    pub(crate) async fn ask(&self, ask: &Ask<'_>) -> Result<Value> {
        let asked = self.request(ask).send().await;
        let gone = |error: reqwest::Error| {
            let why = if error.is_timeout() { "did not answer in time" } else { "ended the connection" };
            Failure::failed(Code::Unreachable, format!("The zOS at {} {why}.", self.origin))
                .hint("`zos status` tells whether it still runs.")
        };
        let answer = asked.map_err(gone)?;
        let status = answer.status();
        let body = answer.bytes().await.map_err(gone)?;
        read(status, &body)
    }

    fn request(&self, ask: &Ask<'_>) -> reqwest::RequestBuilder {
        let request = self.client.request(ask.method.clone(), ask.url(&self.origin));
        // As a name of this machine, which every listener serves.
        let request = request.header(header::HOST, "localhost").bearer_auth(self.token.expose());
        match &ask.body {
            Some(body) => request.json(body),
            None => request,
        }
    }

    /// Whether it is the zOS of this home.
    async fn is_of(&self, home: &Home) -> bool {
        let ask = Ask::get(&["status"]);
        let answered = async { self.request(&ask).send().await.ok()?.json::<Value>().await.ok() };
        let status = tokio::time::timeout(GREETING_LIMIT, answered).await.ok().flatten();
        status.is_some_and(|status| status["home"] == home.root().display().to_string().as_str())
    }
}

/// Whether some process works on this home: it then holds the ledger.
pub(super) fn is_home_in_use(home: &Home) -> bool {
    let mut path = home.usage_db().into_os_string();
    path.push(".lock");
    let Ok(lock) = File::open(PathBuf::from(path)) else { return false };
    matches!(lock.try_lock_shared(), Err(TryLockError::WouldBlock))
}

/// Finds the zOS that works on this home.
pub(super) async fn find(home: &Home) -> Running {
    let mut why = String::new();
    for look in 0..LOOKS {
        if look > 0 {
            tokio::time::sleep(BETWEEN_LOOKS).await;
        }
        if !is_home_in_use(home) {
            return Running::No;
        }
        match try_addresses(home).await {
            Ok(listener) => return Running::Yes(listener),
            Err(reason) => why = reason,
        }
    }
    Running::Deaf(why)
}

/// Tries the places where it may listen.
async fn try_addresses(home: &Home) -> std::result::Result<Listener, String> {
    let config = Config::load(home).ok();
    let scheme = config.as_ref().map_or("http", Config::scheme);
    let configured = config.map(|config| config.listen);
    let announced = listening::announced(home).map(|listening| listening.address);
    let addresses: Vec<SocketAddr> = announced.into_iter().chain(configured).collect();
    let mut why = format!("zOS runs on {}, but where it listens is unknown.", home.root().display());
    for address in addresses {
        if !port::is_trusted(address.port()) {
            why = format!(
                "zOS runs on {}, but another user's program listens on {address}.",
                home.root().display()
            );
            continue;
        }
        let token =
            zos_seal::admin_token(&home.admin_token()).map_err(|error| crate::failure::sentence(&error))?;
        let listener =
            Listener::new(scheme, address, token).map_err(|error| crate::failure::sentence(&error))?;
        if listener.is_of(home).await {
            return Ok(listener);
        }
        why = format!("zOS runs on {}, but does not answer at {}.", home.root().display(), listener.origin);
    }
    Err(why)
}

/// An address as one that can be called from this machine.
pub(crate) fn reachable(address: SocketAddr) -> SocketAddr {
    match address {
        SocketAddr::V4(v4) if v4.ip().is_unspecified() => (Ipv4Addr::LOCALHOST, v4.port()).into(),
        SocketAddr::V6(v6) if v6.ip().is_unspecified() => (Ipv6Addr::LOCALHOST, v6.port()).into(),
        address => address,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_address_is_one_that_can_be_called() {
        for (address, called) in [
            ("0.0.0.0:1", "127.0.0.1:1"),
            ("[::]:2", "[::1]:2"),
            ("127.0.0.1:3", "127.0.0.1:3"),
            ("10.0.0.1:4", "10.0.0.1:4"),
        ] {
            assert_eq!(reachable(address.parse().unwrap()).to_string(), called);
        }
    }
}
