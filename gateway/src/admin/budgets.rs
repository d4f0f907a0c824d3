//! `GET /zos/v1/budgets` and `GET /zos/v1/usage`.

use super::Admin;
use super::problem::AdminRefusal;
use crate::books::budget::all_limits;
use crate::views::{AdminProblem, BudgetState, Budgets, UsageHistory, UsageQuery, UsageRow};
use axum::Json;
use axum::extract::{Query, State};
use zos_meter::{Day, HistoryQuery};

/// How far back usage is shown when nothing else is asked for.
const DEFAULT_DAYS: u32 = 30;

/// How every context stands today.
#[utoipa::path(get, path = "/zos/v1/budgets", responses((status = 200, body = Budgets), (status = 500, body = AdminProblem)))]
pub(crate) async fn budgets(State(house): Admin) -> Result<Json<Budgets>, AdminRefusal> {
    let now_ms = house.now_ms();
    let day = Day::from_unix_ms(now_ms);
    let snapshot = house.brain.snapshot();
    let mut budgets = Vec::new();
    for (name, state) in &snapshot.contexts {
        let limits = state.context().map(|context| all_limits(&context.budget)).unwrap_or_default();
        let balance = house.ledger.balance(name.as_str(), day, &limits).await;
        let balance =
            balance.map_err(|error| AdminRefusal::failed("The budget could not be read", &error))?;
        budgets.push(BudgetState::new(&balance, now_ms));
    }
    Ok(Json(Budgets { budgets }))
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
    let mut rows = history.map_err(|error| AdminRefusal::failed("Usage could not be read", &error))?;
    rows.reverse();
    Ok(Json(UsageHistory { rows: rows.into_iter().map(UsageRow::from).collect() }))
}
