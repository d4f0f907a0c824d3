//! Reads and writes a whole answer of the messages API.

use super::write::input;
use crate::translate::answer::{Answer, Stop, Tokens, text};
use crate::translate::conversation::Block;
use crate::translate::refused::Untranslatable;
use serde_json::{Value, json};

pub(crate) fn read(body: &Value) -> Result<Answer, Untranslatable> {
    let mut blocks = Vec::new();
    for (index, block) in body["content"].as_array().into_iter().flatten().enumerate() {
        let place = format!("content[{index}].type");
        blocks.push(match block["type"].as_str() {
            Some("text") if block["citations"].as_array().is_none_or(Vec::is_empty) => {
                Block::Text(text(&block["text"]))
            }
            Some("thinking") => {
                let signature = block["signature"].as_str().filter(|signature| !signature.is_empty());
                Block::Thinking { text: text(&block["thinking"]), signature: signature.map(str::to_owned) }
            }
            Some("redacted_thinking") => Block::Redacted(text(&block["data"])),
            Some("tool_use") => Block::Call {
                id: text(&block["id"]),
                name: text(&block["name"]),
                arguments: block["input"].to_string(),
            },
            _ => return Err(Untranslatable::nowhere(place)),
        });
    }
    let mut usage = Tokens::default();
    usage.add_messages(&body["usage"]);
    Ok(Answer {
        id: text(&body["id"]),
        model: text(&body["model"]),
        blocks,
        stop: stop(&body["stop_reason"], &body["stop_sequence"])?,
        usage: body["usage"].is_object().then_some(usage),
    })
}

/// Why it stopped, from this API's words.
pub(crate) fn stop(reason: &Value, sequence: &Value) -> Result<Stop, Untranslatable> {
    Ok(match reason.as_str() {
        Some("end_turn") => Stop::End,
        Some("stop_sequence") => Stop::Sequence(text(sequence)),
        Some("max_tokens" | "model_context_window_exceeded") => Stop::Length,
        Some("tool_use") => Stop::Tools,
        Some("refusal") => Stop::Refused,
        _ => return Err(Untranslatable::nowhere("stop_reason")),
    })
}

/// Why it stopped, in this API's words.
pub(crate) fn stop_fields(stop: &Stop) -> Value {
    let (reason, sequence) = match stop {
        Stop::End => ("end_turn", None),
        Stop::Sequence(sequence) => ("stop_sequence", Some(sequence)),
        Stop::Length => ("max_tokens", None),
        Stop::Tools => ("tool_use", None),
        Stop::Refused => ("refusal", None),
    };
    json!({"stop_reason": reason, "stop_sequence": sequence})
}

pub(crate) fn write(answer: &Answer) -> Result<Value, Untranslatable> {
    // The output limit may cut a call: nobody can act on half of one, and the reason says why it is missing.
    let is_whole = |block: &&Block| match block {
        Block::Call { arguments, .. } => answer.stop != Stop::Length || input(arguments).is_some(),
        _ => true,
    };
    let content: Result<Vec<Value>, _> = answer.blocks.iter().filter(is_whole).map(block).collect();
    let stop = stop_fields(&answer.stop);
    Ok(json!({
        "id": answer.id, "type": "message", "role": "assistant", "model": answer.model, "content": content?,
        "stop_reason": stop["stop_reason"], "stop_sequence": stop["stop_sequence"],
        "usage": answer.usage.unwrap_or_default().messages(),
    }))
}

fn block(block: &Block) -> Result<Value, Untranslatable> {
    Ok(match block {
        Block::Text(text) | Block::Refusal(text) => json!({"type": "text", "text": text}),
        Block::Thinking { text, signature } => {
            json!({"type": "thinking", "thinking": text, "signature": signature.as_deref().unwrap_or_default()})
        }
        Block::Redacted(data) => json!({"type": "redacted_thinking", "data": data}),
        Block::Call { id, name, arguments } => {
            let input = input(arguments).ok_or_else(|| {
                Untranslatable::new("tool_calls", "holds arguments that are no JSON object")
            })?;
            json!({"type": "tool_use", "id": id, "name": name, "input": input})
        }
    })
}
