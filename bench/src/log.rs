//! The log alone: what a record costs the call that waits for it, by durability and by how many write at
//! once, and what a million records cost to keep, open, verify, prove and prune.

use anyhow::{Context, Result};
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};
use zos_audit::{Durability, Log, Options, Outcome, Prover, Record, Signer, Usage, Verdict, prune, verify};

/// How long each way of writing is measured.
const WRITING: Duration = Duration::from_secs(3);

/// Records of the large log, and how many days they are spread over.
const RECORDS: u64 = 1_000_000;
const DAYS: u64 = 20;
const BEGIN_MS: u64 = 1_772_409_600_000;

/// Proofs that are made of it.
const PROOFS: u64 = 200;

struct Key(zos_seal::SigningKey);

impl Signer for Key {
    fn public_key(&self) -> [u8; 32] {
        self.0.public().to_bytes()
    }

    fn sign(&self, message: &[u8]) -> [u8; 64] {
        self.0.sign(message)
    }
}

fn signed() -> Result<Options> {
    Ok(Options { signer: Some(Arc::new(Key(zos_seal::SigningKey::generate()?))), ..Options::default() })
}

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
        terms: vec!["0".repeat(64)],
        state_id: Some("0".repeat(64)),
        usage: Some(Usage { input: 1812, output: 402, ..Usage::default() }),
        cost_micros: Some(11_466),
        reserved: Some(5908),
        ms: 2314,
        ttft_ms: Some(412),
        ..Record::default()
    }
}

/// Measures and prints all of it.
pub(crate) fn run() -> Result<()> {
    println!("a record, with tree and checkpoints");
    println!("{:<10}{:>10}{:>14}{:>10}{:>10}", "mode", "at once", "records/s", "p50 µs", "p99 µs");
    for durability in [Durability::Relaxed, Durability::Sync] {
        for threads in [1, 16, 128] {
            write(durability, threads)?;
        }
    }
    println!();
    large()
}

fn write(durability: Durability, threads: usize) -> Result<()> {
    let home = tempfile::tempdir()?;
    let log = Log::open(&home.path().join("audit"), Options { durability, ..signed()? })?;
    let begun = Instant::now();
    let outcomes: Vec<Result<Vec<u32>>> = std::thread::scope(|scope| {
        let writers: Vec<_> = (0..threads).map(|_| scope.spawn(|| one_writer(&log, begun))).collect();
        let ended = writers.into_iter().map(|writer| writer.join());
        ended.map(|ended| ended.unwrap_or_else(|_| anyhow::bail!("a writer panicked"))).collect()
    });
    let took = begun.elapsed();
    let mut waits: Vec<u32> = outcomes.into_iter().collect::<Result<Vec<_>>>()?.concat();
    log.close()?;
    waits.sort_unstable();
    let at = |share: f64| f64::from(waits[((waits.len() - 1) as f64 * share) as usize]) / 1000.0;
    println!(
        "{:<10}{threads:>10}{:>14.0}{:>10.1}{:>10.1}",
        format!("{durability:?}").to_lowercase(),
        waits.len() as f64 / took.as_secs_f64(),
        at(0.5),
        at(0.99)
    );
    Ok(())
}

/// What one caller waits for each record, in nanoseconds.
fn one_writer(log: &Log, begun: Instant) -> Result<Vec<u32>> {
    let mut waits = Vec::new();
    while begun.elapsed() < WRITING {
        let asked = Instant::now();
        log.write(record())?;
        waits.push(u32::try_from(asked.elapsed().as_nanos()).unwrap_or(u32::MAX));
    }
    Ok(waits)
}

/// A step of the large log: how long it took, and how much memory it needed beyond what was there.
fn step<T>(name: &str, work: impl FnOnce() -> Result<T>) -> Result<T> {
    // Forgets the highest mark so far.
    std::fs::write("/proc/self/clear_refs", "5").context("the kernel's marks of memory")?;
    let before = memory_kb("VmRSS:")?;
    let begun = Instant::now();
    let done = work()?;
    let took = begun.elapsed().as_secs_f64();
    let grown = memory_kb("VmHWM:")?.saturating_sub(before) as f64 / 1024.0;
    println!("{name:<34}{took:>10.2} s{grown:>10.1} MB");
    Ok(done)
}

fn memory_kb(name: &str) -> Result<u64> {
    let status = std::fs::read_to_string("/proc/self/status")?;
    let line = status.lines().find(|line| line.starts_with(name)).context("no such line of memory")?;
    Ok(line.split_whitespace().nth(1).context("no number")?.parse()?)
}

fn large() -> Result<()> {
    let home = tempfile::tempdir()?;
    let dir = home.path().join("audit");
    let told = Arc::new(std::sync::atomic::AtomicU64::new(BEGIN_MS));
    let clock = Arc::clone(&told);
    let options =
        Options { clock: Arc::new(move || clock.load(std::sync::atomic::Ordering::Relaxed)), ..signed()? };
    println!("a log of {RECORDS} records over {DAYS} days");
    step("append them", || {
        let log = Log::open(&dir, options.clone())?;
        for n in 0..RECORDS {
            told.store(BEGIN_MS + n * DAYS * 86_400_000 / RECORDS, std::sync::atomic::Ordering::Relaxed);
            log.append(record())?;
        }
        Ok(log.close()?)
    })?;
    step("open it", || Ok(Log::open(&dir, options.clone())?.close()?))?;
    step("verify it", || whole(&dir))?;
    step(&format!("prove {PROOFS} records"), || {
        let mut prover = Prover::open(&dir)?;
        for n in 0..PROOFS {
            prover.prove(n * RECORDS / PROOFS)?;
        }
        Ok(())
    })?;
    let log = Log::open(&dir, options)?;
    let pruned = step("prune half of it", || Ok(prune(&log, &dir, "2026-03-12")?))?;
    log.close()?;
    anyhow::ensure!(pruned.is_some_and(|pruned| pruned.to > RECORDS / 3), "nothing was pruned");
    step("verify what is left", || whole(&dir))
}

fn whole(dir: &Path) -> Result<()> {
    let report = verify(dir, None, &mut |_, _| ())?;
    anyhow::ensure!(report.is_intact() && report.records + report.pruned >= RECORDS, "{report:?}");
    Ok(())
}
