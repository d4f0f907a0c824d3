//! Reads the table that `build.rs` generates.

use super::Class;

mod generated {
    include!(concat!(env!("OUT_DIR"), "/fold_table.rs"));
}

const HAS_READINGS: u32 = 1 << 3;
const EXPANDS: u32 = 1 << 4;
const UPPER: u32 = 1 << 5;
const PAYLOAD_SHIFT: u32 = 8;

/// The entry of one character.
#[derive(Clone, Copy)]
pub(super) struct Entry {
    code: u32,
    bits: u32,
}

impl Entry {
    pub(super) fn of(c: char) -> Self {
        let code = c as u32;
        let block = generated::INDEX[(code >> 7) as usize] as usize;
        Self { code, bits: generated::BLOCKS[block][(code & 127) as usize] }
    }

    /// The class of the first character it folds to.
    pub(super) fn class(self) -> Class {
        match self.bits & 7 {
            0 => Class::Dropped,
            1 => Class::Space,
            3 => Class::Letter,
            4 => Class::Digit,
            5 => Class::Unspaced,
            6 => Class::Extend,
            _ => Class::Other,
        }
    }

    pub(super) fn is_upper(self) -> bool {
        self.bits & UPPER != 0
    }

    /// The one character it folds to. Only for entries that neither expand nor are dropped.
    pub(super) fn single(self) -> char {
        let code = self.code.wrapping_add(self.bits >> PAYLOAD_SHIFT) & 0x00FF_FFFF;
        char::from_u32(code).unwrap_or(char::REPLACEMENT_CHARACTER)
    }

    /// The characters it folds to, if they are several.
    pub(super) fn expansion(self) -> Option<&'static [char]> {
        if self.bits & EXPANDS == 0 {
            return None;
        }
        let payload = self.bits >> PAYLOAD_SHIFT;
        let (start, len) = ((payload >> 5) as usize, (payload & 31) as usize);
        Some(&generated::EXPANSIONS[start..start + len])
    }

    /// Latin texts that it may stand for; the flag marks symbols.
    pub(super) fn readings(self) -> impl Iterator<Item = (&'static str, bool)> {
        let all = &generated::READINGS;
        let start = match self.bits & HAS_READINGS {
            0 => all.len(),
            _ => all.partition_point(|(code, ..)| *code < self.code),
        };
        all[start..]
            .iter()
            .take_while(move |(code, ..)| *code == self.code)
            .map(|(_, text, symbol)| (*text, *symbol))
    }
}
