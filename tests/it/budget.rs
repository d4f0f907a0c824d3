//! Budgets: reserved before, settled after, never overspent.

use serde_json::json;
use zos_tests::Provider;
use zos_tests::gateway::Scratch;

fn answer(input: u64, output: u64) -> String {
    json!({"choices": [], "usage": {"prompt_tokens": input, "completion_tokens": output}}).to_string()
}

#[tokio::test]
async fn what_is_left_is_told_and_an_exhausted_budget_refuses_with_the_reset() {
    let provider = Provider::json(&answer(60, 40)).await;
    let gateway = Scratch::new().acme("budget: {daily_tokens: 150}\n").provider(&provider).start().await;
    let first = gateway.chat("hi").await;
    assert_eq!(first.headers()["x-zos-budget-remaining"], "50");
    let refused = gateway.chat(&"many words ".repeat(40)).await;
    assert_eq!(refused.status(), 429);
    assert_eq!(refused.headers()["x-should-retry"], "false");
    let wait: u64 = refused.headers()["retry-after"].to_str().unwrap().parse().unwrap();
    assert!((1..=86_400).contains(&wait));
    let body: serde_json::Value = refused.json().await.unwrap();
    assert_eq!(
        (&body["error"]["code"], &body["error"]["type"]),
        (&json!("zos_budget_exceeded"), &json!("rate_limit_error"))
    );
    assert_eq!(provider.received().len(), 1);
    let records = gateway.wait_records(2).await;
    assert_eq!(
        (&records[1]["outcome"], &records[1]["code"]),
        (&json!("refused"), &json!("zos_budget_exceeded"))
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn parallel_calls_never_overspend() {
    // Each call is known to need at most 10 output tokens and its input; the provider reports 10 + 10.
    let provider = Provider::json(&answer(10, 10)).await;
    let gateway = Scratch::new().acme("budget: {daily_tokens: 1000}\n").provider(&provider).start().await;
    let calls = futures::future::join_all((0..100).map(|_| gateway.chat("a short question")));
    let statuses: Vec<u16> = calls.await.iter().map(|response| response.status().as_u16()).collect();
    let granted = statuses.iter().filter(|status| **status == 200).count();
    assert!(statuses.iter().all(|status| matches!(status, 200 | 429)));
    let (_, budgets) = gateway.admin("GET", "/zos/v1/budgets", None).await;
    let budget = &budgets["budgets"][0];
    assert_eq!((budget["used"].as_u64().unwrap(), &budget["reserved"]), (granted as u64 * 20, &json!(0)));
    assert!(granted >= 10 && granted * 20 <= 1000, "{granted} calls were granted");
    assert_eq!(provider.received().len(), granted);
}

#[tokio::test]
async fn without_usage_the_cost_is_an_estimate_and_says_so() {
    let provider = Provider::json(r#"{"choices":[{"message":{"content":"some words of an answer"}}]}"#).await;
    let gateway = Scratch::new().acme("budget: {daily_tokens: 10000}\n").provider(&provider).start().await;
    gateway.chat("some words of a question").await;
    let record = gateway.wait_records(1).await.remove(0);
    assert_eq!(record["usage"]["estimated"], true);
    assert!(
        record["usage"]["output"].as_u64().unwrap() > 0 && record["usage"]["input"].as_u64().unwrap() > 0
    );
    let (_, usage) = gateway.admin("GET", "/zos/v1/usage?context=acme", None).await;
    assert_eq!((&usage["rows"][0]["calls"], &usage["rows"][0]["estimated_calls"]), (&json!(1), &json!(1)));
}

#[tokio::test]
async fn what_was_never_forwarded_costs_nothing() {
    let gateway = Scratch::new()
        .acme("budget: {daily_tokens: 10000}\noutbound_deny: [Falcon]\n")
        .file("routing/fleet.yml", "version: 1\nproviders:\n  openai: {api: openai, base_url: \"http://127.0.0.1:1/v1\", key: none}\n")
        .start()
        .await;
    let down = gateway.chat("hi").await;
    assert_eq!(
        (down.status().as_u16(), down.text().await.unwrap().contains("zos_upstream_unreachable")),
        (502, true)
    );
    assert_eq!(gateway.chat("Falcon").await.status(), 403);
    gateway.post("/v1/messages/count_tokens", r#"{"model":"demo/echo","messages":[]}"#).await;
    let (_, budgets) = gateway.admin("GET", "/zos/v1/budgets", None).await;
    assert_eq!((&budgets["budgets"][0]["used"], &budgets["budgets"][0]["reserved"]), (&json!(0), &json!(0)));
}
