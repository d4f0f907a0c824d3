//! The only place where a credential is put on a request.
//!
//! What a client may present: a zOS key, which never leaves this machine, or a credential of its own for
//! the provider (an API key, or the token of a subscription), which is passed through. A client's own
//! credential goes only to the provider that its API is served by unless told otherwise: a token for one
//! company is not shown to another because a model name was routed there. A secret of ours in any other form
//! or place is recognised and refused, never passed on; [`super::departing`] looks once more at what leaves.

use super::commands::{CommandError, KeyCommands};
use http::{HeaderMap, HeaderName, HeaderValue};
use std::sync::Arc;
use zos_core::fleet::Auth;
use zos_core::{Home, KeySource, Provider};
use zos_seal::own_secrets::{SecretKind, Spotted};
use zos_seal::{OwnSecrets, Secret, Vault, VaultError, VaultOptions};

/// What SDKs that insist on a key may be given in place of one.
const PLACEHOLDER: &str = "zos";

/// How zOS keys begin.
const ZOS_PREFIX: &str = zos_seal::client_keys::PREFIX;

/// The header that holds a zOS key and nothing else.
const ZOS_KEY: &str = "x-zos-key";

/// Headers in which SDKs send what authorises them. A zOS key may stand in any of them.
const CREDENTIALS: &[&str] = &[ZOS_KEY, "authorization", "x-api-key", "api-key", "x-goog-api-key"];

/// Those among them whose credential of the client's own is passed on to every provider; another one only to a provider
/// that reads it.
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
            } else if name != ZOS_KEY && !token.is_empty() && token != PLACEHOLDER {
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

    /// The client's own credential as a provider may see it; `None` where there is none.
    ///
    /// `speaks_its_api`: the client speaks the API of the provider. A credential is for the API that its client speaks.
    pub(crate) fn own_for(
        &self,
        provider: &Provider,
        speaks_its_api: bool,
        is_face_default: bool,
    ) -> Option<HeaderMap> {
        let may = match provider.auth {
            Auth::None => false,
            Auth::Caller => speaks_its_api,
            _ => speaks_its_api && is_face_default,
        };
        let read = provider.auth.header().map(|(name, _)| name);
        let own: HeaderMap = self
            .own
            .iter()
            .filter(|(name, _)| PASSED_ON.contains(&name.as_str()) || read == Some(name.as_str()))
            .map(|(name, value)| (name.clone(), value.clone()))
            .collect();
        (may && !own.is_empty()).then_some(own)
    }

    /// The headers that authenticate a call to `provider`: the client's own credential where it is meant
    /// for that provider, else the provider's key; `None` when neither exists.
    ///
    /// # Errors
    /// When the keychain cannot tell, or the command that prints the key gives none.
    pub(crate) async fn for_provider(
        &self,
        provider: &Provider,
        speaks_its_api: bool,
        is_face_default: bool,
        keys: &Keys,
    ) -> Result<Option<Credential>, KeyError> {
        if let Some(own) = self.own_for(provider, speaks_its_api, is_face_default) {
            return Ok(Some(Credential::Callers(own)));
        }
        keys.owners(provider).await
    }
}

/// What authorises a call at a provider, and whose it is.
pub(crate) enum Credential {
    /// The client's own.
    Callers(HeaderMap),
    /// The owner's, from the keychain or the environment; empty where the provider needs none.
    Owners(HeaderMap),
    /// The owner's, printed by a command at the run of this number.
    Printed(HeaderMap, u64),
}

impl Credential {
    /// Its headers.
    pub(crate) fn headers(&self) -> &HeaderMap {
        match self {
            Credential::Callers(headers) | Credential::Owners(headers) | Credential::Printed(headers, _) => {
                headers
            }
        }
    }

    /// The same, given away.
    pub(super) fn into_headers(self) -> HeaderMap {
        match self {
            Credential::Callers(headers) | Credential::Owners(headers) | Credential::Printed(headers, _) => {
                headers
            }
        }
    }

    /// Number of the run that printed it, where a command did.
    pub(crate) fn generation(&self) -> Option<u64> {
        match self {
            Credential::Printed(_, generation) => Some(*generation),
            Credential::Callers(_) | Credential::Owners(_) => None,
        }
    }
}

/// Why the owner's key for a provider cannot be told.
#[derive(Debug, thiserror::Error)]
pub(crate) enum KeyError {
    /// The keychain does not answer.
    #[error("the keychain did not give it: {0}")]
    Vault(#[from] VaultError),
    /// A command gives none.
    #[error(transparent)]
    Command(#[from] CommandError),
}

/// The owner's keys for providers: keychain, environment and commands.
pub struct Keys {
    pub(crate) vault: Arc<Vault>,
    pub(crate) commands: Arc<KeyCommands>,
}

/// A key of the owner, and where it is from.
pub(crate) struct Found {
    key: Secret,
    source: KeySource,
    generation: Option<u64>,
}

impl Keys {
    /// The keys of a home.
    #[must_use]
    pub fn of(home: &Home) -> Self {
        Keys {
            vault: Arc::new(Vault::new(VaultOptions::default())),
            commands: KeyCommands::new(home.clone()),
        }
    }

    /// The owner's credential for a provider, empty where it needs none; `None` where there is no key.
    ///
    /// # Errors
    /// When the keychain cannot tell, or the command that prints the key gives none.
    pub(crate) async fn owners(&self, provider: &Provider) -> Result<Option<Credential>, KeyError> {
        match provider.auth {
            Auth::None => return Ok(Some(Credential::Owners(HeaderMap::new()))),
            Auth::Caller => return Ok(None),
            _ if provider.keys.is_empty() => return Ok(Some(Credential::Owners(HeaderMap::new()))),
            _ => {}
        }
        let Some(found) = self.find(provider).await? else { return Ok(None) };
        Ok(key_headers(provider.auth, &found.key).map(|headers| match found.generation {
            Some(generation) => Credential::Printed(headers, generation),
            None => Credential::Owners(headers),
        }))
    }

    /// A credential in place of one that a command printed and the provider refused; `None` where there is none better.
    pub(crate) async fn in_place_of(&self, provider: &Provider, generation: u64) -> Option<Credential> {
        let command = provider.key_command()?;
        let printed = self.commands.in_place_of(provider, command, generation).await?.ok()?;
        let headers = key_headers(provider.auth, &printed.key)?;
        Some(Credential::Printed(headers, printed.generation))
    }

    /// The first key that exists among the sources of a provider.
    async fn find(&self, provider: &Provider) -> Result<Option<Found>, KeyError> {
        for source in &provider.keys {
            let found = |key, source| Ok(Some(Found { key, source, generation: None }));
            match source {
                KeySource::Env(name) => {
                    if let Some(key) = from_environment(name) {
                        return found(key, source.clone());
                    }
                }
                KeySource::Keychain(name) => {
                    // The vault looks into the environment first as well; here it is told apart.
                    let variable = zos_seal::vault::variable_of(name);
                    if let Some(key) = from_environment(&variable) {
                        return found(key, KeySource::Env(variable));
                    }
                    if let Some(key) = from_keychain(name, &self.vault).await? {
                        return found(key, source.clone());
                    }
                }
                KeySource::Command(command) => {
                    let printed = self.commands.key(provider, command).await?;
                    let generation = Some(printed.generation);
                    return Ok(Some(Found { key: printed.key, source: source.clone(), generation }));
                }
            }
        }
        Ok(None)
    }

    /// Whether a provider's key is there, without running anything. The value goes no further than this.
    pub(crate) async fn presence(&self, provider: &Provider) -> Presence {
        let told = |word| Presence { word, source: None, reason: None };
        match provider.auth {
            Auth::Caller => return told("caller"),
            Auth::None => return told("none"),
            _ if provider.keys.is_empty() => return told("none"),
            _ => {}
        }
        if let Some(command) = provider.key_command() {
            let (error, _) = self.commands.standing(provider, command);
            return Presence {
                word: error.as_ref().map_or("command", CommandError::word),
                source: Some(KeySource::Command(command.clone())),
                reason: error.map(|error| sentence(&error)),
            };
        }
        match self.find(provider).await {
            Ok(Some(Found { source: source @ KeySource::Env(_), .. })) => {
                Presence { source: Some(source), ..told("environment") }
            }
            Ok(Some(Found { source, .. })) => Presence { source: Some(source), ..told("keychain") },
            Ok(None) => told("missing"),
            Err(error) => Presence { reason: Some(sentence(&error)), ..told("unavailable") },
        }
    }
}

/// Whether a provider's key is there and where it is from.
pub(crate) struct Presence {
    /// In the words of the admin API: `none` (it needs none), `caller` (its callers bring their own), `environment`,
    /// `keychain`, `command`, or why it is not there: `missing`, `unavailable` where the keychain does not say,
    /// `not_allowed`, `refused` or `failed` of a command.
    pub(crate) word: &'static str,
    /// Where it is from.
    pub(crate) source: Option<KeySource>,
    /// Why it is not there, in a sentence, where there is more to say than that.
    pub(crate) reason: Option<String>,
}

/// Whether a provider with this word of [`Presence`] may be called with a key of the owner. Where nobody knows, it may.
#[must_use]
pub fn may_be_there(word: &str) -> bool {
    !matches!(word, "missing" | "not_allowed" | "refused" | "failed")
}

/// The words of an error as a sentence.
fn sentence(error: &impl std::fmt::Display) -> String {
    let text = error.to_string();
    let mut letters = text.chars();
    let first = letters.next().map(|first| first.to_uppercase().to_string()).unwrap_or_default();
    format!("{first}{}.", letters.as_str())
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

/// A key in the header that a provider reads it from; `None` when it has characters no header can hold, or none is sent.
pub(crate) fn key_headers(auth: Auth, key: &Secret) -> Option<HeaderMap> {
    let (name, scheme) = auth.header()?;
    let text = zeroize::Zeroizing::new(format!("{scheme}{}", key.expose()));
    let mut value = HeaderValue::from_str(&text).ok()?;
    value.set_sensitive(true);
    Some(HeaderMap::from_iter([(HeaderName::from_static(name), value)]))
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
