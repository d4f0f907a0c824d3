//! Anthropic messages. Events: <https://docs.anthropic.com/en/docs/build-with-claude/streaming>.

use crate::dialect::{ANY_PART, Channel, Delivered, Kind, Piece, Reading, event, mark, number};
use crate::json::Value;
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
    pub(crate) fn read<'a>(&mut self, event: &str, data: &'a Value<'a>) -> Reading<'a> {
        let mut reading = Reading::default();
        let kind = data.get("type").and_then(Value::as_str).map_or_else(|| event.into(), |kind| kind.text());
        let block = data.get("index").and_then(Value::as_u64).unwrap_or(0);
        match kind.as_ref() {
            "message_start" => reading.usage = data.at(&["message", "usage"]).and_then(Value::raw_object),
            "content_block_start" => {
                pieces(data.get("content_block"), block, &mut reading);
                let name = data.at(&["content_block", "name"]).and_then(Value::as_str);
                reading.tools.extend(name.map(|name| (block, ANY_PART, name)));
            }
            "content_block_delta" => pieces(data.get("delta"), block, &mut reading),
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

/// Every string of a block or delta is a piece of a channel of its own name, so that kinds of deltas we
/// do not know are scanned across events as well.
fn pieces<'a>(part: Option<&'a Value<'a>>, block: u64, reading: &mut Reading<'a>) {
    let Some(part) = part else { return };
    for (name, value) in part.members() {
        let Some(text) = value.as_str() else { continue };
        let (kind, part) = match name.text().as_ref() {
            // Names and ids come whole; signatures are not text. Both are inspected as whole strings.
            "type" | "id" | "name" | "tool_use_id" | "signature" | "data" => continue,
            "text" => (Kind::Text, 0),
            "partial_json" => (Kind::Arguments, 0),
            other => (Kind::Other, number(other)),
        };
        reading.pieces.push(Piece { channel: Channel { kind, block, part }, text });
    }
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
