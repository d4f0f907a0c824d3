//! A real gateway on a scratch home and a free port.

use crate::Provider;
use serde_json::Value;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;
use tempfile::TempDir;
use zos_core::Home;
use zos_gateway::Opening;
use zos_gateway::Server;

/// A gateway that serves.
pub struct Gateway {
    /// Its folder.
    pub home: TempDir,
    /// Its parts.
    pub house: Arc<zos_gateway::Gateway>,
    /// `http://127.0.0.1:port`
    pub url: String,
    /// Its port.
    pub port: u16,
    serving: tokio::task::JoinHandle<()>,
}

/// A home before its gateway is started.
pub struct Scratch {
    home: TempDir,
}

impl Scratch {
    /// An empty home.
    #[must_use]
    pub fn new() -> Scratch {
        Scratch { home: TempDir::new().expect("the temporary folder can be written") }
    }

    /// A home that a gateway has left.
    #[must_use]
    pub fn of(home: TempDir) -> Scratch {
        Scratch { home }
    }

    /// Writes a file of the home.
    #[must_use]
    pub fn file(self, path: &str, text: &str) -> Scratch {
        write(self.home.path(), path, text);
        self
    }

    /// A context called `acme`, which is made the active one.
    #[must_use]
    pub fn acme(self, yaml: &str) -> Scratch {
        self.file("contexts/acme.yml", yaml).file("state.json", r#"{"active": "acme"}"#)
    }

    /// Routes every model of both APIs to a provider.
    #[must_use]
    pub fn provider(self, provider: &Provider) -> Scratch {
        let port = provider.port;
        self.file(
            "routing/fleet.yml",
            &format!(
                "version: 1\nproviders:\n  anthropic: {{api: anthropic, base_url: \"http://127.0.0.1:{port}\", key: none}}\n  \
                 openai: {{api: openai, base_url: \"http://127.0.0.1:{port}/v1\", key: none}}\n"
            ),
        )
    }

    /// Starts the gateway.
    pub async fn start(self) -> Gateway {
        self.start_with(Opening::default()).await
    }

    /// Starts the gateway with a say in what it is opened with. Where its configuration says nothing of refusals, they have
    /// the reference form: it is the same for every caller, so that what a test is about stays the only thing in it.
    pub async fn start_with(self, opening: Opening) -> Gateway {
        let root = self.home.path().to_owned();
        refuse_by_reference(&root);
        let home = Home::resolve(Some(&root)).expect("an absolute path");
        let house = tokio::task::spawn_blocking(move || zos_gateway::Gateway::open_with(home, opening))
            .await
            .expect("opening does not panic")
            .expect("it opens");
        let server = Server::bind(&house, Some(([127, 0, 0, 1], 0).into())).await.expect("a free port");
        let port = server.address().expect("it is bound").port();
        let serving = tokio::spawn(server.run());
        Gateway { home: self.home, house, url: format!("http://127.0.0.1:{port}"), port, serving }
    }
}

impl Default for Scratch {
    fn default() -> Self {
        Scratch::new()
    }
}

impl Gateway {
    /// A path of the home.
    #[must_use]
    pub fn path(&self, path: &str) -> PathBuf {
        self.home.path().join(path)
    }

    /// Writes a file of the home.
    pub fn write(&self, path: &str, text: &str) {
        write(self.home.path(), path, text);
    }

    /// Posts a body.
    pub async fn post(&self, path: &str, body: impl Into<reqwest::Body>) -> reqwest::Response {
        client()
            .post(format!("{}{path}", self.url))
            .header("content-type", "application/json")
            .body(body)
            .send()
            .await
            .expect("it answers")
    }

    /// Posts a chat that says this.
    pub async fn chat(&self, text: &str) -> reqwest::Response {
        let body = serde_json::json!({"model": "m", "max_tokens": 10, "messages": [{"role": "user", "content": text}]});
        self.post("/v1/chat/completions", body.to_string()).await
    }

    /// Posts a streamed chat that says this.
    pub async fn stream(&self, text: &str) -> reqwest::Response {
        let body = serde_json::json!({"model": "m", "max_tokens": 10, "stream": true, "messages": [{"role": "user", "content": text}]});
        self.post("/v1/chat/completions", body.to_string()).await
    }

    /// Calls the admin API with its token.
    pub async fn admin(&self, method: &str, path: &str, body: Option<Value>) -> (u16, Value) {
        let token = std::fs::read_to_string(self.path("gateway/admin.token")).expect("the gateway made it");
        let method = method.parse().expect("a method");
        let mut request = client().request(method, format!("{}{path}", self.url)).bearer_auth(token.trim());
        if let Some(body) = body {
            request = request.json(&body);
        }
        let response = request.send().await.expect("it answers");
        let status = response.status().as_u16();
        (status, response.json().await.unwrap_or(Value::Null))
    }

    /// The records of calls, oldest first.
    #[must_use]
    pub fn records(&self) -> Vec<Value> {
        let mut records = Vec::new();
        let mut files: Vec<_> = std::fs::read_dir(self.path("gateway/audit"))
            .expect("the log's folder")
            .flatten()
            .map(|entry| entry.path())
            .collect();
        files.sort();
        for file in files.iter().filter(|file| file.extension().is_some_and(|ending| ending == "jsonl")) {
            let text = std::fs::read_to_string(file).expect("a segment");
            records.extend(text.lines().map(|line| serde_json::from_str::<Value>(line).expect("a record")));
        }
        records.retain(|record| record["kind"] == "call");
        records
    }

    /// Waits until there are `count` records of calls, and gives them.
    pub async fn wait_records(&self, count: usize) -> Vec<Value> {
        for _ in 0..200 {
            let records = self.records();
            if records.len() >= count {
                assert_eq!(records.len(), count, "exactly one record a call: {records:#?}");
                return records;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        panic!("{count} records were expected, there are {:#?}", self.records());
    }

    /// Stops in order.
    pub async fn stop(self, patience: Duration) -> TempDir {
        self.house.stop(patience).await;
        self.serving.await.expect("serving does not panic");
        self.home
    }
}

/// A client without a pool, so that each test call is a connection of its own.
#[must_use]
pub fn client() -> reqwest::Client {
    zos_gateway::install_tls();
    reqwest::Client::builder().no_proxy().pool_max_idle_per_host(0).build().expect("a client")
}

fn refuse_by_reference(home: &Path) {
    let mut config = std::fs::read_to_string(home.join("gateway/config.yml")).unwrap_or_default();
    if !config.contains("refusals:") {
        config.push_str("\nrefusals: reference\n");
        write(home, "gateway/config.yml", &config);
    }
}

fn write(home: &Path, path: &str, text: &str) {
    let path = home.join(path);
    std::fs::create_dir_all(path.parent().expect("it has a folder")).expect("the home can be written");
    std::fs::write(path, text).expect("the home can be written");
}
