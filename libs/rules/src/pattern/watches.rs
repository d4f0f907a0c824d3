//! The expressions of a room, and by which bytes each can begin.

use std::ops::Range;
use std::sync::Arc;

use crate::pattern::Expression;
use crate::pattern::block::Ending;
use crate::pattern::cue::Cue;
use crate::pattern::dispatch::Dispatch;

/// Bytes of text before a match that a check may look at.
pub(crate) const CONTEXT_BYTES: usize = 64;

/// Looks closer at a match: given the text before it and the match, says what of it is a violation.
pub(crate) type CheckFn = fn(&str, &str) -> Option<Find>;

/// A number after a word that names it, both in one expression: the number alone is the find.
#[derive(Clone, Copy)]
pub(crate) struct Named {
    pub(crate) start: Start,
    /// Whether the number can be one.
    pub(crate) valid: fn(&str) -> bool,
}

/// Where a number begins behind a word.
#[derive(Clone, Copy)]
pub(crate) enum Start {
    /// At the first digit.
    Digit,
    /// After the last character that is neither a letter nor a digit; hyphens are part of it.
    Word,
    /// So many bytes before the end: a number that has signs of its own.
    Last(usize),
}

impl Named {
    fn find(self, matched: &str) -> Option<Find> {
        let start = match self.start {
            Start::Digit => matched.find(|c: char| c.is_ascii_digit())?,
            Start::Word => {
                let is_part = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '(' | ')');
                let start = matched.rfind(|c| !is_part(c)).map(|at| at + 1)?;
                (start..matched.len()).find(|at| matched.is_char_boundary(*at))?
            }
            Start::Last(count) => {
                let start = matched.len().checked_sub(count)?;
                matched.is_char_boundary(start).then_some(start)?
            }
        };
        (self.valid)(&matched[start..]).then(|| Find::of(start..matched.len()))
    }
}

/// What a check makes of a match.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Find {
    /// Bytes of the match that are the find. What follows them is looked at anew.
    pub(crate) range: Range<usize>,
    /// Whether it is reserved for examples, so that it gives nobody away.
    pub(crate) is_example: bool,
}

impl Find {
    /// A find of these bytes of a match.
    pub(crate) fn of(range: Range<usize>) -> Self {
        Self { range, is_example: false }
    }

    /// The same find, as an example where it is one.
    pub(crate) fn example_if(self, is_example: bool) -> Self {
        Self { is_example, ..self }
    }
}

/// What is to be known of a find beside its bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Mark {
    /// Nothing.
    Plain,
    /// It is reserved for examples.
    Example,
    /// It goes on beyond its bytes: the end of a block was not seen.
    Open,
}

impl Mark {
    const ALL: [Self; 3] = [Self::Plain, Self::Example, Self::Open];
}

/// A check that a pack of a person's own asks for.
pub(crate) trait OwnCheck: Send + Sync {
    /// How many bytes of a match count, given the text before it.
    fn keeps(&self, before: &str, matched: &str) -> Option<usize>;
}

/// How a match is looked at more closely.
#[derive(Clone)]
pub(crate) enum Check {
    /// Every match counts.
    None,
    /// A check that comes with the engine.
    Built(CheckFn),
    /// A number after a word that names it.
    Named(Named),
    /// What a pack of a person's own asks for.
    Declared(Arc<dyn OwnCheck>),
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
    /// The first of [`LONG_BYTES`] letters, digits and signs of base64 in a row, which no word has.
    Long,
}

/// So many bytes make a long row.
const LONG_BYTES: usize = 30;

impl Need {
    pub(super) const COUNT: usize = 5;

    const ALL: [Self; Self::COUNT] = [Self::At, Self::Assignment, Self::Tilde, Self::Digit, Self::Long];

    /// The place of the first such byte, or the end.
    pub(super) fn find(self, bytes: &[u8]) -> usize {
        let found = match self {
            Self::At => memchr::memchr(b'@', bytes),
            Self::Assignment => memchr::memchr2(b':', b'=', bytes),
            Self::Tilde => memchr::memchr(b'~', bytes),
            Self::Digit => find_digit(bytes),
            Self::Long => find_long(bytes),
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

/// The place of the first long row, or of one at the end that may become long.
fn find_long(bytes: &[u8]) -> Option<usize> {
    let is_part = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'/' | b'_' | b'-');
    let mut begin = 0;
    loop {
        // From the last byte that the row would have backwards: most places are never looked at.
        let row = bytes.get(begin..(begin + LONG_BYTES).min(bytes.len()))?;
        match row.iter().rposition(|byte| !is_part(byte)) {
            Some(at) => begin += at + 1,
            None => return (!row.is_empty()).then_some(begin),
        }
    }
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
    /// Words one of which stands in the context of every match that its check accepts.
    pub(crate) cue: Option<Arc<Cue>>,
    /// Set where the expression is the first marker of a block.
    pub(crate) block: Option<Ending>,
    /// The fewest bytes of a find.
    pub(crate) shortest: usize,
    /// Whether examples are violations like others.
    pub(crate) counts_examples: bool,
}

/// A need that is met within so many bytes or not at all lets most places be passed over.
const NEAR_BYTES: u64 = 80;

/// All expressions of a room.
#[derive(Default)]
pub(crate) struct Watches {
    all: Vec<Watch>,
    /// Which expressions can begin at a place; absent where there are none.
    dispatch: Option<Dispatch>,
    /// Whether an expression can begin with a byte.
    first: Vec<bool>,
    /// The kinds of bytes that are needed, and how near one must be for an expression that needs one
    /// nearby; 0 if there is none.
    needs: Vec<(Need, u64)>,
    shortest: Option<usize>,
}

impl Watches {
    pub(crate) fn new(all: Vec<Watch>) -> Self {
        if all.is_empty() {
            return Self::default();
        }
        let begins = |byte: u8| all.iter().any(|watch| watch.expression.may_begin_with(byte));
        let first = (0..=255).map(begins).collect();
        let near = |watch: &Watch| watch.need.filter(|(_, within)| *within <= NEAR_BYTES);
        let mut needs: Vec<(Need, u64)> = Vec::new();
        for need in Need::ALL {
            let of_kind = || all.iter().filter(|watch| watch.need.is_some_and(|(kind, _)| kind == need));
            if of_kind().next().is_some() {
                needs.push((need, of_kind().filter_map(near).map(|(_, within)| within).max().unwrap_or(0)));
            }
        }
        let dispatch = Dispatch::new(&all, |watch| near(watch).is_none());
        let shortest = all.iter().map(|watch| watch.shortest).min();
        Self { all, dispatch: Some(dispatch), first, needs, shortest }
    }

    /// Calls `visit` with the expressions that can begin where `known` begins, as far as it tells.
    pub(super) fn for_each_beginning(&self, before: Option<u8>, known: &[u8], visit: impl FnMut(u16)) {
        if let Some(dispatch) = &self.dispatch {
            dispatch.for_each(before, known, visit);
        }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.all.is_empty()
    }

    /// The number of a find: which expression found it, and its mark.
    pub(super) fn marked(&self, watch: u16, mark: Mark) -> usize {
        mark as usize * self.all.len() + usize::from(watch)
    }

    /// The expression of a find by the number of the find.
    pub(crate) fn get(&self, find: usize) -> &Watch {
        &self.all[find % self.all.len()]
    }

    /// The mark of a find by the number of the find.
    pub(crate) fn mark(&self, find: usize) -> Mark {
        Mark::ALL[(find / self.all.len()).min(Mark::ALL.len() - 1)]
    }

    /// How many expressions there are.
    pub(super) fn count(&self) -> usize {
        self.all.len()
    }

    /// One of the expressions.
    pub(super) fn at(&self, watch: u16) -> &Watch {
        &self.all[usize::from(watch)]
    }

    /// The kinds of bytes that are needed, and how near.
    pub(super) fn needs(&self) -> &[(Need, u64)] {
        &self.needs
    }

    /// The first place from `at` on at which an expression may begin, up to `end`; with `lone` those that
    /// need a byte nearby are left out.
    pub(super) fn next_beginning(
        &self,
        lone: bool,
        before: Option<u8>,
        bytes: &[u8],
        at: usize,
        end: usize,
    ) -> usize {
        self.dispatch.as_ref().map_or(end, |dispatch| dispatch.next(lone, before, bytes, at, end))
    }

    /// The fewest bytes of a match of any of them.
    pub(crate) fn shortest(&self) -> Option<usize> {
        self.shortest
    }

    /// Bytes of the longest match of the patterns that no pack brought; 0 where there are none.
    pub(crate) fn longest_own(&self) -> usize {
        let own = self.all.iter().filter(|watch| watch.detector.is_none());
        own.map(|watch| watch.max_len).max().unwrap_or(0)
    }

    /// Whether a match can begin with a byte.
    pub(crate) fn may_begin_with(&self, byte: u8) -> bool {
        self.first.get(usize::from(byte)).is_some_and(|begins| *begins)
    }

    pub(crate) fn memory_bytes(&self) -> usize {
        let automata = self.all.iter().map(|watch| size_of::<Watch>() + watch.expression.memory_bytes());
        automata.sum::<usize>() + self.dispatch.as_ref().map_or(0, Dispatch::memory_bytes)
    }
}

impl Watch {
    /// What a check leaves of a match, and its mark.
    pub(super) fn accepts(&self, window: &str, base: u64, span: Range<u64>) -> Option<(Range<u64>, Mark)> {
        if matches!(self.check, Check::None) {
            return Some((span, Mark::Plain));
        }
        let (start, end) = ((span.start - base) as usize, (span.end - base) as usize);
        let mut context = start.saturating_sub(CONTEXT_BYTES);
        while !window.is_char_boundary(context) {
            context += 1;
        }
        let (before, matched) = (&window[context..start], &window[start..end]);
        let find = match &self.check {
            Check::None => Find::of(0..matched.len()),
            Check::Built(check) => check(before, matched)?,
            Check::Named(named) => named.find(matched)?,
            Check::Declared(check) => Find::of(0..check.keeps(before, matched)?),
        };
        let is_example = find.is_example && !self.counts_examples;
        let mark = if is_example { Mark::Example } else { Mark::Plain };
        Some((span.start + find.range.start as u64..span.start + find.range.end as u64, mark))
    }
}
