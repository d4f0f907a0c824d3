//! `GET /zos/v1/status`.

use super::Admin;
use crate::views::Status;
use axum::Json;
use axum::extract::State;

/// The state of the house at a glance.
#[utoipa::path(get, path = "/zos/v1/status", responses((status = 200, body = Status)))]
pub(crate) async fn status(State(gateway): Admin) -> Json<Status> {
    let snapshot = gateway.files.brain.snapshot();
    let listening = gateway.access.listening();
    Json(Status {
        version: env!("CARGO_PKG_VERSION").to_owned(),
        address: listening.address.map(|address| format!("{}://{address}", gateway.config.scheme())),
        listen_error: listening.error,
        home: gateway.files.brain.home().root().display().to_string(),
        active: snapshot.effective_active().ok().map(ToString::to_string),
        active_is_builtin: snapshot.is_builtin(),
        shield: gateway.shield(),
        health: gateway.health(),
        counts: gateway.journal.counters.counts(),
        uptime_s: gateway.journal.started.elapsed().as_secs(),
    })
}
