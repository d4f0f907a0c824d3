//! The last look at the headers of a call before they leave this machine.
//!
//! Whatever goes to a provider needs [`Departing`], and only [`Departing::checked`] makes one: a header that
//! a later change adds to the list passes here too. A secret of ours in a header that comes from a caller is
//! known by its shape. The owner's own credential may have that shape, where the provider is a zOS of another
//! machine, so of that only what this gateway itself has handed out is stopped.

use super::credentials::Credential;
use crate::access::Access;
use http::HeaderMap;

/// Headers without any secret of this gateway.
#[derive(Clone)]
pub(crate) struct Departing(HeaderMap);

/// A header holds a secret of this gateway, so nothing leaves.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("a header that would go to the provider holds a zOS key or the admin token")]
pub(crate) struct HoldsOwnSecret;

impl Departing {
    /// Looks at everything that would leave: what is passed on, and the credential.
    ///
    /// # Errors
    /// When any value holds a secret of this gateway.
    pub(crate) fn checked(
        access: &Access,
        passed: HeaderMap,
        credential: Credential,
    ) -> Result<Departing, HoldsOwnSecret> {
        let by_shape = |headers: &HeaderMap| {
            headers.values().any(|value| !access.own_secrets.find(value.as_bytes()).is_empty())
        };
        let holds = match &credential {
            Credential::Callers(headers) => by_shape(headers),
            Credential::Owners(headers) | Credential::Printed(headers, _) => headers.values().any(|value| {
                access.own_secrets.find(value.as_bytes()).iter().any(|spotted| {
                    spotted.kind == zos_seal::own_secrets::SecretKind::AdminToken
                        || access.keys.has(spotted.text.expose())
                })
            }),
        };
        if holds || by_shape(&passed) {
            return Err(HoldsOwnSecret);
        }
        let mut headers = passed;
        headers.extend(credential.into_headers());
        Ok(Departing(headers))
    }

    /// The headers, for the client that sends them.
    pub(super) fn into_headers(self) -> HeaderMap {
        self.0
    }
}
