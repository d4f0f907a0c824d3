//! How well recall answers, measured on text that may be shipped: 209 passages in the public domain and
//! questions of ours that name none of them, against plain full-text search over the same passages.
//!
//! The constants of recall were chosen on these questions, so the figures say that it is better than
//! plain search here, not how good it is elsewhere.

use rusqlite::Connection;
use zos_core::memory::{Memories, Moment};

use crate::scratch::{Scratch, name};

/// Two fields and what follows, of each line that is no comment.
fn lines(text: &'static str) -> impl Iterator<Item = (&'static str, &'static str)> {
    text.lines().filter(|line| !line.starts_with('#')).filter_map(|line| line.split_once('\t'))
}

/// The share of questions whose passage is among the first five, and the mean reciprocal rank in ten.
fn measure(answer: impl Fn(&str) -> Vec<String>) -> (f64, f64) {
    let questions: Vec<_> = lines(include_str!("../recall/questions.tsv")).collect();
    assert!(questions.len() >= 80);
    let (mut found, mut reciprocal) = (0.0, 0.0);
    for (passage, question) in &questions {
        let rank = answer(question).iter().position(|id| id == passage);
        found += f64::from(u8::from(rank.is_some_and(|rank| rank < 5)));
        reciprocal += rank.map_or(0.0, |rank| 1.0 / (rank as f64 + 1.0));
    }
    (found / questions.len() as f64, reciprocal / questions.len() as f64)
}

#[test]
fn recall_is_better_than_plain_full_text_search() {
    let scratch = Scratch::new();
    let plain = Connection::open_in_memory().unwrap();
    plain.execute_batch("CREATE VIRTUAL TABLE passages USING fts5 (id UNINDEXED, text)").unwrap();
    for (id, rest) in lines(include_str!("../recall/passages.tsv")) {
        let (_, text) = rest.split_once('\t').unwrap();
        scratch.put(&format!("memory/world/2026/{id}.md"), text);
        plain.execute("INSERT INTO passages VALUES (?1, ?2)", [id, text]).unwrap();
    }
    let (plain_found, plain_rank) = measure(|question| {
        let words = question.split(|c: char| !c.is_alphanumeric()).filter(|word| !word.is_empty());
        let query: Vec<String> = words.map(|word| format!("\"{word}\"")).collect();
        let mut statement =
            plain.prepare("SELECT id FROM passages WHERE passages MATCH ?1 ORDER BY rank LIMIT 10").unwrap();
        statement.query_map([query.join(" OR ")], |row| row.get(0)).unwrap().map(Result::unwrap).collect()
    });
    let world = Memories::new(scratch.home()).room(&name("world"));
    world.follow();
    let (found, rank) = measure(|question| {
        let recall = world.search(question, 10, Moment::now()).unwrap();
        recall.items.into_iter().map(|item| item.id.to_string()).collect()
    });
    println!("plain FTS5: recall@5 {plain_found:.3}, MRR {plain_rank:.3}");
    println!("ours:       recall@5 {found:.3}, MRR {rank:.3}");
    assert!(found > plain_found && rank > plain_rank);
    assert!(found >= 0.95 && rank >= 0.9);
}
