//! Step 3: which models may serve the call, and the body for the first of them, in the format that its
//! provider speaks.

use super::inspect_request::Inspected;
use crate::access::Access;
use crate::books::quotas;
use crate::call::{Call, Fact};
use crate::journal::Journal;
use crate::journal::system;
use bytes::Bytes;
use std::ops::Range;
use zos_core::{Api, Provider, Route, RouteError, RouteRequest};
use zos_wire::asked::Asked;
use zos_wire::pair::Pair;
use zos_wire::problem::{Code, Problem};
use zos_wire::translate::{Target, Untranslatable};

/// A call with what may serve it.
pub(crate) struct Routed {
    pub(super) inspected: Inspected,
    pub(super) first: Prepared,
    /// What may be tried after it, in order.
    pub(super) next: Vec<Route>,
}

/// A route with the body for it.
pub(super) struct Prepared {
    pub(super) route: Route,
    /// How the call is carried to the provider's format; `None` where its bytes go as they are.
    pub(super) pair: Option<Pair>,
    pub(super) body: Bytes,
    /// The keyed digest of its system text.
    pub(super) system: Option<String>,
}

pub(super) fn run(access: &Access, inspected: Inspected, call: &mut Call) -> Result<Routed, Problem> {
    // The provider may choose among them, so each has to pass the filter by itself.
    let filter = &inspected.governed.context.models;
    if let Some(model) = inspected.asked.others.iter().find(|model| !filter.permits(model)) {
        return Err(refusal(&RouteError::NotPermitted { model: model.clone() }));
    }
    let fleet = &inspected.governed.snapshot.fleet;
    let plan = fleet.plan(&wish(&inspected));
    let plan = plan.stepped_down(fleet, &wish(&inspected), |provider| {
        let account = account(&inspected, provider);
        call.books.quotas.used_percent(&provider.name, &account, call.now_ms())
    });
    if let Some(reason) = plan.refusal() {
        return Err(refusal(reason));
    }
    let mut routes = plan.routes.into_iter();
    let first = routes.next().expect("a plan without a refusal has a route");
    call.tell(Fact::Route(&first));
    if let Some(stepped) = &first.stepped_down {
        call.remark(&stepped.to_string());
    }
    let next = routes.collect();
    let first = prepare(access, &call.journal, &inspected, first)?;
    Ok(Routed { inspected, first, next })
}

/// The account at a provider that a call is for.
pub(super) fn account(inspected: &Inspected, provider: &Provider) -> String {
    let Inspected { arrived, governed, .. } = inspected;
    let api = arrived.face.api();
    let is_face_default = governed.snapshot.fleet.is_face_default(provider, api);
    let own = governed.presented.own_for(provider, provider.api == api, is_face_default);
    quotas::account(own.as_ref(), &arrived.headers)
}

/// What the call asks of the fleet.
pub(super) fn wish(inspected: &Inspected) -> RouteRequest<'_> {
    let governed = &inspected.governed;
    let face = inspected.arrived.face;
    RouteRequest {
        caps: &inspected.asked.caps,
        thinks: inspected.asked.thinks,
        tokens: inspected.input_tokens,
        ..governed.route_request(face.api(), &inspected.asked.model, face.may_fall_back())
    }
}

/// The body for a route. Within one API only the model's own name is changed.
pub(super) fn prepare(
    access: &Access,
    journal: &Journal,
    inspected: &Inspected,
    route: Route,
) -> Result<Prepared, Problem> {
    let provider = &route.provider;
    if access.is_own_address(provider) {
        return Err(Problem::new(
            Code::NoRoute,
            format!("Provider \"{}\" has this gateway's own address, so the call would go round in circles.", provider.name),
        )
        .hint("Set its real base_url in routing/fleet.yml; ANTHROPIC_BASE_URL and OPENAI_BASE_URL in the environment of zOS override it."));
    }
    let Asked { model, model_place, .. } = &inspected.asked;
    let body = &inspected.arrived.body;
    let refused = |error: Untranslatable| untranslatable(&error, &provider.name);
    let pair = Pair::of(inspected.arrived.face, provider).map_err(refused)?;
    let body = match pair {
        Some(pair) => {
            let target = Target {
                model: route.sent_as(),
                is_openai: is_openai(provider),
                thinks: route.is_known_to("thinking") != Some(false),
            };
            pair.request(body, target).map_err(refused)?
        }
        None if route.sent_as() != model => rename(body, model_place.clone(), route.sent_as()),
        None => body.clone(),
    };
    let system = match (pair, &inspected.system) {
        (Some(pair), Some(_)) => {
            system::of_changed(&journal.term_keys, inspected.governed.name.as_str(), pair.provider(), &body)
        }
        (_, system) => system.clone(),
    };
    Ok(Prepared { route, pair, body, system })
}

/// Whether this is OpenAI's own service, which no longer takes the older name of the output limit.
fn is_openai(provider: &Provider) -> bool {
    let host = provider.base_url.as_ref().and_then(|url| url.host_str());
    provider.api == Api::OpenAi
        && host.is_some_and(|host| {
            ["openai.com", "openai.azure.com"]
                .iter()
                .any(|own| host.strip_suffix(own).is_some_and(|rest| rest.is_empty() || rest.ends_with('.')))
        })
}

fn untranslatable(error: &Untranslatable, provider: &str) -> Problem {
    Problem::new(
        Code::Untranslatable,
        format!("The call cannot be carried to the API of provider \"{provider}\": {error}."),
    )
    .hint("Leave it out, or route the model to a provider that speaks this API in routing/fleet.yml.")
}

/// Why nothing may serve the call. Names of models are the caller's words and are not repeated.
fn refusal(reason: &RouteError) -> Problem {
    let no_route = |message: String| Problem::new(Code::NoRoute, message);
    match reason {
        RouteError::UnknownModel { .. } => {
            Problem::new(Code::UnknownModel, "No provider of this fleet serves that model.")
                .hint("`GET /v1/models` lists what is served; routing/fleet.yml says by whom.")
        }
        RouteError::EmptySlot { .. } => {
            Problem::new(Code::UnknownModel, "The fleet names no model for that slot.")
                .hint("Name one under `slots` in routing/fleet.yml.")
        }
        RouteError::NotPermitted { .. } => no_route("This context does not permit that model.".to_owned())
            .hint("See `models` in the context's file."),
        RouteError::Broken { .. } => {
            no_route(format!("Where calls of this context may go is unknown: {reason}."))
                .hint("`zos lint` says what to write there instead.")
        }
        RouteError::NoProvider { .. } => {
            no_route("The fleet has no provider that speaks this API for that model.".to_owned())
                .hint("See routing/fleet.yml: the model's provider speaks another API.")
        }
        RouteError::NoKey { .. } => no_route("There is no key for the provider of that model.".to_owned())
            .hint("Set it in Keys, or in the provider's environment variable."),
        RouteError::TooLong { tokens, context, .. } => no_route(format!(
            "The call may need {tokens} tokens, and the context of that model has {context}."
        ))
        .hint("Shorten the conversation, or name a fallback with a longer context in routing/fleet.yml."),
        RouteError::Lacks { cap, .. } => {
            no_route(format!("That model is not said to have `{cap}`, which this call needs."))
                .hint("See `caps` and `rules` in routing/fleet.yml.")
        }
        RouteError::Required { what, .. } => {
            no_route(format!("A rule requires another {what} than that model is said to have."))
                .hint("See `rules` in routing/fleet.yml.")
        }
    }
}

/// The body with another model name, and every other byte as it was: the fleet asked for this change.
fn rename(body: &[u8], place: Range<usize>, name: &str) -> Bytes {
    let quoted = serde_json::Value::from(name).to_string();
    let unquoted = &quoted[1..quoted.len() - 1];
    [&body[..place.start], unquoted.as_bytes(), &body[place.end..]].concat().into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_name_changes() {
        let body = br#"{ "model" : "local/qwen3","a":1 }"#;
        let start = 13;
        assert_eq!(&body[start..start + 11], b"local/qwen3");
        assert_eq!(rename(body, start..start + 11, "qwen\"3").as_ref(), br#"{ "model" : "qwen\"3","a":1 }"#);
    }
}
