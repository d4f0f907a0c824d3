//! Under load: what is slow to read holds up nobody else.

use base64::Engine;
use serde_json::json;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use zos_tests::Provider;
use zos_tests::gateway::{Gateway, Scratch, client};

/// A call that takes long to inspect: much text that is base64 of nothing.
fn slow_body() -> String {
    let mut state = 1u64;
    let bytes: Vec<u8> = (0..300_000)
        .map(|_| {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (state >> 56) as u8
        })
        .collect();
    let text = base64::engine::general_purpose::STANDARD.encode(bytes);
    json!({"model": "m", "messages": [{"role": "user", "content": text}]}).to_string()
}

async fn get(gateway: &Gateway, path: &str) -> String {
    let response = client().get(format!("{}{path}", gateway.url)).send().await.unwrap();
    assert_eq!(response.status(), 200, "{path}");
    response.text().await.unwrap()
}

/// One thread serves, so whatever would read a body on it would keep everybody waiting until the end.
#[tokio::test]
async fn health_and_small_calls_are_answered_while_large_ones_are_inspected() {
    let provider = Provider::json("{}").await;
    let gateway = Scratch::new()
        .acme("outbound_deny: [Project Marlin, {pack: secrets}, {pack: pii}]\n")
        .provider(&provider)
        .start()
        .await;
    let slow = heavy_calls(&gateway, 6);
    // All have arrived, and none is through: with one thread, each of these answers came in between.
    arrived(&gateway, 6).await;
    for path in ["/healthz", "/readyz", "/healthz"] {
        get(&gateway, path).await;
    }
    assert_eq!(gateway.chat("a short one").await.status(), 200);
    assert_eq!(provider.received().len(), 1, "the short one came first");
    assert!(slow.iter().all(|call| !call.is_finished()));
    slow.iter().for_each(tokio::task::JoinHandle::abort);
}

/// Large calls, as many as are to arrive; none of them ends soon.
fn heavy_calls(
    gateway: &Gateway,
    count: usize,
) -> Vec<tokio::task::JoinHandle<reqwest::Result<reqwest::Response>>> {
    let body = slow_body();
    let call = |_| {
        let (url, body) = (gateway.url.clone(), body.clone());
        tokio::spawn(async move {
            let call = client().post(format!("{url}/v1/chat/completions"));
            call.header("content-type", "application/json").body(body).send().await
        })
    };
    (0..count).map(call).collect()
}

/// Waits until so many calls have arrived.
async fn arrived(gateway: &Gateway, count: usize) {
    let ending = format!(" {count}");
    loop {
        let metrics = get(gateway, "/metrics").await;
        if metrics.lines().any(|line| line.starts_with("zos_calls_total") && line.ends_with(&ending)) {
            return;
        }
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
}

/// As above: what would read a body on the one thread that serves would hold up the stream until it is through.
#[tokio::test]
async fn a_stream_that_began_goes_on_while_large_bodies_are_inspected() {
    let provider = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let fleet = format!(
        "version: 1\nproviders:\n  openai: {{api: openai, base_url: \"http://127.0.0.1:{}/v1\", key: none}}\n",
        provider.local_addr().unwrap().port()
    );
    let gateway = Scratch::new()
        .acme("outbound_deny: [Project Marlin, {pack: secrets}, {pack: pii}]\n")
        .file("routing/fleet.yml", &fleet)
        .start()
        .await;
    let event = |text: &str| {
        let choice = json!({"index": 0, "delta": {"content": text}, "finish_reason": null});
        format!("data: {}\n\n", json!({"id": "c", "object": "chat.completion.chunk", "choices": [choice]}))
    };
    let begin = async {
        let (mut stream, _) = provider.accept().await.unwrap();
        let mut request = Vec::new();
        while !request.ends_with(b"}") {
            stream.read_buf(&mut request).await.unwrap();
        }
        let head = "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\nconnection: close\r\n\r\n";
        stream.write_all(format!("{head}{}", event("first. ")).as_bytes()).await.unwrap();
        stream
    };
    let (mut answer, mut stream) = tokio::join!(gateway.stream("hello"), begin);
    let mut heard = String::new();
    let mut hear = async |words: &str| {
        while !heard.contains(words) {
            heard.push_str(std::str::from_utf8(&answer.chunk().await.unwrap().unwrap()).unwrap());
        }
    };
    hear("first. ").await;
    let heavy = heavy_calls(&gateway, 6);
    arrived(&gateway, 7).await;
    for words in ["second. ", "third. ", "fourth. "] {
        stream.write_all(event(words).as_bytes()).await.unwrap();
        hear(words).await;
    }
    assert!(heavy.iter().all(|call| !call.is_finished()));
    heavy.iter().for_each(tokio::task::JoinHandle::abort);
}

#[tokio::test]
async fn calls_that_are_left_while_they_wait_for_their_turn_leave_their_records() {
    let provider = Provider::json("{}").await;
    let gateway = Scratch::new().acme("outbound_deny: [{pack: secrets}]\n").provider(&provider).start().await;
    let body = slow_body();
    let address = gateway.url.trim_start_matches("http://").to_owned();
    let leave = || async {
        let mut caller = tokio::net::TcpStream::connect(&address).await.unwrap();
        let head = format!(
            "POST /v1/chat/completions HTTP/1.1\r\nhost: {address}\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n",
            body.len()
        );
        caller.write_all(head.as_bytes()).await.unwrap();
        // All of it has arrived before its caller leaves, however busy the machine is.
        caller.write_all(body.as_bytes()).await.unwrap();
    };
    futures::future::join_all([leave(), leave(), leave(), leave()]).await;
    for _ in 0..3000 {
        if gateway.records().len() == 4 {
            break;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    let records = gateway.records();
    assert_eq!(records.len(), 4, "exactly one record a call: {records:#?}");
    // One whose turn came before its caller was missed is whole.
    for record in records {
        assert!(record["outcome"] == "abandoned" || record["outcome"] == "completed", "{record}");
    }
}

#[tokio::test]
async fn a_large_event_of_a_stream_is_guarded_like_a_small_one() {
    let words = "ordinary words of a long answer ".repeat(4_000);
    let chunk = |text: &str, finish: serde_json::Value| {
        let choice = json!({"index": 0, "delta": {"content": text}, "finish_reason": finish});
        format!("data: {}\n\n", json!({"id": "c", "object": "chat.completion.chunk", "choices": [choice]}))
    };
    let whole = format!("{}{}data: [DONE]\n\n", chunk(&words, json!(null)), chunk("", json!("stop")));
    let provider = Provider::events(&whole).await;
    let gateway = Scratch::new()
        .acme("isolation: hard\noutbound_deny: [Project Marlin]\n")
        .provider(&provider)
        .start()
        .await;
    assert_eq!(gateway.stream("hello").await.text().await.unwrap(), whole, "byte for byte");
    let split = words.len() / 2;
    let denied = format!("{} Project Marlin {}", &words[..split], &words[split..]);
    let script = format!("{}data: [DONE]\n\n", chunk(&denied, json!("stop")));
    provider.play(zos_tests::provider::events(&[script.as_bytes()]));
    let text = gateway.stream("hello").await.text().await.unwrap();
    assert!(
        !text.contains("Marlin") && text.contains("zos_firewall_response"),
        "{}",
        &text[text.len() - 400..]
    );
}
