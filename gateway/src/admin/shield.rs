//! `GET` and `PUT /zos/v1/shield`: the owner's pause.

use super::Admin;
use super::deeds::{self, Deed, Done};
use super::problem::{AdminRefusal, Body};
use crate::house::House;
use crate::views::{AdminProblem, Shield, ShieldChange};
use axum::Json;
use axum::extract::State;
use std::sync::Arc;
use std::time::Duration;
use zos_guard::shield::MINUTES_LIMIT;

/// Whether the shield is paused.
#[utoipa::path(get, path = "/zos/v1/shield", responses((status = 200, body = Shield)))]
pub(crate) async fn shield(State(house): Admin) -> Json<Shield> {
    Json(house.shield_state())
}

/// Pauses or resumes the shield. While paused, rules only report; each call says so in its record.
#[utoipa::path(
    put, path = "/zos/v1/shield", request_body = ShieldChange,
    responses((status = 200, body = Shield), (status = 400, body = AdminProblem))
)]
pub(crate) async fn set_shield(
    State(house): Admin,
    Body(change): Body<ShieldChange>,
) -> Result<Json<Shield>, AdminRefusal> {
    let (intent, detail) = match (change.paused, change.minutes) {
        (true, Some(minutes)) if !(1..=MINUTES_LIMIT).contains(&minutes) => {
            return Err(AdminRefusal::invalid(format!("`minutes` must be from 1 to {MINUTES_LIMIT}.")));
        }
        (true, Some(minutes)) => ("pause the shield", format!("shield paused for {minutes} min")),
        (true, None) => ("pause the shield", "shield paused until resumed".to_owned()),
        (false, _) => ("resume the shield", "shield resumed".to_owned()),
    };
    let acting = house.clone();
    deeds::act(acting, Deed::decision(None, intent), move |house| {
        match change.paused {
            true => house.shield.pause(house.now_ms(), change.minutes),
            false => house.shield.resume(),
        }
        house.announce_health();
        Ok(Done::Happened((), detail))
    })
    .await?;
    if let (true, Some(minutes)) = (change.paused, change.minutes) {
        announce_end(house.clone(), minutes);
    }
    Ok(Json(house.shield_state()))
}

/// Tells the screens when a pause has ended by itself. The end itself needs no task: it is a comparison.
fn announce_end(house: Arc<House>, minutes: u32) {
    tokio::spawn(async move {
        tokio::time::sleep(Duration::from_secs(u64::from(minutes) * 60) + Duration::from_millis(50)).await;
        house.announce_health();
    });
}
