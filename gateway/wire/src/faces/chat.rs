//! OpenAI chat completions: <https://platform.openai.com/docs/api-reference/chat>. Thinking stands in
//! `reasoning_content`, as the servers that run open models write it, and with its signature in
//! `reasoning_details`, as OpenRouter does.

mod answer;
mod demo;
pub(crate) mod dialect;
mod events;
pub(crate) mod request;
mod write;

use crate::canon;
use crate::face::{Charge, Endpoint, Face, Facts, Instructions, Keeps, KeptIds, Store};
use crate::json::{Edit, Value};
use crate::problem::Problem;
use crate::sse::Stop;
use crate::system;
use crate::translate::answer::Answer;
use crate::translate::conversation::Request;
use crate::translate::event::Event;
use crate::translate::strict;
use crate::translate::{Caller, Provided, ReadEvents, Target, Untranslatable, WriteEvents};
use crate::turn::{Demo, Turn};
use std::borrow::Cow;
use zos_core::{Api, Canon, Provider};
use zos_meter::Counting;

/// `POST /v1/chat/completions`
pub(crate) struct Chat;

impl Endpoint for Chat {
    fn facts(&self) -> &'static Facts {
        &Facts {
            name: "chat_completions",
            operation: "chat",
            path: "chat/completions",
            api: Api::OpenAi,
            counting: Counting::ChatCompletions,
            charge: Charge::Tokens,
            writes: true,
            may_fall_back: true,
            keeps: Keeps { ids: KeptIds::Sounds, store: Store::OnRequest },
            instructions: Some(&Chat),
            stream: Some(|| Box::new(dialect::Stream::new(&dialect::CHAT))),
            caller: Some(&Chat),
            provided: Some(&Chat),
        }
    }

    fn is_served_by(&self, _: &Provider) -> bool {
        true
    }

    fn across(&self, api: Api) -> Option<Face> {
        (api == Api::Anthropic).then_some(Face::Messages)
    }

    fn demo(&self, turn: &Turn, request: &Value<'_>) -> Demo {
        let wants_usage =
            request.at(&["stream_options", "include_usage"]).and_then(Value::as_bool).unwrap_or(false);
        demo::answer(turn, wants_usage)
    }
}

impl Instructions for Chat {
    fn system<'b>(&self, body: &'b Value<'b>) -> Vec<Cow<'b, str>> {
        system::leading(body.get("messages"))
    }

    fn put_canon(&self, text: &str, body: &Value<'_>, canon: &Canon) -> Result<Vec<Edit>, Problem> {
        canon::message_in_front(text, body, canon)
    }
}

impl Caller for Chat {
    fn read_request(&self, body: serde_json::Value) -> Result<Request, Untranslatable> {
        request::read(body)
    }

    fn write_answer(&self, answer: &Answer, now_s: u64) -> Result<serde_json::Value, Untranslatable> {
        Ok(answer::write(answer, now_s))
    }

    /// Only chat has a choice about the usage at the end of a stream.
    fn events(&self, request: &[u8], now_s: u64, _: usize) -> Box<dyn WriteEvents> {
        let wants_usage = strict::read(request)
            .is_ok_and(|body| body["stream_options"]["include_usage"] == serde_json::Value::Bool(true));
        Box::new(events::Writer::new(now_s, wants_usage))
    }
}

impl Provided for Chat {
    fn write_request(
        &self,
        request: Request,
        target: Target<'_>,
    ) -> Result<serde_json::Value, Untranslatable> {
        write::request(request, target)
    }

    fn read_answer(&self, body: &serde_json::Value) -> Result<Answer, Untranslatable> {
        answer::read(body)
    }

    fn events(&self, limit_bytes: usize) -> Box<dyn ReadEvents> {
        Box::new(events::Reader::new(limit_bytes))
    }
}

impl ReadEvents for events::Reader {
    /// Of its own, Groq's, Moonshot's: see `usage.rs`.
    fn usage<'d>(&self, data: &'d serde_json::Value) -> Option<&'d serde_json::Value> {
        [&data["usage"], &data["x_groq"]["usage"], &data["choices"][0]["usage"]]
            .into_iter()
            .find(|usage| usage.is_object())
    }

    fn is_alive_only(&self, _: &serde_json::Value) -> bool {
        false
    }

    fn take(&mut self, data: &serde_json::Value, events: &mut Vec<Event>) -> Result<(), Stop> {
        events::Reader::take(self, data, events)
    }

    fn done(&mut self, events: &mut Vec<Event>) -> bool {
        events::Reader::done(self, events);
        true
    }
}

impl WriteEvents for events::Writer {
    fn say(&mut self, event: Event, out: &mut Vec<String>) -> Result<(), Stop> {
        events::Writer::say(self, event, out);
        Ok(())
    }
}
