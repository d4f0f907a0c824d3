//! `/zos/v1/keys`: zOS keys, which bind a client to a context.

use super::Admin;
use super::deeds::{self, Deed, Done};
use super::problem::{AdminRefusal, Body};
use crate::views::{AdminProblem, KeyInfo, KeyRequest, Keys, NewKey};
use axum::Json;
use axum::extract::{Path, State};
use http::StatusCode;
use zos_core::{Code, ContextName};

/// The longest client name.
const CLIENT_LIMIT: usize = 64;

/// All zOS keys, without their values.
#[utoipa::path(get, path = "/zos/v1/keys", operation_id = "list_keys", responses((status = 200, body = Keys)))]
pub(crate) async fn list(State(house): Admin) -> Result<Json<Keys>, AdminRefusal> {
    let keys =
        house.keys.list().map_err(|error| AdminRefusal::failed("The zOS keys could not be read", &error))?;
    let keys = keys.into_iter().map(|key| KeyInfo {
        id: key.id,
        context: key.context,
        client: key.client,
        created: key.created,
        last_used: key.last_used,
    });
    Ok(Json(Keys { keys: keys.collect() }))
}

/// Makes a zOS key. The answer is the only place that ever holds its value.
#[utoipa::path(
    post, path = "/zos/v1/keys", operation_id = "add_key", request_body = KeyRequest,
    responses((status = 201, body = NewKey), (status = 400, body = AdminProblem), (status = 404, body = AdminProblem))
)]
pub(crate) async fn add(
    State(house): Admin,
    Body(wanted): Body<KeyRequest>,
) -> Result<(StatusCode, Json<NewKey>), AdminRefusal> {
    let client = wanted.client.trim();
    if client.is_empty() || client.len() > CLIENT_LIMIT || client.chars().any(char::is_control) {
        return Err(AdminRefusal::invalid(format!("`client` is a name of 1 to {CLIENT_LIMIT} characters.")));
    }
    let context = match &wanted.context {
        None => None,
        Some(name) => {
            let name: ContextName = name.parse().map_err(|_| AdminRefusal::unknown_context())?;
            house.brain.snapshot().context(&name).ok_or_else(AdminRefusal::unknown_context)?;
            Some(name.to_string())
        }
    };
    let client = client.to_owned();
    let deed = Deed::key(context.as_deref(), "make a zOS key");
    let made = deeds::act(house, deed, move |house| {
        let made = house.keys.create(context, client);
        let (info, key) = made.map_err(|error| AdminRefusal::failed("The key could not be saved", &error))?;
        let detail = format!("zOS key made: {}", info.id);
        Ok(Done::Happened(NewKey { id: info.id, key: key.expose().clone() }, detail))
    });
    Ok((StatusCode::CREATED, Json(made.await?)))
}

/// Revokes a zOS key; calls with it are refused from now on.
#[utoipa::path(
    delete, path = "/zos/v1/keys/{id}", operation_id = "revoke_key", params(("id" = String, Path, description = "Id of the key.")),
    responses((status = 204), (status = 404, body = AdminProblem))
)]
pub(crate) async fn revoke(State(house): Admin, Path(id): Path<String>) -> Result<StatusCode, AdminRefusal> {
    // What is no id of ours may hold anything, and is not repeated in the log.
    let deed = Deed::key(None, "revoke a zOS key");
    deeds::act(house, deed, move |house| match house.keys.revoke(&id) {
        Ok(true) => Ok(Done::Happened(StatusCode::NO_CONTENT, format!("zOS key revoked: {id}"))),
        Ok(false) => Err(AdminRefusal::new(Code::UnknownKey, "There is no key of that id.")),
        Err(error) => Err(AdminRefusal::failed("The key could not be revoked", &error)),
    })
    .await
}
