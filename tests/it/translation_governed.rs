//! Redaction, asks, denials and the canon where the caller speaks one API and the model's provider another:
//! every rule holds in both directions, plain and streamed, and speaks in the caller's own format.

use serde_json::{Value, json};
use std::time::Duration;
use zos_tests::gateway::{Gateway, Scratch, client};
use zos_tests::{Provider, provider};

/// Who calls, and the model whose provider speaks the other API.
const PAIRS: [(Face, &str, Api); 4] = [
    (Face::Messages, "qwen", Api::Chat),
    (Face::Chat, "claude-x", Api::Messages),
    (Face::Responses, "qwen", Api::Chat),
    (Face::Responses, "claude-x", Api::Messages),
];

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Face {
    Messages,
    Chat,
    Responses,
}

#[derive(Debug, Clone, Copy)]
enum Api {
    Messages,
    Chat,
}

/// What a caller got of an answer, whatever its format.
#[derive(Debug, Default, PartialEq, Eq)]
struct Heard {
    text: String,
    arguments: String,
    /// The caller's own word for why it ended; empty where it did not end in order.
    end: String,
}

impl Face {
    fn path(self) -> &'static str {
        match self {
            Face::Messages => "/v1/messages",
            Face::Chat => "/v1/chat/completions",
            Face::Responses => "/v1/responses",
        }
    }

    fn body(self, model: &str, text: &str, is_stream: bool) -> Value {
        match self {
            Face::Responses => {
                json!({"model": model, "stream": is_stream, "instructions": "Be brief.", "input": text})
            }
            Face::Messages => {
                json!({"model": model, "max_tokens": 50, "stream": is_stream, "system": "Be brief.", "messages": [{"role": "user", "content": text}]})
            }
            Face::Chat => {
                json!({"model": model, "max_tokens": 50, "stream": is_stream, "messages": [{"role": "system", "content": "Be brief."}, {"role": "user", "content": text}]})
            }
        }
    }

    /// A body in which the model called a tool with these arguments, and the tool answered this.
    fn after_a_tool(self, model: &str, arguments: &Value, result: &str) -> Value {
        match self {
            Face::Messages => json!({"model": model, "max_tokens": 50, "messages": [
                {"role": "user", "content": "Go"},
                {"role": "assistant", "content": [{"type": "tool_use", "id": "t", "name": "send", "input": arguments}]},
                {"role": "user", "content": [{"type": "tool_result", "tool_use_id": "t", "content": result}]},
            ]}),
            Face::Chat => json!({"model": model, "max_tokens": 50, "messages": [
                {"role": "user", "content": "Go"},
                {"role": "assistant", "content": null, "tool_calls": [
                    {"id": "t", "type": "function", "function": {"name": "send", "arguments": arguments.to_string()}}]},
                {"role": "tool", "tool_call_id": "t", "content": result},
            ]}),
            Face::Responses => json!({"model": model, "input": [
                {"role": "user", "content": "Go"},
                {"type": "function_call", "call_id": "t", "name": "send", "arguments": arguments.to_string()},
                {"type": "function_call_output", "call_id": "t", "output": result},
            ]}),
        }
    }

    fn plain(self, body: &Value) -> Heard {
        let mut heard = Heard::default();
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        match self {
            Face::Messages => {
                for block in body["content"].as_array().unwrap() {
                    heard.text += block["text"].as_str().unwrap_or_default();
                    if block["type"] == "tool_use" {
                        heard.arguments += &block["input"].to_string();
                    }
                }
                heard.end = text(&body["stop_reason"]);
            }
            Face::Chat => {
                let message = &body["choices"][0]["message"];
                heard.text = text(&message["content"]);
                heard.arguments = text(&message["tool_calls"][0]["function"]["arguments"]);
                heard.end = text(&body["choices"][0]["finish_reason"]);
            }
            Face::Responses => {
                for item in body["output"].as_array().unwrap() {
                    heard.text += item["content"][0]["text"].as_str().unwrap_or_default();
                    heard.arguments += item["arguments"].as_str().unwrap_or_default();
                }
                heard.end = text(&body["status"]);
            }
        }
        heard
    }

    fn streamed(self, bytes: &str) -> Heard {
        let mut heard = Heard::default();
        let data = bytes.lines().filter_map(|line| line.strip_prefix("data: "));
        for event in data.filter_map(|data| serde_json::from_str::<Value>(data).ok()) {
            let mut add = |text: &Value, arguments: &Value, end: &Value| {
                heard.text += text.as_str().unwrap_or_default();
                heard.arguments += arguments.as_str().unwrap_or_default();
                heard.end += end.as_str().unwrap_or_default();
            };
            let none = Value::Null;
            match self {
                Face::Messages => {
                    let delta = &event["delta"];
                    add(&delta["text"], &delta["partial_json"], &delta["stop_reason"]);
                }
                Face::Chat => {
                    let choice = &event["choices"][0];
                    let arguments = &choice["delta"]["tool_calls"][0]["function"]["arguments"];
                    add(&choice["delta"]["content"], arguments, &choice["finish_reason"]);
                }
                Face::Responses => match event["type"].as_str().unwrap_or_default() {
                    "response.output_text.delta" => add(&event["delta"], &none, &none),
                    "response.function_call_arguments.delta" => add(&none, &event["delta"], &none),
                    "response.completed" | "response.incomplete" => {
                        add(&none, &none, &event["response"]["status"])
                    }
                    _ => {}
                },
            }
        }
        heard
    }

    /// How a stream ends that the firewall cut in the middle of its text.
    fn refused(self) -> (&'static str, &'static str) {
        match self {
            Face::Messages => ("refusal", "event: message_stop"),
            Face::Chat => ("content_filter", "data: [DONE]"),
            Face::Responses => ("incomplete", "event: response.incomplete"),
        }
    }

    /// What no stream may hold that did not end in order.
    fn terminator(self) -> &'static str {
        match self {
            Face::Messages => "message_stop",
            Face::Chat => "[DONE]",
            Face::Responses => "response.completed",
        }
    }

    fn ping(self) -> &'static str {
        if self == Face::Messages { "event: ping\n" } else { ": " }
    }
}

impl Api {
    fn plain(self, text: &str, arguments: &str) -> String {
        match self {
            Api::Chat => {
                let calls = json!([{"id": "t", "type": "function", "function": {"name": "send", "arguments": arguments}}]);
                let mut message = json!({"role": "assistant", "content": text});
                if !arguments.is_empty() {
                    message["tool_calls"] = calls;
                }
                let end = if arguments.is_empty() { "stop" } else { "tool_calls" };
                json!({"id": "c", "model": "m", "choices": [{"index": 0, "message": message, "finish_reason": end}],
                       "usage": {"prompt_tokens": 3, "completion_tokens": 4}})
            }
            Api::Messages => {
                let mut content = vec![json!({"type": "text", "text": text})];
                if !arguments.is_empty() {
                    let input: Value = serde_json::from_str(arguments).unwrap();
                    content.push(json!({"type": "tool_use", "id": "t", "name": "send", "input": input}));
                }
                let end = if arguments.is_empty() { "end_turn" } else { "tool_use" };
                json!({"id": "m", "type": "message", "role": "assistant", "model": "m", "content": content,
                       "stop_reason": end, "stop_sequence": null, "usage": {"input_tokens": 3, "output_tokens": 4}})
            }
        }
        .to_string()
    }

    /// The same in pieces of three characters, so that whatever matters is split.
    fn stream(self, text: &str, arguments: &str) -> String {
        let named = |data: Value| format!("event: {}\ndata: {data}\n\n", data["type"].as_str().unwrap());
        let chunk = |delta: Value, end: Value| {
            let choice = json!({"index": 0, "delta": delta, "finish_reason": end});
            format!("data: {}\n\n", json!({"id": "c", "model": "m", "choices": [choice]}))
        };
        let mut out = String::new();
        match self {
            Api::Chat => {
                for piece in pieces(text) {
                    out += &chunk(json!({"content": piece}), Value::Null);
                }
                if !arguments.is_empty() {
                    out += &chunk(
                        json!({"tool_calls": [{"index": 0, "id": "t", "function": {"name": "send", "arguments": ""}}]}),
                        Value::Null,
                    );
                }
                for piece in pieces(arguments) {
                    out += &chunk(
                        json!({"tool_calls": [{"index": 0, "function": {"arguments": piece}}]}),
                        Value::Null,
                    );
                }
                out += &chunk(json!({}), json!(if arguments.is_empty() { "stop" } else { "tool_calls" }));
                out += "data: [DONE]\n\n";
            }
            Api::Messages => {
                out += &named(
                    json!({"type": "message_start", "message": {"id": "m", "type": "message", "role": "assistant",
                    "model": "m", "content": [], "usage": {"input_tokens": 3, "output_tokens": 1}}}),
                );
                let blocks = [("text_delta", "text", text), ("input_json_delta", "partial_json", arguments)];
                for (index, (kind, key, said)) in
                    blocks.into_iter().enumerate().filter(|(_, block)| !block.2.is_empty())
                {
                    let block = match index {
                        0 => json!({"type": "text", "text": ""}),
                        _ => json!({"type": "tool_use", "id": "t", "name": "send", "input": {}}),
                    };
                    out += &named(
                        json!({"type": "content_block_start", "index": index, "content_block": block}),
                    );
                    for piece in pieces(said) {
                        out += &named(
                            json!({"type": "content_block_delta", "index": index, "delta": {"type": kind, key: piece}}),
                        );
                    }
                    out += &named(json!({"type": "content_block_stop", "index": index}));
                }
                let end = if arguments.is_empty() { "end_turn" } else { "tool_use" };
                out += &named(
                    json!({"type": "message_delta", "delta": {"stop_reason": end, "stop_sequence": null}, "usage": {"output_tokens": 4}}),
                );
                out += &named(json!({"type": "message_stop"}));
            }
        }
        out
    }
}

fn pieces(text: &str) -> Vec<String> {
    text.chars().collect::<Vec<_>>().chunks(3).map(|piece| piece.iter().collect()).collect()
}

async fn house(provider: &Provider, room: &str) -> Gateway {
    let port = provider.port;
    let fleet = format!(
        "version: 1\nproviders:\n  local: {{api: openai, base_url: \"http://127.0.0.1:{port}/v1\", key: none, responses: false}}\n  \
         far: {{api: anthropic, base_url: \"http://127.0.0.1:{port}\", key: none}}\nmodels:\n  \
         - {{id: qwen, provider: local}}\n  - {{id: claude-x, provider: far}}\n"
    );
    let config = "ask: {timeout_s: 30}\n";
    let scratch =
        Scratch::new().acme(room).file("routing/fleet.yml", &fleet).file("gateway/config.yml", config);
    scratch
        .file("manifest.json", r#"["brain/values.md"]"#)
        .file("brain/values.md", "## Candour\nSay what you do not know.\n")
        .start()
        .await
}

fn sent(provider: &Provider) -> String {
    String::from_utf8(provider.received().pop().unwrap().body).unwrap()
}

async fn send(gateway: &Gateway, face: Face, body: &Value) -> reqwest::Response {
    gateway.post(face.path(), body.to_string()).await
}

/// The one call that waits for the owner.
async fn asked(gateway: &Gateway) -> String {
    for _ in 0..500 {
        let (_, listed) = gateway.admin("GET", "/zos/v1/approvals", None).await;
        if let [only] = listed["approvals"].as_array().unwrap().as_slice()
            && only["waiting"] == 1
        {
            return only["id"].as_str().unwrap().to_owned();
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("no call waits");
}

async fn decide(gateway: &Gateway, decision: &str) {
    let path = format!("/zos/v1/approvals/{}", asked(gateway).await);
    assert_eq!(gateway.admin("POST", &path, Some(json!({"decision": decision}))).await.0, 200);
}

const REDACTS: &str = "outbound_deny: [{term: Ann Lee, action: redact, note: patient}, {term: Falcon, action: redact}, Kestrel]\n";

#[tokio::test]
async fn placeholders_go_to_the_other_api_and_come_back_as_themselves() {
    for (face, model, api) in PAIRS {
        let provider = Provider::json("{}").await;
        let gateway = house(&provider, REDACTS).await;
        // The model says the placeholder, in text and in arguments, and by itself what is redacted.
        let (text, arguments) = ("So ⟦patient-1⟧ knows Falcon.", r#"{"to":"⟦patient-1⟧","re":"x"}"#);
        for is_stream in [false, true] {
            provider.play(match is_stream {
                true => provider::events(&[api.stream(text, arguments).as_bytes()]),
                false => provider::json(200, &api.plain(text, arguments)),
            });
            let response = send(&gateway, face, &face.body(model, "Who is Ann Lee?", is_stream)).await;
            assert_eq!(
                (response.status().as_u16(), &response.headers()["x-zos-verdict"]),
                (200, &"redact".parse().unwrap())
            );
            let up = sent(&provider);
            assert!(up.contains("Who is ⟦patient-1⟧?") && !up.contains("Ann"), "{face:?} {model}: {up}");
            let bytes = response.text().await.unwrap();
            let heard = if is_stream {
                face.streamed(&bytes)
            } else {
                face.plain(&serde_json::from_str(&bytes).unwrap())
            };
            assert_eq!(heard.text, "So Ann Lee knows ⟦term-1⟧.", "{face:?} {model}: {bytes}");
            let given: Value = serde_json::from_str(&heard.arguments).unwrap();
            assert_eq!(given, json!({"to": "Ann Lee", "re": "x"}), "{face:?} {model}");
            // Where an event says the whole once more, it says the same.
            assert!(!bytes.contains("patient") && !bytes.contains("Falcon"), "{face:?} {model}: {bytes}");
            assert!(!heard.end.is_empty(), "{face:?} {model}: {bytes}");
        }
        // What the client sends back of it is hidden again, in calls and in results.
        provider.play(provider::json(200, &api.plain("fine", "")));
        let body = face.after_a_tool(model, &json!({"to": "Ann Lee"}), "Ann Lee has read it");
        assert_eq!(send(&gateway, face, &body).await.status(), 200);
        let up = sent(&provider);
        assert!(up.matches("⟦patient-1⟧").count() == 2 && !up.contains("Ann"), "{face:?} {model}: {up}");
        let records = gateway.wait_records(3).await;
        assert!(records.iter().all(|record| record["verdict"] == "redact"), "{records:?}");
    }
}

const ASKS: &str = "outbound_deny: [{term: Project Falcon, action: ask}]\n";

#[tokio::test]
async fn a_question_holds_the_call_before_it_is_carried_over() {
    for (face, model, api) in PAIRS {
        let provider = Provider::json("{}").await;
        for is_stream in [false, true] {
            // A gateway asks about one rule only so often.
            let gateway = house(&provider, ASKS).await;
            provider.play(match is_stream {
                true => provider::events(&[api.stream("fine", "").as_bytes()]),
                false => provider::json(200, &api.plain("fine", "")),
            });
            for (decision, goes_up) in
                [("allow_once", "on Project Falcon"), ("redact", "on ⟦term-1⟧"), ("deny", "")]
            {
                let before = provider.received().len();
                let body = face.body(model, &format!("on Project Falcon, {decision} {is_stream}"), is_stream);
                let request = client()
                    .post(format!("{}{}", gateway.url, face.path()))
                    .header("content-type", "application/json");
                let call = tokio::spawn(request.body(body.to_string()).send());
                asked(&gateway).await;
                assert_eq!(provider.received().len(), before, "nothing leaves while it waits");
                decide(&gateway, decision).await;
                let response = call.await.unwrap().unwrap();
                let status = response.status().as_u16();
                let bytes = response.text().await.unwrap();
                let told = format!("{face:?} {model} {decision}: {bytes}");
                assert_eq!(bytes.starts_with(face.ping()), is_stream, "{told}");
                if decision == "deny" {
                    assert_eq!(
                        (status, provider.received().len()),
                        (if is_stream { 200 } else { 403 }, before),
                        "{told}"
                    );
                    assert!(
                        bytes.contains("zos_firewall_request") && !bytes.contains(face.terminator()),
                        "{told}"
                    );
                    continue;
                }
                assert!(sent(&provider).contains(goes_up), "{}", sent(&provider));
                let heard = if is_stream {
                    face.streamed(&bytes)
                } else {
                    face.plain(&serde_json::from_str(&bytes).unwrap())
                };
                assert_eq!(heard.text, "fine", "{told}");
            }
        }
    }
}

#[tokio::test]
async fn a_question_about_an_answer_holds_it_and_lets_it_go_on() {
    for (face, model, api) in PAIRS {
        let provider = Provider::json("{}").await;
        let said = "It is Project Falcon, I think.";
        for (decision, whole) in
            [("allow_once", said), ("redact", "It is ⟦term-1⟧, I think."), ("deny", "It is ")]
        {
            let gateway = house(&provider, ASKS).await;
            provider.play(provider::json(200, &api.plain(said, "")));
            let body = face.body(model, "What is it?", false);
            let (response, ()) = tokio::join!(send(&gateway, face, &body), decide(&gateway, decision));
            let status = response.status().as_u16();
            let bytes = response.text().await.unwrap();
            let told = format!("{face:?} {model} {decision}: {bytes}");
            if decision == "deny" {
                assert!(
                    status == 502 && bytes.contains("zos_firewall_response") && !bytes.contains("Falcon"),
                    "{told}"
                );
            } else {
                assert_eq!(
                    (status, face.plain(&serde_json::from_str(&bytes).unwrap()).text.as_str()),
                    (200, whole),
                    "{told}"
                );
            }

            provider.play(provider::events(&[api.stream(said, "").as_bytes()]));
            let mut response = send(&gateway, face, &face.body(model, "What is it?", true)).await;
            let mut bytes = String::new();
            while face.streamed(&bytes).text != "It is " {
                bytes += std::str::from_utf8(
                    &response.chunk().await.unwrap().expect("what comes before is not held"),
                )
                .unwrap();
            }
            decide(&gateway, decision).await;
            bytes += &response.text().await.unwrap();
            let heard = face.streamed(&bytes);
            let told = format!("{face:?} {model} {decision}: {bytes}");
            assert_eq!(heard.text, whole, "{told}");
            let (end, terminator) = face.refused();
            assert_eq!(heard.end == end, decision == "deny", "{told}");
            assert!(decision != "deny" || bytes.contains(terminator), "{told}");
        }
    }
}

#[tokio::test]
async fn a_denied_term_cuts_text_and_calls_in_the_callers_own_format() {
    for (face, model, api) in PAIRS {
        let provider = Provider::json(&api.plain("It is a Kestrel, so", "")).await;
        let gateway = house(&provider, REDACTS).await;
        let refused = send(&gateway, face, &face.body(model, "What is it?", false)).await;
        assert_eq!(refused.status(), 502);
        let error: Value = refused.json().await.unwrap();
        assert_eq!(
            (&error["error"]["code"], error["type"] == "error"),
            (&json!("zos_firewall_response"), face == Face::Messages)
        );

        provider.play(provider::events(&[api.stream("It is a Kestrel, so", "").as_bytes()]));
        let bytes = send(&gateway, face, &face.body(model, "What is it?", true)).await.text().await.unwrap();
        let (end, terminator) = face.refused();
        let heard = face.streamed(&bytes);
        assert_eq!((heard.text.as_str(), heard.end.as_str()), ("It is a ", end), "{face:?} {model}: {bytes}");
        assert!(
            bytes.contains(terminator) && bytes.contains("zos_firewall_response"),
            "{face:?} {model}: {bytes}"
        );

        // Half a call is nothing to act upon: an error event, and no terminator. All text before it is there: a comma is
        // no digit of an encoding, as the last letter of a word may be in a room that looks for deep disguises.
        provider.play(provider::events(&[api.stream("Well,", r#"{"to":"a Kes\u0074rel"}"#).as_bytes()]));
        let bytes = send(&gateway, face, &face.body(model, "What is it?", true)).await.text().await.unwrap();
        assert!(
            bytes.contains("zos_firewall_response") && !bytes.contains(face.terminator()),
            "{face:?} {model}: {bytes}"
        );
        let heard = face.streamed(&bytes);
        assert_eq!((heard.text.as_str(), heard.end.as_str()), ("Well,", ""), "{face:?} {model}: {bytes}");
        assert!(r#"{"to":"a "#.starts_with(&heard.arguments), "{face:?} {model}: {bytes}");
        assert!(gateway.wait_records(3).await.iter().all(|record| record["verdict"] == "deny"));

        // What the caller says never gets there, in whatever field of its API.
        for body in [
            face.body(model, "a Kestrel", true),
            face.after_a_tool(model, &json!({"to": "Kestrel"}), "x"),
            face.after_a_tool(model, &json!({}), "a Kestrel"),
        ] {
            let refused = send(&gateway, face, &body).await;
            assert_eq!(refused.status(), 403, "{body}");
        }
        assert_eq!(provider.received().len(), 3);
    }
}

#[tokio::test]
async fn a_rooms_canon_stands_in_front_on_every_pair() {
    for (face, model, api) in PAIRS {
        let provider = Provider::json(&api.plain("fine", "")).await;
        let gateway = house(&provider, "isolation: hard\ncanon: {deliver: inject}\n").await;
        let response = send(&gateway, face, &face.body(model, "Hello", false)).await;
        let digest = response.headers()["x-zos-canon"].to_str().unwrap().to_owned();
        assert_eq!(
            (response.status().as_u16(), digest.starts_with("sha256:")),
            (200, true),
            "{face:?} {model}"
        );
        let up: Value = serde_json::from_str(&sent(&provider)).unwrap();
        let system = match api {
            Api::Messages => up["system"].clone(),
            Api::Chat => {
                let messages = up["messages"].as_array().unwrap();
                let heads = messages.iter().take_while(|message| message["role"] == "system");
                heads.map(|message| message["content"].clone()).collect()
            }
        }
        .to_string();
        let place = |text: &str| system.find(text).unwrap_or_else(|| panic!("{text} is not in {up}"));
        assert!(place("Say what you do not know.") < place("Be brief."), "{face:?} {model}: {up}");
        assert!(!up["messages"].as_array().unwrap().last().unwrap().to_string().contains("Say what"), "{up}");
        assert_eq!(gateway.wait_records(1).await[0]["canon"], digest.as_str(), "{face:?} {model}");
    }
}
