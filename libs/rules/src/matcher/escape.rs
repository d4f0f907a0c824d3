//! Escape sequences, read one character at a time: `&#97;`, `&eacute;`, `%61`, `\u0061`, `\x61`.
//!
//! Bytes above 127 are put together to UTF-8, and `\u` surrogates to one character. A character that
//! is decoded may begin a sequence itself (`%2541`): whoever reads sequences begins again with it.

use crate::evasion::Evasion;

/// How many times a decoded character may begin a sequence itself.
const NESTED_MAX: u8 = 2;
/// The most backslashes in front of one sequence; without a limit a row of them would be read anew
/// from each.
const BACKSLASHES_MAX: u8 = 4;

/// A sequence that is not complete.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Escape {
    kind: Kind,
    /// The value of the digits so far, or a name packed into bytes.
    value: u64,
    digits: u8,
    /// What earlier sequences of the same character gave.
    carried: u32,
    /// How many sequences must follow.
    missing: u8,
    /// How many sequences gave the character that this one begins with.
    nested: u8,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    /// `&`
    Ampersand,
    /// `&#`
    Number,
    /// `&#x`
    HexNumber,
    /// `&name`
    Name,
    /// `%`
    Percent,
    /// `\`
    Backslash,
    /// `\x`
    Byte,
    /// `\u`
    Unicode,
    /// `\u{`
    Braced,
    /// The `%` of the next part of a character.
    NextPercent,
    /// The `\` of the next part of a character.
    NextBackslash,
}

/// What one more character makes of a sequence.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Progress {
    /// Not complete.
    More(Escape),
    /// Complete; the character that was read is part of it.
    Done(char),
    /// Complete before the character that was read.
    DoneBefore(char),
    /// Not a sequence.
    Not,
}

impl Escape {
    /// The sequence that a folded character begins.
    pub(crate) fn begin(c: char) -> Option<Self> {
        let kind = match c {
            '&' => Kind::Ampersand,
            '%' => Kind::Percent,
            '\\' => Kind::Backslash,
            _ => return None,
        };
        Some(Self { kind, value: 0, digits: 0, carried: 0, missing: 0, nested: 0 })
    }

    /// The sequence that the character which this one gave begins.
    pub(crate) fn begin_nested(self, c: char) -> Option<Self> {
        let begun = Self::begin(c).filter(|_| self.nested < NESTED_MAX)?;
        Some(Self { nested: self.nested + 1, ..begun })
    }

    /// Whether it begins with a character that another sequence gave.
    pub(crate) fn is_nested(self) -> bool {
        self.nested > 0
    }

    /// Whether nothing but backslashes was read.
    pub(crate) fn is_backslash(self) -> bool {
        self.kind == Kind::Backslash
    }

    /// The name of this disguise.
    pub(crate) fn evasion(self) -> Evasion {
        match self.kind {
            Kind::Ampersand | Kind::Number | Kind::HexNumber | Kind::Name => Evasion::Entities,
            Kind::Percent | Kind::NextPercent => Evasion::Percent,
            _ => Evasion::Escapes,
        }
    }

    /// Reads one folded character.
    pub(crate) fn read(self, c: char) -> Progress {
        let as_kind = |kind| Progress::More(Self { kind, ..self });
        match (self.kind, c) {
            (Kind::Ampersand, '#') => as_kind(Kind::Number),
            (Kind::Ampersand | Kind::Name, c) if c.is_ascii_alphanumeric() && self.digits < 8 => {
                let value = self.value << 8 | u64::from(c as u32);
                Progress::More(Self { kind: Kind::Name, value, digits: self.digits + 1, ..self })
            }
            (Kind::Name, ';') => named(self.value).map_or(Progress::Not, Progress::Done),
            (Kind::Number, 'x') if self.digits == 0 => as_kind(Kind::HexNumber),
            (Kind::Number, c) => self.number(c, 10, Some(';')),
            (Kind::HexNumber, c) => self.number(c, 16, Some(';')),
            (Kind::Percent, c) => self.byte(c, Kind::NextPercent),
            (Kind::NextPercent, '%') => as_kind(Kind::Percent),
            // A text that was escaped twice.
            (Kind::Backslash, '\\') if self.digits < BACKSLASHES_MAX - 1 => {
                Progress::More(Self { digits: self.digits + 1, ..self })
            }
            (Kind::Backslash, 'x') => Progress::More(Self { kind: Kind::Byte, digits: 0, ..self }),
            (Kind::Backslash, 'u') => Progress::More(Self { kind: Kind::Unicode, digits: 0, ..self }),
            (Kind::NextBackslash, '\\') => as_kind(Kind::Backslash),
            (Kind::Byte, c) => self.byte(c, Kind::NextBackslash),
            (Kind::Unicode, '{') if self.digits == 0 => as_kind(Kind::Braced),
            (Kind::Braced, c) => self.number(c, 16, Some('}')),
            (Kind::Unicode, c) => self.code_unit(c),
            _ => Progress::Not,
        }
    }

    fn digit(self, c: char, radix: u32) -> Option<Self> {
        let digit = u64::from(c.to_digit(radix)?);
        let value = self.value * u64::from(radix) + digit;
        (self.digits < 8).then_some(Self { value, digits: self.digits + 1, ..self })
    }

    fn number(self, c: char, radix: u32, end: Option<char>) -> Progress {
        if let Some(more) = self.digit(c, radix) {
            return Progress::More(more);
        }
        let done = u32::try_from(self.value).ok().and_then(char::from_u32);
        match done.filter(|_| self.digits > 0) {
            Some(done) if Some(c) == end => Progress::Done(done),
            Some(done) if end == Some(';') => Progress::DoneBefore(done),
            _ => Progress::Not,
        }
    }

    /// Two hexadecimal digits: a character, or a part of one in UTF-8.
    fn byte(self, c: char, next: Kind) -> Progress {
        let Some(read) = self.digit(c, 16) else { return Progress::Not };
        if read.digits < 2 {
            return Progress::More(read);
        }
        let byte = read.value as u32;
        let (carried, missing) = match (self.missing, byte) {
            (0, 0..0x80) => (byte, 0),
            (0, 0xC2..0xE0) => (byte & 0x1F, 1),
            (0, 0xE0..0xF0) => (byte & 0x0F, 2),
            (0, 0xF0..0xF5) => (byte & 0x07, 3),
            (1.., 0x80..0xC0) => (self.carried << 6 | byte & 0x3F, self.missing - 1),
            _ => return Progress::Not,
        };
        if missing > 0 {
            return Progress::More(Self {
                kind: next,
                value: 0,
                digits: 0,
                carried,
                missing,
                nested: self.nested,
            });
        }
        char::from_u32(carried).map_or(Progress::Not, Progress::Done)
    }

    /// Four hexadecimal digits: a character, or half of a pair of surrogates.
    fn code_unit(self, c: char) -> Progress {
        let Some(read) = self.digit(c, 16) else { return Progress::Not };
        if read.digits < 4 {
            return Progress::More(read);
        }
        let unit = read.value as u32;
        match (self.missing, unit) {
            (0, 0xD800..0xDC00) => Progress::More(Self {
                kind: Kind::NextBackslash,
                value: 0,
                digits: 0,
                carried: unit - 0xD800,
                missing: 1,
                nested: self.nested,
            }),
            (1, 0xDC00..0xE000) => char::from_u32(0x1_0000 + (self.carried << 10) + (unit - 0xDC00))
                .map_or(Progress::Not, Progress::Done),
            (0, unit) => char::from_u32(unit).map_or(Progress::Not, Progress::Done),
            _ => Progress::Not,
        }
    }
}

/// The names that can stand inside a word or between words; accents fold away, so a letter with
/// an accent is its base letter.
fn named(packed: u64) -> Option<char> {
    let bytes = packed.to_be_bytes();
    let name = std::str::from_utf8(&bytes).ok()?.trim_start_matches('\0');
    const ACCENTS: [&str; 9] = ["acute", "grave", "circ", "uml", "tilde", "cedil", "ring", "slash", "caron"];
    let mut letters = name.chars();
    if let Some(letter) = letters.next()
        && ACCENTS.contains(&letters.as_str())
    {
        return Some(letter);
    }
    Some(match name {
        "amp" => '&',
        "lt" => '<',
        "gt" => '>',
        "quot" => '"',
        "apos" | "rsquo" | "lsquo" => '\'',
        "nbsp" | "ensp" | "emsp" | "thinsp" | "tab" | "newline" => ' ',
        "shy" | "zwj" | "zwnj" | "lrm" | "rlm" => '\u{AD}',
        "szlig" => 'ß',
        "aelig" => 'æ',
        "oelig" => 'œ',
        "eth" => 'ð',
        "thorn" => 'þ',
        "hyphen" | "ndash" | "mdash" | "dash" => '-',
        "lowbar" => '_',
        "period" => '.',
        "comma" => ',',
        "sol" => '/',
        "colon" => ':',
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Reads a whole sequence; a `·` at the end means that the last character is not part of it.
    fn read(text: &str) -> Option<char> {
        let mut chars = text.chars();
        let mut escape = Escape::begin(chars.next()?)?;
        for c in chars {
            match escape.read(c) {
                Progress::More(more) => escape = more,
                Progress::Done(done) | Progress::DoneBefore(done) => return Some(done),
                Progress::Not => return None,
            }
        }
        None
    }

    #[test]
    fn sequences_give_their_character() {
        for (text, expected) in [
            ("&#97;", 'a'),
            ("&#x61;", 'a'),
            ("&#97 ", 'a'),
            ("&eacute;", 'e'),
            ("&nbsp;", ' '),
            ("%61", 'a'),
            ("%d0%b0", 'а'),
            ("%f0%9d%90%85", '𝐅'),
            ("\\u0061", 'a'),
            ("\\u{61}", 'a'),
            ("\\ud835\\udc05", '𝐅'),
            ("\\x61", 'a'),
            ("\\xd0\\xb0", 'а'),
        ] {
            assert_eq!(read(text), Some(expected), "{text}");
        }
    }

    #[test]
    fn what_only_begins_like_a_sequence_is_none() {
        for text in
            ["& b", "&zzz;", "&#;", "&#x;", "% o", "%6g", "%d0a", "\\n", "\\u00g", "\\ud835x", "&#1114112;"]
        {
            assert_eq!(read(text), None, "{text}");
        }
    }
}
