//! What zOS adds to a call. Run with `make bench`.
//!
//! Three processes, all this program: a provider, a bare axum + reqwest pass-through proxy, and zOS with
//! inspection (1,000 terms), a budget and the log switched on. The same calls go straight to the provider,
//! through the bare proxy, and through zOS, in turn, so that figures of one run can be compared with each
//! other. They cannot be compared with those of another run or machine.
//!
//! One core's throughput is what its share of the CPU allows while many call at once. CPU is what the kernel charged to all threads of a process; memory is its proportional set size.
//! Linux only: it reads `/proc`.

#![expect(clippy::print_stdout, reason = "the tables are what this program is for")]

mod log;
mod process;
mod servers;

use anyhow::{Context, Result};
use bytes::Bytes;
use process::Child;
use std::time::{Duration, Instant};

/// Calls of one latency measurement, by body size.
const SIZES: [(&str, usize, usize); 3] =
    [("1 kB", 1 << 10, 2000), ("32 kB", 32 << 10, 600), ("1 MB", 1 << 20, 60)];

/// How long many callers call at once.
const CROWD_TIME: Duration = Duration::from_secs(3);

/// Pieces of the long stream.
const PIECES: usize = 2000;
/// How often it is read.
const STREAMS: usize = 20;
/// Streams of which only the first piece is waited for.
const FIRSTS: usize = 300;

#[tokio::main]
async fn main() -> Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match words.as_slice() {
        ["provider"] => servers::provider().await,
        ["bare", upstream] => servers::bare(upstream).await,
        ["log"] => log::run(),
        ["zos", home] => servers::zos(home).await,
        // `cargo bench` hands on a switch of its own.
        [] | ["--bench"] => {
            compare(&["plain", "crowded", "streamed", "open"]).await?;
            log::run()
        }
        parts if parts.iter().all(|part| ["plain", "crowded", "streamed", "open"].contains(part)) => {
            compare(parts).await
        }
        other => anyhow::bail!("unknown arguments {other:?}; run it without any"),
    }
}

/// Measures these parts.
async fn compare(parts: &[&str]) -> Result<()> {
    zos_gateway::install_tls();
    let provider = Child::start(&["provider"]).await?;
    let bare = Child::start(&["bare", &provider.url]).await?;
    let home = servers::home(&provider.url)?;
    let home_path = home.path().display().to_string();
    let zos = Child::start(&["zos", &home_path]).await?;
    println!(
        "start to listening: zOS {:.0} ms, bare {:.0} ms\n",
        millis(zos.started_in),
        millis(bare.started_in)
    );
    println!("idle memory: zOS {:.1} MB, bare {:.1} MB\n", zos.memory_mb()?, bare.memory_mb()?);
    let lanes = [("provider", &provider), ("bare", &bare), ("zOS", &zos)];
    for part in parts {
        match *part {
            "plain" => plain(&lanes).await?,
            "crowded" => crowded(&lanes).await?,
            "streamed" => streamed(&lanes).await?,
            _ => open_streams(&lanes).await?,
        }
    }
    Ok(())
}

/// Plain calls: latency, what is added to it, and CPU.
async fn plain(lanes: &[(&str, &Child)]) -> Result<()> {
    println!("plain calls, one after the other");
    println!(
        "{:<8}{:<10}{:>10}{:>10}{:>12}{:>14}",
        "body", "through", "p50 ms", "p99 ms", "added ms", "CPU µs/call"
    );
    for (name, bytes, calls) in SIZES {
        let body = chat_body(bytes, false);
        let mut direct = 0.0;
        for (lane, child) in lanes {
            let client = client()?;
            let url = format!("{}/v1/chat/completions", child.url);
            for _ in 0..calls / 10 + 5 {
                call(&client, &url, &body).await?;
            }
            let cpu = child.cpu()?;
            let mut times = Vec::with_capacity(calls);
            for _ in 0..calls {
                let began = Instant::now();
                call(&client, &url, &body).await?;
                times.push(began.elapsed());
            }
            let cpu = (child.cpu()? - cpu).as_secs_f64() * 1e6 / calls as f64;
            let (p50, p99) = percentiles(&mut times);
            if *lane == "provider" {
                direct = p50;
            }
            println!("{name:<8}{lane:<10}{p50:>10.3}{p99:>10.3}{:>12.3}{cpu:>14.1}", p50 - direct);
        }
    }
    println!();
    Ok(())
}

/// Many callers at once: what one core can do.
async fn crowded(lanes: &[(&str, &Child)]) -> Result<()> {
    const CALLERS: usize = 32;
    println!("{CALLERS} callers at once, 1 kB");
    println!("{:<10}{:>10}{:>14}{:>22}", "through", "calls/s", "CPU µs/call", "calls/s of one core");
    for (lane, child) in lanes {
        let (began, cpu) = (Instant::now(), child.cpu()?);
        let url = format!("{}/v1/chat/completions", child.url);
        let callers: Vec<_> = (0..CALLERS)
            .map(|_| {
                let url = url.clone();
                tokio::spawn(async move {
                    let (client, body) = (client()?, chat_body(1 << 10, false));
                    let mut calls = 0;
                    while began.elapsed() < CROWD_TIME {
                        call(&client, &url, &body).await?;
                        calls += 1;
                    }
                    anyhow::Ok(calls)
                })
            })
            .collect();
        let mut calls = 0;
        for caller in callers {
            calls += caller.await??;
        }
        let wall = began.elapsed().as_secs_f64();
        let cpu = (child.cpu()? - cpu).as_secs_f64() * 1e6 / f64::from(calls);
        println!("{lane:<10}{:>10.0}{cpu:>14.1}{:>22.0}", f64::from(calls) / wall, 1e6 / cpu);
    }
    println!();
    Ok(())
}

/// Streams: time to the first piece, and CPU for each piece.
///
/// For the first piece the provider sends it at once and then waits, as a model does; for CPU it sends
/// everything as fast as it can.
async fn streamed(lanes: &[(&str, &Child)]) -> Result<()> {
    println!("streams of {PIECES} pieces");
    println!("{:<10}{:>16}{:>16}{:>16}", "through", "first ms p50", "CPU µs/piece", "bytes");
    for (lane, child) in lanes {
        let client = client()?;
        let url = format!("{}/v1/chat/completions", child.url);
        let body = chat_body(1 << 10, true);
        let held = held_body();
        let (mut firsts, mut total) = (Vec::new(), 0);
        for _ in 0..FIRSTS {
            let began = Instant::now();
            first_piece(&client, &url, &held).await?;
            firsts.push(began.elapsed());
        }
        read_stream(&client, &url, &body).await?;
        let cpu = child.cpu()?;
        for _ in 0..STREAMS {
            total = read_stream(&client, &url, &body).await?;
        }
        let cpu = (child.cpu()? - cpu).as_secs_f64() * 1e6 / (STREAMS * PIECES) as f64;
        println!("{lane:<10}{:>16.3}{cpu:>16.2}{total:>16}", percentiles(&mut firsts).0);
    }
    println!();
    Ok(())
}

/// Memory while many streams are open.
async fn open_streams(lanes: &[(&str, &Child)]) -> Result<()> {
    const OPEN: usize = 256;
    println!("{OPEN} open streams");
    for (lane, child) in lanes.iter().skip(1) {
        let client = client()?;
        let (url, body) = (format!("{}/v1/chat/completions", child.url), held_body());
        let mut open = Vec::new();
        for _ in 0..OPEN {
            open.push(first_piece(&client, &url, &body).await?);
        }
        println!("{lane:<10}{:>10.1} MB", child.memory_mb()?);
    }
    Ok(())
}

fn client() -> Result<reqwest::Client> {
    Ok(reqwest::Client::builder().no_proxy().tcp_nodelay(true).build()?)
}

async fn post(client: &reqwest::Client, url: &str, body: &str) -> Result<reqwest::Response> {
    let response =
        client.post(url).header("content-type", "application/json").body(body.to_owned()).send().await?;
    anyhow::ensure!(response.status().is_success(), "{url} answered {}", response.status());
    Ok(response)
}

async fn call(client: &reqwest::Client, url: &str, body: &str) -> Result<Bytes> {
    Ok(post(client, url, body).await?.bytes().await?)
}

/// A stream that has sent its first piece.
async fn first_piece(client: &reqwest::Client, url: &str, body: &str) -> Result<reqwest::Response> {
    let mut response = post(client, url, body).await?;
    response.chunk().await?.context("a first piece")?;
    Ok(response)
}

async fn read_stream(client: &reqwest::Client, url: &str, body: &str) -> Result<usize> {
    let (mut response, mut bytes) = (post(client, url, body).await?, 0);
    while let Some(chunk) = response.chunk().await? {
        bytes += chunk.len();
    }
    Ok(bytes)
}

/// Asks for a stream that stays open after its first piece.
fn held_body() -> String {
    chat_body(1 << 10, true).replace("\"hold\":false", "\"hold\":true")
}

/// A chat of about `bytes` bytes of ordinary English.
fn chat_body(bytes: usize, stream: bool) -> String {
    let text = servers::ENGLISH.repeat(bytes / servers::ENGLISH.len() + 1);
    let text = &text[..bytes.saturating_sub(120).max(1)];
    format!(
        r#"{{"model":"m","max_tokens":16,"stream":{stream},"hold":false,"messages":[{{"role":"user","content":"{text}"}}]}}"#
    )
}

fn percentiles(times: &mut [Duration]) -> (f64, f64) {
    times.sort_unstable();
    let at = |share: f64| millis(times[((times.len() - 1) as f64 * share) as usize]);
    (at(0.5), at(0.99))
}

fn millis(time: Duration) -> f64 {
    time.as_secs_f64() * 1e3
}
