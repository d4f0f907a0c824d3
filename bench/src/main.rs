//! What zOS adds to a call. Run with `make bench`.
//!
//! Processes of this program stand side by side: a provider, a proxy that does nothing but read a request whole and
//! pass it on (axum and reqwest, the same as zOS is built of), and zOS: with one denied term, a budget and the log;
//! with 1,000 terms; without a budget; without rules and budget. Gateways are pinned to one core, the provider and
//! the callers to another, so that a gateway has a core for itself. The same calls go straight to the provider and
//! through each of them in turn, and ratios are those of one run. They cannot be compared with another run or machine.
//!
//! CPU is what the kernel charged to all threads of a process; memory is its proportional set size. Linux only: it
//! reads `/proc`. Without two cores or `taskset` nothing is pinned, and that is said.

#![expect(clippy::print_stdout, reason = "the tables are what this program is for")]

mod client;
mod lanes;
mod log;
mod process;
mod servers;

use anyhow::Result;
use lanes::{Lane, Measured, median};
use process::{CALLERS_CORE, Child, GATEWAY_CORE};
use servers::Room;

fn main() -> Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match words.as_slice() {
        ["provider"] => runtime()?.block_on(servers::provider()),
        ["bare", upstream] => runtime()?.block_on(servers::bare(upstream)),
        ["zos", home] => runtime()?.block_on(servers::zos(home)),
        ["log"] => log::run(),
        ["calls"] => compare(),
        // `cargo bench` hands on a switch of its own.
        [] | ["--bench"] => compare().and_then(|()| log::run()),
        other => anyhow::bail!("unknown arguments {other:?}; run it without any, or with `calls` or `log`"),
    }
}

fn runtime() -> std::io::Result<tokio::runtime::Runtime> {
    tokio::runtime::Builder::new_multi_thread().enable_all().build()
}

/// Measures every lane and prints the table.
fn compare() -> Result<()> {
    // Before the runtime, so that all of its threads are on that core.
    let is_pinned = process::pin_this(CALLERS_CORE);
    runtime()?.block_on(async {
        zos_gateway::install_tls();
        println!(
            "{}\n",
            if is_pinned { "pinned to one core each" } else { "NOT PINNED: figures of a shared core" }
        );
        let on = |core| is_pinned.then_some(core);
        let provider = Child::start(&["provider"], on(CALLERS_CORE)).await?;
        let bare = Child::start(&["bare", &provider.url], on(GATEWAY_CORE)).await?;
        let mut homes = Vec::new();
        let mut lanes = Vec::new();
        for (name, room) in [
            ("zOS", Room { terms: 1, has_budget: true }),
            ("zOS, 1,000 terms", Room { terms: 1_000, has_budget: true }),
            ("zOS, no budget", Room { terms: 1, has_budget: false }),
            ("zOS, no rules, no budget", Room { terms: 0, has_budget: false }),
        ] {
            let home = servers::home(&provider.url, &room)?;
            let path = home.path().display().to_string();
            lanes.push(Lane { name, child: Child::start(&["zos", &path], on(GATEWAY_CORE)).await? });
            homes.push(home);
        }
        lanes.insert(0, Lane { name: "bare proxy", child: bare });
        lanes.insert(0, Lane { name: "straight", child: provider });
        processes(&lanes)?;
        let measured = lanes::measure(&lanes).await?;
        print(&lanes, measured);
        for lane in &lanes[1..3] {
            println!(
                "{}, 256 open streams: {:.1} MB",
                lane.name,
                lanes::memory_with_open_streams(lane).await?
            );
        }
        Ok(())
    })
}

/// Prints start and memory of each gateway before its first call.
fn processes(lanes: &[Lane]) -> Result<()> {
    for Lane { name, child } in lanes.iter().skip(1) {
        let started = child.started_in.as_secs_f64() * 1e3;
        println!("{name}: start to listening {started:.0} ms, idle {:.1} MB", child.memory_mb()?);
    }
    println!();
    Ok(())
}

/// Prints the medians, with their ratios to the bare proxy or what they add to a call straight at the provider.
fn print(lanes: &[Lane], measured: Vec<Measured>) {
    println!(
        "| | CPU of a call alone, µs | 64 callers, µs | calls/s of one core | 1 kB, p50 | 1 MB, p50 | first piece, p50 | CPU of a piece, µs |"
    );
    println!("|---|---|---|---|---|---|---|---|");
    let rows: Vec<[f64; 7]> = measured.into_iter().map(medians).collect();
    let (straight, bare) = (rows[0], rows[1]);
    for (lane, row) in lanes.iter().zip(&rows).skip(1) {
        let times = |place: usize| format!("{:.1} ({:.2} ×)", row[place], row[place] / bare[place]);
        let added = |place: usize| format!("+ {:.2} ms", row[place] - straight[place]);
        println!(
            "| {} | {} | {} | {:.0} ({:.0} counted) | {} | {} | {} | {} |",
            lane.name,
            times(0),
            times(1),
            1e6 / row[1],
            row[2],
            added(3),
            added(4),
            added(5),
            times(6)
        );
    }
    println!(
        "\nstraight at the provider: 1 kB {:.2} ms, 1 MB {:.2} ms, first piece {:.2} ms\n",
        straight[3], straight[4], straight[5]
    );
}

fn medians(mut measured: Measured) -> [f64; 7] {
    [
        median(&mut measured.alone_us),
        median(&mut measured.crowd_us),
        median(&mut measured.crowd_rate),
        median(&mut measured.alone_ms),
        median(&mut measured.large_ms),
        median(&mut measured.first_ms),
        median(&mut measured.piece_us),
    ]
}
