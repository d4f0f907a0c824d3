//! Texts by index: a client joins the blocks of an answer in the order of their indexes, whatever order they come in.
//!
//! While blocks come in that order, views read over the seams between them. A block that goes on, or begins, when a
//! later one is there already has its seams at other places. From then on each piece is also read as a client will
//! join it: from the text that it belongs to on into the blocks behind it, and from the blocks before it on into it.
//! What has left cannot be taken back, so the piece that completes a match is refused.
//!
//! Kept of each block is its beginning, as long as the longest term of the room.

use super::text::Text;
use crate::seams;
use smallvec::SmallVec;
use std::collections::BTreeMap;
use zos_rules::StreamViolation;
use zos_wire::places::Channel;

/// The blocks of an answer by index.
pub(super) struct Order {
    reach_bytes: usize,
    blocks: BTreeMap<(u64, u64), Block>,
    /// Whether a block went on or began behind a later one.
    is_mixed: bool,
}

/// Text of one block, or of one part of it.
struct Block {
    /// Number of the text in the guard.
    text: usize,
    /// What it begins with.
    head: String,
    /// Whether that is all of it so far.
    is_whole: bool,
}

impl Order {
    pub(super) fn new(reach_bytes: usize) -> Order {
        Order { reach_bytes, blocks: BTreeMap::new(), is_mixed: false }
    }

    /// Takes the next piece of a block, once its text has it. Gives what lies over the seams around the block by
    /// index; nothing while blocks come in order.
    pub(super) fn take(
        &mut self,
        Channel { block, part }: Channel,
        text: usize,
        words: &str,
        texts: &[Text],
    ) -> Vec<(usize, StreamViolation)> {
        let key = (block, part);
        let is_last = self.blocks.last_key_value().is_none_or(|(last, _)| *last <= key);
        let turns_mixed = !self.is_mixed && !is_last;
        self.is_mixed |= turns_mixed;
        let own = self.blocks.entry(key).or_insert(Block { text, head: String::new(), is_whole: true });
        let was_whole = own.is_whole;
        if was_whole {
            let room = self.reach_bytes.saturating_sub(own.head.len());
            own.head.push_str(&words[..words.floor_char_boundary(room)]);
            own.is_whole = words.len() <= room;
        }
        if !self.is_mixed || words.is_empty() || (is_last && !was_whole) {
            return Vec::new();
        }
        let mut found = Vec::new();
        if turns_mixed {
            // What views took for the beginning of a longer word, since another text came behind it, may be at its end.
            for start in self.blocks.keys().copied().collect::<Vec<_>>() {
                self.read_on(start, texts, &mut found);
            }
            return found;
        }
        // Short blocks before this one may be the middle of a match.
        let mut from = vec![key];
        let mut between = 0;
        for (before, block) in self.blocks.range(..key).rev() {
            from.push(*before);
            between += block.head.len();
            if !block.is_whole || between > self.reach_bytes {
                break;
            }
        }
        for start in from {
            self.read_on(start, texts, &mut found);
        }
        found
    }

    /// Reads from the end of a block on into those behind it.
    fn read_on(&self, start: (u64, u64), texts: &[Text], found: &mut Vec<(usize, StreamViolation)>) {
        let Some(text) = self.blocks.get(&start).map(|block| block.text) else { return };
        if texts[text].open_from() >= texts[text].pushed() {
            return;
        }
        let mut onlooker = texts[text].onlooker();
        let (seam, mut over) = (onlooker.pushed(), Vec::new());
        let mut seams: SmallVec<[(u64, Option<char>); 4]> = SmallVec::new();
        for (_, block) in self.blocks.range(start..).skip(1) {
            seams.push((onlooker.pushed(), onlooker.last_char()));
            onlooker.push(&block.head, &mut over, |_| {});
            if !block.is_whole || onlooker.pushed() - seam > self.reach_bytes as u64 {
                break;
            }
        }
        if onlooker.pushed() == seam {
            return;
        }
        // What would be a match if nothing more came is one: what has left does not wait. Also over a seam further on:
        // as the texts came, it may have been the beginning of a longer word.
        onlooker.finish(&mut over);
        over.retain(|violation| {
            let span = &violation.span;
            let mut over = seams.iter().filter(|(seam, _)| span.start < *seam && *seam < span.end).peekable();
            over.peek().is_some() && !over.any(|(_, before)| seams::is_chance(violation.evasion, *before))
        });
        found.extend(over.into_iter().map(|violation| (text, violation)));
    }
}
