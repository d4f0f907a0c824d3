//! What happens in a stream, whatever its API.

use super::answer::{Stop as Reason, Tokens};
use crate::sse::Stop;
use serde_json::Value;

/// What happens in a stream, whatever its format.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Event {
    /// The answer begins.
    Start { id: String, model: String, usage: Tokens },
    /// A block begins; the one before was closed.
    Open(Kind),
    /// A piece of the open block.
    Delta(String),
    /// The signature of the open block of thinking.
    Signature(String),
    /// The open block ends.
    Close,
    /// The answer is complete.
    Stop { reason: Reason, usage: Option<Tokens> },
    /// The provider says that it failed.
    Failed { message: String, error: Value },
}

/// What a block is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Kind {
    Text,
    Refusal,
    Thinking,
    Redacted(String),
    Call { id: String, name: String },
}

/// A provider said what the caller's format cannot hold.
const UNKNOWN_BLOCK: &str = "it holds a kind of content that the caller's API does not have";

/// Why an event cannot be carried; becomes the reason of a cut.
pub(crate) fn unknown() -> Stop {
    Stop::Unreadable(UNKNOWN_BLOCK)
}

/// One event with a name.
pub(crate) fn named(data: &Value) -> String {
    format!("event: {}\ndata: {data}\n\n", data["type"].as_str().unwrap_or_default())
}
