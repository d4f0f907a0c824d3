//! Runs several expressions over text that arrives in pieces.
//!
//! A run is one place at which an expression began to match. Each byte moves every run on; two
//! runs of one expression in the same state have the same future and become one, so there are
//! never more runs than states. Of the runs of one expression the oldest that matches wins, with
//! its longest match; runs that began inside the match are dropped. Where a check leaves less than the
//! match, what follows is read anew. What is held back lies after the start of the oldest run.

use std::ops::Range;

use regex_automata::util::primitives::StateID;

use crate::pattern::block::Block;
use crate::pattern::cue::Before;
pub(crate) use crate::pattern::watches::{
    CONTEXT_BYTES, Check, CheckFn, Find, Mark, Named, Need, OwnCheck, Start, Watch, Watches,
};

/// Most runs die within so many bytes: those are not begun where the text is known that far.
const AHEAD_BYTES: usize = 16;

#[derive(Clone, Copy)]
struct Run {
    watch: u16,
    start: u64,
    /// The last start whose run became one with this.
    latest: u64,
    state: StateID,
    /// The end of the longest match so far.
    best: Option<u64>,
    done: bool,
}

/// The state of all runs at one place of a text.
#[derive(Clone, Default)]
pub(crate) struct Runs {
    runs: Vec<Run>,
    /// Blocks whose first marker was found; no other run of their expressions is alive beside them.
    blocks: Vec<Block>,
    /// By expression, the end of its last match: matches of one expression do not overlap.
    floors: Vec<u64>,
    before: Option<u8>,
    /// By kind of byte that an expression needs, the place of the next one, or the end of what was searched.
    ahead: [u64; Need::COUNT],
    /// Expressions that have to read anew from a place, because a match was left in part.
    anew: Vec<(u16, u64)>,
}

/// The text that runs read: the part of it that is known, its place, and what is found in it.
struct Reading<'a> {
    watches: &'a Watches,
    window: &'a str,
    base: u64,
    found: &'a mut Vec<(usize, Range<u64>)>,
}

impl Reading<'_> {
    fn byte(&self, position: u64) -> Option<u8> {
        self.window.as_bytes().get(position.checked_sub(self.base)? as usize).copied()
    }
}

impl Runs {
    /// Forgets everything, and begins again at any place.
    pub(crate) fn restart(&mut self) {
        *self = Self::default();
    }

    /// Reads the bytes of `window` from `from` on, a place in the whole text; `base` is the place
    /// of the window's first byte. What is found is the number of a find and bytes.
    pub(crate) fn read(
        &mut self,
        watches: &Watches,
        window: &str,
        base: u64,
        from: u64,
        found: &mut Vec<(usize, Range<u64>)>,
    ) {
        if watches.is_empty() {
            return;
        }
        self.floors.resize(watches.count(), 0);
        let bytes = &window.as_bytes()[(from - base) as usize..];
        let Some(last) = bytes.last() else { return };
        let mut reading = Reading { watches, window, base, found };
        let mut number = 0;
        while number < bytes.len() {
            #[cfg(test)]
            crate::work::note(1 + self.runs.len());
            self.look_ahead(watches.needs(), from + number as u64, &bytes[number..]);
            if self.is_idle() {
                let next = self.pass_over(watches, bytes, number, from);
                if next > number {
                    self.before = Some(bytes[next - 1]);
                    number = next;
                    continue;
                }
            }
            let (position, byte) = (from + number as u64, bytes[number]);
            if !self.is_idle() {
                self.advance(&mut reading, position, byte);
                self.read_anew(&mut reading, position);
            }
            if watches.next_beginning(false, self.before, bytes, number, number + 1) == number {
                self.begin_all(&reading, position);
            }
            self.before = Some(byte);
            number += 1;
        }
        self.before = Some(*last);
    }

    /// Begins the expressions that can match from `position` on.
    fn begin_all(&mut self, reading: &Reading<'_>, position: u64) {
        let (watches, window) = (reading.watches, reading.window.as_bytes());
        let (known_before, known) = window.split_at((position - reading.base) as usize);
        let mut context = None;
        watches.for_each_beginning(self.before, known, |number| {
            let watch = watches.at(number);
            let is_near =
                watch.need.is_none_or(|(need, within)| self.ahead[need as usize] <= position + within);
            let is_led = watch.cue.as_ref().is_none_or(|cue| {
                let read = || Before::of(&known_before[known_before.len().saturating_sub(CONTEXT_BYTES)..]);
                context.get_or_insert_with(read).may_hold(cue)
            });
            if is_near && is_led {
                self.begin(watches, number, position, known, self.before);
            }
        });
    }

    /// Whether nothing is being matched.
    fn is_idle(&self) -> bool {
        self.runs.is_empty() && self.blocks.is_empty()
    }

    /// The next place at which an expression may begin, or up to which none can.
    fn pass_over(&self, watches: &Watches, bytes: &[u8], number: usize, from: u64) -> usize {
        let demanded = watches.needs().iter().filter(|(_, near)| *near > 0);
        let clear = demanded.map(|(need, near)| self.ahead[*need as usize].saturating_sub(*near)).min();
        let clear = clear.unwrap_or(0).saturating_sub(from).min(bytes.len() as u64) as usize;
        let (lone, end) = if clear > number { (true, clear) } else { (false, bytes.len()) };
        watches.next_beginning(lone, self.before, bytes, number, end)
    }

    /// The end of the text.
    pub(crate) fn end(
        &mut self,
        watches: &Watches,
        window: &str,
        base: u64,
        found: &mut Vec<(usize, Range<u64>)>,
    ) {
        let position = base + window.len() as u64;
        let mut reading = Reading { watches, window, base, found };
        loop {
            for run in &mut self.runs {
                if !run.done && watches.at(run.watch).expression.ends(run.state) {
                    run.best = Some(position);
                }
                run.done = true;
            }
            self.settle(&mut reading, position);
            for block in std::mem::take(&mut self.blocks) {
                let closed = block.close();
                self.close(&mut reading, &block, closed.end, closed.mark, position);
            }
            if self.anew.is_empty() {
                break;
            }
            self.read_anew(&mut reading, position);
        }
        self.before = None;
        self.ahead = [position; Need::COUNT];
    }

    /// The start of the oldest run of a rule that `holds`.
    pub(crate) fn pending(&self, watches: &Watches, holds: impl Fn(usize) -> bool) -> Option<u64> {
        let runs = self.runs.iter().map(|run| (run.watch, run.start));
        let begun = runs.chain(self.blocks.iter().map(|block| (block.watch, block.start)));
        begun.filter(|(watch, _)| holds(watches.at(*watch).rule)).map(|(_, start)| start).min()
    }

    /// The first byte that a check may still look at, if a run is alive.
    pub(crate) fn oldest(&self) -> Option<u64> {
        let runs = self.runs.iter().map(|run| run.start);
        runs.chain(self.blocks.iter().map(|block| block.end)).min()
    }

    /// Finds the next byte of every kind that is needed. At the end of what is known, one may follow.
    fn look_ahead(&mut self, needs: &[(Need, u64)], position: u64, rest: &[u8]) {
        for (need, _) in needs {
            let ahead = &mut self.ahead[*need as usize];
            if *ahead <= position {
                *ahead = position + need.find(rest) as u64;
            }
        }
    }

    /// Begins a run at `position`, where `known` begins, if it lives through what is known nearby.
    fn begin(&mut self, watches: &Watches, watch: u16, position: u64, known: &[u8], before: Option<u8>) {
        let Some((byte, ahead)) = known.split_first().filter(|_| position >= self.floors[usize::from(watch)])
        else {
            return;
        };
        let expression = &watches.at(watch).expression;
        let Some(state) = expression.begin(before, *byte) else { return };
        let mut later = state;
        for byte in &ahead[..ahead.len().min(AHEAD_BYTES)] {
            match expression.next(later, *byte) {
                None => return,
                Some((_, true)) => break,
                Some((state, false)) => later = state,
            }
        }
        let same =
            |run: &&mut Run| run.watch == watch && run.state == state && run.best.is_none() && !run.done;
        match self.runs.iter_mut().find(same) {
            Some(run) => run.latest = position,
            None => self.runs.push(Run {
                watch,
                start: position,
                latest: position,
                state,
                best: None,
                done: false,
            }),
        }
    }

    /// Moves everything on by the byte at `position`.
    fn advance(&mut self, reading: &mut Reading<'_>, position: u64, byte: u8) {
        let (mut died, mut settles) = (false, false);
        for run in self.runs.iter_mut().filter(|run| !run.done) {
            step(reading.watches, run, position, byte);
            died |= run.done;
            settles |= run.done && run.best.is_some();
        }
        for number in (0..self.blocks.len()).rev() {
            if let Some(closed) = self.blocks[number].read(position, byte) {
                let block = self.blocks.swap_remove(number);
                self.close(reading, &block, closed.end, closed.mark, position + 1);
            }
        }
        if died {
            // What others waited for may be gone; without a match there is nothing to report.
            self.runs.retain(|run| !run.done || run.best.is_some());
            settles |= self.runs.iter().any(|run| run.done);
        }
        if settles {
            self.settle(reading, position);
        }
    }

    /// Reports finished runs that no older run of the same expression can still replace. `position` is
    /// the place of the first byte that no run has read, or that was read right now.
    fn settle(&mut self, reading: &mut Reading<'_>, position: u64) {
        loop {
            let is_oldest = |run: &&Run| {
                run.done && !self.runs.iter().any(|other| other.watch == run.watch && other.start < run.start)
            };
            let Some(run) = self.runs.iter().find(is_oldest).copied() else { return };
            let watch = reading.watches.at(run.watch);
            let span = run.best.map(|end| run.start..end);
            let accepted = span.clone().and_then(|span| watch.accepts(reading.window, reading.base, span));
            let Some((kept, mark)) = accepted else {
                self.runs.retain(|other| other.watch != run.watch || other.start > run.start);
                continue;
            };
            self.runs.retain(|other| other.watch != run.watch || other.start >= kept.end);
            if let Some(ending) = watch.block {
                self.runs.retain(|other| other.watch != run.watch);
                self.floors[usize::from(run.watch)] = u64::MAX;
                self.open(reading, Block::new(run.watch, kept.start, kept.end, ending), position);
                continue;
            }
            self.floors[usize::from(run.watch)] = kept.end;
            if span.is_some_and(|span| kept.end < span.end) {
                self.runs.retain(|other| other.watch != run.watch);
                self.anew.push((run.watch, kept.end));
            }
            reading.found.push((reading.watches.marked(run.watch, mark), kept));
        }
    }

    /// Begins a block, and lets it read what was read already.
    fn open(&mut self, reading: &mut Reading<'_>, mut block: Block, position: u64) {
        let first = block.end;
        for at in first..=position {
            let Some(byte) = reading.byte(at) else { break };
            if let Some(closed) = block.read(at, byte) {
                return self.close(reading, &block, closed.end, closed.mark, position + 1);
            }
        }
        self.blocks.push(block);
    }

    /// Reports a block. Where it ends before what was read, the rest is read anew.
    fn close(&mut self, reading: &mut Reading<'_>, block: &Block, end: u64, mark: Mark, read: u64) {
        self.floors[usize::from(block.watch)] = end;
        if end < read {
            self.anew.push((block.watch, end));
        }
        reading.found.push((reading.watches.marked(block.watch, mark), block.start..end));
    }

    /// Lets expressions read again up to the byte at `position`, the last one that was read. Each begins
    /// after a match that it reported, so it never reads a place twice for the same reason.
    fn read_anew(&mut self, reading: &mut Reading<'_>, position: u64) {
        while let Some((watch, from)) = self.anew.pop() {
            self.runs.retain(|run| run.watch != watch);
            let mut aside = Self { floors: std::mem::take(&mut self.floors), ..Self::default() };
            let mut before = from.checked_sub(1).and_then(|at| reading.byte(at));
            for at in from..=position {
                let Some(byte) = reading.byte(at) else { break };
                #[cfg(test)]
                crate::work::note(1 + aside.runs.len());
                aside.advance(reading, at, byte);
                if !aside.anew.is_empty() {
                    break;
                }
                // The byte at `position` begins in the reading that goes on, if it is not the end.
                if at < position {
                    let known = &reading.window.as_bytes()[(at - reading.base) as usize..];
                    aside.begin(reading.watches, watch, at, known, before);
                }
                before = Some(byte);
            }
            self.floors = aside.floors;
            self.anew.append(&mut aside.anew);
            self.runs.append(&mut aside.runs);
            self.blocks.append(&mut aside.blocks);
        }
    }
}

/// Moves one run on by a byte.
fn step(watches: &Watches, run: &mut Run, position: u64, byte: u8) {
    let watch = watches.at(run.watch);
    match watch.expression.next(run.state, byte) {
        Some((state, matched)) => {
            run.state = state;
            if matched {
                run.best = Some(position);
            }
        }
        None => run.done = true,
    }
    if position - run.start >= watch.max_len as u64 {
        // A later start has the same future and more of its length left.
        if run.best.is_none() && position - run.latest < watch.max_len as u64 {
            run.start = run.latest;
        } else {
            run.done = true;
        }
    }
}
