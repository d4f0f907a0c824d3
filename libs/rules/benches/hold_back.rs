//! How much ordinary text a stream holds back, as a table: characters held after each delta.

#![expect(clippy::unwrap_used, clippy::print_stdout, reason = "a benchmark that prints a table")]

use std::sync::Arc;

use zos_rules::{Room, RuleKind, RuleSpec, Ruleset, Term};

#[path = "support/sample.rs"]
mod sample;

fn main() {
    let text = sample::english(200_000);
    println!("terms    deltas held   mean   p50   p99   most   memory");
    for count in [10, 1_000, 100_000] {
        let rule = |term: &String| RuleSpec::new("rule", RuleKind::Term(Term::new(term).unwrap()));
        let room = Room { name: "room".to_owned(), rules: sample::terms(count).iter().map(rule).collect() };
        let ruleset = Arc::new(Ruleset::compile(&[room]).unwrap());
        let mut scanner = ruleset.room("room").unwrap().stream();
        let (mut numbers, mut found, mut held) = (sample::Numbers(3), Vec::new(), Vec::new());
        let (mut at, mut base) = (0, 0);
        // Deltas of one to eight characters, as models send them.
        while at < text.len() {
            let end = (at + 1 + numbers.below(8)).min(text.len());
            scanner.push(&text[at..end], &mut found);
            at = end;
            if found.is_empty() {
                held.push(scanner.pushed() - scanner.safe());
            } else {
                // A name of the sample came up by chance: begin again behind it.
                base += found.len();
                found.clear();
                scanner = ruleset.room("room").unwrap().stream();
            }
        }
        held.sort_unstable();
        let touched = held.iter().filter(|held| **held > 0).count() as f64 / held.len() as f64;
        let mean = held.iter().sum::<u64>() as f64 / held.len() as f64;
        let share = |part: f64| held[(held.len() as f64 * part) as usize];
        println!(
            "{count:<8} {:>5.1} %     {mean:>6.2} {:>5} {:>5} {:>6}   {:.1} MB   ({base} by chance)",
            touched * 100.0,
            share(0.5),
            share(0.99),
            held[held.len() - 1],
            ruleset.memory_bytes() as f64 / 1e6,
        );
    }
}
