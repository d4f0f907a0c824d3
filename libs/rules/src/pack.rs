//! Packs: detectors under one name, those that come with the engine and a person's own.

use std::sync::Arc;

use crate::detector::{DetectorSpec, PackDetector};
use crate::detectors::{self, PackName};
use crate::pattern::block::Ending;
use crate::pattern::runs::{Check, Need, Watch};
use crate::pattern::{Cue, Pattern};

/// Detectors under one name.
#[derive(Clone, PartialEq, Eq)]
pub struct Pack {
    name: Arc<str>,
    detectors: Vec<Arc<PackDetector>>,
    /// Whether what is reserved for examples is a violation like anything else.
    counts_examples: bool,
}

/// A name that no detector of a pack has.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the pack \"{pack}\" has no detector \"{name}\"")]
pub struct UnknownDetector {
    /// The pack.
    pub pack: String,
    /// What was asked for.
    pub name: String,
}

impl Pack {
    /// A pack that comes with the engine.
    pub fn builtin(name: PackName) -> Self {
        Self { name: name.name().into(), detectors: detectors::all(name).to_vec(), counts_examples: false }
    }

    /// A person's own pack.
    pub fn own(name: &str, specs: Vec<DetectorSpec>) -> Self {
        let compiled = |spec: DetectorSpec| {
            Arc::new(PackDetector {
                id: format!("{name}/{}", spec.id).into(),
                expression: Arc::clone(spec.pattern.expression()),
                max_len: spec.pattern.max_len(),
                check: Check::Declared(Arc::new(spec.check.clone())),
                need: None,
                cue: spec.check.cue(),
                block: None,
                shortest: spec.pattern.expression().shortest(),
                declared: Some(spec),
            })
        };
        Self {
            name: name.into(),
            detectors: specs.into_iter().map(compiled).collect(),
            counts_examples: false,
        }
    }

    /// Its name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The types that it looks for, without its name.
    pub fn detectors(&self) -> impl Iterator<Item = &str> {
        self.detectors.iter().map(|detector| detector.kind())
    }

    /// This pack with some of its detectors only. A name stands for itself and for all that begin
    /// with it and a hyphen: `phone` for `phone-us` too.
    ///
    /// # Errors
    /// If there is no detector of a name.
    pub fn only(mut self, names: &[&str]) -> Result<Self, UnknownDetector> {
        self.check_names(names)?;
        self.detectors.retain(|detector| names.iter().any(|name| detector.is_called(name)));
        Ok(self)
    }

    /// This pack without some of its detectors; names as in [`Pack::only`].
    ///
    /// # Errors
    /// If there is no detector of a name.
    pub fn except(mut self, names: &[&str]) -> Result<Self, UnknownDetector> {
        self.check_names(names)?;
        self.detectors.retain(|detector| !names.iter().any(|name| detector.is_called(name)));
        Ok(self)
    }

    /// This pack with examples as violations: addresses, numbers and keys that are reserved for
    /// documents and tests, and otherwise only told by [`crate::RoomRules::scan_with_examples`].
    #[must_use]
    pub fn counting_examples(self) -> Self {
        Self { counts_examples: true, ..self }
    }

    fn check_names(&self, names: &[&str]) -> Result<(), UnknownDetector> {
        let unknown =
            names.iter().find(|name| !self.detectors.iter().any(|detector| detector.is_called(name)));
        match unknown {
            Some(name) => Err(UnknownDetector { pack: self.name.to_string(), name: (*name).to_owned() }),
            None => Ok(()),
        }
    }

    /// The expressions that it looks for on behalf of a rule.
    pub(crate) fn watches(&self, rule: usize) -> impl Iterator<Item = Watch> {
        self.detectors.iter().map(move |detector| Watch {
            rule,
            expression: Arc::clone(&detector.expression),
            max_len: detector.max_len,
            check: detector.check.clone(),
            detector: Some(Arc::clone(&detector.id)),
            need: detector.need,
            cue: detector.cue.clone(),
            block: detector.block,
            shortest: detector.shortest,
            counts_examples: self.counts_examples,
        })
    }
}

impl From<PackName> for Pack {
    fn from(name: PackName) -> Self {
        Self::builtin(name)
    }
}

impl std::fmt::Debug for Pack {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Pack({:?}, {} detectors)", self.name, self.detectors.len())
    }
}

impl PackDetector {
    /// A detector that comes with the engine.
    pub(crate) fn built(
        id: Arc<str>,
        pattern: &Pattern,
        check: Check,
        need: Option<(Need, u64)>,
        cue: Option<Arc<Cue>>,
        block: Option<Ending>,
        least: usize,
    ) -> Self {
        let (expression, max_len) = (Arc::clone(pattern.expression()), pattern.max_len());
        let shortest = expression.shortest().max(least);
        Self { id, expression, max_len, check, need, cue, block, shortest, declared: None }
    }

    fn kind(&self) -> &str {
        self.id.split_once('/').map_or(&*self.id, |(_, kind)| kind)
    }

    fn is_called(&self, name: &str) -> bool {
        let rest = self.kind().strip_prefix(name);
        rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('-'))
    }
}

/// Ids of the engine's own detectors are unique; an own one is what it was declared as.
impl PartialEq for PackDetector {
    fn eq(&self, other: &Self) -> bool {
        self.id == other.id && self.declared == other.declared
    }
}

impl Eq for PackDetector {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pack_is_narrowed_by_names_and_their_families() {
        let pack = Pack::builtin(PackName::Pii);
        let phones = pack.clone().only(&["phone", "email"]).unwrap();
        let kinds: Vec<&str> = phones.detectors().collect();
        assert_eq!(kinds, ["email", "phone-international", "phone-us", "phone-national"]);
        let rest = pack.clone().except(&["phone", "email"]).unwrap();
        assert_eq!(rest.detectors().count() + 4, pack.detectors().count());
        assert!(pack.clone().only(&["fone"]).is_err() && pack.clone().only(&["pho"]).is_err());
        assert_ne!(phones, pack);
        assert_eq!(Pack::builtin(PackName::Pii), pack);
    }
}
