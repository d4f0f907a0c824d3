//! Contexts, their files and their lists, as the screens show and change them.

use super::FileProblem;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use zos_core::{ContextName, ContextState, Entry, Snapshot};
use zos_rules::{Action, RuleKind};

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

impl ContextSummary {
    /// A context as the list shows it.
    #[must_use]
    pub fn new(snapshot: &Snapshot, name: &ContextName, state: &ContextState) -> Self {
        let context = state.context();
        let state_word = match state {
            ContextState::Live { stale: false, .. } => "live",
            ContextState::Live { stale: true, .. } => "stale",
            ContextState::Broken { .. } => "broken",
        };
        ContextSummary {
            name: name.to_string(),
            title: context.map_or_else(|| name.to_string(), |context| context.display_title().to_owned()),
            isolation: context.map(|context| context.isolation.name().to_owned()),
            active: snapshot.effective_active().is_ok_and(|active| active == name),
            state: state_word.to_owned(),
            builtin: context.is_some_and(|context| context.builtin),
            outbound_deny: context.map_or(0, |context| context.outbound_deny.len() as u64),
            confidential: context.map_or(0, |context| context.confidential.len() as u64),
            daily_tokens: context.and_then(|context| context.budget.daily_tokens),
            problems: state.problems().iter().map(FileProblem::from).collect(),
        }
    }
}

impl From<&Entry> for ListEntry {
    fn from(entry: &Entry) -> Self {
        let (mut term, mut pattern, mut pack) = (None, None, None);
        match &entry.rule.kind {
            RuleKind::Term(kind) => term = Some(kind.text().to_owned()),
            RuleKind::Pattern(kind) => pattern = Some(kind.source().to_owned()),
            RuleKind::Pack(kind) => pack = Some(kind.name().to_owned()),
        }
        ListEntry {
            term,
            pattern,
            pack,
            action: entry.explicit_action.then(|| action_name(entry.rule.action).to_owned()),
            note: entry.note.clone(),
            rule: Some(entry.rule.id.clone()),
        }
    }
}

/// An action as files write it.
fn action_name(action: Action) -> &'static str {
    match action {
        Action::Deny => "deny",
        Action::Redact => "redact",
        Action::Ask => "ask",
        Action::Warn => "warn",
    }
}
