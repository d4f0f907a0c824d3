//! How fast texts are scanned, whole and in pieces, and what the compiled rules cost, as two tables: ordinary
//! text by rules, and the inputs that cost most by kind.
//!
//! `cargo bench -p zos-rules --bench scan [PART]` shows the rows whose name holds PART; with `--once N` each
//! of them scans N times and nothing is timed, for a profiler. A figure is the best of many short rounds, so
//! that other work on the machine disturbs it little.

#![expect(clippy::unwrap_used, clippy::print_stdout, reason = "a benchmark that prints a table")]

use std::hint::black_box;
use std::sync::Arc;
use std::time::{Duration, Instant};

use zos_rules::{PackName, Room, RoomRules, RuleKind, RuleSpec, Ruleset, Term};

#[path = "support/sample.rs"]
mod sample;
#[path = "support/worst.rs"]
mod worst;

const TEXT_BYTES: usize = 1 << 18;
const WORST_BYTES: usize = 1 << 16;
const STREAM_BYTES: usize = 1 << 13;
const ROUNDS_TIME: Duration = Duration::from_millis(400);

/// What is compiled for a row.
struct Row {
    name: &'static str,
    terms: usize,
    packs: &'static [PackName],
}

const fn row(name: &'static str, terms: usize, packs: &'static [PackName]) -> Row {
    Row { name, terms, packs }
}

const ROWS: [Row; 9] = [
    row("10 terms", 10, &[]),
    row("1,000 terms", 1_000, &[]),
    row("100,000 terms", 100_000, &[]),
    row("secrets", 0, &[PackName::Secrets]),
    row("payment", 0, &[PackName::Payment]),
    row("pii", 0, &[PackName::Pii]),
    row("health", 0, &[PackName::Health]),
    row("all packs", 0, &PackName::ALL),
    row("1,000 terms, all packs", 1_000, &PackName::ALL),
];

fn main() {
    let (mut part, mut once) = (String::new(), None);
    let mut arguments = std::env::args().skip(1);
    while let Some(argument) = arguments.next() {
        match argument.as_str() {
            "--bench" => {}
            "--once" => once = Some(arguments.next().unwrap().parse().unwrap()),
            name => name.clone_into(&mut part),
        }
    }
    let english = sample::english(TEXT_BYTES);
    let mixed = mixed(&english);
    println!(
        "{:<24}{:>10}{:>10}{:>10}{:>13}{:>12}{:>12}",
        "", "English", "mixed", "streamed", "of a delta", "compiled in", "memory"
    );
    for row in ROWS.iter().filter(|row| row.name.contains(&part)) {
        let began = Instant::now();
        let (ruleset, rules) = compile(row);
        let compiled = began.elapsed();
        if let Some(times) = once {
            (0..times).for_each(|_| _ = scan(&rules, &english));
            continue;
        }
        // Few enough that a round is short.
        let streaming = &english[..STREAM_BYTES];
        let deltas: Vec<&str> = streaming.split_inclusive(' ').collect();
        let speed = |text: &str, time: Duration| text.len() as f64 / 1e6 / time.as_secs_f64();
        let streamed = best(|| stream(&rules, &deltas));
        println!(
            "{:<24}{:>5.0} MB/s{:>5.0} MB/s{:>5.0} MB/s{:>10.3} µs{:>9.1} ms{:>9.1} MB",
            row.name,
            speed(&english, best(|| scan(&rules, &english))),
            speed(&mixed, best(|| scan(&rules, &mixed))),
            speed(streaming, streamed),
            streamed.as_secs_f64() * 1e6 / deltas.len() as f64,
            compiled.as_secs_f64() * 1e3,
            ruleset.memory_bytes() as f64 / 1e6,
        );
    }
    worst_inputs(&part, once);
}

/// The second table: how fast the inputs that cost most are scanned, and what one byte of each costs beside a
/// byte of English with the same rules.
fn worst_inputs(part: &str, once: Option<usize>) {
    println!("{:<24}{:>12}{:>12}{:>12}{:>12}", "", "1,000 terms", "all packs", "both", "to English");
    let rules = [ROWS[1].name, ROWS[7].name, ROWS[8].name]
        .map(|name| compile(ROWS.iter().find(|row| row.name == name).unwrap()).1);
    let english = sample::english(WORST_BYTES);
    let plain = best(|| scan(&rules[2], &english));
    for (name, text) in worst::inputs(WORST_BYTES).into_iter().filter(|(name, _)| name.contains(part)) {
        if let Some(times) = once {
            (0..times).for_each(|_| _ = scan(&rules[2], &text));
            continue;
        }
        let times = [0, 1, 2].map(|column| best(|| scan(&rules[column], &text)));
        let speeds = times.map(|time| text.len() as f64 / 1e6 / time.as_secs_f64());
        let ratio =
            (times[2].as_secs_f64() / text.len() as f64) / (plain.as_secs_f64() / english.len() as f64);
        println!(
            "{name:<24}{:>7.0} MB/s{:>7.0} MB/s{:>7.0} MB/s{:>10.1} x",
            speeds[0], speeds[1], speeds[2], ratio
        );
    }
}

fn compile(row: &Row) -> (Arc<Ruleset>, RoomRules) {
    let term = |term: &String| RuleSpec::new("rule", RuleKind::Term(Term::new(term).unwrap()));
    let pack = |pack: &PackName| RuleSpec::new("rule", RuleKind::Pack((*pack).into()));
    let terms = sample::terms(row.terms);
    let rules = terms.iter().map(term).chain(row.packs.iter().map(pack)).collect();
    let ruleset = Arc::new(Ruleset::compile(&[Room { name: "room".to_owned(), rules }]).unwrap());
    let rules = ruleset.room("room").unwrap();
    (ruleset, rules)
}

fn scan(rules: &RoomRules, text: &str) -> usize {
    let mut found = Vec::new();
    rules.scan(black_box(text), &mut found);
    found.len()
}

fn stream(rules: &RoomRules, deltas: &[&str]) -> usize {
    let (mut scanner, mut found) = (rules.stream(), Vec::new());
    for delta in deltas {
        scanner.push(black_box(delta), &mut found);
        black_box(scanner.safe());
    }
    found.len()
}

/// The shortest of as many rounds as fit into the time.
fn best(mut round: impl FnMut() -> usize) -> Duration {
    let (began, mut best) = (Instant::now(), Duration::MAX);
    while began.elapsed() < ROUNDS_TIME {
        let round_began = Instant::now();
        black_box(round());
        best = best.min(round_began.elapsed());
    }
    best
}

/// English with a sentence of another language after every paragraph.
fn mixed(english: &str) -> String {
    const FOREIGN: [&str; 4] = [
        "Прикладной текст на русском языке, в котором нет ничего тайного. ",
        "東京は今日も雨です。",
        "Überraschend schöne Grüße aus München. ",
        "여기에는 비밀이 없습니다. ",
    ];
    english
        .split_inclusive("\n\n")
        .zip(FOREIGN.iter().cycle())
        .flat_map(|(part, foreign)| [part, foreign])
        .collect()
}
