//! How well recall answers, measured on text that may be shipped (public domain) and questions of ours,
//! against plain full-text search over the same passages.
//!
//! There are two sets. The constants of recall were chosen on the first, so its figures say nothing about
//! other text. The second was written afterwards, over other passages, and nothing is tuned on it.

use rusqlite::Connection;
use zos_core::memory::{Memories, Moment};

use crate::scratch::{Scratch, name};

/// Passages, and questions each of which one of them answers.
pub(crate) struct Set {
    passages: &'static str,
    questions: &'static str,
}

/// What recall was tuned on.
pub(crate) const TUNED: Set = Set {
    passages: include_str!("../recall/passages.tsv"),
    questions: include_str!("../recall/questions.tsv"),
};

/// What nothing was tuned on.
pub(crate) const HELD_OUT: Set = Set {
    passages: include_str!("../recall/held-out-passages.tsv"),
    questions: include_str!("../recall/held-out.tsv"),
};

/// Short notes, asked for in other words. Words alone cannot find them all; a sentence model was weighed on
/// every other one, and the rest is held out.
#[cfg_attr(not(feature = "sentence-model"), expect(dead_code, reason = "these weigh a sentence model"))]
pub(crate) const NOTES_TUNED: Set = Set {
    passages: include_str!("../recall/notes.tsv"),
    questions: include_str!("../recall/notes-tuned.tsv"),
};

/// What no sentence model was weighed on.
#[cfg_attr(not(feature = "sentence-model"), expect(dead_code, reason = "these weigh a sentence model"))]
pub(crate) const NOTES_HELD_OUT: Set = Set {
    passages: include_str!("../recall/notes.tsv"),
    questions: include_str!("../recall/notes-held-out.tsv"),
};

/// For each question, one over the rank at which its passage stands among ten, and 0 where it does not.
pub(crate) struct Ranks(Vec<f64>);

impl Ranks {
    /// The share of questions whose passage is among the first five.
    pub(crate) fn found(&self) -> f64 {
        mean(&self.0.iter().map(|rank| f64::from(u8::from(*rank >= 0.2))).collect::<Vec<_>>()).0
    }

    /// The mean reciprocal rank.
    pub(crate) fn reciprocal(&self) -> f64 {
        mean(&self.0).0
    }

    /// How much better these are than others on the same questions, in mean reciprocal rank: the middle and
    /// half the width of the interval that holds it in 95 of 100 samples of questions.
    pub(crate) fn better_than(&self, other: &Self) -> (f64, f64) {
        mean(&self.0.iter().zip(&other.0).map(|(one, other)| one - other).collect::<Vec<_>>())
    }

    /// The figures in one line, each with half the width of its interval.
    pub(crate) fn say(&self, who: &str) {
        let hits: Vec<f64> = self.0.iter().map(|rank| f64::from(u8::from(*rank >= 0.2))).collect();
        let ((found, wide), (rank, broad)) = (mean(&hits), mean(&self.0));
        eprintln!(
            "{who}: recall@5 {found:.3} ± {wide:.3}, MRR {rank:.3} ± {broad:.3}, {} questions",
            hits.len()
        );
    }
}

/// The mean, and 1.96 times its standard error.
fn mean(values: &[f64]) -> (f64, f64) {
    let count = values.len() as f64;
    let mean = values.iter().sum::<f64>() / count;
    let variance = values.iter().map(|value| (value - mean).powi(2)).sum::<f64>() / (count - 1.0);
    (mean, 1.96 * (variance / count).sqrt())
}

/// Two fields, or one and what follows, of each line that is no comment.
fn lines(text: &'static str) -> impl Iterator<Item = (&'static str, &'static str)> {
    text.lines().filter(|line| !line.starts_with('#')).filter_map(|line| line.split_once('\t'))
}

impl Set {
    fn passages(&self) -> impl Iterator<Item = (&'static str, &'static str)> {
        lines(self.passages).map(|(id, rest)| (id, rest.split_once('\t').unwrap().1))
    }

    fn ranks(&self, answer: impl Fn(&str) -> Vec<String>) -> Ranks {
        let rank = |(passage, question): (&str, &str)| {
            let place = answer(question).iter().position(|id| id == passage);
            place.map_or(0.0, |place| 1.0 / (place as f64 + 1.0))
        };
        Ranks(lines(self.questions).map(rank).collect())
    }

    /// Plain full-text search.
    pub(crate) fn by_plain_search(&self) -> Ranks {
        let plain = Connection::open_in_memory().unwrap();
        plain.execute_batch("CREATE VIRTUAL TABLE passages USING fts5 (id UNINDEXED, text)").unwrap();
        for passage in self.passages() {
            plain.execute("INSERT INTO passages VALUES (?1, ?2)", passage).unwrap();
        }
        self.ranks(|question| {
            let words = question.split(|c: char| !c.is_alphanumeric()).filter(|word| !word.is_empty());
            let query: Vec<String> = words.map(|word| format!("\"{word}\"")).collect();
            let mut statement = plain
                .prepare("SELECT id FROM passages WHERE passages MATCH ?1 ORDER BY rank LIMIT 10")
                .unwrap();
            let ids = statement.query_map([query.join(" OR ")], |row| row.get(0)).unwrap();
            ids.map(Result::unwrap).collect()
        })
    }

    /// Recall, each passage a memory.
    pub(crate) fn by_recall(&self, scratch: &Scratch) -> Ranks {
        for (id, text) in self.passages() {
            scratch.put(&format!("memory/world/2026/{id}.md"), text);
        }
        let world = Memories::new(scratch.home()).room(&name("world"));
        world.follow();
        self.ranks(|question| {
            let recall = world.search(question, 10, Moment::now()).unwrap();
            recall.items.into_iter().map(|item| item.id.to_string()).collect()
        })
    }
}

#[test]
fn recall_is_better_than_plain_full_text_search_where_it_was_tuned() {
    let (plain, ours) = (TUNED.by_plain_search(), TUNED.by_recall(&Scratch::new()));
    plain.say("tuned, plain FTS5");
    ours.say("tuned, ours");
    assert!(ours.found() > plain.found() && ours.reciprocal() > plain.reciprocal());
    assert!(ours.found() >= 0.95 && ours.reciprocal() >= 0.9);
}

#[test]
fn recall_is_better_than_plain_full_text_search_where_it_was_not() {
    let (plain, ours) = (HELD_OUT.by_plain_search(), HELD_OUT.by_recall(&Scratch::new()));
    plain.say("held out, plain FTS5");
    ours.say("held out, ours");
    let (better, wide) = ours.better_than(&plain);
    eprintln!("better by {better:.3} ± {wide:.3}");
    assert!(ours.found() >= plain.found() && ours.reciprocal() > plain.reciprocal());
}
