//! Which provider a call goes to.

use std::sync::Arc;

use super::{Api, DEMO, DefaultProvider, Fleet, ModelMatch, ModelRule, Provider};
use crate::context::ModelFilter;

/// Where a call goes.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Route {
    /// The provider. Its API may differ from the one that the client speaks.
    pub provider: Arc<Provider>,
    /// The model's name at the provider, where it differs from the one asked for.
    pub model_sent: Option<String>,
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
    /// There is no provider at all that speaks this API.
    #[error("no provider speaks the {api} API")]
    NoProvider {
        /// The API of the face that was called.
        api: Api,
    },
}

impl Fleet {
    /// Which provider serves `model` for a client that speaks `face`, within the context's `filter`.
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
            return Ok(Route { provider: Arc::clone(demo), model_sent: None });
        }
        let Some(rule) = self.rule(model) else {
            return Ok(Route { provider: self.default_for(face, model)?, model_sent: None });
        };
        if rule.model.as_ref().is_some_and(|sent| filter.denies(sent)) {
            return Err(RouteError::NotPermitted { model: model.to_owned() });
        }
        let provider =
            self.provider(&rule.provider).expect("parsing refuses a rule whose provider is missing");
        let model_sent = rule.model.clone().filter(|sent| sent != model);
        Ok(Route { provider: Arc::clone(provider), model_sent })
    }

    /// Whether models that no rule names go to `provider` when a client speaks `api`.
    pub fn is_face_default(&self, provider: &Provider, api: Api) -> bool {
        self.default_for(api, "").is_ok_and(|default| default.name == provider.name)
    }

    fn rule(&self, model: &str) -> Option<&ModelRule> {
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
        chosen.cloned().ok_or(RouteError::NoProvider { api: face })
    }
}
