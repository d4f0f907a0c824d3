//! Anthropic messages. Events: <https://docs.anthropic.com/en/docs/build-with-claude/streaming>.

use crate::dialect::{Delivered, Reading, event, mark};
use crate::json::Value;
use crate::places::{Channel, Place, ROOT, Scene, Walk};
use crate::problem::{Problem, Shape};
use bytes::Bytes;
use serde_json::json;

/// What an ending has to know of a stream.
#[derive(Default)]
pub struct Stream {
    started: bool,
    open_block: Option<u64>,
}

impl Stream {
    pub(crate) fn read<'a>(
        &mut self,
        walk: &mut Walk<'_, 'a>,
        event: &str,
        data: &'a Value<'a>,
    ) -> Reading<'a> {
        let mut reading = Reading::default();
        let kind = data.get("type").and_then(Value::as_str).map_or_else(|| event.into(), |kind| kind.text());
        let block = strings(walk, &kind, data);
        match kind.as_ref() {
            "message_start" => reading.usage = data.at(&["message", "usage"]).and_then(Value::raw_object),
            "content_block_stop" => reading.ended.push(block),
            "message_delta" => {
                reading.usage = data.get("usage").and_then(Value::raw_object);
                reading.all_ended = true;
            }
            "message_stop" => {
                reading.all_ended = true;
                reading.is_terminator = true;
            }
            "error" => reading.is_failure = true,
            _ => {}
        }
        reading
    }

    pub(crate) fn delivered(&mut self, event: &Delivered) {
        match event {
            Delivered::MessageStart => self.started = true,
            Delivered::BlockStart(block) => self.open_block = Some(*block),
            Delivered::BlockStop(_) => self.open_block = None,
            Delivered::Other => {}
        }
    }

    /// The same stream: an ending of it repeats no words.
    pub(crate) fn without_words(&self) -> Stream {
        Stream { started: self.started, open_block: self.open_block }
    }

    /// Closes the open block and the message with stop reason `refusal`. Before `message_start` reached
    /// the caller there is no message to close: that is an error event.
    pub(crate) fn refusal(&self, problem: &Problem, request_id: &str, output_tokens: u64) -> Bytes {
        if !self.started {
            return failure(problem, request_id);
        }
        let mut bytes = Vec::new();
        if let Some(block) = self.open_block {
            bytes.extend(event("content_block_stop", &json!({"type": "content_block_stop", "index": block})));
        }
        bytes.extend(event(
            "message_delta",
            &json!({
                "type": "message_delta",
                "delta": {"stop_reason": "refusal", "stop_sequence": null},
                "usage": {"output_tokens": output_tokens},
                "zos": mark(problem, request_id),
            }),
        ));
        bytes.extend(event("message_stop", &json!({"type": "message_stop"})));
        Bytes::from(bytes)
    }
}

/// The events that the API documents.
pub(crate) const EVENTS: &[&str] = &[
    "content_block_delta",
    "content_block_start",
    "content_block_stop",
    "error",
    "message_delta",
    "message_start",
    "message_stop",
    "ping",
];

/// Every string of an event; gives the place of the block that it is about. A block and its deltas say one
/// text. What an event that we do not know says may go on in the next one.
fn strings<'a>(walk: &mut Walk<'_, 'a>, kind: &str, data: &'a Value<'a>) -> Place {
    let index = data.get("index");
    let block = walk.at_index(ROOT, index);
    let spoken = index.map_or(Some(0), Value::as_u64).map(|block| Channel { block, part: 0 });
    let (scene, is_known) = (Scene::whole().of(ROOT, block), EVENTS.contains(&kind));
    walk.members(ROOT, data, scene, |walk, name, place, value| match name {
        "delta" | "content_block" => {
            let place = walk.at(block, "block");
            walk.value(place, name, value, scene.pieces().calling(block).spoken(spoken));
        }
        "message" => walk.members(place, value, scene, |walk, name, place, member| {
            let scene = if name == "content" { scene.pieces() } else { scene };
            walk.value(place, name, member, scene);
        }),
        "type" | "index" => walk.value(place, name, value, scene),
        _ if is_known => walk.value(place, name, value, scene.member(name, value)),
        _ => {
            let place = walk.at(block, name);
            walk.value(place, name, value, scene.pieces().calling(block).member(name, value));
        }
    });
    block
}

/// Every string of a whole answer.
pub(crate) fn whole<'a>(walk: &mut Walk<'_, 'a>, answer: &'a Value<'a>) {
    let scene = Scene::whole();
    walk.members(ROOT, answer, scene, |walk, name, place, member| {
        let scene = if name == "content" { scene.pieces() } else { scene };
        walk.value(place, name, member, scene);
    });
}

/// What the caller's reader makes of an event, for [`Stream::delivered`].
pub fn delivery(event: &str, data: &Value<'_>) -> Delivered {
    let block = data.get("index").and_then(Value::as_u64).unwrap_or(0);
    match data.get("type").and_then(Value::as_str).map_or_else(|| event.into(), |kind| kind.text()).as_ref() {
        "message_start" => Delivered::MessageStart,
        "content_block_start" => Delivered::BlockStart(block),
        "content_block_stop" => Delivered::BlockStop(block),
        _ => Delivered::Other,
    }
}

pub(crate) fn text_event(channel: Channel, text: &str) -> Bytes {
    let delta = json!({"type": "text_delta", "text": text});
    let data = json!({"type": "content_block_delta", "index": channel.block, "delta": delta});
    Bytes::from(event("content_block_delta", &data))
}

pub(crate) fn failure(problem: &Problem, request_id: &str) -> Bytes {
    let error = problem.error_object(Shape::Anthropic, request_id);
    Bytes::from(event("error", &json!({"type": "error", "error": error, "zos": mark(problem, request_id)})))
}
