//! Chooses the few stretches of decoded bytes in which something may be found.
//!
//! What is no text decodes to noise. A quarter of its places begin four bytes that may belong to UTF-8, and
//! hardly any of those go on like a term of the room. So blocks of 64 bytes are turned into masks first, and
//! only what they leave is looked at by letters. A stretch that is chosen only may hold something; one that
//! is left out holds nothing that either reader of an encoding would find.

use wide::u8x16;

use crate::encoding::RUN_MIN;
use crate::evasion::Evasion;
use crate::fold::{self, Class};
use crate::gate::Gate;
use crate::reading::for_each_reading;
use crate::room::RoomRules;
use crate::sieve::{MATCH, Sieve, TERM};
use crate::terminal::Terminal;
use crate::trie::{Node, Trie};

const BLOCK: usize = 64;
/// Places of a block behind which enough of it is seen.
const STEP: usize = BLOCK - 8;
/// The fewest bytes of a text that holds an encoded term: four letters, of which a ligature may stand for two
/// or three.
const TERM_BYTES_MIN: usize = 4;
/// The same for a term that begins with an escape sequence, or with one of its signs.
const ESCAPED_BYTES_MIN: usize = 5;

/// Whether something may begin with the first two bytes: the look that most places do not survive.
#[inline]
fn is_worth(sieve: &Sieve, rules: &RoomRules, bytes: &[u8]) -> bool {
    let kinds = sieve.begins[usize::from(bytes[0])];
    match bytes {
        [first, second, ..]
            if kinds == TERM && first.is_ascii_alphabetic() && second.is_ascii_alphabetic() =>
        {
            let trie = rules.trie();
            let node = trie.child(Trie::ROOT, char::from(first.to_ascii_lowercase()));
            let goes_on = |node| {
                trie.child(node, char::from(second.to_ascii_lowercase())).is_some()
                    || trie.has_separator(node)
            };
            node.is_some_and(goes_on)
        }
        _ => kinds != 0,
    }
}

/// Whether something may begin with the first byte of a text, which goes on to the end of its stretch, or
/// with one behind it that is not looked at by itself.
#[inline]
fn may_hold(sieve: &Sieve, rules: &RoomRules, text: &[u8]) -> bool {
    let Some(first) = text.first() else { return false };
    let kinds = sieve.begins[usize::from(*first)];
    // Encodings in what was decoded.
    text.len() >= RUN_MIN as usize
        || kinds & MATCH != 0 && sieve.shortest.is_some_and(|shortest| text.len() >= shortest)
        || kinds & TERM != 0 && begins_term(rules, text)
}

/// Calls `visit` for the stretches of UTF-8 in which something may be found that begins at byte `from` or
/// behind it, with their places. They are whole: a byte that is no text stands on both sides, or nothing.
pub(super) fn stretches<'b>(
    rules: &RoomRules,
    bytes: &'b [u8],
    from: usize,
    mut visit: impl FnMut(usize, &'b str),
) {
    let sieve = rules.sieve();
    // Before the first nothing more is looked for; up to the last a stretch is known to go.
    let (mut done, mut valid_to) = (from, 0);
    let mut visited_to = 0;
    for start in (from / STEP * STEP..bytes.len()).step_by(STEP) {
        let links = Links::of(&bytes[start..]);
        let (mut places, long) = (links.places(sieve.shortest), links.long());
        while places != 0 {
            let bit = places.trailing_zeros();
            let (at, is_long) = (start + bit as usize, long >> bit & 1 != 0);
            places &= places - 1;
            if at < done || at >= bytes.len() || !(is_long || is_worth(sieve, rules, &bytes[at..])) {
                continue;
            }
            if at >= valid_to {
                valid_to = at + valid_len(&bytes[at..]);
            }
            if may_hold(sieve, rules, &bytes[at..valid_to]) {
                let first = stretch_start(bytes, at, visited_to);
                (done, visited_to) = (valid_to, valid_to);
                if let Ok(text) = std::str::from_utf8(&bytes[first..valid_to]) {
                    visit(first, text);
                }
            }
        }
    }
}

/// How many bytes from the first one on are UTF-8.
fn valid_len(bytes: &[u8]) -> usize {
    // Most stretches end at once; a long one is read once.
    let near = &bytes[..bytes.len().min(BLOCK)];
    match std::str::from_utf8(near) {
        Err(error) if error.valid_up_to() + 4 <= near.len() || near.len() == bytes.len() => {
            error.valid_up_to()
        }
        _ => std::str::from_utf8(bytes).map_or_else(|error| error.valid_up_to(), str::len),
    }
}

/// Where the stretch of UTF-8 begins that goes up to `at`, not before `low`.
fn stretch_start(bytes: &[u8], at: usize, low: usize) -> usize {
    let mut first = at;
    while first > low {
        // One character, of up to four bytes.
        let before =
            (1..=4.min(first - low)).find(|len| std::str::from_utf8(&bytes[first - len..first]).is_ok());
        match before {
            Some(len) => first -= len,
            None => break,
        }
    }
    first
}

/// Which bytes of a block are linked to the next one as parts of UTF-8 are, as far as two bytes can show it.
struct Links {
    linked: u64,
    /// ASCII and no control.
    visible: u64,
    /// The first byte of a longer character.
    lead: u64,
}

impl Links {
    /// Of the first bytes of a text; behind its end nothing is linked.
    fn of(bytes: &[u8]) -> Self {
        let mut last = [0xFF; BLOCK];
        let block: &[u8; BLOCK] = match bytes.first_chunk() {
            Some(block) => block,
            None => {
                last[..bytes.len()].copy_from_slice(bytes);
                &last
            }
        };
        let (mut ascii, mut inner, mut lead, mut control) = (0, 0, 0, 0);
        for (number, bytes) in block.as_chunks::<16>().0.iter().enumerate() {
            let bytes = u8x16::new(*bytes);
            let mask = |lanes: u8x16| u64::from(lanes.to_bitmask()) << (16 * number);
            ascii |= mask(!bytes);
            inner |= mask(within(bytes, 0x80, 0xBF));
            lead |= mask(within(bytes, 0xC2, 0xF4));
            control |= mask(within(bytes, 0, 0x1F));
        }
        let linked = (ascii | inner) & (ascii | lead) >> 1 | (lead | inner) & inner >> 1;
        Self { linked, visible: ascii & !control, lead }
    }

    /// The places from which on enough bytes are linked for an encoding in what was decoded.
    fn long(&self) -> u64 {
        let two = self.linked & self.linked >> 1;
        let four = two & two >> 2;
        four & four >> 3
    }

    /// The places from which on enough bytes are linked for a term, or for a match of this length.
    fn places(&self, shortest: Option<usize>) -> u64 {
        let linked = self.linked;
        let three = linked & linked >> 1;
        let four = three & linked >> 2;
        let matches = match shortest {
            None => 0,
            Some(0 | 1) => u64::MAX,
            Some(2) => linked,
            Some(3) => three,
            Some(4..8) => four,
            Some(8..) => four & four >> 4 & linked >> 3,
        };
        // A match may begin with a control, such as a tab.
        (four & self.visible | three & self.lead | matches) & ((1 << STEP) - 1)
    }
}

#[inline]
fn within(bytes: u8x16, first: u8, last: u8) -> u8x16 {
    let moved = bytes - u8x16::splat(first);
    moved.min(u8x16::splat(last - first)).simd_eq(moved)
}

/// Whether a term may begin with a text: follows its letters through the tree. Wherever the text may stand for
/// something else than it is, the answer is that it may.
fn begins_term(rules: &RoomRules, text: &[u8]) -> bool {
    let (trie, gate): (&Trie, &Gate) = (rules.trie(), rules.gate());
    let first = text[0];
    match first {
        0x80.. => return text.len() >= 3,
        b'%' | b'&' | b'\\' => return text.len() >= ESCAPED_BYTES_MIN && gate.admits_sign(trie, text, 0),
        _ => {}
    }
    if text.len() < TERM_BYTES_MIN {
        return false;
    }
    let Some(mut node) = trie.child(Trie::ROOT, char::from(first.to_ascii_lowercase())) else { return false };
    let (mut letters, mut at) = (1, 1);
    while let Some(byte) = text.get(at).copied() {
        at += 1;
        if byte.is_ascii_alphabetic() {
            match trie.child(node, char::from(byte.to_ascii_lowercase())) {
                Some(child) => node = child,
                None => return trie.has_separator(node),
            }
            letters += 1;
            if letters >= Evasion::Base64.min_term_letters() {
                return true;
            }
            continue;
        }
        match byte {
            // A character of several bytes ends before the next one that is not inside of one.
            0x80.. => {
                let rest = &text[at - 1..];
                let len = 1 + rest[1..].iter().take_while(|byte| **byte & 0xC0 == 0x80).count();
                let c = std::str::from_utf8(&rest[..len]).ok().and_then(|text| text.chars().next());
                match c.map_or(Next::Unknown, |c| next(trie, node, c)) {
                    Next::Unknown => return true,
                    Next::Ends => return false,
                    Next::Passed => at += len - 1,
                }
            }
            byte => match next(trie, node, char::from(byte)) {
                Next::Unknown => return true,
                Next::Ends => return false,
                Next::Passed => {}
            },
        }
    }
    false
}

/// What a character that is no plain letter makes of a walk.
enum Next {
    /// The walk may go on in more than one way.
    Unknown,
    /// It goes on with the next character, as behind a sign between letters.
    Passed,
    /// No term goes on so.
    Ends,
}

fn next(trie: &Trie, node: Node, c: char) -> Next {
    let is_wild = |c: char| matches!(c, '%' | '&' | '\\' | '<' | '"' | '\'' | '`' | '=' | '+');
    if Terminal::begin(c).is_some() || fold::hidden(c).is_some() {
        return Next::Unknown;
    }
    let leads = |unit: Option<&char>| {
        unit.is_some_and(|unit| {
            is_wild(*unit) || trie.child(node, *unit).is_some() || trie.has_separator(node)
        })
    };
    let units = fold::units(c);
    let Some(first) = units.first() else { return Next::Passed };
    let mut unknown = leads(Some(first));
    for_each_reading(c, |letters, _| unknown |= leads(letters.first()));
    match fold::class(*first) {
        _ if unknown => Next::Unknown,
        Class::Letter | Class::Unspaced => Next::Ends,
        _ => Next::Passed,
    }
}
