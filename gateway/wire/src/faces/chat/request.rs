//! Reads a request of the chat completions API.

use crate::translate::conversation::{Block, Choice, Format, Image, Part, Request, Tool, Turn};
use crate::translate::refused::Untranslatable;
use crate::translate::strict::Object;
use serde_json::{Value, json};

pub(crate) fn read(body: Value) -> Result<Request, Untranslatable> {
    let mut fields = Object::of(body, "")?;
    let newer = fields.whole("max_completion_tokens")?;
    let older = fields.whole("max_tokens")?;
    let mut request = Request {
        max_tokens: newer.or(older),
        temperature: fields.number("temperature")?,
        top_p: fields.number("top_p")?,
        stream: fields.flag("stream")?.unwrap_or(false),
        user: fields.text("user")?,
        effort: fields.text("reasoning_effort")?,
        parallel: fields.flag("parallel_tool_calls")?,
        ..Request::default()
    };
    fields.take("model");
    if let Some(mut options) = fields.object("stream_options")? {
        options.flag("include_usage")?;
        options.accept("include_obfuscation", &[json!(false)])?;
        options.finish()?;
    }
    check_effort(&request, "reasoning_effort")?;
    accept_defaults(&mut fields)?;
    request.stop = match fields.take("stop") {
        None => Vec::new(),
        Some(Value::String(text)) => vec![text],
        Some(list) => strings(list, "stop")?,
    };
    for (message, place) in fields.list("messages")? {
        request.turns.push(turn(message, place)?);
    }
    for (tool, place) in fields.list("tools")? {
        let mut tool = Object::of(tool, place)?;
        tool.accept("type", &[json!("function")])?;
        let place = tool.place("function");
        let function = tool.object("function")?.ok_or_else(|| Untranslatable::new(place, "is missing"))?;
        request.tools.push(read_tool(function)?);
        tool.finish()?;
    }
    if let Some(choice) = fields.take("tool_choice") {
        request.choice = Some(read_choice(choice)?);
    }
    if let Some(format) = fields.object("response_format")? {
        request.format = read_format(format)?;
    }
    fields.finish()?;
    Ok(request)
}

/// Settings of this API that no other has, where they say what holds without them.
fn accept_defaults(fields: &mut Object) -> Result<(), Untranslatable> {
    fields.hint("prompt_cache_key");
    fields.hint("prompt_cache_options");
    fields.hint("prompt_cache_retention");
    let zero = [json!(0), json!(0.0)];
    fields.accept("n", &[json!(1)])?;
    fields.accept("frequency_penalty", &zero)?;
    fields.accept("presence_penalty", &zero)?;
    fields.accept("logprobs", &[json!(false)])?;
    fields.accept("logit_bias", &[json!({})])?;
    fields.accept("metadata", &[json!({})])?;
    fields.accept("store", &[json!(false)])?;
    fields.accept("modalities", &[json!(["text"])])?;
    fields.accept("service_tier", &[json!("auto"), json!("default")])
}

/// Efforts that both APIs name alike, and `none`, which is what holds where nothing is said.
pub(crate) fn check_effort(request: &Request, place: &str) -> Result<(), Untranslatable> {
    match request.effort.as_deref() {
        None | Some("none" | "low" | "medium" | "high" | "xhigh" | "max") => Ok(()),
        Some(_) => Err(Untranslatable::nowhere(place)),
    }
}

/// The name, description and schema of a function.
pub(crate) fn read_tool(mut function: Object) -> Result<Tool, Untranslatable> {
    let tool = Tool {
        name: function.needed("name")?,
        description: function.text("description")?,
        schema: function.take("parameters"),
        strict: function.flag("strict")?,
    };
    function.finish()?;
    Ok(tool)
}

fn read_choice(choice: Value) -> Result<Choice, Untranslatable> {
    if let Some(word) = choice.as_str() {
        return choice_word(word);
    }
    let mut fields = Object::of(choice, "tool_choice")?;
    fields.accept("type", &[json!("function")])?;
    let mut function = fields
        .object("function")?
        .ok_or_else(|| Untranslatable::new("tool_choice.function", "is missing"))?;
    let name = function.needed("name")?;
    function.finish()?;
    fields.finish()?;
    Ok(Choice::Tool(name))
}

/// `auto`, `none` and `required`.
pub(crate) fn choice_word(word: &str) -> Result<Choice, Untranslatable> {
    match word {
        "auto" => Ok(Choice::Auto),
        "none" => Ok(Choice::Nothing),
        "required" => Ok(Choice::Any),
        _ => Err(Untranslatable::nowhere("tool_choice")),
    }
}

/// `response_format`; in the responses API the same stands in `text.format`, without `json_schema`.
fn read_format(mut format: Object) -> Result<Option<Format>, Untranslatable> {
    match format.needed("type")?.as_str() {
        "text" => format.finish().map(|()| None),
        "json_schema" => {
            let place = format.place("json_schema");
            let schema =
                format.object("json_schema")?.ok_or_else(|| Untranslatable::new(place, "is missing"))?;
            format.finish()?;
            read_schema(schema).map(Some)
        }
        _ => Err(Untranslatable::nowhere(format.place("type"))),
    }
}

pub(crate) fn read_schema(mut fields: Object) -> Result<Format, Untranslatable> {
    let format = Format {
        name: fields.text("name")?,
        description: fields.text("description")?,
        schema: fields.take("schema").unwrap_or_else(|| json!({})),
        strict: fields.flag("strict")?,
    };
    fields.finish()?;
    Ok(format)
}

fn turn(message: Value, place: String) -> Result<Turn, Untranslatable> {
    let mut fields = Object::of(message, place)?;
    let role = fields.needed("role")?;
    let content_place = fields.place("content");
    let content = fields.take("content");
    let turn = match role.as_str() {
        "system" | "developer" => {
            Turn::System { texts: texts(content, &content_place)?, place: fields.place("role") }
        }
        "user" => Turn::User(parts(content, &content_place)?),
        "tool" => {
            // The name of the function, which its id tells as well.
            fields.hint("name");
            let (place, id) = (fields.place("tool_call_id"), fields.needed("tool_call_id")?);
            let texts = texts(content, &content_place)?;
            let parts = vec![Part::ToolResult { place, id, texts, is_error: false }];
            Turn::User(parts)
        }
        "assistant" => assistant(&mut fields, content, content_place)?,
        _ => return Err(Untranslatable::nowhere(fields.place("role"))),
    };
    fields.finish()?;
    Ok(turn)
}

fn assistant(fields: &mut Object, content: Option<Value>, place: String) -> Result<Turn, Untranslatable> {
    fields.accept("annotations", &[json!([])])?;
    let mut blocks = thinking(fields)?;
    for (part, place) in listed(content, &place)? {
        let mut part = Object::of(part, place)?;
        blocks.push(match part.needed("type")?.as_str() {
            "text" => Block::Text(part.needed("text")?),
            "refusal" => Block::Refusal(part.needed("refusal")?),
            _ => return Err(Untranslatable::nowhere(part.place("type"))),
        });
        part.finish()?;
    }
    if let Some(refusal) = fields.text("refusal")? {
        blocks.push(Block::Refusal(refusal));
    }
    for (call, place) in fields.list("tool_calls")? {
        let mut call = Object::of(call, place)?;
        // Some clients keep the index of the streamed piece.
        call.hint("index");
        call.accept("type", &[json!("function")])?;
        let id = call.needed("id")?;
        let place = call.place("function");
        let mut function =
            call.object("function")?.ok_or_else(|| Untranslatable::new(place, "is missing"))?;
        let (name, arguments) = (function.needed("name")?, function.text("arguments")?.unwrap_or_default());
        function.finish()?;
        call.finish()?;
        blocks.push(Block::Call { id, name, arguments });
    }
    Ok(Turn::Assistant { place, blocks })
}

/// What was thought. `reasoning_details` says the same as `reasoning_content`, and with signatures.
fn thinking(fields: &mut Object) -> Result<Vec<Block>, Untranslatable> {
    let plain = fields.text("reasoning_content")?.or(fields.text("reasoning")?);
    let mut blocks = Vec::new();
    for (detail, place) in fields.list("reasoning_details")? {
        let mut detail = Object::of(detail, place)?;
        for hint in ["index", "id", "format"] {
            detail.hint(hint);
        }
        blocks.push(match detail.needed("type")?.as_str() {
            "reasoning.text" => Block::Thinking {
                text: detail.text("text")?.unwrap_or_default(),
                signature: detail.text("signature")?,
            },
            "reasoning.encrypted" => Block::Redacted(detail.needed("data")?),
            _ => return Err(Untranslatable::nowhere(detail.place("type"))),
        });
        detail.finish()?;
    }
    if blocks.is_empty()
        && let Some(text) = plain.filter(|text| !text.is_empty())
    {
        blocks.push(Block::Thinking { text, signature: None });
    }
    Ok(blocks)
}

/// Content as a list of parts.
fn listed(content: Option<Value>, place: &str) -> Result<Vec<(Value, String)>, Untranslatable> {
    match content {
        None => Ok(Vec::new()),
        Some(Value::String(text)) => Ok(vec![(json!({"type": "text", "text": text}), place.to_owned())]),
        Some(Value::Array(parts)) => {
            let numbered = parts.into_iter().enumerate();
            Ok(numbered.map(|(index, part)| (part, format!("{place}[{index}]"))).collect())
        }
        Some(_) => Err(Untranslatable::new(place, "is neither a text nor a list")),
    }
}

fn texts(content: Option<Value>, place: &str) -> Result<Vec<String>, Untranslatable> {
    let parts = listed(content, place)?.into_iter();
    parts
        .map(|(part, place)| {
            let mut part = Object::of(part, place)?;
            part.accept("type", &[json!("text")])?;
            let text = part.needed("text")?;
            part.finish()?;
            Ok(text)
        })
        .collect()
}

fn parts(content: Option<Value>, place: &str) -> Result<Vec<Part>, Untranslatable> {
    let parts = listed(content, place)?.into_iter();
    parts
        .map(|(part, place)| {
            let mut part = Object::of(part, place)?;
            let read = match part.needed("type")?.as_str() {
                "text" => Part::Text(part.needed("text")?),
                "image_url" => {
                    let place = part.place("image_url");
                    let mut image = part
                        .object("image_url")?
                        .ok_or_else(|| Untranslatable::new(place.clone(), "is missing"))?;
                    let source = Image::of_url(image.needed("url")?, &image.place("url"))?;
                    let detail = image.text("detail")?;
                    image.finish()?;
                    Part::Image { place, source, detail }
                }
                _ => return Err(Untranslatable::nowhere(part.place("type"))),
            };
            part.finish()?;
            Ok(read)
        })
        .collect()
}

fn strings(list: Value, place: &str) -> Result<Vec<String>, Untranslatable> {
    serde_json::from_value(list).map_err(|_| Untranslatable::new(place, "is not a list of texts"))
}
