//! How long a decision takes over a large fleet: 500 models, 100 rules, 20 fallbacks.

use criterion::{Criterion, criterion_group, criterion_main};
use std::fmt::Write;
use std::hint::black_box;
use zos_core::Glob;
use zos_core::context::{Isolation, ModelFilter};
use zos_core::fleet::parse_fleet;
use zos_core::{Api, Environment, RouteRequest};

fn decision(criterion: &mut Criterion) {
    let mut text = String::from(
        "version: 1\nproviders:\n  p: {api: openai, base_url: 'https://p.example/v1', residency: eu}\nmodels:\n",
    );
    for number in 0..400 {
        writeln!(text, "  - {{id: family/model-{number}, provider: p, context: 1000, caps: [tools]}}")
            .expect("writing to a String never fails");
    }
    for number in 0..100 {
        writeln!(text, "  - {{match: 'family-{number}-*', provider: p}}").expect("as above");
    }
    text.push_str("rules:\n");
    for number in 0..100 {
        writeln!(text, "  - {{when: {{context: 'room-{number}*'}}, require: {{residency: eu}}}}")
            .expect("as above");
    }
    let names: Vec<String> = (0..20).map(|number| format!("family/model-{}", 380 + number)).collect();
    writeln!(text, "fallback: {{'*': [{}]}}", names.join(", ")).expect("as above");
    let fleet = parse_fleet(Some(text.as_bytes()), &Environment::default()).fleet.expect("a good file");
    let filter = ModelFilter { allow: Some(vec![Glob::new("family*")]), deny: vec![Glob::new("*-beta")] };
    let request = |may_fall_back| RouteRequest {
        face: Api::OpenAi,
        model: "family-99-large",
        filter: &filter,
        context: "room-7",
        isolation: Isolation::Hard,
        caps: &["tools"],
        thinks: false,
        tokens: 500,
        may_fall_back,
    };
    criterion.bench_function("a decision with 20 fallbacks", |bencher| {
        bencher.iter(|| black_box(fleet.plan(black_box(&request(true)))));
    });
    criterion.bench_function("a decision", |bencher| {
        bencher.iter(|| black_box(fleet.plan(black_box(&request(false)))));
    });
}

criterion_group!(benches, decision);
criterion_main!(benches);
