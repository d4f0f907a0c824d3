//! Each record has the keyed digest of the exact system text that the provider received.

use serde_json::{Value, json};
use zos_gateway::system::digest_known;
use zos_seal::TermKeys;
use zos_tests::Provider;
use zos_tests::gateway::{Gateway, Scratch};

const ANSWER: &str = r#"{"id":"c","object":"chat.completion","created":1,"model":"m","choices":[{"index":0,"message":{"role":"assistant","content":"Hi"},"finish_reason":"stop"}],"usage":{"prompt_tokens":3,"completion_tokens":2}}"#;

/// Whether the last record says that this system text went out; `None` stands for none at all.
async fn says(gateway: &Gateway, count: usize, text: Option<&str>) {
    let record = gateway.wait_records(count).await.pop().unwrap();
    let keys = TermKeys::new(gateway.path("gateway/keys/terms"));
    let expected = text.map(|text| digest_known(&keys, "acme", text.as_bytes()).unwrap().unwrap());
    assert_eq!(record["system"], json!(expected), "{text:?}");
    // Not one that could be guessed.
    if let Some(text) = text {
        assert!(!record["system"].to_string().contains(&zos_seal::sha256_hex(text.as_bytes())));
    }
}

fn system_of(provider: &Provider) -> String {
    let body: Value = serde_json::from_slice(&provider.received().pop().unwrap().body).unwrap();
    let texts = |value: &Value| match value {
        Value::String(text) => vec![text.clone()],
        blocks => blocks
            .as_array()
            .unwrap()
            .iter()
            .map(|block| block["text"].as_str().unwrap().to_owned())
            .collect(),
    };
    match &body["system"] {
        Value::Null => {
            let messages = body["messages"].as_array().unwrap().iter();
            let leading = messages.take_while(|message| message["role"] != "user");
            leading.flat_map(|message| texts(&message["content"])).collect::<Vec<_>>().join("\n")
        }
        system => texts(system).join("\n"),
    }
}

#[tokio::test]
async fn as_the_caller_wrote_it_or_as_it_was_redacted_and_none_where_none_went_out() {
    let provider = Provider::json(ANSWER).await;
    let gateway = Scratch::new()
        .acme("outbound_deny:\n  - {term: Falcon, action: redact}\n  - Kestrel\n")
        .provider(&provider)
        .start()
        .await;
    let user = json!([{"role": "user", "content": "Hi"}]);
    let ask = |system: Value| {
        json!({"model": "m", "max_tokens": 5, "system": system, "messages": user}).to_string()
    };
    gateway.post("/v1/messages", ask(json!("Be \u{e9} \"brief\".\n"))).await;
    says(&gateway, 1, Some("Be \u{e9} \"brief\".\n")).await;
    gateway
        .post(
            "/v1/messages",
            ask(json!([{"type": "text", "text": "One."}, {"type": "text", "text": "Two."}])),
        )
        .await;
    says(&gateway, 2, Some("One.\nTwo.")).await;
    gateway.chat("Hi").await;
    says(&gateway, 3, None).await;
    // What left, not what came.
    gateway.post("/v1/messages", ask(json!("Build the Falcon."))).await;
    let sent = system_of(&provider);
    assert!(!sent.contains("Falcon"), "{sent}");
    says(&gateway, 4, Some(&sent)).await;
    // Nothing left at all.
    assert_eq!(gateway.post("/v1/messages", ask(json!("Build the Kestrel."))).await.status(), 403);
    says(&gateway, 5, None).await;
    gateway
        .post("/v1/responses", json!({"model": "m", "instructions": "Be brief.", "input": "Hi"}).to_string())
        .await;
    says(&gateway, 6, Some("Be brief.")).await;
    // The owner reads it where records are read.
    let (_, page) = gateway.admin("GET", "/zos/v1/audit?limit=1", None).await;
    let record = &page["records"][0];
    assert!(record["system"].as_str().unwrap().starts_with("hmac-sha256:"), "{record}");
    assert_eq!((&record["canon"], record.get("cost_micros")), (&Value::Null, Some(&Value::Null)));
}

#[tokio::test]
async fn with_the_canon_in_front_and_in_the_words_of_another_api() {
    let provider = Provider::json(ANSWER).await;
    let port = provider.port;
    let gateway = Scratch::new()
        .acme("canon: {deliver: inject}\n")
        .file("manifest.json", "[\"brain/a.md\"]")
        .file("brain/a.md", "---\nlevel: owner\n---\n## Tone\nBe kind.\n")
        .file(
            "routing/fleet.yml",
            &format!(
                "version: 1\nproviders:\n  local: {{api: openai, base_url: \"http://127.0.0.1:{port}/v1\", key: none}}\n\
                 default_provider: {{anthropic: local, openai: local}}\n"
            ),
        )
        .start()
        .await;
    let body = json!({"model": "m", "max_tokens": 5, "system": "Own text.", "messages": [{"role": "user", "content": "Hi"}]});
    for (count, path) in ["/v1/messages", "/v1/chat/completions"].into_iter().enumerate() {
        let mut body = body.clone();
        if path != "/v1/messages" {
            body.as_object_mut().unwrap().remove("system");
        }
        assert_eq!(gateway.post(path, body.to_string()).await.status(), 200, "{path}");
        let sent = system_of(&provider);
        assert!(sent.contains("Be kind.") && sent.contains("Own text.") == (count == 0), "{sent}");
        says(&gateway, count + 1, Some(&sent)).await;
    }
    let (_, page) = gateway.admin("GET", "/zos/v1/audit?limit=1", None).await;
    assert!(page["records"][0]["canon"].as_str().unwrap().starts_with("sha256:"), "{page}");
}
