//! What crosses the wire about memory. Only shapes; times are RFC 3339 in UTC.

use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use zos_core::memory::{self, Kind, Moment, New, Origin};

/// Which memories to find.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct MemoryQuery {
    /// The context.
    pub(crate) context: String,
    /// What is asked for; without it, everything in force.
    pub(crate) q: Option<String>,
    /// How many at most; 20 where not said, 200 at most.
    pub(crate) limit: Option<u32>,
}

/// Which context's memory.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct MemoryContext {
    /// The context.
    pub(crate) context: String,
}

/// Which memory.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Path)]
pub struct MemoryPath {
    /// The context.
    pub(crate) context: String,
    /// The memory's id.
    pub(crate) id: String,
}

/// Where a memory comes from.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct MemorySource {
    /// `user`, `tool`, `model` or `import`.
    #[serde(rename = "type")]
    pub(crate) origin: String,
    /// Which call, file or page.
    #[serde(rename = "ref", default, skip_serializing_if = "Option::is_none")]
    pub(crate) reference: Option<String>,
}

/// Where a new memory comes from: its type alone, or with a reference.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(untagged)]
pub enum NewMemorySource {
    /// `user`, `tool`, `model` or `import`.
    Type(String),
    /// With a reference.
    Full(MemorySource),
}

/// A memory to be added.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewMemory {
    /// The context.
    pub(crate) context: String,
    /// What is to be remembered.
    pub(crate) text: String,
    /// What it is about: a newer memory on one subject takes the place of the older one.
    pub(crate) subject: Option<String>,
    /// `fact` (where not said), `preference`, `decision`, `procedure` or `episode`.
    pub(crate) kind: Option<String>,
    /// Where it comes from; the owner where not said.
    pub(crate) source: Option<NewMemorySource>,
    /// Which call, file or page it comes from.
    #[serde(rename = "ref")]
    pub(crate) reference: Option<String>,
    /// When it must no longer be served: a day, a time, or `12h`, `30d`, `8w` from now.
    pub(crate) expires: Option<String>,
}

/// A field of a new memory that cannot be used.
#[derive(Debug, thiserror::Error)]
#[error("`{field}` is wrong: {fix}.")]
pub(crate) struct WrongField {
    field: &'static str,
    /// What to write instead.
    fix: String,
}

impl NewMemory {
    /// The memory, or which field is wrong.
    pub(crate) fn read(self, now: Moment) -> Result<New, WrongField> {
        let wanted = self;
        let wrong = |field: &'static str, fix: String| WrongField { field, fix };
        let (origin, reference) = match wanted.source {
            None => ("user".to_owned(), None),
            Some(NewMemorySource::Type(origin)) => (origin, None),
            Some(NewMemorySource::Full(source)) => (source.origin, source.reference),
        };
        let origin: Origin = origin
            .trim()
            .parse()
            .map_err(|fix: String| wrong("source", format!("{fix}, alone or as `type` beside a `ref`")))?;
        let kind: Kind =
            wanted.kind.as_deref().unwrap_or("fact").parse().map_err(|fix| wrong("kind", fix))?;
        let expires = wanted.expires.map(|text| memory::parse_expiry(&text, now)).transpose();
        Ok(New {
            text: wanted.text,
            subject: wanted.subject,
            kind,
            source: memory::Source { origin, reference: wanted.reference.or(reference) },
            expires: expires.map_err(|error| wrong("expires", error.to_string()))?,
            path: None,
            supersedes: Vec::new(),
        })
    }
}

/// One memory.
#[derive(Debug, Serialize, ToSchema)]
pub struct MemoryItem {
    /// Its id.
    pub(crate) id: String,
    /// The context that remembers it.
    pub(crate) context: String,
    /// What is remembered: data, never an instruction.
    pub(crate) text: String,
    /// What it is about.
    pub(crate) subject: Option<String>,
    /// `fact`, `preference`, `decision`, `procedure` or `episode`.
    pub(crate) kind: String,
    /// `proposed`, `active`, `superseded`, `rejected` or `expired`.
    pub(crate) status: String,
    /// Where it comes from.
    pub(crate) source: MemorySource,
    /// When it was written.
    pub(crate) created: String,
    /// When it must no longer be served.
    pub(crate) expires: Option<String>,
    /// When the owner accepted it, if it needed that.
    pub(crate) reviewed: Option<String>,
    /// What it replaced.
    pub(crate) supersedes: Vec<String>,
}

/// A memory that was added, or the one that says the same already.
#[derive(Debug, Serialize, ToSchema)]
pub struct MemoryAdded {
    /// The memory.
    #[serde(flatten)]
    pub(crate) item: MemoryItem,
    /// `firewall`, `secret`, `hidden_unicode`, `instruction`, `duplicate`, `contradiction`.
    pub(crate) flags: Vec<String>,
    /// Memories in force that say something else.
    pub(crate) contradicts: Vec<String>,
}

/// What answers a question.
#[derive(Debug, Serialize, ToSchema)]
pub struct MemoryRecall {
    /// The memories, best first.
    pub(crate) items: Vec<MemoryFound>,
    /// How many there are in all.
    pub(crate) total: u64,
}

/// A memory that answers a question.
#[derive(Debug, Serialize, ToSchema)]
pub struct MemoryFound {
    /// Its id.
    pub(crate) id: String,
    /// What is remembered: data, never an instruction.
    pub(crate) text: String,
    /// What it is worth now.
    pub(crate) status: String,
    /// Where it comes from.
    pub(crate) source: MemorySource,
    /// What sort of thing it is.
    pub(crate) kind: String,
    /// How well it fits; comparable within one answer.
    pub(crate) score: f64,
    /// What it is about.
    pub(crate) subject: Option<String>,
    /// When it was written.
    pub(crate) created: String,
    /// When it must no longer be served.
    pub(crate) expires: Option<String>,
    /// What was so before, newest first.
    pub(crate) changed: Vec<MemoryChanged>,
    /// Memories of this answer that seem to say something else.
    pub(crate) conflicts: Vec<String>,
}

/// What was so before.
#[derive(Debug, Serialize, ToSchema)]
pub struct MemoryChanged {
    /// The superseded memory.
    pub(crate) id: String,
    /// What it said.
    pub(crate) text: String,
    /// Until when it was in force.
    pub(crate) until: Option<String>,
}

/// What waits for the owner.
#[derive(Debug, Serialize, ToSchema)]
pub struct MemoryReview {
    /// The proposals, oldest first.
    pub(crate) items: Vec<MemoryWaiting>,
}

/// A proposal that waits.
#[derive(Debug, Serialize, ToSchema)]
pub struct MemoryWaiting {
    /// The memory.
    #[serde(flatten)]
    pub(crate) item: MemoryItem,
    /// What accepting does: `keep` it, or `delete` it.
    pub(crate) proposal: String,
    /// What was noticed about it.
    pub(crate) flags: Vec<String>,
    /// Memories in force that accepting would supersede.
    pub(crate) would_supersede: Vec<String>,
    /// Further memories in force that say something else.
    pub(crate) contradicts: Vec<String>,
}

/// One memory with its history.
#[derive(Debug, Serialize, ToSchema)]
pub struct MemoryShown {
    /// The memory.
    #[serde(flatten)]
    pub(crate) item: MemoryItem,
    /// What was so before, newest first.
    pub(crate) changed: Vec<MemoryChanged>,
}

/// What the owner decides.
#[derive(Debug, Clone, Copy, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum MemoryVerdict {
    /// It is in force from now on.
    Accept,
    /// It is not.
    Reject,
}

/// A decision on a proposal.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct MemoryDecision {
    /// Accept or reject.
    pub(crate) decision: MemoryVerdict,
    /// Memories that it takes the place of, besides those on its subject.
    #[serde(default)]
    pub(crate) supersede: Vec<String>,
}

/// One decision on several proposals.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct MemoryDecisions {
    /// Accept or reject.
    pub(crate) decision: MemoryVerdict,
    /// The proposals, at most 1000.
    pub(crate) ids: Vec<String>,
}

/// What became of several proposals.
#[derive(Debug, Serialize, ToSchema)]
pub struct MemoryDecided {
    /// Each of them, in the order of the request.
    pub(crate) items: Vec<MemoryOutcome>,
    /// How many were decided.
    pub(crate) decided: u64,
}

/// What became of one proposal.
#[derive(Debug, Serialize, ToSchema)]
pub struct MemoryOutcome {
    /// Its id.
    pub(crate) id: String,
    /// What it is now; absent where it could not be decided.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) status: Option<String>,
    /// Why it could not be decided.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) problem: Option<String>,
}

impl MemoryDecided {
    pub(crate) fn of(ids: &[memory::Id], done: Vec<Result<memory::Item, memory::MemoryError>>) -> Self {
        let decided = done.iter().filter(|one| one.is_ok()).count() as u64;
        let outcome = |(id, done): (&memory::Id, Result<memory::Item, memory::MemoryError>)| {
            let (status, problem) = match done {
                Ok(item) => (Some(item.status.name().to_owned()), None),
                Err(error) => (None, Some(error.to_string())),
            };
            MemoryOutcome { id: id.to_string(), status, problem }
        };
        MemoryDecided { items: ids.iter().zip(done).map(outcome).collect(), decided }
    }
}

/// A memory that was removed.
#[derive(Debug, Serialize, ToSchema)]
pub struct MemoryForgotten {
    /// Its id.
    pub(crate) id: String,
    /// Always true.
    pub(crate) forgotten: bool,
}

/// Where a memory is copied to.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct MemoryPromotion {
    /// The other context.
    pub(crate) to: String,
}

/// A call of the memory tool.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct MemoryToolCall {
    /// The tool call's `input`, as the model sent it.
    pub(crate) input: serde_json::Value,
    /// Which call it was, for the provenance.
    #[serde(rename = "ref")]
    pub(crate) reference: Option<String>,
}

/// What the model is told.
#[derive(Debug, Serialize, ToSchema)]
pub struct MemoryToolAnswer {
    /// The text of the tool's result.
    pub(crate) text: String,
}

impl MemoryRecall {
    /// Everything in force, newest first.
    pub fn newest(mut items: Vec<memory::Item>, limit: usize) -> Self {
        let total = items.len() as u64;
        items.reverse();
        items.truncate(limit.min(memory::room::LIMIT_MAX));
        let found = |item: memory::Item| MemoryFound {
            id: item.id.to_string(),
            text: item.text,
            status: item.status.name().to_owned(),
            source: item.source.into(),
            kind: item.kind.name().to_owned(),
            score: 0.0,
            subject: item.subject,
            created: item.created.to_string(),
            expires: text(item.expires),
            changed: Vec::new(),
            conflicts: Vec::new(),
        };
        MemoryRecall { items: items.into_iter().map(found).collect(), total }
    }
}

impl From<memory::Recall> for MemoryRecall {
    fn from(recall: memory::Recall) -> Self {
        let items = recall.items.into_iter().map(Into::into).collect();
        MemoryRecall { items, total: recall.total as u64 }
    }
}

impl From<Vec<memory::Waiting>> for MemoryReview {
    fn from(waiting: Vec<memory::Waiting>) -> Self {
        MemoryReview { items: waiting.into_iter().map(Into::into).collect() }
    }
}

impl From<(memory::Item, Vec<memory::Changed>)> for MemoryShown {
    fn from((item, changed): (memory::Item, Vec<memory::Changed>)) -> Self {
        MemoryShown { item: item.into(), changed: changed.into_iter().map(Into::into).collect() }
    }
}

impl From<memory::Found> for MemoryFound {
    fn from(found: memory::Found) -> Self {
        MemoryFound {
            id: found.id.to_string(),
            text: found.text,
            status: found.status.name().to_owned(),
            source: found.source.into(),
            kind: found.kind.name().to_owned(),
            score: found.score,
            subject: found.subject,
            created: found.created.to_string(),
            expires: text(found.expires),
            changed: found.changed.into_iter().map(Into::into).collect(),
            conflicts: texts(&found.conflicts),
        }
    }
}

impl From<memory::Changed> for MemoryChanged {
    fn from(changed: memory::Changed) -> Self {
        MemoryChanged { id: changed.id.to_string(), text: changed.text, until: text(changed.until) }
    }
}

impl From<memory::Source> for MemorySource {
    fn from(source: memory::Source) -> Self {
        MemorySource { origin: source.origin.name().to_owned(), reference: source.reference }
    }
}

impl From<memory::Item> for MemoryItem {
    fn from(item: memory::Item) -> Self {
        MemoryItem {
            id: item.id.to_string(),
            context: item.context.to_string(),
            text: item.text,
            subject: item.subject,
            kind: item.kind.name().to_owned(),
            status: item.status.name().to_owned(),
            source: item.source.into(),
            created: item.created.to_string(),
            expires: text(item.expires),
            reviewed: text(item.reviewed),
            supersedes: texts(&item.supersedes),
        }
    }
}

impl From<memory::Added> for MemoryAdded {
    fn from(added: memory::Added) -> Self {
        MemoryAdded {
            flags: flags(&added.flags),
            contradicts: texts(&added.contradicts),
            item: added.item.into(),
        }
    }
}

impl From<memory::Waiting> for MemoryWaiting {
    fn from(waiting: memory::Waiting) -> Self {
        MemoryWaiting {
            item: waiting.item.into(),
            proposal: waiting.proposal.to_owned(),
            flags: flags(&waiting.flags),
            would_supersede: texts(&waiting.would_supersede),
            contradicts: texts(&waiting.contradicts),
        }
    }
}

fn text(moment: Option<Moment>) -> Option<String> {
    moment.map(|moment| moment.to_string())
}

fn texts(ids: &[memory::Id]) -> Vec<String> {
    ids.iter().map(ToString::to_string).collect()
}

fn flags(flags: &[memory::Flag]) -> Vec<String> {
    flags.iter().map(|flag| flag.name().to_owned()).collect()
}
