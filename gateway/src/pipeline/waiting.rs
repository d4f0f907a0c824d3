//! Asking the owner: a call that meets an `ask` rule waits for a decision, for a bounded time.
//!
//! An ask is about rules that found something, or about targets of tool calls and links. What waits is a
//! list in memory: which rules, in which fields, of which room and client, the targets, and the digest of
//! the body, never its text. Targets are shown to the owner alone. The same question of one conversation
//! within ten seconds is one ask with a count; a rule that is met more than five times in a minute no longer
//! holds calls: they are denied at once and the ask waits in the list. No answer in time denies this call
//! only. An ask can be answered for ten minutes: then the same body passes once when it is sent again.
//!
//! `approvals` in the guard keeps the list; this file asks and waits.

use crate::call::Call;
use crate::house::House;
use crate::pipeline::Resolved;
use crate::views;
use std::time::Duration;
use zos_core::Effect;
use zos_guard::approvals::{Approval, AskedRule, Decision, Place, Question, Reply, Side, Ticket};
use zos_guard::destination::Destination;
use zos_guard::destination::Subject;
use zos_guard::findings::Findings;
use zos_guard::policy::Policy;
use zos_wire::problem::{Code, Problem};

/// How often a client that streams hears from us while its call waits.
pub(crate) const PING_EVERY: Duration = Duration::from_secs(10);

/// A call that waits for the owner.
pub(crate) struct Waiting {
    subject: Subject,
    /// Rules and fields as a sentence says them.
    what: String,
    side: Side,
    room: String,
    timeout: Duration,
    deadline: tokio::time::Instant,
    state: State,
}

enum State {
    /// Decided before, for this very body.
    Decided(Decision),
    /// The owner is asked now.
    Asked(Ticket),
    /// The rule is met too often for calls to wait; the ask can be answered later.
    NotHeld(String),
    /// More waits than is kept.
    Full,
}

/// What the owner's decision means for the rules that were asked about.
pub(crate) type Answer = Result<Effect, Problem>;

impl Waiting {
    /// Asks about the rules, or finds that it was decided before.
    pub(crate) fn begin(
        house: &House,
        call: &Call,
        resolved: &Resolved,
        findings: &Findings,
        subject: Subject,
        side: Side,
    ) -> Waiting {
        let (asked, targets) = match &subject {
            Subject::Rules(rules) => (asked_rules(&resolved.policy, findings, rules), Vec::new()),
            Subject::Targets(targets) => (
                asked_targets(findings, targets),
                targets
                    .iter()
                    .map(|target| (target.clone(), findings.targets.times(target)))
                    .collect::<Vec<_>>(),
            ),
        };
        let what = asked.iter().map(|asked| match targets.is_empty() {
            true => format!("rule {} in {}", asked.rule, asked.field),
            false => format!("rule {} on where {} points", asked.rule, asked.field),
        });
        let what: Vec<String> = what.collect();
        let mut rules: Vec<String> = asked.iter().map(|asked| asked.rule.clone()).collect();
        rules.sort_unstable();
        rules.dedup();
        let room = resolved.name.to_string();
        let question = Question {
            place: Place {
                context: room.clone(),
                client: call.record.client.clone(),
                conversation: resolved.conversation.clone(),
                rules,
                targets: targets.iter().map(|(target, _)| target.clone()).collect(),
                side,
            },
            asked,
            targets,
            model: call.record.model.clone().unwrap_or_default(),
            digest: resolved.digest,
        };
        let timeout = house.config.ask_timeout;
        let state = match house.approvals.ask(question, house.now_ms()) {
            Reply::Decided(decision) => State::Decided(decision),
            Reply::Asked(ticket, approval) => {
                announce(house, &approval);
                State::Asked(ticket)
            }
            Reply::NotHeld(approval) => {
                let id = approval.id.clone();
                announce(house, &approval);
                State::NotHeld(id)
            }
            Reply::Full => State::Full,
        };
        let deadline = tokio::time::Instant::now() + timeout;
        Waiting { subject, what: what.join("; "), side, room, timeout, deadline, state }
    }

    /// What it is about.
    pub(crate) fn subject(&self) -> &Subject {
        &self.subject
    }

    /// What it was about.
    pub(crate) fn into_subject(self) -> Subject {
        self.subject
    }

    /// Whether there is anything to wait for.
    pub(crate) fn is_held(&self) -> bool {
        matches!(self.state, State::Asked(_))
    }

    /// Waits until it is decided or too late.
    pub(crate) async fn answer(&mut self, house: &House) -> Answer {
        loop {
            if let Some(answer) = self.next(house, self.timeout).await {
                return answer;
            }
        }
    }

    /// Waits until it is decided or too late, but no longer than `patience`.
    pub(crate) async fn next(&mut self, house: &House, patience: Duration) -> Option<Answer> {
        let (deadline, until) = (self.deadline, tokio::time::Instant::now() + patience);
        let ticket = match &mut self.state {
            State::Decided(decision) => {
                let decision = *decision;
                return Some(self.meaning(Some(decision), ""));
            }
            State::NotHeld(id) => {
                let id = id.clone();
                return Some(Err(self.refusal(
                    &id,
                    "it was asked about too often within a minute, so calls no longer wait for it",
                )));
            }
            State::Full => {
                let sentence =
                    format!("Too much waits for the owner to ask about this as well: {}.", self.found());
                let hint = "Answer what waits (\"zos allow\" lists it), then send it again.";
                return Some(Err(Problem::new(self.code(), sentence).hint(hint)));
            }
            State::Asked(ticket) => ticket,
        };
        let id = ticket.id.clone();
        let decided = tokio::select! {
            decided = ticket.decided() => decided,
            () = tokio::time::sleep_until(deadline.min(until)) => {
                if tokio::time::Instant::now() < deadline {
                    return None;
                }
                None
            }
            () = house.drain.is_begun() => {
                return Some(Err(Problem::new(
                    Code::ShuttingDown,
                    format!("zOS is stopping, so nobody can be asked about this: {}.", self.found()),
                )
                .hint("Send it again in a moment.")));
            }
        };
        Some(self.meaning(decided, &id))
    }

    fn meaning(&self, decision: Option<Decision>, id: &str) -> Answer {
        match decision {
            Some(Decision::AllowOnce | Decision::Always) => Ok(Effect::Report),
            Some(Decision::Redact) => Ok(Effect::Redact),
            Some(Decision::Deny) => {
                let hint = match self.subject {
                    Subject::Rules(_) => "Take it out of the conversation.",
                    Subject::Targets(_) => "Do without it, or ask the person what to do instead.",
                };
                Err(Problem::new(self.code(), format!("The owner denied this: {}.", self.found())).hint(hint))
            }
            None => {
                Err(self.refusal(id, &format!("there was no answer within {} s", self.timeout.as_secs())))
            }
        }
    }

    fn refusal(&self, id: &str, why: &str) -> Problem {
        Problem::new(self.code(), format!("The owner was asked about this and {why}: {}.", self.found())).hint(
            format!("To allow it once, run \"zos allow {id}\" or use the tray within 10 minutes, then send it again."),
        )
    }

    fn found(&self) -> String {
        let subject = match self.side {
            Side::Request => "the request",
            Side::Answer => "the answer",
        };
        format!("{subject} meets {} of context \"{}\"", self.what, self.room)
    }

    fn code(&self) -> Code {
        match self.side {
            Side::Request => Code::FirewallRequest,
            Side::Answer => Code::FirewallResponse,
        }
    }
}

/// Tells the screens.
fn announce(house: &House, approval: &Approval) {
    let approval = Box::new(views::Approval::new(&house.brain.snapshot(), approval));
    house.announce(views::Event::Approval { approval });
}

/// The rules that ask about targets, and where these were found.
fn asked_targets(findings: &Findings, targets: &[Destination]) -> Vec<AskedRule> {
    let mut asked: Vec<AskedRule> = Vec::new();
    for target in targets {
        let (rule, field, times) = (&target.rule, target.place(), findings.targets.times(target));
        match asked.iter_mut().find(|known| known.rule == *rule && known.field == field) {
            Some(known) => known.count = known.count.saturating_add(times),
            None => asked.push(AskedRule { rule: rule.clone(), field: field.to_owned(), count: times }),
        }
    }
    asked
}

fn asked_rules(policy: &Policy, findings: &Findings, rules: &[usize]) -> Vec<AskedRule> {
    findings
        .found
        .iter()
        .filter(|found| rules.contains(&found.rule))
        .map(|found| AskedRule {
            rule: policy.rule_id(found.rule).to_owned(),
            field: found.field.clone(),
            count: found.count,
        })
        .collect()
}
