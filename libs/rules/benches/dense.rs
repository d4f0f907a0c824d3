//! How fast texts are scanned that are no prose (base64, hexadecimal digits, lists of numbers, letters that
//! cannot be seen), as a table with the ratio to English.
//!
//! `cargo bench -p zos-rules --bench dense [PART]` shows the rules whose name holds PART. A figure is the best
//! of many short rounds. "deep" rows look for the deep disguises too.

#![expect(clippy::unwrap_used, clippy::print_stdout, reason = "a benchmark that prints a table")]

use std::hint::black_box;
use std::sync::Arc;
use std::time::{Duration, Instant};

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use zos_rules::{Evasions, PackName, Room, RoomRules, RuleKind, RuleSpec, Ruleset, Term};

#[path = "support/sample.rs"]
mod sample;

/// Short, so that a round is over before other work on the machine gets in.
const TEXT_BYTES: usize = 1 << 15;
const STREAM_BYTES: usize = 1 << 10;
const ROUNDS_TIME: Duration = Duration::from_millis(200);

fn main() {
    let part = std::env::args().skip(1).find(|argument| argument != "--bench").unwrap_or_default();
    let texts = texts();
    print!("{:<24}", "");
    texts.iter().for_each(|(name, _)| print!("{name:>22}"));
    println!("   (MB/s, ratio to English, streamed MB/s)");
    for (name, terms, packs, evasions) in [
        ("10 terms", 10, &[][..], Evasions::default()),
        ("1,000 terms", 1_000, &[][..], Evasions::default()),
        ("all packs", 0, &PackName::ALL[..], Evasions::default()),
        ("10 terms, deep", 10, &[][..], Evasions::ALL),
        ("1,000 terms, deep", 1_000, &[][..], Evasions::ALL),
    ] {
        if !name.contains(&part) {
            continue;
        }
        let rules = compile(terms, packs, evasions);
        print!("{name:<24}");
        let mut prose = None;
        for (_, text) in &texts {
            let speed = |text: &str, time: Duration| text.len() as f64 / 1e6 / time.as_secs_f64();
            let whole = speed(text, best(|| scan(&rules, text)));
            let start: String = text.chars().take(STREAM_BYTES).collect();
            let streamed = speed(&start, best(|| stream(&rules, &start)));
            let prose = *prose.get_or_insert(whole);
            print!("{:>9.0}{:>6.1} x{:>5.0}", whole, prose / whole, streamed);
        }
        println!();
    }
}

/// The texts of the table; prose comes first.
fn texts() -> Vec<(&'static str, String)> {
    let mut numbers = sample::Numbers(3);
    let noise: Vec<u8> = (0..TEXT_BYTES).map(|_| numbers.next() as u8).collect();
    let english = sample::english(TEXT_BYTES);
    let encoded = BASE64_STANDARD.encode(&noise);
    let wrapped: String =
        encoded.as_bytes().chunks(76).flat_map(|line| [line, b"\n"].concat()).map(char::from).collect();
    let hex: String = noise.iter().take(TEXT_BYTES / 2).map(|byte| format!("{byte:02x}")).collect();
    let spaced: String = noise.iter().take(TEXT_BYTES / 3).map(|byte| format!("{byte:02x} ")).collect();
    let floats: String = (0..TEXT_BYTES / 12)
        .map(|_| format!("{:.8}, ", numbers.below(1_000_000) as f64 / 1e6 - 0.5))
        .collect();
    let tags = "\u{E0050}".repeat(TEXT_BYTES / 16);
    vec![
        ("English", english.clone()),
        ("base64", encoded),
        ("base64 in lines", wrapped),
        ("base64 of English", BASE64_STANDARD.encode(&english)),
        ("hex", hex),
        ("hex in pairs", spaced),
        ("floats", floats),
        ("tags", tags),
    ]
}

fn compile(terms: usize, packs: &[PackName], evasions: Evasions) -> RoomRules {
    let rule = |kind| RuleSpec { evasions, ..RuleSpec::new("rule", kind) };
    let terms = sample::terms(terms);
    let terms = terms.iter().map(|term| rule(RuleKind::Term(Term::new(term).unwrap())));
    let rules = terms.chain(packs.iter().map(|pack| rule(RuleKind::Pack((*pack).into())))).collect();
    let ruleset = Arc::new(Ruleset::compile(&[Room { name: "room".to_owned(), rules }]).unwrap());
    ruleset.room("room").unwrap()
}

fn scan(rules: &RoomRules, text: &str) -> usize {
    let mut found = Vec::new();
    rules.scan(black_box(text), &mut found);
    found.len()
}

fn stream(rules: &RoomRules, text: &str) -> usize {
    let (mut scanner, mut found) = (rules.stream(), Vec::new());
    scanner.push(black_box(text), &mut found);
    black_box(scanner.safe());
    found.len()
}

/// The shortest of as many rounds as fit into the time. The first one is not counted: expressions are built when
/// they are first needed.
fn best(mut round: impl FnMut() -> usize) -> Duration {
    black_box(round());
    let (began, mut best) = (Instant::now(), Duration::MAX);
    while began.elapsed() < ROUNDS_TIME {
        let round_began = Instant::now();
        black_box(round());
        best = best.min(round_began.elapsed());
    }
    best
}
