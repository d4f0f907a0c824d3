//! Budgets against requests and answers that say less than they cost: many at once, and nothing is overspent.

use serde_json::{Value, json};
use zos_tests::Provider;
use zos_tests::gateway::{Gateway, Scratch};

const BUDGET: u64 = 2000;

/// A hard room with a budget, in front of a provider.
async fn house(provider: &Provider, isolation: &str) -> Gateway {
    let room = format!("isolation: {isolation}\nbudget: {{daily_tokens: {BUDGET}}}\n");
    Scratch::new().acme(&room).provider(provider).start().await
}

/// Forty calls at once; how many were served, and what the budget says afterwards.
async fn forty(gateway: &Gateway, path: &str, body: &Value) -> (u64, u64) {
    let calls = (0..40).map(|_| async {
        let response = gateway.post(path, body.to_string()).await;
        let status = response.status().as_u16();
        // A stream is settled at its end.
        let _ = response.bytes().await;
        status
    });
    let statuses = futures::future::join_all(calls).await;
    assert!(statuses.iter().all(|status| matches!(status, 200 | 429)), "{statuses:?}");
    let (_, budgets) = gateway.admin("GET", "/zos/v1/budgets", None).await;
    let budget = &budgets["budgets"][0];
    assert_eq!(budget["reserved"], json!(0), "{budget}");
    (statuses.iter().filter(|status| **status == 200).count() as u64, budget["used"].as_u64().unwrap())
}

fn chat(more: Value) -> Value {
    let mut body = json!({"model": "m", "messages": [{"role": "user", "content": "hi"}]});
    body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    body
}

fn sse(events: &[String]) -> String {
    events.iter().map(|event| format!("data: {event}\n\n")).collect()
}

/// A provider that honours whichever limit is the largest, as servers that know only the other name do.
async fn generous(input: u64, output: u64) -> Provider {
    Provider::json(
        &json!({"choices": [], "usage": {"prompt_tokens": input, "completion_tokens": output}}).to_string(),
    )
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_small_limit_beside_a_large_one_holds_the_large_one() {
    for small_and_large in [
        json!({"max_completion_tokens": 1, "max_tokens": 300}),
        json!({"max_tokens": 1, "n_predict": 300}),
        json!({"max_tokens": 1, "options": {"num_predict": 300}}),
        json!({"max_tokens": 1, "min_tokens": 300}),
        json!({"max_tokens": 100, "best_of": 3}),
    ] {
        let provider = generous(10, 300).await;
        let gateway = house(&provider, "hard").await;
        let (served, used) = forty(&gateway, "/v1/chat/completions", &chat(small_and_large.clone())).await;
        assert!(used <= BUDGET, "{small_and_large}: {used}");
        assert!(served >= 4 && used == served * 310, "{small_and_large}: {served} served, {used} used");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn several_answers_without_a_limit_hold_as_many_times_the_usual() {
    let provider = generous(10, 4 * 4096).await;
    let gateway = house(&provider, "hard").await;
    let (served, used) = forty(&gateway, "/v1/chat/completions", &chat(json!({"n": 4}))).await;
    assert_eq!((served, used), (0, 0));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_estimated_answer_is_never_counted_above_what_was_held_for_it() {
    // 200 tokens, and half as much again for a family of models of which nothing is known; the request allows 200.
    let words = "another word ".repeat(100);
    let body = chat(json!({"max_tokens": 200}));
    let plain = Provider::json(&json!({"choices": [{"message": {"content": words}}]}).to_string()).await;
    let gateway = house(&plain, "hard").await;
    let (served, used) = forty(&gateway, "/v1/chat/completions", &body).await;
    assert!(served >= 4 && used <= BUDGET, "{served} served, {used} used");
    for record in gateway.wait_records(40).await.iter().filter(|record| record["status"] == 200) {
        assert_eq!((&record["usage"]["output"], &record["usage"]["estimated"]), (&json!(200), &json!(true)));
    }

    let chunk =
        |text: &str| json!({"choices": [{"index": 0, "delta": {"content": text}, "finish_reason": null}]});
    let mut events: Vec<String> = (0..62).map(|_| chunk("another word ").to_string()).collect();
    events.push("[DONE]".to_owned());
    let stream = Provider::events(&sse(&events)).await;
    let gateway = house(&stream, "hard").await;
    let mut body = body;
    body["stream"] = json!(true);
    let (served, used) = forty(&gateway, "/v1/chat/completions", &body).await;
    assert!(served >= 4 && used <= BUDGET, "{served} served, {used} used");
}

/// A room that lowers the output limits of calls that do not fit.
async fn shrinking(provider: &Provider) -> Gateway {
    let room = format!("isolation: hard\nbudget: {{daily_tokens: {BUDGET}, shrink: true}}\n");
    Scratch::new().acme(&room).provider(provider).start().await
}

fn limits_received(provider: &Provider) -> Vec<u64> {
    let bodies = provider.received();
    let body =
        |request: &zos_tests::provider::Received| serde_json::from_slice::<Value>(&request.body).unwrap();
    bodies.iter().map(|request| body(request)["max_tokens"].as_u64().unwrap()).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_call_that_asks_for_more_output_than_is_left_goes_out_with_less() {
    let provider = generous(10, 256).await;
    let gateway = shrinking(&provider).await;
    for path in ["/v1/chat/completions", "/v1/messages"] {
        let response = gateway.post(path, chat(json!({"max_tokens": 64000})).to_string()).await;
        assert_eq!(response.status(), 200, "{path}");
        let told: u64 = response.headers()["x-zos-output-limit"].to_str().unwrap().parse().unwrap();
        assert!((256..BUDGET).contains(&told), "{told}");
        assert_eq!(limits_received(&provider).pop(), Some(told), "what was held is what was asked for");
    }
    let record = gateway.wait_records(2).await.pop().unwrap();
    assert!(record["detail"].as_str().unwrap().contains("output limit was lowered"), "{record}");
    // What fits is not touched.
    let response = gateway.post("/v1/chat/completions", chat(json!({"max_tokens": 300})).to_string()).await;
    assert_eq!((response.status().as_u16(), response.headers().get("x-zos-output-limit")), (200, None));
    assert_eq!(limits_received(&provider).pop(), Some(300));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_lowered_is_refused_and_forty_at_once_overspend_nothing() {
    let provider = generous(10, 256).await;
    let gateway = shrinking(&provider).await;
    for body in [
        chat(json!({})),
        chat(json!({"max_tokens": 64000, "thinking": {"budget_tokens": 32000}})),
        chat(json!({"max_tokens": 64000, "n": 10})),
    ] {
        assert_eq!(gateway.post("/v1/chat/completions", body.to_string()).await.status(), 429, "{body}");
    }
    assert!(provider.received().is_empty());
    let (served, used) = forty(&gateway, "/v1/chat/completions", &chat(json!({"max_tokens": 64000}))).await;
    assert!(served >= 1 && used <= BUDGET, "{served} served, {used} used");
    assert!(limits_received(&provider).iter().all(|limit| (256..BUDGET).contains(limit)));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_provider_reports_above_the_hold_is_counted_in_full() {
    let provider = generous(10, 900).await;
    let gateway = house(&provider, "hard").await;
    let body = chat(json!({"max_tokens": 100}));
    assert_eq!(gateway.post("/v1/chat/completions", body.to_string()).await.status(), 200);
    let record = gateway.wait_records(1).await.remove(0);
    assert_eq!((&record["usage"]["output"], &record["usage"]["estimated"]), (&json!(900), &json!(false)));
}

#[tokio::test(flavor = "multi_thread")]
async fn while_the_ledger_is_away_forty_at_once_spend_no_more_than_was_left() {
    let provider = generous(10, 140).await;
    let gateway = house(&provider, "open").await;
    let body = chat(json!({"max_tokens": 140}));
    assert_eq!(gateway.post("/v1/chat/completions", body.to_string()).await.status(), 200);
    let other = rusqlite::Connection::open(gateway.path("gateway/usage.db")).unwrap();
    other.execute_batch("BEGIN IMMEDIATE").unwrap();
    let calls = (0..40).map(|_| gateway.post("/v1/chat/completions", body.to_string()));
    let answers = futures::future::join_all(calls).await;
    let served = answers.iter().filter(|answer| answer.status() == 200).count() as u64;
    assert!((9..=12).contains(&served), "{served} of 1,850 tokens, 150 each");
    let refused = answers.into_iter().find(|answer| answer.status() == 429).unwrap();
    assert_eq!(refused.headers()["x-zos-budget"], "unknown");
    let text = refused.text().await.unwrap();
    assert!(text.contains("zos_budget_exceeded") && text.contains("last known"), "{text}");
    other.execute_batch("COMMIT").unwrap();
    for _ in 0..600 {
        let (_, status) = gateway.admin("GET", "/zos/v1/status", None).await;
        if status["health"]["ok"] == true {
            break;
        }
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    }
    let (_, budgets) = gateway.admin("GET", "/zos/v1/budgets", None).await;
    assert_eq!(budgets["budgets"][0]["used"], json!(150 * (1 + served)), "all of it is booked, once");
    let (_, usage) = gateway.admin("GET", "/zos/v1/usage", None).await;
    assert_eq!(usage["rows"][0]["calls"], json!(1 + served));
}

#[tokio::test]
async fn usage_and_terms_are_read_where_providers_put_them() {
    let usage = json!({"prompt_tokens": 1000, "completion_tokens": 100, "total_tokens": 1100});
    let priced = "isolation: open\nbudget: {daily_tokens: 100000}\n";
    for (place, answer, cost) in [
        ("its own", json!({"choices": [], "usage": usage}), json!(2250)),
        (
            "the choice",
            json!({"choices": [{"index": 0, "finish_reason": "stop", "usage": usage}]}),
            json!(2250),
        ),
        ("x_groq", json!({"choices": [], "x_groq": {"id": "r", "usage": usage}}), json!(2250)),
        ("at priority", json!({"choices": [], "usage": usage, "service_tier": "priority"}), json!(4500)),
        ("as flex", json!({"choices": [], "usage": usage, "service_tier": "flex"}), json!(1125)),
        ("unknown terms", json!({"choices": [], "usage": usage, "service_tier": "scale"}), Value::Null),
    ] {
        for is_stream in [false, true] {
            let provider = if is_stream {
                Provider::events(&sse(&[answer.to_string(), "[DONE]".to_owned()])).await
            } else {
                Provider::json(&answer.to_string()).await
            };
            let gateway = Scratch::new().acme(priced).provider(&provider).start().await;
            let body = json!({"model": "gpt-5", "max_tokens": 500, "stream": is_stream, "messages": [{"role": "user", "content": "hi"}]});
            let _ = gateway.post("/v1/chat/completions", body.to_string()).await.bytes().await;
            let record = gateway.wait_records(1).await.remove(0);
            let read = (&record["usage"]["input"], &record["usage"]["output"], &record["usage"]["estimated"]);
            assert_eq!(read, (&json!(1000), &json!(100), &json!(false)), "{place} {is_stream}");
            assert_eq!(record["cost_micros"], cost, "{place} {is_stream}");
        }
    }
}

#[tokio::test]
async fn terms_that_are_asked_for_are_held_at_their_own_price() {
    let provider = generous(1000, 0).await;
    let room = "budget: {daily_usd: 5}\n";
    let gateway = Scratch::new().acme(room).provider(&provider).start().await;
    let ask = async |tier: &str| {
        let body = json!({"model": "gpt-5", "max_tokens": 9000, "service_tier": tier,
            "messages": [{"role": "user", "content": "hi"}]});
        gateway.post("/v1/chat/completions", body.to_string()).await
    };
    assert_eq!(ask("priority").await.status(), 200);
    assert_eq!(gateway.wait_records(1).await[0]["cost_micros"], json!(2500), "twice the list price");
    let refused = ask("gold").await;
    assert_eq!(refused.status(), 429);
    assert!(refused.text().await.unwrap().contains("price of this model is unknown"));
}
