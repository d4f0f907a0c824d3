//! Reads and writes a whole answer of the chat completions API.

use crate::translate::answer::{Answer, Stop, Tokens, text};
use crate::translate::conversation::Block;
use crate::translate::refused::Untranslatable;
use serde_json::{Map, Value, json};

pub(crate) fn read(body: &Value) -> Result<Answer, Untranslatable> {
    let choice = match body["choices"].as_array().map(Vec::as_slice) {
        Some([only]) => only,
        _ => return Err(Untranslatable::new("choices", "does not hold exactly one answer")),
    };
    let message = &choice["message"];
    let mut blocks = Vec::new();
    let thinking = [&message["reasoning_content"], &message["reasoning"]].into_iter().map(text);
    if let Some(text) = thinking.into_iter().find(|text| !text.is_empty()) {
        blocks.push(Block::Thinking { text, signature: None });
    }
    match &message["content"] {
        Value::Null => {}
        Value::String(text) if text.is_empty() => {}
        Value::String(text) => blocks.push(Block::Text(text.clone())),
        _ => return Err(Untranslatable::nowhere("choices[0].message.content")),
    }
    let calls = message["tool_calls"].as_array().map(Vec::as_slice).unwrap_or_default();
    let has_audio = !message["audio"].is_null();
    if has_audio || is_only_old_call(message) {
        let key = if has_audio { "audio" } else { "function_call" };
        return Err(Untranslatable::nowhere(format!("choices[0].message.{key}")));
    }
    let refusal = text(&message["refusal"]);
    let is_refused = !refusal.is_empty();
    if is_refused {
        blocks.push(Block::Refusal(refusal));
    }
    for (index, call) in calls.iter().enumerate() {
        let (name, arguments) = (text(&call["function"]["name"]), &call["function"]["arguments"]);
        if name.is_empty() {
            return Err(Untranslatable::nowhere(format!("choices[0].message.tool_calls[{index}]")));
        }
        let id = Some(text(&call["id"])).filter(|id| !id.is_empty()).unwrap_or_else(|| call_id(index));
        // Some servers give the object itself.
        let arguments = arguments.as_str().map_or_else(|| arguments.to_string(), str::to_owned);
        blocks.push(Block::Call { id, name, arguments });
    }
    Ok(Answer {
        id: text(&body["id"]),
        model: text(&body["model"]),
        blocks,
        stop: stop(choice, !calls.is_empty(), is_refused)
            .ok_or_else(|| Untranslatable::nowhere("choices[0].finish_reason"))?,
        usage: Tokens::of_chat(&body["usage"]),
    })
}

/// Whether a message, or a piece of one, makes a call in the way from before `tool_calls`, and in that way
/// alone. Beside them it is the same call once more, as llama.cpp's Python server says it.
pub(crate) fn is_only_old_call(message: &Value) -> bool {
    !message["function_call"].is_null() && message["tool_calls"].as_array().is_none_or(Vec::is_empty)
}

/// An id for a call that came without one.
pub(crate) fn call_id(index: usize) -> String {
    format!("call_{index}")
}

/// Why it stopped, from this API's words; `None` for a word that we do not know, which may mean anything.
pub(crate) fn stop(choice: &Value, has_calls: bool, is_refused: bool) -> Option<Stop> {
    Some(match choice["finish_reason"].as_str()? {
        "length" => Stop::Length,
        "content_filter" => Stop::Refused,
        "tool_calls" | "function_call" => Stop::Tools,
        // Some servers say `stop` after tool calls as well.
        "stop" | "eos" if has_calls => Stop::Tools,
        "stop" | "eos" if is_refused => Stop::Refused,
        "stop" | "eos" => match choice["stop_reason"].as_str() {
            // vLLM tells which sequence it was.
            Some(sequence) => Stop::Sequence(sequence.to_owned()),
            None => Stop::End,
        },
        _ => return None,
    })
}

/// Why it stopped, in this API's words.
pub(crate) fn finish_reason(stop: &Stop) -> &'static str {
    match stop {
        Stop::End | Stop::Sequence(_) => "stop",
        Stop::Length => "length",
        Stop::Tools => "tool_calls",
        Stop::Refused => "content_filter",
    }
}

/// One piece of thinking with what its provider needs to take it back.
pub(crate) fn detail(index: usize, block: &Block) -> Option<Value> {
    match block {
        Block::Thinking { text, signature: Some(signature) } => {
            Some(json!({"type": "reasoning.text", "index": index, "text": text, "signature": signature}))
        }
        Block::Redacted(data) => Some(json!({"type": "reasoning.encrypted", "index": index, "data": data})),
        _ => None,
    }
}

pub(crate) fn write(answer: &Answer, now_s: u64) -> Value {
    let (mut words, mut thoughts, mut refusal) = (None::<String>, String::new(), None);
    let (mut calls, mut details) = (Vec::new(), Vec::new());
    for block in &answer.blocks {
        match block {
            Block::Text(text) => words.get_or_insert_default().push_str(text),
            Block::Refusal(text) => refusal = Some(text),
            Block::Thinking { text, .. } => thoughts.push_str(text),
            Block::Redacted(_) => {}
            Block::Call { id, name, arguments } => {
                calls.push(
                    json!({"id": id, "type": "function", "function": {"name": name, "arguments": arguments}}),
                );
            }
        }
        details.extend(detail(details.len(), block));
    }
    let mut message = Map::new();
    message.insert("role".into(), json!("assistant"));
    message.insert("content".into(), json!(words));
    message.insert("refusal".into(), json!(refusal));
    if !thoughts.is_empty() {
        message.insert("reasoning_content".into(), json!(thoughts));
    }
    if !details.is_empty() {
        message.insert("reasoning_details".into(), Value::Array(details));
    }
    if !calls.is_empty() {
        message.insert("tool_calls".into(), Value::Array(calls));
    }
    let finish = finish_reason(&answer.stop);
    json!({
        "id": answer.id, "object": "chat.completion", "created": now_s, "model": answer.model,
        "choices": [{"index": 0, "message": message, "logprobs": null, "finish_reason": finish}],
        "usage": answer.usage.map(|usage| usage.chat()),
    })
}
