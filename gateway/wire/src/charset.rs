//! Bytes as the texts that they may be.
//!
//! Who receives bytes decides how they are read: by their byte order mark, by the charset that is declared, by
//! their zero bytes, as UTF-8, or one character a byte. Where several of these are possible, all are given. UTF-7,
//! EBCDIC and what else no browser reads are not read: bytes that are declared so are given as they stand, and are
//! no text.

use encoding_rs::{Encoding, REPLACEMENT, UTF_8, UTF_16BE, UTF_16LE, WINDOWS_1252};
use smallvec::SmallVec;
use std::borrow::Cow;

/// Bytes of a hundred that may be control characters in a text. Binary formats have many times as many.
const CONTROLS_PERCENT: usize = 2;

/// Bytes of a hundred beyond ASCII that a text of one byte a character may have. Noise has fifty.
const FOREIGN_PERCENT: usize = 30;

/// The texts that bytes may be.
#[derive(Debug, Default)]
pub struct Readings<'a> {
    /// Every reading that somebody may take, never empty unless there are no bytes.
    pub texts: SmallVec<[Cow<'a, str>; 2]>,
    /// Whether the bytes are a text. What is not is given all the same, as far as it can be read.
    pub are_text: bool,
}

/// The texts that bytes may be, where they are declared to have this charset or none.
#[must_use]
pub fn readings<'a>(bytes: &'a [u8], charset: Option<&str>) -> Readings<'a> {
    let mut readings = Readings::default();
    if bytes.is_empty() {
        readings.are_text = true;
        return readings;
    }
    if let Some(wide) = utf32(bytes) {
        let is_text = has_few_controls(wide.as_bytes());
        readings.add(Cow::Owned(wide), is_text);
    } else if let Some((encoding, mark)) = Encoding::for_bom(bytes) {
        readings.decode(encoding, &bytes[mark..]);
    } else if let Some(encoding) = utf16(bytes) {
        readings.decode(encoding, bytes);
    }
    let declared = charset.map(|label| Encoding::for_label(label.as_bytes()));
    match declared {
        Some(Some(encoding)) if encoding != UTF_8 && encoding != REPLACEMENT => {
            readings.decode(encoding, bytes)
        }
        _ => {}
    }
    let is_wide = readings.are_text;
    match std::str::from_utf8(bytes) {
        Ok(text) => readings.add(Cow::Borrowed(text), has_few_controls(bytes)),
        Err(_) => {
            // Nearly UTF-8 is read with gaps, what is nothing of the kind byte for byte: either may be meant.
            readings.add(String::from_utf8_lossy(bytes), false);
            readings.add(WINDOWS_1252.decode_without_bom_handling(bytes).0, is_mostly_ascii(bytes));
        }
    }
    let is_unknown = matches!(declared, Some(None)) || declared == Some(Some(REPLACEMENT));
    readings.are_text &= is_wide || !is_unknown;
    readings
}

/// Bytes in UTF-8: as they are where they are UTF-8 already, else in the first of their [`readings`].
#[must_use]
pub fn in_utf8<'a>(bytes: &'a [u8], charset: Option<&str>) -> Cow<'a, [u8]> {
    if std::str::from_utf8(bytes).is_ok() && !bytes.contains(&0) {
        return Cow::Borrowed(bytes);
    }
    let first = readings(bytes, charset).texts.into_iter().next().unwrap_or_default();
    Cow::Owned(first.into_owned().into_bytes())
}

/// Whether a charset that somebody declares is one that is read here.
#[must_use]
pub fn is_known(charset: &str) -> bool {
    Encoding::for_label(charset.as_bytes()).is_some_and(|encoding| encoding != REPLACEMENT)
}

impl<'a> Readings<'a> {
    fn decode(&mut self, encoding: &'static Encoding, bytes: &'a [u8]) {
        let (text, has_errors) = encoding.decode_without_bom_handling(bytes);
        let is_text = !has_errors && has_few_controls(text.as_bytes());
        self.add(text, is_text);
    }

    fn add(&mut self, text: Cow<'a, str>, is_text: bool) {
        self.are_text |= is_text;
        if !self.texts.contains(&text) {
            self.texts.push(text);
        }
    }
}

fn has_few_controls(bytes: &[u8]) -> bool {
    let is_control = |byte: &u8| matches!(byte, 0..=7 | 11 | 14..=26 | 28..=31 | 127);
    bytes.iter().filter(|byte| is_control(byte)).count() * 100 <= bytes.len() * CONTROLS_PERCENT
}

/// Whether bytes that are no UTF-8 may be a text of one byte a character, in a script whose letters are mostly those
/// of ASCII: others say nothing when they are read so.
fn is_mostly_ascii(bytes: &[u8]) -> bool {
    let high = bytes.iter().filter(|byte| !byte.is_ascii()).count();
    has_few_controls(bytes) && high * 100 <= bytes.len() * FOREIGN_PERCENT
}

/// The byte order of UTF-16 without a mark, told by the zero bytes beside Latin letters.
fn utf16(bytes: &[u8]) -> Option<&'static Encoding> {
    let zeros = |first: usize| bytes.iter().skip(first).step_by(2).filter(|byte| **byte == 0).count();
    let (even, odd) = (zeros(0), zeros(1));
    // A quarter of all letters is enough, as long as the other side has hardly any.
    let (many, few) = (bytes.len() / 8, bytes.len() / 64);
    match (even, odd) {
        (even, odd) if even > many && odd <= few => Some(UTF_16BE),
        (even, odd) if odd > many && even <= few => Some(UTF_16LE),
        _ => None,
    }
}

/// UTF-32 of either byte order: nothing else has whole numbers below 0x110000 throughout.
fn utf32(bytes: &[u8]) -> Option<String> {
    let is_wide = bytes.len() >= 4 && bytes.len().is_multiple_of(4) && bytes.contains(&0);
    let read = |number: fn([u8; 4]) -> u32| {
        let words = bytes.chunks_exact(4).map(|word| number([word[0], word[1], word[2], word[3]]));
        words.map(char::from_u32).collect::<Option<String>>()
    };
    let text = is_wide.then(|| read(u32::from_le_bytes).or_else(|| read(u32::from_be_bytes))).flatten()?;
    Some(text.strip_prefix('\u{feff}').map(str::to_owned).unwrap_or(text))
}

#[cfg(test)]
mod tests {
    use super::*;

    const SAID: &str = "Zoë says: Kestrel leaves at noon";

    fn wide(text: &str, unit: fn(u16) -> [u8; 2]) -> Vec<u8> {
        text.encode_utf16().flat_map(unit).collect()
    }

    fn widest(text: &str, unit: fn(u32) -> [u8; 4]) -> Vec<u8> {
        text.chars().map(u32::from).flat_map(unit).collect()
    }

    #[test]
    fn a_text_is_read_in_whatever_way_it_may_be_written() {
        let marked = format!("\u{feff}{SAID}");
        let latin: Vec<u8> = SAID.chars().map(|c| c as u8).collect();
        for (name, bytes, charset) in [
            ("utf-8", SAID.as_bytes().to_vec(), None),
            ("utf-8 with mark", marked.as_bytes().to_vec(), None),
            ("utf-16le", wide(SAID, u16::to_le_bytes), None),
            ("utf-16be", wide(SAID, u16::to_be_bytes), None),
            ("utf-16le with mark", wide(&marked, u16::to_le_bytes), None),
            ("utf-16be with mark", wide(&marked, u16::to_be_bytes), Some("utf-8")),
            ("utf-32le", widest(SAID, u32::to_le_bytes), None),
            ("utf-32be with mark", widest(&marked, u32::to_be_bytes), None),
            ("latin", latin.clone(), None),
            ("latin that says so", latin.clone(), Some("iso-8859-1")),
            ("utf-8 that says latin", SAID.as_bytes().to_vec(), Some("latin1")),
            ("latin that says utf-8", latin, Some("utf-8")),
        ] {
            let readings = readings(&bytes, charset);
            assert!(readings.are_text, "{name}");
            assert!(readings.texts.iter().any(|text| text == SAID), "{name}: {:?}", readings.texts);
        }
        let cyrillic = encoding_rs::KOI8_R.encode("Проект Сокол").0;
        assert_eq!(readings(&cyrillic, Some("koi8-r")).texts[0], "Проект Сокол");
        let bad = [SAID.as_bytes(), b"\xff"].concat();
        assert!(readings(&bad, None).texts[0].starts_with(SAID));
    }

    #[test]
    fn binary_is_no_text_and_neither_is_what_nobody_reads() {
        let noise: Vec<u8> =
            (0..400_u32).map(|number| (number.wrapping_mul(2_654_435_761) >> 13) as u8).collect();
        assert!(!readings(&noise, None).are_text);
        assert!(!readings(&[0; 64], None).are_text);
        for charset in ["utf-7", "cp037", "hz-gb-2312", "no such"] {
            assert!(!is_known(charset), "{charset}");
            let read = readings(b"+AFAAcgBv", Some(charset));
            assert!(!read.are_text && read.texts[0] == "+AFAAcgBv", "{charset}");
        }
        assert!(readings(b"", Some("utf-7")).are_text);
    }

    #[test]
    fn what_is_no_utf8_is_handed_on_as_the_text_that_it_is() {
        for (bytes, charset) in [
            (SAID.as_bytes().to_vec(), Some("utf-16")),
            (wide(SAID, u16::to_le_bytes), None),
            (wide(&format!("\u{feff}{SAID}"), u16::to_be_bytes), Some("utf-8")),
            (SAID.chars().map(|c| c as u8).collect(), Some("latin1")),
        ] {
            assert_eq!(in_utf8(&bytes, charset), SAID.as_bytes(), "{charset:?}");
        }
        assert!(in_utf8(b"\xff\xfe", None).is_empty());
    }

    proptest::proptest! {
        #[test]
        fn any_bytes_are_read_somehow(
            bytes in proptest::collection::vec(proptest::num::u8::ANY, 0..64),
            charset in proptest::option::of("utf-(7|8|16|16be)|latin1|gbk|x"),
        ) {
            let readings = readings(&bytes, charset.as_deref());
            proptest::prop_assert_eq!(readings.texts.is_empty(), bytes.is_empty());
        }
    }
}
