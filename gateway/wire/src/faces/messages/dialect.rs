//! Anthropic messages. Events: <https://docs.anthropic.com/en/docs/build-with-claude/streaming>.

use crate::clients::{Client, TextCut};
use crate::dialect::{self, Cut, Delivered, Reading, event, last_words, mark};
use crate::json::Value;
use crate::places::{Channel, Place, ROOT, Scene, Walk};
use crate::problem::{Problem, Shape};
use bytes::Bytes;
use serde_json::json;

/// What an ending has to know of a stream.
#[derive(Default, Clone, Copy)]
pub(crate) struct Stream {
    started: bool,
    open_block: Option<u64>,
    /// The index of a block that the caller has not seen yet.
    next_block: u64,
}

impl Stream {
    /// Closes the open block and the message.
    fn end(&self, reason: &str, problem: &Problem, request_id: &str, output_tokens: u64) -> Vec<u8> {
        let mut bytes = self.close();
        bytes.extend(event(
            "message_delta",
            &json!({
                "type": "message_delta",
                "delta": {"stop_reason": reason, "stop_sequence": null},
                "usage": {"output_tokens": output_tokens},
                "zos": mark(problem, request_id),
            }),
        ));
        bytes.extend(event("message_stop", &json!({"type": "message_stop"})));
        bytes
    }

    /// Closes the open block, if any.
    fn close(&self) -> Vec<u8> {
        let Some(block) = self.open_block else { return Vec::new() };
        event("content_block_stop", &json!({"type": "content_block_stop", "index": block}))
    }

    /// Closes the open block, whatever is in it, and says these words in one of their own.
    fn say(&self, words: &str) -> (Vec<u8>, Stream) {
        let index = self.next_block;
        let mut bytes = self.close();
        let block = json!({"type": "text", "text": ""});
        let start = json!({"type": "content_block_start", "index": index, "content_block": block});
        bytes.extend(event("content_block_start", &start));
        bytes.extend(dialect::Stream::text_event(self, Channel { block: index, part: 0 }, words));
        let said = Stream { open_block: Some(index), next_block: index.saturating_add(1), ..*self };
        (bytes, said)
    }
}

impl dialect::Stream for Stream {
    fn read<'a>(&mut self, walk: &mut Walk<'_, 'a>, event: &str, data: &'a Value<'a>) -> Reading<'a> {
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

    fn delivered(&mut self, event: &Delivered) {
        match event {
            Delivered::MessageStart => self.started = true,
            Delivered::BlockStart(block) => {
                self.open_block = Some(*block);
                self.next_block = self.next_block.max(block.saturating_add(1));
            }
            Delivered::BlockStop(_) => self.open_block = None,
            Delivered::Other => {}
        }
    }

    /// Closes the open block and the message with stop reason `refusal`. Before `message_start` reached
    /// the caller there is no message to close: that is an error event.
    fn refusal(&self, problem: &Problem, request_id: &str, output_tokens: u64) -> Bytes {
        if !self.started {
            return self.failure(problem, request_id);
        }
        Bytes::from(self.end("refusal", problem, request_id, output_tokens))
    }

    /// An error event; where a client buys again on that, our sentence in a block of its own and an end. Inside a call,
    /// and before the message began, always the error.
    fn cut(&self, cut: &Cut<'_>, client: &Client) -> Bytes {
        let reason = match client.messages {
            _ if cut.in_call || !self.started => None,
            TextCut::Error => None,
            TextCut::SaidAndRefused => Some("refusal"),
            TextCut::SaidAndEnded => Some("end_turn"),
        };
        let Some(reason) = reason else { return self.failure(cut.problem, cut.request_id) };
        let (mut bytes, said) = self.say(&last_words(cut.problem));
        bytes.extend(said.end(reason, cut.problem, cut.request_id, cut.usage.output));
        Bytes::from(bytes)
    }

    fn whole<'a>(&self, walk: &mut Walk<'_, 'a>, answer: &'a Value<'a>) {
        let scene = Scene::whole();
        walk.members(ROOT, answer, scene, |walk, name, place, member| {
            let scene = if name == "content" { scene.pieces() } else { scene };
            walk.value(place, name, member, scene);
        });
    }

    fn knows(&self, event: &str) -> bool {
        EVENTS.contains(&event)
    }

    fn has_end_marker(&self) -> bool {
        false
    }

    fn ends_blocks(&self) -> bool {
        true
    }

    fn delivery(&self, event: &str, data: &Value<'_>) -> Delivered {
        let block = data.get("index").and_then(Value::as_u64).unwrap_or(0);
        let kind = data.get("type").and_then(Value::as_str).map_or_else(|| event.into(), |kind| kind.text());
        match kind.as_ref() {
            "message_start" => Delivered::MessageStart,
            "content_block_start" => Delivered::BlockStart(block),
            "content_block_stop" => Delivered::BlockStop(block),
            _ => Delivered::Other,
        }
    }

    fn text_event(&self, channel: Channel, text: &str) -> Bytes {
        let delta = json!({"type": "text_delta", "text": text});
        let data = json!({"type": "content_block_delta", "index": channel.block, "delta": delta});
        Bytes::from(event("content_block_delta", &data))
    }

    fn failure(&self, problem: &Problem, request_id: &str) -> Bytes {
        let error = problem.error_object(Shape::Anthropic, request_id);
        Bytes::from(event(
            "error",
            &json!({"type": "error", "error": error, "zos": mark(problem, request_id)}),
        ))
    }

    fn foreign_failure(&self, error: &serde_json::Value) -> Bytes {
        Bytes::from(event("error", error))
    }

    fn without_words(&self) -> Box<dyn dialect::Stream> {
        Box::new(*self)
    }

    fn ping(&self) -> Bytes {
        Bytes::from_static(b"event: ping\ndata: {\"type\": \"ping\"}\n\n")
    }
}

/// The events that the API documents.
const EVENTS: &[&str] = &[
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
