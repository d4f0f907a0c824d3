//! Kinds of characters for the splitting of text, by Unicode's general categories.

use std::sync::OnceLock;

use regex_syntax::hir::{Class, HirKind};

/// A kind of character.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// Lu and Lt: letters that begin words.
    Upper,
    /// Ll.
    Lower,
    /// Lm and Lo: letters without case, which stand for both.
    Letter,
    /// M: marks on letters, which go with them but are none.
    Mark,
    /// N.
    Number,
    /// White space but the two ends of lines.
    Space,
    /// CR and LF.
    Break,
    /// Everything else.
    Other,
}

impl Kind {
    pub(super) fn is_letter(self) -> bool {
        matches!(self, Self::Upper | Self::Lower | Self::Letter)
    }

    pub(super) fn is_white(self) -> bool {
        matches!(self, Self::Space | Self::Break)
    }
}

/// The kinds of all characters.
#[derive(Debug)]
pub(super) struct Kinds {
    ascii: [Kind; 128],
    /// First and last character of each run beyond ASCII, in order.
    runs: Vec<(char, char, Kind)>,
}

impl Kinds {
    /// Made once, for all vocabularies.
    pub(super) fn shared() -> &'static Self {
        static SHARED: OnceLock<Kinds> = OnceLock::new();
        SHARED.get_or_init(Self::new)
    }

    fn new() -> Self {
        let mut runs = Vec::new();
        for (pattern, kind) in [
            (r"[\p{Lu}\p{Lt}]", Kind::Upper),
            (r"\p{Ll}", Kind::Lower),
            (r"[\p{Lm}\p{Lo}]", Kind::Letter),
            (r"\p{M}", Kind::Mark),
            (r"\p{N}", Kind::Number),
            (r"[\s--[\r\n]]", Kind::Space),
            (r"[\r\n]", Kind::Break),
        ] {
            let parsed = regex_syntax::parse(pattern).expect("the pattern stands above");
            let HirKind::Class(Class::Unicode(class)) = parsed.kind() else {
                unreachable!("each pattern is one class of characters");
            };
            runs.extend(class.ranges().iter().map(|range| (range.start(), range.end(), kind)));
        }
        runs.sort_unstable_by_key(|run| run.0);
        let mut kinds = Self { ascii: [Kind::Other; 128], runs };
        for byte in 0..128_u8 {
            kinds.ascii[usize::from(byte)] = kinds.look(char::from(byte));
        }
        kinds
    }

    pub(super) fn of(&self, character: char) -> Kind {
        match self.ascii.get(character as usize) {
            Some(kind) => *kind,
            None => self.look(character),
        }
    }

    fn look(&self, character: char) -> Kind {
        let after = self.runs.partition_point(|(first, _, _)| *first <= character);
        match after.checked_sub(1).map(|at| self.runs[at]) {
            Some((_, last, kind)) if character <= last => kind,
            _ => Kind::Other,
        }
    }
}
