//! Answers whose provider reports no usage: counted from their text by the tokenizer, and never above what was held.

use serde_json::{Value, json};
use zos_meter::tokens::Vocabulary;
use zos_tests::gateway::Scratch;
use zos_tests::{Provider, provider};

const ROOM: &str = "isolation: hard\nbudget: {daily_tokens: 100000}\n";

fn words() -> String {
    "The ferry leaves at nine, and Zoë waits on the quay; 東京の天気は晴れ. ".repeat(9)
}

/// The answer, plain or in pieces of some characters, with this usage object where there is one.
fn answer(is_streamed: bool, usage: Option<Value>) -> Vec<provider::Step> {
    let words = words();
    if !is_streamed {
        let mut body = json!({"choices": [{"index": 0, "message": {"role": "assistant", "content": words}}]});
        if let Some(usage) = usage {
            body["usage"] = usage;
        }
        return provider::json(200, &body.to_string());
    }
    let characters: Vec<char> = words.chars().collect();
    let mut events: String = characters
        .chunks(3)
        .map(|piece| json!({"choices": [{"index": 0, "delta": {"content": piece.iter().collect::<String>()}}]}))
        .map(|event| format!("data: {event}\n\n"))
        .collect();
    if let Some(usage) = usage {
        events += &format!("data: {}\n\n", json!({"choices": [], "usage": usage}));
    }
    events += "data: [DONE]\n\n";
    provider::events(&[events.as_bytes()])
}

#[tokio::test]
async fn what_an_answer_says_is_counted_by_the_tokenizer_of_its_model() {
    let counted = Vocabulary::O200k.tokenizer().count(&words());
    assert!(zos_meter::estimate_tokens(&words()) > counted, "by length it would be more");
    let zeros = || Some(json!({"prompt_tokens": 0, "completion_tokens": 0}));
    for is_streamed in [false, true] {
        for (model, usage, limit, expected) in [
            ("gpt-4o", None, 4000, counted),
            ("gpt-4o", zeros(), 4000, counted),
            ("gpt-4o", None, 50, 50),
            // Nothing is known of this family yet: half as much again.
            ("mistral-large", None, 4000, (counted * 3).div_ceil(2)),
        ] {
            let upstream = Provider::start(Vec::new()).await;
            upstream.play(answer(is_streamed, usage.clone()));
            let gateway = Scratch::new().acme(ROOM).provider(&upstream).start().await;
            let body = json!({"model": model, "max_tokens": limit, "stream": is_streamed, "messages": [{"role": "user", "content": "hi"}]});
            gateway.post("/v1/chat/completions", body.to_string()).await.text().await.unwrap();
            let record = gateway.wait_records(1).await.remove(0);
            let used = (&record["usage"]["output"], &record["usage"]["estimated"]);
            assert_eq!(used, (&json!(expected), &json!(true)), "{model} {is_streamed} {limit} {usage:?}");
        }
    }
    // What is reported is taken as it is.
    let upstream = Provider::start(Vec::new()).await;
    upstream.play(answer(true, Some(json!({"prompt_tokens": 7, "completion_tokens": 3}))));
    let gateway = Scratch::new().acme(ROOM).provider(&upstream).start().await;
    let body = json!({"model": "gpt-4o", "stream": true, "messages": [{"role": "user", "content": "hi"}]});
    gateway.post("/v1/chat/completions", body.to_string()).await.text().await.unwrap();
    let record = gateway.wait_records(1).await.remove(0);
    assert_eq!((&record["usage"]["output"], &record["usage"]["estimated"]), (&json!(3), &json!(false)));
}
