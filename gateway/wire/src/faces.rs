//! The APIs, a folder each: how their streams are read and ended, and how calls are carried between them.

pub mod chat;
pub mod messages;
pub mod responses;

use crate::dialect::{Channel, Delivered, Reading, event};
use crate::face::Face;
use crate::json::Value;
use crate::problem::Problem;
use bytes::Bytes;

/// How a stream of one format is read, and ended in its own words. Keeps what an ending needs to know.
pub enum Dialect {
    /// Anthropic messages.
    Messages(messages::dialect::Stream),
    /// OpenAI chat completions.
    Chat(chat::dialect::Stream),
    /// OpenAI responses.
    Responses(responses::dialect::Stream),
}

impl Dialect {
    /// The dialect of a face that streams.
    pub fn of(face: Face) -> Dialect {
        match face {
            Face::Messages | Face::CountTokens => Dialect::Messages(messages::dialect::Stream::default()),
            Face::ChatCompletions | Face::Embeddings => Dialect::Chat(chat::dialect::Stream::default()),
            Face::Responses => Dialect::Responses(responses::dialect::Stream::default()),
        }
    }

    /// Whether a data text is the end marker that is no JSON.
    pub fn is_end_marker(&self, data: &str) -> bool {
        matches!(self, Dialect::Chat(_)) && data.trim() == "[DONE]"
    }

    /// Reads one event.
    pub fn read<'a>(&mut self, event: &str, data: &'a Value<'a>) -> Reading<'a> {
        match self {
            Dialect::Messages(stream) => stream.read(event, data),
            Dialect::Chat(stream) => stream.read(data),
            Dialect::Responses(stream) => stream.read(event, data),
        }
    }

    /// Remembers that an event was delivered to the caller: an ending closes what the caller has open.
    pub fn delivered(&mut self, event: &Delivered) {
        match self {
            Dialect::Messages(stream) => stream.delivered(event),
            Dialect::Chat(_) | Dialect::Responses(_) => {}
        }
    }

    /// An event that carries a part of a piece's text, for what may still be said before a cut.
    pub fn text_event(&self, channel: Channel, text: &str) -> Bytes {
        match self {
            Dialect::Messages(_) => messages::dialect::text_event(channel, text),
            Dialect::Chat(stream) => stream.text_event(channel, text),
            Dialect::Responses(stream) => stream.text_event(channel, text),
        }
    }

    /// The native ending of an answer that was refused.
    pub fn refusal(&self, problem: &Problem, request_id: &str, output_tokens: u64) -> Bytes {
        match self {
            Dialect::Messages(stream) => stream.refusal(problem, request_id, output_tokens),
            Dialect::Chat(stream) => stream.refusal(problem, request_id),
            Dialect::Responses(stream) => stream.refusal(problem, request_id),
        }
    }

    /// What keeps a stream alive that has nothing to say.
    pub fn ping(&self) -> Bytes {
        match self {
            Dialect::Messages(_) => Bytes::from_static(b"event: ping\ndata: {\"type\": \"ping\"}\n\n"),
            Dialect::Chat(_) | Dialect::Responses(_) => Bytes::from_static(b": waiting for the owner\n\n"),
        }
    }

    /// An error answer of a provider as the event that says the same in a stream.
    pub fn foreign_failure(&self, error: &serde_json::Value) -> Bytes {
        match self {
            Dialect::Messages(_) | Dialect::Responses(_) => Bytes::from(event("error", error)),
            Dialect::Chat(_) => Bytes::from(format!("data: {error}\n\n")),
        }
    }

    /// An error event, after which nothing looks complete.
    pub fn failure(&self, problem: &Problem, request_id: &str) -> Bytes {
        match self {
            Dialect::Messages(_) => messages::dialect::failure(problem, request_id),
            Dialect::Chat(_) => chat::dialect::failure(problem, request_id),
            Dialect::Responses(stream) => stream.failure(problem, request_id),
        }
    }
}
