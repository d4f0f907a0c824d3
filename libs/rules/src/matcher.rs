//! Walks folded text through the tree of terms, one original character at a time.
//!
//! A [`Thread`] is one way in which the text read so far may be the beginning of a term. Each
//! character moves every thread on, forks it where the character can be read in more than one
//! way, or ends it; at a place where a word may begin, a new thread starts. What is held back in
//! a stream is exactly what lies after the start of the oldest thread. Nothing is remembered of
//! the text itself, so a matcher is a few dozen bytes and cheap to clone.
//!
//! Whole texts are scanned with the same code from every place that can begin a term
//! ([`crate::seek`]), so a stream and a whole text cannot disagree.

use std::ops::Range;

use smallvec::SmallVec;

use crate::evasion::{Evasion, Evasions};
use crate::fold::{self, Class, Folded};
use crate::ruleset::RoomRules;
use crate::trie::{Node, Reach, Trie};

/// A confirmed violation: rule, bytes, disguise.
pub(crate) type Found = (usize, Range<u64>, Option<Evasion>);

/// Extra room for padding beyond four times the longest term: layouts have long runs of spaces.
const PADDING_SLACK: u64 = 4096;

/// Where a thread stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    /// Inside a term.
    Walking,
    /// A term is complete; the next visible character decides whether the word ends here.
    Ended,
    /// A plural `s` followed; the next visible character decides.
    Tail,
}

/// One way in which the text may be the beginning of a term.
#[derive(Clone, Copy, Debug)]
struct Thread {
    start: u64,
    end: u64,
    node: Node,
    phase: Phase,
    evasions: Evasions,
    /// The class of the last character of the term so far, marks apart.
    last: Class,
    margin: Margin,
}

/// Quote and list marks at the beginning of a line count as part of the white space before them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Margin {
    /// Not at the beginning of a line.
    None,
    /// A line break was read, and only white space and complete marks since.
    LineStart,
    /// So many marks were read; white space must follow for them to count as skipped.
    Marks(u8),
}

/// The most marks in one place: `>>>` and the like.
const MARKS_MAX: u8 = 8;

fn is_margin_mark(c: char) -> bool {
    matches!(c, '>' | '|' | '#' | '*' | '-' | '+' | '/' | '%' | ';' | '•' | '‣' | '◦' | '│' | '┃')
}

/// The state of matching at one place of a text.
#[derive(Clone)]
pub(crate) struct Matcher {
    threads: SmallVec<[Thread; 2]>,
    position: u64,
    /// Class of the last visible character; `None` at the beginning of a text.
    previous: Option<Class>,
    after_space: bool,
}

/// A place that a matcher can be started from in the middle of a text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Before {
    /// Class of the visible character before it.
    pub(crate) class: Option<Class>,
}

impl Before {
    /// The beginning of a text.
    pub(crate) const START: Self = Self { class: None };
}

impl Matcher {
    /// A matcher that begins at byte `position`.
    pub(crate) fn new(position: u64, before: Before) -> Self {
        Self {
            threads: SmallVec::new(),
            position,
            previous: before.class,
            after_space: before.class == Some(Class::Space),
        }
    }

    pub(crate) fn position(&self) -> u64 {
        self.position
    }

    pub(crate) fn is_idle(&self) -> bool {
        self.threads.is_empty()
    }

    /// The start of the oldest thread that may still become a violation of a rule in `reach`.
    pub(crate) fn pending(&self, rules: &RoomRules, reach: Reach) -> Option<u64> {
        let trie = rules.trie();
        self.threads
            .iter()
            .filter(|thread| trie.reach(thread.node).meets(reach))
            .map(|thread| thread.start)
            .min()
    }

    /// Reads one character. `starting` says whether terms may begin at it.
    pub(crate) fn read(&mut self, rules: &RoomRules, c: char, starting: bool, found: &mut Vec<Found>) {
        let at = self.position..self.position + c.len_utf8() as u64;
        self.position = at.end;
        match fold::fold(c) {
            Folded::Dropped if fold::readings(c).next().is_none() => self.extend_over_dropped(&at),
            Folded::Dropped => self.read_visible(rules, c, &[], &at, starting, found),
            Folded::One(' ', Class::Space) => {
                if !self.after_space {
                    self.read_visible(rules, c, &[' '], &at, false, found);
                    self.after_space = true;
                }
                if matches!(c, '\n' | '\r' | '\u{2028}' | '\u{2029}') {
                    self.begin_line();
                }
            }
            Folded::One(one, _) => self.read_visible(rules, c, &[one], &at, starting, found),
            Folded::Many(many) => self.read_visible(rules, c, many, &at, starting, found),
            Folded::Syllable(lead, vowel, tail) => {
                let parts: SmallVec<[char; 3]> = [lead, vowel].into_iter().chain(tail).collect();
                self.read_visible(rules, c, &parts, &at, starting, found);
            }
        }
        self.drop_padded(rules, found);
    }

    /// The end of a text: everything complete is confirmed, everything else is forgotten.
    pub(crate) fn end(&mut self, rules: &RoomRules, found: &mut Vec<Found>) {
        let first = found.len();
        for thread in std::mem::take(&mut self.threads) {
            if thread.phase != Phase::Walking {
                confirm(rules, &thread, first, found);
            }
        }
        self.previous = None;
        self.after_space = false;
    }

    /// Reads a character in its plain form and in every other reading.
    fn read_visible(
        &mut self,
        rules: &RoomRules,
        c: char,
        plain: &[char],
        at: &Range<u64>,
        starting: bool,
        found: &mut Vec<Found>,
    ) {
        let first = found.len();
        let before = std::mem::take(&mut self.threads);
        let was_dropped = plain.is_empty();
        let mut after: SmallVec<[Thread; 2]> = SmallVec::new();
        let step = Step { rules, at, previous: self.previous, starting, first };
        let mut readings: SmallVec<[(SmallVec<[char; 2]>, Evasion); 2]> = SmallVec::new();
        for (text, symbol) in fold::readings(c) {
            let evasion = if symbol { Evasion::Symbols } else { Evasion::Confusables };
            readings.push((text.chars().collect(), evasion));
        }
        if was_dropped {
            // Invisible unless it is read as a symbol: what is pending stays as it is.
            after.extend_from_slice(&before);
        } else {
            step.run(&before, plain, None, &mut after, found);
        }
        for (text, evasion) in &readings {
            step.run(&before, text, Some(*evasion), &mut after, found);
        }
        self.threads = after;
        if was_dropped {
            self.extend_over_dropped(at);
        } else {
            self.remember(plain);
        }
    }

    /// Keeps the class of the last visible character; marks belong to the letter before them.
    fn remember(&mut self, plain: &[char]) {
        for c in plain {
            match fold::class(*c) {
                Class::Extend if self.previous.is_some() => {}
                class => self.previous = Some(class),
            }
        }
        self.after_space = false;
    }

    fn begin_line(&mut self) {
        for thread in &mut self.threads {
            if thread.phase == Phase::Walking && thread.last == Class::Space {
                thread.margin = Margin::LineStart;
            }
        }
    }

    /// An invisible character belongs to the visible one before it.
    fn extend_over_dropped(&mut self, at: &Range<u64>) {
        for thread in &mut self.threads {
            if thread.end == at.start {
                thread.end = at.end;
            }
        }
    }

    /// A term's beginning followed by more padding than may be held back is a violation itself.
    fn drop_padded(&mut self, rules: &RoomRules, found: &mut Vec<Found>) {
        let cap = 4 * rules.trie().longest_bytes() as u64 + PADDING_SLACK;
        let position = self.position;
        let first = found.len();
        self.threads.retain(|thread| {
            if position - thread.start <= cap {
                return true;
            }
            if thread.phase == Phase::Walking {
                report_padding(rules, thread, position, first, found);
            } else {
                confirm(rules, thread, first, found);
            }
            false
        });
    }
}

/// Everything that stays the same while one character is read.
struct Step<'a> {
    rules: &'a RoomRules,
    at: &'a Range<u64>,
    previous: Option<Class>,
    starting: bool,
    /// Violations from here on were found at this character.
    first: usize,
}

impl Step<'_> {
    /// Moves all threads over one reading of the character.
    fn run(
        &self,
        before: &[Thread],
        text: &[char],
        evasion: Option<Evasion>,
        after: &mut SmallVec<[Thread; 2]>,
        found: &mut Vec<Found>,
    ) {
        let mut threads: SmallVec<[Thread; 4]> = SmallVec::from_slice(before);
        let mut previous = self.previous;
        for c in text {
            let class = fold::class(*c);
            let mut next: SmallVec<[Thread; 4]> = SmallVec::new();
            for thread in &threads {
                self.advance(thread, *c, class, evasion, &mut next, found);
            }
            if self.starting && begins_word(previous, class) {
                let root = Thread {
                    start: self.at.start,
                    end: self.at.start,
                    node: Trie::ROOT,
                    phase: Phase::Walking,
                    evasions: Evasions::NONE,
                    last: class,
                    margin: Margin::None,
                };
                self.advance(&root, *c, class, evasion, &mut next, found);
            }
            if class != Class::Extend || previous.is_none() {
                previous = Some(class);
            }
            threads = next;
        }
        for thread in threads {
            keep(thread, after);
        }
    }

    /// Moves one thread over one folded character.
    fn advance(
        &self,
        thread: &Thread,
        c: char,
        class: Class,
        evasion: Option<Evasion>,
        next: &mut SmallVec<[Thread; 4]>,
        found: &mut Vec<Found>,
    ) {
        match thread.phase {
            Phase::Walking => {
                if evasion.is_none() {
                    pass_margin(thread, c, next);
                }
                self.walk(thread, c, class, evasion, next);
            }
            // Whether the word ends is decided by what is there, not by what it looks like.
            Phase::Ended | Phase::Tail if evasion.is_some() && ends_word(thread.last, class) => {}
            Phase::Ended if ends_word(thread.last, class) => confirm(self.rules, thread, self.first, found),
            Phase::Ended if c == 's' && thread.last == Class::Letter => {
                next.push(Thread { phase: Phase::Tail, end: self.at.end, ..*thread });
            }
            Phase::Tail if ends_word(Class::Letter, class) => confirm(self.rules, thread, self.first, found),
            Phase::Ended | Phase::Tail => {}
        }
    }

    fn walk(
        &self,
        thread: &Thread,
        c: char,
        class: Class,
        evasion: Option<Evasion>,
        next: &mut SmallVec<[Thread; 4]>,
    ) {
        if matches!(thread.margin, Margin::Marks(_)) {
            return;
        }
        let trie = self.rules.trie();
        let Some(node) = trie.child(thread.node, c) else { return };
        if !trie.reach(node).meets(self.rules.reach()) {
            return;
        }
        let evasions = evasion.map_or(thread.evasions, |evasion| thread.evasions.with(evasion));
        let last = if class == Class::Extend { thread.last } else { class };
        let moved = Thread { node, evasions, last, end: self.at.end, margin: Margin::None, ..*thread };
        if !trie.is_leaf(node) {
            next.push(moved);
        }
        if trie.accept(node).is_some() {
            next.push(Thread { phase: Phase::Ended, ..moved });
        }
    }
}

/// At the beginning of a line, lets a thread wait while quote and list marks pass.
fn pass_margin(thread: &Thread, c: char, next: &mut SmallVec<[Thread; 4]>) {
    let margin = match (thread.margin, c) {
        (Margin::Marks(_), ' ') => Margin::LineStart,
        (Margin::LineStart, c) if is_margin_mark(c) => Margin::Marks(1),
        (Margin::Marks(marks), c) if marks < MARKS_MAX && is_margin_mark(c) => Margin::Marks(marks + 1),
        _ => return,
    };
    next.push(Thread { margin, ..*thread });
}

/// Adds a thread unless one that is at least as plain stands at the same place.
fn keep(thread: Thread, threads: &mut SmallVec<[Thread; 2]>) {
    let same = |other: &&mut Thread| {
        (other.start, other.node, other.phase, other.margin)
            == (thread.start, thread.node, thread.phase, thread.margin)
    };
    for other in threads.iter_mut().filter(same) {
        if thread.evasions.contains_all(other.evasions) {
            return;
        }
        if other.evasions.contains_all(thread.evasions) {
            *other = thread;
            return;
        }
    }
    threads.push(thread);
}

/// Reports a complete term for every rule of the room that it stands for.
fn confirm(rules: &RoomRules, thread: &Thread, first: usize, found: &mut Vec<Found>) {
    let Some(accept) = rules.trie().accept(thread.node) else { return };
    for used in accept.uses.iter().filter(|used| used.room as usize == rules.index()) {
        let rule = used.rule as usize;
        let spec = rules.rule(rule);
        let evasions: Evasions = thread.evasions.iter().chain(used.spelling.iter()).collect();
        let long_enough = evasions.iter().all(|evasion| accept.letters >= evasion.min_term_letters());
        if (spec.exact && thread.phase == Phase::Tail)
            || !long_enough
            || !spec.evasions.contains_all(evasions)
        {
            continue;
        }
        report(rule, thread.start..thread.end, evasions.iter().next(), first, found);
    }
}

/// Reports the nearest term that the padding was hiding.
fn report_padding(rules: &RoomRules, thread: &Thread, position: u64, first: usize, found: &mut Vec<Found>) {
    let hidden = rules
        .trie()
        .below(thread.node)
        .flat_map(|accept| &accept.uses)
        .filter(|used| used.room as usize == rules.index())
        .map(|used| used.rule as usize)
        .find(|rule| rules.rule(*rule).evasions.contains(Evasion::Padding));
    if let Some(rule) = hidden {
        report(rule, thread.start..position, Some(Evasion::Padding), first, found);
    }
}

/// Adds a violation, once per rule and place; the plainest disguise is the one named.
fn report(rule: usize, span: Range<u64>, evasion: Option<Evasion>, first: usize, found: &mut Vec<Found>) {
    let known = found[first..].iter_mut().find(|known| known.0 == rule && known.1 == span);
    match known {
        Some(known) => known.2 = known.2.min(evasion),
        None => found.push((rule, span, evasion)),
    }
}

/// Whether a term whose first character is of `class` may begin after `previous`.
pub(crate) fn begins_word(previous: Option<Class>, class: Class) -> bool {
    match (previous, class) {
        (_, Class::Extend | Class::Dropped | Class::Space) => false,
        (_, Class::Other | Class::Unspaced) | (None, _) => true,
        (Some(previous), class) => previous != class,
    }
}

/// Whether a term whose last character is of class `last` may end before `next`.
fn ends_word(last: Class, next: Class) -> bool {
    match (last, next) {
        (_, Class::Extend) => false,
        (Class::Other | Class::Unspaced, _) => true,
        (last, next) => last != next,
    }
}
