//! The names of the ways a term can be disguised, and sets of them.
//!
//! Only disguises that carry a risk of harming innocent text have a name and a switch. Upper
//! case, accents, full width, ligatures, zero-width characters and line wraps are not disguises
//! but spellings: they are always folded away (see [`crate::fold`]).
//!
//! There are two sets. [`Evasions::ORDINARY`] is what rules look for by themselves. [`Evasions::DEEP`] is what
//! hardly anybody writes by chance and a model reads all the same: it costs a second look at every sign of it,
//! and rooms that must not leak turn it on.

use serde::{Deserialize, Serialize};

/// One way to disguise a term. The serde and display name is kebab-case.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Evasion {
    /// Letters of another script that look like Latin ones: `Fаlcon` with a Cyrillic `а`.
    Confusables,
    /// Letters as flags, tag characters, or negative squares and circles: `🅵🅰🅻🅲🅾🅽`.
    Symbols,
    /// Digits and signs in the place of letters: `F4lc0n`.
    Leetspeak,
    /// Letters spaced or dotted out: `F a l c o n`, `F.a.l.c.o.n`, `Fal-con`.
    Separated,
    /// Markdown marks or HTML tags inside the term: `Fal**con**`.
    Markup,
    /// A word broken over two lines with a hyphen.
    Hyphenation,
    /// Words joined or part of an identifier: `ProjectFalcon`, `project_falcon`, `getFalconId`.
    Joined,
    /// HTML character references: `F&#97;lcon`.
    Entities,
    /// Percent-encoding, as in addresses: `F%61lcon`.
    Percent,
    /// Escapes of programming languages: `\u0046alcon`, `\x46alcon`.
    Escapes,
    /// The term inside a base64 or base64url run.
    Base64,
    /// The term as hexadecimal digits.
    Hex,
    /// A person's name with the last word first: `Lee, Ann`. Only for terms that are marked so.
    NameOrder,
    /// Literals of a program that are joined to the term: `"Fal" + "con"`.
    Concatenated,
    /// The beginning of a term followed by more invisible characters than may be held back.
    Padding,
    /// The numbers of the letters, hexadecimal in pairs, decimal, octal or binary: `46 61 6c 63 6f 6e`.
    Codes,
    /// The term inside a base32 run.
    Base32,
    /// The term in a text that gzip compressed, inside a base64 run.
    Compressed,
    /// The bytes of mail in seven bits: `F=61lcon`.
    QuotedPrintable,
    /// Letters in UTF-7: `F+AGE-lcon`.
    Utf7,
    /// Letters moved by half of the alphabet: `Snypba`.
    Rot13,
    /// The letters from last to first, of the whole term or of each of its words: `noclaF`.
    Reversed,
}

impl Evasion {
    /// All of them, in the order of declaration.
    pub const ALL: [Evasion; 22] = [
        Evasion::Confusables,
        Evasion::Symbols,
        Evasion::Leetspeak,
        Evasion::Separated,
        Evasion::Markup,
        Evasion::Hyphenation,
        Evasion::Joined,
        Evasion::Entities,
        Evasion::Percent,
        Evasion::Escapes,
        Evasion::Base64,
        Evasion::Hex,
        Evasion::NameOrder,
        Evasion::Concatenated,
        Evasion::Padding,
        Evasion::Codes,
        Evasion::Base32,
        Evasion::Compressed,
        Evasion::QuotedPrintable,
        Evasion::Utf7,
        Evasion::Rot13,
        Evasion::Reversed,
    ];

    /// The name used in files and records.
    pub fn name(self) -> &'static str {
        match self {
            Evasion::Confusables => "confusables",
            Evasion::Symbols => "symbols",
            Evasion::Leetspeak => "leetspeak",
            Evasion::Separated => "separated",
            Evasion::Markup => "markup",
            Evasion::Hyphenation => "hyphenation",
            Evasion::Joined => "joined",
            Evasion::Entities => "entities",
            Evasion::Percent => "percent",
            Evasion::Escapes => "escapes",
            Evasion::Base64 => "base64",
            Evasion::Hex => "hex",
            Evasion::NameOrder => "name-order",
            Evasion::Concatenated => "concatenated",
            Evasion::Padding => "padding",
            Evasion::Codes => "codes",
            Evasion::Base32 => "base32",
            Evasion::Compressed => "compressed",
            Evasion::QuotedPrintable => "quoted-printable",
            Evasion::Utf7 => "utf7",
            Evasion::Rot13 => "rot13",
            Evasion::Reversed => "reversed",
        }
    }

    /// The fewest letters and digits a term must have for this evasion to be looked for; shorter
    /// terms would be found in innocent text.
    pub fn min_term_letters(self) -> usize {
        match self {
            Evasion::Confusables | Evasion::Padding | Evasion::NameOrder => 1,
            Evasion::Entities | Evasion::Percent | Evasion::Escapes | Evasion::Markup => 3,
            Evasion::Symbols | Evasion::QuotedPrintable | Evasion::Utf7 => 4,
            Evasion::Separated | Evasion::Hyphenation | Evasion::Joined | Evasion::Concatenated => 5,
            Evasion::Base64 | Evasion::Hex | Evasion::Compressed => 4,
            Evasion::Codes | Evasion::Base32 => 5,
            Evasion::Leetspeak | Evasion::Rot13 | Evasion::Reversed => 6,
        }
    }

    const fn bit(self) -> u32 {
        1 << self as u32
    }
}

impl std::fmt::Display for Evasion {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.name())
    }
}

/// A set of evasions. The default is [`Evasions::ORDINARY`]. In files it is a list of names.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(from = "Vec<Evasion>", into = "Vec<Evasion>")]
pub struct Evasions(u32);

impl Evasions {
    /// Every evasion.
    pub const ALL: Evasions = Evasions((1 << Evasion::ALL.len()) - 1);
    /// What rules look for by themselves: everything up to [`Evasion::Padding`].
    pub const ORDINARY: Evasions = Evasions((Evasion::Padding.bit() << 1) - 1);
    /// Disguises that hardly anybody writes by chance and a model reads all the same.
    pub const DEEP: Evasions = Evasions(Self::ALL.0 & !Self::ORDINARY.0);
    /// No evasion: only spellings that are always folded.
    pub const NONE: Evasions = Evasions(0);

    /// This set and `evasion`.
    pub const fn with(self, evasion: Evasion) -> Self {
        Self(self.0 | evasion.bit())
    }

    /// This set less `evasion`.
    pub const fn without(self, evasion: Evasion) -> Self {
        Self(self.0 & !evasion.bit())
    }

    /// This set less all of `other`.
    pub const fn without_all(self, other: Evasions) -> Self {
        Self(self.0 & !other.0)
    }

    /// Both sets together.
    pub const fn union(self, other: Evasions) -> Self {
        Self(self.0 | other.0)
    }

    /// Whether `evasion` is in the set.
    pub const fn contains(self, evasion: Evasion) -> bool {
        self.0 & evasion.bit() != 0
    }

    /// Whether every evasion of `other` is in this set.
    pub const fn contains_all(self, other: Evasions) -> bool {
        other.0 & !self.0 == 0
    }

    /// Whether the set is empty.
    pub const fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// The evasions of the set, in the order of declaration.
    pub fn iter(self) -> impl Iterator<Item = Evasion> {
        Evasion::ALL.into_iter().filter(move |evasion| self.contains(*evasion))
    }
}

impl Default for Evasions {
    fn default() -> Self {
        Self::ORDINARY
    }
}

impl FromIterator<Evasion> for Evasions {
    fn from_iter<I: IntoIterator<Item = Evasion>>(evasions: I) -> Self {
        evasions.into_iter().fold(Self::NONE, Self::with)
    }
}

impl From<Vec<Evasion>> for Evasions {
    fn from(evasions: Vec<Evasion>) -> Self {
        evasions.into_iter().collect()
    }
}

impl From<Evasions> for Vec<Evasion> {
    fn from(evasions: Evasions) -> Self {
        evasions.iter().collect()
    }
}

impl std::fmt::Debug for Evasions {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_set().entries(self.iter()).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_agree_with_serde_and_round_trip() {
        for evasion in Evasion::ALL {
            let json = serde_json::to_string(&evasion).unwrap();
            assert_eq!(json, format!("\"{}\"", evasion.name()));
            assert_eq!(serde_json::from_str::<Evasion>(&json).unwrap(), evasion);
        }
    }

    #[test]
    fn sets_hold_what_was_put_in() {
        let set = Evasions::NONE.with(Evasion::Hex).with(Evasion::Joined);
        assert!(set.contains(Evasion::Hex) && !set.contains(Evasion::Markup));
        assert_eq!(set.iter().collect::<Vec<_>>(), [Evasion::Joined, Evasion::Hex]);
        assert!(Evasions::default().contains_all(set) && !set.contains_all(Evasions::ALL));
        assert_eq!(serde_json::to_string(&set).unwrap(), r#"["joined","hex"]"#);
        assert!(set.without(Evasion::Hex).without(Evasion::Joined).is_empty());
    }

    #[test]
    fn every_evasion_is_ordinary_or_deep() {
        let both = Evasions::ORDINARY.union(Evasions::DEEP);
        assert!(both == Evasions::ALL && both.iter().count() == Evasion::ALL.len());
        assert!(Evasions::DEEP.contains(Evasion::Codes) && !Evasions::DEEP.contains(Evasion::Padding));
        assert_eq!(Evasions::ALL.without_all(Evasions::DEEP), Evasions::default());
    }
}
