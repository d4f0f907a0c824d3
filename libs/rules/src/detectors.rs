//! Detectors that come with the engine, in packs.
//!
//! A detector is an anchored expression with a longest match, and usually a check: issuer and
//! country rules, checksums, words that must stand before a weak form, and a filter for
//! placeholders and published examples. Each pack has `corpus/<pack>/find.txt` and `ignore.txt`,
//! one example a line, which the tests run; add to them with every change.
//!
//! Detectors see the text as it is: a card number in full-width digits is not found.

mod checks;
mod health;
mod payment;
mod pii;
mod secrets;

use std::sync::{Arc, OnceLock};

use crate::pattern::runs::{Check, Need, Watch};
use crate::pattern::{Expression, Pattern};
use crate::rule::PackName;

/// One thing that a pack looks for.
pub(crate) struct Detector {
    /// What it is, for people who read the list.
    #[cfg_attr(not(test), expect(dead_code, reason = "names the detector in test output"))]
    name: &'static str,
    expression: &'static str,
    /// The longest match in bytes.
    max_len: usize,
    check: Option<Check>,
    /// A kind of byte that every match has within so many bytes of its start.
    need: Option<(Need, u64)>,
}

const fn detector(name: &'static str, expression: &'static str, max_len: usize) -> Detector {
    Detector { name, expression, max_len, check: None, need: None }
}

impl Detector {
    const fn checked(self, check: Check) -> Self {
        Self { check: Some(check), ..self }
    }

    const fn needing(self, need: Need, within: u64) -> Self {
        Self { need: Some((need, within)), ..self }
    }
}

/// The automata of a pack: built once in a process, at the first use.
type Built = Vec<(&'static Detector, Arc<Expression>)>;

/// Everything that a pack looks for, on behalf of a rule.
pub(crate) fn watches(pack: PackName, rule: usize) -> impl Iterator<Item = Watch> {
    static PACKS: [OnceLock<Built>; 4] = [const { OnceLock::new() }; 4];
    let built = PACKS[pack as usize].get_or_init(|| detectors(pack).map(build).collect());
    built.iter().map(move |(detector, expression)| Watch {
        rule,
        expression: Arc::clone(expression),
        max_len: detector.max_len,
        check: detector.check,
        need: detector.need,
    })
}

fn build(detector: &'static Detector) -> (&'static Detector, Arc<Expression>) {
    let pattern = Pattern::new(detector.expression, Some(detector.max_len))
        .expect("every expression of the packs is built in the tests");
    (detector, Arc::clone(pattern.expression()))
}

fn detectors(pack: PackName) -> impl Iterator<Item = &'static Detector> {
    let (own, shared): (&[Detector], &[Detector]) = match pack {
        PackName::Secrets => (&secrets::DETECTORS, &[]),
        PackName::Payment => (&payment::DETECTORS, &[]),
        PackName::Pii => (&pii::CONTACT, &pii::NATIONAL_IDS),
        PackName::Health => (&health::DETECTORS, &pii::CONTACT),
    };
    own.iter().chain(shared)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_expression_can_be_built() {
        for pack in PackName::ALL {
            for detector in detectors(pack) {
                let pattern = Pattern::new(detector.expression, Some(detector.max_len));
                assert!(pattern.is_ok(), "{}: {pattern:?}", detector.name);
            }
        }
    }
}
