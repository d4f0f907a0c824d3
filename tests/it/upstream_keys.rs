//! Keys that commands print: allowed by the owner, run once for all, renewed where the provider refuses one.
#![cfg(unix)]

use serde_json::{Value, json};
use std::os::unix::fs::PermissionsExt;
use std::sync::Arc;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use zos_tests::Provider;
use zos_tests::gateway::{Gateway, Scratch, client};

const ANSWER: &str = r#"{"id":"c","choices":[{"index":0,"message":{"role":"assistant","content":"Hi"}}],"usage":{"prompt_tokens":3,"completion_tokens":2,"total_tokens":5}}"#;

/// Prints `tok-N` at its Nth run, into whose count nobody else writes: the folder of a command is the home.
const COUNTS: &str = "echo run >> runs; echo tok-$(wc -l < runs | tr -d ' ')";

fn fleet(port: u16, script: &str) -> String {
    format!(
        "version: 1\nproviders:\n  p: {{api: openai, base_url: \"http://127.0.0.1:{port}/v1\", auth: api-key, \
         key: {{command: [sh, -c, \"{script}\"], ttl: 1h}}}}\n"
    )
}

/// A gateway whose fleet only its owner may write.
async fn started(port: u16, script: &str) -> Gateway {
    let gateway = Scratch::new().file("routing/fleet.yml", &fleet(port, script)).start().await;
    close(&gateway);
    gateway
}

fn close(gateway: &Gateway) {
    for (path, mode) in [("", 0o700), ("routing", 0o700), ("routing/fleet.yml", 0o600)] {
        std::fs::set_permissions(gateway.path(path), std::fs::Permissions::from_mode(mode)).unwrap();
    }
}

async fn command(gateway: &Gateway) -> Value {
    gateway.admin("GET", "/zos/v1/providers/p/command", None).await.1
}

async fn allow(gateway: &Gateway) {
    let digest = command(gateway).await["digest"].clone();
    let (status, told) =
        gateway.admin("PUT", "/zos/v1/providers/p/command", Some(json!({"digest": digest}))).await;
    assert_eq!(status, 204, "{told}");
}

fn runs(gateway: &Gateway) -> usize {
    std::fs::read_to_string(gateway.path("runs")).map_or(0, |text| text.lines().count())
}

#[tokio::test]
async fn a_command_waits_for_the_owners_yes_and_then_runs_once_for_all() {
    let provider = Provider::json(ANSWER).await;
    let gateway = started(provider.port, COUNTS).await;
    let refused = gateway.chat("Hello").await;
    assert_eq!(refused.status(), 503);
    let told = refused.text().await.unwrap();
    assert!(told.contains("zos_no_route") && told.contains("zos providers allow p"), "{told}");
    assert_eq!((runs(&gateway), provider.received().len()), (0, 0));
    let status = gateway.admin("GET", "/zos/v1/status", None).await.1;
    assert!(status["health"]["problems"].to_string().contains("zos providers allow p"), "{status}");
    assert_eq!(status["health"]["ok"], true, "what waits for a yes is no failure");

    let asked = command(&gateway).await;
    assert_eq!((&asked["command"], &asked["allowed"]), (&json!(["sh", "-c", COUNTS]), &json!(false)));
    let other = Some(json!({"digest": "0".repeat(64)}));
    assert_eq!(gateway.admin("PUT", "/zos/v1/providers/p/command", other).await.0, 409);
    allow(&gateway).await;

    let answers = futures::future::join_all((0..8).map(|_| gateway.chat("Hello"))).await;
    assert!(answers.iter().all(|answer| answer.status() == 200));
    assert_eq!(runs(&gateway), 1);
    for received in provider.received() {
        assert_eq!(received.header("api-key"), Some("tok-1"));
        assert_eq!(received.header("authorization"), None);
    }
    let listed = gateway.admin("GET", "/zos/v1/providers", None).await.1;
    assert_eq!(listed["providers"][0]["key"], "command");

    // Another word of it is another command.
    gateway.write("routing/fleet.yml", &fleet(provider.port, "echo other"));
    close(&gateway);
    while command(&gateway).await["command"][2] != "echo other" {
        tokio::task::yield_now().await;
    }
    assert_eq!(gateway.chat("Hello").await.status(), 503);
    assert_eq!(provider.received().len(), 8);

    // The value stands nowhere: not in the log, not in any file of the home.
    for entry in walk(gateway.home.path()) {
        let bytes = std::fs::read(&entry).unwrap_or_default();
        assert!(!bytes.windows(5).any(|window| window == b"tok-1"), "{}", entry.display());
    }
}

fn walk(folder: &std::path::Path) -> Vec<std::path::PathBuf> {
    let entries = std::fs::read_dir(folder).unwrap().flatten().map(|entry| entry.path());
    entries.flat_map(|path| if path.is_dir() { walk(&path) } else { vec![path] }).collect()
}

#[tokio::test]
async fn nothing_runs_from_a_file_that_others_may_write() {
    let provider = Provider::json(ANSWER).await;
    let gateway = started(provider.port, COUNTS).await;
    allow(&gateway).await;
    let file = gateway.path("routing/fleet.yml");
    std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o666)).unwrap();
    let told = gateway.chat("Hello").await.text().await.unwrap();
    assert!(told.contains("others may write routing/fleet.yml") && told.contains("chmod go-w"), "{told}");
    assert_eq!((runs(&gateway), provider.received().len()), (0, 0));
    close(&gateway);
    assert_eq!(gateway.chat("Hello").await.status(), 200);
}

/// A provider that takes every key but the listed ones, which it answers 401; it tells which keys it saw.
async fn picky(refused: &'static [&'static str]) -> (u16, Arc<std::sync::Mutex<Vec<String>>>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let seen = Arc::new(std::sync::Mutex::new(Vec::new()));
    let keys = Arc::clone(&seen);
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let mut head = Vec::new();
            let mut piece = [0; 4096];
            // The body of these calls fits in the same pieces; it ends them.
            while !head.ends_with(b"}") {
                match stream.read(&mut piece).await {
                    Ok(count) if count > 0 => head.extend_from_slice(&piece[..count]),
                    _ => break,
                }
            }
            let head = String::from_utf8_lossy(&head).into_owned();
            let key = head.lines().find_map(|line| line.strip_prefix("api-key: ")).unwrap_or("").to_owned();
            let (status, body) = match refused.contains(&key.as_str()) {
                true => ("401 Unauthorized", r#"{"error":{"message":"over"}}"#),
                false => ("200 OK", ANSWER),
            };
            keys.lock().unwrap().push(key);
            let answer = format!(
                "HTTP/1.1 {status}\r\ncontent-type: application/json\r\ncontent-length: {}\r\nconnection: close\r\n\r\n{body}",
                body.len()
            );
            let _ = stream.write_all(answer.as_bytes()).await;
            let _ = stream.shutdown().await;
        }
    });
    (port, seen)
}

#[tokio::test]
async fn a_key_that_is_refused_is_printed_anew_once() {
    let (port, seen) = picky(&["tok-1"]).await;
    let gateway = started(port, COUNTS).await;
    allow(&gateway).await;
    assert_eq!(gateway.chat("Hello").await.status(), 200);
    assert_eq!(*seen.lock().unwrap(), ["tok-1", "tok-2"]);
    let records = gateway.wait_records(1).await;
    assert!(records[0]["detail"].as_str().unwrap().contains("its key is printed anew"), "{}", records[0]);
    assert_eq!(gateway.chat("Hello").await.status(), 200);
    assert_eq!(runs(&gateway), 2);
}

#[tokio::test]
async fn a_key_that_is_always_refused_is_no_reason_to_run_in_a_storm() {
    let (port, seen) = picky(&["tok-1", "tok-2", "tok-3"]).await;
    let gateway = started(port, COUNTS).await;
    allow(&gateway).await;
    for _ in 0..4 {
        assert_eq!(gateway.chat("Hello").await.status(), 401);
    }
    assert_eq!(runs(&gateway), 2);
    assert_eq!(seen.lock().unwrap().len(), 5);
}

#[tokio::test]
async fn what_a_failing_command_complains_is_for_the_doctor_alone() {
    let provider = Provider::json(ANSWER).await;
    let gateway = started(provider.port, "echo tok-hidden; echo please sign in >&2; exit 7").await;
    allow(&gateway).await;
    let told = gateway.chat("Hello").await.text().await.unwrap();
    assert!(told.contains("ended with status 7"), "{told}");
    assert!(!told.contains("please sign in") && !told.contains("tok-hidden"), "{told}");
    let asked = command(&gateway).await;
    assert_eq!(asked["stderr"], "please sign in");
    let (_, tested) = gateway.admin("POST", "/zos/v1/providers/p/test", Some(json!({}))).await;
    let message = tested["message"].as_str().unwrap();
    assert!(message.contains("ended with status 7") && !message.contains("please"), "{message}");
}

#[tokio::test]
async fn every_way_to_authorise_puts_the_key_where_the_provider_reads_it() {
    for (auth, header, value) in [
        ("bearer", "authorization", "Bearer tok"),
        ("x-api-key", "x-api-key", "tok"),
        ("api-key", "api-key", "tok"),
        ("goog", "x-goog-api-key", "tok"),
    ] {
        let provider = Provider::json(ANSWER).await;
        let text = fleet(provider.port, "echo tok").replace("auth: api-key", &format!("auth: {auth}"));
        let gateway = Scratch::new().file("routing/fleet.yml", &text).start().await;
        close(&gateway);
        allow(&gateway).await;
        assert_eq!(gateway.chat("Hello").await.status(), 200, "{auth}");
        let received = provider.only();
        for name in ["authorization", "x-api-key", "api-key", "x-goog-api-key"] {
            let expected = (name == header).then_some(value);
            assert_eq!(received.header(name), expected, "{auth}: {name}");
        }
    }
}

#[tokio::test]
async fn a_provider_without_credentials_gets_none_and_one_for_callers_gets_theirs() {
    let provider = Provider::json(ANSWER).await;
    let text = |auth: &str| {
        format!(
            "version: 1\nproviders:\n  p: {{api: openai, base_url: \"http://127.0.0.1:{}/v1\", auth: {auth}}}\n",
            provider.port
        )
    };
    let call = async |gateway: &Gateway, path: &str, key: Option<&str>| {
        let mut request =
            client().post(format!("{}{path}", gateway.url)).header("content-type", "application/json");
        if let Some(key) = key {
            request = request.bearer_auth(key);
        }
        let body =
            json!({"model": "p-1", "max_tokens": 5, "messages": [{"role": "user", "content": "Hello"}]});
        request.body(body.to_string()).send().await.unwrap()
    };
    let gateway = Scratch::new().file("routing/fleet.yml", &text("none")).start().await;
    call(&gateway, "/v1/chat/completions", Some("sk-own")).await;
    assert_eq!(provider.only().header("authorization"), None);

    let named = text("caller") + "models: [{match: \"p-*\", provider: p}]\n";
    let gateway = Scratch::new().file("routing/fleet.yml", &named).start().await;
    let bare = call(&gateway, "/v1/chat/completions", None).await;
    assert_eq!(bare.status(), 401);
    assert!(bare.text().await.unwrap().contains("x-zos-key"));
    // A credential is for the API that its client speaks.
    let across = call(&gateway, "/v1/messages", Some("sk-ant-own")).await;
    assert_eq!(across.status(), 401);
    assert!(across.text().await.unwrap().contains("for another API"));
    assert_eq!(provider.received().len(), 1);
    assert_eq!(call(&gateway, "/v1/chat/completions", Some("sk-own")).await.status(), 200);
    assert_eq!(provider.received()[1].header("authorization"), Some("Bearer sk-own"));
}
