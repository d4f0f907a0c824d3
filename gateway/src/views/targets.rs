//! Tool calls that are tried against a context's target lists, and what comes of them.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use zos_core::targets::{self, Judged};
use zos_core::{ContextName, Snapshot};

/// A tool call to try against a context's target lists.
#[derive(Debug, Clone, Deserialize, ToSchema)]
pub struct TargetTest {
    /// Name of the context; absent means the active one.
    pub context: Option<String>,
    /// Name of the tool.
    pub tool: String,
    /// Its arguments: an object, or the text of one.
    #[schema(value_type = Object)]
    pub arguments: serde_json::Value,
}

/// What a context makes of where a tool call points.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct TargetVerdict {
    /// The context that was asked.
    pub context: String,
    /// `allow`, `deny` or `confirm`: the strictest of all targets.
    pub verdict: String,
    /// Each target, in the order in which it was found; the tool itself is the first.
    pub targets: Vec<TargetFound>,
}

/// One target of a tool call.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct TargetFound {
    /// `url`, `host`, `ip`, `email`, `phone`, `file`, `repo`, `channel`, `tool`, `model` or `room`.
    pub kind: String,
    /// The target in its normal form.
    pub target: String,
    /// `allow`, `deny` or `confirm`.
    pub verdict: String,
    /// The rule that decided: `target-deny/1`, `target-allow/2`, `target-default`, …
    pub rule: String,
}

/// What a context makes of a tool call; `None` where its file never loaded.
#[must_use]
pub fn verdict(
    snapshot: &Snapshot,
    name: &ContextName,
    tool: &str,
    arguments: &str,
) -> Option<TargetVerdict> {
    let context = snapshot.context(name)?.context()?;
    let Judged { verdict, targets } = targets::check(&context.targets, tool, arguments);
    let targets = targets
        .into_iter()
        .map(|one| TargetFound {
            kind: one.target.kind.name().to_owned(),
            target: one.target.for_the_owner().unwrap_or_else(|| "too long to be shown".to_owned()),
            verdict: one.verdict.name().to_owned(),
            rule: one.rule,
        })
        .collect();
    Some(TargetVerdict { context: name.to_string(), verdict: verdict.name().to_owned(), targets })
}
