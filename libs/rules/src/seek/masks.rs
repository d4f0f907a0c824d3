//! A block of 64 bytes as masks with one bit per byte.

use wide::{i8x16, u8x16};

pub(super) const BLOCK: usize = 64;

/// One bit per byte of a block.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Masks {
    pub(super) letters: u64,
    pub(super) capitals: u64,
    /// ASCII, neither letter nor space nor control but ESC, nor a point, comma or hyphen.
    pub(super) signs: u64,
    /// Points, commas and hyphens: by far the most frequent signs.
    pub(super) stops: u64,
    /// Digits of base64, and so of every encoding.
    pub(super) dense: u64,
    /// Capitals and decimal digits, without which a run of digits is a word.
    pub(super) varied: u64,
    pub(super) foreign: u64,
}

impl Masks {
    #[inline]
    pub(super) fn of(block: &[u8; BLOCK]) -> Self {
        let mut masks = Self::default();
        for (number, bytes) in block.as_chunks::<16>().0.iter().enumerate() {
            masks.add(u8x16::new(*bytes), 16 * number);
        }
        masks
    }

    #[inline]
    fn add(&mut self, bytes: u8x16, at: usize) {
        let mask = |lanes: u8x16| u64::from(lanes.to_bitmask()) << at;
        let is = |byte: u8| bytes.simd_eq(u8x16::splat(byte));
        let capitals = within(bytes, b'A', b'Z');
        let letters = within(bytes | u8x16::splat(0x20), b'a', b'z');
        let digits = within(bytes, b'0', b'9');
        let hyphens = is(b'-');
        let stops = is(b'.') | is(b',') | hyphens;
        // As signed bytes, foreign ones are below zero.
        let visible = bytes.cast_signed().simd_gt(i8x16::splat(0x20)).cast_unsigned();
        self.letters |= mask(letters);
        self.capitals |= mask(capitals);
        self.stops |= mask(stops);
        self.signs |= mask(visible & !(letters | stops) | is(0x1B));
        self.dense |= mask(letters | digits | hyphens | is(b'+') | is(b'/') | is(b'_'));
        self.varied |= mask(capitals | digits);
        self.foreign |= mask(bytes);
    }
}

#[inline]
fn within(bytes: u8x16, first: u8, last: u8) -> u8x16 {
    let moved = bytes - u8x16::splat(first);
    moved.min(u8x16::splat(last - first)).simd_eq(moved)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_byte_is_told_apart_at_every_place() {
        for byte in 0..=255u8 {
            for at in 0..BLOCK {
                let mut block = [b' '; BLOCK];
                block[at] = byte;
                let bit = |set: bool| u64::from(set) << at;
                let stop = matches!(byte, b'.' | b',' | b'-');
                let expected = Masks {
                    letters: bit(byte.is_ascii_alphabetic()),
                    capitals: bit(byte.is_ascii_uppercase()),
                    stops: bit(stop),
                    signs: bit(byte == 0x1B
                        || ((0x21..0x80).contains(&byte) && !byte.is_ascii_alphabetic() && !stop)),
                    dense: bit(byte.is_ascii_alphanumeric() || b"+-/_".contains(&byte)),
                    varied: bit(byte.is_ascii_uppercase() || byte.is_ascii_digit()),
                    foreign: bit(!byte.is_ascii()),
                };
                assert_eq!(Masks::of(&block), expected, "{byte:#x} at {at}");
            }
        }
    }
}
