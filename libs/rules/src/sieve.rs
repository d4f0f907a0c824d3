//! What decoded bytes can begin with in one room: the look that most places of noise do not survive.

use crate::pattern::runs::Watches;
use crate::trie::Trie;

/// By byte, what can begin with it in the decoded texts of one room.
pub(crate) struct Sieve {
    pub(crate) begins: [u8; 256],
    /// The shortest match of an expression, where there are some.
    pub(crate) shortest: Option<usize>,
}

/// A term may begin.
pub(crate) const TERM: u8 = 1;
/// A match of an expression may begin.
pub(crate) const MATCH: u8 = 2;

impl Sieve {
    /// `has_terms` says whether a term of the room is in the tree.
    pub(crate) fn new(trie: &Trie, has_terms: bool, watches: &Watches) -> Self {
        let mut begins = [0; 256];
        for (slot, byte) in begins.iter_mut().zip(0..=u8::MAX) {
            let c = char::from(byte);
            let term = match byte {
                0..0x80 => {
                    matches!(byte, b'%' | b'&' | b'\\')
                        || trie.child(Trie::ROOT, c.to_ascii_lowercase()).is_some()
                }
                0xC2..0xF5 => trie.begins_foreign(),
                _ => false,
            };
            *slot = if term && has_terms { TERM } else { 0 }
                | if watches.may_begin_with(byte) { MATCH } else { 0 };
        }
        Self { begins, shortest: watches.shortest() }
    }

    pub(crate) fn memory_bytes(&self) -> usize {
        size_of::<Self>()
    }
}
