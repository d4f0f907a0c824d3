//! `POST /zos/v1/firewall/test`: what a context's rules make of a text, and nothing is sent anywhere.

use super::Admin;
use super::problem::{AdminRefusal, Body, named_or_active};
use crate::views::{AdminProblem, FirewallTest, FirewallVerdict, judge};
use axum::Json;
use axum::extract::State;
use http::StatusCode;
use zos_core::Code;

/// Tries a text against a context's rules.
#[utoipa::path(
    post, path = "/zos/v1/firewall/test", operation_id = "test_text", request_body = FirewallTest,
    responses((status = 200, body = FirewallVerdict), (status = 404, body = AdminProblem))
)]
pub(crate) async fn test(
    State(house): Admin,
    Body(wanted): Body<FirewallTest>,
) -> Result<Json<FirewallVerdict>, AdminRefusal> {
    let snapshot = house.brain.snapshot();
    let name = named_or_active(&snapshot, wanted.context.as_deref())?;
    let policy = snapshot.policy(&name).ok_or_else(|| AdminRefusal::no_context(&snapshot, &name))?;
    // The owner's own text may be as slow to read as anybody's.
    let Ok(weight) = house.inspectors.weigh(wanted.text.as_bytes()) else {
        return Err(AdminRefusal::new(
            Code::InvalidRequest,
            "The text holds too many small values to be tried at once.",
        )
        .status(StatusCode::PAYLOAD_TOO_LARGE));
    };
    let judge = move || judge(&name, &policy, &wanted.text);
    Ok(Json(house.inspectors.run(weight, judge).await))
}
