//! Bytes, headers and credentials on their way up and down.

use serde_json::json;
use zos_tests::gateway::{Scratch, client};
use zos_tests::{Provider, provider};

const ANSWER: &str = r#"{ "id":"c",  "choices":[{"index":0,"message":{"role":"assistant","content":"Hi \u00e9"}}],"usage":{"prompt_tokens":3,"completion_tokens":2,"total_tokens":5}, "x":1e400 }"#;

#[tokio::test]
async fn the_provider_receives_exactly_the_clients_bytes_and_the_client_exactly_the_providers() {
    let provider = Provider::json(ANSWER).await;
    let gateway = Scratch::new().acme("outbound_deny: [Falcon]\n").provider(&provider).start().await;
    let big = format!(
        r#"{{"model":"m","messages":[{{"role":"user","content":"{}"}}]}}"#,
        "lorem ipsum ".repeat(1_750_000)
    );
    for body in [
        "{\"model\" :\t\"m\",\r\n \"messages\":[ ], \"seed\":123456789012345678901234567890, \"f\": 1.10e+0400}",
        r#"{"model":"m","a":1,"a":2,"messages":[{"role":"user","content":"\u0041\ud83d\ude00 \ud800"}],"":{}}"#,
        &big,
    ] {
        let response = gateway.post("/v1/chat/completions", body.to_owned()).await;
        assert_eq!(response.status(), 200);
        assert_eq!(response.headers()["content-type"], "application/json");
        assert_eq!(response.text().await.unwrap(), ANSWER);
        assert!(provider.received().last().unwrap().body == body.as_bytes(), "the body changed on its way");
    }
    let records = gateway.wait_records(3).await;
    assert_eq!(records[2]["bytes_in"], big.len());
    assert_eq!(records[2]["bytes_out"], ANSWER.len());
    assert_eq!(records[2]["usage"]["output"], 2);
}

#[tokio::test]
async fn a_chunked_upload_arrives_whole() {
    let provider = Provider::json(ANSWER).await;
    let gateway = Scratch::new().provider(&provider).start().await;
    let pieces = ["{\"model\":", "\"m\",\"mess", "ages\":[]}"]
        .map(|piece| Ok::<_, std::io::Error>(piece.as_bytes().to_vec()));
    let body = reqwest::Body::wrap_stream(futures::stream::iter(pieces));
    assert_eq!(gateway.post("/v1/chat/completions", body).await.status(), 200);
    assert_eq!(provider.only().body, br#"{"model":"m","messages":[]}"#);
}

#[tokio::test]
async fn only_listed_headers_travel_in_either_direction() {
    let provider = Provider::json(ANSWER).await;
    let gateway = Scratch::new().provider(&provider).start().await;
    let response = client()
        .post(format!("{}/v1/messages?beta=true&note=secret", gateway.url))
        .header("content-type", "application/json")
        .header("anthropic-beta", "tools-1")
        .header("user-agent", "sdk/1")
        .header("cookie", "session=1")
        .header("x-forwarded-for", "10.0.0.1")
        .header("x-zos-context", "default")
        .header("x-request-id", "mine-1")
        .body(r#"{"model":"m","max_tokens":5,"messages":[]}"#)
        .send()
        .await
        .unwrap();
    let received = provider.only();
    assert_eq!(received.line, "POST /v1/messages?beta=true HTTP/1.1");
    let mut names: Vec<&str> = received.headers.iter().map(|(name, _)| name.as_str()).collect();
    names.sort_unstable();
    assert_eq!(
        names,
        [
            "accept",
            "accept-encoding",
            "anthropic-beta",
            "anthropic-version",
            "content-length",
            "content-type",
            "host",
            "user-agent"
        ]
    );
    assert_eq!(received.header("accept-encoding"), Some("identity"));
    assert_eq!(received.header("anthropic-version"), Some("2023-06-01"));
    assert_eq!(received.header("user-agent"), Some("sdk/1"));
    for header in ["set-cookie", "access-control-allow-origin"] {
        assert!(!response.headers().contains_key(header), "{header}");
    }
    assert_eq!(response.headers()["x-request-id"], "mine-1");
    assert_eq!(response.headers()["x-zos-upstream-request-id"], "upstream-1");
    assert_eq!(response.headers()["x-zos-context"], "default");
    assert_eq!(response.headers()["x-zos-verdict"], "allow");
    assert_eq!(response.headers()["x-zos-route"], "anthropic/m");
}

#[tokio::test]
async fn a_clients_own_credential_reaches_only_the_provider_of_its_api() {
    let (home, other) = (Provider::json(ANSWER).await, Provider::json(ANSWER).await);
    let gateway = Scratch::new()
        .file(
            "routing/fleet.yml",
            &format!(
                "version: 1\nproviders:\n  openai: {{api: openai, base_url: \"http://127.0.0.1:{}/v1\", key: none}}\n  \
                 other: {{api: openai, base_url: \"http://127.0.0.1:{}/v1\", key: none}}\nmodels: [{{match: \"other-*\", provider: other}}]\n",
                home.port, other.port
            ),
        )
        .start()
        .await;
    let call = |model: &str, key: &'static str| {
        let request = client()
            .post(format!("{}/v1/chat/completions", gateway.url))
            .header("content-type", "application/json");
        request.bearer_auth(key).body(json!({"model": model, "messages": []}).to_string()).send()
    };
    call("gpt", "sk-own").await.unwrap();
    call("other-1", "sk-own").await.unwrap();
    assert_eq!(home.only().header("authorization"), Some("Bearer sk-own"));
    assert_eq!(other.only().header("authorization"), None);
    // A key of ours goes nowhere, also when it is wrong: then the call is refused.
    assert_eq!(call("gpt", "zos_wrong").await.unwrap().status(), 401);
    assert_eq!(home.received().len(), 1);
    // A placeholder is no credential.
    call("gpt", "zos").await.unwrap();
    assert_eq!(home.received()[1].header("authorization"), None);
}

#[tokio::test]
async fn a_stored_model_name_is_the_only_thing_that_changes() {
    let provider = Provider::json(ANSWER).await;
    let gateway = Scratch::new()
        .file(
            "routing/fleet.yml",
            &format!(
                "version: 1\nproviders:\n  local: {{api: openai, base_url: \"http://127.0.0.1:{}/v1\", key: none}}\n\
                 models:\n  - {{id: local/qwen3, provider: local, model: \"qwen3:8b\"}}\n",
                provider.port
            ),
        )
        .start()
        .await;
    gateway.post("/v1/chat/completions", "{ \"a\":1,\"model\" : \"local/qwen3\" , \"messages\":[]}").await;
    assert_eq!(provider.only().body, b"{ \"a\":1,\"model\" : \"qwen3:8b\" , \"messages\":[]}");
}

#[tokio::test]
async fn errors_of_the_provider_pass_untouched_and_cost_nothing() {
    let provider = Provider::start(provider::json(429, r#"{"error":{"message":"slow down"}}"#)).await;
    let gateway = Scratch::new().acme("budget: {daily_tokens: 10000}\n").provider(&provider).start().await;
    let response = gateway.chat("hi").await;
    assert_eq!(response.status(), 429);
    assert_eq!(response.headers()["x-zos-context"], "acme");
    assert_eq!(response.text().await.unwrap(), r#"{"error":{"message":"slow down"}}"#);
    let records = gateway.wait_records(1).await;
    assert_eq!((&records[0]["outcome"], &records[0]["usage"]), (&json!("failed"), &json!(null)));
    let (_, budgets) = gateway.admin("GET", "/zos/v1/budgets", None).await;
    assert_eq!(budgets["budgets"][0]["remaining"], 10000);
}

#[tokio::test]
async fn a_provider_that_is_zos_itself_is_refused() {
    let gateway = Scratch::new().start().await;
    for host in ["127.0.0.1", "localhost", "0.0.0.0", "[::1]"] {
        gateway.write(
            "routing/fleet.yml",
            &format!("version: 1\nproviders:\n  openai: {{api: openai, base_url: \"http://{host}:{}/v1\", key: none, dangerous_plain_http: true}}\n", gateway.port),
        );
        gateway.house.brain().reload();
        let response = gateway.chat("hi").await;
        assert_eq!(response.status(), 503, "{host}");
        assert!(response.text().await.unwrap().contains("own address"), "{host}");
    }
}

#[tokio::test]
async fn redirects_are_not_followed() {
    let elsewhere = Provider::json(ANSWER).await;
    let head = format!(
        "HTTP/1.1 307 Go\r\nlocation: http://127.0.0.1:{}/steal\r\ncontent-length: 0\r\nconnection: close\r\n\r\n",
        elsewhere.port
    );
    let provider = Provider::start(vec![zos_tests::Step::Send(head.into_bytes())]).await;
    let gateway = Scratch::new().provider(&provider).start().await;
    let response = gateway.chat("hi").await;
    assert_eq!(response.status(), 307);
    assert!(!response.headers().contains_key("location"));
    assert!(elsewhere.received().is_empty());
}

#[tokio::test]
async fn a_compressed_answer_is_decoded_and_inspected() {
    use std::io::Write;
    let pack = |text: &str| {
        let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        encoder.write_all(text.as_bytes()).unwrap();
        let body = encoder.finish().unwrap();
        let head = format!(
            "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-encoding: gzip\r\ncontent-length: {}\r\nconnection: close\r\n\r\n",
            body.len()
        );
        vec![zos_tests::Step::Send([head.as_bytes(), &body].concat())]
    };
    let provider = Provider::start(pack(ANSWER)).await;
    let gateway = Scratch::new().acme("outbound_deny: [Falcon]\n").provider(&provider).start().await;
    let response = gateway.chat("hi").await;
    assert!(!response.headers().contains_key("content-encoding"));
    assert_eq!(response.text().await.unwrap(), ANSWER);
    provider.play(pack(&ANSWER.replace("Hi", "Falcon")));
    assert_eq!(gateway.chat("hi").await.status(), 502);
}

#[tokio::test]
async fn the_demo_needs_no_key_and_says_that_it_is_one() {
    let gateway = Scratch::new().start().await;
    for (path, body) in [
        (
            "/v1/chat/completions",
            json!({"model": "demo/echo", "messages": [{"role": "user", "content": "Hello"}]}),
        ),
        (
            "/v1/messages",
            json!({"model": "demo/echo", "max_tokens": 9, "messages": [{"role": "user", "content": "Hello"}]}),
        ),
        ("/v1/responses", json!({"model": "demo/echo", "input": "Hello"})),
    ] {
        for stream in [false, true] {
            let mut body = body.clone();
            body["stream"] = stream.into();
            let response = gateway.post(path, body.to_string()).await;
            assert_eq!(response.status(), 200, "{path}");
            assert_eq!(response.headers()["x-zos-demo"], "true");
            let text = response.text().await.unwrap();
            assert!(text.contains("demo") && text.contains("Hello"), "{path}: {text}");
        }
    }
    let response = gateway.post("/v1/embeddings", r#"{"model":"demo/echo","input":["a","b"]}"#).await;
    let vectors: serde_json::Value = response.json().await.unwrap();
    assert_eq!(vectors["data"].as_array().unwrap().len(), 2);
    let response = gateway.post("/v1/messages/count_tokens", r#"{"model":"demo/echo","messages":[]}"#).await;
    assert!(response.json::<serde_json::Value>().await.unwrap()["input_tokens"].as_u64().unwrap() > 0);
    gateway.wait_records(8).await;
}

#[tokio::test]
async fn models_are_listed_in_the_shape_that_was_asked_for_and_within_the_contexts_filter() {
    let provider = Provider::json(r#"{"data":[{"id":"gpt-5"},{"id":"o9"}]}"#).await;
    let gateway =
        Scratch::new().acme("models: {allow: [\"gpt-*\", \"demo/*\"]}\n").provider(&provider).start().await;
    let list: serde_json::Value =
        client().get(format!("{}/v1/models", gateway.url)).send().await.unwrap().json().await.unwrap();
    let ids: Vec<&str> =
        list["data"].as_array().unwrap().iter().map(|model| model["id"].as_str().unwrap()).collect();
    assert_eq!((list["object"].as_str(), ids), (Some("list"), vec!["demo/echo", "gpt-5"]));
    let request = client()
        .get(format!("{}/v1/models?limit=1000", gateway.url))
        .header("anthropic-version", "2023-06-01");
    let list: serde_json::Value = request.send().await.unwrap().json().await.unwrap();
    assert_eq!(list["has_more"], false);
    let one = client().get(format!("{}/v1/models/demo/echo", gateway.url)).send().await.unwrap();
    assert_eq!(one.json::<serde_json::Value>().await.unwrap()["id"], "demo/echo");
    let none = client().get(format!("{}/v1/models/o9", gateway.url)).send().await.unwrap();
    assert_eq!(
        (none.status().as_u16(), none.json::<serde_json::Value>().await.unwrap()["error"]["code"].as_str()),
        (404, Some("zos_unknown_model"))
    );
    assert_eq!(gateway.post("/v1/chat/completions", r#"{"model":"o9","messages":[]}"#).await.status(), 503);
}
