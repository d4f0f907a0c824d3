//! Access: who may talk to the gateway at all, and by which secrets of ours.
//!
//! Host and Origin rules, the users of this machine, zOS keys and the admin token, and where the listener is. Nothing of
//! what a call says is looked at here.

pub(crate) mod caller;
pub(crate) mod cors;
pub(crate) mod exposure;

use crate::config::{Auth, Config};
use crate::journal::Journal;
use exposure::Strangers;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};
use url::{Host, Url};
use zos_core::{Home, Provider};
use zos_seal::{ClientKeys, KeysError, OwnSecrets, Secret, TokenError};

/// Keys, tokens and rules of who may call.
pub(crate) struct Access {
    /// Who may call, as gateway/config.yml says.
    pub(crate) auth: Auth,
    /// The zOS keys.
    pub(crate) keys: ClientKeys,
    /// What recognises secrets of this home in what others send.
    pub(crate) own_secrets: OwnSecrets,
    /// The token of the admin API on the listener.
    pub(crate) admin_token: Secret,
    /// Web pages that may not call, and how many of their requests leave a record.
    pub(crate) strangers: Strangers,
    /// Where the listener is, or why there is none.
    listening: Mutex<Listening>,
    journal: Arc<Journal>,
}

/// State of the listener.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Listening {
    /// Its address, once it listens.
    pub address: Option<SocketAddr>,
    /// Why it does not, in words.
    pub error: Option<String>,
    /// What the owner should know although it does.
    pub notice: Option<String>,
}

/// Why keys or token of a home cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum AccessError {
    /// The zOS keys cannot be read.
    #[error(transparent)]
    Keys(#[from] KeysError),
    /// The admin token cannot be read or made.
    #[error(transparent)]
    Token(#[from] TokenError),
}

impl Access {
    /// The keys and rules of a home.
    ///
    /// # Errors
    /// When the zOS keys cannot be read, or the admin token can be neither read nor made.
    pub(crate) fn open(home: &Home, config: &Config, journal: Arc<Journal>) -> Result<Self, AccessError> {
        let keys = ClientKeys::open(&home.keys())?;
        let admin_token = zos_seal::admin_token(&home.admin_token())?;
        Ok(Access {
            auth: config.auth.clone(),
            keys,
            own_secrets: OwnSecrets::new(Some(admin_token.clone())),
            admin_token,
            strangers: Strangers::default(),
            listening: Mutex::default(),
            journal,
        })
    }

    /// Where the listener is, or why there is none.
    pub(crate) fn listening(&self) -> Listening {
        self.listening.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Notes where the listener is now.
    pub(crate) fn set_listening(&self, listening: Listening) {
        *self.listening.lock().unwrap_or_else(PoisonError::into_inner) = listening;
        self.journal.health_changed();
    }

    /// Whether a provider's address is the one we listen on ourselves.
    pub(crate) fn is_own_address(&self, provider: &Provider) -> bool {
        let (Some(url), Some(own)) = (&provider.base_url, self.listening().address) else { return false };
        url.port_or_known_default() == Some(own.port()) && is_on_this_machine(url)
    }
}

/// Whether an address names this machine. `0.0.0.0` does: systems connect it to themselves.
pub(crate) fn is_on_this_machine(url: &Url) -> bool {
    match url.host() {
        Some(Host::Domain(name)) => name == "localhost" || name.ends_with(".localhost"),
        Some(Host::Ipv4(address)) => address.is_loopback() || address.is_unspecified(),
        Some(Host::Ipv6(address)) => {
            let address = address.to_canonical();
            address.is_loopback() || address.is_unspecified()
        }
        None => false,
    }
}
