//! OpenAI's older completions: <https://platform.openai.com/docs/api-reference/completions>. A text goes in and is gone on
//! with; editors fill in the middle with it. There is no conversation and no place for instructions, so a canon is not put
//! in front: it would become a part of what is gone on with. Token ids in the place of a prompt are read by the model's
//! vocabulary like those of embeddings.

use super::chat::dialect::{Form, Stream as Chunks};
use crate::face::{Charge, Endpoint, Face, Facts, Keeps};
use crate::json::Value;
use crate::turn::{Demo, Turn};
use bytes::Bytes;
use serde_json::json;
use zos_core::{Api, Provider};
use zos_meter::Counting;

/// Chunks of a completion. A whole answer has the same object and the same choices.
const FORM: Form = Form {
    object: "text_completion",
    id: "cmpl-zos",
    spoken_in: "text",
    says: |text| json!({"text": text, "logprobs": null}),
    ends: || json!({"text": "", "logprobs": null}),
};

/// `POST /v1/completions`
pub(crate) struct Completions;

impl Endpoint for Completions {
    fn facts(&self) -> &'static Facts {
        &Facts {
            name: "completions",
            operation: "text_completion",
            path: "completions",
            api: Api::OpenAi,
            counting: Counting::ChatCompletions,
            charge: Charge::Tokens,
            writes: true,
            may_fall_back: true,
            keeps: Keeps::NOTHING,
            instructions: None,
            stream: Some(|| Box::new(Chunks::new(&FORM))),
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
        if !turn.streams {
            return Demo::Plain(completion(turn, &turn.text(), Some("stop"), Some(turn.prompt_usage())));
        }
        let wants_usage =
            request.at(&["stream_options", "include_usage"]).and_then(Value::as_bool).unwrap_or(false);
        let pieces = turn.pieces().into_iter().map(|piece| completion(turn, &piece, None, None));
        let usage = wants_usage.then(|| {
            let mut last = completion(turn, "", None, Some(turn.prompt_usage()));
            last["choices"] = json!([]);
            last
        });
        let chunks = pieces.chain([completion(turn, "", Some("stop"), None)]).chain(usage);
        let lines = chunks.map(|chunk| Bytes::from(format!("data: {chunk}\n\n")));
        Demo::Events(lines.chain([Bytes::from_static(b"data: [DONE]\n\n")]).collect())
    }
}

fn completion(
    turn: &Turn,
    text: &str,
    reason: Option<&str>,
    usage: Option<serde_json::Value>,
) -> serde_json::Value {
    let mut completion = json!({
        "id": "cmpl-zos-demo", "object": FORM.object, "created": 0, "model": turn.model,
        "choices": [{"index": 0, "text": text, "logprobs": null, "finish_reason": reason}],
    });
    if let Some(usage) = usage {
        completion["usage"] = usage;
    }
    completion
}
