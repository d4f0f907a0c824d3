//! Finds the places of a whole text at which a term may begin.
//!
//! The text is read in blocks of 64 bytes, each turned into masks with one bit per byte, so that
//! the beginnings of words come out of a few operations. Places in the middle of a word cost
//! nothing; the others are put to the [`crate::gate`].

use std::ops::Range;

use crate::encoded::RUN_MIN;
use crate::evasion::Evasion;
use crate::fold::{self, Class, Folded};
use crate::gate::letters_of;
use crate::matcher::{Before, Case, begins_word, for_each_reading};
use crate::ruleset::RoomRules;
use crate::trie::Trie;

const BLOCK: usize = 64;
const EACH: u64 = 0x0101_0101_0101_0101;

/// One bit per byte of a block.
struct Masks {
    letters: u64,
    capitals: u64,
    /// ASCII, neither letter nor space nor control.
    signs: u64,
    foreign: u64,
}

impl Masks {
    #[inline]
    fn of(block: &[u8; BLOCK]) -> Self {
        let mut masks = Self { letters: 0, capitals: 0, signs: 0, foreign: 0 };
        for (number, bytes) in block.as_chunks::<8>().0.iter().enumerate() {
            let word = u64::from_le_bytes(*bytes);
            let low = word & (0x7F * EACH);
            let letters = letters_of(word);
            let capitals = letters & !(low << 2);
            let foreign = word & (0x80 * EACH);
            let printable = (low + (0x80 - 0x21) * EACH) & (0x80 * EACH) & !foreign;
            let at = 8 * number;
            masks.letters |= gather(letters) << at;
            masks.capitals |= gather(capitals) << at;
            masks.foreign |= gather(foreign) << at;
            masks.signs |= gather(printable & !letters) << at;
        }
        masks
    }
}

/// The highest bits of eight bytes as one byte.
fn gather(highest: u64) -> u64 {
    (highest >> 7).wrapping_mul(0x0102_0408_1020_4080) >> 56
}

/// What [`seek`] finds.
pub(crate) enum Place {
    /// A term may begin here.
    Term(usize),
    /// A run of digits that is long enough to be an encoding may begin here. Before the part
    /// stands no digit, or another part. Parts come in order.
    Dense(Range<usize>),
}

/// Whether twelve printable characters stand in a row, `before` of them before the block.
fn has_run(printable: u64, before: usize) -> bool {
    let two = printable & printable >> 1;
    let four = two & two >> 2;
    let eight = four & four >> 4;
    eight & four >> 8 != 0 || before + printable.trailing_ones() as usize >= RUN_MIN as usize
}

/// Calls `visit` for every place at which something may begin.
pub(crate) fn seek(rules: &RoomRules, text: &str, mut visit: impl FnMut(Place)) {
    let bytes = text.as_bytes();
    let (trie, gate) = (rules.trie(), rules.gate());
    let humps_count = if rules.evasions().contains(Evasion::Joined) { u64::MAX } else { 0 };
    let mut letter_before = 0;
    let (mut start, mut printable_before) = (0, 0);
    while start < bytes.len() {
        let masks = match bytes.get(start..start + BLOCK).and_then(|block| block.first_chunk()) {
            Some(block) => Masks::of(block),
            None => {
                let mut last = [0; BLOCK];
                last[..bytes.len() - start].copy_from_slice(&bytes[start..]);
                Masks::of(&last)
            }
        };
        let printable = masks.letters | masks.signs;
        if has_run(printable, printable_before) {
            visit(Place::Dense(start - printable_before.min(BLOCK)..start + BLOCK));
        }
        printable_before = printable.leading_ones() as usize;
        let inside = masks.letters << 1 | letter_before;
        letter_before = masks.letters >> (BLOCK - 1);
        let mut words = masks.letters & !inside | masks.capitals & inside & humps_count;
        // First the quick test for all of them, without a branch that depends on the text.
        let mut likely = 0;
        while words != 0 {
            let bit = words.trailing_zeros();
            words &= words - 1;
            likely |= u64::from(gate.is_likely(bytes, start + bit as usize)) << bit;
        }
        while likely != 0 {
            let at = start + likely.trailing_zeros() as usize;
            likely &= likely - 1;
            if gate.admits_word(trie, bytes, at) {
                visit(Place::Term(at));
            }
        }
        let mut others = masks.signs | masks.foreign;
        while others != 0 {
            let bit = others.trailing_zeros() as usize;
            others &= others - 1;
            let at = start + bit;
            let begins = match masks.foreign >> bit & 1 {
                0 => gate.admits_sign(bytes, at),
                _ => text.is_char_boundary(at) && may_begin(rules, text, at),
            };
            if begins {
                visit(Place::Term(at));
            }
        }
        start += BLOCK;
    }
}

/// What stands before byte `at`.
pub(crate) fn before(text: &str, at: usize) -> Before {
    let mut mark = Before::START;
    for c in text[..at].chars().rev() {
        let units = fold::units(c);
        let Some(last) = units.last() else { continue };
        let case = Case::of(c, fold::class(*last));
        for unit in units.iter().rev() {
            match fold::class(*unit) {
                // Only if nothing else stands before it does a mark count.
                Class::Extend => mark = Before { class: Some(Class::Extend), case },
                class => return Before { class: Some(class), case },
            }
        }
    }
    mark
}

/// Whether a term may begin with the character at `at`, which is not ASCII.
fn may_begin(rules: &RoomRules, text: &str, at: usize) -> bool {
    let Some(c) = text[at..].chars().next() else { return false };
    let before = before(text, at);
    if before.class == Some(Class::Letter) && is_small_letter(c) {
        return false;
    }
    let trie = rules.trie();
    let leads = |units: &[char]| {
        units.iter().any(|unit| matches!(unit, '&' | '%' | '\\') || trie.child(Trie::ROOT, *unit).is_some())
    };
    let mut begins = leads(&fold::units(c));
    for_each_reading(c, |units, _| begins |= leads(units));
    begins && (fold::is_upper(c) || begins_somewhere(c, before))
}

/// Whether a character can only go on with a word, after a letter: so can its readings, which are
/// letters too.
fn is_small_letter(c: char) -> bool {
    matches!(fold::fold(c), Folded::One(_, Class::Letter)) && !fold::is_upper(c)
}

/// Whether a word begins at or inside a character.
fn begins_somewhere(c: char, mut before: Before) -> bool {
    let from = before;
    let mut begins = false;
    for unit in fold::units(c) {
        let class = fold::class(unit);
        begins |= begins_word(before.class, class) || matches!(unit, '&' | '%' | '\\');
        before.note(class, Case::None);
    }
    for_each_reading(c, |units, _| {
        begins |= units.first().is_some_and(|unit| begins_word(from.class, fold::class(*unit)));
    });
    begins
}
