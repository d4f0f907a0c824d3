//! Scans one channel of text that arrives in pieces.

use std::collections::VecDeque;
use std::ops::Range;
use std::sync::Arc;

use crate::encoded::{self, Codes, Decoder, Finds};
use crate::evasion::Evasion;
use crate::lens::{self, Lens};
use crate::matcher::Matcher;
use crate::path::Path;
use crate::pattern::runs::Mark;
use crate::pattern::watcher::Watcher;
use crate::reading::Before;
use crate::room::RoomRules;
use crate::rule::RuleSpec;
use crate::trie::Reach;

/// How many reports are remembered, so that what two ways of reading find is reported once.
const RECENT_MAX: usize = 64;

/// A violation found in a stream.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StreamViolation {
    /// Index into the room's rules.
    pub rule: usize,
    /// Bytes of all text pushed.
    pub span: Range<u64>,
    /// How it was disguised, if it was.
    pub evasion: Option<Evasion>,
    /// The pack and type that found it, such as `secrets/aws-key`; absent for terms and patterns.
    pub detector: Option<Arc<str>>,
    /// Whether nothing of it stands beyond its bytes, as for [`crate::Violation`].
    pub is_whole: bool,
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
    decoders: Vec<Decoder>,
    /// For lists of numbers, where a rule looks for them.
    codes: Option<Codes>,
    /// The patterns on the text as it is.
    watcher: Watcher,
    /// The patterns on the text without disguise, where it is disguised.
    lens: Option<Box<Lens>>,
    /// What the patterns' text has before its next character: the word, and the last character.
    path: Path,
    last: Option<char>,
    recent: VecDeque<(usize, Option<usize>, Range<u64>)>,
}

impl Scanner {
    pub(crate) fn new(rules: RoomRules, blocking: impl Fn(&RuleSpec) -> bool) -> Self {
        let holding = rules.reach_of(blocking);
        let decoders = encoded::decoders(&rules);
        let codes = Codes::new(&rules);
        Self {
            rules,
            matcher: Matcher::new(0, Before::START),
            holding,
            cut: None,
            decoders,
            codes,
            watcher: Watcher::default(),
            lens: None,
            path: Path::default(),
            last: None,
            recent: VecDeque::new(),
        }
    }

    /// Scans the next piece; appends what is now certain to be a violation.
    pub fn push(&mut self, text: &str, found: &mut Vec<StreamViolation>) {
        let from = self.pushed();
        let mut fresh = Finds::default();
        for c in text.chars() {
            for decoder in &mut self.decoders {
                decoder.read(&self.rules, c, self.matcher.position(), &mut fresh);
            }
            if let Some(codes) = &mut self.codes {
                codes.read(&self.rules, c, self.matcher.position(), &mut fresh);
            }
            self.matcher.read(&self.rules, c, true, &mut fresh.terms);
        }
        for decoder in &mut self.decoders {
            decoder.settle(&self.rules, &mut fresh);
        }
        if !self.rules.watches().is_empty() {
            self.watch(text, from, &mut fresh);
        }
        self.report(fresh, found);
    }

    /// Lets the patterns read a piece, as it is and without disguise.
    fn watch(&mut self, text: &str, from: u64, fresh: &mut Finds) {
        let watches = self.rules.watches();
        let mut matched = Vec::new();
        let mut read = 0;
        let mut chars = text.char_indices().peekable();
        while let Some((at, c)) = chars.next() {
            let position = from + at as u64;
            if self.lens.as_ref().is_some_and(|lens| lens.is_over(position)) {
                self.lens = None;
            }
            if self.lens.is_none() && lens::is_suspicious(c, chars.peek().map(|(_, next)| *next)) {
                self.watcher.read(watches, &text[read..at], &mut matched);
                read = at;
                let lens = Lens::new(self.watcher.fork(), position, self.path, self.last);
                self.lens = Some(Box::new(lens));
            }
            self.path.read(c);
            self.last = Some(c);
            if let Some(lens) = &mut self.lens {
                lens.read(watches, c, position, &mut fresh.matches);
            }
        }
        self.watcher.read(watches, &text[read..], &mut matched);
        if let Some(lens) = &mut self.lens {
            lens.settle(watches, &mut fresh.matches);
        }
        fresh.matches.splice(0..0, matched.into_iter().map(|(watch, span)| (watch, span, None)));
    }

    /// End of a string inside the channel: a word boundary on both sides, nothing matches across.
    pub fn boundary(&mut self, found: &mut Vec<StreamViolation>) {
        let mut fresh = Finds::default();
        self.matcher.end(&self.rules, &mut fresh.terms);
        for decoder in &mut self.decoders {
            decoder.end(&self.rules, &mut fresh);
        }
        if let Some(codes) = &mut self.codes {
            codes.end(&self.rules, &mut fresh);
        }
        let mut matched = Vec::new();
        self.watcher.end(self.rules.watches(), self.matcher.position(), &mut matched);
        fresh.matches.extend(matched.into_iter().map(|(watch, span)| (watch, span, None)));
        if let Some(mut lens) = self.lens.take() {
            lens.end(self.rules.watches(), &mut fresh.matches);
        }
        (self.path, self.last) = (Path::default(), None);
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
        let running = self.watcher.pending(self.rules.watches(), holds);
        let shown = self.lens.as_ref().and_then(|lens| lens.pending(self.rules.watches(), holds));
        let encoded = self.decoders.iter().map(|decoder| decoder.pending(&self.rules, self.holding));
        let listed = self.codes.as_ref().and_then(|codes| codes.pending(&self.rules, self.holding));
        [self.cut, pending, running, shown, listed]
            .into_iter()
            .chain(encoded)
            .flatten()
            .fold(self.pushed(), u64::min)
    }

    /// From which byte on the text may still be part of a violation that is yet to be reported, of
    /// whatever rule: whoever wants the text of violations keeps it from here on. On ordinary text
    /// that is nearly nothing; what an endless disguise may need is the reader's to bound.
    pub fn needed(&self) -> u64 {
        let every = self.rules.reach_of(|_| true);
        let pending = self.matcher.pending(&self.rules, every);
        let running = self.watcher.pending(self.rules.watches(), |_| true);
        let shown = self.lens.as_ref().and_then(|lens| lens.pending(self.rules.watches(), |_| true));
        let encoded = self.decoders.iter().map(|decoder| decoder.pending(&self.rules, every));
        let listed = self.codes.as_ref().and_then(|codes| codes.pending(&self.rules, every));
        [pending, running, shown, listed].into_iter().chain(encoded).flatten().fold(self.pushed(), u64::min)
    }

    /// Goes on after the violations that were reported: whoever reads on has dealt with them, by
    /// replacing their text or by deciding that it may pass. Until then [`Scanner::safe`] stays at the
    /// start of the first one. What overlaps them and is not decided yet is held back all the same.
    pub fn go_on(&mut self) {
        self.cut = None;
    }

    fn report(&mut self, fresh: Finds, found: &mut Vec<StreamViolation>) {
        let terms = fresh.terms.into_iter().map(|(rule, span, evasion)| (rule, None, span, evasion));
        let watches = self.rules.watches();
        let matches = fresh.matches.into_iter().filter_map(|(watch, span, evasion)| {
            let rule = watches.get(watch).rule;
            let counts = watches.mark(watch) != Mark::Example && self.rules.looks_through(rule, evasion);
            counts.then_some((rule, Some(watch), span, evasion))
        });
        let fresh: Vec<_> = terms.chain(matches).collect();
        for (rule, watch, span, evasion) in fresh {
            let key = (rule, watch, span.clone());
            if self.recent.contains(&key) {
                continue;
            }
            if self.recent.len() == RECENT_MAX {
                self.recent.pop_front();
            }
            self.recent.push_back(key);
            if self.holding.meets(self.rules.reach_of_rule(rule)) {
                self.cut = Some(self.cut.map_or(span.start, |cut| cut.min(span.start)));
            }
            let detector = watch.and_then(|watch| self.rules.watches().get(watch).detector.clone());
            let is_whole = watch.is_none_or(|watch| self.rules.watches().mark(watch) != Mark::Open);
            found.push(StreamViolation { rule, span, evasion, detector, is_whole });
        }
    }
}
