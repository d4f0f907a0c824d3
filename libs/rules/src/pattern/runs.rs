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

use crate::pack::DeclaredCheck;
use crate::pattern::{Expression, is_word};

/// Bytes of text before a match that a check may look at.
pub(crate) const CONTEXT_BYTES: usize = 64;

/// Looks closer at a match: given the text before it and the match, says how many bytes of the
/// match are a violation, or `None`.
pub(crate) type CheckFn = fn(&str, &str) -> Option<usize>;

/// How a match is looked at more closely.
#[derive(Clone)]
pub(crate) enum Check {
    /// Every match counts.
    None,
    /// A check that comes with the engine.
    Built(CheckFn),
    /// What a pack of a person's own asks for.
    Declared(Arc<DeclaredCheck>),
}

/// A kind of byte without which an expression cannot match.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
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

    const ALL: [Self; Self::COUNT] = [Self::At, Self::Assignment, Self::Tilde, Self::Digit];

    /// The place of the first such byte, or the end.
    fn find(self, bytes: &[u8]) -> usize {
        let found = match self {
            Self::At => memchr::memchr(b'@', bytes),
            Self::Assignment => memchr::memchr2(b':', b'=', bytes),
            Self::Tilde => memchr::memchr(b'~', bytes),
            Self::Digit => find_digit(bytes),
        };
        found.unwrap_or(bytes.len())
    }
}

fn find_digit(bytes: &[u8]) -> Option<usize> {
    // Without an early exit the compiler turns this into wide compares.
    let has_digit = |part: &[u8]| part.iter().fold(false, |found, byte| found | byte.is_ascii_digit());
    let part = bytes.chunks(64).position(has_digit)? * 64;
    bytes[part..].iter().position(u8::is_ascii_digit).map(|at| part + at)
}

/// One expression that is looked for.
pub(crate) struct Watch {
    /// Index of the rule that it belongs to.
    pub(crate) rule: usize,
    pub(crate) expression: Arc<Expression>,
    pub(crate) max_len: usize,
    pub(crate) check: Check,
    /// The pack and type that it belongs to, such as `secrets/aws-key`.
    pub(crate) detector: Option<Arc<str>>,
    /// What must come within so many bytes of the start of every match. Where the text is known
    /// that far, runs that cannot match are not begun.
    pub(crate) need: Option<(Need, u64)>,
}

/// A need that is met within so many bytes or not at all lets most places be passed over.
const NEAR_BYTES: u64 = 80;

/// All expressions of a room.
#[derive(Default)]
pub(crate) struct Watches {
    all: Vec<Watch>,
    /// The expressions that can begin with a byte.
    by_first: Vec<Vec<u16>>,
    /// By [`pair`], which of `lists` holds the expressions that can begin so.
    by_pair: Vec<u32>,
    lists: Vec<Vec<u16>>,
    /// Whether an expression can begin so.
    any: Pairs,
    /// The same without those that need a byte nearby.
    undemanding: Pairs,
    /// The kinds of bytes that are needed, and how near one must be for an expression that needs one
    /// nearby; 0 if there is none.
    needs: Vec<(Need, u64)>,
    shortest: Option<usize>,
}

/// One bit for every [`pair`]: 16 KiB, which stay near.
struct Pairs(Box<[u64; PAIRS / 64]>);

const PAIRS: usize = 2 << 16;
/// The bit of a pair that has a word character before it.
const INSIDE: u32 = 1 << 16;

impl Pairs {
    fn of(lists: &[Vec<u16>], holds: impl Fn(u16) -> bool) -> Self {
        let mut pairs = Self::default();
        for (number, list) in lists.iter().enumerate() {
            pairs.0[number / 64] |= u64::from(list.iter().any(|watch| holds(*watch))) << (number % 64);
        }
        pairs
    }

    #[inline]
    fn holds(&self, pair: u32) -> bool {
        let pair = pair as usize & (PAIRS - 1);
        self.0[pair / 64] >> (pair % 64) & 1 != 0
    }

    /// The first place from `at` on at which one of the pairs stands, or `end`. The last byte of all
    /// counts as such a place, for what follows it is not known.
    fn next(&self, before: Option<u8>, bytes: &[u8], at: usize, end: usize) -> usize {
        let Some(first) = bytes.get(at) else { return end };
        let known = end.min(bytes.len() - 1);
        let (mut inside, mut byte) = (before.map_or(0, |before| INSIDE_AFTER[usize::from(before)]), *first);
        for (number, next) in bytes[at + 1..=known].iter().enumerate() {
            if self.holds(inside | u32::from(byte) << 8 | u32::from(*next)) {
                return at + number;
            }
            (inside, byte) = (INSIDE_AFTER[usize::from(byte)], *next);
        }
        known
    }
}

impl Default for Pairs {
    fn default() -> Self {
        Self(Box::new([0; PAIRS / 64]))
    }
}

/// The number of two bytes, by whether a word character stands before them.
fn pair(inside: bool, byte: u8, next: u8) -> u32 {
    (if inside { INSIDE } else { 0 }) | u32::from(byte) << 8 | u32::from(next)
}

/// [`INSIDE`] for every byte that is a word character.
static INSIDE_AFTER: [u32; 256] = {
    let mut table = [0; 256];
    let mut byte = 0;
    while byte < 256 {
        table[byte] = if is_word(byte as u8) { INSIDE } else { 0 };
        byte += 1;
    }
    table
};

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
        let mut pairs: Vec<Vec<u16>> = vec![Vec::new(); PAIRS];
        for (index, watch) in all.iter().enumerate() {
            for inside in [false, true] {
                // Continuation bytes are inside a character: nothing begins there.
                let begins = watch.expression.pairs(inside).iter().filter(|(byte, _)| byte & 0xC0 != 0x80);
                begins.for_each(|(byte, next)| pairs[pair(inside, *byte, *next) as usize].push(index as u16));
            }
        }
        let near = |watch: &Watch| watch.need.filter(|(_, within)| *within <= NEAR_BYTES);
        let any = Pairs::of(&pairs, |_| true);
        let undemanding = Pairs::of(&pairs, |watch| near(&all[usize::from(watch)]).is_none());
        let mut needs: Vec<(Need, u64)> = Vec::new();
        for need in Need::ALL {
            let of_kind = || all.iter().filter(|watch| watch.need.is_some_and(|(kind, _)| kind == need));
            if of_kind().next().is_some() {
                needs.push((need, of_kind().filter_map(near).map(|(_, within)| within).max().unwrap_or(0)));
            }
        }
        // Most pairs have one of a few lists, and most of them none.
        let (mut lists, mut known) = (vec![Vec::new()], HashMap::new());
        let number = |list: Vec<u16>| {
            if list.is_empty() {
                return 0;
            }
            *known.entry(list).or_insert_with_key(|list: &Vec<u16>| {
                lists.push(list.clone());
                lists.len() as u32 - 1
            })
        };
        let by_pair = pairs.into_iter().map(number).collect();
        let shortest = all.iter().map(|watch| watch.expression.shortest()).min();
        Self { all, by_first, by_pair, lists, any, undemanding, needs, shortest }
    }

    /// The expressions that can begin with a byte, given the one after it if that is known.
    fn beginning(&self, before: Option<u8>, byte: u8, next: Option<&u8>) -> &[u16] {
        match next {
            Some(next) => {
                let pair = pair(before.is_some_and(is_word), byte, *next);
                &self.lists[self.by_pair[pair as usize] as usize]
            }
            // Continuation bytes are inside a character.
            None if byte & 0xC0 == 0x80 => &[],
            None => &self.by_first[usize::from(byte)],
        }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.all.is_empty()
    }

    /// One of them by its number.
    pub(crate) fn get(&self, watch: usize) -> &Watch {
        &self.all[watch]
    }

    /// The fewest bytes of a match of any of them.
    pub(crate) fn shortest(&self) -> Option<usize> {
        self.shortest
    }

    /// Whether a match can begin with a byte.
    pub(crate) fn may_begin_with(&self, byte: u8) -> bool {
        self.by_first.get(usize::from(byte)).is_some_and(|list| !list.is_empty())
    }

    pub(crate) fn memory_bytes(&self) -> usize {
        let automata = self.all.iter().map(|watch| size_of::<Watch>() + watch.expression.memory_bytes());
        automata.sum::<usize>() + 4 * self.by_pair.len() + 2 * PAIRS / 8
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
    /// By kind of byte that an expression needs, the place of the next one, or the end of what was searched.
    ahead: [u64; Need::COUNT],
}

impl Runs {
    /// Forgets everything, and begins again at any place.
    pub(crate) fn restart(&mut self) {
        self.runs.clear();
        self.floors.clear();
        self.before = None;
        self.ahead = [0; Need::COUNT];
    }

    /// Reads the bytes of `window` from `from` on, a place in the whole text; `base` is the place
    /// of the window's first byte. What is found is the number of an expression and bytes.
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
        let Some(last) = bytes.last() else { return };
        let mut number = 0;
        while number < bytes.len() {
            #[cfg(test)]
            crate::work::note(1 + self.runs.len());
            self.look_ahead(&watches.needs, from + number as u64, &bytes[number..]);
            if self.runs.is_empty() {
                let next = self.pass_over(watches, bytes, number, from);
                if next > number {
                    self.before = Some(bytes[next - 1]);
                    number = next;
                    continue;
                }
            }
            let (position, byte) = (from + number as u64, bytes[number]);
            if !self.runs.is_empty() {
                self.advance(watches, position, byte, window, base, found);
            }
            for watch in watches.beginning(self.before, byte, bytes.get(number + 1)) {
                let need = watches.all[usize::from(*watch)].need;
                if need.is_none_or(|(need, within)| self.ahead[need as usize] <= position + within) {
                    self.begin(watches, *watch, position, byte);
                }
            }
            self.before = Some(byte);
            number += 1;
        }
        self.before = Some(*last);
    }

    /// The next place at which an expression may begin, or up to which none can.
    fn pass_over(&self, watches: &Watches, bytes: &[u8], number: usize, from: u64) -> usize {
        let demanded = watches.needs.iter().filter(|(_, near)| *near > 0);
        let clear = demanded.map(|(need, near)| self.ahead[*need as usize].saturating_sub(*near)).min();
        let clear = clear.unwrap_or(0).saturating_sub(from).min(bytes.len() as u64) as usize;
        if clear > number {
            watches.undemanding.next(self.before, bytes, number, clear)
        } else {
            watches.any.next(self.before, bytes, number, bytes.len())
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

    /// Finds the next byte of every kind that is needed. At the end of what is known, one may follow.
    fn look_ahead(&mut self, needs: &[(Need, u64)], position: u64, rest: &[u8]) {
        for (need, _) in needs {
            let ahead = &mut self.ahead[*need as usize];
            if *ahead <= position {
                *ahead = position + need.find(rest) as u64;
            }
        }
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
                found.push((usize::from(run.watch), run.start..end));
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
        if matches!(self.check, Check::None) {
            return Some(span.end);
        }
        let (start, end) = ((span.start - base) as usize, (span.end - base) as usize);
        let mut context = start.saturating_sub(CONTEXT_BYTES);
        while !window.is_char_boundary(context) {
            context += 1;
        }
        let (before, matched) = (&window[context..start], &window[start..end]);
        let kept = match &self.check {
            Check::None => matched.len(),
            Check::Built(check) => check(before, matched)?,
            Check::Declared(check) => check.keeps(before, matched)?,
        };
        Some(span.start + kept as u64)
    }
}
