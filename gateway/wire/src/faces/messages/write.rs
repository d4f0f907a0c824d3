//! Writes a request of the messages API.

use crate::translate::conversation::{Block, Choice, Image, Part, Request, Tool, Turn};
use crate::translate::refused::{Target, Untranslatable};
use serde_json::{Map, Value, json};

/// The output limit where the caller set none: this API needs one, and so much was reserved.
const OUTPUT_WITHOUT_LIMIT: u64 = 4096;

pub(crate) fn request(request: Request, target: Target<'_>) -> Result<Value, Untranslatable> {
    if let Some((name, _)) = request.only_chat.first() {
        return Err(Untranslatable::nowhere(*name));
    }
    let mut body = Map::new();
    body.insert("model".into(), json!(target.model));
    body.insert("max_tokens".into(), json!(request.max_tokens.unwrap_or(OUTPUT_WITHOUT_LIMIT)));
    let (system, messages) = turns(request.turns)?;
    if let Some(system) = system {
        body.insert("system".into(), system);
    }
    body.insert("messages".into(), Value::Array(messages));
    if let Some(temperature) = request.temperature {
        if temperature.as_f64().is_none_or(|warmth| warmth > 1.0) {
            return Err(Untranslatable::new("temperature", "is above 1, the highest that this API takes"));
        }
        body.insert("temperature".into(), Value::Number(temperature));
    }
    if let Some(top_p) = request.top_p {
        body.insert("top_p".into(), Value::Number(top_p));
    }
    if !request.stop.is_empty() {
        body.insert("stop_sequences".into(), json!(request.stop));
    }
    if request.stream {
        body.insert("stream".into(), json!(true));
    }
    if let Some(user) = request.user {
        body.insert("metadata".into(), json!({"user_id": user}));
    }
    let mut output = Map::new();
    if let Some(effort) = request.effort
        && effort != "none"
    {
        output.insert("effort".into(), json!(effort));
    }
    if let Some(format) = request.format {
        // The name of the schema is a label that the model never needs.
        output.insert("format".into(), json!({"type": "json_schema", "schema": format.schema}));
    }
    if !output.is_empty() {
        body.insert("output_config".into(), Value::Object(output));
    }
    if !request.tools.is_empty() {
        body.insert("tools".into(), request.tools.into_iter().map(tool).collect());
    }
    if let Some(choice) = choice(request.choice, request.parallel) {
        body.insert("tool_choice".into(), choice);
    }
    Ok(Value::Object(body))
}

fn tool(tool: Tool) -> Value {
    let mut written = Map::new();
    written.insert("name".into(), json!(tool.name));
    if let Some(description) = tool.description {
        written.insert("description".into(), json!(description));
    }
    let schema = tool.schema.unwrap_or_else(|| json!({"type": "object", "properties": {}}));
    written.insert("input_schema".into(), schema);
    if tool.strict == Some(true) {
        written.insert("strict".into(), json!(true));
    }
    Value::Object(written)
}

fn choice(choice: Option<Choice>, parallel: Option<bool>) -> Option<Value> {
    let mut written = match choice {
        // No call at all needs no word about several at once.
        Some(Choice::Nothing) => return Some(json!({"type": "none"})),
        Some(Choice::Auto) => json!({"type": "auto"}),
        Some(Choice::Any) => json!({"type": "any"}),
        Some(Choice::Tool(name)) => json!({"type": "tool", "name": name}),
        None if parallel == Some(false) => json!({"type": "auto"}),
        None => return None,
    };
    if parallel == Some(false) {
        written["disable_parallel_tool_use"] = json!(true);
    }
    Some(written)
}

/// The system texts at the front, and the turns. Consecutive turns of one side become one: results of
/// parallel calls have to stand in the turn right after them.
fn turns(turns: Vec<Turn>) -> Result<(Option<Value>, Vec<Value>), Untranslatable> {
    let mut system = Vec::new();
    let mut messages: Vec<(&str, Vec<Value>)> = Vec::new();
    for turn in turns {
        let (role, blocks) = match turn {
            Turn::System { texts, .. } if messages.is_empty() => {
                system.extend(texts.into_iter().filter(|text| !text.is_empty()).map(text));
                continue;
            }
            Turn::System { place, .. } => {
                return Err(Untranslatable::new(place, "is a system text after the first turn"));
            }
            Turn::User(parts) => ("user", parts.into_iter().map(part).collect::<Result<_, _>>()?),
            Turn::Assistant { place, blocks } => {
                let written = blocks.into_iter().map(|block| assistant(block, &place));
                ("assistant", written.collect::<Result<Vec<_>, _>>()?)
            }
        };
        let blocks = blocks.into_iter().flatten();
        match messages.last_mut() {
            Some((last, content)) if *last == role => content.extend(blocks),
            _ => messages.push((role, blocks.collect())),
        }
    }
    let messages = messages.into_iter().map(|(role, content)| json!({"role": role, "content": content}));
    Ok(((!system.is_empty()).then_some(Value::Array(system)), messages.collect()))
}

fn text(text: String) -> Value {
    json!({"type": "text", "text": text})
}

/// One part; `None` for an empty text, which this API does not take and which says nothing.
fn part(part: Part) -> Result<Option<Value>, Untranslatable> {
    Ok(match part {
        Part::Text(words) => (!words.is_empty()).then(|| text(words)),
        Part::Image { place, detail: Some(detail), .. } if detail != "auto" => {
            return Err(Untranslatable::nowhere(format!("{place}.detail")));
        }
        Part::Image { source, .. } => {
            let source = match source {
                Image::Base64 { media_type, data } => {
                    json!({"type": "base64", "media_type": media_type, "data": data})
                }
                Image::Url(url) => json!({"type": "url", "url": url}),
            };
            Some(json!({"type": "image", "source": source}))
        }
        Part::ToolResult { id, texts, is_error, .. } => {
            let content: Vec<Value> = texts.into_iter().filter(|words| !words.is_empty()).map(text).collect();
            let mut result = json!({"type": "tool_result", "tool_use_id": id, "content": content});
            if is_error {
                result["is_error"] = json!(true);
            }
            Some(result)
        }
    })
}

fn assistant(block: Block, place: &str) -> Result<Option<Value>, Untranslatable> {
    Ok(match block {
        Block::Text(words) | Block::Refusal(words) => (!words.is_empty()).then(|| text(words)),
        Block::Thinking { text, signature: Some(signature) } => {
            Some(json!({"type": "thinking", "thinking": text, "signature": signature}))
        }
        Block::Thinking { .. } => {
            let why = "holds thinking without the signature that this API needs to take it back";
            return Err(Untranslatable::new(place, why));
        }
        Block::Redacted(data) => Some(json!({"type": "redacted_thinking", "data": data})),
        Block::Call { id, name, arguments } => {
            let input = input(&arguments)
                .ok_or_else(|| Untranslatable::new(place, "holds tool arguments that are no JSON object"))?;
            Some(json!({"type": "tool_use", "id": id, "name": name, "input": input}))
        }
    })
}

/// The arguments of a call as an object; none at all is an empty one.
pub(crate) fn input(arguments: &str) -> Option<Value> {
    if arguments.trim().is_empty() {
        return Some(json!({}));
    }
    crate::translate::strict::read(arguments.as_bytes()).ok().filter(Value::is_object)
}
