//! `/zos/v1/providers`: the fleet's providers, their keys on the way into the keychain, and a test call.

use super::Admin;
use super::deeds::{self, Deed, Done};
use super::problem::{AdminRefusal, Body};
use crate::gateway::Gateway;
use crate::journal::millis;
use crate::upstream::UpstreamError;
use crate::upstream::commands::{CommandError, allowed};
use crate::upstream::credentials::KeyError;
use crate::upstream::departing::Departing;
use crate::upstream::lists;
use crate::upstream::providers::{self, keychain_name};
use crate::views::{AdminProblem, KeyCommandState, KeyCommandYes, ProviderKey, ProviderTest, Providers};
use axum::Json;
use axum::extract::{Path, State};
use http::{HeaderValue, StatusCode};
use std::sync::Arc;
use std::time::Instant;
use zos_core::fleet::{Auth, KeyCommand};
use zos_core::{Api, Code, Provider};
use zos_seal::Secret;

/// All providers, and where their keys come from.
#[utoipa::path(get, path = "/zos/v1/providers", operation_id = "list_providers", responses((status = 200, body = Providers)))]
pub(crate) async fn list(State(gateway): Admin) -> Json<Providers> {
    let fleet = gateway.files.brain.snapshot().fleet.clone();
    Json(providers::all(&fleet, &gateway.upstreams.keys).await)
}

/// Stores a provider's key in the OS keychain. No endpoint ever returns it.
#[utoipa::path(
    put, path = "/zos/v1/providers/{id}/key", operation_id = "set_provider_key", params(("id" = String, Path, description = "Id of the provider.")),
    request_body = ProviderKey,
    responses((status = 204), (status = 400, body = AdminProblem), (status = 404, body = AdminProblem), (status = 503, body = AdminProblem))
)]
pub(crate) async fn set_key(
    State(gateway): Admin,
    Path(id): Path<String>,
    Body(wanted): Body<ProviderKey>,
) -> Result<StatusCode, AdminRefusal> {
    let name = writable(&gateway, &id)?;
    let key = Secret::new(wanted.key.trim().to_owned());
    if key.expose().is_empty() {
        return Err(AdminRefusal::invalid("The key is empty."));
    }
    let deed = Deed::key(None, format!("store the provider key of {id}"));
    deeds::act(gateway, deed, move |gateway| {
        gateway.upstreams.keys.vault.set(&name, key).map_err(|error| keychain(&error))?;
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
    State(gateway): Admin,
    Path(id): Path<String>,
) -> Result<StatusCode, AdminRefusal> {
    let name = writable(&gateway, &id)?;
    let deed = Deed::key(None, format!("remove the provider key of {id}"));
    deeds::act(gateway, deed, move |gateway| match gateway.upstreams.keys.vault.delete(&name) {
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
    State(gateway): Admin,
    Path(id): Path<String>,
) -> Result<Json<ProviderTest>, AdminRefusal> {
    let provider = provider(&gateway, &id)?;
    let started = Instant::now();
    let tried = try_provider(&gateway, &provider).await;
    let ms = millis(started);
    Ok(Json(match tried {
        Ok((message, models)) => ProviderTest { ok: true, message, ms, models },
        Err(message) => ProviderTest { ok: false, message, ms, models: None },
    }))
}

async fn try_provider(gateway: &Gateway, provider: &Provider) -> Result<(String, Option<u64>), String> {
    let Some(mut url) = provider.endpoint("/v1/models") else {
        return Ok((
            "The demo is built in and needs no key.".to_owned(),
            Some(lists::DEMO_MODELS.len() as u64),
        ));
    };
    if provider.auth == Auth::Caller {
        return Err(
            "Its callers bring their own credential, so there is nothing to try here: use its client."
                .to_owned(),
        );
    }
    let credential = match gateway.upstreams.keys.owners(provider).await {
        Ok(Some(credential)) => credential,
        Ok(None) => return Err("There is no key for this provider yet.".to_owned()),
        Err(KeyError::Command(error)) => {
            return Err(format!("There is no key: {error}. {}", error.hint(&provider.name)));
        }
        Err(error) => return Err(format!("There is no key: {error}.")),
    };
    let mut version = http::HeaderMap::new();
    if provider.api == Api::Anthropic {
        version.insert("anthropic-version", HeaderValue::from_static("2023-06-01"));
        url.set_query(Some("limit=1000"));
    }
    let headers = Departing::checked(&gateway.access, version, credential)
        .map_err(|_| "The key stored for this provider is one of zOS itself, so it was not sent.")?;
    let answer = gateway.upstreams.get(provider, url, headers).await;
    let mut answer = answer.map_err(|error| match error {
        UpstreamError::Connect(why) => format!("It cannot be reached: {why}. {}", why.hint()),
        UpstreamError::Setup(why) => format!("It cannot be called: {why}."),
        error => format!("No answer: {error}."),
    })?;
    let status = answer.status;
    if status.is_success() {
        let listed = lists::read_list(&mut answer.body).await;
        let message = match &listed {
            Some(ids) => format!("The provider accepted the call and lists {} models.", ids.len()),
            None => "The provider accepted the call, but did not list its models.".to_owned(),
        };
        return Ok((message, listed.map(|ids| ids.len() as u64)));
    }
    Err(said(status, &answer.headers))
}

/// What a provider's refusal of its own list means, in a sentence, and what to do.
fn said(status: StatusCode, headers: &http::HeaderMap) -> String {
    match status.as_u16() {
        401 => "The provider refused the key (401): it is wrong, over, or goes in another header; see `key` and `auth` \
                in routing/fleet.yml."
            .to_owned(),
        403 => "The provider knows the key and does not let it list models (403): it may lack a right, or the account a \
                region."
            .to_owned(),
        404 => "Nothing is at that address (404): check the base_url in routing/fleet.yml; most bases of this API end in \
                /v1."
            .to_owned(),
        407 => "The proxy on the way wants a sign-in (407): see `proxy` in routing/fleet.yml.".to_owned(),
        429 => {
            let wait = headers.get(http::header::RETRY_AFTER).and_then(|value| value.to_str().ok());
            let wait = wait.and_then(|text| text.trim().parse::<u64>().ok());
            let wait = wait.map(|seconds| format!(" Try again in {seconds} s.")).unwrap_or_default();
            format!("The key works, and its quota or rate is used up for now (429).{wait}")
        }
        300..=399 => format!("The provider leads elsewhere ({status}), which is not followed: give it the final address."),
        500..=599 => format!("The provider is in trouble itself ({status})."),
        _ => format!("The provider answered {status}."),
    }
}

/// The command that prints a provider's key: what would run, and whether it may.
#[utoipa::path(
    get, path = "/zos/v1/providers/{id}/command", operation_id = "key_command", params(("id" = String, Path, description = "Id of the provider.")),
    responses((status = 200, body = KeyCommandState), (status = 404, body = AdminProblem))
)]
pub(crate) async fn command(
    State(gateway): Admin,
    Path(id): Path<String>,
) -> Result<Json<KeyCommandState>, AdminRefusal> {
    let (provider, command) = commanded(&gateway, &id)?;
    let (error, stderr) = gateway.upstreams.keys.commands.standing(&provider, &command);
    Ok(Json(KeyCommandState {
        digest: command.digest(&provider.name),
        ttl_s: command.ttl.as_secs(),
        command: command.argv,
        allowed: !matches!(error, Some(CommandError::NotAllowed | CommandError::OthersMayWrite { .. })),
        hint: error.as_ref().map(|error| error.hint(&provider.name)),
        reason: error.map(|error| error.to_string()),
        stderr,
    }))
}

/// Lets exactly the command that was read print the provider's key, in place of any before it.
#[utoipa::path(
    put, path = "/zos/v1/providers/{id}/command", operation_id = "allow_key_command", params(("id" = String, Path, description = "Id of the provider.")),
    request_body = KeyCommandYes,
    responses((status = 204), (status = 404, body = AdminProblem), (status = 409, body = AdminProblem))
)]
pub(crate) async fn allow_command(
    State(gateway): Admin,
    Path(id): Path<String>,
    Body(yes): Body<KeyCommandYes>,
) -> Result<StatusCode, AdminRefusal> {
    let (provider, command) = commanded(&gateway, &id)?;
    let digest = command.digest(&provider.name);
    if yes.digest != digest {
        return Err(AdminRefusal::new(Code::Conflict, "The command is another one than was read.")
            .hint("Read it again, and allow it if it is what you want."));
    }
    let deed = Deed::decision(None, format!("let a command print the key of {id}"));
    deeds::act(gateway, deed, move |gateway| {
        allowed::allow(gateway.files.brain.home(), &provider.name, &digest)
            .map_err(|error| AdminRefusal::failed("The permission could not be kept", &error))?;
        gateway.journal.health_changed();
        Ok(Done::Happened(
            StatusCode::NO_CONTENT,
            format!("a command may print the key of {}: {digest}", provider.name),
        ))
    })
    .await
}

fn commanded(gateway: &Gateway, id: &str) -> Result<(Arc<Provider>, KeyCommand), AdminRefusal> {
    let provider = provider(gateway, id)?;
    let command = provider.key_command().cloned().ok_or_else(|| {
        AdminRefusal::new(Code::UnknownKey, "No command prints the key of this provider.")
            .hint("`key: {command: [program, argument]}` in routing/fleet.yml names one.")
    })?;
    Ok((provider, command))
}

fn provider(gateway: &Gateway, id: &str) -> Result<Arc<Provider>, AdminRefusal> {
    let fleet = gateway.files.brain.snapshot().fleet.clone();
    fleet.provider(id).cloned().ok_or_else(|| {
        AdminRefusal::new(Code::UnknownProvider, "There is no provider of that id.")
            .hint("routing/fleet.yml lists them.")
    })
}

fn writable(gateway: &Gateway, id: &str) -> Result<String, AdminRefusal> {
    keychain_name(&*provider(gateway, id)?).map(str::to_owned).ok_or_else(|| {
        AdminRefusal::new(Code::KeyNotWritable, "The key of this provider does not come from the keychain.")
            .hint("Write `key: \"keychain:NAME\"` in routing/fleet.yml to store it there.")
    })
}

fn keychain(error: &zos_seal::VaultError) -> AdminRefusal {
    AdminRefusal::new(Code::Keychain, format!("The keychain did not take it: {error}."))
}
