//! Routes that may serve a call, in order: the model that was asked for, then its fallbacks. The hard filter is
//! asked for each of them, so nothing that follows can leave it.

use std::sync::Arc;

use super::{Api, Auth, Fleet, Provider, Route, RouteError, SLOTS, Slot, SteppedDown};
use crate::context::{Isolation, ModelFilter};

/// Model and abilities that a call asks for.
#[derive(Clone, Copy, Debug)]
pub struct RouteRequest<'a> {
    /// The API that the client speaks.
    pub face: Api,
    /// The model or slot.
    pub model: &'a str,
    /// The context's `models`.
    pub filter: &'a ModelFilter,
    /// The context.
    pub context: &'a str,
    /// Its isolation.
    pub isolation: Isolation,
    /// Abilities that the call needs.
    pub caps: &'a [&'a str],
    /// Whether it asks for thinking. A request, not a need: it only chooses the slot of `zos/auto`.
    pub thinks: bool,
    /// Tokens of the input.
    pub tokens: u64,
    /// Whether another model would do. Not for vectors and counts: those of two models do not compare.
    pub may_fall_back: bool,
}

/// Routes that may serve a call, and models that may not.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Plan {
    /// Routes, in the order in which they are to be tried.
    pub routes: Vec<Route>,
    /// Every model that was looked at, in order.
    pub considered: Vec<String>,
    /// Models that may not serve it, each with its reason.
    pub dropped: Vec<Dropped>,
}

/// A model that may not serve a call.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Dropped {
    /// The model.
    pub model: String,
    /// Reason.
    pub reason: RouteError,
}

/// The most models that are looked at for one call.
const CONSIDERED_LIMIT: usize = 32;

impl Fleet {
    /// Routes that may serve a call. Every route of the plan is past the hard filter.
    pub fn plan(&self, request: &RouteRequest<'_>) -> Plan {
        let mut plan = Plan { routes: Vec::new(), considered: Vec::new(), dropped: Vec::new() };
        self.consider(request, request.model, &mut plan);
        if request.may_fall_back {
            let asked = plan.considered.first().cloned().unwrap_or_default();
            let fitting = self.fallback.iter().find(|(glob, _)| glob.matches(&asked));
            for model in fitting.iter().flat_map(|(_, models)| models) {
                self.consider(request, model, &mut plan);
            }
        }
        plan
    }

    /// Whether a route is within the hard filter: the context's models, the rules of the fleet, what the
    /// model can do and how much it reads.
    ///
    /// # Errors
    /// The first thing that speaks against it.
    pub fn permits(&self, request: &RouteRequest<'_>, route: &Route) -> Result<(), RouteError> {
        // The owner may have written the file to keep prompts where they are.
        if request.isolation == Isolation::Hard
            && !route.provider.is_demo()
            && let Some(reason) = self.unloaded_reason()
        {
            return Err(reason);
        }
        let model = || route.model.clone();
        if !request.filter.permits(&route.model) || request.filter.denies(route.sent_as()) {
            return Err(RouteError::NotPermitted { model: model() });
        }
        for rule in self.rules.iter().filter(|rule| rule.is_about(request.context, request.isolation)) {
            for (what, required, stated) in [
                ("residency", &rule.residency, &route.residency),
                ("retention", &rule.retention, &route.retention),
            ] {
                let Some(required) = required else { continue };
                if !stated.as_ref().is_some_and(|stated| required.contains(stated)) {
                    return Err(RouteError::Required { model: model(), what });
                }
            }
            if let Some(cap) = rule.caps.iter().find(|cap| route.is_known_to(cap) != Some(true)) {
                return Err(RouteError::Lacks { model: model(), cap: cap.clone() });
            }
        }
        if let Some(cap) = request.caps.iter().find(|cap| route.is_known_to(cap) == Some(false)) {
            return Err(RouteError::Lacks { model: model(), cap: (*cap).to_owned() });
        }
        match route.context {
            Some(context) if request.tokens > context => {
                Err(RouteError::TooLong { model: model(), tokens: request.tokens, context })
            }
            _ => Ok(()),
        }
    }

    fn consider(&self, request: &RouteRequest<'_>, name: &str, plan: &mut Plan) {
        if plan.considered.len() == CONSIDERED_LIMIT {
            return;
        }
        let (model, route) = match self.slot_model(request, name) {
            Some(Ok(model)) => (model, self.route(request.face, model, request.filter)),
            Some(Err(reason)) => (name, Err(reason)),
            None => (name, self.route(request.face, name, request.filter)),
        };
        if plan.considered.iter().any(|known| known == model) {
            return;
        }
        plan.considered.push(model.to_owned());
        match route.and_then(|route| self.permits(request, &route).map(|()| route)) {
            Ok(route) => plan.routes.push(route),
            Err(reason) => plan.dropped.push(Dropped { model: model.to_owned(), reason }),
        }
    }

    /// The model of a slot; `None` where `name` names no slot.
    fn slot_model<'f>(
        &'f self,
        request: &RouteRequest<'_>,
        name: &str,
    ) -> Option<Result<&'f str, RouteError>> {
        let word = name.strip_prefix(SLOTS)?.strip_prefix('/')?;
        if request.filter.denies(name) {
            return Some(Err(RouteError::NotPermitted { model: name.to_owned() }));
        }
        let slot = match word {
            "auto" => Some(self.fitting_slot(request)),
            _ => Slot::ALL.into_iter().find(|slot| slot.name() == word),
        };
        let model = slot.and_then(|slot| self.slots.get(&slot)).map(String::as_str);
        Some(model.ok_or_else(|| RouteError::EmptySlot { slot: word.to_owned() }))
    }

    /// The slot for a call that leaves the choice to us.
    fn fitting_slot(&self, request: &RouteRequest<'_>) -> Slot {
        let is_named = |slot| self.slots.contains_key(&slot);
        let usual = if request.thinks && is_named(Slot::Think) { Slot::Think } else { Slot::Default };
        let context = self.slots.get(&usual).and_then(|model| self.rule(model)?.context);
        if is_named(Slot::LongContext) && context.is_some_and(|context| request.tokens > context) {
            return Slot::LongContext;
        }
        usual
    }
}

impl Plan {
    /// Plan in which other models go first where the plan of the first provider runs short, as its `step_down` says.
    ///
    /// `used` tells the share of a provider's quota that is used, in percent, where that is known. Each of the models has
    /// to pass the hard filter, as a fallback has; where none does, and where another model would not do, nothing changes.
    /// A model whose own provider runs short as well is none to step down to.
    #[must_use]
    pub fn stepped_down(
        mut self,
        fleet: &Fleet,
        request: &RouteRequest<'_>,
        used: impl Fn(&Provider) -> Option<u8>,
    ) -> Plan {
        let runs_short = |provider: &Provider| -> Option<u8> {
            let step = provider.step_down.as_ref()?;
            used(provider).filter(|share| *share >= step.at_percent)
        };
        let Some(first) = self.routes.first().map(|route| Arc::clone(&route.provider)) else { return self };
        let (Some(step), Some(used_percent)) = (&first.step_down, runs_short(&first)) else { return self };
        if !request.may_fall_back {
            return self;
        }
        let usual = self.routes.clone();
        for model in &step.to {
            fleet.consider(request, model, &mut self);
        }
        let named = |route: &Route| {
            step.to.iter().position(|model| {
                *model == route.model
                    || fleet
                        .slot_model(request, model)
                        .is_some_and(|slot| slot.is_ok_and(|slot| slot == route.model))
            })
        };
        let mut steps: Vec<(usize, Route)> = std::mem::take(&mut self.routes)
            .into_iter()
            .filter(|route| runs_short(&route.provider).is_none())
            .filter_map(|route| Some((named(&route)?, route)))
            .collect();
        steps.sort_by_key(|(place, _)| *place);
        let rest = usual.into_iter().filter(|route| !steps.iter().any(|(_, step)| step.model == route.model));
        let rest: Vec<Route> = rest.collect();
        let stepped = SteppedDown { from: first.name.clone(), used_percent };
        self.routes = steps
            .into_iter()
            .map(|(_, route)| Route { stepped_down: Some(stepped.clone()), ..route })
            .chain(rest)
            .collect();
        self
    }

    /// Leaves out what would not be served for want of a key: the provider needs one, `has_key` knows of
    /// none, and a client's own key is for the provider of its own API.
    ///
    /// Plan without routes that lack a key, for explanations. A call finds out when it is its turn: only it knows what
    /// its client presents.
    #[must_use]
    pub fn with_keys(mut self, fleet: &Fleet, face: Api, has_key: impl Fn(&Provider) -> bool) -> Plan {
        let reaches = |provider: &Provider| match provider.auth {
            Auth::None => true,
            Auth::Caller => provider.api == face,
            _ => {
                provider.keys.is_empty()
                    || has_key(provider)
                    || (provider.api == face && fleet.is_face_default(provider, face))
            }
        };
        let (kept, left): (Vec<Route>, Vec<Route>) =
            std::mem::take(&mut self.routes).into_iter().partition(|route| reaches(&route.provider));
        self.routes = kept;
        self.dropped.extend(left.into_iter().map(|route| Dropped {
            reason: RouteError::NoKey { model: route.model.clone(), provider: route.provider.name.clone() },
            model: route.model,
        }));
        // The first reason is the one of the model that was asked for.
        self.dropped.sort_by_key(|dropped| self.considered.iter().position(|model| *model == dropped.model));
        self
    }

    /// Why nothing may serve the call: what speaks against the model that was asked for.
    pub fn refusal(&self) -> Option<&RouteError> {
        if !self.routes.is_empty() {
            return None;
        }
        self.dropped.first().map(|dropped| &dropped.reason)
    }
}
