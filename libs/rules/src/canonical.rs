//! What a match is called, whatever it was written like: for whoever compares matches by a digest and
//! must not keep their text.

use std::ops::Range;

use crate::encoding::Encoding;
use crate::escape::{Escape, Progress};
use crate::evasion::Evasion;
use crate::fold::fold_text;
use crate::room::RoomRules;

/// How many digits before an encoded match are decoded with it: its first byte may begin in them, and a
/// detector may look for a word there.
const CONTEXT_DIGITS: usize = 128;

/// How often an encoding is taken apart, and an escape sequence that stands for part of another one.
const DEPTH_MAX: usize = 2;
const NESTED_MAX: usize = 3;

/// A text as it is folded before it is compared: case, accents, compatibility forms, kinds and runs of
/// white space and what cannot be seen make no other text. Look-alike letters stay what they are.
pub fn canonical(text: &str) -> String {
    fold_text(text)
}

impl RoomRules {
    /// Whether a rule finds texts that it does not list: a pattern or a pack.
    pub fn has_patterns(&self) -> bool {
        !self.watches().is_empty()
    }

    /// How the match of a pattern or a pack at `span` of a text reads without this disguise; `None` where
    /// it cannot be told.
    ///
    /// The span of an encoded match begins with the first digit that is of the match alone, so its first
    /// byte may begin in a digit before. Every place where it can begin is tried, until the rule finds
    /// something again.
    pub fn undisguised(
        &self,
        rule: usize,
        text: &str,
        span: Range<usize>,
        evasion: Evasion,
    ) -> Option<String> {
        self.plain(rule, text, span, evasion, DEPTH_MAX)
    }

    fn plain(
        &self,
        rule: usize,
        text: &str,
        span: Range<usize>,
        evasion: Evasion,
        depth: usize,
    ) -> Option<String> {
        let matched = text.get(span.clone())?;
        let encodings: &[Encoding] = match evasion {
            Evasion::Base64 => &[Encoding::Base64, Encoding::Hex, Encoding::Base32],
            Evasion::Hex => &[Encoding::Hex, Encoding::Base64, Encoding::Base32],
            Evasion::Base32 => &[Encoding::Base32, Encoding::Base64, Encoding::Hex],
            Evasion::Entities | Evasion::Percent | Evasion::Escapes => {
                return Some(without_sequences(matched));
            }
            _ => return None,
        };
        if depth == 0 {
            return None;
        }
        let begin = text[..span.start]
            .char_indices()
            .rev()
            .take_while(|(_, c)| c.is_ascii_alphanumeric() || c.is_whitespace() || "+/-_".contains(*c))
            .take(CONTEXT_DIGITS)
            .last()
            .map_or(span.start, |(at, _)| at);
        let mut found = Vec::new();
        for text in encodings.iter().flat_map(|encoding| decodings(&text[begin..span.end], *encoding)) {
            found.clear();
            self.scan(&text, &mut found);
            // What was asked about is what ends last; of several that do, the longest.
            let again = found.iter().filter(|violation| violation.rule == rule);
            let last = again.max_by_key(|violation| (violation.span.end, violation.span.len()));
            let Some(violation) = last else { continue };
            let span = violation.span.clone();
            return match violation.evasion {
                None => Some(text[span].to_owned()),
                Some(evasion) => self.plain(rule, &text, span, evasion, depth - 1),
            };
        }
        None
    }
}

/// The texts that these digits may stand for: the first of them may begin anywhere within a byte.
fn decodings(digits: &str, encoding: Encoding) -> impl Iterator<Item = String> {
    let values: Vec<u32> = digits.chars().filter_map(|c| encoding.digit(c)).collect();
    let (bits, skips) = match encoding {
        Encoding::Base64 => (6, &[0, 2, 4, 6][..]),
        Encoding::Hex => (4, &[0, 4][..]),
        Encoding::Base32 => (5, &[0, 5, 2, 7, 4, 1, 6, 3][..]),
    };
    skips.iter().map(move |skip| {
        let (mut held, mut window): (i32, u32) = (-*skip, 0);
        let mut bytes = Vec::with_capacity(values.len());
        for value in &values {
            window = (window & 0xFF) << bits | value;
            held += bits;
            if held >= 8 {
                held -= 8;
                bytes.push((window >> held & 0xFF) as u8);
            }
        }
        String::from_utf8_lossy(&bytes).into_owned()
    })
}

/// The text with every escape sequence as the character that it stands for.
fn without_sequences(text: &str) -> String {
    let mut text = text.to_owned();
    for _ in 0..NESTED_MAX {
        let (mut out, mut at) = (String::with_capacity(text.len()), 0);
        while let Some(c) = text[at..].chars().next() {
            let (shown, length) = sequence(&text[at..]).unwrap_or((c, c.len_utf8()));
            out.push(shown);
            at += length;
        }
        if out == text {
            break;
        }
        text = out;
    }
    text
}

/// The character that the sequence at the beginning of a text stands for, and its length in bytes.
fn sequence(text: &str) -> Option<(char, usize)> {
    let mut chars = text.char_indices();
    let mut escape = Escape::begin(chars.next()?.1)?;
    // Some sequences end where another character follows, or nothing.
    for (at, c) in chars.chain([(text.len(), ' ')]) {
        match escape.read_original(c) {
            Progress::More(more) => escape = more,
            Progress::Done(shown) => return Some((shown, at + c.len_utf8())).filter(|_| at < text.len()),
            Progress::DoneBefore(shown) => return Some((shown, at)),
            // Only the sequences of deep disguises have parts.
            Progress::Not | Progress::Part(..) | Progress::End | Progress::EndBefore => return None,
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, OnceLock};

    use base64::Engine;
    use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
    use proptest::prelude::*;

    use super::*;
    use crate::{PackName, Pattern, Room, RuleKind, RuleSpec, Ruleset, StreamViolation, Violation};

    fn rules() -> RoomRules {
        static RULES: OnceLock<RoomRules> = OnceLock::new();
        RULES.get_or_init(compiled).clone()
    }

    fn compiled() -> RoomRules {
        let pattern = RuleKind::Pattern(Pattern::new(r"KX-\d{4}-[A-Z]{4}", None).unwrap());
        let rules = vec![
            RuleSpec::new("pattern", pattern),
            RuleSpec::new("pack", RuleKind::Pack(PackName::Payment.into())),
        ];
        Arc::new(Ruleset::compile(&[Room { name: "acme".into(), rules }]).unwrap()).room("acme").unwrap()
    }

    /// What every match of a text reads like, undisguised and folded.
    fn read(rules: &RoomRules, text: &str) -> Vec<String> {
        let mut found: Vec<Violation> = Vec::new();
        rules.scan(text, &mut found);
        let plain = found.iter().map(|violation| {
            let span = violation.span.clone();
            let plain = violation
                .evasion
                .and_then(|evasion| rules.undisguised(violation.rule, text, span.clone(), evasion));
            canonical(plain.as_deref().unwrap_or(&text[span]))
        });
        plain.collect()
    }

    #[test]
    fn a_disguised_match_reads_like_the_plain_one() {
        let rules = rules();
        for secret in ["KX-2041-ABCD", "4111 1111 1111 1111"] {
            let expected = vec![canonical(secret)];
            assert_eq!(read(&rules, secret), expected);
            for before in ["", "a", "ab", "Pay by 1 ", "say it:"] {
                let said = format!("{before} {secret} now");
                for text in [
                    STANDARD.encode(&said),
                    URL_SAFE_NO_PAD.encode(&said),
                    said.bytes().map(|byte| format!("{byte:02x}")).collect(),
                    STANDARD.encode(STANDARD.encode(&said)),
                    said.replace('1', "&#49;"),
                    said.replace('1', "%31"),
                    said.replace('1', "\\u0031"),
                    said.replace('1', "%2531"),
                    said.replace('1', "1\u{200b}"),
                ] {
                    assert_eq!(read(&rules, &text), expected, "{text}");
                }
            }
        }
    }

    #[test]
    fn spellings_that_fold_alike_are_one() {
        for (one, other) in
            [("Straße", "STRASSE"), ("Ａｎｎ  Lee", "ann lee"), ("Zo\u{eb}", "zoe"), ("a\u{200b}b", "ab")]
        {
            assert_eq!(canonical(one), canonical(other));
        }
        assert_ne!(canonical("falcon"), canonical("falcons"));
    }

    proptest! {
        #[test]
        fn no_text_breaks_it(text in "(&#?[a-z0-9]{0,4};?|%[0-9a-f]{0,2}|\\\\u?[0-9a-f]{0,4}|[A-Za-z0-9+/=]{0,9}|é|\u{200b}){0,12}") {
            let rules = rules();
            for evasion in Evasion::ALL {
                let _ = rules.undisguised(0, &text, 0..text.len(), evasion);
            }
            prop_assert_eq!(canonical(&canonical(&text)), canonical(&text));
        }

        /// Whoever keeps the text of a stream from [`crate::Scanner::needed`] on has the whole of every match.
        #[test]
        fn a_stream_still_needs_what_it_may_yet_report(
            words in prop::collection::vec("(KX-2041-ABCD|KX-20|4111 1111 1111 1111|S1gtMjA0MS1BQkNEIG5vdw|&#52;111|[a-z]{1,5}| |\u{200b}|%3|1|é)", 0..16),
            size in 1_usize..9,
        ) {
            let said = words.concat();
            let letters: Vec<char> = said.chars().collect();
            let mut scanner = rules().stream_for(|_| false);
            let (mut needed, mut found): (u64, Vec<StreamViolation>) = (0, Vec::new());
            let check = |found: &mut Vec<StreamViolation>, needed| {
                let is_kept = found.drain(..).all(|violation| violation.span.start >= needed);
                prop_assert!(is_kept, "{said}");
                Ok(())
            };
            for piece in letters.chunks(size) {
                scanner.push(&piece.iter().collect::<String>(), &mut found);
                check(&mut found, needed)?;
                needed = scanner.needed();
            }
            scanner.finish(&mut found);
            check(&mut found, needed)?;
        }
    }
}
