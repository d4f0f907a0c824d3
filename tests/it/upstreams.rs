//! Providers as the fleet sets them up: plans and their headers, quotas, ways out, and words for what is wrong.

use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use zos_tests::Provider;
use zos_tests::gateway::{Gateway, Scratch, client};
use zos_tests::provider::Step;

const ANSWER: &str = r#"{"id":"resp_1","object":"response","status":"completed","model":"gpt-5","output":[{"type":"message","id":"msg_1","role":"assistant","status":"completed","content":[{"type":"output_text","text":"Hi","annotations":[]}]}],"usage":{"input_tokens":3,"output_tokens":2,"total_tokens":5}}"#;
const LISTED: &str = r#"{"data":[{"id":"qwen3:8b"},{"id":"llama3"}]}"#;

/// An answer with more headers.
fn with_headers(status: u16, headers: &str, body: &str) -> Vec<Step> {
    let head = format!(
        "HTTP/1.1 {status} Status\r\ncontent-type: application/json\r\ncontent-length: {}\r\n{headers}connection: close\r\n\r\n{body}",
        body.len()
    );
    vec![Step::Send(head.into_bytes())]
}

fn plan(port: u16, more: &str) -> String {
    format!(
        "version: 1\nproviders:\n  chatgpt: {{preset: chatgpt, base_url: \"http://127.0.0.1:{port}/backend-api/codex\"{more}}}\n"
    )
}

/// Calls as Codex does with the plan that it is signed in to.
async fn codex(gateway: &Gateway, more: &[(&str, &str)]) -> reqwest::Response {
    let mut request = client()
        .post(format!("{}/v1/responses", gateway.url))
        .header("content-type", "application/json")
        .bearer_auth("plan-token")
        .header("chatgpt-account-id", "acc-1")
        .header("originator", "codex_cli_rs")
        .header("session_id", "s-1")
        .header("version", "0.171.0")
        .header("openai-beta", "responses=experimental")
        .header("x-codex-turn-metadata", "m-1")
        .header("x-codex-turn-state", "state-0")
        .header("cookie", "session=1")
        .header("x-forwarded-for", "10.0.0.1");
    for (name, value) in more {
        request = request.header(*name, *value);
    }
    request.body(json!({"model": "gpt-5", "input": "Hello"}).to_string()).send().await.unwrap()
}

#[tokio::test]
async fn the_headers_of_a_chatgpt_plan_travel_both_ways_and_its_calls_cost_no_dollars() {
    let provider = Provider::start(with_headers(
        200,
        "x-codex-turn-state: state-1\r\nx-models-etag: e-1\r\nx-codex-primary-used-percent: 42\r\nx-codex-primary-window-minutes: 300\r\nset-cookie: spy=1\r\nx-other: 1\r\n",
        ANSWER,
    ))
    .await;
    let gateway = Scratch::new()
        .acme("outbound_deny: [Project Falcon]\nbudget: {daily_usd: 5}\n")
        .file("routing/fleet.yml", &plan(provider.port, ""))
        .start()
        .await;
    let response = codex(&gateway, &[]).await;
    assert_eq!(response.status(), 200);
    let received = provider.only();
    assert_eq!(received.line, "POST /backend-api/codex/responses HTTP/1.1");
    for (name, value) in [
        ("authorization", "Bearer plan-token"),
        ("chatgpt-account-id", "acc-1"),
        ("originator", "codex_cli_rs"),
        ("session_id", "s-1"),
        ("version", "0.171.0"),
        ("openai-beta", "responses=experimental"),
        ("x-codex-turn-metadata", "m-1"),
        ("x-codex-turn-state", "state-0"),
    ] {
        assert_eq!(received.header(name), Some(value), "{name}");
    }
    for name in ["cookie", "x-forwarded-for"] {
        assert_eq!(received.header(name), None, "{name}");
    }
    let headers = response.headers();
    assert_eq!(headers["x-codex-turn-state"], "state-1");
    assert_eq!(headers["x-models-etag"], "e-1");
    assert_eq!(headers["x-zos-price"], "plan");
    assert!(!headers.contains_key("set-cookie") && !headers.contains_key("x-other"));

    let records = gateway.wait_records(1).await;
    assert_eq!((&records[0]["usage"]["input"], &records[0]["usage"]["output"]), (&json!(3), &json!(2)));
    let budgets = gateway.admin("GET", "/zos/v1/budgets", None).await.1;
    let acme = budgets["budgets"].as_array().unwrap().iter().find(|one| one["context"] == "acme").unwrap();
    assert_eq!((&acme["used"], &acme["cost_today_micros"]), (&json!(5), &json!(0)));

    let quotas = gateway.admin("GET", "/zos/v1/quotas", None).await.1;
    let quota = &quotas["quotas"][0];
    assert_eq!((&quota["provider"], &quota["windows"][0]["name"]), (&json!("chatgpt"), &json!("primary")));
    assert_eq!(quota["windows"][0]["used_percent"], 42.0);
    assert!(!quotas.to_string().contains("acc-1") && !quotas.to_string().contains("plan-token"));
    let metrics =
        client().get(format!("{}/metrics", gateway.url)).send().await.unwrap().text().await.unwrap();
    assert!(
        metrics.contains("zos_quota_used_ratio{provider=\"chatgpt\",window=\"primary\"} 0.42"),
        "{metrics}"
    );
}

#[tokio::test]
async fn a_header_that_only_one_provider_gets_is_inspected_before_it_goes() {
    let provider = Provider::json(ANSWER).await;
    let gateway = Scratch::new()
        .acme("outbound_deny: [Project Falcon]\n")
        .file("routing/fleet.yml", &plan(provider.port, ""))
        .start()
        .await;
    let refused = codex(&gateway, &[("x-codex-note", "about Project Falcon")]).await;
    assert!(refused.status().is_client_error(), "{}", refused.status());
    assert_eq!(refused.headers()["x-zos-verdict"], "deny");
    assert!(refused.text().await.unwrap().contains("zos_firewall_request"));
    assert!(provider.received().is_empty());
    // What no provider gets is nobody's business.
    assert_eq!(codex(&gateway, &[("x-note", "about Project Falcon")]).await.status(), 200);
}

#[tokio::test]
async fn a_header_of_a_plan_that_holds_what_the_room_denies_stays_here() {
    let provider = Provider::start(with_headers(200, "x-models-etag: Project Falcon\r\n", ANSWER)).await;
    let gateway = Scratch::new()
        .acme("outbound_deny: [Project Falcon]\n")
        .file("routing/fleet.yml", &plan(provider.port, ""))
        .start()
        .await;
    let response = codex(&gateway, &[]).await;
    assert!(!response.headers().contains_key("x-models-etag"));
}

#[tokio::test]
async fn a_plan_that_runs_short_steps_down_and_says_so_and_never_past_the_rooms_filter() {
    let used =
        |percent: &str| with_headers(200, &format!("x-codex-secondary-used-percent: {percent}\r\n"), ANSWER);
    let (plan_at, local) = (Provider::start(used("89.9")).await, Provider::json(ANSWER).await);
    let fleet = plan(plan_at.port, ", step_down: {at: 90%, to: [other, small]}")
        + &format!(
            "  near: {{api: openai, base_url: \"http://127.0.0.1:{0}/v1\", key: none}}\n\
             models:\n  - {{match: \"gpt-*\", provider: chatgpt}}\n  - {{id: other, provider: near}}\n  - {{id: small, provider: near}}\n",
            local.port
        );
    let gateway =
        Scratch::new().acme("models: {deny: [other]}\n").file("routing/fleet.yml", &fleet).start().await;
    assert_eq!(codex(&gateway, &[]).await.headers()["x-zos-route"], "chatgpt/gpt-5");
    plan_at.play(used("90"));
    assert_eq!(codex(&gateway, &[]).await.headers()["x-zos-route"], "chatgpt/gpt-5");
    let stepped = codex(&gateway, &[]).await;
    assert_eq!(stepped.status(), 200);
    assert_eq!(stepped.headers()["x-zos-route"], "near/small; stepped down from chatgpt at 90%");
    assert_eq!((plan_at.received().len(), local.received().len()), (2, 1));
    let received = local.only();
    assert!(String::from_utf8_lossy(&received.body).contains("\"small\""));
    assert_eq!(received.header("authorization"), None, "the token of the plan is for the plan alone");
    assert_eq!(received.header("chatgpt-account-id"), None);
    let records = gateway.wait_records(3).await;
    assert_eq!(records[2]["model"], "small");
    assert!(
        records[2]["detail"].as_str().unwrap().contains("stepped down from chatgpt at 90%"),
        "{}",
        records[2]
    );
    // Another account has quotas of its own.
    let request = client()
        .post(format!("{}/v1/responses", gateway.url))
        .header("content-type", "application/json")
        .bearer_auth("other-token");
    let other = request.body(json!({"model": "gpt-5", "input": "Hello"}).to_string()).send().await.unwrap();
    assert_eq!(other.headers()["x-zos-route"], "chatgpt/gpt-5");
}

#[tokio::test]
async fn a_provider_is_called_through_the_proxy_of_its_entry() {
    let proxy = Provider::json(r#"{"id":"c","choices":[]}"#).await;
    let fleet = format!(
        "version: 1\nproviders:\n  p: {{api: openai, base_url: \"http://127.0.0.1:9/v1\", key: none, proxy: \"http://127.0.0.1:{}\"}}\n",
        proxy.port
    );
    let gateway = Scratch::new().file("routing/fleet.yml", &fleet).start().await;
    assert_eq!(gateway.chat("Hello").await.status(), 200);
    assert_eq!(proxy.only().line, "POST http://127.0.0.1:9/v1/chat/completions HTTP/1.1");
}

#[tokio::test]
async fn a_provider_has_time_limits_of_its_own() {
    let provider = Provider::start(vec![Step::UntilClosed]).await;
    let fleet = format!(
        "version: 1\nproviders:\n  p: {{api: openai, base_url: \"http://127.0.0.1:{}/v1\", key: none, first_byte_timeout_ms: 20}}\n",
        provider.port
    );
    let gateway = Scratch::new().file("routing/fleet.yml", &fleet).start().await;
    let late = gateway.chat("Hello").await;
    assert_eq!(late.status(), 504);
    assert!(late.text().await.unwrap().contains("0.02 s"));
}

/// What `POST …/test` says of a provider that is written like this.
async fn tried(text: &str, more: &[(&str, &str)]) -> String {
    let mut scratch =
        Scratch::new().file("routing/fleet.yml", &format!("version: 1\nproviders:\n  p: {{{text}}}\n"));
    for (path, content) in more {
        scratch = scratch.file(path, content);
    }
    let gateway = scratch.start().await;
    let (status, told) = gateway.admin("POST", "/zos/v1/providers/p/test", Some(json!({}))).await;
    assert_eq!(status, 200, "{told}");
    told["message"].as_str().unwrap().to_owned()
}

#[tokio::test]
async fn a_test_says_in_words_what_is_wrong() {
    // A port that was free a moment ago, and that nobody listens at.
    let gone = {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        listener.local_addr().unwrap().port()
    };
    let at = |port: u16| format!("api: openai, base_url: \"http://127.0.0.1:{port}/v1\", key: none");
    let told = tried(&at(gone), &[]).await;
    assert!(told.contains("nothing listens at its address"), "{told}");
    let told =
        tried("api: openai, base_url: \"https://nowhere.invalid/v1\", key: none, proxy: none", &[]).await;
    assert!(told.contains("its name is not known"), "{told}");
    let told = tried(&format!("{}, proxy: \"socks5://127.0.0.1:{gone}\"", at(9)), &[]).await;
    assert!(told.contains("the proxy on the way"), "{told}");
    // A server that speaks plain HTTP, and answers whatever it hears.
    let plain = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let encrypted = at(plain.local_addr().unwrap().port()).replace("http:", "https:");
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = plain.accept().await {
            let _ = stream.write_all(b"HTTP/1.1 400 Bad Request\r\ncontent-length: 0\r\n\r\n").await;
            let _ = stream.read(&mut [0; 4096]).await;
        }
    });
    let told = tried(&encrypted, &[]).await;
    assert!(told.contains("a secure connection to it cannot be made"), "{told}");
    let told = tried(&format!("{encrypted}, ca: none.pem"), &[]).await;
    assert!(told.contains("`ca` names cannot be used"), "{told}");
    let told = tried(&format!("{encrypted}, ca: ca.pem"), &[("ca.pem", "nothing")]).await;
    assert!(told.contains("no certificate in PEM"), "{told}");
    for (status, words) in [
        (200, "lists 2 models"),
        (401, "refused the key (401)"),
        (403, "lack a right"),
        (404, "check the base_url"),
        (407, "proxy"),
        (429, "Try again in 7 s."),
        (302, "not followed"),
        (500, "in trouble itself"),
    ] {
        let provider = Provider::start(with_headers(status, "retry-after: 7\r\n", LISTED)).await;
        let told = tried(&at(provider.port), &[]).await;
        assert!(told.contains(words), "{status}: {told}");
    }
    let told = tried("preset: chatgpt", &[]).await;
    assert!(told.contains("bring their own credential"), "{told}");
}

#[tokio::test]
async fn a_provider_is_vouched_for_by_the_certificates_of_its_entry() {
    const CERT: &str = include_str!("tls/cert.pem");
    const KEY: &str = include_str!("tls/key.pem");
    let config = "auth: {keyless: false}\ntls: {cert: gateway/cert.pem, key: gateway/key.pem}\n";
    let far = Scratch::new()
        .file("gateway/config.yml", config)
        .file("gateway/cert.pem", CERT)
        .file("gateway/key.pem", KEY)
        .start()
        .await;
    let at = format!("api: openai, base_url: \"https://127.0.0.1:{}/v1\", key: none", far.port);
    let told = tried(&at, &[]).await;
    assert!(told.contains("a secure connection to it cannot be made"), "{told}");
    let told = tried(&format!("{at}, ca: certs/own.pem"), &[("certs/own.pem", CERT)]).await;
    assert!(told.contains("refused the key (401)"), "it answers, and wants a key: {told}");
}

#[tokio::test]
async fn what_answers_on_this_machine_is_offered_but_for_zos_itself() {
    let (server, broken) = (Provider::json(LISTED).await, Provider::json("<html>").await);
    let silent = Provider::start(vec![Step::UntilClosed]).await;
    let other = Scratch::new().provider(&server).start().await;
    let ports = [server.port, broken.port, silent.port, other.port, 0, server.port];
    let found = zos_gateway::discover::discover_at(&ports, &[]).await.unwrap();
    assert_eq!(found.len(), 1, "{found:?}");
    let line =
        format!("local-{0}: {{api: openai, base_url: \"http://127.0.0.1:{0}/v1\", key: none}}", server.port);
    assert_eq!((found[0].models, found[0].line.as_str()), (2, line.as_str()));
    assert!(zos_gateway::discover::discover_at(&ports, &[server.port]).await.unwrap().is_empty());
    let asked = server.received();
    assert!(asked.iter().all(|received| received.header("authorization").is_none()));
}

#[tokio::test]
async fn a_call_says_why_its_provider_cannot_be_reached() {
    let gone = {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        listener.local_addr().unwrap().port()
    };
    let fleet = format!(
        "version: 1\nproviders:\n  p: {{api: openai, base_url: \"http://127.0.0.1:{gone}/v1\", key: none}}\n"
    );
    let gateway = Scratch::new().file("routing/fleet.yml", &fleet).start().await;
    let response = gateway.chat("Hello").await;
    assert_eq!(response.status(), 502);
    let told: Value = response.json().await.unwrap();
    let message = told["error"]["message"].as_str().unwrap();
    assert!(message.contains("nothing listens at its address") && message.contains("Start it"), "{message}");
}
