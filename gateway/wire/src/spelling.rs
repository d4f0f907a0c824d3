//! Spellings of keys. Servers read more than the one that an API documents: those written in Go, such as Ollama, take
//! `MAX_TOKENS` for `max_tokens`, others take `maxTokens`. What steers a call counts in every spelling.

use smallvec::SmallVec;

/// Length of the longest key that steers a call, letters alone, in bytes; anything longer is another key.
const LONGEST: usize = 32;

/// Letters of a key in lower case, without `_` and `-`; empty for a key that is longer than any that counts.
pub(crate) fn letters(key: &str) -> SmallVec<[u8; LONGEST]> {
    let kept = key.bytes().filter(|byte| !matches!(byte, b'_' | b'-'));
    let letters: SmallVec<_> = kept.take(LONGEST + 1).map(|byte| byte.to_ascii_lowercase()).collect();
    if letters.len() > LONGEST { SmallVec::new() } else { letters }
}

/// Whether a name is a spelling of a key.
pub(crate) fn is_spelled(name: &str, key: &str) -> bool {
    let first = |text: &str| text.bytes().next().map(|byte| byte.to_ascii_lowercase());
    // Most names differ in their first letter already.
    first(name) == first(key) && letters(name) == letters(key)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn case_and_signs_between_words_do_not_count() {
        for name in ["max_tokens", "MAX_TOKENS", "maxTokens", "Max-Tokens", "maxtokens"] {
            assert!(is_spelled(name, "max_tokens") && is_spelled("max_tokens", name), "{name}");
        }
        for name in ["", "max_token", "max_tokens2", "maximum_tokens", "max tokens", "\u{212a}ey"] {
            assert!(!is_spelled(name, "max_tokens"), "{name}");
        }
        assert!(letters(&"k".repeat(LONGEST + 1)).is_empty());
    }
}
