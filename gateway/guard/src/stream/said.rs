//! Texts that are said at once, read on from one to the next.
//!
//! Each of them is inspected as a whole elsewhere. Here only what lies over the seam between two is looked
//! for: in the texts of one place over the events of a stream, and in the texts of one answer in their order.

use crate::findings::{Findings, Sighting};
use crate::policy::Policy;
use std::collections::HashMap;
use zos_core::Effect;
use zos_wire::places::{Kind, Leaf, Leaves, Place, Role};

/// What is read on both sides of a seam, in bytes: the longest term. A longer match of a pattern, or one that
/// is padded with what cannot be seen, is not found over a seam of texts that are said at once.
const SEAM_BYTES: usize = zos_rules::TERM_MAX_BYTES;

/// Texts one after another, as far as a match may lie over a seam.
#[derive(Debug, Default)]
pub struct Row {
    text: String,
    /// Where one text ends and the next begins.
    seams: Vec<usize>,
}

impl Row {
    /// The next text.
    pub fn add(&mut self, policy: &Policy, words: &str, seen: &mut impl FnMut(&Sighting<'_>)) {
        if words.is_empty() {
            return;
        }
        if !self.text.is_empty() {
            self.seams.push(self.text.len());
        }
        if words.len() <= 2 * SEAM_BYTES {
            self.text.push_str(words);
            return;
        }
        // Its middle is no part of any seam.
        self.text.push_str(&words[..words.floor_char_boundary(SEAM_BYTES)]);
        self.settle(policy, seen);
        self.text.clear();
        self.text.push_str(&words[words.ceil_char_boundary(words.len() - SEAM_BYTES)..]);
    }

    /// Tells what lies over a seam, and keeps no more than the next seam needs.
    pub fn settle(&mut self, policy: &Policy, seen: &mut impl FnMut(&Sighting<'_>)) {
        if !self.seams.is_empty() {
            let mut violations = Vec::new();
            policy.rules().scan(&self.text, &mut violations);
            for violation in violations {
                let after = self.seams.partition_point(|seam| *seam <= violation.span.start);
                if self.seams.get(after).is_some_and(|seam| *seam < violation.span.end) {
                    seen(&Sighting::new(&violation, &self.text));
                }
            }
            self.seams.clear();
        }
        let keep = self.text.ceil_char_boundary(self.text.len().saturating_sub(SEAM_BYTES));
        self.text.drain(..keep);
    }
}

/// What was said at one place of a stream.
#[derive(Debug, Default)]
pub struct Said {
    row: Row,
    /// Length of what was said last, at the end of the row.
    last: usize,
    /// Whether nothing was found in what was said last.
    is_clean: bool,
}

impl Said {
    /// Whether this is what was said last, and found to be harmless: a name that every event repeats.
    pub fn is_again(&self, words: &str) -> bool {
        self.is_clean && self.last == words.len() && self.row.text.ends_with(words)
    }

    /// Takes what is said now, and tells what lies over the seam.
    pub fn take(&mut self, policy: &Policy, words: &str, findings: &mut Findings) {
        let mut seen = |sighting: &Sighting<'_>| note(policy, sighting, findings);
        self.row.add(policy, words, &mut seen);
        self.row.settle(policy, &mut seen);
        (self.last, self.is_clean) = (words.len(), false);
    }

    /// Nothing was found in the event.
    pub fn is_harmless(&mut self) {
        self.is_clean = self.last <= SEAM_BYTES;
    }
}

/// A match over a seam: what it does to the answer is the room's to say, but it cannot be replaced.
pub fn note(policy: &Policy, sighting: &Sighting<'_>, findings: &mut Findings) {
    findings.note(policy, sighting, || "answer".to_owned());
    if matches!(policy.effect(sighting.rule), Effect::Redact | Effect::Ask) {
        findings.note_fixed(sighting.rule, || "answer".to_owned());
    }
}

/// Reads the strings of a whole answer on from one to the next: the texts of each choice, the arguments of
/// its calls, what else it says, and all of that in order. What repeats the text token by token is read by
/// itself; gives whether it spells something that the room replaces.
pub fn together(policy: &Policy, leaves: &Leaves<'_>, findings: &mut Findings) -> bool {
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
                    let row = rows.entry((leaf.scope, lane)).or_default();
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
