//! Recall: the memories that answer a question.
//!
//! Each part of a memory is scored by full-text search (BM25 over stems, without words that tell
//! nothing). A memory's score is that of its best part together with the parts right beside it,
//! because an answer often stands next to the words of the question, and a share of what its other
//! parts score: a whole memory on the topic is worth more than a chance word. Measured on the
//! questions in `core/tests/recall/`.
//!
//! Age ranks a little, never filters; what is pinned does not age.

use std::collections::HashMap;

use super::index::Hit;
use super::item::Item;
use super::stop_words::{is_stop_word, words};
use super::time::Moment;

/// Words of a question that are looked for; further ones are left out.
const WORDS_MAX: usize = 48;

/// Weight of the parts right beside the best one, as a share of their own score.
const BESIDE: f64 = 0.3;

/// Weight of all other parts, as a share of their own score.
const ELSEWHERE: f64 = 0.1;

/// The share of what is meant in a score, where there is a sentence model; the rest is the words'.
const MEANING: f64 = 0.3;

/// Memories whose meaning is farther from the question's than this are not found by it: texts that have
/// nothing to do with each other are about so near.
const FAR: f64 = 0.2;

/// Share of its score that a memory loses in its first year; half as much again in each further one,
/// and never more than twice that.
const FIRST_YEAR: f64 = 0.05;

/// A question as the index takes it; `None` where nothing is left to look for.
pub(super) fn query(question: &str) -> Option<String> {
    let mut all: Vec<String> = Vec::new();
    for word in words(question) {
        if !all.contains(&word) && all.len() < 4 * WORDS_MAX {
            all.push(word);
        }
    }
    let telling: Vec<&String> = all.iter().filter(|word| !is_stop_word(word)).take(WORDS_MAX).collect();
    // A question of nothing but such words is about them.
    let chosen: Vec<&String> =
        if telling.is_empty() { all.iter().take(WORDS_MAX).collect() } else { telling };
    let terms: Vec<String> = chosen.iter().map(|word| format!("\"{word}\"")).collect();
    (!terms.is_empty()).then(|| terms.join(" OR "))
}

/// The score of each memory that has a part among the hits.
pub(super) fn scores(hits: &[Hit]) -> HashMap<i64, f64> {
    let mut parts: HashMap<i64, Vec<(i64, f64)>> = HashMap::new();
    for hit in hits {
        parts.entry(hit.item).or_default().push((hit.ordinal, hit.score));
    }
    parts.into_iter().map(|(item, parts)| (item, score(&parts))).collect()
}

fn score(parts: &[(i64, f64)]) -> f64 {
    let total: f64 = parts.iter().map(|(_, score)| score).sum();
    let window = |(at, own): &(i64, f64)| {
        let beside: f64 =
            parts.iter().filter(|(other, _)| (other - at).abs() == 1).map(|(_, score)| score).sum();
        own + BESIDE * beside + ELSEWHERE * (total - own - beside)
    };
    parts.iter().map(window).fold(0.0, f64::max)
}

/// The scores of memories by their words together with how near their meaning is. The best by words
/// counts as one, and so does the same meaning; a rank alone would forget by how much one is better.
pub(super) fn blend(words: HashMap<i64, f64>, near: &[(i64, f64)]) -> HashMap<i64, f64> {
    let best = words.values().copied().fold(0.0, f64::max);
    let mut blended: HashMap<i64, f64> = words
        .into_iter()
        .map(|(row, score)| (row, (1.0 - MEANING) * score / best.max(f64::MIN_POSITIVE)))
        .collect();
    for (row, near) in near.iter().filter(|(_, near)| *near > FAR) {
        *blended.entry(*row).or_default() += MEANING * (near - FAR) / (1.0 - FAR);
    }
    blended
}

/// The factor by which age lowers a score.
pub(super) fn aged(item: &Item, now: Moment) -> f64 {
    if item.pinned {
        return 1.0;
    }
    let days = (now.unix_ms() - item.created.unix_ms()).max(0) as f64 / 86_400_000.0;
    let years = days / 365.0;
    let lost = if years <= 1.0 { FIRST_YEAR * years } else { FIRST_YEAR * (1.0 + (years - 1.0) / 2.0) };
    1.0 - lost.min(2.0 * FIRST_YEAR)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_question_becomes_its_telling_words() {
        assert_eq!(query("Where does Ann live?").unwrap(), "\"ann\" OR \"live\"");
        assert_eq!(query("who is it").unwrap(), "\"who\" OR \"is\" OR \"it\"");
        assert_eq!(query("\"; DROP TABLE items; -- *").unwrap(), "\"drop\" OR \"table\" OR \"items\"");
        assert_eq!(query(" ?! "), None);
        let long: String = (0..1000).map(|number| format!("w{number} ")).collect();
        assert_eq!(query(&long).unwrap().matches(" OR ").count(), WORDS_MAX - 1);
    }

    #[test]
    fn meaning_adds_to_words_and_what_is_far_is_not_found() {
        let words = HashMap::from([(1, 8.0), (2, 4.0)]);
        let both = blend(words.clone(), &[(2, 0.9), (3, 0.6), (4, FAR - 0.01)]);
        assert!(both[&1] > both[&2] && both[&2] > both[&3] && !both.contains_key(&4));
        assert!(blend(words, &[(2, 1.0)])[&2] > blend(HashMap::from([(1, 8.0), (2, 4.0)]), &[])[&2]);
        assert_eq!(blend(HashMap::new(), &[(3, 1.0)]), HashMap::from([(3, MEANING)]));
    }

    #[test]
    fn neighbours_count_more_than_distant_parts() {
        let beside = score(&[(0, 2.0), (1, 1.0)]);
        let distant = score(&[(0, 2.0), (7, 1.0)]);
        assert!(beside > distant && distant > score(&[(0, 2.0)]));
    }
}
