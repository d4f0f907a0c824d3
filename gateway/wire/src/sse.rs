//! Cuts a byte stream into server-sent events without changing a byte.
//!
//! Lines end with LF, CR LF or CR; a blank line ends an event (WHATWG HTML, section 9.2.6). An event is
//! only looked at when it is whole, however the network cut it. A byte order mark at the start is part of
//! the first event's bytes and ignored by its reading.

use crate::json;
use bytes::{Bytes, BytesMut};
use std::borrow::Cow;
use std::ops::Range;

/// One event as it arrived.
#[derive(Debug, Clone)]
pub struct Frame {
    /// Every byte of it, the blank line included.
    pub raw: Bytes,
}

/// What an event says.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Fields<'a> {
    /// The `event` field.
    pub event: &'a str,
    /// The `data` lines, joined by LF; `None` without any.
    pub data: Option<Cow<'a, str>>,
    /// Everything else: comments, ids, unknown fields, joined by LF.
    pub rest: String,
}

/// Why a stream must not go on.
#[derive(Debug, PartialEq, Eq)]
pub enum Stop {
    /// It holds something that the room denies.
    Refused,
    /// It cannot be read, so it cannot be inspected.
    Unreadable(&'static str),
}

/// Why a stream of events cannot be read on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum FrameError {
    /// An event grew beyond the limit.
    #[error("an event is larger than {0} bytes")]
    TooLarge(usize),
    /// An event is no UTF-8.
    #[error("an event is not valid UTF-8")]
    NotUtf8,
}

/// Collects bytes until events are whole.
pub struct Framer {
    buffer: BytesMut,
    /// Where the search for the end of the event goes on.
    scanned: usize,
    /// Whether the line at `scanned` has no byte yet.
    line_is_blank: bool,
    limit_bytes: usize,
}

impl Framer {
    /// An event may have at most `limit_bytes` bytes.
    pub fn new(limit_bytes: usize) -> Self {
        Framer { buffer: BytesMut::new(), scanned: 0, line_is_blank: true, limit_bytes }
    }

    /// Takes what the network gave.
    pub fn push(&mut self, bytes: &[u8]) {
        self.buffer.extend_from_slice(bytes);
    }

    /// The next whole event, or `None` until more bytes arrive.
    ///
    /// A CR at the end of the buffer waits for the next byte, which may be its LF.
    pub fn next_frame(&mut self) -> Result<Option<Frame>, FrameError> {
        loop {
            let Some(step) = memchr::memchr2(b'\n', b'\r', &self.buffer[self.scanned..]) else {
                self.line_is_blank &= self.scanned == self.buffer.len();
                self.scanned = self.buffer.len();
                break;
            };
            let end = self.scanned + step;
            let after = match (self.buffer[end], self.buffer.get(end + 1)) {
                (b'\n', _) => end + 1,
                (_, Some(b'\n')) => end + 2,
                (_, Some(_)) => end + 1,
                (_, None) => {
                    self.line_is_blank &= step == 0;
                    self.scanned = end;
                    break;
                }
            };
            let blank = self.line_is_blank && step == 0;
            self.scanned = after;
            self.line_is_blank = true;
            if blank {
                self.scanned = 0;
                return Ok(Some(Frame { raw: self.buffer.split_to(after).freeze() }));
            }
        }
        if self.buffer.len() > self.limit_bytes {
            return Err(FrameError::TooLarge(self.limit_bytes));
        }
        Ok(None)
    }

    /// What is left when the stream ended: an event without its blank line.
    pub fn finish(&mut self) -> Option<Frame> {
        (!self.buffer.is_empty()).then(|| Frame { raw: self.buffer.split().freeze() })
    }
}

impl Frame {
    /// Reads the fields.
    pub fn fields(&self) -> Result<Fields<'_>, FrameError> {
        let text = std::str::from_utf8(&self.raw).map_err(|_| FrameError::NotUtf8)?;
        let text = text.strip_prefix('\u{feff}').unwrap_or(text);
        let mut fields = Fields::default();
        for line in lines(text) {
            let (name, value) = line.split_once(':').unwrap_or((line, ""));
            let value = value.strip_prefix(' ').unwrap_or(value);
            match name {
                "data" => match &mut fields.data {
                    Some(data) => {
                        let data = data.to_mut();
                        data.push('\n');
                        data.push_str(value);
                    }
                    none => *none = Some(Cow::Borrowed(value)),
                },
                "event" => fields.event = value,
                _ if line.is_empty() => {}
                _ => {
                    fields.rest.push_str(line);
                    fields.rest.push('\n');
                }
            }
        }
        Ok(fields)
    }

    /// The event with parts of its data replaced, by their place in [`Fields::data`]; what is put in has
    /// no line breaks. Data over several lines is written anew, every other event keeps its other bytes.
    pub fn edited(&self, edits: &[(Range<usize>, String)]) -> Bytes {
        let (Ok(fields), Ok(text)) = (self.fields(), std::str::from_utf8(&self.raw)) else {
            return self.raw.clone();
        };
        match &fields.data {
            Some(Cow::Borrowed(data)) => {
                // The data is a part of the text, so the difference of their places is its own.
                let start = data.as_ptr().addr() - text.as_ptr().addr();
                let edited = json::replace(data, edits);
                [&text[..start], &edited, &text[start + data.len()..]].concat().into()
            }
            Some(Cow::Owned(data)) => {
                let mut written = fields.rest.clone();
                if !fields.event.is_empty() {
                    written.push_str(&format!("event: {}\n", fields.event));
                }
                for line in json::replace(data, edits).split('\n') {
                    written.push_str(&format!("data: {line}\n"));
                }
                Bytes::from(written + "\n")
            }
            None => self.raw.clone(),
        }
    }
}

/// Lines that end with LF, CR LF or CR.
fn lines(text: &str) -> impl Iterator<Item = &str> {
    text.split('\n').flat_map(|line| line.strip_suffix('\r').unwrap_or(line).split('\r'))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn frames(chunks: &[&[u8]]) -> (Vec<String>, Option<String>) {
        let mut framer = Framer::new(1 << 20);
        let mut whole = Vec::new();
        for chunk in chunks {
            framer.push(chunk);
            while let Some(frame) = framer.next_frame().unwrap() {
                whole.push(String::from_utf8_lossy(&frame.raw).into_owned());
            }
        }
        (whole, framer.finish().map(|frame| String::from_utf8_lossy(&frame.raw).into_owned()))
    }

    #[test]
    fn every_line_ending_ends_an_event() {
        let (whole, rest) = frames(&[b"data: a\n\ndata: b\r\n\r\ndata: c\r\rdata: d\n\r\n: x"]);
        assert_eq!(whole, ["data: a\n\n", "data: b\r\n\r\n", "data: c\r\r", "data: d\n\r\n"]);
        assert_eq!(rest.as_deref(), Some(": x"));
    }

    #[test]
    fn fields_are_read_and_the_rest_is_kept() {
        let frame = Frame {
            raw: Bytes::from_static(
                b"\xef\xbb\xbfevent: e\r\ndata: 1\r\ndata:2\r\n: note\r\nid: 7\r\ndata\r\n\r\n",
            ),
        };
        let fields = frame.fields().unwrap();
        assert_eq!(
            fields,
            Fields { event: "e", data: Some("1\n2\n".into()), rest: ": note\nid: 7\n".into() }
        );
        assert_eq!(Frame { raw: Bytes::from_static(b"data: \xff\n\n") }.fields(), Err(FrameError::NotUtf8));
    }

    #[test]
    fn only_the_edited_part_of_an_event_changes() {
        let check = |raw: &'static str, expected: &str| {
            let frame = Frame { raw: Bytes::from_static(raw.as_bytes()) };
            let edits = [(1..2, "xyz".to_owned())];
            assert_eq!(frame.edited(&edits), expected, "{raw:?}");
        };
        check(
            "event: e\r\nid: 7\r\ndata:  abc\r\n: note\r\n\r\n",
            "event: e\r\nid: 7\r\ndata:  xyzbc\r\n: note\r\n\r\n",
        );
        check("data:abc\n\n", "data:axyzc\n\n");
        check("event: e\ndata: abc\ndata: d\n: n\n\n", ": n\nevent: e\ndata: axyzc\ndata: d\n\n");
        check(": only a note\n\n", ": only a note\n\n");
    }

    #[test]
    fn an_event_beyond_the_limit_is_refused() {
        let mut framer = Framer::new(8);
        framer.push(b"data: 123456789");
        assert!(matches!(framer.next_frame(), Err(FrameError::TooLarge(8))));
    }

    proptest! {
        #[test]
        fn any_chunking_gives_the_same_events(text in "[a:\r\n ]{0,60}", cuts in proptest::collection::vec(0usize..60, 0..8)) {
            let bytes = text.as_bytes();
            let mut cuts: Vec<usize> = cuts.into_iter().map(|cut| cut.min(bytes.len())).collect();
            cuts.extend([0, bytes.len()]);
            cuts.sort_unstable();
            let pieces: Vec<&[u8]> = cuts.windows(2).map(|pair| &bytes[pair[0]..pair[1]]).collect();
            let single: Vec<&[u8]> = bytes.chunks(1).collect();
            let (mut whole, rest) = frames(&[bytes]);
            prop_assert_eq!(frames(&pieces), (whole.clone(), rest.clone()));
            prop_assert_eq!(frames(&single), (whole.clone(), rest.clone()));
            whole.extend(rest);
            prop_assert_eq!(whole.concat(), text);
        }
    }
}
