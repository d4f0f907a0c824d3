//! The listener with `tls`: real sockets, a self-signed certificate.

use serde_json::{Value, json};
use zos_core::Home;
use zos_gateway::Server;
use zos_tests::gateway::Scratch;
use zos_tests::{Provider, provider};

const CERT: &str = include_str!("tls/cert.pem");
const KEY: &str = include_str!("tls/key.pem");
const OTHER_KEY: &str = include_str!("tls/other-key.pem");
const CONFIG: &str = "auth: {keyless: false}\ntls: {cert: gateway/cert.pem, key: gateway/key.pem}\n";

fn encrypted(scratch: Scratch) -> Scratch {
    scratch.file("gateway/config.yml", CONFIG).file("gateway/cert.pem", CERT).file("gateway/key.pem", KEY)
}

#[tokio::test]
async fn a_governed_stream_over_tls() {
    let stream = "data: {\"choices\":[{\"index\":0,\"delta\":{\"content\":\"Hello\"}}]}\n\ndata: [DONE]\n\n";
    let provider = Provider::events(stream).await;
    let scratch = Scratch::new().acme("outbound_deny: [Project Falcon]\n").provider(&provider);
    let gateway = encrypted(scratch).start().await;
    zos_gateway::install_tls();
    let certificate = reqwest::Certificate::from_pem(CERT.as_bytes()).unwrap();
    let client = reqwest::Client::builder().no_proxy().tls_certs_only([certificate]).build().unwrap();
    let url = gateway.url.replace("http:", "https:");
    let token = std::fs::read_to_string(gateway.path("gateway/admin.token")).unwrap();
    let status = client.get(format!("{url}/zos/v1/status")).bearer_auth(token.trim()).send().await.unwrap();
    let status: Value = status.json().await.unwrap();
    assert!(status["address"].as_str().unwrap().starts_with("https://"), "{status}");
    let made = client.post(format!("{url}/zos/v1/keys")).bearer_auth(token.trim());
    let made: Value = made.json(&json!({"client": "editor"})).send().await.unwrap().json().await.unwrap();
    let chat = |text: &str| {
        client
            .post(format!("{url}/v1/chat/completions"))
            .header("x-zos-key", made["key"].as_str().unwrap())
            .json(&json!({"model": "m", "stream": true, "messages": [{"role": "user", "content": text}]}))
    };
    let answer = chat("Hello").send().await.unwrap();
    assert_eq!((answer.status().as_u16(), answer.text().await.unwrap().as_str()), (200, stream));
    assert_eq!(chat("Project Falcon").send().await.unwrap().status(), 403);
    assert_eq!(gateway.wait_records(2).await[0]["client"], "editor");
    // Without TLS nothing is served: not even an answer that tells more than that.
    assert!(zos_tests::gateway::client().get(format!("{}/healthz", gateway.url)).send().await.is_err());
    drop(client);
    gateway.stop(std::time::Duration::from_secs(5)).await;
}

#[tokio::test]
async fn a_connection_that_never_agrees_on_tls_keeps_nobody_waiting() {
    let provider = Provider::start(provider::json(200, "{}")).await;
    let gateway = encrypted(Scratch::new().acme("{}").provider(&provider)).start().await;
    let silent = tokio::net::TcpStream::connect(("127.0.0.1", gateway.port)).await.unwrap();
    let certificate = reqwest::Certificate::from_pem(CERT.as_bytes()).unwrap();
    let client = reqwest::Client::builder().no_proxy().tls_certs_only([certificate]).build().unwrap();
    let health = client.get(format!("{}/healthz", gateway.url.replace("http:", "https:"))).send().await;
    assert_eq!(health.unwrap().status(), 200);
    // It ends at once when the gateway stops, the silent connection with it.
    drop(client);
    gateway.stop(std::time::Duration::from_secs(5)).await;
    drop(silent);
}

#[tokio::test]
async fn tls_is_protection_enough_for_an_address_that_others_can_reach() {
    let home = tempfile::tempdir().unwrap();
    std::fs::create_dir_all(home.path().join("gateway")).unwrap();
    for (name, text) in [("config.yml", CONFIG), ("cert.pem", CERT), ("key.pem", KEY)] {
        std::fs::write(home.path().join("gateway").join(name), text).unwrap();
    }
    let house = zos_gateway::Gateway::open(Home::resolve(Some(home.path())).unwrap()).unwrap();
    assert!(Server::bind(&house, Some("0.0.0.0:0".parse().unwrap())).await.is_ok());
}

#[tokio::test]
async fn what_is_wrong_with_the_files_is_named_with_file_and_line_and_without_a_path() {
    let plain = "nothing of this kind";
    for (cert, key, line, words) in [
        (None, Some(KEY), 3, "`tls.cert` names cannot be read"),
        (Some(CERT), None, 4, "`tls.key` names cannot be read"),
        (Some(plain), Some(KEY), 3, "`tls.cert` names holds no certificate"),
        (Some(CERT), Some(plain), 4, "`tls.key` names holds no private key"),
        (Some(CERT), Some(CERT), 4, "`tls.key` names holds no private key"),
        (Some(CERT), Some(OTHER_KEY), 4, "cannot be used"),
    ] {
        let home = tempfile::tempdir().unwrap();
        let folder = home.path().join("gateway");
        std::fs::create_dir_all(&folder).unwrap();
        let config = "listen: 127.0.0.1:0\ntls:\n  cert: gateway/cert.pem\n  key: gateway/key.pem\n";
        std::fs::write(folder.join("config.yml"), config).unwrap();
        for (name, text) in [("cert.pem", cert), ("key.pem", key)] {
            text.inspect(|text| std::fs::write(folder.join(name), text).unwrap());
        }
        let house = zos_gateway::Gateway::open(Home::resolve(Some(home.path())).unwrap()).unwrap();
        let error = Server::bind(&house, None).await.err().expect("it must refuse").to_string();
        assert!(error.contains(&format!("gateway/config.yml:{line}:")) && error.contains(words), "{error}");
        assert!(!error.contains(home.path().to_str().unwrap()) && !error.contains("PRIVATE KEY-----\nM"));
    }
}
