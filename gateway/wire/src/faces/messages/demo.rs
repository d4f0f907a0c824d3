//! What the built-in demo says in the words of the messages API.

use crate::turn::{Demo, Turn};
use bytes::Bytes;
use serde_json::{Value, json};

pub(crate) fn answer(turn: &Turn) -> Demo {
    if turn.streams { Demo::Events(events(turn)) } else { Demo::Plain(message(turn)) }
}

fn message(turn: &Turn) -> Value {
    json!({
        "id": "msg_zos_demo", "type": "message", "role": "assistant", "model": turn.model,
        "content": [{"type": "text", "text": turn.text()}],
        "stop_reason": "end_turn", "stop_sequence": null,
        "usage": {"input_tokens": turn.input, "output_tokens": turn.output()},
    })
}

fn events(turn: &Turn) -> Vec<Bytes> {
    let event = |data: Value| {
        Bytes::from(format!("event: {}\ndata: {data}\n\n", data["type"].as_str().unwrap_or_default()))
    };
    let mut start = message(turn);
    start["content"] = json!([]);
    start["stop_reason"] = json!(null);
    start["usage"] = json!({"input_tokens": turn.input, "output_tokens": 1});
    let mut events = vec![
        event(json!({"type": "message_start", "message": start})),
        event(
            json!({"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}}),
        ),
    ];
    events.extend(turn.pieces().into_iter().map(|text| {
        event(
            json!({"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": text}}),
        )
    }));
    events.push(event(json!({"type": "content_block_stop", "index": 0})));
    let delta = json!({"stop_reason": "end_turn", "stop_sequence": null});
    events.push(event(
        json!({"type": "message_delta", "delta": delta, "usage": {"output_tokens": turn.output()}}),
    ));
    events.push(event(json!({"type": "message_stop"})));
    events
}
