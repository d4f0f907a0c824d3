//! All rooms' rules, compiled together, and the rules of one room: what every reader asks. How texts are scanned with
//! them stands in `scan` and `scanner`.

use std::collections::HashMap;
use std::sync::Arc;

use crate::encoding::Encoding;
use crate::evasion::{Evasion, Evasions};
use crate::fold;
use crate::gate::Gate;
use crate::pattern::runs::{Check, Watch, Watches};
use crate::rule::{Action, Room, RuleKind, RuleSpec, Term};
use crate::sieve::Sieve;
use crate::trie::{Reach, Trie, TrieBuilder, Use};

/// Why rules could not be compiled.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CompileError {
    /// Two rooms have the same name.
    #[error("two rooms are called \"{name}\"")]
    DuplicateRoom {
        /// The name.
        name: String,
    },
    /// More expressions than a room can have.
    #[error("room \"{room}\" has too many patterns and packs: {WATCHES_MAX} expressions are possible")]
    TooManyPatterns {
        /// The room.
        room: String,
    },
}

/// The most expressions of one room.
const WATCHES_MAX: usize = 4096;

/// The rules of all rooms: immutable, shared between threads.
///
/// Building takes a moment with many terms: build a new one beside the old and swap.
pub struct Ruleset {
    rooms: Vec<Room>,
    by_name: HashMap<String, usize>,
    trie: Trie,
    gate: Gate,
    /// By room, the expressions of its patterns and packs.
    watches: Vec<Watches>,
    /// By room, what decoded bytes can begin with.
    sieves: Vec<Sieve>,
}

impl Ruleset {
    /// Compiles the rules of all rooms.
    ///
    /// # Errors
    /// If two rooms have one name, or a rule cannot be looked for.
    pub fn compile(rooms: &[Room]) -> Result<Self, CompileError> {
        let mut by_name = HashMap::new();
        let mut builder = TrieBuilder::default();
        let mut watches = Vec::new();
        for (index, room) in rooms.iter().enumerate() {
            if by_name.insert(room.name.clone(), index).is_some() {
                return Err(CompileError::DuplicateRoom { name: room.name.clone() });
            }
            let mut watched = Vec::new();
            for (rule, spec) in room.rules.iter().enumerate() {
                match &spec.kind {
                    RuleKind::Term(term) => {
                        let used = Use { room: index as u32, rule: rule as u32, spelling: Evasions::NONE };
                        add_term(&mut builder, term, used, spec);
                    }
                    RuleKind::Pattern(pattern) => watched.push(Watch {
                        rule,
                        expression: Arc::clone(pattern.expression()),
                        max_len: pattern.max_len(),
                        check: Check::None,
                        detector: None,
                        need: None,
                        cue: None,
                        block: None,
                        shortest: pattern.expression().shortest(),
                        counts_examples: false,
                    }),
                    RuleKind::Pack(pack) => watched.extend(pack.watches(rule)),
                }
            }
            if watched.len() > WATCHES_MAX {
                return Err(CompileError::TooManyPatterns { room: room.name.clone() });
            }
            watches.push(Watches::new(watched));
        }
        let trie = builder.build();
        let gate = Gate::new(&trie);
        let has_terms = |room: &Room| room.rules.iter().any(|spec| matches!(spec.kind, RuleKind::Term(_)));
        let sieves = rooms
            .iter()
            .zip(&watches)
            .map(|(room, watches)| Sieve::new(&trie, has_terms(room), watches))
            .collect();
        Ok(Self { rooms: rooms.to_vec(), by_name, trie, gate, watches, sieves })
    }

    /// The rules of one room.
    pub fn room(self: &Arc<Self>, name: &str) -> Option<RoomRules> {
        let room = *self.by_name.get(name)?;
        let every = |action| Reach::of(room as u32, action);
        let reach = [Action::Deny, Action::Redact, Action::Ask, Action::Warn]
            .into_iter()
            .fold(Reach::default(), |reach, action| reach.join(every(action)));
        let evasions = self.rooms[room].rules.iter().flat_map(|spec| spec.evasions.iter()).collect();
        Some(RoomRules { ruleset: Arc::clone(self), room, reach, evasions })
    }

    /// Memory of the compiled rules, in bytes, as counted from the sizes of their parts.
    pub fn memory_bytes(&self) -> usize {
        let rules = self.rooms.iter().flat_map(|room| &room.rules);
        let declared = rules.map(|spec| {
            let text = match &spec.kind {
                RuleKind::Term(term) => term.text().len(),
                RuleKind::Pattern(pattern) => pattern.source().len(),
                RuleKind::Pack(_) => 0,
            };
            size_of::<RuleSpec>() + spec.id.len() + text
        });
        declared.sum::<usize>()
            + self.trie.memory_bytes()
            + self.gate.memory_bytes()
            + self.watches.iter().map(Watches::memory_bytes).sum::<usize>()
            + self.sieves.iter().map(Sieve::memory_bytes).sum::<usize>()
    }
}

/// Adds a term as folded, and as it looks in Latin letters if that is something else: a Russian
/// term is then also found with some of its letters replaced by Latin ones.
fn add_term(builder: &mut TrieBuilder, term: &Term, used: Use, spec: &RuleSpec) {
    builder.add(term.folded(), term.letters(), used, spec.action);
    let latin: String = term
        .folded()
        .chars()
        .map(|c| fold::readings(c).next().map_or_else(|| c.to_string(), |(latin, _)| latin.to_owned()))
        .collect();
    if spec.person && spec.evasions.contains(Evasion::NameOrder) {
        let used = Use { spelling: Evasions::NONE.with(Evasion::NameOrder), ..used };
        for spelling in term.last_name_first() {
            builder.add(&spelling, term.letters(), used, spec.action);
        }
    }
    let mut add = |evasion: Evasion, spellings: Vec<String>| {
        if spec.evasions.contains(evasion) && term.letters() >= evasion.min_term_letters() {
            let used = Use { spelling: Evasions::NONE.with(evasion), ..used };
            spellings.iter().for_each(|spelling| builder.add(spelling, term.letters(), used, spec.action));
        }
    };
    add(Evasion::Rot13, term.rotated().into_iter().collect());
    add(Evasion::Reversed, term.reversed());
    if latin != term.folded() && spec.evasions.contains(Evasion::Confusables) {
        let used = Use { spelling: Evasions::NONE.with(Evasion::Confusables), ..used };
        builder.add(&latin, term.letters(), used, spec.action);
    }
}

/// The rules of one room: a cheap handle.
#[derive(Clone)]
pub struct RoomRules {
    ruleset: Arc<Ruleset>,
    room: usize,
    reach: Reach,
    evasions: Evasions,
}

impl RoomRules {
    fn rules(&self) -> &[RuleSpec] {
        &self.ruleset.rooms[self.room].rules
    }

    pub(crate) fn trie(&self) -> &Trie {
        &self.ruleset.trie
    }

    pub(crate) fn gate(&self) -> &Gate {
        &self.ruleset.gate
    }

    /// What decoded bytes can begin with in the room.
    pub(crate) fn sieve(&self) -> &Sieve {
        &self.ruleset.sieves[self.room]
    }

    /// The expressions of the room.
    pub(crate) fn watches(&self) -> &Watches {
        &self.ruleset.watches[self.room]
    }

    pub(crate) fn index(&self) -> usize {
        self.room
    }

    /// Everything that concerns this room.
    pub(crate) fn reach(&self) -> Reach {
        self.reach
    }

    /// The disguises that at least one rule looks for.
    pub(crate) fn evasions(&self) -> Evasions {
        self.evasions
    }

    /// Whether a term may be looked for in an encoding.
    pub(crate) fn decodes(&self, encoding: Encoding) -> bool {
        let evasion = encoding.evasion();
        let long = self.trie().most_letters(Trie::ROOT) >= evasion.min_term_letters();
        self.evasions.contains(evasion) && (long || !self.watches().is_empty())
    }

    /// Whether a rule looks for what is disguised so.
    pub(crate) fn looks_through(&self, rule: usize, evasion: Option<Evasion>) -> bool {
        evasion.is_none_or(|evasion| self.rule(rule).evasions.contains(evasion))
    }

    pub(crate) fn reach_of_rule(&self, rule: usize) -> Reach {
        Reach::of(self.room as u32, self.rule(rule).action)
    }

    /// What the rules chosen by `chosen` reach, by their actions.
    pub(crate) fn reach_of(&self, chosen: impl Fn(&RuleSpec) -> bool) -> Reach {
        self.rules()
            .iter()
            .filter(|spec| chosen(spec))
            .fold(Reach::default(), |reach, spec| reach.join(Reach::of(self.room as u32, spec.action)))
    }

    /// The rule with this index.
    ///
    /// # Panics
    /// If the room has no such rule. Indices of violations always exist.
    pub fn rule(&self, index: usize) -> &RuleSpec {
        &self.rules()[index]
    }

    /// Whether the room forbids nothing.
    pub fn is_empty(&self) -> bool {
        self.rules().is_empty()
    }
}
