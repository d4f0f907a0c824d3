//! OpenAI responses. Events: <https://platform.openai.com/docs/api-reference/responses-streaming>.

use crate::dialect::{ANY_PART, Channel, Kind, Piece, Reading, event, mark, number};
use crate::json::Value;
use crate::problem::{Problem, Shape};
use bytes::Bytes;
use serde_json::json;
use std::collections::HashMap;

/// What an ending has to know of a stream.
#[derive(Default)]
pub struct Stream {
    /// The response object as it was announced, to be ended as incomplete.
    response: Option<String>,
    /// The next sequence number.
    sequence: u64,
    /// Item ids by output index.
    items: HashMap<u64, String>,
}

impl Stream {
    pub(crate) fn read<'a>(&mut self, event: &str, data: &'a Value<'a>) -> Reading<'a> {
        let mut reading = Reading::default();
        if let Some(sequence) = data.get("sequence_number").and_then(Value::as_u64) {
            self.sequence = sequence.saturating_add(1);
        }
        let kind = data.get("type").and_then(Value::as_str).map_or_else(|| event.into(), |kind| kind.text());
        let output = data.get("output_index").and_then(Value::as_u64).unwrap_or(0);
        if let Some(item) = data.get("item_id").and_then(Value::as_str)
            && self.items.len() < 1024
        {
            self.items.entry(output).or_insert_with(|| item.text().into_owned());
        }
        match kind.as_ref() {
            "response.created" | "response.in_progress" => {
                self.response = data.get("response").and_then(Value::raw_object).map(str::to_owned);
            }
            "response.completed" | "response.incomplete" => {
                reading.usage = data.at(&["response", "usage"]).and_then(Value::raw_object);
                reading.tier = crate::usage::tier(data);
                reading.all_ended = true;
                reading.is_terminator = true;
            }
            "response.failed" => {
                reading.usage = data.at(&["response", "usage"]).and_then(Value::raw_object);
                reading.tier = crate::usage::tier(data);
                reading.is_failure = true;
            }
            "error" => reading.is_failure = true,
            "response.output_item.added" => {
                let name = data.at(&["item", "name"]).or_else(|| data.at(&["item", "type"]));
                let name = name.and_then(Value::as_str);
                reading.tools.extend(name.map(|name| (output, ANY_PART, name)));
            }
            "response.output_item.done" => reading.ended.push(output),
            other => {
                if let (Some(family), Some(text)) =
                    (other.strip_suffix(".delta"), data.get("delta").and_then(Value::as_str))
                {
                    let channel = channel(family, output, data);
                    reading.pieces.push(Piece { channel, text });
                }
            }
        }
        reading
    }

    pub(crate) fn text_event(&self, channel: Channel, text: &str) -> Bytes {
        let item = self.items.get(&channel.block).map_or("", String::as_str);
        let data = json!({
            "type": "response.output_text.delta", "item_id": item, "output_index": channel.block,
            "content_index": channel.part, "delta": text, "logprobs": [], "sequence_number": self.sequence,
        });
        Bytes::from(event("response.output_text.delta", &data))
    }

    /// `response.incomplete` with reason `content_filter`, over the response as it was announced.
    pub(crate) fn refusal(&self, problem: &Problem, request_id: &str) -> Bytes {
        let announced = self.response.as_deref().and_then(|raw| serde_json::from_str(raw).ok());
        let mut response = match announced {
            Some(serde_json::Value::Object(response)) => response,
            _ => serde_json::Map::new(),
        };
        response.insert("status".into(), "incomplete".into());
        response.insert("incomplete_details".into(), json!({"reason": "content_filter"}));
        response.entry("object").or_insert_with(|| "response".into());
        response.entry("output").or_insert_with(|| json!([]));
        let data = json!({
            "type": "response.incomplete", "response": response, "sequence_number": self.sequence,
            "zos": mark(problem, request_id),
        });
        Bytes::from(event("response.incomplete", &data))
    }

    pub(crate) fn failure(&self, problem: &Problem, request_id: &str) -> Bytes {
        let error = problem.error_object(Shape::OpenAi, request_id);
        let data = json!({
            "type": "error", "code": problem.code.as_str(), "message": error["message"], "param": null,
            "sequence_number": self.sequence, "error": error, "zos": mark(problem, request_id),
        });
        Bytes::from(event("error", &data))
    }
}

/// The channel of a delta. Families that we do not know are channels of their own.
fn channel(family: &str, output: u64, data: &Value<'_>) -> Channel {
    let index = |key| data.get(key).and_then(Value::as_u64);
    match family {
        "response.output_text" => {
            Channel { kind: Kind::Text, block: output, part: index("content_index").unwrap_or(0) }
        }
        "response.function_call_arguments"
        | "response.mcp_call_arguments"
        | "response.custom_tool_call_input"
        | "response.mcp_call.arguments"
        | "response.code_interpreter_call_code" => {
            Channel { kind: Kind::Arguments, block: output, part: number(family) }
        }
        other => {
            let place = index("summary_index").or_else(|| index("content_index")).unwrap_or(0);
            Channel { kind: Kind::Other, block: output, part: number(other).wrapping_add(place) }
        }
    }
}
