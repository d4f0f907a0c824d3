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
use crate::room::RoomRules;
use crate::rule::RuleKind;
use crate::trie::Trie;

pub(crate) use codes::{Codes, read_whole as read_codes};
pub(crate) use decoder::{Decoder, decoders};
pub(crate) use whole::Runs;

/// How many encodings may lie inside each other.
const DEPTH_MAX: u8 = 2;
/// The most characters of a line break, indentation of the next line included.
const BREAK_MAX: u8 = 16;

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
