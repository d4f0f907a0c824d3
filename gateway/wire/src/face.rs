//! Endpoints that forward to a provider, and what a request to one asks for.
//!
//! Nothing here decides anything: facts out.

use crate::json::Value;
use crate::limits;
use crate::needs;
use crate::problem::{Code, Problem, Shape};
use smallvec::SmallVec;
use std::ops::Range;
use zos_core::Api;

/// An endpoint that forwards to a provider.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Face {
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
    pub fn of(path: &str) -> Option<Face> {
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
    pub fn name(self) -> &'static str {
        match self {
            Face::Messages => "messages",
            Face::CountTokens => "count_tokens",
            Face::ChatCompletions => "chat_completions",
            Face::Responses => "responses",
            Face::Embeddings => "embeddings",
        }
    }

    /// The API it belongs to.
    pub fn api(self) -> Api {
        match self {
            Face::Messages | Face::CountTokens => Api::Anthropic,
            Face::ChatCompletions | Face::Responses | Face::Embeddings => Api::OpenAi,
        }
    }

    /// The envelope of its errors.
    pub fn shape(self) -> Shape {
        match self.api() {
            Api::Anthropic => Shape::Anthropic,
            Api::OpenAi => Shape::OpenAi,
        }
    }

    /// The path of the API; the provider knows how much of it its base URL holds already.
    pub fn upstream_path(self) -> &'static str {
        match self {
            Face::Messages => "/v1/messages",
            Face::CountTokens => "/v1/messages/count_tokens",
            Face::ChatCompletions => "/v1/chat/completions",
            Face::Responses => "/v1/responses",
            Face::Embeddings => "/v1/embeddings",
        }
    }

    /// The face as the meter knows it.
    pub fn meter(self) -> zos_meter::Face {
        match self {
            Face::Messages => zos_meter::Face::Messages,
            Face::CountTokens => zos_meter::Face::CountTokens,
            Face::ChatCompletions => zos_meter::Face::ChatCompletions,
            Face::Responses => zos_meter::Face::Responses,
            Face::Embeddings => zos_meter::Face::Embeddings,
        }
    }

    /// Whether a call costs nothing, so that no budget stands in its way.
    pub fn is_free(self) -> bool {
        self == Face::CountTokens
    }

    /// Whether the answer may be a stream of events.
    pub fn streams(self) -> bool {
        matches!(self, Face::Messages | Face::ChatCompletions | Face::Responses)
    }
}

/// What a request asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Asked {
    /// The model.
    pub model: String,
    /// Where its name stands in the body, quotes excluded.
    pub model_place: Range<usize>,
    /// Whether the answer is to be streamed.
    pub stream: bool,
    /// The most output tokens that it may be answered with, over all choices.
    pub output_tokens: u64,
    /// What it needs the model to do, in the words of `caps`.
    pub caps: SmallVec<[&'static str; 2]>,
    /// Whether it asks for thinking.
    pub thinks: bool,
    /// Whether sound may go in or come out, which has prices of its own.
    pub sounds: bool,
    /// The terms that it asks to be served at; `None` where that is left to the provider.
    pub tier: Option<zos_meter::Tier>,
}

/// Reads what a request asks for.
///
/// A key that steers routing or spending and stands twice with different values is refused: we and the
/// provider might read different ones.
pub fn asked(face: Face, body: &Value<'_>) -> Result<Asked, Problem> {
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
