//! Clients of one API on providers of another: carried whole, inspected, metered, cut and ended in the
//! caller's own format.

use serde_json::{Value, json};
use std::path::Path;
use zos_tests::gateway::{Gateway, Scratch, client};
use zos_tests::{Provider, provider};

/// An OpenAI-style provider `local` and an Anthropic one `far`, the other way round for the faces.
async fn house(provider: &Provider, context: &str) -> Gateway {
    let port = provider.port;
    Scratch::new()
        .acme(context)
        .file(
            "routing/fleet.yml",
            &format!(
                "version: 1\nproviders:\n  local: {{api: openai, base_url: \"http://127.0.0.1:{port}/v1\", key: none, responses: false}}\n  \
                 far: {{api: anthropic, base_url: \"http://127.0.0.1:{port}\", key: none}}\nmodels:\n  \
                 - {{id: qwen, provider: local, model: \"qwen3:8b\"}}\n  - {{match: \"claude-*\", provider: far}}\n\
                 default_provider: {{anthropic: local, openai: far}}\n"
            ),
        )
        .start()
        .await
}

fn golden(path: &str) -> String {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../gateway/wire/tests/golden");
    std::fs::read_to_string(root.join(path)).unwrap()
}

fn with_model(path: &str, model: &str) -> String {
    let mut body: Value = serde_json::from_str(&golden(path)).unwrap();
    body["model"] = json!(model);
    body.to_string()
}

fn parsed(bytes: &[u8]) -> Value {
    serde_json::from_slice(bytes).unwrap()
}

#[tokio::test]
async fn a_claude_style_client_works_on_an_openai_style_server() {
    let provider = Provider::json(&golden("messages-chat/tools/answer.json")).await;
    let gateway = house(&provider, "outbound_deny: [Falcon]\n").await;
    let response = client()
        .post(format!("{}/v1/messages?beta=true", gateway.url))
        .header("content-type", "application/json")
        .header("anthropic-beta", "tools-1")
        .header("x-api-key", "sk-ant-own")
        .body(with_model("messages-chat/tools/request.json", "qwen"))
        .send()
        .await
        .unwrap();
    assert_eq!(response.status(), 200);
    assert_eq!(response.headers()["x-zos-route"], "local/qwen");
    let told = parsed(&response.bytes().await.unwrap());
    assert_eq!(told, parsed(golden("messages-chat/tools/answer.out.json").as_bytes()));
    let received = provider.only();
    assert_eq!(received.line, "POST /v1/chat/completions HTTP/1.1");
    for header in ["anthropic-beta", "anthropic-version", "x-api-key", "authorization"] {
        assert_eq!(received.header(header), None, "{header} belongs to the other API");
    }
    let mut expected = parsed(golden("messages-chat/tools/request.out.json").as_bytes());
    expected["model"] = json!("qwen3:8b");
    assert_eq!(parsed(&received.body), expected);
    let record = &gateway.wait_records(1).await[0];
    assert_eq!(record["face"], "messages");
    assert_eq!(
        record["usage"],
        json!({"cache_read": 5, "cache_write": 0, "estimated": false, "input": 20, "output": 9})
    );
}

#[tokio::test]
async fn an_openai_style_client_works_on_an_anthropic_provider() {
    let provider = Provider::json(&golden("chat-messages/tools/answer.json")).await;
    let gateway = house(&provider, "isolation: hard\n").await;
    let response = gateway
        .post("/v1/chat/completions", with_model("chat-messages/tools/request.json", "claude-x"))
        .await;
    assert_eq!(response.status(), 200);
    let told = parsed(&response.bytes().await.unwrap());
    assert_eq!(told["choices"][0]["message"]["tool_calls"][0]["function"]["arguments"], r#"{"path":"b"}"#);
    let received = provider.only();
    assert_eq!(received.line, "POST /v1/messages HTTP/1.1");
    assert_eq!(received.header("anthropic-version"), Some("2023-06-01"));
    let mut expected = parsed(golden("chat-messages/tools/request.out.json").as_bytes());
    expected["model"] = json!("claude-x");
    assert_eq!(parsed(&received.body), expected);
    let usage = &gateway.wait_records(1).await[0]["usage"];
    assert_eq!(
        (&usage["input"], &usage["cache_read"], &usage["cache_write"]),
        (&json!(20), &json!(5), &json!(2))
    );
}

#[tokio::test]
async fn responses_are_carried_to_both_apis() {
    for (model, case, line) in [
        ("qwen", "responses-chat/parallel-tools", "POST /v1/chat/completions HTTP/1.1"),
        ("claude-x", "responses-messages/parallel-tools", "POST /v1/messages HTTP/1.1"),
    ] {
        let provider = Provider::json(&golden(&format!("{case}/answer.json"))).await;
        let gateway = house(&provider, "isolation: hard\n").await;
        let body = json!({"model": model, "input": "Hello"}).to_string();
        let told = parsed(&gateway.post("/v1/responses", body).await.bytes().await.unwrap());
        assert_eq!(told["output"], parsed(golden(&format!("{case}/answer.out.json")).as_bytes())["output"]);
        assert_eq!(provider.only().line, line);
        provider.play(provider::events(&[golden(&format!("{case}/stream.sse")).as_bytes()]));
        let body = json!({"model": model, "input": "Hello", "stream": true}).to_string();
        let events = gateway.post("/v1/responses", body).await.text().await.unwrap();
        assert!(events.contains("event: response.completed"), "{events}");
        assert_eq!(events.matches("event: response.function_call_arguments.done").count(), 2);
    }
}

#[tokio::test]
async fn streams_are_carried_however_the_network_cuts_them_and_metered_by_the_providers_numbers() {
    for (face, model, case) in [
        ("/v1/messages", "qwen", "messages-chat/tools"),
        ("/v1/chat/completions", "claude-x", "chat-messages/tools"),
    ] {
        let stream = golden(&format!("{case}/stream.sse"));
        let pieces: Vec<&[u8]> = stream.as_bytes().chunks(97).collect();
        let provider = Provider::start(provider::events(&pieces)).await;
        let gateway = house(&provider, "outbound_deny: [Falcon]\n").await;
        let mut body = parsed(with_model(&format!("{case}/request.json"), model).as_bytes());
        body["stream"] = json!(true);
        let told = gateway.post(face, body.to_string()).await.text().await.unwrap();
        let stable = |text: &str| -> Vec<String> {
            text.lines()
                .map(|line| {
                    line.split(r#""created":"#)
                        .map(|part| part.trim_start_matches(char::is_numeric))
                        .collect()
                })
                .collect()
        };
        assert_eq!(stable(&told), stable(&golden(&format!("{case}/stream.out.sse"))));
        let usage = &gateway.wait_records(1).await[0]["usage"];
        assert_eq!(
            (&usage["output"], &usage["cache_read"], &usage["estimated"]),
            (&json!(9), &json!(5), &json!(false))
        );
        let sent = parsed(&provider.only().body);
        assert_eq!(sent["stream"], true);
    }
}

#[tokio::test]
async fn a_denied_term_in_a_translated_answer_is_stopped_in_the_callers_own_format() {
    let provider = Provider::json(
        r#"{"id":"c","choices":[{"index":0,"message":{"content":"Project Falcon"},"finish_reason":"stop"}]}"#,
    )
    .await;
    let gateway = house(&provider, "outbound_deny: [Project Falcon]\n").await;
    let ask = |stream: bool| {
        let body = json!({"model": "qwen", "max_tokens": 9, "stream": stream, "messages": [{"role": "user", "content": "x"}]});
        gateway.post("/v1/messages", body.to_string())
    };
    let refused = ask(false).await;
    assert_eq!(refused.status(), 502);
    assert_eq!(parsed(&refused.bytes().await.unwrap())["error"]["code"], "zos_firewall_response");
    let chunk = |delta: Value| {
        let chunk = json!({"id": "c", "model": "m", "choices": [{"index": 0, "delta": delta, "finish_reason": null}]});
        format!("data: {chunk}\n\n")
    };
    let stream: String =
        ["It is Pro", "ject Fal", "con, so"].iter().map(|text| chunk(json!({"content": text}))).collect();
    provider.play(provider::events(&[stream.as_bytes()]));
    let told = ask(true).await.text().await.unwrap();
    assert!(told.contains(r#""stop_reason":"refusal""#) && told.contains("message_stop"), "{told}");
    assert!(told.contains("It is ") && !told.contains("Fal"), "{told}");
    // Inside a call it is an error event; half a call is nothing to act upon.
    let call = json!({"tool_calls": [{"index": 0, "id": "a", "function": {"name": "send", "arguments": "{\"t\":\"Project \\u0046al"}}]});
    let rest = json!({"tool_calls": [{"index": 0, "function": {"arguments": "con\"}"}}]});
    provider.play(provider::events(&[(chunk(call) + &chunk(rest)).as_bytes()]));
    let told = ask(true).await.text().await.unwrap();
    assert!(told.contains("event: error") && !told.contains("message_stop"), "{told}");
    // The request is looked at before it is carried over.
    let body = json!({"model": "qwen", "max_tokens": 9, "messages": [{"role": "user", "content": "Project Falcon"}]});
    assert_eq!(gateway.post("/v1/messages", body.to_string()).await.status(), 403);
    assert_eq!(provider.received().len(), 3);
}

#[tokio::test]
async fn a_cut_upstream_never_looks_complete() {
    for (face, model, case, ends) in [
        ("/v1/messages", "qwen", "messages-chat/cut", "message_stop"),
        ("/v1/chat/completions", "claude-x", "chat-messages/cut", "[DONE]"),
        ("/v1/responses", "qwen", "responses-chat/cut", "response.completed"),
        ("/v1/responses", "claude-x", "responses-messages/cut", "response.completed"),
    ] {
        let provider = Provider::events(&golden(&format!("{case}/stream.sse"))).await;
        let gateway = house(&provider, "isolation: hard\n").await;
        let said = [("input", json!("x")), ("messages", json!([{"role": "user", "content": "x"}]))];
        let (key, said) = said[usize::from(face != "/v1/responses")].clone();
        let body = json!({"model": model, key: said, "stream": true});
        let told = gateway.post(face, body.to_string()).await.text().await.unwrap();
        assert!(told.contains("zos_upstream_unreachable") && !told.contains(ends), "{case}: {told}");
        let record = &gateway.wait_records(1).await[0];
        assert_eq!((&record["outcome"], &record["status"]), (&json!("cut"), &json!(200)));
    }
}

#[tokio::test]
async fn errors_keep_their_status_and_sentence_in_the_callers_envelope() {
    let provider = Provider::start(provider::json(
        404,
        r#"{"error":{"message":"model \"x\" not found","type":"not_found_error","code":"gone"}}"#,
    ))
    .await;
    let gateway = house(&provider, "isolation: hard\n").await;
    let body = json!({"model": "qwen", "max_tokens": 9, "messages": [{"role": "user", "content": "x"}]});
    let told = gateway.post("/v1/messages", body.to_string()).await;
    assert_eq!(told.status(), 404);
    assert_eq!(
        parsed(&told.bytes().await.unwrap()),
        json!({"type": "error", "error": {"type": "not_found_error", "message": "model \"x\" not found"}})
    );
    assert_eq!(gateway.wait_records(1).await[0]["usage"], Value::Null);
}

#[tokio::test]
async fn what_cannot_be_carried_is_refused_by_name_before_anything_leaves() {
    let provider = Provider::json("{}").await;
    let gateway = house(&provider, "budget: {daily_tokens: 1000}\nstate: any\n").await;
    let message = json!([{"role": "user", "content": "x"}]);
    for (face, body, name) in [
        (
            "/v1/messages",
            json!({"model": "qwen", "max_tokens": 9, "top_k": 4, "messages": message}),
            "`top_k`",
        ),
        (
            "/v1/chat/completions",
            json!({"model": "claude-x", "logprobs": true, "messages": message}),
            "`logprobs`",
        ),
        (
            "/v1/responses",
            json!({"model": "claude-x", "previous_response_id": "r", "input": "x"}),
            "`previous_response_id`",
        ),
        ("/v1/messages/count_tokens", json!({"model": "qwen", "messages": message}), "count_tokens"),
        ("/v1/embeddings", json!({"model": "claude-x", "input": "x"}), "embeddings"),
    ] {
        let refused = gateway.post(face, body.to_string()).await;
        assert_eq!(refused.status(), 400, "{face}");
        let told = parsed(&refused.bytes().await.unwrap());
        assert_eq!(told["error"]["code"], "zos_untranslatable");
        assert!(told["error"]["message"].as_str().unwrap().contains(name), "{told}");
    }
    assert_eq!(provider.received().len(), 0);
    for record in gateway.wait_records(5).await {
        assert_eq!((&record["code"], &record["reserved"]), (&json!("zos_untranslatable"), &Value::Null));
    }
}

#[tokio::test]
async fn a_rooms_canon_goes_along_to_the_other_api() {
    let provider = Provider::json(&golden("messages-chat/text/answer.json")).await;
    let gateway = house(&provider, "canon: {deliver: inject}\n").await;
    gateway.write("manifest.json", r#"["brain/values.md"]"#);
    gateway.write("brain/values.md", "## Candour\nSay what you do not know.\n");
    let body = json!({"model": "qwen", "max_tokens": 9, "system": "Be brief.", "messages": [{"role": "user", "content": "x"}]});
    for _ in 0..200 {
        let response = gateway.post("/v1/messages", body.to_string()).await;
        if response.headers()["x-zos-canon"].to_str().unwrap().starts_with("sha256:") {
            let sent = parsed(&provider.received().last().unwrap().body);
            let system = &sent["messages"][0];
            assert_eq!(system["role"], "system");
            assert!(
                system["content"][0]["text"].as_str().unwrap().contains("Say what you do not know."),
                "{sent}"
            );
            assert_eq!(system["content"].as_array().unwrap().last().unwrap()["text"], "Be brief.");
            return;
        }
        tokio::time::sleep(std::time::Duration::from_millis(10)).await;
    }
    panic!("the canon never came into force");
}
