//! Reads lists of numbers as the letters that they stand for: `46 61 6c 63 6f 6e`, `0x46, 0x61`, `70 97 108`,
//! `106 141 154`, `01000110 01100001`, `U+0046 U+0061`, the columns of a hex dump.
//!
//! A list is made of words of digits with a few signs between them. Each word is read in four ways, as
//! hexadecimal bytes, a decimal, an octal and a binary number; a way that cannot read a word ends its list. The
//! letters of each list go to a matcher of its own, so a term is found wherever it stands in the list. Patterns
//! and packs are not looked for.
//!
//! Not read are numbers of letters in the alphabet, and lists with words between the numbers.

use std::ops::Range;

use crate::encoded::{Finds, begins};
use crate::evasion::Evasion;
use crate::matcher::{Found, Matcher};
use crate::reading::Before;
use crate::room::RoomRules;
use crate::trie::{Reach, Trie};

/// The most signs and blanks between two numbers: `", "` and a line break with a little indentation.
const BETWEEN_MAX: u8 = 6;
/// The longest number, in characters: `0b` and eight digits, or four bytes in hexadecimal.
const WORD_MAX: usize = 10;
/// A block of a whole text with fewer decimal digits holds no list, unless it is beside one with more.
const BLOCK_DIGITS_MIN: usize = 3;
const BLOCK: usize = 64;

/// A way to read a number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Radix {
    Hexadecimal,
    Decimal,
    Octal,
    Binary,
}

impl Radix {
    const ALL: [Self; 4] = [Self::Hexadecimal, Self::Decimal, Self::Octal, Self::Binary];

    /// The digits of a word, without what says that they are digits.
    fn digits(self, word: &[u8]) -> &[u8] {
        let prefixes: &[&[u8]] = match self {
            Self::Hexadecimal => &[b"0x", b"0X", b"x", b"X", b"u", b"U"],
            Self::Octal => &[b"0o", b"0O", b"o"],
            Self::Binary => &[b"0b", b"0B"],
            Self::Decimal => &[],
        };
        prefixes.iter().find_map(|prefix| word.strip_prefix(*prefix)).unwrap_or(word)
    }

    /// Calls `visit` for the bytes that a word stands for, with their first and last character; `false` if it
    /// stands for none.
    fn read(self, word: &[u8], mut visit: impl FnMut(u8, Range<usize>)) -> bool {
        let digits = self.digits(word);
        let first = word.len() - digits.len();
        let number = |digits: &[u8], radix: u32| {
            digits
                .iter()
                .try_fold(0, |number, digit| Some(number * radix + char::from(*digit).to_digit(radix)?))
        };
        let (radix, len) = match self {
            Self::Hexadecimal if !digits.is_empty() && digits.len().is_multiple_of(2) => (16, 2),
            Self::Decimal if matches!(digits.len(), 2 | 3) => (10, digits.len()),
            Self::Octal if digits.len() == 3 => (8, 3),
            Self::Binary if matches!(digits.len(), 7 | 8) => (2, digits.len()),
            _ => return false,
        };
        let values =
            || digits.chunks(len).map(|digits| number(digits, radix).and_then(|n| u8::try_from(n).ok()));
        // Numbers of letters: other lists are not letters.
        let is_text = |byte: u8| self == Self::Hexadecimal || matches!(byte, 9 | 10 | 13 | 32..=126 | 192..);
        if !values().all(|value| value.is_some_and(is_text)) {
            return false;
        }
        for (number, byte) in values().flatten().enumerate() {
            visit(byte, first + number * len..first + (number + 1) * len);
        }
        true
    }
}

/// The letters of a list that is read in one way.
#[derive(Clone)]
struct List {
    radix: Radix,
    matcher: Matcher,
    /// A character of which not all bytes are there, and its place. No term begins with such a one: what
    /// begins with a letter is held back like other words, which is not at all.
    partial: Vec<u8>,
    partial_start: u64,
}

impl List {
    fn read(&mut self, rules: &RoomRules, word: &[u8], start: u64, found: &mut Vec<Found>) {
        let (radix, mut bytes) = (self.radix, Vec::new());
        // A word that says of what comes behind it that it is a number.
        if radix == Radix::Hexadecimal && matches!(word, b"U" | b"u") {
            return;
        }
        if !radix.read(word, |byte, at| bytes.push((byte, start + at.start as u64..start + at.end as u64))) {
            return self.end(rules, found);
        }
        let starting = may_be_number(word);
        for (byte, at) in bytes {
            self.read_byte(rules, byte, at, starting, found);
        }
    }

    fn read_byte(
        &mut self,
        rules: &RoomRules,
        byte: u8,
        at: Range<u64>,
        starting: bool,
        found: &mut Vec<Found>,
    ) {
        // Outside of hexadecimal bytes a number is a character.
        if self.radix != Radix::Hexadecimal || (self.partial.is_empty() && byte.is_ascii()) {
            let c = char::from(byte);
            return self.matcher.read_from(rules, c, at, starting && begins(rules, c), found);
        }
        if self.partial.is_empty() {
            self.partial_start = at.start;
        }
        self.partial.push(byte);
        match std::str::from_utf8(&self.partial) {
            Ok(text) => {
                let c = text.chars().next().unwrap_or(char::REPLACEMENT_CHARACTER);
                self.partial.clear();
                self.matcher.read_from(rules, c, self.partial_start..at.end, false, found);
            }
            Err(error) if error.error_len().is_none() => {}
            Err(_) => self.end(rules, found),
        }
    }

    fn end(&mut self, rules: &RoomRules, found: &mut Vec<Found>) {
        self.partial.clear();
        self.matcher.end(rules, found);
    }
}

/// Reads the lists of numbers of a text.
#[derive(Clone)]
pub(crate) struct Codes {
    lists: Vec<List>,
    /// The word that is being read, its place, and whether it is longer than a number.
    word: Vec<u8>,
    word_start: u64,
    is_long: bool,
    /// Characters since the last word.
    between: u8,
    /// What was found; terms of rules that do not look for it are among it.
    early: Finds,
}

impl Codes {
    /// A reader of lists, where the room looks for them.
    pub(crate) fn new(rules: &RoomRules) -> Option<Self> {
        let longest = rules.trie().most_letters(Trie::ROOT);
        let is_wanted =
            rules.evasions().contains(Evasion::Codes) && longest >= Evasion::Codes.min_term_letters();
        let list = |radix| List {
            radix,
            matcher: Matcher::new(0, Before::START),
            partial: Vec::new(),
            partial_start: 0,
        };
        is_wanted.then(|| Self {
            lists: Radix::ALL.map(list).into(),
            word: Vec::new(),
            word_start: 0,
            is_long: false,
            between: 0,
            early: Finds::default(),
        })
    }

    /// Reads the character at byte `position`.
    pub(crate) fn read(&mut self, rules: &RoomRules, c: char, position: u64, found: &mut Finds) {
        #[cfg(test)]
        crate::work::note(1);
        if c.is_ascii_alphanumeric() {
            if self.word.is_empty() {
                self.word_start = position;
            }
            if self.word.len() < WORD_MAX {
                self.word.push(c as u8);
            } else {
                self.is_long = true;
            }
            return;
        }
        self.end_word(rules);
        self.between = self.between.saturating_add(1);
        if self.between > BETWEEN_MAX || !c.is_ascii() {
            self.end_lists(rules);
        }
        self.report(rules, found);
    }

    /// The end of the text.
    pub(crate) fn end(&mut self, rules: &RoomRules, found: &mut Finds) {
        self.end_word(rules);
        self.end_lists(rules);
        self.report(rules, found);
    }

    fn end_word(&mut self, rules: &RoomRules) {
        if self.word.is_empty() {
            return;
        }
        // Numbers have a decimal digit, and hardly any word has.
        let is_number = matches!(self.word[..], [b'u' | b'U']) || self.word.iter().any(u8::is_ascii_digit);
        if self.is_long || !is_number {
            self.end_lists(rules);
        } else {
            for list in &mut self.lists {
                list.read(rules, &self.word, self.word_start, &mut self.early.terms);
            }
        }
        self.word.clear();
        (self.is_long, self.between) = (false, 0);
    }

    fn end_lists(&mut self, rules: &RoomRules) {
        for list in &mut self.lists {
            if !list.matcher.is_idle() || list.matcher.has_read() || !list.partial.is_empty() {
                list.end(rules, &mut self.early.terms);
            }
        }
    }

    fn report(&mut self, rules: &RoomRules, found: &mut Finds) {
        if !self.early.terms.is_empty() {
            self.early.hand_over(rules, Evasion::Codes, found, |span| span);
        }
    }

    /// The first byte of the text that may be part of a violation of a rule in `reach`.
    pub(crate) fn pending(&self, rules: &RoomRules, reach: Reach) -> Option<u64> {
        if !rules.trie().reach(Trie::ROOT).meets(reach) {
            return None;
        }
        let lists = self.lists.iter().map(|list| list.matcher.pending(rules, reach));
        let word = (!self.is_long && may_be_number(&self.word)).then_some(self.word_start);
        lists.chain([word]).flatten().min()
    }
}

/// Whether a word that is not over may be the number of a letter.
fn may_be_number(word: &[u8]) -> bool {
    match word {
        [] => false,
        [b'x' | b'X' | b'u' | b'U' | b'o', rest @ ..] => rest.first().is_none_or(u8::is_ascii_digit),
        [first, ..] => first.is_ascii_digit(),
    }
}

/// Looks for lists in the parts of a whole text that have enough digits.
pub(crate) fn read_whole(rules: &RoomRules, text: &str, found: &mut Finds) {
    let Some(mut codes) = Codes::new(rules) else { return };
    let is_rich = |block: &[u8]| {
        // Without an early exit the compiler turns this into wide compares.
        block.iter().fold(0, |count: u8, byte| count + u8::from(byte.is_ascii_digit()))
            >= BLOCK_DIGITS_MIN as u8
    };
    let bytes = text.as_bytes();
    let (mut read, mut until) = (0, 0);
    for start in (0..bytes.len()).step_by(BLOCK) {
        let end = (start + BLOCK).min(bytes.len());
        if is_rich(&bytes[start..end]) {
            // A list may begin in the block before, and go on in the next one.
            let from = start.saturating_sub(BLOCK);
            if from > until {
                codes.read_part(rules, text, read..until, found);
                codes.end(rules, found);
                read = part_start(text, from);
            }
            until = (end + BLOCK).min(bytes.len());
        }
    }
    codes.read_part(rules, text, read..until, found);
    codes.end(rules, found);
}

impl Codes {
    fn read_part(&mut self, rules: &RoomRules, text: &str, part: Range<usize>, found: &mut Finds) {
        let end = text.ceil_char_boundary(part.end);
        for (at, c) in text[part.start..end].char_indices() {
            self.read(rules, c, (part.start + at) as u64, found);
        }
        // A word that goes on is not over: what is cut here is too poor in digits to be a number.
        let goes_on = text.as_bytes().get(end).is_some_and(u8::is_ascii_alphanumeric);
        self.is_long |= goes_on && !self.word.is_empty();
    }
}

/// The first place from `from` on at which a word may begin.
fn part_start(text: &str, from: usize) -> usize {
    let from = text.ceil_char_boundary(from);
    let is_inside = from > 0 && text.as_bytes()[from - 1].is_ascii_alphanumeric();
    let word = text.as_bytes()[from..].iter().take_while(|byte| byte.is_ascii_alphanumeric()).count();
    if is_inside { from + word } else { from }
}
