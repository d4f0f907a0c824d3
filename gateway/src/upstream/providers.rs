//! Providers of a fleet as the screens show them: where each key comes from, never the key.

use super::credentials;
use crate::views::{ProviderInfo, Providers};
use std::sync::Arc;
use zos_core::{Fleet, KeySource, Provider};
use zos_seal::Vault;

/// All providers, in the fleet's order. Asks the keychain for all at once, which may take a few seconds.
pub async fn all(fleet: &Fleet, vault: &Arc<Vault>) -> Providers {
    let infos = fleet.providers().map(|provider| info(provider, vault));
    Providers { providers: futures::future::join_all(infos).await }
}

async fn info(provider: &Provider, vault: &Arc<Vault>) -> ProviderInfo {
    let (key, source) = credentials::presence(provider, vault).await;
    let key_name = match source {
        Some(KeySource::Env(name) | KeySource::Keychain(name)) => Some(name),
        None if key == "none" => None,
        None => keychain_name(provider).map(str::to_owned),
    };
    ProviderInfo {
        id: provider.name.clone(),
        api: provider.api.name().to_owned(),
        base_url: provider.base_url.as_ref().map(ToString::to_string),
        key: key.to_owned(),
        key_name,
        key_writable: keychain_name(provider).is_some(),
        demo: provider.is_demo(),
    }
}

/// Keychain item that a provider's key is stored in, where its file names one.
pub(crate) fn keychain_name(provider: &Provider) -> Option<&str> {
    provider.keys.iter().find_map(|source| match source {
        KeySource::Keychain(name) => Some(name.as_str()),
        KeySource::Env(_) => None,
    })
}
