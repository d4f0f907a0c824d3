//! Providers of a fleet as the screens show them: where each key comes from, never the key.

use super::credentials::Keys;
use crate::views::{ProviderInfo, Providers};
use zos_core::fleet::Billing;
use zos_core::{Fleet, KeySource, Provider};

/// All providers, in the fleet's order. Asks the keychain for all at once, which may take a few seconds; runs no command.
pub async fn all(fleet: &Fleet, keys: &Keys) -> Providers {
    let infos = fleet.providers().map(|provider| info(provider, keys));
    Providers { providers: futures::future::join_all(infos).await }
}

async fn info(provider: &Provider, keys: &Keys) -> ProviderInfo {
    let presence = keys.presence(provider).await;
    let key_name = match presence.source {
        Some(KeySource::Env(name) | KeySource::Keychain(name)) => Some(name),
        Some(KeySource::Command(command)) => Some(command.program().to_owned()),
        None if matches!(presence.word, "none" | "caller") => None,
        None => keychain_name(provider).map(str::to_owned),
    };
    ProviderInfo {
        id: provider.name.clone(),
        api: provider.api.name().to_owned(),
        base_url: provider.base_url.as_ref().map(ToString::to_string),
        preset: provider.preset.map(str::to_owned),
        auth: provider.auth.name().to_owned(),
        plan: provider.billing == Billing::Plan,
        key: presence.word.to_owned(),
        key_name,
        reason: presence.reason,
        key_writable: keychain_name(provider).is_some(),
        demo: provider.is_demo(),
    }
}

/// Keychain item that a provider's key is stored in, where its file names one.
pub(crate) fn keychain_name(provider: &Provider) -> Option<&str> {
    provider.keys.iter().find_map(|source| match source {
        KeySource::Keychain(name) => Some(name.as_str()),
        KeySource::Env(_) | KeySource::Command(_) => None,
    })
}
