//! A request, whatever format it came in.

use super::refused::Untranslatable;
use serde_json::{Number, Value};

/// What a client asks of a model.
#[derive(Debug, Default)]
pub(crate) struct Request {
    pub(crate) turns: Vec<Turn>,
    pub(crate) tools: Vec<Tool>,
    pub(crate) choice: Option<Choice>,
    /// Whether several tools may be called at once.
    pub(crate) parallel: Option<bool>,
    pub(crate) max_tokens: Option<u64>,
    pub(crate) temperature: Option<Number>,
    pub(crate) top_p: Option<Number>,
    pub(crate) stop: Vec<String>,
    pub(crate) stream: bool,
    pub(crate) user: Option<String>,
    /// How hard to think: `low`, `medium`, `high` and what else the formats share.
    pub(crate) effort: Option<String>,
    pub(crate) format: Option<Format>,
    /// Fields that only chat completions have, by name.
    pub(crate) only_chat: Vec<(&'static str, Value)>,
}

/// One turn of the conversation.
#[derive(Debug)]
pub(crate) enum Turn {
    System { place: String, texts: Vec<String> },
    User(Vec<Part>),
    Assistant { place: String, blocks: Vec<Block> },
}

/// What a user, or a tool on the user's side, says.
#[derive(Debug)]
pub(crate) enum Part {
    Text(String),
    Image { place: String, source: Image, detail: Option<String> },
    ToolResult { place: String, id: String, texts: Vec<String>, is_error: bool },
}

/// Where an image is.
#[derive(Debug)]
pub(crate) enum Image {
    Base64 { media_type: String, data: String },
    Url(String),
}

/// What a model says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Block {
    Text(String),
    Refusal(String),
    Thinking {
        text: String,
        /// What the provider needs to take its own thinking back.
        signature: Option<String>,
    },
    /// Thinking that only its provider can read.
    Redacted(String),
    /// A tool call; its arguments are the text of a JSON object.
    Call {
        id: String,
        name: String,
        arguments: String,
    },
}

#[derive(Debug)]
pub(crate) struct Tool {
    pub(crate) name: String,
    pub(crate) description: Option<String>,
    pub(crate) schema: Option<Value>,
    pub(crate) strict: Option<bool>,
}

#[derive(Debug)]
pub(crate) enum Choice {
    Auto,
    Any,
    Nothing,
    Tool(String),
}

/// The JSON schema that an answer has to follow.
#[derive(Debug)]
pub(crate) struct Format {
    pub(crate) name: Option<String>,
    pub(crate) description: Option<String>,
    pub(crate) schema: Value,
    pub(crate) strict: Option<bool>,
}

impl Image {
    /// Reads the address of an image, `data:` addresses included.
    pub(crate) fn of_url(url: String, place: &str) -> Result<Image, Untranslatable> {
        let Some(rest) = url.strip_prefix("data:") else { return Ok(Image::Url(url)) };
        let (head, data) = rest
            .split_once(',')
            .ok_or_else(|| Untranslatable::new(place, "is no data: address that can be read"))?;
        let media_type = head
            .strip_suffix(";base64")
            .ok_or_else(|| Untranslatable::new(place, "is not base64"))?
            .to_owned();
        Ok(Image::Base64 { media_type, data: data.to_owned() })
    }

    pub(crate) fn url(self) -> String {
        match self {
            Image::Url(url) => url,
            Image::Base64 { media_type, data } => format!("data:{media_type};base64,{data}"),
        }
    }
}
