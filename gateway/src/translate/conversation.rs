//! A request, whatever format it came in.

use super::Untranslatable;
use serde_json::{Number, Value};

/// What a client asks of a model.
#[derive(Debug, Default)]
pub(super) struct Request {
    pub(super) turns: Vec<Turn>,
    pub(super) tools: Vec<Tool>,
    pub(super) choice: Option<Choice>,
    /// Whether several tools may be called at once.
    pub(super) parallel: Option<bool>,
    pub(super) max_tokens: Option<u64>,
    pub(super) temperature: Option<Number>,
    pub(super) top_p: Option<Number>,
    pub(super) stop: Vec<String>,
    pub(super) stream: bool,
    pub(super) user: Option<String>,
    /// How hard to think: `low`, `medium`, `high` and what else the formats share.
    pub(super) effort: Option<String>,
    pub(super) format: Option<Format>,
    /// Fields that only chat completions have, by name.
    pub(super) only_chat: Vec<(&'static str, Value)>,
}

/// One turn of the conversation.
#[derive(Debug)]
pub(super) enum Turn {
    System { place: String, texts: Vec<String> },
    User(Vec<Part>),
    Assistant { place: String, blocks: Vec<Block> },
}

/// What a user, or a tool on the user's side, says.
#[derive(Debug)]
pub(super) enum Part {
    Text(String),
    Image { place: String, source: Image, detail: Option<String> },
    ToolResult { place: String, id: String, texts: Vec<String>, is_error: bool },
}

/// Where an image is.
#[derive(Debug)]
pub(super) enum Image {
    Base64 { media_type: String, data: String },
    Url(String),
}

/// What a model says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Block {
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
pub(super) struct Tool {
    pub(super) name: String,
    pub(super) description: Option<String>,
    pub(super) schema: Option<Value>,
    pub(super) strict: Option<bool>,
}

#[derive(Debug)]
pub(super) enum Choice {
    Auto,
    Any,
    Nothing,
    Tool(String),
}

/// The JSON schema that an answer has to follow.
#[derive(Debug)]
pub(super) struct Format {
    pub(super) name: Option<String>,
    pub(super) description: Option<String>,
    pub(super) schema: Value,
    pub(super) strict: Option<bool>,
}

impl Image {
    /// Reads the address of an image, `data:` addresses included.
    pub(super) fn of_url(url: String, place: &str) -> Result<Image, Untranslatable> {
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

    pub(super) fn url(self) -> String {
        match self {
            Image::Url(url) => url,
            Image::Base64 { media_type, data } => format!("data:{media_type};base64,{data}"),
        }
    }
}
