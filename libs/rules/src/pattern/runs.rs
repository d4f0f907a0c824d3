//! Runs several expressions over text that arrives in pieces.
//!
//! A run is one place at which an expression began to match. Each byte moves every run on; two
//! runs of one expression in the same state have the same future and become one, so there are
//! never more runs than states. Of the runs of one expression the oldest that matches wins, with
//! its longest match; runs that began inside the match are dropped. What is held back lies after
//! the start of the oldest run.

use std::collections::HashMap;
use std::ops::Range;
use std::sync::Arc;

use regex_automata::util::primitives::StateID;

use crate::pattern::Expression;

/// Bytes of text before a match that a check may look at.
pub(crate) const CONTEXT_BYTES: usize = 64;

/// Looks closer at a match: given the text before it and the match, says how many bytes of the
/// match are a violation, or `None`.
pub(crate) type Check = fn(&str, &str) -> Option<usize>;

/// A kind of byte without which an expression cannot match.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Need {
    /// `@`
    At,
    /// `:` or `=`
    Assignment,
    /// `~`
    Tilde,
    /// A decimal digit.
    Digit,
}

impl Need {
    const COUNT: usize = 4;

    fn is_met_by(self, byte: u8) -> bool {
        match self {
            Self::At => byte == b'@',
            Self::Assignment => matches!(byte, b':' | b'='),
            Self::Tilde => byte == b'~',
            Self::Digit => byte.is_ascii_digit(),
        }
    }
}

/// One expression that is looked for.
pub(crate) struct Watch {
    /// Index of the rule that it belongs to.
    pub(crate) rule: usize,
    pub(crate) expression: Arc<Expression>,
    pub(crate) max_len: usize,
    pub(crate) check: Option<Check>,
    /// What must come within so many bytes of the start of every match. Where the text is known
    /// that far, runs that cannot match are not begun.
    pub(crate) need: Option<(Need, u64)>,
}

/// All expressions of a room.
#[derive(Default)]
pub(crate) struct Watches {
    all: Vec<Watch>,
    /// The expressions that can begin with a byte.
    by_first: Vec<Vec<u16>>,
    /// By pair of bytes, which of `lists` holds the expressions that can begin with it.
    by_pair: Vec<u32>,
    lists: Vec<Vec<u16>>,
}

impl Watches {
    pub(crate) fn new(all: Vec<Watch>) -> Self {
        if all.is_empty() {
            return Self::default();
        }
        let begins = |byte: u8| {
            let matching = all.iter().enumerate().filter(|(_, watch)| watch.expression.may_begin_with(byte));
            matching.map(|(index, _)| index as u16).collect()
        };
        let by_first = (0..=255).map(begins).collect();
        let mut pairs: Vec<Vec<u16>> = vec![Vec::new(); 1 << 16];
        for (index, watch) in all.iter().enumerate() {
            for pair in watch.expression.pairs() {
                pairs[usize::from(u16::from_be_bytes([pair.0, pair.1]))].push(index as u16);
            }
        }
        // Most pairs have one of a few lists.
        let (mut lists, mut known) = (Vec::new(), HashMap::new());
        let number = |list: Vec<u16>| {
            *known.entry(list).or_insert_with_key(|list: &Vec<u16>| {
                lists.push(list.clone());
                lists.len() as u32 - 1
            })
        };
        let by_pair = pairs.into_iter().map(number).collect();
        Self { all, by_first, by_pair, lists }
    }

    /// The expressions that can begin with a byte, given the one after it if that is known.
    fn beginning(&self, byte: u8, next: Option<&u8>) -> &[u16] {
        match next {
            Some(next) => &self.lists[self.by_pair[usize::from(u16::from_be_bytes([byte, *next]))] as usize],
            None => &self.by_first[usize::from(byte)],
        }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.all.is_empty()
    }

    pub(crate) fn memory_bytes(&self) -> usize {
        self.all.iter().map(|watch| size_of::<Watch>() + watch.expression.memory_bytes()).sum()
    }
}

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
    /// By expression, the end of its last match: matches of one expression do not overlap.
    floors: Vec<u64>,
    before: Option<u8>,
    /// By kind of byte, the place of the next one, or the end of what was searched.
    ahead: [u64; Need::COUNT],
}

impl Runs {
    /// Reads the bytes of `window` from `from` on, a place in the whole text; `base` is the place
    /// of the window's first byte.
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
        self.floors.resize(watches.all.len(), 0);
        let bytes = &window.as_bytes()[(from - base) as usize..];
        for (number, byte) in bytes.iter().enumerate() {
            let position = from + number as u64;
            if !self.runs.is_empty() {
                self.advance(watches, position, *byte, window, base, found);
            }
            // Continuation bytes are inside a character.
            if byte & 0xC0 != 0x80 {
                for watch in watches.beginning(*byte, bytes.get(number + 1)) {
                    let need = watches.all[usize::from(*watch)].need;
                    if need.is_none_or(|(need, within)| self.is_near(need, within, number, bytes, from)) {
                        self.begin(watches, *watch, position, *byte);
                    }
                }
            }
            self.before = Some(*byte);
        }
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
        for run in &mut self.runs {
            if !run.done && watches.all[usize::from(run.watch)].expression.ends(run.state) {
                run.best = Some(position);
            }
            run.done = true;
        }
        self.settle(watches, window, base, found);
        self.before = None;
        self.ahead = [position; Need::COUNT];
    }

    /// The start of the oldest run of a rule that `holds`.
    pub(crate) fn pending(&self, watches: &Watches, holds: impl Fn(usize) -> bool) -> Option<u64> {
        let held = |run: &&Run| holds(watches.all[usize::from(run.watch)].rule);
        self.runs.iter().filter(held).map(|run| run.start).min()
    }

    /// The first byte that a check may still look at, if a run is alive.
    pub(crate) fn oldest(&self) -> Option<u64> {
        self.runs.iter().map(|run| run.start).min()
    }

    /// Whether a byte that is needed comes within `within` bytes of `bytes[number]`, or may come
    /// because the text is not known that far.
    fn is_near(&mut self, need: Need, within: u64, number: usize, bytes: &[u8], from: u64) -> bool {
        let position = from + number as u64;
        let ahead = &mut self.ahead[need as usize];
        let searched = (*ahead).max(position);
        let rest = &bytes[(searched - from) as usize..];
        let found = rest.iter().position(|byte| need.is_met_by(*byte)).unwrap_or(rest.len());
        *ahead = searched + found as u64;
        *ahead <= position + within
    }

    fn begin(&mut self, watches: &Watches, watch: u16, position: u64, byte: u8) {
        if position < self.floors[usize::from(watch)] {
            return;
        }
        let Some(state) = watches.all[usize::from(watch)].expression.begin(self.before, byte) else { return };
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

    fn advance(
        &mut self,
        watches: &Watches,
        position: u64,
        byte: u8,
        window: &str,
        base: u64,
        found: &mut Vec<(usize, Range<u64>)>,
    ) {
        let (mut died, mut settles) = (false, false);
        for run in self.runs.iter_mut().filter(|run| !run.done) {
            let watch = &watches.all[usize::from(run.watch)];
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
            died |= run.done;
            settles |= run.done && run.best.is_some();
        }
        if died {
            // What others waited for may be gone; without a match there is nothing to report.
            self.runs.retain(|run| !run.done || run.best.is_some());
            settles |= self.runs.iter().any(|run| run.done);
        }
        if settles {
            self.settle(watches, window, base, found);
        }
    }

    /// Reports finished runs that no older run of the same expression can still replace.
    fn settle(&mut self, watches: &Watches, window: &str, base: u64, found: &mut Vec<(usize, Range<u64>)>) {
        loop {
            let is_oldest = |run: &&Run| {
                run.done && !self.runs.iter().any(|other| other.watch == run.watch && other.start < run.start)
            };
            let Some(run) = self.runs.iter().find(is_oldest).copied() else { return };
            let watch = &watches.all[usize::from(run.watch)];
            let matched = run.best.and_then(|end| watch.accepts(window, base, run.start..end));
            if let Some(end) = matched {
                found.push((watch.rule, run.start..end));
                self.floors[usize::from(run.watch)] = end;
            }
            let floor = matched.unwrap_or(run.start + 1);
            self.runs.retain(|other| other.watch != run.watch || other.start >= floor);
        }
    }
}

impl Watch {
    /// The end of what a check leaves of a match.
    fn accepts(&self, window: &str, base: u64, span: Range<u64>) -> Option<u64> {
        let Some(check) = self.check else { return Some(span.end) };
        let (start, end) = ((span.start - base) as usize, (span.end - base) as usize);
        let mut context = start.saturating_sub(CONTEXT_BYTES);
        while !window.is_char_boundary(context) {
            context += 1;
        }
        let kept = check(&window[context..start], &window[start..end])?;
        Some(span.start + kept as u64)
    }
}
