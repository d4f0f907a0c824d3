//! The three servers of the comparison.

use anyhow::Result;
use axum::Router;
use axum::body::Body;
use axum::extract::{Request, State};
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use bytes::Bytes;
use futures::{StreamExt, stream};
use hyper_util::rt::TokioIo;
use hyper_util::service::TowerToHyperService;
use std::convert::Infallible;
use std::fmt::Write;
use std::path::Path;
use std::time::Duration;
use tempfile::TempDir;
use tokio::net::TcpListener;
use zos_core::Home;
use zos_gateway::{Gateway, Server};

/// Ordinary text.
pub(crate) const ENGLISH: &str = "The quarterly report was sent to the whole team on Monday, and most of the questions were \
    about the new schedule. We agreed to meet again next week, when the numbers are known, and to write down what we \
    decide. Nobody expects the project to be late, but a careful plan costs little and saves a lot of work. ";

const ANSWER: &str = r#"{"id":"c","object":"chat.completion","created":0,"model":"m","choices":[{"index":0,"message":{"role":"assistant","content":"The plan is fine, and the meeting can wait until the numbers are known."},"finish_reason":"stop"}],"usage":{"prompt_tokens":200,"completion_tokens":16,"total_tokens":216}}"#;

/// How long a stream pauses after its first piece, as a model does before it goes on.
const PAUSE: Duration = Duration::from_millis(5);

/// The provider: a short answer, or a stream of words.
pub(crate) async fn provider() -> Result<()> {
    let pieces: Vec<Bytes> = ENGLISH
        .split_inclusive(' ')
        .cycle()
        .take(crate::lanes::PIECES)
        .map(|word| {
            let chunk = serde_json::json!({"id": "c", "object": "chat.completion.chunk", "created": 0, "model": "m", "choices": [{"index": 0, "delta": {"content": word}, "finish_reason": null}]});
            Bytes::from(format!("data: {chunk}\n\n"))
        })
        .chain([Bytes::from_static(b"data: {\"id\":\"c\",\"choices\":[],\"usage\":{\"prompt_tokens\":200,\"completion_tokens\":2000}}\n\ndata: [DONE]\n\n")])
        .collect();
    let answer = move |body: Bytes| {
        let pieces = pieces.clone();
        async move {
            let first = pieces.first().cloned();
            let has = |words: &[u8]| body.windows(words.len()).take(200).any(|window| window == words);
            if !has(b"\"stream\":true") {
                return ([("content-type", "application/json")], ANSWER).into_response();
            }
            let all = if has(b"\"hold\":true") {
                stream::iter(pieces.into_iter().take(1)).chain(stream::pending()).boxed()
            } else if has(b"\"hold\":\"pause\"") {
                let last = pieces.last().cloned();
                let rest = pieces.into_iter().skip(1).take(4).chain(last);
                let paused = stream::once(async move {
                    tokio::time::sleep(PAUSE).await;
                    stream::iter(rest)
                });
                stream::iter(first).chain(paused.flatten()).boxed()
            } else {
                // Each piece is a write of its own, as it is with a model.
                stream::iter(pieces)
                    .then(|piece| async move {
                        tokio::task::yield_now().await;
                        piece
                    })
                    .boxed()
            };
            let body = Body::from_stream(all.map(Ok::<_, Infallible>));
            ([("content-type", "text/event-stream")], body).into_response()
        }
    };
    serve(Router::new().route("/v1/chat/completions", post(answer))).await
}

/// The largest body that the bare proxy reads.
const BODY_BYTES: usize = 64 << 20;

/// The bare proxy: what any gateway of this kind that reads a request whole costs at least.
pub(crate) async fn bare(upstream: &str) -> Result<()> {
    zos_gateway::install_tls();
    let client = reqwest::Client::builder().no_proxy().tcp_nodelay(true).build()?;
    let router = Router::new()
        .route("/v1/chat/completions", post(pass))
        .with_state((client, format!("{upstream}/v1/chat/completions")));
    serve(router.layer(axum::extract::DefaultBodyLimit::disable())).await
}

/// Headers of one connection, which no proxy passes on, and those that follow from the body.
const HOP_BY_HOP: [&str; 6] =
    ["host", "connection", "transfer-encoding", "keep-alive", "upgrade", "content-length"];

async fn pass(State((client, url)): State<(reqwest::Client, String)>, request: Request) -> Response {
    let (head, body) = request.into_parts();
    let Ok(body) = axum::body::to_bytes(body, BODY_BYTES).await else {
        return http::StatusCode::BAD_REQUEST.into_response();
    };
    let mut headers = head.headers;
    HOP_BY_HOP.iter().for_each(|name| drop(headers.remove(*name)));
    match client.post(url).headers(headers).body(body).send().await {
        Ok(answer) => {
            let mut response = Response::new(Body::empty());
            *response.status_mut() = answer.status();
            for (name, value) in answer.headers() {
                if !HOP_BY_HOP[1..5].contains(&name.as_str()) {
                    response.headers_mut().append(name.clone(), value.clone());
                }
            }
            *response.body_mut() = Body::from_stream(answer.bytes_stream());
            response
        }
        Err(_) => http::StatusCode::BAD_GATEWAY.into_response(),
    }
}

/// zOS as `zos serve` runs it.
#[expect(clippy::print_stdout, reason = "the parent process reads the address")]
pub(crate) async fn zos(home: &str) -> Result<()> {
    let house = Gateway::open(Home::resolve(Some(Path::new(home)))?)?;
    let server = Server::bind(&house, Some(([127, 0, 0, 1], 0).into())).await?;
    println!("http://{}", server.address()?);
    server.run().await;
    Ok(())
}

/// The rules of a room.
pub(crate) struct Room {
    /// Terms that it denies; without any it is open.
    pub(crate) terms: u32,
    /// Whether a limit of tokens is set.
    pub(crate) has_budget: bool,
}

/// A home with one room.
pub(crate) fn home(provider: &str, rules: &Room) -> Result<TempDir> {
    let home = TempDir::new()?;
    let isolation = if rules.terms == 0 { "open" } else { "hard" };
    let mut room = format!("title: Bench\nisolation: {isolation}\nattachments: allow\n");
    if rules.has_budget {
        room.push_str("budget: {daily_tokens: 100000000000}\n");
    }
    if rules.terms > 0 {
        room.push_str("outbound_deny:\n");
    }
    for number in 0..rules.terms {
        writeln!(room, "  - {}", name(number))?;
    }
    let write = |path: &str, text: &str| -> Result<()> {
        let path = home.path().join(path);
        std::fs::create_dir_all(path.parent().unwrap_or(home.path()))?;
        Ok(std::fs::write(path, text)?)
    };
    write("contexts/bench.yml", &room)?;
    write("state.json", r#"{"active": "bench"}"#)?;
    write(
        "routing/fleet.yml",
        &format!(
            "version: 1\nproviders:\n  openai: {{api: openai, base_url: \"{provider}/v1\", key: none}}\n"
        ),
    )?;
    Ok(home)
}

/// What rooms deny, mostly: names of people, firms and projects. One in ten begins with an ordinary word.
fn name(number: u32) -> String {
    const START: [&str; 20] = [
        "Al", "Ber", "Cor", "Dan", "El", "Fal", "Gra", "Hol", "Ir", "Jen", "Kel", "Lan", "Mor", "Nor", "Os",
        "Per", "Quin", "Ros", "Sal", "Tor",
    ];
    const END: [&str; 10] = ["bert", "con", "dale", "field", "gard", "holm", "mann", "ridge", "son", "wick"];
    let word = |seed: u32| format!("{}{}", START[(seed % 20) as usize], END[(seed / 20 % 10) as usize]);
    match number % 10 {
        0 => format!("Project {}", word(number)),
        _ => format!("{} {}{}", word(number), word(number.wrapping_mul(7) + 3), number / 200),
    }
}

/// Serves with the same connection settings as zOS.
#[expect(clippy::print_stdout, reason = "the parent process reads the address")]
async fn serve(router: Router) -> Result<()> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    println!("http://{}", listener.local_addr()?);
    loop {
        let (stream, _) = listener.accept().await?;
        stream.set_nodelay(true)?;
        let service = TowerToHyperService::new(router.clone());
        tokio::spawn(async move {
            // A caller that hangs up ends its connection and nothing else.
            let _ = hyper::server::conn::http1::Builder::new()
                .serve_connection(TokioIo::new(stream), service)
                .await;
        });
    }
}
