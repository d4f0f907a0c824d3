//! Lists of the models of providers, kept for a while and never waited for longer than a second. What a provider lists
//! is its own words: ids are bounded in length and number, and hold nothing that steers a terminal.

use super::credentials::Credential;
use super::departing::Departing;
use super::{AnswerBody, Upstreams};
use crate::access::Access;
use http::{HeaderMap, HeaderValue};
use std::collections::HashMap;
use std::hash::{BuildHasher, RandomState};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};
use zos_core::{Api, Provider};
use zos_wire::json::{self, Value};

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

impl Upstreams {
    /// What a provider lists to whoever has this credential, as far as it is known within [`WAIT_LIMIT`]; nothing where
    /// a header holds a secret of ours. A list that takes longer is fetched to its end for the next caller.
    pub(crate) async fn models(
        self: &Arc<Self>,
        provider: &Arc<Provider>,
        credential: Credential,
        access: &Access,
    ) -> Arc<Vec<String>> {
        let credentials: Vec<&[u8]> = credential.headers().values().map(HeaderValue::as_bytes).collect();
        let key = (provider.name.clone(), self.lists.hasher.hash_one(credentials));
        let kept = self.lists.kept(&key);
        if let Some(list) = &kept
            && list.since.elapsed() < KEPT_FOR
        {
            return list.ids.clone();
        }
        let mut version = HeaderMap::new();
        if provider.api == Api::Anthropic {
            version.insert("anthropic-version", HeaderValue::from_static("2023-06-01"));
        }
        let Ok(headers) = Departing::checked(access, version, credential) else {
            return Arc::default();
        };
        let fetching = tokio::spawn({
            let (upstreams, provider) = (self.clone(), provider.clone());
            async move {
                let ids = Arc::new(fetch(&upstreams, &provider, headers).await?);
                upstreams.lists.keep(key, ids.clone());
                Some(ids)
            }
        });
        let fetched = tokio::time::timeout(WAIT_LIMIT, fetching).await.ok().and_then(Result::ok).flatten();
        fetched.or(kept.map(|list| list.ids)).unwrap_or_default()
    }
}

/// Asks a provider; `None` when it does not list its models.
async fn fetch(upstreams: &Upstreams, provider: &Provider, headers: Departing) -> Option<Vec<String>> {
    let mut url = provider.endpoint("/v1/models")?;
    if provider.api == Api::Anthropic {
        url.set_query(Some("limit=1000"));
    }
    let mut answer = upstreams.get(provider, url, headers).await.ok()?;
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
