//! What an inspection found, and what follows from it.

use crate::destination::Subject;
use crate::policy::Policy;
use crate::redact::spots::Spot;
use crate::targets::found::TargetFindings;
use smallvec::SmallVec;
use std::collections::HashSet;
use std::ops::Range;
use std::sync::Arc;
use zos_core::Effect;
use zos_rules::{Evasion, Violation};

/// What inspection found.
#[derive(Debug, Default)]
pub struct Findings {
    /// Rules that found something and the first place of each.
    pub found: Vec<Found>,
    /// Where matches stand that can be replaced, for rules that may ask for it. In no order.
    pub spots: Vec<Spot>,
    /// Rules that may ask for a match to be replaced where that cannot be done exactly, and the first
    /// place of each: keys, numbers, identifiers, matches over two blocks, encodings that are not exact.
    pub(crate) fixed: Vec<(usize, String)>,
    /// What the text holds that looks like one of our placeholders.
    pub look_alikes: HashSet<String>,
    /// What tool calls and links point at that does not pass by itself.
    pub targets: TargetFindings,
    /// What could not be read, as `kind:place`.
    pub uninspected: Vec<String>,
    /// Whether something of `uninspected` is an attachment that the context's `attachments` speaks of.
    pub has_attachment: bool,
    /// What was found, to be hashed for the record and nothing else.
    pub matched: Matched,
    /// Bytes of strings that are one run of encoded bytes, which are no text to count.
    pub binary_bytes: usize,
}

/// How many places of one kind a record names.
pub const PLACES_LIMIT: usize = 16;

/// How many different finds are kept, as many as a record has room for, and their bytes together.
pub const MATCHED_LIMIT: usize = 128;
const MATCHED_BYTES: usize = 256 << 10;

/// What patterns and packs found, as it stood there and as it reads without a disguise: wiped when it goes,
/// and shown to nobody. What a listed term found is known by its rule.
#[derive(Default)]
pub struct Matched {
    texts: Vec<zeroize::Zeroizing<String>>,
    bytes: usize,
}

impl Matched {
    fn note(&mut self, policy: &Policy, sighting: &Sighting<'_>) {
        let Sighting { rule, text, span, evasion, .. } = sighting;
        let Some(matched) = text.get(span.clone()).filter(|_| policy.term(*rule).is_none()) else { return };
        if !self.keep(matched) {
            return;
        }
        let plain =
            evasion.and_then(|evasion| policy.rules().undisguised(*rule, text, span.clone(), evasion));
        if let Some(plain) = plain {
            self.keep(&plain);
        }
    }

    /// Keeps a text; `false` where it is known or there is no room for it.
    fn keep(&mut self, text: &str) -> bool {
        let has_room = self.texts.len() < MATCHED_LIMIT && self.bytes + text.len() <= MATCHED_BYTES;
        let is_new = has_room && !text.is_empty() && !self.texts.iter().any(|known| **known == text);
        if is_new {
            self.bytes += text.len();
            self.texts.push(text.to_owned().into());
        }
        is_new
    }

    /// The texts.
    pub fn texts(&self) -> impl Iterator<Item = &str> {
        self.texts.iter().map(|text| text.as_str())
    }
}

/// A violation and the text that it stands in.
pub struct Sighting<'a> {
    pub(crate) rule: usize,
    /// The detector of a pack that found it.
    pub(crate) detector: Option<&'a Arc<str>>,
    pub(crate) evasion: Option<Evasion>,
    pub(crate) text: &'a str,
    pub(crate) span: Range<usize>,
}

impl<'a> Sighting<'a> {
    /// Sighting of a violation in a text.
    pub fn new(violation: &'a Violation, text: &'a str) -> Self {
        let Violation { rule, span, evasion, detector, .. } = violation;
        Sighting { rule: *rule, detector: detector.as_ref(), evasion: *evasion, text, span: span.clone() }
    }
}

impl Sighting<'_> {
    /// Index of the rule that saw it.
    pub fn rule(&self) -> usize {
        self.rule
    }
}

impl std::fmt::Debug for Matched {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Matched([{} texts])", self.texts.len())
    }
}

/// A rule that found something.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Found {
    /// Index of the rule in the room's policy.
    pub rule: usize,
    /// The field, such as `messages[2].content[0].text`.
    pub field: String,
    /// How many times.
    pub count: u32,
    /// The detectors of a pack that found it, such as `secrets/aws-key`.
    pub detectors: SmallVec<[Arc<str>; 1]>,
}

impl Findings {
    /// Notes a violation and the field that it stands in.
    pub fn note(&mut self, policy: &Policy, sighting: &Sighting<'_>, field: impl FnOnce() -> String) {
        let Sighting { rule, detector, .. } = *sighting;
        let known = self.found.iter().position(|found| found.rule == rule);
        let at = known.unwrap_or_else(|| {
            let found = Found { rule, field: field(), count: 0, detectors: SmallVec::new() };
            self.found.push(found);
            self.found.len() - 1
        });
        let found = &mut self.found[at];
        found.count = found.count.saturating_add(1);
        if let Some(detector) = detector.filter(|detector| !found.detectors.contains(detector)) {
            found.detectors.push(Arc::clone(detector));
        }
        self.matched.note(policy, sighting);
    }

    /// Notes a match that cannot be replaced.
    pub(crate) fn note_fixed(&mut self, rule: usize, field: impl FnOnce() -> String) {
        if !self.fixed.iter().any(|(known, _)| *known == rule) {
            self.fixed.push((rule, field()));
        }
    }

    /// Takes over what another inspection of the same call found, but for the places to replace.
    pub fn absorb(&mut self, other: Findings) {
        for fresh in other.found {
            match self.found.iter_mut().find(|found| found.rule == fresh.rule) {
                Some(found) => {
                    found.count = found.count.saturating_add(fresh.count);
                    let new =
                        fresh.detectors.into_iter().filter(|detector| !found.detectors.contains(detector));
                    let new: SmallVec<[Arc<str>; 1]> = new.collect();
                    found.detectors.extend(new);
                }
                None => self.found.push(fresh),
            }
        }
        for (rule, field) in other.fixed {
            self.note_fixed(rule, || field);
        }
        for place in other.uninspected {
            if self.uninspected.len() < PLACES_LIMIT && !self.uninspected.contains(&place) {
                self.uninspected.push(place);
            }
        }
        other.matched.texts().for_each(|text| {
            self.matched.keep(text);
        });
        self.targets.absorb(other.targets);
        self.has_attachment |= other.has_attachment;
        self.binary_bytes += other.binary_bytes;
    }

    /// The rules with a certain effect that found something.
    pub(crate) fn rules_with(&self, policy: &Policy, effect: Effect) -> Vec<usize> {
        self.found.iter().map(|found| found.rule).filter(|rule| policy.effect(*rule) == effect).collect()
    }

    /// Whether something was found that must not pass.
    pub fn are_blocked(&self, policy: &Policy) -> bool {
        self.targets.are_blocked(policy)
            || self.found.iter().any(|found| policy.effect(found.rule) == Effect::Block)
    }

    /// Subject that the owner has yet to decide about: words first, then targets.
    pub fn subject(&self, policy: &Policy) -> Option<Subject> {
        let rules = self.rules_with(policy, Effect::Ask);
        if !rules.is_empty() {
            return Some(Subject::Rules(rules));
        }
        Subject::targets(self.targets.open(policy))
    }

    /// The first place where a match would have to be replaced and cannot be.
    pub fn not_replaceable(&self, policy: &Policy) -> Option<&(usize, String)> {
        self.fixed.iter().find(|(rule, _)| policy.effect(*rule) == Effect::Redact)
    }
}
