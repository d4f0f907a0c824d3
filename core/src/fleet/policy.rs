//! Demands of `routing/fleet.yml` beside its providers and models: slots, rules, defaults.

use std::time::Duration;

use crate::context::Isolation;
use crate::glob::Glob;

/// A kind of work that a model is named for. Clients ask for it as `zos/<slot>`.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Slot {
    /// Calls that belong to no other slot.
    Default,
    /// Small work that nobody waits for.
    Background,
    /// Work that asks for thinking.
    Think,
    /// Calls that the model of `default` has no room for.
    LongContext,
}

impl Slot {
    /// All slots.
    pub const ALL: [Slot; 4] = [Slot::Default, Slot::Background, Slot::Think, Slot::LongContext];

    /// Name of the slot, as the file and the clients write it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Default => "default",
            Self::Background => "background",
            Self::Think => "think",
            Self::LongContext => "long_context",
        }
    }
}

/// Requirement of some contexts for every model that serves them. A model of which it is not known does
/// not fulfil it.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct Requirement {
    /// Contexts it is about; absent means all.
    pub contexts: Option<Vec<Glob>>,
    /// Isolation it is about; absent means both.
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

/// Settings for failures of providers.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Defaults {
    /// Further attempts at the same provider, before the first byte of an answer only.
    pub retries: u32,
    /// Longest wait for the head of an answer; absent leaves it to the gateway's configuration.
    pub timeout: Option<Duration>,
    /// Settings of each provider's circuit breaker.
    pub breaker: Breaker,
}

impl Default for Defaults {
    /// No retries: the clients' own libraries try again.
    fn default() -> Self {
        Self { retries: 0, timeout: None, breaker: Breaker::default() }
    }
}

/// Settings of a circuit breaker: when it opens, and for how long.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Breaker {
    /// Failures that open the breaker.
    pub failures: u32,
    /// Window in which these failures count.
    pub window: Duration,
    /// Time that the breaker stays open; then one call probes the provider.
    pub open: Duration,
}

impl Default for Breaker {
    fn default() -> Self {
        Self { failures: 5, window: Duration::from_secs(30), open: Duration::from_secs(15) }
    }
}
