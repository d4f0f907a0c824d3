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

mod recent;
mod report;
mod step;
mod thread;

use std::ops::Range;

use smallvec::SmallVec;

use crate::evasion::Evasion;
use crate::fold::{self, Class, Folded};
use crate::matcher::recent::Recent;
use crate::matcher::report::{confirm, report_padding};
use crate::matcher::step::{Step, Threads};
use crate::matcher::thread::{Gap, Hidden, Margin, Phase, Thread, remove_twins};
use crate::path::Path;
use crate::reading::{Before, Case, for_each_reading};
use crate::room::RoomRules;
use crate::terminal::{self, Terminal};
use crate::trie::Reach;

pub(crate) use report::Found;

/// Extra room for padding beyond four times the longest term: layouts have long runs of spaces.
const PADDING_SLACK: u64 = 4096;

/// The state of matching at one place of a text.
#[derive(Clone)]
pub(crate) struct Matcher {
    threads: Threads,
    /// The threads of the step before, kept for their memory.
    spare: Threads,
    position: u64,
    before: Before,
    after_space: bool,
    /// The class of the hidden letter right before, if one stands there: hidden letters are a text of
    /// their own, with words of its own.
    hidden: Option<Class>,
    /// What is known of the word before.
    path: Path,
    /// The last characters, where an escape sequence may end: the newest in the lowest byte.
    recent: Recent,
}

impl Matcher {
    /// A matcher that begins at byte `position`.
    pub(crate) fn new(position: u64, before: Before) -> Self {
        let mut matcher = Self {
            threads: Threads::new(),
            spare: Threads::new(),
            position,
            before,
            after_space: false,
            hidden: None,
            path: Path::default(),
            recent: Recent::default(),
        };
        matcher.restart(position, before);
        matcher
    }

    /// Forgets everything and begins again elsewhere.
    pub(crate) fn restart(&mut self, position: u64, before: Before) {
        self.threads.clear();
        (self.position, self.before) = (position, before);
        self.after_space = before.class == Some(Class::Space);
        (self.hidden, self.path, self.recent) = (None, Path::default(), Recent::default());
    }

    /// Begins in the middle of a text of which this is the part before, behind a hidden letter of this class
    /// and in this word.
    pub(crate) fn restart_within(&mut self, text: &str, before: Before, hidden: Option<Class>, path: Path) {
        self.restart(text.len() as u64, before);
        (self.hidden, self.path, self.recent) = (hidden, path, Recent::behind(text));
    }

    pub(crate) fn position(&self) -> u64 {
        self.position
    }

    pub(crate) fn is_idle(&self) -> bool {
        self.threads.is_empty()
    }

    /// Whether it has read a visible character since it began.
    pub(crate) fn has_read(&self) -> bool {
        self.before.class.is_some()
    }

    /// The start of the oldest thread that may still become a violation of a rule in `reach`.
    pub(crate) fn pending(&self, rules: &RoomRules, reach: Reach) -> Option<u64> {
        let trie = rules.trie();
        let holds = |thread: &&Thread| trie.reach(thread.node).meets(reach) && !thread.is_waiting();
        self.threads.iter().filter(holds).map(|thread| thread.start).min()
    }

    /// Reads one character. `starting` says whether terms may begin at it.
    pub(crate) fn read(&mut self, rules: &RoomRules, c: char, starting: bool, found: &mut Vec<Found>) {
        let at = self.position..self.position + c.len_utf8() as u64;
        self.read_from(rules, c, at, starting, found);
    }

    /// Reads one character that stands for the bytes `at` of the text.
    pub(crate) fn read_from(
        &mut self,
        rules: &RoomRules,
        c: char,
        at: Range<u64>,
        starting: bool,
        found: &mut Vec<Found>,
    ) {
        #[cfg(test)]
        crate::work::note(1 + self.threads.len());
        self.position = at.end;
        let mut apart = self.pass_sequences(rules, c, &at, starting, found);
        match fold::fold(c) {
            Folded::Dropped => {
                match hidden_letter(rules, c) {
                    Some(letter) => self.read_hidden(rules, letter, &at, starting, found),
                    None => self.hidden = None,
                }
                self.extend_over_dropped(&at);
            }
            Folded::One(_, Class::Space) => {
                if !self.after_space {
                    self.read_visible(rules, c, &[' '], &at, false, found);
                    self.after_space = true;
                } else {
                    self.confirm_ended(rules, found);
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
        if !apart.is_empty() {
            let first = self.threads.len();
            self.threads.append(&mut apart);
            remove_twins(&mut self.threads, first);
        }
        self.path.read(c);
        self.recent.read(c);
        self.drop_padded(rules, found);
    }

    /// Takes out the threads that stand in a control sequence of a terminal, and moves them on: none of it is
    /// part of a term. A word ends where one begins, and may begin where one ends.
    fn pass_sequences(
        &mut self,
        rules: &RoomRules,
        c: char,
        at: &Range<u64>,
        starting: bool,
        found: &mut Vec<Found>,
    ) -> Threads {
        let mut apart = Threads::new();
        let begun = Terminal::begin(c);
        if begun.is_none() && !self.threads.iter().any(|thread| matches!(thread.gap, Gap::Terminal(_))) {
            return apart;
        }
        let first = found.len();
        // BEL and ST end a command, and the word before them.
        let ends = matches!(c, '\u{7}' | '\u{9C}');
        self.threads.retain(|thread| match (thread.gap, begun) {
            (Gap::Terminal(sequence), _) => {
                match sequence.read(c) {
                    terminal::Step::More(more) => apart.push(Thread { gap: Gap::Terminal(more), ..*thread }),
                    terminal::Step::Done => apart.push(Thread { gap: Gap::None, ..*thread }),
                    terminal::Step::Not => {}
                }
                false
            }
            (_, begun) if (ends || begun.is_some()) && thread.phase != Phase::Walking => {
                confirm(rules, thread, first, found);
                false
            }
            (Gap::None, Some(begun)) => {
                apart.push(Thread { gap: Gap::Terminal(begun), ..*thread });
                true
            }
            _ => true,
        });
        if let Some(begun) = begun.filter(|_| starting) {
            apart.push(Thread { gap: Gap::Terminal(begun), ..Thread::root(at.start, Class::Space) });
        }
        remove_twins(&mut apart, 0);
        apart
    }

    /// Reads a letter that cannot be seen. Walks pass over it or read it, and then go on so: the hidden
    /// letters and the visible ones are two texts, and a term may also be written in both.
    fn read_hidden(
        &mut self,
        rules: &RoomRules,
        letter: char,
        at: &Range<u64>,
        starting: bool,
        found: &mut Vec<Found>,
    ) {
        let threads = std::mem::take(&mut self.threads);
        let step = Step {
            rules,
            at,
            before: Before { class: self.hidden, case: Case::None },
            case: Case::None,
            evasion: Some(Evasion::Symbols),
            hidden: true,
            starting,
            first: found.len(),
            original: letter,
            path: Path::Word,
        };
        let passing = threads.iter().filter(|thread| thread.hidden != Hidden::Read);
        self.threads.extend(passing.map(|thread| Thread { hidden: Hidden::Skipped, ..*thread }));
        let reading: Threads = threads
            .iter()
            .filter(|thread| thread.hidden != Hidden::Skipped)
            .map(|thread| Thread { hidden: Hidden::Read, ..*thread })
            .collect();
        step.run(&reading, &[letter], &mut self.threads, found);
        self.hidden = Some(fold::class(letter));
    }

    /// A space after a space is no step, but it ends a word of letters that are only symbols.
    fn confirm_ended(&mut self, rules: &RoomRules, found: &mut Vec<Found>) {
        let first = found.len();
        self.threads.retain(|thread| {
            let decided = thread.phase != Phase::Walking && !thread.needs_lower;
            if decided {
                confirm(rules, thread, first, found);
            }
            !decided
        });
    }

    /// Passes a character at which no term may begin, while no walk is alive.
    pub(crate) fn pass(&mut self, c: char) {
        debug_assert!(self.threads.is_empty(), "walks have to read every character");
        self.position += c.len_utf8() as u64;
        self.hidden = None;
        self.path.read(c);
        self.recent.read(c);
        match fold::fold(c) {
            Folded::Dropped => {}
            Folded::One(_, Class::Space) if self.after_space => {}
            Folded::One(_, class) => {
                self.before.note(class, Case::of(c, class));
                self.after_space = class == Class::Space;
            }
            _ => {
                let units = fold::units(c);
                let case = units.last().map_or(Case::None, |last| Case::of(c, fold::class(*last)));
                units.iter().for_each(|unit| self.before.note(fold::class(*unit), case));
                self.after_space = false;
            }
        }
    }

    /// The end of a text: everything complete is confirmed, everything else is forgotten.
    pub(crate) fn end(&mut self, rules: &RoomRules, found: &mut Vec<Found>) {
        let first = found.len();
        for thread in &self.threads {
            if thread.phase != Phase::Walking && !thread.needs_lower {
                confirm(rules, thread, first, found);
            }
        }
        self.threads.clear();
        self.restart(self.position, Before::START);
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
        let case = plain.last().map_or(Case::None, |last| Case::of(c, fold::class(*last)));
        // What an escape sequence stands for is what stands before: `\u0078` is no digit.
        let before = if starting && self.path.lets_escape() { self.recent.escaped() } else { None };
        let step = Step {
            rules,
            at,
            before: before.unwrap_or(self.before),
            case,
            evasion: None,
            hidden: false,
            starting,
            first: found.len(),
            original: c,
            path: self.path,
        };
        let mut threads = std::mem::take(&mut self.threads);
        std::mem::swap(&mut self.threads, &mut self.spare);
        self.threads.clear();
        step.run(&threads, plain, &mut self.threads, found);
        for_each_reading(c, |text, evasion| {
            if rules.evasions().contains(evasion) {
                Step { evasion: Some(evasion), ..step }.run(&threads, text, &mut self.threads, found);
            }
        });
        threads.clear();
        self.spare = threads;
        for unit in plain {
            self.before.note(fold::class(*unit), case);
        }
        (self.after_space, self.hidden) = (false, None);
    }

    fn begin_line(&mut self) {
        for thread in &mut self.threads {
            let in_margin = !matches!(thread.margin, Margin::None | Margin::LineStart);
            if thread.phase == Phase::Walking
                && thread.gap == Gap::None
                && thread.last == Class::Space
                && !thread.is_waiting()
                && !in_margin
            {
                thread.margin = Margin::LineStart;
            }
            if let Gap::Separators { space: true, newline, .. } = &mut thread.gap {
                *newline = true;
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
        if self.threads.is_empty() {
            return;
        }
        let cap = 4 * rules.trie().longest_bytes() as u64 + PADDING_SLACK;
        let position = self.position;
        let first = found.len();
        self.threads.retain(|thread| {
            if thread.is_waiting() || position - thread.start <= cap {
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

/// The letter that a character which cannot be seen stands for, where a room looks for such.
fn hidden_letter(rules: &RoomRules, c: char) -> Option<char> {
    let letter = fold::hidden(c)?;
    rules.evasions().contains(Evasion::Symbols).then_some(letter)
}
