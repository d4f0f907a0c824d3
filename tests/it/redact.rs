//! What a room redacts leaves as a placeholder and comes back as itself: in every field, over every API,
//! whole and streamed, and never into another room.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};
use zos_tests::Provider;
use zos_tests::gateway::{Gateway, Scratch, client};
use zos_tests::provider::events;

const ROOM: &str = "outbound_deny:\n  - {term: Ann Lee, action: redact, note: patient}\n  \
    - {pattern: 'say \"[a-z]{1,9}\"', action: redact}\n  - {term: Falcon, action: redact}\n  - Kestrel\n";

fn body(path: &str, text: &str) -> String {
    match path {
        "/v1/messages" | "/v1/messages/count_tokens" => {
            json!({"model": "m", "max_tokens": 9, "messages": [{"role": "user", "content": [{"type": "text", "text": text}]}]})
        }
        "/v1/chat/completions" => json!({"model": "m", "messages": [{"role": "user", "content": text}]}),
        _ => json!({"model": "m", "input": text}),
    }
    .to_string()
}

fn streamed(path: &str, text: &str) -> String {
    let mut body: Value = serde_json::from_str(&body(path, text)).unwrap();
    body["stream"] = true.into();
    body.to_string()
}

async fn house(provider: &Provider) -> Gateway {
    Scratch::new().acme(ROOM).provider(provider).start().await
}

fn sent(provider: &Provider) -> String {
    String::from_utf8(provider.received().pop().unwrap().body).unwrap()
}

#[tokio::test]
async fn only_the_matched_bytes_change_whatever_the_endpoint() {
    let provider = Provider::json(r#"{"ok": true}"#).await;
    let gateway = house(&provider).await;
    let paths = [
        "/v1/messages",
        "/v1/messages/count_tokens",
        "/v1/chat/completions",
        "/v1/responses",
        "/v1/embeddings",
    ];
    for path in paths {
        let text = "Dear é ANN  Lee's friend, ann lee; \\u0041 Falcon.";
        let body = body(path, text).replace("\"model\"", " \"x\" : 1.50 ,\n\"model\"");
        let response = gateway.post(path, body.clone()).await;
        assert_eq!(response.status(), 200, "{path}");
        assert_eq!(response.headers()["x-zos-verdict"], "redact", "{path}");
        assert_eq!(response.headers()["x-zos-rules"], "deny/1,deny/3", "{path}");
        let expected = body
            .replace("ANN  Lee", "⟦patient-1⟧")
            .replace("ann lee", "⟦patient-1b⟧")
            .replace("Falcon", "⟦term-1⟧");
        assert_eq!(sent(&provider), expected, "{path}");
    }
    let records = gateway.wait_records(paths.len()).await;
    assert!(records.iter().all(|record| record["verdict"] == "redact"), "{records:?}");
}

#[tokio::test]
async fn what_hides_is_replaced_where_it_hides() {
    let provider = Provider::json("{}").await;
    let gateway = house(&provider).await;
    let document =
        |text: &str| STANDARD.encode(format!("{text} was seen by the doctor, who was not amused at all."));
    let cases = [
        (r#""\u0041nn\nLee""#.to_owned(), "\"⟦patient-1⟧\"".to_owned()),
        (
            r#""{\"q\": \"\\u0041nn Lee\", \"n\": 1}""#.to_owned(),
            r#""{\"q\": \"⟦patient-1⟧\", \"n\": 1}""#.to_owned(),
        ),
        (r#""F&#97;lcon F a l c o n""#.to_owned(), "\"⟦term-1⟧ ⟦term-1b⟧\"".to_owned()),
        (
            format!(
                r#"[{{"type":"document","source":{{"type":"base64","media_type":"text/plain","data":"{}"}}}}]"#,
                document("Ann Lee")
            ),
            format!(
                r#"[{{"type":"document","source":{{"type":"base64","media_type":"text/plain","data":"{}"}}}}]"#,
                document("⟦patient-1⟧")
            ),
        ),
        (
            format!(r#""data:text/plain;base64,{}""#, document("Ann Lee")),
            format!(r#""data:text/plain;base64,{}""#, document("⟦patient-1⟧")),
        ),
    ];
    for (content, expected) in cases {
        let wrap =
            |content: &str| format!(r#"{{"model":"m","messages":[{{"role":"user","content":{content}}}]}}"#);
        let response = gateway.post("/v1/chat/completions", wrap(&content)).await;
        assert_eq!(response.status(), 200, "{content}: {}", response.text().await.unwrap());
        assert_eq!(sent(&provider), wrap(&expected));
    }
}

#[tokio::test]
async fn what_cannot_be_replaced_exactly_is_refused_and_says_so() {
    let provider = Provider::json("{}").await;
    let gateway = Scratch::new()
        .acme("outbound_deny:\n  - {term: Ann Lee, action: redact}\n  - {pattern: '777[0-9]{6}', action: redact}\n")
        .provider(&provider)
        .start()
        .await;
    let wrapped = STANDARD.encode("Ann Lee was seen by the doctor, who was not amused at all.");
    let wrapped = format!("{}\\n{}", &wrapped[..40], &wrapped[40..]);
    for content in [
        json!({"Ann Lee": 1}).to_string(),
        json!([{"type": "x", "number": 777_123_456}]).to_string(),
        json!([{"type": "tool_use", "id": "Ann Lee", "name": "x"}]).to_string(),
        json!([{"type": "text", "text": "to Ann "}, {"type": "text", "text": "Lee"}]).to_string(),
        format!(
            r#"[{{"type":"document","source":{{"type":"base64","media_type":"text/plain","data":"{wrapped}"}}}}]"#
        ),
    ] {
        let body = format!(r#"{{"model":"m","messages":[{{"role":"user","content":{content}}}]}}"#);
        let response =
            gateway.post("/v1/messages", body.replace("\"model\"", "\"max_tokens\":1,\"model\"")).await;
        let (status, text) = (response.status(), response.text().await.unwrap());
        assert_eq!(status, 403, "{content}: {text}");
        assert!(text.contains("zos_firewall_request") && text.contains("cannot be replaced"), "{text}");
        assert!(!text.contains("Ann") && !text.contains("777"), "{text}");
    }
    assert!(provider.received().is_empty());
}

#[tokio::test]
async fn a_plain_answer_is_restored_everywhere() {
    let answer = json!({
        "content": [
            {"type": "thinking", "thinking": "⟦patient-1⟧?", "signature": "s"},
            {"type": "text", "text": "Yes, ⟦Patient 1⟧ and ⟦ PATIENT-1 ⟧: ⟦value-1⟧ ⟦patient-9⟧ ⟦patient-"},
            {"type": "tool_use", "id": "t", "name": "x", "input": {"⟦patient-1⟧": ["⟦value-1⟧"]}}
        ],
        "choices": [{"message": {"tool_calls": [{"function": {"name": "x", "arguments": "{\"q\": \"⟦value-1⟧\"}"}}]}}],
        "usage": {"input_tokens": 1, "output_tokens": 2}
    });
    let provider = Provider::json(&answer.to_string()).await;
    let gateway = house(&provider).await;
    let response = gateway.post("/v1/messages", body("/v1/messages", "Ann Lee: say \"hi\"")).await;
    let text = response.text().await.unwrap();
    let said: Value = serde_json::from_str(&text).unwrap();
    assert_eq!(said["content"][0]["thinking"], "Ann Lee?");
    assert_eq!(said["content"][1]["text"], "Yes, Ann Lee and Ann Lee: say \"hi\" ⟦patient-9⟧ ");
    assert_eq!(said["content"][2]["input"], json!({"Ann Lee": ["say \"hi\""]}));
    let arguments = said["choices"][0]["message"]["tool_calls"][0]["function"]["arguments"].as_str().unwrap();
    assert_eq!(serde_json::from_str::<Value>(arguments).unwrap(), json!({"q": "say \"hi\""}));
}

/// A stream of one API that says these pieces as text, or as the arguments of a tool call.
fn stream(path: &str, pieces: &[String], is_call: bool) -> String {
    let named = |data: Value| format!("event: {}\ndata: {data}\n\n", data["type"].as_str().unwrap());
    let mut bytes = String::new();
    match path {
        "/v1/messages" => {
            bytes += &named(
                json!({"type": "message_start", "message": {"id": "m", "usage": {"input_tokens": 9}}}),
            );
            bytes +=
                &named(json!({"type": "content_block_start", "index": 0, "content_block": {"type": "x"}}));
            for piece in pieces {
                let delta = match is_call {
                    true => json!({"type": "input_json_delta", "partial_json": piece}),
                    false => json!({"type": "text_delta", "text": piece}),
                };
                bytes += &named(json!({"type": "content_block_delta", "index": 0, "delta": delta}));
            }
            bytes += &named(json!({"type": "content_block_stop", "index": 0}));
            bytes += &named(
                json!({"type": "message_delta", "delta": {"stop_reason": "end_turn"}, "usage": {"output_tokens": 9}}),
            );
            bytes += &named(json!({"type": "message_stop"}));
        }
        "/v1/responses" => {
            let kind = if is_call { "response.function_call_arguments" } else { "response.output_text" };
            for piece in pieces {
                bytes += &named(
                    json!({"type": format!("{kind}.delta"), "output_index": 0, "content_index": 0, "item_id": "i", "delta": piece}),
                );
            }
            let whole = pieces.concat();
            let key = if is_call { "arguments" } else { "text" };
            bytes += &named(json!({"type": format!("{kind}.done"), "output_index": 0, key: whole}));
            bytes += &named(
                json!({"type": "response.completed", "response": {"id": "r", "usage": {"input_tokens": 1}}}),
            );
        }
        _ => {
            for piece in pieces {
                let delta = match is_call {
                    true => json!({"tool_calls": [{"index": 0, "function": {"arguments": piece}}]}),
                    false => json!({"content": piece}),
                };
                bytes +=
                    &format!("data: {}\n\n", json!({"id": "c", "choices": [{"index": 0, "delta": delta}]}));
            }
            bytes += &format!(
                "data: {}\n\ndata: [DONE]\n\n",
                json!({"id": "c", "choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]})
            );
        }
    }
    bytes
}

/// What a client puts together from the deltas, and the whole texts that an event repeats.
fn heard(bytes: &str) -> (String, Option<String>) {
    let (mut text, mut whole) = (String::new(), None);
    for line in bytes.lines() {
        let Some(Ok(data)) = line.strip_prefix("data: ").map(serde_json::from_str::<Value>) else { continue };
        let delta = &data["choices"][0]["delta"];
        for piece in [
            &data["delta"]["text"],
            &data["delta"]["partial_json"],
            &data["delta"],
            &delta["content"],
            &delta["tool_calls"][0]["function"]["arguments"],
        ] {
            text.push_str(piece.as_str().unwrap_or_default());
        }
        whole = data["arguments"].as_str().or(data["text"].as_str()).map(str::to_owned).or(whole);
    }
    (text, whole)
}

fn letters(text: &str) -> Vec<String> {
    text.chars().map(String::from).collect()
}

const STREAMING: [&str; 3] = ["/v1/messages", "/v1/chat/completions", "/v1/responses"];

#[tokio::test]
async fn a_streamed_answer_is_restored_however_it_is_split() {
    let provider = Provider::json("{}").await;
    let gateway = house(&provider).await;
    let said = "So ⟦patient-1⟧, ⟦Patient_1⟧: ⟦value-1⟧! ⟦patient-7⟧ ⟦x⟧ ⟦pat";
    let expected = "So Ann Lee, Ann Lee: say \"hi\"! ⟦patient-7⟧ ⟦x⟧ ";
    for path in STREAMING {
        for pieces in
            [letters(said), vec![said.to_owned()], said.split_inclusive("t").map(String::from).collect()]
        {
            let bytes = stream(path, &pieces, false);
            provider.play(events(&[bytes.as_bytes()]));
            let text = gateway.post(path, streamed(path, "Ann Lee: say \"hi\"")).await.text().await.unwrap();
            let (text, whole) = heard(&text);
            assert_eq!(text, expected, "{path}");
            assert_eq!(whole.as_deref().unwrap_or(expected), expected, "{path}");
        }
    }
}

#[tokio::test]
async fn tool_arguments_stay_json_however_they_are_split() {
    let provider = Provider::json("{}").await;
    let gateway = house(&provider).await;
    let said = r#"{"to": "\u27E6value-1\u27e7", "n": [1, "⟦Value-1⟧\n⟦valu"], "⟦patient-1⟧": 2}"#;
    let expected = json!({"to": "say \"hi\"", "n": [1, "say \"hi\"\n⟦valu"], "Ann Lee": 2});
    for path in STREAMING {
        for pieces in [letters(said), vec![said.to_owned()]] {
            let bytes = stream(path, &pieces, true);
            provider.play(events(&[bytes.as_bytes()]));
            let text = gateway.post(path, streamed(path, "Ann Lee: say \"hi\"")).await.text().await.unwrap();
            let (text, whole) = heard(&text);
            assert_eq!(serde_json::from_str::<Value>(&text).expect(&text), expected, "{path}");
            if let Some(whole) = whole {
                assert_eq!(
                    serde_json::from_str::<Value>(&whole).expect(&whole)["to"],
                    expected["to"],
                    "{path}"
                );
            }
        }
    }
}

#[tokio::test]
async fn events_without_a_placeholder_are_the_bytes_that_came() {
    let provider = Provider::json("{}").await;
    let gateway = house(&provider).await;
    let odd = "id: 4\r\nevent: x\r\ndata:   {\"choices\" : [ {\"index\":0,\"delta\":{\"content\":\"\\u0041 b\"}} ] }\r\n\r\n: hello\n\n";
    let tail = stream("/v1/chat/completions", &["⟦patient-1⟧".into(), "fine ⟧".into()], false);
    provider.play(events(&[odd.as_bytes(), tail.as_bytes()]));
    let text = gateway
        .post("/v1/chat/completions", streamed("/v1/chat/completions", "Ann Lee"))
        .await
        .text()
        .await
        .unwrap();
    assert_eq!(text, odd.to_owned() + &tail.replace("⟦patient-1⟧", "Ann Lee"));
}

#[tokio::test]
async fn a_term_that_the_model_knew_is_replaced_unless_the_caller_said_it() {
    let provider = Provider::json("{}").await;
    let gateway = house(&provider).await;
    let said = "It is about FALCON, say Falcon's, and Ann Lee.";
    for path in STREAMING {
        let bytes = stream(path, &letters(said), false);
        provider.play(events(&[bytes.as_bytes()]));
        let text = gateway.post(path, streamed(path, "Who is Ann Lee?")).await.text().await.unwrap();
        let expected = "It is about ⟦term-1⟧, say ⟦term-1b⟧'s, and Ann Lee.";
        let (text, whole) = heard(&text);
        assert_eq!(text, expected, "{path}");
        assert_eq!(whole.as_deref().unwrap_or(expected), expected);
    }
    assert!(gateway.wait_records(3).await.iter().all(|record| record["verdict"] == "redact"));
    // Also where nothing was redacted in the request, and in a plain answer.
    provider.play(zos_tests::provider::json(
        200,
        &json!({"content": [{"type": "text", "text": said}]}).to_string(),
    ));
    let response = gateway.post("/v1/messages", body("/v1/messages", "Who?")).await;
    assert_eq!(response.headers()["x-zos-verdict"], "redact");
    let said: Value = response.json().await.unwrap();
    assert_eq!(said["content"][0]["text"], "It is about ⟦term-1⟧, say ⟦term-1b⟧'s, and ⟦patient-1⟧.");
}

#[tokio::test]
async fn a_denied_term_is_still_never_delivered() {
    let provider = Provider::json("{}").await;
    let gateway = house(&provider).await;
    let bytes = stream("/v1/chat/completions", &letters("⟦patient-1⟧ has a kestrel, yes"), false);
    provider.play(events(&[bytes.as_bytes()]));
    let text = gateway
        .post("/v1/chat/completions", streamed("/v1/chat/completions", "Ann Lee"))
        .await
        .text()
        .await
        .unwrap();
    assert_eq!(heard(&text).0, "Ann Lee has a ");
    assert!(text.contains("content_filter"), "{text}");
}

async fn say(gateway: &Gateway, room: &str, session: Option<&str>, text: &str) -> Value {
    let mut request = client()
        .post(format!("{}/v1/chat/completions", gateway.url))
        .header("content-type", "application/json")
        .header("x-zos-context", room)
        .body(body("/v1/chat/completions", text));
    if let Some(session) = session {
        request = request.header("x-claude-code-session-id", session);
    }
    request.send().await.unwrap().json().await.unwrap()
}

#[tokio::test]
async fn a_conversation_keeps_its_placeholders_and_no_other_room_sees_them() {
    let echo = json!({"choices": [{"message": {"content": "⟦patient-1⟧ ⟦patient-2⟧ ⟦term-1⟧"}}]}).to_string();
    let provider = Provider::json(&echo).await;
    let room = "outbound_deny:\n  - {term: Ann Lee, action: redact, note: patient}\n  - {term: Bob Ray, action: redact, note: patient}\n";
    let gateway =
        Scratch::new().acme(room).file("contexts/globex.yml", room).provider(&provider).start().await;
    let answer = |value: Value| value["choices"][0]["message"]["content"].as_str().unwrap().to_owned();
    assert_eq!(answer(say(&gateway, "acme", Some("s1"), "Bob Ray").await), "Bob Ray ⟦patient-2⟧ ⟦term-1⟧");
    assert!(sent(&provider).contains("\"⟦patient-1⟧\""));
    assert_eq!(
        answer(say(&gateway, "acme", Some("s1"), "Ann Lee and Bob Ray").await),
        "Bob Ray Ann Lee ⟦term-1⟧"
    );
    assert!(sent(&provider).contains("⟦patient-2⟧ and ⟦patient-1⟧"), "the first keeps its number");
    // Nothing of it in another conversation, in a call without one, or in another room.
    for (room, session) in [("acme", Some("s2")), ("acme", None), ("globex", Some("s1")), ("globex", None)] {
        assert_eq!(
            answer(say(&gateway, room, session, "hello").await),
            "⟦patient-1⟧ ⟦patient-2⟧ ⟦term-1⟧",
            "{room} {session:?}"
        );
    }
    assert_eq!(answer(say(&gateway, "globex", Some("s1"), "Ann Lee").await), "Ann Lee ⟦patient-2⟧ ⟦term-1⟧");
    // Without a conversation the order of first appearance decides, so a growing one keeps its beginning.
    say(&gateway, "acme", None, "Ann Lee").await;
    let first = sent(&provider);
    say(&gateway, "acme", None, "Ann Lee and Bob Ray").await;
    assert!(sent(&provider).starts_with(first.split("⟧").next().unwrap()));
}

#[tokio::test]
async fn what_only_looks_like_a_placeholder_stands_for_itself() {
    let echo = json!({"choices": [{"message": {"content": "⟦term-1⟧ is not ⟦term-1b⟧"}}]}).to_string();
    let provider = Provider::json(&echo).await;
    let gateway = house(&provider).await;
    let answer = gateway.chat("What does ⟦Term 1⟧ mean, Falcon?").await.text().await.unwrap();
    assert!(sent(&provider).contains("What does ⟦Term 1⟧ mean, ⟦term-1b⟧?"), "{}", sent(&provider));
    assert!(answer.contains("⟦term-1⟧ is not Falcon"), "{answer}");
}

#[tokio::test]
async fn while_the_shield_is_paused_nothing_is_replaced() {
    let provider = Provider::json(r#"{"said": "⟦patient-1⟧"}"#).await;
    let gateway = house(&provider).await;
    gateway.admin("PUT", "/zos/v1/shield", Some(json!({"paused": true, "minutes": 5}))).await;
    let response = gateway.chat("Ann Lee").await;
    assert_eq!(response.headers()["x-zos-verdict"], "warn");
    assert!(response.text().await.unwrap().contains("⟦patient-1⟧"));
    assert!(sent(&provider).contains("Ann Lee"));
}
