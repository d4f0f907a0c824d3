//! Budgets: reserved before, settled after, never overspent.

use serde_json::json;
use zos_meter::tokens::Vocabulary;
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

/// A dollar for a token of output and a tenth for one of input, so that a call's cost is plain.
const PRICED: &str = "prices: {m: {input: 100000, output: 1000000}}";

#[tokio::test]
async fn money_is_held_before_and_settled_after_and_shown_with_its_limits() {
    let provider = Provider::json(&answer(60, 4)).await;
    let room = format!("budget: {{daily_usd: 25, monthly_usd: 1000, {PRICED}}}\nattachments: deny\n");
    let gateway = Scratch::new().acme(&room).provider(&provider).start().await;
    // Held: at most ten tokens of output and the input; spent: 60 * 0.10 + 4 * 1.00 = 10 dollars.
    assert_eq!(gateway.chat("hi").await.status(), 200);
    let record = gateway.wait_records(1).await.remove(0);
    assert_eq!(record["cost_micros"], 10_000_000);
    let (_, budgets) = gateway.admin("GET", "/zos/v1/budgets", None).await;
    let budget = &budgets["budgets"][0];
    assert_eq!(
        (&budget["cost_today_micros"], &budget["cost_month_micros"]),
        (&json!(10_000_000), &json!(10_000_000))
    );
    let limits: Vec<_> = budget["limits"]
        .as_array()
        .unwrap()
        .iter()
        .map(|limit| (limit["name"].as_str().unwrap(), limit["remaining"].as_u64().unwrap()))
        .collect();
    assert_eq!(limits, [("daily_usd", 15_000_000), ("monthly_usd", 990_000_000)]);
    assert!(budget["limits"][0]["runs_out_at"].as_str().is_none_or(|time| time.ends_with('Z')));
    let refused = gateway.chat(&"many words ".repeat(10)).await;
    assert_eq!(
        (refused.status().as_u16(), &refused.headers()["x-should-retry"]),
        (429, &"false".parse().unwrap())
    );
    let text = refused.text().await.unwrap();
    assert!(text.contains("daily budget of context \\\"acme\\\" has $15.00 of $25.00 left"), "{text}");
    assert!(text.contains("Raise budget.daily_usd"), "{text}");
    let (_, usage) = gateway.admin("GET", "/zos/v1/usage", None).await;
    assert_eq!(
        (&usage["rows"][0]["cost_micros"], &usage["rows"][0]["unpriced_calls"]),
        (&json!(10_000_000), &json!(0))
    );
}

#[tokio::test]
async fn an_unknown_price_stops_a_hard_room_with_money_and_marks_an_open_one() {
    let provider = Provider::json(&answer(60, 4)).await;
    let gateway = Scratch::new().acme("budget: {monthly_usd: 25}\n").provider(&provider).start().await;
    let refused = gateway.chat("hi").await;
    assert_eq!(refused.status(), 429);
    let text = refused.text().await.unwrap();
    assert!(
        text.contains("zos_budget_exceeded") && text.contains("price of this model is unknown"),
        "{text}"
    );
    assert!(provider.received().is_empty());
    drop(gateway);
    let gateway =
        Scratch::new().acme("isolation: open\nbudget: {monthly_usd: 25}\n").provider(&provider).start().await;
    let served = gateway.chat("hi").await;
    assert_eq!(
        (served.status().as_u16(), &served.headers()["x-zos-price"]),
        (200, &"unknown".parse().unwrap())
    );
    assert_eq!(gateway.wait_records(1).await[0]["cost_micros"], json!(null), "unknown is not nothing");
    let (_, budgets) = gateway.admin("GET", "/zos/v1/budgets", None).await;
    let budget = &budgets["budgets"][0];
    assert_eq!((&budget["cost_today_micros"], &budget["unpriced_month"]), (&json!(null), &json!(1)));
    let (_, usage) = gateway.admin("GET", "/zos/v1/usage", None).await;
    assert_eq!(usage["rows"][0]["cost_micros"], json!(null));
}

#[tokio::test]
async fn published_prices_serve_and_a_newer_catalogue_of_the_home_goes_before_them() {
    let provider = Provider::json(&answer(1_000_000, 0)).await;
    let scratch = Scratch::new().acme("isolation: open\n").provider(&provider);
    let gateway = scratch.start().await;
    let ask =
        || gateway.post("/v1/chat/completions", r#"{"model":"gpt-4o-mini","max_tokens":5,"messages":[]}"#);
    ask().await;
    assert_eq!(gateway.wait_records(1).await[0]["cost_micros"], 150_000);
    gateway.write(
        "routing/prices.json",
        r#"[{"id":"openai","models":[{"id":"x","match":{"equals":"gpt-4o-mini"},"prices":{"input_mtok":7,"output_mtok":9}}]}]"#,
    );
    for calls in 2..50 {
        ask().await;
        if gateway.wait_records(calls).await[calls - 1]["cost_micros"] == 7_000_000 {
            return;
        }
        tokio::time::sleep(std::time::Duration::from_millis(100)).await;
    }
    panic!("the newer prices did not come into force");
}

#[tokio::test]
async fn models_and_keys_have_limits_of_their_own_and_an_alias_is_no_way_around_them() {
    let provider = Provider::json(&answer(60, 40)).await;
    let port = provider.port;
    let fleet = format!(
        "version: 1\nproviders:\n  openai: {{api: openai, base_url: \"http://127.0.0.1:{port}/v1\", key: none}}\n\
         models:\n  - {{id: alias, provider: openai, model: big-one}}\n  - {{match: \"*\", provider: openai}}\n"
    );
    let room = "budget: {daily_tokens: 10000, models: {\"big-*\": {daily_tokens: 150}}, keys: {cli: {daily_tokens: 150}}}\nattachments: deny\n";
    let gateway = Scratch::new().acme(room).file("routing/fleet.yml", &fleet).start().await;
    let ask = async |model: &str, text: &str, key: &str| {
        let body = json!({"model": model, "max_tokens": 90, "messages": [{"role": "user", "content": text}]});
        let request = zos_tests::gateway::client().post(format!("{}/v1/chat/completions", gateway.url));
        let request = if key.is_empty() { request } else { request.header("x-zos-key", key) };
        let response =
            request.header("content-type", "application/json").body(body.to_string()).send().await.unwrap();
        (response.status().as_u16(), response.text().await.unwrap())
    };
    assert_eq!(ask("big-one", "hi", "").await.0, 200);
    for model in ["big-two", "alias", "BIG-one"] {
        let (status, text) = ask(model, "hi", "").await;
        assert_eq!(status, 429, "{model}");
        assert!(
            text.contains("daily budget for this model of context \\\"acme\\\" has 50 of 150 tokens left"),
            "{text}"
        );
    }
    assert_eq!(ask("small", "hi", "").await.0, 200);
    let (_, key) =
        gateway.admin("POST", "/zos/v1/keys", Some(json!({"context": "acme", "client": "cli"}))).await;
    let key = key["key"].as_str().unwrap();
    assert_eq!(ask("small", "hi", key).await.0, 200);
    let (status, text) = ask("small", "hi", key).await;
    assert!(status == 429 && text.contains("for this key"), "{text}");
    assert_eq!(ask("small", "hi", "").await.0, 200, "another's key is no limit of mine");
}

#[tokio::test]
async fn eighty_and_a_hundred_percent_of_every_limit_are_announced_once() {
    let provider = Provider::json(&answer(60, 4)).await;
    let room = format!(
        "budget: {{daily_tokens: 80, monthly_usd: 100, {PRICED}, models: {{m: {{daily_usd: 10}}}}}}\nattachments: deny\n"
    );
    let gateway = Scratch::new().acme(&room).provider(&provider).start().await;
    let mut events = gateway.house.events();
    let body = |text: &str, most: u32| {
        json!({"model": "m", "max_tokens": most, "messages": [{"role": "user", "content": text}]}).to_string()
    };
    // Spends 64 tokens, which are 80 % of the day's, and 10 dollars, which are all of the model's.
    assert_eq!(gateway.post("/v1/chat/completions", body("hi", 4)).await.status(), 200);
    assert_eq!(gateway.post("/v1/chat/completions", body("hi", 4)).await.status(), 429);
    assert_eq!(gateway.post("/v1/chat/completions", body("hi", 4)).await.status(), 429);
    let mut told = Vec::new();
    while let Ok(event) = events.try_recv() {
        let event = serde_json::to_value(&*event).unwrap();
        if event["type"] == "budget" {
            assert_eq!(event["context"], "acme");
            told.push(format!(
                "{} {} {}",
                event["limit"]["scope"].as_str().unwrap(),
                event["limit"]["name"].as_str().unwrap(),
                event["percent"]
            ));
        }
    }
    assert_eq!(told, ["context daily_tokens 80", "model daily_usd 100", "context daily_tokens 100"]);
}

#[tokio::test]
async fn a_raised_limit_holds_from_the_next_call_on() {
    let provider = Provider::json(&answer(60, 40)).await;
    let gateway = Scratch::new().acme("budget: {daily_tokens: 150}\n").provider(&provider).start().await;
    assert_eq!(gateway.chat("hi").await.status(), 200);
    assert_eq!(gateway.chat(&"many words ".repeat(40)).await.status(), 429);
    gateway.write("contexts/acme.yml", "budget: {daily_tokens: 5000}\n");
    for _ in 0..100 {
        if gateway.chat(&"many words ".repeat(40)).await.status() == 200 {
            return;
        }
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    }
    panic!("the raised limit did not come into force");
}

/// What one call of a model holds for its input, and what the provider says afterwards.
#[tokio::test]
async fn what_is_held_for_the_input_is_counted_and_learned_from_the_bill() {
    // Loaded beside the first call that wants it; here it is waited for.
    Vocabulary::O200k.tokenizer();
    Vocabulary::Cl100k.tokenizer();
    let provider = Provider::json(&answer(900, 1)).await;
    let gateway = Scratch::new().acme("budget: {daily_tokens: 1000000}\n").provider(&provider).start().await;
    let words = "one word after another ".repeat(100);
    let mut calls = 0;
    let mut held = async |model: &str| {
        let body = json!({"model": model, "max_tokens": 1, "messages": [{"role": "user", "content": words}]});
        assert_eq!(gateway.post("/v1/chat/completions", body.to_string()).await.status(), 200);
        calls += 1;
        gateway.wait_records(calls).await[calls - 1]["reserved"].as_u64().unwrap() - 1
    };
    let counted = Vocabulary::O200k.tokenizer().count(&words);
    let openai = held("gpt-4o").await;
    assert!((counted + 7..counted + 30).contains(&openai), "{openai} for {counted}: the text and its frame");
    assert_eq!(held("gpt-4o").await, openai, "what is exact is not learned");
    let unknown = held("claude-sonnet-4-5").await;
    assert!(unknown > openai * 14 / 10, "{unknown}: nothing is known yet");
    // The provider bills 900 for it, so that is what the next call of the family holds.
    let learned = held("claude-opus-4-5").await;
    assert!((900..=930).contains(&learned), "{learned}");
    let long = json!({"model": "gpt-4o", "max_tokens": 1, "messages": [{"role": "user", "content": words.repeat(500)}]});
    assert_eq!(gateway.post("/v1/chat/completions", long.to_string()).await.status(), 200);
    let sampled = gateway.wait_records(5).await[4]["reserved"].as_u64().unwrap();
    assert!((counted * 500..counted * 550).contains(&sampled), "{sampled} {counted}");
}

/// Another program that holds the file stands in for every way in which it cannot be written.
#[tokio::test]
async fn while_the_ledger_cannot_be_written_open_rooms_go_on_and_say_so_and_hard_ones_refuse() {
    let provider = Provider::json(&answer(60, 40)).await;
    let limited = "budget: {daily_tokens: 1000}\n";
    let gateway = Scratch::new()
        .acme(limited)
        .file("contexts/easy.yml", &format!("isolation: open\n{limited}"))
        .provider(&provider)
        .start()
        .await;
    let say = async |room: &str| {
        let body = json!({"model": "m", "max_tokens": 10, "messages": [{"role": "user", "content": "hi"}]});
        gateway.post(&format!("/rooms/{room}/v1/chat/completions"), body.to_string()).await
    };
    assert_eq!(say("acme").await.status(), 200);
    let other = rusqlite::Connection::open(gateway.path("gateway/usage.db")).unwrap();
    other.execute_batch("BEGIN IMMEDIATE").unwrap();
    let refused = say("acme").await;
    assert_eq!(refused.status(), 503);
    assert!(refused.text().await.unwrap().contains("zos_ledger_unavailable"));
    let served = say("easy").await;
    assert_eq!(
        (served.status().as_u16(), &served.headers()["x-zos-budget"]),
        (200, &"unknown".parse().unwrap())
    );
    let records = gateway.wait_records(3).await;
    assert!(records[2]["detail"].as_str().unwrap().contains("the ledger failed"), "{}", records[2]);
    assert_eq!((&records[2]["usage"]["input"], &records[2]["reserved"]), (&json!(60), &json!(null)));
    let (_, status) = gateway.admin("GET", "/zos/v1/status", None).await;
    assert_eq!(status["health"]["ok"], false);
    let problem = status["health"]["problems"][0].as_str().unwrap();
    assert!(problem.starts_with("Budgets cannot be read or written since"), "{problem}");
    assert!(!problem.contains(gateway.home.path().to_str().unwrap()), "{problem}");
    other.execute_batch("COMMIT").unwrap();
    let mut tries = 0;
    while gateway.admin("GET", "/zos/v1/status", None).await.1["health"]["ok"] == false {
        tries += 1;
        assert!(tries < 600, "it never recovers");
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    }
    assert_eq!(say("acme").await.status(), 200);
    let (_, budgets) = gateway.admin("GET", "/zos/v1/budgets", None).await;
    let used: Vec<_> = budgets["budgets"].as_array().unwrap().iter().map(|budget| &budget["used"]).collect();
    assert_eq!(used, [200, 100], "what was held meanwhile is booked when it is back, and nothing twice");
}
