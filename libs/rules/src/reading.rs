//! Readings of one character: its case, what stood before it, where words begin and end, and the letters that it may stand for.

use smallvec::SmallVec;

use crate::evasion::Evasion;
use crate::fold::{self, Class};

/// The case of an original character.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Case {
    /// Not a letter, or a script without case.
    None,
    Lower,
    Upper,
}

impl Case {
    /// The case of a character whose last folded character is of `class`.
    pub(crate) fn of(c: char, class: Class) -> Self {
        match class {
            Class::Letter if fold::is_upper(c) => Self::Upper,
            Class::Letter => Self::Lower,
            _ => Self::None,
        }
    }
}

/// What stands before a place in a text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Before {
    /// Class of the visible character before it; `None` at the beginning of a text.
    pub(crate) class: Option<Class>,
    /// Its case.
    pub(crate) case: Case,
}

impl Before {
    /// The beginning of a text.
    pub(crate) const START: Self = Self { class: None, case: Case::None };

    /// Passes a folded character; marks belong to the letter before them.
    pub(crate) fn note(&mut self, class: Class, case: Case) {
        if class != Class::Extend || self.class.is_none() {
            *self = Self { class: Some(class), case };
        }
    }
}

/// Calls `visit` with everything that a character may stand for besides what it is.
pub(crate) fn for_each_reading(c: char, mut visit: impl FnMut(&[char], Evasion)) {
    if c.is_ascii() {
        for letter in leet_letters(c) {
            visit(&[*letter], Evasion::Leetspeak);
        }
        return;
    }
    for (text, symbol) in fold::readings(c) {
        let evasion = if symbol { Evasion::Symbols } else { Evasion::Confusables };
        let letters: SmallVec<[char; 2]> = text.chars().collect();
        visit(&letters, evasion);
    }
}

/// The letters that digits and signs commonly replace.
fn leet_letters(c: char) -> &'static [char] {
    match c {
        '0' => &['o'],
        '1' => &['i', 'l'],
        '2' => &['z'],
        '3' => &['e'],
        '4' | '@' => &['a'],
        '5' | '$' => &['s'],
        '6' => &['g'],
        '7' | '+' => &['t'],
        '8' => &['b'],
        '9' => &['g'],
        '!' | '|' => &['i', 'l'],
        _ => &[],
    }
}

/// Whether a term whose first character is of `class` may begin after `previous`.
pub(crate) fn begins_word(previous: Option<Class>, class: Class) -> bool {
    match (previous, class) {
        (_, Class::Extend | Class::Dropped | Class::Space) => false,
        (_, Class::Other | Class::Unspaced) | (None, _) => true,
        (Some(previous), class) => previous != class,
    }
}

/// Whether a term whose last character is of class `last` may end before `next`.
pub(crate) fn ends_word(last: Class, next: Class) -> bool {
    match (last, next) {
        (_, Class::Extend) => false,
        (Class::Other | Class::Unspaced, _) => true,
        (last, next) => last != next,
    }
}
