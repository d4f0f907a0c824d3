//! Control sequences of terminals, read one character at a time: colours (`ESC[32m`), links
//! (`ESC]8;;…ESC\`), character sets (`ESC(B`), in seven and in eight bits.
//!
//! A terminal shows none of them, so they stand inside words as well as between them. The forms are
//! those of ECMA-48. What a sequence holds, such as the address of a link, is also read as text.

/// The longest control sequence with parameters: real ones have a few numbers.
const PARAMETERS_MAX: u16 = 64;
/// The longest text of a command such as a link, in characters: addresses are shorter.
const COMMAND_MAX: u16 = 2048;

/// A sequence that is not complete.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Terminal {
    kind: Kind,
    /// Characters of parameters or text so far.
    length: u16,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    /// `ESC`
    Escape,
    /// `ESC[`
    Control,
    /// `ESC(`: one more character names the set.
    Charset,
    /// `ESC]` and its like: text up to BEL or `ESC\`.
    Command,
    /// `ESC` in such a text.
    CommandEscape,
}

/// What one more character makes of a sequence.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Step {
    /// Not complete.
    More(Terminal),
    /// Complete with this character.
    Done,
    /// Not a sequence.
    Not,
}

impl Terminal {
    /// The sequence that a character begins.
    pub(crate) fn begin(c: char) -> Option<Self> {
        let kind = match c {
            '\u{1B}' => Kind::Escape,
            '\u{9B}' => Kind::Control,
            '\u{90}' | '\u{98}' | '\u{9D}'..='\u{9F}' => Kind::Command,
            _ => return None,
        };
        Some(Self { kind, length: 0 })
    }

    /// Whether it is a command that holds text, such as a link.
    pub(crate) fn is_command(self) -> bool {
        matches!(self.kind, Kind::Command | Kind::CommandEscape)
    }

    /// Reads one character.
    pub(crate) fn read(self, c: char) -> Step {
        let more = |kind, length| Step::More(Self { kind, length });
        match (self.kind, c) {
            (Kind::Escape, '[') => more(Kind::Control, 0),
            (Kind::Escape, ']' | 'P' | 'X' | '^' | '_') => more(Kind::Command, 0),
            (Kind::Escape, ' '..='/') => more(Kind::Charset, 0),
            (Kind::Escape | Kind::Charset, '0'..='~') => Step::Done,
            (Kind::Control, ' '..='?') if self.length < PARAMETERS_MAX => {
                more(Kind::Control, self.length + 1)
            }
            (Kind::Control, '@'..='~') => Step::Done,
            (Kind::Command, '\u{7}' | '\u{9C}') => Step::Done,
            (Kind::Command, '\u{1B}') => more(Kind::CommandEscape, 0),
            (Kind::Command, c) if self.length < COMMAND_MAX && !matches!(c, '\r' | '\n') => {
                more(Kind::Command, self.length + 1)
            }
            (Kind::CommandEscape, '\\') => Step::Done,
            _ => Step::Not,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// How many characters of a text the sequence at its beginning has.
    fn length(text: &str) -> Option<usize> {
        let mut terminal = Terminal::begin(text.chars().next()?)?;
        for (at, c) in text.chars().enumerate().skip(1) {
            match terminal.read(c) {
                Step::More(more) => terminal = more,
                Step::Done => return Some(at + 1),
                Step::Not => return None,
            }
        }
        None
    }

    #[test]
    fn sequences_end_where_a_terminal_ends_them() {
        for (text, expected) in [
            ("\u{1B}[0mx", 4),
            ("\u{1B}[38;5;170mx", 11),
            ("\u{1B}[Kx", 3),
            ("\u{9B}1mx", 3),
            ("\u{1B}(Bx", 3),
            ("\u{1B}7x", 2),
            ("\u{1B}]8;;http://a.b\u{1B}\\x", 17),
            ("\u{1B}]0;title\u{7}x", 10),
        ] {
            assert_eq!(length(text), Some(expected), "{text:?}");
        }
        for text in ["\u{1B}\u{1B}[m", "\u{1B}[1\nm", "\u{1B}]x\ny\u{7}", "\u{1B}é", "[0m"] {
            assert_eq!(length(text), None, "{text:?}");
        }
        assert_eq!(length(&format!("\u{1B}[{}m", "1;".repeat(40))), None, "no terminal sends that many");
        assert_eq!(length(&format!("\u{1B}]{}\u{7}", "x".repeat(3000))), None);
    }
}
