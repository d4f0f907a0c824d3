//! Detectors of packs: one expression with its check, and those that a person declares.

use std::sync::Arc;

use crate::checks::{digits, entropy, follows, is_placeholder, luhn, remainder};
use crate::pattern::block::Ending;
use crate::pattern::runs::{Check, Need, OwnCheck};
use crate::pattern::{Cue, Expression, Pattern, PatternError};

/// The most literals of one detector.
pub const LITERALS_MAX: usize = 256;

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
    pub(crate) declared: Option<DetectorSpec>,
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
    pub(crate) fn cue(&self) -> Option<Arc<Cue>> {
        let words = self.context.iter().map(String::as_str);
        Cue::of(words).filter(|_| !self.context.is_empty()).map(Arc::new)
    }
}

impl OwnCheck for DeclaredCheck {
    fn keeps(&self, before: &str, matched: &str) -> Option<usize> {
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
