//! Reserve and settle pairs: one caller after another, and 64 at once, on one budget (a hot row) and over
//! 64 rooms; with a limit, where both wait for the commit, and without.
//!
//! SQLite: `cargo bench -p zos-meter`. PostgreSQL, with commits that reach the disk:
//! `ZOS_POSTGRES_FSYNC=on scripts/with-postgres cargo bench -p zos-meter --features postgres`.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use criterion::measurement::WallTime;
use criterion::{BenchmarkGroup, BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use tokio::runtime::Runtime;
use zos_meter::{Ask, Clock, Durability, Ledger, Limit, Micros, Spend, SqliteLedger, SqliteOptions, Usage};

/// Pairs in one round of all callers together.
const PAIRS: u64 = 64;

struct Case {
    name: &'static str,
    callers: u64,
    rooms: u64,
    limit: Option<u64>,
    durability: Durability,
}

fn pairs(criterion: &mut Criterion) {
    let base = Case {
        name: "1 caller, limited",
        callers: 1,
        rooms: 1,
        limit: Some(u64::MAX),
        durability: Durability::Relaxed,
    };
    let cases = [
        Case { ..base },
        Case { name: "64 callers, limited, one room", callers: 64, ..base },
        Case { name: "64 callers, limited, 64 rooms", callers: 64, rooms: 64, ..base },
        Case { name: "1 caller, unlimited", limit: None, ..base },
        Case { name: "64 callers, unlimited, one room", callers: 64, limit: None, ..base },
        Case { name: "1 caller, limited, sync", durability: Durability::Sync, ..base },
        Case { name: "64 callers, limited, sync", callers: 64, durability: Durability::Sync, ..base },
    ];
    let mut group = criterion.benchmark_group("reserve and settle");
    group.throughput(Throughput::Elements(PAIRS)).sample_size(20);
    for case in cases {
        let folder = tempfile::tempdir().expect("a folder for the bench");
        let options = SqliteOptions { durability: case.durability, ..SqliteOptions::default() };
        let ledger = SqliteLedger::open_with(&folder.path().join("usage.db"), options).expect("a new ledger");
        let ledger: Arc<dyn Ledger> = Arc::new(ledger);
        measure(&mut group, &case, &ledger);
    }
    group.finish();
}

/// The same on PostgreSQL, where the environment names one.
#[cfg(feature = "postgres")]
fn shared_pairs(criterion: &mut Criterion) {
    let Ok(address) = std::env::var("ZOS_METER_POSTGRES") else { return };
    let ledger = zos_meter::PostgresLedger::connect(&address, zos_meter::PostgresOptions::default());
    let ledger: Arc<dyn Ledger> = Arc::new(ledger.expect("a PostgreSQL that answers"));
    let base = Case {
        name: "1 caller, limited",
        callers: 1,
        rooms: 1,
        limit: Some(u64::MAX),
        durability: Durability::Relaxed,
    };
    let cases = [
        Case { ..base },
        Case { name: "64 callers, limited, one room", callers: 64, ..base },
        Case { name: "64 callers, limited, 64 rooms", callers: 64, rooms: 64, ..base },
    ];
    let mut group = criterion.benchmark_group("reserve and settle, PostgreSQL");
    group.throughput(Throughput::Elements(PAIRS)).sample_size(10);
    for case in cases {
        measure(&mut group, &case, &ledger);
    }
    group.finish();
}

/// No store but SQLite was built.
#[cfg(not(feature = "postgres"))]
fn shared_pairs(_criterion: &mut Criterion) {}

fn measure(group: &mut BenchmarkGroup<'_, WallTime>, case: &Case, ledger: &Arc<dyn Ledger>) {
    // Ids are used once in a store, which several cases may share.
    static NEXT: AtomicU64 = AtomicU64::new(0);
    let runtime = Runtime::new().expect("a runtime");
    group.bench_function(BenchmarkId::from_parameter(case.name), |bencher| {
        bencher.iter(|| runtime.block_on(round(case, ledger, &NEXT)));
    });
}

async fn round(case: &Case, ledger: &Arc<dyn Ledger>, next: &'static AtomicU64) {
    let (limit, each) = (case.limit, PAIRS / case.callers);
    let callers = (0..case.callers).map(|caller| {
        let (ledger, room) = (Arc::clone(ledger), caller % case.rooms);
        tokio::spawn(async move {
            for _ in 0..each {
                pair(ledger.as_ref(), next.fetch_add(1, Ordering::Relaxed), room, limit).await;
            }
        })
    });
    for caller in callers.collect::<Vec<_>>() {
        caller.await.expect("no caller panics");
    }
    // What nobody waited for is part of the price.
    ledger.flush().await.expect("a ledger that can be written");
}

async fn pair(ledger: &dyn Ledger, number: u64, room: u64, limit: Option<u64>) {
    let (id, context) = (number.to_string(), format!("room-{room}"));
    let limits = limit.map(Limit::daily_tokens).into_iter().collect();
    let micros = Some(Micros(62_940));
    let ask = Ask { id: id.clone(), context, day: Clock::system().today(), tokens: 4_196, micros, limits };
    ledger.reserve(ask).await.expect("the limit is never reached");
    let usage = Usage { input: 80, output: 20, ..Usage::default() };
    let micros = Some(Micros(540));
    let spend =
        Spend { usage, micros, model: "m".to_owned(), provider: "p".to_owned(), client: "c".to_owned() };
    let settled = ledger.settle(&id, spend);
    // As a caller without a limit does: nobody needs the balance, so nobody waits.
    if limit.is_some() {
        settled.await.expect("the reservation is open");
    }
}

criterion_group!(benches, pairs, shared_pairs);
criterion_main!(benches);
