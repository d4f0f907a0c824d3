//! Words without which an expression's matches do not count, as a quick test of the text before a place.
//!
//! Most numbers are only told from others by a word before them. Where none of an expression's words can stand, its
//! matches need not be looked for at all. The test knows words by a hash of their first letters, so it may pass where
//! no word is; the check of the match decides.

/// Bits of a test.
const BITS: u32 = 1024;
/// Letters of a word that are hashed.
const LETTERS: usize = 3;

/// The hashes of some words.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Cue([u64; BITS as usize / 64]);

impl Cue {
    /// A test for words in lower case, one of which stands before every match that counts; `None` where a
    /// word cannot be told by its first letters.
    pub(crate) fn of<'w>(words: impl IntoIterator<Item = &'w str>) -> Option<Self> {
        let mut cue = Self([0; BITS as usize / 64]);
        for word in words {
            let first = word.chars().next()?;
            if first.is_ascii() && !first.is_ascii_alphabetic() {
                return None;
            }
            // A text of ASCII alone holds no other words, and in any other the test passes.
            if word.is_ascii() {
                let letters = &word.as_bytes()[..word.len().min(LETTERS)];
                cue.insert(hash(letters));
            }
        }
        Some(cue)
    }

    fn insert(&mut self, hash: u32) {
        self.0[(hash / 64) as usize] |= 1 << (hash % 64);
    }
}

/// The words that begin in the text before a place.
pub(super) struct Before {
    begun: Cue,
    /// Whether the text has letters that the test does not know.
    is_foreign: bool,
}

impl Before {
    /// The words that begin in a text; its first byte may begin one.
    pub(super) fn of(text: &[u8]) -> Self {
        let mut begun = Cue([0; BITS as usize / 64]);
        let is_foreign = !text.is_ascii();
        let mut last = b' ';
        for (at, byte) in text.iter().enumerate().filter(|_| !is_foreign) {
            if byte.is_ascii_alphabetic() && !last.is_ascii_alphanumeric() {
                // Words of the test may be as short as one letter.
                (1..=LETTERS.min(text.len() - at))
                    .for_each(|count| begun.insert(hash(&text[at..at + count])));
            }
            last = *byte;
        }
        Self { begun, is_foreign }
    }

    /// Whether one of the words of a test may stand there.
    pub(super) fn may_hold(&self, cue: &Cue) -> bool {
        self.is_foreign || self.begun.0.iter().zip(&cue.0).any(|(begun, wanted)| begun & wanted != 0)
    }
}

fn hash(letters: &[u8]) -> u32 {
    let key = letters.iter().fold(0, |key, byte| key << 8 | u32::from(byte.to_ascii_lowercase()));
    key.wrapping_mul(0x9E37_79B1) >> (32 - BITS.trailing_zeros())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_word_is_known_wherever_it_may_stand() {
        let cue = Cue::of(["ssn", "pw", "t", "née le"]).unwrap();
        for text in ["SSN: ", "my ssn is ", "x-pw ", "(T) ", "ssn", "né le "] {
            assert!(Before::of(text.as_bytes()).may_hold(&cue), "{text}");
        }
        for text in ["", "12, 13.5, ", "\"id\": ", "[0.1, -0.2"] {
            assert!(!Before::of(text.as_bytes()).may_hold(&cue), "{text}");
        }
        assert!(Cue::of(["#"]).is_none() && Cue::of([""]).is_none());
    }
}
