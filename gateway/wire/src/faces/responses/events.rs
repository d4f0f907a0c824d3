//! Writes a stream of the responses API.

use super::answer::{complete, item, item_id, part, response};
use crate::sse::Stop;
use crate::translate::conversation::Block;
use crate::translate::event::{Event, Kind, named};
use serde_json::{Value, json};

/// Writes the caller's events. Keeps the whole answer, because the last event repeats it.
pub(crate) struct Writer {
    response: Value,
    now_s: u64,
    sequence: u64,
    output: Vec<Value>,
    open: Option<Block>,
    said_bytes: usize,
    limit_bytes: usize,
}

impl Writer {
    /// The answer may have at most `limit_bytes`.
    pub(crate) fn new(now_s: u64, limit_bytes: usize) -> Writer {
        Writer {
            response: Value::Null,
            now_s,
            sequence: 0,
            output: Vec::new(),
            open: None,
            said_bytes: 0,
            limit_bytes,
        }
    }

    pub(crate) fn say(&mut self, event: Event, out: &mut Vec<String>) -> Result<(), Stop> {
        match event {
            Event::Start { id, model, .. } => {
                self.response = response(&id, &model, self.now_s);
                for kind in ["response.created", "response.in_progress"] {
                    let data = json!({"type": kind, "response": self.response});
                    self.push(data, out);
                }
            }
            Event::Open(kind) => self.open(kind, out),
            Event::Delta(piece) => self.delta(&piece, out)?,
            Event::Signature(more) => {
                if let Some(Block::Thinking { signature, .. }) = &mut self.open {
                    signature.get_or_insert_default().push_str(&more);
                }
            }
            Event::Close => self.close(out),
            Event::Stop { reason, usage } => {
                complete(&mut self.response, std::mem::take(&mut self.output), &reason);
                self.response["usage"] = json!(usage.unwrap_or_default().responses());
                let is_whole = self.response["status"] == "completed";
                let kind = if is_whole { "response.completed" } else { "response.incomplete" };
                let data = json!({"type": kind, "response": self.response});
                self.push(data, out);
            }
            Event::Failed { message, error } => {
                self.response["status"] = json!("failed");
                let code = error["code"].as_str().unwrap_or("server_error");
                self.response["error"] = json!({"code": code, "message": message});
                let data = json!({"type": "response.failed", "response": self.response});
                self.push(data, out);
            }
        }
        Ok(())
    }

    fn open(&mut self, kind: Kind, out: &mut Vec<String>) {
        let block = match kind {
            Kind::Text => Block::Text(String::new()),
            Kind::Refusal => Block::Refusal(String::new()),
            Kind::Thinking => Block::Thinking { text: String::new(), signature: None },
            Kind::Redacted(data) => Block::Redacted(data),
            Kind::Call { id, name } => Block::Call { id, name, arguments: String::new() },
        };
        let mut added = item(self.output.len(), &block, "in_progress");
        if added["type"] == "message" {
            added["content"] = json!([]);
        }
        self.at("response.output_item.added", json!({"item": added}), out);
        match &block {
            Block::Text(_) | Block::Refusal(_) => {
                let place = self.place(&block, "content_index");
                self.at("response.content_part.added", with(place, "part", part(&block)), out);
            }
            Block::Thinking { .. } => {
                let place = self.place(&block, "summary_index");
                let part = json!({"type": "summary_text", "text": ""});
                self.at("response.reasoning_summary_part.added", with(place, "part", part), out);
            }
            Block::Redacted(_) | Block::Call { .. } => {}
        }
        self.open = Some(block);
    }

    fn delta(&mut self, piece: &str, out: &mut Vec<String>) -> Result<(), Stop> {
        self.said_bytes += piece.len();
        if self.said_bytes > self.limit_bytes {
            return Err(Stop::Unreadable("it is too large to be repeated whole at its end"));
        }
        let Some(mut block) = self.open.take() else { return Ok(()) };
        let (kind, index) = match &mut block {
            Block::Text(text) => {
                text.push_str(piece);
                ("response.output_text.delta", Some("content_index"))
            }
            Block::Refusal(text) => {
                text.push_str(piece);
                ("response.refusal.delta", Some("content_index"))
            }
            Block::Thinking { text, .. } => {
                text.push_str(piece);
                ("response.reasoning_summary_text.delta", Some("summary_index"))
            }
            Block::Call { arguments, .. } => {
                arguments.push_str(piece);
                ("response.function_call_arguments.delta", None)
            }
            Block::Redacted(_) => return Ok(()),
        };
        let mut place = match index {
            Some(index) => self.place(&block, index),
            None => json!({"item_id": item_id(self.output.len(), &block)}),
        };
        if matches!(block, Block::Text(_)) {
            place["logprobs"] = json!([]);
        }
        self.at(kind, with(place, "delta", json!(piece)), out);
        self.open = Some(block);
        Ok(())
    }

    fn close(&mut self, out: &mut Vec<String>) {
        let Some(block) = self.open.take() else { return };
        let content = self.place(&block, "content_index");
        let summary = self.place(&block, "summary_index");
        match &block {
            Block::Text(text) => {
                let mut done = with(content.clone(), "text", json!(text));
                done["logprobs"] = json!([]);
                self.at("response.output_text.done", done, out);
                self.at("response.content_part.done", with(content, "part", part(&block)), out);
            }
            Block::Refusal(text) => {
                self.at("response.refusal.done", with(content.clone(), "refusal", json!(text)), out);
                self.at("response.content_part.done", with(content, "part", part(&block)), out);
            }
            Block::Thinking { text, .. } => {
                let part = json!({"type": "summary_text", "text": text});
                let done = with(summary.clone(), "text", json!(text));
                self.at("response.reasoning_summary_text.done", done, out);
                self.at("response.reasoning_summary_part.done", with(summary, "part", part), out);
            }
            Block::Call { name, arguments, .. } => {
                let id = item_id(self.output.len(), &block);
                let done = json!({"item_id": id, "name": name, "arguments": arguments});
                self.at("response.function_call_arguments.done", done, out);
            }
            Block::Redacted(_) => {}
        }
        let done = item(self.output.len(), &block, "completed");
        self.at("response.output_item.done", json!({"item": done.clone()}), out);
        self.output.push(done);
    }

    /// Where a piece of the open item belongs.
    fn place(&self, block: &Block, index: &str) -> Value {
        let mut place = json!({"item_id": item_id(self.output.len(), block)});
        place[index] = json!(0);
        place
    }

    /// An event about the open item.
    fn at(&mut self, kind: &str, fields: Value, out: &mut Vec<String>) {
        let mut data = json!({"type": kind, "output_index": self.output.len()});
        if let (Value::Object(data), Value::Object(fields)) = (&mut data, fields) {
            data.extend(fields);
        }
        self.push(data, out);
    }

    fn push(&mut self, mut data: Value, out: &mut Vec<String>) {
        data["sequence_number"] = json!(self.sequence);
        self.sequence += 1;
        out.push(named(&data));
    }
}

fn with(mut place: Value, key: &str, value: Value) -> Value {
    place[key] = value;
    place
}
