//! Whether two memories say different things about the same.
//!
//! With a subject a contradiction is certain: one subject, two texts. Without one it is a guess from the words: two
//! short texts that are alike but for one place, or for a negation. The guess is meant to catch too much, for
//! it only flags.

use super::item::Item;
use super::stop_words::{is_stop_word, words};

/// Texts longer than this are not compared word by word.
const WORDS_MAX: usize = 64;

/// Words that turn a statement round.
const NEGATIONS: &[&str] =
    &["not", "no", "never", "none", "nobody", "nothing", "without", "neither", "cannot"];

/// Pairs of which only one can be so.
const OPPOSITES: &[(&str, &str)] = &[
    ("always", "never"),
    ("enabled", "disabled"),
    ("enable", "disable"),
    ("on", "off"),
    ("true", "false"),
    ("yes", "no"),
    ("likes", "dislikes"),
    ("likes", "hates"),
    ("loves", "hates"),
    ("open", "closed"),
    ("opens", "closes"),
    ("allowed", "forbidden"),
    ("accepts", "rejects"),
    ("accepted", "rejected"),
    ("before", "after"),
    ("with", "without"),
    ("married", "single"),
    ("alive", "dead"),
];

/// Words that say that something is no longer as it was.
const CHANGES: &[&str] = &[
    "now",
    "moved",
    "changed",
    "became",
    "becomes",
    "switched",
    "replaced",
    "renamed",
    "postponed",
    "delayed",
    "cancelled",
    "canceled",
    "went",
    "rose",
    "fell",
    "dropped",
    "raised",
    "lowered",
    "increased",
    "decreased",
    "ended",
    "stopped",
    "quit",
    "since",
    "anymore",
];

/// Relation of two memories of one context.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Relation {
    /// Both say the same.
    Same,
    /// Both are on one subject and say different things: the newer one takes the other's place.
    Subject,
    /// Their words suggest that both cannot be so.
    Words,
    /// No relation is known.
    None,
}

/// A memory's words, read once and compared with many.
pub(super) struct Said {
    words: Vec<String>,
    sense: Vec<String>,
    subject: Option<String>,
}

impl Said {
    /// Reads a memory's words.
    pub(super) fn by(item: &Item) -> Self {
        let words = plain(&item.text);
        let sense = sense(&words);
        Self { words, sense, subject: item.subject_key() }
    }

    /// Relation of two memories of one context.
    pub(super) fn relation(&self, other: &Self) -> Relation {
        if self.words == other.words {
            return Relation::Same;
        }
        match (&self.subject, &other.subject) {
            (Some(one), Some(other)) if one == other => Relation::Subject,
            // Two subjects that the owner tells apart are not one.
            (Some(_), Some(_)) => Relation::None,
            _ if self.conflicts_with(other) => Relation::Words,
            _ => Relation::None,
        }
    }

    fn conflicts_with(&self, other: &Self) -> bool {
        let (ours, theirs) = (&self.words, &other.words);
        if ours.len() > WORDS_MAX
            || theirs.len() > WORDS_MAX
            || self.sense.is_empty()
            || other.sense.is_empty()
        {
            return false;
        }
        let alike = overlap(&self.sense, &other.sense);
        let is_negated = |words: &[String]| words.iter().any(|word| NEGATIONS.contains(&word.as_str()));
        if alike >= 0.75 && is_negated(ours) != is_negated(theirs) {
            return true;
        }
        let has = |words: &[String], word: &str| words.iter().any(|own| own == word);
        let is_opposed = |(one, other): &(&str, &str)| {
            (has(ours, one) && has(theirs, other) && !has(ours, other))
                || (has(ours, other) && has(theirs, one) && !has(ours, one))
        };
        (alike >= 0.5 && OPPOSITES.iter().any(is_opposed))
            || differs_in_one_place(ours, theirs)
            || tells_a_change(ours, theirs)
            || names_another(ours, theirs)
    }
}

/// The words of a text, with contracted negations written out.
fn plain(text: &str) -> Vec<String> {
    let text = text.to_lowercase().replace('’', "'").replace("can't", "can not").replace("won't", "will not");
    words(&text.replace("n't", " not")).collect()
}

/// Stems of the words that tell something, negations aside.
fn sense(words: &[String]) -> Vec<String> {
    let mut sense: Vec<String> = words
        .iter()
        .filter(|word| !is_stop_word(word) && !NEGATIONS.contains(&word.as_str()))
        .map(|word| stem(word).to_owned())
        .collect();
    sense.sort_unstable();
    sense.dedup();
    sense
}

/// A crude stem: `uses`, `used` and `use` are one.
fn stem(word: &str) -> &str {
    for ending in ["ing", "ed", "es", "s", "e"] {
        if let Some(stem) = word.strip_suffix(ending).filter(|stem| stem.chars().count() >= 3) {
            return stem;
        }
    }
    word
}

/// The share of the smaller set that both have.
fn overlap(ours: &[String], theirs: &[String]) -> f64 {
    let both = ours.iter().filter(|word| theirs.contains(word)).count();
    both as f64 / ours.len().min(theirs.len()) as f64
}

/// Whether two sentences are the same but for one run of words, which neither lacks: "the release is
/// on Tuesday", "the release is on Friday". What is the same must be most of it, and tell something.
fn differs_in_one_place(ours: &[String], theirs: &[String]) -> bool {
    let start = ours.iter().zip(theirs).take_while(|(one, other)| one == other).count();
    let rest = ours.len().min(theirs.len()) - start;
    let end =
        ours.iter().rev().zip(theirs.iter().rev()).take(rest).take_while(|(one, other)| one == other).count();
    let (our_run, their_run) = (ours.len() - start - end, theirs.len() - start - end);
    let same = start + end;
    let tells = ours[..start].iter().chain(&ours[ours.len() - end..]).any(|word| !is_stop_word(word));
    our_run > 0
        && their_run > 0
        && our_run.max(their_run) <= 3
        && tells
        && same > our_run.min(their_run)
        && start > 0
}

/// Whether two sentences begin with the same and one of them says that it changed: "the meeting is on
/// Friday", "the meeting was moved to Monday".
fn tells_a_change(ours: &[String], theirs: &[String]) -> bool {
    let start = ours.iter().zip(theirs).take_while(|(one, other)| one == other).count();
    let changes = |words: &[String]| words[start..].iter().any(|word| CHANGES.contains(&word.as_str()));
    start >= 2 && ours[..start].iter().any(|word| !is_stop_word(word)) && changes(ours) != changes(theirs)
}

/// Whether two sentences give one place to two: "Eva is the head of sales", "Finn is the head of sales".
fn names_another(ours: &[String], theirs: &[String]) -> bool {
    let end = ours.iter().rev().zip(theirs.iter().rev()).take_while(|(one, other)| one == other).count();
    let same = &ours[ours.len() - end..];
    let is_one = |words: &[String]| matches!(words, [is, the, ..] if is == "is" && ["the", "our", "my"].contains(&the.as_str()));
    let begins = (0..same.len()).find(|at| is_one(&same[*at..]));
    begins.is_some_and(|at| {
        let before = ours.len().max(theirs.len()) - end + at;
        before <= 3 && same[at..].iter().any(|word| !is_stop_word(word))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(one: &str, other: &str) -> bool {
        let said = |text: &str| Said { sense: sense(&plain(text)), words: plain(text), subject: None };
        said(one).relation(&said(other)) == Relation::Words
    }

    #[test]
    fn statements_that_cannot_both_be_so_are_noticed() {
        for (one, other) in [
            ("The release is on Tuesday", "The release is on Friday."),
            ("Ann likes coffee", "Ann does not like coffee"),
            ("Deploys need a review", "Deploys don't need a review"),
            ("Always squash commits", "Never squash commits"),
            ("Two-factor login is enabled for all", "Two-factor login is disabled for all"),
            ("The office opens at 9", "The office opens at 10"),
            ("The database is PostgreSQL 15", "The database is MySQL 8"),
            ("The meeting is on Friday", "The meeting was moved to Monday"),
            ("Eva is the head of sales", "Finn Berg is the head of sales"),
        ] {
            assert!(check(one, other), "{one} / {other}");
            assert!(check(other, one), "{other} / {one}");
        }
    }

    #[test]
    fn statements_about_different_things_are_left_alone() {
        for (one, other) in [
            ("Ann lives in Paris", "The invoice is due on Monday"),
            ("The office has a kitchen on the second floor", "The kitchen needs a new fridge soon"),
            ("Ann likes coffee", "Bob likes coffee"),
            ("The meeting moved us all", "The lunch was good"),
            ("Use tabs in Go code", "The Go meetup is on Thursday evening at the library"),
        ] {
            assert!(!check(one, other), "{one} / {other}");
        }
    }
}
