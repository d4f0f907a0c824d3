//! All rooms' rules, compiled together.

use std::collections::HashMap;
use std::ops::Range;
use std::sync::Arc;

use crate::encoded::{self, Encoding, Finds, Sieve};
use crate::evasion::{Evasion, Evasions};
use crate::fold;
use crate::gate::Gate;
use crate::lens::{self, Lens};
use crate::matcher::path::Path;
use crate::matcher::{Before, Found, Matcher};
use crate::pattern::runs::{Check, Mark, Runs, Watch, Watches};
use crate::pattern::watcher::{Match, Watcher};
use crate::rule::{Action, Room, RuleKind, RuleSpec, Term};
use crate::scanner::Scanner;
use crate::seek::{Place, Trail, hidden_before, seek};
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

/// Bytes of a text known to be encoded that patterns and packs are run on: signatures are shorter, pictures longer.
pub const ENCODED_PATTERNS_BYTES: usize = 64 << 10;

/// A violation in a complete text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Violation {
    /// Index into the room's rules.
    pub rule: usize,
    /// Bytes of the original text.
    pub span: Range<usize>,
    /// How it was disguised, if it was.
    pub evasion: Option<Evasion>,
    /// The pack and type that found it, such as `secrets/aws-key`; absent for terms and patterns.
    pub detector: Option<Arc<str>>,
    /// Whether nothing of it stands beyond its bytes. A private key whose end was not seen is not whole:
    /// to replace its bytes would leave the rest of it.
    pub is_whole: bool,
}

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

/// The walks of a whole text, from the places at which a term may begin. They read each character once:
/// where a walk is alive, the next one begins beside it.
pub(crate) struct Walks<'a> {
    rules: &'a RoomRules,
    text: &'a str,
    matcher: Matcher,
    trail: Trail,
    has_backslash: bool,
}

impl<'a> Walks<'a> {
    pub(crate) fn new(rules: &'a RoomRules, text: &'a str) -> Self {
        let has_backslash = memchr::memchr(b'\\', text.as_bytes()).is_some();
        let matcher = Matcher::new(0, Before::START);
        Self { rules, text, matcher, trail: Trail::default(), has_backslash }
    }

    /// Lets a term begin at a place. Places come in order.
    pub(crate) fn begin(&mut self, at: usize, found: &mut Vec<Found>) {
        self.go_on(at, found);
        if self.matcher.is_idle() {
            let path = if self.has_backslash { self.trail.path(self.text, at) } else { Path::default() };
            let before = self.trail.before(self.text, at);
            let hidden = hidden_before(self.text, at);
            self.matcher.restart_within(&self.text[..at], before, hidden, path);
        }
        if let Some(c) = self.text[at..].chars().next() {
            self.matcher.read(self.rules, c, true, found);
        }
    }

    /// Reads up to a place, as far as a walk is alive.
    fn go_on(&mut self, to: usize, found: &mut Vec<Found>) {
        if self.matcher.is_idle() {
            return;
        }
        let from = self.matcher.position() as usize;
        for c in self.text[from..to].chars() {
            self.matcher.read(self.rules, c, false, found);
            if self.matcher.is_idle() {
                return;
            }
        }
    }

    /// Whether a term may go on behind the end of the text.
    pub(crate) fn is_alive_at_end(&mut self, found: &mut Vec<Found>) -> bool {
        self.go_on(self.text.len(), found);
        !self.matcher.is_idle()
    }

    pub(crate) fn end(&mut self, found: &mut Vec<Found>) {
        self.go_on(self.text.len(), found);
        self.matcher.end(self.rules, found);
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

    /// Appends all violations in a complete text, in order of start. Overlapping ones are all
    /// reported.
    pub fn scan(&self, text: &str, found: &mut Vec<Violation>) {
        self.scan_with(text, false, found, &mut Vec::new());
    }

    /// Appends all violations in a complete text, and beside them what packs found that is reserved for
    /// examples and therefore is no violation: `jane.doe@example.com`, 555-0142, `AKIAIOSFODNN7EXAMPLE`.
    pub fn scan_with_examples(&self, text: &str, found: &mut Vec<Violation>, examples: &mut Vec<Violation>) {
        self.scan_with(text, false, found, examples);
    }

    /// Appends the violations in a complete text that is known to be encoded bytes throughout, such as a picture in
    /// base64: those in the letters that it is written with, and none in what the encoding stands for. Of texts
    /// beyond [`ENCODED_PATTERNS_BYTES`] only those of terms. That takes a fraction of the time.
    pub fn scan_encoded(&self, text: &str, found: &mut Vec<Violation>) {
        self.scan_with(text, true, found, &mut Vec::new());
    }

    fn scan_with(
        &self,
        text: &str,
        is_encoded: bool,
        found: &mut Vec<Violation>,
        examples: &mut Vec<Violation>,
    ) {
        if self.is_empty() {
            return;
        }
        let mut fresh = Finds::default();
        let mut walks = Walks::new(self, text);
        let mut runs = encoded::Runs::new(self, text);
        seek(self, text, |place| match place {
            Place::Term(at) => walks.begin(at, &mut fresh.terms),
            Place::Dense(at) if !is_encoded => runs.look(at, &mut fresh),
            Place::Dense(_) => {}
        });
        walks.end(&mut fresh.terms);
        if !is_encoded {
            encoded::read_codes(self, text, &mut fresh);
        }
        if !is_encoded || text.len() <= ENCODED_PATTERNS_BYTES {
            self.run_patterns(text, &mut fresh);
        }
        self.report(fresh, found, examples);
    }

    fn run_patterns(&self, text: &str, fresh: &mut Finds) {
        if self.watches().is_empty() {
            return;
        }
        let (mut runs, mut matched, mut read) = (Runs::default(), Vec::new(), 0);
        let mut lens: Option<Lens> = None;
        let (mut path, mut path_at) = (Path::default(), 0);
        let mut at = 0;
        while at < text.len() {
            if lens.as_ref().is_some_and(|lens| lens.is_over(at as u64)) {
                lens = None;
            }
            if lens.is_none() {
                at += lens::next_suspicious(&text[at..]);
                let Some(rest) = text.get(at..).filter(|rest| !rest.is_empty()) else { break };
                let mut chars = rest.chars();
                if !chars.next().is_some_and(|c| lens::is_suspicious(c, chars.next())) {
                    at += rest.chars().next().map_or(1, char::len_utf8);
                    continue;
                }
                runs.read(self.watches(), &text[..at], 0, read as u64, &mut matched);
                read = at;
                path.read_all(&text[path_at..at]);
                path_at = at;
                let watcher = Watcher::going_on(runs.clone(), &text[..at], 0);
                lens = Some(Lens::new(watcher, at as u64, path, text[..at].chars().next_back()));
            }
            let (Some(lens), Some(c)) = (&mut lens, text[at..].chars().next()) else { break };
            lens.read(self.watches(), c, at as u64, &mut fresh.matches);
            at += c.len_utf8();
        }
        if let Some(mut lens) = lens {
            lens.end(self.watches(), &mut fresh.matches);
        }
        runs.read(self.watches(), text, 0, read as u64, &mut matched);
        runs.end(self.watches(), text, 0, &mut matched);
        fresh.matches.extend(matched.into_iter().map(|(watch, span): Match| (watch, span, None)));
    }

    /// Appends what was found, each violation once with its plainest disguise, in order.
    fn report(&self, fresh: Finds, found: &mut Vec<Violation>, examples: &mut Vec<Violation>) {
        let terms = fresh.terms.into_iter().map(|(rule, span, evasion)| (span, rule, None, evasion));
        let matches = fresh
            .matches
            .into_iter()
            .map(|(watch, span, evasion)| (span, self.watches().get(watch).rule, Some(watch), evasion))
            .filter(|(_, rule, _, evasion)| self.looks_through(*rule, *evasion));
        let mut all: Vec<_> = terms.chain(matches).collect();
        all.sort_by_key(|(span, rule, watch, evasion)| (span.start, span.end, *rule, *watch, *evasion));
        all.dedup_by(|one, other| (&one.0, one.1, one.2) == (&other.0, other.1, other.2));
        for (span, rule, watch, evasion) in all {
            let mark = watch.map_or(Mark::Plain, |watch| self.watches().mark(watch));
            let violation = Violation {
                rule,
                span: span.start as usize..span.end as usize,
                evasion,
                detector: watch.and_then(|watch| self.watches().get(watch).detector.clone()),
                is_whole: mark != Mark::Open,
            };
            if mark == Mark::Example { examples.push(violation) } else { found.push(violation) }
        }
    }

    /// A scanner in which every rule holds text back.
    pub fn stream(&self) -> Scanner {
        self.stream_for(|_| true)
    }

    /// A scanner in which only the rules chosen by `blocking` hold text back; the others are
    /// reported all the same. The choice is made by action: if one `warn` rule of a room blocks,
    /// all of them do.
    pub fn stream_for(&self, blocking: impl Fn(&RuleSpec) -> bool) -> Scanner {
        Scanner::new(self.clone(), blocking)
    }
}
