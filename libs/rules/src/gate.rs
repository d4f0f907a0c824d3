//! A quick test for whole texts: can a term begin with these first letters?
//!
//! It answers "no" for nearly every word of ordinary text by one look into a bitmap of 128 KiB,
//! and for most of the rest by a short walk through the tree. A "yes" only means that the matcher
//! has to look.

use crate::escape::Escape;
use crate::evasion::Evasion;
use crate::fold::{self, Class};
use crate::reading::for_each_reading;
use crate::trie::{Node, Trie};

/// Letters that the bitmap knows.
const LETTERS: u32 = 4;

/// Bits of the smallest bitmap (4 KiB) and of the largest.
const BITS_MIN: u32 = 15;
const BITS_MAX: u32 = 20;

/// The test for one tree.
pub(crate) struct Gate {
    /// One bit for every beginning of up to four letters that leads somewhere in the tree, with
    /// separators of the term left out. The place of a beginning is mixed from its letters; two may have
    /// the same one, which costs a second look.
    beginnings: Vec<u64>,
    /// What is left of a mixed key to make a place.
    shift: u32,
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
        let mut keys = Vec::new();
        note_beginnings(trie, Trie::ROOT, 0, 0, &mut keys);
        keys.sort_unstable();
        keys.dedup();
        // So that about one place in 32 is taken, as far as memory near the processor allows it.
        let bits = (32 * keys.len()).next_power_of_two().trailing_zeros().clamp(BITS_MIN, BITS_MAX);
        let mut gate =
            Self { beginnings: vec![0; 1 << (bits - 6)], shift: 32 - bits, signs: [Sign::Never; 128] };
        for key in keys {
            let place = gate.place(key);
            gate.beginnings[place >> 6] |= 1 << (place & 63);
        }
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

    /// The place of up to four letters, five bits in a byte each.
    #[inline]
    fn place(&self, letters: u32) -> usize {
        (letters.wrapping_mul(0x9E37_79B1) >> self.shift) as usize
    }

    /// Whether a term may begin with the first four letters at `at`. The lowest bits of `letters`
    /// say which bytes from there on are letters; what they do not know counts as no letter, which
    /// only makes a "yes" more likely.
    #[inline]
    pub(crate) fn is_likely<const LEN: usize>(&self, window: &[u8; LEN], at: usize, letters: u64) -> bool {
        const CUTS: [u32; 8] = [0x1F, 0x1F_1F, 0x1F, 0x1F_1F_1F, 0x1F, 0x1F_1F, 0x1F, 0x1F_1F_1F_1F];
        let Some(first) = window[at..].first_chunk() else { return true };
        let place = self.place(u32::from_le_bytes(*first) & CUTS[(letters >> 1 & 7) as usize]);
        self.beginnings[place >> 6] >> (place & 63) & 1 != 0
    }

    /// Whether a term may begin with a point, a comma or a hyphen.
    pub(crate) fn admits_stops(&self) -> bool {
        [b'.', b',', b'-'].iter().any(|stop| self.signs[usize::from(*stop)] != Sign::Never)
    }

    /// Whether a term, or an escape sequence, may begin with the ASCII character at `at`, which
    /// is not a letter.
    pub(crate) fn admits_sign(&self, trie: &Trie, text: &[u8], at: usize) -> bool {
        let next = text.get(at + 1).copied().unwrap_or(b' ');
        match (text[at], self.signs[usize::from(text[at] & 127)]) {
            (0x1B, _) => true,
            (b'&', _) if next == b'#' || next.is_ascii_alphabetic() || !is_plain(next) => true,
            (b'%', _) if next.is_ascii_hexdigit() || !is_plain(next) => admits_percent(trie, text, at),
            (b'%', _) if matches!(next, b'u' | b'U') => true,
            (b'\\', _) if Escape::follows_backslash(next) || !is_plain(next) => admits_letter(trie, text, at),
            (_, Sign::Never) => false,
            (_, Sign::Term) => true,
            (_, Sign::Leet) => admits_leet(trie, text, at),
        }
    }

    pub(crate) fn memory_bytes(&self) -> usize {
        self.beginnings.len() * 8 + self.signs.len()
    }
}

/// Printable ASCII: not a part of a longer character and not invisible.
fn is_plain(byte: u8) -> bool {
    (b' '..0x7F).contains(&byte)
}

/// Whether a term may begin with a percent sequence, or behind it: only where both are ASCII this can be told.
fn admits_percent(trie: &Trie, text: &[u8], at: usize) -> bool {
    let digit = |at: usize| text.get(at).and_then(|byte| char::from(*byte).to_digit(16));
    let (Some(high), Some(low)) = (digit(at + 1), digit(at + 2)) else { return true };
    let decoded = (high << 4 | low) as u8;
    let next = text.get(at + 3).copied().unwrap_or(b' ');
    begins_here(trie, decoded) || begins_behind(trie, decoded, next)
}

/// Whether a term may begin with a sign that replaces its first letter.
fn admits_leet(trie: &Trie, text: &[u8], at: usize) -> bool {
    let mut admits = false;
    for_each_reading(char::from(text[at]), |letters, _| {
        let node = letters.first().and_then(|letter| trie.child(Trie::ROOT, *letter));
        admits |= node.is_some_and(|node| goes_on(trie, node, &text[at + 1..], LETTERS));
    });
    admits
}

/// Whether a term that is read up to a node, with digits and signs in the place of letters, may go on with a
/// text: follows so many characters through the tree. No separator can stand between letters and such signs:
/// numbers have these.
fn goes_on(trie: &Trie, node: Node, text: &[u8], characters: u32) -> bool {
    let fork = trie.fork(node);
    if characters == 0 || fork.is_end() || fork.has_separator() {
        return true;
    }
    let Some((byte, rest)) = text.split_first() else { return false };
    let leads = |c: char| trie.child(node, c).is_some_and(|node| goes_on(trie, node, rest, characters - 1));
    let c = char::from(byte.to_ascii_lowercase());
    // Marks, quotes, escape sequences, and what cannot be seen.
    let is_wild = !is_plain(*byte) || b"*_~`<\"'%&\\=+".contains(byte);
    if is_wild && !byte.is_ascii_whitespace() || (!c.is_ascii_lowercase() && trie.child(node, c).is_some()) {
        return true;
    }
    if c.is_ascii_lowercase() {
        return leads(c);
    }
    let mut read_so = false;
    for_each_reading(c, |letters, _| read_so |= letters.first().is_some_and(|letter| leads(*letter)));
    read_so
}

/// The same for a backslash and one of the letters that stand for white space or a quote.
fn admits_letter(trie: &Trie, text: &[u8], at: usize) -> bool {
    let is_letter = text.get(at + 1).is_some_and(|byte| b"nrtv\"'`/".contains(byte));
    !is_letter || begins_behind(trie, b' ', text.get(at + 2).copied().unwrap_or(b' '))
}

/// Whether a term may begin with a decoded character. Of one that is not a letter this is not known.
fn begins_here(trie: &Trie, decoded: u8) -> bool {
    let c = char::from(decoded.to_ascii_lowercase());
    !is_plain(decoded) || matches!(decoded, b'%' | b'&' | b'\\') || trie.child(Trie::ROOT, c).is_some()
}

/// Whether a term may begin with the character behind a decoded one: not inside of its word.
fn begins_behind(trie: &Trie, decoded: u8, next: u8) -> bool {
    if decoded.is_ascii_alphabetic() && next.is_ascii_alphabetic() {
        return false;
    }
    let leet = !next.is_ascii_alphabetic() && next != b' ';
    leet || (next != b' ' && trie.child(Trie::ROOT, char::from(next.to_ascii_lowercase())).is_some())
}

fn code(letter: u8) -> u32 {
    u32::from(letter & 31)
}

/// Lists every beginning of up to four letters, five bits in a byte each, of the terms below a node.
fn note_beginnings(trie: &Trie, node: Node, key: u32, letters: u32, keys: &mut Vec<u32>) {
    keys.push(key);
    if letters == LETTERS {
        return;
    }
    if trie.accept(node).is_some() {
        // The plural of a short term.
        keys.push(key | code(b's') << (8 * letters));
    }
    for (label, child) in trie.labelled_children(node) {
        match label {
            'a'..='z' => {
                note_beginnings(trie, child, key | code(label as u8) << (8 * letters), letters + 1, keys);
            }
            ' ' | '-' if node != Trie::ROOT => note_beginnings(trie, child, key, letters, keys),
            _ => {}
        }
    }
}

/// Whether a term may begin with the letters at `at`: follows plain letters through the tree. Wherever
/// anything but a plain letter could play a part, the answer is that the matcher must look.
pub(crate) fn admits_word(trie: &Trie, text: &[u8], at: usize) -> bool {
    let mut node = Trie::ROOT;
    for (read, byte) in text[at..].iter().enumerate() {
        let fork = trie.fork(node);
        if byte.is_ascii_alphabetic() {
            if fork.is_end() || (read > 0 && fork.has_separator()) {
                return true;
            }
            match trie.child_of(fork, node, char::from(byte.to_ascii_lowercase())) {
                Some(child) => node = child,
                None => return false,
            }
            continue;
        }
        if byte.is_ascii_digit() {
            return goes_on(trie, node, &text[at + read..], LETTERS);
        }
        let next = text.get(at + read + 1).copied().unwrap_or(b' ');
        let space = |byte: u8| matches!(byte, b' ' | b'\n' | b'\r' | b'\t');
        // One letter may be the first of a spaced out term, unless a whole word follows.
        if read == 1 && (!space(*byte) || !next.is_ascii_alphabetic() || is_alone(text, at + 2)) {
            return true;
        }
        // The word is over: a term must end here too, or go on with what is here.
        let over =
            space(*byte) || (matches!(byte, b'.' | b',' | b';' | b':' | b'!' | b'?' | b')') && space(next));
        let goes_on = trie.child(node, if space(*byte) { ' ' } else { char::from(*byte) });
        return !over || fork.is_end() || fork.has_separator() || goes_on.is_some();
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
    use crate::evasion::Evasions;
    use crate::rule::Action;
    use crate::trie::{TrieBuilder, Use};

    fn gate(terms: &[&str]) -> Gate {
        let mut builder = TrieBuilder::default();
        for term in terms {
            builder.add(term, term.len(), Use { room: 0, rule: 0, spelling: Evasions::NONE }, Action::Deny);
        }
        Gate::new(&builder.build())
    }

    /// The quick test at byte 1 of a block, as `seek` asks it.
    fn is_likely(gate: &Gate, text: &str) -> bool {
        let mut window = [0; 12];
        window[1..=text.len()].copy_from_slice(text.as_bytes());
        let letters =
            text.bytes().rev().fold(0, |bits, byte| bits << 1 | u64::from(byte.is_ascii_alphabetic()));
        gate.is_likely(&window, 1, letters)
    }

    #[test]
    fn what_begins_like_a_term_is_likely_whatever_follows() {
        let gate = gate(&["falcon", "an lee", "bo"]);
        for text in
            ["Falcon", "fALCx", "f-alcon", "fa<b>", "fal\\u", "F a l", "anl", "an-", "anle", "bos", "b", "bo"]
        {
            assert!(is_likely(&gate, text), "{text}");
        }
        for text in ["falk", "gal", "ant", "anlx", "box", "alcon", "c"] {
            assert!(!is_likely(&gate, text), "{text}");
        }
    }

    #[test]
    fn letters_that_are_not_known_make_it_likely() {
        let gate = gate(&["falcon"]);
        let mut window = [0; 8];
        window[1..7].copy_from_slice(b"faxxxx");
        for (letters, likely) in [(0b1111, false), (0b111, false), (0b11, true), (0b1, true)] {
            assert_eq!(gate.is_likely(&window, 1, letters), likely, "{letters:b}");
        }
    }
}
