//! Reads a request of the messages API.

use crate::translate::conversation::{Block, Choice, Format, Image, Part, Request, Tool, Turn};
use crate::translate::refused::Untranslatable;
use crate::translate::strict::Object;
use serde_json::{Value, json};

pub(crate) fn read(body: Value) -> Result<Request, Untranslatable> {
    let mut fields = Object::of(body, "")?;
    let mut request = Request {
        max_tokens: fields.whole("max_tokens")?,
        temperature: fields.number("temperature")?,
        top_p: fields.number("top_p")?,
        stream: fields.flag("stream")?.unwrap_or(false),
        ..Request::default()
    };
    fields.take("model");
    fields.hint("cache_control");
    // To keep all thinking is what happens anyway; Claude Code says so.
    let keep_thinking = json!({"edits": [{"type": "clear_thinking_20251015", "keep": "all"}]});
    fields.accept("context_management", &[json!({}), json!({"edits": []}), keep_thinking])?;
    fields.accept("speed", &[json!("standard")])?;
    fields.accept("service_tier", &[json!("auto"), json!("standard_only")])?;
    for (value, place) in fields.list("stop_sequences")? {
        request.stop.push(string(value, &place)?);
    }
    if let Some(system) = fields.take("system") {
        let texts = texts(system, "system")?;
        request.turns.push(Turn::System { place: "system".to_owned(), texts });
    }
    for (message, place) in fields.list("messages")? {
        request.turns.push(turn(message, place)?);
    }
    for (tool, place) in fields.list("tools")? {
        request.tools.push(read_tool(tool, place)?);
    }
    if let Some(choice) = fields.object("tool_choice")? {
        read_choice(choice, &mut request)?;
    }
    if let Some(mut metadata) = fields.object("metadata")? {
        request.user = metadata.text("user_id")?;
        metadata.finish()?;
    }
    read_effort(&mut fields, &mut request)?;
    fields.finish()?;
    Ok(request)
}

/// `thinking` and `output_config`. How many tokens may be thought becomes how hard to think.
fn read_effort(fields: &mut Object, request: &mut Request) -> Result<(), Untranslatable> {
    if let Some(mut thinking) = fields.object("thinking")? {
        let kind = thinking.needed("type")?;
        let budget = thinking.whole("budget_tokens")?;
        // Whether it is shown is a matter of the answer; what the provider shows is passed on.
        thinking.hint("display");
        request.effort = match kind.as_str() {
            "enabled" => Some(effort(budget.unwrap_or(0)).to_owned()),
            // The model decides, as it does where nothing is said.
            "adaptive" | "disabled" => None,
            _ => return Err(Untranslatable::nowhere(thinking.place("type"))),
        };
        thinking.finish()?;
    }
    if let Some(mut output) = fields.object("output_config")? {
        if let Some(effort) = output.text("effort")? {
            if !["low", "medium", "high", "xhigh", "max"].contains(&effort.as_str()) {
                return Err(Untranslatable::nowhere(output.place("effort")));
            }
            request.effort = Some(effort);
        }
        if let Some(mut format) = output.object("format")? {
            format.accept("type", &[json!("json_schema")])?;
            let schema = format.take("schema").unwrap_or_else(|| json!({}));
            request.format = Some(Format { name: None, description: None, schema, strict: Some(true) });
            format.finish()?;
        }
        output.finish()?;
    }
    Ok(())
}

fn effort(budget_tokens: u64) -> &'static str {
    match budget_tokens {
        0..4096 => "low",
        4096..16_384 => "medium",
        _ => "high",
    }
}

fn turn(message: Value, place: String) -> Result<Turn, Untranslatable> {
    let mut fields = Object::of(message, place)?;
    let role = fields.needed("role")?;
    let content_place = fields.place("content");
    let content = fields.take("content").unwrap_or_else(|| json!([]));
    let role_place = fields.place("role");
    fields.finish()?;
    match role.as_str() {
        "user" => {
            let parts = blocks(content, &content_place, read_part)?;
            Ok(Turn::User(parts))
        }
        "assistant" => {
            let blocks = blocks(content, &content_place, read_block)?;
            Ok(Turn::Assistant { place: content_place, blocks })
        }
        "system" => Ok(Turn::System { texts: texts(content, &content_place)?, place: role_place }),
        _ => Err(Untranslatable::nowhere(role_place)),
    }
}

/// A text, or a list of blocks.
fn blocks<T>(
    content: Value,
    place: &str,
    read: fn(Object, &str) -> Result<T, Untranslatable>,
) -> Result<Vec<T>, Untranslatable> {
    let list = match content {
        Value::String(text) => vec![json!({"type": "text", "text": text})],
        Value::Array(list) => list,
        _ => return Err(Untranslatable::new(place, "is neither a text nor a list")),
    };
    let numbered = list.into_iter().enumerate();
    numbered
        .map(|(index, block)| {
            let mut block = Object::of(block, format!("{place}[{index}]"))?;
            block.hint("cache_control");
            let kind = block.needed("type")?;
            read(block, &kind)
        })
        .collect()
}

fn read_text(mut block: Object) -> Result<String, Untranslatable> {
    let text = block.needed("text")?;
    block.accept("citations", &[json!([])])?;
    block.finish()?;
    Ok(text)
}

/// Blocks that may only be text.
fn texts(content: Value, place: &str) -> Result<Vec<String>, Untranslatable> {
    blocks(content, place, |block, kind| match kind {
        "text" => read_text(block),
        _ => Err(Untranslatable::nowhere(block.place("type"))),
    })
}

fn read_part(mut block: Object, kind: &str) -> Result<Part, Untranslatable> {
    match kind {
        "text" => read_text(block).map(Part::Text),
        "image" => {
            let place = block.place("source");
            let mut source =
                block.object("source")?.ok_or_else(|| Untranslatable::new(place.clone(), "is missing"))?;
            let image = match source.needed("type")?.as_str() {
                "base64" => {
                    Image::Base64 { media_type: source.needed("media_type")?, data: source.needed("data")? }
                }
                "url" => Image::Url(source.needed("url")?),
                _ => return Err(Untranslatable::nowhere(source.place("type"))),
            };
            source.finish()?;
            block.finish()?;
            Ok(Part::Image { place, source: image, detail: None })
        }
        "tool_result" => {
            let place = block.place("tool_use_id");
            let id = block.needed("tool_use_id")?;
            let content_place = block.place("content");
            let texts = match block.take("content") {
                Some(content) => texts(content, &content_place)?,
                None => Vec::new(),
            };
            let is_error = block.flag("is_error")?.unwrap_or(false);
            block.finish()?;
            Ok(Part::ToolResult { place, id, texts, is_error })
        }
        _ => Err(Untranslatable::nowhere(block.place("type"))),
    }
}

fn read_block(mut block: Object, kind: &str) -> Result<Block, Untranslatable> {
    let read = match kind {
        "text" => return read_text(block).map(Block::Text),
        "thinking" => {
            let signature = block.text("signature")?.filter(|signature| !signature.is_empty());
            Block::Thinking { text: block.needed("thinking")?, signature }
        }
        "redacted_thinking" => Block::Redacted(block.needed("data")?),
        "tool_use" => {
            // Who may call it; absent or the model itself is the only way there is elsewhere.
            block.accept("caller", &[json!({"type": "direct"})])?;
            let (id, name) = (block.needed("id")?, block.needed("name")?);
            let arguments = block.take("input").unwrap_or_else(|| json!({}));
            if !arguments.is_object() {
                return Err(Untranslatable::new(block.place("input"), "is not an object"));
            }
            Block::Call { id, name, arguments: arguments.to_string() }
        }
        _ => return Err(Untranslatable::nowhere(block.place("type"))),
    };
    block.finish()?;
    Ok(read)
}

fn read_tool(tool: Value, place: String) -> Result<Tool, Untranslatable> {
    let mut fields = Object::of(tool, place)?;
    fields.hint("cache_control");
    fields.hint("eager_input_streaming");
    fields.accept("type", &[json!("custom")])?;
    fields.accept("defer_loading", &[json!(false)])?;
    fields.accept("allowed_callers", &[json!(["direct"])])?;
    let tool = Tool {
        name: fields.needed("name")?,
        description: fields.text("description")?,
        schema: fields.take("input_schema"),
        strict: fields.flag("strict")?,
    };
    fields.finish()?;
    Ok(tool)
}

fn read_choice(mut choice: Object, request: &mut Request) -> Result<(), Untranslatable> {
    request.parallel = choice.flag("disable_parallel_tool_use")?.map(|disabled| !disabled);
    let kind = choice.needed("type")?;
    request.choice = Some(match kind.as_str() {
        "auto" => Choice::Auto,
        "any" => Choice::Any,
        "none" => Choice::Nothing,
        "tool" => Choice::Tool(choice.needed("name")?),
        _ => return Err(Untranslatable::nowhere(choice.place("type"))),
    });
    choice.finish()
}

fn string(value: Value, place: &str) -> Result<String, Untranslatable> {
    match value {
        Value::String(text) => Ok(text),
        _ => Err(Untranslatable::new(place, "is not a text")),
    }
}
