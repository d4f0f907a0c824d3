//! One way in which the text read so far may be the beginning of a term.

use crate::escape::Escape;
use crate::evasion::Evasions;
use crate::fold::Class;
use crate::terminal::Terminal;
use crate::trie::{Node, Trie};

/// Where a thread stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Phase {
    /// Inside a term.
    Walking,
    /// A term is complete; the next visible character decides whether the word ends here.
    Ended,
    /// A plural `s` followed; the next visible character decides.
    Tail,
}

/// Quote and list marks, line numbers and names of files at the beginning of a line count as part of the
/// white space before them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Margin {
    /// Not at the beginning of a line.
    None,
    /// A line break was read, and only white space and complete marks since.
    LineStart,
    /// So many marks were read; white space must follow for them to count as skipped.
    Marks(u8),
    /// So many digits of a line number; a tab, an arrow, a bar or a colon must follow.
    Number(u8),
    /// So many characters of the name of a file; a colon must follow.
    File(u8),
    /// The name of a file and a colon, and perhaps digits of a line number.
    FileNumber {
        /// Whether a colon was read last: then the line may begin.
        colon: bool,
    },
    /// A name and white space: a bar must follow.
    Column,
}

impl Margin {
    /// Whether the line itself may begin with the next character.
    pub(super) fn lets_walk(self) -> bool {
        matches!(self, Self::None | Self::LineStart | Self::FileNumber { colon: true })
    }
}

/// What a walk makes of characters that cannot be seen but stand for letters, such as tags.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Hidden {
    /// It has met none.
    Open,
    /// It passes over them.
    Skipped,
    /// It reads them.
    Read,
}

/// What was read since the last character of the term that is not part of the term.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Gap {
    /// Nothing.
    None,
    /// So many Markdown marks.
    Marks(u8),
    /// So many characters of an HTML tag.
    Tag(u8),
    /// Separators between letters.
    Separators {
        /// How many, white space not counted.
        count: u8,
        /// Whether white space is among them.
        space: bool,
        /// Whether it is one hyphen, perhaps with white space after it.
        hyphen: bool,
        /// Whether a line break is in the white space.
        newline: bool,
    },
    /// An escape sequence that is not complete.
    Escape(Escape),
    /// A control sequence of a terminal that is not complete.
    Terminal(Terminal),
    /// The end of a literal of a program and what joins it to the next one, so many characters.
    Joint(u8),
}

/// One way in which the text may be the beginning of a term.
#[derive(Clone, Copy, Debug)]
pub(super) struct Thread {
    /// The first byte of the violation, if it becomes one.
    pub(super) start: u64,
    /// The end of the last visible character of the term.
    pub(super) end: u64,
    /// The prefix read so far.
    pub(super) node: Node,
    pub(super) phase: Phase,
    /// The disguises met so far.
    pub(super) evasions: Evasions,
    /// The class of the last character of the term so far, marks apart; before the first one,
    /// the class of what stands before the term.
    pub(super) last: Class,
    pub(super) margin: Margin,
    pub(super) gap: Gap,
    pub(super) hidden: Hidden,
    /// Letters since the last gap or space, at most 2.
    pub(super) piece: u8,
    /// Whether no piece so far has two letters.
    pub(super) single: bool,
    /// Whether the letters are spaced out: then every piece must be single.
    pub(super) spaced: bool,
    /// Whether the next character must be a lower-case letter: `HTTPFalcon`.
    pub(super) needs_lower: bool,
    /// Digits and signs that were read as letters.
    pub(super) leet: u8,
}

impl Thread {
    /// A thread that has read nothing, at byte `start`, after a character of class `before`.
    pub(super) fn root(start: u64, before: Class) -> Self {
        Self {
            start,
            end: start,
            node: Trie::ROOT,
            phase: Phase::Walking,
            evasions: Evasions::NONE,
            last: before,
            margin: Margin::None,
            gap: Gap::None,
            hidden: Hidden::Open,
            piece: 0,
            single: true,
            spaced: false,
            needs_lower: false,
            leet: 0,
        }
    }

    /// Whether it waits for a term to begin behind a sequence of a terminal or an escape sequence: nothing
    /// of a term was read.
    pub(super) fn is_waiting(&self) -> bool {
        self.node == Trie::ROOT && !matches!(self.gap, Gap::Escape(_))
    }

    /// Whether both stand at the same place, so that what follows moves them alike.
    fn stands_with(&self, other: &Self) -> bool {
        let place = |thread: &Self| {
            let start = if thread.is_waiting() { 0 } else { thread.start };
            (start, thread.node, thread.phase, thread.margin, thread.gap, thread.needs_lower, thread.hidden)
        };
        let pieces = |thread: &Self| (thread.piece, thread.single, thread.spaced, thread.last);
        place(self) == place(other) && pieces(self) == pieces(other)
    }

    /// Whether it got here with no disguise that `other` did not need.
    fn is_as_plain_as(&self, other: &Self) -> bool {
        other.evasions.contains_all(self.evasions) && self.leet <= other.leet
    }
}

/// Removes threads from `first` on that stand where another, at least as plain, stands too.
pub(super) fn remove_twins(threads: &mut Vec<Thread>, first: usize) {
    let mut at = first.max(1);
    while at < threads.len() {
        let thread = threads[at];
        match threads[..at].iter_mut().find(|other| other.stands_with(&thread)) {
            Some(other) if other.is_as_plain_as(&thread) => drop(threads.remove(at)),
            Some(other) if thread.is_as_plain_as(other) => {
                *other = thread;
                threads.remove(at);
            }
            _ => at += 1,
        }
    }
}
