//! Budgets and usage, as the screens and the command line show them.

use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use zos_meter::{Balance, Limit, Period, Scope, Standing, Sums, Unit};

/// A context's budget of the current UTC day.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct BudgetState {
    /// Name of the context.
    pub context: String,
    /// Tokens a day; absent without a limit.
    pub limit: Option<u64>,
    /// Tokens used today.
    pub used: u64,
    /// Tokens held for calls in progress.
    pub reserved: u64,
    /// Tokens left today; absent without a limit.
    pub remaining: Option<u64>,
    /// When the day's budget starts anew.
    pub resets_at: String,
    /// Microdollars spent today on calls whose price is known; null when there were only others.
    pub cost_today_micros: Option<u64>,
    /// The same for this UTC month.
    pub cost_month_micros: Option<u64>,
    /// Calls of today whose price is unknown: no amount has them.
    pub unpriced_today: u64,
    /// The same for this UTC month.
    pub unpriced_month: u64,
    /// Every limit of the context, its keys and its models.
    pub limits: Vec<BudgetLimit>,
}

/// How one limit stands.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct BudgetLimit {
    /// As the file calls it: `daily_tokens`, `daily_usd` or `monthly_usd`.
    pub name: String,
    /// Whose calls it counts: `context`, `key` or `model`.
    pub scope: String,
    /// The client of the key, or the pattern of models; absent for the whole context.
    pub of: Option<String>,
    /// `day` or `month`, in UTC.
    pub period: String,
    /// `tokens`, or `micros`: millionths of a US dollar.
    pub unit: String,
    /// The limit, in that unit.
    pub limit: u64,
    /// What is used of it.
    pub used: u64,
    /// What is held for calls in progress.
    pub reserved: u64,
    /// What is left.
    pub remaining: u64,
    /// When it starts anew.
    pub resets_at: String,
    /// When it is used up if calls go on as they did since it began; absent when it lasts.
    pub runs_out_at: Option<String>,
}

/// All budgets.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct Budgets {
    /// By context.
    pub budgets: Vec<BudgetState>,
}

/// Which usage to show.
#[derive(Debug, Clone, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct UsageQuery {
    /// Only this context.
    pub context: Option<String>,
    /// First UTC day, `YYYY-MM-DD`; absent means 30 days ago.
    pub since: Option<String>,
    /// Last UTC day, `YYYY-MM-DD`; absent means today.
    pub until: Option<String>,
}

/// Usage of one day, context, model, provider and client.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct UsageRow {
    /// UTC day.
    pub day: String,
    /// Name of the context.
    pub context: String,
    /// Model as it was asked for.
    pub model: String,
    /// Provider that answered.
    pub provider: String,
    /// Client by its zOS key; empty for a keyless call.
    pub client: String,
    /// Calls.
    pub calls: u64,
    /// Input tokens, without those read from a cache.
    pub input: u64,
    /// Output tokens.
    pub output: u64,
    /// Tokens read from the provider's prompt cache.
    pub cache_read: u64,
    /// Tokens written to it.
    pub cache_write: u64,
    /// Part of the output that was reasoning, where providers say so.
    pub reasoning: u64,
    /// Tokens held for calls that a crash ended: spent, as far as anybody can know.
    pub expired: u64,
    /// Microdollars that the calls with a known price cost; null when there is none of those.
    pub cost_micros: Option<u64>,
    /// Calls whose price is unknown.
    pub unpriced_calls: u64,
    /// Calls whose usage is an estimate.
    pub estimated_calls: u64,
}

/// Usage history.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct UsageHistory {
    /// Newest day first.
    pub rows: Vec<UsageRow>,
}

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
