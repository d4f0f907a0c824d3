//! Decodes runs of digits in a stream, one character after the other.

use std::collections::VecDeque;
use std::ops::Range;

use crate::encoded::archive::{self, Archive};
use crate::encoded::{BREAK_MAX, DEPTH_MAX, Finds, begins, counts};
use crate::encoding::{Encoding, RUN_MIN, is_varied};
use crate::matcher::Matcher;
use crate::pattern::watcher::{Match, Watcher};
use crate::reading::Before;
use crate::room::RoomRules;
use crate::trie::{Reach, Trie};

/// How many lines of a run are remembered: the longest match spans fewer.
const LINES_MAX: usize = 512;
/// Decoded text is handed to the patterns in pieces of about so many bytes.
const BUFFER_BYTES: usize = 4096;

/// How a decoder reads runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Shape {
    encoding: Encoding,
    /// How many digits at the beginning of a run are not read.
    skip: u8,
    /// Whether a run may go on in the next line.
    wraps: bool,
}

/// The decoders that a room needs for a text as it stands.
pub(crate) fn decoders(rules: &RoomRules) -> Vec<Decoder> {
    let shapes = [
        (Encoding::Base64, 0, false),
        (Encoding::Base64, 0, true),
        (Encoding::Base64, 1, false),
        (Encoding::Base64, 2, false),
        (Encoding::Base64, 3, false),
        (Encoding::Hex, 0, false),
        (Encoding::Hex, 1, false),
        (Encoding::Base32, 0, false),
    ];
    let wanted = shapes.into_iter().filter(|(encoding, ..)| rules.decodes(*encoding));
    wanted.map(|(encoding, skip, wraps)| Decoder::new(rules, Shape { encoding, skip, wraps }, 1)).collect()
}

/// Decodes one run after the other and looks for violations in them.
#[derive(Clone)]
pub(crate) struct Decoder {
    shape: Shape,
    /// Digits of the run.
    digits: u64,
    /// The first digit of each line of the run, and its place.
    lines: VecDeque<(u64, u64)>,
    /// Digits of the line.
    line_digits: u64,
    /// Characters of the line break that is being read.
    broken: u8,
    /// Whether the run has a capital or a decimal digit.
    varied: bool,
    /// Whether what is looked for may begin at the last digit and the one before it.
    evident: (bool, bool),
    value: u32,
    bits: u32,
    /// A character of which not all bytes are there, and whether what is looked for may begin at it.
    partial: Vec<u8>,
    partial_evident: bool,
    matcher: Matcher,
    watcher: Watcher,
    /// Decoded text that the patterns have not read.
    buffer: String,
    /// For encodings in what was decoded.
    nested: Vec<Decoder>,
    /// For compressed text, in the reader that goes on over lines.
    archive: Option<Archive>,
    /// What was found while the run is too short; places are decoded bytes.
    early: Finds,
}

impl Decoder {
    fn new(rules: &RoomRules, shape: Shape, depth: u8) -> Self {
        let inner = |encoding| Self::new(rules, Shape { encoding, skip: 0, wraps: false }, depth + 1);
        let encodings = Encoding::ALL.into_iter().filter(|encoding| rules.decodes(*encoding));
        let reads_archives = shape.wraps && archive::is_wanted(rules);
        Self {
            shape,
            digits: 0,
            lines: VecDeque::new(),
            line_digits: 0,
            broken: 0,
            varied: false,
            evident: (false, false),
            value: 0,
            bits: 0,
            partial: Vec::new(),
            partial_evident: false,
            matcher: Matcher::new(0, Before::START),
            watcher: Watcher::default(),
            buffer: String::new(),
            nested: if depth < DEPTH_MAX { encodings.map(inner).collect() } else { Vec::new() },
            archive: reads_archives.then(Archive::default),
            early: Finds::default(),
        }
    }

    /// Reads the character at byte `position`.
    pub(crate) fn read(&mut self, rules: &RoomRules, c: char, position: u64, found: &mut Finds) {
        #[cfg(test)]
        crate::work::note(1);
        let Some(digit) = self.shape.encoding.digit(c) else {
            if self.digits > 0 && !self.goes_on(c) {
                self.end(rules, found);
            }
            return;
        };
        if self.digits == 0 || self.broken > 0 {
            if self.lines.len() == LINES_MAX {
                self.lines.pop_front();
            }
            self.lines.push_back((self.digits, position));
            (self.line_digits, self.broken) = (0, 0);
        }
        if let Some(archive) = &mut self.archive {
            archive.read(c, position);
        }
        self.digits += 1;
        self.line_digits += 1;
        self.varied |= c.is_ascii() && is_varied(c as u8);
        let evident = self.evident.0 || self.shape.skip == 0 || !c.is_ascii_lowercase();
        self.evident = (evident, self.evident.0 || self.shape.skip == 0);
        if self.digits <= u64::from(self.shape.skip) {
            return;
        }
        let bits = self.shape.encoding.bits();
        self.value = (self.value << bits | digit) & 0xFFFF;
        self.bits += bits;
        if self.bits >= 8 {
            // A byte begins at its last digit, unless it has all of the one before it.
            let evident = if self.bits == 2 * bits { self.evident.1 } else { self.evident.0 };
            self.bits -= 8;
            self.read_byte(rules, (self.value >> self.bits) as u8, evident);
        }
        if self.digits >= RUN_MIN && self.varied {
            self.report(rules, found);
        }
    }

    /// Whether a run goes on over a character that is no digit: at the end of a long line.
    fn goes_on(&mut self, c: char) -> bool {
        let begins = self.line_digits >= RUN_MIN && self.varied && matches!(c, '\r' | '\n');
        let goes_on = self.broken > 0 && self.broken < BREAK_MAX && matches!(c, '\r' | '\n' | ' ' | '\t');
        if !self.shape.wraps || !(if self.broken == 0 { begins } else { goes_on }) {
            return false;
        }
        self.broken += 1;
        true
    }

    /// Lets the patterns read everything that was decoded.
    pub(crate) fn settle(&mut self, rules: &RoomRules, found: &mut Finds) {
        if self.digits == 0 {
            return;
        }
        for nested in &mut self.nested {
            nested.settle(rules, &mut self.early);
        }
        self.hand_on(rules, 1);
        if self.digits >= RUN_MIN && self.varied {
            self.report(rules, found);
        }
    }

    /// The end of a run, or of the text.
    pub(crate) fn end(&mut self, rules: &RoomRules, found: &mut Finds) {
        if self.digits == 0 {
            return;
        }
        self.end_text(rules, 0);
        if self.digits >= RUN_MIN && self.varied {
            self.report(rules, found);
        }
        let end = self.place(self.digits - 1) + 1;
        if let Some(archive) = &mut self.archive {
            archive.end(rules, end, found);
        }
        self.early.clear();
        self.partial.clear();
        self.lines.clear();
        (self.digits, self.line_digits, self.broken, self.bits) = (0, 0, 0, 0);
        (self.varied, self.evident) = (false, (false, false));
        self.matcher.restart(0, Before::START);
        self.watcher.restart(0);
    }

    /// What was decoded so far is a text of its own; the next one begins `skipped` bytes further.
    fn end_text(&mut self, rules: &RoomRules, skipped: u64) {
        for nested in &mut self.nested {
            nested.end(rules, &mut self.early);
        }
        self.matcher.end(rules, &mut self.early.terms);
        self.hand_on(rules, 1);
        let next = self.matcher.position() + skipped;
        let mut matched = Vec::new();
        self.watcher.end(rules.watches(), next, &mut matched);
        self.take(matched);
        self.matcher.restart(next, Before::START);
    }

    /// The first byte of the text that may be part of a violation of a rule in `reach`.
    pub(crate) fn pending(&self, rules: &RoomRules, reach: Reach) -> Option<u64> {
        if self.digits == 0 {
            return None;
        }
        let holds = |rule: usize| {
            counts(rules, self.shape.encoding.evasion(), rule) && rules.reach_of_rule(rule).meets(reach)
        };
        let terms = self.early.terms.iter().map(|(rule, span, _)| (*rule, span.start));
        let matches =
            self.early.matches.iter().map(|(watch, span, _)| (rules.watches().get(*watch).rule, span.start));
        let early = terms.chain(matches).filter(|(rule, _)| holds(*rule)).map(|(_, start)| start);
        let decoded = self.matcher.position();
        // What was let out when its first digit came is not called back by what follows it.
        let foreign = !self.partial.is_empty() && self.partial_evident && self.begins_foreign(rules);
        let partial = foreign.then_some(decoded);
        let begun = self.may_begin(rules).then_some(decoded + self.partial.len() as u64);
        let walking = rules.trie().reach(Trie::ROOT).meets(reach).then(|| self.matcher.pending(rules, reach));
        let nested = self.nested.iter().filter_map(|nested| nested.pending(rules, reach));
        let matching = self.watcher.pending(rules.watches(), holds);
        let ahead = walking.flatten().into_iter().chain(matching).chain(partial).chain(begun);
        let byte = early.chain(ahead).chain(nested).min();
        let archive = self.archive.as_ref().and_then(Archive::pending);
        [byte.map(|byte| self.first_digit(byte)), archive].into_iter().flatten().min()
    }

    /// Whether the one digit that was read of the next byte alone may begin a violation.
    fn may_begin(&self, rules: &RoomRules) -> bool {
        let missing = 8 - self.bits;
        if self.bits < self.shape.encoding.bits() || !self.evident.0 {
            return false;
        }
        let high = (self.value << missing) as u8;
        (high..=high | ((1 << missing) - 1)).any(|byte| match byte {
            0xC0.. => self.begins_foreign(rules),
            byte => {
                byte.is_ascii()
                    && (begins(rules, char::from(byte))
                        || rules.watches().may_begin_with(byte)
                        || self.nested.iter().any(|nested| nested.holds_first(rules, char::from(byte))))
            }
        })
    }

    fn begins_foreign(&self, rules: &RoomRules) -> bool {
        self.evident.0
            && (rules.trie().begins_foreign()
                || (0xC0..=0xFF).any(|byte| rules.watches().may_begin_with(byte)))
    }

    /// Whether something may be held back once `c` was read as the next digit.
    fn holds_first(&self, rules: &RoomRules, c: char) -> bool {
        let Some(digit) = self.shape.encoding.digit(c) else { return false };
        let bits = self.bits + self.shape.encoding.bits();
        let missing = 8u32.saturating_sub(bits);
        let value = (self.value << self.shape.encoding.bits() | digit) << missing >> bits.saturating_sub(8);
        let high = value as u8;
        (high..=high | ((1u16 << missing) - 1) as u8).any(|byte| {
            begins(rules, char::from(byte)) || rules.watches().may_begin_with(byte) || byte >= 0xC0
        })
    }

    fn read_byte(&mut self, rules: &RoomRules, byte: u8, evident: bool) {
        if self.partial.is_empty() && byte.is_ascii() {
            return self.read_char(rules, char::from(byte), evident);
        }
        if self.partial.is_empty() {
            self.partial_evident = evident;
        }
        self.partial.push(byte);
        while let Err(error) = std::str::from_utf8(&self.partial) {
            let Some(invalid) = error.error_len() else { return };
            // Not text: nothing goes on over these bytes.
            self.end_text(rules, invalid as u64);
            self.partial.drain(..invalid);
            // What is left is the byte that did not fit.
            self.partial_evident = evident;
        }
        let text = std::mem::take(&mut self.partial);
        for c in std::str::from_utf8(&text).unwrap_or_default().chars() {
            self.read_char(rules, c, self.partial_evident);
        }
    }

    fn read_char(&mut self, rules: &RoomRules, c: char, evident: bool) {
        let at = self.matcher.position();
        if evident {
            for nested in &mut self.nested {
                nested.read(rules, c, at, &mut self.early);
            }
            if !rules.watches().is_empty() {
                if self.buffer.is_empty() && self.watcher.position() < at {
                    self.watcher.restart(at);
                }
                self.buffer.push(c);
                self.hand_on(rules, BUFFER_BYTES);
            }
        }
        let starting = evident && begins(rules, c);
        if !starting && self.matcher.is_idle() {
            return self.matcher.pass(c);
        }
        self.matcher.read(rules, c, starting, &mut self.early.terms);
    }

    fn hand_on(&mut self, rules: &RoomRules, at_least: usize) {
        if self.buffer.len() >= at_least {
            let mut matched = Vec::new();
            self.watcher.read(rules.watches(), &self.buffer, &mut matched);
            self.buffer.clear();
            self.take(matched);
        }
    }

    fn take(&mut self, matched: Vec<Match>) {
        self.early.matches.extend(matched.into_iter().map(|(watch, span)| (watch, span, None)));
    }

    fn report(&mut self, rules: &RoomRules, found: &mut Finds) {
        if self.early.terms.is_empty() && self.early.matches.is_empty() {
            return;
        }
        let mut early = std::mem::take(&mut self.early);
        early.hand_over(rules, self.shape.encoding.evasion(), found, |span| self.original(span));
        self.early = early;
    }

    /// The digits that decoded bytes come from. A digit that a byte shares with the one before it
    /// is not among them: it has at most half of the byte.
    fn original(&self, decoded: Range<u64>) -> Range<u64> {
        let end = (decoded.end * 8).div_ceil(u64::from(self.shape.encoding.bits()));
        let last = (end + u64::from(self.shape.skip)).min(self.digits).saturating_sub(1);
        self.first_digit(decoded.start)..self.place(last) + 1
    }

    fn first_digit(&self, byte: u64) -> u64 {
        let digit = (byte * 8).div_ceil(u64::from(self.shape.encoding.bits()));
        self.place(digit + u64::from(self.shape.skip))
    }

    /// The place of a digit of the run.
    fn place(&self, digit: u64) -> u64 {
        let after = self.lines.partition_point(|(first, _)| *first <= digit);
        let (first, place) = self.lines[after.saturating_sub(1)];
        place + digit.saturating_sub(first)
    }
}
