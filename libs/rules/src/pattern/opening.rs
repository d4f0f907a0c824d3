//! The first bytes that matches of an expression can have, known before its automaton is built.
//!
//! A lazily built automaton is walked from all starts at once; what can come at a place is the union over all
//! states that can be reached there. So an opening may admit bytes that no match has, and never refuses those of one.

use regex_automata::hybrid::{LazyStateID, dfa as lazy};
use regex_automata::{Anchored, MatchKind};
use regex_syntax::hir::Hir;

use crate::pattern::{AUTOMATON_MAX_BYTES, PatternError, is_word, nfa, start_after};

/// Places that an opening knows at most: as many as the widest number written without separators has digits, so
/// that most numbers of a wrong length are refused by their opening.
pub(super) const OPENING_BYTES: usize = 16;
/// Places that every opening has, however little they tell.
const PLACES_MIN: usize = 4;
/// A place at which more bytes than these may stand, digits among them, tells too little to be worth a look.
const TELLING_BYTES_MAX: u32 = 24;
/// So many openings of an expression have a second byte of their own; further ones share theirs.
const PAIRS_MAX: usize = 96;
/// States that are followed together beyond the first places; more would take longer than what they tell is worth.
const STATES_MAX: usize = 32;

/// A set of bytes.
#[derive(Clone, Copy, Default, PartialEq, Eq, Hash, Debug)]
pub(crate) struct ByteSet([u64; 4]);

impl ByteSet {
    fn insert(&mut self, byte: u8) {
        self.0[usize::from(byte / 64)] |= 1 << (byte % 64);
    }

    pub(crate) fn holds(&self, byte: u8) -> bool {
        self.0[usize::from(byte / 64)] >> (byte % 64) & 1 != 0
    }

    pub(crate) fn iter(self) -> impl Iterator<Item = u8> {
        (0..=255u8).filter(move |byte| self.holds(*byte))
    }

    fn join(self, other: Self) -> Self {
        Self(std::array::from_fn(|part| self.0[part] | other.0[part]))
    }

    fn len(&self) -> u32 {
        self.0.iter().map(|part| part.count_ones()).sum()
    }
}

/// Bytes that a match can begin with, place by place.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Opening {
    /// Whether it counts where no ASCII word character stands before the match.
    pub(super) outside: bool,
    /// Whether it counts where one does.
    pub(super) inside: bool,
    /// By place, the bytes that a match, or what follows a match that ended, can have there. Places that are not
    /// listed may hold anything.
    pub(super) places: Box<[ByteSet]>,
}

impl Opening {
    /// The bytes that can come first.
    pub(super) fn firsts(&self) -> ByteSet {
        self.places.first().copied().unwrap_or_default()
    }

    pub(super) fn memory_bytes(&self) -> usize {
        size_of::<Self>() + self.places.len() * size_of::<ByteSet>()
    }
}

/// What matches of an expression can begin with. No two openings that count on the same side share their first two
/// bytes.
///
/// # Errors
/// If the expression is too large.
pub(super) fn openings(hir: &Hir) -> Result<Vec<Opening>, PatternError> {
    let mut beginning = Beginning::new(hir)?;
    let mut begun = Vec::new();
    for inside in [false, true] {
        for (places, states) in beginning.first_places(inside)? {
            begun.push((inside, places, states));
        }
    }
    let mut openings: Vec<Opening> = Vec::new();
    for (inside, mut places, states) in begun {
        beginning.go_on(&mut places, states);
        let places = places.into_boxed_slice();
        match openings.iter_mut().find(|opening| inside && !opening.inside && opening.places == places) {
            Some(opening) => opening.inside = true,
            None => openings.push(Opening { outside: !inside, inside, places }),
        }
    }
    Ok(openings)
}

/// The first few states of an automaton, made as they are asked for: what a match can begin with is known
/// long before all of the automaton is.
struct Beginning {
    dfa: lazy::DFA,
    cache: lazy::Cache,
    /// One byte of every class of bytes that the expression does not tell apart, and its class.
    classes: Vec<(u8, ByteSet)>,
}

/// Bytes by place, and the states that the last of them led to.
type Begun = (Vec<ByteSet>, Vec<LazyStateID>);

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

    /// The first places of matches with a word character before them, or with none, by the states that the first
    /// byte leads to.
    fn first_places(&mut self, inside: bool) -> Result<Vec<Begun>, PatternError> {
        let is_so = |before: &Option<u8>| before.is_some_and(is_word) == inside;
        let mut starts = Vec::new();
        for before in (0..=255).map(Some).chain([None]).filter(is_so) {
            let start = self.dfa.start_state(&mut self.cache, &start_after(before).anchored(Anchored::Yes));
            starts.push(start.map_err(|_| PatternError::TooComplex)?);
        }
        starts.sort_unstable();
        starts.dedup();
        let mut begun = Vec::new();
        for (firsts, reached) in self.after(&starts)? {
            let seconds = self.after(&reached)?;
            if begun.len() + seconds.len() > PAIRS_MAX {
                begun.push((vec![firsts], reached));
            } else {
                begun.extend(seconds.into_iter().map(|(bytes, states)| (vec![firsts, bytes], states)));
            }
        }
        for (places, states) in &mut begun {
            // What a match that ended is followed by may be anything.
            while places.len() < PLACES_MIN && !has_ended(states) {
                let (bytes, reached) = self.step(states)?;
                places.push(bytes);
                *states = reached;
            }
        }
        Ok(begun)
    }

    /// Adds further places, as far as they tell something.
    fn go_on(&mut self, places: &mut Vec<ByteSet>, mut states: Vec<LazyStateID>) {
        while (PLACES_MIN..OPENING_BYTES).contains(&places.len())
            && !has_ended(&states)
            && states.len() <= STATES_MAX
        {
            let Ok((bytes, reached)) = self.step(&states) else { break };
            if bytes.len() > TELLING_BYTES_MAX && bytes.holds(b'0') {
                break;
            }
            places.push(bytes);
            states = reached;
        }
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

/// Whether a match ended before the byte that led to one of the states.
fn has_ended(states: &[LazyStateID]) -> bool {
    states.iter().any(|state| state.is_match())
}

#[cfg(test)]
mod tests {
    use regex_automata::util::primitives::StateID;

    use super::*;
    use crate::detectors;
    use crate::detectors::PackName;
    use crate::pattern::ascii_boundaries;

    /// Place by place, the bytes with which the automaton, built whole, goes on.
    #[test]
    fn what_opens_a_match_of_a_pack_is_what_its_automaton_goes_on_with() {
        for detector in PackName::ALL.iter().flat_map(|pack| detectors::all(*pack)) {
            let expression = &detector.expression;
            for (inside, befores) in
                [(false, [None, Some(b' '), Some(0xA9)]), (true, [Some(b'a'), Some(b'_'), Some(b'7')])]
            {
                let counts = |opening: &&Opening| if inside { opening.inside } else { opening.outside };
                let begun = |first: u8| {
                    befores
                        .iter()
                        .filter_map(|before| expression.begin(*before, first))
                        .collect::<Vec<StateID>>()
                };
                for first in 0..=255u8 {
                    let openings = expression.openings().iter().filter(counts);
                    let openings: Vec<&Opening> =
                        openings.filter(|opening| opening.firsts().holds(first)).collect();
                    let begun = begun(first);
                    for second in 0..=255u8 {
                        let holding =
                            openings.iter().filter(|opening| opening.places[1].holds(second)).count();
                        let goes_on = begun.iter().any(|state| expression.next(*state, second).is_some());
                        assert_eq!(holding, usize::from(goes_on), "{}: {first:#x} {second:#x}", detector.id);
                    }
                }
                for opening in expression.openings().iter().filter(counts) {
                    let mut states: Vec<StateID> = opening.firsts().iter().flat_map(begun).collect();
                    for (place, bytes) in opening.places.iter().enumerate().skip(1) {
                        states.sort_unstable();
                        states.dedup();
                        let (mut reached, mut going_on) = (Vec::new(), ByteSet::default());
                        for byte in 0..=255u8 {
                            let next = states.iter().filter_map(|state| expression.next(*state, byte));
                            let next: Vec<StateID> = next.map(|(state, _)| state).collect();
                            // Other second bytes are those of other openings.
                            if place == 1 && !bytes.holds(byte) {
                                continue;
                            }
                            if !next.is_empty() {
                                going_on.insert(byte);
                            }
                            reached.extend(next);
                        }
                        assert_eq!(*bytes, going_on, "{}: place {place}", detector.id);
                        states = reached;
                    }
                }
            }
        }
    }

    #[test]
    fn a_match_that_may_have_ended_lets_anything_follow() {
        let of = |source: &str| openings(&ascii_boundaries(&regex_syntax::parse(source).unwrap())).unwrap();
        let openings = of("a|abc");
        assert!(
            openings.iter().all(|opening| opening.outside && opening.inside && opening.places.len() == 2)
        );
        assert_eq!(openings.iter().map(|opening| opening.places[1].len()).sum::<u32>(), 256);
        let [opening] = of(r"\b[0-9]{9}\b").try_into().unwrap_or_else(|_| panic!("one opening"));
        assert_eq!(opening.places.len(), 10, "with what may follow");
        assert!(opening.outside && !opening.inside && !opening.places[9].holds(b'0'));
    }
}
