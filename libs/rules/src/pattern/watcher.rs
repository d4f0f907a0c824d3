//! Runs the expressions of a room over text of which only the part that still matters is kept.

use std::ops::Range;

use crate::pattern::runs::{CONTEXT_BYTES, Runs, Watches};

/// The tail is shortened when so many bytes of it are no longer needed.
const TAIL_SLACK_BYTES: u64 = 1024;

/// The number of an expression, and the bytes of a match.
pub(crate) type Match = (usize, Range<u64>);

/// The state of all expressions at one place of a text.
#[derive(Clone, Default)]
pub(crate) struct Watcher {
    runs: Runs,
    /// The text that checks may still look at, and its place.
    tail: String,
    base: u64,
}

impl Watcher {
    /// Goes on from where `runs` stand, at the end of `text`, of which `base` is the place.
    pub(crate) fn going_on(runs: Runs, text: &str, base: u64) -> Self {
        let mut watcher = Self { runs, tail: String::new(), base };
        let needed = watcher.needed(base + text.len() as u64);
        let mut cut = needed.saturating_sub(base) as usize;
        while !text.is_char_boundary(cut) {
            cut -= 1;
        }
        watcher.tail.push_str(&text[cut..]);
        watcher.base += cut as u64;
        watcher
    }

    /// Forgets everything and begins again at a place.
    pub(crate) fn restart(&mut self, position: u64) {
        self.runs.restart();
        self.tail.clear();
        self.base = position;
    }

    /// The place of the next byte.
    pub(crate) fn position(&self) -> u64 {
        self.base + self.tail.len() as u64
    }

    /// Reads the next piece.
    pub(crate) fn read(&mut self, watches: &Watches, text: &str, found: &mut Vec<Match>) {
        if watches.is_empty() {
            self.base += text.len() as u64;
            return;
        }
        let from = self.position();
        self.tail.push_str(text);
        self.runs.read(watches, &self.tail, self.base, from, found);
        let needed = self.needed(self.position());
        if needed > self.base + TAIL_SLACK_BYTES {
            let mut cut = (needed - self.base) as usize;
            while !self.tail.is_char_boundary(cut) {
                cut -= 1;
            }
            self.tail.drain(..cut);
            self.base += cut as u64;
        }
    }

    /// The end of a text; the next one begins at `next`.
    pub(crate) fn end(&mut self, watches: &Watches, next: u64, found: &mut Vec<Match>) {
        if !watches.is_empty() {
            self.runs.end(watches, &self.tail, self.base, found);
        }
        self.tail.clear();
        self.base = next;
    }

    /// The start of the oldest match in progress of a rule that `holds`.
    pub(crate) fn pending(&self, watches: &Watches, holds: impl Fn(usize) -> bool) -> Option<u64> {
        self.runs.pending(watches, holds)
    }

    /// The first byte that a check may still look at.
    pub(crate) fn needed(&self, position: u64) -> u64 {
        self.runs.oldest().unwrap_or(position).saturating_sub(CONTEXT_BYTES as u64)
    }

    /// A copy that goes on as this one would.
    pub(crate) fn fork(&self) -> Self {
        Self::going_on(self.runs.clone(), &self.tail, self.base)
    }
}
