//! `/zos/v1/providers`: the fleet's providers, their keys on the way into the keychain, and a test call.

use super::Admin;
use super::deeds::{self, Deed, Done};
use super::problem::{AdminRefusal, Body};
use crate::house::{House, millis};
use crate::upstream::credentials::{self, Credential};
use crate::upstream::departing::Departing;
use crate::upstream::lists;
use crate::views::{AdminProblem, ProviderInfo, ProviderKey, ProviderTest, Providers};
use axum::Json;
use axum::extract::{Path, State};
use http::{HeaderValue, StatusCode};
use std::sync::Arc;
use std::time::Instant;
use zos_core::{Api, Code, KeySource, Provider};
use zos_seal::Secret;

/// All providers, and where their keys come from.
#[utoipa::path(get, path = "/zos/v1/providers", operation_id = "list_providers", responses((status = 200, body = Providers)))]
pub(crate) async fn list(State(house): Admin) -> Json<Providers> {
    let fleet = house.brain.snapshot().fleet.clone();
    let providers: Vec<Arc<Provider>> = fleet.providers().cloned().collect();
    let infos = futures::future::join_all(providers.iter().map(|provider| info(&house, provider)));
    Json(Providers { providers: infos.await })
}

async fn info(house: &House, provider: &Provider) -> ProviderInfo {
    let (key, source) = credentials::presence(provider, &house.vault).await;
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

/// The keychain item that a provider's key is stored in, where its file names one.
fn keychain_name(provider: &Provider) -> Option<&str> {
    provider.keys.iter().find_map(|source| match source {
        KeySource::Keychain(name) => Some(name.as_str()),
        KeySource::Env(_) => None,
    })
}

/// Stores a provider's key in the OS keychain. No endpoint ever returns it.
#[utoipa::path(
    put, path = "/zos/v1/providers/{id}/key", operation_id = "set_provider_key", params(("id" = String, Path, description = "Id of the provider.")),
    request_body = ProviderKey,
    responses((status = 204), (status = 400, body = AdminProblem), (status = 404, body = AdminProblem), (status = 503, body = AdminProblem))
)]
pub(crate) async fn set_key(
    State(house): Admin,
    Path(id): Path<String>,
    Body(wanted): Body<ProviderKey>,
) -> Result<StatusCode, AdminRefusal> {
    let name = writable(&house, &id)?;
    let key = Secret::new(wanted.key.trim().to_owned());
    if key.expose().is_empty() {
        return Err(AdminRefusal::invalid("The key is empty."));
    }
    let deed = Deed::key(None, format!("store the provider key of {id}"));
    deeds::act(house, deed, move |house| {
        house.vault.set(&name, key).map_err(|error| keychain(&error))?;
        Ok(Done::Happened(StatusCode::NO_CONTENT, format!("provider key stored: {id}")))
    })
    .await
}

/// Removes a provider's key from the OS keychain.
#[utoipa::path(
    delete, path = "/zos/v1/providers/{id}/key", operation_id = "delete_provider_key", params(("id" = String, Path, description = "Id of the provider.")),
    responses((status = 204), (status = 404, body = AdminProblem), (status = 503, body = AdminProblem))
)]
pub(crate) async fn delete_key(
    State(house): Admin,
    Path(id): Path<String>,
) -> Result<StatusCode, AdminRefusal> {
    let name = writable(&house, &id)?;
    let deed = Deed::key(None, format!("remove the provider key of {id}"));
    deeds::act(house, deed, move |house| match house.vault.delete(&name) {
        Ok(true) => Ok(Done::Happened(StatusCode::NO_CONTENT, format!("provider key removed: {id}"))),
        Ok(false) => Err(AdminRefusal::new(Code::UnknownKey, "The keychain holds no key for this provider.")),
        Err(error) => Err(keychain(&error)),
    })
    .await
}

/// Asks a provider for its models with the stored key: costs nothing and shows that the key works.
#[utoipa::path(
    post, path = "/zos/v1/providers/{id}/test", operation_id = "test_provider", params(("id" = String, Path, description = "Id of the provider.")),
    responses((status = 200, body = ProviderTest), (status = 404, body = AdminProblem))
)]
pub(crate) async fn test(
    State(house): Admin,
    Path(id): Path<String>,
) -> Result<Json<ProviderTest>, AdminRefusal> {
    let provider = provider(&house, &id)?;
    let started = Instant::now();
    let tried = try_provider(&house, &provider).await;
    let ms = millis(started);
    Ok(Json(match tried {
        Ok((message, models)) => ProviderTest { ok: true, message, ms, models },
        Err(message) => ProviderTest { ok: false, message, ms, models: None },
    }))
}

async fn try_provider(house: &House, provider: &Provider) -> Result<(String, Option<u64>), String> {
    let Some(mut url) = provider.endpoint("/v1/models") else {
        return Ok((
            "The demo is built in and needs no key.".to_owned(),
            Some(lists::DEMO_MODELS.len() as u64),
        ));
    };
    let credential = match credentials::find(&provider.keys, &house.vault).await {
        Ok(Some((key, _))) => credentials::key_headers(provider.api, &key)
            .ok_or("The key has characters that no header can hold.")?,
        Ok(None) if provider.keys.is_empty() => http::HeaderMap::new(),
        Ok(None) => return Err("There is no key for this provider yet.".to_owned()),
        Err(error) => return Err(format!("The keychain did not give the key: {error}.")),
    };
    let mut version = http::HeaderMap::new();
    if provider.api == Api::Anthropic {
        version.insert("anthropic-version", HeaderValue::from_static("2023-06-01"));
        url.set_query(Some("limit=1000"));
    }
    let headers =
        Departing::checked(&house.own_secrets, &house.keys, version, Credential::Owners(credential))
            .map_err(|_| "The key stored for this provider is one of zOS itself, so it was not sent.")?;
    let mut answer =
        house.upstreams.get(url, headers).await.map_err(|error| format!("No answer: {error}."))?;
    let status = answer.status;
    match status.as_u16() {
        200..=299 => {
            let listed = lists::read_list(&mut answer.body).await;
            let message = match &listed {
                Some(ids) => format!("The provider accepted the call and lists {} models.", ids.len()),
                None => "The provider accepted the call, but did not list its models.".to_owned(),
            };
            Ok((message, listed.map(|ids| ids.len() as u64)))
        }
        401 | 403 => Err(format!("The provider refused the key ({status}).")),
        _ => Err(format!("The provider answered {status}.")),
    }
}

fn provider(house: &House, id: &str) -> Result<Arc<Provider>, AdminRefusal> {
    let fleet = house.brain.snapshot().fleet.clone();
    fleet.provider(id).cloned().ok_or_else(|| {
        AdminRefusal::new(Code::UnknownProvider, "There is no provider of that id.")
            .hint("routing/fleet.yml lists them.")
    })
}

fn writable(house: &House, id: &str) -> Result<String, AdminRefusal> {
    keychain_name(&*provider(house, id)?).map(str::to_owned).ok_or_else(|| {
        AdminRefusal::new(Code::KeyNotWritable, "The key of this provider does not come from the keychain.")
            .hint("Write `key: \"keychain:NAME\"` in routing/fleet.yml to store it there.")
    })
}

fn keychain(error: &zos_seal::VaultError) -> AdminRefusal {
    AdminRefusal::new(Code::Keychain, format!("The keychain did not take it: {error}."))
}
