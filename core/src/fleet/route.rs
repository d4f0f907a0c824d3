//! Routing: the provider that a call goes to.

use std::fmt;
use std::sync::Arc;

use super::{Api, DEMO, DefaultProvider, Fleet, ModelMatch, ModelRule, Provider};
use crate::context::ModelFilter;

/// Provider and model that a call goes to.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Route {
    /// The provider. Its API may differ from the one that the client speaks.
    pub provider: Arc<Provider>,
    /// The model as this fleet calls it.
    pub model: String,
    /// The model's name at the provider, where that differs.
    pub model_sent: Option<String>,
    /// Tokens of context, where stated.
    pub context: Option<u64>,
    /// Abilities of the model; absent where not stated.
    pub caps: Option<Vec<String>>,
    /// Residency of its data.
    pub residency: Option<String>,
    /// Retention of what it is sent.
    pub retention: Option<String>,
    /// The plan whose quota runs short, where this model takes over from it.
    pub stepped_down: Option<SteppedDown>,
}

/// A plan whose quota runs short, so that another model takes over.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct SteppedDown {
    /// The provider of the plan.
    pub from: String,
    /// Share of its quota that is used, in percent.
    pub used_percent: u8,
}

impl fmt::Display for SteppedDown {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "stepped down from {} at {}%", self.from, self.used_percent)
    }
}

impl Route {
    /// The route of a model that no rule names.
    fn unnamed(provider: &Arc<Provider>, model: &str) -> Self {
        Self {
            provider: Arc::clone(provider),
            model: model.to_owned(),
            model_sent: None,
            context: None,
            caps: None,
            residency: provider.residency.clone(),
            retention: provider.retention.clone(),
            stepped_down: None,
        }
    }

    /// Whether the model is known to do this.
    pub fn is_known_to(&self, cap: &str) -> Option<bool> {
        self.caps.as_ref().map(|caps| caps.iter().any(|known| known == cap))
    }

    /// The model's name at the provider.
    pub fn sent_as(&self) -> &str {
        self.model_sent.as_deref().unwrap_or(&self.model)
    }
}

/// Why a call goes nowhere.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RouteError {
    /// No rule names the model and there is no provider for unnamed ones.
    #[error("no provider serves the model \"{model}\"")]
    UnknownModel {
        /// The model asked for.
        model: String,
    },
    /// The context's `models` do not permit it.
    #[error("the context does not permit the model \"{model}\"")]
    NotPermitted {
        /// The model asked for.
        model: String,
    },
    /// The call may be longer than what the model reads.
    #[error("the call may need {tokens} tokens, and the context of \"{model}\" has {context}")]
    TooLong {
        /// The model.
        model: String,
        /// Tokens that the call may need.
        tokens: u64,
        /// Tokens that the model can read.
        context: u64,
    },
    /// The model is stated not to do what the call needs, or not known to do what a rule requires.
    #[error("\"{model}\" is not said to have `{cap}`")]
    Lacks {
        /// The model.
        model: String,
        /// The capability.
        cap: String,
    },
    /// A rule of the fleet requires something of the place or the time that data is kept.
    #[error("a rule of the fleet requires another {what} than \"{model}\" is said to have")]
    Required {
        /// The model.
        model: String,
        /// `residency` or `retention`.
        what: &'static str,
    },
    /// The fleet names no model for a slot.
    #[error("the fleet names no model for the slot \"{slot}\"")]
    EmptySlot {
        /// The slot.
        slot: String,
    },
    /// The provider needs a key, has none, and a client's own would not reach it.
    #[error("there is no key for the provider \"{provider}\" of the model \"{model}\"")]
    NoKey {
        /// The model.
        model: String,
        /// Its provider.
        provider: String,
    },
    /// The file of the fleet never loaded, so nobody knows where calls may go.
    #[error("{file}{} is broken and never loaded", line.map(|line| format!(":{line}")).unwrap_or_default())]
    Broken {
        /// The file, relative to the home.
        file: String,
        /// The line of the first mistake.
        line: Option<usize>,
    },
    /// There is no provider at all that speaks this API.
    #[error("no provider speaks the {api} API")]
    NoProvider {
        /// The API of the face that was called.
        api: Api,
    },
}

impl Fleet {
    /// Provider that serves `model` for a client that speaks `face`, within the context's `filter`.
    ///
    /// An exact id goes before all globs, globs go in the order of the file, and what none of them
    /// names goes to the face's default provider. `filter.deny` holds for the model's name at the
    /// provider too: an alias is no way around it.
    ///
    /// # Errors
    /// If the context does not permit the model, or nobody serves it.
    pub fn route(&self, face: Api, model: &str, filter: &ModelFilter) -> Result<Route, RouteError> {
        if model.is_empty() {
            return Err(RouteError::UnknownModel { model: String::new() });
        }
        if !filter.permits(model) {
            return Err(RouteError::NotPermitted { model: model.to_owned() });
        }
        if model.split_once('/').is_some_and(|(provider, _)| provider == DEMO) {
            let demo = self.provider(DEMO).expect("every fleet holds the demo provider");
            return Ok(Route::unnamed(demo, model));
        }
        let Some(rule) = self.rule(model) else {
            return Ok(Route::unnamed(&self.default_for(face, model)?, model));
        };
        if rule.model.as_ref().is_some_and(|sent| filter.denies(sent)) {
            return Err(RouteError::NotPermitted { model: model.to_owned() });
        }
        let provider =
            self.provider(&rule.provider).expect("parsing refuses a rule whose provider is missing");
        Ok(Route {
            model_sent: rule.model.clone().filter(|sent| sent != model),
            context: rule.context,
            caps: rule.caps.clone(),
            residency: rule.residency.clone().or_else(|| provider.residency.clone()),
            retention: rule.retention.clone().or_else(|| provider.retention.clone()),
            ..Route::unnamed(provider, model)
        })
    }

    /// Whether models that no rule names go to `provider` when a client speaks `api`.
    pub fn is_face_default(&self, provider: &Provider, api: Api) -> bool {
        self.default_for(api, "").is_ok_and(|default| default.name == provider.name)
    }

    pub(super) fn rule(&self, model: &str) -> Option<&ModelRule> {
        let exact = self.model_ids().find(|(id, _)| *id == model).map(|(_, rule)| rule);
        exact.or_else(|| {
            self.models.iter().find(|rule| match &rule.models {
                ModelMatch::Glob(glob) => glob.matches(model),
                ModelMatch::Id(_) => false,
            })
        })
    }

    fn default_for(&self, face: Api, model: &str) -> Result<Arc<Provider>, RouteError> {
        let chosen = match self.default_provider.get(&face) {
            Some(DefaultProvider::Nobody) => {
                return Err(RouteError::UnknownModel { model: model.to_owned() });
            }
            Some(DefaultProvider::Named(name)) => self.provider(name),
            None => self.provider(face.name()).filter(|provider| provider.api == face).or_else(|| {
                self.providers.iter().find(|provider| provider.api == face && !provider.is_demo())
            }),
        };
        chosen.cloned().ok_or_else(|| self.unloaded_reason().unwrap_or(RouteError::NoProvider { api: face }))
    }

    /// Why nothing is known of where calls may go, where the file never loaded.
    pub(super) fn unloaded_reason(&self) -> Option<RouteError> {
        let problem = self.broken()?;
        Some(RouteError::Broken { file: problem.file.clone(), line: problem.line })
    }
}
