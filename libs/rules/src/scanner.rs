//! Scans one channel of text that arrives in pieces.

use std::ops::Range;

use crate::evasion::Evasion;
use crate::matcher::{Before, Found, Matcher};
use crate::rule::RuleSpec;
use crate::ruleset::RoomRules;
use crate::trie::Reach;

/// A violation found in a stream.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StreamViolation {
    /// Index into the room's rules.
    pub rule: usize,
    /// Bytes of all text pushed.
    pub span: Range<u64>,
    /// How it was disguised, if it was.
    pub evasion: Option<Evasion>,
}

/// Scans one channel of text that arrives in pieces.
///
/// It keeps the state of matching, never the text: a few dozen bytes. A clone continues on its
/// own from where the original stood.
#[derive(Clone)]
pub struct Scanner {
    rules: RoomRules,
    matcher: Matcher,
    /// The rooms and actions whose rules hold text back; empty in a scanner that only reports.
    holding: Reach,
    /// The start of the first violation that holds text back.
    cut: Option<u64>,
}

impl Scanner {
    pub(crate) fn new(rules: RoomRules, blocking: impl Fn(&RuleSpec) -> bool) -> Self {
        let holding = rules.reach_of(blocking);
        Self { rules, matcher: Matcher::new(0, Before::START), holding, cut: None }
    }

    /// Scans the next piece; appends what is now certain to be a violation.
    pub fn push(&mut self, text: &str, found: &mut Vec<StreamViolation>) {
        let mut fresh: Vec<Found> = Vec::new();
        for c in text.chars() {
            self.matcher.read(&self.rules, c, true, &mut fresh);
        }
        self.report(fresh, found);
    }

    /// End of a string inside the channel: a word boundary on both sides, nothing matches across.
    pub fn boundary(&mut self, found: &mut Vec<StreamViolation>) {
        let mut fresh: Vec<Found> = Vec::new();
        self.matcher.end(&self.rules, &mut fresh);
        self.report(fresh, found);
    }

    /// End of the channel.
    pub fn finish(&mut self, found: &mut Vec<StreamViolation>) {
        self.boundary(found);
    }

    /// Bytes pushed so far.
    pub fn pushed(&self) -> u64 {
        self.matcher.position()
    }

    /// How many leading bytes of all text pushed can no longer be part of a violation of a rule
    /// that holds text back. It never decreases, and never passes the start of such a violation,
    /// whether already reported or not.
    pub fn safe(&self) -> u64 {
        let pending = self.matcher.pending(&self.rules, self.holding);
        [self.cut, pending].into_iter().flatten().fold(self.pushed(), u64::min)
    }

    fn report(&mut self, fresh: Vec<Found>, found: &mut Vec<StreamViolation>) {
        for (rule, span, evasion) in fresh {
            if self.holding.meets(self.rules.reach_of_rule(rule)) {
                self.cut = Some(self.cut.map_or(span.start, |cut| cut.min(span.start)));
            }
            found.push(StreamViolation { rule, span, evasion });
        }
    }
}
