//! Measurements of one way to the provider, each in a round with the others so that what else the machine does
//! disturbs them alike. Of all rounds the median counts.

use crate::client::{Client, request};
use crate::process::Child;
use crate::servers;
use anyhow::Result;
use std::time::{Duration, Instant};

/// Rounds over all lanes.
const ROUNDS: usize = 5;

/// Calls of one round, one after the other.
const ALONE_CALLS: usize = 600;
const LARGE_CALLS: usize = 12;

/// Callers at once, and how long they call in one round.
const CALLERS: usize = 64;
const CROWD_TIME: Duration = Duration::from_millis(1_200);

/// Pieces of the long stream, and how often it is read in one round.
pub(crate) const PIECES: usize = 2_000;
const STREAMS: usize = 4;

/// Streams of one round of which only the first piece is waited for, and pieces of each.
const FIRSTS: usize = 60;

/// Streams that are held open while memory is looked at.
const OPEN: usize = 256;

/// Sizes of a body.
const SMALL: usize = 1 << 10;
const LARGE: usize = 1 << 20;

/// A way to the provider.
pub(crate) struct Lane {
    pub(crate) name: &'static str,
    pub(crate) child: Child,
}

/// What was measured of a lane, a value for each round.
#[derive(Default)]
pub(crate) struct Measured {
    /// CPU of a call, one after the other, in microseconds; and the time it took, in milliseconds.
    pub(crate) alone_us: Vec<f64>,
    pub(crate) alone_ms: Vec<f64>,
    /// CPU of a call while many call, in microseconds; and calls a second as they were counted.
    pub(crate) crowd_us: Vec<f64>,
    pub(crate) crowd_rate: Vec<f64>,
    /// The time of a call with a megabyte, and to the first piece of a stream, in milliseconds.
    pub(crate) large_ms: Vec<f64>,
    pub(crate) first_ms: Vec<f64>,
    /// CPU of a piece of a stream, in microseconds.
    pub(crate) piece_us: Vec<f64>,
}

/// Measures all lanes in turn, as often as there are rounds.
pub(crate) async fn measure(lanes: &[Lane]) -> Result<Vec<Measured>> {
    let mut measured: Vec<Measured> = lanes.iter().map(|_| Measured::default()).collect();
    for _ in 0..ROUNDS {
        for (lane, measured) in lanes.iter().zip(&mut measured) {
            alone(lane, measured).await?;
        }
        for (lane, measured) in lanes.iter().zip(&mut measured) {
            crowd(lane, measured).await?;
        }
        for (lane, measured) in lanes.iter().zip(&mut measured) {
            streams(lane, measured).await?;
        }
    }
    Ok(measured)
}

/// Calls one after the other, small and large.
async fn alone(lane: &Lane, measured: &mut Measured) -> Result<()> {
    let url = &lane.child.url;
    let mut client = Client::open(url).await?;
    let small = request(url, &chat(SMALL, "false", "false"));
    times(&mut client, &small, ALONE_CALLS / 10).await?;
    let cpu = lane.child.cpu()?;
    let mut took = times(&mut client, &small, ALONE_CALLS).await?;
    measured.alone_us.push(micros(lane.child.cpu()? - cpu) / ALONE_CALLS as f64);
    measured.alone_ms.push(median(&mut took));
    let large = request(url, &chat(LARGE, "false", "false"));
    times(&mut client, &large, 2).await?;
    measured.large_ms.push(median(&mut times(&mut client, &large, LARGE_CALLS).await?));
    Ok(())
}

/// Milliseconds that each of so many calls takes.
async fn times(client: &mut Client, request: &[u8], calls: usize) -> Result<Vec<f64>> {
    let mut took = Vec::with_capacity(calls);
    for _ in 0..calls {
        let began = Instant::now();
        client.call(request).await?;
        took.push(began.elapsed().as_secs_f64() * 1e3);
    }
    Ok(took)
}

/// Many callers at once.
async fn crowd(lane: &Lane, measured: &mut Measured) -> Result<()> {
    let url = &lane.child.url;
    let small = request(url, &chat(SMALL, "false", "false"));
    let mut clients = Vec::new();
    for _ in 0..CALLERS {
        clients.push(Client::open(url).await?);
    }
    let (began, cpu) = (Instant::now(), lane.child.cpu()?);
    let callers: Vec<_> = clients
        .into_iter()
        .map(|mut client| {
            let small = small.clone();
            tokio::spawn(async move {
                let mut calls = 0u32;
                while began.elapsed() < CROWD_TIME {
                    client.call(&small).await?;
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
    let took = began.elapsed().as_secs_f64();
    measured.crowd_us.push(micros(lane.child.cpu()? - cpu) / f64::from(calls));
    measured.crowd_rate.push(f64::from(calls) / took);
    Ok(())
}

/// Streams: as fast as they can for CPU, and such as pause after the first piece, as a model does.
async fn streams(lane: &Lane, measured: &mut Measured) -> Result<()> {
    let url = &lane.child.url;
    let mut client = Client::open(url).await?;
    let long = request(url, &chat(SMALL, "true", "false"));
    client.call(&long).await?;
    let cpu = lane.child.cpu()?;
    for _ in 0..STREAMS {
        client.call(&long).await?;
    }
    measured.piece_us.push(micros(lane.child.cpu()? - cpu) / (STREAMS * PIECES) as f64);
    let pausing = request(url, &chat(SMALL, "true", "\"pause\""));
    let mut firsts = Vec::with_capacity(FIRSTS);
    for _ in 0..FIRSTS {
        firsts.push(client.call(&pausing).await?.0.as_secs_f64() * 1e3);
    }
    measured.first_ms.push(median(&mut firsts));
    Ok(())
}

/// Megabytes of a lane while many streams are open.
pub(crate) async fn memory_with_open_streams(lane: &Lane) -> Result<f64> {
    let held = request(&lane.child.url, &chat(SMALL, "true", "true"));
    let mut open = Vec::new();
    for _ in 0..OPEN {
        let mut client = Client::open(&lane.child.url).await?;
        client.first(&held).await?;
        open.push(client);
    }
    lane.child.memory_mb()
}

/// A chat of about `bytes` bytes of ordinary English.
fn chat(bytes: usize, stream: &str, hold: &str) -> String {
    let text = servers::ENGLISH.repeat(bytes / servers::ENGLISH.len() + 1);
    let text = &text[..bytes.saturating_sub(120).max(1)];
    format!(
        r#"{{"model":"m","max_tokens":16,"stream":{stream},"hold":{hold},"messages":[{{"role":"user","content":"{text}"}}]}}"#
    )
}

/// The value in the middle; 0 of none.
pub(crate) fn median(values: &mut [f64]) -> f64 {
    values.sort_unstable_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or_default()
}

fn micros(time: Duration) -> f64 {
    time.as_secs_f64() * 1e6
}
