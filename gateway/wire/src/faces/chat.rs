//! OpenAI chat completions: <https://platform.openai.com/docs/api-reference/chat>. Thinking stands in
//! `reasoning_content`, as the servers that run open models write it, and with its signature in
//! `reasoning_details`, as OpenRouter does.

pub(crate) mod answer;
pub mod dialect;
pub(crate) mod events;
pub(crate) mod request;
pub(crate) mod write;
