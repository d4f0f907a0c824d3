//! OpenAI chat completions. Chunks: <https://platform.openai.com/docs/api-reference/chat-streaming>.

use crate::clients::Client;
use crate::dialect::{self, COMMENT, Cut, Delivered, Reading, last_words, mark};
use crate::json::Value;
use crate::places::{Channel, Place, ROOT, Scene, Walk};
use crate::problem::{Problem, Shape};
use bytes::Bytes;
use serde_json::json;

/// What tells the chunks of chats from those of OpenAI's older endpoint for completions.
pub(crate) struct Form {
    /// The `object` of a chunk.
    pub(crate) object: &'static str,
    /// The id of a chunk of ours, where the provider gave none.
    pub(crate) id: &'static str,
    /// The member of a choice that its text arrives in.
    pub(crate) spoken_in: &'static str,
    /// The members of a choice that say a text.
    pub(crate) says: fn(&str) -> serde_json::Value,
    /// Those of one that says nothing more.
    pub(crate) ends: fn() -> serde_json::Value,
}

/// Chunks of a chat.
pub(crate) const CHAT: Form = Form {
    object: "chat.completion.chunk",
    id: "chatcmpl-zos",
    spoken_in: "delta",
    says: |text| json!({"delta": {"content": text}}),
    ends: || json!({"delta": {}}),
};

/// What an ending has to know of a stream: the identity that every chunk repeats.
pub(crate) struct Stream {
    form: &'static Form,
    id: String,
    model: String,
    created: u64,
    choices: u64,
}

impl Stream {
    pub(crate) fn new(form: &'static Form) -> Self {
        Stream { form, id: String::new(), model: String::new(), created: 0, choices: 0 }
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
        let id = if self.id.is_empty() { self.form.id } else { &self.id };
        json!({"id": id, "object": self.form.object, "created": self.created, "model": self.model, "choices": choices})
    }
}

/// A choice of a chunk with these members.
fn choice(index: u64, members: serde_json::Value, reason: Option<&str>) -> serde_json::Value {
    let mut choice = json!({"index": index});
    if let (Some(choice), serde_json::Value::Object(members)) = (choice.as_object_mut(), members) {
        choice.extend(members);
    }
    choice["finish_reason"] = json!(reason);
    choice
}

impl dialect::Stream for Stream {
    fn read<'a>(&mut self, walk: &mut Walk<'_, 'a>, _: &str, data: &'a Value<'a>) -> Reading<'a> {
        let mut reading = Reading::default();
        self.remember(data);
        reading.usage = crate::usage::reported(data);
        reading.tier = crate::usage::tier(data);
        reading.is_failure = matches!(data.get("error"), Some(Value::Object { .. }));
        strings(walk, data, self.form.spoken_in, |index, ended| {
            self.choices = self.choices.max(index.saturating_add(1).min(128));
            reading.ended.extend(ended);
        });
        reading
    }

    fn whole<'a>(&self, walk: &mut Walk<'_, 'a>, answer: &'a Value<'a>) {
        strings(walk, answer, self.form.spoken_in, |_, _| {});
    }

    /// Chunks have no names.
    fn knows(&self, _: &str) -> bool {
        false
    }

    fn has_end_marker(&self) -> bool {
        true
    }

    /// There are none, only the end of a whole choice.
    fn ends_blocks(&self) -> bool {
        false
    }

    fn delivery(&self, _: &str, _: &Value<'_>) -> Delivered {
        Delivered::Other
    }

    fn delivered(&mut self, _: &Delivered) {}

    fn text_event(&self, channel: Channel, text: &str) -> Bytes {
        let choice = choice(channel.block, (self.form.says)(text), None);
        Bytes::from(format!("data: {}\n\n", self.chunk(json!([choice]))))
    }

    /// Our sentence as the last words of every choice, since a reader may look at one alone, and the native ending. Inside
    /// a call an error, which no reader takes for an end.
    fn cut(&self, cut: &Cut<'_>, _: &Client) -> Bytes {
        if cut.in_call {
            return self.failure(cut.problem, cut.request_id);
        }
        let words = last_words(cut.problem);
        let said = (0..self.choices.max(1)).map(|block| self.text_event(Channel { block, part: 0 }, &words));
        let end = self.refusal(cut.problem, cut.request_id, cut.usage.output);
        Bytes::from(said.chain([end]).collect::<Vec<_>>().concat())
    }

    /// Ends every choice with `content_filter`.
    fn refusal(&self, problem: &Problem, request_id: &str, _: u64) -> Bytes {
        let choices: Vec<_> = (0..self.choices.max(1))
            .map(|index| choice(index, (self.form.ends)(), Some("content_filter")))
            .collect();
        let mut chunk = self.chunk(choices.into());
        chunk["zos"] = mark(problem, request_id);
        Bytes::from(format!("data: {chunk}\n\ndata: [DONE]\n\n"))
    }

    /// An error object, and no `[DONE]`.
    fn failure(&self, problem: &Problem, request_id: &str) -> Bytes {
        let error = problem.error_object(Shape::OpenAi, request_id);
        Bytes::from(format!("data: {}\n\n", json!({"error": error, "zos": mark(problem, request_id)})))
    }

    fn foreign_failure(&self, error: &serde_json::Value) -> Bytes {
        Bytes::from(format!("data: {error}\n\n"))
    }

    fn without_words(&self) -> Box<dyn dialect::Stream> {
        Box::new(Stream { created: self.created, choices: self.choices, ..Stream::new(self.form) })
    }

    fn ping(&self) -> Bytes {
        COMMENT
    }
}

/// Every string of a chunk or an answer. Tells each choice by its number, and its place where it is said to
/// be over.
fn strings<'a>(
    walk: &mut Walk<'_, 'a>,
    data: &'a Value<'a>,
    spoken_in: &str,
    mut choice: impl FnMut(u64, Option<Place>),
) {
    walk.members(ROOT, data, Scene::whole(), |walk, name, place, value| {
        if name != "choices" {
            return walk.value(place, name, value, Scene::whole());
        }
        walk.elements(place, value, Scene::whole(), |walk, place, element| {
            let index = element.get("index").and_then(Value::as_u64).unwrap_or(0);
            let scene = Scene::whole().of(place, place);
            walk.members(place, element, scene, |walk, name, place, member| match name {
                "delta" | "message" | "text" | "content" => {
                    let spoken = (name == spoken_in).then_some(Channel { block: index, part: 0 });
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
