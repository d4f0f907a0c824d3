//! What the owner is asked, and answers.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use zos_core::targets::NotAlways;
use zos_core::{ContextName, Snapshot};
use zos_guard::approvals;
use zos_guard::destination::Destination;

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

impl Approval {
    /// An ask, with what the context's file as it stands in `snapshot` lets `always` write.
    pub(crate) fn new(snapshot: &Snapshot, approval: &approvals::Approval) -> Self {
        let rules = approval.asked.iter().map(|asked| AskedRule {
            rule: asked.rule.clone(),
            field: asked.field.clone(),
            count: asked.count.into(),
        });
        let targets = approval.targets.iter().map(|(asked, times)| {
            let always = always_entry(snapshot, &approval.context, asked);
            AskedTarget {
                rule: asked.rule.clone(),
                tool: asked.tool.clone(),
                kind: asked.target.kind.name().to_owned(),
                target: asked.shown.clone(),
                count: (*times).into(),
                not_always: always.as_ref().err().map(|why| format!("{why}.")),
                always: always.ok(),
            }
        });
        Approval {
            id: approval.id.clone(),
            context: approval.context.clone(),
            client: approval.client.clone(),
            model: approval.model.clone(),
            side: approval.side.name().to_owned(),
            rules: rules.collect(),
            targets: targets.collect(),
            asked: zos_audit::format_time(approval.created_ms),
            expires: zos_audit::format_time(approval.expires_ms),
            calls: approval.calls,
            waiting: approval.waiting,
            decision: approval.decision.map(|decision| decision.name().to_owned()),
        }
    }
}

/// Why a target cannot be allowed for good from here.
#[derive(Debug, thiserror::Error)]
pub(crate) enum NotHere {
    #[error("context \"{0}\" asks about it, whose memory the conversation has read")]
    OfAnother(ContextName),
    #[error("the context's file cannot be read just now")]
    Unread,
    #[error(transparent)]
    Never(#[from] NotAlways),
}

/// Entry of `targets.allow` that lets a target pass from now on, as the context's file stands in `snapshot`.
pub(crate) fn always_entry(
    snapshot: &Snapshot,
    context: &str,
    asked: &Destination,
) -> Result<String, NotHere> {
    if asked.room.as_str() != context {
        return Err(NotHere::OfAnother(asked.room.clone()));
    }
    let context = snapshot.context(&asked.room).and_then(|state| state.context());
    Ok(context.ok_or(NotHere::Unread)?.targets.always(&asked.target)?)
}
