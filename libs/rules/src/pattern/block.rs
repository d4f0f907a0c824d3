//! Reads a block of text that a marker begins and another one ends, however long it is: a private key.
//!
//! A pattern has a longest match, and a key has none: it may be of any size, each of its lines may carry a
//! prefix (line numbers, `> `, a file name, quotes of a literal), and headers may stand before its body. So
//! what a pattern finds is the first marker only; from there on this reader looks for the last one and for
//! what a key is made of, and cares for nothing in between. It keeps a few numbers and no text.

use crate::pattern::watches::Mark;

/// The longest block. A key of RSA with 16,384 bits has 13 kB; a stream holds back no more than this.
pub(crate) const BLOCK_MAX_BYTES: u64 = 128 << 10;
/// So many bytes without anything that a key is made of end a block that has no last marker. Headers,
/// each with the prefix of its line, fit into it.
const GAP_MAX_BYTES: u64 = 400;
/// So many digits of base64 or hexadecimal in a row are taken for a part of a key.
const BODY_MIN_DIGITS: u32 = 24;
/// The longest label of a last marker.
const LABEL_MAX_BYTES: u32 = 48;
/// Hexadecimal digits of the checksum that ends a key of PuTTY: HMAC-SHA-1 or HMAC-SHA-256.
const CHECKSUM_DIGITS: [u32; 2] = [40, 64];

/// Which marker ends a block.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ending {
    /// `-----END …-----`, as in PEM (RFC 7468) and OpenPGP, or `---- END … ----` of RFC 4716.
    Armor,
    /// `Private-MAC: …`, the last line of a key of PuTTY.
    Checksum,
}

/// How far the last marker was read.
#[derive(Clone, Copy)]
enum Marker {
    None,
    Label { length: u32, dashes: u8, wanted: u8 },
    Checksum { digits: u32 },
}

/// A block that is being read.
#[derive(Clone)]
pub(crate) struct Block {
    pub(crate) watch: u16,
    pub(crate) start: u64,
    /// The end of what belongs to it so far.
    pub(crate) end: u64,
    ending: Ending,
    marker: Marker,
    /// The last eight bytes.
    recent: u64,
    /// Digits in a row up to here.
    digits: u32,
    has_body: bool,
    /// Whether words stand where the key should.
    has_words: bool,
}

/// The end of a block, and whether it is whole.
pub(crate) struct Closed {
    pub(crate) end: u64,
    pub(crate) mark: Mark,
}

impl Block {
    /// A block whose first marker has these bytes.
    pub(crate) fn new(watch: u16, start: u64, end: u64, ending: Ending) -> Self {
        let (marker, recent) = (Marker::None, 0);
        Self { watch, start, end, ending, marker, recent, digits: 0, has_body: false, has_words: false }
    }

    /// Reads the byte at `position`; says so when that closed the block.
    pub(crate) fn read(&mut self, position: u64, byte: u8) -> Option<Closed> {
        let was_letter = (self.recent as u8).is_ascii_alphabetic();
        self.has_words |= was_letter && byte.is_ascii_alphabetic();
        self.recent = self.recent << 8 | u64::from(byte);
        self.digits = if is_digit(byte) { self.digits + 1 } else { 0 };
        if self.digits >= BODY_MIN_DIGITS {
            self.has_body = true;
            self.end = position + 1;
        }
        if let Some(end) = self.last_marker(position, byte) {
            return Some(Closed { end, mark: Mark::Plain });
        }
        let is_over =
            position.saturating_sub(self.end) >= GAP_MAX_BYTES || position - self.start >= BLOCK_MAX_BYTES;
        is_over.then(|| self.close())
    }

    /// The end of the text.
    pub(crate) fn close(&self) -> Closed {
        if let Marker::Checksum { digits } = self.marker
            && CHECKSUM_DIGITS.contains(&digits)
        {
            return Closed { end: self.end.max(self.start), mark: Mark::Plain };
        }
        // A marker that is only spoken of has no key behind it, and nothing of one is left when it is replaced.
        let mark = if self.has_words && !self.has_body { Mark::Plain } else { Mark::Open };
        Closed { end: self.end, mark }
    }

    /// The end of the block, if `byte` is the last one of its last marker or the first one after it.
    fn last_marker(&mut self, position: u64, byte: u8) -> Option<u64> {
        match self.marker {
            Marker::None => self.begin_marker(position),
            Marker::Label { length, dashes, wanted } if byte == b'-' => {
                self.marker = Marker::Label { length, dashes: dashes + 1, wanted };
                return (dashes + 1 == wanted).then_some(position + 1);
            }
            Marker::Label { length, wanted, .. }
                if length < LABEL_MAX_BYTES && (byte.is_ascii_alphanumeric() || byte == b' ') =>
            {
                self.marker = Marker::Label { length: length + 1, dashes: 0, wanted };
            }
            Marker::Label { .. } => self.marker = Marker::None,
            Marker::Checksum { digits } if byte.is_ascii_hexdigit() => {
                self.end = position + 1;
                self.marker = Marker::Checksum { digits: digits + 1 };
            }
            Marker::Checksum { digits: 0 } if byte == b' ' => {}
            Marker::Checksum { digits } => {
                self.marker = Marker::None;
                return CHECKSUM_DIGITS.contains(&digits).then_some(position);
            }
        }
        None
    }

    fn begin_marker(&mut self, position: u64) {
        let recent = &self.recent.to_be_bytes();
        match (self.ending, recent) {
            (Ending::Armor, b"-----END") => self.marker = Marker::Label { length: 0, dashes: 0, wanted: 5 },
            (Ending::Armor, b"---- END") => self.marker = Marker::Label { length: 0, dashes: 0, wanted: 4 },
            // Another first marker belongs to it: whatever follows is as secret.
            (Ending::Armor, b"----BEGI" | b"--- BEGI") => self.end = position + 1,
            (Ending::Checksum, b"ate-MAC:") => self.marker = Marker::Checksum { digits: 0 },
            _ => {}
        }
    }
}

/// Whether a byte is a digit of base64; those of hexadecimal are among them.
fn is_digit(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'/' | b'=')
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The text of a block that begins at the start of `text` with a marker of so many bytes, and its mark.
    fn block(text: &str, marker: usize, ending: Ending) -> (&str, Mark) {
        let mut block = Block::new(0, 0, marker as u64, ending);
        let bytes = text.as_bytes().iter().enumerate().skip(marker);
        let closed = bytes.into_iter().find_map(|(at, byte)| block.read(at as u64, *byte));
        let closed = closed.unwrap_or_else(|| block.close());
        (&text[..closed.end as usize], closed.mark)
    }

    const BEGIN: &str = "-----BEGIN PRIVATE KEY-----";
    const LINE: &str = "MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQg";

    #[test]
    fn a_block_ends_with_its_marker_and_else_where_no_key_goes_on() {
        let whole = format!("{BEGIN}\n3: {LINE}\n4: {LINE}\n5: ab=\n6: -----END PRIVATE KEY-----");
        let text = format!("{whole} and so on");
        assert_eq!(block(&text, BEGIN.len(), Ending::Armor), (whole.as_str(), Mark::Plain));
        let cut = format!("{BEGIN}\n{LINE}");
        assert_eq!(block(&cut, BEGIN.len(), Ending::Armor), (cut.as_str(), Mark::Open));
        let left = format!("{cut}\n{}", "and so on. ".repeat(90));
        assert_eq!(block(&left, BEGIN.len(), Ending::Armor), (cut.as_str(), Mark::Open));
    }

    #[test]
    fn a_marker_that_is_spoken_of_is_all_there_is() {
        let text = format!("{BEGIN} is how it begins");
        assert_eq!(block(&text, BEGIN.len(), Ending::Armor), (BEGIN, Mark::Plain));
        for end in ["", "\n", "\\n", "\\r\\n", "\n  2→"] {
            let text = format!("{BEGIN}{end}");
            assert_eq!(block(&text, BEGIN.len(), Ending::Armor), (BEGIN, Mark::Open), "{end:?}");
        }
    }

    #[test]
    fn a_block_has_a_bound() {
        let text = format!("{BEGIN}\n{}", format!("{LINE}\n").repeat(4_000));
        let (found, mark) = block(&text, BEGIN.len(), Ending::Armor);
        assert_eq!(mark, Mark::Open);
        assert!((BLOCK_MAX_BYTES as usize - 128..=BLOCK_MAX_BYTES as usize + 1).contains(&found.len()));
    }

    #[test]
    fn a_key_of_putty_ends_with_its_checksum() {
        let key = format!("PuTTY-User-Key-File-3:\n{LINE}\nPrivate-MAC: {}", "0a".repeat(32));
        for after in ["", "\n", "\\n", "; more"] {
            let text = format!("{key}{after}");
            assert_eq!(block(&text, 22, Ending::Checksum), (key.as_str(), Mark::Plain), "{after:?}");
        }
        let text = "PuTTY-User-Key-File-3:\nPrivate-MAC: 00ff";
        assert_eq!(block(text, 22, Ending::Checksum).1, Mark::Plain, "no body, only words");
    }
}
