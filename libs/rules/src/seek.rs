//! Finds the places of a whole text at which a term may begin.

use crate::evasion::Evasion;
use crate::fold::{self, Class};
use crate::matcher::{Before, Case, begins_word, for_each_reading};
use crate::ruleset::RoomRules;
use crate::trie::Trie;

/// Calls `visit` for every place at which a term may begin, in order, with what stands before it.
pub(crate) fn seek(rules: &RoomRules, text: &str, mut visit: impl FnMut(usize, Before)) {
    let mut before = Before::START;
    for (at, c) in text.char_indices() {
        if may_begin(rules, c, before) {
            visit(at, before);
        }
        pass(c, &mut before);
    }
}

/// Moves `before` past one character.
fn pass(c: char, before: &mut Before) {
    let units = fold::units(c);
    let case = units.last().map_or(Case::None, |last| Case::of(c, fold::class(*last)));
    for unit in units {
        before.note(fold::class(unit), case);
    }
}

/// Whether the first character of a term, or an escape sequence, may stand here.
fn may_begin(rules: &RoomRules, c: char, before: Before) -> bool {
    if matches!(c, '&' | '%' | '\\') {
        return true;
    }
    let trie = rules.trie();
    let upper = fold::is_upper(c);
    let starts = |units: &[char]| {
        let mut before = before;
        units.iter().any(|unit| {
            let class = fold::class(*unit);
            let hump = upper && class == Class::Letter;
            let begins = hump || begins_word(before.class, class);
            before.note(class, Case::None);
            begins && trie.child(Trie::ROOT, *unit).is_some()
        })
    };
    let mut begins = starts(&fold::units(c));
    for_each_reading(c, |units: &[char], _: Evasion| begins |= starts(units));
    begins
}
