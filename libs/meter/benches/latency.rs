//! How long a call waits for its budget: reserve and settle pairs by 1, 32 and 256 callers at once, in one room
//! and in 64, with the median and the slowest hundredth of both waits together.
//!
//! SQLite: `cargo bench -p zos-meter --bench latency`. PostgreSQL too, with commits that reach the disk:
//! `ZOS_POSTGRES_FSYNC=on scripts/with-postgres cargo bench -p zos-meter --features postgres --bench latency`.

#![expect(clippy::print_stdout, reason = "what was measured is the output")]

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use zos_meter::{Ask, Clock, Ledger, Limit, Micros, Spend, SqliteLedger, Usage};

/// How long each row is measured.
const ROW: Duration = Duration::from_secs(2);

fn main() {
    // `cargo test --benches` asks every bench whether it runs.
    if !std::env::args().any(|argument| argument == "--bench") {
        return;
    }
    println!(
        "{:<12}{:>8}{:>7}{:>10}{:>12}{:>12}{:>14}",
        "store", "callers", "rooms", "pairs/s", "p50 ms", "p99 ms", "CPU µs/pair"
    );
    let folder = tempfile::tempdir().expect("a folder for the bench");
    let ledger = SqliteLedger::open(&folder.path().join("usage.db")).expect("a new ledger");
    rows("SQLite", &(Arc::new(ledger) as Arc<dyn Ledger>));
    #[cfg(feature = "postgres")]
    if let Ok(address) = std::env::var("ZOS_METER_POSTGRES") {
        let ledger = zos_meter::PostgresLedger::connect(&address, zos_meter::PostgresOptions::default());
        rows("PostgreSQL", &(Arc::new(ledger.expect("a PostgreSQL that answers")) as Arc<dyn Ledger>));
    }
}

fn rows(store: &str, ledger: &Arc<dyn Ledger>) {
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    for (callers, rooms) in [(1, 1), (32, 1), (256, 1), (32, 64), (256, 64)] {
        let (started, cpu) = (Instant::now(), cpu());
        let mut waits = runtime.block_on(row(ledger, callers, rooms));
        let seconds = started.elapsed().as_secs_f64();
        waits.sort_unstable();
        let at = |share: f64| {
            let place = (waits.len() as f64 * share) as usize;
            waits.get(place).map_or(0.0, |wait| wait.as_secs_f64() * 1e3)
        };
        let rate = waits.len() as f64 / seconds;
        let spent = cpu.zip(self::cpu()).map_or(0.0, |(before, after)| (after - before).as_secs_f64());
        let spent = spent * 1e6 / waits.len().max(1) as f64;
        println!(
            "{store:<12}{callers:>8}{rooms:>7}{rate:>10.0}{:>12.2}{:>12.2}{spent:>14.1}",
            at(0.5),
            at(0.99)
        );
    }
}

/// CPU time of all threads of this process so far, which other work on the machine hardly changes; `None` where the
/// system does not tell.
fn cpu() -> Option<Duration> {
    let mut nanoseconds = 0;
    for task in std::fs::read_dir("/proc/self/task").ok()? {
        // A thread may end between the listing and the reading.
        let Ok(text) = std::fs::read_to_string(task.ok()?.path().join("schedstat")) else { continue };
        nanoseconds += text.split(' ').next()?.parse::<u64>().ok()?;
    }
    Some(Duration::from_nanos(nanoseconds))
}

async fn row(ledger: &Arc<dyn Ledger>, callers: u64, rooms: u64) -> Vec<Duration> {
    // Ids are used once in a store, which the rows share.
    static NEXT: AtomicU64 = AtomicU64::new(0);
    let end = Instant::now() + ROW;
    let callers = (0..callers).map(|caller| {
        let (ledger, room) = (Arc::clone(ledger), format!("room-{rooms}-{}", caller % rooms));
        tokio::spawn(async move {
            let mut waits = Vec::new();
            while Instant::now() < end {
                let begun = Instant::now();
                pair(ledger.as_ref(), NEXT.fetch_add(1, Ordering::Relaxed), &room).await;
                waits.push(begun.elapsed());
            }
            waits
        })
    });
    let mut waits = Vec::new();
    for caller in callers.collect::<Vec<_>>() {
        waits.extend(caller.await.expect("no caller panics"));
    }
    waits
}

async fn pair(ledger: &dyn Ledger, number: u64, room: &str) {
    let id = format!("{}-{number}", std::process::id());
    let (day, micros) = (Clock::system().today(), Some(Micros(540)));
    let limits = vec![Limit::daily_tokens(u64::MAX)];
    let ask = Ask { id: id.clone(), context: room.to_owned(), day, tokens: 4_196, micros, limits };
    ledger.reserve(ask).await.expect("the limit is never reached");
    let usage = Usage { input: 80, output: 20, ..Usage::default() };
    let (model, provider, client) = ("m".to_owned(), "p".to_owned(), "c".to_owned());
    ledger.settle(&id, Spend { usage, micros, model, provider, client }).await.expect("it was reserved");
}
