//! `GET /zos/v1/budgets` and `GET /zos/v1/usage`.

use super::Admin;
use super::problem::AdminRefusal;
use crate::books::budget;
use crate::views::{AdminProblem, Budgets, UsageHistory, UsageQuery};
use axum::Json;
use axum::extract::{Query, State};
use zos_meter::{Day, HistoryQuery};

/// How far back usage is shown when nothing else is asked for.
const DEFAULT_DAYS: u32 = 30;

/// How every context stands today.
#[utoipa::path(get, path = "/zos/v1/budgets", responses((status = 200, body = Budgets), (status = 500, body = AdminProblem)))]
pub(crate) async fn budgets(State(house): Admin) -> Result<Json<Budgets>, AdminRefusal> {
    let snapshot = house.brain.snapshot();
    let standing = budget::standing(&snapshot, Some(&*house.ledger), house.now_ms()).await;
    standing.map(Json).map_err(|error| AdminRefusal::failed("The budget could not be read", &error))
}

/// Usage by day, context, model, provider and client.
#[utoipa::path(
    get, path = "/zos/v1/usage", params(UsageQuery),
    responses((status = 200, body = UsageHistory), (status = 400, body = AdminProblem))
)]
pub(crate) async fn usage(
    State(house): Admin,
    Query(query): Query<UsageQuery>,
) -> Result<Json<UsageHistory>, AdminRefusal> {
    let today = Day::from_unix_ms(house.now_ms());
    let day = |text: &Option<String>, default: Day| match text {
        None => Ok(default),
        Some(text) => text.parse().map_err(|_| AdminRefusal::invalid("A day is written YYYY-MM-DD.")),
    };
    let first = (0..DEFAULT_DAYS).fold(today, |day, _| day.previous());
    let asked = HistoryQuery {
        context: query.context,
        since: day(&query.since, first)?,
        until: day(&query.until, today)?,
    };
    let history = house.ledger.history(asked).await;
    let rows = history.map_err(|error| AdminRefusal::failed("Usage could not be read", &error))?;
    Ok(Json(rows.into()))
}
