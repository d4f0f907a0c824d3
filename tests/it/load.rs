//! Under load: what is slow to read holds up nobody else.

use base64::Engine;
use serde_json::json;
use std::time::Duration;
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
    let body = slow_body();
    let slow: Vec<_> = (0..6)
        .map(|_| {
            let (url, body) = (gateway.url.clone(), body.clone());
            tokio::spawn(async move {
                let call = client().post(format!("{url}/v1/chat/completions"));
                call.header("content-type", "application/json").body(body).send().await
            })
        })
        .collect();
    // All have arrived, and none is through: with one thread, each of these answers came in between.
    loop {
        let metrics = get(&gateway, "/metrics").await;
        if metrics.lines().any(|line| line.starts_with("zos_calls_total") && line.ends_with(" 6")) {
            break;
        }
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
    for path in ["/healthz", "/readyz", "/healthz"] {
        get(&gateway, path).await;
    }
    assert_eq!(gateway.chat("a short one").await.status(), 200);
    assert_eq!(provider.received().len(), 1, "the short one came first");
    assert!(slow.iter().all(|call| !call.is_finished()));
    slow.iter().for_each(tokio::task::JoinHandle::abort);
}

#[tokio::test]
async fn calls_that_are_left_while_they_wait_for_their_turn_leave_their_records() {
    let provider = Provider::json("{}").await;
    let gateway = Scratch::new().acme("outbound_deny: [{pack: secrets}]\n").provider(&provider).start().await;
    let body = slow_body();
    let call = || {
        let call = client().post(format!("{}/v1/chat/completions", gateway.url)).body(body.clone());
        tokio::time::timeout(
            Duration::from_millis(300),
            call.header("content-type", "application/json").send(),
        )
    };
    let left = futures::future::join_all([call(), call(), call(), call()]).await;
    let left = left.iter().filter(|call| call.is_err()).count();
    assert!(left > 0, "all were through before they could be left");
    let mut abandoned = 0;
    for _ in 0..600 {
        let records = gateway.records();
        abandoned = records.iter().filter(|record| record["outcome"] == "abandoned").count();
        if abandoned == left {
            break;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    assert_eq!(abandoned, left);
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
