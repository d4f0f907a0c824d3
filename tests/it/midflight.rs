//! What changes while a call is on its way: prices, limits, the day. A call is settled as it was reserved.

use serde_json::{Value, json};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;
use zos_gateway::Opening;
use zos_meter::Clock;
use zos_tests::Provider;
use zos_tests::gateway::{Gateway, Scratch, client};
use zos_tests::provider::{self, Step};

/// A provider that takes its time, so that something can happen meanwhile.
async fn slow(input: u64, output: u64) -> Provider {
    let answer = json!({"choices": [], "usage": {"prompt_tokens": input, "completion_tokens": output}});
    let mut script = vec![Step::Wait(Duration::from_millis(400))];
    script.extend(provider::json(200, &answer.to_string()));
    Provider::start(script).await
}

/// Sends a call, lets something happen while the provider works, and gives the status.
async fn meanwhile(gateway: &Gateway, provider: &Provider, what: impl FnOnce()) -> u16 {
    let before = provider.received().len();
    let (status, ()) = tokio::join!(async { gateway.chat("hi").await.status().as_u16() }, async {
        while provider.received().len() == before {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        what();
    });
    status
}

fn change(gateway: &Gateway, yaml: &str) {
    gateway.write("contexts/acme.yml", yaml);
    gateway.house.brain().reload();
}

async fn budget(gateway: &Gateway) -> Value {
    gateway.admin("GET", "/zos/v1/budgets", None).await.1["budgets"][0].clone()
}

#[tokio::test]
async fn a_call_is_settled_at_the_price_it_was_reserved_at() {
    let provider = slow(10, 4).await;
    let priced =
        |output: u64| format!("budget: {{daily_usd: 1000, prices: {{m: {{input: 0, output: {output}}}}}}}\n");
    let gateway = Scratch::new().acme(&priced(1_000_000)).provider(&provider).start().await;
    assert_eq!(meanwhile(&gateway, &provider, || change(&gateway, &priced(3_000_000))).await, 200);
    assert_eq!(gateway.wait_records(1).await[0]["cost_micros"], 4_000_000, "four tokens of a dollar");
    assert_eq!(gateway.chat("hi").await.status(), 200);
    assert_eq!(gateway.wait_records(2).await[1]["cost_micros"], 12_000_000, "and the next at the new price");
    assert_eq!(budget(&gateway).await["cost_today_micros"], 16_000_000);
}

#[tokio::test]
async fn a_limit_that_falls_or_goes_stops_no_call_on_its_way() {
    let provider = slow(60, 40).await;
    let gateway = Scratch::new().acme("budget: {daily_tokens: 1000}\n").provider(&provider).start().await;
    let lower = || change(&gateway, "budget: {daily_tokens: 50}\n");
    assert_eq!(meanwhile(&gateway, &provider, lower).await, 200);
    let now = budget(&gateway).await;
    assert_eq!((&now["used"], &now["reserved"], &now["remaining"]), (&json!(100), &json!(0), &json!(0)));
    assert_eq!(gateway.chat("hi").await.status(), 429, "it holds from the next call on");
    change(&gateway, "budget: {daily_tokens: 1000}\n");
    assert_eq!(meanwhile(&gateway, &provider, || change(&gateway, "title: Acme\n")).await, 200);
    assert_eq!(budget(&gateway).await["used"], 200, "counted without a limit too");
}

#[tokio::test]
async fn a_room_that_is_deleted_keeps_what_its_last_call_cost() {
    let provider = slow(60, 40).await;
    let gateway = Scratch::new().acme("budget: {daily_tokens: 1000}\n").provider(&provider).start().await;
    let delete = || {
        std::fs::remove_file(gateway.path("contexts/acme.yml")).unwrap();
        gateway.house.brain().reload();
    };
    assert_eq!(meanwhile(&gateway, &provider, delete).await, 200);
    let (_, usage) = gateway.admin("GET", "/zos/v1/usage?context=acme", None).await;
    assert_eq!((&usage["rows"][0]["calls"], &usage["rows"][0]["input"]), (&json!(1), &json!(60)));
}

#[tokio::test]
async fn a_call_over_midnight_belongs_to_the_day_before_and_a_clock_that_jumps_finds_each_day_as_it_was() {
    let day = 86_400_000;
    let tonight = zos_meter::Clock::system().today().resets_at();
    let time = Arc::new(AtomicU64::new(tonight - 1_000));
    let clock = Clock::new({
        let time = Arc::clone(&time);
        move || time.load(Ordering::Relaxed)
    });
    let provider = slow(60, 40).await;
    let scratch = Scratch::new().acme("budget: {daily_tokens: 150}\n").provider(&provider);
    let gateway = scratch.start_with(Opening { clock: Some(clock), ..Opening::default() }).await;
    assert_eq!(meanwhile(&gateway, &provider, || time.store(tonight + 1_000, Ordering::Relaxed)).await, 200);
    assert_eq!(budget(&gateway).await["used"], 0, "the new day is untouched");
    assert_eq!(gateway.chat("hi").await.status(), 200);
    assert_eq!(budget(&gateway).await["used"], 100);
    let long = "many words ".repeat(40);
    let refused = gateway.chat(&long).await;
    assert_eq!(
        (refused.status().as_u16(), refused.headers()["retry-after"].to_str().unwrap()),
        (429, "86399")
    );
    // Back to the day before, which was left with 100 of 150.
    time.store(tonight - 5_000, Ordering::Relaxed);
    assert_eq!(budget(&gateway).await["used"], 100);
    let refused = gateway.chat(&long).await;
    assert_eq!((refused.status().as_u16(), refused.headers()["retry-after"].to_str().unwrap()), (429, "5"));
    // Two days ahead, which nobody has used, and back to today.
    time.store(tonight + 2 * day, Ordering::Relaxed);
    assert_eq!(budget(&gateway).await["used"], 0);
    time.store(tonight + 2_000, Ordering::Relaxed);
    assert_eq!(budget(&gateway).await["used"], 100);
}

/// For a translated stream the provider is asked for the usage, which the client never sees; a stream that is not
/// translated goes up as it came, and its cost is estimated where the provider says nothing.
#[tokio::test]
async fn usage_is_asked_for_only_where_it_changes_no_byte_that_the_client_sees() {
    let text = r#"{"id":"1","object":"chat.completion.chunk","created":1,"model":"m","choices":[{"index":0,"delta":{"role":"assistant","content":"Hi"},"finish_reason":null}]}"#;
    let end = r#"{"id":"1","object":"chat.completion.chunk","created":1,"model":"m","choices":[{"index":0,"delta":{},"finish_reason":"stop"}]}"#;
    let usage = r#"{"id":"1","object":"chat.completion.chunk","created":1,"model":"m","choices":[],"usage":{"prompt_tokens":9,"completion_tokens":2,"total_tokens":11}}"#;
    let told = format!("data: {text}\n\ndata: {end}\n\ndata: {usage}\n\ndata: [DONE]\n\n");
    let provider = Provider::events(&told).await;
    let port = provider.port;
    let fleet = format!(
        "version: 1\nproviders:\n  local: {{api: openai, base_url: \"http://127.0.0.1:{port}/v1\", key: none}}\n\
         default_provider: {{anthropic: local, openai: local}}\n"
    );
    let gateway = Scratch::new().acme("isolation: hard\n").file("routing/fleet.yml", &fleet).start().await;
    let body = json!({"model": "m", "max_tokens": 10, "stream": true, "messages": [{"role": "user", "content": "hi"}]});
    let answer = client()
        .post(format!("{}/v1/messages", gateway.url))
        .header("content-type", "application/json")
        .header("anthropic-version", "2023-06-01")
        .body(body.to_string())
        .send()
        .await
        .unwrap();
    assert!(answer.text().await.unwrap().contains("message_stop"));
    let sent: Value = serde_json::from_slice(&provider.only().body).unwrap();
    assert_eq!(sent["stream_options"], json!({"include_usage": true}));
    let record = gateway.wait_records(1).await.remove(0);
    assert_eq!(
        (&record["usage"]["input"], &record["usage"]["output"], &record["usage"]["estimated"]),
        (&json!(9), &json!(2), &json!(false))
    );

    provider.play(provider::events(&[format!("data: {text}\n\ndata: {end}\n\ndata: [DONE]\n\n").as_bytes()]));
    let response = gateway.post("/v1/chat/completions", body.to_string()).await;
    assert!(response.text().await.unwrap().ends_with("data: [DONE]\n\n"));
    assert_eq!(provider.received()[1].body, body.to_string().as_bytes(), "not one byte more");
    assert_eq!(gateway.wait_records(2).await[1]["usage"]["estimated"], true);
}
