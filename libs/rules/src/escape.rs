//! Escape sequences, read one character at a time: `&#97;`, `&eacute;`, `%61`, `%u0061`, `\u0061`,
//! `\x61`, `\x{61}`, `\141`, `\61 ` of style sheets, and those of one letter: `\n`, `\t`, `\"`.
//!
//! Half a surrogate pair is what cannot be shown. Bytes above 127 are put together to UTF-8, and `\u`
//! surrogates to one character. A character that is decoded may begin a sequence itself (`%2541`): whoever
//! reads sequences begins again with it.
//!
//! Two more are deep disguises, which only terms are read through: the quoted-printable bytes of mail (`=61`,
//! and `=` at the end of a line, which is nothing) and UTF-7 (`+AGE-`). A sequence of UTF-7 may hold several
//! characters; long ones are base64 and left to [`crate::encoded`].

use crate::encoding::Encoding;
use crate::evasion::Evasion;
use crate::path::Path;

/// How many times a decoded character may begin a sequence itself.
const NESTED_MAX: u8 = 2;
/// Marks what was carried from the first half of a pair of surrogates: bytes carry less.
const HALF_PAIR: u32 = 1 << 24;
/// The most backslashes in front of one sequence; without a limit a row of them would be read anew
/// from each.
const BACKSLASHES_MAX: u8 = 4;

/// The most digits of a sequence of UTF-7: nine characters.
const SHIFTED_MAX: u8 = 24;

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
    /// From how many backslashes on a letter after them is only a letter, as in a path.
    literal: u8,
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
    /// `\U` and the first four of eight digits.
    Long,
    /// `\` and octal digits.
    Octal,
    /// `\` and one to six hexadecimal digits, which a space may end.
    Style,
    /// The `%` of the next part of a character.
    NextPercent,
    /// The `\` of the next part of a character.
    NextBackslash,
    /// `=` in quoted-printable.
    Equals,
    /// The `=` of the next part of a character.
    NextEquals,
    /// `+` and digits of base64, in UTF-7. The value holds the bits that no character has used.
    Shift {
        /// Their number.
        bits: u8,
        /// Whether a character was read.
        begun: bool,
    },
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
    /// A character is complete, and the sequence goes on.
    Part(char, Escape),
    /// Complete, and all of its characters were told; the character that was read is part of it.
    End,
    /// The same before the character that was read.
    EndBefore,
    /// Not a sequence.
    Not,
}

impl Escape {
    /// The sequence that a folded character begins, in a text that is no path.
    pub(crate) fn begin(c: char) -> Option<Self> {
        let kind = match c {
            '&' => Kind::Ampersand,
            '%' => Kind::Percent,
            '\\' => Kind::Backslash,
            _ => return None,
        };
        Some(Self { kind, value: 0, digits: 0, carried: 0, missing: 0, nested: 0, literal: u8::MAX })
    }

    /// The sequence that a folded character begins behind what `path` knows.
    pub(crate) fn begin_in(path: Path, c: char) -> Option<Self> {
        let literal = match path {
            path if !path.lets_escape() => 0,
            path if !path.lets_escape_doubled() => 1,
            _ => u8::MAX,
        };
        Some(Self { literal, ..Self::begin(c)? })
    }

    /// The sequence of a style sheet that a folded character begins: it may also begin another one.
    pub(crate) fn begin_style(c: char) -> Option<Self> {
        (c == '\\').then_some(Self { kind: Kind::Style, ..Self::begin(c)? })
    }

    /// The sequence of a deep disguise that a folded character begins.
    pub(crate) fn begin_deep(c: char) -> Option<Self> {
        let kind = match c {
            '=' => Kind::Equals,
            '+' => Kind::Shift { bits: 0, begun: false },
            _ => return None,
        };
        Some(Self { kind, value: 0, digits: 0, carried: 0, missing: 0, nested: 0, literal: u8::MAX })
    }

    /// Whether a term may begin with the sequence of a deep disguise at the beginning of a text, or behind it;
    /// `is_foreign` says whether terms begin with other letters than those of Europe.
    pub(crate) fn may_begin_deep(text: &[u8], is_foreign: bool) -> bool {
        match text {
            [b'=', high, low, ..] => is_hex(*high) && is_hex(*low),
            // The upper half of a letter of Europe is nearly nothing, and in other runs nearly never.
            [b'+', high, low, next, ..] => {
                let is_letter = is_foreign || matches!(high, b'A' | b'B');
                is_letter && [high, low, next].iter().all(|digit| is_base64(**digit))
            }
            _ => false,
        }
    }

    /// Whether a character may be part of what [`Escape::begin`] began with a backslash.
    pub(crate) fn follows_backslash(byte: u8) -> bool {
        byte.is_ascii_hexdigit() || b"\\uUxXnrtv\"'`/".contains(&byte)
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
            Kind::Equals | Kind::NextEquals => Evasion::QuotedPrintable,
            Kind::Shift { .. } => Evasion::Utf7,
            _ => Evasion::Escapes,
        }
    }

    /// Reads one character as it stands: only some letters may be capitals.
    pub(crate) fn read_original(self, c: char) -> Progress {
        if self.kind == Kind::Backslash && c.is_ascii_uppercase() && !matches!(c, 'U' | 'X') {
            return Progress::Not;
        }
        // The digits of base64 are the only ones whose case counts.
        match self.kind {
            Kind::Shift { bits, begun } => self.shifted(c, bits, begun),
            _ => self.read(c.to_ascii_lowercase()),
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
            (Kind::Percent, 'u') if self.digits == 0 && self.missing == 0 => as_kind(Kind::Unicode),
            (Kind::Percent, c) => self.byte(c, Kind::NextPercent),
            (Kind::NextPercent, '%') => as_kind(Kind::Percent),
            // At the end of a line it says that the line goes on.
            (Kind::Equals, '\r' | '\n') if self.digits == 0 && self.missing == 0 => Progress::Done(NOTHING),
            (Kind::Equals, c) => self.byte(c, Kind::NextEquals),
            (Kind::NextEquals, '=') => as_kind(Kind::Equals),
            // A text that was escaped twice.
            (Kind::Backslash, '\\') if self.digits < BACKSLASHES_MAX - 1 => {
                Progress::More(Self { digits: self.digits + 1, ..self })
            }
            (Kind::Backslash, '0'..='7') => Progress::More(Self {
                kind: Kind::Octal,
                digits: 1,
                value: u64::from(c as u32 - '0' as u32),
                ..self
            }),
            (Kind::Backslash, c) if self.digits < self.literal && letter(c).is_some() => {
                letter(c).map_or(Progress::Not, Progress::Done)
            }
            (Kind::Backslash, 'x') => Progress::More(Self { kind: Kind::Byte, digits: 0, ..self }),
            (Kind::Backslash, 'u') => Progress::More(Self { kind: Kind::Unicode, digits: 0, ..self }),
            (Kind::NextBackslash, '\\') => as_kind(Kind::Backslash),
            // Half a pair.
            (Kind::NextBackslash, _) if self.carried >= HALF_PAIR => {
                Progress::DoneBefore(char::REPLACEMENT_CHARACTER)
            }
            (Kind::Byte, '{') if self.digits == 0 => as_kind(Kind::Braced),
            (Kind::Byte, c) => self.byte(c, Kind::NextBackslash),
            (Kind::Octal, c) => self.octal(c),
            (Kind::Style, c) => self.style(c),
            (Kind::Long, c) => self.long(c),
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
        self.has_byte(read.value as u32, next)
    }

    /// Three octal digits, as [`Escape::byte`]; a zero that is alone is what cannot be shown.
    fn octal(self, c: char) -> Progress {
        match self.digit(c, 8) {
            Some(read) if read.digits < 3 => Progress::More(read),
            Some(read) => self.has_byte(read.value as u32, Kind::NextBackslash),
            None if self.value == 0 && self.missing == 0 => Progress::DoneBefore(' '),
            None => Progress::Not,
        }
    }

    /// Up to six hexadecimal digits.
    fn style(self, c: char) -> Progress {
        match self.digit(c, 16) {
            Some(read) if read.digits < 6 => return Progress::More(read),
            Some(read) => return char_of(read.value).map_or(Progress::Not, Progress::Done),
            None => {}
        }
        match char_of(self.value).filter(|_| self.digits > 0) {
            Some(done) if c == ' ' => Progress::Done(done),
            Some(done) => Progress::DoneBefore(done),
            None => Progress::Not,
        }
    }

    /// The last four of eight hexadecimal digits.
    fn long(self, c: char) -> Progress {
        match self.digit(c, 16) {
            Some(read) if read.digits < 8 => Progress::More(read),
            Some(read) => char_of(read.value).map_or(Progress::Not, Progress::Done),
            None => Progress::Not,
        }
    }

    /// A byte: a character, or a part of one in UTF-8.
    fn has_byte(self, byte: u32, next: Kind) -> Progress {
        let (carried, missing) = match (self.missing, byte) {
            (0, 0..0x80) => (byte, 0),
            (0, 0xC2..0xE0) => (byte & 0x1F, 1),
            (0, 0xE0..0xF0) => (byte & 0x0F, 2),
            (0, 0xF0..0xF5) => (byte & 0x07, 3),
            (1.., 0x80..0xC0) => (self.carried << 6 | byte & 0x3F, self.missing - 1),
            _ => return Progress::Not,
        };
        if missing > 0 {
            return Progress::More(Self { kind: next, value: 0, digits: 0, carried, missing, ..self });
        }
        char::from_u32(carried).map_or(Progress::Not, Progress::Done)
    }

    /// Digits of base64 with characters in sixteen bits, up to a hyphen or what is no digit.
    fn shifted(self, c: char, bits: u8, begun: bool) -> Progress {
        let kind = |bits, begun| Kind::Shift { bits, begun };
        let Some(digit) = Encoding::Base64.digit(c).filter(|_| !matches!(c, '-' | '_')) else {
            // What is left over is less than a digit, and no bit of a character.
            return match (begun && self.missing == 0 && bits < 6 && self.value == 0, c) {
                (true, '-') => Progress::End,
                (true, _) => Progress::EndBefore,
                (false, _) => Progress::Not,
            };
        };
        let (value, bits) = (self.value << 6 | u64::from(digit), bits + 6);
        if self.digits == SHIFTED_MAX {
            return Progress::Not;
        }
        let read = Self { digits: self.digits + 1, ..self };
        let Some(left) = bits.checked_sub(16) else {
            return Progress::More(Self { kind: kind(bits, begun), value, ..read });
        };
        let (unit, value) = ((value >> left) as u32, value & ((1 << left) - 1));
        let rest = Self { kind: kind(left, true), value, carried: 0, missing: 0, ..read };
        match (self.missing, unit) {
            (0, 0xD800..0xDC00) => {
                Progress::More(Self { carried: unit - 0xD800, missing: 1, kind: kind(left, begun), ..rest })
            }
            (1, 0xDC00..0xE000) => char::from_u32(0x1_0000 + (self.carried << 10) + (unit - 0xDC00))
                .map_or(Progress::Not, |c| Progress::Part(c, rest)),
            (0, unit) => char::from_u32(unit).map_or(Progress::Not, |c| Progress::Part(c, rest)),
            _ => Progress::Not,
        }
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
                carried: unit - 0xD800 + HALF_PAIR,
                missing: 1,
                ..self
            }),
            (1, 0xDC00..0xE000) => {
                char::from_u32(0x1_0000 + ((self.carried - HALF_PAIR) << 10) + (unit - 0xDC00))
                    .map_or(Progress::Not, Progress::Done)
            }
            (_, 0xDC00..0xE000) => Progress::Done(char::REPLACEMENT_CHARACTER),
            // No text has these characters, but eight digits begin so.
            (0, ..=0x10) => Progress::More(Self { kind: Kind::Long, ..read }),
            (0, unit) => char::from_u32(unit).map_or(Progress::Not, Progress::Done),
            _ => Progress::Not,
        }
    }
}

/// What folds to nothing.
const NOTHING: char = '\u{AD}';

fn is_hex(byte: u8) -> bool {
    byte.is_ascii_hexdigit()
}

fn is_base64(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'/')
}

fn char_of(value: u64) -> Option<char> {
    u32::try_from(value).ok().and_then(char::from_u32)
}

/// What a letter after a backslash stands for.
fn letter(c: char) -> Option<char> {
    Some(match c {
        'n' => '\n',
        'r' => '\r',
        't' => '\t',
        // Other control characters, and the edge of a word in a regular expression.
        'a' | 'b' | 'f' | 'v' => ' ',
        'e' => '\u{1B}',
        '"' | '\'' | '`' | '/' => c,
        _ => return None,
    })
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
            match escape.read_original(c) {
                Progress::More(more) => escape = more,
                Progress::Done(done) | Progress::DoneBefore(done) => return Some(done),
                _ => return None,
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
            ("\\x{61}", 'a'),
            ("\\U0001d405", '𝐅'),
            ("%u0061", 'a'),
            ("\\141", 'a'),
            ("\\303\\251", 'é'),
            ("\\n", '\n'),
            ("\\\\t", '\t'),
            ("\\\"", '"'),
            ("\\ud835x", '\u{FFFD}'),
            ("\\udc05", '\u{FFFD}'),
        ] {
            assert_eq!(read(text), Some(expected), "{text}");
        }
    }

    /// The characters of a sequence of a deep disguise.
    fn read_deep(text: &str) -> Option<String> {
        let (mut chars, mut told) = (text.chars(), String::new());
        let mut escape = Escape::begin_deep(chars.next()?)?;
        for c in chars {
            match escape.read_original(c) {
                Progress::More(more) => escape = more,
                Progress::Part(one, more) => {
                    told.push(one);
                    escape = more;
                }
                Progress::Done(one) | Progress::DoneBefore(one) => return Some(told + &one.to_string()),
                Progress::End | Progress::EndBefore => return Some(told),
                Progress::Not => return None,
            }
        }
        None
    }

    #[test]
    fn mail_in_seven_bits_gives_its_characters() {
        for (text, expected) in [
            ("=61", "a"),
            ("=C3=BC", "ü"),
            ("=c3=bc", "ü"),
            ("=\r", "\u{AD}"),
            ("+AGE-", "a"),
            ("+APw ", "ü"),
            ("+AGEAYg-", "ab"),
            ("+AFAAcgBv.", "Pro"),
            ("+2D3eAA-", "😀"),
        ] {
            assert_eq!(read_deep(text).as_deref(), Some(expected), "{text}");
        }
        for text in
            ["=6g", "=C3x", "= 1", "+-", "+A-", "+AGF-", "+2D3-", "+AGEAYgBjAGQAZQBmAGcAaABpAGo-", "=C3=41"]
        {
            assert_eq!(read_deep(text), None, "{text}");
        }
    }

    #[test]
    fn what_only_begins_like_a_sequence_is_none() {
        for text in
            ["& b", "&zzz;", "&#;", "&#x;", "% o", "%6g", "%d0a", "\\q", "\\u00g", "\\98x", "&#1114112;"]
        {
            assert_eq!(read(text), None, "{text}");
        }
    }
}
