//! `GET /v1/models`: what a context may ask for. The fleet's own ids, the demo, and what the providers
//! list; those lists are kept for a while and never waited for longer than a second. What a provider lists is its
//! own words: ids are bounded in length and number, hold nothing that steers a terminal, and are inspected like any
//! other text that arrives.

use crate::call::{Call, Cost};
use crate::house::House;
use crate::pipeline::{self, Head, Resolved, note};
use crate::upstream::AnswerBody;
use crate::upstream::departing::Departing;
use axum::body::Body;
use axum::extract::Request;
use axum::response::Response;
use http::{HeaderMap, HeaderValue, header};
use serde_json::json;
use std::collections::{BTreeMap, HashMap};
use std::hash::{BuildHasher, RandomState};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};
use zos_audit::Outcome;
use zos_core::Effect;
use zos_core::fleet::SLOTS;
use zos_core::{Api, Provider, Wish};
use zos_guard::findings::Findings;
use zos_guard::inspect;
use zos_guard::policy::Policy;
use zos_wire::json::{self, Value};
use zos_wire::problem::{Code, Problem, Shape};

/// How long a caller waits for providers' lists.
const WAIT_LIMIT: Duration = Duration::from_secs(1);

/// How long a list is taken as current.
const KEPT_FOR: Duration = Duration::from_secs(300);

/// The most ids that are taken from one list, and the longest of them in bytes. The largest catalogues of several
/// makers have some hundreds, and the longest ids, with a path of folders before them, are a third as long.
const IDS_LIMIT: usize = 4096;
const ID_MAX_BYTES: usize = 256;

/// The largest list that is read.
const LIST_LIMIT_BYTES: usize = 4 << 20;

/// The models of the demo provider.
pub(crate) const DEMO_MODELS: &[&str] = &["demo/echo"];

/// A provider and a hash of the credential that it was asked with: lists differ by account.
type ListKey = (String, u64);

/// One provider's models.
#[derive(Clone)]
struct List {
    since: Instant,
    ids: Arc<Vec<String>>,
}

/// What the providers listed.
#[derive(Default)]
pub(crate) struct ModelLists {
    lists: Mutex<HashMap<ListKey, List>>,
    hasher: RandomState,
}

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
        let wish = Wish {
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
    let credentials: Vec<&[u8]> = credential.headers().values().map(HeaderValue::as_bytes).collect();
    let key = (provider.name.clone(), house.models.hasher.hash_one(credentials));
    let kept = house.models.kept(&key);
    if let Some(list) = &kept
        && list.since.elapsed() < KEPT_FOR
    {
        return (provider, list.ids.clone());
    }
    let mut version = HeaderMap::new();
    if provider.api == Api::Anthropic {
        version.insert("anthropic-version", HeaderValue::from_static("2023-06-01"));
    }
    let Ok(headers) = Departing::checked(house, version, credential) else {
        return (provider, Arc::default());
    };
    let fetching = tokio::spawn({
        let (house, provider) = (house.clone(), provider.clone());
        async move {
            let ids = Arc::new(fetch(&house, &provider, headers).await?);
            house.models.keep(key, ids.clone());
            Some(ids)
        }
    });
    let fetched = tokio::time::timeout(WAIT_LIMIT, fetching).await.ok().and_then(Result::ok).flatten();
    (provider, fetched.or(kept.map(|list| list.ids)).unwrap_or_default())
}

/// Asks a provider; `None` when it does not list its models.
async fn fetch(house: &House, provider: &Provider, headers: Departing) -> Option<Vec<String>> {
    let mut url = provider.endpoint("/v1/models")?;
    if provider.api == Api::Anthropic {
        url.set_query(Some("limit=1000"));
    }
    let mut answer = house.upstreams.get(url, headers).await.ok()?;
    if !answer.status.is_success() {
        return None;
    }
    read_list(&mut answer.body).await
}

/// The ids in a provider's list of models; `None` when it is no such list.
pub(crate) async fn read_list(body: &mut AnswerBody) -> Option<Vec<String>> {
    let body = body.whole(LIST_LIMIT_BYTES).await.ok()??;
    let text = std::str::from_utf8(&body).ok()?;
    let list = json::parse(text).ok()?;
    let ids = list.get("data")?.elements().iter();
    let ids = ids.filter_map(|model| model.get("id").and_then(Value::as_str));
    Some(ids.map(|id| id.text().into_owned()).filter(|id| is_id(id)).take(IDS_LIMIT).collect())
}

/// Whether a provider's word for a model may be one: short, and of characters that are seen.
fn is_id(id: &str) -> bool {
    let is_seen = |c: char| !c.is_control() && !zos_rules::canonical(c.encode_utf8(&mut [0; 4])).is_empty();
    (1..=ID_MAX_BYTES).contains(&id.len())
        && id.chars().all(|c| c == ' ' || c.is_ascii_graphic() || is_seen(c))
}

impl ModelLists {
    fn kept(&self, key: &ListKey) -> Option<List> {
        self.lists.lock().unwrap_or_else(PoisonError::into_inner).get(key).cloned()
    }

    fn keep(&self, key: ListKey, ids: Arc<Vec<String>>) {
        let mut lists = self.lists.lock().unwrap_or_else(PoisonError::into_inner);
        // Whoever tries many credentials must not fill the memory.
        if lists.len() >= 64 {
            lists.clear();
        }
        lists.insert(key, List { since: Instant::now(), ids });
    }
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_is_short_and_seen() {
        for id in [
            "gpt-5",
            "meta-llama/Llama-3.3-70B:free",
            "accounts/x/models/y",
            "qwen3:8b",
            "通义千问",
            "a model",
        ] {
            assert!(is_id(id), "{id}");
        }
        let long = "m".repeat(ID_MAX_BYTES + 1);
        for id in ["", "\u{1b}[31mred", "a\nb", "a\u{9b}31m", "a\u{202e}b", "a\u{200b}b", "a\u{e0041}", &long]
        {
            assert!(!is_id(id), "{id:?}");
        }
    }
}
