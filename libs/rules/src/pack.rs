//! Packs: detectors under one name, those that come with the engine and a person's own.

use std::sync::Arc;

use crate::detectors;
use crate::detectors::checks::{digits, entropy, follows, is_placeholder, luhn, remainder};
use crate::pattern::block::Ending;
use crate::pattern::runs::{Check, Need, Watch};
use crate::pattern::{Cue, Expression, Pattern, PatternError};
use crate::rule::PackName;

/// The most literals of one detector.
pub const LITERALS_MAX: usize = 256;

/// Detectors under one name.
#[derive(Clone, PartialEq, Eq)]
pub struct Pack {
    name: Arc<str>,
    detectors: Vec<Arc<PackDetector>>,
    /// Whether what is reserved for examples is a violation like anything else.
    counts_examples: bool,
}

/// One thing that a pack looks for.
pub(crate) struct PackDetector {
    /// The pack and the type, such as `secrets/aws-key`.
    pub(crate) id: Arc<str>,
    pub(crate) expression: Arc<Expression>,
    pub(crate) max_len: usize,
    pub(crate) check: Check,
    pub(crate) need: Option<(Need, u64)>,
    /// Words one of which stands before every find.
    pub(crate) cue: Option<Arc<Cue>>,
    /// Set where the expression is the first marker of a block.
    pub(crate) block: Option<Ending>,
    /// The fewest bytes of a find.
    pub(crate) shortest: usize,
    /// What an own detector was declared as; absent in those that come with the engine.
    declared: Option<DetectorSpec>,
}

/// A detector of a person's own pack, as declared.
#[derive(Clone, PartialEq, Debug)]
pub struct DetectorSpec {
    /// The type: part of what a block says, so it must be safe to show.
    pub id: String,
    /// The expression that it looks for.
    pub pattern: Pattern,
    /// What a match must satisfy beside.
    pub check: DeclaredCheck,
}

/// What a match of an own detector must satisfy. The default is nothing.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct DeclaredCheck {
    /// The Luhn sum of its digits, as card numbers have it.
    pub luhn: bool,
    /// A remainder of 1 by 97 once the first four characters are moved to the end, as IBANs have it.
    pub mod97: bool,
    /// The fewest bits of entropy per character.
    pub min_entropy: Option<f64>,
    /// The fewest decimal digits.
    pub min_digits: usize,
    /// Whether values that are written to be replaced (`your_key_here`) do not count.
    pub no_placeholders: bool,
    /// Words one of which must stand within 64 bytes before it. In lower case.
    pub context: Vec<String>,
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

impl DetectorSpec {
    /// A detector of whole words or phrases, in any case of ASCII letters.
    ///
    /// # Errors
    /// If they are too many or too long for one expression.
    pub fn literals(id: &str, words: &[&str], check: DeclaredCheck) -> Result<Self, PatternError> {
        if words.len() > LITERALS_MAX {
            return Err(PatternError::TooComplex);
        }
        let is_word = |c: Option<char>| c.is_some_and(|c| c.is_ascii_alphanumeric() || c == '_');
        let bounded = words.iter().map(|word| {
            let before = if is_word(word.chars().next()) { r"\b" } else { "" };
            let after = if is_word(word.chars().next_back()) { r"\b" } else { "" };
            format!("{before}{}{after}", regex_syntax::escape(word))
        });
        let source = format!("(?i:{})", bounded.collect::<Vec<_>>().join("|"));
        Ok(Self { id: id.to_owned(), pattern: Pattern::new(&source, None)?, check })
    }
}

impl DeclaredCheck {
    /// The test for the words that it asks for, if it asks for any and they can be told so.
    fn cue(&self) -> Option<Arc<Cue>> {
        let words = self.context.iter().map(String::as_str);
        Cue::of(words).filter(|_| !self.context.is_empty()).map(Arc::new)
    }

    /// How many bytes of a match count, given the text before it.
    pub(crate) fn keeps(&self, before: &str, matched: &str) -> Option<usize> {
        let number = digits(matched);
        let words: Vec<&str> = self.context.iter().map(String::as_str).collect();
        let valid = number.len() >= self.min_digits
            && (!self.luhn || (number.len() > 1 && luhn(&number)))
            && (!self.mod97 || is_mod97(matched))
            && self.min_entropy.is_none_or(|least| entropy(matched) >= least)
            && !(self.no_placeholders && is_placeholder(matched))
            && (words.is_empty() || follows(before, &words));
        valid.then_some(matched.len())
    }
}

/// The check of ISO 7064 as IBANs use it.
fn is_mod97(matched: &str) -> bool {
    let values: Vec<u32> = matched.chars().filter_map(|c| c.to_digit(36)).collect();
    let Some((head, body)) = values.split_at_checked(4) else { return false };
    let decimal = |value: &u32| if *value > 9 { vec![value / 10, value % 10] } else { vec![*value] };
    remainder(body.iter().chain(head).flat_map(decimal), 97) == 1
}

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

    #[test]
    fn declared_checks_decide() {
        let check =
            DeclaredCheck { luhn: true, context: vec!["badge".to_owned()], ..DeclaredCheck::default() };
        assert_eq!(check.keeps("badge ", "79927398713"), Some(11));
        assert_eq!((check.keeps("badge ", "79927398710"), check.keeps("", "79927398713")), (None, None));
        let check = DeclaredCheck { mod97: true, ..DeclaredCheck::default() };
        assert!(check.keeps("", "GB82WEST12345698765432").is_some());
        assert!(check.keeps("", "GB82WEST12345698765433").is_none());
        let check = DeclaredCheck {
            min_entropy: Some(3.0),
            no_placeholders: true,
            min_digits: 2,
            ..DeclaredCheck::default()
        };
        assert!(check.keeps("", "hT7q9ZkLw2Rb4V").is_some());
        assert!(check.keeps("", "aaaaaaaa11").is_none() && check.keeps("", "example_hT7q9ZkLw2").is_none());
    }
}
