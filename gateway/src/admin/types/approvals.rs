//! What the owner is asked, and answers.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// What waits for the owner.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct Approvals {
    /// Oldest first.
    pub approvals: Vec<Approval>,
}

/// An ask: calls that met an `ask` rule, or whose answers point where the owner has to confirm. Never the
/// words that were found.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct Approval {
    /// Four letters and digits, for `zos allow ID`.
    pub id: String,
    /// The context that asks.
    pub context: String,
    /// The client, where its key names one.
    pub client: Option<String>,
    /// The model that was called.
    pub model: String,
    /// `request` or `answer`: where it was found.
    pub side: String,
    /// What was met.
    pub rules: Vec<AskedRule>,
    /// The targets of tool calls and links that it is about; empty where it is about words. Where there are
    /// any, `redact` is no answer.
    pub targets: Vec<AskedTarget>,
    /// When it was first asked.
    pub asked: String,
    /// Until when it can be answered.
    pub expires: String,
    /// Calls that asked this.
    pub calls: u64,
    /// Calls that wait for the answer now; without any, the answer holds for the next try.
    pub waiting: u64,
    /// The answer, in the event that tells of it: `allow_once`, `redact`, `deny` or `always`.
    pub decision: Option<String>,
}

/// A rule that was met.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct AskedRule {
    /// Its id.
    pub rule: String,
    /// The field, such as `messages[2].content`.
    pub field: String,
    /// How many times.
    pub count: u64,
}

/// A target that the owner has to confirm.
#[derive(Clone, Serialize, ToSchema)]
pub struct AskedTarget {
    /// The rule that asks: `target-confirm/1`, `target-default`.
    pub rule: String,
    /// The tool that would be called; absent for a link in text.
    pub tool: Option<String>,
    /// `url`, `host`, `ip`, `email`, `phone`, `file`, `repo`, `channel`, `tool`, `model` or `room`.
    pub kind: String,
    /// The target in its normal form, whole, with letters that would not show written out.
    pub target: String,
    /// How many times.
    pub count: u64,
    /// The entry that `always` would add to the context's `targets.allow`; absent where it cannot.
    pub always: Option<String>,
    /// Why it cannot.
    pub not_always: Option<String>,
}

impl std::fmt::Debug for AskedTarget {
    /// Without the target, which is the owner's to see and no log's.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("AskedTarget")
            .field("rule", &self.rule)
            .field("kind", &self.kind)
            .finish_non_exhaustive()
    }
}

/// The owner's decision.
#[derive(Debug, Clone, Deserialize, ToSchema)]
pub struct ApprovalDecision {
    /// What shall be done.
    pub decision: Decision,
}

/// What the owner can decide.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Decision {
    /// These calls go on, and nothing else.
    AllowOnce,
    /// These calls go on with placeholders. No answer to an ask about targets.
    Redact,
    /// These calls are refused.
    Deny,
    /// As `allow_once`, and the rule only reports from now on, or the targets are allowed from now on: the
    /// context's file is changed.
    Always,
}

/// What a decision did.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct ApprovalDecided {
    /// The ask.
    pub approval: Approval,
    /// For `always`, the entries that were written: file, place and text.
    pub written: Vec<String>,
}
