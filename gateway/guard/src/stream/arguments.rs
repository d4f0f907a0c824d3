//! Reads the arguments of a tool call while they arrive: pieces of one JSON text, cut anywhere, also
//! inside an escape or between the halves of a surrogate pair.
//!
//! It decodes strings, so that escapes cannot hide a term, and passes everything outside of strings on as
//! it is. It does not check the grammar: models write broken JSON, and what is no JSON is plain text here.

/// What the reader hands on.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Part<'a> {
    /// Decoded text.
    Text(&'a str),
    /// A string begins or ends: no word goes on across this place.
    Boundary,
}

/// Where in the text the reader is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Outside,
    Inside,
    /// After a backslash.
    Escape,
    /// Inside `\uXXXX`.
    Unicode {
        digits: u8,
        value: u32,
    },
}

/// The reader of one call's arguments.
#[derive(Debug, Clone)]
pub(crate) struct ArgumentsReader {
    state: State,
    /// The first half of a surrogate pair whose second half may follow.
    high: Option<u32>,
}

impl ArgumentsReader {
    pub(crate) fn new() -> Self {
        ArgumentsReader { state: State::Outside, high: None }
    }

    /// Whether the last piece ended inside an escape, so that some of its bytes are not decoded yet.
    pub(crate) fn is_inside_escape(&self) -> bool {
        self.high.is_some() || matches!(self.state, State::Escape | State::Unicode { .. })
    }

    /// Takes the next piece.
    pub(crate) fn push(&mut self, piece: &str, mut part: impl FnMut(Part<'_>)) {
        let mut rest = piece;
        while let Some(first) = rest.chars().next() {
            match self.state {
                State::Outside => {
                    let run = rest.find('"').unwrap_or(rest.len());
                    if run > 0 {
                        part(Part::Text(&rest[..run]));
                        rest = &rest[run..];
                    } else {
                        part(Part::Boundary);
                        self.state = State::Inside;
                        rest = &rest[1..];
                    }
                    continue;
                }
                State::Inside => {
                    let run = rest.find(['"', '\\']).unwrap_or(rest.len());
                    if run > 0 {
                        self.flush_high(&mut part);
                        part(Part::Text(&rest[..run]));
                        rest = &rest[run..];
                        continue;
                    }
                    if first == '"' {
                        self.flush_high(&mut part);
                        part(Part::Boundary);
                        self.state = State::Outside;
                    } else {
                        self.state = State::Escape;
                    }
                }
                State::Escape => self.escape(first, &mut part),
                State::Unicode { digits, value } => {
                    let Some(digit) = first.to_digit(16) else {
                        // Broken escape: what stands here is read as plain text of the string.
                        self.state = State::Inside;
                        self.character(char::REPLACEMENT_CHARACTER, &mut part);
                        continue;
                    };
                    let value = value << 4 | digit;
                    if digits == 3 {
                        self.state = State::Inside;
                        self.unit(value, &mut part);
                    } else {
                        self.state = State::Unicode { digits: digits + 1, value };
                    }
                }
            }
            rest = &rest[first.len_utf8()..];
        }
    }

    /// The end of the text: what is pending is handed on as U+FFFD.
    pub(crate) fn finish(&mut self, mut part: impl FnMut(Part<'_>)) {
        if self.is_inside_escape() {
            self.high = None;
            part(Part::Text("\u{fffd}"));
        }
        self.state = State::Outside;
    }

    fn escape(&mut self, letter: char, part: &mut impl FnMut(Part<'_>)) {
        self.state = State::Inside;
        let decoded = match letter {
            'u' => {
                self.state = State::Unicode { digits: 0, value: 0 };
                return;
            }
            'n' => '\n',
            't' => '\t',
            'r' => '\r',
            'b' => '\u{8}',
            'f' => '\u{c}',
            other => other,
        };
        self.character(decoded, part);
    }

    /// One UTF-16 unit of an escape.
    fn unit(&mut self, unit: u32, part: &mut impl FnMut(Part<'_>)) {
        match (self.high.take(), unit) {
            (Some(high), 0xDC00..=0xDFFF) => {
                let pair = 0x10000 + ((high - 0xD800) << 10) + (unit - 0xDC00);
                self.character(char::from_u32(pair).unwrap_or(char::REPLACEMENT_CHARACTER), part);
            }
            (lone, 0xD800..=0xDBFF) => {
                if lone.is_some() {
                    part(Part::Text("\u{fffd}"));
                }
                self.high = Some(unit);
            }
            (lone, unit) => {
                self.high = lone;
                self.character(char::from_u32(unit).unwrap_or(char::REPLACEMENT_CHARACTER), part);
            }
        }
    }

    fn character(&mut self, character: char, part: &mut impl FnMut(Part<'_>)) {
        self.flush_high(part);
        part(Part::Text(character.encode_utf8(&mut [0; 4])));
    }

    fn flush_high(&mut self, part: &mut impl FnMut(Part<'_>)) {
        if self.high.take().is_some() {
            part(Part::Text("\u{fffd}"));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn read(pieces: &[&str]) -> String {
        let (mut reader, mut text) = (ArgumentsReader::new(), String::new());
        let mut take = |part: Part<'_>| match part {
            Part::Text(piece) => text.push_str(piece),
            Part::Boundary => text.push('|'),
        };
        for piece in pieces {
            reader.push(piece, &mut take);
        }
        reader.finish(&mut take);
        text
    }

    #[test]
    fn escapes_are_decoded_and_strings_are_bounded() {
        assert_eq!(
            read(&[r#"{"a\u0062": "x\n\"\ud83d\ude00\ud800y", "n": 12}"#]),
            "{|ab|: |x\n\"😀\u{fffd}y|, |n|: 12}"
        );
        assert_eq!(read(&[r#""\u00"#]), "|\u{fffd}");
        assert_eq!(read(&[r#""\uzz""#]), "|\u{fffd}zz|");
    }

    proptest! {
        #[test]
        fn any_cut_gives_the_same_text(text in r#"[{}":,\\ud83de0-9an é]{0,40}"#) {
            let whole = read(&[&text]);
            let single: Vec<String> = text.chars().map(String::from).collect();
            let single: Vec<&str> = single.iter().map(String::as_str).collect();
            prop_assert_eq!(read(&single), whole);
        }
    }
}
