//! Generates the folding table from the Unicode data of well-kept crates.
//!
//! Every code point gets one 32-bit entry: its class, and what it folds to. Entries stand in
//! blocks of 128; equal blocks are stored once. The layout is read by `src/fold/table.rs`.
//! The order of the steps is: compatibility decomposition (NFKD), removal of marks and ignorable
//! characters, full case folding, letters without a decomposition; repeated until nothing
//! changes, so that folding twice is folding once.

use std::collections::{BTreeMap, HashMap};
use std::fmt::Write as _;
use std::{env, fs, path::Path};

use caseless::Caseless;
use regex_syntax::hir::{Class, HirKind};
use unicode_normalization::UnicodeNormalization;
use unicode_normalization::char::canonical_combining_class;

const BLOCK: usize = 128;
// Classes; the same numbers as in `src/fold.rs`.
const DROPPED: u32 = 0;
const SPACE: u32 = 1;
const OTHER: u32 = 2;
const LETTER: u32 = 3;
const DIGIT: u32 = 4;
const UNSPACED: u32 = 5;
const EXTEND: u32 = 6;
// Flags; the same as in `src/fold/table.rs`.
const HAS_READINGS: u32 = 1 << 3;
const EXPANDS: u32 = 1 << 4;
const UPPER: u32 = 1 << 5;
const PAYLOAD_SHIFT: u32 = 8;

fn main() {
    println!("cargo:rerun-if-changed=build.rs");
    let data = UnicodeData::load();
    let mut expansions = Pool::default();
    let mut readings: Vec<(u32, String, bool)> = Vec::new();
    let mut entries = vec![0u32; 0x11_0000];
    for (code, slot) in entries.iter_mut().enumerate() {
        let code = code as u32;
        let Some(c) = char::from_u32(code) else {
            *slot = OTHER | code << PAYLOAD_SHIFT;
            continue;
        };
        let folded = data.fold(c);
        let mut entry = match folded.as_slice() {
            [] => DROPPED,
            [one] => data.class(*one) | (*one as u32) << PAYLOAD_SHIFT,
            many => EXPANDS | data.class(many[0]) | expansions.add(many) << PAYLOAD_SHIFT,
        };
        if data.uppercase.has(c) {
            entry |= UPPER;
        }
        for (reading, symbol) in data.readings(c, &folded) {
            entry |= HAS_READINGS;
            readings.push((code, reading, symbol));
        }
        *slot = entry;
    }
    write(&entries, &expansions, &readings);
}

/// Character sets, by the names that the Unicode standard gives them.
struct UnicodeData {
    ignorable: Set,
    control: Set,
    space: Set,
    mark: Set,
    enclosing: Set,
    nonspacing: Set,
    letter: Set,
    digit: Set,
    decimal: Set,
    unspaced: Set,
    uppercase: Set,
}

impl UnicodeData {
    fn load() -> Self {
        Self {
            ignorable: Set::new(r"[\p{Default_Ignorable_Code_Point}\p{Cf}]"),
            control: Set::new(r"[\p{Cc}--\s]"),
            space: Set::new(r"[\s\x{2800}]"),
            mark: Set::new(r"\p{M}"),
            enclosing: Set::new(r"\p{Me}"),
            nonspacing: Set::new(r"\p{Mn}"),
            letter: Set::new(r"[\p{Alphabetic}\p{L}]"),
            digit: Set::new(r"\p{N}"),
            decimal: Set::new(r"\p{Nd}"),
            // Scripts written without spaces between words: a word may start and end anywhere.
            unspaced: Set::new(
                r"[\p{Han}\p{Hiragana}\p{Katakana}\p{Hangul}\p{Bopomofo}\p{Yi}\p{Thai}\p{Lao}\p{Khmer}\p{Myanmar}\p{Tibetan}\x{30FC}\x{FF70}]",
            ),
            uppercase: Set::new(r"[\p{Uppercase}\p{Lt}]"),
        }
    }

    /// What one character folds to: nothing for characters that cannot be seen.
    fn fold(&self, c: char) -> Vec<char> {
        // Syllables are decomposed by arithmetic at run time: the table would grow by 11,172.
        if ('\u{AC00}'..='\u{D7A3}').contains(&c) {
            return vec![c];
        }
        let mut folded: Vec<char> = vec![c];
        for _ in 0..8 {
            let next = self.fold_once(&folded);
            if next == folded {
                return folded;
            }
            folded = next;
        }
        panic!("folding U+{:04X} does not settle", c as u32);
    }

    fn fold_once(&self, text: &[char]) -> Vec<char> {
        let visible = |c: &char| !self.is_dropped(*c);
        let decomposed = text.iter().copied().filter(visible).nfkd().filter(visible).map(by_hand_before_case);
        let lower: String = decomposed.default_case_fold().collect();
        let mut folded = Vec::new();
        for c in lower.chars() {
            match c {
                'ß' => folded.extend("ss".chars()),
                'æ' => folded.extend("ae".chars()),
                'œ' => folded.extend("oe".chars()),
                'þ' => folded.extend("th".chars()),
                c if self.is_dropped(c) => {}
                c if self.space.has(c) => folded.push(' '),
                c if self.decimal.has(c) => folded.push(self.decimal_digit(c)),
                c => folded.push(by_hand(c)),
            }
        }
        // A compatibility decomposition may begin with a space that carries a spacing accent.
        if folded.len() > 1 && folded.iter().all(|c| *c == ' ') {
            folded.truncate(1);
        }
        folded
    }

    /// Invisible characters, and marks that only decorate the letter before them. Vowel signs of
    /// the Indic and Thai scripts and the kana voicing marks change the letter: they stay.
    fn is_dropped(&self, c: char) -> bool {
        if self.space.has(c) {
            return false;
        }
        let class = canonical_combining_class(c);
        // What stands for something that could not be decoded, and code points that are no characters.
        let code = c as u32;
        let is_nothing = matches!(code, 0xFFFC..=0xFFFD | 0xFDD0..=0xFDEF) || code & 0xFFFE == 0xFFFE;
        let decorates = class == 1 || (10..=36).contains(&class) || class >= 200;
        self.ignorable.has(c)
            || self.control.has(c)
            || is_nothing
            || self.enclosing.has(c)
            || (self.nonspacing.has(c) && (decorates || (class == 0 && ('\u{300}'..='\u{36F}').contains(&c))))
    }

    fn class(&self, c: char) -> u32 {
        if c == ' ' {
            SPACE
        } else if self.mark.has(c) || ('\u{1160}'..='\u{11FF}').contains(&c) {
            EXTEND
        } else if self.digit.has(c) && !self.letter.has(c) {
            DIGIT
        } else if self.unspaced.has(c) && self.letter.has(c) {
            UNSPACED
        } else if self.letter.has(c) {
            LETTER
        } else {
            OTHER
        }
    }

    /// Decimal digits stand in runs of ten that begin with zero.
    fn decimal_digit(&self, c: char) -> char {
        let (start, _) = self.decimal.range_of(c).expect("the caller saw the character in the set");
        char::from_digit((c as u32 - start) % 10, 10).expect("below ten")
    }

    /// Other Latin readings of a character, and whether it is a symbol rather than a letter of
    /// another script. Prototypes are from Unicode Technical Standard 39; those of ASCII
    /// characters are never used (`rn` and `m`, `1` and `l` are different in ordinary text).
    fn readings(&self, c: char, folded: &[char]) -> Vec<(String, bool)> {
        let code = c as u32;
        let symbol = match code {
            0x1F1E6..=0x1F1FF => Some(code - 0x1F1E6),
            0x1F150..=0x1F169 => Some(code - 0x1F150),
            0x1F170..=0x1F189 => Some(code - 0x1F170),
            _ => SYMBOLS.iter().find_map(|letters| letters.find(c)).map(|at| at as u32),
        };
        if let Some(letter) = symbol {
            let letter = char::from_u32('a' as u32 + letter).expect("a Latin letter");
            return vec![(letter.to_string(), true)];
        }
        if let Some(hidden) = hidden(code) {
            return vec![(hidden.to_string(), true)];
        }
        if c.is_ascii() || self.is_dropped(c) || folded.iter().all(char::is_ascii) {
            return Vec::new();
        }
        let plain: String = folded.iter().collect();
        let mut found: Vec<String> = Vec::new();
        for variant in [vec![c], c.to_uppercase().collect(), c.to_lowercase().collect(), folded.to_vec()] {
            let [variant] = variant.as_slice() else { continue };
            let prototype: Vec<char> =
                unicode_security::confusable_detection::skeleton(&variant.to_string()).collect();
            let mut latin: String = self.fold_once(&prototype).into_iter().collect();
            if latin == "rn" {
                latin = "m".to_owned();
            }
            let usable =
                !latin.is_empty() && latin.len() <= 2 && latin.bytes().all(|b| b.is_ascii_alphanumeric());
            // A letter in the middle of a word must not begin one by being read as a digit.
            let same_kind = self.class(variant_class(folded)) != LETTER
                || latin.starts_with(|c: char| c.is_ascii_alphabetic());
            if !usable || !same_kind || latin == plain {
                continue;
            }
            // The prototype of everything that looks like a stroke is `l`, capital I included.
            if latin == "l" {
                found.push("i".to_owned());
            }
            found.push(latin);
        }
        found.extend(SMALL_CAPITALS.find(c).map(|at| char::from(b'a' + at as u8).to_string()));
        found.sort();
        found.dedup();
        found.retain(|reading| *reading != plain);
        found.into_iter().map(|reading| (reading, false)).collect()
    }
}

/// An alphabet, a character for each Latin letter; a space where there is none.
struct Alphabet(&'static str);

impl Alphabet {
    fn find(&self, c: char) -> Option<usize> {
        self.0.chars().position(|letter| letter == c && c != ' ')
    }
}

/// Small capitals: letters of phonetics that are used as capitals.
const SMALL_CAPITALS: Alphabet = Alphabet("ᴀʙᴄᴅᴇꜰɢʜɪᴊᴋʟᴍɴᴏᴘꞯʀꜱᴛᴜᴠᴡ ʏᴢ");

/// Letters in Braille, and letters that are upside down.
const SYMBOLS: [Alphabet; 3] = [
    Alphabet("⠁⠃⠉⠙⠑⠋⠛⠓⠊⠚⠅⠇⠍⠝⠕⠏⠟⠗⠎⠞⠥⠧⠺⠭⠽⠵"),
    Alphabet("ɐ ɔ ǝɟƃɥᴉɾʞꞁɯ    ɹ ʇ ʌʍ ʎ "),
    Alphabet("∀ Ɔ ƎℲ⅁  ſ ⅂   Ԁ   ⊥∩Λ  ⅄ "),
];

/// The letter that a character which cannot be seen stands for: tag characters are ASCII moved up, and
/// variation selectors are used for bytes, the first sixteen in a block of their own.
fn hidden(code: u32) -> Option<char> {
    let ascii = match code {
        0xE0020..=0xE007E => code - 0xE0000,
        0xE0110..=0xE016E => code - 0xE0100 + 16,
        // A tab and a line feed.
        0xFE09..=0xFE0A => 0x20,
        _ => return None,
    };
    char::from_u32(ascii).map(|c| c.to_ascii_lowercase())
}

/// The character that decides the class of a folding.
fn variant_class(folded: &[char]) -> char {
    folded.first().copied().unwrap_or(' ')
}

/// Letters whose lower case would lose the accent-free form.
fn by_hand_before_case(c: char) -> char {
    match c {
        'İ' => 'I',
        c => c,
    }
}

/// Letters without a decomposition, and typographic marks that keyboards lack.
fn by_hand(c: char) -> char {
    match c {
        'ł' => 'l',
        'ø' => 'o',
        'đ' | 'ð' => 'd',
        'ħ' => 'h',
        'ı' => 'i',
        'ŧ' => 't',
        'ĸ' => 'k',
        'ŋ' => 'n',
        '‘' | '’' | '‚' | '‛' | 'ʼ' | 'ʹ' | '′' | '＇' => '\'',
        '“' | '”' | '„' | '‟' | '″' | '«' | '»' => '"',
        '‐' | '‑' | '‒' | '–' | '—' | '―' | '−' | '﹘' | '﹣' => '-',
        '⁄' | '∕' => '/',
        c => c,
    }
}

/// A set of characters as sorted ranges.
struct Set(Vec<(u32, u32)>);

impl Set {
    fn new(class: &str) -> Self {
        let hir = regex_syntax::parse(class).expect("the class is valid");
        let HirKind::Class(Class::Unicode(class)) = hir.kind() else { panic!("{class} is not a class") };
        Self(class.iter().map(|range| (range.start() as u32, range.end() as u32)).collect())
    }

    fn range_of(&self, c: char) -> Option<(u32, u32)> {
        let code = c as u32;
        let index = self.0.partition_point(|(_, end)| *end < code);
        self.0.get(index).copied().filter(|(start, _)| *start <= code)
    }

    fn has(&self, c: char) -> bool {
        self.range_of(c).is_some()
    }
}

/// Foldings to several characters, each stored once.
#[derive(Default)]
struct Pool {
    chars: Vec<char>,
    known: BTreeMap<Vec<char>, u32>,
}

impl Pool {
    /// The entry's payload: offset and length.
    fn add(&mut self, many: &[char]) -> u32 {
        if let Some(payload) = self.known.get(many) {
            return *payload;
        }
        let (start, len) = (self.chars.len() as u32, many.len() as u32);
        assert!(len < 32 && start < 1 << 19, "the payload has 19 bits for the offset and 5 for the length");
        self.chars.extend(many);
        let payload = start << 5 | len;
        self.known.insert(many.to_vec(), payload);
        payload
    }
}

fn write(entries: &[u32], expansions: &Pool, readings: &[(u32, String, bool)]) {
    let mut blocks: Vec<&[u32]> = Vec::new();
    let mut known: HashMap<&[u32], usize> = HashMap::new();
    let mut index: Vec<usize> = Vec::new();
    // Blocks of characters that fold to themselves differ only in the payload; storing the
    // payload as a difference from the code point makes most of them equal.
    let relative: Vec<u32> = entries
        .iter()
        .enumerate()
        .map(|(code, entry)| {
            if entry & EXPANDS != 0 || entry & 7 == DROPPED {
                return *entry;
            }
            let difference = (entry >> PAYLOAD_SHIFT).wrapping_sub(code as u32) & 0x00FF_FFFF;
            entry & ((1 << PAYLOAD_SHIFT) - 1) | difference << PAYLOAD_SHIFT
        })
        .collect();
    for block in relative.chunks(BLOCK) {
        let number = *known.entry(block).or_insert_with(|| {
            blocks.push(block);
            blocks.len() - 1
        });
        index.push(number);
    }
    let mut code = String::new();
    writeln!(code, "/// The block of each 128 code points.").expect("writing to a string");
    writeln!(code, "pub(super) static INDEX: [u16; {}] = {index:?};", index.len())
        .expect("writing to a string");
    writeln!(code, "/// The entries.").expect("writing to a string");
    writeln!(code, "pub(super) static BLOCKS: [[u32; {BLOCK}]; {}] = {blocks:?};", blocks.len())
        .expect("writing to a string");
    writeln!(code, "/// Foldings to several characters.").expect("writing to a string");
    writeln!(
        code,
        "pub(super) static EXPANSIONS: [char; {}] = {:?};",
        expansions.chars.len(),
        expansions.chars
    )
    .expect("writing to a string");
    writeln!(code, "/// Latin readings by code point; the flag marks symbols.").expect("writing to a string");
    writeln!(code, "pub(super) static READINGS: [(u32, &str, bool); {}] = {readings:?};", readings.len())
        .expect("writing to a string");
    let folder = env::var_os("OUT_DIR").expect("cargo sets OUT_DIR");
    fs::write(Path::new(&folder).join("fold_table.rs"), code).expect("the output folder can be written");
}
