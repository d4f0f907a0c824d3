//! Endings of a stream, in the dialect's own words.
//!
//! An ending repeats words of the provider: the id and the model of its answer, or the response object as it was
//! announced. The event that they came in may be the very one that was refused, or may have left with other words. So
//! they are inspected where they are said: where the room would not let them pass, the ending holds words of ours alone.

use super::{Guard, inspect};
use crate::findings::Findings;
use bytes::Bytes;
use zos_core::Effect;
use zos_wire::clients::Form;
use zos_wire::dialect::Cut;
use zos_wire::faces::Dialect;
use zos_wire::json;
use zos_wire::places::Channel;
use zos_wire::problem::Problem;
use zos_wire::sse::{Fields, Framer};

impl Guard {
    /// The ending of an answer that we stop, in the form for its caller.
    pub fn cut(&self, cut: &Cut<'_>, form: Form) -> Bytes {
        self.said_by_us(|dialect| dialect.cut(cut, form))
    }

    /// The native ending of an answer that was refused.
    pub fn refusal(&self, problem: &Problem, request_id: &str, output_tokens: u64) -> Bytes {
        self.said_by_us(|dialect| dialect.refusal(problem, request_id, output_tokens))
    }

    /// An error event, after which nothing looks complete.
    pub fn failure(&self, problem: &Problem, request_id: &str) -> Bytes {
        self.said_by_us(|dialect| dialect.failure(problem, request_id))
    }

    /// What keeps a stream alive that has nothing to say.
    pub fn ping(&self) -> Bytes {
        self.dialect.ping()
    }

    /// An event with the harmless start of a text.
    pub(super) fn start(&self, channel: Channel, words: &str) -> Bytes {
        self.said_by_us(|dialect| dialect.text_event(channel, words))
    }

    /// Events that we write, without words of the provider where the room denies or replaces any of them.
    fn said_by_us(&self, write: impl Fn(&Dialect) -> Bytes) -> Bytes {
        let events = write(&self.dialect);
        if self.may_say(&events) { events } else { write(&self.dialect.without_words()) }
    }

    fn may_say(&self, events: &[u8]) -> bool {
        let mut framer = Framer::new(usize::MAX);
        framer.push(events);
        let mut found = Findings::default();
        while let Ok(Some(frame)) = framer.next_frame() {
            let Ok(Fields { data: Some(data), .. }) = frame.fields() else { continue };
            // `[DONE]` is no JSON.
            if let Ok(value) = json::parse(&data) {
                inspect::tree(&self.policy, &value, &[], &mut found);
            }
        }
        found.found.iter().all(|found| self.policy.effect(found.rule) == Effect::Report)
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::policy;
    use super::*;
    use serde_json::{Value, json};
    use std::time::Instant;
    use zos_wire::face::Face;
    use zos_wire::problem::Code;

    const TERM: &str = "Quiet Heron";

    /// The ways to all values below this one.
    fn ways(value: &Value, way: &str, all: &mut Vec<String>) {
        let below: Vec<(String, &Value)> = match value {
            Value::Array(elements) => {
                elements.iter().enumerate().map(|(at, inner)| (at.to_string(), inner)).collect()
            }
            Value::Object(members) => members.iter().map(|(key, inner)| (key.clone(), inner)).collect(),
            _ => Vec::new(),
        };
        for (key, inner) in below {
            let way = format!("{way}/{key}");
            ways(inner, &way, all);
            all.push(way);
        }
    }

    /// Wherever the first event of an answer holds a term, and whatever stands there, no ending says it again.
    #[test]
    fn no_ending_repeats_what_was_refused() {
        let first = [
            (
                Face::ChatCompletions,
                json!({"id": "c", "object": "chat.completion.chunk", "created": 1, "model": "m",
                       "choices": [{"index": 0, "delta": {"role": "assistant", "content": "a"}}]}),
            ),
            (
                Face::Responses,
                json!({"type": "response.created", "response": {"id": "r", "object": "response", "model": "m",
                       "output": [], "instructions": "b", "metadata": {"k": "v"}, "tools": [{"name": "t"}]}}),
            ),
            (
                Face::Responses,
                json!({"type": "response.output_text.delta", "item_id": "i", "output_index": 0, "content_index": 0,
                       "delta": "a"}),
            ),
            (
                Face::Messages,
                json!({"type": "message_start", "message": {"id": "m", "type": "message", "role": "assistant",
                       "model": "c", "content": [], "usage": {"input_tokens": 1, "output_tokens": 1}}}),
            ),
        ];
        let problem = Problem::new(Code::FirewallResponse, "The answer holds something.");
        for effect in [Effect::Block, Effect::Redact, Effect::Ask] {
            for (face, event) in &first {
                let mut all = Vec::new();
                ways(event, "", &mut all);
                for way in all {
                    for instead in [json!(TERM), json!([TERM]), json!({"0": [[TERM]]}), json!({TERM: 1})] {
                        let mut event = event.clone();
                        *event.pointer_mut(&way).unwrap() = instead;
                        let mut framer = Framer::new(usize::MAX);
                        framer.push(format!("data: {event}\n\n").as_bytes());
                        let frame = framer.next_frame().unwrap().unwrap();
                        let policy = policy(&[(TERM, effect)]);
                        let mut guard = Guard::new(Dialect::of(*face).unwrap(), policy, None, 1 << 20);
                        let _ = guard.take(&frame, Instant::now(), &mut Vec::new());
                        for ending in [
                            guard.refusal(&problem, "id", 1),
                            guard.failure(&problem, "id"),
                            guard.start(Channel { block: 0, part: 0 }, "harmless"),
                        ] {
                            let ending = String::from_utf8(ending.to_vec()).unwrap();
                            assert!(!ending.contains(TERM), "{face:?} {effect:?} {way}: {ending}");
                        }
                    }
                }
            }
        }
    }

    #[test]
    fn an_ending_is_of_the_answer_that_it_ends_where_nothing_is_wrong_with_that() {
        let event =
            r#"{"id":"chatcmpl-7","object":"chat.completion.chunk","created":5,"model":"m-1","choices":[]}"#;
        let mut framer = Framer::new(1 << 20);
        framer.push(format!("data: {event}\n\n").as_bytes());
        let mut guard = Guard::new(
            Dialect::of(Face::ChatCompletions).unwrap(),
            policy(&[(TERM, Effect::Block)]),
            None,
            1 << 20,
        );
        guard.take(&framer.next_frame().unwrap().unwrap(), Instant::now(), &mut Vec::new()).unwrap();
        let problem = Problem::new(Code::FirewallResponse, "The answer holds something.");
        let ending = String::from_utf8(guard.refusal(&problem, "id", 1).to_vec()).unwrap();
        assert!(ending.contains("chatcmpl-7") && ending.contains("m-1"), "{ending}");
    }
}
