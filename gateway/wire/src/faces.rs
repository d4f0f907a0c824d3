//! The APIs, a folder each: how their streams are read and ended, and how calls are carried between them.

pub mod chat;
pub mod messages;
pub mod responses;

use crate::dialect::{Delivered, Reading, event};
use crate::face::Face;
use crate::json::Value;
use crate::places::{Channel, Leaves, Places, Walk};
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

    /// The face whose streams are in this dialect.
    pub fn face(&self) -> Face {
        match self {
            Dialect::Messages(_) => Face::Messages,
            Dialect::Chat(_) => Face::ChatCompletions,
            Dialect::Responses(_) => Face::Responses,
        }
    }

    /// Whether `[DONE]` ends an answer. Elsewhere it says nothing.
    pub fn has_end_marker(&self) -> bool {
        matches!(self, Dialect::Chat(_))
    }

    /// Whether the ends of blocks that the provider states are what clients go by. Where they are, what waits
    /// in a block waits no longer for more of it. The chat API has none, only the end of a whole choice.
    pub fn ends_blocks(&self) -> bool {
        !matches!(self, Dialect::Chat(_))
    }

    /// What the meter calls the endpoint whose usage objects these are.
    pub fn meter(&self) -> zos_meter::Face {
        match self {
            Dialect::Messages(_) => zos_meter::Face::Messages,
            Dialect::Chat(_) => zos_meter::Face::ChatCompletions,
            Dialect::Responses(_) => zos_meter::Face::Responses,
        }
    }

    /// Reads one event whose data is `text`.
    pub fn read<'a>(
        &mut self,
        places: &mut Places,
        event: &str,
        text: &'a str,
        data: &'a Value<'a>,
    ) -> Reading<'a> {
        let mut walk = Walk::new(places, text);
        let mut reading = match self {
            Dialect::Messages(stream) => stream.read(&mut walk, event, data),
            Dialect::Chat(stream) => stream.read(&mut walk, data),
            Dialect::Responses(stream) => stream.read(&mut walk, event, data),
        };
        reading.leaves = walk.finish();
        let kind = data.get("type").and_then(Value::as_str).map(|kind| kind.text());
        if let Some(kind) = kind.filter(|kind| *kind != event)
            && self.knows(event)
            && self.knows(&kind)
        {
            reading.leaves.ambiguity = Some("the name of an event and its type disagree");
        }
        reading
    }

    /// Every string of a whole answer whose text is `text`.
    pub fn read_whole<'a>(&self, text: &'a str, answer: &'a Value<'a>) -> Leaves<'a> {
        let mut places = Places::default();
        let mut walk = Walk::new(&mut places, text);
        match self {
            Dialect::Messages(_) => messages::dialect::whole(&mut walk, answer),
            Dialect::Chat(_) => chat::dialect::whole(&mut walk, answer),
            Dialect::Responses(_) => responses::dialect::whole(&mut walk, answer),
        }
        walk.finish()
    }

    /// Whether an event of this name is one that the API documents.
    fn knows(&self, event: &str) -> bool {
        match self {
            Dialect::Messages(_) => messages::dialect::EVENTS.contains(&event),
            Dialect::Chat(_) => false,
            Dialect::Responses(_) => responses::dialect::is_documented(event),
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

    /// The same stream without any words of the provider: an ending of it tells what is open and how it ended, in
    /// words of ours alone.
    #[must_use]
    pub fn without_words(&self) -> Dialect {
        match self {
            Dialect::Messages(stream) => Dialect::Messages(stream.without_words()),
            Dialect::Chat(stream) => Dialect::Chat(stream.without_words()),
            Dialect::Responses(stream) => Dialect::Responses(stream.without_words()),
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
