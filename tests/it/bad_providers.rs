//! Providers that are down, or answer what cannot be read: the caller gets an error of ours in its own
//! shape, nothing of the answer, and the call leaves its record.

use serde_json::{Value, json};
use zos_tests::gateway::Scratch;
use zos_tests::{Provider, Step};

/// A plain answer with these headers and this body.
fn answer(headers: &str, body: &[u8]) -> Vec<Step> {
    let head = format!("HTTP/1.1 200 OK\r\n{headers}\r\nconnection: close\r\n\r\n");
    vec![Step::Send([head.as_bytes(), body].concat())]
}

#[tokio::test]
async fn an_answer_that_cannot_be_read_is_refused_and_nothing_of_it_passes() {
    let provider = Provider::json("{}").await;
    let gateway = Scratch::new().acme("outbound_deny: [Project Falcon]\n").provider(&provider).start().await;
    let json = "content-type: application/json";
    let cases: [(&str, Vec<Step>); 9] = [
        ("a page", answer("content-type: text/html", b"<html>oops</html>")),
        ("a page that says it is JSON", answer(json, b"<html>oops</html>")),
        ("half of it", answer(json, b"{\"oops\":")),
        ("shorter than it says", answer(&format!("{json}\r\ncontent-length: 99"), b"{\"oops\":1}")),
        ("no UTF-8", answer(json, b"{\"oops\":\"\xff\xfe\"}")),
        ("nothing", answer(json, b"")),
        ("not what its encoding says", answer(&format!("{json}\r\ncontent-encoding: zstd"), b"{\"oops\":1}")),
        ("an encoding nobody knows", answer(&format!("{json}\r\ncontent-encoding: oops"), b"{\"oops\":1}")),
        ("no HTTP", vec![Step::Send(b"oops\r\n\r\n".to_vec())]),
    ];
    let count = cases.len();
    let body = json!({"model": "m", "max_tokens": 5, "messages": [{"role": "user", "content": "hi"}]});
    for (name, script) in cases {
        provider.play(script);
        for path in ["/v1/chat/completions", "/v1/messages"] {
            let response = gateway.post(path, body.to_string()).await;
            let status = response.status().as_u16();
            let text = response.text().await.unwrap();
            let problem: Value = serde_json::from_str(&text).unwrap_or_default();
            assert_eq!(
                (status, problem["error"]["code"].as_str()),
                (502, Some("zos_upstream_unreachable")),
                "{name}: {text}"
            );
            assert!(!text.contains("oops"), "{name}: {text}");
        }
    }
    for record in gateway.wait_records(2 * count).await {
        assert_eq!(record["code"], "zos_upstream_unreachable", "{record}");
    }
}

#[tokio::test]
async fn a_provider_that_is_down_is_told_on_every_face() {
    let provider = Provider::json("{}").await;
    let scratch = Scratch::new().acme("{}").provider(&provider);
    drop(provider);
    let gateway = scratch.start().await;
    let messages = json!([{"role": "user", "content": "hi"}]);
    for (path, body) in [
        ("/v1/messages", json!({"model": "m", "max_tokens": 5, "messages": messages})),
        ("/v1/messages/count_tokens", json!({"model": "m", "messages": messages})),
        ("/v1/chat/completions", json!({"model": "m", "messages": messages})),
        ("/v1/chat/completions", json!({"model": "m", "messages": messages, "stream": true})),
        ("/v1/responses", json!({"model": "m", "input": "hi"})),
        ("/v1/embeddings", json!({"model": "m", "input": "hi"})),
    ] {
        let response = gateway.post(path, body.to_string()).await;
        assert_eq!(response.status(), 502, "{path}");
        let problem: Value = response.json().await.unwrap();
        assert_eq!(problem["error"]["code"], "zos_upstream_unreachable", "{path}");
        assert!(!problem.to_string().contains("127.0.0.1"), "the address is the owner's: {problem}");
    }
    gateway.wait_records(6).await;
}
