//! OpenAI chat completions. Chunks: <https://platform.openai.com/docs/api-reference/chat-streaming>.

use crate::dialect::{Reading, mark};
use crate::json::Value;
use crate::places::{Channel, Place, ROOT, Scene, Walk};
use crate::problem::{Problem, Shape};
use bytes::Bytes;
use serde_json::json;

/// What an ending has to know of a stream: the identity that every chunk repeats.
#[derive(Default)]
pub struct Stream {
    id: String,
    model: String,
    created: u64,
    choices: u64,
}

impl Stream {
    pub(crate) fn read<'a>(&mut self, walk: &mut Walk<'_, 'a>, data: &'a Value<'a>) -> Reading<'a> {
        let mut reading = Reading::default();
        self.remember(data);
        reading.usage = crate::usage::reported(data);
        reading.tier = crate::usage::tier(data);
        reading.is_failure = matches!(data.get("error"), Some(Value::Object { .. }));
        strings(walk, data, |index, ended| {
            self.choices = self.choices.max(index.saturating_add(1).min(128));
            reading.ended.extend(ended);
        });
        reading
    }

    fn remember(&mut self, data: &Value<'_>) {
        if !self.id.is_empty() {
            return;
        }
        let text = |key| data.get(key).and_then(Value::as_str).map(|text| text.text().into_owned());
        self.id = text("id").unwrap_or_default();
        self.model = text("model").unwrap_or_default();
        self.created = data.get("created").and_then(Value::as_u64).unwrap_or(0);
    }

    fn chunk(&self, choices: serde_json::Value) -> serde_json::Value {
        let id = if self.id.is_empty() { "chatcmpl-zos" } else { &self.id };
        json!({"id": id, "object": "chat.completion.chunk", "created": self.created, "model": self.model, "choices": choices})
    }

    /// The same stream without the provider's id and model.
    pub(crate) fn without_words(&self) -> Stream {
        Stream { created: self.created, choices: self.choices, ..Stream::default() }
    }

    pub(crate) fn text_event(&self, channel: Channel, text: &str) -> Bytes {
        let choice = json!({"index": channel.block, "delta": {"content": text}, "finish_reason": null});
        Bytes::from(format!("data: {}\n\n", self.chunk(json!([choice]))))
    }

    /// Ends every choice with `content_filter`.
    pub(crate) fn refusal(&self, problem: &Problem, request_id: &str) -> Bytes {
        let choices: Vec<_> = (0..self.choices.max(1))
            .map(|index| json!({"index": index, "delta": {}, "finish_reason": "content_filter"}))
            .collect();
        let mut chunk = self.chunk(choices.into());
        chunk["zos"] = mark(problem, request_id);
        Bytes::from(format!("data: {chunk}\n\ndata: [DONE]\n\n"))
    }
}

/// Every string of a chunk or an answer. Tells each choice by its number, and its place where it is said to
/// be over.
fn strings<'a>(walk: &mut Walk<'_, 'a>, data: &'a Value<'a>, mut choice: impl FnMut(u64, Option<Place>)) {
    walk.members(ROOT, data, Scene::whole(), |walk, name, place, value| {
        if name != "choices" {
            return walk.value(place, name, value, Scene::whole());
        }
        walk.elements(place, value, Scene::whole().pieces(), |walk, place, element| {
            let index = element.get("index").and_then(Value::as_u64).unwrap_or(0);
            let scene = Scene::whole().of(place, place);
            walk.members(place, element, scene, |walk, name, place, member| match name {
                "delta" | "message" | "text" | "content" => {
                    let spoken = (name == "delta").then_some(Channel { block: index, part: 0 });
                    walk.value(place, name, member, scene.pieces().spoken(spoken));
                }
                "logprobs" => walk.echo(place, member, scene),
                _ => walk.value(place, name, member, scene.member(name, member)),
            });
            let reason = element.get("finish_reason").and_then(Value::as_str);
            let is_over = reason.is_some_and(|reason| !reason.raw().is_empty() && !reason.is("null"));
            choice(index, is_over.then_some(place));
        });
    });
}

/// Every string of a whole answer.
pub(crate) fn whole<'a>(walk: &mut Walk<'_, 'a>, answer: &'a Value<'a>) {
    strings(walk, answer, |_, _| {});
}

/// An error object, and no `[DONE]`.
pub(crate) fn failure(problem: &Problem, request_id: &str) -> Bytes {
    let error = problem.error_object(Shape::OpenAi, request_id);
    Bytes::from(format!("data: {}\n\n", json!({"error": error, "zos": mark(problem, request_id)})))
}
