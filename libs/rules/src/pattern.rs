//! Regular expressions that are safe to run on anybody's text: linear time, bounded length.
//!
//! An expression becomes a deterministic automaton when it is declared, so that no text can make
//! it slow; one whose automaton would be too large is refused with a sentence. Expressions see
//! the text as it is, not folded. There is no look-around and no back-reference, `\b` is between
//! ASCII word characters and others, and `^` and `$` are the ends of the text.

pub(crate) mod block;
pub(crate) mod runs;
pub(crate) mod watcher;
mod watches;

use std::sync::{Arc, OnceLock};

use regex_automata::dfa::{Automaton as _, StartKind, dense};
use regex_automata::hybrid::{LazyStateID, dfa as lazy};
use regex_automata::nfa::thompson;
use regex_automata::util::{primitives::StateID, start};
use regex_automata::{Anchored, MatchKind};
use regex_syntax::hir::{Capture, Hir, HirKind, Look, Repetition};

/// The longest match, in bytes, that a pattern may declare.
pub const PATTERN_MAX_LEN: usize = 4096;
/// The longest expression, in bytes.
const SOURCE_MAX_BYTES: usize = 4096;
/// The largest automaton, in bytes; one with large Unicode classes repeated many times is larger.
const AUTOMATON_MAX_BYTES: usize = 8 << 20;

/// A linear-time regular expression with a longest match.
#[derive(Clone)]
pub struct Pattern {
    source: String,
    max_len: usize,
    automaton: Arc<Expression>,
}

/// Why a pattern was refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PatternError {
    /// Not a regular expression that is supported.
    #[error("the pattern is not a regular expression that can be used: {reason}")]
    Syntax {
        /// What the parser says.
        reason: String,
    },
    /// It can match nothing at all, which is found everywhere.
    #[error("the pattern matches the empty text, so it would be found everywhere")]
    MatchesEmpty,
    /// No text can match.
    #[error("the pattern can never match")]
    MatchesNothing,
    /// No bound on the length of a match.
    #[error(
        "the pattern has no longest match: write {{1,64}} instead of + or *, or declare max_len, so that a \
         stream knows how much to hold back"
    )]
    Unbounded,
    /// The bound is too large.
    #[error("the longest match is {bytes} bytes; at most {PATTERN_MAX_LEN} are possible")]
    TooLong {
        /// The longest match.
        bytes: usize,
    },
    /// The declared bound is below the shortest match.
    #[error("max_len is {max_len}, but the shortest match has {shortest} bytes")]
    TooShort {
        /// The declared longest match.
        max_len: usize,
        /// The shortest match.
        shortest: usize,
    },
    /// The automaton is too large.
    #[error("the pattern needs too much memory: use smaller repetitions, or ASCII classes such as [0-9]")]
    TooComplex,
}

impl Pattern {
    /// Checks a pattern. `max_len` is the longest match in bytes; without it the expression
    /// itself must have one. Of a longer match nothing is found.
    ///
    /// # Errors
    /// If the pattern cannot be used; the sentence says what to write instead.
    pub fn new(source: &str, max_len: Option<usize>) -> Result<Self, PatternError> {
        let pattern = Self::deferred(source, max_len)?;
        pattern.automaton.build()?;
        Ok(pattern)
    }

    /// A pattern whose automaton is built when a text first begins like a match. Only for expressions
    /// that a test builds: there is nobody left to tell that one is too large.
    ///
    /// # Errors
    /// As [`Pattern::new`], but for the size of the automaton.
    pub(crate) fn deferred(source: &str, max_len: Option<usize>) -> Result<Self, PatternError> {
        if source.len() > SOURCE_MAX_BYTES {
            return Err(PatternError::TooComplex);
        }
        let hir =
            regex_syntax::parse(source).map_err(|error| PatternError::Syntax { reason: reason(&error) })?;
        let shortest = hir.properties().minimum_len().ok_or(PatternError::MatchesNothing)?;
        if shortest == 0 {
            return Err(PatternError::MatchesEmpty);
        }
        let longest = max_len.or(hir.properties().maximum_len()).ok_or(PatternError::Unbounded)?;
        if longest > PATTERN_MAX_LEN {
            return Err(PatternError::TooLong { bytes: longest });
        }
        if longest < shortest {
            return Err(PatternError::TooShort { max_len: longest, shortest });
        }
        let automaton = Arc::new(Expression::new(&hir, shortest)?);
        Ok(Self { source: source.to_owned(), max_len: longest, automaton })
    }

    /// The expression as it was written.
    pub fn source(&self) -> &str {
        &self.source
    }

    /// The longest match in bytes.
    pub fn max_len(&self) -> usize {
        self.max_len
    }

    /// Memory of its automaton in bytes: some kilobytes, or megabytes with large classes repeated many times.
    pub fn memory_bytes(&self) -> usize {
        self.automaton.memory_bytes()
    }

    pub(crate) fn expression(&self) -> &Arc<Expression> {
        &self.automaton
    }
}

impl PartialEq for Pattern {
    fn eq(&self, other: &Self) -> bool {
        (&self.source, self.max_len) == (&other.source, other.max_len)
    }
}

impl Eq for Pattern {}

impl std::fmt::Debug for Pattern {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Pattern({:?}, {})", self.source, self.max_len)
    }
}

/// The parser's own words, without the expression that it repeats over several lines.
fn reason(error: &regex_syntax::Error) -> String {
    match error {
        regex_syntax::Error::Parse(error) => error.kind().to_string(),
        regex_syntax::Error::Translate(error) => error.kind().to_string(),
        _ => "it cannot be parsed".to_owned(),
    }
}

/// One expression: how a match can begin, and the automaton that finds, from a given start, the longest match.
pub(crate) struct Expression {
    hir: Hir,
    /// Large and slow to build, so that those of the packs are only built once they are needed.
    automaton: OnceLock<Automaton>,
    /// The fewest bytes of a match.
    shortest: usize,
    /// Whether a match can begin with a byte.
    first: [bool; 256],
    /// What a match can begin with, or a match of one byte and what follows: where an ASCII word
    /// character does not stand before it, and where one does. No two of them share a pair of bytes.
    openings: [Vec<Opening>; 2],
}

struct Automaton {
    dfa: dense::DFA<Vec<u32>>,
    /// The state to start in, by the byte before; the last one is for the beginning of a text.
    starts: Vec<StateID>,
}

/// Bytes that a match can begin with, each followed by any of `seconds`, and the third and the fourth that
/// it can have then.
#[derive(Clone, Copy)]
pub(crate) struct Opening {
    pub(crate) firsts: ByteSet,
    pub(crate) seconds: ByteSet,
    pub(crate) beyond: Beyond,
}

/// The third and the fourth byte that a match, and what follows it, can have.
pub(crate) type Beyond = [ByteSet; 2];

/// A set of bytes.
#[derive(Clone, Copy, Default, PartialEq, Eq, Hash)]
pub(crate) struct ByteSet([u64; 4]);

impl ByteSet {
    const ALL: Self = Self([u64::MAX; 4]);

    fn insert(&mut self, byte: u8) {
        self.0[usize::from(byte / 64)] |= 1 << (byte % 64);
    }

    #[inline]
    pub(crate) fn holds(&self, byte: u8) -> bool {
        self.0[usize::from(byte / 64)] >> (byte % 64) & 1 != 0
    }

    pub(crate) fn iter(self) -> impl Iterator<Item = u8> {
        (0..=255u8).filter(move |byte| self.holds(*byte))
    }

    pub(crate) fn join(self, other: Self) -> Self {
        Self(std::array::from_fn(|part| self.0[part] | other.0[part]))
    }
}

impl Expression {
    fn new(hir: &Hir, shortest: usize) -> Result<Self, PatternError> {
        let hir = ascii_boundaries(hir);
        let mut beginning = Beginning::new(&hir)?;
        let (mut first, mut openings) = ([false; 256], [Vec::new(), Vec::new()]);
        for (inside, openings) in openings.iter_mut().enumerate() {
            *openings = beginning.openings(inside == 1)?;
            for byte in openings.iter().flat_map(|opening: &Opening| opening.firsts.iter()) {
                first[usize::from(byte)] = true;
            }
        }
        Ok(Self { hir, automaton: OnceLock::new(), shortest, first, openings })
    }

    /// Builds the automaton, so that it is there when it is needed.
    fn build(&self) -> Result<(), PatternError> {
        if self.automaton.get().is_none() {
            let automaton = Automaton::new(&self.hir)?;
            self.automaton.get_or_init(|| automaton);
        }
        Ok(())
    }

    #[inline]
    fn automaton(&self) -> &Automaton {
        self.automaton.get_or_init(|| {
            Automaton::new(&self.hir)
                .expect("one that is deferred is built in a test, any other when declared")
        })
    }

    /// What a match can begin with, by whether a word character stands before.
    pub(crate) fn openings(&self, inside: bool) -> &[Opening] {
        &self.openings[usize::from(inside)]
    }

    /// The fewest bytes of a match.
    pub(crate) fn shortest(&self) -> usize {
        self.shortest
    }

    /// Whether a match can begin with `byte`.
    pub(crate) fn may_begin_with(&self, byte: u8) -> bool {
        self.first[usize::from(byte)]
    }

    /// The state after reading a first byte, if a match may begin so.
    pub(crate) fn begin(&self, before: Option<u8>, byte: u8) -> Option<StateID> {
        let start = self.automaton().starts[before.map_or(256, usize::from)];
        self.next(start, byte).map(|(state, _)| state)
    }

    /// The next state, and whether a match ended *before* `byte`; `None` if nothing can follow.
    pub(crate) fn next(&self, state: StateID, byte: u8) -> Option<(StateID, bool)> {
        let dfa = &self.automaton().dfa;
        let next = dfa.next_state(state, byte);
        (!dfa.is_dead_state(next)).then(|| (next, dfa.is_match_state(next)))
    }

    /// Whether a match ends at the end of the text.
    pub(crate) fn ends(&self, state: StateID) -> bool {
        let dfa = &self.automaton().dfa;
        dfa.is_match_state(dfa.next_eoi_state(state))
    }

    /// Bytes that it holds now; an automaton that is deferred comes to them when it is built.
    pub(crate) fn memory_bytes(&self) -> usize {
        let automaton = |automaton: &Automaton| {
            automaton.dfa.memory_usage() + automaton.starts.len() * size_of::<StateID>()
        };
        self.automaton.get().map_or(0, automaton)
            + size_of::<Opening>() * self.openings.iter().map(Vec::len).sum::<usize>()
    }
}

fn nfa(hir: &Hir) -> Result<thompson::NFA, PatternError> {
    thompson::Compiler::new()
        .configure(
            thompson::Config::new()
                .which_captures(thompson::WhichCaptures::None)
                .nfa_size_limit(Some(AUTOMATON_MAX_BYTES)),
        )
        .build_from_hir(hir)
        .map_err(|_| PatternError::TooComplex)
}

impl Automaton {
    fn new(hir: &Hir) -> Result<Self, PatternError> {
        let dfa = dense::Builder::new()
            .configure(
                dense::Config::new()
                    .start_kind(StartKind::Anchored)
                    .match_kind(MatchKind::All)
                    .dfa_size_limit(Some(AUTOMATON_MAX_BYTES))
                    .determinize_size_limit(Some(4 * AUTOMATON_MAX_BYTES)),
            )
            .build_from_nfa(&nfa(hir)?)
            .map_err(|_| PatternError::TooComplex)?;
        let start =
            |before: Option<u8>| dfa.start_state(&start_after(before)).map_err(|_| PatternError::TooComplex);
        let starts = (0..=255).map(Some).chain([None]).map(start).collect::<Result<_, _>>()?;
        Ok(Self { dfa, starts })
    }
}

fn start_after(before: Option<u8>) -> start::Config {
    start::Config::new().anchored(Anchored::Yes).look_behind(before)
}

/// The first few states of an automaton, made as they are asked for: what a match can begin with is known
/// long before all of the automaton is.
struct Beginning {
    dfa: lazy::DFA,
    cache: lazy::Cache,
    /// One byte of every class of bytes that the expression does not tell apart, and its class.
    classes: Vec<(u8, ByteSet)>,
}

impl Beginning {
    fn new(hir: &Hir) -> Result<Self, PatternError> {
        let dfa = lazy::Builder::new()
            .configure(
                lazy::Config::new()
                    .match_kind(MatchKind::All)
                    .cache_capacity(AUTOMATON_MAX_BYTES)
                    // States are named by number here, so none may be thrown away.
                    .minimum_cache_clear_count(Some(0)),
            )
            .build_from_nfa(nfa(hir)?)
            .map_err(|_| PatternError::TooComplex)?;
        let mut classes: Vec<(u8, ByteSet)> = Vec::new();
        let mut known = [None; 256];
        for byte in 0..=255u8 {
            let at = *known[usize::from(dfa.byte_classes().get(byte))].get_or_insert_with(|| {
                classes.push((byte, ByteSet::default()));
                classes.len() - 1
            });
            classes[at].1.insert(byte);
        }
        let cache = dfa.create_cache();
        Ok(Self { dfa, cache, classes })
    }

    /// What a match can begin with where a word character stands before it, or where none does.
    fn openings(&mut self, inside: bool) -> Result<Vec<Opening>, PatternError> {
        let is_so = |before: &Option<u8>| before.is_some_and(is_word) == inside;
        let mut starts = Vec::new();
        for before in (0..=255).map(Some).chain([None]).filter(is_so) {
            let start = self.dfa.start_state(&mut self.cache, &start_after(before));
            starts.push(start.map_err(|_| PatternError::TooComplex)?);
        }
        let mut openings = Vec::new();
        for (firsts, reached) in self.after(&starts)? {
            for (seconds, beyond) in self.seconds(&reached)? {
                openings.push(Opening { firsts, seconds, beyond });
            }
        }
        Ok(openings)
    }

    /// The bytes that can follow states that a first byte led to, and what can come third and fourth then.
    fn seconds(&mut self, states: &[LazyStateID]) -> Result<Vec<(ByteSet, Beyond)>, PatternError> {
        let ended = |states: &[LazyStateID]| states.iter().any(|state| state.is_match());
        let mut seconds = Vec::new();
        for (bytes, reached) in self.after(states)? {
            let (third, states) = self.step(&reached)?;
            let fourth = self.step(&states)?.0;
            // What a match of one or two bytes is followed by may be anything.
            let beyond = [
                if ended(&reached) { ByteSet::ALL } else { third },
                if ended(&reached) || ended(&states) { ByteSet::ALL } else { fourth },
            ];
            seconds.push((bytes, beyond));
        }
        Ok(seconds)
    }

    /// The bytes that can follow some states, by the states that they lead to.
    fn after(&mut self, states: &[LazyStateID]) -> Result<Vec<(ByteSet, Vec<LazyStateID>)>, PatternError> {
        let mut groups: Vec<(ByteSet, Vec<LazyStateID>)> = Vec::new();
        for (byte, class) in &self.classes {
            let mut reached = Vec::new();
            for state in states {
                let next = self.dfa.next_state(&mut self.cache, *state, *byte);
                let next = next.map_err(|_| PatternError::TooComplex)?;
                if !next.is_dead() {
                    reached.push(next);
                }
            }
            if reached.is_empty() {
                continue;
            }
            reached.sort_unstable();
            reached.dedup();
            match groups.iter_mut().find(|(_, states)| *states == reached) {
                Some((bytes, _)) => *bytes = bytes.join(*class),
                None => groups.push((*class, reached)),
            }
        }
        Ok(groups)
    }

    /// The bytes that can follow some states, and the states that they lead to.
    fn step(&mut self, states: &[LazyStateID]) -> Result<(ByteSet, Vec<LazyStateID>), PatternError> {
        let (mut bytes, mut reached) = (ByteSet::default(), Vec::new());
        for (class, states) in self.after(states)? {
            bytes = bytes.join(class);
            reached.extend(states);
        }
        reached.sort_unstable();
        reached.dedup();
        Ok((bytes, reached))
    }
}

/// What `\b` takes for a part of a word.
pub(crate) const fn is_word(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_'
}

/// Automata cannot look at whole characters on both sides: `\b` becomes the ASCII one.
fn ascii_boundaries(hir: &Hir) -> Hir {
    match hir.kind() {
        HirKind::Look(look) => Hir::look(match look {
            Look::WordUnicode => Look::WordAscii,
            Look::WordUnicodeNegate => Look::WordAsciiNegate,
            Look::WordStartUnicode => Look::WordStartAscii,
            Look::WordEndUnicode => Look::WordEndAscii,
            Look::WordStartHalfUnicode => Look::WordStartHalfAscii,
            Look::WordEndHalfUnicode => Look::WordEndHalfAscii,
            look => *look,
        }),
        HirKind::Concat(parts) => Hir::concat(parts.iter().map(ascii_boundaries).collect()),
        HirKind::Alternation(parts) => Hir::alternation(parts.iter().map(ascii_boundaries).collect()),
        HirKind::Repetition(repetition) => Hir::repetition(Repetition {
            sub: Box::new(ascii_boundaries(&repetition.sub)),
            ..repetition.clone()
        }),
        HirKind::Capture(capture) => {
            Hir::capture(Capture { sub: Box::new(ascii_boundaries(&capture.sub)), ..capture.clone() })
        }
        _ => hir.clone(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::detectors;
    use crate::rule::PackName;

    #[test]
    fn patterns_that_cannot_be_used_are_refused_with_a_sentence() {
        let error = |source: &str, max_len| Pattern::new(source, max_len).unwrap_err();
        assert!(matches!(error("(", None), PatternError::Syntax { .. }));
        assert!(matches!(error(r"(a)\1", None), PatternError::Syntax { .. }));
        assert_eq!(error("a*", Some(10)), PatternError::MatchesEmpty);
        assert_eq!(error("a+", None), PatternError::Unbounded);
        assert_eq!(error("a{5}", Some(4)), PatternError::TooShort { max_len: 4, shortest: 5 });
        assert_eq!(error("a+", Some(5000)), PatternError::TooLong { bytes: 5000 });
        assert_eq!(error(r"(\w{50}\W{50}){20}", None), PatternError::TooLong { bytes: 8000 });
        assert_eq!(error(r"\w{500}", Some(4096)), PatternError::TooComplex);
        assert_eq!(error("[a&&b]", None), PatternError::MatchesNothing);
        assert_eq!(Pattern::new(r"ACME-\d{6}", None).unwrap().max_len(), 29, "digits of all scripts");
        assert_eq!(Pattern::new(r"ACME-[0-9]{6}", None).unwrap().max_len(), 11);
    }

    /// Every pair of bytes, and what can come third and fourth, by the automaton that is built whole.
    #[test]
    fn what_opens_a_match_of_a_pack_is_what_its_automaton_goes_on_with() {
        let detectors = PackName::ALL.iter().flat_map(|pack| detectors::all(*pack));
        for detector in detectors {
            let expression = &detector.expression;
            let go_on = |states: &[StateID], byte: u8| {
                let next = states.iter().filter_map(|state| expression.next(*state, byte));
                next.collect::<Vec<(StateID, bool)>>()
            };
            let states =
                |reached: &[(StateID, bool)]| reached.iter().map(|(state, _)| *state).collect::<Vec<_>>();
            for (inside, befores) in [(false, [None, Some(b' ')]), (true, [Some(b'a'), Some(b'_')])] {
                for first in 0..=255u8 {
                    let begun: Vec<StateID> =
                        befores.iter().filter_map(|before| expression.begin(*before, first)).collect();
                    assert!(begun.is_empty() || expression.may_begin_with(first), "{}", detector.id);
                    let openings =
                        expression.openings(inside).iter().filter(|opening| opening.firsts.holds(first));
                    let openings: Vec<&Opening> = openings.collect();
                    for second in 0..=255u8 {
                        let reached = go_on(&begun, second);
                        let mut opening = openings.iter().filter(|opening| opening.seconds.holds(second));
                        let place = || format!("{}: {inside} {first:#x} {second:#x}", detector.id);
                        let Some(Opening { beyond: [thirds, fourths], .. }) = opening.next() else {
                            assert!(reached.is_empty(), "{}", place());
                            continue;
                        };
                        assert!(!reached.is_empty() && opening.next().is_none(), "{}", place());
                        // A match that ended may be followed by anything, and one second byte speaks for all of
                        // an opening.
                        let speaks =
                            openings.iter().any(|opening| opening.seconds.iter().next() == Some(second));
                        if thirds.holds(0) || !speaks {
                            continue;
                        }
                        for third in 0..=255u8 {
                            let reached = go_on(&states(&reached), third);
                            assert_eq!(thirds.holds(third), !reached.is_empty(), "{} {third:#x}", place());
                            let fourth = |byte: &u8| !go_on(&states(&reached), *byte).is_empty();
                            let fourth = (0..=255).step_by(7).find(fourth);
                            assert!(fourth.is_none_or(|fourth| fourths.holds(fourth)), "{}", place());
                        }
                    }
                }
            }
        }
    }
}
