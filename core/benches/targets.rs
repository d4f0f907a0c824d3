//! How long it takes to judge where a tool call points: every call of the two test sets in turn, under a
//! room that lists a hundred hosts.
//!
//! `cargo bench -p zos-core --bench targets`

use criterion::{BatchSize, Criterion, criterion_group, criterion_main};
use std::fmt::Write;
use std::hint::black_box;
use zos_core::targets::check;
use zos_core::{ContextName, context};

fn judged(criterion: &mut Criterion) {
    let mut yaml = String::from("attachments: allow\ntargets:\n  default: deny\n  allow:\n");
    for number in 0..100 {
        writeln!(yaml, "    - host-{number}.example").expect("writing to a String never fails");
    }
    let name: ContextName = "acme".parse().expect("a good name");
    let room = context::parse_context(&name, yaml.as_bytes()).context.expect("a good file");
    let sets = [include_str!("../tests/targets/bypass.tsv"), include_str!("../tests/targets/benign.tsv")];
    let calls: Vec<(&str, &str)> = sets
        .iter()
        .flat_map(|set| set.lines())
        .filter(|line| !line.starts_with('#'))
        .filter_map(|line| line.split_once('\t')?.1.split_once('\t'))
        .collect();
    let mut next = 0;
    criterion.bench_function("one call of the test sets", |bencher| {
        let pick = || {
            next = (next + 1) % calls.len();
            calls[next]
        };
        bencher.iter_batched(
            pick,
            |(tool, arguments)| black_box(check(&room.targets, tool, arguments)),
            BatchSize::SmallInput,
        );
    });
}

criterion_group!(benches, judged);
criterion_main!(benches);
