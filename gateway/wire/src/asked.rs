//! What a request to a face asks for: model, stream, output limits.

use crate::face::Face;
use crate::json::{Edit, Value};
use crate::limits;
use crate::needs;
use crate::problem::{Code, Problem};
use crate::spelling::is_spelled;
use smallvec::SmallVec;
use std::ops::Range;

/// What a request asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Asked {
    /// The model.
    pub model: String,
    /// Where its name stands in the body, quotes excluded.
    pub model_place: Range<usize>,
    /// Models that a provider may take in the place of the first: lists of fallbacks that routers such as OpenRouter
    /// and LiteLLM read in a body.
    pub others: SmallVec<[String; 0]>,
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

/// Keys under which routers read models that may serve a call in the place of the first.
const OTHERS: &[&str] =
    &["models", "fallbacks", "fallback_models", "context_window_fallbacks", "content_policy_fallbacks"];

/// Every string of a value, however deep: fallbacks are names, or objects that hold names.
fn every_string(value: &Value<'_>, found: &mut SmallVec<[String; 0]>) {
    match value {
        Value::String(text) => found.push(text.text().into_owned()),
        Value::Array(elements) => elements.iter().for_each(|element| every_string(element, found)),
        Value::Object { .. } => value.members().iter().for_each(|(_, member)| every_string(member, found)),
        Value::Number(_) | Value::Bool(_) | Value::Null => {}
    }
}

/// Reads what a request asks for.
///
/// A key that steers routing or spending and stands twice is refused, in whatever spelling: we and the provider might
/// read different ones (servers written in Go read `MODEL` like `model`).
pub fn asked(face: Face, body: &Value<'_>) -> Result<Asked, Problem> {
    let invalid = |message: &str| Problem::new(Code::InvalidRequest, message);
    if !matches!(body, Value::Object { .. }) {
        return Err(invalid("The request body is not a JSON object."));
    }
    for key in ["model", "stream"] {
        let named = body.members().iter().filter(|(name, _)| is_spelled(&name.text(), key));
        if named.count() > 1 {
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
    let mut others = SmallVec::new();
    for (name, value) in body.members() {
        if OTHERS.iter().any(|key| is_spelled(&name.text(), key)) {
            every_string(value, &mut others);
        }
    }
    let model_place = model.start()..model.start() + model.raw().len();
    let model = model.text().into_owned();
    Ok(Asked {
        model,
        model_place,
        others,
        stream,
        output_tokens: limits::output(face, body)?,
        caps: needs::caps(body),
        thinks: needs::thinks(body),
        sounds: needs::sounds(body),
        tier: needs::tier(face, body),
    })
}

/// The edits that lower every limit that a request states until all of its answers together have at most `total` output
/// tokens; `None` where that cannot be. `text` is what `body` was read from.
pub fn lowered(face: Face, text: &str, body: &Value<'_>, total: u64) -> Option<Vec<Edit>> {
    limits::lowered(face, text, body, total)
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
                others: SmallVec::new(),
                stream: true,
                output_tokens: 15,
                caps: SmallVec::new(),
                thinks: false,
                sounds: false,
                tier: None,
            }
        );
        assert_eq!(read(Face::Responses, r#"{"model":"m"}"#).unwrap().output_tokens, 4096);
        for (text, others) in [
            (r#"{"model":"m","models":["a","b"]}"#, &["a", "b"][..]),
            (r#"{"Fallbacks":[{"m":["c"]},{"model":"d"}],"model":"m"}"#, &["c", "d"]),
            (r#"{"model":"m","models":7,"modalities":["text"]}"#, &[]),
        ] {
            assert_eq!(read(Face::ChatCompletions, text).unwrap().others.as_slice(), others, "{text}");
        }
        for (text, word) in [
            ("[]", "object"),
            ("{}", "model"),
            (r#"{"model":""}"#, "model"),
            (r#"{"model":7}"#, "model"),
            (r#"{"model":"a","model":"b"}"#, "more than once"),
            (r#"{"model":"a","Model":"b"}"#, "more than once"),
            (r#"{"STREAM":true,"model":"a","stream":false}"#, "more than once"),
            (r#"{"model":"a","stream":"yes"}"#, "stream"),
            (r#"{"model":"a","max_tokens":-2}"#, "max_tokens"),
        ] {
            assert!(read(Face::ChatCompletions, text).unwrap_err().contains(word), "{text}");
        }
    }
}
