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

/// The start of a stream and its end, as each API writes them.
fn stream_of(path: &str, text: &str) -> String {
    let event = |data: Value| format!("event: {}\ndata: {data}\n\n", data["type"].as_str().unwrap());
    match path {
        "/v1/messages" => {
            event(json!({"type": "message_start", "message": {"id": "m", "usage": {"input_tokens": 1}}}))
                + &event(
                    json!({"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": text}}),
                )
                + &event(json!({"type": "message_stop"}))
        }
        "/v1/responses" => {
            event(
                json!({"type": "response.output_text.delta", "output_index": 0, "content_index": 0, "delta": text}),
            ) + &event(json!({"type": "response.completed", "response": {"id": "r"}}))
        }
        _ => format!(
            "data: {}\n\ndata: [DONE]\n\n",
            json!({"choices": [{"index": 0, "delta": {"content": text}}]})
        ),
    }
}

fn asking(path: &str) -> String {
    let mut body = json!({"model": "m", "max_tokens": 5, "stream": true, "input": "hi"});
    if path != "/v1/responses" {
        body = json!({"model": "m", "max_tokens": 5, "stream": true, "messages": [{"role": "user", "content": "hi"}]});
    }
    body.to_string()
}

#[tokio::test]
async fn bytes_decide_what_an_answer_is_and_its_label_is_made_true() {
    let provider = Provider::json("{}").await;
    let gateway = Scratch::new().acme("outbound_deny: [Project Falcon]\n").provider(&provider).start().await;
    for path in ["/v1/messages", "/v1/chat/completions", "/v1/responses"] {
        let stream = stream_of(path, "good day");
        for label in
            ["content-type: application/json", "content-type: text/plain; charset=utf-8", "x-none: 1"]
        {
            for encoding in ["x: y", "content-encoding: none", "content-encoding: identity"] {
                provider.play(answer(&format!("{label}\r\n{encoding}"), stream.as_bytes()));
                let response = gateway.post(path, asking(path)).await;
                assert_eq!(
                    response.headers()["content-type"],
                    "text/event-stream",
                    "{path} {label} {encoding}"
                );
                assert_eq!(response.text().await.unwrap(), stream, "{path} {label} {encoding}");
            }
            // The guard is kept.
            provider.play(answer(label, stream_of(path, "It is Project Falcon!").as_bytes()));
            let text = gateway.post(path, asking(path)).await.text().await.unwrap();
            assert!(!text.contains("Falcon"), "{path} {label}: {text}");
        }
        provider.play(answer(
            "content-type: text/event-stream",
            br#"  {"id":"whole","usage":{"input_tokens":1}}"#,
        ));
        let response = gateway.post(path, asking(path)).await;
        let label = response.headers()["content-type"].to_str().unwrap().to_owned();
        assert!(label.starts_with("application/json"), "{path}: {label}");
        assert!(response.text().await.unwrap().contains("whole"), "{path}");
    }
}

#[tokio::test]
async fn what_follows_a_whole_answer_turns_it_into_no_error() {
    let provider = Provider::json("{}").await;
    let gateway = Scratch::new().acme("outbound_deny: [Project Falcon]\n").provider(&provider).start().await;
    let mut calls = 0;
    for path in ["/v1/messages", "/v1/chat/completions", "/v1/responses"] {
        for behind in [
            "data: [DONE]\n\n",
            "data:[DONE]\n\n",
            ": bye\n\n",
            "data: {half",
            "event: keepalive\ndata: {\"type\":\"keepalive\"}\n\n",
        ] {
            let whole = stream_of(path, "good day");
            provider.play(answer("content-type: text/event-stream", format!("{whole}{behind}").as_bytes()));
            let text = gateway.post(path, asking(path)).await.text().await.unwrap();
            assert!(text.starts_with(&whole) && !text.contains("error"), "{path} {behind:?}: {text}");
            calls += 1;
        }
    }
    for record in gateway.wait_records(calls).await {
        assert_eq!(record["outcome"], "completed", "{record}");
    }
}

#[tokio::test]
async fn words_that_were_replaced_are_not_spelled_beside_the_text() {
    let tokens = ["It", " is", " the Silver", " Heron", " of", " course"];
    let spelled = |tokens: &[&str]| json!({"content": tokens.iter().map(|token| json!({"token": token, "logprob": -0.1, "bytes": token.as_bytes(), "top_logprobs": [{"token": token}]})).collect::<Vec<_>>()});
    let provider = Provider::json("{}").await;
    let room = "outbound_deny: [{term: Silver Heron, action: redact}]\n";
    let gateway = Scratch::new().acme(room).provider(&provider).start().await;
    let told = |text: &str| {
        let value: String = text.chars().filter(|c| !c.is_whitespace()).collect();
        let bytes = format!("{:?}", " Heron".as_bytes()).replace(' ', "");
        assert!(!value.contains("Heron") && !value.contains(&bytes), "{text}");
        assert!(text.contains("of") && text.contains('⟦'), "{text}");
    };
    let whole = json!({"id": "c", "choices": [{"index": 0, "message": {"role": "assistant", "content": tokens.concat()}, "logprobs": spelled(&tokens), "finish_reason": "stop"}]});
    provider.play(answer("content-type: application/json", whole.to_string().as_bytes()));
    told(&gateway.chat("hi").await.text().await.unwrap());
    let chunk = |token: &&str| {
        format!(
            "data: {}\n\n",
            json!({"id": "c", "choices": [{"index": 0, "delta": {"content": token}, "logprobs": spelled(&[token])}]})
        )
    };
    let stream: String = tokens.iter().map(chunk).chain(["data: [DONE]\n\n".to_owned()]).collect();
    provider.play(answer("content-type: text/event-stream", stream.as_bytes()));
    let text = gateway.stream("hi").await.text().await.unwrap();
    told(&text);
    assert!(text.contains(r#""token":"It""#), "what repeats nothing replaced is left as it is: {text}");
    // A room that denies finds the term where only the tokens spell it.
    let gateway = Scratch::new().acme("outbound_deny: [Silver Heron]\n").provider(&provider).start().await;
    let whole = json!({"id": "c", "choices": [{"index": 0, "message": {"content": "x"}, "logprobs": spelled(&tokens)}]});
    provider.play(answer("content-type: application/json", whole.to_string().as_bytes()));
    assert_eq!(gateway.chat("hi").await.status(), 502);
}

#[tokio::test]
async fn text_is_counted_where_no_usage_that_can_be_true_is_reported() {
    let provider = Provider::json("{}").await;
    let gateway = Scratch::new().acme("{}").provider(&provider).start().await;
    let text = "seven letters ".repeat(90);
    let usages = [
        json!({"prompt_tokens": 0, "completion_tokens": 0}),
        json!({"completion_tokens": "many"}),
        json!(null),
    ];
    for usage in &usages {
        let body = json!({"id": "an-id-that-is-not-counted".repeat(50), "choices": [{"index": 0, "message": {"content": text}}], "usage": usage});
        provider.play(answer("content-type: application/json", body.to_string().as_bytes()));
        let asked = r#"{"model":"m","max_tokens":2000,"messages":[{"role":"user","content":"hi"}]}"#;
        assert_eq!(gateway.post("/v1/chat/completions", asked).await.status(), 200);
    }
    for record in gateway.wait_records(usages.len()).await {
        let output = record["usage"]["output"].as_u64().unwrap();
        assert!((200..=text.len() as u64 / 3).contains(&output), "{record}");
        assert_eq!(record["usage"]["estimated"], true, "{record}");
    }
}
