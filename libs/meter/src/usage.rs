//! Tokens of one call, the same way for every wire format.

mod reader;

pub use reader::UsageReader;

use serde::{Deserialize, Serialize};

/// Terms that a provider serves a call at, each with prices of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Tier {
    /// The tier that list prices are for.
    Standard,
    /// Ahead of others, for more.
    Priority,
    /// The newer name of OpenAI for the same.
    Fast,
    /// Served when there is room, for less.
    Flex,
    /// Within a day, for less.
    Batch,
    /// A word that is none of these: its price is unknown.
    Other,
}

impl Tier {
    /// The terms that a `service_tier` names; `None` where it leaves the choice to the provider.
    #[must_use]
    pub fn named(word: &str) -> Option<Self> {
        Some(match word.to_ascii_lowercase().as_str() {
            "" | "auto" => return None,
            "default" | "standard" | "standard_only" | "on_demand" => Self::Standard,
            "priority" => Self::Priority,
            "fast" => Self::Fast,
            "flex" => Self::Flex,
            "batch" => Self::Batch,
            _ => Self::Other,
        })
    }
}

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
    /// The part of `input` that was sound, which costs more, where the provider says so.
    #[serde(default)]
    pub audio_input: u64,
    /// The part of `output` that was sound.
    #[serde(default)]
    pub audio_output: u64,
    /// The part of `output` that is our estimate: nobody is billed for it, so it never exceeds what was held.
    #[serde(default)]
    pub estimated_output: u64,
    /// The terms that the provider says it served at.
    #[serde(default)]
    pub tier: Option<Tier>,
    /// At least one count is our estimate, because the provider did not report it.
    pub estimated: bool,
}

impl Usage {
    /// The same call with the estimated part of its output cut to what was held for all of it. The request limited the
    /// output to that, so a guess above it is wrong. What a provider reports above it is counted in full.
    #[must_use]
    pub fn within_output(self, held: u64) -> Self {
        let reported = self.output.saturating_sub(self.estimated_output);
        let output = self.output.min(held.max(reported));
        Self {
            output,
            estimated_output: output - reported.min(output),
            reasoning: self.reasoning.min(output),
            audio_output: self.audio_output.min(output),
            ..self
        }
    }

    /// Tokens that count against a budget: input, output, cache reads and cache writes.
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_estimate_is_cut_to_what_was_held_and_a_report_never_is() {
        let usage = |output, estimated_output| Usage { output, estimated_output, ..Usage::default() };
        for (given, held, expected) in [
            (usage(268, 268), 200, usage(200, 200)),
            (usage(150, 150), 200, usage(150, 150)),
            // Reported on the way: the guess is what lies above it.
            (usage(300, 290), 200, usage(200, 190)),
            (usage(300, 50), 200, usage(250, 0)),
            (usage(300, 0), 200, usage(300, 0)),
            (usage(300, 300), 0, usage(0, 0)),
            (usage(300, 400), 10, usage(10, 10)),
        ] {
            assert_eq!(given.within_output(held), expected, "{given:?} of {held}");
        }
    }

    #[test]
    fn words_for_terms_are_known_and_others_are_not_taken_for_the_list_price() {
        for (word, tier) in [
            ("auto", None),
            ("default", Some(Tier::Standard)),
            ("standard_only", Some(Tier::Standard)),
            ("Priority", Some(Tier::Priority)),
            ("flex", Some(Tier::Flex)),
            ("scale", Some(Tier::Other)),
        ] {
            assert_eq!(Tier::named(word), tier, "{word}");
        }
    }
}
