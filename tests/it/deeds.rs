//! What the owner does is told once by the log, after it happened; what was refused is not told as done.

use serde_json::{Value, json};
use std::fs;
use zos_tests::gateway::{Gateway, Scratch};

async fn house() -> Gateway {
    Scratch::new().acme("title: Acme\n").file("contexts/globex.yml", "title: Globex\n").start().await
}

/// Kind, context and words of all deeds, oldest first.
async fn told(gateway: &Gateway) -> Vec<(String, String)> {
    let mut told = Vec::new();
    let (_, page) = gateway.admin("GET", "/zos/v1/audit?limit=500", None).await;
    for record in page["records"].as_array().unwrap().iter().rev() {
        if ["decision", "key"].contains(&record["kind"].as_str().unwrap()) {
            let word = |key: &str| record[key].as_str().unwrap_or_default().to_owned();
            told.push((word("context"), word("detail")));
        }
    }
    told
}

fn notes(gateway: &Gateway) -> usize {
    fs::read_dir(gateway.path("gateway/deeds")).map_or(0, |entries| entries.count())
}

async fn etag(gateway: &Gateway, context: &str) -> Value {
    gateway.admin("GET", &format!("/zos/v1/contexts/{context}"), None).await.1["etag"].clone()
}

#[tokio::test]
async fn what_is_refused_is_not_told() {
    let gateway = house().await;
    let etag = etag(&gateway, "acme").await;
    let id = "01ARZ3NDEKTSV4RRFFQ69G5FAV";
    let refused = [
        (
            "PUT",
            "/zos/v1/contexts/acme".to_owned(),
            json!({"yaml": "title: B\n", "etag": "0".repeat(64)}),
            409,
        ),
        ("PUT", "/zos/v1/contexts/acme".to_owned(), json!({"yaml": "title: B\n"}), 409),
        ("PUT", "/zos/v1/contexts/acme".to_owned(), json!({"yaml": "title: [\n", "etag": etag}), 422),
        ("DELETE", "/zos/v1/contexts/acme?etag=1".to_owned(), Value::Null, 409),
        ("DELETE", "/zos/v1/contexts/nowhere?etag=1".to_owned(), Value::Null, 404),
        ("DELETE", "/zos/v1/keys/0a0b0c0d0e0f".to_owned(), Value::Null, 404),
        ("POST", "/zos/v1/keys".to_owned(), json!({"client": "zed", "context": "nowhere"}), 404),
        ("PUT", "/zos/v1/active".to_owned(), json!({"context": "nowhere"}), 404),
        ("PUT", "/zos/v1/shield".to_owned(), json!({"paused": true, "minutes": 0}), 400),
        ("PUT", "/zos/v1/providers/nobody/key".to_owned(), json!({"key": "k"}), 404),
        ("DELETE", "/zos/v1/providers/nobody/key".to_owned(), Value::Null, 404),
        ("POST", "/zos/v1/approvals/none".to_owned(), json!({"decision": "deny"}), 404),
        ("POST", "/zos/v1/memory".to_owned(), json!({"context": "acme", "text": ""}), 400),
        ("POST", format!("/zos/v1/memory/acme/{id}"), json!({"decision": "accept"}), 404),
        ("DELETE", format!("/zos/v1/memory/acme/{id}"), Value::Null, 404),
        ("POST", format!("/zos/v1/memory/acme/{id}/promote"), json!({"to": "globex"}), 404),
    ];
    for (method, path, body, expected) in refused {
        let (status, answer) = gateway.admin(method, &path, (!body.is_null()).then_some(body)).await;
        assert_eq!(status, expected, "{method} {path}: {answer}");
        assert_eq!(told(&gateway).await, [], "{method} {path}");
        assert_eq!(notes(&gateway), 0, "{method} {path}");
    }
}

#[tokio::test]
async fn each_deed_is_told_once_and_as_it_happened() {
    let gateway = house().await;
    let mut expected: Vec<(String, String)> = Vec::new();
    let mut happened = |context: &str, detail: String| {
        expected.push((context.to_owned(), detail));
        expected.clone()
    };
    let change = json!({"yaml": "title: Changed\n", "etag": etag(&gateway, "acme").await});
    assert_eq!(gateway.admin("PUT", "/zos/v1/contexts/acme", Some(change)).await.0, 200);
    assert_eq!(told(&gateway).await, happened("acme", "context file written: acme".to_owned()));

    let path = format!("/zos/v1/contexts/globex?etag={}", etag(&gateway, "globex").await.as_str().unwrap());
    assert_eq!(gateway.admin("DELETE", &path, None).await.0, 204);
    assert_eq!(told(&gateway).await, happened("globex", "context file removed: globex".to_owned()));

    let (status, made) =
        gateway.admin("POST", "/zos/v1/keys", Some(json!({"client": "zed", "context": "acme"}))).await;
    let key = made["id"].as_str().unwrap();
    assert_eq!((status, told(&gateway).await), (201, happened("acme", format!("zOS key made: {key}"))));
    assert_eq!(gateway.admin("DELETE", &format!("/zos/v1/keys/{key}"), None).await.0, 204);
    assert_eq!(told(&gateway).await, happened("", format!("zOS key revoked: {key}")), "it names the key");

    assert_eq!(gateway.admin("PUT", "/zos/v1/active", Some(json!({"context": "acme"}))).await.0, 200);
    assert_eq!(told(&gateway).await, happened("acme", "active context: acme".to_owned()));

    let (status, rotated) = gateway.admin("POST", "/zos/v1/attest/rotate", None).await;
    let word = |key: &str| rotated[key].as_str().unwrap().to_owned();
    let detail = format!("statements: key {} follows {}", word("id"), word("previous"));
    assert_eq!((status, told(&gateway).await), (200, happened("", detail)));

    let new = json!({"context": "acme", "text": "The office opens at nine."});
    let (status, added) = gateway.admin("POST", "/zos/v1/memory", Some(new.clone())).await;
    assert_eq!((status, told(&gateway).await), (201, happened("acme", "memory added".to_owned())));
    let before = told(&gateway).await;
    assert_eq!(gateway.admin("POST", "/zos/v1/memory", Some(new)).await.0, 201);
    assert_eq!(told(&gateway).await, before, "what is remembered already is not added");
    let none = json!({"decision": "accept", "ids": [added["id"]]});
    assert_eq!(gateway.admin("POST", "/zos/v1/memory/acme", Some(none)).await.1["decided"], 0);
    assert_eq!(told(&gateway).await, before, "none of them waited");
    let path = format!("/zos/v1/memory/acme/{}", added["id"].as_str().unwrap());
    assert_eq!(gateway.admin("DELETE", &path, None).await.0, 200);
    assert_eq!(told(&gateway).await, happened("acme", "memory forgotten".to_owned()));
    assert_eq!(notes(&gateway), 0);
}

#[tokio::test]
async fn what_the_disk_refused_is_told_as_failed() {
    let gateway = house().await;
    fs::remove_file(gateway.path("state.json")).unwrap();
    fs::create_dir_all(gateway.path("state.json/in/the/way")).unwrap();
    let (status, refusal) = gateway.admin("PUT", "/zos/v1/active", Some(json!({"context": "acme"}))).await;
    assert_eq!((status, &refusal["error"]["code"]), (500, &json!("zos_internal")));
    assert_eq!(
        told(&gateway).await,
        [("acme".to_owned(), "failed: make acme the active context".to_owned())]
    );
    assert_eq!(notes(&gateway), 0);
}

#[tokio::test]
async fn nothing_is_done_while_it_could_not_be_told() {
    for in_the_way in ["gateway/audit", "gateway/deeds"] {
        let gateway = house().await;
        let aside = gateway.path("aside");
        let path = gateway.path(in_the_way);
        let was_there = path.exists();
        if was_there {
            fs::rename(&path, &aside).unwrap();
        }
        fs::write(&path, "in the way").unwrap();
        let change = json!({"yaml": "title: Changed\n", "etag": etag(&gateway, "acme").await});
        let (status, refusal) = gateway.admin("PUT", "/zos/v1/contexts/acme", Some(change.clone())).await;
        assert_eq!(
            (status, &refusal["error"]["code"]),
            (503, &json!("zos_audit_unavailable")),
            "{in_the_way}"
        );
        assert_eq!(fs::read_to_string(gateway.path("contexts/acme.yml")).unwrap(), "title: Acme\n");
        let (status, _) = gateway.admin("PUT", "/zos/v1/shield", Some(json!({"paused": true}))).await;
        assert_eq!(status, 503, "{in_the_way}");
        assert_eq!(gateway.admin("GET", "/zos/v1/shield", None).await.1["paused"], false, "{in_the_way}");

        fs::remove_file(&path).unwrap();
        if was_there {
            fs::rename(&aside, &path).unwrap();
        }
        assert_eq!(gateway.admin("PUT", "/zos/v1/contexts/acme", Some(change)).await.0, 200, "{in_the_way}");
        let expected = [("acme".to_owned(), "context file written: acme".to_owned())];
        assert_eq!(told(&gateway).await, expected, "{in_the_way}");
    }
}

#[tokio::test]
async fn a_deed_that_a_crash_cut_is_told_by_the_next_start_once() {
    let note = json!({"kind": "decision", "context": "acme", "detail": "write context file acme", "v": 1, "seq": 0, "time": ""});
    let mut scratch = Scratch::new()
        .acme("title: Acme\n")
        .file("gateway/deeds/01B.json", &note.to_string())
        .file("gateway/deeds/01C.json", &note.to_string()[..40]);
    for start in 0..2 {
        let gateway = scratch.start().await;
        let detail = "not known whether done, zOS ended meanwhile: write context file acme".to_owned();
        assert_eq!(told(&gateway).await, [("acme".to_owned(), detail)], "start {start}");
        assert_eq!(notes(&gateway), 0, "start {start}");
        scratch = Scratch::of(gateway.stop(std::time::Duration::from_secs(1)).await);
    }
}
