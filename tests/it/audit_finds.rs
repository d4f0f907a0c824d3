//! Every find has its keyed hash in the record, wherever it stood and however it was written, and the owner
//! who types it finds the call again.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};
use zos_gateway::terms::hashes_known;
use zos_seal::TermKeys;
use zos_tests::Provider;
use zos_tests::gateway::{Gateway, Scratch};

/// A listed term, what the pattern finds, and what a pack finds.
const TERM: &str = "Project Falcon";
const CODE: &str = "KX-2041-ABCD";
const CARD: &str = "4111 1111 1111 1111";

const REPORTING: &str = "isolation: open\noutbound_deny:\n  - Project Falcon\n  - {pattern: 'KX-[0-9]{4}-[A-Z]{4}'}\n  - {pack: payment}\n";
const DENYING: &str = "isolation: hard\noutbound_deny:\n  - Project Falcon\n  - {pattern: 'KX-[0-9]{4}-[A-Z]{4}'}\n  - {pack: payment}\n";
const REDACTING: &str = "outbound_deny:\n  - {term: Project Falcon, action: redact}\n  - {pattern: 'KX-[0-9]{4}-[A-Z]{4}', action: redact}\n  - {pack: payment, action: redact}\n";

/// Which of the three the record of a call names, as the owner finds out.
fn named(gateway: &Gateway, record: &Value) -> [bool; 3] {
    let keys = TermKeys::new(gateway.path("gateway/keys/terms"));
    let terms: Vec<&str> = record["terms"].as_array().unwrap().iter().filter_map(Value::as_str).collect();
    let line = record.to_string();
    [TERM, CODE, CARD].map(|text| {
        assert!(!line.contains(text), "the record says it");
        // In another case and with other spaces: what folds alike is one find.
        let typed = text.to_uppercase().replace(' ', "\u{a0} ");
        hashes_known(&keys, "acme", &typed).unwrap().iter().any(|hash| terms.contains(&hash.as_str()))
    })
}

async fn last(gateway: &Gateway, count: usize) -> [bool; 3] {
    let records = gateway.wait_records(count).await;
    named(gateway, &records[count - 1])
}

fn hex(text: &str) -> String {
    text.bytes().map(|byte| format!("{byte:02x}")).collect()
}

#[tokio::test]
async fn in_requests_whole_encoded_over_blocks_and_in_arguments() {
    let provider = Provider::json(r#"{"choices":[]}"#).await;
    let gateway = Scratch::new().acme(REPORTING).provider(&provider).start().await;
    let all = format!("Say {TERM}, {CODE}, and pay with {CARD} now");
    let halves = |text: &str| {
        let parts = [&text[..text.len() / 2], &text[text.len() / 2..]];
        json!(parts.map(|part| json!({"type": "text", "text": part})))
    };
    let user = |content: Value| json!([{"role": "user", "content": content}]);
    let arguments = json!({"say": all.replace('o', "\\u006f").replace('1', "\\u0031")}).to_string();
    let arguments = arguments.replace("\\\\u", "\\u");
    let cases = [
        ("plain", user(json!(all)), [true, true, true]),
        ("nothing", user(json!("Say Eagle, KX-2041, and pay with 4111 1111")), [false, false, false]),
        ("base64", user(json!(STANDARD.encode(&all))), [true, true, true]),
        ("base64 in base64", user(json!(STANDARD.encode(STANDARD.encode(&all)))), [true, true, true]),
        ("hexadecimal", user(json!(hex(&all))), [true, true, true]),
        ("entities", user(json!(all.replace('1', "&#49;").replace('a', "&#97;"))), [true, true, true]),
        ("invisible", user(json!(all.replace('1', "1\u{200b}"))), [true, true, true]),
        ("term over blocks", user(halves(TERM)), [true, false, false]),
        ("pattern over blocks", user(halves(CODE)), [false, true, false]),
        ("pack over blocks", user(halves(&format!("pay with {CARD} {CARD}"))), [false, false, true]),
        (
            "arguments",
            json!([{"role": "assistant", "tool_calls": [{"id": "t", "type": "function", "function": {"name": "f", "arguments": arguments}}]}]),
            [true, true, true],
        ),
    ];
    for (count, (what, messages, expected)) in cases.into_iter().enumerate() {
        let body = json!({"model": "m", "max_tokens": 5, "messages": messages});
        assert_eq!(gateway.post("/v1/chat/completions", body.to_string()).await.status(), 200, "{what}");
        assert_eq!(last(&gateway, count + 1).await, expected, "{what}");
    }
}

#[tokio::test]
async fn in_plain_answers_and_their_tool_calls() {
    let provider = Provider::json("{}").await;
    let gateway = Scratch::new().acme(REPORTING).provider(&provider).start().await;
    let all = format!("{TERM} {CODE} {CARD}");
    let arguments = json!({"say": all}).to_string();
    for (count, message) in [
        json!({"role": "assistant", "content": all}),
        json!({"role": "assistant", "tool_calls": [{"id": "t", "type": "function", "function": {"name": "f", "arguments": arguments}}]}),
    ]
    .into_iter()
    .enumerate()
    {
        provider.play(zos_tests::provider::json(200, &json!({"choices": [{"message": message}]}).to_string()));
        assert_eq!(gateway.chat("hi").await.status(), 200);
        assert_eq!(last(&gateway, count + 1).await, [true; 3]);
    }
}

fn chunk(delta: Value) -> String {
    format!("data: {}\n\n", json!({"id": "c", "choices": [{"index": 0, "delta": delta}]}))
}

/// A streamed chat answer that says this, a letter an event.
fn letters(said: &str) -> String {
    let text: String = said.chars().map(|letter| chunk(json!({"content": letter}))).collect();
    text + &chunk(json!({})).replace("\"delta\"", "\"finish_reason\":\"stop\",\"delta\"") + "data: [DONE]\n\n"
}

#[tokio::test]
async fn in_streams_of_rooms_that_report_redact_and_deny() {
    for (room, is_cut) in [(REPORTING, false), (REDACTING, false), (DENYING, true)] {
        let provider = Provider::json("{}").await;
        let gateway = Scratch::new().acme(room).provider(&provider).start().await;
        let mut count = 0;
        for (find, expected) in
            [(TERM, [true, false, false]), (CODE, [false, true, false]), (CARD, [false, false, true])]
        {
            let before = "It goes on like this for a long while. ".repeat(40);
            for said in [
                format!("{before}{find} and more"),
                format!("{before}{} and", STANDARD.encode(format!("so {find} it is"))),
            ] {
                provider.play(zos_tests::provider::events(&[letters(&said).as_bytes()]));
                let text = gateway.stream("hi").await.text().await.unwrap();
                assert_eq!(text.contains("content_filter"), is_cut, "{room}");
                count += 1;
                assert_eq!(last(&gateway, count).await, expected, "{room}: {said}");
            }
        }
    }
}

#[tokio::test]
async fn in_streamed_tool_calls_and_over_blocks_of_a_stream() {
    let provider = Provider::json("{}").await;
    let gateway = Scratch::new().acme(REPORTING).provider(&provider).start().await;
    let all = format!("{TERM} {CODE} {CARD}");
    let arguments = json!({"say": all}).to_string().replace('1', "\\u0031").replace('F', "\\u0046");
    let call: String = arguments
        .chars()
        .map(|letter| chunk(json!({"tool_calls": [{"index": 0, "function": {"arguments": letter}}]})))
        .collect();
    provider.play(zos_tests::provider::events(&[(call + &letters("done")).as_bytes()]));
    gateway.stream("hi").await.text().await.unwrap();
    assert_eq!(last(&gateway, 1).await, [true; 3]);

    let event = |data: Value| format!("event: {}\ndata: {data}\n\n", data["type"].as_str().unwrap());
    let block = |index: usize, text: &str| {
        [
            json!({"type": "content_block_start", "index": index, "content_block": {"type": "text", "text": ""}}),
            json!({"type": "content_block_delta", "index": index, "delta": {"type": "text_delta", "text": text}}),
            json!({"type": "content_block_stop", "index": index}),
        ]
        .map(event)
        .concat()
    };
    let ask = r#"{"model":"m","max_tokens":9,"stream":true,"messages":[{"role":"user","content":"x"}]}"#;
    for (count, (find, expected)) in
        [(TERM, [true, false, false]), (CODE, [false, true, false]), (CARD, [false, false, true])]
            .into_iter()
            .enumerate()
    {
        let said = event(
            json!({"type": "message_start", "message": {"id": "m", "role": "assistant", "usage": {"input_tokens": 1}}}),
        ) + &block(0, &format!("First {}", &find[..6]))
            + &block(1, &format!("{} then", &find[6..]))
            + &event(
                json!({"type": "message_delta", "delta": {"stop_reason": "end_turn"}, "usage": {"output_tokens": 2}}),
            )
            + &event(json!({"type": "message_stop"}));
        provider.play(zos_tests::provider::events(&[said.as_bytes()]));
        gateway.post("/v1/messages", ask).await.text().await.unwrap();
        assert_eq!(last(&gateway, count + 2).await, expected, "{find}");
    }
}

#[tokio::test]
async fn in_what_memory_and_canon_say_over_mcp() {
    let canon = format!("---\nlevel: owner\n---\n## Codes\nThe code is {CODE}.\n");
    // A room that denies it would not build this canon at all.
    let gateway = Scratch::new()
        .acme(REPORTING)
        .file("manifest.json", "[\"brain/a.md\"]")
        .file("brain/a.md", &canon)
        .start()
        .await;
    let text = format!("The tea of {TERM} is paid with {CARD}.");
    let memory = json!({"context": "acme", "text": text, "subject": "tea"});
    let (status, answer) = gateway.admin("POST", "/zos/v1/memory", Some(memory)).await;
    assert_eq!(status, 201, "{answer}");
    let search = json!({"name": "memory_search", "arguments": {"query": "tea"}});
    for (count, (method, params, expected)) in [
        ("tools/call", search, [true, false, true]),
        ("resources/read", json!({"uri": "zos://canon/acme"}), [false, true, false]),
    ]
    .into_iter()
    .enumerate()
    {
        let message = json!({"jsonrpc": "2.0", "id": 1, "method": method, "params": params});
        assert_eq!(gateway.post("/mcp", message.to_string()).await.status(), 200);
        assert_eq!(last(&gateway, count + 1).await, expected, "{method}");
    }
}
