//! An answer, whatever format it came in.

use super::conversation::Block;
use serde_json::{Value, json};

/// A whole answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Answer {
    pub(crate) id: String,
    pub(crate) model: String,
    pub(crate) blocks: Vec<Block>,
    pub(crate) stop: Stop,
    pub(crate) usage: Option<Tokens>,
}

/// Why the model stopped.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Stop {
    End,
    /// One of the stop sequences, where it is known which.
    Sequence(String),
    Length,
    Tools,
    Refused,
}

/// Tokens; the input without what came from or went into a cache.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Tokens {
    pub(crate) input: u64,
    pub(crate) output: u64,
    pub(crate) cache_read: u64,
    pub(crate) cache_write: u64,
    pub(crate) reasoning: u64,
}

impl Tokens {
    /// From a `usage` of chat completions, whose input includes the cached part.
    pub(crate) fn of_chat(usage: &Value) -> Option<Tokens> {
        let count = |value: &Value| value.as_u64();
        let cache_read = count(&usage["prompt_tokens_details"]["cached_tokens"]).unwrap_or(0);
        Some(Tokens {
            input: count(&usage["prompt_tokens"])?.saturating_sub(cache_read),
            output: count(&usage["completion_tokens"]).unwrap_or(0),
            cache_read,
            cache_write: 0,
            reasoning: count(&usage["completion_tokens_details"]["reasoning_tokens"]).unwrap_or(0),
        })
    }

    /// Takes in a `usage` of messages; in a stream the later one completes the earlier.
    pub(crate) fn add_messages(&mut self, usage: &Value) {
        for (field, key) in [
            (&mut self.input, "input_tokens"),
            (&mut self.output, "output_tokens"),
            (&mut self.cache_read, "cache_read_input_tokens"),
            (&mut self.cache_write, "cache_creation_input_tokens"),
        ] {
            if let Some(count) = usage[key].as_u64() {
                *field = (*field).max(count);
            }
        }
    }

    pub(crate) fn messages(&self) -> Value {
        json!({
            "input_tokens": self.input, "output_tokens": self.output,
            "cache_read_input_tokens": self.cache_read, "cache_creation_input_tokens": self.cache_write,
        })
    }

    pub(crate) fn chat(&self) -> Value {
        let prompt = self.prompt();
        json!({
            "prompt_tokens": prompt, "completion_tokens": self.output,
            "total_tokens": prompt.saturating_add(self.output),
            "prompt_tokens_details": {"cached_tokens": self.cache_read},
            "completion_tokens_details": {"reasoning_tokens": self.reasoning},
        })
    }

    pub(crate) fn responses(&self) -> Value {
        let prompt = self.prompt();
        json!({
            "input_tokens": prompt, "input_tokens_details": {"cached_tokens": self.cache_read},
            "output_tokens": self.output, "output_tokens_details": {"reasoning_tokens": self.reasoning},
            "total_tokens": prompt.saturating_add(self.output),
        })
    }

    fn prompt(&self) -> u64 {
        self.input.saturating_add(self.cache_read).saturating_add(self.cache_write)
    }
}

/// A text of a provider's answer; empty where there is none.
pub(crate) fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}
