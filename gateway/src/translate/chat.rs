//! OpenAI chat completions: <https://platform.openai.com/docs/api-reference/chat>. Thinking stands in
//! `reasoning_content`, as the servers that run open models write it, and with its signature in
//! `reasoning_details`, as OpenRouter does.

pub(super) mod answer;
pub(super) mod request;
pub(super) mod stream;
pub(super) mod write;
