//! Anthropic messages: <https://docs.anthropic.com/en/api/messages>.

pub(super) mod answer;
pub(super) mod request;
pub(super) mod stream;
pub(super) mod write;
