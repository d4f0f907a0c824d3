//! Budgets across attempts and fallbacks: what is held covers the model that is about to be asked, no
//! sequence of failures overspends, and nothing stays held.

use serde_json::{Value, json};
use std::time::Duration;
use zos_tests::gateway::{Gateway, Scratch};
use zos_tests::{Provider, Step, provider};

/// Ten tokens of output, as every call here asks for at most.
const ANSWER: &str = r#"{"id":"c","choices":[{"index":0,"message":{"role":"assistant","content":"Hi"},"finish_reason":"stop"}],"usage":{"prompt_tokens":3,"completion_tokens":10,"total_tokens":13}}"#;

/// Nothing for what is read; for ten tokens of output `one` takes a cent, `two` a dollar.
const PRICES: &str = "prices: {one: {input: 0, output: 1000}, two: {input: 0, output: 100000}, three: {input: 0, output: 1000}}";

/// A gateway with the models `one`, `two` and `three`, each at a provider of its own, tried in this order.
async fn house(providers: [&Provider; 3], defaults: &str, room: &str) -> Gateway {
    let mut fleet = String::from("version: 1\nproviders:\n");
    for (name, provider) in ["a", "b", "c"].iter().zip(providers) {
        fleet += &format!(
            "  {name}: {{api: openai, base_url: \"http://127.0.0.1:{}/v1\", key: none}}\n",
            provider.port
        );
    }
    fleet +=
        "models:\n  - {id: one, provider: a}\n  - {id: two, provider: b}\n  - {id: three, provider: c}\n";
    fleet +=
        &format!("fallback: {{one: [two, three]}}\ndefaults: {{breaker: {{failures: 1000}}, {defaults}}}\n");
    Scratch::new().acme(&format!("{room}attachments: deny\n")).file("routing/fleet.yml", &fleet).start().await
}

async fn ask(gateway: &Gateway) -> reqwest::Response {
    let body = json!({"model": "one", "max_tokens": 10, "messages": [{"role": "user", "content": "Hi"}]});
    gateway.post("/v1/chat/completions", body.to_string()).await
}

async fn failing() -> Provider {
    Provider::start(provider::json(529, r#"{"error":{"message":"no","type":"x"}}"#)).await
}

/// The limits of the room, as the owner sees them.
async fn budget(gateway: &Gateway) -> Value {
    let (_, budgets) = gateway.admin("GET", "/zos/v1/budgets", None).await;
    budgets["budgets"][0].clone()
}

fn limit<'a>(budget: &'a Value, scope: &str, name: &str) -> &'a Value {
    let limits = budget["limits"].as_array().unwrap();
    limits.iter().find(|limit| limit["scope"] == scope && limit["name"] == name).unwrap()
}

#[tokio::test]
async fn a_fallback_keeps_the_limit_of_its_own_model_and_is_booked_on_it() {
    let (a, b, c) = (failing().await, Provider::json(ANSWER).await, Provider::json(ANSWER).await);
    let room = "budget: {models: {one: {daily_tokens: 1000}, two: {daily_tokens: 40}}}\n";
    let gateway = house([&a, &b, &c], "retries: 0", room).await;
    assert_eq!(ask(&gateway).await.headers()["x-zos-route"], "b/two");
    let told = budget(&gateway).await;
    let of = |pattern: &str| {
        let limits = told["limits"].as_array().unwrap();
        let limit = limits.iter().find(|limit| limit["of"] == pattern).unwrap_or_else(|| panic!("{told}"));
        (limit["used"].as_u64().unwrap(), limit["reserved"].as_u64().unwrap())
    };
    assert_eq!((of("one"), of("two")), ((0, 0), (13, 0)), "what served is what is booked");
    // Until the limit of `two` carries no more; then it is passed over, and `three` has none.
    let mut routes = Vec::new();
    for _ in 0..4 {
        routes.push(ask(&gateway).await.headers()["x-zos-route"].to_str().unwrap().to_owned());
    }
    let served = routes.iter().filter(|route| *route == "b/two").count();
    assert!(routes.ends_with(&["c/three".to_owned(), "c/three".to_owned()]) && served < 3, "{routes:?}");
    let record = &gateway.wait_records(5).await[4];
    assert_eq!(record["detail"], "a/one: 529; b/two: skipped, zos_budget_exceeded; c/three: 200");
    assert_eq!(b.received().len(), served + 1);
}

#[tokio::test]
async fn a_fallback_that_the_money_left_cannot_carry_is_passed_over() {
    let (a, b, c) = (failing().await, Provider::json(ANSWER).await, failing().await);
    let room = format!("budget: {{daily_usd: 0.5, {PRICES}}}\n");
    let gateway = house([&a, &b, &c], "retries: 0", &room).await;
    let refused = ask(&gateway).await;
    assert_eq!(
        (refused.status().as_u16(), &refused.headers()["x-zos-route"]),
        (529, &"a/one".parse().unwrap())
    );
    assert_eq!((b.received().len(), c.received().len()), (0, 1));
    let record = &gateway.wait_records(1).await[0];
    assert_eq!((&record["model"], &record["usage"]), (&json!("one"), &json!(null)));
    let told = budget(&gateway).await;
    let money = limit(&told, "context", "daily_usd");
    assert_eq!((&money["used"], &money["reserved"]), (&json!(0), &json!(0)), "{told}");
}

#[tokio::test]
async fn a_fallback_of_unknown_price_is_passed_over_in_a_hard_room_that_limits_money() {
    let (a, b, c) = (failing().await, Provider::json(ANSWER).await, Provider::json(ANSWER).await);
    let prices =
        "budget: {daily_usd: 5, prices: {one: {input: 1, output: 1}, three: {input: 1, output: 1}}}\n";
    let gateway = house([&a, &b, &c], "retries: 0", &format!("isolation: hard\n{prices}")).await;
    let served = ask(&gateway).await;
    assert_eq!(served.headers()["x-zos-route"], "c/three");
    assert!(!served.headers().contains_key("x-zos-price"), "the price of what served is known");
    assert_eq!(b.received().len(), 0);
    let gateway = house([&a, &b, &c], "retries: 0", &format!("isolation: open\n{prices}")).await;
    let served = ask(&gateway).await;
    assert_eq!(
        (&served.headers()["x-zos-route"], &served.headers()["x-zos-price"]),
        (&"b/two".parse().unwrap(), &"unknown".parse().unwrap())
    );
    assert_eq!(gateway.wait_records(1).await[0]["cost_micros"], json!(null));
}

#[tokio::test(flavor = "multi_thread")]
async fn parallel_calls_that_all_fall_back_to_a_dearer_model_never_overspend() {
    let (a, b, c) = (failing().await, Provider::json(ANSWER).await, failing().await);
    let room = format!("budget: {{daily_usd: 5.4, {PRICES}}}\n");
    let gateway = house([&a, &b, &c], "retries: 0", &room).await;
    let answers = futures::future::join_all((0..40).map(|_| ask(&gateway))).await;
    let granted = answers.iter().filter(|answer| answer.status() == 200).count();
    // A cent is held for each call that still asks its first model: the five dollars fit beside all of them.
    assert_eq!((granted, b.received().len()), (5, 5), "a dollar each");
    let told = budget(&gateway).await;
    let money = limit(&told, "context", "daily_usd");
    assert_eq!((&money["used"], &money["reserved"]), (&json!(5_000_000), &json!(0)), "{told}");
    gateway.wait_records(40).await;
}

#[tokio::test]
async fn every_attempt_that_broke_is_paid_for_at_its_own_model_before_the_next_is_held() {
    // The provider reads the call and hangs up.
    let (a, b, c) = (Provider::start(Vec::new()).await, Provider::json(ANSWER).await, failing().await);
    let prices = "prices: {one: {input: 1000000, output: 0}, two: {input: 0, output: 100000}}";
    let room = format!("budget: {{daily_usd: 1000, daily_tokens: 100000, {prices}}}\n");
    let gateway = house([&a, &b, &c], "retries: 1", &room).await;
    assert_eq!(ask(&gateway).await.headers()["x-zos-route"], "b/two");
    assert_eq!((a.received().len(), b.received().len()), (2, 1));
    let record = gateway.wait_records(1).await.remove(0);
    let (_, usage) = gateway.admin("GET", "/zos/v1/usage?context=acme", None).await;
    let row =
        |model: &str| usage["rows"].as_array().unwrap().iter().find(|row| row["model"] == model).unwrap();
    let read = row("one")["input"].as_u64().unwrap();
    assert_eq!((&row("one")["calls"], &row("one")["estimated_calls"]), (&json!(2), &json!(2)), "{usage}");
    assert_eq!(row("one")["cost_micros"], read * 1_000_000, "at the price of the model that read it");
    assert_eq!((&row("two")["calls"], &row("two")["cost_micros"]), (&json!(1), &json!(1_000_000)));
    assert_eq!(record["usage"]["input"], read + 3);
    assert_eq!(record["cost_micros"], read * 1_000_000 + 1_000_000);
    assert_eq!(record["usage"]["estimated"], true);
}

#[tokio::test]
async fn what_broken_attempts_spent_is_no_longer_there_for_the_next() {
    // So that both houses count alike: it is loaded beside the first call that wants it.
    zos_meter::tokens::Vocabulary::O200k.tokenizer();
    let a = Provider::start(Vec::new()).await;
    let (b, c) = (Provider::json(ANSWER).await, Provider::json(ANSWER).await);
    let gateway = house([&a, &b, &c], "retries: 0", "budget: {daily_tokens: 100000}\n").await;
    ask(&gateway).await;
    let read = gateway.wait_records(1).await[0]["usage"]["input"].as_u64().unwrap() - 3;
    // Enough to ask once, and after one broken attempt no longer.
    let gateway =
        house([&a, &b, &c], "retries: 1", &format!("budget: {{daily_tokens: {}}}\n", read + 10)).await;
    let before = (a.received().len(), b.received().len());
    assert_eq!(ask(&gateway).await.status(), 502, "the failure of the model that was asked for");
    assert_eq!((a.received().len() - before.0, b.received().len() - before.1), (1, 0));
    let told = budget(&gateway).await;
    assert_eq!((told["used"].as_u64().unwrap(), &told["reserved"]), (read, &json!(0)), "{told}");
    let record = &gateway.wait_records(1).await[0];
    assert_eq!(
        record["detail"],
        "a/one: the connection to the provider broke; a/one: skipped, zos_budget_exceeded; b/two: skipped, zos_budget_exceeded; \
         c/three: skipped, zos_budget_exceeded"
    );
}

#[tokio::test]
async fn a_caller_that_leaves_between_two_attempts_leaves_nothing_held() {
    let head = "HTTP/1.1 503 S\r\nretry-after: 9\r\ncontent-length: 0\r\nconnection: close\r\n\r\n";
    let a = Provider::start(vec![Step::Send(head.as_bytes().to_vec())]).await;
    let b = Provider::start(vec![Step::UntilClosed]).await;
    let room = format!("budget: {{daily_usd: 5, {PRICES}}}\n");
    // While the first provider is given time.
    let gateway = house([&a, &b, &a], "retries: 1", &room).await;
    leave_once(&gateway, &a, 1).await;
    let record = &gateway.wait_records(1).await[0];
    assert_eq!(
        (&record["outcome"], &record["usage"]),
        (&json!("abandoned"), &json!(null)),
        "a refusal costs nothing"
    );
    let told = budget(&gateway).await;
    let money = limit(&told, "context", "daily_usd");
    assert_eq!((&money["used"], &money["reserved"]), (&json!(0), &json!(0)), "{told}");
    // While the fallback works: what was held for it is what is charged, at its price.
    let a = failing().await;
    let gateway = house([&a, &b, &a], "retries: 0", &room).await;
    leave_once(&gateway, &b, 1).await;
    let record = &gateway.wait_records(1).await[0];
    assert_eq!((&record["outcome"], &record["model"]), (&json!("abandoned"), &json!("two")));
    assert_eq!(record["cost_micros"], 1_000_000);
    let told = budget(&gateway).await;
    let money = limit(&told, "context", "daily_usd");
    assert_eq!((&money["used"], &money["reserved"]), (&json!(1_000_000), &json!(0)), "{told}");
}

/// Asks, and hangs up when the provider has received so many calls.
async fn leave_once(gateway: &Gateway, provider: &Provider, received: usize) {
    let asking = ask(gateway);
    let arrived = async {
        for _ in 0..500 {
            if provider.received().len() >= received {
                // The gateway has to read what the provider answered as well.
                tokio::time::sleep(Duration::from_millis(100)).await;
                return;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        panic!("the provider was never asked");
    };
    tokio::select! {
        _ = asking => panic!("it answered"),
        () = arrived => {}
    }
}
