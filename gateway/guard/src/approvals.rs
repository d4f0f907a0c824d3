//! The list of what waits for the owner, and what was allowed once. In memory, every part bounded.

use crate::destination::Destination;
use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::sync::watch;

/// How long an ask can be answered, and how long what was allowed once passes.
const KEPT_MS: u64 = 10 * 60 * 1000;

/// The same question of one conversation within this time is one ask.
const COALESCED_MS: u64 = 10 * 1000;

/// How often a rule of a room holds calls within [`RATE_MS`].
const RATE_LIMIT: usize = 5;

/// The time over which that is counted.
const RATE_MS: u64 = 60 * 1000;

/// Asks in the list. Beyond it the oldest that holds no call is dropped; where all hold one, nothing more is.
const ASKS_LIMIT: usize = 256;

/// Bodies of one ask that may pass later, and bodies that may pass in all.
const BODIES_LIMIT: usize = 64;
const PASSES_LIMIT: usize = 1024;

/// What the owner decided.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Decision {
    /// These calls go on, and nothing else.
    AllowOnce,
    /// These calls go on with placeholders.
    Redact,
    /// These calls are refused.
    Deny,
    /// As `AllowOnce`, and the rule only reports from now on.
    Always,
}

impl Decision {
    /// Its name in the admin API and in records.
    pub fn name(self) -> &'static str {
        match self {
            Decision::AllowOnce => "allow_once",
            Decision::Redact => "redact",
            Decision::Deny => "deny",
            Decision::Always => "always",
        }
    }
}

/// On which side of a call it was found.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Side {
    /// In what the caller sent.
    Request,
    /// In what the provider answered.
    Answer,
}

impl Side {
    /// Its name in the admin API.
    pub fn name(self) -> &'static str {
        match self {
            Side::Request => "request",
            Side::Answer => "answer",
        }
    }
}

/// A rule that was met, where, and how often.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AskedRule {
    /// Id of the rule, such as `deny/2`.
    pub rule: String,
    /// Place of the first match, such as `messages[0].content`.
    pub field: String,
    /// Number of matches.
    pub count: u32,
}

/// What makes two questions the same.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    /// Name of the room.
    pub context: String,
    /// Name of the client, where its key has one.
    pub client: Option<String>,
    /// Id of the conversation, where the client names one.
    pub conversation: Option<String>,
    /// Ids of the rules, sorted, each once.
    pub rules: Vec<String>,
    /// Targets that it is about.
    pub targets: Vec<Destination>,
    /// Side of the call.
    pub side: Side,
}

/// What the owner is asked.
pub struct Question {
    /// Place that makes it the same as another.
    pub place: Place,
    /// Rules that were met.
    pub asked: Vec<AskedRule>,
    /// The targets that it is about, and how often each was met. Empty where it is about words.
    pub targets: Vec<(Destination, u32)>,
    /// Model that the caller asked for.
    pub model: String,
    /// Of the request's body as it arrived.
    pub digest: [u8; 32],
}

/// An ask as the owner sees it.
#[derive(Debug, Clone)]
pub struct Approval {
    /// Id to answer it by.
    pub id: String,
    /// Name of the room.
    pub context: String,
    /// Name of the client, where its key has one.
    pub client: Option<String>,
    /// Model that the caller asked for.
    pub model: String,
    /// Side of the call.
    pub side: Side,
    /// Rules that were met.
    pub asked: Vec<AskedRule>,
    /// The targets that it is about, and how often each was met. Empty where it is about words.
    pub targets: Vec<(Destination, u32)>,
    /// Unix milliseconds of its first question.
    pub created_ms: u64,
    /// Unix milliseconds after which it cannot be answered any more.
    pub expires_ms: u64,
    /// Calls that asked this.
    pub calls: u64,
    /// Calls that wait for the answer now.
    pub waiting: u64,
    /// Decision of the owner; `None` while it is open.
    pub decision: Option<Decision>,
}

struct Ask {
    approval: Approval,
    place: Place,
    last_ms: u64,
    /// The bodies that asked, and how many calls with each wait now.
    bodies: Vec<([u8; 32], u64)>,
    decided: watch::Sender<Option<Decision>>,
}

/// A body that may pass once.
struct Pass {
    place: Place,
    digest: [u8; 32],
    decision: Decision,
    expires_ms: u64,
}

#[derive(Default)]
struct Inner {
    asks: VecDeque<Ask>,
    passes: VecDeque<Pass>,
    /// When a rule of a room last held calls.
    held: HashMap<(String, String), VecDeque<u64>>,
}

/// The list. Shared by the calls that wait.
#[derive(Clone, Default)]
pub struct Approvals {
    inner: Arc<Mutex<Inner>>,
}

/// What became of a question.
pub enum Reply {
    /// It was decided before for this body.
    Decided(Decision),
    /// The owner is asked.
    Asked(Ticket, Box<Approval>),
    /// The owner may answer later; the call does not wait.
    NotHeld(Box<Approval>),
    /// The list is full of asks that hold calls.
    Full,
}

/// There is no such ask, or no more.
#[derive(Debug, PartialEq, Eq)]
pub struct Unknown;

impl Approvals {
    /// Puts a question into the list, or finds that it was answered before.
    pub fn ask(&self, question: Question, now_ms: u64) -> Reply {
        let mut inner = self.lock();
        inner.forget(now_ms);
        let Question { place, asked, targets, model, digest } = question;
        if let Some(index) = inner.passes.iter().position(|pass| pass.digest == digest && pass.covers(&place))
        {
            let pass = inner.passes.remove(index).expect("it was just found");
            return Reply::Decided(pass.decision);
        }
        let same = inner.asks.iter().position(|ask| {
            ask.place == place
                && (now_ms.saturating_sub(ask.last_ms) <= COALESCED_MS
                    || ask.bodies.iter().any(|(known, _)| *known == digest))
        });
        let (index, is_new) = match same {
            Some(index) => (index, false),
            None => match inner.add(&place, asked, targets, model, now_ms) {
                Some(index) => (index, true),
                None => return Reply::Full,
            },
        };
        // What joins an ask costs the owner nothing, so it is held whenever that one is.
        let may_hold = (!is_new && inner.asks[index].approval.waiting > 0) || inner.may_hold(&place, now_ms);
        let ask = &mut inner.asks[index];
        ask.last_ms = now_ms;
        ask.approval.calls += 1;
        ask.approval.expires_ms = now_ms + KEPT_MS;
        let body = match ask.bodies.iter().position(|(known, _)| *known == digest) {
            Some(body) => Some(body),
            None if ask.bodies.len() < BODIES_LIMIT => {
                ask.bodies.push((digest, 0));
                Some(ask.bodies.len() - 1)
            }
            None => None,
        };
        if !may_hold {
            return Reply::NotHeld(Box::new(ask.approval.clone()));
        }
        ask.approval.waiting += 1;
        if let Some(body) = body {
            ask.bodies[body].1 += 1;
        }
        let ticket = Ticket {
            id: ask.approval.id.clone(),
            digest,
            decided: ask.decided.subscribe(),
            approvals: self.clone(),
        };
        Reply::Asked(ticket, Box::new(ask.approval.clone()))
    }

    /// What can be answered now, oldest first.
    pub fn list(&self, now_ms: u64) -> Vec<Approval> {
        let mut inner = self.lock();
        inner.forget(now_ms);
        inner.asks.iter().map(|ask| ask.approval.clone()).collect()
    }

    /// One ask.
    pub fn get(&self, id: &str, now_ms: u64) -> Result<Approval, Unknown> {
        self.list(now_ms).into_iter().find(|approval| approval.id == id).ok_or(Unknown)
    }

    /// Takes the owner's decision: the calls that wait go on or are refused, and bodies that no longer
    /// wait may pass once.
    pub fn decide(&self, id: &str, decision: Decision, now_ms: u64) -> Result<Approval, Unknown> {
        let mut inner = self.lock();
        inner.forget(now_ms);
        let index = inner.asks.iter().position(|ask| ask.approval.id == id).ok_or(Unknown)?;
        let mut ask = inner.asks.remove(index).ok_or(Unknown)?;
        ask.decided.send_replace(Some(decision));
        ask.approval.decision = Some(decision);
        if decision != Decision::Deny {
            for (digest, _) in ask.bodies.iter().filter(|(_, waiting)| *waiting == 0) {
                if inner.passes.len() >= PASSES_LIMIT {
                    inner.passes.pop_front();
                }
                let place = ask.place.clone();
                inner.passes.push_back(Pass {
                    place,
                    digest: *digest,
                    decision,
                    expires_ms: now_ms + KEPT_MS,
                });
            }
        }
        Ok(ask.approval)
    }

    fn leave(&self, id: &str, digest: &[u8; 32]) {
        let mut inner = self.lock();
        let Some(ask) = inner.asks.iter_mut().find(|ask| ask.approval.id == id) else { return };
        ask.approval.waiting = ask.approval.waiting.saturating_sub(1);
        if let Some((_, waiting)) = ask.bodies.iter_mut().find(|(known, _)| known == digest) {
            *waiting = waiting.saturating_sub(1);
        }
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Pass {
    /// Whether it is about these rules and targets of this room. Who asks does not matter: the body is the same.
    fn covers(&self, place: &Place) -> bool {
        self.place.context == place.context
            && self.place.side == place.side
            && place.rules.iter().all(|rule| self.place.rules.contains(rule))
            && place.targets.iter().all(|target| self.place.targets.contains(target))
    }
}

impl Inner {
    fn forget(&mut self, now_ms: u64) {
        self.passes.retain(|pass| pass.expires_ms > now_ms);
        self.asks.retain(|ask| ask.approval.waiting > 0 || ask.approval.expires_ms > now_ms);
        self.held.retain(|_, times| {
            times.retain(|time| now_ms.saturating_sub(*time) < RATE_MS);
            !times.is_empty()
        });
    }

    /// Adds an ask; `None` where the list is full of asks that hold calls.
    fn add(
        &mut self,
        place: &Place,
        asked: Vec<AskedRule>,
        targets: Vec<(Destination, u32)>,
        model: String,
        now_ms: u64,
    ) -> Option<usize> {
        if self.asks.len() >= ASKS_LIMIT {
            let idle = self.asks.iter().position(|ask| ask.approval.waiting == 0)?;
            self.asks.remove(idle);
        }
        let approval = Approval {
            id: self.new_id(),
            context: place.context.clone(),
            client: place.client.clone(),
            model,
            side: place.side,
            asked,
            targets,
            created_ms: now_ms,
            expires_ms: now_ms + KEPT_MS,
            calls: 0,
            waiting: 0,
            decision: None,
        };
        let (decided, _) = watch::channel(None);
        let place = place.clone();
        self.asks.push_back(Ask { approval, place, last_ms: now_ms, bodies: Vec::new(), decided });
        Some(self.asks.len() - 1)
    }

    /// Whether another ask of these rules may hold a call, and notes that it does.
    fn may_hold(&mut self, place: &Place, now_ms: u64) -> bool {
        let key = |rule: &String| (place.context.clone(), rule.clone());
        let is_often = |rule| self.held.get(&key(rule)).is_some_and(|times| times.len() >= RATE_LIMIT);
        if place.rules.iter().any(is_often) {
            return false;
        }
        for rule in &place.rules {
            self.held.entry(key(rule)).or_default().push_back(now_ms);
        }
        true
    }

    /// Four letters and digits that no other ask has: short enough to be typed.
    fn new_id(&self) -> String {
        const ALPHABET: &[u8; 32] = b"abcdefghijkmnpqrstuvwxyz23456789";
        loop {
            let mut random = [0u8; 4];
            getrandom::fill(&mut random).expect("the operating system gives random bytes");
            let id: String = random.iter().map(|byte| char::from(ALPHABET[usize::from(byte % 32)])).collect();
            if !self.asks.iter().any(|ask| ask.approval.id == id) {
                return id;
            }
        }
    }
}

/// The place of one call in the list. Dropping it says that the call waits no more.
pub struct Ticket {
    /// Id of the ask.
    pub id: String,
    digest: [u8; 32],
    decided: watch::Receiver<Option<Decision>>,
    approvals: Approvals,
}

impl Ticket {
    /// The decision, once there is one; `None` when none can come any more.
    pub async fn decided(&mut self) -> Option<Decision> {
        match self.decided.wait_for(Option::is_some).await {
            Ok(decision) => *decision,
            Err(_) => None,
        }
    }
}

impl Drop for Ticket {
    fn drop(&mut self) {
        self.approvals.leave(&self.id, &self.digest);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn question(rule: &str, digest: u8) -> Question {
        let place = Place {
            context: "acme".into(),
            client: None,
            conversation: Some("s".into()),
            rules: vec![rule.into()],
            targets: Vec::new(),
            side: Side::Request,
        };
        let asked = vec![AskedRule { rule: rule.into(), field: "system".into(), count: 1 }];
        Question { place, asked, targets: Vec::new(), model: "m".into(), digest: [digest; 32] }
    }

    fn held(reply: Reply) -> Ticket {
        match reply {
            Reply::Asked(ticket, _) => ticket,
            _ => panic!("it is held"),
        }
    }

    fn is_decided(reply: Reply) -> Option<Decision> {
        match reply {
            Reply::Decided(decision) => Some(decision),
            _ => None,
        }
    }

    #[tokio::test]
    async fn one_question_within_ten_seconds_is_one_ask() {
        let approvals = Approvals::default();
        let mut first = held(approvals.ask(question("deny/1", 1), 1000));
        let mut second = held(approvals.ask(question("deny/1", 2), 11_000));
        let later = held(approvals.ask(question("deny/1", 3), 21_001));
        let listed = approvals.list(21_001);
        assert_eq!(listed.iter().map(|ask| (ask.calls, ask.waiting)).collect::<Vec<_>>(), [(2, 2), (1, 1)]);
        assert_ne!(first.id, later.id);
        approvals.decide(&first.id, Decision::Redact, 22_000).unwrap();
        assert_eq!(first.decided().await, Some(Decision::Redact));
        assert_eq!(second.decided().await, Some(Decision::Redact));
        assert_eq!(approvals.decide(&first.id, Decision::Deny, 22_000).unwrap_err(), Unknown);
        assert_eq!(approvals.list(22_000).len(), 1);
    }

    #[test]
    fn what_is_allowed_late_passes_once_as_the_same_body_and_not_for_ever() {
        let approvals = Approvals::default();
        let id = held(approvals.ask(question("deny/1", 1), 0)).id.clone();
        assert_eq!(approvals.list(0)[0].waiting, 0, "the ticket is dropped");
        approvals.decide(&id, Decision::AllowOnce, 60_000).unwrap();
        assert_eq!(is_decided(approvals.ask(question("deny/1", 2), 61_000)), None, "another body");
        assert_eq!(is_decided(approvals.ask(question("deny/2", 1), 61_000)), None, "another rule");
        assert_eq!(is_decided(approvals.ask(question("deny/1", 1), 61_000)), Some(Decision::AllowOnce));
        assert_eq!(is_decided(approvals.ask(question("deny/1", 1), 61_000)), None, "only once");
        let id = approvals.list(61_000).iter().find(|ask| ask.asked[0].rule == "deny/1").unwrap().id.clone();
        approvals.decide(&id, Decision::AllowOnce, 62_000).unwrap();
        assert_eq!(is_decided(approvals.ask(question("deny/1", 2), 62_000 + KEPT_MS)), None, "too late");
    }

    #[test]
    fn a_rule_that_is_met_too_often_holds_no_more_calls_for_a_minute() {
        let approvals = Approvals::default();
        let ask = |number: u8, now| {
            let mut question = question("deny/1", number);
            question.place.conversation = Some(number.to_string());
            approvals.ask(question, now)
        };
        let tickets: Vec<Ticket> = (0..5).map(|number| held(ask(number, 1000))).collect();
        let Reply::NotHeld(approval) = ask(5, 2000) else { panic!("it is not held") };
        assert_eq!((approval.calls, approval.waiting), (1, 0));
        assert_eq!(approvals.list(2000).len(), 6, "but it can be answered");
        drop(tickets);
        held(ask(6, 61_500));
    }

    #[test]
    fn the_list_is_bounded_and_forgets() {
        let approvals = Approvals::default();
        for number in 0..ASKS_LIMIT * 2 {
            let mut question = question(&format!("deny/{number}"), 1);
            question.place.conversation = Some(number.to_string());
            drop(approvals.ask(question, 1));
        }
        assert_eq!(approvals.list(1).len(), ASKS_LIMIT);
        assert!(approvals.list(1 + KEPT_MS).is_empty());
        let ask = |number: usize| {
            let mut question = question(&format!("deny/{number}"), 1);
            question.place.conversation = Some(number.to_string());
            approvals.ask(question, 2)
        };
        let held: Vec<Ticket> = (0..ASKS_LIMIT).map(|number| held(ask(number))).collect();
        assert!(matches!(ask(ASKS_LIMIT), Reply::Full), "what holds a call is not forgotten");
        drop(held);
        assert!(matches!(ask(ASKS_LIMIT), Reply::Asked(..)));
    }
}
