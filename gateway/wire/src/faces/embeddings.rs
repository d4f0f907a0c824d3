//! OpenAI embeddings: <https://platform.openai.com/docs/api-reference/embeddings>. A text goes in, a vector comes out:
//! no conversation, no system text, no stream.

use crate::face::{Charge, Endpoint, Face, Facts, Keeps};
use crate::json::Value;
use crate::turn::{Demo, Turn, spoken};
use serde_json::json;
use zos_core::{Api, Provider};
use zos_meter::Counting;

/// The dimensions of the demo's vectors.
const DIMENSIONS: usize = 8;

/// `POST /v1/embeddings`
pub(crate) struct Embeddings;

impl Endpoint for Embeddings {
    fn facts(&self) -> &'static Facts {
        &Facts {
            name: "embeddings",
            operation: "embeddings",
            path: "embeddings",
            api: Api::OpenAi,
            counting: Counting::Embeddings,
            charge: Charge::Tokens,
            writes: false,
            may_fall_back: false,
            keeps: Keeps::NOTHING,
            instructions: None,
            stream: None,
            caller: None,
            provided: None,
        }
    }

    fn is_served_by(&self, _: &Provider) -> bool {
        true
    }

    fn across(&self, _: Api) -> Option<Face> {
        None
    }

    fn demo(&self, turn: &Turn, request: &Value<'_>) -> Demo {
        Demo::Plain(vectors(turn, request))
    }
}

/// A small vector for each input: letters counted, so that equal texts are equal and nothing else is
/// promised.
fn vectors(turn: &Turn, request: &Value<'_>) -> serde_json::Value {
    let inputs: Vec<String> = match request.get("input") {
        Some(Value::Array(inputs)) => inputs.iter().map(spoken).collect(),
        Some(input) => vec![spoken(input)],
        None => Vec::new(),
    };
    let is_base64 =
        request.get("encoding_format").and_then(Value::as_str).is_some_and(|format| format.is("base64"));
    let data: Vec<_> = inputs
        .iter()
        .enumerate()
        .map(|(index, text)| json!({"object": "embedding", "index": index, "embedding": vector(text, is_base64)}))
        .collect();
    json!({
        "object": "list", "model": turn.model, "data": data,
        "usage": {"prompt_tokens": turn.input, "total_tokens": turn.input},
    })
}

fn vector(text: &str, is_base64: bool) -> serde_json::Value {
    let mut counts = [0f32; DIMENSIONS];
    for byte in text.bytes() {
        counts[usize::from(byte) % counts.len()] += 1.0;
    }
    let length = counts.iter().map(|count| count * count).sum::<f32>().sqrt().max(1.0);
    let unit = counts.map(|count| count / length);
    if is_base64 {
        use base64::Engine;
        let bytes: Vec<u8> = unit.iter().flat_map(|count| count.to_le_bytes()).collect();
        return json!(base64::engine::general_purpose::STANDARD.encode(bytes));
    }
    json!(unit)
}
