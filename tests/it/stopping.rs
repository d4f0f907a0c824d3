//! Stopping in order: streams drain, then settle, then the log.

use std::time::Duration;
use zos_tests::gateway::Scratch;
use zos_tests::provider::event_head;
use zos_tests::{Provider, Step};

const PIECE: &str = "data: {\"id\":\"c\",\"choices\":[{\"index\":0,\"delta\":{\"content\":\"one\"}}]}\n\n";

fn slow(seconds: u64) -> Vec<Step> {
    let send = |text: &str| Step::Send(text.as_bytes().to_vec());
    vec![
        event_head(),
        send(PIECE),
        Step::Wait(Duration::from_secs(seconds)),
        send(PIECE),
        send("data: [DONE]\n\n"),
    ]
}

fn kinds(home: &tempfile::TempDir) -> Vec<String> {
    let mut kinds = Vec::new();
    for entry in std::fs::read_dir(home.path().join("gateway/audit")).unwrap().flatten() {
        if entry.path().extension().is_some_and(|ending| ending == "jsonl") {
            let text = std::fs::read_to_string(entry.path()).unwrap();
            kinds.extend(text.lines().map(|line| {
                serde_json::from_str::<serde_json::Value>(line).unwrap()["kind"].as_str().unwrap().to_owned()
            }));
        }
    }
    kinds
}

#[tokio::test]
async fn a_stream_in_progress_ends_in_full_and_new_calls_are_refused() {
    let provider = Provider::start(slow(1)).await;
    let gateway = Scratch::new().acme("budget: {daily_tokens: 10000}\n").provider(&provider).start().await;
    let mut stream = gateway.stream("hi").await;
    stream.chunk().await.unwrap();
    let reading = tokio::spawn(async move {
        let mut text = String::new();
        while let Some(chunk) = stream.chunk().await.unwrap() {
            text.push_str(std::str::from_utf8(&chunk).unwrap());
        }
        text
    });
    let home = gateway.stop(Duration::from_secs(10)).await;
    assert!(reading.await.unwrap().ends_with("[DONE]\n\n"));
    assert_eq!(kinds(&home), ["start", "call", "stop"]);
}

#[tokio::test]
async fn a_stream_that_takes_too_long_is_cut_with_an_error_and_recorded() {
    let provider = Provider::start(slow(60)).await;
    let gateway = Scratch::new().acme("budget: {daily_tokens: 10000}\n").provider(&provider).start().await;
    let mut stream = gateway.stream("hi").await;
    stream.chunk().await.unwrap();
    let reading = tokio::spawn(async move { stream.text().await.unwrap() });
    let home = gateway.stop(Duration::from_millis(300)).await;
    let text = reading.await.unwrap();
    assert!(text.contains("zos_shutting_down") && !text.contains("[DONE]"), "{text}");
    assert_eq!(kinds(&home), ["start", "call", "stop"]);
    // The reservation was settled: nothing is held when the house opens again.
    let house = zos_gateway::Gateway::open(zos_core::Home::resolve(Some(home.path())).unwrap()).unwrap();
    drop(house);
}
