//! `GET /v1/models`: what a context may ask for. The fleet's own ids, the demo, and what the providers
//! list. What a provider lists is its own words, and is inspected like any other text that arrives.

use crate::call::{Call, Cost};
use crate::house::House;
use crate::pipeline::{self, Head, Resolved, note};
use crate::upstream::lists::DEMO_MODELS;
use axum::body::Body;
use axum::extract::Request;
use axum::response::Response;
use http::{HeaderMap, HeaderValue, header};
use serde_json::json;
use std::collections::BTreeMap;
use std::sync::Arc;
use zos_audit::Outcome;
use zos_core::Effect;
use zos_core::fleet::SLOTS;
use zos_core::{Api, Provider, RouteRequest};
use zos_guard::findings::Findings;
use zos_guard::inspect;
use zos_guard::policy::Policy;
use zos_wire::problem::{Code, Problem, Shape};

/// Serves the list, or one model of it.
pub(crate) async fn serve(
    house: Arc<House>,
    room: Option<String>,
    id: Option<String>,
    shape: Shape,
    request: Request,
    mut call: Call,
) -> Response {
    let mut headers = HeaderMap::new();
    let (parts, _) = request.into_parts();
    let head = Head::of(&parts, room.as_deref());
    let resolved = match pipeline::resolve_headers(&house, &head, &mut call, &mut headers) {
        Ok(resolved) => resolved,
        Err(problem) => return pipeline::refuse(call, shape, problem, headers).await,
    };
    let api = match shape {
        Shape::Anthropic => Api::Anthropic,
        Shape::OpenAi => Api::OpenAi,
    };
    let models =
        inspected(permitted(&house, &resolved, api).await, &resolved.policy, &mut call, &mut headers);
    let body = match &id {
        None => list(shape, &models),
        Some(id) => match models.get(id) {
            Some(provider) => entry(shape, id, provider),
            None => {
                let problem = Problem::new(Code::UnknownModel, "This context serves no model of that name.")
                    .hint("`GET /v1/models` lists the ones it does.");
                return pipeline::refuse(call, shape, problem, headers).await;
            }
        },
    };
    let body = body.to_string();
    call.record.bytes_out = body.len() as u64;
    call.settle(Cost::Nothing).await;
    if let Err(problem) = call.finish(Outcome::Completed, Some(200)).await {
        return pipeline::refuse(call, shape, problem, headers).await;
    }
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    headers.entry("x-zos-verdict").or_insert(HeaderValue::from_static("allow"));
    if let Ok(value) = HeaderValue::from_str(&call.request_id) {
        headers.insert("x-request-id", value);
    }
    let mut response = Response::new(Body::from(body));
    *response.headers_mut() = headers;
    response
}

/// The models without those whose id holds what the room denies or replaces.
fn inspected(
    mut models: BTreeMap<String, String>,
    policy: &Policy,
    call: &mut Call,
    headers: &mut HeaderMap,
) -> BTreeMap<String, String> {
    let mut findings = Findings::default();
    models.retain(|id, _| {
        let mut found = Findings::default();
        inspect::text(policy, id, "data[].id", &mut found);
        let may_pass = found.found.iter().all(|found| policy.effect(found.rule) == Effect::Report);
        findings.absorb(found);
        may_pass
    });
    if !findings.found.is_empty() {
        note(policy, &findings, call, headers);
    }
    models
}

/// Model ids that the context permits, whatever API they speak themselves, with the provider of each.
async fn permitted(house: &Arc<House>, resolved: &Resolved, api: Api) -> BTreeMap<String, String> {
    let fleet = &resolved.snapshot.fleet;
    let mut models = BTreeMap::new();
    let mut offer = |id: &str, from: Option<&str>| {
        // The list must not promise what the route would refuse.
        let wish = RouteRequest {
            face: api,
            model: id,
            filter: &resolved.context.models,
            context: resolved.name.as_str(),
            isolation: resolved.context.isolation,
            caps: &[],
            thinks: false,
            tokens: 0,
            may_fall_back: false,
        };
        if let Some(route) = fleet.plan(&wish).routes.first()
            && from.is_none_or(|from| from == route.provider.name)
        {
            models.insert(id.to_owned(), route.provider.name.clone());
        }
    };
    for (id, _) in fleet.model_ids() {
        offer(id, None);
    }
    for id in DEMO_MODELS {
        offer(id, None);
    }
    for slot in fleet.slots().keys() {
        offer(&format!("{SLOTS}/{}", slot.name()), None);
    }
    let asked = fleet.providers().filter(|provider| !provider.is_demo() && !house.is_own_address(provider));
    let lists =
        futures::future::join_all(asked.map(|provider| listed(house, resolved, api, provider.clone())));
    for (provider, ids) in lists.await {
        for id in ids.iter() {
            offer(id, Some(&provider.name));
        }
    }
    models
}

/// What a provider lists, as far as it is known within the time limit.
async fn listed(
    house: &Arc<House>,
    resolved: &Resolved,
    api: Api,
    provider: Arc<Provider>,
) -> (Arc<Provider>, Arc<Vec<String>>) {
    // A client's own credential is for the API that it speaks.
    let is_face_default = provider.api == api && resolved.snapshot.fleet.is_face_default(&provider, api);
    let Ok(Some(credential)) =
        resolved.presented.for_provider(&provider, is_face_default, &house.vault).await
    else {
        return (provider, Arc::default());
    };
    let ids = house.upstreams.models(&provider, credential, &house.own_secrets, &house.keys).await;
    (provider, ids)
}

/// A model id from a path, percent-decoded.
pub(crate) fn decode_id(path: &str) -> String {
    let plain = path.replace('+', "%2B");
    let decoded = url::form_urlencoded::parse(plain.as_bytes()).next();
    decoded.map(|(id, _)| id.into_owned()).unwrap_or_default()
}

fn list(shape: Shape, models: &BTreeMap<String, String>) -> serde_json::Value {
    let data: Vec<_> = models.iter().map(|(id, provider)| entry(shape, id, provider)).collect();
    match shape {
        Shape::Anthropic => json!({
            "data": data, "has_more": false,
            "first_id": models.keys().next(), "last_id": models.keys().next_back(),
        }),
        Shape::OpenAi => json!({"object": "list", "data": data}),
    }
}

fn entry(shape: Shape, id: &str, provider: &str) -> serde_json::Value {
    match shape {
        Shape::Anthropic => {
            json!({"type": "model", "id": id, "display_name": id, "created_at": "1970-01-01T00:00:00Z"})
        }
        Shape::OpenAi => json!({"id": id, "object": "model", "created": 0, "owned_by": provider}),
    }
}
