//! Tells the backslashes of a Windows path from those that begin an escape sequence: in `C:\new` no line
//! ends, in `say\new` one does.
//!
//! A path begins where a word does, with a drive letter and a colon, and goes on to the next space, quote
//! or bracket. A path that was escaped has its backslashes doubled (`C:\\new`); there a single one begins
//! an escape sequence again. Paths without a drive are not told from text.

/// What is known of the word up to one place of a text.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Path {
    /// A word may begin here.
    #[default]
    Start,
    /// One letter was read.
    Letter,
    /// A letter and a colon.
    Drive,
    /// A letter, a colon and one backslash: the next character decides.
    First,
    /// In a path with single backslashes.
    Plain,
    /// In a path with doubled backslashes.
    Doubled,
    /// Behind the first backslash of a pair.
    Half,
    /// In a word that is no path.
    Word,
}

impl Path {
    /// Reads one character.
    pub(crate) fn read(&mut self, c: char) {
        *self = match (*self, c) {
            (_, c) if ends_word(c) => Self::Start,
            (Self::Start, c) if c.is_ascii_alphabetic() => Self::Letter,
            (Self::Letter, ':') => Self::Drive,
            (Self::Drive, '\\') => Self::First,
            (Self::First, '\\') => Self::Doubled,
            (Self::First | Self::Plain, _) => Self::Plain,
            (Self::Doubled, '\\') => Self::Half,
            (Self::Half, '\\') => Self::Doubled,
            // A single backslash: what it stands for ends the path.
            (Self::Half, _) => Self::Word,
            (Self::Doubled, _) => Self::Doubled,
            _ => Self::Word,
        };
    }

    /// Reads many characters at once.
    pub(crate) fn read_all(&mut self, text: &str) {
        // Nothing before the last end of a word plays a part.
        let end = text.bytes().rposition(|byte| ends_word(char::from(byte)));
        if let Some(end) = end {
            *self = Self::Start;
            return text[end + 1..].chars().for_each(|c| self.read(c));
        }
        for c in text.chars() {
            self.read(c);
            if *self == Self::Word {
                return;
            }
        }
    }

    /// Whether a backslash that is read now may stand for another character with the letter after it.
    pub(crate) fn lets_escape(self) -> bool {
        !matches!(self, Self::Drive | Self::Plain | Self::First | Self::Half)
    }

    /// Whether two backslashes that are read now may do so.
    pub(crate) fn lets_escape_doubled(self) -> bool {
        self.lets_escape() && self != Self::Doubled
    }
}

fn ends_word(c: char) -> bool {
    matches!(
        c,
        ' ' | '\t'
            | '\n'
            | '\r'
            | '"'
            | '\''
            | '`'
            | '('
            | ')'
            | '['
            | ']'
            | '{'
            | '}'
            | '<'
            | '>'
            | '='
            | ','
            | ';'
            | '|'
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn after(text: &str) -> Path {
        let mut path = Path::default();
        text.chars().for_each(|c| path.read(c));
        path
    }

    #[test]
    fn only_a_drive_makes_a_path() {
        for text in ["C:", "see C:\\temp", "\"d:\\a\\b", "path=C:\\new", "C:\\\\new\\"] {
            assert!(!after(text).lets_escape(), "{text}");
        }
        for text in ["", "C", "say", "abc:", "C:\\temp say", "C:\\\\new", "log: {\"m\":\"a"] {
            assert!(after(text).lets_escape(), "{text}");
        }
        assert!(!after("C:\\\\new").lets_escape_doubled() && after("line").lets_escape_doubled());
    }

    #[test]
    fn many_characters_are_read_like_one_after_the_other() {
        let text = "a C:\\new\\x \"D:\\\\y\\\\z\\nq é:\\ w:\\";
        let places: Vec<usize> = text.char_indices().map(|(at, _)| at).collect();
        for from in &places {
            for to in places.iter().filter(|to| *to >= from) {
                let mut path = after(&text[..*from]);
                path.read_all(&text[*from..*to]);
                assert_eq!(path, after(&text[..*to]), "{} {}", &text[..*from], &text[*from..*to]);
            }
        }
    }
}
