//! Fallback, retries and the breaker, over real sockets. No failure leads out of the filter.

use serde_json::{Value, json};
use std::time::Duration;
use zos_tests::gateway::{Gateway, Scratch, client};
use zos_tests::{Provider, Step};

const ANSWER: &str = r#"{"id":"c","choices":[{"index":0,"message":{"role":"assistant","content":"Hi"},"finish_reason":"stop"}],"usage":{"prompt_tokens":3,"completion_tokens":2,"total_tokens":5}}"#;

/// How often something is waited for, and how long each time. A minute in all is no measure of speed: it ends a test
/// that would hang.
const TRIES: u32 = 1200;
const PAUSE: Duration = Duration::from_millis(50);

/// A gateway with the models `one`, `two` and `three`, each at a provider of its own.
async fn house(providers: [&Provider; 3], more: &str, context: &str) -> Gateway {
    let mut fleet = String::from("version: 1\nproviders:\n");
    for (name, provider) in ["a", "b", "c"].iter().zip(providers) {
        fleet += &format!(
            "  {name}: {{api: openai, base_url: \"http://127.0.0.1:{}/v1\", key: none, residency: {name}}}\n",
            provider.port
        );
    }
    fleet += "models:\n  - {id: one, provider: a}\n  - {id: two, provider: b, model: zwei}\n  - {id: three, provider: c}\n";
    Scratch::new().acme(context).file("routing/fleet.yml", &(fleet + more)).start().await
}

fn failing(status: u16, headers: &str) -> Vec<Step> {
    let body = r#"{"error":{"message":"no","type":"x"}}"#;
    let head = format!(
        "HTTP/1.1 {status} Status\r\ncontent-type: application/json\r\n{headers}content-length: {}\r\nconnection: close\r\n\r\n{body}",
        body.len()
    );
    vec![Step::Send(head.into_bytes())]
}

async fn ask(gateway: &Gateway) -> reqwest::Response {
    let body = json!({"model": "one", "max_tokens": 10, "messages": [{"role": "user", "content": "Hi"}]});
    gateway.post("/v1/chat/completions", body.to_string()).await
}

/// A counter of `GET /metrics`.
async fn counter(gateway: &Gateway, name: &str) -> u64 {
    let answer = client().get(format!("{}/metrics", gateway.url)).send().await.unwrap();
    let text = answer.text().await.unwrap();
    let line = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
    line.expect(name).parse().unwrap()
}

/// Waits until a counter is above a value.
async fn grows(gateway: &Gateway, name: &str, above: u64) {
    for _ in 0..TRIES {
        if counter(gateway, name).await > above {
            return;
        }
        tokio::time::sleep(PAUSE).await;
    }
    panic!("{name} stays at {above}");
}

#[tokio::test]
async fn a_breaker_that_opens_and_closes_and_every_change_of_what_governs_is_counted() {
    let (a, b) = (Provider::start(failing(500, "")).await, Provider::json(ANSWER).await);
    let more = "fallback: {one: [two]}\ndefaults: {breaker: {failures: 1, window_s: 60, open_s: 1}}\n";
    let gateway = house([&a, &b, &b], more, "isolation: hard\n").await;
    assert_eq!(ask(&gateway).await.headers()["x-zos-route"], "b/two");
    a.play(zos_tests::provider::json(200, ANSWER));
    for _ in 0..TRIES {
        if ask(&gateway).await.headers()["x-zos-route"] == "a/one" {
            break;
        }
        tokio::time::sleep(PAUSE).await;
    }
    assert_eq!(counter(&gateway, "zos_breakers_opened_total").await, 1);
    assert_eq!(counter(&gateway, "zos_breakers_closed_total").await, 1);
    assert_eq!(counter(&gateway, "zos_config_failures_total").await, 0);

    let before = counter(&gateway, "zos_config_changes_total").await;
    gateway.write("contexts/acme.yml", "isolation: hard\noutbound_deny: [Heron]\n");
    grows(&gateway, "zos_config_changes_total", before).await;
    gateway.write("contexts/acme.yml", "isolation: [\n");
    grows(&gateway, "zos_config_failures_total", 0).await;
}

#[tokio::test]
async fn a_failing_provider_is_followed_by_the_fallbacks_that_the_context_permits() {
    let a = Provider::start(failing(529, "")).await;
    let (b, c) = (Provider::json(ANSWER).await, Provider::json(ANSWER).await);
    let fallback = "fallback: {one: [three, two]}\n";
    let gateway = house([&a, &b, &c], fallback, "models: {deny: [three]}\n").await;
    let response = ask(&gateway).await;
    assert_eq!(response.status(), 200);
    assert_eq!(response.headers()["x-zos-route"], "b/two");
    assert_eq!((a.received().len(), b.received().len(), c.received().len()), (1, 1, 0));
    let sent: Value = serde_json::from_slice(&b.only().body).unwrap();
    assert_eq!(sent["model"], "zwei");
    let record = &gateway.wait_records(1).await[0];
    assert_eq!((&record["provider"], &record["model"]), (&json!("b"), &json!("two")));
    assert_eq!(record["detail"], "a/one: 529; b/two: 200");
    assert_eq!(record["usage"]["input"], 3);
}

#[tokio::test]
async fn a_room_whose_filter_excludes_the_model_gets_a_permitted_fallback_or_nothing() {
    let (a, b, c) =
        (Provider::json(ANSWER).await, Provider::json(ANSWER).await, Provider::json(ANSWER).await);
    let rules = "fallback: {one: [two]}\nrules: [{when: {context: acme}, require: {residency: [b, c]}}]\n";
    let gateway = house([&a, &b, &c], rules, "isolation: hard\n").await;
    assert_eq!(ask(&gateway).await.headers()["x-zos-route"], "b/two");
    gateway.stop(std::time::Duration::from_secs(1)).await;
    let rules = "fallback: {one: [two]}\nrules: [{require: {residency: nowhere}}]\n";
    let gateway = house([&a, &b, &c], rules, "isolation: hard\n").await;
    let refused = ask(&gateway).await;
    assert_eq!(refused.status(), 503);
    let body: Value = refused.json().await.unwrap();
    assert_eq!(body["error"]["code"], "zos_no_route");
    assert_eq!((a.received().len(), b.received().len()), (0, 1));
}

/// Routers of models such as OpenRouter take others of a list in the body when the first fails.
#[tokio::test]
async fn a_list_of_other_models_in_the_call_is_no_way_past_the_rooms_filter() {
    let provider = Provider::json("{}").await;
    let gateway = Scratch::new()
        .acme("isolation: hard\nmodels: {allow: [\"gpt-*\"], deny: [gpt-old]}\n")
        .provider(&provider)
        .start()
        .await;
    let ask = async |more: Value| {
        let mut body = json!({"model": "gpt-5", "messages": [{"role": "user", "content": "hi"}]});
        body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        let response = gateway.post("/v1/chat/completions", body.to_string()).await;
        (response.status().as_u16(), response.json::<Value>().await.unwrap()["error"]["code"].clone())
    };
    for (more, is_permitted) in [
        (json!({"models": ["gpt-5-mini", "gpt-4"]}), true),
        (json!({"models": ["gpt-5-mini", "elsewhere/large"]}), false),
        (json!({"models": ["gpt-old"]}), false),
        (json!({"Models": ["elsewhere"]}), false),
        (json!({"fallbacks": [{"gpt-5": ["elsewhere"]}]}), false),
        (json!({"fallback_models": "elsewhere"}), false),
        (json!({"fallbacks": [{"model": {"name": "elsewhere"}}]}), false),
        (json!({"modalities": ["text"]}), true),
    ] {
        let (status, code) = ask(more.clone()).await;
        let expected = if is_permitted { (200, Value::Null) } else { (503, json!("zos_no_route")) };
        assert_eq!((status, code), expected, "{more}");
    }
    assert_eq!(provider.received().len(), 2);
}

#[tokio::test]
async fn what_is_wrong_with_the_call_itself_is_final() {
    for status in [400, 401, 403, 404, 413, 422] {
        let (a, b) = (Provider::start(failing(status, "")).await, Provider::json(ANSWER).await);
        let gateway =
            house([&a, &b, &b], "fallback: {one: [two]}\ndefaults: {retries: 2}\n", "isolation: hard\n")
                .await;
        assert_eq!(ask(&gateway).await.status().as_u16(), status);
        assert_eq!((a.received().len(), b.received().len()), (1, 0), "{status}");
    }
}

#[tokio::test]
async fn retries_go_to_the_same_provider_first_and_the_first_failure_reaches_the_caller() {
    let (a, b) = (
        Provider::start(failing(503, "retry-after: 0\r\n")).await,
        Provider::start(failing(500, "retry-after: 0\r\n")).await,
    );
    let more = "fallback: {one: [two]}\ndefaults: {retries: 1, breaker: {failures: 100}}\n";
    let gateway = house([&a, &b, &b], more, "isolation: hard\n").await;
    let response = ask(&gateway).await;
    assert_eq!(response.status(), 503);
    assert_eq!(response.headers()["x-zos-route"], "a/one");
    assert_eq!(response.headers()["x-should-retry"], "false", "retries happen in one place only");
    assert_eq!((a.received().len(), b.received().len()), (2, 2));
    let record = &gateway.wait_records(1).await[0];
    assert_eq!(record["detail"], "a/one: 503; a/one: 503; b/two: 500; b/two: 500");
}

#[tokio::test]
async fn a_long_retry_after_means_the_fallback_and_without_one_it_reaches_the_caller() {
    let (a, b) = (Provider::start(failing(429, "retry-after: 3600\r\n")).await, Provider::json(ANSWER).await);
    let gateway =
        house([&a, &b, &b], "fallback: {one: [two]}\ndefaults: {retries: 3}\n", "isolation: hard\n").await;
    assert_eq!(ask(&gateway).await.headers()["x-zos-route"], "b/two");
    assert_eq!(a.received().len(), 1);
    let gateway = house([&a, &b, &b], "defaults: {retries: 3}\n", "isolation: hard\n").await;
    let response = ask(&gateway).await;
    assert_eq!(
        (response.status().as_u16(), &response.headers()["retry-after"]),
        (429, &"3600".parse().unwrap())
    );
    assert_eq!(a.received().len(), 2);
}

#[tokio::test]
async fn a_provider_that_fails_too_often_is_left_alone_where_another_route_is() {
    let (a, b) = (Provider::start(failing(500, "")).await, Provider::json(ANSWER).await);
    let more = "fallback: {one: [two]}\ndefaults: {breaker: {failures: 2, window_s: 60, open_s: 60}}\n";
    let gateway = house([&a, &b, &b], more, "isolation: hard\n").await;
    for _ in 0..3 {
        assert_eq!(ask(&gateway).await.headers()["x-zos-route"], "b/two");
    }
    assert_eq!((a.received().len(), b.received().len()), (2, 3));
    assert_eq!(counter(&gateway, "zos_breakers_opened_total").await, 1);
    assert_eq!(counter(&gateway, "zos_fallbacks_total").await, 3);
    b.play(failing(500, ""));
    for _ in 0..2 {
        assert_eq!(ask(&gateway).await.status(), 503, "that of the model that was asked for");
    }
    let left = ask(&gateway).await;
    assert_eq!(left.status(), 503);
    assert!(left.headers().contains_key("retry-after"));
    let body: Value = left.json().await.unwrap();
    assert_eq!(body["error"]["code"], "zos_no_route");
    assert_eq!((a.received().len(), b.received().len()), (2, 5), "neither is asked any more");
}

#[tokio::test]
async fn without_another_route_the_providers_own_errors_pass_through() {
    let (a, b) = (Provider::start(failing(500, "")).await, Provider::json(ANSWER).await);
    let more = "fallback: {}\ndefaults: {breaker: {failures: 2, window_s: 60, open_s: 60}}\n";
    let gateway = house([&a, &b, &b], more, "isolation: hard\n").await;
    for _ in 0..5 {
        assert_eq!(ask(&gateway).await.status(), 500);
    }
    a.play(zos_tests::provider::json(200, ANSWER));
    assert_eq!(ask(&gateway).await.status(), 200, "and what works again works at once");
}

#[tokio::test]
async fn what_fails_at_one_endpoint_bars_no_other_and_no_other_model() {
    let (a, b) = (Provider::start(failing(500, "")).await, Provider::json(ANSWER).await);
    let more = "fallback: {one: [two], three: [two]}\ndefaults: {breaker: {failures: 1, window_s: 60, open_s: 60}}\n";
    let gateway = house([&a, &b, &a], more, "isolation: hard\n").await;
    ask(&gateway).await;
    a.play(zos_tests::provider::json(200, ANSWER));
    assert_eq!(ask(&gateway).await.headers()["x-zos-route"], "b/two", "left alone");
    let other = json!({"model": "three", "max_tokens": 10, "messages": [{"role": "user", "content": "Hi"}]});
    let answer = gateway.post("/v1/chat/completions", other.to_string()).await;
    assert_eq!((answer.status().as_u16(), a.received().len()), (200, 2), "another model of the same server");
}

#[tokio::test]
async fn nothing_is_tried_again_after_the_first_byte() {
    let head = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 100\r\n\r\n{".to_vec();
    let (a, b) = (Provider::start(vec![Step::Send(head)]).await, Provider::json(ANSWER).await);
    let gateway =
        house([&a, &b, &b], "fallback: {one: [two]}\ndefaults: {retries: 2}\n", "isolation: hard\n").await;
    assert_eq!(ask(&gateway).await.status(), 502);
    assert_eq!((a.received().len(), b.received().len()), (1, 0));
}

#[tokio::test]
async fn an_attempt_that_broke_after_it_was_sent_is_paid_for() {
    let (a, b) = (Provider::start(Vec::new()).await, Provider::json(ANSWER).await);
    let gateway = house([&a, &b, &b], "fallback: {one: [two]}\n", "isolation: hard\n").await;
    assert_eq!(ask(&gateway).await.status(), 200);
    let record = &gateway.wait_records(1).await[0];
    assert!(record["usage"]["input"].as_u64().unwrap() > 3, "{record}");
    assert_eq!(record["usage"]["estimated"], true);
}

#[tokio::test]
async fn a_fallback_may_speak_another_api_and_is_skipped_where_it_cannot_carry_the_call() {
    let a = Provider::start(failing(500, "")).await;
    let message = r#"{"id":"m","type":"message","role":"assistant","model":"x","content":[{"type":"text","text":"Hi"}],"stop_reason":"end_turn","stop_sequence":null,"usage":{"input_tokens":1,"output_tokens":1}}"#;
    let (b, c) = (Provider::json(message).await, Provider::json(ANSWER).await);
    let fleet = format!(
        "providers:\n  a: {{api: openai, base_url: \"http://127.0.0.1:{}/v1\"}}\n  b: {{api: anthropic, base_url: \"http://127.0.0.1:{}\"}}\n  \
         c: {{api: openai, base_url: \"http://127.0.0.1:{}/v1\"}}\nmodels:\n  - {{id: one, provider: a}}\n  - {{id: two, provider: b}}\n  \
         - {{id: three, provider: c}}\nfallback: {{one: [two, three]}}\ndefaults: {{breaker: {{failures: 100}}}}\n",
        a.port, b.port, c.port
    );
    let gateway = Scratch::new().acme("isolation: hard\n").file("routing/fleet.yml", &fleet).start().await;
    let ask = |seed: Value| {
        let body = json!({"model": "one", "max_tokens": 10, "seed": seed, "messages": [{"role": "user", "content": "Hi"}]});
        gateway.post("/v1/chat/completions", body.to_string())
    };
    let carried = ask(Value::Null).await;
    assert_eq!(carried.headers()["x-zos-route"], "b/two");
    let told: Value = carried.json().await.unwrap();
    assert_eq!(told["choices"][0]["message"]["content"], "Hi");
    assert_eq!(ask(json!(7)).await.headers()["x-zos-route"], "c/three");
    assert_eq!((b.received().len(), c.received().len()), (1, 1));
    let record = &gateway.wait_records(2).await[1];
    assert_eq!(record["detail"], "a/one: 500; b/two: skipped, zos_untranslatable; c/three: 200");
}

#[tokio::test]
async fn slots_serve_and_are_listed() {
    let (a, b) = (Provider::json(ANSWER).await, Provider::json(ANSWER).await);
    let gateway =
        house([&a, &b, &b], "slots: {default: one, think: two}\n", "models: {allow: [one, two]}\n").await;
    let ask = |more: Value| {
        let mut body = json!({"model": "zos/auto", "max_tokens": 10, "messages": []});
        body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        gateway.post("/v1/chat/completions", body.to_string())
    };
    assert_eq!(ask(json!({})).await.headers()["x-zos-route"], "a/one");
    assert_eq!(ask(json!({"reasoning_effort": "low"})).await.headers()["x-zos-route"], "b/two");
    let sent: Value = serde_json::from_slice(&a.only().body).unwrap();
    assert_eq!(sent["model"], "one");
    let list: Value = zos_tests::gateway::client()
        .get(format!("{}/v1/models", gateway.url))
        .send()
        .await
        .unwrap()
        .json()
        .await
        .unwrap();
    let ids: Vec<&str> =
        list["data"].as_array().unwrap().iter().map(|model| model["id"].as_str().unwrap()).collect();
    assert!(ids.contains(&"zos/think") && ids.contains(&"one") && !ids.contains(&"three"), "{ids:?}");
}

#[tokio::test]
async fn embeddings_and_counts_never_fall_back() {
    let (a, b) = (Provider::start(failing(500, "")).await, Provider::json(ANSWER).await);
    let gateway = house([&a, &b, &b], "fallback: {one: [two]}\n", "isolation: hard\n").await;
    let response = gateway.post("/v1/embeddings", r#"{"model":"one","input":"x"}"#.to_owned()).await;
    assert_eq!(response.status(), 500);
    assert_eq!(b.received().len(), 0);
}

#[tokio::test]
async fn a_hard_room_reaches_no_provider_while_the_fleet_never_loaded_and_everybody_is_told() {
    let broken = "version: 1\nproviders:\n  local: {api: openai, base_url: \"http://192.168.1.5:8000/v1\", key: none}\n";
    let gateway = Scratch::new()
        .acme("isolation: hard\n")
        .file("contexts/easy.yml", "isolation: open\n")
        .file("routing/fleet.yml", broken)
        .start()
        .await;
    // After a start with it nobody knows where calls of any room are to go.
    let body = r#"{"model": "one", "messages": []}"#;
    let open = gateway.post("/rooms/easy/v1/chat/completions", body).await;
    assert_eq!(open.status(), 503);
    assert!(open.text().await.unwrap().contains("routing/fleet.yml:3 is broken"));
    let response = ask(&gateway).await;
    assert_eq!(response.status(), 503);
    let told: Value = response.json().await.unwrap();
    assert_eq!(told["error"]["code"], "zos_no_route");
    assert!(told["error"]["message"].as_str().unwrap().contains("routing/fleet.yml:3 is broken"), "{told}");
    let ready = zos_tests::gateway::client().get(format!("{}/readyz", gateway.url)).send().await.unwrap();
    assert_eq!(ready.status(), 503);
    let ready = ready.text().await.unwrap();
    assert!(ready.contains("routing/fleet.yml:3") && ready.contains("no room reaches a provider"), "{ready}");
}
