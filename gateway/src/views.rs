//! Shapes of the admin API: what crosses its wire, and how each is filled from what the parts of the gateway know.
//!
//! The screens' types and `docs/openapi.json` are generated from these. A constructor takes a snapshot, a balance, a
//! record: never the whole gateway, so that whoever tells the screens something needs nothing but what it tells.
//!
//! Times are RFC 3339 in UTC. Tokens are whole numbers. No type here holds a secret but
//! [`NewKey`], whose value is shown once, and [`ProviderKey`], which only goes in.

mod approvals;
mod audit;
mod budgets;
mod canon;
mod contexts;
mod firewall;
mod keys;
pub mod memory;
mod providers;
mod quotas;
mod targets;

pub(crate) use approvals::always_entry;
pub use approvals::{
    Approval, ApprovalDecided, ApprovalDecision, Approvals, AskedRule, AskedTarget, Decision,
};
pub use audit::{AuditPage, AuditQuery, AuditRecord, CallUsage, PruneRequest, Pruned, RotatedKey, SealedLog};
pub use budgets::{BudgetLimit, BudgetState, Budgets, UsageHistory, UsageQuery, UsageRow};
pub use canon::{
    CanonFinding, CanonLayer, CanonMatch, CanonPlace, CanonQuery, CanonView, CanonWhy, CanonWhyQuery,
};
pub use contexts::{
    ContextChange, ContextDetail, ContextSummary, ContextWritten, Contexts, EtagQuery, ListEntry,
};
pub use firewall::{FirewallTest, FirewallVerdict, FirewallViolation, judge};
pub use keys::{KeyInfo, KeyRequest, Keys, NewKey};
pub use providers::{KeyCommandState, KeyCommandYes, ProviderInfo, ProviderKey, ProviderTest, Providers};
pub use quotas::{QuotaCredits, QuotaList, QuotaState, QuotaWindow};
pub use targets::{TargetFound, TargetTest, TargetVerdict, verdict};

pub use zos_guard::shield::MINUTES_LIMIT as SHIELD_MINUTES_LIMIT;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use zos_core::{Home, Snapshot};
use zos_guard::shield;

/// State of the gateway at a glance.
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
    pub fix: String,
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

impl From<&zos_core::Problem> for FileProblem {
    fn from(problem: &zos_core::Problem) -> Self {
        FileProblem {
            severity: problem.severity.name().to_owned(),
            file: problem.file.clone(),
            line: problem.line.map(|line| line as u64),
            column: problem.column.map(|column| column as u64),
            message: problem.message.clone(),
            fix: problem.fix.clone(),
        }
    }
}

impl Status {
    /// Status of a home on which no zOS runs, as its files have it.
    #[must_use]
    pub fn at_rest(home: &Home, snapshot: &Snapshot) -> Self {
        let why = "zOS does not run on this home.".to_owned();
        let fleet = snapshot.fleet.broken().map(|problem| format!("The fleet cannot be loaded: {problem}"));
        Status {
            version: env!("CARGO_PKG_VERSION").to_owned(),
            address: None,
            listen_error: Some(why.clone()),
            home: home.root().display().to_string(),
            active: Active::new(snapshot).context,
            active_is_builtin: snapshot.is_builtin(),
            shield: Shield { paused: false, until: None },
            health: Health { ok: false, problems: std::iter::once(why).chain(fleet).collect() },
            counts: Counts::default(),
            uptime_s: 0,
        }
    }
}

impl Active {
    /// Context that governs calls which name none.
    #[must_use]
    pub fn new(snapshot: &Snapshot) -> Self {
        Active { context: snapshot.effective_active().ok().map(ToString::to_string) }
    }
}

impl Shield {
    /// The shield as it stands at a time, in milliseconds since 1970.
    pub(crate) fn new(shield: &shield::Shield, now_ms: u64) -> Self {
        Shield { paused: shield.is_paused(now_ms), until: shield.ends_ms(now_ms).map(zos_audit::format_time) }
    }
}
