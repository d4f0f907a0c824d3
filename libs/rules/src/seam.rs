//! Seams: what a violation needs that begins at the end of one text and goes on in the next.
//!
//! Two texts are joined and scanned by the caller. Here stands how much of each is needed for that, and a
//! quick test that spares the scan at nearly every seam of ordinary text.

use crate::evasion::Evasion;
use crate::room::RoomRules;
use crate::rule::TERM_MAX_BYTES;
use crate::seek::{Place, seek};
use crate::trie::Trie;
use crate::walks::Walks;

/// Room for separators and plural endings beside the letters of a term, in bytes.
const SLACK_BYTES: usize = 64;

/// Digits with which a run of base64 or hexadecimal counts as encoded.
const RUN_MIN: usize = crate::encoding::RUN_MIN as usize;

impl RoomRules {
    /// Bytes on each side of a seam within which terms and own patterns lie: twice the longest term with some slack,
    /// or the longest match of an own pattern, and never more than [`TERM_MAX_BYTES`]. Terms that are written with
    /// more padding than that, and patterns of packs, may be longer.
    pub fn seam_bytes(&self) -> usize {
        let terms = 2 * self.trie().longest_bytes() + SLACK_BYTES;
        terms.max(self.watches().longest_own()).min(TERM_MAX_BYTES)
    }

    /// Whether a term or an own pattern may begin in `before` and go on in `after`. A "no" is certain but for what
    /// packs find; a "yes" means that the two are to be scanned together.
    pub fn may_span(&self, before: &str, after: &str) -> bool {
        if self.watches().longest_own() > 0 {
            return true;
        }
        if !self.trie().reach(Trie::ROOT).meets(self.reach()) {
            return false;
        }
        let mut walks = Walks::new(self, before);
        let mut found = Vec::new();
        seek(self, before, |place| {
            if let Place::Term(at) = place {
                walks.begin(at, &mut found);
            }
        });
        walks.is_alive_at_end(&mut found) || self.may_run_over(before, after)
    }

    /// Whether a run of encoded bytes may lie over the seam.
    fn may_run_over(&self, before: &str, after: &str) -> bool {
        let is_decoded = self.evasions().contains(Evasion::Base64) || self.evasions().contains(Evasion::Hex);
        let is_digit = |byte: &u8| byte.is_ascii_alphanumeric() || b"+/-_=".contains(byte);
        let last = || before.bytes().rev().take_while(is_digit);
        let first = || after.bytes().take_while(is_digit);
        let is_long = |count: usize| count >= RUN_MIN;
        is_decoded
            && is_long(last().take(RUN_MIN).count() + first().take(RUN_MIN).count())
            && last().chain(first()).any(|byte| byte.is_ascii_digit() || byte.is_ascii_uppercase())
    }
}

#[cfg(test)]
mod tests {
    use crate::{Evasions, Pattern, Room, RoomRules, RuleKind, RuleSpec, Ruleset, Term};
    use proptest::prelude::*;
    use std::sync::Arc;

    fn room(kinds: Vec<RuleKind>) -> RoomRules {
        let rules = kinds.into_iter().map(|kind| RuleSpec::new("deny", kind)).collect();
        let ruleset = Ruleset::compile(&[Room { name: "acme".into(), rules }]).unwrap();
        Arc::new(ruleset).room("acme").unwrap()
    }

    fn terms(texts: &[&str]) -> RoomRules {
        room(texts.iter().map(|text| RuleKind::Term(Term::new(text).unwrap())).collect())
    }

    #[test]
    fn ordinary_ends_need_no_second_look() {
        let rules = terms(&["Copper Lantern", "Bo Ek"]);
        for (before, after) in [
            ("See you tomorrow.", "Thanks, that helps."),
            ("and then", "the rest"),
            ("", "Copper"),
            ("a x", "c"),
        ] {
            assert!(!rules.may_span(before, after), "{before:?} {after:?}");
        }
        for (before, after) in [
            ("the Copper", "Lantern"),
            ("the Cop", "per Lantern"),
            ("the c\u{200b}opp", "er lantern"),
            ("Bo", "Ek"),
            ("cO", "pper"),
            ("x Q29wcG", "VyIExhbnRlcm4"),
            ("C o p", " p e r"),
        ] {
            assert!(rules.may_span(before, after), "{before:?} {after:?}");
        }
        assert!(
            room(vec![RuleKind::Pattern(Pattern::new("KX-[0-9]{4}", None).unwrap())]).may_span("KX", "-1")
        );
        let silent = RuleSpec {
            evasions: Evasions::NONE,
            ..RuleSpec::new("x", RuleKind::Term(Term::new("Ek").unwrap()))
        };
        let ruleset = Ruleset::compile(&[Room { name: "acme".into(), rules: vec![silent] }]).unwrap();
        assert!(!Arc::new(ruleset).room("acme").unwrap().may_span("x QmE2YzEy", "MzQ1Ng"));
    }

    #[test]
    fn a_side_of_a_seam_holds_the_longest_term_and_has_a_bound() {
        assert_eq!(terms(&["Bo Ek", "Copper Lantern"]).seam_bytes(), 2 * 14 + super::SLACK_BYTES);
        let pattern = |length| RuleKind::Pattern(Pattern::new("K.*", Some(length)).unwrap());
        assert_eq!(room(vec![pattern(300)]).seam_bytes(), 300);
        assert_eq!(room(vec![pattern(4000)]).seam_bytes(), super::TERM_MAX_BYTES);
    }

    proptest! {
        /// The quick test never says no where the joined text has a violation over the seam.
        #[test]
        fn a_no_is_certain(
            before in "[ a-cCopL.\u{200b}\u{e4}]{0,12}",
            first in 0_usize..30,
            form in prop::sample::select(&["Copper Lantern", "copper-lantern", "C o p p e r Lantern", "\u{421}opper Lantern", "CopperLantern", "Q29wcGVyIExhbnRlcm4", "c\u{f6}pper &#108;antern"][..]),
            blank: bool,
            after in "[ a-z.]{0,8}",
        ) {
            let rules = terms(&["Copper Lantern"]);
            let cut = form.floor_char_boundary(first);
            let (before, after) = (format!("{before} {}", &form[..cut]), format!("{} {after}", &form[cut..]));
            let joined = [before.as_str(), after.as_str()].join(if blank { " " } else { "" });
            let mut found = Vec::new();
            rules.scan(&joined, &mut found);
            let is_over = found.iter().any(|one| one.span.start < before.len() && one.span.end > before.len());
            prop_assert!(!is_over || rules.may_span(&before, &after), "{:?}", joined);
        }
    }
}
