//! The only place where a credential is put on a request.
//!
//! What a client may present: a zOS key, which never leaves this machine, or a credential of its own for
//! the provider (an API key, or the token of a subscription), which is passed through. A client's own
//! credential goes only to the provider that its API is served by unless told otherwise: a token for one
//! company is not shown to another because a model name was routed there.

use http::{HeaderMap, HeaderValue, header};
use std::sync::Arc;
use zos_core::{Api, KeySource, Provider};
use zos_seal::{Secret, Vault, VaultError};

/// What SDKs that insist on a key may be given in place of one.
const PLACEHOLDER: &str = "zos";

/// How zOS keys begin.
const ZOS_PREFIX: &str = "zos_";

/// What a client presented.
#[derive(Default)]
pub(crate) struct Presented {
    /// A key of ours.
    pub(crate) zos_key: Option<Secret>,
    /// Headers that hold a credential of its own.
    own: HeaderMap,
}

impl Presented {
    /// Reads `x-zos-key`, `x-api-key` and `authorization`.
    pub(crate) fn read(headers: &HeaderMap) -> Self {
        let mut presented = Presented::default();
        if let Some(key) = headers.get("x-zos-key") {
            presented.zos_key = Some(Secret::new(key.to_str().unwrap_or_default().trim().to_owned()));
        }
        for name in [header::HeaderName::from_static("x-api-key"), header::AUTHORIZATION] {
            for value in headers.get_all(&name) {
                let text = value.to_str().unwrap_or_default().trim();
                let bearer = text.get(..7).filter(|scheme| scheme.eq_ignore_ascii_case("bearer "));
                let token = bearer.map_or(text, |_| text[7..].trim());
                if token.starts_with(ZOS_PREFIX) {
                    presented.zos_key.get_or_insert_with(|| Secret::new(token.to_owned()));
                } else if !token.is_empty() && token != PLACEHOLDER && !text.eq_ignore_ascii_case("bearer") {
                    let mut value = value.clone();
                    value.set_sensitive(true);
                    presented.own.append(name.clone(), value);
                }
            }
        }
        presented
    }

    /// The headers that authenticate a call to `provider`: the client's own credential where it is meant
    /// for that provider, else the provider's key; `None` when neither exists.
    ///
    /// # Errors
    /// When the keychain cannot tell.
    pub(crate) async fn for_provider(
        &self,
        provider: &Provider,
        is_face_default: bool,
        vault: &Arc<Vault>,
    ) -> Result<Option<HeaderMap>, VaultError> {
        if is_face_default && !self.own.is_empty() {
            return Ok(Some(self.own.clone()));
        }
        if provider.keys.is_empty() {
            return Ok(Some(HeaderMap::new()));
        }
        Ok(find(&provider.keys, vault).await?.and_then(|(key, _)| key_headers(provider.api, &key)))
    }
}

/// The first key that exists among its sources, and which source it was.
pub(crate) async fn find(
    sources: &[KeySource],
    vault: &Arc<Vault>,
) -> Result<Option<(Secret, KeySource)>, VaultError> {
    for source in sources {
        match source {
            KeySource::Env(name) => {
                if let Some(key) = from_environment(name) {
                    return Ok(Some((key, source.clone())));
                }
            }
            KeySource::Keychain(name) => {
                // The vault looks into the environment first as well; here it is told apart.
                let variable = zos_seal::vault::variable_of(name);
                if let Some(key) = from_environment(&variable) {
                    return Ok(Some((key, KeySource::Env(variable))));
                }
                if let Some(key) = from_keychain(name, vault).await? {
                    return Ok(Some((key, source.clone())));
                }
            }
        }
    }
    Ok(None)
}

/// Whether a provider's key is there and where it comes from, in the words of the admin API: `none` (it needs
/// none), `environment`, `keychain`, `missing`, or `unavailable` where the keychain does not say. The value
/// goes no further than this.
pub(crate) async fn presence(provider: &Provider, vault: &Arc<Vault>) -> (&'static str, Option<KeySource>) {
    if provider.keys.is_empty() {
        return ("none", None);
    }
    match find(&provider.keys, vault).await {
        Ok(Some((_, source @ KeySource::Env(_)))) => ("environment", Some(source.clone())),
        Ok(Some((_, source @ KeySource::Keychain(_)))) => ("keychain", Some(source.clone())),
        Ok(None) => ("missing", None),
        Err(_) => ("unavailable", None),
    }
}

fn from_environment(variable: &str) -> Option<Secret> {
    let key = std::env::var(variable).ok()?;
    (!key.trim().is_empty()).then(|| Secret::new(key.trim().to_owned()))
}

async fn from_keychain(name: &str, vault: &Arc<Vault>) -> Result<Option<Secret>, VaultError> {
    if let Some(known) = vault.cached(name) {
        return Ok(Some(known));
    }
    let (vault, name) = (vault.clone(), name.to_owned());
    // The keychain may ask its user and block for as long as its own limit allows.
    tokio::task::spawn_blocking(move || vault.get(&name)).await.unwrap_or(Err(VaultError::Locked))
}

/// A key in the header that the API reads it from; `None` when it has characters no header can hold.
pub(crate) fn key_headers(api: Api, key: &Secret) -> Option<HeaderMap> {
    let (name, text) = match api {
        Api::Anthropic => (header::HeaderName::from_static("x-api-key"), key.expose().to_owned()),
        Api::OpenAi => (header::AUTHORIZATION, format!("Bearer {}", key.expose())),
    };
    let mut value = HeaderValue::from_str(&text).ok()?;
    value.set_sensitive(true);
    Some(HeaderMap::from_iter([(name, value)]))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn presented(pairs: &[(&'static str, &'static str)]) -> Presented {
        Presented::read(
            &pairs
                .iter()
                .map(|(name, value)| (name.parse().unwrap(), HeaderValue::from_static(value)))
                .collect(),
        )
    }

    #[test]
    fn a_key_of_ours_is_never_a_credential_for_a_provider() {
        for pair in [
            ("x-zos-key", "zos_abc"),
            ("x-api-key", "zos_abc"),
            ("authorization", "Bearer zos_abc"),
            ("authorization", "bearer  zos_abc"),
        ] {
            let found = presented(&[pair]);
            assert_eq!(found.zos_key.as_ref().map(|key| key.expose().as_str()), Some("zos_abc"), "{pair:?}");
            assert!(found.own.is_empty(), "{pair:?}");
        }
    }

    #[test]
    fn a_placeholder_is_no_credential_and_an_own_key_is_kept() {
        assert!(presented(&[("x-api-key", "zos"), ("authorization", "Bearer ")]).own.is_empty());
        let both = presented(&[("x-zos-key", "zos_k"), ("authorization", "Bearer sk-ant-oat")]);
        assert_eq!(both.own.get("authorization").unwrap(), "Bearer sk-ant-oat");
        assert!(both.zos_key.is_some());
    }
}
