//! How many tokens a request holds, for what is held against a limit.
//!
//! Counted is every key and every string of the body, unescaped and one by one (long bodies in samples), and a
//! token for each member and element: more than the three tokens that OpenAI puts around each message, and in
//! the place of what providers make of tools. Runs of encoded bytes that are no text are left out here. So the count of the text is
//! exact for OpenAI's models, and the sum is an estimate that means to be no lower than the bill. For other
//! models it is scaled by what their providers reported before.
//!
//! Only calls under a limit are counted, since nothing is held for others. While a tokenizer is being loaded, and for
//! a body that cannot be read, the estimate by length that every call has goes on serving.
//!
//! The text of an answer is counted here too, where its provider reports no usage.

use zos_meter::AnswerText;
use zos_meter::tokens::{Factors, Sample, Vocabulary, family};
use zos_wire::declared::is_blob;
use zos_wire::json::{self, Value};

/// What OpenAI puts before an answer: "How to count tokens with tiktoken" in the openai-cookbook.
const ANSWER_FRAME: u64 = 3;

/// The tokens of a request.
pub(crate) struct Counted {
    /// What the call is thought to be billed for its input, without attachments.
    pub(crate) tokens: u64,
    /// What is to be learned from the bill.
    pub(crate) lesson: Option<Lesson>,
}

/// A count that the provider's own can be held against.
pub(crate) struct Lesson {
    family: String,
    counted: u64,
}

impl Lesson {
    /// Takes in what the provider reported.
    pub(crate) fn learn(&self, factors: &Factors, reported: u64) {
        factors.learn(&self.family, self.counted, reported);
    }
}

/// The count of a body's text, which is the same for every model of one vocabulary.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Measured {
    vocabulary: Vocabulary,
    tokens: u64,
    is_exact: bool,
}

/// Counts a body for the model that it is sent to; `None` where that cannot be done now. What was `measured`
/// for the model before serves where it can.
pub(crate) fn count(
    factors: &Factors,
    body: &[u8],
    model: &str,
    measured: &mut Option<Measured>,
) -> Option<Counted> {
    let own = Vocabulary::of_model(model);
    let vocabulary = own.unwrap_or(Vocabulary::O200k);
    if measured.is_none_or(|measured| measured.vocabulary != vocabulary) {
        *measured = measure(body, vocabulary);
    }
    let Measured { tokens: counted, is_exact, .. } = (*measured)?;
    if own.is_some() {
        return Some(Counted { tokens: counted, lesson: None });
    }
    let family = family(model);
    let tokens = factors.scale(&family, counted);
    let lesson = is_exact.then_some(Lesson { family, counted });
    Some(Counted { tokens, lesson })
}

/// Tokens of an answer's text, for an answer without usage: by the tokenizer of its model, or by another one and what
/// providers of this family reported before. By length while the tokenizer is being loaded.
pub(crate) fn of_answer(factors: &Factors, text: &AnswerText, model: &str) -> u64 {
    let own = Vocabulary::of_model(model);
    let Some(tokenizer) = own.unwrap_or(Vocabulary::O200k).if_loaded() else { return text.estimate() };
    let counted = text.tokens(tokenizer);
    if own.is_some() { counted } else { factors.scale(&family(model), counted) }
}

fn measure(body: &[u8], vocabulary: Vocabulary) -> Option<Measured> {
    let tokenizer = vocabulary.if_loaded()?;
    let body = std::str::from_utf8(body).ok()?;
    let value = json::parse(body).ok()?;
    let mut text = Text { sample: Sample::new(tokenizer, body.len()), frame: ANSWER_FRAME };
    text.value(&value);
    let tokens = text.sample.tokens().saturating_add(text.frame);
    Some(Measured { vocabulary, tokens, is_exact: text.sample.is_exact() })
}

struct Text<'t> {
    sample: Sample<'t>,
    /// Tokens for what stands between the texts.
    frame: u64,
}

impl Text<'_> {
    fn value(&mut self, value: &Value<'_>) {
        match value {
            // What is only sampled need not be exact: there an escape counts as it is written, which is more.
            Value::String(text) if self.sample.is_partial() => self.sample.add(text.raw()),
            Value::String(text) => self.sample.add(&text.text()),
            Value::Number(digits) => self.sample.add(digits),
            Value::Array(elements) => {
                self.frame += elements.len() as u64;
                elements.iter().for_each(|element| self.value(element));
            }
            Value::Object { members, .. } => {
                self.frame += members.len() as u64;
                for (key, member) in members {
                    let name = key.text();
                    self.sample.add(&name);
                    if !member.as_str().is_some_and(|text| is_blob(value, &name, text)) {
                        self.value(member);
                    }
                }
            }
            Value::Bool(_) | Value::Null => self.frame += 1,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tokens(model: &str, body: &str) -> u64 {
        Vocabulary::of_model(model).unwrap_or(Vocabulary::O200k).tokenizer();
        count(&Factors::default(), body.as_bytes(), model, &mut None).unwrap().tokens
    }

    /// The example of the openai-cookbook's "How to count tokens with tiktoken", which says what the API billed.
    #[test]
    fn the_published_example_is_held_in_full_and_hardly_more() {
        let messages = serde_json::json!([
            {"role": "system", "content": "You are a helpful, pattern-following assistant that translates corporate jargon into plain English."},
            {"role": "system", "name": "example_user", "content": "New synergies will help drive top-line growth."},
            {"role": "system", "name": "example_assistant", "content": "Things working well together will increase revenue."},
            {"role": "system", "name": "example_user", "content": "Let's circle back when we have more bandwidth to touch base on opportunities for increased leverage."},
            {"role": "system", "name": "example_assistant", "content": "Let's talk later when we're less busy about how to do better."},
            {"role": "user", "content": "This late pivot means we don't have time to boil the ocean for the client deliverable."},
        ]);
        for (model, billed) in [("gpt-3.5-turbo", 129), ("gpt-4", 129), ("gpt-4o", 124), ("gpt-4o-mini", 124)]
        {
            let body = serde_json::json!({"model": model, "messages": messages}).to_string();
            let held = tokens(model, &body);
            assert!((billed..=billed + billed / 3).contains(&held), "{model}: {held} for {billed}");
        }
    }

    #[test]
    fn an_escape_costs_what_it_stands_for() {
        let plain = tokens("gpt-4o", r#"{"model":"gpt-4o","input":"Grüße\naus \"Köln\""}"#);
        let escaped = tokens(
            "gpt-4o",
            r#"{"model":"gpt-4o","input":"Gr\u00fc\u00dfe\u000aaus \u0022K\u00f6ln\u0022"}"#,
        );
        assert_eq!(plain, escaped);
    }

    #[test]
    fn what_is_no_text_is_not_counted() {
        let body = |data: &str| {
            format!(
                r#"{{"messages":[{{"content":[{{"type":"image","source":{{"type":"base64","media_type":"image/png","data":"{data}"}}}}]}}]}}"#
            )
        };
        let small = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg==";
        let large = small.replace("AAAADUl", &format!("AAAA{}DUl", "A".repeat(10_000)));
        let small = small.to_owned();
        assert_eq!(tokens("gpt-4o", &body(&small)), tokens("gpt-4o", &body(&large)));
        let url = |data: &str| format!(r#"{{"image_url":"data:image/png;base64,{data}"}}"#);
        assert_eq!(tokens("gpt-4o", &url(&small)), tokens("gpt-4o", &url(&large)));
    }

    #[test]
    fn other_models_are_scaled_by_what_was_billed() {
        Vocabulary::O200k.tokenizer();
        let factors = Factors::default();
        let body = format!(r#"{{"input":"{}"}}"#, "one word after another ".repeat(100));
        let first = count(&factors, body.as_bytes(), "claude-sonnet-4-5", &mut None).unwrap();
        let own = tokens("gpt-4o", &body);
        assert_eq!(first.tokens, (own * 3).div_ceil(2));
        first.lesson.unwrap().learn(&factors, own * 2);
        assert_eq!(count(&factors, body.as_bytes(), "claude-opus-4-5", &mut None).unwrap().tokens, own * 2);
        assert_eq!(
            count(&factors, body.as_bytes(), "gpt-4o", &mut None).unwrap().tokens,
            own,
            "known is known"
        );
    }

    #[test]
    fn a_long_body_is_sampled_and_teaches_nothing() {
        Vocabulary::O200k.tokenizer();
        let body = format!(r#"{{"input":"{}"}}"#, "one word after another ".repeat(10_000));
        let counted = count(&Factors::default(), body.as_bytes(), "claude", &mut None).unwrap();
        assert!((60_000..=68_000).contains(&counted.tokens), "{}", counted.tokens);
        assert!(counted.lesson.is_none());
        assert!(count(&Factors::default(), b"{", "claude", &mut None).is_none());
    }
}
