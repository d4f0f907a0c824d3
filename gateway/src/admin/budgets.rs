//! `GET /zos/v1/budgets` and `GET /zos/v1/usage`.

use super::Admin;
use super::problem::AdminRefusal;
use super::types::{AdminProblem, BudgetLimit, BudgetState, Budgets, UsageHistory, UsageQuery, UsageRow};
use crate::budget::all_limits;
use axum::Json;
use axum::extract::{Query, State};
use zos_meter::{Balance, Day, HistoryQuery, Limit, Period, Scope, Standing, Sums, Unit};

/// How far back usage is shown when nothing else is asked for.
const DEFAULT_DAYS: u32 = 30;

impl BudgetState {
    /// How a context stands.
    #[must_use]
    pub fn new(balance: &Balance, now_ms: u64) -> Self {
        // What only calls of unknown price were spent on is unknown too, not nothing.
        let cost = |sums: &Sums| (sums.used_micros > 0 || sums.unpriced == 0).then_some(sums.used_micros);
        BudgetState {
            context: balance.context.clone(),
            limit: balance.limit(),
            used: balance.today.used,
            reserved: balance.today.reserved,
            remaining: balance.remaining(),
            resets_at: zos_audit::format_time(balance.resets_at()),
            cost_today_micros: cost(&balance.today),
            cost_month_micros: cost(&balance.month),
            unpriced_today: balance.today.unpriced,
            unpriced_month: balance.month.unpriced,
            limits: balance.limits.iter().map(|standing| BudgetLimit::new(standing, now_ms)).collect(),
        }
    }
}

impl BudgetLimit {
    /// How a limit stands.
    #[must_use]
    pub fn new(standing: &Standing, now_ms: u64) -> Self {
        let Limit { scope, period, unit, amount } = &standing.limit;
        let (scope, of) = match scope {
            Scope::Context => ("context", None),
            Scope::Key(client) => ("key", Some(client.clone())),
            Scope::Model(pattern) => ("model", Some(pattern.clone())),
        };
        let (period, unit) = (
            match period {
                Period::Day => "day",
                Period::Month => "month",
            },
            match unit {
                Unit::Tokens => "tokens",
                Unit::Micros => "micros",
            },
        );
        BudgetLimit {
            name: standing.limit.name().to_owned(),
            scope: scope.to_owned(),
            of,
            period: period.to_owned(),
            unit: unit.to_owned(),
            limit: *amount,
            used: standing.used,
            reserved: standing.reserved,
            remaining: standing.remaining(),
            resets_at: zos_audit::format_time(standing.resets_at()),
            runs_out_at: standing.runs_out_at(now_ms).map(zos_audit::format_time),
        }
    }
}

impl From<zos_meter::UsageRow> for UsageRow {
    fn from(row: zos_meter::UsageRow) -> Self {
        UsageRow {
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
            reasoning: row.usage.reasoning,
            expired: row.expired,
            cost_micros: (row.unpriced_calls < row.calls).then_some(row.cost.0),
            unpriced_calls: row.unpriced_calls,
            estimated_calls: row.estimated_calls,
        }
    }
}

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
