//! The grammar of JSON: reads a text into a tree that borrows from it.

use super::{JsonError, Str, Value, hex4};

/// How deep arrays and objects may be nested. The readers of all providers stop earlier.
const DEPTH_LIMIT: usize = 200;

pub(super) struct Reader<'a> {
    text: &'a str,
    bytes: &'a [u8],
    at: usize,
    depth: usize,
}

impl<'a> Reader<'a> {
    pub(super) fn new(text: &'a str) -> Self {
        Reader { text, bytes: text.as_bytes(), at: 0, depth: 0 }
    }

    /// The one value that fills the text.
    pub(super) fn whole(mut self) -> Result<Value<'a>, JsonError> {
        self.skip_white();
        let value = self.value()?;
        self.skip_white();
        if self.at < self.text.len() {
            return Err(self.error("something follows the value"));
        }
        Ok(value)
    }

    fn value(&mut self) -> Result<Value<'a>, JsonError> {
        match self.bytes.get(self.at) {
            Some(b'"') => self.string().map(Value::String),
            Some(b'{') => self.nested(Self::object),
            Some(b'[') => self.nested(Self::array),
            Some(b'-' | b'0'..=b'9') => self.number(),
            Some(b't') => self.word("true", Value::Bool(true)),
            Some(b'f') => self.word("false", Value::Bool(false)),
            Some(b'n') => self.word("null", Value::Null),
            Some(_) => Err(self.error("an unexpected character")),
            None => Err(self.error("the text ends too early")),
        }
    }

    fn nested(
        &mut self,
        read: fn(&mut Self) -> Result<Value<'a>, JsonError>,
    ) -> Result<Value<'a>, JsonError> {
        if self.depth == DEPTH_LIMIT {
            return Err(self.error("nested too deeply"));
        }
        self.depth += 1;
        let value = read(self);
        self.depth -= 1;
        value
    }

    fn object(&mut self) -> Result<Value<'a>, JsonError> {
        let start = self.at;
        let mut members = Vec::new();
        self.at += 1;
        self.skip_white();
        if !self.take(b'}') {
            loop {
                self.skip_white();
                if self.bytes.get(self.at) != Some(&b'"') {
                    return Err(self.error("expected a key in quotes"));
                }
                let key = self.string()?;
                self.skip_white();
                if !self.take(b':') {
                    return Err(self.error("expected `:` after a key"));
                }
                self.skip_white();
                members.push((key, self.value()?));
                self.skip_white();
                if self.take(b'}') {
                    break;
                }
                if !self.take(b',') {
                    return Err(self.error("expected `,` or `}`"));
                }
            }
        }
        Ok(Value::Object { members, raw: &self.text[start..self.at] })
    }

    fn array(&mut self) -> Result<Value<'a>, JsonError> {
        let mut elements = Vec::new();
        self.at += 1;
        self.skip_white();
        if !self.take(b']') {
            loop {
                self.skip_white();
                elements.push(self.value()?);
                self.skip_white();
                if self.take(b']') {
                    break;
                }
                if !self.take(b',') {
                    return Err(self.error("expected `,` or `]`"));
                }
            }
        }
        Ok(Value::Array(elements))
    }

    fn string(&mut self) -> Result<Str<'a>, JsonError> {
        self.at += 1;
        let start = self.at;
        let mut escaped = false;
        loop {
            let Some(step) = memchr::memchr2(b'"', b'\\', &self.bytes[self.at..]) else {
                self.at = self.bytes.len();
                return Err(self.error("a string has no end"));
            };
            let run = &self.bytes[self.at..self.at + step];
            // Without an early exit the compiler turns this into wide compares.
            if run.iter().fold(false, |found, byte| found | (*byte < 0x20)) {
                return Err(self.error("a control character in a string"));
            }
            self.at += step;
            if self.bytes[self.at] == b'"' {
                let raw = &self.text[start..self.at];
                self.at += 1;
                return Ok(Str { raw, start, escaped });
            }
            escaped = true;
            match self.bytes.get(self.at + 1) {
                Some(b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't') => self.at += 2,
                Some(b'u') if hex4(self.text, self.at + 2).is_some() => self.at += 6,
                _ => return Err(self.error("an unknown escape in a string")),
            }
        }
    }

    fn number(&mut self) -> Result<Value<'a>, JsonError> {
        let start = self.at;
        self.take(b'-');
        if !self.take(b'0') && !self.digits() {
            return Err(self.error("a number without digits"));
        }
        if self.take(b'.') && !self.digits() {
            return Err(self.error("a number without digits after its point"));
        }
        if self.take(b'e') || self.take(b'E') {
            let _sign = self.take(b'+') || self.take(b'-');
            if !self.digits() {
                return Err(self.error("a number without digits in its exponent"));
            }
        }
        Ok(Value::Number(&self.text[start..self.at]))
    }

    fn digits(&mut self) -> bool {
        let start = self.at;
        while self.bytes.get(self.at).is_some_and(u8::is_ascii_digit) {
            self.at += 1;
        }
        self.at > start
    }

    fn word(&mut self, word: &str, value: Value<'a>) -> Result<Value<'a>, JsonError> {
        if self.bytes[self.at..].starts_with(word.as_bytes()) {
            self.at += word.len();
            Ok(value)
        } else {
            Err(self.error("an unknown word"))
        }
    }

    fn take(&mut self, byte: u8) -> bool {
        let found = self.bytes.get(self.at) == Some(&byte);
        self.at += usize::from(found);
        found
    }

    fn skip_white(&mut self) {
        while matches!(self.bytes.get(self.at), Some(b' ' | b'\n' | b'\r' | b'\t')) {
            self.at += 1;
        }
    }

    fn error(&self, what: &'static str) -> JsonError {
        JsonError { what, at: self.at }
    }
}
