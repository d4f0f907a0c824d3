//! What crosses the wire of the admin API, in one place: the screens' types and
//! `docs/openapi.json` are generated from these. No rules here, only shapes.
//!
//! Times are RFC 3339 in UTC. Tokens are whole numbers. No type here holds a secret but
//! [`NewKey`], whose value is shown once, and [`ProviderKey`], which only goes in.

mod approvals;
mod audit;
mod canon;

pub use approvals::{
    Approval, ApprovalDecided, ApprovalDecision, Approvals, AskedRule, AskedTarget, Decision,
};
pub use audit::{AuditPage, AuditQuery, AuditRecord, CallUsage, PruneRequest, Pruned, RotatedKey, SealedLog};
pub use canon::{
    CanonFinding, CanonLayer, CanonMatch, CanonPlace, CanonQuery, CanonView, CanonWhy, CanonWhyQuery,
};

use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

/// The state of the house at a glance.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct Status {
    /// Version of zOS.
    pub version: String,
    /// Address that AI clients use, for example `http://127.0.0.1:8788`; absent while not listening.
    pub address: Option<String>,
    /// Why the gateway does not listen, in words; absent while it listens.
    pub listen_error: Option<String>,
    /// Where the person's files are.
    pub home: String,
    /// The context that governs calls which name none; absent when such calls are refused.
    pub active: Option<String>,
    /// Whether `active` is the built-in context that serves while no context file exists.
    pub active_is_builtin: bool,
    /// Whether the owner paused the shield, and until when.
    pub shield: Shield,
    /// Health of the parts.
    pub health: Health,
    /// Calls since the start of this process.
    pub counts: Counts,
    /// Seconds since the start of this process.
    pub uptime_s: u64,
}

/// Health of the parts that a governed call needs.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct Health {
    /// Whether every part works.
    pub ok: bool,
    /// What does not work, and what the owner should know although all works; a sentence each.
    pub problems: Vec<String>,
}

/// Calls since the start, by outcome.
#[derive(Debug, Clone, Copy, Default, Serialize, ToSchema)]
pub struct Counts {
    /// All calls that arrived under `/v1` or `/rooms`.
    pub calls: u64,
    /// Calls that the firewall denied, on the way out or on the way back.
    pub denied: u64,
    /// Calls that went on with a warning.
    pub warned: u64,
    /// Calls refused for another reason: budget, key, unknown context and the like.
    pub refused: u64,
    /// Calls that failed at the provider.
    pub failed: u64,
    /// Calls in progress.
    pub in_flight: u64,
}

/// The active context.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct Active {
    /// Name of the context; `null` for none.
    pub context: Option<String>,
}

/// The shield. While it is paused, rules still look and findings still stand in the records, but
/// nothing is blocked, in any context; budgets and records go on. A restart ends the pause.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct Shield {
    /// Whether it is paused.
    pub paused: bool,
    /// When the pause ends by itself; absent while not paused, or when it lasts until the owner resumes.
    pub until: Option<String>,
}

/// Pauses or resumes the shield.
#[derive(Debug, Clone, Deserialize, ToSchema)]
pub struct ShieldChange {
    /// `true` pauses, `false` resumes.
    pub paused: bool,
    /// Minutes until the pause ends by itself, 1 to 1440; absent means until the owner resumes.
    pub minutes: Option<u32>,
}

/// A finding about a file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct FileProblem {
    /// `error` or `warning`.
    pub severity: String,
    /// The file, relative to the home.
    pub file: String,
    /// Line, from 1.
    pub line: Option<u64>,
    /// Column, from 1.
    pub column: Option<u64>,
    /// What is wrong.
    pub message: String,
    /// What to write instead.
    pub mend: String,
}

/// One context as the list shows it.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct ContextSummary {
    /// Its name.
    pub name: String,
    /// Its title; the name where the file gives none.
    pub title: String,
    /// `open` or `hard`; absent when it never loaded.
    pub isolation: Option<String>,
    /// Whether it is the active one.
    pub active: bool,
    /// `live`, `stale` (a broken save; the last good version governs) or `broken` (never loaded).
    pub state: String,
    /// Whether it is the built-in context that serves while no context file exists.
    pub builtin: bool,
    /// How many things must never leave it.
    pub outbound_deny: u64,
    /// How many things belong to it alone.
    pub confidential: u64,
    /// Tokens a day; absent without a limit.
    pub daily_tokens: Option<u64>,
    /// What is wrong with its files.
    pub problems: Vec<FileProblem>,
}

/// All contexts.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct Contexts {
    /// By name.
    pub contexts: Vec<ContextSummary>,
    /// Problems of files that belong to no single context.
    pub problems: Vec<FileProblem>,
}

/// One entry of a firewall list.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ListEntry {
    /// A plain term. Exactly one of `term`, `pattern` and `pack` is given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub term: Option<String>,
    /// A regular expression.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pattern: Option<String>,
    /// The name of a detector pack.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pack: Option<String>,
    /// `deny`, `redact`, `ask` or `warn`; absent means `deny`, softened in an open context.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub action: Option<String>,
    /// The person's own note.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub note: Option<String>,
    /// Rule id as it stands in records. Not read on a change.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rule: Option<String>,
}

/// One context with its file.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct ContextDetail {
    /// As in the list.
    pub summary: ContextSummary,
    /// The file as it stands on disk.
    pub yaml: String,
    /// Digest of that file: send it back with a change, so that nothing unseen is overwritten.
    pub etag: String,
    /// What must never leave this context. Empty while the file is broken.
    pub outbound_deny: Vec<ListEntry>,
    /// What belongs to this context alone. Empty while the file is broken.
    pub confidential: Vec<ListEntry>,
}

/// A change of a context's file: either its whole text, or only its lists.
#[derive(Debug, Clone, Deserialize, ToSchema)]
pub struct ContextChange {
    /// The whole new text of the file.
    pub yaml: Option<String>,
    /// The new `outbound_deny` list; comments and everything else in the file stay.
    pub outbound_deny: Option<Vec<ListEntry>>,
    /// The new `confidential` list; comments and everything else in the file stay.
    pub confidential: Option<Vec<ListEntry>>,
    /// Digest of the file that was changed; absent makes a new file and refuses to replace one.
    pub etag: Option<String>,
}

/// The digest of the file that is to be removed.
#[derive(Debug, Clone, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct EtagQuery {
    /// Digest of the file as it was read.
    pub etag: String,
}

/// Digest of a context's file after a change.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct ContextWritten {
    /// The new digest.
    pub etag: String,
}

/// A text to try against a context's rules.
#[derive(Debug, Clone, Deserialize, ToSchema)]
pub struct FirewallTest {
    /// Name of the context; absent means the active one.
    pub context: Option<String>,
    /// The text.
    pub text: String,
}

/// What the rules of a context make of a text.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct FirewallVerdict {
    /// The context that was asked.
    pub context: String,
    /// `allow`, `warn`, `redact` or `deny`.
    pub verdict: String,
    /// Each finding, in order.
    pub violations: Vec<FirewallViolation>,
    /// What packs found that is reserved for examples and tests, and so is no violation: it passes unless
    /// the pack says `examples: count`.
    pub examples: Vec<FirewallViolation>,
    /// What would be sent: the text, or the text with placeholders; absent where nothing would be.
    pub sent: Option<String>,
}

/// One finding in a tried text.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct FirewallViolation {
    /// Rule id as it stands in records.
    pub rule: String,
    /// First byte of the finding.
    pub start: u64,
    /// First byte after the finding.
    pub end: u64,
    /// What would happen: `deny`, `redact`, `ask` or `warn` (an open context only reports); `allow` for examples.
    pub action: String,
    /// How the term was hidden, where it was.
    pub evasion: Option<String>,
    /// The detector of a pack that found it, such as `secrets/aws-key`.
    pub detector: Option<String>,
    /// Where the rule stands, as `file:line`.
    pub place: Option<String>,
}

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

/// What happened, live. Sent as server-sent events on the listener and through a channel in the window.
#[derive(Debug, Clone, Serialize, ToSchema)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum Event {
    /// A call ended and its record is written.
    Call {
        /// The record.
        record: Box<AuditRecord>,
    },
    /// Context files, fleet or the active context changed.
    Config {
        /// The active context now.
        active: Option<String>,
        /// How many problems the files have.
        problems: u64,
    },
    /// A part began or ceased to work, or the shield was paused or resumed.
    Health {
        /// Health now.
        health: Health,
        /// The shield now.
        shield: Shield,
    },
    /// A budget crossed 80 % or 100 %.
    Budget {
        /// Name of the context.
        context: String,
        /// The limit now.
        limit: BudgetLimit,
        /// 80 or 100.
        percent: u8,
    },
    /// The owner is asked, or has answered.
    Approval {
        /// The ask.
        approval: Box<Approval>,
    },
    /// Events were lost because the reader was too slow: load the lists anew.
    Lagged,
}

/// A zOS key without its value.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct KeyInfo {
    /// Its id.
    pub id: String,
    /// Context it is bound to; absent for the usual resolution.
    pub context: Option<String>,
    /// Name of the client that uses it.
    pub client: String,
    /// When it was made.
    pub created: String,
    /// When it was last used.
    pub last_used: Option<String>,
}

/// All zOS keys.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct Keys {
    /// By age.
    pub keys: Vec<KeyInfo>,
}

/// A zOS key to make.
#[derive(Debug, Clone, Deserialize, ToSchema)]
pub struct KeyRequest {
    /// Context to bind it to; absent for the usual resolution.
    pub context: Option<String>,
    /// Name of the client that will use it.
    pub client: String,
}

/// A new zOS key. Its value is shown here and nowhere else.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct NewKey {
    /// Its id.
    pub id: String,
    /// The key.
    pub key: String,
}

/// A provider as the fleet knows it.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct ProviderInfo {
    /// Its id.
    pub id: String,
    /// `anthropic` or `openai`; `demo` speaks both.
    pub api: String,
    /// Its base URL; absent for the built-in demo.
    pub base_url: Option<String>,
    /// Where its key comes from: `keychain`, `environment`, `none`, `missing`, or
    /// `unavailable` when the keychain did not tell.
    pub key: String,
    /// Name of the environment variable or keychain item, where there is one.
    pub key_name: Option<String>,
    /// Whether a key can be stored for it here.
    pub key_writable: bool,
    /// Whether it is the built-in demo.
    pub demo: bool,
}

/// All providers.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct Providers {
    /// In the fleet's order.
    pub providers: Vec<ProviderInfo>,
}

/// A provider's key on its way into the keychain.
#[derive(Clone, Deserialize, ToSchema)]
pub struct ProviderKey {
    /// The key. Never returned by any endpoint.
    pub key: String,
}

impl std::fmt::Debug for ProviderKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("ProviderKey([secret])")
    }
}

/// What a provider said when its key was tried.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct ProviderTest {
    /// Whether it accepted the key.
    pub ok: bool,
    /// What happened, in a sentence.
    pub message: String,
    /// Milliseconds it took.
    pub ms: u64,
    /// How many models it lists, where it lists any.
    pub models: Option<u64>,
}

/// Every refusal of the admin API.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct AdminProblem {
    /// The error.
    pub error: AdminError,
}

/// The error of a refusal.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct AdminError {
    /// Code to match on.
    pub code: String,
    /// What is wrong.
    pub message: String,
    /// What to do.
    pub hint: Option<String>,
    /// Findings in the file that was sent.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub problems: Vec<FileProblem>,
}
