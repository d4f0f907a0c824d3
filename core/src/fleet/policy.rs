//! What `routing/fleet.yml` demands beside who serves what: slots, rules, defaults.

use std::time::Duration;

use crate::context::Isolation;
use crate::glob::Glob;

/// A kind of work that a model is named for. Clients ask for it as `zos/<slot>`.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Slot {
    /// What is not one of the others.
    Default,
    /// Small work that nobody waits for.
    Background,
    /// Work that asks for thinking.
    Think,
    /// Calls that the model of `default` has no room for.
    LongContext,
}

impl Slot {
    /// All of them.
    pub const ALL: [Slot; 4] = [Slot::Default, Slot::Background, Slot::Think, Slot::LongContext];

    /// As the file and the clients write it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Default => "default",
            Self::Background => "background",
            Self::Think => "think",
            Self::LongContext => "long_context",
        }
    }
}

/// What some contexts require of every model that serves them. A model of which it is not known does
/// not fulfil it.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct Requirement {
    /// Which contexts it is about; absent means all.
    pub contexts: Option<Vec<Glob>>,
    /// Which isolation it is about; absent means both.
    pub isolation: Option<Isolation>,
    /// One of these residencies; absent means any.
    pub residency: Option<Vec<String>>,
    /// One of these retentions; absent means any.
    pub retention: Option<Vec<String>>,
    /// All of these capabilities.
    pub caps: Vec<String>,
}

impl Requirement {
    /// Whether it speaks about this context.
    pub fn is_about(&self, context: &str, isolation: Isolation) -> bool {
        self.contexts.as_ref().is_none_or(|globs| globs.iter().any(|glob| glob.matches(context)))
            && self.isolation.is_none_or(|about| about == isolation)
    }
}

/// How failures of providers are met.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Defaults {
    /// Further attempts at the same provider, before the first byte of an answer only.
    pub retries: u32,
    /// How long the head of an answer is waited for; absent leaves it to the gateway's configuration.
    pub timeout: Option<Duration>,
    /// When a provider is left alone.
    pub breaker: Breaker,
}

impl Default for Defaults {
    /// No retries: the clients' own libraries try again.
    fn default() -> Self {
        Self { retries: 0, timeout: None, breaker: Breaker::default() }
    }
}

/// When a provider that fails is left alone, and for how long.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Breaker {
    /// So many failures
    pub failures: u32,
    /// within this time
    pub window: Duration,
    /// leave it alone for this long; then one call probes it.
    pub open: Duration,
}

impl Default for Breaker {
    fn default() -> Self {
        Self { failures: 5, window: Duration::from_secs(30), open: Duration::from_secs(15) }
    }
}
