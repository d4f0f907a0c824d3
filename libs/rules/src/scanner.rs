//! Scans one channel of text that arrives in pieces.

use std::ops::Range;

use smallvec::SmallVec;

use crate::encoded::{Decoder, Encoding};
use crate::evasion::Evasion;
use crate::matcher::{Before, Found, Matcher};
use crate::pattern::runs::{CONTEXT_BYTES, Runs};
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
/// It keeps the state of matching: a few dozen bytes, and with patterns or packs a little text, as
/// much as their checks may look at. A clone continues on its own from where the original stood.
#[derive(Clone)]
pub struct Scanner {
    rules: RoomRules,
    matcher: Matcher,
    /// The rooms and actions whose rules hold text back; empty in a scanner that only reports.
    holding: Reach,
    /// The start of the first violation that holds text back.
    cut: Option<u64>,
    /// For the encodings that a rule looks for.
    decoders: SmallVec<[Decoder; 2]>,
    runs: Runs,
    /// The text that checks of patterns may still look at, and its place.
    tail: String,
    tail_base: u64,
}

/// The tail is shortened when so many bytes of it are no longer needed.
const TAIL_SLACK_BYTES: u64 = 1024;

impl Scanner {
    pub(crate) fn new(rules: RoomRules, blocking: impl Fn(&RuleSpec) -> bool) -> Self {
        let holding = rules.reach_of(blocking);
        let encodings = Encoding::ALL.into_iter().filter(|encoding| rules.decodes(*encoding));
        let decoders = encodings.map(Decoder::new).collect();
        Self {
            rules,
            matcher: Matcher::new(0, Before::START),
            holding,
            cut: None,
            decoders,
            runs: Runs::default(),
            tail: String::new(),
            tail_base: 0,
        }
    }

    /// Scans the next piece; appends what is now certain to be a violation.
    pub fn push(&mut self, text: &str, found: &mut Vec<StreamViolation>) {
        let from = self.pushed();
        let mut fresh: Vec<Found> = Vec::new();
        for c in text.chars() {
            for decoder in &mut self.decoders {
                decoder.read(&self.rules, c, self.matcher.position(), &mut fresh);
            }
            self.matcher.read(&self.rules, c, true, &mut fresh);
        }
        if !self.rules.watches().is_empty() {
            self.tail.push_str(text);
            let mut matched = Vec::new();
            self.runs.read(self.rules.watches(), &self.tail, self.tail_base, from, &mut matched);
            fresh.extend(matched.into_iter().map(|(rule, span)| (rule, span, None)));
            self.shorten_tail();
        }
        self.report(fresh, found);
    }

    /// End of a string inside the channel: a word boundary on both sides, nothing matches across.
    pub fn boundary(&mut self, found: &mut Vec<StreamViolation>) {
        let mut fresh: Vec<Found> = Vec::new();
        self.matcher.end(&self.rules, &mut fresh);
        for decoder in &mut self.decoders {
            decoder.end(&self.rules, &mut fresh);
        }
        if !self.rules.watches().is_empty() {
            let mut matched = Vec::new();
            self.runs.end(self.rules.watches(), &self.tail, self.tail_base, &mut matched);
            fresh.extend(matched.into_iter().map(|(rule, span)| (rule, span, None)));
            self.tail.clear();
            self.tail_base = self.pushed();
        }
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
        let holds = |rule| self.holding.meets(self.rules.reach_of_rule(rule));
        let running = self.runs.pending(self.rules.watches(), holds);
        let encoded = self.decoders.iter().map(|decoder| decoder.pending(&self.rules, self.holding));
        [self.cut, pending, running].into_iter().chain(encoded).flatten().fold(self.pushed(), u64::min)
    }

    /// Goes on after the violations that were reported: whoever reads on has dealt with them, by
    /// replacing their text or by deciding that it may pass. Until then [`Scanner::safe`] stays at the
    /// start of the first one. What overlaps them and is not decided yet is held back all the same.
    pub fn go_on(&mut self) {
        self.cut = None;
    }

    fn shorten_tail(&mut self) {
        let needed = self.runs.oldest().unwrap_or(self.pushed()).saturating_sub(CONTEXT_BYTES as u64);
        if needed > self.tail_base + TAIL_SLACK_BYTES {
            let mut cut = (needed - self.tail_base) as usize;
            while !self.tail.is_char_boundary(cut) {
                cut -= 1;
            }
            self.tail.drain(..cut);
            self.tail_base += cut as u64;
        }
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
