//! What one call cost, in tokens, the same way for every wire format.

mod reader;

pub use reader::UsageReader;

use serde::{Deserialize, Serialize};

/// Tokens of one call. The four counts of [`Usage::total`] do not overlap, whatever the provider's
/// own habit: OpenAI's prompt tokens include the cached ones, ours do not.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Usage {
    /// Input tokens that neither came from nor went into a prompt cache.
    pub input: u64,
    /// Output tokens, reasoning included.
    pub output: u64,
    /// Input tokens read from the provider's prompt cache.
    pub cache_read: u64,
    /// Input tokens written to the provider's prompt cache.
    pub cache_write: u64,
    /// The part of `cache_write` that is kept for an hour, which costs more, where the provider says so.
    #[serde(default)]
    pub cache_write_1h: u64,
    /// The part of `output` that was reasoning, where the provider says so.
    pub reasoning: u64,
    /// At least one count is our estimate, because the provider did not report it.
    pub estimated: bool,
}

impl Usage {
    /// What counts against a budget: input, output, cache reads and cache writes.
    #[must_use]
    pub fn total(&self) -> u64 {
        [self.output, self.cache_read, self.cache_write].into_iter().fold(self.input, u64::saturating_add)
    }
}

/// The kind of endpoint that answered: each names its counts in its own way.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Face {
    /// Anthropic `POST /v1/messages`.
    Messages,
    /// Anthropic `POST /v1/messages/count_tokens`: the whole answer is the usage object.
    CountTokens,
    /// OpenAI `POST /v1/chat/completions`.
    ChatCompletions,
    /// OpenAI `POST /v1/responses`.
    Responses,
    /// OpenAI `POST /v1/embeddings`.
    Embeddings,
}
