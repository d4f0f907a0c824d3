//! What a room forbids: rules as a person declares them, already checked.
//!
//! A [`Term`] or a [`Pattern`] exists only if it can be matched; everything after this module
//! trusts that. Nothing here knows about files: reading them is the caller's work.

use serde::{Deserialize, Serialize};

use crate::evasion::Evasions;
use crate::fold::{self, Class};
use crate::pack::Pack;
use crate::pattern::Pattern;

/// The longest term, in bytes as written and again as folded. Longer ones would let one entry
/// hold back whole paragraphs of a stream.
pub const TERM_MAX_BYTES: usize = 1024;

/// One room with what must not leave it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Room {
    /// The name that [`crate::Ruleset::room`] looks up.
    pub name: String,
    /// The rules; violations name them by their index in this list.
    pub rules: Vec<RuleSpec>,
}

/// One rule of a room.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct RuleSpec {
    /// A name that is safe to show: it must never contain the term itself.
    pub id: String,
    /// What is looked for.
    pub kind: RuleKind,
    /// What the room wants done about it. The engine only reports it.
    pub action: Action,
    /// Whether a plural `s` after a term is a different word (`Falcons` the team).
    pub exact: bool,
    /// Whether a term is a person's name: then `Lee, Ann` and `Lee Ann` are found for `Ann Lee`.
    pub person: bool,
    /// Which disguises are looked for. Patterns and packs look for encodings and escapes only.
    pub evasions: Evasions,
}

impl RuleSpec {
    /// A rule with the usual settings: denied, tails and the ordinary evasions on.
    pub fn new(id: impl Into<String>, kind: RuleKind) -> Self {
        Self {
            id: id.into(),
            kind,
            action: Action::Deny,
            exact: false,
            person: false,
            evasions: Evasions::ORDINARY,
        }
    }
}

/// What a rule looks for.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum RuleKind {
    /// A word or phrase.
    Term(Term),
    /// A regular expression.
    Pattern(Pattern),
    /// A detector pack, or some of it.
    Pack(Pack),
}

/// What a room wants done about a violation.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Action {
    /// The call is refused.
    #[default]
    Deny,
    /// The text is replaced by a placeholder.
    Redact,
    /// The owner decides.
    Ask,
    /// The call goes on and is marked.
    Warn,
}

/// A word or phrase that can be matched.
#[derive(Clone, PartialEq, Eq)]
pub struct Term {
    text: String,
    folded: String,
    letters: usize,
}

/// Why a term was refused. The sentences never repeat the term.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TermError {
    /// Nothing is left after folding.
    #[error("the term is empty: it has no visible character")]
    Empty,
    /// No letter and no digit.
    #[error("the term has no letter and no digit, so it would be found in almost every text")]
    OnlyPunctuation,
    /// Begins in the middle of a letter.
    #[error("the term begins with a mark that belongs to a letter before it")]
    BeginsWithMark,
    /// Longer than [`TERM_MAX_BYTES`].
    #[error("the term is {bytes} bytes long; at most {TERM_MAX_BYTES} are possible")]
    TooLong {
        /// Its length.
        bytes: usize,
    },
}

impl Term {
    /// Checks a term.
    ///
    /// # Errors
    /// If it could never match, or would match nearly everything, or is too long.
    pub fn new(text: &str) -> Result<Self, TermError> {
        let folded = fold::fold_text(text);
        let bytes = text.len().max(folded.len());
        let is_letter = |c: &char| !matches!(fold::class(*c), Class::Other | Class::Space);
        let letters = folded.chars().filter(is_letter).count();
        if bytes > TERM_MAX_BYTES {
            return Err(TermError::TooLong { bytes });
        }
        if folded.is_empty() {
            return Err(TermError::Empty);
        }
        if letters == 0 {
            return Err(TermError::OnlyPunctuation);
        }
        if fold::class(folded.chars().next().unwrap_or(' ')) == Class::Extend {
            return Err(TermError::BeginsWithMark);
        }
        Ok(Self { text: text.to_owned(), folded, letters })
    }

    /// The term as it is compared.
    pub(crate) fn folded(&self) -> &str {
        &self.folded
    }

    /// Letters and digits of the folded term.
    pub(crate) fn letters(&self) -> usize {
        self.letters
    }

    /// The folded spellings of a person's name with the last word first, with and without a comma.
    pub(crate) fn last_name_first(&self) -> Vec<String> {
        match self.folded.rsplit_once(' ') {
            Some((first, last)) => vec![format!("{last} {first}"), format!("{last}, {first}")],
            None => Vec::new(),
        }
    }

    /// The folded term with its Latin letters moved by half of the alphabet, if it has some.
    pub(crate) fn rotated(&self) -> Option<String> {
        let rotate = |c: char| match c {
            'a'..='m' => char::from(c as u8 + 13),
            'n'..='z' => char::from(c as u8 - 13),
            c => c,
        };
        self.folded
            .bytes()
            .any(|byte| byte.is_ascii_lowercase())
            .then(|| self.folded.chars().map(rotate).collect())
    }

    /// The folded term from last to first, and each of its words so. Scripts that write a word with marks or
    /// without spaces have none.
    pub(crate) fn reversed(&self) -> Vec<String> {
        if self.folded.chars().any(|c| matches!(fold::class(c), Class::Extend | Class::Unspaced)) {
            return Vec::new();
        }
        let reverse = |text: &str| text.chars().rev().collect::<String>();
        let words: Vec<String> = self.folded.split(' ').map(reverse).collect();
        let mut spellings = vec![reverse(&self.folded), words.join(" ")];
        spellings.dedup();
        spellings.retain(|spelling| *spelling != self.folded);
        spellings
    }

    /// The term as it was written. Confidential: never show it to a caller.
    pub fn text(&self) -> &str {
        &self.text
    }
}

impl std::fmt::Debug for Term {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Term([confidential])")
    }
}
