//! Quotas of plans, as providers told them in passing.

use serde::Serialize;
use utoipa::ToSchema;

/// One quota of a plan.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct QuotaWindow {
    /// Its name: `5h`, `7d`, `primary`, `secondary`, or another word of the provider.
    pub name: String,
    /// Share that is used, in percent; above 100 where a provider counts on.
    pub used_percent: f64,
    /// Its length in minutes, where that is told.
    pub minutes: Option<u64>,
    /// When it starts anew, where that is told.
    pub resets_at: Option<String>,
    /// What the provider calls its state, such as `allowed` or `rejected`.
    pub status: Option<String>,
}

/// Credits beside the quotas.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct QuotaCredits {
    /// What is left, in the provider's words.
    pub balance: Option<String>,
    /// Whether there is no end of them.
    pub unlimited: bool,
}

/// Quotas of one account at a provider.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct QuotaState {
    /// The provider.
    pub provider: String,
    /// `owner` for the owner's own key, else a digest that tells accounts of clients apart.
    pub account: String,
    /// Name of the plan, where it is told.
    pub plan: Option<String>,
    /// Its quotas, those left out that started anew since.
    pub windows: Vec<QuotaWindow>,
    /// Credits, where there are any.
    pub credits: Option<QuotaCredits>,
    /// When an answer told of it last.
    pub seen_at: String,
}

/// Quotas of all accounts, as far as answers told of them since the start.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct QuotaList {
    /// By provider and account.
    pub quotas: Vec<QuotaState>,
}
