//! Counts the steps of a scan, so that tests can show that no text makes it more than linear.

use std::cell::Cell;

thread_local! {
    static STEPS: Cell<u64> = const { Cell::new(0) };
    static DECODED: Cell<u64> = const { Cell::new(0) };
}

/// Notes so many steps.
pub(crate) fn note(steps: usize) {
    STEPS.set(STEPS.get() + steps as u64);
}

/// Notes that so many bytes were decoded from a run.
pub(crate) fn note_decoded(bytes: usize) {
    DECODED.set(DECODED.get() + bytes as u64);
}

/// Bytes that were decoded since the last [`reset`].
pub(crate) fn decoded() -> u64 {
    DECODED.get()
}

/// Begins to count anew.
pub(crate) fn reset() {
    STEPS.set(0);
    DECODED.set(0);
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::{Evasions, PackName, Pattern, Room, RoomRules, RuleKind, RuleSpec, Ruleset, Term};

    fn rules(evasions: Evasions) -> RoomRules {
        let term = |text: &str| RuleKind::Term(Term::new(text).unwrap());
        let mut kinds: Vec<RuleKind> =
            ["Project Falcon", "a a a a b", "Falcon", "&lt;%", "x-x-x-x-x"].map(term).to_vec();
        kinds.push(RuleKind::Pattern(Pattern::new("[ab]{1,40}c", None).unwrap()));
        kinds.push(RuleKind::Pack(PackName::Payment.into()));
        let spec = |kind| RuleSpec { evasions, ..RuleSpec::new("rule", kind) };
        let rules = kinds.into_iter().map(spec).collect();
        Arc::new(Ruleset::compile(&[Room { name: "a".to_owned(), rules }]).unwrap()).room("a").unwrap()
    }

    fn whole(rules: &RoomRules, text: &str) -> u64 {
        STEPS.set(0);
        rules.scan(text, &mut Vec::new());
        STEPS.get()
    }

    fn streamed(rules: &RoomRules, text: &str) -> u64 {
        STEPS.set(0);
        let (mut scanner, mut found) = (rules.stream(), Vec::new());
        scanner.push(text, &mut found);
        scanner.finish(&mut found);
        STEPS.get()
    }

    /// A match or a disguise may go on for some thousand bytes, so a short text shows nothing: four
    /// times the text may cost five times the steps.
    #[test]
    fn no_text_makes_a_scan_more_than_linear() {
        let rules = rules(Evasions::default());
        for piece in [
            "a",
            " ",
            "a ",
            "Fal",
            "F a l c o ",
            "Project ",
            "\\",
            "%",
            "%25",
            "%2525",
            "\\x5c",
            "&",
            "&amp;",
            "<",
            "**",
            "F**",
            "<b>",
            "-\n",
            "Fal-\n",
            "UHJvamVjdCBG",
            "VUhKdmFtVmpkQ0JH",
            "50726f",
            "ab",
            "4111 ",
            "1",
            "A",
            "\u{200B}",
            "F\u{200B}",
            "Ff",
            "x-",
            "é",
            "🅵",
            "0",
            "\n",
            "AAAAAAAAAAAAAAAA\n",
            "%4",
            "\\u00",
            "=",
        ] {
            check(&rules, piece);
        }
    }

    #[test]
    fn no_deep_disguise_makes_a_scan_more_than_linear() {
        let rules = rules(Evasions::ALL);
        for piece in [
            "46 ",
            "0x46,",
            "70, ",
            "01000110 ",
            "U+0046 ",
            "=",
            "=46",
            "=\n",
            "+",
            "+A",
            "+AEY-",
            "+AEYARg",
            "H4sI",
            "H4sIAAAAAAAA\n",
            "MFRGGZDF",
            "1",
            "snypba ",
            "noclaF",
        ] {
            check(&rules, piece);
        }
    }

    fn check(rules: &RoomRules, piece: &str) {
        let (short, long) = (piece.repeat(6_000 / piece.len()), piece.repeat(24_000 / piece.len()));
        for (kind, steps) in [("whole", whole as fn(&RoomRules, &str) -> u64), ("streamed", streamed)] {
            let (few, many) = (steps(rules, &short), steps(rules, &long));
            assert!(many <= 5 * few.max(6_000), "{kind} {piece:?}: {few} steps, then {many}");
        }
    }
}
