//! `POST /zos/v1/targets/check`: where a tool call points and what a context makes of it; nothing is called.

use crate::views::{TargetTest, TargetVerdict, verdict};

use super::Admin;
use super::problem::{AdminRefusal, Body, named_or_active};
use crate::views::AdminProblem;
use axum::Json;
use axum::extract::State;

/// Tries a tool call against a context's target lists.
#[utoipa::path(
    post, path = "/zos/v1/targets/check", operation_id = "check_target", request_body = TargetTest,
    responses((status = 200, body = TargetVerdict), (status = 404, body = AdminProblem))
)]
pub(crate) async fn check(
    State(gateway): Admin,
    Body(wanted): Body<TargetTest>,
) -> Result<Json<TargetVerdict>, AdminRefusal> {
    let snapshot = gateway.files.brain.snapshot();
    let name = named_or_active(&snapshot, wanted.context.as_deref())?;
    let arguments = match wanted.arguments {
        serde_json::Value::String(text) => text,
        other => other.to_string(),
    };
    let judged = verdict(&snapshot, &name, &wanted.tool, &arguments);
    judged.map(Json).ok_or_else(|| AdminRefusal::no_context(&snapshot, &name))
}
