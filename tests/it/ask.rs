//! What a room asks about waits for the owner: whole and streamed, in requests and in answers, for a
//! bounded time and never for ever.

use serde_json::{Value, json};
use std::time::Duration;
use zos_tests::Provider;
use zos_tests::gateway::{Gateway, Scratch, client};
use zos_tests::provider::{self, events};

const ROOM: &str =
    "# mine\noutbound_deny:\n  - Kestrel\n  - {term: Project Falcon, action: ask}   # think first\n";
const ANSWER: &str = r#"{"choices": [{"message": {"content": "fine"}}], "usage": {"prompt_tokens": 1}}"#;

async fn house(provider: &Provider, timeout_s: u32) -> Gateway {
    let config = format!("ask: {{timeout_s: {timeout_s}}}\n");
    Scratch::new().acme(ROOM).provider(provider).file("gateway/config.yml", &config).start().await
}

/// The asks in the list once there are so many, for calls that are on their way.
pub(crate) async fn asks(gateway: &Gateway, count: usize) -> Vec<Value> {
    for _ in 0..2000 {
        let (_, listed) = gateway.admin("GET", "/zos/v1/approvals", None).await;
        let listed = listed["approvals"].as_array().unwrap().clone();
        if listed.len() == count {
            return listed;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("{count} asks were expected");
}

/// The client of the only ask leaves while its call is held; back once the call is held no more.
pub(crate) async fn leave_while_held<T>(gateway: &Gateway, call: tokio::task::JoinHandle<T>) {
    while asks(gateway, 1).await[0]["waiting"] == 0 {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    call.abort();
    drop(call.await);
    while asks(gateway, 1).await[0]["waiting"] != 0 {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

pub(crate) async fn decide(gateway: &Gateway, id: &Value, decision: &str) -> (u16, Value) {
    let path = format!("/zos/v1/approvals/{}", id.as_str().unwrap());
    gateway.admin("POST", &path, Some(json!({"decision": decision}))).await
}

fn chat(gateway: &Gateway, text: &str, is_stream: bool) -> tokio::task::JoinHandle<reqwest::Response> {
    let body = json!({"model": "m", "stream": is_stream, "messages": [{"role": "user", "content": text}]});
    send(gateway, "/v1/chat/completions", body)
}

fn send(gateway: &Gateway, path: &str, body: Value) -> tokio::task::JoinHandle<reqwest::Response> {
    let request = client().post(format!("{}{path}", gateway.url)).header("content-type", "application/json");
    tokio::spawn(async move { request.body(body.to_string()).send().await.unwrap() })
}

fn sent(provider: &Provider) -> String {
    String::from_utf8(provider.received().pop().unwrap().body).unwrap()
}

fn said(text: &str) -> String {
    let chunk = |text: &str| json!({"id": "c", "choices": [{"index": 0, "delta": {"content": text}}]});
    let letters: String = text.chars().map(|c| format!("data: {}\n\n", chunk(&c.to_string()))).collect();
    letters
        + "data: {\"id\":\"c\",\"choices\":[{\"index\":0,\"delta\":{},\"finish_reason\":\"stop\"}]}\n\ndata: [DONE]\n\n"
}

fn heard(bytes: &str) -> String {
    let data =
        bytes.lines().filter_map(|line| serde_json::from_str::<Value>(line.strip_prefix("data: ")?).ok());
    data.filter_map(|chunk| chunk["choices"][0]["delta"]["content"].as_str().map(str::to_owned)).collect()
}

#[tokio::test]
async fn a_call_waits_and_goes_on_as_the_owner_decides() {
    let provider = Provider::json(ANSWER).await;
    let gateway = house(&provider, 30).await;
    for (decision, status, expected) in [
        ("allow_once", 200, "about Project Falcon, allow_once"),
        ("redact", 200, "about ⟦term-1⟧, redact"),
        ("deny", 403, ""),
    ] {
        let before = provider.received().len();
        let call = chat(&gateway, &format!("about Project Falcon, {decision}"), false);
        let ask = asks(&gateway, 1).await.remove(0);
        assert_eq!(
            (&ask["context"], &ask["side"], &ask["waiting"], &ask["rules"][0]["rule"]),
            (&json!("acme"), &json!("request"), &json!(1), &json!("deny/2"))
        );
        assert_eq!(ask["rules"][0]["field"], "messages[0].content");
        assert!(!ask.to_string().contains("Falcon"));
        assert_eq!(provider.received().len(), before, "nothing leaves while it waits");
        assert_eq!(decide(&gateway, &ask["id"], decision).await.0, 200);
        let response = call.await.unwrap();
        assert_eq!(response.status(), status, "{decision}");
        if status == 200 {
            assert!(sent(&provider).contains(expected), "{}", sent(&provider));
        } else {
            let text = response.text().await.unwrap();
            assert!(
                text.contains("zos_firewall_request") && text.contains("denied") && !text.contains("Falcon"),
                "{text}"
            );
        }
        assert_eq!(decide(&gateway, &ask["id"], "deny").await.0, 404, "it is answered");
    }
    let records = gateway.wait_records(3).await;
    let verdicts: Vec<&Value> = records.iter().map(|record| &record["verdict"]).collect();
    assert_eq!(verdicts, [&json!("warn"), &json!("redact"), &json!("deny")]);
    let (_, page) = gateway.admin("GET", "/zos/v1/audit?kind=decision", None).await;
    let details: Vec<&str> =
        page["records"].as_array().unwrap().iter().filter_map(|record| record["detail"].as_str()).collect();
    assert!(details.iter().any(|detail| detail.contains("deny/2: redact")), "{details:?}");
}

#[tokio::test]
async fn no_answer_denies_this_call_and_the_same_body_may_still_be_allowed_once() {
    let provider = Provider::json(ANSWER).await;
    let gateway = house(&provider, 1).await;
    let response = chat(&gateway, "Project Falcon", false).await.unwrap();
    assert_eq!(response.status(), 403);
    let text = response.text().await.unwrap();
    let ask = asks(&gateway, 1).await.remove(0);
    let id = ask["id"].as_str().unwrap();
    assert!(text.contains(&format!("zos allow {id}")) && text.contains("no answer within 1 s"), "{text}");
    assert_eq!(ask["waiting"], 0);
    assert_eq!(decide(&gateway, &ask["id"], "allow_once").await.0, 200);
    assert_eq!(chat(&gateway, "Project Falcon", false).await.unwrap().status(), 200, "the same body, once");
    assert_eq!(chat(&gateway, "Project Falcon!", false).await.unwrap().status(), 403, "another body");
    assert_eq!(chat(&gateway, "Project Falcon", false).await.unwrap().status(), 403, "only once");
    assert_eq!(
        std::fs::read_to_string(gateway.path("contexts/acme.yml")).unwrap(),
        ROOM,
        "no rule is written"
    );
}

#[tokio::test]
async fn always_writes_the_rule_and_nothing_else() {
    let provider = Provider::json(ANSWER).await;
    let gateway = house(&provider, 30).await;
    let call = chat(&gateway, "Project Falcon", false);
    let ask = asks(&gateway, 1).await.remove(0);
    let (status, decided) = decide(&gateway, &ask["id"], "always").await;
    assert_eq!(status, 200, "{decided}");
    assert_eq!(
        decided["written"],
        json!(["contexts/acme.yml, outbound_deny entry 2: {term: Project Falcon, action: warn}"])
    );
    assert_eq!(call.await.unwrap().status(), 200);
    let file = std::fs::read_to_string(gateway.path("contexts/acme.yml")).unwrap();
    assert_eq!(file, ROOM.replace("action: ask", "action: warn"));
    let response = gateway.chat("Project Falcon").await;
    assert_eq!(
        (response.status().as_u16(), &response.headers()["x-zos-verdict"]),
        (200, &"warn".parse().unwrap())
    );
}

#[tokio::test]
async fn always_does_not_change_another_rooms_rule() {
    let provider = Provider::json(ANSWER).await;
    let gateway = Scratch::new()
        .acme("isolation: hard\n")
        .file("contexts/globex.yml", "confidential:\n  - {term: Heron, action: ask}\n")
        .provider(&provider)
        .start()
        .await;
    let call = chat(&gateway, "the heron", false);
    let ask = asks(&gateway, 1).await.remove(0);
    let (status, refused) = decide(&gateway, &ask["id"], "always").await;
    assert_eq!((status, &refused["error"]["code"]), (409, &json!("zos_rule_not_editable")));
    assert_eq!(decide(&gateway, &ask["id"], "allow_once").await.0, 200, "it still waits");
    assert_eq!(call.await.unwrap().status(), 200);
}

#[tokio::test]
async fn a_stream_hears_pings_while_it_waits_and_ends_in_its_own_words() {
    let provider = Provider::events(&said("fine")).await;
    let gateway = house(&provider, 30).await;
    let body = |path: &str| match path {
        "/v1/responses" => json!({"model": "m", "stream": true, "input": "Project Falcon"}),
        _ => {
            json!({"model": "m", "max_tokens": 5, "stream": true, "messages": [{"role": "user", "content": "Project Falcon"}]})
        }
    };
    for (path, ping) in
        [("/v1/chat/completions", ": "), ("/v1/responses", ": "), ("/v1/messages", "event: ping\n")]
    {
        let mut response = send(&gateway, path, body(path)).await.unwrap();
        assert_eq!(
            (response.status().as_u16(), &response.headers()["content-type"]),
            (200, &"text/event-stream".parse().unwrap())
        );
        assert_eq!(response.headers()["x-zos-context"], "acme");
        let first = response.chunk().await.unwrap().unwrap();
        assert!(first.starts_with(ping.as_bytes()), "{path}");
        let ask = asks(&gateway, 1).await.remove(0);
        decide(&gateway, &ask["id"], "deny").await;
        let text = response.text().await.unwrap();
        assert!(text.contains("zos_firewall_request") && !text.contains("[DONE]"), "{path}: {text}");
        assert_eq!(text.starts_with("event: error"), path != "/v1/chat/completions", "{text}");
    }
    assert!(provider.received().is_empty());
    let records = gateway.wait_records(3).await;
    assert!(
        records.iter().all(|record| record["outcome"] == "refused" && record["status"] == 200),
        "{records:?}"
    );

    let response = chat(&gateway, "Project Falcon", true).await.unwrap();
    let ask = asks(&gateway, 1).await.remove(0);
    decide(&gateway, &ask["id"], "allow_once").await;
    let text = response.text().await.unwrap();
    assert_eq!(text.split_once("\n\n").unwrap().1, said("fine"), "after the ping, the very bytes that came");
    // An error of the provider is said as an event.
    provider.play(provider::json(429, r#"{"error": {"message": "slow down", "type": "rate_limit_error"}}"#));
    let response = chat(&gateway, "Project Falcon", true).await.unwrap();
    let ask = asks(&gateway, 1).await.remove(0);
    decide(&gateway, &ask["id"], "allow_once").await;
    let text = response.text().await.unwrap();
    assert!(
        text.contains("data: {\"error\"") && text.contains("slow down") && !text.contains("[DONE]"),
        "{text}"
    );
}

#[tokio::test]
async fn a_client_that_leaves_while_it_waits_is_recorded_and_nothing_is_sent() {
    let provider = Provider::json(ANSWER).await;
    let gateway = house(&provider, 30).await;
    for is_stream in [false, true] {
        let call = chat(&gateway, "Project Falcon", is_stream);
        leave_while_held(&gateway, call).await;
    }
    let records = gateway.wait_records(2).await;
    assert!(records.iter().all(|record| record["outcome"] == "abandoned"), "{records:?}");
    assert!(provider.received().is_empty());
}

#[tokio::test]
async fn an_answer_waits_too_whole_and_streamed() {
    let answer = json!({"choices": [{"message": {"content": "It is Project Falcon."}}]}).to_string();
    let provider = Provider::json(&answer).await;
    let gateway = house(&provider, 30).await;
    for (decision, expected) in
        [("allow_once", "It is Project Falcon."), ("redact", "It is ⟦term-1⟧."), ("deny", "")]
    {
        provider.play(provider::json(200, &answer));
        let call = chat(&gateway, "what is it?", false);
        let ask = asks(&gateway, 1).await.remove(0);
        assert_eq!((&ask["side"], &ask["rules"][0]["rule"]), (&json!("answer"), &json!("deny/2")));
        decide(&gateway, &ask["id"], decision).await;
        let response = call.await.unwrap();
        assert_eq!(response.status(), if decision == "deny" { 502 } else { 200 });
        assert!(response.text().await.unwrap().contains(expected));

        provider.play(events(&[said("It is Project Falcon.").as_bytes()]));
        let mut response = chat(&gateway, "what is it?", true).await.unwrap();
        let mut text = String::new();
        while heard(&text) != "It is " {
            text.push_str(
                std::str::from_utf8(&response.chunk().await.unwrap().expect("it goes on")).unwrap(),
            );
        }
        let ask = asks(&gateway, 1).await.remove(0);
        decide(&gateway, &ask["id"], decision).await;
        text.push_str(&response.text().await.unwrap());
        let expected = if decision == "deny" { "It is " } else { expected };
        assert_eq!(heard(&text), expected, "{decision}");
        assert!(text.ends_with("data: [DONE]\n\n"), "{text}");
        assert_eq!(text.contains("content_filter"), decision == "deny", "{text}");
    }
    let records = gateway.wait_records(6).await;
    assert_eq!(records.iter().filter(|record| record["verdict"] == "redact").count(), 2, "{records:?}");
}

#[tokio::test]
async fn a_rule_that_is_met_too_often_is_denied_at_once_and_can_be_answered_later() {
    let provider = Provider::json(ANSWER).await;
    let gateway = house(&provider, 30).await;
    let call = |number: usize| {
        let request = client()
            .post(format!("{}/v1/chat/completions", gateway.url))
            .header("content-type", "application/json")
            .header("x-claude-code-session-id", number.to_string())
            .body(json!({"model": "m", "messages": [{"role": "user", "content": format!("Project Falcon {number}")}]}).to_string());
        tokio::spawn(async move { request.send().await.unwrap() })
    };
    let held: Vec<_> = (0..5).map(call).collect();
    asks(&gateway, 5).await;
    let refused = call(5).await.unwrap();
    assert_eq!(refused.status(), 403);
    assert!(refused.text().await.unwrap().contains("too often"));
    let listed = asks(&gateway, 6).await;
    let inbox = listed.iter().find(|ask| ask["waiting"] == 0).unwrap();
    decide(&gateway, &inbox["id"], "allow_once").await;
    assert_eq!(call(5).await.unwrap().status(), 200);
    for ask in listed.iter().filter(|ask| ask["waiting"] == 1) {
        decide(&gateway, &ask["id"], "deny").await;
    }
    for call in held {
        assert_eq!(call.await.unwrap().status(), 403);
    }
}

#[tokio::test]
async fn the_screens_hear_of_asks_and_answers() {
    let provider = Provider::json(ANSWER).await;
    let gateway = house(&provider, 30).await;
    let mut heard = gateway.house.events();
    let call = chat(&gateway, "Project Falcon", false);
    let ask = asks(&gateway, 1).await.remove(0);
    decide(&gateway, &ask["id"], "allow_once").await;
    call.await.unwrap();
    let mut seen = Vec::new();
    while let Ok(event) = heard.try_recv() {
        let event = serde_json::to_value(&*event).unwrap();
        if event["type"] == "approval" {
            seen.push((event["approval"]["id"].clone(), event["approval"]["decision"].clone()));
        }
    }
    assert_eq!(seen, [(ask["id"].clone(), Value::Null), (ask["id"].clone(), json!("allow_once"))]);
}

#[tokio::test]
async fn stopping_does_not_wait_for_the_owner() {
    let provider = Provider::json(ANSWER).await;
    let gateway = house(&provider, 600).await;
    let call = chat(&gateway, "Project Falcon", false);
    asks(&gateway, 1).await;
    gateway.stop(Duration::from_secs(60)).await;
    let response = call.await.unwrap();
    assert_eq!(response.status(), 503);
    assert!(response.text().await.unwrap().contains("zos_shutting_down"));
}
