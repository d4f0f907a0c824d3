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
        address: listening.address.map(|address| format!("{}://{address}", house.config.scheme())),
        listen_error: listening.error,
        shield: house.shield_state(),
        health: house.health(),
        counts: house.counters.counts(),
        uptime_s: house.started.elapsed().as_secs(),
        ..Status::at_rest(house.brain.home(), &snapshot)
    })
}
