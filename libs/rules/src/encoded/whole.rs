//! Reads the runs of a whole text, each of them at once.

use std::ops::Range;

use crate::encoded::{BREAK_MAX, DEPTH_MAX, Finds, archive, begins, sift};
use crate::encoding::{Encoding, RUN_MIN, is_varied};
use crate::pattern::runs::Runs as Expressions;
use crate::room::RoomRules;
use crate::seek::{Place, seek};
use crate::walks::Walks;

/// Looks for encoded violations in the dense parts of a whole text.
pub(crate) struct Runs<'a> {
    rules: &'a RoomRules,
    text: &'a [u8],
    /// Everything before it was looked at.
    start: usize,
    /// Everything before it was read as a run over several lines.
    wrapped: usize,
    bytes: Bytes,
}

impl<'a> Runs<'a> {
    pub(crate) fn new(rules: &'a RoomRules, text: &'a str) -> Self {
        Self { rules, text: text.as_bytes(), start: 0, wrapped: 0, bytes: Bytes::default() }
    }

    /// Looks at the run that begins at `at`. The digits of all encodings are base64 digits too, so a run of
    /// these is all that has to be found.
    pub(crate) fn look(&mut self, at: usize, found: &mut Finds) {
        if at < self.start {
            return;
        }
        self.start = run_end(self.text, at);
        let run = Digits { bytes: &self.text[at..self.start], lines: &[(0, at as u64)] };
        for encoding in Encoding::ALL.into_iter().filter(|encoding| self.rules.decodes(*encoding)) {
            let level = Level { rules: self.rules, encoding, beginnings: encoding.beginnings(), depth: 1 };
            level.read_parts(&run, &mut self.bytes, found);
        }
        let goes_on = matches!(self.text.get(self.start), Some(b'\r' | b'\n'));
        if (goes_on || archive::is_wanted(self.rules))
            && at >= self.wrapped
            && self.rules.decodes(Encoding::Base64)
        {
            self.look_at_lines(at, found);
        }
    }

    /// Looks at the run that begins at `at` as far as it goes over lines: what begins in one and ends in another,
    /// and what was compressed.
    fn look_at_lines(&mut self, at: usize, found: &mut Finds) {
        let (mut digits, mut lines, mut varied) = (Vec::new(), Vec::new(), false);
        let mut begin = at;
        loop {
            let end = run_end(self.text, begin);
            let line = &self.text[begin..end];
            lines.push((digits.len() as u64, begin as u64));
            digits.extend_from_slice(line);
            varied = varied || line.iter().any(|byte| is_varied(*byte));
            self.wrapped = end;
            let is_long = line.len() >= RUN_MIN as usize && varied;
            let is_break = |byte: &&u8| matches!(byte, b'\r' | b'\n' | b' ' | b'\t');
            let rest = &self.text[end..];
            let broken = rest.iter().take(usize::from(BREAK_MAX)).take_while(is_break).count();
            let is_next = self.text.get(end + broken).is_some_and(|byte| Encoding::Base64.is_digit(*byte));
            if !is_long || !matches!(rest.first(), Some(b'\r' | b'\n')) || !is_next {
                break;
            }
            begin = end + broken;
        }
        if lines.len() > 1 {
            let level = Level { rules: self.rules, encoding: Encoding::Base64, beginnings: 1, depth: 1 };
            level.read_run(&Digits { bytes: &digits, lines: &lines }, &mut self.bytes, found);
        }
        if archive::is_wanted(self.rules) {
            archive::look(self.rules, &digits, at as u64..self.wrapped as u64, found);
        }
    }
}

/// The whole bytes that digits stand for.
pub(super) fn decoded(encoding: Encoding, digits: &[u8]) -> Vec<u8> {
    let mut bytes = Bytes::default();
    bytes.pack(encoding, digits);
    bytes.packed.truncate(digits.len() * encoding.bits() as usize / 8);
    bytes.packed
}

/// Looks for everything in a text that was decoded, but for encodings.
pub(super) fn read_alone(rules: &RoomRules, text: &str, found: &mut Finds) {
    Level { rules, encoding: Encoding::Base64, beginnings: 1, depth: DEPTH_MAX }.read_text(text, 0, found);
}

/// The end of the run of base64 digits that begins at `at`.
fn run_end(text: &[u8], at: usize) -> usize {
    let rest = &text[at..];
    at + rest.iter().position(|byte| !Encoding::Base64.is_digit(*byte)).unwrap_or(rest.len())
}

/// Digits of a run, without the line breaks between them.
struct Digits<'d> {
    bytes: &'d [u8],
    /// The first digit of each line, and its place in the text.
    lines: &'d [(u64, u64)],
}

impl Digits<'_> {
    /// The place of a digit.
    fn place(&self, digit: u64) -> u64 {
        let after = self.lines.partition_point(|(first, _)| *first <= digit);
        let (first, place) = self.lines[after.saturating_sub(1)];
        place + digit.saturating_sub(first)
    }

    /// The place of the first digit that a decoded byte does not share with the one before it.
    fn first_place(&self, encoding: Encoding, skip: u64, byte: u64) -> u64 {
        self.place(first_digit(encoding, byte) + skip)
    }

    /// The digits that decoded bytes come from.
    fn places(&self, encoding: Encoding, skip: u64, decoded: Range<u64>) -> Range<u64> {
        let last = (first_digit(encoding, decoded.end) + skip).min(self.bytes.len() as u64).saturating_sub(1);
        self.first_place(encoding, skip, decoded.start)..self.place(last) + 1
    }
}

/// The first digit of a run that is of this byte alone, or the one behind its last byte.
fn first_digit(encoding: Encoding, byte: u64) -> u64 {
    (byte * 8).div_ceil(u64::from(encoding.bits()))
}

/// The bytes that a run stands for, kept from run to run for their memory.
#[derive(Default)]
struct Bytes {
    /// From the first digit on, with a zero byte behind them.
    packed: Vec<u8>,
    /// From another digit on.
    shifted: Vec<u8>,
}

impl Bytes {
    /// Packs digits into bytes.
    fn pack(&mut self, encoding: Encoding, digits: &[u8]) {
        let values = encoding.values();
        let value = |digit: &u8| u64::from(values[usize::from(*digit)]);
        let bits = encoding.bits() as usize;
        self.packed.clear();
        self.packed.reserve(digits.len() * bits / 8 + 10);
        // Eight digits are as many bytes as one has bits.
        let (groups, rest) = digits.as_chunks::<8>();
        for group in groups {
            let packed =
                group.iter().fold(0, |packed, digit| packed << bits | value(digit)) << (64 - 8 * bits);
            self.packed.extend_from_slice(&packed.to_be_bytes()[..bits]);
        }
        let packed = rest.iter().fold(0, |packed, digit| packed << bits | value(digit));
        let packed = packed.checked_shl((64 - rest.len() * bits) as u32).unwrap_or(0);
        self.packed.extend_from_slice(&packed.to_be_bytes()[..bits]);
        self.packed.push(0);
    }

    /// The whole bytes of `count` digits from digit `skip` on.
    fn decoded_from(&mut self, encoding: Encoding, skip: usize, count: usize) -> &[u8] {
        let bits = encoding.bits() as usize;
        let (first, shift) = (skip * bits / 8, skip * bits % 8);
        let len = (count - skip) * bits / 8;
        #[cfg(test)]
        crate::work::note_decoded(len);
        if shift == 0 {
            return &self.packed[first..first + len];
        }
        let pairs = self.packed[first..first + len].iter().zip(&self.packed[first + 1..=first + len]);
        self.shifted.clear();
        self.shifted.extend(pairs.map(|(one, next)| one << shift | next >> (8 - shift)));
        &self.shifted
    }
}

/// How runs are read: by which encoding, from how many of their first digits on, and inside how many others.
#[derive(Clone, Copy)]
struct Level<'a> {
    rules: &'a RoomRules,
    encoding: Encoding,
    beginnings: u8,
    depth: u8,
}

impl Level<'_> {
    /// Reads the parts of a run of base64 digits that are runs of the encoding.
    fn read_parts(self, run: &Digits<'_>, bytes: &mut Bytes, found: &mut Finds) {
        let least = RUN_MIN as usize;
        let is_digit = |at: usize| self.encoding.is_digit(run.bytes[at]);
        let mut at = 0;
        while at + least <= run.bytes.len() {
            // A part that is long enough has a digit at every step of that length.
            if !is_digit(at + least - 1) {
                at += least;
                continue;
            }
            let begin = (at..at + least).rev().find(|at| !is_digit(*at)).map_or(at, |before| before + 1);
            let end = (at + least..run.bytes.len()).find(|at| !is_digit(*at)).unwrap_or(run.bytes.len());
            let part = &run.bytes[begin..end];
            if part.len() >= least && part.iter().any(|byte| is_varied(*byte)) {
                let lines = [(0, run.place(begin as u64))];
                self.read_run(&Digits { bytes: part, lines: &lines }, bytes, found);
            }
            at = end;
        }
    }

    /// Reads a run from each of its first digits on.
    fn read_run(self, run: &Digits<'_>, bytes: &mut Bytes, found: &mut Finds) {
        bytes.pack(self.encoding, run.bytes);
        let evident = run.bytes.iter().position(|byte| !byte.is_ascii_lowercase()).unwrap_or(run.bytes.len());
        for skip in 0..usize::from(self.beginnings).min(run.bytes.len()) {
            let decoded = bytes.decoded_from(self.encoding, skip, run.bytes.len());
            let from = if skip == 0 { 0 } else { self.first_evident(skip, evident) };
            let mut finds = Finds::default();
            sift::stretches(self.rules, decoded, from.min(decoded.len()), |first, text| {
                self.read_text(text, from.saturating_sub(first), &mut finds);
                let original = |span: Range<u64>| {
                    let decoded = span.start + first as u64..span.end + first as u64;
                    run.places(self.encoding, skip as u64, decoded)
                };
                finds.hand_over(self.rules, self.encoding.evasion(), found, original);
            });
        }
    }

    /// The first byte that begins with digit `evident` or behind it, read from digit `skip` on.
    fn first_evident(self, skip: usize, evident: usize) -> usize {
        // The reverse of `first_digit`.
        let digits = evident.saturating_sub(skip);
        digits.checked_sub(1).map_or(0, |before| before * self.encoding.bits() as usize / 8 + 1)
    }

    /// Looks for everything in a decoded text that begins at byte `from` or behind it.
    fn read_text(self, text: &str, from: usize, found: &mut Finds) {
        let rules = self.rules;
        // A character counts where its first byte does.
        let from = text.ceil_char_boundary(from);
        let (mut walks, mut dense) = (Walks::new(rules, text), Vec::new());
        seek(rules, text, |place| match place {
            Place::Term(at) => {
                let is_begin = || text[at..].chars().next().is_some_and(|c| begins(rules, c));
                if at >= from && is_begin() {
                    walks.begin(at, &mut found.terms);
                }
            }
            // A long run comes more than once.
            Place::Dense(at) if self.depth < DEPTH_MAX && dense.last() != Some(&at) => dense.push(at),
            Place::Dense(_) => {}
        });
        walks.end(&mut found.terms);
        self.read_nested(text.as_bytes(), from, &dense, found);
        if !rules.watches().is_empty() {
            let (mut expressions, mut matched) = (Expressions::default(), Vec::new());
            let (text, from) = (&text[from..], from as u64);
            expressions.read(rules.watches(), text, from, from, &mut matched);
            expressions.end(rules.watches(), text, from, &mut matched);
            found.matches.extend(matched.into_iter().map(|(watch, span)| (watch, span, None)));
        }
    }

    /// Decodes what of a decoded text is an encoding in turn. Such a run has its beginning.
    fn read_nested(self, text: &[u8], from: usize, dense: &[usize], found: &mut Finds) {
        let (mut bytes, mut done) = (Bytes::default(), from);
        for at in dense {
            if run_end(text, *at) <= done {
                continue;
            }
            let begin = done.max(*at);
            done = run_end(text, begin);
            let run = Digits { bytes: &text[begin..done], lines: &[(0, begin as u64)] };
            for encoding in Encoding::ALL.into_iter().filter(|encoding| self.rules.decodes(*encoding)) {
                let level = Level { encoding, beginnings: 1, depth: self.depth + 1, ..self };
                level.read_parts(&run, &mut bytes, found);
            }
        }
    }
}
