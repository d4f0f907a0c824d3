//! Writes a whole answer of the responses API.

use super::REDACTED;
use crate::translate::answer::{Answer, Stop};
use crate::translate::conversation::Block;
use serde_json::{Value, json};

pub(crate) fn write(answer: &Answer, now_s: u64) -> Value {
    let items = answer.blocks.iter().enumerate();
    let output = items.map(|(index, block)| item(index, block, "completed")).collect();
    let mut response = response(&answer.id, &answer.model, now_s);
    complete(&mut response, output, &answer.stop);
    response["usage"] = json!(answer.usage.map(|usage| usage.responses()));
    response
}

/// A response in progress.
pub(crate) fn response(id: &str, model: &str, now_s: u64) -> Value {
    json!({
        "id": id, "object": "response", "created_at": now_s, "status": "in_progress", "background": false,
        "error": null, "incomplete_details": null, "instructions": null, "max_output_tokens": null,
        "model": model, "output": [], "parallel_tool_calls": true, "previous_response_id": null,
        "store": false, "temperature": null, "top_p": null, "tool_choice": "auto", "tools": [],
        "truncation": "disabled", "metadata": {}, "usage": null,
    })
}

/// Puts in what was said and why it ended.
pub(crate) fn complete(response: &mut Value, output: Vec<Value>, stop: &Stop) {
    let reason = match stop {
        Stop::End | Stop::Sequence(_) | Stop::Tools => None,
        Stop::Length => Some("max_output_tokens"),
        Stop::Refused => Some("content_filter"),
    };
    response["status"] = json!(if reason.is_some() { "incomplete" } else { "completed" });
    response["incomplete_details"] = json!(reason.map(|reason| json!({"reason": reason})));
    response["output"] = Value::Array(output);
}

/// An output item. Its id is its place in the answer.
pub(crate) fn item(index: usize, block: &Block, status: &str) -> Value {
    let message = |part: Value| {
        json!({
            "id": item_id(index, block), "type": "message", "status": status, "role": "assistant",
            "content": [part],
        })
    };
    match block {
        Block::Text(_) | Block::Refusal(_) => message(part(block)),
        Block::Thinking { text, signature } => {
            let summary =
                if text.is_empty() { json!([]) } else { json!([{"type": "summary_text", "text": text}]) };
            json!({"id": item_id(index, block), "type": "reasoning", "summary": summary, "encrypted_content": signature})
        }
        Block::Redacted(data) => json!({
            "id": item_id(index, block), "type": "reasoning", "summary": [],
            "encrypted_content": format!("{REDACTED}{data}"),
        }),
        Block::Call { id, name, arguments } => json!({
            "id": item_id(index, block), "type": "function_call", "status": status, "call_id": id,
            "name": name, "arguments": arguments,
        }),
    }
}

/// The part of a message that a text or a refusal is.
pub(crate) fn part(block: &Block) -> Value {
    match block {
        Block::Refusal(text) => json!({"type": "refusal", "refusal": text}),
        Block::Text(text) => json!({"type": "output_text", "text": text, "annotations": [], "logprobs": []}),
        _ => Value::Null,
    }
}

pub(crate) fn item_id(index: usize, block: &Block) -> String {
    let prefix = match block {
        Block::Text(_) | Block::Refusal(_) => "msg",
        Block::Thinking { .. } | Block::Redacted(_) => "rs",
        Block::Call { .. } => "fc",
    };
    format!("{prefix}_{index}")
}
