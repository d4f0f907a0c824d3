//! What encoded bytes are, told by the bytes and their encoding alone: never by what they are called.

use base64::Engine;
use base64::alphabet;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use std::borrow::Cow;

/// Characters of base64 below which nothing can be said of the bytes: such a string is a word or an id.
pub const BLOB_MIN_BYTES: usize = 64;

/// Bytes of a window that is looked at for its own entropy, so that words between noise are seen.
const WINDOW_BYTES: usize = 256;

/// Entropy of noise that a window of an opaque blob must have, in parts of a hundred of the most that a window of
/// its length can have. Noise has 90 and more, a window that holds an id beside it 80; base64 of text has 75 at
/// most, text 60.
const ENTROPY_PERCENT: f64 = 77.0;

/// Printable characters in a row that are a word rather than chance: noise has such a run in every 400 bytes.
const WORD_MIN_BYTES: usize = 6;

/// How far from the start a mark of a format may stand: readers of PDF look for theirs that far.
const MAGIC_BYTES: usize = 1024;

const LENIENT: GeneralPurposeConfig = GeneralPurposeConfig::new()
    .with_decode_padding_mode(DecodePaddingMode::Indifferent)
    .with_decode_allow_trailing_bits(true);
const STANDARD: GeneralPurpose = GeneralPurpose::new(&alphabet::STANDARD, LENIENT);
const URL_SAFE: GeneralPurpose = GeneralPurpose::new(&alphabet::URL_SAFE, LENIENT);

/// Marks that formats without text begin with, and what a person calls such a file.
const MAGIC: &[(&[u8], &str)] = &[
    (b"\x89PNG\r\n\x1a\n", "image"),
    (b"\xff\xd8\xff", "image"),
    (b"GIF87a", "image"),
    (b"GIF89a", "image"),
    (b"II*\0", "image"),
    (b"MM\0*", "image"),
    (b"\0\0\x01\0", "image"),
    (b"ID3", "audio"),
    (b"OggS", "audio"),
    (b"fLaC", "audio"),
    (b"{\\rtf", "file"),
    (b"%!PS", "file"),
    (b"PK\x03\x04", "file"),
    (b"PK\x05\x06", "file"),
    (b"\x1f\x8b\x08", "file"),
    (b"BZh", "file"),
    (b"\xfd7zXZ\0", "file"),
    (b"7z\xbc\xaf\x27\x1c", "file"),
    (b"\x28\xb5\x2f\xfd", "file"),
    (b"\xd0\xcf\x11\xe0", "file"),
    (b"SQLite format 3\0", "file"),
    (b"\x7fELF", "file"),
    (b"\0asm", "file"),
];

/// What a file of a format that is no text is called, where bytes begin with the mark of one.
#[must_use]
pub fn magic(bytes: &[u8]) -> Option<&'static str> {
    let head = &bytes[..bytes.len().min(MAGIC_BYTES)];
    if memchr::memmem::find(head, b"%PDF-").is_some() {
        return Some("pdf");
    }
    match (head.get(..4), head.get(8..12), head.get(4..8)) {
        (Some(b"RIFF"), Some(b"WEBP"), _) => return Some("image"),
        (Some(b"RIFF"), Some(b"WAVE"), _) => return Some("audio"),
        (_, _, Some(b"ftyp")) => return Some("video"),
        _ => {}
    }
    MAGIC.iter().find(|(mark, _)| head.starts_with(mark)).map(|(_, kind)| *kind)
}

/// Bytes that a text stands for as base64.
pub struct Decoded {
    /// The bytes. A text that is no base64 has some too: readers pass over what does not belong to the alphabet.
    pub bytes: Vec<u8>,
    /// Whether the text is base64 throughout, in one of its alphabets, padded or not, in one line or in lines of
    /// one length: nothing in it reads as words.
    pub is_clean: bool,
}

/// The bytes that a text stands for as base64, as strict readers see them where it is base64, and as lenient ones
/// do where it is not.
#[must_use]
pub fn decode(text: &str) -> Decoded {
    let strict = |text: &[u8]| STANDARD.decode(text).or_else(|_| URL_SAFE.decode(text)).ok();
    if let Some(packed) = unwrapped(text)
        && let Some(bytes) = strict(packed.as_bytes())
    {
        return Decoded { bytes, is_clean: true };
    }
    let mut bytes = Vec::new();
    let mut run = Vec::new();
    for segment in text.split('=').filter(|segment| !segment.is_empty()) {
        run.clear();
        run.extend(segment.bytes().filter_map(|byte| match byte {
            b'-' => Some(b'+'),
            b'_' => Some(b'/'),
            _ => is_digit(byte).then_some(byte),
        }));
        // A last digit alone stands for no whole byte.
        run.truncate(run.len() - usize::from(run.len() % 4 == 1));
        bytes.extend(strict(&run).unwrap_or_default());
    }
    Decoded { bytes, is_clean: false }
}

/// The first bytes that a text stands for as base64, at most so many; empty where it does not begin as base64.
#[must_use]
pub fn head(text: &str, bytes: usize) -> Vec<u8> {
    let digits =
        text.as_bytes().iter().take_while(|byte| is_digit(**byte)).take(bytes.div_ceil(3) * 4).count();
    let head = &text.as_bytes()[..digits - digits % 4];
    STANDARD.decode(head).or_else(|_| URL_SAFE.decode(head)).unwrap_or_default()
}

/// Whether a text is one run of base64 digits, padding at its end aside, in which capitals, small letters and
/// digits are mixed as only encoded bytes mix them. Words, however they are joined, are not.
#[must_use]
pub fn is_run(text: &str) -> bool {
    let digits = text.trim_end_matches('=').as_bytes();
    if digits.len() < BLOB_MIN_BYTES || !digits.iter().fold(true, |so_far, byte| so_far & is_digit(*byte)) {
        return false;
    }
    let (mut all, mut upper, mut lower, mut number) = (0, 0, 0, 0);
    // Areas of one color are one digit again and again, which no word is either.
    for byte in digits.chunk_by(|one, next| one == next).filter_map(|same| same.first()) {
        all += 1;
        upper += usize::from(byte.is_ascii_uppercase());
        lower += usize::from(byte.is_ascii_lowercase());
        number += usize::from(byte.is_ascii_digit());
    }
    // Of noise 40, 40 and 16 of a hundred; half of that is left to chance.
    let least = |percent: usize| (all * percent).div_ceil(100);
    upper >= least(20) && lower >= least(20) && number >= least(5)
}

/// Whether bytes are noise in every part, as what is encrypted, signed or packed: no window holds words.
#[must_use]
pub fn is_noise(bytes: &[u8]) -> bool {
    // A last window that is short is made longer by what stands before it.
    let last = &bytes[bytes.len().saturating_sub(WINDOW_BYTES)..];
    !bytes.is_empty()
        && bytes.chunks(WINDOW_BYTES).filter(|window| window.len() == WINDOW_BYTES).chain([last]).all(is_even)
}

fn is_even(window: &[u8]) -> bool {
    let mut counts = [0_u32; 256];
    window.iter().for_each(|byte| counts[usize::from(*byte)] += 1);
    let len = window.len() as f64;
    let entropy: f64 = counts
        .iter()
        .filter(|count| **count > 0)
        .map(|count| f64::from(*count) / len)
        .map(|share| -share * share.log2())
        .sum();
    entropy * 100.0 >= ENTROPY_PERCENT * len.min(256.0).log2()
}

/// Whether bytes are a list of 32-bit numbers as embeddings are: none is infinite, none is huge.
#[must_use]
pub fn is_vector(bytes: &[u8]) -> bool {
    let (numbers, rest) = bytes.as_chunks::<4>();
    let is_plain = |number: &[u8; 4]| {
        let number = f32::from_le_bytes(*number);
        number == 0.0 || (1e-12..1e4).contains(&number.abs())
    };
    !numbers.is_empty() && rest.is_empty() && numbers.iter().all(is_plain)
}

/// The runs of printable characters among bytes that are no text, each on a line of its own.
#[must_use]
pub fn words(bytes: &[u8]) -> String {
    let is_printable = |byte: &u8| matches!(byte, b' '..=b'~' | b'\t');
    let mut words = String::new();
    for run in bytes.chunk_by(|one, next| is_printable(one) == is_printable(next)) {
        if run.len() >= WORD_MIN_BYTES && run.first().is_some_and(is_printable) {
            words.extend(run.iter().map(|byte| char::from(*byte)));
            words.push('\n');
        }
    }
    words
}

fn is_digit(byte: u8) -> bool {
    const DIGITS: [bool; 256] = {
        let mut digits = [false; 256];
        let mut byte = 0;
        while byte < 256 {
            let c = byte as u8;
            digits[byte] = c.is_ascii_alphanumeric() || matches!(c, b'+' | b'/' | b'-' | b'_');
            byte += 1;
        }
        digits
    };
    DIGITS[usize::from(byte)]
}

/// The text without line breaks, where its lines have one length as encoders make them; `None` where they have not.
fn unwrapped(text: &str) -> Option<Cow<'_, str>> {
    let Some(first) = memchr::memchr(b'\n', text.as_bytes()) else { return Some(Cow::Borrowed(text)) };
    let mut packed = String::with_capacity(text.len());
    let first = text[..first].trim_end_matches('\r').len();
    let mut lines = text.trim_end().split('\n').map(|line| line.trim_end_matches('\r')).peekable();
    while let Some(line) = lines.next() {
        let is_last = lines.peek().is_none();
        if line.len() != first && !(is_last && line.len() < first) {
            return None;
        }
        packed.push_str(line);
    }
    Some(Cow::Owned(packed))
}

#[cfg(test)]
mod tests {
    use super::*;
    use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};

    /// Bytes without any order, the same in every run.
    fn noise(count: usize) -> Vec<u8> {
        let mut state = 0x9e37_79b9_7f4a_7c15_u64;
        let step = |_| {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            (state >> 24) as u8
        };
        (0..count).map(step).collect()
    }

    const WORDS: &str =
        "Kestrel leaves at noon and nobody outside of this house may hear of it before the end of May";

    #[test]
    fn base64_is_decoded_in_every_form_and_words_are_not_clean() {
        let bytes = noise(200);
        let packed = STANDARD.encode(&bytes);
        let lines: Vec<&str> =
            packed.as_bytes().chunks(76).map(|line| std::str::from_utf8(line).unwrap()).collect();
        for text in
            [packed.clone(), URL_SAFE_NO_PAD.encode(&bytes), lines.join("\n"), lines.join("\r\n") + "\r\n"]
        {
            let decoded = decode(&text);
            assert!(decoded.is_clean && decoded.bytes == bytes, "{text}");
        }
        for text in [lines.join(" "), format!("{}\n{packed}", &packed[..10]), WORDS.to_owned()] {
            assert!(!decode(&text).is_clean, "{text}");
        }
        let spread: String = STANDARD.encode(WORDS).chars().flat_map(|c| [c, '.', ' ']).collect();
        assert_eq!(decode(&spread).bytes, WORDS.as_bytes(), "as lenient readers do");
        assert_eq!(decode("S2Vz==dHJlbA==").bytes, b"Kestrel", "padding in the middle");
        assert_eq!(decode("A").bytes, b"");
    }

    #[test]
    fn a_run_is_known_by_its_digits() {
        for len in [48, 64, 200, 5000] {
            assert!(is_run(&STANDARD.encode(noise(len))), "{len}");
        }
        assert!(is_run(&STANDARD.encode([noise(48), vec![0; 3000]].concat())), "a picture of one color");
        let words = WORDS.replace(' ', "");
        let mixed: String = WORDS.split(' ').map(|word| word[..1].to_uppercase() + &word[1..]).collect();
        for text in [words.as_str(), &mixed, WORDS, &"A".repeat(100), &"a1".repeat(100), "c2hvcnQ="] {
            assert!(!is_run(text), "{text}");
        }
    }

    #[test]
    fn noise_is_told_from_words_wherever_they_stand() {
        for len in [32, 48, 64, 200, 256, 300, 4000] {
            assert!(is_noise(&noise(len)), "{len}");
        }
        // The head of a real web search result: an id in letters between the numbers of its format.
        let headed = [
            b"\x12\xa8\x1f\n(\x08\x01\x18\x01\"$7a002652-1f39-454e-8814-d63c595eb7cc",
            noise(300).as_slice(),
        ]
        .concat();
        assert!(is_noise(&headed));
        for words in [WORDS.as_bytes(), STANDARD.encode(WORDS).as_bytes(), &[0; 300]] {
            assert!(!is_noise(words));
            let between = [noise(512).as_slice(), &words.repeat(4), &noise(512)].concat();
            assert!(!is_noise(&between));
            let behind = [noise(512).as_slice(), &words.repeat(2)].concat();
            assert!(!is_noise(&behind));
        }
        assert!(!is_noise(b""));
    }

    #[test]
    fn words_between_bytes_are_read() {
        let bytes = [noise(100).as_slice(), b"\0Comment\0Kestrel leaves\0\xff", &noise(100)].concat();
        assert!(words(&bytes).lines().any(|line| line == "Kestrel leaves"));
        assert_eq!(words(b"\0short\0"), "");
    }

    #[test]
    fn formats_are_known_by_their_marks_and_vectors_by_their_numbers() {
        for (bytes, kind) in [
            (&b"\x89PNG\r\n\x1a\n rest"[..], Some("image")),
            (b"RIFF\x10\0\0\0WEBPVP8 ", Some("image")),
            (b"RIFF\x10\0\0\0WAVEfmt ", Some("audio")),
            (b"\0\0\0\x18ftypmp42", Some("video")),
            (b"% a comment\n%PDF-1.7", Some("pdf")),
            (b"PK\x03\x04 docx", Some("file")),
            (b"Portable Network Graphics", None),
            (b"", None),
        ] {
            assert_eq!(magic(bytes), kind, "{bytes:?}");
        }
        let vector: Vec<u8> = (0..64).flat_map(|number| (number as f32 / -640.0).to_le_bytes()).collect();
        assert!(is_vector(&vector));
        assert!(!is_vector(&vector[1..]) && !is_vector(&noise(256)) && !is_vector(WORDS.as_bytes()));
        assert_eq!(head(&STANDARD.encode(&vector), 9), vector[..9]);
        assert_eq!(head("no base64 here", 9), b"");
    }
}
