//! How one character moves threads on.

use std::ops::Range;

use crate::escape::{Escape, Progress};
use crate::evasion::Evasion;
use crate::fold::{self, Class};
use crate::matcher::report::{Found, confirm};
use crate::matcher::thread::{Gap, Hidden, Margin, Phase, Thread, remove_twins};
use crate::path::Path;
use crate::reading::{Before, Case, begins_word, ends_word};
use crate::room::RoomRules;
use crate::terminal::Terminal;
use crate::trie::{Node, Trie};

pub(super) type Threads = Vec<Thread>;

/// The most quote marks, Markdown marks and separators in one place.
const MARKS_MAX: u8 = 8;
const SEPARATORS_MAX: u8 = 3;
/// The longest HTML tag that is skipped inside a term, in characters.
const TAG_MAX: u8 = 64;
/// The longest line number that stands before a line, in digits.
const LINE_DIGITS_MAX: u8 = 7;
/// The longest name of a file or a service that stands before a line, in characters.
const LINE_NAME_MAX: u8 = 128;
/// Letters of Europe stand before it. Digits of base64 that are none of UTF-7 mostly stand for what is behind it.
const FOREIGN_FROM: char = '\u{600}';
/// The most characters between two literals of a program that are one text: `" +` and a line break with
/// its indentation, which counts as one.
const JOINT_MAX: u8 = 8;

/// Everything that stays the same while one character is read in one way.
pub(super) struct Step<'a> {
    pub(super) rules: &'a RoomRules,
    /// The bytes of the original character.
    pub(super) at: &'a Range<u64>,
    pub(super) before: Before,
    /// The case of the original character.
    pub(super) case: Case,
    /// How it is disguised in this reading; `None` for what is really there.
    pub(super) evasion: Option<Evasion>,
    /// Whether it cannot be seen, and is read as a letter all the same.
    pub(super) hidden: bool,
    /// Whether terms may begin here.
    pub(super) starting: bool,
    /// Violations from here on were found at this character.
    pub(super) first: usize,
    /// The original character.
    pub(super) original: char,
    /// What is known of the word before it.
    pub(super) path: Path,
}

impl Step<'_> {
    /// Moves all threads over the characters of one reading.
    pub(super) fn run(&self, threads: &[Thread], text: &[char], after: &mut Threads, found: &mut Vec<Found>) {
        let first = after.len();
        let mut before = self.before;
        let [earlier @ .., last] = text else { return };
        let mut current = Threads::new();
        for (number, c) in earlier.iter().enumerate() {
            let mut next = Threads::new();
            let threads = if number == 0 { threads } else { &current };
            self.read(threads, &mut before, *c, &mut next, found);
            current = next;
        }
        let threads = if earlier.is_empty() { threads } else { &current };
        self.read(threads, &mut before, *last, after, found);
        remove_twins(after, first);
    }

    /// Moves all threads over one folded character, and lets terms begin at it.
    fn read(
        &self,
        threads: &[Thread],
        before: &mut Before,
        c: char,
        next: &mut Threads,
        found: &mut Vec<Found>,
    ) {
        let class = fold::class(c);
        for thread in threads {
            self.advance(thread, c, class, next, found);
        }
        if self.starting {
            self.start(*before, c, class, next);
        }
        before.note(class, self.case);
    }

    /// Lets a term begin at this character, if a word or an escape sequence begins here.
    fn start(&self, before: Before, c: char, class: Class, next: &mut Threads) {
        let hidden = if self.hidden { Hidden::Read } else { Hidden::Open };
        let root = Thread { hidden, ..Thread::root(self.at.start, before.class.unwrap_or(Class::Space)) };
        if begins_word(before.class, class) {
            self.walk(&root, c, class, next);
        } else if self.case == Case::Upper && class == Class::Letter && before.class == Some(Class::Letter) {
            let evasions = root.evasions.with(Evasion::Joined);
            let needs_lower = before.case == Case::Upper;
            let first = next.len();
            self.walk(&Thread { evasions, ..root }, c, class, next);
            next[first..].iter_mut().for_each(|thread| thread.needs_lower = needs_lower);
        }
        if self.evasion.is_none() {
            self.begin_escapes(&root, c, next);
        }
    }

    /// Lets a thread wait while an escape sequence is read that this character may begin.
    fn begin_escapes(&self, thread: &Thread, c: char, next: &mut Threads) {
        let escapes = [Escape::begin_in(self.path, c), Escape::begin_style(c), Escape::begin_deep(c)];
        for escape in escapes.into_iter().flatten() {
            if self.is_worth(thread.node, escape.evasion()) {
                next.push(Thread { gap: Gap::Escape(escape), ..*thread });
            }
        }
    }

    /// Moves one thread over one folded character.
    fn advance(&self, thread: &Thread, c: char, class: Class, next: &mut Threads, found: &mut Vec<Found>) {
        if thread.needs_lower {
            if class == Class::Letter && self.case == Case::Lower {
                self.advance(&Thread { needs_lower: false, ..*thread }, c, class, next, found);
            }
            return;
        }
        match thread.phase {
            Phase::Walking => self.advance_walking(thread, c, class, next, found),
            Phase::Ended | Phase::Tail => match thread.gap {
                Gap::Escape(escape) => self.end_in_escape(thread, escape, c, class, next, found),
                _ => self.advance_ended(thread, c, class, next, found),
            },
        }
    }

    /// Looks whether the word ends behind a term of which the last letter was not the last one of its sequence.
    fn end_in_escape(
        &self,
        thread: &Thread,
        escape: Escape,
        c: char,
        class: Class,
        next: &mut Threads,
        found: &mut Vec<Found>,
    ) {
        if self.evasion.is_some() {
            return;
        }
        let outside = Thread { gap: Gap::None, ..*thread };
        match self.read_one(escape, c) {
            Progress::More(more) => next.push(Thread { gap: Gap::Escape(more), ..*thread }),
            Progress::Part(decoded, more) => match fold::units(decoded).first() {
                None => next.push(Thread { gap: Gap::Escape(more), ..*thread }),
                Some(unit) => {
                    let first = next.len();
                    self.advance_ended(&outside, *unit, fold::class(*unit), next, found);
                    next[first..].iter_mut().for_each(|thread| thread.gap = Gap::Escape(more));
                }
            },
            Progress::End => next.push(outside),
            Progress::EndBefore => self.advance_ended(&outside, c, class, next, found),
            Progress::Done(_) | Progress::DoneBefore(_) | Progress::Not => {
                confirm(self.rules, thread, self.first, found);
            }
        }
    }

    fn advance_ended(
        &self,
        thread: &Thread,
        c: char,
        class: Class,
        next: &mut Threads,
        found: &mut Vec<Found>,
    ) {
        let hidden = thread.hidden == Hidden::Read;
        // Hidden letters are a text of their own: it ends where visible ones follow.
        if hidden && !self.hidden {
            if self.evasion.is_none() {
                confirm(self.rules, thread, self.first, found);
            }
            return;
        }
        // Whether the word ends is decided by what is there, not by what it looks like.
        if self.evasion.is_none() || hidden {
            if ends_word(thread.last, class) {
                return confirm(self.rules, thread, self.first, found);
            }
            if class == Class::Letter && self.case == Case::Upper && self.before.case == Case::Lower {
                let evasions = thread.evasions.with(Evasion::Joined);
                confirm(self.rules, &Thread { evasions, ..*thread }, self.first, found);
            }
        }
        if thread.phase == Phase::Ended && c == 's' && thread.last == Class::Letter {
            next.push(Thread { phase: Phase::Tail, end: self.at.end, ..*thread });
        }
    }

    fn advance_walking(
        &self,
        thread: &Thread,
        c: char,
        class: Class,
        next: &mut Threads,
        found: &mut Vec<Found>,
    ) {
        match thread.gap {
            Gap::None if thread.node == Trie::ROOT => self.begin_waiting(thread, c, class, next),
            Gap::None => {
                if self.evasion.is_none() {
                    self.pass_margin(thread, c, next);
                    self.open_gap(thread, c, class, next);
                }
                if thread.margin.lets_walk() {
                    self.walk(thread, c, class, next);
                }
            }
            Gap::Marks(marks) => {
                let markup =
                    Thread { gap: Gap::None, evasions: thread.evasions.with(Evasion::Markup), ..*thread };
                match c {
                    '<' => next.push(Thread { gap: Gap::Tag(1), ..*thread }),
                    c if is_markdown(c) && marks < MARKS_MAX => {
                        next.push(Thread { gap: Gap::Marks(marks + 1), ..*thread });
                    }
                    c => self.walk(&markup, c, class, next),
                }
            }
            Gap::Tag(length) => match c {
                '>' => next.push(Thread { gap: Gap::Marks(1), ..*thread }),
                _ if length < TAG_MAX => next.push(Thread { gap: Gap::Tag(length + 1), ..*thread }),
                _ => {}
            },
            Gap::Separators { .. } => self.cross_separators(thread, c, class, next),
            Gap::Escape(escape) => self.read_escape(thread, escape, c, class, next, found),
            Gap::Joint(length) => self.cross_joint(thread, length, c, next),
            // These are moved on apart.
            Gap::Terminal(_) => {}
        }
    }

    /// Lets a term begin behind a sequence, if its first character is this one.
    fn begin_waiting(&self, thread: &Thread, c: char, class: Class, next: &mut Threads) {
        let thread = Thread { start: self.at.start, ..*thread };
        if begins_word(Some(thread.last), class) {
            self.walk(&thread, c, class, next);
        }
        if self.evasion.is_none() {
            self.begin_escapes(&thread, c, next);
        }
    }

    /// At the beginning of a line, lets a thread wait while quote and list marks, a line number or the name
    /// of a file pass.
    fn pass_margin(&self, thread: &Thread, c: char, next: &mut Threads) {
        let margin = match (thread.margin, c) {
            (Margin::None, _) => return,
            (Margin::LineStart | Margin::Marks(_), ' ') => Margin::LineStart,
            (Margin::LineStart, c) if is_margin_mark(c) => Margin::Marks(1),
            (Margin::Marks(marks), c) if marks < MARKS_MAX && is_margin_mark(c) => Margin::Marks(marks + 1),
            (Margin::LineStart, c) if c.is_ascii_digit() => Margin::Number(1),
            (Margin::Number(digits), c) if digits < LINE_DIGITS_MAX && c.is_ascii_digit() => {
                Margin::Number(digits + 1)
            }
            (Margin::Number(_), ' ') if self.original == '\t' => Margin::LineStart,
            (Margin::Number(_) | Margin::File(_) | Margin::Column, '|' | '│') => Margin::LineStart,
            (Margin::Number(_), '→' | ':') => Margin::LineStart,
            (Margin::LineStart, c) if is_name(c) => Margin::File(1),
            (Margin::File(length), c) if length < LINE_NAME_MAX && is_name(c) => Margin::File(length + 1),
            (Margin::File(_), ' ') => Margin::Column,
            (Margin::File(_) | Margin::FileNumber { .. }, ':') => Margin::FileNumber { colon: true },
            (Margin::FileNumber { .. }, ' ') => Margin::LineStart,
            (Margin::FileNumber { .. }, c) if c.is_ascii_digit() => Margin::FileNumber { colon: false },
            _ => return,
        };
        next.push(Thread { margin, ..*thread });
    }

    /// Lets a thread wait while something passes that is not part of the term.
    fn open_gap(&self, thread: &Thread, c: char, class: Class, next: &mut Threads) {
        let node = thread.node;
        self.begin_escapes(thread, c, next);
        if (is_markdown(c) || c == '<') && self.is_worth(node, Evasion::Markup) {
            let gap = if c == '<' { Gap::Tag(1) } else { Gap::Marks(1) };
            next.push(Thread { gap, ..*thread });
        }
        if is_quote(c) && thread.margin == Margin::None && self.is_worth(node, Evasion::Concatenated) {
            next.push(Thread { gap: Gap::Joint(1), ..*thread });
        }
        let spaced_out = is_spaced_out(thread);
        if is_word(thread.last)
            && (is_separator(c) || (spaced_out && class == Class::Other))
            && self.is_worth(node, Evasion::Separated)
        {
            let space = c == ' ';
            if !space || spaced_out {
                let gap =
                    Gap::Separators { count: u8::from(!space), space, hyphen: c == '-', newline: false };
                next.push(Thread { gap, ..*thread });
            }
        }
    }

    /// The end of one literal of a program, what joins it to the next one, and the beginning of that:
    /// `"Fal" + "con"`.
    fn cross_joint(&self, thread: &Thread, length: u8, c: char, next: &mut Threads) {
        if self.evasion.is_some() || length == JOINT_MAX {
            return;
        }
        if is_quote(c) {
            let evasions = thread.evasions.with(Evasion::Concatenated);
            next.push(Thread { gap: Gap::None, evasions, ..*thread });
        } else if matches!(c, ' ' | '+' | '.' | '&' | '~' | '|' | '<' | '\\') {
            next.push(Thread { gap: Gap::Joint(length + 1), ..*thread });
        }
    }

    /// Separators between letters: `F a l`, `F.a.l`, `Fal-con`, `Fal-` at the end of a line.
    fn cross_separators(&self, thread: &Thread, c: char, class: Class, next: &mut Threads) {
        let Gap::Separators { count, space, hyphen, newline } = thread.gap else { return };
        let spaced_out = is_spaced_out(thread);
        let broken = hyphen && newline;
        if is_word(class) {
            let evasion = if broken { Evasion::Hyphenation } else { Evasion::Separated };
            let crossed = Thread { gap: Gap::None, piece: 0, ..*thread };
            let with =
                |evasion, spaced| Thread { evasions: thread.evasions.with(evasion), spaced, ..crossed };
            if broken || spaced_out || (count == 1 && !space) {
                let spaced = thread.spaced || (space && !broken);
                self.walk(&with(evasion, spaced), c, class, next);
                let evasion = if space { evasion } else { Evasion::Joined };
                for separator in [' ', '-'] {
                    self.walk_over(&with(evasion, spaced), separator, c, class, next);
                }
            }
        } else if c == ' ' && (spaced_out || hyphen) {
            next.push(Thread { gap: Gap::Separators { count, space: true, hyphen, newline }, ..*thread });
        } else if broken && is_margin_mark(c) {
            next.push(*thread);
        } else if spaced_out && class == Class::Other && count < SEPARATORS_MAX {
            let gap = Gap::Separators { count: count + 1, space, hyphen: hyphen && count == 0, newline };
            next.push(Thread { gap, ..*thread });
        }
    }

    fn read_escape(
        &self,
        thread: &Thread,
        escape: Escape,
        c: char,
        class: Class,
        next: &mut Threads,
        found: &mut Vec<Found>,
    ) {
        if self.evasion.is_some() {
            return;
        }
        let outside = Thread { gap: Gap::None, ..*thread };
        match self.read_one(escape, c) {
            Progress::More(more) => next.push(Thread { gap: Gap::Escape(more), ..*thread }),
            Progress::Not => {}
            // No term begins here, nor is what was decoded a word before one.
            Progress::Part(decoded, _)
                if thread.node == Trie::ROOT
                    && decoded >= FOREIGN_FROM
                    && !self.rules.trie().begins_foreign() => {}
            Progress::Part(decoded, more) => {
                let is_gap = |thread: &Thread| thread.gap == Gap::None;
                let moved = self.walk_decoded(thread, escape, decoded).into_iter().filter(is_gap);
                next.extend(moved.map(|thread| Thread { gap: Gap::Escape(more), ..thread }));
            }
            Progress::End => next.push(outside),
            Progress::EndBefore => self.advance(&outside, c, class, next, found),
            Progress::Done(decoded) => {
                for thread in self.walk_decoded(thread, escape, decoded) {
                    next.push(thread);
                }
            }
            Progress::DoneBefore(decoded) => {
                for thread in self.walk_decoded(thread, escape, decoded) {
                    self.advance(&thread, c, class, next, found);
                }
            }
        }
    }

    /// One more character of a sequence: as it stands, where it is not folded to ASCII from elsewhere.
    fn read_one(&self, escape: Escape, c: char) -> Progress {
        if self.original.is_ascii() { escape.read_original(self.original) } else { escape.read(c) }
    }

    /// The threads that a decoded character leads to.
    fn walk_decoded(&self, thread: &Thread, escape: Escape, decoded: char) -> Threads {
        let evasions = thread.evasions.with(escape.evasion());
        let mut threads = vec![Thread { gap: Gap::None, evasions, ..*thread }];
        for unit in fold::units(decoded) {
            let class = fold::class(unit);
            let mut next = Threads::new();
            for thread in threads.iter().filter(|thread| thread.phase == Phase::Walking) {
                let at_root = thread.node == Trie::ROOT;
                if class == Class::Space && thread.last == Class::Space {
                    next.push(*thread);
                } else if !at_root || begins_word(Some(thread.last), class) {
                    self.walk(thread, unit, class, &mut next);
                }
            }
            threads = next;
        }
        threads.retain(|thread| thread.node != Trie::ROOT);
        if let Some(sequence) = Terminal::begin(decoded) {
            let after = Thread { gap: Gap::Terminal(sequence), ..*thread };
            // A word may begin behind the sequence, whatever stands before it.
            threads.push(if thread.node == Trie::ROOT {
                Thread { last: Class::Space, ..after }
            } else {
                Thread { evasions, ..after }
            });
        } else if thread.node == Trie::ROOT {
            // What an escape sequence stands for may be the edge of a word, whatever its last letter is.
            let last = fold::units(decoded).last().map_or(thread.last, |unit| fold::class(*unit));
            let last = if last == Class::Extend { thread.last } else { last };
            threads.push(Thread { gap: Gap::None, last, ..*thread });
        }
        // What was decoded may begin a sequence: `%2541`.
        if let Some(nested) = escape.begin_nested(decoded)
            && self.is_worth(thread.node, nested.evasion())
        {
            threads.push(Thread { gap: Gap::Escape(nested), evasions, ..*thread });
        }
        threads
    }

    /// Moves a thread to the nodes that `c` leads to, separators of the term left out or not.
    fn walk(&self, thread: &Thread, c: char, class: Class, next: &mut Threads) {
        self.enter(thread, thread.node, c, class, next);
        if is_word(thread.last) && thread.node != Trie::ROOT && thread.gap == Gap::None {
            let joined = Thread { evasions: thread.evasions.with(Evasion::Joined), ..*thread };
            if c == ' ' {
                self.enter(&joined, thread.node, '-', Class::Other, next);
            } else if is_word(class) {
                for separator in [' ', '-'] {
                    self.walk_over(&joined, separator, c, class, next);
                }
            }
        }
    }

    /// Moves a thread over a separator of the term that the text does not have, and over `c`.
    fn walk_over(&self, thread: &Thread, separator: char, c: char, class: Class, next: &mut Threads) {
        if let Some(node) = self.rules.trie().child(thread.node, separator) {
            self.enter(&Thread { piece: 0, ..*thread }, node, c, class, next);
        }
    }

    /// Moves a thread from `node` over `c`, if a term of the room continues so.
    fn enter(&self, thread: &Thread, node: Node, c: char, class: Class, next: &mut Threads) {
        let trie = self.rules.trie();
        let Some(node) = trie.child(node, c) else { return };
        let evasions = self.evasion.map_or(thread.evasions, |evasion| thread.evasions.with(evasion));
        if !trie.reach(node).meets(self.rules.reach()) || !evasions.iter().all(|e| self.is_worth(node, e)) {
            return;
        }
        let piece = if is_word(class) { (thread.piece + 1).min(2) } else { 0 };
        if thread.spaced && piece > 1 {
            return;
        }
        let moved = Thread {
            node,
            evasions,
            end: self.at.end,
            last: if class == Class::Extend { thread.last } else { class },
            margin: Margin::None,
            gap: Gap::None,
            piece,
            single: thread.single && piece < 2,
            leet: thread.leet + u8::from(self.evasion == Some(Evasion::Leetspeak)),
            ..*thread
        };
        if !trie.is_leaf(node) {
            next.push(moved);
        }
        if trie.accept(node).is_some() {
            next.push(Thread { phase: Phase::Ended, ..moved });
        }
    }

    /// Whether a term at or below a node is long enough for a disguise that the room looks for.
    fn is_worth(&self, node: Node, evasion: Evasion) -> bool {
        self.rules.evasions().contains(evasion)
            && self.rules.trie().most_letters(node) >= evasion.min_term_letters()
    }
}

fn is_word(class: Class) -> bool {
    matches!(class, Class::Letter | Class::Digit)
}

/// Whether every piece so far is a single letter.
fn is_spaced_out(thread: &Thread) -> bool {
    thread.single && thread.piece == 1
}

fn is_margin_mark(c: char) -> bool {
    matches!(c, '>' | '|' | '#' | '*' | '-' | '+' | '/' | '%' | ';' | '•' | '‣' | '◦' | '│' | '┃')
}

fn is_name(c: char) -> bool {
    c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-' | '/')
}

fn is_quote(c: char) -> bool {
    matches!(c, '"' | '\'' | '`')
}

fn is_markdown(c: char) -> bool {
    matches!(c, '*' | '_' | '~' | '`')
}

fn is_separator(c: char) -> bool {
    matches!(c, ' ' | '.' | '-' | '_' | '·' | '•' | '/' | '|' | ',' | ':' | '+' | '~' | '=' | '∙' | '⋅')
}
