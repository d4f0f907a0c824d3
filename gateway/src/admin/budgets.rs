//! `GET /zos/v1/budgets` and `GET /zos/v1/usage`.

use super::Admin;
use super::problem::AdminRefusal;
use super::types::{AdminProblem, BudgetState, Budgets, UsageHistory, UsageQuery, UsageRow};
use axum::Json;
use axum::extract::{Query, State};
use zos_meter::{Balance, Day, HistoryQuery};

/// How far back usage is shown when nothing else is asked for.
const DEFAULT_DAYS: u32 = 30;

impl From<&Balance> for BudgetState {
    fn from(balance: &Balance) -> Self {
        BudgetState {
            context: balance.context.clone(),
            limit: balance.limit,
            used: balance.used,
            reserved: balance.reserved,
            remaining: balance.remaining(),
            resets_at: zos_audit::format_time(balance.resets_at()),
        }
    }
}

/// How every context stands today.
#[utoipa::path(get, path = "/zos/v1/budgets", responses((status = 200, body = Budgets), (status = 500, body = AdminProblem)))]
pub(crate) async fn budgets(State(house): Admin) -> Result<Json<Budgets>, AdminRefusal> {
    let day = Day::from_unix_ms(house.now_ms());
    let snapshot = house.brain.snapshot();
    let mut budgets = Vec::new();
    for (name, state) in &snapshot.contexts {
        let limit = state.context().and_then(|context| context.budget.daily_tokens);
        let balance = house.ledger.balance(name.as_str(), day, limit).await;
        let balance =
            balance.map_err(|error| AdminRefusal::failed("The budget could not be read", &error))?;
        budgets.push(BudgetState::from(&balance));
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
    let rows = rows.into_iter().map(|row| UsageRow {
        day: row.day.to_string(),
        context: row.context,
        model: row.model,
        provider: row.provider,
        client: row.client,
        calls: row.calls,
        input: row.usage.input,
        output: row.usage.output,
        cache_read: row.usage.cache_read,
        cache_write: row.usage.cache_write,
        expired: row.expired,
        estimated_calls: row.estimated_calls,
    });
    Ok(Json(UsageHistory { rows: rows.collect() }))
}
