//! The APIs that AI clients speak: what a request asks for, what an event of a stream carries, and how
//! each API says "refused" and "failed" in its own words.
//!
//! One file per wire format. Nothing here decides anything: facts out, bytes out.

pub(crate) mod chat;
mod limits;
pub(crate) mod messages;
mod needs;
pub(crate) mod responses;
pub(crate) mod usage;

use crate::json::{Str, Value};
use crate::problem::{Code, Problem, Shape};
use bytes::Bytes;
use smallvec::SmallVec;
use std::ops::Range;
use zos_core::Api;

/// An endpoint that forwards to a provider.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Face {
    /// `POST /v1/messages`
    Messages,
    /// `POST /v1/messages/count_tokens`
    CountTokens,
    /// `POST /v1/chat/completions`
    ChatCompletions,
    /// `POST /v1/responses`
    Responses,
    /// `POST /v1/embeddings`
    Embeddings,
}

impl Face {
    /// The face of a path below `/v1/`, `None` for one that we do not know.
    pub(crate) fn of(path: &str) -> Option<Face> {
        match path {
            "messages" => Some(Face::Messages),
            "messages/count_tokens" => Some(Face::CountTokens),
            "chat/completions" => Some(Face::ChatCompletions),
            "responses" => Some(Face::Responses),
            "embeddings" => Some(Face::Embeddings),
            _ => None,
        }
    }

    /// Its name in records and metrics.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Face::Messages => "messages",
            Face::CountTokens => "count_tokens",
            Face::ChatCompletions => "chat_completions",
            Face::Responses => "responses",
            Face::Embeddings => "embeddings",
        }
    }

    /// The API it belongs to.
    pub(crate) fn api(self) -> Api {
        match self {
            Face::Messages | Face::CountTokens => Api::Anthropic,
            Face::ChatCompletions | Face::Responses | Face::Embeddings => Api::OpenAi,
        }
    }

    /// The envelope of its errors.
    pub(crate) fn shape(self) -> Shape {
        match self.api() {
            Api::Anthropic => Shape::Anthropic,
            Api::OpenAi => Shape::OpenAi,
        }
    }

    /// The path of the API; the provider knows how much of it its base URL holds already.
    pub(crate) fn upstream_path(self) -> &'static str {
        match self {
            Face::Messages => "/v1/messages",
            Face::CountTokens => "/v1/messages/count_tokens",
            Face::ChatCompletions => "/v1/chat/completions",
            Face::Responses => "/v1/responses",
            Face::Embeddings => "/v1/embeddings",
        }
    }

    /// The face as the meter knows it.
    pub(crate) fn meter(self) -> zos_meter::Face {
        match self {
            Face::Messages => zos_meter::Face::Messages,
            Face::CountTokens => zos_meter::Face::CountTokens,
            Face::ChatCompletions => zos_meter::Face::ChatCompletions,
            Face::Responses => zos_meter::Face::Responses,
            Face::Embeddings => zos_meter::Face::Embeddings,
        }
    }

    /// Whether a call costs nothing, so that no budget stands in its way.
    pub(crate) fn is_free(self) -> bool {
        self == Face::CountTokens
    }

    /// Whether the answer may be a stream of events.
    pub(crate) fn streams(self) -> bool {
        matches!(self, Face::Messages | Face::ChatCompletions | Face::Responses)
    }
}

/// What a request asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Asked {
    /// The model.
    pub(crate) model: String,
    /// Where its name stands in the body, quotes excluded.
    pub(crate) model_place: Range<usize>,
    /// Whether the answer is to be streamed.
    pub(crate) stream: bool,
    /// The most output tokens that it may be answered with, over all choices.
    pub(crate) output_tokens: u64,
    /// What it needs the model to do, in the words of `caps`.
    pub(crate) caps: SmallVec<[&'static str; 2]>,
    /// Whether it asks for thinking.
    pub(crate) thinks: bool,
    /// Whether sound may go in or come out, which has prices of its own.
    pub(crate) sounds: bool,
    /// The terms that it asks to be served at; `None` where that is left to the provider.
    pub(crate) tier: Option<zos_meter::Tier>,
}

/// Reads what a request asks for.
///
/// A key that steers routing or spending and stands twice with different values is refused: we and the
/// provider might read different ones.
pub(crate) fn asked(face: Face, body: &Value<'_>) -> Result<Asked, Problem> {
    let invalid = |message: &str| Problem::new(Code::InvalidRequest, message);
    if !matches!(body, Value::Object { .. }) {
        return Err(invalid("The request body is not a JSON object."));
    }
    for key in ["model", "stream"] {
        if body.members().iter().filter(|(name, _)| name.is(key)).count() > 1 {
            return Err(invalid(&format!("The request body names `{key}` more than once.")));
        }
    }
    let model = match body.get("model").map(Value::as_str) {
        Some(Some(model)) if !model.raw().is_empty() => model,
        Some(_) => return Err(invalid("`model` is not a non-empty string.")),
        None => return Err(invalid("The request body names no `model`.")),
    };
    let stream = match body.get("stream") {
        None | Some(Value::Null) => false,
        Some(Value::Bool(stream)) => *stream && face.streams(),
        Some(_) => return Err(invalid("`stream` is neither true nor false.")),
    };
    let model_place = model.start()..model.start() + model.raw().len();
    let model = model.text().into_owned();
    Ok(Asked {
        model,
        model_place,
        stream,
        output_tokens: limits::output(face, body)?,
        caps: needs::caps(body),
        thinks: needs::thinks(body),
        sounds: needs::sounds(body),
        tier: needs::tier(face, body),
    })
}

/// What kind of text a channel carries.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Kind {
    /// Text that the client shows as the answer.
    Text,
    /// Arguments of a tool call: pieces of one JSON text.
    Arguments,
    /// Thinking, refusals, transcripts and whatever else comes in pieces.
    Other,
}

/// One text that arrives in pieces.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct Channel {
    /// What it carries.
    pub(crate) kind: Kind,
    /// Choice, content block or output item.
    pub(crate) block: u64,
    /// What tells channels of one block apart.
    pub(crate) part: u64,
}

/// The part of a tool whose call may have arguments in any part of its block.
pub(crate) const ANY_PART: u64 = u64::MAX - 1;

/// A piece of a channel's text.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Piece<'a> {
    /// The channel.
    pub(crate) channel: Channel,
    /// The text.
    pub(crate) text: Str<'a>,
}

/// What one event of a stream says.
#[derive(Debug, Default)]
pub(crate) struct Reading<'a> {
    /// Pieces of text, in order. Every other string of the event is inspected as a whole text.
    pub(crate) pieces: SmallVec<[Piece<'a>; 2]>,
    /// Tools that calls of this event name, by block and part of the channel of their arguments.
    pub(crate) tools: SmallVec<[(u64, u64, Str<'a>); 1]>,
    /// Blocks that end with this event, after its pieces.
    pub(crate) ended: SmallVec<[u64; 1]>,
    /// Whether all texts end with this event.
    pub(crate) all_ended: bool,
    /// The raw usage object, where the event holds one.
    pub(crate) usage: Option<&'a str>,
    /// The terms that the answer is served at, where the event says so.
    pub(crate) tier: Option<zos_meter::Tier>,
    /// Whether the answer is complete with this event.
    pub(crate) is_terminator: bool,
    /// Whether the provider says that it failed.
    pub(crate) is_failure: bool,
}

/// How a stream of one format is read, and ended in its own words. Keeps what an ending needs to know.
pub(crate) enum Dialect {
    /// Anthropic messages.
    Messages(messages::Stream),
    /// OpenAI chat completions.
    Chat(chat::Stream),
    /// OpenAI responses.
    Responses(responses::Stream),
}

impl Dialect {
    /// The dialect of a face that streams.
    pub(crate) fn of(face: Face) -> Dialect {
        match face {
            Face::Messages | Face::CountTokens => Dialect::Messages(messages::Stream::default()),
            Face::ChatCompletions | Face::Embeddings => Dialect::Chat(chat::Stream::default()),
            Face::Responses => Dialect::Responses(responses::Stream::default()),
        }
    }

    /// Whether a data text is the end marker that is no JSON.
    pub(crate) fn is_end_marker(&self, data: &str) -> bool {
        matches!(self, Dialect::Chat(_)) && data.trim() == "[DONE]"
    }

    /// Reads one event.
    pub(crate) fn read<'a>(&mut self, event: &str, data: &'a Value<'a>) -> Reading<'a> {
        match self {
            Dialect::Messages(stream) => stream.read(event, data),
            Dialect::Chat(stream) => stream.read(data),
            Dialect::Responses(stream) => stream.read(event, data),
        }
    }

    /// Remembers that an event was delivered to the caller: an ending closes what the caller has open.
    pub(crate) fn delivered(&mut self, event: &Delivered) {
        match self {
            Dialect::Messages(stream) => stream.delivered(event),
            Dialect::Chat(_) | Dialect::Responses(_) => {}
        }
    }

    /// An event that carries a part of a piece's text, for what may still be said before a cut.
    pub(crate) fn text_event(&self, channel: Channel, text: &str) -> Bytes {
        match self {
            Dialect::Messages(_) => messages::text_event(channel, text),
            Dialect::Chat(stream) => stream.text_event(channel, text),
            Dialect::Responses(stream) => stream.text_event(channel, text),
        }
    }

    /// The native ending of an answer that was refused.
    pub(crate) fn refusal(&self, problem: &Problem, request_id: &str, output_tokens: u64) -> Bytes {
        match self {
            Dialect::Messages(stream) => stream.refusal(problem, request_id, output_tokens),
            Dialect::Chat(stream) => stream.refusal(problem, request_id),
            Dialect::Responses(stream) => stream.refusal(problem, request_id),
        }
    }

    /// What keeps a stream alive that has nothing to say.
    pub(crate) fn ping(&self) -> Bytes {
        match self {
            Dialect::Messages(_) => Bytes::from_static(b"event: ping\ndata: {\"type\": \"ping\"}\n\n"),
            Dialect::Chat(_) | Dialect::Responses(_) => Bytes::from_static(b": waiting for the owner\n\n"),
        }
    }

    /// An error answer of a provider as the event that says the same in a stream.
    pub(crate) fn foreign_failure(&self, error: &serde_json::Value) -> Bytes {
        match self {
            Dialect::Messages(_) | Dialect::Responses(_) => Bytes::from(event("error", error)),
            Dialect::Chat(_) => Bytes::from(format!("data: {error}\n\n")),
        }
    }

    /// An error event, after which nothing looks complete.
    pub(crate) fn failure(&self, problem: &Problem, request_id: &str) -> Bytes {
        match self {
            Dialect::Messages(_) => messages::failure(problem, request_id),
            Dialect::Chat(_) => chat::failure(problem, request_id),
            Dialect::Responses(stream) => stream.failure(problem, request_id),
        }
    }
}

/// What an ending has to know of an event that the caller received.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Delivered {
    /// The message began.
    MessageStart,
    /// A block was opened.
    BlockStart(u64),
    /// A block was closed.
    BlockStop(u64),
    /// Nothing of that kind.
    Other,
}

/// The `zos` object that stands beside a native ending.
fn mark(problem: &Problem, request_id: &str) -> serde_json::Value {
    serde_json::json!({"code": problem.code.as_str(), "message": problem.message, "hint": problem.hint, "request_id": request_id})
}

/// One event with a name.
fn event(name: &str, data: &serde_json::Value) -> Vec<u8> {
    format!("event: {name}\ndata: {data}\n\n").into_bytes()
}

/// A number for a name, to tell channels apart (FNV-1a, 64 bit: stable, small, not against forgery. Two
/// names that meet would only be scanned as one text).
fn number(name: &str) -> u64 {
    name.bytes()
        .fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::json::parse;

    #[test]
    fn what_is_asked_is_read_or_refused_by_name() {
        let read = |face, text: &str| asked(face, &parse(text).unwrap()).map_err(|problem| problem.message);
        let all = read(Face::ChatCompletions, r#"{"model":"m","stream":true,"max_tokens":5,"n":3}"#).unwrap();
        assert_eq!(
            all,
            Asked {
                model: "m".into(),
                model_place: 10..11,
                stream: true,
                output_tokens: 15,
                caps: SmallVec::new(),
                thinks: false,
                sounds: false,
                tier: None,
            }
        );
        assert_eq!(read(Face::Responses, r#"{"model":"m"}"#).unwrap().output_tokens, 4096);
        for (text, word) in [
            ("[]", "object"),
            ("{}", "model"),
            (r#"{"model":""}"#, "model"),
            (r#"{"model":7}"#, "model"),
            (r#"{"model":"a","model":"b"}"#, "more than once"),
            (r#"{"model":"a","stream":"yes"}"#, "stream"),
            (r#"{"model":"a","max_tokens":-2}"#, "max_tokens"),
        ] {
            assert!(read(Face::ChatCompletions, text).unwrap_err().contains(word), "{text}");
        }
    }
}
