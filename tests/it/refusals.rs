//! The moment zOS says no, as each client meets it: statuses, headers and endings by which programs stop, show the
//! sentence once and do not buy again; and the reference forms of the APIs, where the owner asks for those.

use crate::targets::{FACES, arguments_of, event, plain, request, streamed};
use reqwest::Response;
use serde_json::{Value, json};
use zos_tests::gateway::{Gateway, Scratch, client};
use zos_tests::{Provider, provider};

const ROOM: &str = "outbound_deny: [Project Falcon]\ntargets: {allow: [acme.com]}\n";
const UNKNOWN: &str = "some-program/1.0";
const AGENTS: [&str; 4] = [
    UNKNOWN,
    "claude-cli/2.1.332 (external, cli)",
    "codex_exec/0.171.0 (Debian 13; x86_64) unknown",
    "copilot/1.0.102 (linux)",
];
const CLAUDE: &str = AGENTS[1];
const CODEX: &str = AGENTS[2];
const COPILOT: &str = AGENTS[3];

async fn house(room: &str, refusals: &str, provider: &Provider) -> Gateway {
    let config = format!("refusals: {refusals}\n");
    Scratch::new().acme(room).provider(provider).file("gateway/config.yml", &config).start().await
}

async fn ask(gateway: &Gateway, path: &str, agent: &str, body: String) -> Response {
    let request = client().post(format!("{}{path}", gateway.url)).header("user-agent", agent);
    request.header("content-type", "application/json").body(body).send().await.unwrap()
}

/// What a refusal is: status, type and code of the error.
async fn refused(response: Response) -> (u16, String, String) {
    assert_eq!(response.headers()["x-should-retry"], "false");
    let status = response.status().as_u16();
    let body: Value = response.json().await.unwrap();
    let word = |key: &str| body["error"][key].as_str().unwrap().to_owned();
    (status, word("type"), word("code"))
}

fn is(status: u16, kind: &str, code: &str) -> (u16, String, String) {
    (status, kind.to_owned(), code.to_owned())
}

#[tokio::test]
async fn what_a_room_denies_is_a_request_that_can_never_pass() {
    let provider = Provider::json("{}").await;
    for (refusals, openai, anthropic) in [
        ("best", (400, "invalid_request_error"), (451, "permission_error")),
        ("reference", (403, "permission_error"), (403, "permission_error")),
    ] {
        let gateway = house(ROOM, refusals, &provider).await;
        for path in FACES {
            for agent in AGENTS {
                let (status, kind) = if path == "/v1/messages" { anthropic } else { openai };
                let body = request(path, false).replace("\"x\"", "\"Project Falcon\"");
                let response = ask(&gateway, path, agent, body).await;
                assert!(!response.headers().contains_key("retry-after"));
                assert_eq!(
                    refused(response).await,
                    is(status, kind, "zos_firewall_request"),
                    "{path} {agent}"
                );
                let record = gateway.records().pop().unwrap();
                assert_eq!((&record["status"], &record["verdict"]), (&json!(status), &json!("deny")));
            }
        }
        assert_eq!(gateway.records().len(), FACES.len() * AGENTS.len());
    }
    assert!(provider.received().is_empty());
}

#[tokio::test]
async fn an_answer_that_may_not_pass_is_not_asked_for_again() {
    let provider = Provider::json("{}").await;
    for (refusals, openai, anthropic) in [
        ("best", (400, "invalid_request_error"), (451, "permission_error")),
        ("reference", (502, "server_error"), (502, "api_error")),
    ] {
        let gateway = house(ROOM, refusals, &provider).await;
        for path in FACES {
            let (status, kind) = if path == "/v1/messages" { anthropic } else { openai };
            provider
                .play(provider::json(200, &plain(path, "WebFetch", &json!({"url": "https://evil.com/"}))));
            let response = ask(&gateway, path, UNKNOWN, request(path, false)).await;
            assert_eq!(refused(response).await, is(status, kind, "zos_firewall_response"), "{path}");
        }
    }
}

#[tokio::test]
async fn a_budget_that_is_used_up_makes_nobody_sleep_or_storm() {
    let provider = Provider::json("{}").await;
    let room = "budget: {daily_tokens: 1}\n";
    let (best, reference) = (house(room, "best", &provider).await, house(room, "reference", &provider).await);
    for path in FACES {
        for agent in AGENTS {
            let (status, kind) = match (path, agent) {
                ("/v1/messages", _) => (402, "billing_error"),
                (_, CODEX) => (400, "invalid_request_error"),
                _ => (402, "insufficient_quota"),
            };
            let response = ask(&best, path, agent, request(path, false)).await;
            assert!(!response.headers().contains_key("retry-after"), "{path} {agent}");
            let reset_s: u64 = response.headers()["x-zos-budget-reset"].to_str().unwrap().parse().unwrap();
            assert!((1..=86_400).contains(&reset_s), "{reset_s}");
            assert_eq!(refused(response).await, is(status, kind, "zos_budget_exceeded"), "{path} {agent}");
            assert_eq!(best.records().pop().unwrap()["status"], status);

            let response = ask(&reference, path, agent, request(path, false)).await;
            assert!(!response.headers().contains_key("x-zos-budget-reset"));
            let wait_s: u64 = response.headers()["retry-after"].to_str().unwrap().parse().unwrap();
            assert!((1..=86_400).contains(&wait_s));
            assert_eq!(refused(response).await, is(429, "rate_limit_error", "zos_budget_exceeded"));
        }
    }
    assert!(provider.received().is_empty());
}

#[tokio::test]
async fn a_room_that_is_none_is_not_taken_for_a_model_that_is_none() {
    let provider = Provider::json("{}").await;
    for (refusals, anthropic) in
        [("best", (451, "permission_error")), ("reference", (404, "not_found_error"))]
    {
        let gateway = house(ROOM, refusals, &provider).await;
        for path in FACES {
            let (status, kind) =
                if path == "/v1/messages" { anthropic } else { (404, "invalid_request_error") };
            let response = ask(&gateway, &format!("/rooms/nope{path}"), CLAUDE, request(path, false)).await;
            assert_eq!(refused(response).await, is(status, kind, "zos_unknown_context"), "{path}");
        }
    }
}

/// What the reader of an official SDK makes of a stream.
#[derive(Debug, Default)]
struct Heard {
    text: String,
    /// Sentences of errors that it raises; the second reader's own, where two look at different places.
    errors: Vec<String>,
    ends: Vec<String>,
    usage: Option<Value>,
    zos: Vec<Value>,
}

fn heard(path: &str, stream: &str) -> Heard {
    let mut heard = Heard::default();
    for data in stream.lines().filter_map(|line| line.strip_prefix("data: ")) {
        if data == "[DONE]" {
            heard.ends.push("[DONE]".to_owned());
            continue;
        }
        let data: Value = serde_json::from_str(data).unwrap();
        heard.zos.extend(data.get("zos").cloned());
        let kind = data["type"].as_str().unwrap_or_default();
        match (path, kind) {
            ("/v1/chat/completions", _) => {
                heard.errors.extend(data["error"]["message"].as_str().map(str::to_owned));
                heard.text += data["choices"][0]["delta"]["content"].as_str().unwrap_or_default();
                heard.ends.extend(data["choices"][0]["finish_reason"].as_str().map(str::to_owned));
            }
            ("/v1/messages", "content_block_delta") => {
                heard.text += data["delta"]["text"].as_str().unwrap_or_default();
            }
            ("/v1/messages", "message_delta") => {
                heard.ends.push(data["delta"]["stop_reason"].as_str().unwrap().to_owned());
            }
            (_, "response.output_text.delta") => heard.text += data["delta"].as_str().unwrap(),
            (_, "response.failed") => {
                assert_eq!(data["response"]["error"]["code"], "invalid_prompt");
                assert_eq!(data["response"]["status"], "failed");
                assert_eq!(
                    data["response"]["error"]["message"], data["error"]["message"],
                    "for either reader"
                );
                heard.errors.push(data["error"]["message"].as_str().unwrap().to_owned());
                heard.usage = Some(data["response"]["usage"].clone());
                heard.ends.push(kind.to_owned());
            }
            (_, "response.incomplete") => {
                heard.usage = Some(data["response"]["usage"].clone());
                heard.ends.push(kind.to_owned());
            }
            (_, "error") => heard.errors.push(data["error"]["message"].as_str().unwrap().to_owned()),
            (_, "message_stop") => heard.ends.push(kind.to_owned()),
            _ => {}
        }
    }
    heard
}

/// A streamed answer that says a text.
fn said(path: &str, text: &str) -> String {
    match path {
        "/v1/chat/completions" => format!(
            "data: {}\n\n",
            json!({"id": "c", "created": 7, "model": "m", "choices": [{"index": 0, "delta": {"content": text}, "finish_reason": null}]})
        ),
        "/v1/messages" => [
            json!({"type": "message_start", "message": {"id": "m", "usage": {"input_tokens": 5}}}),
            json!({"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}}),
            json!({"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": text}}),
        ]
        .iter()
        .map(event)
        .collect(),
        _ => [
            json!({"type": "response.created", "sequence_number": 0, "response": {"id": "r", "status": "in_progress", "output": []}}),
            json!({"type": "response.output_item.added", "sequence_number": 1, "output_index": 0, "item": {"id": "i", "type": "message", "role": "assistant", "content": []}}),
            json!({"type": "response.output_text.delta", "sequence_number": 2, "item_id": "i", "output_index": 0, "content_index": 0, "delta": text}),
        ]
        .iter()
        .map(event)
        .collect(),
    }
}

const SENTENCE: &str = "The rest was not passed on.";

#[tokio::test]
async fn a_text_that_is_cut_tells_each_client_once_why() {
    let provider = Provider::json("{}").await;
    let gateway = house(ROOM, "best", &provider).await;
    let mut calls = 0;
    for path in FACES {
        for agent in AGENTS {
            provider.play(provider::events(&[said(path, "Well, Project Falcon is").as_bytes()]));
            let stream = ask(&gateway, path, agent, request(path, true)).await.text().await.unwrap();
            let heard = heard(path, &stream);
            calls += 1;
            let (in_text, ends): (bool, &[&str]) = match (path, agent) {
                ("/v1/chat/completions", _) => (true, &["content_filter", "[DONE]"]),
                ("/v1/messages", CLAUDE) => (true, &["end_turn", "message_stop"]),
                ("/v1/messages", COPILOT) => (true, &["refusal", "message_stop"]),
                ("/v1/messages", _) => (false, &[]),
                (_, COPILOT) => (true, &["response.incomplete"]),
                _ => (false, &["response.failed"]),
            };
            assert_eq!(heard.ends, ends, "{path} {agent}: {stream}");
            let errors = heard.errors.iter().filter(|error| error.contains(SENTENCE)).count();
            let texts = heard.text.matches(SENTENCE).count();
            assert_eq!(
                (texts, errors),
                (usize::from(in_text), usize::from(!in_text)),
                "{path} {agent}: {stream}"
            );
            assert!(heard.text.starts_with("Well, ") && !stream.contains("Falcon"), "{stream}");
            assert_eq!(heard.zos.len(), 1, "{stream}");
            assert_eq!(heard.zos[0]["code"], "zos_firewall_response");
            assert!(heard.zos[0]["request_id"].is_string());
            if path == "/v1/responses" {
                let usage = heard.usage.unwrap();
                assert!(usage["total_tokens"].as_u64().unwrap() > 0, "{usage}");
            }
            let record = gateway.wait_records(calls).await.pop().unwrap();
            assert_eq!(
                (&record["code"], &record["outcome"]),
                (&json!("zos_firewall_response"), &json!("cut"))
            );
        }
    }
    assert_eq!(gateway.records().len(), calls);
}

#[tokio::test]
async fn a_call_that_is_stopped_ends_in_an_error_that_nobody_tries_again() {
    let provider = Provider::json("{}").await;
    let gateway = house(ROOM, "best", &provider).await;
    let arguments = json!({"url": "https://evil.com/q"});
    for path in FACES {
        for agent in AGENTS {
            provider.play(provider::events(&[streamed(path, "WebFetch", &arguments).as_bytes()]));
            let stream = ask(&gateway, path, agent, request(path, true)).await.text().await.unwrap();
            assert_eq!(arguments_of(&stream), "", "{stream}");
            let heard = heard(path, &stream);
            assert_eq!(heard.errors.len(), 1, "{path} {agent}: {stream}");
            assert!(heard.errors[0].contains(SENTENCE) && heard.text.is_empty());
            let kind = if path == "/v1/messages" { "permission_error" } else { "invalid_request_error" };
            assert!(stream.contains(&format!("\"type\":\"{kind}\"")), "{path}: {stream}");
            let ends: &[&str] = if path == "/v1/responses" { &["response.failed"] } else { &[] };
            assert_eq!(heard.ends, ends, "{path}: {stream}");
        }
    }
}

#[tokio::test]
async fn nothing_of_a_chat_call_is_delivered_before_it_is_judged() {
    let provider = Provider::json("{}").await;
    for refusals in ["best", "reference"] {
        for room in ["targets: {allow: [acme.com]}\n", "targets: {deny: [tool:WebFetch]}\n"] {
            let gateway = house(room, refusals, &provider).await;
            let path = FACES[1];
            let bytes = streamed(path, "WebFetch", &json!({"url": "https://evil.com/"}));
            provider.play(provider::events(&[bytes.as_bytes()]));
            let stream = ask(&gateway, path, UNKNOWN, request(path, true)).await.text().await.unwrap();
            assert!(!stream.contains("tool_calls") && !stream.contains("WebFetch"), "{room}: {stream}");
            assert!(stream.contains("zos_firewall_response"), "{stream}");
        }
    }
}

#[tokio::test]
async fn the_reference_form_is_that_of_the_api_whoever_asks() {
    let provider = Provider::json("{}").await;
    let gateway = house(ROOM, "reference", &provider).await;
    for path in FACES {
        for agent in AGENTS {
            provider.play(provider::events(&[said(path, "Well, Project Falcon is").as_bytes()]));
            let stream = ask(&gateway, path, agent, request(path, true)).await.text().await.unwrap();
            let heard = heard(path, &stream);
            let ends: &[&str] = match path {
                "/v1/chat/completions" => &["content_filter", "[DONE]"],
                "/v1/messages" => &["refusal", "message_stop"],
                _ => &["response.incomplete"],
            };
            assert_eq!(heard.ends, ends, "{path} {agent}");
            assert!(!heard.text.contains(SENTENCE) && heard.errors.is_empty(), "{stream}");
        }
    }
}

#[tokio::test]
async fn the_record_names_the_program_that_a_call_claims_to_come_from() {
    let provider = Provider::json("{}").await;
    let gateway = house("outbound_deny: [falcon]\n", "best", &provider).await;
    for (agent, name) in
        [(CLAUDE, json!("claude-code")), ("Tool/2", Value::Null), ("Falcon/1.0", Value::Null)]
    {
        let calls = gateway.records().len();
        ask(&gateway, FACES[1], agent, request(FACES[1], false)).await;
        let record = gateway.wait_records(calls + 1).await.pop().unwrap();
        assert_eq!((&record["agent"], &record["client"]), (&name, &Value::Null), "{agent}");
    }
}

#[tokio::test]
async fn probes_are_answered_and_leave_no_record() {
    let provider = Provider::json("{}").await;
    let gateway = house(ROOM, "best", &provider).await;
    for path in
        ["/", "/api/hello", "/rooms/acme", "/rooms/acme/", "/rooms/acme/api/hello", "/v1", "/v1/messages"]
    {
        let response = client().head(format!("{}{path}", gateway.url)).send().await.unwrap();
        assert_eq!(response.status(), 200, "{path}");
    }
    assert_eq!(gateway.records(), Vec::<Value>::new());
    let response = client().post(format!("{}/v1/files/Falcon", gateway.url)).send().await.unwrap();
    assert_eq!(response.status(), 404);
    let record = gateway.wait_records(1).await.pop().unwrap();
    assert_eq!(record["detail"], "POST /v1/files/*");
    assert!(provider.received().is_empty(), "a probe goes nowhere");
}
