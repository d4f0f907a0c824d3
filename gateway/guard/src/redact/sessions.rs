//! The placeholders of conversations. In memory only, and bounded.

use super::names;
use super::restore;
use super::spots::{self, Edit, Spot};
use crate::policy::Policy;
use std::collections::{BTreeMap, HashMap, HashSet};
use std::convert::Infallible;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use zos_core::Effect;
use zos_rules::RuleKind;
use zos_wire::json::Value;

/// Conversations that are remembered; beyond it the one that was quiet for longest is forgotten.
const SESSIONS_LIMIT: usize = 512;

/// Texts that one conversation, or one call without one, may have placeholders for.
const TEXTS_LIMIT: usize = 8192;

/// Headers in which clients name a conversation.
const CONVERSATION_HEADERS: &[&str] =
    &["x-claude-code-session-id", "x-zos-session", "session_id", "session-id", "conversation_id"];

/// The longest name of a conversation that is taken.
const CONVERSATION_MAX_BYTES: usize = 128;

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
        Masks { texts, look_alikes: Arc::default() }
    }

    fn texts_of(&self, key: SessionKey) -> Arc<Mutex<Texts>> {
        let mut kept = lock(&self.kept);
        kept.uses += 1;
        let now = kept.uses;
        if let Some((used, texts)) = kept.by_key.get_mut(&key) {
            *used = now;
            // A conversation that is half full starts anew between two calls rather than failing in one.
            if lock(texts).count > TEXTS_LIMIT / 2 {
                *texts = Arc::default();
            }
            return texts.clone();
        }
        if kept.by_key.len() >= SESSIONS_LIMIT {
            let oldest = kept.by_key.iter().min_by_key(|(_, (used, _))| *used).map(|(key, _)| key.clone());
            oldest.and_then(|oldest| kept.by_key.remove(&oldest));
        }
        let texts: Arc<Mutex<Texts>> = Arc::default();
        kept.by_key.insert(key, (now, texts.clone()));
        texts
    }
}

/// The conversation that a client names in one of the usual headers.
pub fn conversation(headers: &http::HeaderMap) -> Option<&str> {
    CONVERSATION_HEADERS
        .iter()
        .filter_map(|name| headers.get(*name)?.to_str().ok())
        .find(|name| (1..=CONVERSATION_MAX_BYTES).contains(&name.len()))
}

/// The texts of one conversation and their placeholders.
#[derive(Default)]
struct Texts {
    by_term: HashMap<TermKey, Term>,
    /// The last number of each label.
    numbers: HashMap<String, u32>,
    /// What may be restored, by the inside of its placeholder.
    restorable: Arc<BTreeMap<String, Arc<str>>>,
    count: usize,
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

/// More different texts in one conversation than are kept.
#[derive(Debug, PartialEq, Eq)]
pub struct TooMany;

impl TooMany {
    /// How many are kept.
    pub const LIMIT: usize = TEXTS_LIMIT;
}

/// The placeholders that one call uses.
#[derive(Clone)]
pub struct Masks {
    texts: Arc<Mutex<Texts>>,
    /// What the caller's own text holds that looks like a placeholder: it stands for itself.
    look_alikes: Arc<HashSet<String>>,
}

impl Masks {
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
        let term = texts.by_term.entry(key).or_insert_with(|| {
            let number = texts.numbers.entry(label.clone()).or_default();
            *number += 1;
            Term { number: *number, spellings: Vec::new() }
        });
        let number = term.number;
        let is_free = |spelling: usize| !self.look_alikes.contains(&names::key(&label, number, spelling));
        let known = (0..term.spellings.len())
            .find(|spelling| &*term.spellings[*spelling].text == matched && is_free(*spelling));
        let spelling = match known {
            Some(spelling) => spelling,
            None => loop {
                if texts.count == TEXTS_LIMIT {
                    return Err(TooMany);
                }
                texts.count += 1;
                term.spellings.push(Spelling { text: matched.into(), is_callers: false });
                if is_free(term.spellings.len() - 1) {
                    break term.spellings.len() - 1;
                }
            },
        };
        let found = &mut term.spellings[spelling];
        if speaker == Speaker::Caller && !found.is_callers {
            found.is_callers = true;
            let text = found.text.clone();
            Arc::make_mut(&mut texts.restorable).insert(names::key(&label, number, spelling), text);
        }
        Ok(names::written(&label, number, spelling))
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
        let mut edits = restore::edits(&self.restorable(), value, skip);
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
        Restorable { texts, look_alikes: self.look_alikes.clone() }
    }
}

/// What may be restored in one answer.
#[derive(Clone)]
pub(crate) struct Restorable {
    texts: Arc<BTreeMap<String, Arc<str>>>,
    look_alikes: Arc<HashSet<String>>,
}

impl Restorable {
    /// Whether nothing was redacted, so that nothing can come back.
    pub(crate) fn is_empty(&self) -> bool {
        self.texts.is_empty()
    }

    /// The text that a placeholder with this inside stands for.
    pub(crate) fn get(&self, key: &str) -> Option<&str> {
        if self.look_alikes.contains(key) {
            return None;
        }
        self.texts.get(key).map(|text| &**text)
    }

    /// Whether a placeholder may go on from here.
    pub(crate) fn goes_on(&self, beginning: &str) -> bool {
        self.texts
            .range::<str, _>((std::ops::Bound::Included(beginning), std::ops::Bound::Unbounded))
            .next()
            .is_some_and(|(key, _)| key.starts_with(beginning))
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
    (policy.label(rule).to_owned(), text)
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
