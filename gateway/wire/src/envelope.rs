//! A provider's error in the envelope of another API. The provider's own sentence stays as it is.

use crate::problem::{Shape, error_type};
use bytes::Bytes;
use http::StatusCode;
use serde_json::{Value, json};

/// How much of an error that is no JSON is passed on.
const PAGE_LIMIT: usize = 2000;

/// What the provider said, in the caller's shape.
pub(crate) fn envelope(shape: Shape, status: StatusCode, body: &[u8]) -> Bytes {
    let parsed: Value = serde_json::from_slice(body).unwrap_or(Value::Null);
    let error = if parsed["error"].is_null() { &parsed } else { &parsed["error"] };
    let said = error["message"].as_str().or(error["detail"].as_str()).or(error.as_str());
    let page = String::from_utf8_lossy(body);
    let message = match said {
        Some(message) => message,
        None if page.trim().is_empty() => "The provider gave no reason.",
        None => &page[..page.floor_char_boundary(PAGE_LIMIT)],
    };
    Bytes::from(object(shape, status, message, error).to_string())
}

/// The envelope. `error` gives the code and the parameter where the provider named them.
pub(crate) fn object(shape: Shape, status: StatusCode, message: &str, error: &Value) -> Value {
    let kind = error_type(shape, status);
    match shape {
        Shape::Anthropic => json!({"type": "error", "error": {"type": kind, "message": message}}),
        Shape::OpenAi => {
            json!({"error": {"message": message, "type": kind, "code": error["code"], "param": error["param"]}})
        }
    }
}
