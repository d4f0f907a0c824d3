//! Detectors that come with the engine, in packs.
//!
//! A detector is an anchored expression with a longest match, and usually a check: issuer and
//! country rules, checksums, words that must stand before a weak form, and a filter for
//! placeholders and published examples. Each pack has `corpus/<pack>/find.txt` and `ignore.txt`,
//! one example a line, which the tests run; add to them with every change. A line of `find.txt`
//! begins with the type that must find it and a tab.

mod assignment;
mod european;
mod health;
mod mail;
mod payment;
mod phone;
mod pii;
mod randomness;
mod secrets;
mod tokens;
mod world;

use std::sync::{Arc, OnceLock};

use serde::{Deserialize, Serialize};

use crate::detector::PackDetector;
use crate::pattern::block::Ending;
use crate::pattern::runs::{Check, CheckFn, Named, Need};
use crate::pattern::{Cue, Pattern};

/// The detector packs that come with the engine.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum PackName {
    /// Provider keys, tokens, private keys.
    Secrets,
    /// Card numbers and bank accounts.
    Payment,
    /// Mail addresses, telephone numbers, national ids.
    Pii,
    /// Health identifiers.
    Health,
}

impl PackName {
    /// Every pack.
    pub const ALL: [PackName; 4] = [PackName::Secrets, PackName::Payment, PackName::Pii, PackName::Health];

    /// The name used in files and records.
    pub fn name(self) -> &'static str {
        match self {
            PackName::Secrets => "secrets",
            PackName::Payment => "payment",
            PackName::Pii => "pii",
            PackName::Health => "health",
        }
    }
}

/// How a detector looks closer at a match.
#[derive(Clone, Copy)]
enum Closer {
    None,
    Checked(CheckFn),
    Named(Named),
}

/// One thing that a pack looks for.
#[derive(Clone, Copy)]
pub(crate) struct Detector {
    /// The type, as it stands in reports and in `only` and `except`.
    id: &'static str,
    expression: &'static str,
    /// The longest match in bytes.
    max_len: usize,
    check: Closer,
    /// A kind of byte that every match has within so many bytes of its start.
    need: Option<(Need, u64)>,
    /// Lists of words, in lower case, one word of which stands within the context of every find.
    cues: &'static [&'static [&'static str]],
    /// Set where the expression is the first marker of a block.
    block: Option<Ending>,
    /// The fewest bytes of a match that its check lets count; 0 where the expression says so itself.
    least: usize,
}

const fn detector(id: &'static str, expression: &'static str, max_len: usize) -> Detector {
    Detector { id, expression, max_len, check: Closer::None, need: None, cues: &[], block: None, least: 0 }
}

impl Detector {
    const fn checked(self, check: CheckFn) -> Self {
        Self { check: Closer::Checked(check), ..self }
    }

    const fn named(self, named: Named) -> Self {
        Self { check: Closer::Named(named), ..self }
    }

    const fn needing(self, need: Need, within: u64) -> Self {
        Self { need: Some((need, within)), ..self }
    }

    const fn led_by(self, cues: &'static [&'static [&'static str]]) -> Self {
        Self { cues, ..self }
    }

    const fn at_least(self, least: usize) -> Self {
        Self { least, ..self }
    }

    const fn beginning(self, block: Ending) -> Self {
        Self { block: Some(block), ..self }
    }
}

/// Everything that a pack looks for: built once in a process, at the first use.
pub(crate) fn all(pack: PackName) -> &'static [Arc<PackDetector>] {
    static PACKS: [OnceLock<Vec<Arc<PackDetector>>>; 4] = [const { OnceLock::new() }; 4];
    PACKS[pack as usize].get_or_init(|| detectors(pack).map(|detector| build(pack, detector)).collect())
}

fn build(pack: PackName, detector: &'static Detector) -> Arc<PackDetector> {
    let pattern = Pattern::deferred(detector.expression, Some(detector.max_len))
        .expect("every expression of the packs is built in the tests");
    let id = format!("{}/{}", pack.name(), detector.id).into();
    let check = match detector.check {
        Closer::None => Check::None,
        Closer::Checked(check) => Check::Built(check),
        Closer::Named(named) => Check::Named(named),
    };
    let words = detector.cues.iter().copied().flatten().copied();
    let cue = Cue::of(words).filter(|_| !detector.cues.is_empty()).map(Arc::new);
    Arc::new(PackDetector::built(id, &pattern, check, detector.need, cue, detector.block, detector.least))
}

fn detectors(pack: PackName) -> impl Iterator<Item = &'static Detector> {
    let (first, second, third): (&[Detector], &[Detector], &[Detector]) = match pack {
        PackName::Secrets => (&secrets::DETECTORS, &tokens::DETECTORS, &assignment::DETECTORS),
        PackName::Payment => (&payment::DETECTORS, &[], &[]),
        PackName::Pii => (&pii::CONTACT, &european::DETECTORS, &world::DETECTORS),
        PackName::Health => (&health::DETECTORS, &pii::CONTACT, &[]),
    };
    first.iter().chain(second).chain(third)
}

/// The ids and expressions of a pack.
#[cfg(test)]
pub(crate) fn sources(pack: PackName) -> impl Iterator<Item = (&'static str, &'static str)> {
    detectors(pack).map(|detector| (detector.id, detector.expression))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_expression_can_be_built_and_ids_are_unique() {
        for pack in PackName::ALL {
            let mut ids = Vec::new();
            for detector in detectors(pack) {
                let pattern = Pattern::new(detector.expression, Some(detector.max_len));
                assert!(pattern.is_ok(), "{}: {pattern:?}", detector.id);
                assert!(!ids.contains(&detector.id), "{}", detector.id);
                ids.push(detector.id);
            }
        }
    }
}
