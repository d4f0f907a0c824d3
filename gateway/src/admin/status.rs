//! `GET /zos/v1/status`.

use super::Admin;
use crate::views::Status;
use axum::Json;
use axum::extract::State;

/// The state of the house at a glance.
#[utoipa::path(get, path = "/zos/v1/status", responses((status = 200, body = Status)))]
pub(crate) async fn status(State(house): Admin) -> Json<Status> {
    let snapshot = house.brain.snapshot();
    let listening = house.listening();
    Json(Status {
        version: env!("CARGO_PKG_VERSION").to_owned(),
        address: listening.address.map(|address| format!("{}://{address}", house.config.scheme())),
        listen_error: listening.error,
        home: house.brain.home().root().display().to_string(),
        active: snapshot.effective_active().ok().map(ToString::to_string),
        active_is_builtin: snapshot.is_builtin(),
        shield: house.shield_state(),
        health: house.health(),
        counts: house.counters.counts(),
        uptime_s: house.started.elapsed().as_secs(),
    })
}
