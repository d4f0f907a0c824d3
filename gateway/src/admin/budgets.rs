//! `GET /zos/v1/budgets`, `GET /zos/v1/usage` and `GET /zos/v1/quotas`.

use super::Admin;
use super::problem::AdminRefusal;
use crate::books::budget;
use crate::books::quotas::Quota;
use crate::views::{
    AdminProblem, Budgets, QuotaCredits, QuotaList, QuotaState, QuotaWindow, UsageHistory, UsageQuery,
};
use axum::Json;
use axum::extract::{Query, State};
use zos_meter::{Day, HistoryQuery};

/// How far back usage is shown when nothing else is asked for.
const DEFAULT_DAYS: u32 = 30;

/// How every context stands today.
#[utoipa::path(get, path = "/zos/v1/budgets", responses((status = 200, body = Budgets), (status = 500, body = AdminProblem)))]
pub(crate) async fn budgets(State(gateway): Admin) -> Result<Json<Budgets>, AdminRefusal> {
    let snapshot = gateway.files.brain.snapshot();
    let standing = budget::standing(&snapshot, Some(&*gateway.books.ledger), gateway.journal.now_ms()).await;
    standing.map(Json).map_err(|error| AdminRefusal::failed("The budget could not be read", &error))
}

/// Usage by day, context, model, provider and client.
#[utoipa::path(
    get, path = "/zos/v1/usage", params(UsageQuery),
    responses((status = 200, body = UsageHistory), (status = 400, body = AdminProblem))
)]
pub(crate) async fn usage(
    State(gateway): Admin,
    Query(query): Query<UsageQuery>,
) -> Result<Json<UsageHistory>, AdminRefusal> {
    let today = Day::from_unix_ms(gateway.journal.now_ms());
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
    let history = gateway.books.ledger.history(asked).await;
    let rows = history.map_err(|error| AdminRefusal::failed("Usage could not be read", &error))?;
    Ok(Json(rows.into()))
}

/// Quotas of plans, as far as answers of providers told of them since the start.
#[utoipa::path(get, path = "/zos/v1/quotas", responses((status = 200, body = QuotaList)))]
pub(crate) async fn quotas(State(gateway): Admin) -> Json<QuotaList> {
    let all = gateway.books.quotas.all(gateway.journal.now_ms()).into_iter();
    Json(QuotaList {
        quotas: all.map(|(provider, account, quota)| state(provider, account, quota)).collect(),
    })
}

fn state(provider: String, account: String, quota: Quota) -> QuotaState {
    let windows = quota.windows.into_iter().map(|(name, window)| QuotaWindow {
        name,
        used_percent: window.used_percent,
        minutes: window.minutes,
        resets_at: window.resets_ms.map(zos_audit::format_time),
        status: window.status,
    });
    QuotaState {
        provider,
        account,
        plan: quota.plan,
        windows: windows.collect(),
        credits: quota
            .credits
            .map(|credits| QuotaCredits { balance: credits.balance, unlimited: credits.unlimited }),
        seen_at: zos_audit::format_time(quota.seen_ms),
    }
}
