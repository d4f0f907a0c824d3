//! Finds the places of a whole text at which a term may begin.
//!
//! The text is read in blocks of 64 bytes, each turned into masks with one bit per byte, so that
//! the beginnings of words come out of a few operations. Places in the middle of a word cost
//! nothing; the others are put to the [`crate::gate`].

mod masks;

use crate::encoding::{Encoding, RUN_MIN};
use crate::escape::Escape;
use crate::evasion::Evasion;
use crate::fold::{self, Class, Folded};
use crate::gate;
use crate::path::Path;
use crate::reading::{Before, Case, begins_word, for_each_reading};
use crate::room::RoomRules;
use crate::seek::masks::{BLOCK, Masks};
use crate::terminal::Terminal;
use crate::trie::Trie;

/// What [`seek`] finds.
pub(crate) enum Place {
    /// A term may begin here. These come in order.
    Term(usize),
    /// A run of digits that is long enough to be an encoding, and looks like one, begins here. They
    /// come in order; a long one may come more than once.
    Dense(usize),
}

/// Bytes that the quick test may look at behind a block.
const AHEAD: usize = 4;

/// The run of digits at the end of a block, which may go on in the next.
#[derive(Default)]
struct Open {
    start: usize,
    len: usize,
    varied: bool,
}

/// Calls `visit` for the runs of a block that are long and varied enough for an encoding; `open` is the run
/// that ended the block before.
#[inline]
fn seek_dense(masks: &Masks, start: usize, open: &mut Open, mut visit: impl FnMut(usize)) {
    let dense = masks.dense;
    let entering = dense.trailing_ones() as usize;
    let leaving = dense.leading_ones() as usize;
    let low = u64::MAX.checked_shr((BLOCK - entering) as u32).unwrap_or(0);
    let is_long = |len: usize| len >= RUN_MIN as usize;
    if open.len > 0 && is_long(open.len + entering) && (open.varied || masks.varied & low != 0) {
        visit(open.start);
    }
    // One bit for every place at which twelve digits begin.
    let two = dense & dense >> 1;
    let four = two & two >> 2;
    let mut long = four & four >> 4 & four >> 8;
    if open.len > 0 {
        long &= !low;
    }
    while long != 0 {
        let first = long.trailing_zeros();
        let run = dense >> first;
        let len = run.trailing_ones();
        let members = u64::MAX >> (BLOCK as u32 - len) << first;
        if masks.varied & members != 0 {
            visit(start + first as usize);
        }
        long &= !members;
    }
    if leaving == BLOCK && open.len > 0 {
        open.len += BLOCK;
        open.varied |= masks.varied != 0;
    } else {
        let high = u64::MAX.checked_shl((BLOCK - leaving) as u32).unwrap_or(0);
        *open = Open { start: start + BLOCK - leaving, len: leaving, varied: masks.varied & high != 0 };
    }
}

/// Calls `visit` for every place at which something may begin.
pub(crate) fn seek(rules: &RoomRules, text: &str, mut visit: impl FnMut(Place)) {
    let bytes = text.as_bytes();
    let (trie, gate) = (rules.trie(), rules.gate());
    let has_terms = trie.reach(Trie::ROOT).meets(rules.reach());
    let has_encodings = Encoding::ALL.into_iter().any(|encoding| rules.decodes(encoding));
    if !has_terms && !has_encodings {
        return;
    }
    let humps_count = if rules.evasions().contains(Evasion::Joined) { u64::MAX } else { 0 };
    let stops_count = if gate.admits_stops() { u64::MAX } else { 0 };
    let deep = [Evasion::QuotedPrintable, Evasion::Utf7];
    let is_deep = deep.iter().any(|evasion| rules.evasions().contains(*evasion));
    let (mut letter_before, mut open) = (0, Open::default());
    let mut trail = Trail::default();
    let mut last = [0; BLOCK + AHEAD];
    for start in (0..bytes.len()).step_by(BLOCK) {
        let window: &[u8; BLOCK + AHEAD] = match bytes[start..].first_chunk() {
            Some(window) => window,
            None => {
                last.fill(0);
                last[..bytes.len() - start].copy_from_slice(&bytes[start..]);
                &last
            }
        };
        let masks = Masks::of(window.first_chunk().expect("a window is longer than a block"));
        if has_encodings {
            seek_dense(&masks, start, &mut open, |at| visit(Place::Dense(at)));
        }
        if !has_terms {
            continue;
        }
        let inside = masks.letters << 1 | letter_before;
        letter_before = masks.letters >> (BLOCK - 1);
        let mut words = masks.letters & !inside | masks.capitals & inside & humps_count;
        // First the quick test for all of them, without a branch that depends on the text.
        let mut likely = 0;
        while words != 0 {
            let bit = words.trailing_zeros();
            words &= words - 1;
            likely |= u64::from(gate.is_likely(window, bit as usize, masks.letters >> bit)) << bit;
        }
        let mut places = likely | masks.signs | masks.foreign | masks.stops & stops_count;
        while places != 0 {
            let bit = places.trailing_zeros() as usize;
            places &= places - 1;
            let at = start + bit;
            let begins = if likely >> bit & 1 != 0 {
                gate::admits_word(trie, bytes, at)
            } else if masks.foreign >> bit & 1 != 0 {
                text.is_char_boundary(at) && may_begin(rules, &mut trail, text, at)
            } else {
                gate.admits_sign(trie, bytes, at)
                    || is_deep && Escape::may_begin_deep(&bytes[at..], trie.begins_foreign())
            };
            if begins {
                visit(Place::Term(at));
            }
        }
    }
}

/// Looks back from places that come in order. It never looks at a character twice, so that what cannot be
/// seen costs no more than what can.
#[derive(Default)]
pub(crate) struct Trail {
    /// The last place, and what stands before it.
    at: usize,
    before: Option<Before>,
    /// The same for the word that a place is in.
    path_at: usize,
    path: Path,
}

impl Trail {
    /// What stands before byte `at`.
    pub(crate) fn before(&mut self, text: &str, at: usize) -> Before {
        let before = self.look_back(&text[self.at..at]);
        (self.at, self.before) = (at, Some(before));
        before
    }

    fn look_back(&self, passed: &str) -> Before {
        let mut mark = Before::START;
        for c in passed.chars().rev() {
            let units = fold::units(c);
            let Some(last) = units.last() else { continue };
            let case = Case::of(c, fold::class(*last));
            for unit in units.iter().rev() {
                match fold::class(*unit) {
                    // Only if nothing else stands before it does a mark count.
                    Class::Extend => mark = Before { class: Some(Class::Extend), case },
                    class => return Before { class: Some(class), case },
                }
            }
        }
        self.before.filter(|before| before.class.is_some()).unwrap_or(mark)
    }

    /// What is known of the word before byte `at`.
    pub(crate) fn path(&mut self, text: &str, at: usize) -> Path {
        self.path.read_all(&text[self.path_at..at]);
        self.path_at = at;
        self.path
    }
}

/// The class of the hidden letter right before byte `at`.
pub(crate) fn hidden_before(text: &str, at: usize) -> Option<Class> {
    if at == 0 || text.as_bytes()[at - 1].is_ascii() {
        return None;
    }
    text[..at].chars().next_back().and_then(fold::hidden).map(fold::class)
}

/// Whether a term may begin with the character at `at`, which is not ASCII.
fn may_begin(rules: &RoomRules, trail: &mut Trail, text: &str, at: usize) -> bool {
    let Some(c) = text[at..].chars().next() else { return false };
    if Terminal::begin(c).is_some() {
        return true;
    }
    if let Some(letter) = fold::hidden(c) {
        return begins_word(hidden_before(text, at), fold::class(letter))
            && rules.trie().child(Trie::ROOT, letter).is_some();
    }
    let after_letter = |previous| matches!(fold::fold(previous), Folded::One(_, Class::Letter));
    if is_small_letter(c) && text[..at].chars().next_back().is_some_and(after_letter) {
        return false;
    }
    let trie = rules.trie();
    let leads = |units: &[char]| {
        units.iter().any(|unit| matches!(unit, '&' | '%' | '\\') || trie.child(Trie::ROOT, *unit).is_some())
    };
    let mut begins = leads(&fold::units(c));
    for_each_reading(c, |units, _| begins |= leads(units));
    if !begins {
        return false;
    }
    let before = trail.before(text, at);
    // Marks may stand between the letter and this one.
    if before.class == Some(Class::Letter) && is_small_letter(c) {
        return false;
    }
    fold::is_upper(c) || begins_somewhere(c, before)
}

/// Whether a character can only go on with a word, after a letter: so can its readings, which are
/// letters too.
fn is_small_letter(c: char) -> bool {
    matches!(fold::fold(c), Folded::One(_, Class::Letter)) && !fold::is_upper(c)
}

/// Whether a word begins at or inside a character.
fn begins_somewhere(c: char, mut before: Before) -> bool {
    let from = before;
    let mut begins = false;
    for unit in fold::units(c) {
        let class = fold::class(unit);
        begins |= begins_word(before.class, class) || matches!(unit, '&' | '%' | '\\');
        before.note(class, Case::None);
    }
    for_each_reading(c, |units, _| {
        begins |= units.first().is_some_and(|unit| begins_word(from.class, fold::class(*unit)));
    });
    begins
}
