//! One context: a room of a person's life or business, as its file declares it.
//!
//! Values of these types cannot be wrong: they are made by parsing only, and text that could not be understood
//! has become a [`crate::Problem`]. The effects of the rules in a room are its [`crate::RoomPolicy`].

mod budget;
mod entries;
mod models;
mod name;
mod parse;
mod slips;

pub use budget::{Budget, Limits, ModelPrice};
pub use entries::Entry;
pub use models::ModelFilter;
pub use name::{ContextName, NameError};
pub use parse::{ParsedContext, known_keys, parse_context, parse_context_with};

use crate::targets::{TargetVerdict, Targets};
use zos_rules::Action;

/// A context that loaded.
#[derive(Clone, PartialEq, Debug)]
pub struct Context {
    /// Its name, which is the name of its file.
    pub name: ContextName,
    /// Title for people; the name where absent.
    pub title: Option<String>,
    /// Whether doubts fail closed or are only reported.
    pub isolation: Isolation,
    /// Entries for text that must never leave it.
    pub outbound_deny: Vec<Entry>,
    /// Entries for text that belongs to it alone: free here, denied in every other context.
    pub confidential: Vec<Entry>,
    /// Limits on its spending.
    pub budget: Budget,
    /// Rule for content that cannot be inspected.
    pub attachments: Attachments,
    /// Whether the file says so; a hard context should.
    pub attachments_stated: bool,
    /// Ids of what a provider keeps that its calls may refer to.
    pub state: ProviderState,
    /// Whether a call is refused when what governs it cannot be signed for (`attest: required`).
    pub attest_required: bool,
    /// Models it may use.
    pub models: ModelFilter,
    /// Targets of tool calls, and the verdict on each.
    pub targets: Targets,
    /// Way in which its canon reaches the model.
    pub canon: CanonDelivery,
    /// Rules for writing its memory.
    pub memory: MemoryRules,
    /// The prose overlay, `contexts/<name>.md`.
    pub prose: Option<String>,
    /// Whether this is the context that serves while no context file exists.
    pub builtin: bool,
}

impl Context {
    /// The context that serves while there is no context file at all: open, no lists, no budget.
    pub fn builtin() -> Self {
        let state = ProviderState::of(Isolation::Open);
        Self {
            isolation: Isolation::Open,
            state,
            builtin: true,
            ..Self::empty(ContextName::default_context())
        }
    }

    /// Stand-in for a context that is known by name alone, since its file is gone or cannot be read: hard,
    /// and no target is allowed.
    pub fn closed(name: ContextName) -> Self {
        let targets = Targets { default: TargetVerdict::Deny, ..Targets::default() };
        Self { targets, ..Self::empty(name) }
    }

    /// A context with nothing stated.
    pub(crate) fn empty(name: ContextName) -> Self {
        Self {
            name,
            title: None,
            isolation: Isolation::Hard,
            outbound_deny: Vec::new(),
            confidential: Vec::new(),
            budget: Budget::default(),
            attachments: Attachments::Allow,
            attachments_stated: false,
            state: ProviderState::Own,
            attest_required: false,
            models: ModelFilter::default(),
            targets: Targets::default(),
            canon: CanonDelivery::None,
            memory: MemoryRules::default(),
            prose: None,
            builtin: false,
        }
    }

    /// Title for people, else its name.
    pub fn display_title(&self) -> &str {
        self.title.as_deref().unwrap_or(self.name.as_str())
    }

    /// Effect here of a violation of one of this context's own `outbound_deny` entries.
    pub fn effective(&self, entry: &Entry) -> Effect {
        effect(entry, self.isolation)
    }

    /// Effect of a violation of one of this context's `confidential` entries in a context of
    /// isolation `elsewhere`. The stricter of the two decides: text that a hard context calls its own
    /// is blocked in an open one too, and a hard context also guards what an open one calls its own.
    pub fn effective_elsewhere(&self, entry: &Entry, elsewhere: Isolation) -> Effect {
        effect(entry, self.isolation.max(elsewhere))
    }
}

/// An action that was written wins; a defaulted denial is softened to a report in an open context.
fn effect(entry: &Entry, isolation: Isolation) -> Effect {
    match (entry.rule.action, isolation) {
        (Action::Deny, Isolation::Open) if !entry.explicit_action => Effect::Report,
        (Action::Deny, _) => Effect::Block,
        (Action::Redact, _) => Effect::Redact,
        (Action::Ask, _) => Effect::Ask,
        (Action::Warn, _) => Effect::Report,
    }
}

/// Whether doubts fail closed. Ordered by strictness.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Isolation {
    /// Findings are reported and the call goes on.
    Open,
    /// Every doubt fails closed. The default, and the meaning of an unknown word.
    Hard,
}

impl Isolation {
    /// `open` or `hard`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Open => "open",
            Self::Hard => "hard",
        }
    }
}

/// Effects of a violation in a given context.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Effect {
    /// The call is refused, or the stream cut before the violation.
    Block,
    /// The text is replaced by a placeholder.
    Redact,
    /// The owner decides.
    Ask,
    /// The call goes on; header and record say so.
    Report,
}

impl Effect {
    /// `deny`, `redact`, `ask` or `warn`, as records and screens call it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Block => "deny",
            Self::Redact => "redact",
            Self::Ask => "ask",
            Self::Report => "warn",
        }
    }
}

/// An amount of US dollars in millionths.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Micros(pub u64);

/// Rules for content that cannot be inspected: images, audio, unreadable documents.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Attachments {
    /// The content goes through and is recorded.
    Allow,
    /// The call is refused.
    Deny,
}

/// Ids of what a provider keeps (earlier answers, stored conversations, containers, files, sealed items) that a
/// context's calls may refer to. What belongs to another context is never among them.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum ProviderState {
    /// Only ids that answers to this context's own calls gave out.
    Own,
    /// Own ids, and ids that zOS has never seen.
    Any,
    /// No ids; and the provider is asked to store nothing.
    None,
}

impl ProviderState {
    /// Default where the file says nothing: a hard context's own, any in an open one.
    #[must_use]
    pub fn of(isolation: Isolation) -> Self {
        match isolation {
            Isolation::Hard => Self::Own,
            Isolation::Open => Self::Any,
        }
    }

    /// `own`, `any` or `none`.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Own => "own",
            Self::Any => "any",
            Self::None => "none",
        }
    }
}

/// Ways in which a context's canon reaches the model.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum CanonDelivery {
    /// The gateway does not deliver it.
    None,
    /// Put in front of each call.
    Inject,
}

/// Rules for writing a context's memory.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub struct MemoryRules {
    /// Kinds of proposal that are accepted without review.
    pub auto_accept: Vec<String>,
}

#[cfg(test)]
mod tests;
