//! What the built-in demo says in the words of the responses API.

use crate::turn::{Demo, Turn};
use bytes::Bytes;
use serde_json::{Value, json};

pub(crate) fn answer(turn: &Turn) -> Demo {
    match turn.streams {
        true => Demo::Events(events(turn)),
        false => Demo::Plain(response(turn, "completed", &turn.text())),
    }
}

fn response(turn: &Turn, status: &str, text: &str) -> Value {
    let (input, output) = (turn.input, turn.output());
    let content = json!([{"type": "output_text", "text": text, "annotations": []}]);
    let is_done = status == "completed";
    let items = json!([{"id": "msg_zos_demo", "type": "message", "role": "assistant", "status": "completed", "content": content}]);
    json!({
        "id": "resp_zos_demo", "object": "response", "created_at": 0, "status": status, "model": turn.model,
        "output": if is_done { items } else { json!([]) },
        "error": null, "incomplete_details": null, "instructions": null, "metadata": {}, "parallel_tool_calls": true,
        "temperature": null, "top_p": null, "tool_choice": "auto", "tools": [],
        "usage": if is_done {
            json!({
                "input_tokens": input, "input_tokens_details": {"cached_tokens": 0},
                "output_tokens": output, "output_tokens_details": {"reasoning_tokens": 0},
                "total_tokens": input + output,
            })
        } else {
            json!(null)
        },
    })
}

fn events(turn: &Turn) -> Vec<Bytes> {
    let text = turn.text();
    let item = |status: &str, content: Value| json!({"id": "msg_zos_demo", "type": "message", "role": "assistant", "status": status, "content": content});
    let part = |text: &str| json!({"type": "output_text", "text": text, "annotations": []});
    let place = json!({"item_id": "msg_zos_demo", "output_index": 0, "content_index": 0});
    let at = |kind: &str, key: &str, value: Value| {
        let mut event = place.clone();
        event["type"] = json!(kind);
        event[key] = value;
        event
    };
    let mut all = vec![
        json!({"type": "response.created", "response": response(turn, "in_progress", "")}),
        json!({"type": "response.output_item.added", "output_index": 0, "item": item("in_progress", json!([]))}),
        at("response.content_part.added", "part", part("")),
    ];
    all.extend(turn.pieces().into_iter().map(|piece| {
        let mut event = at("response.output_text.delta", "delta", json!(piece));
        event["logprobs"] = json!([]);
        event
    }));
    let mut done = at("response.output_text.done", "text", json!(text));
    done["logprobs"] = json!([]);
    all.push(done);
    all.push(at("response.content_part.done", "part", part(&text)));
    all.push(json!({"type": "response.output_item.done", "output_index": 0, "item": item("completed", json!([part(&text)]))}));
    all.push(json!({"type": "response.completed", "response": response(turn, "completed", &text)}));
    all.into_iter()
        .enumerate()
        .map(|(number, mut data)| {
            data["sequence_number"] = json!(number);
            Bytes::from(format!("event: {}\ndata: {data}\n\n", data["type"].as_str().unwrap_or_default()))
        })
        .collect()
}
