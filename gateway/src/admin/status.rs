//! `GET /zos/v1/status`.

use super::Admin;
use crate::views::Status;
use axum::Json;
use axum::extract::State;

/// State of the gateway at a glance.
#[utoipa::path(get, path = "/zos/v1/status", responses((status = 200, body = Status)))]
pub(crate) async fn status(State(gateway): Admin) -> Json<Status> {
    let snapshot = gateway.files.brain.snapshot();
    let listening = gateway.access.listening();
    Json(Status {
        address: listening.address.map(|address| format!("{}://{address}", gateway.config.scheme())),
        listen_error: listening.error,
        shield: gateway.shield(),
        health: gateway.health(),
        counts: gateway.journal.counters.counts(),
        uptime_s: gateway.journal.started.elapsed().as_secs(),
        ..Status::at_rest(gateway.files.brain.home(), &snapshot)
    })
}
