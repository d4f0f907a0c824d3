//! Reads a request of the responses API. What is stored at the provider (`previous_response_id`,
//! `conversation`) has no counterpart: the whole conversation has to stand in `input`.

use super::REDACTED;
use crate::faces::chat::request::{check_effort, choice_word, read_schema, read_tool};
use crate::translate::conversation::{Block, Choice, Format, Image, Part, Request, Turn};
use crate::translate::refused::Untranslatable;
use crate::translate::strict::Object;
use serde_json::{Value, json};

pub(crate) fn read(body: Value) -> Result<Request, Untranslatable> {
    let mut fields = Object::of(body, "")?;
    let mut request = Request {
        max_tokens: fields.whole("max_output_tokens")?,
        temperature: fields.number("temperature")?,
        top_p: fields.number("top_p")?,
        stream: fields.flag("stream")?.unwrap_or(false),
        user: fields.text("user")?,
        parallel: fields.flag("parallel_tool_calls")?,
        ..Request::default()
    };
    fields.take("model");
    accept_defaults(&mut fields)?;
    if let Some(mut reasoning) = fields.object("reasoning")? {
        request.effort = reasoning.text("effort")?;
        check_effort(&request, "reasoning.effort")?;
        // Whether and how thinking is shown; what the provider shows is passed on.
        reasoning.hint("summary");
        reasoning.finish()?;
    }
    if let Some(mut text) = fields.object("text")? {
        if let Some(verbosity) = text.take("verbosity") {
            request.only_chat.push(("verbosity", verbosity));
        }
        if let Some(format) = text.object("format")? {
            request.format = read_format(format)?;
        }
        text.finish()?;
    }
    if let Some(instructions) = fields.text("instructions")? {
        request.turns.push(Turn::System { place: "instructions".to_owned(), texts: vec![instructions] });
    }
    read_input(&mut fields, &mut request.turns)?;
    for (tool, place) in fields.list("tools")? {
        let mut tool = Object::of(tool, place)?;
        tool.accept("type", &[json!("function")])?;
        request.tools.push(read_tool(tool)?);
    }
    if let Some(choice) = fields.take("tool_choice") {
        request.choice = Some(read_choice(choice)?);
    }
    fields.finish()?;
    Ok(request)
}

fn accept_defaults(fields: &mut Object) -> Result<(), Untranslatable> {
    fields.hint("prompt_cache_key");
    fields.hint("prompt_cache_options");
    fields.hint("prompt_cache_retention");
    // What Codex tells of itself, for its own service.
    fields.hint("client_metadata");
    fields.accept("store", &[json!(false)])?;
    fields.accept("background", &[json!(false)])?;
    fields.accept("truncation", &[json!("disabled")])?;
    fields.accept("metadata", &[json!({})])?;
    fields.accept("service_tier", &[json!("auto"), json!("default")])?;
    fields.accept("top_logprobs", &[json!(0)])?;
    // Encrypted thinking is given whenever there is some.
    fields.accept("include", &[json!([]), json!(["reasoning.encrypted_content"])])?;
    if let Some(mut options) = fields.object("stream_options")? {
        options.accept("include_obfuscation", &[json!(false)])?;
        options.finish()?;
    }
    Ok(())
}

fn read_format(mut format: Object) -> Result<Option<Format>, Untranslatable> {
    match format.needed("type")?.as_str() {
        "text" => format.finish().map(|()| None),
        "json_schema" => read_schema(format).map(Some),
        _ => Err(Untranslatable::nowhere(format.place("type"))),
    }
}

fn read_choice(choice: Value) -> Result<Choice, Untranslatable> {
    if let Some(word) = choice.as_str() {
        return choice_word(word);
    }
    let mut fields = Object::of(choice, "tool_choice")?;
    fields.accept("type", &[json!("function")])?;
    let name = fields.needed("name")?;
    fields.finish()?;
    Ok(Choice::Tool(name))
}

fn read_input(fields: &mut Object, turns: &mut Vec<Turn>) -> Result<(), Untranslatable> {
    let items = match fields.take("input") {
        None => return Err(Untranslatable::new("input", "is missing")),
        Some(Value::String(text)) => {
            turns.push(Turn::User(vec![Part::Text(text)]));
            return Ok(());
        }
        Some(Value::Array(items)) => items,
        Some(_) => return Err(Untranslatable::new("input", "is neither a text nor a list")),
    };
    for (index, item) in items.into_iter().enumerate() {
        read_item(Object::of(item, format!("input[{index}]"))?, turns)?;
    }
    Ok(())
}

fn read_item(mut item: Object, turns: &mut Vec<Turn>) -> Result<(), Untranslatable> {
    let kind = item.text("type")?.unwrap_or_else(|| "message".to_owned());
    let place = item.place("type");
    // What an item was called and how it ended, at the provider that made it.
    item.hint("id");
    item.hint("status");
    match kind.as_str() {
        "message" => {
            // Which part of an answer it was; a label for the screen.
            item.hint("phase");
            let role = item.needed("role")?;
            let content_place = item.place("content");
            let content = item.take("content").unwrap_or_else(|| json!([]));
            match role.as_str() {
                "user" => push_parts(turns, parts(content, &content_place)?),
                "assistant" => push_blocks(turns, spoken(content, &content_place)?, content_place),
                "system" | "developer" => {
                    let texts = texts(content, &content_place)?;
                    turns.push(Turn::System { place: item.place("role"), texts });
                }
                _ => return Err(Untranslatable::nowhere(item.place("role"))),
            }
        }
        "function_call" => {
            let (id, name) = (item.needed("call_id")?, item.needed("name")?);
            let arguments = item.text("arguments")?.unwrap_or_default();
            push_blocks(turns, vec![Block::Call { id, name, arguments }], place);
        }
        "function_call_output" => {
            let (place, id) = (item.place("call_id"), item.needed("call_id")?);
            let output_place = item.place("output");
            let output = item.take("output").unwrap_or_else(|| json!(""));
            let texts = texts(output, &output_place)?;
            let part = Part::ToolResult { place, id, texts, is_error: false };
            push_parts(turns, vec![part]);
        }
        "reasoning" => push_blocks(turns, vec![reasoning(&mut item)?], place),
        _ => return Err(Untranslatable::nowhere(place)),
    }
    item.finish()
}

/// What one side says in several items is one turn: calls in parallel belong into one message.
fn push_blocks(turns: &mut Vec<Turn>, more: Vec<Block>, at: String) {
    match turns.last_mut() {
        Some(Turn::Assistant { blocks, .. }) => blocks.extend(more),
        _ => turns.push(Turn::Assistant { place: at, blocks: more }),
    }
}

fn push_parts(turns: &mut Vec<Turn>, more: Vec<Part>) {
    let is_result = |part: &Part| matches!(part, Part::ToolResult { .. });
    match turns.last_mut() {
        Some(Turn::User(parts)) if parts.iter().all(is_result) && more.iter().all(is_result) => {
            parts.extend(more);
        }
        _ => turns.push(Turn::User(more)),
    }
}

fn reasoning(item: &mut Object) -> Result<Block, Untranslatable> {
    let mut text = Vec::new();
    for key in ["summary", "content"] {
        for (part, place) in item.list(key)? {
            let mut part = Object::of(part, place)?;
            part.accept("type", &[json!("summary_text"), json!("reasoning_text"), json!("text")])?;
            text.push(part.needed("text")?);
            part.finish()?;
        }
    }
    let encrypted = item.text("encrypted_content")?.filter(|content| !content.is_empty());
    Ok(match encrypted {
        Some(encrypted) if encrypted.starts_with(REDACTED) => {
            Block::Redacted(encrypted[REDACTED.len()..].to_owned())
        }
        signature => Block::Thinking { text: text.concat(), signature },
    })
}

/// Content as a list of parts of this API.
fn listed(content: Value, place: &str) -> Result<Vec<Object>, Untranslatable> {
    let parts = match content {
        Value::String(text) => vec![json!({"type": "input_text", "text": text})],
        Value::Array(parts) => parts,
        _ => return Err(Untranslatable::new(place, "is neither a text nor a list")),
    };
    let numbered = parts.into_iter().enumerate();
    numbered.map(|(index, part)| Object::of(part, format!("{place}[{index}]"))).collect()
}

fn parts(content: Value, place: &str) -> Result<Vec<Part>, Untranslatable> {
    let mut parts = Vec::new();
    for mut part in listed(content, place)? {
        parts.push(match part.needed("type")?.as_str() {
            "input_text" => Part::Text(part.needed("text")?),
            "input_image" => {
                let place = part.place("image_url");
                let source = Image::of_url(part.needed("image_url")?, &place)?;
                Part::Image { place, source, detail: part.text("detail")? }
            }
            _ => return Err(Untranslatable::nowhere(part.place("type"))),
        });
        part.finish()?;
    }
    Ok(parts)
}

fn spoken(content: Value, place: &str) -> Result<Vec<Block>, Untranslatable> {
    let mut blocks = Vec::new();
    for mut part in listed(content, place)? {
        part.accept("annotations", &[json!([])])?;
        part.accept("logprobs", &[json!([])])?;
        blocks.push(match part.needed("type")?.as_str() {
            "output_text" | "input_text" => Block::Text(part.needed("text")?),
            "refusal" => Block::Refusal(part.needed("refusal")?),
            _ => return Err(Untranslatable::nowhere(part.place("type"))),
        });
        part.finish()?;
    }
    Ok(blocks)
}

fn texts(content: Value, place: &str) -> Result<Vec<String>, Untranslatable> {
    let mut texts = Vec::new();
    for mut part in listed(content, place)? {
        part.accept("type", &[json!("input_text"), json!("output_text")])?;
        texts.push(part.needed("text")?);
        part.finish()?;
    }
    Ok(texts)
}
