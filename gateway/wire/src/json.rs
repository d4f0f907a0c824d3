//! Reads JSON and keeps the place of everything in it.
//!
//! Inspection needs what general readers drop: duplicate keys, the raw bytes of each string (to cut or
//! replace one string and leave every other byte alone), numbers of any size, and lone surrogates, which
//! some clients send. Grammar: RFC 8259, nothing more lenient but the lone surrogates (read as U+FFFD).
//! It builds a tree that borrows from the text and decodes a string only when asked to.

mod reader;

use reader::Reader;
use std::borrow::Cow;
use std::ops::Range;

/// A JSON value that borrows from the text it was read from.
#[derive(Debug, Clone)]
pub enum Value<'a> {
    /// An object: its members in order, duplicates included.
    Object {
        /// Key and value, in the order of the text.
        members: Vec<(Str<'a>, Value<'a>)>,
        /// The text of the object, braces included.
        raw: &'a str,
    },
    /// An array.
    Array(Vec<Value<'a>>),
    /// A string.
    String(Str<'a>),
    /// A number as it is written.
    Number(&'a str),
    /// `true` or `false`.
    Bool(bool),
    /// `null`.
    Null,
}

/// A string of the text, not yet decoded.
#[derive(Debug, Clone, Copy)]
pub struct Str<'a> {
    raw: &'a str,
    start: usize,
    escaped: bool,
}

/// Why a text is no JSON.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not valid JSON: {what} at byte {at}")]
pub struct JsonError {
    /// What is wrong.
    pub what: &'static str,
    /// Byte offset.
    pub at: usize,
}

/// Reads one JSON value that fills the whole text.
///
/// # Errors
/// Says what is wrong and at which byte.
pub fn parse(text: &str) -> Result<Value<'_>, JsonError> {
    #[cfg(feature = "counted")]
    counted::one_more();
    Reader::new(text).whole()
}

/// Count of the texts that were read on this thread, for tests of how often a call is.
#[cfg(feature = "counted")]
pub mod counted {
    use std::cell::Cell;

    thread_local!(static READ: Cell<u64> = const { Cell::new(0) });

    pub(super) fn one_more() {
        READ.set(READ.get() + 1);
    }

    /// The count since it was last taken.
    pub fn take() -> u64 {
        READ.take()
    }
}

impl<'a> Value<'a> {
    /// The last member of that name: what readers of other programs take when a key stands twice.
    #[must_use]
    pub fn get(&self, key: &str) -> Option<&Value<'a>> {
        match self {
            Value::Object { members, .. } => {
                members.iter().rev().find(|(name, _)| name.is(key)).map(|(_, value)| value)
            }
            _ => None,
        }
    }

    /// The value at a path of keys.
    #[must_use]
    pub fn at(&self, path: &[&str]) -> Option<&Value<'a>> {
        path.iter().try_fold(self, |value, key| value.get(key))
    }

    /// The string, if this is one.
    #[must_use]
    pub fn as_str(&self) -> Option<Str<'a>> {
        match self {
            Value::String(text) => Some(*text),
            _ => None,
        }
    }

    /// The whole number, if this is one that fits.
    #[must_use]
    pub fn as_u64(&self) -> Option<u64> {
        match self {
            Value::Number(text) => text.parse().ok(),
            _ => None,
        }
    }

    /// The truth value, if this is one.
    #[must_use]
    pub fn as_bool(&self) -> Option<bool> {
        match self {
            Value::Bool(truth) => Some(*truth),
            _ => None,
        }
    }

    /// The elements, if this is an array; otherwise none.
    #[must_use]
    pub fn elements(&self) -> &[Value<'a>] {
        match self {
            Value::Array(elements) => elements,
            _ => &[],
        }
    }

    /// The members, if this is an object; otherwise none.
    #[must_use]
    pub fn members(&self) -> &[(Str<'a>, Value<'a>)] {
        match self {
            Value::Object { members, .. } => members,
            _ => &[],
        }
    }

    /// The raw text, if this is an object.
    #[must_use]
    pub fn raw_object(&self) -> Option<&'a str> {
        match self {
            Value::Object { raw, .. } => Some(raw),
            _ => None,
        }
    }
}

impl<'a> Str<'a> {
    /// The text between the quotes, escapes not resolved.
    #[must_use]
    pub fn raw(&self) -> &'a str {
        self.raw
    }

    /// Byte offset of [`Str::raw`] in the text that was read.
    #[must_use]
    pub fn start(&self) -> usize {
        self.start
    }

    /// Whether the decoded string equals `other`.
    #[must_use]
    pub fn is(&self, other: &str) -> bool {
        if self.escaped { self.text() == other } else { self.raw == other }
    }

    /// The decoded string.
    #[must_use]
    pub fn text(&self) -> Cow<'a, str> {
        if !self.escaped {
            return Cow::Borrowed(self.raw);
        }
        let mut decoded = String::with_capacity(self.raw.len());
        let mut rest = self.raw;
        while let Some(unit) = next_unit(rest) {
            decoded.push_str(unit.text(&mut [0; 4]));
            rest = &rest[unit.raw_len..];
        }
        Cow::Owned(decoded)
    }
}

impl Str<'_> {
    /// Where a part of the decoded string stands in the text that was read.
    pub fn place(&self, part: Range<usize>) -> Range<usize> {
        self.places(std::slice::from_ref(&part)).remove(0)
    }

    /// Where parts of the decoded string stand in the text that was read. The parts are not empty, in
    /// order of start, and lie between characters; an escape belongs whole to the part that it touches.
    pub fn places(&self, parts: &[Range<usize>]) -> Vec<Range<usize>> {
        if !self.escaped {
            return parts.iter().map(|part| self.start + part.start..self.start + part.end).collect();
        }
        let mut ends: Vec<(usize, usize, bool)> = Vec::with_capacity(parts.len() * 2);
        for (index, part) in parts.iter().enumerate() {
            ends.extend([(part.start, index, true), (part.end, index, false)]);
        }
        ends.sort_unstable();
        let mut places = vec![0..0; parts.len()];
        let (mut rest, mut raw, mut decoded) = (self.raw, self.start, 0);
        let mut ends = ends.into_iter().peekable();
        while let Some(unit) = next_unit(rest) {
            let len = if unit.plain.is_empty() { unit.escape.len_utf8() } else { unit.plain.len() };
            // A start belongs to the unit that it begins or lies in, an end to the one that it ends.
            while let Some((at, index, is_start)) =
                ends.next_if(|(at, _, is_start)| *at < decoded + len || (*at == decoded + len && !is_start))
            {
                let inside = if unit.plain.is_empty() {
                    if is_start { 0 } else { unit.raw_len }
                } else {
                    at - decoded
                };
                let place = &mut places[index];
                if is_start { place.start = raw + inside } else { place.end = raw + inside }
            }
            rest = &rest[unit.raw_len..];
            raw += unit.raw_len;
            decoded += len;
        }
        places
    }
}

/// The text as it stands between the quotes of a JSON string.
pub fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '"' | '\\' => escaped.extend(['\\', c]),
            '\n' => escaped.push_str("\\n"),
            '\r' => escaped.push_str("\\r"),
            '\t' => escaped.push_str("\\t"),
            '\0'..='\x1f' => escaped.push_str(&format!("\\u{:04x}", u32::from(c))),
            _ => escaped.push(c),
        }
    }
    escaped
}

/// What stands between the quotes of a JSON string, decoded. Its escapes were checked by the reader.
pub fn unescape(raw: &str) -> String {
    Str { raw, start: 0, escaped: true }.text().into_owned()
}

/// An edit of a text: the bytes that are replaced, empty where something is only put in, and what stands there then.
pub type Edit = (Range<usize>, String);

/// The text with some of its parts replaced. The parts are in order and do not overlap.
pub fn replace(text: &str, edits: &[Edit]) -> String {
    let mut replaced = String::with_capacity(text.len());
    let mut at = 0;
    for (part, new) in edits {
        replaced.push_str(&text[at..part.start]);
        replaced.push_str(new);
        at = part.end;
    }
    replaced.push_str(&text[at..]);
    replaced
}

/// A run of plain text or one escape at the start of a raw string.
struct Unit<'a> {
    plain: &'a str,
    escape: char,
    raw_len: usize,
}

impl<'a> Unit<'a> {
    fn text<'b>(&self, buffer: &'b mut [u8; 4]) -> &'b str
    where
        'a: 'b,
    {
        if self.plain.is_empty() { self.escape.encode_utf8(buffer) } else { self.plain }
    }
}

/// The next unit of a raw string whose escapes were checked by the reader: a plain run or one escape.
fn next_unit(raw: &str) -> Option<Unit<'_>> {
    let plain = memchr::memchr(b'\\', raw.as_bytes()).unwrap_or(raw.len());
    if raw.is_empty() {
        return None;
    }
    if plain > 0 {
        return Some(Unit { plain: &raw[..plain], escape: '\0', raw_len: plain });
    }
    let (escape, raw_len) = match raw.as_bytes().get(1) {
        Some(b'n') => ('\n', 2),
        Some(b't') => ('\t', 2),
        Some(b'r') => ('\r', 2),
        Some(b'b') => ('\u{8}', 2),
        Some(b'f') => ('\u{c}', 2),
        Some(b'u') => unicode_escape(raw),
        Some(other) => (char::from(*other), 2),
        None => (char::REPLACEMENT_CHARACTER, 1),
    };
    Some(Unit { plain: "", escape, raw_len })
}

/// `\uXXXX` or a surrogate pair of two; a lone half is U+FFFD.
fn unicode_escape(raw: &str) -> (char, usize) {
    let Some(high) = hex4(raw, 2) else { return (char::REPLACEMENT_CHARACTER, raw.len().min(6)) };
    if let Some(plain) = char::from_u32(high) {
        return (plain, 6);
    }
    if (0xD800..0xDC00).contains(&high)
        && raw.get(6..8) == Some("\\u")
        && let Some(low) = hex4(raw, 8)
        && (0xDC00..0xE000).contains(&low)
        && let Some(pair) = char::from_u32(0x10000 + ((high - 0xD800) << 10) + (low - 0xDC00))
    {
        return (pair, 12);
    }
    (char::REPLACEMENT_CHARACTER, 6)
}

fn hex4(raw: &str, from: usize) -> Option<u32> {
    let digits = raw.get(from..from + 4)?;
    digits
        .bytes()
        .all(|byte| byte.is_ascii_hexdigit())
        .then(|| u32::from_str_radix(digits, 16).ok())
        .flatten()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn duplicates_big_numbers_and_lone_surrogates_are_kept() {
        let value =
            parse(r#" {"a":1,"a": "x\ud83d\ude00\ud800y" , "n":[123456789012345678901234567890e999,-0.5]} "#)
                .unwrap();
        assert_eq!(value.members().len(), 3);
        assert_eq!(value.get("a").unwrap().as_str().unwrap().text(), "x😀\u{fffd}y");
        assert!(matches!(
            value.get("n").unwrap().elements()[0],
            Value::Number("123456789012345678901234567890e999")
        ));
    }

    #[test]
    fn what_is_no_json_is_refused() {
        for bad in [
            "",
            " ",
            "{",
            "{\"a\"}",
            "{\"a\":}",
            "[1,]",
            "{\"a\":1,}",
            "01",
            "1.",
            "-",
            "1e",
            "nul",
            "\"\u{1}\"",
            "\"\\x\"",
            "\"\\u12g4\"",
            "\"open",
            "{} {}",
            "'a'",
            "\u{feff}{}",
            "+1",
            ".5",
            "NaN",
        ] {
            assert!(parse(bad).is_err(), "{bad:?}");
        }
        assert_eq!(parse(&"[".repeat(100_000)).unwrap_err().what, "nested too deeply");
    }

    proptest! {
        /// The reference reader refuses numbers beyond f64 and lone surrogates; elsewhere both agree.
        #[test]
        fn agrees_with_serde_json(text in r#"[\[\]{}:,"\\a-cuntef0-9.eE+\- \n]{0,40}"#) {
            let ours = parse(&text);
            match serde_json::from_str::<serde_json::Value>(&text) {
                Ok(theirs) => {
                    prop_assert!(ours.is_ok(), "{ours:?}");
                    if let (Ok(Value::String(ours)), serde_json::Value::String(theirs)) = (ours, theirs) {
                        prop_assert_eq!(ours.text(), theirs);
                    }
                }
                Err(error) => {
                    let lenient = error.to_string().contains("surrogate") || error.to_string().contains("out of range")
                        || error.to_string().contains("unexpected end of hex escape");
                    prop_assert!(ours.is_err() || lenient, "{error}");
                }
            }
        }

        #[test]
        fn any_string_comes_back(text: String) {
            let written = serde_json::to_string(&text).unwrap();
            let read = parse(&written).unwrap();
            prop_assert_eq!(read.as_str().unwrap().text(), text);
        }

        #[test]
        fn a_part_of_a_string_is_found_where_it_stands(before: String, part in ".{1,8}", after: String, escapes: bool) {
            let written = serde_json::to_string(&[&before, &part, &after].map(String::as_str).concat()).unwrap();
            let written = if escapes {
                written.chars().map(|c| if c.is_ascii() { c.to_string() } else {
                    c.encode_utf16(&mut [0; 2]).iter().map(|unit| format!("\\u{unit:04x}")).collect()
                }).collect()
            } else { written };
            let read = parse(&written).unwrap();
            let range = before.len()..before.len() + part.len();
            let place = read.as_str().unwrap().place(range);
            prop_assert_eq!(unescape(&written[place]), part);
        }

        #[test]
        fn what_is_escaped_is_read_back(text: String) {
            let written = format!("\"{}\"", escape(&text));
            prop_assert_eq!(parse(&written).unwrap().as_str().unwrap().text(), text);
        }

        #[test]
        fn nothing_panics(text: String) {
            if let Ok(Value::String(found)) = parse(&text) {
                prop_assert!(found.text().len() <= text.len());
            }
        }
    }
}
