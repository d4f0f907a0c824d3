//! OpenAI responses: <https://platform.openai.com/docs/api-reference/responses>. Only the caller's side:
//! a provider that has this API is called in it. Thinking is the summary of a reasoning item, and its
//! signature the item's `encrypted_content`.

mod answer;
mod demo;
mod dialect;
mod events;
mod request;

use crate::canon;
use crate::face::{Charge, Endpoint, Face, Facts, Instructions, Keeps, KeptIds, Store};
use crate::json::{Edit, Value};
use crate::problem::Problem;
use crate::sse::Stop;
use crate::system;
use crate::translate::answer::Answer;
use crate::translate::conversation::Request;
use crate::translate::event::Event;
use crate::translate::{Caller, Untranslatable, WriteEvents};
use crate::turn::{Demo, Turn};
use std::borrow::Cow;
use zos_core::{Api, Canon, Provider};
use zos_meter::Counting;

/// Marks, in `encrypted_content`, thinking that only its provider can read.
const REDACTED: &str = "redacted:";

/// `POST /v1/responses`
pub(crate) struct Responses;

impl Endpoint for Responses {
    fn facts(&self) -> &'static Facts {
        &Facts {
            name: "responses",
            operation: "chat",
            path: "responses",
            api: Api::OpenAi,
            counting: Counting::Responses,
            charge: Charge::Tokens,
            writes: true,
            may_fall_back: true,
            keeps: Keeps { ids: KeptIds::Every, store: Store::ByDefault },
            instructions: Some(&Responses),
            stream: Some(|| Box::new(dialect::Stream::default())),
            caller: Some(&Responses),
            provided: None,
        }
    }

    fn is_served_by(&self, provider: &Provider) -> bool {
        provider.speaks_responses
    }

    fn across(&self, api: Api) -> Option<Face> {
        Some(match api {
            Api::OpenAi => Face::ChatCompletions,
            Api::Anthropic => Face::Messages,
        })
    }

    fn demo(&self, turn: &Turn, _: &Value<'_>) -> Demo {
        demo::answer(turn)
    }
}

impl Instructions for Responses {
    fn system<'b>(&self, body: &'b Value<'b>) -> Vec<Cow<'b, str>> {
        let mut texts = match body.get("instructions") {
            Some(Value::Array(items)) => items
                .iter()
                .flat_map(|item| system::blocks(Some(item.get("content").unwrap_or(item))))
                .collect(),
            own => system::blocks(own),
        };
        texts.extend(system::leading(body.get("input")));
        texts
    }

    fn put_canon(&self, text: &str, body: &Value<'_>, canon: &Canon) -> Result<Vec<Edit>, Problem> {
        canon::text_in_instructions(text, body, canon)
    }
}

impl Caller for Responses {
    fn read_request(&self, body: serde_json::Value) -> Result<Request, Untranslatable> {
        request::read(body)
    }

    fn write_answer(&self, answer: &Answer, now_s: u64) -> Result<serde_json::Value, Untranslatable> {
        Ok(answer::write(answer, now_s))
    }

    fn events(&self, _: &[u8], now_s: u64, limit_bytes: usize) -> Box<dyn WriteEvents> {
        Box::new(events::Writer::new(now_s, limit_bytes))
    }
}

impl WriteEvents for events::Writer {
    fn say(&mut self, event: Event, out: &mut Vec<String>) -> Result<(), Stop> {
        events::Writer::say(self, event, out)
    }
}
