//! Subjects of an ask: rules that found something, or places that a call points to. Data alone.

use zos_core::ContextName;
use zos_core::targets::Target;

/// What the owner is asked about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Subject {
    /// What these rules of the room's policy found.
    Rules(Vec<usize>),
    /// Where tool calls or links point. It passes or not: a target cannot be redacted.
    Targets(Vec<Destination>),
}

impl Subject {
    /// Targets to ask about, where there are any.
    pub(crate) fn targets(targets: Vec<Destination>) -> Option<Subject> {
        (!targets.is_empty()).then_some(Subject::Targets(targets))
    }
}

/// A target about which the owner decides. It is the owner's to see, and nobody else's.
#[derive(Clone, PartialEq, Eq)]
pub struct Destination {
    /// The room whose list asks.
    pub room: ContextName,
    /// The rule that asks: `target-confirm/1`, `target-default`.
    pub rule: String,
    /// The tool, as the owner is shown it; absent for a link in text.
    pub tool: Option<String>,
    /// The target itself.
    pub target: Target,
    /// The target as the owner is shown it.
    pub shown: String,
}

impl std::fmt::Debug for Destination {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Destination({}, {})", self.room, self.rule)
    }
}

impl Destination {
    /// Where it was found, as a sentence says it.
    pub fn place(&self) -> &'static str {
        if self.tool.is_some() { "a tool call" } else { "a link" }
    }
}
