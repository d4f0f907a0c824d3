//! How placeholders are written, and how they are recognised in what a model makes of them.
//!
//! `⟦person-1⟧` is the first text that a rule labelled `person` found; `⟦person-1b⟧` is the same term
//! in another spelling. Models change case and spacing, so a placeholder is compared without both.

use std::collections::HashSet;
use std::fmt::Write;

/// Begins a placeholder. A character that hardly any text holds, and that needs no escape in JSON.
pub(crate) const OPEN: char = '⟦';

/// Ends a placeholder.
pub(crate) const CLOSE: char = '⟧';

/// The longest inside of a placeholder, in bytes, spaces included.
pub(crate) const INSIDE_LIMIT: usize = 64;

/// The inside of a placeholder as it is compared: letters and digits in lower case.
pub(crate) fn key(label: &str, number: u32, spelling: usize) -> String {
    let mut key = format!("{label}{number}");
    push_letters(&mut key, spelling);
    key
}

/// A placeholder as it is sent.
pub(crate) fn written(label: &str, number: u32, spelling: usize) -> String {
    let mut name = String::new();
    write!(name, "{OPEN}{label}-{number}").expect("writing to a String never fails");
    push_letters(&mut name, spelling);
    name.push(CLOSE);
    name
}

/// Nothing for the first spelling, then `b`, `c`, … `z`, `ba`, `bb`, …
fn push_letters(name: &mut String, spelling: usize) {
    if spelling == 0 {
        return;
    }
    if spelling >= 26 {
        push_letters(name, spelling / 26);
    }
    name.push(char::from(b'a' + (spelling % 26) as u8));
}

/// What a character is inside of a placeholder.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Inside {
    /// A part of the name.
    Letter(char),
    /// Something that a model may add or leave out.
    Gap,
    /// No part of any placeholder.
    Foreign,
}

impl Inside {
    pub(crate) fn of(c: char) -> Inside {
        match c {
            'a'..='z' | 'A'..='Z' | '0'..='9' => Inside::Letter(c.to_ascii_lowercase()),
            '-' | '_' | ' ' | '\u{a0}' | '\u{2010}' | '\u{2011}' => Inside::Gap,
            _ => Inside::Foreign,
        }
    }
}

/// Collects what looks like one of our placeholders in a text of the caller.
pub(crate) fn look_alikes(text: &str, found: &mut HashSet<String>) {
    for (at, _) in text.match_indices(OPEN) {
        let inside = &text[at + OPEN.len_utf8()..];
        let mut key = String::new();
        for c in inside.chars().take(INSIDE_LIMIT) {
            match (c, Inside::of(c)) {
                (CLOSE, _) => {
                    if is_key(&key) {
                        found.insert(key);
                    }
                    break;
                }
                (_, Inside::Letter(letter)) => key.push(letter),
                (_, Inside::Gap) => {}
                (_, Inside::Foreign) => break,
            }
        }
    }
}

/// A text with a plain word in the place of each placeholder, to see where a call points.
pub(crate) fn without(text: &str) -> String {
    let mut plain = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(start) = rest.find(OPEN) {
        let inside = &rest[start + OPEN.len_utf8()..];
        let end = inside.char_indices().take(INSIDE_LIMIT).find(|(_, c)| *c == CLOSE);
        plain.push_str(&rest[..start]);
        match end {
            Some((end, _)) => {
                plain.push_str("zos");
                rest = &inside[end + CLOSE.len_utf8()..];
            }
            None => {
                plain.push(OPEN);
                rest = inside;
            }
        }
    }
    plain + rest
}

/// Whether this could be the inside of a placeholder of ours: a label, a number, and letters.
fn is_key(key: &str) -> bool {
    let digits = key.trim_start_matches(|c: char| c.is_ascii_lowercase());
    let letters = digits.trim_start_matches(|c: char| c.is_ascii_digit());
    digits.len() < key.len()
        && letters.len() < digits.len()
        && letters.bytes().all(|byte| byte.is_ascii_lowercase())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spellings_have_letters() {
        assert_eq!(written("person", 1, 0), "⟦person-1⟧");
        assert_eq!(written("person", 12, 1), "⟦person-12b⟧");
        let all: HashSet<String> = (0..2000).map(|spelling| key("p", 1, spelling)).collect();
        assert_eq!(all.len(), 2000);
        assert_eq!(key("p", 1, 25), "p1z");
        assert_eq!(key("p", 1, 26), "p1ba");
    }

    #[test]
    fn look_alikes_are_seen_in_any_dress() {
        let mut found = HashSet::new();
        look_alikes("a ⟦Person 1⟧ ⟦ term_2 ⟧ ⟦no, it is not⟧ ⟦nor this⟧ ⟦4⟧ ⟦term-3", &mut found);
        assert_eq!(found, HashSet::from(["person1".to_owned(), "term2".to_owned()]));
    }
}
