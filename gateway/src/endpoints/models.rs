//! `GET /v1/models`: what a context may ask for. The fleet's own ids, the demo, and what the providers
//! list. What a provider lists is its own words, and is inspected like any other text that arrives.

use crate::call::{Call, Cost, Fact};
use crate::gateway::Gateway;
use crate::pipeline::{self, By, Governed, Head};
use crate::upstream::lists::DEMO_MODELS;
use axum::body::Body;
use axum::extract::Request;
use axum::response::Response;
use http::{HeaderValue, header};
use serde_json::json;
use std::collections::BTreeMap;
use std::sync::Arc;
use zos_audit::Outcome;
use zos_core::Effect;
use zos_core::fleet::SLOTS;
use zos_core::{Api, Provider};
use zos_guard::findings::Findings;
use zos_guard::inspect;
use zos_guard::policy::Policy;
use zos_wire::problem::{Code, Problem, Shape};

/// Serves the list, or one model of it.
pub(crate) async fn serve(
    gateway: Arc<Gateway>,
    room: Option<String>,
    id: Option<String>,
    shape: Shape,
    request: Request,
    mut call: Call,
) -> Response {
    let (parts, _) = request.into_parts();
    let head = Head::of(&parts, room.as_deref());
    let governed = match pipeline::by_head(By::of(&gateway), &head, &mut call) {
        Ok(governed) => governed,
        Err(problem) => return pipeline::refuse(call, shape, problem).await,
    };
    let api = match shape {
        Shape::Anthropic => Api::Anthropic,
        Shape::OpenAi => Api::OpenAi,
    };
    let models = inspected(permitted(&gateway, &governed, api).await, &governed.policy, &mut call);
    let body = match &id {
        None => list(shape, &models),
        Some(id) => match models.get(id) {
            Some(provider) => entry(shape, id, provider),
            None => {
                let problem = Problem::new(Code::UnknownModel, "This context serves no model of that name.")
                    .hint("`GET /v1/models` lists the ones it does.");
                return pipeline::refuse(call, shape, problem).await;
            }
        },
    };
    let body = body.to_string();
    call.record.bytes_out = body.len() as u64;
    call.settle(Cost::Nothing).await;
    if let Err(problem) = call.finish(Outcome::Completed, Some(200)).await {
        return pipeline::refuse(call, shape, problem).await;
    }
    let mut headers = call.take_headers();
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
        call.tell(Fact::Found(policy, &findings));
    }
    models
}

/// Model ids that the context permits, whatever API they speak themselves, with the provider of each.
async fn permitted(gateway: &Arc<Gateway>, governed: &Governed, api: Api) -> BTreeMap<String, String> {
    let fleet = &governed.snapshot.fleet;
    let mut models = BTreeMap::new();
    let mut offer = |id: &str, from: Option<&str>| {
        // The list must not promise what the route would refuse.
        let wish = governed.route_request(api, id, false);
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
    let asked =
        fleet.providers().filter(|provider| !provider.is_demo() && !gateway.access.is_own_address(provider));
    let lists =
        futures::future::join_all(asked.map(|provider| listed(gateway, governed, api, provider.clone())));
    for (provider, ids) in lists.await {
        for id in ids.iter() {
            offer(id, Some(&provider.name));
        }
    }
    models
}

/// What a provider lists, as far as it is known within the time limit.
async fn listed(
    gateway: &Arc<Gateway>,
    governed: &Governed,
    api: Api,
    provider: Arc<Provider>,
) -> (Arc<Provider>, Arc<Vec<String>>) {
    // A client's own credential is for the API that it speaks.
    let (speaks_its_api, keys) = (provider.api == api, &gateway.upstreams.keys);
    let is_face_default = governed.snapshot.fleet.is_face_default(&provider, api);
    let Ok(Some(credential)) =
        governed.presented.for_provider(&provider, speaks_its_api, is_face_default, keys).await
    else {
        return (provider, Arc::default());
    };
    let ids = gateway.upstreams.models(&provider, credential, &gateway.access).await;
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
