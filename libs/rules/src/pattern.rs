//! Regular expressions that are safe to run on anybody's text: linear time, bounded length.
//!
//! An expression becomes a deterministic automaton when it is declared, so that no text can make
//! it slow; one whose automaton would be too large is refused with a sentence. Expressions see
//! the text as it is, not folded. There is no look-around and no back-reference, `\b` is between
//! ASCII word characters and others, and `^` and `$` are the ends of the text.

pub(crate) mod block;
mod cue;
mod dispatch;
mod opening;
pub(crate) mod runs;
pub(crate) mod watcher;
mod watches;

use std::sync::{Arc, OnceLock};

pub(crate) use crate::pattern::cue::Cue;
use crate::pattern::opening::Opening;
use regex_automata::dfa::{Automaton as _, StartKind, dense};
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
    /// What a match can begin with. No two that count on the same side share their first two bytes.
    openings: Vec<Opening>,
}

struct Automaton {
    dfa: dense::DFA<Vec<u32>>,
    /// The state to start in, by the byte before; the last one is for the beginning of a text.
    starts: Vec<StateID>,
}

impl Expression {
    fn new(hir: &Hir, shortest: usize) -> Result<Self, PatternError> {
        let hir = ascii_boundaries(hir);
        let openings = opening::openings(&hir)?;
        let mut first = [false; 256];
        for byte in openings.iter().flat_map(|opening| opening.firsts().iter()) {
            first[usize::from(byte)] = true;
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

    /// What a match can begin with.
    pub(crate) fn openings(&self) -> &[Opening] {
        &self.openings
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
            + self.openings.iter().map(Opening::memory_bytes).sum::<usize>()
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
}
