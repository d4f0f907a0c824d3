//! Texts that are said at once, read on from one to the next.
//!
//! Each of them is inspected as a whole elsewhere. Here only what lies over the seam between two is looked
//! for: in the texts of one place over the events of a stream, and in the texts of one answer in their order.

use crate::findings::{Findings, Sighting};
use crate::policy::Policy;
use crate::seams::{self, Row, SEAM_BYTES};
use std::collections::HashMap;
use zos_core::Effect;
use zos_rules::{Scanner, StreamViolation};
use zos_wire::places::{Kind, Leaf, Leaves, Place, Role};

/// What was said at one place of a stream.
#[derive(Default)]
pub struct Said {
    /// What was said last, or the end of it.
    last: String,
    /// Whether that is all of it, and nothing was found in it.
    is_clean: bool,
    /// Reads on from one to the next, from the second on: most places say one thing and repeat it.
    scanner: Option<Box<Scanner>>,
}

impl Said {
    /// Whether this is what was said last, and found to be harmless: a name that every event repeats.
    pub fn is_again(&self, words: &str) -> bool {
        self.is_clean && self.last == words
    }

    /// Takes what is said now, and tells what lies over the seam. Gives whether it needed a scanner for that
    /// the first time.
    pub fn take(&mut self, policy: &Policy, words: &str, findings: &mut Findings) -> bool {
        let is_first = self.scanner.is_none();
        if !self.last.is_empty() && !words.is_empty() {
            self.read_on(policy, words, findings);
        }
        let needed_one = is_first && self.scanner.is_some();
        // Its middle is no part of any seam.
        if words.len() > 2 * SEAM_BYTES {
            self.scanner = None;
        }
        self.keep(words);
        needed_one
    }

    /// Takes what is no text: the same number again is not looked at twice.
    pub fn keep(&mut self, words: &str) {
        self.last.clear();
        self.last.push_str(&words[words.ceil_char_boundary(words.len().saturating_sub(SEAM_BYTES))..]);
        self.is_clean = false;
    }

    fn read_on(&mut self, policy: &Policy, words: &str, findings: &mut Findings) {
        let mut found = Vec::new();
        let scanner = self.scanner.get_or_insert_with(|| {
            let mut scanner = Box::new(policy.scanner());
            scanner.push(&self.last, &mut Vec::new());
            scanner
        });
        let seam = scanner.pushed();
        let most = if words.len() > 2 * SEAM_BYTES { SEAM_BYTES } else { words.len() };
        let head = &words[..words.floor_char_boundary(most)];
        scanner.push(head, &mut found);
        // What would be a match if nothing more came is one: nothing waits here.
        if scanner.needed() < seam {
            scanner.clone().finish(&mut found);
        }
        scanner.go_on();
        let text = [self.last.as_str(), head].concat();
        let place = |at: u64| usize::try_from((at + self.last.len() as u64).checked_sub(seam)?).ok();
        for violation in found.iter().filter(|found| found.span.start < seam && seam < found.span.end) {
            let known = place(violation.span.start).zip(place(violation.span.end));
            let known = known.map(|(start, end)| start..end).filter(|span| text.get(span.clone()).is_some());
            let StreamViolation { rule, evasion, detector, .. } = violation;
            let (text, span) = known.map_or(("", 0..0), |span| (text.as_str(), span));
            let sighting =
                Sighting { rule: *rule, detector: detector.as_ref(), evasion: *evasion, text, span };
            note(policy, &sighting, findings);
        }
    }

    /// Nothing was found in the event in which `words` were said.
    pub fn is_harmless(&mut self, words: &str) {
        self.is_clean = self.last == words;
    }
}

/// A match over a seam in an answer.
pub fn note(policy: &Policy, sighting: &Sighting<'_>, findings: &mut Findings) {
    seams::note(policy, sighting, findings, || "answer".to_owned());
}

/// Reads the strings of a whole answer on from one to the next: the texts of each choice, the arguments of
/// its calls, what else it says, and all of that in order. What repeats the text token by token is read by
/// itself; gives whether it spells something that the room replaces. `opening` is the end of the text that the answer
/// goes on from.
pub fn together(policy: &Policy, leaves: &Leaves<'_>, opening: &str, findings: &mut Findings) -> bool {
    let mut rows: HashMap<(Place, Lane), Row> = HashMap::new();
    let mut is_spelled = false;
    let mut echoes: HashMap<Place, Row> = HashMap::new();
    let mut spelled = |sighting: &Sighting<'_>, findings: &mut Findings| {
        if policy.effect(sighting.rule) == Effect::Redact {
            is_spelled = true;
        } else {
            findings.note(policy, sighting, || "answer".to_owned());
        }
    };
    for leaf in &leaves.all {
        let words = leaf.text();
        match leaf.role {
            Role::Echo => {
                let row = echoes.entry(leaf.place).or_default();
                row.add(policy, &words, &mut |sighting| spelled(sighting, findings));
            }
            Role::Piece => {
                for lane in [Lane::Of(leaf.kind), Lane::All] {
                    let goes_on = matches!(lane, Lane::Of(Kind::Text) | Lane::All);
                    let row = rows.entry((leaf.scope, lane)).or_insert_with(|| match goes_on {
                        true => Row::going_on_from(opening),
                        false => Row::default(),
                    });
                    row.add(policy, &words, &mut |sighting| note(policy, sighting, findings));
                }
            }
            Role::Whole | Role::Key => {}
        }
    }
    for row in echoes.values_mut() {
        row.settle(policy, &mut |sighting| spelled(sighting, findings));
    }
    for row in rows.values_mut() {
        row.settle(policy, &mut |sighting| note(policy, sighting, findings));
    }
    // A token that holds the whole of it.
    let tokens = leaves.all.iter().filter(|leaf| leaf.role == Role::Echo);
    is_spelled || tokens.into_iter().any(|leaf| is_replaced(policy, &leaf.text()))
}

/// Whether a text holds what the room replaces.
fn is_replaced(policy: &Policy, text: &str) -> bool {
    if !policy.may_redact() {
        return false;
    }
    let mut violations = Vec::new();
    policy.rules().scan(text, &mut violations);
    violations.iter().any(|violation| policy.effect(violation.rule) == Effect::Redact)
}

/// Which of the strings of a choice are read as one text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Lane {
    Of(Kind),
    All,
}

/// The words of an answer, to be counted where the provider reports no usage.
pub fn counted<'l>(leaves: &'l Leaves<'_>) -> impl Iterator<Item = &'l Leaf<'l>> {
    leaves
        .all
        .iter()
        .filter(|leaf| leaf.role == Role::Piece || (leaf.role == Role::Whole && leaf.kind == Kind::Arguments))
}
