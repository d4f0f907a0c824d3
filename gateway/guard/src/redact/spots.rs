//! Where matches stand in a text, and the text with them replaced: only those bytes change.

use base64::Engine;
use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD, URL_SAFE, URL_SAFE_NO_PAD};
use std::cmp::Reverse;
use std::ops::Range;
use zos_wire::json;

/// A match, or a document that holds some.
#[derive(Clone)]
pub struct Spot {
    /// Bytes of the text that it stands in.
    pub(crate) range: Range<usize>,
    /// How many JSON strings, one inside another, lie between that text and what was matched.
    pub(crate) depth: u8,
    /// What stands there.
    pub(crate) what: What,
}

/// What stands at a [`Spot`].
#[derive(Clone)]
pub(crate) enum What {
    /// A match of this rule.
    Match(usize),
    /// An encoded text with matches.
    Document { text: String, spots: Vec<Spot>, coding: Coding },
}

impl std::fmt::Debug for Spot {
    /// Without any text: a spot says where, not what.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let rule = match &self.what {
            What::Match(rule) => Some(rule),
            What::Document { .. } => None,
        };
        f.debug_struct("Spot").field("range", &self.range).field("rule", &rule).finish_non_exhaustive()
    }
}

/// How a document is encoded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Coding {
    Standard,
    StandardUnpadded,
    UrlSafe,
    UrlSafeUnpadded,
}

impl Coding {
    /// The coding that gives exactly this text for these bytes; `None` where none does, as with line
    /// breaks inside: such a document cannot be changed without changing all of it.
    pub(crate) fn of(encoded: &str, bytes: &[u8]) -> Option<Coding> {
        [Coding::Standard, Coding::StandardUnpadded, Coding::UrlSafe, Coding::UrlSafeUnpadded]
            .into_iter()
            .find(|coding| coding.encode(bytes) == encoded)
    }

    fn encode(self, bytes: &[u8]) -> String {
        match self {
            Coding::Standard => STANDARD.encode(bytes),
            Coding::StandardUnpadded => STANDARD_NO_PAD.encode(bytes),
            Coding::UrlSafe => URL_SAFE.encode(bytes),
            Coding::UrlSafeUnpadded => URL_SAFE_NO_PAD.encode(bytes),
        }
    }
}

/// A part of a text and what takes its place.
pub type Edit = (Range<usize>, String);

/// The edits that replace the chosen matches, by rule and matched text.
///
/// Matches that overlap are replaced as one. `mask` gives what takes the place of a match.
pub fn edits<E>(
    text: &str,
    spots: &[Spot],
    is_chosen: &impl Fn(usize, &str) -> bool,
    mask: &mut impl FnMut(usize, &str) -> Result<String, E>,
) -> Result<Vec<Edit>, E> {
    let mut edits = Vec::new();
    for spot in merged(text, spots, is_chosen) {
        match &spot.what {
            What::Match(rule) => {
                let placeholder = mask(*rule, &spot.matched(text))?;
                edits.push((spot.range, placeholder));
            }
            What::Document { text, spots, coding } => {
                let inner = self::edits(text, spots, is_chosen, mask)?;
                if !inner.is_empty() {
                    edits.push((spot.range, coding.encode(json::replace(text, &inner).as_bytes())));
                }
            }
        }
    }
    Ok(edits)
}

impl Spot {
    /// What was matched, as it was read.
    fn matched(&self, text: &str) -> String {
        let mut matched = text[self.range.clone()].to_owned();
        for _ in 0..self.depth {
            matched = json::unescape(&matched);
        }
        matched
    }
}

/// The chosen spots in order, those that overlap joined.
fn merged(text: &str, spots: &[Spot], is_chosen: &impl Fn(usize, &str) -> bool) -> Vec<Spot> {
    let mut chosen: Vec<&Spot> = spots
        .iter()
        .filter(|spot| match &spot.what {
            What::Match(rule) => is_chosen(*rule, &spot.matched(text)),
            What::Document { .. } => true,
        })
        .collect();
    // Of two at one place the deeper one has read more of the escapes.
    chosen.sort_by_key(|spot| (spot.range.start, Reverse(spot.range.end), Reverse(spot.depth)));
    let mut merged: Vec<Spot> = Vec::with_capacity(chosen.len());
    for spot in chosen {
        match merged.last_mut() {
            Some(last) if spot.range.start < last.range.end => {
                if spot.range.end > last.range.end {
                    last.range.end = spot.range.end;
                    last.depth = last.depth.min(spot.depth);
                }
                if let (What::Document { .. }, What::Match(rule)) = (&last.what, &spot.what) {
                    last.what = What::Match(*rule);
                }
            }
            _ => merged.push(spot.clone()),
        }
    }
    merged
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::convert::Infallible;

    fn spot(range: Range<usize>, depth: u8, rule: usize) -> Spot {
        Spot { range, depth, what: What::Match(rule) }
    }

    fn replaced(text: &str, spots: &[Spot]) -> String {
        let mut mask = |rule, matched: &str| Ok::<_, Infallible>(format!("<{rule}:{matched}>"));
        json::replace(text, &edits(text, spots, &|rule, _| rule != 9, &mut mask).unwrap())
    }

    #[test]
    fn what_overlaps_is_one_and_what_is_not_chosen_stays() {
        assert_eq!(
            replaced("abcdefgh", &[spot(1..4, 0, 1), spot(2..6, 0, 2), spot(6..7, 0, 3)]),
            "a<1:bcdef><3:g>h"
        );
        assert_eq!(replaced("abcdefgh", &[spot(1..4, 0, 9), spot(2..3, 0, 2)]), "ab<2:c>defgh");
        assert_eq!(replaced(r"x\\u0041y", &[spot(1..8, 2, 1), spot(1..8, 1, 2)]), "x<1:A>y");
    }

    #[test]
    fn only_an_exact_coding_is_one() {
        assert_eq!(Coding::of("YQ==", b"a"), Some(Coding::Standard));
        assert_eq!(Coding::of("YQ", b"a"), Some(Coding::StandardUnpadded));
        assert_eq!(Coding::of("-_8=", &[0xfb, 0xff]), Some(Coding::UrlSafe));
        assert_eq!(Coding::of("Y\nQ==", b"a"), None);
        let inner = vec![spot(0..3, 0, 1)];
        let what = What::Document { text: "Ann is".into(), spots: inner, coding: Coding::Standard };
        let text = STANDARD.encode("Ann is");
        let found = Spot { range: 0..text.len(), depth: 1, what };
        assert_eq!(replaced(&text, &[found]), STANDARD.encode("<1:Ann> is"));
    }
}
