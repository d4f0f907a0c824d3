//! Speed of memory: recall at 10,000 memories, and making an index.
//!
//! `cargo bench -p zos-core --bench memory`, and with a sentence model besides
//! `scripts/with-sentence-model cargo bench -p zos-core --features sentence-model --bench memory`

#![expect(clippy::unwrap_used, reason = "in a bench, what cannot go on ends it")]

use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

use criterion::{Criterion, criterion_group, criterion_main};
use zos_core::Home;
use zos_core::memory::{Memories, Moment, Room};

const ITEMS: usize = 10_000;

const WORDS: &[&str] = &[
    "contract", "river", "invoice", "garden", "meeting", "server", "paris", "winter", "budget", "release",
    "engine", "coffee", "window", "lesson", "market", "bridge", "letter", "island", "museum", "pencil",
    "record", "signal", "ticket", "valley", "wallet", "yellow", "anchor", "basket", "candle", "desert",
];

/// A stable stream of numbers (xorshift), so that every run sees the same texts.
struct Numbers(u64);

impl Numbers {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    fn word(&mut self) -> String {
        let number = self.next();
        match number % 3 {
            0 => format!("name{}", number % 5000),
            _ => WORDS[(number / 3) as usize % WORDS.len()].to_owned(),
        }
    }
}

fn fill(root: &Path) -> Home {
    let home = Home::resolve_from(Some(root), None, None).unwrap();
    let folder = home.root().join("memory/acme/2026");
    fs::create_dir_all(&folder).unwrap();
    let mut numbers = Numbers(0x9e37_79b9_7f4a_7c15);
    for item in 0..ITEMS {
        let text: Vec<String> = (0..30).map(|_| numbers.word()).collect();
        let text = format!(
            "---\nid: m{item}\ncontext: acme\nkind: fact\nstatus: active\nsource: {{type: user}}\nsubject: \"subject {item}\"\ncreated: 2026-11-25T01:20:00Z\n---\n\n{}.\n",
            text.join(" ")
        );
        fs::write(folder.join(format!("m{item}.md")), text).unwrap();
    }
    home
}

fn question(numbers: &mut Numbers) -> String {
    format!("what about {} and {} in {}", numbers.word(), numbers.word(), numbers.word())
}

fn measure(room: &Room, how: &str) {
    let mut numbers = Numbers(7);
    room.search(&question(&mut numbers), 10, Moment::now()).unwrap();
    let mut times: Vec<Duration> = (0..400)
        .map(|_| {
            let text = question(&mut numbers);
            let begun = Instant::now();
            room.search(&text, 10, Moment::now()).unwrap();
            begun.elapsed()
        })
        .collect();
    times.sort_unstable();
    eprintln!("recall {how} at {ITEMS} memories: p50 {:?}, p95 {:?}", times[200], times[380]);
}

fn use_model(root: &Path, model: &Path) {
    let folder = root.join("models/static");
    fs::create_dir_all(&folder).unwrap();
    for file in ["model.safetensors", "tokenizer.json"] {
        fs::copy(model.join(file), folder.join(file)).unwrap();
    }
    fs::write(root.join("memory/config.yml"), "sentence_model: models/static\n").unwrap();
}

fn memory(criterion: &mut Criterion) {
    let folder = tempfile::tempdir().unwrap();
    let home = fill(folder.path());
    let room = Memories::new(home).room(&"acme".parse().unwrap());
    let begun = Instant::now();
    let made = room.reindex().unwrap();
    let rate = made.indexed as f64 / begun.elapsed().as_secs_f64();
    eprintln!("index of {} memories: {rate:.0} a second", made.indexed);
    room.follow();
    measure(&room, "by words");
    if let Some(model) = std::env::var_os("ZOS_TEST_SENTENCE_MODEL") {
        use_model(folder.path(), Path::new(&model));
        let begun = Instant::now();
        room.search("what about the first question", 10, Moment::now()).unwrap();
        eprintln!("model read and vectors made in {:?}", begun.elapsed());
        measure(&room, "by words and meaning");
    }
    let mut numbers = Numbers(7);
    let mut question = move || question(&mut numbers);
    criterion.bench_function("recall", |bencher| {
        bencher.iter(|| room.search(&question(), 10, Moment::now()).unwrap());
    });
}

criterion_group!(benches, memory);
criterion_main!(benches);
