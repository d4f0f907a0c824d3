//! Streams of the chat completions API, read and written.

use super::answer::{call_id, detail, finish_reason, is_only_old_call, stop};
use crate::envelope;
use crate::problem::Shape;
use crate::sse::Stop;
use crate::translate::answer::{Stop as Reason, Tokens, text};
use crate::translate::conversation::Block;
use crate::translate::event::{Event, Kind, unknown};
use http::StatusCode;
use serde_json::{Value, json};

/// More calls in one answer than any model makes.
const CALLS_LIMIT: usize = 1024;

/// Reads a provider's chunks.
///
/// The pieces of parallel calls may come mixed. The call that is open stays open to the end; what comes
/// for another meanwhile is kept and said afterwards, a block at a time.
pub(crate) struct Reader {
    is_started: bool,
    open: Option<Key>,
    waiting: Vec<Waiting>,
    waiting_bytes: usize,
    limit_bytes: usize,
    calls: Vec<CallIds>,
    is_refused: bool,
    reason: Option<Reason>,
    usage: Option<Tokens>,
}

/// What tells blocks apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Key {
    Text,
    Refusal,
    Thinking,
    /// The position among [`Reader::calls`].
    Call(usize),
}

struct CallIds {
    index: u64,
    id: String,
    name: String,
}

struct Waiting {
    key: Key,
    text: String,
}

impl Reader {
    /// At most `limit_bytes` may wait for another block to end.
    pub(crate) fn new(limit_bytes: usize) -> Reader {
        Reader {
            is_started: false,
            open: None,
            waiting: Vec::new(),
            waiting_bytes: 0,
            limit_bytes,
            calls: Vec::new(),
            is_refused: false,
            reason: None,
            usage: None,
        }
    }

    pub(crate) fn take(&mut self, data: &Value, events: &mut Vec<Event>) -> Result<(), Stop> {
        if !data["error"].is_null() {
            let error = data["error"].clone();
            let message = error["message"].as_str().or(error.as_str()).unwrap_or_default().to_owned();
            events.push(Event::Failed { message, error });
            return Ok(());
        }
        self.usage = Tokens::of_chat(&data["usage"]).or(self.usage);
        let choice = match data["choices"].as_array().map(Vec::as_slice) {
            None | Some([]) => return Ok(()),
            Some([only]) if only["index"].as_u64().unwrap_or(0) == 0 => only,
            Some(_) => return Err(Stop::Unreadable("it holds more than one answer")),
        };
        if !std::mem::replace(&mut self.is_started, true) {
            let (id, model) = (text(&data["id"]), text(&data["model"]));
            events.push(Event::Start { id, model, usage: self.usage.unwrap_or_default() });
        }
        self.delta(&choice["delta"], events)?;
        // Some servers say "" until there is one.
        let is_last = choice["finish_reason"].as_str().is_some_and(|reason| !reason.is_empty());
        if is_last && self.reason.is_none() {
            let reason = stop(choice, !self.calls.is_empty(), self.is_refused);
            self.reason = Some(reason.ok_or(Stop::Unreadable("it ends for a reason that is not known"))?);
            self.flush(events);
        }
        Ok(())
    }

    /// The terminator. Without a finish reason before it, it ends nothing: the stream counts as broken.
    pub(crate) fn done(&mut self, events: &mut Vec<Event>) {
        if let Some(reason) = self.reason.take() {
            events.push(Event::Stop { reason, usage: self.usage });
        }
    }

    fn delta(&mut self, delta: &Value, events: &mut Vec<Event>) -> Result<(), Stop> {
        let thinking = [&delta["reasoning_content"], &delta["reasoning"]];
        if let Some(piece) = thinking.into_iter().find_map(Value::as_str) {
            self.piece(Key::Thinking, piece, events)?;
        }
        match &delta["content"] {
            Value::Null => {}
            Value::String(piece) => self.piece(Key::Text, piece, events)?,
            _ => return Err(unknown()),
        }
        if let Some(piece) = delta["refusal"].as_str() {
            self.is_refused |= !piece.is_empty();
            self.piece(Key::Refusal, piece, events)?;
        }
        if !delta["audio"].is_null() || is_only_old_call(delta) {
            return Err(unknown());
        }
        for (position, call) in delta["tool_calls"].as_array().into_iter().flatten().enumerate() {
            self.call(call, position, events)?;
        }
        Ok(())
    }

    fn call(&mut self, call: &Value, position: usize, events: &mut Vec<Event>) -> Result<(), Stop> {
        let index = call["index"].as_u64().unwrap_or(position as u64);
        let (id, name) = (text(&call["id"]), text(&call["function"]["name"]));
        // Some servers say 0 for every call: an id of its own makes it another one.
        let known = self.calls.iter().rposition(|known| known.index == index);
        let known = known.filter(|known| id.is_empty() || self.calls[*known].id == id);
        let known = match known {
            Some(known) => known,
            None if name.is_empty() => return Err(Stop::Unreadable("a tool call has no name")),
            None if self.calls.len() == CALLS_LIMIT => {
                return Err(Stop::Unreadable("it makes too many tool calls"));
            }
            None => {
                let id = if id.is_empty() { call_id(self.calls.len()) } else { id };
                self.calls.push(CallIds { index, id, name });
                self.begin(Key::Call(self.calls.len() - 1), events);
                self.calls.len() - 1
            }
        };
        match &call["function"]["arguments"] {
            Value::Null => Ok(()),
            Value::String(piece) => self.piece(Key::Call(known), piece, events),
            // Some servers give the object itself, whole.
            whole => self.piece(Key::Call(known), &whole.to_string(), events),
        }
    }

    /// Opens a block, or lets it wait behind an open call.
    fn begin(&mut self, key: Key, events: &mut Vec<Event>) {
        if matches!(self.open, Some(Key::Call(_))) {
            self.waiting.push(Waiting { key, text: String::new() });
            return;
        }
        if self.open.is_some() {
            events.push(Event::Close);
        }
        self.open = Some(key);
        events.push(Event::Open(self.kind(key)));
    }

    fn piece(&mut self, key: Key, piece: &str, events: &mut Vec<Event>) -> Result<(), Stop> {
        if piece.is_empty() {
            return Ok(());
        }
        if self.open == Some(key) {
            events.push(Event::Delta(piece.to_owned()));
            return Ok(());
        }
        let is_waiting = match key {
            Key::Call(_) => self.waiting.iter().any(|waiting| waiting.key == key),
            _ => self.waiting.last().is_some_and(|waiting| waiting.key == key),
        };
        if !is_waiting {
            self.begin(key, events);
        }
        if self.open == Some(key) {
            events.push(Event::Delta(piece.to_owned()));
            return Ok(());
        }
        self.waiting_bytes += piece.len();
        if self.waiting_bytes > self.limit_bytes {
            return Err(Stop::Unreadable("too much of it waits for another tool call to end"));
        }
        if let Some(waiting) = self.waiting.iter_mut().rfind(|waiting| waiting.key == key) {
            waiting.text.push_str(piece);
        }
        Ok(())
    }

    /// All text is here: ends the open block, and says what waited.
    fn flush(&mut self, events: &mut Vec<Event>) {
        if self.open.take().is_some() {
            events.push(Event::Close);
        }
        for Waiting { key, text } in std::mem::take(&mut self.waiting) {
            events.push(Event::Open(self.kind(key)));
            if !text.is_empty() {
                events.push(Event::Delta(text));
            }
            events.push(Event::Close);
        }
    }

    fn kind(&self, key: Key) -> Kind {
        match key {
            Key::Text => Kind::Text,
            Key::Refusal => Kind::Refusal,
            Key::Thinking => Kind::Thinking,
            Key::Call(call) => {
                Kind::Call { id: self.calls[call].id.clone(), name: self.calls[call].name.clone() }
            }
        }
    }
}

/// Writes the caller's chunks.
pub(crate) struct Writer {
    now_s: u64,
    wants_usage: bool,
    id: String,
    model: String,
    calls: usize,
    details: usize,
    open: Option<Kind>,
    /// The open thinking so far, to stand beside its signature.
    thought: String,
    signature: String,
}

impl Writer {
    pub(crate) fn new(now_s: u64, wants_usage: bool) -> Writer {
        Writer {
            now_s,
            wants_usage,
            id: String::new(),
            model: String::new(),
            calls: 0,
            details: 0,
            open: None,
            thought: String::new(),
            signature: String::new(),
        }
    }

    pub(crate) fn say(&mut self, event: Event, out: &mut Vec<String>) {
        match event {
            Event::Start { id, model, .. } => {
                (self.id, self.model) = (id, model);
                out.push(self.delta(json!({"role": "assistant", "content": ""})));
            }
            Event::Open(kind) => {
                match &kind {
                    Kind::Call { id, name } => {
                        let function = json!({"name": name, "arguments": ""});
                        let call =
                            json!({"index": self.calls, "id": id, "type": "function", "function": function});
                        out.push(self.delta(json!({"tool_calls": [call]})));
                    }
                    Kind::Redacted(data) => self.detail(Block::Redacted(data.clone()), out),
                    Kind::Text | Kind::Refusal | Kind::Thinking => {}
                }
                self.open = Some(kind);
            }
            Event::Delta(piece) => {
                let delta = match &self.open {
                    Some(Kind::Thinking) => {
                        self.thought.push_str(&piece);
                        json!({"reasoning_content": piece})
                    }
                    Some(Kind::Refusal) => json!({"refusal": piece}),
                    Some(Kind::Call { .. }) => {
                        json!({"tool_calls": [{"index": self.calls, "function": {"arguments": piece}}]})
                    }
                    _ => json!({"content": piece}),
                };
                out.push(self.delta(delta));
            }
            Event::Signature(signature) => self.signature.push_str(&signature),
            Event::Close => match self.open.take() {
                Some(Kind::Call { .. }) => self.calls += 1,
                Some(Kind::Thinking) => {
                    let text = std::mem::take(&mut self.thought);
                    let signature = std::mem::take(&mut self.signature);
                    if !signature.is_empty() {
                        self.detail(Block::Thinking { text, signature: Some(signature) }, out);
                    }
                }
                _ => {}
            },
            Event::Stop { reason, usage } => {
                let finish = json!({"index": 0, "delta": {}, "finish_reason": finish_reason(&reason)});
                out.push(self.chunk(json!([finish]), None));
                if self.wants_usage {
                    let usage = usage.unwrap_or_default();
                    out.push(self.chunk(json!([]), Some(usage.chat())));
                }
                out.push("data: [DONE]\n\n".to_owned());
            }
            Event::Failed { message, error } => {
                let status = StatusCode::INTERNAL_SERVER_ERROR;
                let error = envelope::object(Shape::OpenAi, status, &message, &error);
                out.push(format!("data: {error}\n\n"));
            }
        }
    }

    fn detail(&mut self, block: Block, out: &mut Vec<String>) {
        if let Some(detail) = detail(self.details, &block) {
            self.details += 1;
            out.push(self.delta(json!({"reasoning_details": [detail]})));
        }
    }

    fn delta(&self, delta: Value) -> String {
        self.chunk(json!([{"index": 0, "delta": delta, "finish_reason": null}]), None)
    }

    fn chunk(&self, choices: Value, usage: Option<Value>) -> String {
        let mut chunk = json!({
            "id": self.id, "object": "chat.completion.chunk", "created": self.now_s, "model": self.model,
            "choices": choices,
        });
        if let Some(usage) = usage {
            chunk["usage"] = usage;
        }
        format!("data: {chunk}\n\n")
    }
}
