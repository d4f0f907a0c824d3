//! Takes the counts from what providers report, one `usage` object at a time.
//!
//! Providers differ in three ways that matter: whether cached input is part of the input
//! count (OpenAI: yes, Anthropic: no), whether a stream reports once at its end (OpenAI) or in
//! growing counts (Anthropic), and whether reasoning is part of the output count (xAI and Gemini
//! leave it out and show it only in the total). What comes out of here is the same for all.
//!
//! Counts only ever grow within one call, so of several reports the largest of each field counts:
//! proxies that repeat a field as 0 do no harm. A field that is no plausible count (negative, a
//! fraction, a text, more than [`MAX_COUNT`]) is treated as if it had not been sent. This reader
//! does not check that the numbers are true.

use serde_json::Value;

use crate::{Estimate, Face, Tier, Usage};

/// The largest count that is believed, in tokens: some hundred times the largest context window
/// on the market. One absurd report must not use up a budget for the rest of the day.
const MAX_COUNT: u64 = 1_000_000_000;

/// Reads what a provider reported about one call.
#[derive(Debug, Clone)]
pub struct UsageReader {
    face: Face,
    counts: Counts,
    output_reports: u32,
    tier: Option<Tier>,
}

impl UsageReader {
    /// A reader for answers of one kind of endpoint.
    #[must_use]
    pub fn new(face: Face) -> Self {
        Self { face, counts: Counts::default(), output_reports: 0, tier: None }
    }

    /// Takes in the JSON text of one `usage` object: once for a plain answer, once for each event of
    /// a stream that has one. For [`Face::CountTokens`] that is the whole answer. Anything else is ignored.
    pub fn report(&mut self, usage_json: &str) {
        let Ok(reported @ Value::Object(_)) = serde_json::from_str(usage_json) else { return };
        let counts = match self.face {
            Face::Messages | Face::CountTokens => anthropic(&reported),
            Face::ChatCompletions | Face::Responses | Face::Embeddings => openai(&reported),
        };
        self.output_reports = self.output_reports.saturating_add(u32::from(counts.output.is_some()));
        self.counts.grow(counts);
        if let Some(tier) = reported.get("service_tier").and_then(Value::as_str).and_then(Tier::named) {
            self.served_at(tier);
        }
    }

    /// Takes in the terms that an answer names: beside `usage` at OpenAI, in it at Anthropic. The last word
    /// counts, since a stream begins with what was asked for.
    pub fn served_at(&mut self, tier: Tier) {
        self.tier = Some(match (self.face, tier) {
            // Anthropic's priority is capacity that was bought before; its tokens have no other list price.
            (Face::Messages | Face::CountTokens, Tier::Priority) => Tier::Standard,
            (_, tier) => tier,
        });
    }

    /// The usage of the call; what the provider left unsaid is filled in from `estimate`, and marked.
    #[must_use]
    pub fn finish(self, estimate: Estimate) -> Usage {
        let (input, input_estimated) = self.input(estimate);
        let (output, output_estimated) = self.output(estimate);
        let reported = self.counts.output.unwrap_or(0).min(output);
        Usage {
            input: input.fresh,
            output,
            cache_read: input.cache_read,
            cache_write: input.cache_write,
            cache_write_1h: self.counts.cache_write_1h.unwrap_or(0).min(input.cache_write),
            reasoning: self.counts.reasoning.unwrap_or(0).min(output),
            audio_input: self.counts.audio_input.unwrap_or(0).min(input.fresh),
            audio_output: self.counts.audio_output.unwrap_or(0).min(output),
            estimated_output: if output_estimated { output - reported } else { 0 },
            tier: self.tier,
            estimated: input_estimated || output_estimated,
        }
    }

    /// Whether the output is a matter of estimating: then [`UsageReader::finish`] needs the count of the text. `cut` says
    /// that the answer did not come to its end.
    #[must_use]
    pub fn needs_output(&self, cut: bool) -> bool {
        self.output(Estimate { input: 0, output: 1, cut }).1
    }

    /// The input, and whether any of it is estimated. Every call sends something, so a report of
    /// nothing at all is no report.
    fn input(&self, estimate: Estimate) -> (Input, bool) {
        let cache_read = self.counts.cache_read.unwrap_or(0);
        let cache_write = self.counts.cache_write.unwrap_or(0);
        match self.counts.input {
            Some(fresh) if fresh + cache_read + cache_write > 0 || estimate.input == 0 => {
                (Input { fresh, cache_read, cache_write }, false)
            }
            _ => {
                let fresh = estimate.input.saturating_sub(cache_read).saturating_sub(cache_write);
                (Input { fresh, cache_read, cache_write }, true)
            }
        }
    }

    /// The output, and whether it is estimated.
    fn output(&self, estimate: Estimate) -> (u64, bool) {
        let has_output = matches!(self.face, Face::Messages | Face::ChatCompletions | Face::Responses);
        match self.counts.output {
            _ if !has_output => (0, false),
            None => (estimate.output, true),
            // Text arrived, and no text is free.
            Some(0) if estimate.output > 0 => (estimate.output, true),
            Some(output) if estimate.cut && !self.is_last_word() => (output.max(estimate.output), true),
            Some(output) => (output, false),
        }
    }

    /// Whether the output count stands even though the stream was cut after it. `message_start`
    /// counts before there is any output, and chat streams may count as they go.
    fn is_last_word(&self) -> bool {
        match self.face {
            Face::Messages => self.output_reports >= 2,
            Face::Responses => true,
            Face::ChatCompletions | Face::CountTokens | Face::Embeddings => false,
        }
    }
}

struct Input {
    fresh: u64,
    cache_read: u64,
    cache_write: u64,
}

/// Counts reported so far, in our terms: input without the cached part, output with reasoning.
#[derive(Debug, Clone, Copy, Default)]
struct Counts {
    input: Option<u64>,
    output: Option<u64>,
    cache_read: Option<u64>,
    cache_write: Option<u64>,
    cache_write_1h: Option<u64>,
    reasoning: Option<u64>,
    audio_input: Option<u64>,
    audio_output: Option<u64>,
}

impl Counts {
    /// `Some` is more than `None`, so a field that is left out later keeps its count.
    fn grow(&mut self, other: Self) {
        self.input = self.input.max(other.input);
        self.output = self.output.max(other.output);
        self.cache_read = self.cache_read.max(other.cache_read);
        self.cache_write = self.cache_write.max(other.cache_write);
        self.cache_write_1h = self.cache_write_1h.max(other.cache_write_1h);
        self.reasoning = self.reasoning.max(other.reasoning);
        self.audio_input = self.audio_input.max(other.audio_input);
        self.audio_output = self.audio_output.max(other.audio_output);
    }
}

fn anthropic(usage: &Value) -> Counts {
    let one = |usage: &Value| Counts {
        input: count(usage, &["/input_tokens"]),
        output: count(usage, &["/output_tokens"]),
        cache_read: count(usage, &["/cache_read_input_tokens"]),
        cache_write: count(usage, &["/cache_creation_input_tokens"]),
        cache_write_1h: count(usage, &["/cache_creation/ephemeral_1h_input_tokens"]),
        reasoning: count(usage, &["/output_tokens_details/thinking_tokens"]),
        audio_input: None,
        audio_output: None,
    };
    let mut counts = one(usage);
    // With server-side compaction the top level leaves the compaction's own tokens out; the list
    // of iterations has them all.
    let iterations = usage.get("iterations").and_then(Value::as_array);
    counts.grow(iterations.into_iter().flatten().map(one).fold(Counts::default(), sum));
    counts
}

fn sum(left: Counts, right: Counts) -> Counts {
    let add = |a: Option<u64>, b: Option<u64>| match (a, b) {
        (Some(a), Some(b)) => Some((a + b).min(MAX_COUNT)),
        (one, other) => one.or(other),
    };
    Counts {
        input: add(left.input, right.input),
        output: add(left.output, right.output),
        cache_read: add(left.cache_read, right.cache_read),
        cache_write: add(left.cache_write, right.cache_write),
        cache_write_1h: add(left.cache_write_1h, right.cache_write_1h),
        reasoning: add(left.reasoning, right.reasoning),
        audio_input: add(left.audio_input, right.audio_input),
        audio_output: add(left.audio_output, right.audio_output),
    }
}

/// Paths of the count of sound: chat completions, responses, transcriptions.
const AUDIO_INPUT: [&str; 3] = [
    "/prompt_tokens_details/audio_tokens",
    "/input_tokens_details/audio_tokens",
    "/input_token_details/audio_tokens",
];
const AUDIO_OUTPUT: [&str; 2] =
    ["/completion_tokens_details/audio_tokens", "/output_tokens_details/audio_tokens"];

fn openai(usage: &Value) -> Counts {
    let total = count(usage, &["/total_tokens"]);
    let output = count(usage, &["/completion_tokens", "/output_tokens"]);
    let prompt = count(usage, &["/prompt_tokens", "/input_tokens"])
        .or_else(|| total.map(|total| total.saturating_sub(output.unwrap_or(0))));
    // Reasoning that a provider leaves out of the output (xAI, Gemini) is still in the total.
    let beyond_prompt = prompt.and_then(|prompt| total?.checked_sub(prompt)).filter(|beyond| *beyond > 0);
    let places = [
        "/prompt_tokens_details/cached_tokens",
        "/input_tokens_details/cached_tokens",
        "/prompt_cache_hit_tokens", // DeepSeek
        "/cached_tokens",           // Moonshot
    ];
    // More cached than sent is nonsense, and then nothing was cached.
    let cache_read = count(usage, &places).filter(|read| prompt.is_none_or(|prompt| *read <= prompt));
    let uncached = prompt.map(|prompt| prompt - cache_read.unwrap_or(0));
    // OpenRouter's name.
    let cache_write = count(usage, &["/prompt_tokens_details/cache_write_tokens"])
        .filter(|write| uncached.is_none_or(|uncached| *write <= uncached));
    Counts {
        input: uncached.map(|uncached| uncached - cache_write.unwrap_or(0)),
        output: output.max(beyond_prompt),
        cache_read,
        cache_write,
        cache_write_1h: None,
        reasoning: count(
            usage,
            &["/completion_tokens_details/reasoning_tokens", "/output_tokens_details/reasoning_tokens"],
        ),
        audio_input: count(usage, &AUDIO_INPUT),
        audio_output: count(usage, &AUDIO_OUTPUT),
    }
}

/// The first of these places (JSON pointers) that holds a plausible count.
fn count(usage: &Value, places: &[&str]) -> Option<u64> {
    places.iter().find_map(|place| plausible(usage.pointer(place)?))
}

/// Reads `12`, and `12.0` as some servers write it.
fn plausible(value: &Value) -> Option<u64> {
    let whole = |number: f64| number.fract() == 0.0 && number >= 0.0 && number <= MAX_COUNT as f64;
    value
        .as_u64()
        .or_else(|| value.as_f64().filter(|number| whole(*number)).map(|number| number as u64))
        .filter(|count| *count <= MAX_COUNT)
}

#[cfg(test)]
mod tests;
