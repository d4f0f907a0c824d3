//! How fast whole texts are scanned, by number of terms and kind of text; and how fast deltas are.

#![expect(clippy::unwrap_used, reason = "a benchmark")]

use std::hint::black_box;
use std::sync::Arc;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use zos_rules::{Room, RoomRules, RuleKind, RuleSpec, Ruleset, Term};

#[path = "support/sample.rs"]
mod sample;

fn compile(terms: &[String]) -> RoomRules {
    let rule = |term: &String| RuleSpec::new("rule", RuleKind::Term(Term::new(term).unwrap()));
    let room = Room { name: "room".to_owned(), rules: terms.iter().map(rule).collect() };
    Arc::new(Ruleset::compile(&[room]).unwrap()).room("room").unwrap()
}

fn scan(criterion: &mut Criterion) {
    let english = sample::english(1 << 20);
    let mixed: String = english
        .split_inclusive("\n\n")
        .zip(
            [
                "Прикладной текст на русском языке, в котором нет ничего тайного. ",
                "東京は今日も雨です。",
                "Überraschend schöne Grüße aus München. ",
                "여기에는 비밀이 없습니다. ",
            ]
            .iter()
            .cycle(),
        )
        .flat_map(|(part, foreign)| [part, foreign])
        .collect();
    for count in [10, 1_000, 100_000] {
        let rules = compile(&sample::terms(count));
        let mut group = criterion.benchmark_group(format!("scan {count} terms"));
        group.sample_size(20);
        for (name, text) in [("english", &english), ("mixed", &mixed)] {
            group.throughput(Throughput::Bytes(text.len() as u64));
            group.bench_function(name, |bencher| {
                let mut found = Vec::new();
                bencher.iter(|| {
                    found.clear();
                    rules.scan(black_box(text), &mut found);
                    found.len()
                });
            });
        }
        let deltas: Vec<&str> = english[..1 << 16].split_inclusive(' ').collect();
        group.throughput(Throughput::Elements(deltas.len() as u64));
        group.bench_function("deltas", |bencher| {
            bencher.iter(|| {
                let (mut scanner, mut found) = (rules.stream(), Vec::new());
                for delta in &deltas {
                    scanner.push(black_box(delta), &mut found);
                    black_box(scanner.safe());
                }
                found.len()
            });
        });
    }
}

fn compiling(criterion: &mut Criterion) {
    for count in [1_000, 100_000] {
        let terms = sample::terms(count);
        let mut group = criterion.benchmark_group("compile");
        group.sample_size(10);
        group.bench_function(format!("{count} terms"), |bencher| {
            bencher.iter(|| compile(black_box(&terms)).is_empty())
        });
    }
}

criterion_group!(benches, scan, compiling);
criterion_main!(benches);
