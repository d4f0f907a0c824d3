//! What the built-in demo says in the words of chat completions.

use crate::turn::{Demo, Turn};
use bytes::Bytes;
use serde_json::{Value, json};

/// `wants_usage` says whether a stream ends with the usage.
pub(crate) fn answer(turn: &Turn, wants_usage: bool) -> Demo {
    if turn.streams { Demo::Events(events(turn, wants_usage)) } else { Demo::Plain(completion(turn)) }
}

fn completion(turn: &Turn) -> Value {
    json!({
        "id": "chatcmpl-zos-demo", "object": "chat.completion", "created": 0, "model": turn.model,
        "choices": [{"index": 0, "message": {"role": "assistant", "content": turn.text()}, "finish_reason": "stop"}],
        "usage": turn.prompt_usage(),
    })
}

fn events(turn: &Turn, wants_usage: bool) -> Vec<Bytes> {
    let chunk = |choices: Value| json!({"id": "chatcmpl-zos-demo", "object": "chat.completion.chunk", "created": 0, "model": turn.model, "choices": choices});
    let delta = |delta: Value, finish: Option<&str>| {
        chunk(json!([{"index": 0, "delta": delta, "finish_reason": finish}]))
    };
    let mut chunks = vec![delta(json!({"role": "assistant", "content": ""}), None)];
    chunks.extend(turn.pieces().into_iter().map(|text| delta(json!({"content": text}), None)));
    chunks.push(delta(json!({}), Some("stop")));
    if wants_usage {
        let mut last = chunk(json!([]));
        last["usage"] = turn.prompt_usage();
        chunks.push(last);
    }
    let lines = chunks.into_iter().map(|chunk| Bytes::from(format!("data: {chunk}\n\n")));
    lines.chain([Bytes::from_static(b"data: [DONE]\n\n")]).collect()
}
