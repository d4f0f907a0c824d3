//! Step 2: what the request says, and whether it may leave. The body that comes out of here is final.

use super::body::{Body, Edits};
use super::headers as travelling;
use super::waiting::Waiting;
use super::{Arrived, Governed, Resolved, canon, state};
use crate::books::tokens::Measured;
use crate::call::{Call, Fact, HiddenModel};
use crate::gateway::Files;
use crate::guards::Guards;
use crate::inspectors::Weight;
use crate::journal::{system, terms};
use bytes::Bytes;
use std::cell::OnceCell;
use std::sync::Arc;
use zos_audit::Verdict;
use zos_core::fleet::SLOTS;
use zos_core::memory::Memories;
use zos_core::{Attachments, Canon, Context, ContextName, ContextState, Effect, ProviderState};
use zos_guard::approvals::Side;
use zos_guard::findings::Findings;
use zos_guard::inspect;
use zos_guard::policy::Policy;
use zos_guard::redact::Masks;
use zos_guard::redact::sessions::{Speaker, TooMany};
use zos_guard::redact::spots::{self, Edit};
use zos_guard::seams::SEAM_BYTES;
use zos_guard::targets;
use zos_guard::targets::taint::{self, Session};
use zos_meter::tokens::Vocabulary;
use zos_wire::asked::{Asked, asked};
use zos_wire::face::Face;
use zos_wire::faces::Dialect;
use zos_wire::hosted;
use zos_wire::json;
use zos_wire::prefill;
use zos_wire::problem::{Code, Problem};

/// What stands in a record in the place of a model's name that is not kept, before its hash.
const HIDDEN: &str = "hidden";

/// A call whose body was inspected and may leave.
pub(crate) struct Inspected {
    pub(super) governed: Governed,
    pub(super) arrived: Arrived,
    pub(super) asked: Asked,
    /// The placeholders of this call, where the room may redact.
    pub(super) masks: Option<Masks>,
    /// End of the text that the answer goes on from; empty where there is none.
    pub(super) opening: String,
    /// Digest of the body as it arrived; all zeros where the owner is asked about nothing.
    pub(super) digest: [u8; 32],
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
    governed: Governed,
    arrived: Arrived,
    asked: Asked,
    opening: String,
    digest: [u8; 32],
    findings: Findings,
    waiting: Option<Waiting>,
}

pub(super) fn run(
    files: &Files,
    guards: &Guards,
    resolved: Resolved,
    body: &Body<'_>,
    call: &mut Call,
) -> Result<Judged, Problem> {
    let Resolved { mut governed, arrived } = resolved;
    let value = &body.tree;
    let asked = asked(arrived.face, value)?;
    governed.policy = with_targets(files, guards, &governed, &arrived, body.text, call);
    name_model(&governed, arrived.face, &asked.model, call);
    let mut findings = Findings::default();
    let opening = prefill::end(value, SEAM_BYTES);
    inspect::request(&governed.policy, value, &mut findings);
    if inspect::ids::are_in(value) {
        let vocabularies = vocabularies(&governed, arrived.face, &asked);
        inspect::ids::inspect(&governed.policy, value, &vocabularies, &mut findings);
    }
    targets::reach(&governed.policy, &hosted::reach(value), &mut findings.targets);
    travelling::inspect_going(&governed.policy, &arrived.headers, &mut findings);
    call.tell(Fact::Found(&governed.policy, &findings));
    state::check(&guards.provider_states, &governed, value, call)?;
    if findings.has_attachment && governed.context.attachments == Attachments::Deny {
        return Err(Problem::new(
            Code::FirewallRequest,
            format!(
                "The request holds what cannot be inspected ({}), and this context denies it.",
                findings.uninspected.join(", ")
            ),
        )
        .hint("Leave it out, or set `attachments: allow` in the context's file."));
    }
    if findings.are_blocked(&governed.policy) {
        return Err(Problem::new(
            Code::FirewallRequest,
            refusal_sentence("The request", &governed, &findings),
        )
        .hint(format!(
            "Take it out, switch the room, or edit this one (`zos context edit {}`); `zos firewall test` shows what a rule finds.",
            governed.name
        )));
    }
    let digest = match governed.policy.may_ask() || governed.policy.may_confirm() {
        true => zos_seal::sha256(&arrived.body),
        false => [0; 32],
    };
    let subject = findings.subject(&governed.policy);
    let waiting = subject
        .map(|subject| Waiting::begin(guards, call, &governed, &findings, subject, (Side::Request, digest)));
    Ok(Judged { governed, arrived, asked, opening, digest, findings, waiting })
}

impl Judged {
    /// Whether the owner has to decide before the call goes on.
    pub(super) fn waits(&self) -> bool {
        self.waiting.is_some()
    }

    /// The dialect of a call that is held while its client listens to a stream.
    pub(super) fn held_stream(&self) -> Option<Dialect> {
        let is_held = self.asked.stream && self.waiting.as_ref().is_some_and(Waiting::is_held);
        Dialect::of(self.arrived.face).filter(|_| is_held)
    }

    /// What reading the body costs.
    pub(super) fn weight(&self) -> Weight {
        self.arrived.weight
    }

    /// Waits for the owner where one was asked.
    pub(super) async fn decided(mut self) -> Result<Decided, Problem> {
        if let Some(mut waiting) = self.waiting.take() {
            let effect = waiting.answer().await?;
            self.governed.policy.decide(waiting.subject(), effect);
        }
        Ok(Decided(self))
    }

    /// The call, where nobody has to decide anything; itself again where somebody has.
    pub(super) fn undisputed(self) -> Result<Decided, Box<Judged>> {
        if self.waits() { Err(Box::new(self)) } else { Ok(Decided(self)) }
    }
}

/// A call that may leave once what the room redacts is replaced.
pub(crate) struct Decided(Judged);

impl Decided {
    /// The bytes of the body as it arrived.
    pub(super) fn bytes(&self) -> Bytes {
        self.0.arrived.body.clone()
    }

    /// Makes the body final: what the room redacts is replaced, the provider told to keep nothing, and the canon put in
    /// front, where the room asks for that. All in one change of the body, after which `last` reads it.
    pub(super) fn inspected<T>(
        self,
        guards: &Guards,
        body: &Body<'_>,
        call: &mut Call,
        last: impl FnOnce(Inspected, &Body<'_>, &mut Call) -> Result<T, Problem>,
    ) -> Result<T, Problem> {
        let Judged { governed, mut arrived, mut asked, opening, digest, mut findings, .. } = self.0;
        let (masks, redacted) = redact(guards, &governed, &arrived, body.text, &mut findings, call)?;
        let mut edits = Edits::default();
        if !redacted.is_empty() {
            edits.extend(redacted);
            call.tell(Fact::Verdict(Verdict::Redact));
        }
        if governed.context.state == ProviderState::None {
            edits.extend(zos_wire::state::store_nothing(arrived.face, body.text, &body.tree));
        }
        let canon = canon::run(&governed, arrived.face, body, call)?;
        let input_tokens =
            input_tokens(body.text, &edits, &findings, canon.as_ref().map(|(canon, _)| &**canon));
        edits.extend(canon.into_iter().flat_map(|(_, edits)| edits));
        let changed = (!edits.is_empty()).then(|| edits.apply(body.text));
        let again = changed.as_deref().map(Body::again).transpose()?;
        let body = again.as_ref().unwrap_or(body);
        if let Some(changed) = &changed {
            asked.model_place = edits.moved(&asked.model_place);
            arrived.body = changed.clone();
        }
        let system = system::of(&call.journal.term_keys, governed.name.as_str(), arrived.face, &body.tree);
        let inspected = Inspected {
            governed,
            arrived,
            asked,
            masks,
            opening,
            digest,
            input_tokens,
            measured: None,
            attachment_tokens: attachment_tokens(&findings),
            system,
        };
        last(inspected, body, call)
    }
}

/// Tokens of the input, estimated by length: every call has this, and under a limit a tokenizer's count takes its place
/// (`reserve`). `edits` are those but for the canon, whose tokens are known.
fn input_tokens(text: &str, edits: &Edits, findings: &Findings, canon: Option<&Canon>) -> u64 {
    let edited = (!edits.is_empty()).then(|| json::replace(text, edits.as_slice()));
    let text = edited.as_deref().unwrap_or(text);
    let text_bytes = text.len().saturating_sub(findings.binary_bytes) as u64;
    let tokens = zos_meter::estimate_tokens(text).min(text_bytes) + attachment_tokens(findings);
    tokens.saturating_add(canon.map_or(0, |canon| canon.tokens))
}

fn attachment_tokens(findings: &Findings) -> u64 {
    findings.uninspected.len() as u64 * ATTACHMENT_TOKENS
}

/// The placeholders of the call, where the room may redact, and the edits that put them in.
fn redact(
    guards: &Guards,
    governed: &Governed,
    arrived: &Arrived,
    text: &str,
    findings: &mut Findings,
    call: &Call,
) -> Result<(Option<Masks>, Vec<Edit>), Problem> {
    if !governed.policy.may_redact() {
        return Ok((None, Vec::new()));
    }
    let policy = &governed.policy;
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
    let mut masks = guards.redactions.open(governed.name.as_str(), client, &arrived.headers);
    masks.set_rooms(policy);
    masks.set_look_alikes(std::mem::take(&mut findings.look_alikes));
    let edits = spots::edits(
        text,
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
    Ok((Some(masks), edits))
}

/// The policy with the lists that say where the answer's tool calls may point: those of this room, and of
/// every other room whose memory the conversation has read. A room that was read and cannot be used any more
/// allows nothing.
fn with_targets(
    files: &Files,
    guards: &Guards,
    governed: &Governed,
    arrived: &Arrived,
    body: &str,
    call: &mut Call,
) -> Policy {
    let key = governed.presented.zos_key.as_ref().map(zos_seal::Secret::expose);
    let session = Session::of(&arrived.headers, key.map(String::as_str), &governed.name);
    // Names that only the caller knows are its words: they mark nothing, and no record keeps them.
    let remembering = OnceCell::new();
    let is_room = |name: &ContextName| {
        governed.snapshot.context(name).is_some()
            || remembering.get_or_init(|| Memories::contexts(files.brain.home())).contains(name)
    };
    let read = guards.taints.mark(session, taint::recalled(body, is_room));
    call.record.recalled = read.iter().map(ToString::to_string).collect();
    let others = read.iter().filter(|name| **name != governed.name).map(|name| {
        let usable = governed.snapshot.context(name).and_then(ContextState::context);
        usable.map_or_else(|| Arc::new(Context::closed(name.clone())), Arc::clone)
    });
    governed.policy.clone().with_targets(std::iter::once(Arc::clone(&governed.context)).chain(others))
}

/// Notes which model the caller names. A name is the caller's own text: it is kept where the fleet serves or lists it
/// and no rule finds anything in it, else as a hash.
fn name_model(governed: &Governed, face: Face, asked: &str, call: &mut Call) {
    let fleet = &governed.snapshot.fleet;
    let is_slot = || asked.split_once('/').is_some_and(|(slots, _)| slots == SLOTS);
    let is_known = fleet.route(face.api(), asked, &governed.context.models).is_ok()
        || fleet.model_ids().any(|(id, _)| id == asked)
        || is_slot();
    if is_known && finds_nothing(&governed.policy, asked) {
        call.record.model = Some(asked.to_owned());
        return;
    }
    let hash = terms::hash(&call.journal.term_keys, governed.name.as_str(), asked);
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
fn vocabularies(governed: &Governed, face: Face, asked: &Asked) -> Vec<Option<Vocabulary>> {
    let wish = governed.route_request(face.api(), &asked.model, face.may_fall_back());
    let plan = governed.snapshot.fleet.plan(&wish);
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

/// The most rules that a sentence names. A person reads it in a terminal; the record and `x-zos-rules` have all of them.
const NAMED_LIMIT: usize = 3;

/// Names room, rule, field and count, and never what was found.
pub(super) fn refusal_sentence(subject: &str, governed: &Governed, findings: &Findings) -> String {
    let times = |count: u32| if count == 1 { String::new() } else { format!(", {count} times") };
    let mut found: Vec<String> = findings
        .found
        .iter()
        .filter(|found| governed.policy.effect(found.rule) != Effect::Report)
        .map(|found| {
            let kinds = match found.detectors.as_slice() {
                [] => String::new(),
                kinds => format!(" ({})", kinds.join(", ")),
            };
            format!(
                "rule {}{kinds} in {}{}",
                governed.policy.rule_id(found.rule),
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
    let more = match found.len().saturating_sub(NAMED_LIMIT) {
        0 => String::new(),
        more => format!("; and {more} more"),
    };
    found.truncate(NAMED_LIMIT);
    format!(
        "{subject} holds something that the room \"{}\" denies: {}{more}.",
        governed.name,
        found.join("; ")
    )
}
