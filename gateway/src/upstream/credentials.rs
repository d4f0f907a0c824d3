//! The only place where a credential is put on a request.
//!
//! What a client may present: a zOS key, which never leaves this machine, or a credential of its own for
//! the provider (an API key, or the token of a subscription), which is passed through. A client's own
//! credential goes only to the provider that its API is served by unless told otherwise: a token for one
//! company is not shown to another because a model name was routed there. A secret of ours in any other form
//! or place is recognised and refused, never passed on; [`super::departing`] looks once more at what leaves.

use http::{HeaderMap, HeaderValue, header};
use std::sync::Arc;
use zos_core::{Api, KeySource, Provider};
use zos_seal::own_secrets::{SecretKind, Spotted};
use zos_seal::{OwnSecrets, Secret, Vault, VaultError};

/// What SDKs that insist on a key may be given in place of one.
const PLACEHOLDER: &str = "zos";

/// How zOS keys begin.
const ZOS_PREFIX: &str = zos_seal::client_keys::PREFIX;

/// The header that holds a zOS key and nothing else.
const ZOS_KEY: &str = "x-zos-key";

/// Headers in which SDKs send what authorises them. A zOS key may stand in any of them.
const CREDENTIALS: &[&str] = &[ZOS_KEY, "authorization", "x-api-key", "api-key", "x-goog-api-key"];

/// Those among them whose credential of the client's own is passed on.
const PASSED_ON: &[&str] = &["authorization", "x-api-key"];

/// What a client presented.
#[derive(Default)]
pub(crate) struct Presented {
    /// A key of ours.
    pub(crate) zos_key: Option<Secret>,
    /// Further keys of ours, each another one.
    more_keys: Vec<Secret>,
    /// Headers that hold a credential of its own.
    own: HeaderMap,
}

/// A secret of ours that stands where none belongs, or in a form that is none.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Misplaced {
    /// The token of the admin API in a call.
    #[error("the admin token was sent with a call")]
    AdminToken,
    /// A zOS key in a form that is no key, or in another header.
    #[error("a zOS key was sent in a form that cannot be used, in {place}")]
    Key {
        /// The header, or the query.
        place: String,
    },
    /// A header that was made so that it cannot be searched.
    #[error("a header cannot be searched for zOS keys")]
    Unsearchable,
}

impl Presented {
    /// Reads what the client presents, and looks for secrets of ours in everything else of its head.
    ///
    /// # Errors
    /// When one stands where it does not belong. It is never taken for a credential of the client's own: that
    /// would go to a provider.
    pub(crate) fn read(headers: &HeaderMap, query: &str, own: &OwnSecrets) -> Result<Self, Misplaced> {
        let mut presented = Presented::default();
        let mut keys: Vec<Secret> = Vec::new();
        for (name, value) in headers {
            let spotted = own.find(value.as_bytes());
            let token = match CREDENTIALS.contains(&name.as_str()) {
                true => bare(name.as_str(), value.to_str().unwrap_or_default()),
                false => "",
            };
            let is_key = !token.is_empty() && (token.starts_with(ZOS_PREFIX) || name == ZOS_KEY);
            refuse(&spotted, name.as_str(), if is_key { token } else { "" })?;
            if is_key {
                if !keys.iter().any(|known| known.expose() == token) {
                    keys.push(Secret::from(token));
                }
            } else if PASSED_ON.contains(&name.as_str()) && !token.is_empty() && token != PLACEHOLDER {
                let mut value = value.clone();
                value.set_sensitive(true);
                presented.own.append(name.clone(), value);
            }
        }
        refuse(&own.find(query.as_bytes()), "the query", "")?;
        let mut keys = keys.into_iter();
        presented.zos_key = keys.next();
        presented.more_keys = keys.collect();
        Ok(presented)
    }

    /// All keys of ours that were presented.
    pub(crate) fn zos_keys(&self) -> impl Iterator<Item = &Secret> {
        self.zos_key.iter().chain(&self.more_keys)
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
    ) -> Result<Option<Credential>, VaultError> {
        if is_face_default && !self.own.is_empty() {
            return Ok(Some(Credential::Callers(self.own.clone())));
        }
        if provider.keys.is_empty() {
            return Ok(Some(Credential::Owners(HeaderMap::new())));
        }
        let found = find(&provider.keys, vault).await?;
        Ok(found.and_then(|(key, _)| key_headers(provider.api, &key)).map(Credential::Owners))
    }
}

/// What authorises a call at a provider, and whose it is.
pub(crate) enum Credential {
    /// The client's own.
    Callers(HeaderMap),
    /// The owner's, from the keychain or the environment; empty where the provider needs none.
    Owners(HeaderMap),
}

impl Credential {
    /// Its headers.
    pub(crate) fn headers(&self) -> &HeaderMap {
        match self {
            Credential::Callers(headers) | Credential::Owners(headers) => headers,
        }
    }

    /// The same, given away.
    pub(super) fn into_headers(self) -> HeaderMap {
        match self {
            Credential::Callers(headers) | Credential::Owners(headers) => headers,
        }
    }
}

/// A credential without the blanks around it and the scheme in front of it.
fn bare<'v>(header: &str, value: &'v str) -> &'v str {
    let value = value.trim_matches([' ', '\t']);
    if header == ZOS_KEY {
        return value;
    }
    let (scheme, token) = value.split_at_checked("bearer".len()).unwrap_or(("", value));
    match scheme.eq_ignore_ascii_case("bearer") && (token.is_empty() || token.starts_with([' ', '\t'])) {
        true => token.trim_start_matches([' ', '\t']),
        false => value,
    }
}

/// Refuses every secret of ours but the one that stands there rightly.
fn refuse(spotted: &[Spotted], place: &str, rightful: &str) -> Result<(), Misplaced> {
    match spotted
        .iter()
        .find(|spotted| spotted.kind != SecretKind::ClientKey || spotted.text.expose() != rightful)
    {
        None => Ok(()),
        Some(Spotted { kind: SecretKind::AdminToken, .. }) => Err(Misplaced::AdminToken),
        Some(Spotted { kind: SecretKind::ClientKey, .. }) => Err(Misplaced::Key { place: place.to_owned() }),
        Some(Spotted { kind: SecretKind::Unknown, .. }) => Err(Misplaced::Unsearchable),
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
    use base64::Engine;

    const KEY: &str = "zos_0123456789abcdefghijABCDEFGHIJ-_klmnopqrstu";
    const OTHER: &str = "zos_9876543210abcdefghijABCDEFGHIJ-_klmnopqrstu";
    const ADMIN: &str = "zos_admin_0123456789abcdefghijABCDEFGHIJ-_klmnopqrstu";
    const OLD_ADMIN: &str = "Zx9876543210abcdefghijABCDEFGHIJ-_klmnopqrs";

    fn presented(pairs: &[(&'static str, &str)]) -> Result<Presented, Misplaced> {
        let headers = pairs
            .iter()
            .map(|(name, value)| (name.parse().unwrap(), HeaderValue::from_str(value).unwrap()))
            .collect();
        Presented::read(&headers, "", &OwnSecrets::new(Some(Secret::from(OLD_ADMIN))))
    }

    #[test]
    fn a_key_of_ours_is_never_a_credential_for_a_provider() {
        for (name, value) in [
            ("x-zos-key", "zos_abc".to_owned()),
            ("x-api-key", "zos_abc".to_owned()),
            ("authorization", "Bearer zos_abc".to_owned()),
            ("authorization", "bearer  zos_abc".to_owned()),
            ("x-zos-key", KEY.to_owned()),
            ("x-api-key", format!(" {KEY} ")),
            ("x-api-key", format!("Bearer {KEY}")),
            ("api-key", KEY.to_owned()),
            ("x-goog-api-key", KEY.to_owned()),
            ("authorization", format!("Bearer {KEY}")),
            ("authorization", format!("BEARER\t{KEY}")),
            ("authorization", KEY.to_owned()),
        ] {
            let found = presented(&[(name, &value)]).unwrap();
            let key = found.zos_key.as_ref().map(|key| key.expose().as_str());
            assert!(key == Some("zos_abc") || key == Some(KEY), "{name}: {value}");
            assert!(found.own.is_empty(), "{name}: {value}");
        }
    }

    #[test]
    fn a_secret_of_ours_in_any_other_form_or_place_is_refused() {
        let base64 = |text: String| base64::engine::general_purpose::STANDARD.encode(text);
        for (secret, refusal) in
            [(KEY, None), (ADMIN, Some(Misplaced::AdminToken)), (OLD_ADMIN, Some(Misplaced::AdminToken))]
        {
            for (name, value) in [
                ("authorization", format!("Bearer \"{secret}\"")),
                ("authorization", format!("'{secret}'")),
                ("authorization", format!("Bearer Bearer {secret}")),
                ("authorization", format!("Token {secret}")),
                ("authorization", format!("bearer:{secret}")),
                ("authorization", format!("Bearer sk-own, Bearer {secret}")),
                ("authorization", format!("Basic {}", base64(format!(":{secret}")))),
                ("authorization", format!("Basic {}", base64(format!("zos:{secret}")))),
                ("x-api-key", format!("\"{secret}\"")),
                ("x-api-key", format!("sk-ant-x,{secret}")),
                ("x-zos-key", format!("<{secret}>")),
                ("user-agent", format!("agent/1 {secret}")),
                ("openai-organization", secret.to_owned()),
                ("openai-project", secret.to_owned()),
                ("anthropic-beta", format!("a,{secret}")),
                ("accept", secret.to_owned()),
                ("cookie", format!("a=1; key={secret}")),
                ("x-anything", base64(base64(secret.to_owned()))),
            ] {
                let refused = presented(&[(name, &value)]).err();
                let expected = refusal.clone().unwrap_or(Misplaced::Key { place: name.to_owned() });
                assert_eq!(refused, Some(expected), "{name}: {value}");
            }
            let query = format!("beta=true&key={secret}");
            let own = OwnSecrets::new(Some(Secret::from(OLD_ADMIN)));
            assert!(Presented::read(&HeaderMap::new(), &query, &own).is_err(), "{query}");
        }
        for admin in [ADMIN, OLD_ADMIN] {
            for (name, value) in [
                ("x-zos-key", admin.to_owned()),
                ("x-api-key", admin.to_owned()),
                ("authorization", format!("Bearer {admin}")),
            ] {
                assert_eq!(presented(&[(name, &value)]).err(), Some(Misplaced::AdminToken), "{name}");
            }
        }
    }

    #[test]
    fn two_keys_are_two_and_one_key_twice_is_one() {
        let twice = presented(&[("x-api-key", KEY), ("authorization", &format!("Bearer {KEY}"))]).unwrap();
        assert_eq!(twice.zos_keys().count(), 1);
        let two = presented(&[("x-api-key", KEY), ("authorization", &format!("Bearer {OTHER}"))]).unwrap();
        assert_eq!(two.zos_keys().count(), 2);
    }

    #[test]
    fn a_placeholder_is_no_credential_and_an_own_key_is_kept() {
        let none = presented(&[("x-api-key", "zos"), ("authorization", "Bearer ")]).unwrap();
        assert!(none.own.is_empty());
        let both = presented(&[("x-zos-key", "zos_k"), ("authorization", "Bearer sk-ant-oat")]).unwrap();
        assert_eq!(both.own.get("authorization").unwrap(), "Bearer sk-ant-oat");
        assert!(both.zos_key.is_some());
    }
}
