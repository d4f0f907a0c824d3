//! Step 3: which provider serves the model, and whether the context permits it.

use super::inspect_request::Inspected;
use crate::call::Call;
use crate::house::House;
use crate::problem::{Code, Problem};
use bytes::Bytes;
use http::{HeaderMap, HeaderValue};
use std::ops::Range;
use zos_core::{Route, RouteError};

/// A call with its provider.
pub(crate) struct Routed {
    pub(super) inspected: Inspected,
    pub(super) route: Route,
}

pub(super) fn run(
    house: &House,
    mut inspected: Inspected,
    call: &mut Call,
    headers: &mut HeaderMap,
) -> Result<Routed, Problem> {
    let model = &inspected.asked.model;
    let api = inspected.arrived.face.api();
    let fleet = &inspected.resolved.snapshot.fleet;
    let route = fleet.route(api, model, &inspected.resolved.context.models).map_err(|error| match error {
        RouteError::UnknownModel { .. } => {
            Problem::new(Code::UnknownModel, "No provider of this fleet serves that model.")
                .hint("`GET /v1/models` lists what is served; routing/fleet.yml says by whom.")
        }
        RouteError::NotPermitted { .. } => {
            Problem::new(Code::NoRoute, "This context does not permit that model.")
                .hint("See `models` in the context's file.")
        }
        RouteError::NoProvider { .. } => {
            Problem::new(Code::NoRoute, "The fleet has no provider that speaks this API for that model.")
                .hint("See routing/fleet.yml: the model's provider speaks another API.")
        }
    })?;
    if route.provider.api != api && !route.provider.is_demo() {
        return Err(Problem::new(
            Code::NoRoute,
            format!("That model is served by provider \"{}\", which speaks another API, and calls are not translated yet.", route.provider.name),
        )
        .hint("Call it through the other API, or route the model to another provider in routing/fleet.yml."));
    }
    if house.is_own_address(&route.provider) {
        return Err(Problem::new(
            Code::NoRoute,
            format!("Provider \"{}\" has this gateway's own address, so the call would go round in circles.", route.provider.name),
        )
        .hint("Set its real base_url in routing/fleet.yml; ANTHROPIC_BASE_URL and OPENAI_BASE_URL in the environment of zOS override it."));
    }
    if let Some(name) = &route.model_sent
        && name != model
    {
        let place = inspected.asked.model_place.clone();
        inspected.arrived.body = rename(&inspected.arrived.body, place, name);
    }
    call.record.provider = Some(route.provider.name.clone());
    if let Ok(value) = HeaderValue::from_str(&format!("{}/{}", route.provider.name, model)) {
        headers.insert("x-zos-route", value);
    }
    if route.provider.is_demo() {
        headers.insert("x-zos-demo", HeaderValue::from_static("true"));
    }
    Ok(Routed { inspected, route })
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
