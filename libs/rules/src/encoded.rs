//! Terms inside runs of base64, base64url and hexadecimal digits.
//!
//! Every run of digits is decoded as it is read, and the decoded bytes go to a matcher of their
//! own. What is found counts once the run is long enough to be an encoding at all: ordinary words
//! are base64 too. What is held back begins at the first digit that is of the term alone.
//!
//! A run is decoded from its first digit on and in one line: a term in a run that begins in the
//! middle of a group, or that a line break divides, is not found. Nor is an encoding inside
//! another one.

use std::ops::Range;

use crate::evasion::Evasion;
use crate::matcher::{Before, Found, Matcher};
use crate::rule::RuleKind;
use crate::ruleset::RoomRules;
use crate::trie::{Reach, Trie};

/// A run of small letters and signs alone is a word, or words with hyphens: an encoding of that
/// length has capitals or decimal digits (hexadecimal letters always have).
fn is_varied(c: char) -> bool {
    c.is_ascii_uppercase() || c.is_ascii_digit()
}

/// The fewest digits of a run that may be an encoding.
pub(crate) const RUN_MIN: u64 = 12;

/// A way to write bytes as digits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Encoding {
    /// Both alphabets.
    Base64,
    /// Either case.
    Hex,
}

impl Encoding {
    pub(crate) const ALL: [Self; 2] = [Self::Base64, Self::Hex];

    pub(crate) fn evasion(self) -> Evasion {
        match self {
            Self::Base64 => Evasion::Base64,
            Self::Hex => Evasion::Hex,
        }
    }

    fn bits(self) -> u32 {
        match self {
            Self::Base64 => 6,
            Self::Hex => 4,
        }
    }

    pub(crate) fn digit(self, c: char) -> Option<u32> {
        match (self, c) {
            (Self::Hex, c) => c.to_digit(16),
            (Self::Base64, 'A'..='Z') => Some(c as u32 - 'A' as u32),
            (Self::Base64, 'a'..='z') => Some(c as u32 - 'a' as u32 + 26),
            (Self::Base64, '0'..='9') => Some(c as u32 - '0' as u32 + 52),
            (Self::Base64, '+' | '-') => Some(62),
            (Self::Base64, '/' | '_') => Some(63),
            _ => None,
        }
    }
}

/// Looks for encoded terms in the runs of digits of a whole text.
pub(crate) struct Runs<'a> {
    rules: &'a RoomRules,
    text: &'a [u8],
    /// Made for the first run: most texts are short and have none.
    decoders: Vec<Decoder>,
    /// Everything before it was looked at.
    start: usize,
}

impl<'a> Runs<'a> {
    pub(crate) fn new(rules: &'a RoomRules, text: &'a str) -> Self {
        Self { rules, text: text.as_bytes(), decoders: Vec::new(), start: 0 }
    }

    /// Looks at the run that begins at `at`. Hexadecimal digits are base64 digits too, so a run of
    /// these is all that has to be found.
    pub(crate) fn look(&mut self, at: usize, found: &mut Vec<Found>) {
        if at < self.start {
            return;
        }
        let is_digit = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'/' | b'-' | b'_');
        let rest = &self.text[at..];
        let run = &rest[..rest.iter().position(|byte| !is_digit(byte)).unwrap_or(rest.len())];
        if self.decoders.is_empty() {
            let encodings = Encoding::ALL.into_iter().filter(|encoding| self.rules.decodes(*encoding));
            self.decoders.extend(encodings.map(Decoder::new));
        }
        for decoder in &mut self.decoders {
            for (position, byte) in (at as u64..).zip(run) {
                decoder.read(self.rules, char::from(*byte), position, found);
            }
            decoder.end(self.rules, found);
        }
        self.start = at + run.len();
    }
}

/// Decodes one run after the other and looks for terms in them.
#[derive(Clone)]
pub(crate) struct Decoder {
    encoding: Encoding,
    /// The place of the first digit of the run.
    start: u64,
    digits: u64,
    /// Whether the run has a capital or a decimal digit.
    varied: bool,
    value: u32,
    bits: u32,
    /// A character of which not all bytes are there.
    partial: Vec<u8>,
    matcher: Matcher,
    /// What was found while the run is too short; places are decoded bytes.
    early: Vec<Found>,
}

impl Decoder {
    pub(crate) fn new(encoding: Encoding) -> Self {
        Self {
            encoding,
            start: 0,
            digits: 0,
            varied: false,
            value: 0,
            bits: 0,
            partial: Vec::new(),
            matcher: Matcher::new(0, Before::START),
            early: Vec::new(),
        }
    }

    /// Reads the character at byte `position`.
    pub(crate) fn read(&mut self, rules: &RoomRules, c: char, position: u64, found: &mut Vec<Found>) {
        let Some(digit) = self.encoding.digit(c) else { return self.end(rules, found) };
        if self.digits == 0 {
            self.start = position;
        }
        self.digits += 1;
        self.varied |= is_varied(c);
        self.value = (self.value << self.encoding.bits() | digit) & 0xFFFF;
        self.bits += self.encoding.bits();
        if self.bits >= 8 {
            self.bits -= 8;
            self.read_byte(rules, (self.value >> self.bits) as u8);
        }
        if self.digits >= RUN_MIN && self.varied {
            self.report(rules, found);
        }
    }

    /// The end of a run, or of the text.
    pub(crate) fn end(&mut self, rules: &RoomRules, found: &mut Vec<Found>) {
        if self.digits == 0 {
            return;
        }
        if self.digits >= RUN_MIN && self.varied {
            self.matcher.end(rules, &mut self.early);
            self.report(rules, found);
        }
        self.early.clear();
        self.partial.clear();
        (self.digits, self.bits, self.varied) = (0, 0, false);
        self.matcher.restart(0, Before::START);
    }

    /// The first byte of the text that may be part of a violation of a rule in `reach`.
    pub(crate) fn pending(&self, rules: &RoomRules, reach: Reach) -> Option<u64> {
        if self.digits == 0 || !rules.trie().reach(Trie::ROOT).meets(reach) {
            return None;
        }
        let early = self.early.iter().filter(|(rule, ..)| self.counts(rules, *rule));
        let early =
            early.filter(|(rule, ..)| rules.reach_of_rule(*rule).meets(reach)).map(|(_, span, _)| span.start);
        let decoded = self.matcher.position();
        let foreign = !self.partial.is_empty() && rules.trie().begins_foreign();
        let partial = foreign.then_some(decoded);
        let begun = self.may_begin(rules).then_some(decoded + self.partial.len() as u64);
        let byte = early.chain(self.matcher.pending(rules, reach)).chain(partial).chain(begun).min()?;
        Some(self.first_digit(byte))
    }

    /// Whether the one digit that was read of the next byte may begin a term.
    fn may_begin(&self, rules: &RoomRules) -> bool {
        let missing = 8 - self.bits;
        if self.bits != self.encoding.bits() {
            return false;
        }
        let high = (self.value << missing) as u8;
        (high..=high | ((1 << missing) - 1)).any(|byte| match byte {
            0xC0.. => rules.trie().begins_foreign(),
            byte => byte.is_ascii() && begins(rules, char::from(byte)),
        })
    }

    fn read_byte(&mut self, rules: &RoomRules, byte: u8) {
        if self.partial.is_empty() && byte.is_ascii() {
            return self.read_char(rules, char::from(byte));
        }
        self.partial.push(byte);
        while let Err(error) = std::str::from_utf8(&self.partial) {
            let Some(invalid) = error.error_len() else { return };
            // Not text: nothing goes on over these bytes.
            self.matcher.end(rules, &mut self.early);
            self.matcher.restart(self.matcher.position() + invalid as u64, Before::START);
            self.partial.drain(..invalid);
        }
        let text = std::mem::take(&mut self.partial);
        for c in std::str::from_utf8(&text).unwrap_or_default().chars() {
            self.read_char(rules, c);
        }
    }

    fn read_char(&mut self, rules: &RoomRules, c: char) {
        self.matcher.read(rules, c, begins(rules, c), &mut self.early);
    }

    fn report(&mut self, rules: &RoomRules, found: &mut Vec<Found>) {
        for (rule, span, _) in std::mem::take(&mut self.early) {
            if self.counts(rules, rule) {
                found.push((rule, self.original(span), Some(self.encoding.evasion())));
            }
        }
    }

    /// Whether a rule looks for its term in this encoding.
    fn counts(&self, rules: &RoomRules, rule: usize) -> bool {
        let (spec, evasion) = (rules.rule(rule), self.encoding.evasion());
        let long = matches!(&spec.kind, RuleKind::Term(term) if term.letters() >= evasion.min_term_letters());
        long && spec.evasions.contains(evasion)
    }

    /// The digits that decoded bytes come from. A digit that a byte shares with the one before it
    /// is not among them: it has at most half of the byte.
    fn original(&self, decoded: Range<u64>) -> Range<u64> {
        let end = (decoded.end * 8).div_ceil(u64::from(self.encoding.bits()));
        self.first_digit(decoded.start)..self.start + end.min(self.digits)
    }

    fn first_digit(&self, byte: u64) -> u64 {
        self.start + (byte * 8).div_ceil(u64::from(self.encoding.bits()))
    }
}

/// Whether a term may begin with a decoded character: with the character itself only, so that
/// little is held back. A look-alike or a second encoding at the beginning is not looked for.
fn begins(rules: &RoomRules, c: char) -> bool {
    if !c.is_ascii() {
        return rules.trie().begins_foreign();
    }
    rules.trie().child(Trie::ROOT, c.to_ascii_lowercase()).is_some()
}
