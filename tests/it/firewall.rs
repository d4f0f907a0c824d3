//! What a room denies, in every field, on the way out and on the way back.

use base64::Engine;
use serde_json::{Value, json};
use zos_tests::Provider;
use zos_tests::gateway::Scratch;

const ROOM: &str = "outbound_deny:\n  - Project Falcon\n  - {term: Heron, action: warn}\n";

/// Bodies of both APIs, each with the term in another place.
fn hidden_places() -> Vec<(&'static str, &'static str, Value)> {
    let term = "the project  FALCON plan";
    let user = |content: Value| json!([{"role": "user", "content": content}]);
    let packed = base64::engine::general_purpose::STANDARD
        .encode(format!("A long text document. {term}. And the end of it, long enough."));
    let anthropic = |messages: Value| json!({"model": "m", "max_tokens": 5, "messages": messages});
    let chat = |messages: Value| json!({"model": "m", "messages": messages});
    let mut list = vec![
        ("/v1/messages", "messages[0].content", anthropic(user(json!(term)))),
        (
            "/v1/messages",
            "messages[0].content[0].text",
            anthropic(user(json!([{"type": "text", "text": term}]))),
        ),
        (
            "/v1/messages",
            "tool_result",
            anthropic(user(
                json!([{"type": "tool_result", "tool_use_id": "t", "content": [{"type": "text", "text": term}]}]),
            )),
        ),
        (
            "/v1/messages",
            "tool_use input",
            anthropic(
                json!([{"role": "assistant", "content": [{"type": "tool_use", "id": "t", "name": "x", "input": {"deep": [{"q": term}]}}]}]),
            ),
        ),
        (
            "/v1/messages",
            "thinking",
            anthropic(
                json!([{"role": "assistant", "content": [{"type": "thinking", "thinking": term, "signature": "s"}]}]),
            ),
        ),
        (
            "/v1/messages",
            "text document",
            anthropic(user(
                json!([{"type": "document", "source": {"type": "base64", "media_type": "text/plain", "data": packed}}]),
            )),
        ),
        (
            "/v1/messages",
            "document title",
            anthropic(user(
                json!([{"type": "document", "title": term, "source": {"type": "text", "media_type": "text/plain", "data": "x"}}]),
            )),
        ),
        (
            "/v1/messages",
            "two blocks",
            anthropic(user(
                json!([{"type": "text", "text": "Project "}, {"type": "text", "text": "Falcon"}]),
            )),
        ),
        (
            "/v1/messages",
            "unknown block",
            anthropic(user(json!([{"type": "hologram", "beam": {"x": [term]}}]))),
        ),
        ("/v1/messages/count_tokens", "count_tokens", json!({"model": "m", "messages": user(json!(term))})),
        ("/v1/chat/completions", "messages[0].content", chat(user(json!(term)))),
        (
            "/v1/chat/completions",
            "arguments",
            chat(
                json!([{"role": "assistant", "tool_calls": [{"id": "c", "type": "function", "function": {"name": "f", "arguments": "{\"q\":\"Project \\u0046alcon\"}"}}]}]),
            ),
        ),
        (
            "/v1/chat/completions",
            "json key",
            chat(json!([{"role": "user", "content": "x", "metadata": {"Project Falcon": 1}}])),
        ),
        ("/v1/responses", "instructions", json!({"model": "m", "input": "x", "instructions": term})),
        (
            "/v1/responses",
            "input items",
            json!({"model": "m", "input": [{"role": "user", "content": [{"type": "input_text", "text": term}]}]}),
        ),
        (
            "/v1/responses",
            "function output",
            json!({"model": "m", "input": [{"type": "function_call_output", "call_id": "c", "output": term}]}),
        ),
        ("/v1/embeddings", "input", json!({"model": "m", "input": ["x", term]})),
    ];
    let mut system = anthropic(user(json!("x")));
    system["system"] = json!([{"type": "text", "text": term}]);
    list.push(("/v1/messages", "system", system));
    let mut tools = anthropic(user(json!("x")));
    tools["tools"] = json!([{"name": "x", "description": "d", "input_schema": {"properties": {"q": {"description": term}}}}]);
    list.push(("/v1/messages", "tool schema", tools));
    let mut unknown = chat(user(json!("x")));
    unknown["brand_new"] = json!({"field": term});
    list.push(("/v1/chat/completions", "unknown field", unknown));
    list
}

#[tokio::test]
async fn a_term_is_found_in_every_field_and_never_repeated() {
    let provider = Provider::json("{}").await;
    let gateway = Scratch::new().acme(ROOM).provider(&provider).start().await;
    let places = hidden_places();
    for (path, place, body) in &places {
        let response = gateway.post(path, body.to_string()).await;
        assert_eq!(response.status(), 403, "{path} {place}");
        assert_eq!(response.headers()["x-zos-verdict"], "deny", "{place}");
        assert_eq!(response.headers()["x-zos-rules"], "deny/1", "{place}");
        let text = response.text().await.unwrap();
        let answer: Value = serde_json::from_str(&text).unwrap();
        assert_eq!(answer["error"]["code"], "zos_firewall_request", "{place}");
        assert!(!text.to_lowercase().contains("falcon"), "{place}: {text}");
        if path.contains("messages") && !path.contains("chat") {
            assert_eq!(
                (&answer["type"], &answer["error"]["type"]),
                (&json!("error"), &json!("permission_error")),
                "{place}"
            );
        }
    }
    assert!(provider.received().is_empty(), "a refused call reached the provider");
    let records = gateway.wait_records(places.len()).await;
    assert!(records.iter().all(|record| record["verdict"] == "deny" && record["rules"] == json!(["deny/1"])));
}

#[tokio::test]
async fn ordinary_text_passes_and_a_warning_is_told() {
    let provider =
        Provider::json(r#"{"choices":[],"usage":{"prompt_tokens":1,"completion_tokens":1}}"#).await;
    let gateway = Scratch::new().acme(ROOM).provider(&provider).start().await;
    for text in ["The falconer's project", "Projects and falcons", "Project: Falcon Heavy? no: ProjectX"] {
        let response = gateway.chat(text).await;
        let status = response.status();
        // "Project: Falcon" is other words with a colon between them, not the term.
        assert_eq!(
            (status.as_u16(), response.headers()["x-zos-verdict"].to_str().unwrap()),
            (200, "allow"),
            "{text}"
        );
    }
    let response = gateway.chat("A heron stood there").await;
    assert_eq!(
        (response.status().as_u16(), &response.headers()["x-zos-verdict"]),
        (200, &"warn".parse().unwrap())
    );
    assert_eq!(response.headers()["x-zos-rules"], "deny/2");
}

#[tokio::test]
async fn an_answer_that_holds_the_term_is_refused_and_charged() {
    let answer = json!({"choices": [{"message": {"content": "It is Project Falcon."}}], "usage": {"prompt_tokens": 7, "completion_tokens": 5}});
    let provider = Provider::json(&answer.to_string()).await;
    let gateway = Scratch::new()
        .acme(&format!("{ROOM}budget: {{daily_tokens: 10000}}\n"))
        .provider(&provider)
        .start()
        .await;
    let response = gateway.chat("What is it called?").await;
    assert_eq!(response.status(), 502);
    assert_eq!(response.headers()["x-should-retry"], "false");
    assert_eq!(response.headers()["x-zos-budget-remaining"], "9988");
    let text = response.text().await.unwrap();
    assert!(text.contains("zos_firewall_response") && !text.contains("Falcon"), "{text}");
    let records = gateway.wait_records(1).await;
    assert_eq!(
        (&records[0]["code"], &records[0]["usage"]["output"]),
        (&json!("zos_firewall_response"), &json!(5))
    );
    // An error page of the provider is no way around it.
    provider.play(zos_tests::provider::json(500, "<html>Project Falcon</html>"));
    assert_eq!(gateway.chat("And now?").await.status(), 502);
}

#[tokio::test]
async fn an_open_room_reports_and_goes_on() {
    let provider = Provider::json(r#"{"choices":[{"message":{"content":"Project Falcon"}}]}"#).await;
    let gateway = Scratch::new()
        .acme("isolation: open\noutbound_deny:\n  - Project Falcon\n  - {term: Kestrel, action: deny}\n")
        .provider(&provider)
        .start()
        .await;
    let response = gateway.chat("Project Falcon").await;
    assert_eq!(
        (response.status().as_u16(), &response.headers()["x-zos-verdict"]),
        (200, &"warn".parse().unwrap())
    );
    assert!(response.text().await.unwrap().contains("Falcon"));
    assert_eq!(gateway.chat("Kestrel").await.status(), 403, "an explicit action wins");
}

#[tokio::test]
async fn what_belongs_to_one_room_is_denied_in_every_other() {
    let provider = Provider::json(r#"{"choices":[]}"#).await;
    let gateway = Scratch::new()
        .acme("isolation: open\n")
        .file("contexts/globex.yml", "confidential: [Globex merger]\n")
        .provider(&provider)
        .start()
        .await;
    let denied = gateway.chat("the Globex  Merger").await;
    assert_eq!(denied.status(), 403);
    assert!(
        !denied.text().await.unwrap().to_lowercase().contains("globex"),
        "the other room is not named to this one"
    );
    let own = gateway
        .post(
            "/rooms/globex/v1/chat/completions",
            r#"{"model":"m","messages":[{"role":"user","content":"Globex merger"}]}"#,
        )
        .await;
    assert_eq!(own.status(), 200);
}

#[tokio::test]
async fn what_cannot_be_inspected_is_named_or_denied() {
    let provider = Provider::json(r#"{"content":[]}"#).await;
    let gateway = Scratch::new().acme("outbound_deny: [Falcon]\n").provider(&provider).start().await;
    let image: Vec<u8> =
        (0..3000u32).map(|number| (number.wrapping_mul(2_654_435_761) >> 13) as u8).collect();
    let data = base64::engine::general_purpose::STANDARD.encode(image);
    let body = json!({"model": "m", "max_tokens": 5, "messages": [{"role": "user", "content": [{"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": data}}]}]});
    let response = gateway.post("/v1/messages", body.to_string()).await;
    assert_eq!(response.status(), 200);
    assert_eq!(response.headers()["x-zos-uninspected"], "image:messages[0].content[0].source.data");
    assert_eq!(
        gateway.wait_records(1).await[0]["uninspected"],
        json!(["image:messages[0].content[0].source.data"])
    );
    gateway.write("contexts/acme.yml", "outbound_deny: [Falcon]\nattachments: deny\n");
    gateway.house.brain().reload();
    let response = gateway.post("/v1/messages", body.to_string()).await;
    assert_eq!(response.status(), 403);
    // A text that calls itself an image is read as the text it is.
    let text = base64::engine::general_purpose::STANDARD.encode("Falcon ".repeat(20));
    let body = body.to_string().replace(&data, &text);
    gateway.write("contexts/acme.yml", "outbound_deny: [Falcon]\n");
    gateway.house.brain().reload();
    assert_eq!(gateway.post("/v1/messages", body).await.status(), 403);
}

#[tokio::test]
async fn what_a_provider_would_fetch_by_itself_is_named_or_denied() {
    let provider = Provider::json(r#"{"content":[]}"#).await;
    let room = "outbound_deny: [Falcon]\n";
    let gateway = Scratch::new().acme(room).provider(&provider).start().await;
    let user = |content: Value| json!({"model": "m", "max_tokens": 5, "messages": [{"role": "user", "content": content}]});
    let url = "https://example.com/a.png";
    let cases = [
        (
            "/v1/messages",
            "file:messages[0].content[0].source.url",
            user(json!([{"type": "image", "source": {"type": "url", "url": url}}])),
        ),
        (
            "/v1/chat/completions",
            "image:messages[0].content[0].image_url.url",
            user(json!([{"type": "image_url", "image_url": {"url": url}}])),
        ),
        (
            "/v1/responses",
            "image:input[0].content[0].image_url",
            json!({"model": "m", "input": [{"role": "user", "content": [{"type": "input_image", "image_url": url}]}]}),
        ),
        (
            "/v1/responses",
            "file:input[0].content[0].file_url",
            json!({"model": "m", "input": [{"role": "user", "content": [{"type": "input_file", "file_url": url}]}]}),
        ),
    ];
    for (path, place, body) in &cases {
        let response = gateway.post(path, body.to_string()).await;
        assert_eq!(
            (response.status().as_u16(), &response.headers()["x-zos-uninspected"]),
            (200, &place.parse().unwrap())
        );
    }
    let mention = user(
        json!([{"type": "tool_use", "id": "t", "name": "x", "input": {"url": url, "source": {"url": url}}}]),
    );
    let response = gateway.post("/v1/messages", mention.to_string()).await;
    assert!(!response.headers().contains_key("x-zos-uninspected"), "an address alone is text");
    gateway.write("contexts/acme.yml", &format!("{room}attachments: deny\n"));
    gateway.house.brain().reload();
    for (path, place, body) in &cases {
        assert_eq!(gateway.post(path, body.to_string()).await.status(), 403, "{place}");
    }
}

#[tokio::test]
async fn a_term_in_the_earlier_of_two_equal_keys_is_found() {
    let provider = Provider::json(r#"{"content":[]}"#).await;
    let gateway = Scratch::new().acme(ROOM).provider(&provider).start().await;
    for body in [
        r#"{"model":"m","messages":[{"role":"user","content":"Project Falcon","content":"x"}]}"#,
        r#"{"model":"m","messages":[],"messages":[{"role":"user","content":"Project Falcon"}],"messages":[]}"#,
    ] {
        assert_eq!(gateway.post("/v1/chat/completions", body).await.status(), 403, "{body}");
    }
    assert!(provider.received().is_empty());
}

#[tokio::test]
async fn a_pause_of_the_shield_reports_only_and_is_recorded() {
    let provider = Provider::json(r#"{"choices":[]}"#).await;
    let gateway = Scratch::new().acme(ROOM).provider(&provider).start().await;
    let (status, shield) =
        gateway.admin("PUT", "/zos/v1/shield", Some(json!({"paused": true, "minutes": 5}))).await;
    assert_eq!((status, &shield["paused"]), (200, &json!(true)));
    let response = gateway.chat("Project Falcon").await;
    assert_eq!(
        (response.status().as_u16(), &response.headers()["x-zos-verdict"]),
        (200, &"warn".parse().unwrap())
    );
    gateway.admin("PUT", "/zos/v1/shield", Some(json!({"paused": false}))).await;
    assert_eq!(gateway.chat("Project Falcon").await.status(), 403);
    let (_, page) = gateway.admin("GET", "/zos/v1/audit?kind=decision", None).await;
    let details: Vec<&str> =
        page["records"].as_array().unwrap().iter().filter_map(|record| record["detail"].as_str()).collect();
    assert_eq!(details, ["shield resumed", "shield paused for 5 min"]);
    assert_eq!(
        gateway.admin("PUT", "/zos/v1/shield", Some(json!({"paused": true, "minutes": 0}))).await.0,
        400
    );
}
