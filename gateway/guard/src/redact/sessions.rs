//! The placeholders of conversations. In memory only, and bounded.

use super::address::AddressReader;
use super::names;
use super::restore;
use super::spots::{self, Edit, Spot};
use crate::policy::Policy;
use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::convert::Infallible;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use zos_core::targets::RestoreTo;
use zos_core::{Context, Effect};
use zos_rules::RuleKind;
use zos_wire::clients::conversation;
use zos_wire::json::Value;

/// Conversations that are remembered; beyond it the one that was quiet for longest is forgotten.
const SESSIONS_LIMIT: usize = 512;

/// Texts that one conversation, or one call without one, may have placeholders for.
const TEXTS_LIMIT: usize = 8192;

/// Memory that the texts of one of them may take, in bytes: half of the largest body that is allowed by default.
const TEXTS_MAX_BYTES: usize = 16 << 20;

/// Memory that all remembered conversations may take together, in bytes; beyond it those that were quiet for
/// longest are forgotten. Names and addresses of some hundred conversations need a few megabytes.
const KEPT_MAX_BYTES: usize = 12 << 20;

/// Memory of a text beside its own bytes: its entries in two maps, its number, its key.
const OVERHEAD_BYTES: usize = 128;

/// The longest text that names itself; of a longer one its digest does.
const NAME_MAX_BYTES: usize = 64;

/// Whose conversation it is. Rooms never share one.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct SessionKey {
    context: String,
    client: Option<String>,
    conversation: String,
}

/// All conversations.
#[derive(Default)]
pub struct Sessions {
    kept: Mutex<Kept>,
}

#[derive(Default)]
struct Kept {
    by_key: HashMap<SessionKey, (u64, Arc<Mutex<Texts>>)>,
    /// Grows with every use, to tell which was used last.
    uses: u64,
    /// Memory that their texts take.
    bytes: Arc<AtomicUsize>,
}

impl Kept {
    /// Forgets the conversation that was quiet for longest; whether there was one beside `but`.
    fn forget_one(&mut self, but: &SessionKey) -> bool {
        let others = self.by_key.iter().filter(|(key, _)| *key != but);
        let oldest = others.min_by_key(|(_, (used, _))| *used).map(|(key, _)| key.clone());
        oldest.is_some_and(|oldest| self.by_key.remove(&oldest).is_some())
    }

    /// Memory for the texts of a conversation that is remembered.
    fn texts(&self) -> Arc<Mutex<Texts>> {
        let memory = Memory { kept: Some(self.bytes.clone()), ..Memory::default() };
        Arc::new(Mutex::new(Texts { memory, ..Texts::default() }))
    }
}

impl Sessions {
    /// The placeholders that a call uses: those of its conversation where it names one, otherwise new
    /// ones that end with it.
    pub fn open(&self, context: &str, client: Option<&str>, headers: &http::HeaderMap) -> Masks {
        let texts = match conversation(headers) {
            Some(conversation) => self.texts_of(SessionKey {
                context: context.to_owned(),
                client: client.map(str::to_owned),
                conversation: conversation.to_owned(),
            }),
            None => Arc::default(),
        };
        Masks { texts, look_alikes: Arc::default(), rooms: Arc::new([]), uses: Arc::default() }
    }

    fn texts_of(&self, key: SessionKey) -> Arc<Mutex<Texts>> {
        let mut kept = lock(&self.kept);
        kept.uses += 1;
        let now = kept.uses;
        while kept.bytes.load(Ordering::Relaxed) > KEPT_MAX_BYTES && kept.forget_one(&key) {}
        let anew = kept.texts();
        if let Some((used, texts)) = kept.by_key.get_mut(&key) {
            *used = now;
            // A conversation that is half full starts anew between two calls rather than failing in one.
            if lock(texts).is_half_full() {
                *texts = anew;
            }
            return texts.clone();
        }
        if kept.by_key.len() >= SESSIONS_LIMIT {
            kept.forget_one(&key);
        }
        kept.by_key.insert(key, (now, anew.clone()));
        anew
    }
}

/// The texts of one conversation and their placeholders.
#[derive(Default)]
struct Texts {
    by_term: HashMap<TermKey, Term>,
    /// The last number of each label.
    numbers: HashMap<String, u32>,
    /// What may be restored, by the inside of its placeholder.
    restorable: Arc<BTreeMap<String, Original>>,
    count: usize,
    memory: Memory,
}

impl Texts {
    fn is_half_full(&self) -> bool {
        self.count > TEXTS_LIMIT / 2 || self.memory.bytes > TEXTS_MAX_BYTES / 2
    }

    /// Counts one more text of this length.
    fn take(&mut self, length: usize) -> Result<(), TooMany> {
        let bytes = length + OVERHEAD_BYTES;
        if self.count == TEXTS_LIMIT || self.memory.bytes + bytes > TEXTS_MAX_BYTES {
            return Err(TooMany);
        }
        self.count += 1;
        self.memory.grow(bytes);
        Ok(())
    }
}

/// Memory that the texts of one conversation take, given back when they are forgotten.
#[derive(Default)]
struct Memory {
    bytes: usize,
    /// That of all conversations that are remembered, where this is one of them.
    kept: Option<Arc<AtomicUsize>>,
}

impl Memory {
    fn grow(&mut self, bytes: usize) {
        self.bytes += bytes;
        if let Some(kept) = &self.kept {
            kept.fetch_add(bytes, Ordering::Relaxed);
        }
    }
}

impl Drop for Memory {
    fn drop(&mut self) {
        if let Some(kept) = &self.kept {
            kept.fetch_sub(self.bytes, Ordering::Relaxed);
        }
    }
}

/// What makes two matches one term: the label and the term itself, however it is spelled.
type TermKey = (String, String);

struct Term {
    number: u32,
    spellings: Vec<Spelling>,
}

struct Spelling {
    text: Arc<str>,
    /// Whether the caller sent it. What only the model said is never restored.
    is_callers: bool,
}

/// Whose words a match stands in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Speaker {
    /// The caller: what is replaced here is put back in the answer.
    Caller,
    /// The model: what is replaced here stays so.
    Model,
}

/// More different texts in one conversation, or longer ones, than are kept.
#[derive(Debug, PartialEq, Eq)]
pub struct TooMany;

impl TooMany {
    /// How many are kept.
    pub const LIMIT: usize = TEXTS_LIMIT;
    /// Memory that they may take, in bytes.
    pub const LIMIT_BYTES: usize = TEXTS_MAX_BYTES;
}

/// The placeholders that one call uses.
#[derive(Clone)]
pub struct Masks {
    texts: Arc<Mutex<Texts>>,
    /// What the caller's own text holds that looks like a placeholder: it stands for itself.
    look_alikes: Arc<HashSet<String>>,
    /// Rooms whose target lists say which addresses a text may be put back into. None: no address.
    rooms: Arc<[Arc<Context>]>,
    /// Secrets that this call's answer got back, as `kind > place`.
    uses: Arc<Mutex<BTreeSet<String>>>,
}

impl Masks {
    /// Sets the rooms whose target lists open addresses.
    pub fn set_rooms(&mut self, policy: &Policy) {
        self.rooms = policy.target_rooms().into();
    }

    /// Secrets that this call's answer got back, as `secrets/github-token > api.github.com`.
    #[must_use]
    pub fn uses(&self) -> Vec<String> {
        lock(&self.uses).iter().cloned().collect()
    }

    /// Notes what the caller's text holds that looks like a placeholder. Before the first [`Masks::mask`].
    pub fn set_look_alikes(&mut self, found: HashSet<String>) {
        self.look_alikes = Arc::new(found);
    }

    /// The placeholder of a match.
    pub fn mask(
        &self,
        policy: &Policy,
        rule: usize,
        matched: &str,
        speaker: Speaker,
    ) -> Result<String, TooMany> {
        let mut texts = lock(&self.texts);
        let texts = &mut *texts;
        let key = term_key(policy, rule, matched);
        let label = key.0.clone();
        // The texts are counted while the term is borrowed, so it is out of its map meanwhile.
        let mut term = texts.by_term.remove(&key).unwrap_or_else(|| {
            let number = texts.numbers.entry(label.clone()).or_default();
            *number += 1;
            Term { number: *number, spellings: Vec::new() }
        });
        let spelling = self.spelling(texts, &mut term, &label, matched);
        let term = texts.by_term.entry(key).or_insert(term);
        let (spelling, number) = (spelling?, term.number);
        let found = &mut term.spellings[spelling];
        if speaker == Speaker::Caller && !found.is_callers {
            found.is_callers = true;
            let text = found.text.clone();
            let secret = policy.secret(rule, matched).map(|(kind, to)| Secret { kind, to });
            let original = Original { text, secret };
            Arc::make_mut(&mut texts.restorable).insert(names::key(&label, number, spelling), original);
        }
        Ok(names::written(&label, number, spelling))
    }

    /// Which spelling of a term a match is; a new one is counted. One whose placeholder the caller's own text holds
    /// already is passed over.
    fn spelling(
        &self,
        texts: &mut Texts,
        term: &mut Term,
        label: &str,
        matched: &str,
    ) -> Result<usize, TooMany> {
        let number = term.number;
        let is_free = |spelling: usize| !self.look_alikes.contains(&names::key(label, number, spelling));
        let known = (0..term.spellings.len())
            .find(|spelling| &*term.spellings[*spelling].text == matched && is_free(*spelling));
        if let Some(known) = known {
            return Ok(known);
        }
        loop {
            texts.take(matched.len())?;
            term.spellings.push(Spelling { text: matched.into(), is_callers: false });
            let last = term.spellings.len() - 1;
            if is_free(last) {
                return Ok(last);
            }
        }
    }

    /// The placeholder of a match in the model's words. Beyond the limit it has no number.
    pub(crate) fn mask_models(&self, policy: &Policy, rule: usize, matched: &str) -> String {
        self.mask(policy, rule, matched, Speaker::Model)
            .unwrap_or_else(|TooMany| format!("{}{}{}", names::OPEN, policy.label(rule), names::CLOSE))
    }

    /// The edits that replace, in a text of the model, what the room redacts and the caller did not say.
    pub fn replaced(&self, policy: &Policy, text: &str, found: &[Spot]) -> Vec<Edit> {
        let is_chosen = |rule, matched: &str| {
            policy.effect(rule) == Effect::Redact && !self.is_callers(policy, rule, matched)
        };
        let mut mask = |rule, matched: &str| Ok(self.mask_models(policy, rule, matched));
        let replaced: Result<_, Infallible> = spots::edits(text, found, &is_chosen, &mut mask);
        let Ok(edits) = replaced;
        edits
    }

    /// All edits of a text of the model, in order: what is replaced, and the restored strings but those
    /// that start at an offset of `skip`. What is replaced is not restored.
    pub fn changed(&self, value: &Value<'_>, replaced: Vec<Edit>, skip: &[usize]) -> Vec<Edit> {
        self.changed_of(value, replaced, skip, "")
    }

    /// [`Masks::changed`] for a text that is about a call of `tool` and does not name it.
    pub(crate) fn changed_of(
        &self,
        value: &Value<'_>,
        replaced: Vec<Edit>,
        skip: &[usize],
        tool: &str,
    ) -> Vec<Edit> {
        let mut edits = restore::edits(&self.restorable(), value, skip, tool);
        edits.retain(|(place, _)| {
            !replaced.iter().any(|(other, _)| other.start < place.end && place.start < other.end)
        });
        edits.extend(replaced);
        edits.sort_by_key(|(place, _)| place.start);
        edits
    }

    /// Whether the caller said this term itself: then it may read it.
    pub(crate) fn is_callers(&self, policy: &Policy, rule: usize, matched: &str) -> bool {
        lock(&self.texts)
            .by_term
            .get(&term_key(policy, rule, matched))
            .is_some_and(|term| term.spellings.iter().any(|spelling| spelling.is_callers))
    }

    /// What may be restored in the answer of this call.
    pub(crate) fn restorable(&self) -> Restorable {
        let texts = lock(&self.texts).restorable.clone();
        Restorable {
            texts,
            look_alikes: self.look_alikes.clone(),
            rooms: self.rooms.clone(),
            uses: self.uses.clone(),
        }
    }
}

/// A text that was replaced.
#[derive(Debug, Clone)]
struct Original {
    text: Arc<str>,
    secret: Option<Secret>,
}

/// A secret among them: it comes back for calls that take it where it belongs, and nowhere else.
#[derive(Debug, Clone)]
struct Secret {
    /// The detector that knows its kind, such as `secrets/github-token`.
    kind: Arc<str>,
    to: Arc<RestoreTo>,
}

/// Where a placeholder stands in an answer.
pub(crate) struct Standing<'a> {
    /// What stands before it.
    pub(crate) address: &'a AddressReader,
    /// Kinds of secrets that the call it stands in may have; `None` outside of calls.
    pub(crate) granted: Option<&'a Granted>,
}

/// Kinds of secrets that one tool call may have, and where it takes each.
#[derive(Debug, Clone, Default)]
pub(crate) struct Granted(Vec<(Arc<str>, String)>);

/// What a placeholder becomes.
pub(crate) enum Restored<'a> {
    /// It was never issued.
    Unknown,
    /// It was, and stays where it stands.
    Stays,
    /// This text.
    Text(&'a str),
}

/// What may be restored in one answer.
#[derive(Clone)]
pub(crate) struct Restorable {
    texts: Arc<BTreeMap<String, Original>>,
    look_alikes: Arc<HashSet<String>>,
    rooms: Arc<[Arc<Context>]>,
    uses: Arc<Mutex<BTreeSet<String>>>,
}

impl Restorable {
    /// Whether nothing was redacted, so that nothing can come back.
    pub(crate) fn is_empty(&self) -> bool {
        self.texts.is_empty()
    }

    /// Whether there are secrets, for which a call has to be whole before any of it may leave.
    pub(crate) fn has_secrets(&self) -> bool {
        self.texts.values().any(|original| original.secret.is_some())
    }

    /// What a placeholder with this inside becomes where it stands.
    pub(crate) fn get(&self, key: &str, standing: &Standing<'_>) -> Restored<'_> {
        if self.look_alikes.contains(key) {
            return Restored::Unknown;
        }
        let Some(original) = self.texts.get(key) else { return Restored::Unknown };
        match &original.secret {
            Some(secret) => {
                let granted = standing.granted.and_then(|granted| granted.towards(&secret.kind));
                let Some(towards) = granted else { return Restored::Stays };
                lock(&self.uses).insert(format!("{} > {towards}", secret.kind));
            }
            // An address of a call that has all its targets allowed is judged with the call.
            None if standing.address.is_closed(&self.rooms) => return Restored::Stays,
            None => {}
        }
        Restored::Text(&original.text)
    }

    /// The kinds of secrets that a tool call may have.
    pub(crate) fn granted(&self, tool: &str, arguments: &str) -> Granted {
        let mut kinds: Vec<&Secret> =
            self.texts.values().filter_map(|original| original.secret.as_ref()).collect();
        kinds.sort_by(|one, other| one.kind.cmp(&other.kind));
        kinds.dedup_by(|one, other| one.kind == other.kind);
        if kinds.is_empty() {
            return Granted::default();
        }
        let plain = names::without(arguments);
        let granted = |secret: &Secret| Some((secret.kind.clone(), secret.to.receives(tool, &plain)?));
        Granted(kinds.into_iter().filter_map(granted).collect())
    }

    /// Whether a placeholder may go on from here.
    pub(crate) fn goes_on(&self, beginning: &str) -> bool {
        self.texts
            .range::<str, _>((std::ops::Bound::Included(beginning), std::ops::Bound::Unbounded))
            .next()
            .is_some_and(|(key, _)| key.starts_with(beginning))
    }
}

impl Granted {
    fn towards(&self, kind: &str) -> Option<&str> {
        self.0.iter().find(|(granted, _)| **granted == *kind).map(|(_, towards)| towards.as_str())
    }
}

/// A term's own text names it, whatever its spelling here; what a pattern or a pack found names itself.
fn term_key(policy: &Policy, rule: usize, matched: &str) -> TermKey {
    let folded = |text: &str| -> String {
        text.chars().filter(|c| c.is_alphanumeric()).flat_map(char::to_lowercase).collect()
    };
    let text = match &policy.rules().rule(rule).kind {
        RuleKind::Term(term) => folded(term.text()),
        RuleKind::Pattern(_) | RuleKind::Pack(_) => folded(matched),
    };
    // Kept once is enough: the text itself is kept with its placeholder.
    let text = match text.len() {
        ..=NAME_MAX_BYTES => text,
        _ => zos_seal::sha256_hex(text.as_bytes()),
    };
    (policy.label(rule).to_owned(), text)
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(conversation: usize) -> SessionKey {
        SessionKey { context: "acme".to_owned(), client: None, conversation: conversation.to_string() }
    }

    fn total(sessions: &Sessions) -> usize {
        lock(&sessions.kept).bytes.load(Ordering::Relaxed)
    }

    #[test]
    fn conversations_are_bounded_by_the_bytes_of_their_texts() {
        let sessions = Sessions::default();
        for conversation in 0..6 {
            let texts = sessions.texts_of(key(conversation));
            let mut texts = lock(&texts);
            for _ in 0..2000 {
                texts.take(3900).unwrap();
            }
        }
        let newest = 2000 * (3900 + OVERHEAD_BYTES);
        assert!(total(&sessions) <= KEPT_MAX_BYTES + newest, "{} bytes", total(&sessions));
        assert!(lock(&sessions.kept).by_key.contains_key(&key(5)), "the newest is remembered");
        assert!(!lock(&sessions.kept).by_key.contains_key(&key(0)), "the oldest is not");
    }

    #[test]
    fn one_conversation_has_a_bound_and_starts_anew_before_it() {
        let sessions = Sessions::default();
        let texts = sessions.texts_of(key(0));
        let longest = TEXTS_MAX_BYTES / 2;
        lock(&texts).take(longest).unwrap();
        assert_eq!(lock(&texts).take(longest), Err(TooMany));
        let again = sessions.texts_of(key(0));
        assert!(!Arc::ptr_eq(&texts, &again));
        drop(texts);
        assert_eq!(total(&sessions), 0, "what is forgotten is given back");
    }
}
