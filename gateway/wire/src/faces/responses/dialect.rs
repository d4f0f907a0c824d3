//! OpenAI responses. Events: <https://platform.openai.com/docs/api-reference/responses-streaming>.

use crate::dialect::{Reading, event, mark};
use crate::json::Value;
use crate::places::{Channel, Kind, Place, ROOT, Scene, Walk};
use crate::problem::{Problem, Shape};
use bytes::Bytes;
use serde_json::json;
use std::collections::HashMap;

/// What an ending has to know of a stream.
#[derive(Default)]
pub struct Stream {
    /// The response object as it was announced, to be ended as incomplete.
    response: Option<String>,
    /// The next sequence number.
    sequence: u64,
    /// Item ids by output index.
    items: HashMap<u64, String>,
}

impl Stream {
    pub(crate) fn read<'a>(
        &mut self,
        walk: &mut Walk<'_, 'a>,
        event: &str,
        data: &'a Value<'a>,
    ) -> Reading<'a> {
        let mut reading = Reading::default();
        if let Some(sequence) = data.get("sequence_number").and_then(Value::as_u64) {
            self.sequence = sequence.saturating_add(1);
        }
        let kind = data.get("type").and_then(Value::as_str).map_or_else(|| event.into(), |kind| kind.text());
        let output = data.get("output_index").and_then(Value::as_u64).unwrap_or(0);
        if let Some(item) = data.get("item_id").and_then(Value::as_str)
            && self.items.len() < 1024
        {
            self.items.entry(output).or_insert_with(|| item.text().into_owned());
        }
        let block = strings(walk, &kind, data);
        match kind.as_ref() {
            "response.created" | "response.in_progress" => {
                self.response = data.get("response").and_then(Value::raw_object).map(str::to_owned);
            }
            "response.completed" | "response.incomplete" => {
                reading.usage = data.at(&["response", "usage"]).and_then(Value::raw_object);
                reading.tier = crate::usage::tier(data);
                reading.all_ended = true;
                reading.is_terminator = true;
            }
            "response.failed" => {
                reading.usage = data.at(&["response", "usage"]).and_then(Value::raw_object);
                reading.tier = crate::usage::tier(data);
                reading.is_failure = true;
            }
            "error" => reading.is_failure = true,
            "response.output_item.added" if data.at(&["item", "name"]).is_none() => {
                let kind = data.at(&["item", "type"]).and_then(Value::as_str);
                walk.leaves.names.extend(kind.map(|kind| (block, kind)));
            }
            "response.output_item.done" => reading.ended.push(block),
            _ => {}
        }
        reading
    }

    /// The same stream without the provider's response object and ids.
    pub(crate) fn without_words(&self) -> Stream {
        Stream { sequence: self.sequence, ..Stream::default() }
    }

    pub(crate) fn text_event(&self, channel: Channel, text: &str) -> Bytes {
        let item = self.items.get(&channel.block).map_or("", String::as_str);
        let data = json!({
            "type": "response.output_text.delta", "item_id": item, "output_index": channel.block,
            "content_index": channel.part, "delta": text, "logprobs": [], "sequence_number": self.sequence,
        });
        Bytes::from(event("response.output_text.delta", &data))
    }

    /// `response.incomplete` with reason `content_filter`, over the response as it was announced.
    pub(crate) fn refusal(&self, problem: &Problem, request_id: &str) -> Bytes {
        let announced = self.response.as_deref().and_then(|raw| serde_json::from_str(raw).ok());
        let mut response = match announced {
            Some(serde_json::Value::Object(response)) => response,
            _ => serde_json::Map::new(),
        };
        response.insert("status".into(), "incomplete".into());
        response.insert("incomplete_details".into(), json!({"reason": "content_filter"}));
        response.entry("object").or_insert_with(|| "response".into());
        response.entry("output").or_insert_with(|| json!([]));
        let data = json!({
            "type": "response.incomplete", "response": response, "sequence_number": self.sequence,
            "zos": mark(problem, request_id),
        });
        Bytes::from(event("response.incomplete", &data))
    }

    pub(crate) fn failure(&self, problem: &Problem, request_id: &str) -> Bytes {
        let error = problem.error_object(Shape::OpenAi, request_id);
        let data = json!({
            "type": "error", "code": problem.code.as_str(), "message": error["message"], "param": null,
            "sequence_number": self.sequence, "error": error, "zos": mark(problem, request_id),
        });
        Bytes::from(event("error", &data))
    }
}

/// How the events that the API documents end, those with text that goes on left out.
const STATES: &[&str] = &[
    "added",
    "completed",
    "created",
    "done",
    "failed",
    "generating",
    "in_progress",
    "incomplete",
    "interpreting",
    "partial_image",
    "queued",
    "searching",
];

/// Whether an event is about a state, or holds what is said at once.
fn is_state(kind: &str) -> bool {
    let state = kind.strip_prefix("response.").and_then(|rest| rest.rsplit('.').next());
    matches!(kind, "error" | "keepalive" | "ping") || state.is_some_and(|state| STATES.contains(&state))
}

/// Whether the API documents an event of this name.
pub(crate) fn is_documented(kind: &str) -> bool {
    is_state(kind) || (kind.starts_with("response.") && kind.ends_with(".delta"))
}

/// What the `delta` of an event says.
fn said_by(kind: &str) -> Kind {
    match kind {
        "response.output_text.delta" => Kind::Text,
        _ if ["arguments", "_input", "_code"].iter().any(|word| kind.contains(word)) => Kind::Arguments,
        _ => Kind::Other,
    }
}

/// Every string of an event; gives the place of the item that it is about. Texts are told apart by item, by
/// the type of event, and by whatever other index the event names.
fn strings<'a>(walk: &mut Walk<'_, 'a>, kind: &str, data: &'a Value<'a>) -> Place {
    let block = walk.at_index(ROOT, data.get("output_index"));
    let mut place = walk.at(block, kind);
    for index in ["content_index", "summary_index", "annotation_index"] {
        place = walk.at_index(place, data.get(index));
    }
    let whole_number = |key| data.get(key).map_or(Some(0), Value::as_u64);
    let spoken = match (whole_number("output_index"), whole_number("content_index")) {
        (Some(block), Some(part)) => Some(Channel { block, part }),
        _ => None,
    };
    let scene = Scene::whole().of(ROOT, block).calling(block);
    let (is_state, is_added) = (is_state(kind), kind.ends_with(".added"));
    walk.members(place, data, scene, |walk, name, place, value| match name {
        // Not told apart by itself.
        "type" => {
            let place = walk.at(ROOT, name);
            walk.value(place, name, value, scene);
        }
        "logprobs" => walk.echo(place, value, scene),
        "delta" if !is_state => {
            let said = said_by(kind);
            let spoken = spoken.filter(|_| said == Kind::Text && matches!(value, Value::String(_)));
            walk.value(place, name, value, scene.pieces().kind(said).spoken(spoken));
        }
        "item" | "part" if is_added => walk.value(place, name, value, scene.pieces()),
        _ if is_state => walk.value(place, name, value, scene.member(name, value)),
        _ => {
            walk.value(place, name, value, scene.pieces().member(name, value));
        }
    });
    block
}

/// Every string of a whole answer.
pub(crate) fn whole<'a>(walk: &mut Walk<'_, 'a>, answer: &'a Value<'a>) {
    let scene = Scene::whole();
    walk.members(ROOT, answer, scene, |walk, name, place, member| {
        let scene = if name == "output" { scene.pieces() } else { scene };
        walk.value(place, name, member, scene);
    });
}
