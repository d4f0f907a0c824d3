//! What counting tokens costs: making a tokenizer, and texts of 1 kB, 32 kB and 1 MB, whole and in samples as the
//! gateway counts them. `cargo bench -p zos-meter --bench tokens`.

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use zos_meter::estimate_tokens;
use zos_meter::tokens::{Sample, Vocabulary};

fn counting(criterion: &mut Criterion) {
    let page = include_str!("../README.md");
    let mut group = criterion.benchmark_group("tokens");
    for (name, bytes) in [("1 kB", 1_000), ("32 kB", 32_000), ("1 MB", 1_000_000)] {
        let text: String = page.chars().filter(char::is_ascii).cycle().take(bytes).collect();
        group.throughput(Throughput::Bytes(bytes as u64)).sample_size(20);
        for vocabulary in [Vocabulary::O200k, Vocabulary::Cl100k] {
            let tokenizer = vocabulary.tokenizer();
            group.bench_function(BenchmarkId::new(vocabulary.name(), name), |bencher| {
                bencher.iter(|| tokenizer.count(&text));
            });
        }
        let tokenizer = Vocabulary::O200k.tokenizer();
        group.bench_function(BenchmarkId::new("sampled", name), |bencher| {
            bencher.iter(|| {
                let mut sample = Sample::new(tokenizer, text.len());
                sample.add(&text);
                sample.tokens()
            });
        });
        group.bench_function(BenchmarkId::new("by its length", name), |bencher| {
            bencher.iter(|| estimate_tokens(&text));
        });
    }
    group.finish();
}

criterion_group!(benches, counting);
criterion_main!(benches);
