//! OpenAI responses. Events: <https://platform.openai.com/docs/api-reference/responses-streaming>.

use crate::clients::{Client, TextCut};
use crate::dialect::{self, COMMENT, Cut, Delivered, Reading, event, last_words, mark};
use crate::json::Value;
use crate::places::{Channel, Kind, Place, ROOT, Scene, Walk};
use crate::problem::{Problem, Shape};
use bytes::Bytes;
use serde_json::json;
use std::collections::HashMap;
use zos_meter::Usage;

/// What an ending has to know of a stream.
#[derive(Default)]
pub(crate) struct Stream {
    /// The response object as it was announced, to be ended as incomplete.
    response: Option<String>,
    /// The next sequence number.
    sequence: u64,
    /// Item ids by output index.
    items: HashMap<u64, String>,
    /// The output index of an item that the provider has not announced yet.
    next_output: u64,
}

impl Stream {
    /// The response object as it was announced, in another state.
    fn ended(&self, status: &str) -> serde_json::Map<String, serde_json::Value> {
        let announced = self.response.as_deref().and_then(|raw| serde_json::from_str(raw).ok());
        let mut response = match announced {
            Some(serde_json::Value::Object(response)) => response,
            _ => serde_json::Map::new(),
        };
        response.insert("status".into(), status.into());
        response.entry("object").or_insert_with(|| "response".into());
        response.entry("output").or_insert_with(|| json!([]));
        response
    }

    /// One event that is both of what readers look for: a response that failed by a code that no reader tries again, and
    /// an error of its own beside it, which others read alone. A usage object, since some reject the event without one.
    fn failed(&self, cut: &Cut<'_>) -> Bytes {
        let sentence = cut.problem.sentence();
        let mut response = self.ended("failed");
        response.entry("id").or_insert_with(|| "resp_zos".into());
        response.insert("error".into(), json!({"code": "invalid_prompt", "message": sentence}));
        response.insert("incomplete_details".into(), serde_json::Value::Null);
        response.insert("usage".into(), usage(&cut.usage));
        let data = json!({
            "type": "response.failed", "response": response, "sequence_number": self.sequence,
            "error": cut.problem.error_object(Shape::OpenAi, cut.request_id),
            "zos": mark(cut.problem, cut.request_id),
        });
        Bytes::from(event("response.failed", &data))
    }

    /// Our sentence as a message of its own, and a response that ended early.
    fn said_and_incomplete(&self, cut: &Cut<'_>) -> Bytes {
        let (id, output) = ("msg_zos", self.next_output);
        let words = last_words(cut.problem);
        let part =
            |text: &str| json!({"type": "output_text", "text": text, "annotations": [], "logprobs": []});
        let item = |status: &str, content: serde_json::Value| json!({"id": id, "type": "message", "role": "assistant", "status": status, "content": content});
        let whole = item("completed", json!([part(&words)]));
        let mut response = self.ended("incomplete");
        response.insert("incomplete_details".into(), json!({"reason": "content_filter"}));
        response.insert("usage".into(), usage(&cut.usage));
        if let Some(serde_json::Value::Array(items)) = response.get_mut("output") {
            items.push(whole.clone());
        }
        let events = [
            ("response.output_item.added", json!({"item": item("in_progress", json!([]))})),
            ("response.content_part.added", json!({"item_id": id, "content_index": 0, "part": part("")})),
            (
                "response.output_text.delta",
                json!({"item_id": id, "content_index": 0, "delta": words, "logprobs": []}),
            ),
            (
                "response.output_text.done",
                json!({"item_id": id, "content_index": 0, "text": words, "logprobs": []}),
            ),
            ("response.content_part.done", json!({"item_id": id, "content_index": 0, "part": part(&words)})),
            ("response.output_item.done", json!({"item": whole})),
            ("response.incomplete", json!({"response": response, "zos": mark(cut.problem, cut.request_id)})),
        ];
        let mut bytes = Vec::new();
        for (sequence, (name, mut data)) in (self.sequence..).zip(events) {
            data["type"] = name.into();
            data["sequence_number"] = sequence.into();
            if name != "response.incomplete" {
                data["output_index"] = output.into();
            }
            bytes.extend(event(name, &data));
        }
        Bytes::from(bytes)
    }
}

/// What an answer cost, in the words of the API, in whose input the cached part is.
fn usage(usage: &Usage) -> serde_json::Value {
    let input = usage.input.saturating_add(usage.cache_read).saturating_add(usage.cache_write);
    json!({
        "input_tokens": input, "input_tokens_details": {"cached_tokens": usage.cache_read},
        "output_tokens": usage.output, "output_tokens_details": {"reasoning_tokens": usage.reasoning},
        "total_tokens": input.saturating_add(usage.output),
    })
}

impl dialect::Stream for Stream {
    fn read<'a>(&mut self, walk: &mut Walk<'_, 'a>, event: &str, data: &'a Value<'a>) -> Reading<'a> {
        let mut reading = Reading::default();
        if let Some(sequence) = data.get("sequence_number").and_then(Value::as_u64) {
            self.sequence = sequence.saturating_add(1);
        }
        let kind = data.get("type").and_then(Value::as_str).map_or_else(|| event.into(), |kind| kind.text());
        let output = data.get("output_index").and_then(Value::as_u64).unwrap_or(0);
        if data.get("output_index").is_some() {
            self.next_output = self.next_output.max(output.saturating_add(1));
        }
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

    fn text_event(&self, channel: Channel, text: &str) -> Bytes {
        let item = self.items.get(&channel.block).map_or("", String::as_str);
        let data = json!({
            "type": "response.output_text.delta", "item_id": item, "output_index": channel.block,
            "content_index": channel.part, "delta": text, "logprobs": [], "sequence_number": self.sequence,
        });
        Bytes::from(event("response.output_text.delta", &data))
    }

    fn cut(&self, cut: &Cut<'_>, client: &Client) -> Bytes {
        match client.responses {
            TextCut::SaidAndRefused | TextCut::SaidAndEnded if !cut.in_call => self.said_and_incomplete(cut),
            _ => self.failed(cut),
        }
    }

    /// `response.incomplete` with reason `content_filter`, over the response as it was announced.
    fn refusal(&self, problem: &Problem, request_id: &str, _: u64) -> Bytes {
        let mut response = self.ended("incomplete");
        response.insert("incomplete_details".into(), json!({"reason": "content_filter"}));
        let data = json!({
            "type": "response.incomplete", "response": response, "sequence_number": self.sequence,
            "zos": mark(problem, request_id),
        });
        Bytes::from(event("response.incomplete", &data))
    }

    fn failure(&self, problem: &Problem, request_id: &str) -> Bytes {
        let error = problem.error_object(Shape::OpenAi, request_id);
        let data = json!({
            "type": "error", "code": problem.code.as_str(), "message": error["message"], "param": null,
            "sequence_number": self.sequence, "error": error, "zos": mark(problem, request_id),
        });
        Bytes::from(event("error", &data))
    }

    fn whole<'a>(&self, walk: &mut Walk<'_, 'a>, answer: &'a Value<'a>) {
        let scene = Scene::whole();
        walk.members(ROOT, answer, scene, |walk, name, place, member| {
            let scene = if name == "output" { scene.pieces() } else { scene };
            walk.value(place, name, member, scene);
        });
    }

    fn knows(&self, event: &str) -> bool {
        is_state(event) || (event.starts_with("response.") && event.ends_with(".delta"))
    }

    fn has_end_marker(&self) -> bool {
        false
    }

    fn ends_blocks(&self) -> bool {
        true
    }

    fn delivery(&self, _: &str, _: &Value<'_>) -> Delivered {
        Delivered::Other
    }

    fn delivered(&mut self, _: &Delivered) {}

    fn foreign_failure(&self, error: &serde_json::Value) -> Bytes {
        Bytes::from(event("error", error))
    }

    fn without_words(&self) -> Box<dyn dialect::Stream> {
        Box::new(Stream { sequence: self.sequence, next_output: self.next_output, ..Stream::default() })
    }

    fn ping(&self) -> Bytes {
        COMMENT
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
