//! Anthropic messages: <https://docs.anthropic.com/en/api/messages>.

pub(crate) mod answer;
pub mod dialect;
pub(crate) mod events;
pub(crate) mod request;
pub(crate) mod write;
