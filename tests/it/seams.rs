//! Terms over two messages and over a prefilled turn, through the whole house: nothing of them leaves the room, and
//! nothing of them arrives.

use crate::targets::FACES;
use serde_json::{Value, json};
use zos_tests::gateway::Scratch;
use zos_tests::{Provider, provider};

const ROOM: &str = "isolation: hard\nstate: any\noutbound_deny: [Copper Lantern]\n";

/// A request of two turns.
fn turns(path: &str, one: (&str, &str), two: (&str, &str), is_streamed: bool) -> String {
    let turns: Vec<Value> =
        [one, two].iter().map(|(role, text)| json!({"role": role, "content": text})).collect();
    let key = if path == "/v1/responses" { "input" } else { "messages" };
    json!({"model": "m", "max_tokens": 9, key: turns, "stream": is_streamed}).to_string()
}

/// An answer that says this.
fn answer(path: &str, text: &str, is_streamed: bool) -> String {
    let event = |data: Value| format!("event: {}\ndata: {data}\n\n", data["type"].as_str().unwrap_or("x"));
    match (path, is_streamed) {
        ("/v1/messages", false) => json!({"content": [{"type": "text", "text": text}], "usage": {"input_tokens": 1, "output_tokens": 1}}).to_string(),
        ("/v1/chat/completions", false) => json!({"choices": [{"index": 0, "message": {"role": "assistant", "content": text}}]}).to_string(),
        (_, false) => json!({"id": "r", "output": [{"type": "message", "content": [{"type": "output_text", "text": text}]}]}).to_string(),
        ("/v1/messages", true) => [
            json!({"type": "message_start", "message": {"id": "m", "usage": {"input_tokens": 1}}}),
            json!({"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}}),
            json!({"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": text}}),
            json!({"type": "content_block_stop", "index": 0}),
            json!({"type": "message_delta", "delta": {"stop_reason": "end_turn"}, "usage": {"output_tokens": 2}}),
            json!({"type": "message_stop"}),
        ]
        .map(event)
        .concat(),
        ("/v1/chat/completions", true) => {
            format!("data: {}\n\ndata: [DONE]\n\n", json!({"choices": [{"index": 0, "delta": {"content": text}}]}))
        }
        (_, true) => {
            event(json!({"type": "response.output_text.delta", "output_index": 0, "content_index": 0, "item_id": "i", "delta": text}))
                + &event(json!({"type": "response.completed", "response": {"id": "r"}}))
        }
    }
}

#[tokio::test]
async fn a_term_over_two_messages_does_not_leave_the_room() {
    let upstream = Provider::start(Vec::new()).await;
    let gateway = Scratch::new().acme(ROOM).provider(&upstream).start().await;
    for path in FACES {
        for (one, two) in [
            (("user", "it is the Copper"), ("user", "Lantern")),
            (("user", "it is the Cop"), ("assistant", "per Lantern")),
        ] {
            let refused = gateway.post(path, turns(path, one, two, false)).await;
            assert_eq!(refused.status(), 403, "{path} {one:?} {two:?}");
        }
        assert!(upstream.received().is_empty(), "{path}");
    }
    for path in FACES {
        upstream.play(provider::json(200, &answer(path, "well", false)));
        let turns = turns(path, ("user", "it is Copper."), ("user", "Lantern light is warm"), false);
        assert_eq!(gateway.post(path, turns).await.status(), 200, "{path}: two sentences");
    }
}

#[tokio::test]
async fn a_term_over_a_prefilled_turn_and_its_answer_does_not_arrive() {
    for path in FACES {
        for is_streamed in [false, true] {
            for (prefill, said, passes) in [
                ("We call it the Copper", " Lantern here", false),
                ("We call it the Copper Lan", "tern here", false),
                ("We call it the Copper Lan", "guage here", true),
            ] {
                let upstream = Provider::start(Vec::new()).await;
                let body = answer(path, said, is_streamed);
                upstream.play(match is_streamed {
                    false => provider::json(200, &body),
                    true => provider::events(&[body.as_bytes()]),
                });
                let gateway = Scratch::new().acme(ROOM).provider(&upstream).start().await;
                let asked = turns(path, ("user", "name it"), ("assistant", prefill), is_streamed);
                let got = gateway.post(path, asked).await.text().await.unwrap();
                assert_eq!(got.contains("here"), passes, "{path} {is_streamed} {prefill:?}: {got}");
            }
        }
    }
}
