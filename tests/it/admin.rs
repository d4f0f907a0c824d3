//! The admin API, and its document.

use serde_json::json;
use zos_tests::Provider;
use zos_tests::gateway::{Scratch, client};

#[tokio::test]
async fn status_contexts_and_the_active_one() {
    let gateway = Scratch::new()
        .acme("title: Acme Corp\noutbound_deny: [Falcon]\n")
        .file("contexts/globex.yml", "title: G\n")
        .start()
        .await;
    let (_, status) = gateway.admin("GET", "/zos/v1/status", None).await;
    assert_eq!(
        (&status["address"], &status["active"], &status["health"]["ok"]),
        (&json!(gateway.url), &json!("acme"), &json!(true))
    );
    let (_, contexts) = gateway.admin("GET", "/zos/v1/contexts", None).await;
    assert_eq!(
        (&contexts["contexts"][0]["title"], &contexts["contexts"][0]["outbound_deny"]),
        (&json!("Acme Corp"), &json!(1))
    );
    assert_eq!(gateway.admin("PUT", "/zos/v1/active", Some(json!({"context": "globex"}))).await.0, 200);
    assert_eq!(gateway.admin("GET", "/zos/v1/active", None).await.1["context"], "globex");
    assert_eq!(gateway.admin("PUT", "/zos/v1/active", Some(json!({"context": "nobody"}))).await.0, 404);
    assert_eq!(
        gateway.admin("PUT", "/zos/v1/active", Some(json!({"wrong": 1}))).await.0,
        200,
        "null is none"
    );
    let (status, refusal) = gateway.admin("GET", "/zos/v1/contexts/nobody", None).await;
    assert_eq!((status, &refusal["error"]["code"]), (404, &json!("zos_unknown_context")));
    assert_eq!(gateway.admin("GET", "/zos/v1/nothing", None).await.0, 404);
}

#[tokio::test]
async fn a_text_can_be_tried() {
    let gateway = Scratch::new().acme("outbound_deny: [Falcon, {term: Heron, action: warn}]\n").start().await;
    let (_, verdict) = gateway
        .admin("POST", "/zos/v1/firewall/test", Some(json!({"context": "acme", "text": "é falcon, heron"})))
        .await;
    assert_eq!((&verdict["verdict"], &verdict["violations"][0]["rule"]), (&json!("deny"), &json!("deny/1")));
    assert_eq!(
        (&verdict["violations"][0]["start"], &verdict["violations"][0]["end"]),
        (&json!(3), &json!(9))
    );
    assert_eq!(
        (&verdict["violations"][1]["action"], &verdict["violations"][0]["place"]),
        (&json!("warn"), &json!("contexts/acme.yml:1"))
    );
}

#[tokio::test]
async fn events_arrive_live() {
    let provider = Provider::json(r#"{"choices":[]}"#).await;
    let gateway = Scratch::new().acme("{}").provider(&provider).start().await;
    let token = std::fs::read_to_string(gateway.path("gateway/admin.token")).unwrap();
    let mut events = client()
        .get(format!("{}/zos/v1/events", gateway.url))
        .bearer_auth(token.trim())
        .send()
        .await
        .unwrap();
    gateway.chat("hi").await;
    let mut text = String::new();
    while !text.contains("\"type\":\"call\"") {
        let chunk = tokio::time::timeout(std::time::Duration::from_secs(5), events.chunk())
            .await
            .unwrap()
            .unwrap()
            .unwrap();
        text.push_str(std::str::from_utf8(&chunk).unwrap());
    }
    assert!(text.contains("\"context\":\"acme\""), "{text}");
    // A file that another program writes is told as well.
    gateway.write("contexts/new.yml", "title: New\n");
    gateway.write("state.json", r#"{"active": "new"}"#);
    while !text.contains("\"active\":\"new\"") {
        let chunk = tokio::time::timeout(std::time::Duration::from_secs(5), events.chunk())
            .await
            .unwrap()
            .unwrap()
            .unwrap();
        text.push_str(std::str::from_utf8(&chunk).unwrap());
    }
}

#[tokio::test]
async fn providers_never_show_their_keys_and_can_be_tried() {
    let provider = Provider::json(r#"{"data":[{"id":"a"},{"id":"b"}]}"#).await;
    let gateway = Scratch::new().provider(&provider).start().await;
    let (_, list) = gateway.admin("GET", "/zos/v1/providers", None).await;
    let ids: Vec<&str> = list["providers"]
        .as_array()
        .unwrap()
        .iter()
        .map(|provider| provider["id"].as_str().unwrap())
        .collect();
    assert_eq!(ids, ["anthropic", "openai", "demo"]);
    let (_, tried) = gateway.admin("POST", "/zos/v1/providers/openai/test", None).await;
    assert_eq!((&tried["ok"], &tried["models"]), (&json!(true), &json!(2)));
    provider.play(zos_tests::provider::json(401, "{}"));
    let (_, tried) = gateway.admin("POST", "/zos/v1/providers/openai/test", None).await;
    assert_eq!(tried["ok"], false);
    assert_eq!(
        gateway.admin("PUT", "/zos/v1/providers/openai/key", Some(json!({"key": "sk"}))).await.0,
        409,
        "its key is none"
    );
    assert_eq!(gateway.admin("POST", "/zos/v1/providers/nobody/test", None).await.0, 404);
}

#[test]
fn the_document_is_current() {
    let committed =
        std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/openapi.json")).unwrap();
    assert!(committed == zos_gateway::admin::openapi(), "docs/openapi.json is stale: run `make api`");
}

/// Types for the screens are generated by operation id; two of one name would merge silently.
#[test]
fn operation_ids_are_unique() {
    let document: serde_json::Value = serde_json::from_str(&zos_gateway::admin::openapi()).unwrap();
    let paths = document["paths"].as_object().unwrap().values().filter_map(|path| path.as_object());
    let mut ids: Vec<&str> = paths
        .flat_map(|path| path.values())
        .filter_map(|operation| operation["operationId"].as_str())
        .collect();
    ids.sort_unstable();
    assert!(ids.len() > 15 && ids.windows(2).all(|pair| pair[0] != pair[1]), "{ids:?}");
}

#[tokio::test]
async fn the_log_is_signed_its_key_replaced_and_old_records_removed() {
    let provider = Provider::json("{}").await;
    let gateway = Scratch::new().provider(&provider).start().await;
    let (status, sealed) = gateway.admin("POST", "/zos/v1/audit/seal", None).await;
    assert_eq!(status, 200);
    assert!(sealed["size"].as_u64().unwrap() > 0, "{sealed}");

    let (status, first) = gateway.admin("POST", "/zos/v1/audit/rotate-key", None).await;
    let (_, second) = gateway.admin("POST", "/zos/v1/audit/rotate-key", None).await;
    assert_eq!((status, &first["id"]), (200, &second["previous"]));
    assert_ne!(first["id"], first["previous"]);

    for (before, status) in [("2020-01-01", 200), ("yesterday", 400), ("2020-13-01", 400)] {
        let wanted = json!({"before": before});
        let (answered, pruned) = gateway.admin("POST", "/zos/v1/audit/prune", Some(wanted)).await;
        assert_eq!(answered, status, "{before}: {pruned}");
        if status == 200 {
            assert_eq!(pruned["records"], 0, "no record is as old");
        }
    }
}
