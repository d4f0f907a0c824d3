//! Reads base64 of what gzip compressed, from the run's beginning on: `H4sI…`.
//!
//! Nothing of it can be told before its end, and no part of it can be taken out, so a find is the whole run, and
//! a stream holds the run back until it ends. What is unpacked has a bound in proportion to the run, so that a
//! small one cannot stand for work without end: what lies beyond is not read, nor is a longer run.

use std::io::Read;
use std::ops::Range;

use crate::encoded::{Finds, whole};
use crate::encoding::Encoding;
use crate::evasion::Evasion;
use crate::room::RoomRules;

/// The digits of the bytes that a gzip file begins with.
const MAGIC: &[u8] = b"H4sI";
/// The longest run, in digits: 72 KiB of compressed text.
const DIGITS_MAX: usize = 96 << 10;
/// The shortest, in digits: a header and a trailer have 18 bytes.
const DIGITS_MIN: usize = 24;
/// Bytes that are read for each compressed byte: prose has three or four.
const RATIO_MAX: u64 = 8;
/// Bytes that are read of the smallest file.
const UNPACKED_MIN: u64 = 1 << 10;

/// Whether a room looks into compressed text.
pub(super) fn is_wanted(rules: &RoomRules) -> bool {
    rules.evasions().contains(Evasion::Compressed)
}

/// The digits of a run in a stream, as long as they may be a compressed text.
#[derive(Clone, Default)]
pub(super) struct Archive {
    start: u64,
    digits: Vec<u8>,
    /// Whether the run is something else.
    is_other: bool,
}

impl Archive {
    /// Reads the digit at byte `position`.
    pub(super) fn read(&mut self, digit: char, position: u64) {
        if self.is_other {
            return;
        }
        if self.digits.is_empty() {
            self.start = position;
        }
        // Digits are ASCII.
        self.digits.push(digit as u8);
        let known = self.digits.len().min(MAGIC.len());
        if self.digits[..known] != MAGIC[..known] || self.digits.len() > DIGITS_MAX {
            self.is_other = true;
            self.digits = Vec::new();
        }
    }

    /// The first byte of the text that is held back.
    pub(super) fn pending(&self) -> Option<u64> {
        (!self.digits.is_empty()).then_some(self.start)
    }

    /// The end of the run, at byte `end`.
    pub(super) fn end(&mut self, rules: &RoomRules, end: u64, found: &mut Finds) {
        let Self { start, digits, .. } = std::mem::take(self);
        look(rules, &digits, start..end, found);
    }
}

/// Looks for everything in the compressed text that the digits of a run at `span` stand for, if they do.
pub(super) fn look(rules: &RoomRules, digits: &[u8], span: Range<u64>, found: &mut Finds) {
    if !digits.starts_with(MAGIC) || !(DIGITS_MIN..=DIGITS_MAX).contains(&digits.len()) {
        return;
    }
    let packed = whole::decoded(Encoding::Base64, digits);
    let bound = packed.len() as u64 * RATIO_MAX + UNPACKED_MIN;
    let mut unpacked = Vec::new();
    // What was cut off or is broken is read as far as it goes.
    let _ = flate2::bufread::MultiGzDecoder::new(&packed[..]).take(bound).read_to_end(&mut unpacked);
    #[cfg(test)]
    crate::work::note_decoded(unpacked.len());
    let mut finds = Finds::default();
    for chunk in unpacked.utf8_chunks() {
        whole::read_alone(rules, chunk.valid(), &mut finds);
    }
    // Each rule once: all its finds are the same run.
    finds.terms.sort_unstable_by_key(|(rule, ..)| *rule);
    finds.terms.dedup_by_key(|(rule, ..)| *rule);
    finds.matches.sort_unstable_by_key(|(watch, ..)| *watch);
    finds.matches.dedup_by_key(|(watch, ..)| *watch);
    finds.hand_over(rules, Evasion::Compressed, found, |_| span.clone());
}
