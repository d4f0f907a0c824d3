//! Finds the expressions that may begin at a place, by the bytes there.
//!
//! Two tests, neither of which says "no" where a match is. The *gate* is for every place of a text: the classes of
//! three bytes, and whether a word character stands before them, are one bit of 64 KiB; where it is set, the class of
//! the fourth byte has to fit too. What the gate lets through is put to the *rows*: by place and byte, one bit for every opening that can have the byte there. The intersection over
//! the bytes that follow leaves the few expressions that are worth a run of their automata; so one look at a number
//! serves all expressions that look for numbers.

use std::collections::HashMap;

use smallvec::SmallVec;

use crate::pattern::is_word;
use crate::pattern::opening::{OPENING_BYTES, Opening};
use crate::pattern::watches::Watch;

/// Bytes of a text that the gate looks at.
const GATE_BYTES: usize = 4;
/// Classes of bytes that the gate tells apart.
const CLASSES: usize = 64;
/// The part of the gate for places behind a word character.
const INSIDE: usize = CLASSES * CLASSES;
/// After so many places, so few openings are left to their automata.
const ALONE_PLACES: usize = 4;
const ALONE_MAX: u32 = 2;
/// Places that the gate tests before it asks whether one of them passed.
const BATCH: usize = 8;

/// Classes of bytes that are part of words come first.
const WORD_CLASSES: u8 = 54;

/// By byte, its class: letters by themselves, and signs that are alike together.
static CLASS_OF: [u8; 256] = {
    let mut classes = [0; 256];
    let mut byte = 0;
    while byte < 256 {
        let letter = byte as u8;
        classes[byte] = match letter {
            b'A'..=b'Z' => letter - b'A',
            b'a'..=b'z' => 26 + letter - b'a',
            b'0'..=b'9' => 52,
            b'_' => 53,
            b'-' => 54,
            b'.' => 55,
            b':' | b'=' => 56,
            b'/' => 57,
            b'"' | b'\'' => 58,
            b'+' | b'@' | b'~' => 59,
            0..=b' ' => 60,
            0x80..0xC0 => 62,
            0xC0.. => 63,
            _ => 61,
        };
        byte += 1;
    }
    classes
};

/// Entries of the table of fourth bytes. Beginnings that share one let more through.
const FOURTHS: usize = 4096;

/// A quick test for places at which nothing can begin.
struct Gate {
    /// By side, class of the first and class of the second byte: one bit for each class of the third.
    thirds: Box<[u64; 2 * INSIDE]>,
    /// By the mixed classes of the first three bytes: one bit for each class of the fourth.
    fourths: Box<[u64; FOURTHS]>,
}

impl Gate {
    /// A gate for those of the expressions that are `chosen`.
    fn of(watches: &[Watch], chosen: impl Fn(&Watch) -> bool) -> Self {
        let (mut thirds, mut fourths) = (Box::new([0; 2 * INSIDE]), Box::new([0; FOURTHS]));
        let openings =
            watches.iter().filter(|watch| chosen(watch)).flat_map(|watch| watch.expression.openings());
        for opening in openings {
            let classes = |place: usize| match opening.places.get(place) {
                None => u64::MAX,
                Some(bytes) => bytes.iter().fold(0, |all, byte| all | 1u64 << CLASS_OF[usize::from(byte)]),
            };
            let each = |classes: u64| (0..CLASSES).filter(move |class| classes >> class & 1 != 0);
            // Continuation bytes are inside a character: nothing begins there.
            let firsts = classes(0) & !(1 << CLASS_OF[0x80]);
            let (seconds, third, fourth) = (classes(1), classes(2), classes(3));
            for (_, side) in
                [(opening.outside, 0), (opening.inside, INSIDE)].into_iter().filter(|(counts, _)| *counts)
            {
                for first in each(firsts) {
                    for second in each(seconds) {
                        let key = side + first * CLASSES + second;
                        thirds[key] |= third;
                        each(third).for_each(|third| fourths[mixed(key, third)] |= fourth);
                    }
                }
            }
        }
        Self { thirds, fourths }
    }

    /// Whether something may begin with three bytes behind another one.
    #[inline]
    fn admits(&self, before: u8, first: u8, second: u8, third: u8) -> bool {
        self.thirds[key(before, first, second)] >> class(third) & 1 != 0
    }

    /// Whether it may go on with a fourth.
    fn goes_on(&self, [before, first, second, third, fourth]: [u8; 5]) -> bool {
        self.fourths[mixed(key(before, first, second), class(third))] >> class(fourth) & 1 != 0
    }

    /// One bit for each place of a batch, from the second byte of the window on, that three bytes let through. No
    /// branch depends on the text.
    #[inline]
    fn passed(&self, window: &[u8; BATCH + GATE_BYTES]) -> u32 {
        let classes = window.map(|byte| CLASS_OF[usize::from(byte)]);
        let mut passed = 0;
        for ahead in 0..BATCH {
            let side = if classes[ahead] < WORD_CLASSES { INSIDE } else { 0 };
            let key = side | usize::from(classes[ahead + 1]) << 6 | usize::from(classes[ahead + 2]);
            let thirds = self.thirds[key & (2 * INSIDE - 1)];
            passed |= ((thirds >> (classes[ahead + 3] & 63)) as u32 & 1) << ahead;
        }
        passed
    }

    /// The first place from `at` on, and before `end`, that is let through; else `end`. The last bytes of all are
    /// let through, for what follows them is not known.
    fn next(&self, before: Option<u8>, bytes: &[u8], at: usize, end: usize) -> usize {
        let known = end.min((bytes.len() + 1).saturating_sub(GATE_BYTES));
        if at >= known {
            return at.min(end);
        }
        let Some([first, second, third, fourth]) = bytes[at..].first_chunk().copied() else { return at };
        let before = before.unwrap_or(b' ');
        if self.admits(before, first, second, third) && self.goes_on([before, first, second, third, fourth]) {
            return at;
        }
        let mut place = at + 1;
        // From here on the byte before is one of these.
        let bytes = &bytes[..known + GATE_BYTES - 1];
        while let Some(window) = bytes[place - 1..].first_chunk::<{ BATCH + GATE_BYTES }>() {
            let mut passed = self.passed(window);
            while passed != 0 {
                let ahead = passed.trailing_zeros() as usize;
                if self.goes_on([0, 1, 2, 3, 4].map(|more| window[ahead + more])) {
                    return place + ahead;
                }
                passed &= passed - 1;
            }
            place += BATCH;
        }
        let mut rest = bytes[place - 1..].windows(GATE_BYTES + 1);
        let admits = |window: &[u8]| match *window {
            [before, first, second, third, fourth] => {
                self.admits(before, first, second, third)
                    && self.goes_on([before, first, second, third, fourth])
            }
            _ => true,
        };
        place + rest.position(admits).unwrap_or(known - place)
    }
}

fn class(byte: u8) -> usize {
    usize::from(CLASS_OF[usize::from(byte)])
}

/// The side and the classes of two bytes behind another one, as one number.
fn key(before: u8, first: u8, second: u8) -> usize {
    let side = if is_word(before) { INSIDE } else { 0 };
    side + class(first) * CLASSES + class(second)
}

/// The entry of three classes.
fn mixed(key: usize, third: usize) -> usize {
    let all = (key * CLASSES + third) as u32;
    (all.wrapping_mul(0x9E37_79B1) >> (u32::BITS - FOURTHS.trailing_zeros())) as usize
}

/// The tests for all expressions of a room.
pub(super) struct Dispatch {
    /// By place and byte, the number of a row.
    rows: Box<[[u16; 256]; OPENING_BYTES]>,
    /// The same for the first place, behind a word character.
    inside: Box<[u16; 256]>,
    /// Bits of all rows, one for each opening. Most bytes share one of a few rows.
    bits: Vec<u64>,
    /// Words of a row.
    width: usize,
    /// By opening, the expression that it belongs to.
    watches: Vec<u16>,
    /// The test for all expressions, and for those that need no byte nearby.
    any: Gate,
    undemanding: Gate,
}

impl Dispatch {
    pub(super) fn new(watches: &[Watch], is_undemanding: impl Fn(&Watch) -> bool) -> Self {
        let openings: Vec<_> = (0..)
            .zip(watches)
            .flat_map(|(number, watch)| {
                watch.expression.openings().iter().map(move |opening| (number, opening))
            })
            .collect();
        let width = openings.len().div_ceil(64).max(1);
        let mut table = Rows { width, known: HashMap::new(), bits: Vec::new() };
        let row_of = |table: &mut Rows, place: usize, counts: fn(&Opening) -> bool| {
            let mut wanted = vec![0u64; 256 * width];
            for (bit, (_, opening)) in openings.iter().enumerate().filter(|(_, (_, opening))| counts(opening))
            {
                for byte in 0..=255u8 {
                    let holds = opening.places.get(place).is_none_or(|bytes| bytes.holds(byte));
                    wanted[usize::from(byte) * width + bit / 64] |= u64::from(holds) << (bit % 64);
                }
            }
            let mut numbers = [0; 256];
            for (number, row) in numbers.iter_mut().zip(wanted.chunks_exact(width)) {
                *number = table.number(row);
            }
            numbers
        };
        let mut rows = Box::new([[0; 256]; OPENING_BYTES]);
        for (place, row) in rows.iter_mut().enumerate() {
            *row = row_of(&mut table, place, if place == 0 { |opening| opening.outside } else { |_| true });
        }
        let inside = Box::new(row_of(&mut table, 0, |opening| opening.inside));
        Self {
            rows,
            inside,
            bits: table.bits,
            width,
            watches: openings.iter().map(|(number, _)| *number).collect(),
            any: Gate::of(watches, |_| true),
            undemanding: Gate::of(watches, is_undemanding),
        }
    }

    /// Calls `visit` with the expressions that can begin where `known` begins, as far as it tells.
    pub(super) fn for_each(&self, before: Option<u8>, known: &[u8], mut visit: impl FnMut(u16)) {
        let Some(first) = known.first().filter(|first| *first & 0xC0 != 0x80) else { return };
        let firsts = if before.is_some_and(is_word) { &self.inside } else { &self.rows[0] };
        let row = self.row(firsts[usize::from(*first)]);
        let Some(start) = row.iter().position(|bits| *bits != 0) else { return };
        let end = row.iter().rposition(|bits| *bits != 0).map_or(row.len(), |last| last + 1);
        let mut left: SmallVec<[u64; 8]> = SmallVec::from_slice(&row[start..end]);
        for (place, (byte, numbers)) in known.iter().zip(self.rows.iter()).enumerate().skip(1) {
            // Few are sooner begun than tested further.
            if place > ALONE_PLACES && left.iter().map(|bits| bits.count_ones()).sum::<u32>() <= ALONE_MAX {
                break;
            }
            let row = &self.row(numbers[usize::from(*byte)])[start..end];
            let mut any = 0;
            for (left, bits) in left.iter_mut().zip(row) {
                *left &= bits;
                any |= *left;
            }
            if any == 0 {
                return;
            }
        }
        for (number, mut bits) in (start..).zip(left) {
            while bits != 0 {
                visit(self.watches[64 * number + bits.trailing_zeros() as usize]);
                bits &= bits - 1;
            }
        }
    }

    fn row(&self, number: u16) -> &[u64] {
        let start = usize::from(number) * self.width;
        &self.bits[start..start + self.width]
    }

    /// The first place from `at` on at which an expression may begin, up to `end`; with `lone` those that
    /// need a byte nearby are left out.
    pub(super) fn next(&self, lone: bool, before: Option<u8>, bytes: &[u8], at: usize, end: usize) -> usize {
        let gate = if lone { &self.undemanding } else { &self.any };
        gate.next(before, bytes, at, end)
    }

    pub(super) fn memory_bytes(&self) -> usize {
        let rows = 2 * 256 * (OPENING_BYTES + 1) + 8 * self.bits.len() + 2 * self.watches.len();
        rows + 2 * (size_of::<[u64; 2 * INSIDE]>() + size_of::<[u64; FOURTHS]>())
    }
}

/// Different rows, each once.
struct Rows {
    width: usize,
    known: HashMap<Vec<u64>, u16>,
    bits: Vec<u64>,
}

impl Rows {
    fn number(&mut self, row: &[u64]) -> u16 {
        if let Some(number) = self.known.get(row) {
            return *number;
        }
        // There are at most as many as places times bytes, which is less than numbers.
        let number = (self.bits.len() / self.width) as u16;
        self.bits.extend_from_slice(row);
        self.known.insert(row.to_vec(), number);
        number
    }
}
