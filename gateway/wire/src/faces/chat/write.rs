//! Writes a request of the chat completions API.

use crate::translate::conversation::{Block, Choice, Part, Request, Tool, Turn};
use crate::translate::refused::{Target, Untranslatable};
use serde_json::{Map, Value, json};

/// What a tool result that is an error begins with: this API has no field for it.
const ERROR_MARK: &str = "Error: ";

/// Between two pieces of thinking, which this API has one field for. More than white space, so that no term
/// comes to be that was inspected as two texts.
const BETWEEN_THOUGHTS: &str = "\n\n---\n\n";

pub(crate) fn request(request: Request, target: Target<'_>) -> Result<Value, Untranslatable> {
    let mut body = Map::new();
    body.insert("model".into(), json!(target.model));
    let mut messages = Vec::new();
    for turn in request.turns {
        write_turn(turn, &mut messages)?;
    }
    body.insert("messages".into(), Value::Array(messages));
    if let Some(limit) = request.max_tokens {
        let key = if target.is_openai { "max_completion_tokens" } else { "max_tokens" };
        body.insert(key.into(), json!(limit));
    }
    if let Some(temperature) = request.temperature {
        body.insert("temperature".into(), Value::Number(temperature));
    }
    if let Some(top_p) = request.top_p {
        body.insert("top_p".into(), Value::Number(top_p));
    }
    if !request.stop.is_empty() {
        body.insert("stop".into(), json!(request.stop));
    }
    if request.stream {
        body.insert("stream".into(), json!(true));
        // Without it a stream says nothing of what it cost.
        body.insert("stream_options".into(), json!({"include_usage": true}));
    }
    if let Some(user) = request.user {
        body.insert("user".into(), json!(user));
    }
    if let Some(effort) = request.effort.filter(|_| target.thinks) {
        body.insert("reasoning_effort".into(), json!(effort));
    }
    if let Some(format) = request.format {
        let mut schema = Map::new();
        schema.insert("name".into(), json!(format.name.as_deref().unwrap_or("answer")));
        if let Some(description) = format.description {
            schema.insert("description".into(), json!(description));
        }
        schema.insert("schema".into(), format.schema);
        if let Some(strict) = format.strict {
            schema.insert("strict".into(), json!(strict));
        }
        body.insert("response_format".into(), json!({"type": "json_schema", "json_schema": schema}));
    }
    if !request.tools.is_empty() {
        body.insert("tools".into(), request.tools.into_iter().map(tool).collect());
    }
    if let Some(choice) = request.choice {
        let choice = match choice {
            Choice::Auto => json!("auto"),
            Choice::Any => json!("required"),
            Choice::Nothing => json!("none"),
            Choice::Tool(name) => json!({"type": "function", "function": {"name": name}}),
        };
        body.insert("tool_choice".into(), choice);
    }
    if request.parallel == Some(false) {
        body.insert("parallel_tool_calls".into(), json!(false));
    }
    for (name, value) in request.only_chat {
        body.insert(name.into(), value);
    }
    Ok(Value::Object(body))
}

fn tool(tool: Tool) -> Value {
    let mut function = Map::new();
    function.insert("name".into(), json!(tool.name));
    if let Some(description) = tool.description {
        function.insert("description".into(), json!(description));
    }
    if let Some(schema) = tool.schema {
        function.insert("parameters".into(), schema);
    }
    if let Some(strict) = tool.strict {
        function.insert("strict".into(), json!(strict));
    }
    json!({"type": "function", "function": function})
}

fn write_turn(turn: Turn, messages: &mut Vec<Value>) -> Result<(), Untranslatable> {
    match turn {
        Turn::System { texts, .. } => {
            messages
                .push(json!({"role": "system", "content": content(texts.into_iter().map(text).collect())}));
        }
        Turn::User(parts) => user(parts, messages)?,
        Turn::Assistant { place, blocks } => messages.push(assistant(&place, blocks)?),
    }
    Ok(())
}

fn text(text: String) -> Value {
    json!({"type": "text", "text": text})
}

/// One text is written as such, because every server of this API takes that.
fn content(mut parts: Vec<Value>) -> Value {
    match parts.as_mut_slice() {
        [] => json!(""),
        [only] if only["type"] == "text" => only["text"].take(),
        _ => Value::Array(parts),
    }
}

/// Tool results are messages of their own, right after the calls that they answer.
fn user(parts: Vec<Part>, messages: &mut Vec<Value>) -> Result<(), Untranslatable> {
    let mut said = Vec::new();
    let had_none = parts.is_empty();
    for part in parts {
        match part {
            Part::Text(words) => said.push(text(words)),
            Part::Image { source, detail, .. } => {
                let mut image = json!({"url": source.url()});
                if let Some(detail) = detail {
                    image["detail"] = json!(detail);
                }
                said.push(json!({"type": "image_url", "image_url": image}));
            }
            Part::ToolResult { place, .. } if !said.is_empty() => {
                return Err(Untranslatable::new(place, "is a tool result after something else in its turn"));
            }
            Part::ToolResult { id, mut texts, is_error, .. } => {
                if is_error {
                    match texts.first_mut() {
                        Some(first) => first.insert_str(0, ERROR_MARK),
                        None => texts.push(ERROR_MARK.trim_end().to_owned()),
                    }
                }
                let content = content(texts.into_iter().map(text).collect());
                messages.push(json!({"role": "tool", "tool_call_id": id, "content": content}));
            }
        }
    }
    if had_none || !said.is_empty() {
        messages.push(json!({"role": "user", "content": content(said)}));
    }
    Ok(())
}

fn assistant(place: &str, blocks: Vec<Block>) -> Result<Value, Untranslatable> {
    let (mut texts, mut thoughts, mut calls) = (Vec::new(), Vec::new(), Vec::new());
    let mut refusal = None;
    for block in blocks {
        match block {
            Block::Text(words) => texts.push(text(words)),
            Block::Refusal(words) => refusal = Some(words),
            Block::Thinking { text, .. } if text.is_empty() => {}
            Block::Thinking { text, .. } => thoughts.push(text),
            Block::Redacted(_) => {
                let why = "holds thinking that only its own provider can read";
                return Err(Untranslatable::new(place, why));
            }
            Block::Call { id, name, arguments } => {
                let arguments = if arguments.trim().is_empty() { "{}".to_owned() } else { arguments };
                calls.push(
                    json!({"id": id, "type": "function", "function": {"name": name, "arguments": arguments}}),
                );
            }
        }
    }
    let mut message = Map::new();
    message.insert("role".into(), json!("assistant"));
    // Beside calls alone this is an empty text: some servers refuse a `null`, others a message without it.
    let is_only_refusal = texts.is_empty() && calls.is_empty() && refusal.is_some();
    message.insert("content".into(), if is_only_refusal { Value::Null } else { content(texts) });
    if !thoughts.is_empty() {
        message.insert("reasoning_content".into(), json!(thoughts.join(BETWEEN_THOUGHTS)));
    }
    if let Some(refusal) = refusal {
        message.insert("refusal".into(), json!(refusal));
    }
    if !calls.is_empty() {
        message.insert("tool_calls".into(), Value::Array(calls));
    }
    Ok(Value::Object(message))
}
