//! Walks of a whole text through the tree of terms.

use crate::matcher::{Found, Matcher};
use crate::path::Path;
use crate::reading::Before;
use crate::room::RoomRules;
use crate::seek::{Trail, hidden_before};

/// The walks of a whole text, from the places at which a term may begin. They read each character once:
/// where a walk is alive, the next one begins beside it.
pub(crate) struct Walks<'a> {
    rules: &'a RoomRules,
    text: &'a str,
    matcher: Matcher,
    trail: Trail,
    has_backslash: bool,
}

impl<'a> Walks<'a> {
    pub(crate) fn new(rules: &'a RoomRules, text: &'a str) -> Self {
        let has_backslash = memchr::memchr(b'\\', text.as_bytes()).is_some();
        let matcher = Matcher::new(0, Before::START);
        Self { rules, text, matcher, trail: Trail::default(), has_backslash }
    }

    /// Lets a term begin at a place. Places come in order.
    pub(crate) fn begin(&mut self, at: usize, found: &mut Vec<Found>) {
        self.go_on(at, found);
        if self.matcher.is_idle() {
            let path = if self.has_backslash { self.trail.path(self.text, at) } else { Path::default() };
            let before = self.trail.before(self.text, at);
            let hidden = hidden_before(self.text, at);
            self.matcher.restart_within(&self.text[..at], before, hidden, path);
        }
        if let Some(c) = self.text[at..].chars().next() {
            self.matcher.read(self.rules, c, true, found);
        }
    }

    /// Reads up to a place, as far as a walk is alive.
    fn go_on(&mut self, to: usize, found: &mut Vec<Found>) {
        if self.matcher.is_idle() {
            return;
        }
        let from = self.matcher.position() as usize;
        for c in self.text[from..to].chars() {
            self.matcher.read(self.rules, c, false, found);
            if self.matcher.is_idle() {
                return;
            }
        }
    }

    /// Whether a term may go on behind the end of the text.
    pub(crate) fn is_alive_at_end(&mut self, found: &mut Vec<Found>) -> bool {
        self.go_on(self.text.len(), found);
        !self.matcher.is_idle()
    }

    pub(crate) fn end(&mut self, found: &mut Vec<Found>) {
        self.go_on(self.text.len(), found);
        self.matcher.end(self.rules, found);
    }
}
