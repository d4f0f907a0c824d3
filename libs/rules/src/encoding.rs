//! Encodings that write bytes as digits: their alphabets, and when a run of digits may be one.

use crate::evasion::Evasion;

/// The fewest digits of a run that may be an encoding, and of a line that goes on in the next one.
pub(crate) const RUN_MIN: u64 = 12;

/// A way to write bytes as digits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Encoding {
    /// Both alphabets.
    Base64,
    /// Either case.
    Hex,
    /// The alphabet of RFC 4648, in either case; only from its beginning on.
    Base32,
}

impl Encoding {
    pub(crate) const ALL: [Self; 3] = [Self::Base64, Self::Hex, Self::Base32];

    pub(crate) fn evasion(self) -> Evasion {
        match self {
            Self::Base64 => Evasion::Base64,
            Self::Hex => Evasion::Hex,
            Self::Base32 => Evasion::Base32,
        }
    }

    /// Bits of one digit.
    pub(crate) fn bits(self) -> u32 {
        match self {
            Self::Base64 => 6,
            Self::Hex => 4,
            Self::Base32 => 5,
        }
    }

    /// How many digits of a run may be missing at its beginning, so that it is to be read from so many places.
    pub(crate) fn beginnings(self) -> u8 {
        match self {
            Self::Base64 => 4,
            Self::Hex => 2,
            Self::Base32 => 1,
        }
    }

    /// The value of a digit.
    pub(crate) fn digit(self, c: char) -> Option<u32> {
        let byte = u8::try_from(c).ok()?;
        let value = self.values()[usize::from(byte)];
        (value != NONE).then_some(u32::from(value))
    }

    /// By byte, its value as a digit, or [`NONE`].
    pub(crate) fn values(self) -> &'static [u8; 256] {
        match self {
            Self::Base64 => &BASE64,
            Self::Hex => &HEX,
            Self::Base32 => &BASE32,
        }
    }

    pub(crate) fn is_digit(self, byte: u8) -> bool {
        self.values()[usize::from(byte)] != NONE
    }
}

/// The value of what is no digit.
const NONE: u8 = 0xFF;

static BASE64: [u8; 256] = values(6);
static BASE32: [u8; 256] = values(5);
static HEX: [u8; 256] = values(4);

const fn values(bits: u32) -> [u8; 256] {
    let mut values = [NONE; 256];
    let mut code = 0;
    while code < 256 {
        let byte = code as u8;
        values[code] = match (bits, byte) {
            (6, b'A'..=b'Z') => byte - b'A',
            (6, b'a'..=b'z') => byte - b'a' + 26,
            (6, b'0'..=b'9') => byte - b'0' + 52,
            (6, b'+' | b'-') => 62,
            (6, b'/' | b'_') => 63,
            (5, b'A'..=b'Z') => byte - b'A',
            (5, b'a'..=b'z') => byte - b'a',
            (5, b'2'..=b'7') => byte - b'2' + 26,
            (4, b'0'..=b'9') => byte - b'0',
            (4, b'a'..=b'f') => byte - b'a' + 10,
            (4, b'A'..=b'F') => byte - b'A' + 10,
            _ => NONE,
        };
        code += 1;
    }
    values
}

/// A run of small letters and signs alone is a word, or words with hyphens: an encoding of that
/// length has capitals or decimal digits (hexadecimal letters always have).
pub(crate) fn is_varied(byte: u8) -> bool {
    byte.is_ascii_uppercase() || byte.is_ascii_digit()
}
