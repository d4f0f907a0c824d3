//! Exactly one record a call, whatever happens to it, and never a word of it.

use serde_json::json;
use std::fs;
use std::path::Path;
use zos_tests::Provider;
use zos_tests::gateway::{Scratch, client};

#[tokio::test]
async fn every_outcome_leaves_one_record() {
    let provider = Provider::json(r#"{"choices":[]}"#).await;
    let gateway = Scratch::new().acme("outbound_deny: [Falcon]\n").provider(&provider).start().await;
    let post = |path: &'static str, body: &'static str| gateway.post(path, body);
    post("/v1/chat/completions", r#"{"model":"m","messages":[]}"#).await;
    post("/v1/chat/completions", r#"{"model":"m","messages":["Falcon"]}"#).await;
    post("/v1/chat/completions", "no json").await;
    post("/v1/files", "{}").await;
    post("/rooms/nobody/v1/messages", r#"{"model":"m","messages":[]}"#).await;
    post("/rooms/acme", "{}").await;
    client().get(format!("{}/v1/models", gateway.url)).send().await.unwrap();
    client()
        .post(format!("{}/v1/messages", gateway.url))
        .header("origin", "https://evil.example")
        .body("{}")
        .send()
        .await
        .unwrap();
    let records = gateway.wait_records(8).await;
    let facts: Vec<_> = records
        .iter()
        .map(|record| {
            (
                record["face"].as_str().unwrap(),
                record["status"].as_u64().unwrap(),
                record["code"].as_str().unwrap_or("-"),
            )
        })
        .collect();
    assert_eq!(
        facts,
        [
            ("chat_completions", 200, "-"),
            ("chat_completions", 403, "zos_firewall_request"),
            ("chat_completions", 400, "zos_invalid_request"),
            ("unknown", 404, "zos_unknown_endpoint"),
            ("messages", 404, "zos_unknown_context"),
            ("unknown", 404, "zos_unknown_endpoint"),
            ("models", 200, "-"),
            ("messages", 403, "zos_origin_denied"),
        ]
    );
    let sequence: Vec<u64> = records.iter().map(|record| record["seq"].as_u64().unwrap()).collect();
    assert!(sequence.windows(2).all(|pair| pair[1] == pair[0] + 1), "{sequence:?}");
    // Health and metrics are no calls.
    for path in ["/healthz", "/readyz", "/metrics", "/"] {
        assert_eq!(
            client().get(format!("{}{path}", gateway.url)).send().await.unwrap().status(),
            200,
            "{path}"
        );
    }
    assert_eq!(gateway.records().len(), 8);
}

#[tokio::test]
async fn no_word_of_a_call_is_written_anywhere() {
    let said = json!({"choices": [{"message": {"content": "canary-answer"}}]}).to_string();
    let provider = Provider::json(&said).await;
    let gateway = Scratch::new().acme("outbound_deny: [canary-term]\n").provider(&provider).start().await;
    for text in ["canary-prompt", "canary-term canary-near", "zos://memory/canary-room/01J"] {
        let body = json!({"model": "m", "user": "canary-user", "canary-key": 1, "messages": [{"role": "system", "content": "canary-system"}, {"role": "user", "content": text}]});
        let request = client()
            .post(format!("{}/v1/chat/completions?q=canary-query", gateway.url))
            .header("content-type", "application/json");
        request
            .bearer_auth("canary-credential")
            .header("x-custom", "canary-header")
            .header("user-agent", "canary-agent")
            .body(body.to_string())
            .send()
            .await
            .unwrap();
    }
    client().get(format!("{}/v1/canary-path", gateway.url)).send().await.unwrap();
    gateway.wait_records(4).await;
    let home = gateway.stop(std::time::Duration::from_secs(5)).await;
    let mut looked_at = 0;
    search(home.path(), &mut looked_at);
    assert!(looked_at > 3, "the search found no files");
}

#[tokio::test]
async fn rooms_whose_memory_a_conversation_read_are_in_its_records() {
    let provider = Provider::json(r#"{"choices":[]}"#).await;
    let gateway = Scratch::new()
        .acme("isolation: open\n")
        .file("contexts/clinic.yml", "isolation: open\n")
        .provider(&provider)
        .start()
        .await;
    assert_eq!(gateway.chat("hi").await.status(), 200);
    assert_eq!(
        gateway.chat("Source: zos://memory/clinic/01J and zos://memory/nobody/01J").await.status(),
        200
    );
    let records = gateway.wait_records(2).await;
    assert_eq!((&records[0]["recalled"], &records[1]["recalled"]), (&json!([]), &json!(["clinic"])));
    let (_, page) = gateway.admin("GET", "/zos/v1/audit?limit=1", None).await;
    assert_eq!(page["records"][0]["recalled"], json!(["clinic"]));
}

fn search(folder: &Path, looked_at: &mut usize) {
    for entry in fs::read_dir(folder).unwrap().flatten() {
        let path = entry.path();
        // The one place where the owner's own lists are kept again, for the owner alone.
        if path.ends_with("attest/objects") {
            use std::os::unix::fs::PermissionsExt;
            assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o077, 0);
        } else if path.is_dir() {
            search(&path, looked_at);
        } else if !path.ends_with("contexts/acme.yml") {
            *looked_at += 1;
            let bytes = fs::read(&path).unwrap();
            assert!(
                !bytes.windows(6).any(|window| window.eq_ignore_ascii_case(b"canary")),
                "{}",
                path.display()
            );
        }
    }
}

#[tokio::test]
async fn what_governs_is_in_every_record_and_a_room_that_requires_it_stops_without() {
    let provider = Provider::json(r#"{"choices":[]}"#).await;
    let gateway = Scratch::new()
        .acme("isolation: hard\nattest: required\n")
        .file("contexts/relaxed.yml", "isolation: open\n")
        .provider(&provider)
        .start()
        .await;
    let answer = gateway.chat("hi").await;
    assert_eq!(answer.status(), 200);
    let state = answer.headers()["x-zos-state"].to_str().unwrap().to_owned();
    assert!(gateway.path(&format!("attest/{state}.json")).is_file());
    assert_eq!(gateway.wait_records(1).await[0]["state_id"], state.as_str());
    // No statement can be kept about the next state: a file stands where the folder has to be.
    fs::rename(gateway.path("attest/objects"), gateway.path("attest/away")).unwrap();
    fs::write(gateway.path("attest/objects"), "in the way").unwrap();
    gateway.write("contexts/acme.md", "Be brief.");
    gateway.write("contexts/relaxed.md", "Be brief.");
    let mut status = 0;
    for _ in 0..200 {
        status = gateway.chat("hi").await.status().as_u16();
        if status != 200 {
            break;
        }
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
    assert_eq!(status, 503, "a room that requires it goes on without a statement");
    let open = gateway.post("/rooms/relaxed/v1/chat/completions", r#"{"model":"m","messages":[]}"#).await;
    assert_eq!((open.status().as_u16(), open.headers().get("x-zos-state")), (200, None));
    // It recovers without a restart, and the new state has a name of its own.
    fs::remove_file(gateway.path("attest/objects")).unwrap();
    fs::rename(gateway.path("attest/away"), gateway.path("attest/objects")).unwrap();
    let answer = gateway.chat("hi").await;
    assert_eq!(answer.status(), 200);
    assert_ne!(answer.headers()["x-zos-state"].to_str().unwrap(), state);
}

#[tokio::test]
async fn a_log_that_cannot_be_written_stops_hard_rooms_and_open_ones_go_on() {
    let provider = Provider::json(r#"{"choices":[]}"#).await;
    let gateway = Scratch::new()
        .acme("isolation: hard\n")
        .file("contexts/relaxed.yml", "isolation: open\n")
        .provider(&provider)
        .start()
        .await;
    assert_eq!(gateway.chat("hi").await.status(), 200);
    // The folder is gone, and a file in its place keeps it from being made again.
    let folder = gateway.path("gateway/audit");
    fs::rename(&folder, gateway.path("gateway/away")).unwrap();
    fs::write(&folder, "in the way").unwrap();
    let mut hard = 0;
    for _ in 0..50 {
        hard = gateway.chat("hi").await.status().as_u16();
        if hard == 503 {
            break;
        }
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
    assert_eq!(hard, 503, "a hard room must not go on without a record");
    let open = gateway.post("/rooms/relaxed/v1/chat/completions", r#"{"model":"m","messages":[]}"#).await;
    assert_eq!(open.status(), 200);
    let (_, status) = gateway.admin("GET", "/zos/v1/status", None).await;
    assert_eq!(status["health"]["ok"], false);
    assert_eq!(client().get(format!("{}/readyz", gateway.url)).send().await.unwrap().status(), 503);
    // It recovers without a restart.
    fs::remove_file(&folder).unwrap();
    fs::rename(gateway.path("gateway/away"), &folder).unwrap();
    let mut hard = 0;
    for _ in 0..100 {
        hard = gateway.chat("hi").await.status().as_u16();
        if hard == 200 {
            break;
        }
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
    assert_eq!(hard, 200, "the log works again");
}

#[tokio::test]
async fn spans_of_calls_reach_the_collector_and_tell_no_word_of_them() {
    let collector = Provider::json("{}").await;
    let provider = Provider::json(r#"{"choices":[{"message":{"content":"canary-answer"}}]}"#).await;
    let telemetry =
        format!("telemetry: {{otlp: \"http://127.0.0.1:{}\", genai: \"1.37\"}}\n", collector.port);
    let gateway = Scratch::new()
        .acme("outbound_deny: [canary-term]\n")
        .file("gateway/config.yml", &telemetry)
        .provider(&provider)
        .start()
        .await;
    assert_eq!(gateway.chat("canary-prompt").await.status(), 200);
    assert_eq!(gateway.chat("canary-term").await.status(), 403);
    gateway.wait_records(2).await;
    let metrics =
        client().get(format!("{}/metrics", gateway.url)).send().await.unwrap().text().await.unwrap();
    assert!(metrics.contains("zos_spans_lost_total 0"), "{metrics}");
    gateway.stop(std::time::Duration::from_secs(5)).await;
    let mut spans = Vec::new();
    for request in collector.received() {
        assert!(request.line.starts_with("POST /v1/traces "), "{}", request.line);
        let text = String::from_utf8(request.body).unwrap();
        assert!(!text.contains("canary"), "{text}");
        let body: serde_json::Value = serde_json::from_str(&text).unwrap();
        spans.extend(body["resourceSpans"][0]["scopeSpans"][0]["spans"].as_array().unwrap().clone());
    }
    assert_eq!(spans.len(), 2, "{spans:?}");
    assert!(spans.iter().all(|span| span["name"] == "chat"));
    assert!(spans[0]["attributes"].to_string().contains("gen_ai.provider.name"));
}
