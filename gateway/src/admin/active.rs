//! `GET` and `PUT /zos/v1/active`: the context that governs calls which name none.

use super::Admin;
use super::deeds::{self, Deed, Done};
use super::problem::{AdminRefusal, Body};
use crate::views::{Active, AdminProblem};
use axum::Json;
use axum::extract::State;
use zos_core::ContextName;

/// The active context.
#[utoipa::path(get, path = "/zos/v1/active", responses((status = 200, body = Active)))]
pub(crate) async fn active(State(house): Admin) -> Json<Active> {
    let snapshot = house.brain.snapshot();
    Json(Active { context: snapshot.effective_active().ok().map(ToString::to_string) })
}

/// Switches the active context. The next call is governed by it; no client is touched.
#[utoipa::path(
    put, path = "/zos/v1/active", request_body = Active,
    responses((status = 200, body = Active), (status = 404, body = AdminProblem), (status = 409, body = AdminProblem))
)]
pub(crate) async fn set_active(
    State(house): Admin,
    Body(wanted): Body<Active>,
) -> Result<Json<Active>, AdminRefusal> {
    let name: Option<ContextName> = match &wanted.context {
        Some(name) => Some(name.parse().map_err(|_| AdminRefusal::unknown_context())?),
        None => None,
    };
    if let Some(name) = &name {
        match house.brain.snapshot().context(name) {
            None => return Err(AdminRefusal::unknown_context()),
            Some(state) if state.context().is_none() => {
                return Err(
                    AdminRefusal::context_broken(state).hint("Fix it first: `zos lint` names file and line.")
                );
            }
            Some(_) => {}
        }
    }
    let word = name.as_ref().map_or("none", ContextName::as_str);
    let detail = format!("active context: {word}");
    let deed = Deed::decision(wanted.context.as_deref(), format!("make {word} the active context"));
    let set = deeds::act(house, deed, move |house| match house.brain.set_active(name.as_ref()) {
        Ok(()) => Ok(Done::Happened(wanted, detail)),
        Err(error) => Err(AdminRefusal::failed("The active context could not be saved", &error)),
    });
    set.await.map(Json)
}
