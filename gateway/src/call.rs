//! One governed call from arrival to record.
//!
//! A [`Call`] owns what must not be forgotten: the reservation and the record. It is finished exactly
//! once: by [`Call::finish`], or, when the caller leaves or a task panics, by its drop, which settles what
//! can be known and records the call as abandoned. What becomes known of it on the way is told through it ([`Fact`]).

mod facts;

pub(crate) use facts::Fact;

use crate::books::Books;
use crate::books::tokens::{self, Lesson};
use crate::drain::Active;
use crate::inspectors::BodyMemory;
use crate::journal::Journal;
use crate::journal::{millis, terms};
use http::HeaderMap;
use std::sync::Arc;
use std::time::Instant;
use zos_audit::{Outcome, Record, Verdict};
use zos_core::ContextName;
use zos_guard::findings::Findings;
use zos_guard::policy::Policy;
use zos_meter::{
    AnswerText, Ask, Balance, Booked, Day, Limit, Micros, Price, ReserveError, Spend, Tier, Usage,
};
use zos_wire::clients::Form;
use zos_wire::problem::{Code, Problem};

/// A name of a model that is not to be kept.
#[derive(Clone)]
pub(crate) struct HiddenModel {
    /// The name as the caller wrote it.
    pub(crate) asked: String,
    /// What stands in its place.
    pub(crate) hash: String,
}

impl HiddenModel {
    /// The name of a model that serves a call, as it may be kept: only the caller's own word is hidden.
    pub(crate) fn shown<'m>(hidden: Option<&'m HiddenModel>, name: &'m str) -> &'m str {
        hidden.filter(|hidden| hidden.asked == name).map_or(name, |hidden| &hidden.hash)
    }
}

/// One call.
pub(crate) struct Call {
    pub(crate) books: Arc<Books>,
    pub(crate) journal: Arc<Journal>,
    /// When it arrived.
    pub(crate) started: Instant,
    /// The id that the caller sees.
    pub(crate) request_id: String,
    /// The form that its caller is refused in.
    pub(crate) form: Form,
    /// What is known for the record. `seq`, `time` and durations are set at the end.
    pub(crate) record: Record,
    /// What the caller is told of the call, until the head of its answer leaves.
    headers: HeaderMap,
    /// Whether doubts fail closed for this call.
    pub(crate) is_hard: bool,
    /// The model's name as the caller wrote it, where that is not to be kept.
    pub(crate) hidden_model: Option<HiddenModel>,
    reservation: Option<Reservation>,
    is_finished: bool,
    /// Memory that its body takes, of what all calls share.
    pub(crate) body_memory: BodyMemory,
    /// Memory that its answer takes, where that is read whole.
    pub(crate) answer_memory: BodyMemory,
    /// Keeps the gateway from stopping before this call has ended.
    _active: Option<Active>,
}

/// What a call is reserved with: what the model that is about to be asked may cost.
pub(crate) struct Needs {
    /// The most tokens it is expected to use.
    pub(crate) tokens: u64,
    /// The part of them that is for the answer.
    pub(crate) output: u64,
    /// The most it is expected to cost; `None` when the price is unknown.
    pub(crate) micros: Option<Micros>,
    /// What its tokens cost, kept until it is settled: prices that change meanwhile are for later calls.
    pub(crate) price: Option<Arc<Price>>,
    /// The terms that it is held at, unless the provider says that it served at others.
    pub(crate) tier: Option<Tier>,
    /// What the bill may teach about counting.
    pub(crate) lesson: Option<Lesson>,
    /// The limits it has to keep, as they are now.
    pub(crate) limits: Vec<Limit>,
    /// The UTC day it belongs to, whenever it ends.
    pub(crate) day: Day,
}

/// Tokens and money held for this call.
struct Reservation {
    id: String,
    needs: Needs,
    /// Whether anything is at the provider. Otherwise nothing can have been spent of this.
    is_forwarded: bool,
    place: Place,
}

/// Where a reservation is held.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Place {
    /// In the ledger.
    Ledger,
    /// Here, until the ledger is back.
    Interim,
    /// Nowhere: its cost is for the record only.
    Nowhere,
}

/// How a call is held.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Granted {
    /// What it holds already is enough.
    Covered,
    /// In the ledger.
    Held(Balance),
    /// Against what was last known to be left, while the ledger is away.
    Interim,
    /// Not at all.
    Unheld,
}

impl Reservation {
    /// Whether this is held against the same limits, and is enough.
    fn covers(&self, needs: &Needs) -> bool {
        let held = &self.needs;
        let money = match (held.micros, needs.micros) {
            (Some(held), Some(needed)) => held.0 >= needed.0,
            (None, None) => true,
            _ => false,
        };
        self.place == Place::Ledger && money && held.tokens >= needs.tokens && held.limits == needs.limits
    }
}

/// What the call cost.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Cost {
    /// Nothing: it was refused before it was forwarded, or the provider does not charge it.
    Nothing,
    /// This much.
    Spent(Usage),
    /// Nobody knows how much of what was held.
    Held,
}

impl Call {
    /// A call that just arrived.
    pub(crate) fn arrived(
        books: Arc<Books>,
        journal: Arc<Journal>,
        request_id: String,
        face: &str,
        form: Form,
        active: Option<Active>,
    ) -> Self {
        journal.counters.arrived();
        let record = Record {
            request_id: Some(request_id.clone()),
            face: Some(face.to_owned()),
            verdict: Some(Verdict::Allow),
            ..Record::default()
        };
        Call {
            books,
            journal,
            started: Instant::now(),
            request_id,
            form,
            record,
            headers: HeaderMap::new(),
            is_hard: false,
            hidden_model: None,
            reservation: None,
            is_finished: false,
            body_memory: BodyMemory::default(),
            answer_memory: BodyMemory::default(),
            _active: active,
        }
    }

    /// Holds tokens and money in place of what this call holds, unless that covers the needs already. A call that
    /// `goes_on` without the ledger is held against what was last known to be left.
    ///
    /// What was held goes back first, so that a call never stands in its own way. Another call may take it
    /// before the ledger decides: then this one is refused, and holds nothing.
    pub(crate) async fn reserve(
        &mut self,
        context: &ContextName,
        needs: Needs,
        goes_on: bool,
    ) -> Result<Granted, ReserveError> {
        if let Some(held) = &mut self.reservation
            && held.covers(&needs)
        {
            let Needs { tokens, micros, .. } = held.needs;
            held.needs = Needs { tokens, micros, ..needs };
            return Ok(Granted::Covered);
        }
        self.give_back();
        let (day, limits) = (needs.day, needs.limits.clone());
        let (id, tokens, micros) = (crate::ids::unique(), needs.tokens, needs.micros);
        let asked = Ask { id, context: context.to_string(), day, tokens, micros, limits };
        // Known to fail, it is not even asked.
        if goes_on && self.books.health.is_failing() && !self.books.interim.is_over() {
            return self.reserve_meanwhile(asked, needs);
        }
        // The call owns the reservation before the ledger is asked: should the caller leave while the
        // ledger decides, the drop below gives it back.
        let place = Place::Ledger;
        self.reservation = Some(Reservation { id: asked.id.clone(), needs, is_forwarded: false, place });
        match self.books.ledger.reserve(asked.clone()).await {
            Ok(balance) => {
                self.record.reserved = Some(tokens);
                self.books.interim.note(&balance);
                Ok(Granted::Held(balance))
            }
            Err(ReserveError::Ledger(error)) => {
                let reservation = self.reservation.take();
                self.books.failed(&error);
                match reservation {
                    Some(Reservation { needs, .. }) if goes_on => {
                        tracing::error!(%error, "a call goes on without the ledger");
                        let asked = Ask { id: crate::ids::unique(), ..asked };
                        self.reserve_meanwhile(asked, needs)
                    }
                    _ => Err(error.into()),
                }
            }
            Err(exhausted) => Err(self.is_refused(context.as_str(), exhausted)),
        }
    }

    /// Holds a call here while the ledger is away.
    fn reserve_meanwhile(&mut self, asked: Ask, needs: Needs) -> Result<Granted, ReserveError> {
        let (id, context) = (asked.id.clone(), asked.context.clone());
        let (place, granted) = match self.books.interim.hold(asked) {
            Ok(()) => (Place::Interim, Granted::Interim),
            // Without a limit nothing can be overspent.
            Err(ReserveError::Ledger(_)) if needs.limits.is_empty() => (Place::Nowhere, Granted::Unheld),
            Err(refused) => return Err(self.is_refused(&context, refused)),
        };
        self.reservation = Some(Reservation { id, needs, is_forwarded: false, place });
        Ok(granted)
    }

    fn is_refused(&mut self, context: &str, refused: ReserveError) -> ReserveError {
        self.reservation = None;
        if let ReserveError::Exhausted { standing, .. } = &refused {
            self.books.refused(context, standing);
        }
        refused
    }

    /// Gives back what is held for an attempt that came to nothing. Nothing has to wait for it: whatever is asked
    /// for next is queued behind it.
    fn give_back(&mut self) {
        if let Some(held) = self.reservation.take() {
            drop(self.close(&held, Cost::Nothing));
        }
    }

    /// Adds a word for whoever reads the record.
    pub(crate) fn remark(&mut self, words: &str) {
        let before = self.record.detail.take().map(|detail| detail + "; ").unwrap_or_default();
        self.record.detail = Some(before + words);
    }

    /// From here on the provider may charge for the call.
    pub(crate) fn forwarded(&mut self) {
        self.set_forwarded(true);
    }

    /// What was forwarded came to nothing that a provider charges for.
    pub(crate) fn came_to_nothing(&mut self) {
        self.set_forwarded(false);
    }

    fn set_forwarded(&mut self, is_forwarded: bool) {
        if let Some(reservation) = &mut self.reservation {
            reservation.is_forwarded = is_forwarded;
        }
    }

    /// Milliseconds since 1970.
    pub(crate) fn now_ms(&self) -> u64 {
        self.books.now_ms()
    }

    /// Settles the cost and gives back what was held beyond it.
    ///
    /// `None` when the ledger could not write it yet; it goes on trying by itself.
    pub(crate) async fn settle(&mut self, cost: Cost) -> Option<Balance> {
        let reservation = self.reservation.take()?;
        match self.close(&reservation, cost) {
            // It is queued. While the ledger is known to fail, no answer is kept waiting for it.
            Closing::Settled(_) | Closing::Released(_) if self.books.health.is_failing() => None,
            Closing::Unheld => None,
            Closing::Settled(done) => match done.await {
                Ok(balance) => {
                    self.books.interim.note(&balance);
                    self.books.moved(&balance);
                    Some(balance)
                }
                Err(error) => {
                    tracing::error!(%error, "the usage of a call could not be written yet");
                    self.books.failed(&error);
                    None
                }
            },
            Closing::Released(done) => {
                if let Err(error) = done.await {
                    tracing::error!(%error, "a reservation could not be given back yet");
                    self.books.failed(&error);
                }
                None
            }
        }
    }

    /// Writes the record. Must be called before the last byte of the answer leaves.
    ///
    /// # Errors
    /// When the log cannot be written and the call is under a hard context; open ones go on.
    pub(crate) async fn finish(&mut self, outcome: Outcome, status: Option<u16>) -> Result<(), Problem> {
        let written = self.write(outcome, status);
        let seq = match written {
            Ok(seq) => seq,
            Err(()) if self.is_hard => return Err(audit_unavailable()),
            Err(()) => return Ok(()),
        };
        if !self.journal.is_kept(seq).await && self.is_hard {
            return Err(audit_unavailable());
        }
        Ok(())
    }

    /// Notes which terms were found, as hashes that only the owner can tell anything from.
    ///
    /// A listed term is hashed as the owner wrote it, in whatever disguise it was found; what a pattern or
    /// a pack found is hashed as it stood there and, where it was disguised, as it reads. All of them folded.
    fn note_terms(&mut self, policy: &Policy, findings: &Findings) {
        let Some(context) = self.record.context.clone() else { return };
        let listed = findings.found.iter().filter_map(|found| policy.term(found.rule));
        for term in listed.chain(findings.matched.texts()) {
            if self.record.terms.len() >= zos_audit::record::LIST_ENTRIES {
                return;
            }
            match terms::hash(&self.journal.term_keys, &context, term) {
                Ok(hash) if !self.record.terms.contains(&hash) => self.record.terms.push(hash),
                Ok(_) => {}
                Err(error) => {
                    tracing::error!(%error, "a matched term could not be hashed, so the record lacks it");
                    return;
                }
            }
        }
    }

    /// Notes a refusal or failure of ours for the record.
    pub(crate) fn note(&mut self, problem: &Problem) {
        self.record.code = Some(problem.code.as_str().to_owned());
        if matches!(problem.code, Code::FirewallRequest | Code::FirewallResponse) {
            self.tell(Fact::Verdict(Verdict::Deny));
        }
    }

    fn close(&mut self, reservation: &Reservation, cost: Cost) -> Closing {
        let spend = self.spent(&reservation.needs, cost).map(|(usage, micros)| Spend {
            usage,
            micros,
            model: self.record.model.clone().unwrap_or_default(),
            provider: self.record.provider.clone().unwrap_or_default(),
            client: self.record.client.clone().unwrap_or_default(),
        });
        let id = &reservation.id;
        let is_in_ledger = match reservation.place {
            Place::Ledger => true,
            Place::Interim => self.books.interim.close(id, spend.clone()) == Booked::AtTheLedger,
            Place::Nowhere => false,
        };
        match spend {
            _ if !is_in_ledger => {
                self.books.book_if_back();
                Closing::Unheld
            }
            Some(spend) => Closing::Settled(self.books.ledger.settle(id, spend)),
            None => Closing::Released(self.books.ledger.release(id)),
        }
    }

    /// What is to be booked for a call, once the record knows it too; `None` where it cost nothing.
    ///
    /// What was only estimated stays within what was held. Where the price of what was used is unknown though that of what
    /// was held is not, such as at terms that nobody asked for, the record leaves the cost open and the limits of money
    /// count what was held.
    fn spent(&mut self, needs: &Needs, cost: Cost) -> Option<(Usage, Option<Micros>)> {
        let (usage, micros) = match cost {
            Cost::Nothing => return None,
            Cost::Spent(usage) => {
                if let Some(lesson) = needs.lesson.as_ref().filter(|_| !usage.estimated) {
                    let input = usage.total().saturating_sub(usage.output);
                    lesson.learn(&self.books.factors, input);
                }
                let usage = usage.within_output(needs.output);
                let usage = Usage { tier: usage.tier.or(needs.tier), ..usage };
                (usage, needs.price.as_ref().and_then(|price| price.cost(&usage)))
            }
            Cost::Held => {
                let usage = Usage { input: needs.tokens, estimated: true, ..Usage::default() };
                (usage, needs.micros)
            }
        };
        self.note_spent(&usage, micros);
        Some((usage, micros.or(needs.micros)))
    }

    /// Tokens of the answer's text, where the provider reported none.
    pub(crate) fn output_tokens(&self, text: &AnswerText) -> u64 {
        let model = self.record.model.as_deref().unwrap_or_default();
        tokens::of_answer(&self.books.factors, text, model)
    }

    /// Adds to what the record says that the call cost: attempts that broke before the one that served are
    /// a part of it. A sum with an unknown part is unknown.
    fn note_spent(&mut self, usage: &Usage, micros: Option<Micros>) {
        let micros = micros.map(|micros| micros.0);
        let (before, cost) = match self.record.usage.take() {
            Some(before) => (
                before,
                self.record.cost_micros.zip(micros).map(|(before, more)| before.saturating_add(more)),
            ),
            None => (zos_audit::Usage::default(), micros),
        };
        self.record.cost_micros = cost;
        self.record.usage = Some(zos_audit::Usage {
            input: before.input.saturating_add(usage.input),
            output: before.output.saturating_add(usage.output),
            cache_read: before.cache_read.saturating_add(usage.cache_read),
            cache_write: before.cache_write.saturating_add(usage.cache_write),
            estimated: before.estimated || usage.estimated,
        });
    }

    fn write(&mut self, outcome: Outcome, status: Option<u16>) -> Result<u64, ()> {
        self.is_finished = true;
        self.record.outcome = Some(outcome);
        self.record.status = status;
        self.record.ms = millis(self.started);
        let record = std::mem::take(&mut self.record);
        self.journal.counters.ended(&record);
        self.journal.record(record)
    }
}

/// The ledger's answer to come. The work is queued already; dropping this loses only the answer.
enum Closing {
    Settled(zos_meter::BoxFuture<Result<Balance, zos_meter::LedgerError>>),
    Released(zos_meter::BoxFuture<Result<(), zos_meter::LedgerError>>),
    /// The ledger knows nothing of the call.
    Unheld,
}

impl Drop for Call {
    fn drop(&mut self) {
        if self.is_finished {
            return;
        }
        if let Some(reservation) = self.reservation.take() {
            // The caller left while the provider worked: what it used is unknown, so what was held counts.
            let cost = if reservation.is_forwarded { Cost::Held } else { Cost::Nothing };
            drop(self.close(&reservation, cost));
        }
        let outcome = if std::thread::panicking() {
            self.record.code = Some(Code::Internal.as_str().to_owned());
            Outcome::Failed
        } else {
            Outcome::Abandoned
        };
        if self.write(outcome, None).is_err() {
            tracing::error!("the record of an abandoned call could not be written");
        }
    }
}

impl Call {
    /// The caller left: settles what is known and records it. For owners that know more than the call.
    pub(crate) fn abandon(&mut self, cost: Cost) {
        if self.is_finished {
            return;
        }
        if let Some(reservation) = self.reservation.take() {
            drop(self.close(&reservation, cost));
        }
        let outcome = if std::thread::panicking() { Outcome::Failed } else { Outcome::Abandoned };
        if self.write(outcome, self.record.status).is_err() {
            tracing::error!("the record of an abandoned call could not be written");
        }
    }
}

/// The refusal of a hard context whose log cannot be written.
pub(crate) fn audit_unavailable() -> Problem {
    Problem::new(
        Code::AuditUnavailable,
        "The log cannot be written, and this context does not go on without a record.",
    )
    .hint("See `zos doctor`: the disk may be full or the folder read-only.")
}
