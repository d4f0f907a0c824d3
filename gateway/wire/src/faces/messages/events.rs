//! Streams of the messages API, read and written.

use super::answer::{stop, stop_fields};
use crate::envelope;
use crate::problem::Shape;
use crate::sse::Stop;
use crate::translate::answer::{Stop as Reason, Tokens, text};
use crate::translate::event::{Event, Kind, named, unknown};
use http::StatusCode;
use serde_json::{Value, json};

/// Reads a provider's events.
#[derive(Default)]
pub(crate) struct Reader {
    /// The block that is open, and whether it is a tool call of which no argument came yet.
    open: Option<(u64, bool)>,
    usage: Tokens,
    reason: Option<Reason>,
}

impl Reader {
    pub(crate) fn take(&mut self, data: &Value, events: &mut Vec<Event>) -> Result<(), Stop> {
        match data["type"].as_str().unwrap_or_default() {
            "message_start" => {
                let message = &data["message"];
                self.usage.add_messages(&message["usage"]);
                events.push(Event::Start {
                    id: text(&message["id"]),
                    model: text(&message["model"]),
                    usage: self.usage,
                });
            }
            "content_block_start" => self.start(data, events)?,
            "content_block_delta" => self.delta(data, events)?,
            "content_block_stop" => self.close(events),
            "message_delta" => {
                self.usage.add_messages(&data["usage"]);
                let delta = &data["delta"];
                let reason = stop(&delta["stop_reason"], &delta["stop_sequence"]);
                self.reason = Some(reason.map_err(|_| unknown())?);
            }
            "message_stop" => {
                // Without a reason it is no end: the stream counts as broken.
                if let Some(reason) = self.reason.take() {
                    events.push(Event::Stop { reason, usage: Some(self.usage) });
                }
            }
            "error" => events.push(Event::Failed {
                message: text(&data["error"]["message"]),
                error: data["error"].clone(),
            }),
            _ => return Err(unknown()),
        }
        Ok(())
    }

    fn start(&mut self, data: &Value, events: &mut Vec<Event>) -> Result<(), Stop> {
        self.close(events);
        let block = &data["content_block"];
        let (kind, first) = match block["type"].as_str() {
            Some("text") => (Kind::Text, text(&block["text"])),
            Some("thinking") => (Kind::Thinking, text(&block["thinking"])),
            Some("redacted_thinking") => (Kind::Redacted(text(&block["data"])), String::new()),
            Some("tool_use") => {
                let input = &block["input"];
                let is_whole = input.as_object().is_some_and(|input| !input.is_empty());
                let first = if is_whole { input.to_string() } else { String::new() };
                (Kind::Call { id: text(&block["id"]), name: text(&block["name"]) }, first)
            }
            _ => return Err(unknown()),
        };
        let is_bare_call = matches!(kind, Kind::Call { .. }) && first.is_empty();
        self.open = Some((data["index"].as_u64().unwrap_or(0), is_bare_call));
        events.push(Event::Open(kind));
        if !first.is_empty() {
            events.push(Event::Delta(first));
        }
        Ok(())
    }

    fn delta(&mut self, data: &Value, events: &mut Vec<Event>) -> Result<(), Stop> {
        let Some((index, is_bare_call)) = &mut self.open else { return Err(unknown()) };
        if data["index"].as_u64().unwrap_or(0) != *index {
            return Err(Stop::Unreadable("a piece belongs to no open block"));
        }
        let delta = &data["delta"];
        let piece = match delta["type"].as_str() {
            Some("text_delta") => text(&delta["text"]),
            Some("thinking_delta") => text(&delta["thinking"]),
            Some("input_json_delta") => text(&delta["partial_json"]),
            Some("signature_delta") => {
                events.push(Event::Signature(text(&delta["signature"])));
                return Ok(());
            }
            _ => return Err(unknown()),
        };
        if !piece.is_empty() {
            *is_bare_call = false;
            events.push(Event::Delta(piece));
        }
        Ok(())
    }

    fn close(&mut self, events: &mut Vec<Event>) {
        match self.open.take() {
            None => return,
            // A call without arguments is one with an empty object.
            Some((_, true)) => events.push(Event::Delta("{}".to_owned())),
            Some(_) => {}
        }
        events.push(Event::Close);
    }
}

/// Writes the caller's events.
#[derive(Default)]
pub(crate) struct Writer {
    index: u64,
    open: Option<Kind>,
}

impl Writer {
    pub(crate) fn say(&mut self, event: Event, out: &mut Vec<String>) {
        match event {
            Event::Start { id, model, usage } => out.push(named(&json!({
                "type": "message_start",
                "message": {
                    "id": id, "type": "message", "role": "assistant", "model": model, "content": [],
                    "stop_reason": null, "stop_sequence": null, "usage": usage.messages(),
                },
            }))),
            Event::Open(kind) => {
                let block = match &kind {
                    Kind::Text | Kind::Refusal => json!({"type": "text", "text": ""}),
                    Kind::Thinking => json!({"type": "thinking", "thinking": "", "signature": ""}),
                    Kind::Redacted(data) => json!({"type": "redacted_thinking", "data": data}),
                    Kind::Call { id, name } => {
                        json!({"type": "tool_use", "id": id, "name": name, "input": {}})
                    }
                };
                self.open = Some(kind);
                let start =
                    json!({"type": "content_block_start", "index": self.index, "content_block": block});
                out.push(named(&start));
            }
            Event::Delta(piece) => {
                let delta = match &self.open {
                    Some(Kind::Thinking) => json!({"type": "thinking_delta", "thinking": piece}),
                    Some(Kind::Call { .. }) => json!({"type": "input_json_delta", "partial_json": piece}),
                    _ => json!({"type": "text_delta", "text": piece}),
                };
                out.push(self.delta(&delta));
            }
            Event::Signature(signature) => {
                out.push(self.delta(&json!({"type": "signature_delta", "signature": signature})));
            }
            Event::Close => {
                out.push(named(&json!({"type": "content_block_stop", "index": self.index})));
                self.index += 1;
                self.open = None;
            }
            Event::Stop { reason, usage } => {
                let usage = usage.unwrap_or_default().messages();
                let delta = json!({"type": "message_delta", "delta": stop_fields(&reason), "usage": usage});
                out.push(named(&delta));
                out.push(named(&json!({"type": "message_stop"})));
            }
            Event::Failed { message, error } => {
                let status = StatusCode::INTERNAL_SERVER_ERROR;
                out.push(named(&envelope::object(Shape::Anthropic, status, &message, &error)));
            }
        }
    }

    fn delta(&self, delta: &Value) -> String {
        named(&json!({"type": "content_block_delta", "index": self.index, "delta": delta}))
    }
}
