//! Finds the places of a whole text at which a term may begin.

use crate::fold;
use crate::matcher::{Before, begins_word};
use crate::ruleset::RoomRules;
use crate::trie::Trie;

/// Calls `visit` for every place at which a term may begin, in order, with what stands before it.
pub(crate) fn seek(rules: &RoomRules, text: &str, mut visit: impl FnMut(usize, Before)) {
    let trie = rules.trie();
    let mut before = Before { class: None };
    for (at, c) in text.char_indices() {
        let units = fold::units(c);
        let mut previous = before.class;
        let mut begins = false;
        for unit in &units {
            let class = fold::class(*unit);
            begins |= begins_word(previous, class) && trie.child(Trie::ROOT, *unit).is_some();
            if class != fold::Class::Extend || previous.is_none() {
                previous = Some(class);
            }
        }
        for (reading, _) in fold::readings(c) {
            let mut previous = before.class;
            for unit in reading.chars() {
                let class = fold::class(unit);
                begins |= begins_word(previous, class) && trie.child(Trie::ROOT, unit).is_some();
                previous = Some(class);
            }
        }
        if begins {
            visit(at, before);
        }
        before.class = previous;
    }
}
