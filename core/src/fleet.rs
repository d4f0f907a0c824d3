//! The fleet: providers and models, from `routing/fleet.yml`, and which of them a call goes to.
//!
//! [`Fleet::plan`] decides: the model that was asked for and its fallbacks, each past the hard filter.
//! No HTTP here: a [`Provider`] says where and with which key, the gateway does the calling, and knows
//! who failed.

mod auth;
mod command;
mod parse;
mod plan;
mod policy;
mod preset;
mod provider;
mod route;
mod travel;

pub use auth::Auth;
pub use command::KeyCommand;
pub use parse::{ParsedFleet, parse_fleet};
pub use plan::{Dropped, Plan, RouteRequest};
pub use policy::{Breaker, Defaults, Requirement, Slot};
pub use provider::{Api, Billing, KeySource, Provider, Proxy, StepDown, TimeLimits};
pub use route::{Route, RouteError, SteppedDown};
pub use travel::Headers;

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::glob::Glob;
use crate::problem::Problem;

/// The name of the built-in provider that needs neither key nor network.
pub const DEMO: &str = "demo";

/// Prefix of the ids of slots: `zos/background`, and `zos/auto`.
pub const SLOTS: &str = "zos";

/// Variables of the process's environment about providers, captured once.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub struct Environment {
    /// `ANTHROPIC_BASE_URL`.
    pub anthropic_base_url: Option<String>,
    /// `OPENAI_BASE_URL`.
    pub openai_base_url: Option<String>,
}

impl Environment {
    /// The environment of this process. Empty values count as absent.
    pub fn capture() -> Self {
        let read = |name| std::env::var(name).ok().filter(|value| !value.trim().is_empty());
        Self { anthropic_base_url: read("ANTHROPIC_BASE_URL"), openai_base_url: read("OPENAI_BASE_URL") }
    }
}

/// Providers and models.
#[derive(Clone, PartialEq, Debug)]
pub struct Fleet {
    /// Providers in the order of the file, `demo` last.
    providers: Vec<Arc<Provider>>,
    models: Vec<ModelRule>,
    default_provider: BTreeMap<Api, DefaultProvider>,
    fallback: Vec<(Glob, Vec<String>)>,
    slots: BTreeMap<Slot, String>,
    rules: Vec<Requirement>,
    defaults: Defaults,
    builtin: bool,
    /// Problem of a file of which no version ever loaded.
    broken: Option<Arc<Problem>>,
}

/// Provider of a model that no rule names.
#[derive(Clone, PartialEq, Eq, Debug)]
enum DefaultProvider {
    /// The provider of this name.
    Named(String),
    /// No provider: such a model is unknown.
    Nobody,
}

/// Rule of `models`: the provider that serves a model.
#[derive(Clone, PartialEq, Debug)]
pub struct ModelRule {
    /// Models it is about.
    pub models: ModelMatch,
    /// Name of the provider.
    pub provider: String,
    /// Name of the model at the provider, where it differs from the one that was asked for.
    pub model: Option<String>,
    /// Tokens of context, where stated.
    pub context: Option<u64>,
    /// Abilities (`tools`, `vision`, `thinking`, …); absent where not stated.
    pub caps: Option<Vec<String>>,
    /// Residency of its data, where that differs from its provider's.
    pub residency: Option<String>,
    /// Retention of what it is sent, where that differs from its provider's.
    pub retention: Option<String>,
}

/// Models that a [`ModelRule`] is about.
#[derive(Clone, PartialEq, Debug)]
pub enum ModelMatch {
    /// The one with this id.
    Id(String),
    /// All models that fit.
    Glob(Glob),
}

impl Fleet {
    /// All providers, `demo` included.
    pub fn providers(&self) -> impl Iterator<Item = &Arc<Provider>> {
        self.providers.iter()
    }

    /// The provider with this name.
    pub fn provider(&self, name: &str) -> Option<&Arc<Provider>> {
        self.providers.iter().find(|provider| provider.name == name)
    }

    /// The rules of `models`, in the order of the file.
    pub fn models(&self) -> &[ModelRule] {
        &self.models
    }

    /// Ids that the file names explicitly.
    pub fn model_ids(&self) -> impl Iterator<Item = (&str, &ModelRule)> {
        self.models.iter().filter_map(|rule| match &rule.models {
            ModelMatch::Id(id) => Some((id.as_str(), rule)),
            ModelMatch::Glob(_) => None,
        })
    }

    /// Retries, time limit and circuit breaker.
    pub fn defaults(&self) -> &Defaults {
        &self.defaults
    }

    /// Model of each slot.
    pub fn slots(&self) -> &BTreeMap<Slot, String> {
        &self.slots
    }

    /// Models to try next, for models that fit.
    pub fn fallback(&self) -> &[(Glob, Vec<String>)] {
        &self.fallback
    }

    /// Problem of the file, where no version of it ever loaded: nobody knows then where its owner wants calls
    /// to go. Hard rooms reach no provider meanwhile, see [`Fleet::permits`].
    pub fn broken(&self) -> Option<&Problem> {
        self.broken.as_deref()
    }

    /// Marks this fleet as a stand-in for a file that never loaded.
    pub(crate) fn in_place_of(self, broken: &Problem) -> Self {
        Self { broken: Some(Arc::new(broken.clone())), ..self }
    }

    /// Whether this is the built-in fleet that serves while there is no file.
    pub fn is_builtin(&self) -> bool {
        self.builtin
    }
}

#[cfg(test)]
mod tests;
