//! Tells from a short run of digits, before any decoder reads it, that nothing can be in it.
//!
//! Long words with a capital look like base64. Read from each of the four digits that a byte may begin with,
//! they are hardly ever text for more than two or three characters, and this takes a few operations to see.
//! A "yes" only means that the decoders have to look.

use crate::encoded::{Encoding, RUN_MIN, begins};
use crate::evasion::Evasion;
use crate::ruleset::RoomRules;
use crate::trie::Trie;

/// Longer runs are left to the decoders: words are shorter.
const RUN_MAX: usize = 48;
/// What a run of that length decodes to, and as much as the gate may look at behind it.
const WINDOW: usize = RUN_MAX / 4 * 3 + 4;
/// The value of what is no digit.
const NONE: u8 = 64;

/// By byte, its value as a digit of base64.
static VALUES: [u8; 256] = {
    let mut values = [NONE; 256];
    let mut byte = 0;
    while byte < 256 {
        values[byte] = match byte as u8 {
            b'A'..=b'Z' => byte as u8 - b'A',
            b'a'..=b'z' => byte as u8 - b'a' + 26,
            b'0'..=b'9' => byte as u8 - b'0' + 52,
            b'+' | b'-' => 62,
            b'/' | b'_' => 63,
            _ => NONE,
        };
        byte += 1;
    }
    values
};

/// Whether a run may hold something in one of the encodings, as far as it is not continued in the next line.
pub(super) fn may_hold(rules: &RoomRules, run: &[u8]) -> bool {
    let hex = run.split(|byte| !byte.is_ascii_hexdigit()).any(|digits| digits.len() >= RUN_MIN as usize);
    hex || run.len() > RUN_MAX || (rules.decodes(Encoding::Base64) && may_hold_base64(rules, run))
}

fn may_hold_base64(rules: &RoomRules, run: &[u8]) -> bool {
    // A character that is not ASCII may stand for more letters than it has bytes.
    let least = rules.watches().shortest().unwrap_or(usize::MAX).min(3);
    (0..4.min(run.len())).any(|skip| {
        let mut window = [0; WINDOW];
        let mut len = 0;
        let (mut before, mut stretch, mut longest) = (0, 0, 0);
        let mut put = |window: &mut [u8; WINDOW], byte: u8| {
            window[len] = byte;
            len += 1;
            // Every stretch that is text is within one that is counted here, and most of those are too short.
            let goes_on = match byte {
                0..0x80 => true,
                0x80..0xC0 => before >= 0x80,
                _ => (0xC2..0xF5).contains(&byte),
            };
            stretch = if goes_on { stretch + 1 } else { 0 };
            longest = longest.max(stretch);
            before = byte;
        };
        for quad in run[skip..].chunks(4) {
            let value = |at: usize| quad.get(at).map_or(0, |digit| VALUES[usize::from(*digit)]);
            let (one, two, three, four) = (value(0), value(1), value(2), value(3));
            if quad.len() > 1 {
                put(&mut window, one << 2 | two >> 4);
            }
            if quad.len() > 2 {
                put(&mut window, two << 4 | three >> 2);
            }
            if quad.len() > 3 {
                put(&mut window, three << 6 | four);
            }
        }
        longest >= least
            && window[..len].utf8_chunks().any(|chunk| {
                let text = chunk.valid();
                text.len() >= least && text_may_hold(rules, text)
            })
    })
}

/// Whether a decoded text may hold anything; nothing goes on behind it.
fn text_may_hold(rules: &RoomRules, text: &str) -> bool {
    let watches = rules.watches();
    let matches = watches.shortest().is_some_and(|shortest| text.len() >= shortest);
    // An encoding inside the encoding.
    if text.len() >= RUN_MIN as usize || matches {
        return true;
    }
    let mut window = [0; WINDOW];
    window[..text.len()].copy_from_slice(text.as_bytes());
    let letters = (0..text.len()).fold(0, |all, at| all | u64::from(window[at].is_ascii_alphabetic()) << at);
    rules.trie().reach(Trie::ROOT).meets(rules.reach())
        && text.char_indices().any(|(at, c)| {
            let rest = &text[at..];
            let long = rest.len() >= Evasion::Base64.min_term_letters() || !rest.is_ascii();
            long && begins(rules, c)
                && (!c.is_ascii_alphabetic() || rules.gate().is_likely(&window, at, letters >> at))
        })
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use base64::Engine;
    use base64::prelude::BASE64_STANDARD;
    use proptest::prelude::*;

    use super::*;
    use crate::encoded::{Finds, decoders};
    use crate::rule::{Room, RuleKind, RuleSpec, Term};
    use crate::{Pattern, Ruleset};

    fn rules(kinds: Vec<RuleKind>) -> RoomRules {
        let specs = kinds.into_iter().map(|kind| RuleSpec::new("rule", kind)).collect();
        let room = Room { name: "room".to_owned(), rules: specs };
        Arc::new(Ruleset::compile(&[room]).unwrap()).room("room").unwrap()
    }

    fn terms() -> RoomRules {
        let terms = ["Falcon", "Ann Lee", "Überraschung", "efface", "Сокол"];
        rules(terms.map(|term| RuleKind::Term(Term::new(term).unwrap())).into())
    }

    fn both() -> RoomRules {
        let pattern = RuleKind::Pattern(Pattern::new("[0-9]{3}", None).unwrap());
        rules(vec![RuleKind::Term(Term::new("Falcon").unwrap()), pattern])
    }

    /// What the decoders find in a run.
    fn found(rules: &RoomRules, run: &str) -> usize {
        let mut finds = Finds::default();
        for mut decoder in decoders(rules) {
            for (at, c) in run.char_indices() {
                decoder.read(rules, c, at as u64, &mut finds);
            }
            decoder.end(rules, &mut finds);
        }
        finds.terms.len() + finds.matches.len()
    }

    #[test]
    fn long_words_with_a_capital_are_passed_over() {
        let words = ["Notwithstanding", "Approximately", "AmericanExpress", "HouseOfCommons"];
        let latin = rules(vec![RuleKind::Term(Term::new("Falcon").unwrap())]);
        for word in words {
            assert!(!may_hold(&latin, word.as_bytes()), "{word}");
        }
    }

    #[test]
    fn encoded_terms_are_not_passed_over_at_any_alignment() {
        for term in ["the falcon", "Ann Lee", "ÜBERRASCHUNG", "e\u{FB00}ace now", "F&#97;lcon", "сокол"]
        {
            for before in ["", "x", "xy", "xyz"] {
                let run = before.to_owned() + BASE64_STANDARD.encode(term).trim_end_matches('=');
                assert!(may_hold(&terms(), run.as_bytes()), "{term} as {run}");
            }
        }
        assert!(may_hold(&terms(), b"46616c636f6e"), "hexadecimal digits");
    }

    proptest! {
        /// Whatever the decoders find, they were let look at.
        #[test]
        fn nothing_is_passed_over_in_which_something_is_found(
            before in "[A-Za-z0-9]{0,4}",
            text in "(falcon|Falcon|fa l con|ann lee|сокол|f4lcon|123|4567|e\u{FB00}ace|\u{FB00}|[ -~]{0,6}|\\PC{0,3}){1,3}",
            after in "[A-Za-z0-9+/_-]{0,6}",
        ) {
            let run = before + BASE64_STANDARD.encode(text).trim_end_matches('=') + &after;
            for rules in [terms(), both()] {
                prop_assert!(found(&rules, &run) == 0 || may_hold(&rules, run.as_bytes()), "{run}");
            }
        }
    }
}
