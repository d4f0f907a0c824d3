//! Step 2: what the request says, and whether it may leave. The body that comes out of here is final.

use super::headers as travelling;
use super::{Arrived, Resolved, state};
use crate::books::tokens::Measured;
use crate::call::{Call, HiddenModel};
use crate::house::House;
use crate::inspectors::Weight;
use crate::journal::system;
use crate::journal::terms;
use crate::pipeline::waiting::Waiting;
use http::{HeaderMap, HeaderValue};
use std::cell::OnceCell;
use std::ops::Range;
use std::sync::Arc;
use zos_audit::Verdict;
use zos_core::fleet::SLOTS;
use zos_core::memory::Memories;
use zos_core::{Attachments, Context, ContextName, ContextState, Effect, ProviderState, RouteRequest};
use zos_guard::approvals::Side;
use zos_guard::findings::Findings;
use zos_guard::inspect;
use zos_guard::policy::Policy;
use zos_guard::redact::sessions::{Speaker, TooMany};
use zos_guard::redact::spots::{self, Edit};
use zos_guard::seams::SEAM_BYTES;
use zos_guard::targets;
use zos_guard::targets::taint::{self, Session};
use zos_meter::tokens::Vocabulary;
use zos_wire::asked::{Asked, asked};
use zos_wire::face::Face;
use zos_wire::hosted;
use zos_wire::json;
use zos_wire::prefill;
use zos_wire::problem::{Code, Problem};

/// What stands in a record in the place of a model's name that is not kept, before its hash.
const HIDDEN: &str = "hidden";

/// A call whose body was inspected and may leave.
pub(crate) struct Inspected {
    pub(super) resolved: Resolved,
    pub(super) arrived: Arrived,
    pub(super) asked: Asked,
    /// Tokens of the input, estimated.
    pub(super) input_tokens: u64,
    /// What was counted of the text, once a limit asked for it.
    pub(super) measured: Option<Measured>,
    /// The keyed digest of the body's system text.
    pub(super) system: Option<String>,
    /// Those of them that stand for attachments.
    pub(super) attachment_tokens: u64,
}

/// A call whose body was inspected and waits for the owner, or for nothing.
pub(crate) struct Judged {
    resolved: Resolved,
    arrived: Arrived,
    asked: Asked,
    findings: Findings,
    system: Option<String>,
    waiting: Option<Waiting>,
}

pub(super) fn run(
    house: &House,
    mut resolved: Resolved,
    call: &mut Call,
    headers: &mut HeaderMap,
) -> Result<Judged, Problem> {
    let arrived = resolved.arrived.take().expect("resolve::run puts the arrived call in");
    let body = std::str::from_utf8(&arrived.body)
        .map_err(|_| Problem::new(Code::InvalidRequest, "The request body is not valid UTF-8."))?;
    let value = json::parse(body).map_err(|error| {
        Problem::new(Code::InvalidRequest, format!("The request body is {error}."))
            .hint("Send one JSON object.")
    })?;
    let asked = asked(arrived.face, &value)?;
    resolved.policy = with_targets(house, &resolved, &arrived, body, call);
    name_model(house, &resolved, arrived.face, &asked.model, call);
    let mut findings = Findings::default();
    resolved.opening = prefill::end(&value, SEAM_BYTES);
    inspect::request(&resolved.policy, &value, &mut findings);
    if inspect::ids::are_in(&value) {
        let vocabularies = vocabularies(&resolved, arrived.face, &asked);
        inspect::ids::inspect(&resolved.policy, &value, &vocabularies, &mut findings);
    }
    targets::reach(&resolved.policy, &hosted::reach(&value), &mut findings.targets);
    travelling::inspect_going(&resolved.policy, &arrived.headers, &mut findings);
    let system = system::of(&house.term_keys, resolved.name.as_str(), arrived.face, &value);
    note(&resolved.policy, &findings, call, headers);
    state::check(house, &resolved, &value, call, headers)?;
    drop(value);
    if findings.has_attachment && resolved.context.attachments == Attachments::Deny {
        return Err(Problem::new(
            Code::FirewallRequest,
            format!(
                "The request holds what cannot be inspected ({}), and this context denies it.",
                findings.uninspected.join(", ")
            ),
        )
        .hint("Leave it out, or set `attachments: allow` in the context's file."));
    }
    if findings.are_blocked(&resolved.policy) {
        return Err(Problem::new(
            Code::FirewallRequest,
            refusal_sentence("The request", &resolved, &findings),
        )
        .hint("Take it out of the conversation, or change the rule in this context's file."));
    }
    if resolved.policy.may_ask() || resolved.policy.may_confirm() {
        resolved.digest = zos_seal::sha256(&arrived.body);
    }
    let subject = findings.subject(&resolved.policy);
    let waiting =
        subject.map(|subject| Waiting::begin(house, call, &resolved, &findings, subject, Side::Request));
    Ok(Judged { resolved, arrived, asked, findings, system, waiting })
}

impl Judged {
    /// The face of a call that is held while its client listens to a stream.
    pub(super) fn held_stream(&self) -> Option<Face> {
        let is_held = self.asked.stream && self.waiting.as_ref().is_some_and(Waiting::is_held);
        is_held.then_some(self.arrived.face)
    }

    /// What reading the body costs.
    pub(super) fn weight(&self) -> Weight {
        self.arrived.weight
    }

    /// Waits for the owner where one was asked.
    pub(super) async fn decided(mut self, house: &House) -> Result<Decided, Problem> {
        if let Some(mut waiting) = self.waiting.take() {
            let effect = waiting.answer(house).await?;
            self.resolved.policy.decide(waiting.subject(), effect);
        }
        Ok(Decided(self))
    }
}

/// A call that may leave once what the room redacts is replaced.
pub(crate) struct Decided(Judged);

impl Decided {
    /// Makes the body final.
    pub(super) fn inspected(
        self,
        house: &House,
        call: &mut Call,
        headers: &mut HeaderMap,
    ) -> Result<Inspected, Problem> {
        let Judged { mut resolved, mut arrived, mut asked, mut findings, mut system, .. } = self.0;
        if let Some(redacted) = redact(house, &mut resolved, &arrived, &mut findings, call)? {
            asked.model_place = redacted.moved(&asked.model_place);
            arrived.body = redacted.body.into();
            system = system.and_then(|_| {
                system::of_changed(&house.term_keys, resolved.name.as_str(), arrived.face, &arrived.body)
            });
            raise_verdict(Verdict::Redact, call, headers);
        }
        if resolved.context.state == ProviderState::None
            && let Some(edit) = stored_nowhere(&arrived)
        {
            let body = std::str::from_utf8(&arrived.body).expect("it was read as text before");
            let body = json::replace(body, std::slice::from_ref(&edit));
            let changed = Redacted { body, edits: vec![edit] };
            asked.model_place = changed.moved(&asked.model_place);
            arrived.body = changed.body.into();
        }
        let body = std::str::from_utf8(&arrived.body).expect("it was, and what was put in is text");
        let text_bytes = body.len().saturating_sub(findings.binary_bytes);
        let attachment_tokens = findings.uninspected.len() as u64 * ATTACHMENT_TOKENS;
        // Every call has this; under a limit a tokenizer's count takes its place (`reserve`).
        let input_tokens = zos_meter::estimate_tokens(body).min(text_bytes as u64) + attachment_tokens;
        Ok(Inspected { resolved, arrived, asked, input_tokens, measured: None, attachment_tokens, system })
    }
}

/// The edit that keeps the provider from storing the answer, where the request does not say so itself.
fn stored_nowhere(arrived: &Arrived) -> Option<Edit> {
    let body = std::str::from_utf8(&arrived.body).ok()?;
    let value = json::parse(body).ok()?;
    zos_wire::state::store_nothing(arrived.face, body, &value)
}

/// A body that was changed, and how.
struct Redacted {
    body: String,
    edits: Vec<Edit>,
}

impl Redacted {
    /// Where a part of the body stands now. No edit touches it.
    fn moved(&self, place: &Range<usize>) -> Range<usize> {
        let before = self.edits.iter().take_while(|(edited, _)| edited.end <= place.start);
        let (old, new) =
            before.fold((0, 0), |(old, new), (edited, text)| (old + edited.len(), new + text.len()));
        place.start + new - old..place.end + new - old
    }
}

/// Replaces what the room redacts; `None` where nothing is.
fn redact(
    house: &House,
    resolved: &mut Resolved,
    arrived: &Arrived,
    findings: &mut Findings,
    call: &Call,
) -> Result<Option<Redacted>, Problem> {
    if !resolved.policy.may_redact() {
        return Ok(None);
    }
    let policy = &resolved.policy;
    if let Some((rule, field)) = findings.not_replaceable(policy) {
        return Err(Problem::new(
            Code::FirewallRequest,
            format!(
                "The request holds something that rule {} redacts, in a place where it cannot be replaced: {field}.",
                policy.rule_id(*rule)
            ),
        )
        .hint("Numbers, keys, names, ids and words over two text blocks cannot be replaced: take it out there."));
    }
    let client = call.record.client.as_deref();
    let mut masks = house.redactions.open(resolved.name.as_str(), client, &arrived.headers);
    masks.set_rooms(policy);
    masks.set_look_alikes(std::mem::take(&mut findings.look_alikes));
    let body = std::str::from_utf8(&arrived.body).expect("it was read as text before");
    let edits = spots::edits(
        body,
        &findings.spots,
        &|rule, _| policy.effect(rule) == Effect::Redact,
        &mut |rule, matched| masks.mask(policy, rule, matched, Speaker::Caller),
    )
    .map_err(|TooMany| {
        Problem::new(
            Code::FirewallRequest,
            format!(
                "The request holds more than {} different texts to redact, or more than {} MiB of them.",
                TooMany::LIMIT,
                TooMany::LIMIT_BYTES >> 20
            ),
        )
        .hint("Begin a new conversation, or send less at once.")
    })?;
    resolved.masks = Some(masks);
    Ok((!edits.is_empty()).then(|| Redacted { body: json::replace(body, &edits), edits }))
}

/// The policy with the lists that say where the answer's tool calls may point: those of this room, and of
/// every other room whose memory the conversation has read. A room that was read and cannot be used any more
/// allows nothing.
fn with_targets(
    house: &House,
    resolved: &Resolved,
    arrived: &Arrived,
    body: &str,
    call: &mut Call,
) -> Policy {
    let key = resolved.presented.zos_key.as_ref().map(zos_seal::Secret::expose);
    let session = Session::of(&arrived.headers, key.map(String::as_str), &resolved.name);
    // Names that only the caller knows are its words: they mark nothing, and no record keeps them.
    let remembering = OnceCell::new();
    let is_room = |name: &ContextName| {
        resolved.snapshot.context(name).is_some()
            || remembering.get_or_init(|| Memories::contexts(house.brain.home())).contains(name)
    };
    let read = house.taints.mark(session, taint::recalled(body, is_room));
    call.record.recalled = read.iter().map(ToString::to_string).collect();
    let others = read.iter().filter(|name| **name != resolved.name).map(|name| {
        let usable = resolved.snapshot.context(name).and_then(ContextState::context);
        usable.map_or_else(|| Arc::new(Context::closed(name.clone())), Arc::clone)
    });
    resolved.policy.clone().with_targets(std::iter::once(Arc::clone(&resolved.context)).chain(others))
}

/// Notes which model the caller names. A name is the caller's own text: it is kept where the fleet serves or lists it
/// and no rule finds anything in it, else as a hash.
fn name_model(house: &House, resolved: &Resolved, face: Face, asked: &str, call: &mut Call) {
    let fleet = &resolved.snapshot.fleet;
    let is_slot = || asked.split_once('/').is_some_and(|(slots, _)| slots == SLOTS);
    let is_known = fleet.route(face.api(), asked, &resolved.context.models).is_ok()
        || fleet.model_ids().any(|(id, _)| id == asked)
        || is_slot();
    if is_known && finds_nothing(&resolved.policy, asked) {
        call.record.model = Some(asked.to_owned());
        return;
    }
    let hash = terms::hash(&house.term_keys, resolved.name.as_str(), asked);
    let hidden = hash.map_or_else(|_| HIDDEN.to_owned(), |hash| format!("{HIDDEN}:{hash}"));
    call.record.model = Some(hidden.clone());
    call.hidden_model = Some(HiddenModel { asked: asked.to_owned(), hash: hidden });
}

/// Whether no rule finds anything in a short text.
pub(super) fn finds_nothing(policy: &Policy, text: &str) -> bool {
    let mut found = Vec::new();
    policy.rules().scan(text, &mut found);
    found.is_empty()
}

/// The vocabularies of the models that may be asked, by the names that their providers know them by.
fn vocabularies(resolved: &Resolved, face: Face, asked: &Asked) -> Vec<Option<Vocabulary>> {
    let wish = RouteRequest {
        face: face.api(),
        model: &asked.model,
        filter: &resolved.context.models,
        context: resolved.name.as_str(),
        isolation: resolved.context.isolation,
        caps: &[],
        thinks: false,
        tokens: 0,
        may_fall_back: !matches!(face, Face::CountTokens | Face::Embeddings),
    };
    let plan = resolved.snapshot.fleet.plan(&wish);
    let mut vocabularies: Vec<Option<Vocabulary>> = Vec::new();
    for vocabulary in plan.routes.iter().map(|route| Vocabulary::of_model(route.sent_as())) {
        if !vocabularies.contains(&vocabulary) {
            vocabularies.push(vocabulary);
        }
    }
    vocabularies
}

/// What an image or a page costs at most with the providers we know. A guess, for the reservation only.
const ATTACHMENT_TOKENS: u64 = 1600;

/// Notes findings in the record and in the answer's headers.
pub(crate) fn note(policy: &Policy, findings: &Findings, call: &mut Call, headers: &mut HeaderMap) {
    for found in &findings.found {
        let id = policy.rule_id(found.rule);
        for name in std::iter::once(id).chain(found.detectors.iter().map(|detector| &**detector)) {
            if !call.record.rules.iter().any(|known| known == name) {
                call.record.rules.push(name.to_owned());
            }
        }
    }
    call.note_terms(policy, findings);
    for (rule, _) in findings.targets.rules() {
        if !call.record.rules.iter().any(|known| known == rule) {
            call.record.rules.push(rule.to_owned());
        }
    }
    for place in &findings.uninspected {
        if !call.record.uninspected.contains(place) {
            call.record.uninspected.push(place.clone());
        }
    }
    if findings.found.is_empty() && findings.targets.is_empty() {
        write_headers(call, headers);
    } else {
        raise_verdict(Verdict::Warn, call, headers);
    }
}

/// Notes a verdict, unless a stronger one is known.
pub(crate) fn raise_verdict(verdict: Verdict, call: &mut Call, headers: &mut HeaderMap) {
    let strength = |verdict| match verdict {
        Verdict::Allow => 0,
        Verdict::Warn => 1,
        Verdict::Redact => 2,
        Verdict::Deny => 3,
    };
    if call.record.verdict.is_none_or(|known| strength(known) < strength(verdict)) {
        call.record.verdict = Some(verdict);
    }
    write_headers(call, headers);
}

/// The verdict headers as the record knows them.
pub(super) fn write_headers(call: &Call, headers: &mut HeaderMap) {
    let verdict = match call.record.verdict {
        Some(Verdict::Deny) => "deny",
        Some(Verdict::Redact) => "redact",
        Some(Verdict::Warn) => "warn",
        Some(Verdict::Allow) | None => "allow",
    };
    headers.insert("x-zos-verdict", HeaderValue::from_static(verdict));
    let mut list = |name: &'static str, values: &[String]| {
        if !values.is_empty()
            && let Ok(value) = HeaderValue::from_str(&values.join(","))
        {
            headers.insert(name, value);
        }
    };
    list("x-zos-rules", &call.record.rules);
    list("x-zos-uninspected", &call.record.uninspected);
}

/// Names rule, field and count, and never what was found.
pub(super) fn refusal_sentence(subject: &str, resolved: &Resolved, findings: &Findings) -> String {
    let times = |count: u32| if count == 1 { String::new() } else { format!(", {count} times") };
    let mut found: Vec<String> = findings
        .found
        .iter()
        .filter(|found| resolved.policy.effect(found.rule) != Effect::Report)
        .map(|found| {
            let kinds = match found.detectors.as_slice() {
                [] => String::new(),
                kinds => format!(" ({})", kinds.join(", ")),
            };
            format!(
                "rule {}{kinds} in {}{}",
                resolved.policy.rule_id(found.rule),
                found.field,
                times(found.count)
            )
        })
        .collect();
    found.extend(
        findings
            .targets
            .rules()
            .map(|(rule, count)| format!("rule {rule} on where a tool call or link points{}", times(count))),
    );
    let isolation = resolved.context.isolation.name();
    format!(
        "{subject} holds something that the {isolation} context \"{}\" denies: {}.",
        resolved.name,
        found.join("; ")
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_moves_with_what_is_replaced_before_it() {
        let edits = vec![(2..4, "12345".to_owned()), (20..30, String::new())];
        let redacted = Redacted { body: String::new(), edits };
        assert_eq!(redacted.moved(&(0..2)), 0..2);
        assert_eq!(redacted.moved(&(4..9)), 7..12);
        assert_eq!(redacted.moved(&(30..31)), 23..24);
    }
}
