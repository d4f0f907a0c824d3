//! A turn of the built-in demo: what it was told, and what it says. Each face says it in the words of its API.

use crate::json::Value;
use bytes::Bytes;

/// What every text of the demo begins with.
pub const MARK: &str = "[zOS demo, no AI]";

/// An answer of the demo, as a provider would give it.
pub enum Demo {
    /// A whole answer.
    Plain(serde_json::Value),
    /// The events of a stream, terminator included.
    Events(Vec<Bytes>),
}

/// One turn of a conversation with the demo.
pub struct Turn {
    /// The words that it says.
    pub words: String,
    /// The model as it was asked for.
    pub model: String,
    /// Tokens of the request, estimated.
    pub input: u64,
    /// Whether a stream was asked for.
    pub streams: bool,
}

impl Turn {
    /// The turn that a request asks for. The demo repeats what was said last; `say: words` makes it say those words, and
    /// `say backwards: sdrow` says them turned round.
    pub fn of(text: &str, request: &Value<'_>) -> Turn {
        let model = request.get("model").and_then(Value::as_str);
        Turn {
            words: reply(&question(request)),
            model: model.map(|model| model.text().into_owned()).unwrap_or_default(),
            input: zos_meter::estimate_tokens(text),
            streams: request.get("stream").and_then(Value::as_bool).unwrap_or(false),
        }
    }

    /// What it says, with its mark.
    pub fn text(&self) -> String {
        format!("{MARK} {}", self.words)
    }

    /// Tokens of that, estimated.
    pub fn output(&self) -> u64 {
        zos_meter::estimate_tokens(&self.text())
    }

    /// The text in pieces as a model would send it: word by word.
    pub fn pieces(&self) -> Vec<String> {
        self.text().split_inclusive(' ').map(str::to_owned).collect()
    }

    /// Its `usage` as OpenAI's older endpoints have it.
    pub(crate) fn prompt_usage(&self) -> serde_json::Value {
        let (input, output) = (self.input, self.output());
        serde_json::json!({"prompt_tokens": input, "completion_tokens": output, "total_tokens": input + output})
    }
}

/// The last thing that was said to it.
fn question(request: &Value<'_>) -> String {
    let last = |list: &Value<'_>| match list {
        Value::Array(_) => list.elements().last().map(spoken).unwrap_or_default(),
        other => spoken(other),
    };
    ["input", "messages", "prompt"].into_iter().find_map(|key| request.get(key)).map(last).unwrap_or_default()
}

/// The text of a message, a part, or a list of parts.
pub(crate) fn spoken(value: &Value<'_>) -> String {
    match value {
        Value::String(text) => text.text().into_owned(),
        Value::Array(parts) => parts.iter().map(spoken).collect(),
        Value::Object { .. } => {
            value.get("content").or_else(|| value.get("text")).map(spoken).unwrap_or_default()
        }
        _ => String::new(),
    }
}

fn reply(question: &str) -> String {
    if let Some((_, words)) = question.split_once("say backwards:") {
        return words.trim().chars().rev().collect();
    }
    match question.split_once("say:") {
        Some((_, words)) => words.trim().to_owned(),
        None => format!("You said: {}", question.trim()),
    }
}
