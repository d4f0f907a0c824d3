//! Anthropic messages: <https://docs.anthropic.com/en/api/messages>.

mod answer;
mod demo;
mod dialect;
mod events;
mod request;
pub(crate) mod write;

use crate::canon;
use crate::face::{Charge, Endpoint, Face, Facts, Instructions, Keeps, KeptIds, Store};
use crate::json::{Edit, Value};
use crate::problem::Problem;
use crate::sse::Stop;
use crate::system;
use crate::translate::answer::Answer;
use crate::translate::conversation::Request;
use crate::translate::event::Event;
use crate::translate::{Caller, Provided, ReadEvents, Target, Untranslatable, WriteEvents};
use crate::turn::{Demo, Turn};
use serde_json::json;
use std::borrow::Cow;
use zos_core::{Api, Canon, Provider};
use zos_meter::Counting;

/// `POST /v1/messages`
pub(crate) struct Messages;

impl Endpoint for Messages {
    fn facts(&self) -> &'static Facts {
        &Facts {
            name: "messages",
            operation: "chat",
            path: "messages",
            api: Api::Anthropic,
            counting: Counting::Messages,
            charge: Charge::Tokens,
            writes: true,
            may_fall_back: true,
            keeps: Keeps { ids: KeptIds::Parts, store: Store::Never },
            instructions: Some(&Messages),
            stream: Some(|| Box::new(dialect::Stream::default())),
            caller: Some(&Messages),
            provided: Some(&Messages),
        }
    }

    fn is_served_by(&self, _: &Provider) -> bool {
        true
    }

    fn across(&self, api: Api) -> Option<Face> {
        (api == Api::OpenAi).then_some(Face::ChatCompletions)
    }

    fn demo(&self, turn: &Turn, _: &Value<'_>) -> Demo {
        demo::answer(turn)
    }
}

impl Instructions for Messages {
    fn system<'b>(&self, body: &'b Value<'b>) -> Vec<Cow<'b, str>> {
        system::blocks(body.get("system"))
    }

    fn put_canon(&self, text: &str, body: &Value<'_>, canon: &Canon) -> Result<Vec<Edit>, Problem> {
        canon::blocks_in_system(text, body, canon)
    }
}

/// `POST /v1/messages/count_tokens`: the request of a message, answered with the number of its tokens.
pub(crate) struct CountTokens;

impl Endpoint for CountTokens {
    fn facts(&self) -> &'static Facts {
        &Facts {
            name: "count_tokens",
            operation: "chat",
            path: "messages/count_tokens",
            api: Api::Anthropic,
            counting: Counting::CountTokens,
            charge: Charge::Nothing,
            writes: false,
            may_fall_back: false,
            keeps: Keeps::NOTHING,
            instructions: Some(&Messages),
            stream: None,
            caller: None,
            provided: None,
        }
    }

    fn is_served_by(&self, _: &Provider) -> bool {
        true
    }

    fn across(&self, _: Api) -> Option<Face> {
        None
    }

    fn demo(&self, turn: &Turn, _: &Value<'_>) -> Demo {
        Demo::Plain(json!({"input_tokens": turn.input}))
    }
}

impl Caller for Messages {
    fn read_request(&self, body: serde_json::Value) -> Result<Request, Untranslatable> {
        request::read(body)
    }

    fn write_answer(&self, answer: &Answer, _: u64) -> Result<serde_json::Value, Untranslatable> {
        answer::write(answer)
    }

    fn events(&self, _: &[u8], _: u64, _: usize) -> Box<dyn WriteEvents> {
        Box::new(events::Writer::default())
    }
}

impl Provided for Messages {
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

    fn events(&self, _: usize) -> Box<dyn ReadEvents> {
        Box::new(events::Reader::default())
    }
}

impl ReadEvents for events::Reader {
    fn usage<'d>(&self, data: &'d serde_json::Value) -> Option<&'d serde_json::Value> {
        let holder = if data["type"] == "message_start" { &data["message"] } else { data };
        holder.get("usage")
    }

    fn is_alive_only(&self, data: &serde_json::Value) -> bool {
        data["type"] == "ping"
    }

    fn take(&mut self, data: &serde_json::Value, events: &mut Vec<Event>) -> Result<(), Stop> {
        events::Reader::take(self, data, events)
    }

    fn done(&mut self, _: &mut Vec<Event>) -> bool {
        false
    }
}

impl WriteEvents for events::Writer {
    fn say(&mut self, event: Event, out: &mut Vec<String>) -> Result<(), Stop> {
        events::Writer::say(self, event, out);
        Ok(())
    }
}
