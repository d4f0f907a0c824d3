//! OpenAI chat completions. Chunks: <https://platform.openai.com/docs/api-reference/chat-streaming>.

use crate::dialect::{Channel, Kind, Piece, Reading, mark, number};
use crate::json::Value;
use crate::problem::{Problem, Shape};
use bytes::Bytes;
use serde_json::json;

/// What an ending has to know of a stream: the identity that every chunk repeats.
#[derive(Default)]
pub struct Stream {
    id: String,
    model: String,
    created: u64,
    choices: u64,
}

impl Stream {
    pub(crate) fn read<'a>(&mut self, data: &'a Value<'a>) -> Reading<'a> {
        let mut reading = Reading::default();
        self.remember(data);
        reading.usage = crate::usage::reported(data);
        reading.tier = crate::usage::tier(data);
        reading.is_failure = matches!(data.get("error"), Some(Value::Object { .. }));
        for choice in data.get("choices").map_or(&[][..], Value::elements) {
            let index = choice.get("index").and_then(Value::as_u64).unwrap_or(0);
            self.choices = self.choices.max(index.saturating_add(1).min(128));
            if let Some(delta) = choice.get("delta") {
                delta_pieces(delta, index, &mut reading);
            }
            if choice.get("finish_reason").and_then(Value::as_str).is_some() {
                reading.ended.push(index);
            }
        }
        reading
    }

    fn remember(&mut self, data: &Value<'_>) {
        if !self.id.is_empty() {
            return;
        }
        let text = |key| data.get(key).and_then(Value::as_str).map(|text| text.text().into_owned());
        self.id = text("id").unwrap_or_default();
        self.model = text("model").unwrap_or_default();
        self.created = data.get("created").and_then(Value::as_u64).unwrap_or(0);
    }

    fn chunk(&self, choices: serde_json::Value) -> serde_json::Value {
        let id = if self.id.is_empty() { "chatcmpl-zos" } else { &self.id };
        json!({"id": id, "object": "chat.completion.chunk", "created": self.created, "model": self.model, "choices": choices})
    }

    pub(crate) fn text_event(&self, channel: Channel, text: &str) -> Bytes {
        let choice = json!({"index": channel.block, "delta": {"content": text}, "finish_reason": null});
        Bytes::from(format!("data: {}\n\n", self.chunk(json!([choice]))))
    }

    /// Ends every choice with `content_filter`.
    pub(crate) fn refusal(&self, problem: &Problem, request_id: &str) -> Bytes {
        let choices: Vec<_> = (0..self.choices.max(1))
            .map(|index| json!({"index": index, "delta": {}, "finish_reason": "content_filter"}))
            .collect();
        let mut chunk = self.chunk(choices.into());
        chunk["zos"] = mark(problem, request_id);
        Bytes::from(format!("data: {chunk}\n\ndata: [DONE]\n\n"))
    }
}

/// Strings of a delta by name; those of tool calls by call and name.
fn delta_pieces<'a>(delta: &'a Value<'a>, choice: u64, reading: &mut Reading<'a>) {
    for (name, value) in delta.members() {
        match name.text().as_ref() {
            "role" => {}
            "content" => push(reading, Kind::Text, choice, 0, value),
            "tool_calls" => {
                for call in value.elements() {
                    let call_index = call.get("index").and_then(Value::as_u64).unwrap_or(0);
                    for kind in ["function", "custom"] {
                        let name = call.at(&[kind, "name"]).and_then(Value::as_str);
                        reading.tools.extend(name.map(|name| (choice, call_index, name)));
                    }
                    if let Some(arguments) = call.at(&["function", "arguments"]) {
                        push(reading, Kind::Arguments, choice, call_index, arguments);
                    }
                    if let Some(input) = call.at(&["custom", "input"]) {
                        push(reading, Kind::Arguments, choice, call_index, input);
                    }
                }
            }
            "function_call" => {
                let name = value.get("name").and_then(Value::as_str);
                reading.tools.extend(name.map(|name| (choice, u64::MAX, name)));
                if let Some(arguments) = value.get("arguments") {
                    push(reading, Kind::Arguments, choice, u64::MAX, arguments);
                }
            }
            other => nested(reading, choice, number(other), value),
        }
    }
}

/// Every string below an unknown field comes in pieces for all we know, a channel for each path.
fn nested<'a>(reading: &mut Reading<'a>, choice: u64, path: u64, value: &'a Value<'a>) {
    push(reading, Kind::Other, choice, path, value);
    for element in value.elements() {
        nested(reading, choice, path.rotate_left(1), element);
    }
    for (name, member) in value.members() {
        // Sound, not text: inspected, or named as uninspected, as a whole string.
        if name.is("data") {
            continue;
        }
        nested(reading, choice, path.rotate_left(7) ^ number(&name.text()), member);
    }
}

fn push<'a>(reading: &mut Reading<'a>, kind: Kind, block: u64, part: u64, value: &'a Value<'a>) {
    if let Some(text) = value.as_str() {
        reading.pieces.push(Piece { channel: Channel { kind, block, part }, text });
    }
}

/// An error object, and no `[DONE]`.
pub(crate) fn failure(problem: &Problem, request_id: &str) -> Bytes {
    let error = problem.error_object(Shape::OpenAi, request_id);
    Bytes::from(format!("data: {}\n\n", json!({"error": error, "zos": mark(problem, request_id)})))
}
