//! Bad requests: each has a clear refusal, and none reaches the provider.

use serde_json::Value;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use zos_tests::Provider;
use zos_tests::gateway::{Gateway, Scratch};

/// Sends raw bytes and reads what comes back: one whole answer, or all that comes until the connection closes where the
/// request asks for that.
async fn raw(gateway: &Gateway, bytes: &[u8], close: bool) -> String {
    let mut stream = TcpStream::connect(("127.0.0.1", gateway.port)).await.unwrap();
    stream.write_all(bytes).await.unwrap();
    if close {
        stream.shutdown().await.unwrap();
    }
    let reads_on = String::from_utf8_lossy(bytes).contains("connection: close");
    let mut answer = Vec::new();
    while reads_on || !is_whole(&answer) {
        // An answer that never ends fails the test instead of holding it up.
        let read = tokio::time::timeout(Duration::from_secs(60), stream.read_buf(&mut answer)).await;
        if read.expect("an answer, or the end of the connection").unwrap_or(0) == 0 {
            break;
        }
    }
    String::from_utf8_lossy(&answer).into_owned()
}

/// Whether an answer has its head and as many bytes behind it as that announces.
fn is_whole(answer: &[u8]) -> bool {
    let text = String::from_utf8_lossy(answer).to_ascii_lowercase();
    let Some((head, body)) = text.split_once("\r\n\r\n") else { return false };
    let length = head.lines().find_map(|line| line.strip_prefix("content-length: "));
    length.is_some_and(|length| length.trim().parse::<usize>().is_ok_and(|length| body.len() >= length))
}

#[tokio::test]
async fn a_body_that_is_no_json_object_is_refused_in_the_callers_shape() {
    let provider = Provider::json("{}").await;
    let gateway = Scratch::new().provider(&provider).start().await;
    let cases: [(&[u8], &str); 9] = [
        (b"", "JSON"),
        (b"hello", "JSON"),
        (b"[1,2]", "object"),
        (b"\"text\"", "object"),
        (b"{\"model\":\"m\"", "JSON"),
        (b"{\"model\":\"m\"} trailing", "JSON"),
        (b"{}", "model"),
        (b"{\"model\":\"m\",\"x\":\"\xff\"}", "UTF-8"),
        (b"{\"model\":5}", "model"),
    ];
    for (body, word) in cases {
        for path in ["/v1/messages", "/v1/chat/completions", "/v1/responses", "/v1/embeddings"] {
            let response = gateway.post(path, body.to_vec()).await;
            assert_eq!(response.status(), 400, "{path} {body:?}");
            let answer: Value = response.json().await.unwrap();
            assert_eq!(answer["error"]["code"], "zos_invalid_request");
            assert!(answer["error"]["message"].as_str().unwrap().contains(word), "{answer}");
            assert!(answer["error"]["request_id"].is_string());
            assert_eq!(answer["type"] == "error", path == "/v1/messages");
        }
    }
    let deep = format!("{{\"model\":\"m\",\"x\":{}{}}}", "[".repeat(5000), "]".repeat(5000));
    assert_eq!(gateway.post("/v1/messages", deep).await.status(), 400);
    assert!(provider.received().is_empty());
}

#[tokio::test]
async fn an_oversized_body_is_refused_declared_or_not() {
    let provider = Provider::json("{}").await;
    let gateway = Scratch::new()
        .provider(&provider)
        .file("gateway/config.yml", "limits: {body_bytes: 2000}\n")
        .start()
        .await;
    let body = format!("{{\"model\":\"m\",\"x\":\"{}\"}}", "a".repeat(3000));
    let declared = gateway.post("/v1/chat/completions", body.clone()).await;
    assert_eq!(
        (declared.status().as_u16(), declared.json::<Value>().await.unwrap()["error"]["code"].as_str()),
        (413, Some("zos_invalid_request"))
    );
    let pieces: Vec<_> =
        body.as_bytes().chunks(100).map(|piece| Ok::<_, std::io::Error>(piece.to_vec())).collect();
    let chunked =
        gateway.post("/v1/chat/completions", reqwest::Body::wrap_stream(futures::stream::iter(pieces))).await;
    assert_eq!(chunked.status(), 413);
    assert!(provider.received().is_empty());
}

#[tokio::test]
async fn a_truncated_body_is_never_forwarded_and_is_recorded() {
    let provider = Provider::json("{}").await;
    let gateway = Scratch::new().provider(&provider).start().await;
    let head = "POST /v1/chat/completions HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\ncontent-length: 500\r\n\r\n{\"model\":\"m\"";
    raw(&gateway, head.as_bytes(), true).await;
    gateway.wait_records(1).await;
    assert!(provider.received().is_empty());
}

#[tokio::test]
async fn nothing_can_be_smuggled_behind_two_lengths() {
    let provider = Provider::json("{}").await;
    let gateway = Scratch::new().provider(&provider).start().await;
    let body = "29\r\n{\"model\":\"m\",\"messages\":[],\"from\":\"chunk\"}\r\n0\r\n\r\n"
        .replace("29", &format!("{:x}", "{\"model\":\"m\",\"messages\":[],\"from\":\"chunk\"}".len()));
    let smuggled = "POST /v1/files HTTP/1.1\r\nhost: localhost\r\ncontent-length: 2\r\n\r\n{}";
    let bytes = format!(
        "POST /v1/chat/completions HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\ncontent-length: {}\r\ntransfer-encoding: chunked\r\nconnection: close\r\n\r\n{body}{smuggled}",
        body.len() + smuggled.len()
    );
    let answer = raw(&gateway, bytes.as_bytes(), false).await;
    assert!(answer.starts_with("HTTP/1.1 200") || answer.starts_with("HTTP/1.1 400"), "{answer}");
    for received in provider.received() {
        assert_eq!(received.body, b"{\"model\":\"m\",\"messages\":[],\"from\":\"chunk\"}");
        assert_eq!(received.header("transfer-encoding"), None);
    }
    assert!(
        gateway.records().iter().all(|record| record["face"] != "unknown"),
        "the second request was read from the body"
    );
}

#[tokio::test]
async fn a_huge_head_and_a_compressed_body_are_refused() {
    let provider = Provider::json("{}").await;
    let gateway = Scratch::new().provider(&provider).start().await;
    let head = format!(
        "POST /v1/messages HTTP/1.1\r\nhost: localhost\r\nx-big: {}\r\ncontent-length: 0\r\n\r\n",
        "a".repeat(100_000)
    );
    let answer = raw(&gateway, head.as_bytes(), false).await;
    assert!(answer.starts_with("HTTP/1.1 431") || answer.is_empty(), "{answer}");
    let packed = zos_tests::gateway::client()
        .post(format!("{}/v1/messages", gateway.url))
        .header("content-encoding", "gzip")
        .body(vec![31, 139, 8])
        .send()
        .await
        .unwrap();
    assert_eq!(
        (packed.status().as_u16(), packed.json::<Value>().await.unwrap()["error"]["code"].as_str()),
        (415, Some("zos_invalid_request"))
    );
    assert!(provider.received().is_empty());
}

/// Sends a request on a connection of its own and reads the first bytes of its answer.
async fn idle_connection(gateway: &Gateway) -> TcpStream {
    let mut stream = TcpStream::connect(("127.0.0.1", gateway.port)).await.unwrap();
    stream.write_all(b"GET /healthz HTTP/1.1\r\nhost: localhost\r\n\r\n").await.unwrap();
    let mut piece = [0; 512];
    assert!(stream.read(&mut piece).await.unwrap() > 0);
    stream
}

async fn healthz(url: String) -> u16 {
    zos_tests::gateway::client().get(format!("{url}/healthz")).send().await.unwrap().status().as_u16()
}

#[tokio::test]
async fn an_idle_connection_gives_its_place_to_the_next_caller_and_the_oldest_goes_first() {
    let gateway = Scratch::new().file("gateway/config.yml", "limits: {connections: 3}\n").start().await;
    let mut oldest = idle_connection(&gateway).await;
    let silent = TcpStream::connect(("127.0.0.1", gateway.port)).await.unwrap();
    tokio::time::sleep(Duration::from_millis(20)).await;
    let mut youngest = idle_connection(&gateway).await;
    assert_eq!(healthz(gateway.url.clone()).await, 200);
    let mut piece = [0; 1];
    assert_eq!(oldest.read(&mut piece).await.unwrap(), 0, "it was closed");
    // The others have theirs still.
    youngest.write_all(b"GET /healthz HTTP/1.1\r\nhost: localhost\r\n\r\n").await.unwrap();
    assert!(youngest.read(&mut piece).await.unwrap() > 0);
    drop(silent);
}

#[tokio::test]
async fn a_caller_waits_while_every_place_has_a_call_in_progress() {
    let provider = Provider::start(vec![zos_tests::Step::UntilClosed]).await;
    let gateway = Scratch::new()
        .provider(&provider)
        .file("gateway/config.yml", "limits: {connections: 1}\n")
        .start()
        .await;
    let body = "{\"model\":\"m\",\"messages\":[]}";
    let mut busy = TcpStream::connect(("127.0.0.1", gateway.port)).await.unwrap();
    let head = format!(
        "POST /v1/chat/completions HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n{body}",
        body.len()
    );
    busy.write_all(head.as_bytes()).await.unwrap();
    while provider.received().is_empty() {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    let waiting = tokio::spawn(healthz(gateway.url.clone()));
    tokio::time::sleep(Duration::from_millis(200)).await;
    assert!(!waiting.is_finished());
    drop(busy);
    assert_eq!(waiting.await.unwrap(), 200);
}

#[tokio::test]
async fn a_caller_that_never_reads_its_answer_is_left_and_the_provider_with_it() {
    let event = format!(
        "data: {}\n\n",
        serde_json::json!({"choices": [{"index": 0, "delta": {"content": "word ".repeat(20_000)}}]})
    );
    let mut script = vec![zos_tests::provider::event_head()];
    script.extend((0..400).map(|_| zos_tests::Step::Send(event.clone().into_bytes())));
    let provider = Provider::start(script).await;
    let gateway = Scratch::new()
        .provider(&provider)
        .file("gateway/config.yml", "upstream: {idle_timeout_ms: 500}\n")
        .start()
        .await;
    let body = "{\"model\":\"m\",\"stream\":true,\"messages\":[]}";
    let head = format!(
        "POST /v1/chat/completions HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n{body}",
        body.len()
    );
    let mut deaf = TcpStream::connect(("127.0.0.1", gateway.port)).await.unwrap();
    deaf.write_all(head.as_bytes()).await.unwrap();
    let ended = async {
        while gateway.records().is_empty() {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    // Far above what it takes: it is no measurement.
    tokio::time::timeout(Duration::from_secs(60), ended).await.expect("the call has an end");
    assert_eq!(gateway.records()[0]["outcome"], "abandoned");
}

#[tokio::test]
async fn a_body_of_many_small_values_is_refused_before_it_becomes_a_tree() {
    let provider = Provider::json("{}").await;
    let gateway = Scratch::new().provider(&provider).start().await;
    let body = format!("{{\"model\":\"m\",\"messages\":[],\"x\":[{}1]}}", "1,".repeat(4 << 20));
    let response = gateway.post("/v1/chat/completions", body).await;
    assert_eq!(response.status(), 413);
    let answer: Value = response.json().await.unwrap();
    assert_eq!(answer["error"]["code"], "zos_invalid_request");
    assert!(answer["error"]["message"].as_str().unwrap().contains("small values"), "{answer}");
    assert!(provider.received().is_empty());
    provider.play(zos_tests::provider::json(200, &format!("{{\"x\":[{}1]}}", "1,".repeat(4 << 20))));
    assert_eq!(gateway.chat("ordinary").await.status(), 502);
}
