//! OpenAI responses: <https://platform.openai.com/docs/api-reference/responses>. Only the caller's side:
//! a provider that has this API is called in it. Thinking is the summary of a reasoning item, and its
//! signature the item's `encrypted_content`.

pub(crate) mod answer;
pub mod dialect;
pub(crate) mod events;
pub(crate) mod request;

/// Marks, in `encrypted_content`, thinking that only its provider can read.
const REDACTED: &str = "redacted:";
