//! Byte pair encoding of one piece of text: the pair of neighbours that is the lowest token becomes one, until
//! no pair is a token.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use super::table::Table;

/// The start of a part, as a link; also the end of the list.
const NONE: u32 = u32::MAX;

/// The longest piece that is merged at once; a longer one is counted in parts of this length. Only text without
/// any space, digit or sign is that long, and the count is off by a token or two a part.
const PIECE_BYTES: usize = 1 << 16;

/// Room for merging, used again for every piece.
#[derive(Debug, Default)]
pub(super) struct Merger {
    /// End of the part that starts at a byte, and start of the part before it.
    ends: Vec<u32>,
    before: Vec<u32>,
    /// Pairs that are tokens: rank, start and end. Pairs that are gone meanwhile are passed over.
    pairs: BinaryHeap<Reverse<(u32, u32, u32)>>,
}

impl Merger {
    /// The tokens of one piece.
    pub(super) fn count(&mut self, piece: &[u8], table: &Table) -> u32 {
        piece.chunks(PIECE_BYTES).map(|part| self.count_part(part, table)).sum()
    }

    fn count_part(&mut self, piece: &[u8], table: &Table) -> u32 {
        let length = u32::try_from(piece.len()).expect("a part is at most PIECE_BYTES long");
        self.ends.clear();
        self.ends.extend(1..=length);
        self.before.clear();
        self.before.push(NONE);
        self.before.extend(0..length.saturating_sub(1));
        self.pairs.clear();
        for start in 0..length.saturating_sub(1) {
            self.note(piece, table, start, start + 2);
        }
        let mut count = length;
        while let Some(Reverse((_, start, end))) = self.pairs.pop() {
            let middle = self.ends[start as usize];
            // Gone: the first of the two is part of another, or either has grown meanwhile.
            if middle == 0 || middle >= end || self.ends[middle as usize] != end {
                continue;
            }
            self.ends[start as usize] = end;
            self.ends[middle as usize] = 0;
            count -= 1;
            if end < length {
                self.before[end as usize] = start;
                self.note(piece, table, start, self.ends[end as usize]);
            }
            let before = self.before[start as usize];
            if before != NONE {
                self.note(piece, table, before, end);
            }
        }
        count
    }

    /// Notes a pair if it is a token.
    fn note(&mut self, piece: &[u8], table: &Table, start: u32, end: u32) {
        if let Some(rank) = table.rank(&piece[start as usize..end as usize]) {
            self.pairs.push(Reverse((rank, start, end)));
        }
    }
}
