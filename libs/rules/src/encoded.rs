//! What base64, base64url and hexadecimal digits hold: terms, patterns and packs, and encodings in
//! turn.
//!
//! A run of digits is decoded, and every stretch of what it decodes to that is UTF-8 is a text of its own
//! with the rules looked for in it. What is found counts once the run is long enough to be an encoding at
//! all: ordinary words are base64 too. What a stream holds back begins at the first digit that is of the
//! violation alone.
//!
//! A run may have lost its beginning, so it is also read from its second, third and fourth digit.
//! There, what is looked for may begin only after a capital, a decimal digit or a sign, so that
//! ordinary words hold nothing back. A run may be broken over lines, as mail and key files do it: a
//! line that is an encoding by itself goes on in the next one. Digits inside what was decoded are
//! decoded once more, and not again (deep disguises: twice more).
//!
//! Lists of numbers that stand for letters, a deep disguise, have a reader of their own,
//! [`codes`], and so has compressed text, [`archive`].
//!
//! There are two readers of runs, which find the same. [`decoder`] reads one character of a stream after the other
//! and stores nothing but what is in progress, so there is no limit on the length of a run. [`whole`] has the
//! run in front of it: it packs the digits into bytes once, shifts these for the other beginnings, and lets
//! [`sift`] choose the few stretches in which something may be, which is what makes pictures and archives
//! in base64 cost little more than prose.

mod archive;
mod codes;
mod decoder;
mod sift;
#[cfg(test)]
mod tests;
mod whole;

use std::ops::Range;

use crate::evasion::Evasion;
use crate::matcher::Found;
use crate::rule::RuleKind;
use crate::ruleset::RoomRules;
use crate::trie::Trie;

pub(crate) use codes::{Codes, read_whole as read_codes};
pub(crate) use decoder::{Decoder, decoders};
pub(crate) use sift::Sieve;
pub(crate) use whole::Runs;

/// The fewest digits of a run that may be an encoding, and of a line that goes on in the next one.
pub(crate) const RUN_MIN: u64 = 12;
/// How many encodings may lie inside each other.
const DEPTH_MAX: u8 = 2;
/// The most characters of a line break, indentation of the next line included.
const BREAK_MAX: u8 = 16;

/// A way to write bytes as digits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Encoding {
    /// Both alphabets.
    Base64,
    /// Either case.
    Hex,
    /// The alphabet of RFC 4648, in either case; only from its beginning on.
    Base32,
}

impl Encoding {
    pub(crate) const ALL: [Self; 3] = [Self::Base64, Self::Hex, Self::Base32];

    pub(crate) fn evasion(self) -> Evasion {
        match self {
            Self::Base64 => Evasion::Base64,
            Self::Hex => Evasion::Hex,
            Self::Base32 => Evasion::Base32,
        }
    }

    /// Bits of one digit.
    fn bits(self) -> u32 {
        match self {
            Self::Base64 => 6,
            Self::Hex => 4,
            Self::Base32 => 5,
        }
    }

    /// How many digits of a run may be missing at its beginning, so that it is to be read from so many places.
    fn beginnings(self) -> u8 {
        match self {
            Self::Base64 => 4,
            Self::Hex => 2,
            Self::Base32 => 1,
        }
    }

    /// The value of a digit.
    pub(crate) fn digit(self, c: char) -> Option<u32> {
        let byte = u8::try_from(c).ok()?;
        let value = self.values()[usize::from(byte)];
        (value != NONE).then_some(u32::from(value))
    }

    /// By byte, its value as a digit, or [`NONE`].
    fn values(self) -> &'static [u8; 256] {
        match self {
            Self::Base64 => &BASE64,
            Self::Hex => &HEX,
            Self::Base32 => &BASE32,
        }
    }

    fn is_digit(self, byte: u8) -> bool {
        self.values()[usize::from(byte)] != NONE
    }
}

/// The value of what is no digit.
const NONE: u8 = 0xFF;

static BASE64: [u8; 256] = values(6);
static BASE32: [u8; 256] = values(5);
static HEX: [u8; 256] = values(4);

const fn values(bits: u32) -> [u8; 256] {
    let mut values = [NONE; 256];
    let mut code = 0;
    while code < 256 {
        let byte = code as u8;
        values[code] = match (bits, byte) {
            (6, b'A'..=b'Z') => byte - b'A',
            (6, b'a'..=b'z') => byte - b'a' + 26,
            (6, b'0'..=b'9') => byte - b'0' + 52,
            (6, b'+' | b'-') => 62,
            (6, b'/' | b'_') => 63,
            (5, b'A'..=b'Z') => byte - b'A',
            (5, b'a'..=b'z') => byte - b'a',
            (5, b'2'..=b'7') => byte - b'2' + 26,
            (4, b'0'..=b'9') => byte - b'0',
            (4, b'a'..=b'f') => byte - b'a' + 10,
            (4, b'A'..=b'F') => byte - b'A' + 10,
            _ => NONE,
        };
        code += 1;
    }
    values
}

/// A run of small letters and signs alone is a word, or words with hyphens: an encoding of that
/// length has capitals or decimal digits (hexadecimal letters always have).
fn is_varied(byte: u8) -> bool {
    byte.is_ascii_uppercase() || byte.is_ascii_digit()
}

/// What was found: terms and patterns, with places in the text that was read.
#[derive(Clone, Default)]
pub(crate) struct Finds {
    pub(crate) terms: Vec<Found>,
    /// Expression, bytes, disguise.
    pub(crate) matches: Vec<(usize, Range<u64>, Option<Evasion>)>,
}

impl Finds {
    pub(crate) fn clear(&mut self) {
        self.terms.clear();
        self.matches.clear();
    }

    /// Moves what was found in decoded text over to what was found in the text around it, as `evasion` and with
    /// the places that `original` gives.
    fn hand_over(
        &mut self,
        rules: &RoomRules,
        evasion: Evasion,
        found: &mut Self,
        original: impl Fn(Range<u64>) -> Range<u64>,
    ) {
        for (rule, span, _) in self.terms.drain(..) {
            if counts(rules, evasion, rule) {
                found.terms.push((rule, original(span), Some(evasion)));
            }
        }
        for (watch, span, _) in self.matches.drain(..) {
            if counts(rules, evasion, rules.watches().get(watch).rule) {
                found.matches.push((watch, original(span), Some(evasion)));
            }
        }
    }
}

/// Whether a rule looks behind a disguise.
fn counts(rules: &RoomRules, evasion: Evasion, rule: usize) -> bool {
    let spec = rules.rule(rule);
    let long = match &spec.kind {
        RuleKind::Term(term) => term.letters() >= evasion.min_term_letters(),
        RuleKind::Pattern(_) | RuleKind::Pack(_) => true,
    };
    long && spec.evasions.contains(evasion)
}

/// Whether a term may begin with a decoded character: with the character itself or an escape
/// sequence, so that little is held back. A look-alike at the beginning is not looked for.
fn begins(rules: &RoomRules, c: char) -> bool {
    if !c.is_ascii() {
        return rules.trie().begins_foreign();
    }
    matches!(c, '%' | '&' | '\\') || rules.trie().child(Trie::ROOT, c.to_ascii_lowercase()).is_some()
}
