//! Streamed answers: byte for byte when allowed, cut in the caller's own words when not, never complete
//! when broken.

use serde_json::{Value, json};
use std::time::{Duration, Instant};
use zos_tests::gateway::{Gateway, Scratch, client};
use zos_tests::provider::{event_head, events};
use zos_tests::{Provider, Step};

const ROOM: &str = "outbound_deny: [Project Falcon]\nbudget: {daily_tokens: 100000}\n";

fn chat(text: &str) -> String {
    format!(
        "data: {}\n\n",
        json!({"id": "c1", "created": 7, "model": "m", "choices": [{"index": 0, "delta": {"content": text}, "finish_reason": null}]})
    )
}

const CHAT_END: &str = "data: {\"id\":\"c1\",\"choices\":[{\"index\":0,\"delta\":{},\"finish_reason\":\"stop\"}]}\n\ndata: {\"id\":\"c1\",\"choices\":[],\"usage\":{\"prompt_tokens\":11,\"completion_tokens\":4,\"total_tokens\":15}}\n\ndata: [DONE]\n\n";

fn event(data: Value) -> String {
    format!("event: {}\ndata: {data}\n\n", data["type"].as_str().unwrap())
}

fn message_start() -> String {
    event(
        json!({"type": "message_start", "message": {"id": "m", "role": "assistant", "usage": {"input_tokens": 9, "output_tokens": 1}}}),
    ) + &event(
        json!({"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}}),
    )
}

fn message_text(text: &str) -> String {
    event(json!({"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": text}}))
}

async fn messages(gateway: &Gateway) -> reqwest::Response {
    gateway
        .post(
            "/v1/messages",
            r#"{"model":"m","max_tokens":9,"stream":true,"messages":[{"role":"user","content":"x"}]}"#,
        )
        .await
}

async fn responses(gateway: &Gateway) -> reqwest::Response {
    gateway.post("/v1/responses", r#"{"model":"m","stream":true,"input":"x"}"#).await
}

#[tokio::test]
async fn an_allowed_stream_arrives_byte_for_byte_and_is_settled_from_its_usage() {
    let bytes = format!(
        ": hello\r\n\r\n{}{}\n{CHAT_END}",
        chat("The Pro"),
        chat("ject is fine \u{e9}").replace("\n\n", "\r\n\r\n")
    );
    let pieces: Vec<&[u8]> = bytes.as_bytes().chunks(7).collect();
    let provider = Provider::start(events(&pieces)).await;
    let gateway = Scratch::new().acme(ROOM).provider(&provider).start().await;
    let response = gateway.stream("hi").await;
    assert_eq!(response.headers()["content-type"], "text/event-stream");
    assert_eq!(response.text().await.unwrap(), bytes);
    let record = gateway.wait_records(1).await.remove(0);
    assert_eq!(
        (&record["outcome"], &record["usage"]),
        (
            &json!("completed"),
            &json!({"input": 11, "output": 4, "cache_read": 0, "cache_write": 0, "estimated": false})
        )
    );
    assert_eq!(record["bytes_out"], bytes.len());
    let (_, budgets) = gateway.admin("GET", "/zos/v1/budgets", None).await;
    assert_eq!((&budgets["budgets"][0]["used"], &budgets["budgets"][0]["reserved"]), (&json!(15), &json!(0)));
}

#[tokio::test]
async fn the_record_is_written_before_the_answer_ends() {
    let provider = Provider::events(&(chat("fine") + CHAT_END)).await;
    let gateway = Scratch::new().acme(ROOM).provider(&provider).start().await;
    let text = gateway.stream("hi").await.text().await.unwrap();
    assert!(text.ends_with("[DONE]\n\n"));
    assert_eq!(gateway.records().len(), 1);
}

#[tokio::test]
async fn a_chat_stream_is_cut_with_content_filter() {
    let said = "Well, the project falcon is late"
        .chars()
        .map(|letter| chat(&letter.to_string()))
        .collect::<String>();
    let provider =
        Provider::start(vec![event_head(), Step::Send(said.into_bytes()), Step::UntilClosed]).await;
    let gateway = Scratch::new().acme(ROOM).provider(&provider).start().await;
    let text = gateway.stream("hi").await.text().await.unwrap();
    let chunks: Vec<Value> =
        text.lines().filter_map(|line| serde_json::from_str(line.strip_prefix("data: ")?).ok()).collect();
    let shown: String =
        chunks.iter().filter_map(|chunk| chunk["choices"][0]["delta"]["content"].as_str()).collect();
    assert_eq!(shown, "Well, the ");
    let last = chunks.last().unwrap();
    assert_eq!(last["choices"][0]["finish_reason"], "content_filter");
    assert_eq!((&last["id"], &last["zos"]["code"]), (&json!("c1"), &json!("zos_firewall_response")));
    assert!(text.ends_with("data: [DONE]\n\n"));
    let record = gateway.wait_records(1).await.remove(0);
    assert_eq!(
        (&record["verdict"], &record["outcome"], &record["usage"]["estimated"]),
        (&json!("deny"), &json!("cut"), &json!(true))
    );
    wait_closed(&provider).await;
}

#[tokio::test]
async fn an_open_room_holds_nothing_back_and_reports() {
    let bytes = chat("It is Project Falcon") + &chat(", yes") + CHAT_END;
    let provider = Provider::events(&bytes).await;
    let gateway = Scratch::new()
        .acme("isolation: open\noutbound_deny: [Project Falcon, {term: Kestrel, action: deny}]\n")
        .provider(&provider)
        .start()
        .await;
    assert_eq!(gateway.stream("hi").await.text().await.unwrap(), bytes);
    let record = gateway.wait_records(1).await.remove(0);
    assert_eq!((&record["verdict"], &record["rules"]), (&json!("warn"), &json!(["deny/1"])));
}

#[tokio::test]
async fn a_messages_stream_is_cut_with_refusal() {
    let provider = Provider::start(vec![
        event_head(),
        Step::Send(
            (message_start() + &message_text("It is Project Fal") + &message_text("con!")).into_bytes(),
        ),
        Step::UntilClosed,
    ])
    .await;
    let gateway = Scratch::new().acme(ROOM).provider(&provider).start().await;
    let text = messages(&gateway).await.text().await.unwrap();
    let kinds: Vec<&str> = text.lines().filter_map(|line| line.strip_prefix("event: ")).collect();
    assert_eq!(
        kinds,
        [
            "message_start",
            "content_block_start",
            "content_block_delta",
            "content_block_stop",
            "message_delta",
            "message_stop"
        ]
    );
    assert!(
        text.contains("\"It is \"")
            && text.contains("\"stop_reason\":\"refusal\"")
            && text.contains("zos_firewall_response")
    );
    assert!(!text.to_lowercase().contains("fal"), "{text}");
}

#[tokio::test]
async fn a_responses_stream_is_cut_as_incomplete() {
    let created = event(
        json!({"type": "response.created", "sequence_number": 0, "response": {"id": "r1", "object": "response", "status": "in_progress", "output": []}}),
    );
    let delta = |text: &str| {
        event(
            json!({"type": "response.output_text.delta", "sequence_number": 3, "item_id": "i", "output_index": 0, "content_index": 0, "delta": text}),
        )
    };
    let provider = Provider::events(&(created + &delta("So: Project") + &delta(" Falcon"))).await;
    let gateway = Scratch::new().acme(ROOM).provider(&provider).start().await;
    let text = responses(&gateway).await.text().await.unwrap();
    let last: Value =
        serde_json::from_str(text.trim().lines().last().unwrap().strip_prefix("data: ").unwrap()).unwrap();
    assert_eq!(
        (&last["type"], &last["response"]["id"], &last["response"]["incomplete_details"]["reason"]),
        (&json!("response.incomplete"), &json!("r1"), &json!("content_filter"))
    );
    assert!(text.contains("So: ") && !text.contains("Falcon"), "{text}");
}

#[tokio::test]
async fn a_cut_inside_tool_arguments_is_an_error_and_no_call() {
    let call = |text: &str| {
        format!(
            "data: {}\n\n",
            json!({"id": "c", "choices": [{"index": 0, "delta": {"tool_calls": [{"index": 0, "id": "t", "function": {"name": "send", "arguments": text}}]}}]})
        )
    };
    let provider = Provider::events(
        &(call("{\"to\":\"ann\",\"text\":\"Project ") + &call("\\u0046alcon\"}") + CHAT_END),
    )
    .await;
    let gateway = Scratch::new().acme(ROOM).provider(&provider).start().await;
    let text = gateway.stream("hi").await.text().await.unwrap();
    assert!(
        !text.contains("[DONE]") && text.contains("\"error\"") && text.contains("zos_firewall_response"),
        "{text}"
    );

    let start = event(json!({"type": "message_start", "message": {"id": "m"}}));
    let block = event(
        json!({"type": "content_block_start", "index": 0, "content_block": {"type": "tool_use", "id": "t", "name": "x", "input": {}}}),
    );
    let input = |text: &str| {
        event(
            json!({"type": "content_block_delta", "index": 0, "delta": {"type": "input_json_delta", "partial_json": text}}),
        )
    };
    provider
        .play(events(&[(start + &block + &input("{\"a\": \"Project Fal") + &input("con\"}")).as_bytes()]));
    let text = messages(&gateway).await.text().await.unwrap();
    assert!(
        text.contains("event: error") && !text.contains("message_stop") && !text.contains("Fal"),
        "{text}"
    );
}

#[tokio::test]
async fn a_broken_stream_never_looks_complete() {
    let provider = Provider::events("").await;
    let gateway = Scratch::new().acme(ROOM).provider(&provider).start().await;
    let cases: [(&str, Vec<u8>, &str); 6] = [
        ("ends early", chat("half of").into_bytes(), "zos_upstream_unreachable"),
        ("ends inside an event", b"data: {\"choi".to_vec(), "zos_upstream_unreachable"),
        ("garbage", b"data: <html>oops</html>\n\n".to_vec(), "zos_upstream_unreachable"),
        (
            "no UTF-8",
            b"data: {\"choices\":[{\"index\":0,\"delta\":{\"content\":\"\xff\xfe\"}}]}\n\ndata: [DONE]\n\n"
                .to_vec(),
            "zos_upstream_unreachable",
        ),
        ("no event stream at all", b"\x00\x01\x02binary".to_vec(), "zos_upstream_unreachable"),
        ("nothing", Vec::new(), "zos_upstream_unreachable"),
    ];
    for (name, bytes, code) in cases {
        provider.play(events(&[&bytes]));
        let text = gateway.stream("hi").await.text().await.unwrap();
        assert!(text.contains(code) && !text.contains("[DONE]"), "{name}: {text}");
    }
    for bytes in [message_start() + &message_text("half"), message_start()] {
        provider.play(events(&[bytes.as_bytes()]));
        let text = messages(&gateway).await.text().await.unwrap();
        assert!(text.contains("event: error") && !text.contains("message_stop"), "{text}");
    }
    let records = gateway.wait_records(8).await;
    assert!(
        records
            .iter()
            .all(|record| record["outcome"] == "cut" && record["code"] == "zos_upstream_unreachable")
    );
}

#[tokio::test]
async fn a_silent_provider_times_out() {
    let provider =
        Provider::start(vec![event_head(), Step::Send(chat("one").into_bytes()), Step::UntilClosed]).await;
    let config = "upstream: {first_byte_timeout_ms: 300, idle_timeout_ms: 300}\n";
    let gateway =
        Scratch::new().acme(ROOM).provider(&provider).file("gateway/config.yml", config).start().await;
    let text = gateway.stream("hi").await.text().await.unwrap();
    assert!(
        text.contains("zos_upstream_timeout") && text.contains("one") && !text.contains("[DONE]"),
        "{text}"
    );
    provider.play(vec![Step::UntilClosed]);
    let response = gateway.chat("hi").await;
    assert_eq!(
        (response.status().as_u16(), response.text().await.unwrap().contains("zos_upstream_timeout")),
        (504, true)
    );
}

#[tokio::test]
async fn an_error_event_of_the_provider_passes_and_nothing_is_added() {
    let bytes = message_start()
        + &event(json!({"type": "error", "error": {"type": "overloaded_error", "message": "Overloaded"}}));
    let provider = Provider::events(&bytes).await;
    let gateway = Scratch::new().acme(ROOM).provider(&provider).start().await;
    assert_eq!(messages(&gateway).await.text().await.unwrap(), bytes);
    assert_eq!(gateway.wait_records(1).await[0]["outcome"], "failed");
}

#[tokio::test]
async fn a_client_that_leaves_closes_the_call_within_a_second_and_is_recorded() {
    let provider =
        Provider::start(vec![event_head(), Step::Send(chat("one").into_bytes()), Step::UntilClosed]).await;
    let gateway = Scratch::new().acme(ROOM).provider(&provider).start().await;
    let mut response = gateway.stream("hi").await;
    assert!(response.chunk().await.unwrap().is_some());
    let left = Instant::now();
    drop(response);
    wait_closed(&provider).await;
    assert!(left.elapsed() < Duration::from_secs(1), "{:?}", left.elapsed());
    let record = gateway.wait_records(1).await.remove(0);
    assert_eq!((&record["outcome"], &record["usage"]["estimated"]), (&json!("abandoned"), &json!(true)));
    // The same while the provider has said nothing at all yet.
    provider.play(vec![Step::UntilClosed]);
    let calling = tokio::spawn({
        let request = client()
            .post(format!("{}/v1/chat/completions", gateway.url))
            .body(r#"{"model":"m","messages":[]}"#);
        async move { request.header("content-type", "application/json").send().await }
    });
    while provider.received().len() < 2 {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    calling.abort();
    while provider.closed() < 2 {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    let records = gateway.wait_records(2).await;
    assert_eq!(records[1]["outcome"], "abandoned");
}

#[tokio::test(flavor = "multi_thread")]
async fn many_streams_do_not_wait_for_each_other() {
    let provider =
        Provider::start(vec![event_head(), Step::Send(chat("one").into_bytes()), Step::UntilClosed]).await;
    let gateway = Scratch::new().acme("outbound_deny: [Falcon]\n").provider(&provider).start().await;
    let mut open = Vec::new();
    for _ in 0..256 {
        open.push(gateway.stream("hi").await);
    }
    for response in &mut open {
        assert!(response.chunk().await.unwrap().is_some(), "each has its first piece while all are open");
    }
    provider.play(events(&[(chat("two") + CHAT_END).as_bytes()]));
    assert!(gateway.stream("hi").await.text().await.unwrap().contains("two"));
    drop(open);
    gateway.wait_records(257).await;
}

async fn wait_closed(provider: &Provider) {
    for _ in 0..200 {
        if provider.closed() > 0 {
            return;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("the call to the provider was not closed");
}
