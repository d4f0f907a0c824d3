//! Files are the truth: a saved file is live soon, a broken one never takes the last good version down.

use serde_json::json;
use std::fs;
use std::time::Duration;
use zos_tests::Provider;
use zos_tests::gateway::{Gateway, Scratch};

/// Waits until a call that says `text` is answered with `status`.
async fn becomes(gateway: &Gateway, text: &str, status: u16) {
    let mut last = 0;
    for _ in 0..150 {
        last = gateway.chat(text).await.status().as_u16();
        if last == status {
            return;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    panic!("{text:?} still gets {last}, not {status}");
}

#[tokio::test]
async fn a_saved_file_is_live_and_a_broken_one_changes_nothing() {
    let provider = Provider::json(r#"{"choices":[]}"#).await;
    let gateway = Scratch::new().acme("outbound_deny: [Falcon]\n").provider(&provider).start().await;
    assert_eq!(gateway.chat("Falcon").await.status(), 403);
    gateway.write("contexts/acme.yml", "outbound_deny: [Heron]\n");
    becomes(&gateway, "Heron", 403).await;
    assert_eq!(gateway.chat("Falcon").await.status(), 200);
    // An editor that writes beside and renames over.
    gateway.write("contexts/.acme.swp", "outbound_deny: [Kestrel]\n");
    fs::rename(gateway.path("contexts/.acme.swp"), gateway.path("contexts/acme.yml")).unwrap();
    becomes(&gateway, "Kestrel", 403).await;
    // Broken: the last good version stays, and the problem names file and line.
    gateway.write("contexts/acme.yml", "title: A\noutbound_deny: {oops\n");
    for _ in 0..100 {
        let (_, contexts) = gateway.admin("GET", "/zos/v1/contexts", None).await;
        if contexts["contexts"][0]["state"] == "stale" {
            break;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    let (_, contexts) = gateway.admin("GET", "/zos/v1/contexts", None).await;
    let context = &contexts["contexts"][0];
    assert_eq!(
        (&context["state"], &context["problems"][0]["file"]),
        (&json!("stale"), &json!("contexts/acme.yml"))
    );
    assert!(context["problems"][0]["line"].as_u64().is_some_and(|line| line >= 2), "{context}");
    assert_eq!(gateway.chat("Kestrel").await.status(), 403);
    // A new room is two files, and switching is one.
    gateway.write("contexts/quiet.yml", "title: Quiet\n");
    gateway.write("state.json", r#"{"active": "quiet", "window": {"x": 1}}"#);
    becomes(&gateway, "Kestrel", 200).await;
}

#[tokio::test]
async fn a_room_that_never_loaded_is_refused() {
    let provider = Provider::json(r#"{"choices":[]}"#).await;
    for broken in ["", "isolation: [hard\n", "outbound_deny: 5\n", "name: other\n"] {
        let gateway = Scratch::new().acme(broken).provider(&provider).start().await;
        let response = gateway.chat("hi").await;
        let status = response.status().as_u16();
        let body: serde_json::Value = response.json().await.unwrap();
        assert_eq!((status, &body["error"]["code"]), (503, &json!("zos_context_broken")), "{broken:?}");
    }
    let gateway = Scratch::new().acme("isolation: tight\n").provider(&provider).start().await;
    let (_, contexts) = gateway.admin("GET", "/zos/v1/contexts", None).await;
    assert_eq!(contexts["contexts"][0]["isolation"], "hard", "an unknown word is treated as hard");
    assert_eq!(contexts["contexts"][0]["problems"][0]["line"], 1);
}

#[tokio::test]
async fn a_list_edited_in_the_window_changes_only_its_lines() {
    let yaml =
        "# My room\ntitle: Acme   # the client\noutbound_deny:\n  - Falcon  # secret\nfuture_key: {a: 1}\n";
    let provider = Provider::json(r#"{"choices":[]}"#).await;
    let gateway = Scratch::new().acme(yaml).provider(&provider).start().await;
    let (_, context) = gateway.admin("GET", "/zos/v1/contexts/acme", None).await;
    assert_eq!(context["outbound_deny"][0]["term"], "Falcon");
    let list = json!([{"term": "Falcon"}, {"term": "Ann Lee", "action": "warn"}]);
    let change = json!({"outbound_deny": list, "etag": context["etag"]});
    let (status, written) = gateway.admin("PUT", "/zos/v1/contexts/acme", Some(change.clone())).await;
    assert_eq!(status, 200, "{written}");
    let saved = fs::read_to_string(gateway.path("contexts/acme.yml")).unwrap();
    for kept in
        ["# My room\n", "title: Acme   # the client\n", "  - Falcon  # secret\n", "future_key: {a: 1}\n"]
    {
        assert!(saved.contains(kept), "{saved}");
    }
    assert!(saved.contains("Ann Lee"));
    assert_eq!(
        gateway.chat("Ann Lee").await.headers()["x-zos-verdict"],
        "warn",
        "it is in force when the save answers"
    );
    let (status, refusal) = gateway.admin("PUT", "/zos/v1/contexts/acme", Some(change)).await;
    assert_eq!((status, &refusal["error"]["code"]), (409, &json!("zos_conflict")));
    let broken = json!({"yaml": "outbound_deny: 5\n", "etag": written["etag"]});
    let (status, refusal) = gateway.admin("PUT", "/zos/v1/contexts/acme", Some(broken)).await;
    assert_eq!((status, refusal["error"]["problems"][0]["line"].as_u64()), (422, Some(1)));
    assert_eq!(fs::read_to_string(gateway.path("contexts/acme.yml")).unwrap(), saved);
}
