//! The built-in provider `demo`: models `demo/*`, no key, no network.
//!
//! It lets a newcomer see a governed call, and a block, in the first minute. It is no model: it repeats,
//! or says the words that it is asked for. Every answer says so in its text, its id and a header.
//!
//! What can be asked for: `say: words` makes it say those words; `say backwards: sdrow` says them turned
//! round, so that a word can be in the answer without being in the question.

use bytes::Bytes;
use futures::StreamExt;
use futures::stream::{self, BoxStream};
use http::{HeaderMap, HeaderValue, StatusCode, header};
use serde_json::json;
use std::time::Duration;
use zos_wire::json::{self, Value};

/// Pause between the words of a stream, so that it can be watched.
const WORD_PAUSE: Duration = Duration::from_millis(15);

/// What every text of it begins with.
const MARK: &str = "[zOS demo, no AI]";

/// The dimensions of its embeddings.
const DIMENSIONS: u64 = 8;

/// An answer as a provider would give it.
pub(super) struct Said {
    pub(super) status: StatusCode,
    pub(super) headers: HeaderMap,
    pub(super) body: BoxStream<'static, Bytes>,
}

/// Answers a request body on an upstream path.
pub(super) fn answer(path: &str, body: &Bytes) -> Said {
    let text = String::from_utf8_lossy(body);
    let Ok(request) = json::parse(&text) else {
        let error = json!({"error": {"message": "The demo provider was sent no JSON.", "type": "invalid_request_error", "code": null}});
        return plain(StatusCode::BAD_REQUEST, &error);
    };
    let model = request
        .get("model")
        .and_then(Value::as_str)
        .map(|model| model.text().into_owned())
        .unwrap_or_default();
    let is_stream = request.get("stream").and_then(Value::as_bool).unwrap_or(false);
    let question = question(&request);
    let turn = Turn { words: reply(&question), model, input: zos_meter::estimate_tokens(&text) };
    match path.split('?').next().unwrap_or_default() {
        "/v1/messages" if is_stream => events(turn.messages_events()),
        "/v1/messages" => plain(StatusCode::OK, &turn.message()),
        "/v1/messages/count_tokens" => plain(StatusCode::OK, &json!({"input_tokens": turn.input})),
        "/v1/chat/completions" if is_stream => {
            let wants_usage =
                request.at(&["stream_options", "include_usage"]).and_then(Value::as_bool).unwrap_or(false);
            events(turn.chat_events(wants_usage))
        }
        "/v1/chat/completions" => plain(StatusCode::OK, &turn.chat()),
        "/v1/responses" if is_stream => events(turn.responses_events()),
        "/v1/responses" => plain(StatusCode::OK, &turn.response("completed", &turn.text())),
        _ => plain(StatusCode::OK, &turn.embeddings(&request)),
    }
}

/// The last thing that was said to it.
fn question(request: &Value<'_>) -> String {
    let last = |list: Option<&Value<'_>>| {
        list.and_then(|list| list.elements().last()).map(spoken).unwrap_or_default()
    };
    match request.get("input") {
        Some(Value::String(text)) => text.text().into_owned(),
        Some(input) => last(Some(input)),
        None => last(request.get("messages")),
    }
}

/// The text of a message, a part, or a list of parts.
fn spoken(value: &Value<'_>) -> String {
    match value {
        Value::String(text) => text.text().into_owned(),
        Value::Array(parts) => parts.iter().map(spoken).collect(),
        Value::Object { .. } => {
            value.get("content").or_else(|| value.get("text")).map(spoken).unwrap_or_default()
        }
        _ => String::new(),
    }
}

fn reply(question: &str) -> String {
    if let Some((_, words)) = question.split_once("say backwards:") {
        return words.trim().chars().rev().collect();
    }
    match question.split_once("say:") {
        Some((_, words)) => words.trim().to_owned(),
        None => format!("You said: {}", question.trim()),
    }
}

/// One turn of the conversation.
struct Turn {
    words: String,
    model: String,
    input: u64,
}

impl Turn {
    fn text(&self) -> String {
        format!("{MARK} {}", self.words)
    }

    fn output(&self) -> u64 {
        zos_meter::estimate_tokens(&self.text())
    }

    /// The text in pieces as a model would send it: word by word.
    fn pieces(&self) -> Vec<String> {
        self.text().split_inclusive(' ').map(str::to_owned).collect()
    }

    fn message(&self) -> serde_json::Value {
        json!({
            "id": "msg_zos_demo", "type": "message", "role": "assistant", "model": self.model,
            "content": [{"type": "text", "text": self.text()}],
            "stop_reason": "end_turn", "stop_sequence": null,
            "usage": {"input_tokens": self.input, "output_tokens": self.output()},
        })
    }

    fn messages_events(&self) -> Vec<Bytes> {
        let event = |data: serde_json::Value| {
            Bytes::from(format!("event: {}\ndata: {data}\n\n", data["type"].as_str().unwrap_or_default()))
        };
        let mut start = self.message();
        start["content"] = json!([]);
        start["stop_reason"] = json!(null);
        start["usage"] = json!({"input_tokens": self.input, "output_tokens": 1});
        let mut events = vec![
            event(json!({"type": "message_start", "message": start})),
            event(
                json!({"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}}),
            ),
        ];
        events.extend(self.pieces().into_iter().map(|text| {
            event(json!({"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": text}}))
        }));
        events.push(event(json!({"type": "content_block_stop", "index": 0})));
        let delta = json!({"stop_reason": "end_turn", "stop_sequence": null});
        events.push(event(
            json!({"type": "message_delta", "delta": delta, "usage": {"output_tokens": self.output()}}),
        ));
        events.push(event(json!({"type": "message_stop"})));
        events
    }

    fn chat_usage(&self) -> serde_json::Value {
        let (input, output) = (self.input, self.output());
        json!({"prompt_tokens": input, "completion_tokens": output, "total_tokens": input + output})
    }

    fn chat(&self) -> serde_json::Value {
        json!({
            "id": "chatcmpl-zos-demo", "object": "chat.completion", "created": 0, "model": self.model,
            "choices": [{"index": 0, "message": {"role": "assistant", "content": self.text()}, "finish_reason": "stop"}],
            "usage": self.chat_usage(),
        })
    }

    fn chat_events(&self, wants_usage: bool) -> Vec<Bytes> {
        let chunk = |choices: serde_json::Value| json!({"id": "chatcmpl-zos-demo", "object": "chat.completion.chunk", "created": 0, "model": self.model, "choices": choices});
        let delta = |delta: serde_json::Value, finish: Option<&str>| {
            chunk(json!([{"index": 0, "delta": delta, "finish_reason": finish}]))
        };
        let mut chunks = vec![delta(json!({"role": "assistant", "content": ""}), None)];
        chunks.extend(self.pieces().into_iter().map(|text| delta(json!({"content": text}), None)));
        chunks.push(delta(json!({}), Some("stop")));
        if wants_usage {
            let mut last = chunk(json!([]));
            last["usage"] = self.chat_usage();
            chunks.push(last);
        }
        let lines = chunks.into_iter().map(|chunk| Bytes::from(format!("data: {chunk}\n\n")));
        lines.chain([Bytes::from_static(b"data: [DONE]\n\n")]).collect()
    }

    fn response(&self, status: &str, text: &str) -> serde_json::Value {
        let (input, output) = (self.input, self.output());
        let content = json!([{"type": "output_text", "text": text, "annotations": []}]);
        let is_done = status == "completed";
        let items = json!([{"id": "msg_zos_demo", "type": "message", "role": "assistant", "status": "completed", "content": content}]);
        json!({
            "id": "resp_zos_demo", "object": "response", "created_at": 0, "status": status, "model": self.model,
            "output": if is_done { items } else { json!([]) },
            "error": null, "incomplete_details": null, "instructions": null, "metadata": {}, "parallel_tool_calls": true,
            "temperature": null, "top_p": null, "tool_choice": "auto", "tools": [],
            "usage": if is_done {
                json!({
                    "input_tokens": input, "input_tokens_details": {"cached_tokens": 0},
                    "output_tokens": output, "output_tokens_details": {"reasoning_tokens": 0},
                    "total_tokens": input + output,
                })
            } else {
                json!(null)
            },
        })
    }

    fn responses_events(&self) -> Vec<Bytes> {
        let text = self.text();
        let item = |status: &str, content: serde_json::Value| json!({"id": "msg_zos_demo", "type": "message", "role": "assistant", "status": status, "content": content});
        let part = |text: &str| json!({"type": "output_text", "text": text, "annotations": []});
        let place = json!({"item_id": "msg_zos_demo", "output_index": 0, "content_index": 0});
        let at = |kind: &str, key: &str, value: serde_json::Value| {
            let mut event = place.clone();
            event["type"] = json!(kind);
            event[key] = value;
            event
        };
        let mut all = vec![
            json!({"type": "response.created", "response": self.response("in_progress", "")}),
            json!({"type": "response.output_item.added", "output_index": 0, "item": item("in_progress", json!([]))}),
            at("response.content_part.added", "part", part("")),
        ];
        all.extend(self.pieces().into_iter().map(|piece| {
            let mut event = at("response.output_text.delta", "delta", json!(piece));
            event["logprobs"] = json!([]);
            event
        }));
        let mut done = at("response.output_text.done", "text", json!(text));
        done["logprobs"] = json!([]);
        all.push(done);
        all.push(at("response.content_part.done", "part", part(&text)));
        all.push(json!({"type": "response.output_item.done", "output_index": 0, "item": item("completed", json!([part(&text)]))}));
        all.push(json!({"type": "response.completed", "response": self.response("completed", &text)}));
        all.into_iter()
            .enumerate()
            .map(|(number, mut data)| {
                data["sequence_number"] = json!(number);
                Bytes::from(format!("event: {}\ndata: {data}\n\n", data["type"].as_str().unwrap_or_default()))
            })
            .collect()
    }

    /// A small vector for each input: letters counted, so that equal texts are equal and nothing else is
    /// promised.
    fn embeddings(&self, request: &Value<'_>) -> serde_json::Value {
        let inputs: Vec<String> = match request.get("input") {
            Some(Value::Array(inputs)) => inputs.iter().map(spoken).collect(),
            Some(input) => vec![spoken(input)],
            None => Vec::new(),
        };
        let is_base64 =
            request.get("encoding_format").and_then(Value::as_str).is_some_and(|format| format.is("base64"));
        let data: Vec<_> = inputs
            .iter()
            .enumerate()
            .map(|(index, text)| json!({"object": "embedding", "index": index, "embedding": vector(text, is_base64)}))
            .collect();
        json!({
            "object": "list", "model": self.model, "data": data,
            "usage": {"prompt_tokens": self.input, "total_tokens": self.input},
        })
    }
}

fn vector(text: &str, is_base64: bool) -> serde_json::Value {
    let mut counts = [0f32; DIMENSIONS as usize];
    for byte in text.bytes() {
        counts[usize::from(byte) % counts.len()] += 1.0;
    }
    let length = counts.iter().map(|count| count * count).sum::<f32>().sqrt().max(1.0);
    let unit = counts.map(|count| count / length);
    if is_base64 {
        use base64::Engine;
        let bytes: Vec<u8> = unit.iter().flat_map(|count| count.to_le_bytes()).collect();
        return json!(base64::engine::general_purpose::STANDARD.encode(bytes));
    }
    json!(unit)
}

fn plain(status: StatusCode, body: &serde_json::Value) -> Said {
    let body = Bytes::from(body.to_string());
    Said { status, headers: headers("application/json"), body: stream::once(async { body }).boxed() }
}

fn events(events: Vec<Bytes>) -> Said {
    let paced = stream::iter(events).enumerate().then(|(number, event)| async move {
        if number > 0 {
            tokio::time::sleep(WORD_PAUSE).await;
        }
        event
    });
    Said { status: StatusCode::OK, headers: headers("text/event-stream; charset=utf-8"), body: paced.boxed() }
}

fn headers(content_type: &'static str) -> HeaderMap {
    HeaderMap::from_iter([(header::CONTENT_TYPE, HeaderValue::from_static(content_type))])
}
