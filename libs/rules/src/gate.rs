//! A quick test for whole texts: can a term begin with these first letters?
//!
//! It answers "no" for nearly every word of ordinary text by one look into a bitmap of 128 KiB,
//! and for most of the rest by a short walk through the tree. A "yes" only means that the matcher
//! has to look.

use crate::evasion::Evasion;
use crate::fold::{self, Class};
use crate::matcher::for_each_reading;
use crate::trie::{Node, Trie};

/// Letters that the bitmap knows; five bits each.
const LETTERS: u32 = 4;
/// Bits of the key of the first three letters, and the size of its bitmap.
const SHORT_BITS: u32 = 15;
const SHORT_WORDS: usize = 1 << (SHORT_BITS - 6);

/// The test for one tree.
pub(crate) struct Gate {
    /// One bit for every beginning of up to four letters that leads somewhere in the tree, with
    /// separators of the term left out.
    beginnings: Vec<u64>,
    /// The same for their first three letters, mixed: 4 KiB, which stay in the nearest cache.
    short: Box<[u64; SHORT_WORDS]>,
    /// By ASCII character that is not a letter: whether a term may begin with it.
    signs: [Sign; 128],
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Sign {
    Never,
    /// A term begins with a letter that it may replace, and goes on with another letter.
    Leet,
    /// A term begins with it.
    Term,
}

impl Gate {
    pub(crate) fn new(trie: &Trie) -> Self {
        let mut gate = Self {
            beginnings: vec![0; 1 << (5 * LETTERS - 6)],
            short: Box::new([0; SHORT_WORDS]),
            signs: [Sign::Never; 128],
        };
        gate.note_beginnings(trie, Trie::ROOT, 0, 0);
        for (code, sign) in gate.signs.iter_mut().enumerate() {
            let c = char::from(code as u8);
            for_each_reading(c, |letters, _| {
                let node = letters.first().and_then(|letter| trie.child(Trie::ROOT, *letter));
                let Some(node) = node else { return };
                if trie.has_separator(node) {
                    *sign = Sign::Term;
                } else if trie.most_letters(node) >= Evasion::Leetspeak.min_term_letters() {
                    *sign = (*sign).max(Sign::Leet);
                }
            });
            if !matches!(fold::class(c), Class::Letter | Class::Space | Class::Dropped)
                && trie.child(Trie::ROOT, c).is_some()
            {
                *sign = Sign::Term;
            }
        }
        gate
    }

    fn note_beginnings(&mut self, trie: &Trie, node: Node, key: u32, letters: u32) {
        self.set(key);
        if letters == LETTERS {
            return;
        }
        if trie.accept(node).is_some() {
            // The plural of a short term.
            self.set(key | code(b's') << (5 * letters));
        }
        for (label, child) in trie.labelled_children(node) {
            match label {
                'a'..='z' => {
                    self.note_beginnings(trie, child, key | code(label as u8) << (5 * letters), letters + 1);
                }
                ' ' | '-' if node != Trie::ROOT => self.note_beginnings(trie, child, key, letters),
                _ => {}
            }
        }
    }

    fn set(&mut self, key: u32) {
        self.beginnings[(key >> 6) as usize] |= 1 << (key & 63);
        let short = short_key(key & 0x1F | (key & 0x3E0) << 3 | (key & 0x7C00) << 6);
        self.short[short >> 6] |= 1 << (short & 63);
    }

    /// Whether a term may begin with the first three letters at `at`. The lowest bits of `letters`
    /// say which bytes from there on are letters; what they do not know counts as no letter, which
    /// only makes a "yes" more likely. There are at least four bytes at every place of a block.
    #[inline]
    pub(crate) fn is_likely<const LEN: usize>(&self, window: &[u8; LEN], at: usize, letters: u64) -> bool {
        const CUTS: [u32; 4] = [0x1F, 0x1F_1F, 0x1F, 0x1F_1F_1F];
        let Some(first) = window[at..].first_chunk() else { return true };
        let key = short_key(u32::from_le_bytes(*first) & CUTS[(letters >> 1 & 3) as usize]);
        self.short[key >> 6] >> (key & 63) & 1 != 0
    }

    /// Whether a term may begin with the letters at `at`.
    pub(crate) fn admits_word(&self, trie: &Trie, text: &[u8], at: usize) -> bool {
        let key = key(text, at);
        self.beginnings[(key >> 6) as usize] >> (key & 63) & 1 != 0 && walk(trie, text, at)
    }

    /// Whether a term may begin with a point, a comma or a hyphen.
    pub(crate) fn admits_stops(&self) -> bool {
        [b'.', b',', b'-'].iter().any(|stop| self.signs[usize::from(*stop)] != Sign::Never)
    }

    /// Whether a term, or an escape sequence, may begin with the ASCII character at `at`, which
    /// is not a letter.
    pub(crate) fn admits_sign(&self, text: &[u8], at: usize) -> bool {
        let next = text.get(at + 1).copied().unwrap_or(b' ');
        match (text[at], self.signs[usize::from(text[at] & 127)]) {
            (b'&', _) if next == b'#' || next.is_ascii_alphabetic() || !is_plain(next) => true,
            (b'%', _) if next.is_ascii_hexdigit() || !is_plain(next) => true,
            (b'\\', _) if matches!(next, b'u' | b'U' | b'x' | b'X') || !is_plain(next) => true,
            (_, Sign::Never) => false,
            (_, Sign::Term) => true,
            // A letter so replaced is followed by more of its word.
            (_, Sign::Leet) => !matches!(next, b' ' | b'\n' | b'\r' | b'\t'),
        }
    }

    pub(crate) fn memory_bytes(&self) -> usize {
        (self.beginnings.len() + self.short.len()) * 8 + self.signs.len()
    }
}

/// Printable ASCII: not a part of a longer character and not invisible.
fn is_plain(byte: u8) -> bool {
    (b' '..0x7F).contains(&byte)
}

/// The place in the short bitmap of up to three letters, five bits in a byte each. Two keys may
/// have the same place, which costs a second look.
#[inline]
fn short_key(letters: u32) -> usize {
    (letters.wrapping_mul(0x9E37_79B1) >> (32 - SHORT_BITS)) as usize
}

fn code(letter: u8) -> u32 {
    u32::from(letter & 31)
}

/// Up to four letters at `at`, as the bitmap counts them.
#[inline]
fn key(text: &[u8], at: usize) -> u32 {
    let word = match text.get(at..at + 4) {
        Some(word) => u32::from_le_bytes([word[0], word[1], word[2], word[3]]),
        None => text[at..].iter().rev().fold(0, |word, byte| word << 8 | u32::from(*byte)),
    };
    // Everything from the first other character on is cut off; without a branch, because no
    // processor can guess how long the next word is.
    let others = (!letters_of(u64::from(word)) & 0x8080_8080) | 1 << 32;
    let letters = (1u64 << (others.trailing_zeros() & !7)) - 1;
    let kept = word & letters as u32 & 0x1F1F_1F1F;
    kept & 0x1F | kept >> 3 & 0x3E0 | kept >> 6 & 0x7C00 | kept >> 9 & 0xF_8000
}

/// The highest bit of every byte that is an ASCII letter.
#[inline]
pub(crate) fn letters_of(word: u64) -> u64 {
    const EACH: u64 = 0x0101_0101_0101_0101;
    let lower = (word & (0x7F * EACH)) | (0x20 * EACH);
    let from_a = lower + (0x80 - 0x61) * EACH;
    let beyond_z = lower + (0x80 - 0x7B) * EACH;
    from_a & !beyond_z & !word & (0x80 * EACH)
}

/// Follows plain letters through the tree. Wherever anything but a plain letter could play a
/// part, the answer is that the matcher must look.
fn walk(trie: &Trie, text: &[u8], at: usize) -> bool {
    let mut node = Trie::ROOT;
    for (read, byte) in text[at..].iter().enumerate() {
        if byte.is_ascii_alphabetic() {
            if trie.accept(node).is_some() || (read > 0 && trie.has_separator(node)) {
                return true;
            }
            match trie.child(node, char::from(byte.to_ascii_lowercase())) {
                Some(child) => node = child,
                None => return false,
            }
            continue;
        }
        let next = text.get(at + read + 1).copied().unwrap_or(b' ');
        let space = |byte: u8| matches!(byte, b' ' | b'\n' | b'\r' | b'\t');
        // One letter may be the first of a spaced out term, unless a whole word follows.
        if read == 1 && (!space(*byte) || !next.is_ascii_alphabetic() || is_alone(text, at + 2)) {
            return true;
        }
        // The word is over: a term must end here too, or go on with what is here.
        let over = space(*byte)
            || (matches!(byte, b'.' | b',' | b';' | b':' | b'!' | b'?' | b')' | b'"') && space(next));
        let goes_on = trie.child(node, if space(*byte) { ' ' } else { char::from(*byte) });
        return !over || trie.accept(node).is_some() || trie.has_separator(node) || goes_on.is_some();
    }
    true
}

/// Whether the character after `at` is not a letter.
fn is_alone(text: &[u8], at: usize) -> bool {
    !text.get(at + 1).is_some_and(u8::is_ascii_alphabetic)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn letters_are_found_in_words_of_eight_bytes() {
        for byte in 0..=255u8 {
            let word = u64::from_le_bytes([b'a', byte, b' ', byte, b'Z', 0xFF, byte, b'7']);
            let expected = [true, byte.is_ascii_alphabetic(), false, byte.is_ascii_alphabetic(), true, false];
            for (at, expected) in expected.into_iter().enumerate() {
                assert_eq!(letters_of(word) >> (8 * at + 7) & 1 == 1, expected, "{byte} at {at}");
            }
        }
    }

    #[test]
    fn the_key_is_of_the_letters_before_the_first_other_character() {
        assert_eq!(key(b"Falcon", 0), key(b"  fALC", 2));
        assert_eq!(key(b"fa lc", 0), key(b"FA", 0));
        assert_eq!(key("faé".as_bytes(), 0), key(b"fa-", 0));
        assert_ne!(key(b"fa", 0), key(b"fab", 0));
        assert_eq!(key(b"-a", 0), 0);
    }
}
