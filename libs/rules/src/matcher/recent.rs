//! The last characters of a text, to tell what an escape sequence that ends there stands for.

use crate::escape::{Escape, Progress};
use crate::fold::{self, Class};
use crate::reading::{Before, Case};

/// The longest sequence that is looked for, in bytes: `\u{10ffff}`, `\U0001f600`.
const SEQUENCE_MAX: usize = 12;

/// Up to sixteen ASCII characters, the newest in the lowest byte; others are not kept and end a sequence.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Recent(u128);

impl Recent {
    /// Behind a text.
    pub(super) fn behind(text: &str) -> Self {
        // Most words begin behind a blank, and no sequence that matters here ends with one.
        let ends = text.bytes().next_back().is_some_and(is_end);
        let first =
            if ends { text.floor_char_boundary(text.len().saturating_sub(SEQUENCE_MAX)) } else { text.len() };
        let mut recent = Self::default();
        text[first..].chars().for_each(|c| recent.read(c));
        recent
    }

    #[inline]
    pub(super) fn read(&mut self, c: char) {
        self.0 = self.0 << 8 | u128::from(if c.is_ascii() { c as u8 } else { 0 });
    }

    /// The letter or digit that a sequence which ends here stands for, as what stands before the next character.
    #[inline]
    pub(super) fn escaped(self) -> Option<Before> {
        is_end(self.0 as u8).then(|| self.decoded()).flatten()
    }

    fn decoded(self) -> Option<Before> {
        let bytes = self.0.to_be_bytes();
        let tail = &bytes[bytes.len() - SEQUENCE_MAX..];
        (0..tail.len()).rev().find_map(|first| {
            let mut escape = Escape::begin(char::from(tail[first]))?;
            for (at, byte) in tail.iter().enumerate().skip(first + 1) {
                match escape.read_original(char::from(*byte)) {
                    Progress::More(more) => escape = more,
                    Progress::Done(decoded) if at + 1 == tail.len() => return shown(decoded),
                    _ => return None,
                }
            }
            None
        })
    }
}

/// Whether a sequence may end with a byte that is no letter.
fn is_end(byte: u8) -> bool {
    byte.is_ascii_digit() || matches!(byte, b';' | b'}')
}

fn shown(decoded: char) -> Option<Before> {
    let class = fold::class(*fold::units(decoded).last()?);
    matches!(class, Class::Letter | Class::Digit)
        .then(|| Before { class: Some(class), case: Case::of(decoded, class) })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sequence_is_the_letter_that_it_stands_for() {
        for (text, expected) in [
            ("a\\u0078", Some(Class::Letter)),
            ("\\x68", Some(Class::Letter)),
            ("\\x{78}", Some(Class::Letter)),
            ("%68", Some(Class::Letter)),
            ("&#120;", Some(Class::Letter)),
            ("&#x78;", Some(Class::Letter)),
            ("\\150", Some(Class::Letter)),
            ("\\u0035", Some(Class::Digit)),
            ("\\u0020", None),
            ("%20", None),
            ("0078", None),
            ("x;", None),
            ("&amp;", None),
            ("\\u00", None),
            ("", None),
        ] {
            let mut read = Recent::default();
            text.chars().for_each(|c| read.read(c));
            for recent in [read, Recent::behind(text)] {
                assert_eq!(recent.escaped().and_then(|before| before.class), expected, "{text}");
            }
        }
    }
}
