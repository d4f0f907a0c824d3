//! What an append costs the caller: from one and eight threads, with and without a tree and waiting for
//! the disk, and beside it a bare write of as many bytes to a file. And how long a million records take to
//! be verified.

use std::fs::File;
use std::hint::black_box;
use std::io::Write;
use std::sync::Arc;
use std::time::{Duration, Instant};

use criterion::{Criterion, criterion_group, criterion_main};
use zos_audit::{Durability, Filter, Log, Options, Outcome, Record, Signer, Usage, Verdict, recent, verify};

/// A record as a governed call leaves it.
fn record() -> Record {
    let text = |text: &str| Some(text.to_owned());
    Record {
        request_id: text("01J9Z6Q4W8T3Y5R7E9A1S2D3F4"),
        context: text("acme"),
        client: text("claude-code"),
        face: text("messages"),
        provider: text("anthropic"),
        model: text("claude-sonnet-4-5"),
        status: Some(200),
        verdict: Some(Verdict::Warn),
        outcome: Some(Outcome::Completed),
        rules: vec!["acme/outbound/3".to_owned()],
        usage: Some(Usage { input: 1812, output: 402, ..Usage::default() }),
        reserved: Some(5908),
        ms: 2314,
        ttft_ms: Some(412),
        bytes_in: 8123,
        bytes_out: 20_443,
        ..Record::default()
    }
}

struct Key(ed25519_dalek::SigningKey);

impl Signer for Key {
    fn public_key(&self) -> [u8; 32] {
        self.0.verifying_key().to_bytes()
    }

    fn sign(&self, message: &[u8]) -> [u8; 64] {
        ed25519_dalek::Signer::sign(&self.0, message).to_bytes()
    }
}

fn signed() -> Options {
    let key = ed25519_dalek::SigningKey::from_bytes(&[5; 32]);
    Options { signer: Some(Arc::new(Key(key))), ..Options::default() }
}

/// The time that `iterations` appends take when `threads` share them.
fn appends(log: &Log, threads: u64, iterations: u64) -> Duration {
    let begun = Instant::now();
    std::thread::scope(|scope| {
        for thread in 0..threads {
            let share = iterations / threads + u64::from(thread < iterations % threads);
            scope.spawn(move || {
                for _ in 0..share {
                    black_box(log.write(record())).expect("the folder of the bench takes every record");
                }
            });
        }
    });
    begun.elapsed()
}

fn append(criterion: &mut Criterion) {
    let home = tempfile::tempdir().expect("a folder for the bench");
    let mut group = criterion.benchmark_group("append");
    for durability in [Durability::Relaxed, Durability::Sync] {
        for (threads, has_tree) in [(1, false), (1, true), (8, false), (8, true)] {
            let dir = home.path().join(format!("{durability:?}-{threads}-{has_tree}"));
            let options = if has_tree { signed() } else { Options::default() };
            let log = Log::open(&dir, Options { durability, ..options }).expect("a new log");
            let tree = if has_tree { "with" } else { "without" };
            let name = format!("{durability:?}/{threads} threads, {tree} a tree").to_lowercase();
            group.bench_function(name, |bencher| {
                bencher.iter_custom(|iterations| appends(&log, threads, iterations));
            });
        }
    }
    let mut file = File::create(home.path().join("bare")).expect("a new file");
    let line = [b'x'; 600];
    group.bench_function("bare write of 600 bytes", |bencher| {
        bencher.iter(|| file.write_all(black_box(&line)).expect("the folder of the bench takes every line"));
    });
    group.finish();
}

fn read(criterion: &mut Criterion) {
    let home = tempfile::tempdir().expect("a folder for the bench");
    let dir = home.path().join("audit");
    let log = Log::open(&dir, Options::default()).expect("a new log");
    for _ in 0..100_000 {
        log.append(record()).expect("the folder of the bench takes every record");
    }
    log.close().expect("the disk takes it");
    let mut group = criterion.benchmark_group("read 100,000 records");
    group.sample_size(10);
    group.bench_function("newest 50", |bencher| bencher.iter(|| recent(&dir, &Filter::default(), None, 50)));
    group.bench_function("open", |bencher| bencher.iter(|| Log::open(&dir, Options::default())));
    group.finish();
}

fn verification(criterion: &mut Criterion) {
    let home = tempfile::tempdir().expect("a folder for the bench");
    let dir = home.path().join("audit");
    let log = Log::open(&dir, signed()).expect("a new log");
    for _ in 0..1_000_000 {
        log.append(record()).expect("the folder of the bench takes every record");
    }
    log.close().expect("the disk takes it");
    let mut group = criterion.benchmark_group("verify");
    group.sample_size(10);
    group.bench_function("1,000,000 records", |bencher| {
        bencher.iter(|| {
            let report = verify(&dir, None, &mut |_, _| ()).expect("the log can be read");
            assert!(report.is_intact() && report.records == 1_000_000, "{report:?}");
        });
    });
    group.finish();
}

criterion_group!(benches, append, read, verification);
criterion_main!(benches);
