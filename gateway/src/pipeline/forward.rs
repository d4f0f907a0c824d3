//! Step 5: the only step that leaves the machine.
//!
//! The routes of the plan are tried in order. A provider that fails before the first byte of its answer is
//! asked again as often as the fleet allows, then the next route is tried, past the hard filter again. Before
//! each attempt the budget holds what it may cost; a route that does not fit is skipped. An answer whose head
//! has arrived is the answer. When nothing serves, the caller gets the first failure:
//! that of the model it asked for.

use super::Governed;
use super::headers::{PASSED, PASSED_ACROSS, inspect_passed_up, passed_up};
use super::inspect_request::refusal_sentence;
use super::reserve::{Reserved, hold};
use super::route::{Prepared, account, prepare, wish};
use crate::access::Access;
use crate::call::{Call, Cost, Fact, HiddenModel};
use crate::journal::Journal;
use crate::pipeline::inspect_request::Inspected;
use crate::upstream::breaker::{Permit, Scope};
use crate::upstream::credentials::{Credential, KeyError};
use crate::upstream::departing::{Departing, HoldsOwnSecret};
use crate::upstream::{Answer, Outgoing, UpstreamError, Upstreams};
use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use std::fmt::Write;
use std::sync::Arc;
use std::time::{Duration, Instant};
use zos_audit::Verdict;
use zos_core::fleet::{Auth, Defaults};
use zos_core::{Api, Effect, Provider, Route};
use zos_guard::redact::Masks;
use zos_meter::Usage;
use zos_wire::face::Face;
use zos_wire::pair::Pair;
use zos_wire::problem::{Code, Problem};

/// The longest that a provider's `Retry-After` is waited for; a longer one means the next route.
const WAIT_LIMIT: Duration = Duration::from_secs(10);

/// The pause before the first further attempt; each later one is twice as long.
const PAUSE: Duration = Duration::from_millis(250);

/// A call with the head of its answer.
pub(crate) struct Forwarded {
    pub(super) face: Face,
    pub(super) input_tokens: u64,
    pub(super) governed: Governed,
    /// The placeholders of this call, where the room may redact.
    pub(super) masks: Option<Masks>,
    /// End of the text of the request that the answer goes on from; empty where there is none.
    pub(super) opening: String,
    /// Digest of the request's body as it arrived, by which the owner's answer to an ask is known again.
    pub(super) digest: [u8; 32],
    pub(super) answer: Answer,
    /// Who answered.
    pub(super) provider: Arc<Provider>,
    /// How the answer is carried back, where it came in another format.
    pub(super) pair: Option<Pair>,
    /// The caller's own request.
    pub(super) request: Bytes,
}

/// How one route failed.
enum Failure {
    /// The provider's own error answer, still to be passed on.
    Answer(Box<(Prepared, Answer)>),
    /// No answer at all.
    Problem(Problem),
}

impl Failure {
    fn of(prepared: Prepared, failure: Result<Answer, Problem>) -> Failure {
        match failure {
            Ok(answer) => Failure::Answer(Box::new((prepared, answer))),
            Err(problem) => Failure::Problem(problem),
        }
    }
}

pub(super) async fn run(
    access: &Access,
    upstreams: &Upstreams,
    reserved: Reserved,
    call: &mut Call,
) -> Result<Forwarded, Problem> {
    let routed = reserved.routed;
    let mut inspected = routed.inspected;
    let defaults = *inspected.governed.snapshot.fleet.defaults();
    let mut attempts = Attempts {
        access,
        upstreams,
        inspected: &mut inspected,
        defaults,
        hidden_model: call.hidden_model.clone(),
        has_alternative: !routed.next.is_empty(),
        is_held: true,
        told: String::new(),
        count: 0,
    };
    let mut first_failure = None;
    let mut served = None;
    let asked_for = routed.first.route.clone();
    let mut prepared = Some(Ok(routed.first));
    let mut next = routed.next.into_iter();
    while let Some(candidate) = prepared.take() {
        let tried = match candidate {
            Ok(candidate) => attempts.route(candidate, call).await,
            Err(problem) => Err(Failure::Problem(problem)),
        };
        match tried {
            Ok(answered) => {
                if first_failure.is_some() {
                    call.journal.counters.fell_back();
                    tracing::info!(provider = answered.0.route.provider.name, "a fallback answered");
                }
                served = Some(answered);
                break;
            }
            Err(failure) => {
                first_failure.get_or_insert(failure);
            }
        }
        prepared = next.next().map(|route| attempts.prepare(route, call));
    }
    let Attempts { told, count, .. } = attempts;
    if count > 1 {
        call.remark(&told);
    }
    if defaults.retries > 0 {
        // Retries happen in one place only.
        call.tell(Fact::Retried);
    }
    let (prepared, answer) = match (served, first_failure) {
        (Some(served), _) => served,
        (None, Some(Failure::Answer(answered))) => *answered,
        (None, Some(Failure::Problem(problem))) => {
            call.tell(Fact::Route(&asked_for));
            return Err(problem);
        }
        (None, None) => unreachable!("the first route is always tried"),
    };
    call.tell(Fact::Route(&prepared.route));
    Ok(Forwarded {
        face: inspected.arrived.face,
        input_tokens: inspected.input_tokens,
        governed: inspected.governed,
        masks: inspected.masks,
        opening: inspected.opening,
        digest: inspected.digest,
        answer,
        provider: prepared.route.provider,
        pair: prepared.pair,
        request: inspected.arrived.body,
    })
}

/// The attempts at one call.
struct Attempts<'a> {
    access: &'a Access,
    upstreams: &'a Upstreams,
    inspected: &'a mut Inspected,
    defaults: Defaults,
    /// Whether another route may serve the call.
    has_alternative: bool,
    /// Whether the budget holds what the next attempt may cost, as it does for the very first.
    is_held: bool,
    /// The caller's name of the model where that is not kept.
    hidden_model: Option<HiddenModel>,
    /// What was tried and what came of it, for the record: names of models and statuses only.
    told: String,
    /// How many times something was tried or skipped.
    count: u32,
}

impl Attempts<'_> {
    fn tell(&mut self, route: &Route, what: impl std::fmt::Display) {
        self.count += 1;
        let gap = if self.told.is_empty() { "" } else { "; " };
        let model = HiddenModel::shown(self.hidden_model.as_ref(), &route.model);
        write!(self.told, "{gap}{}/{model}: {what}", route.provider.name)
            .expect("writing to a String never fails");
    }

    /// A fallback, past the hard filter once more.
    fn prepare(&mut self, route: Route, call: &Call) -> Result<Prepared, Problem> {
        self.is_held = false;
        let fleet = &self.inspected.governed.snapshot.fleet;
        if let Err(reason) = fleet.permits(&wish(self.inspected), &route) {
            self.tell(&route, "not permitted");
            return Err(Problem::new(Code::NoRoute, format!("A fallback is not permitted: {reason}.")));
        }
        let shown = route.clone();
        prepare(self.access, &call.journal, self.inspected, route).inspect_err(|problem| {
            self.tell(&shown, format_args!("skipped, {}", problem.code.as_str()));
        })
    }

    /// Asks one provider, as often as it may be asked and the budget carries it.
    async fn route(&mut self, prepared: Prepared, call: &mut Call) -> Result<(Prepared, Answer), Failure> {
        let provider = prepared.route.provider.clone();
        if let Err(problem) = self.inspect_passed_up(&provider, call) {
            self.tell(&prepared.route, "not sent, a header holds what the room denies");
            return Err(Failure::Problem(problem));
        }
        let (mut outgoing, mut generation) = match self.outgoing(&prepared, None).await {
            Ok(outgoing) => outgoing,
            Err(problem) => {
                self.tell(&prepared.route, "no key");
                return Err(Failure::Problem(problem));
            }
        };
        let account = account(self.inspected, &provider);
        let mut pause = PAUSE;
        let mut last: Option<Result<Answer, Problem>> = None;
        for attempt in 0..=self.defaults.retries {
            if !self.is_held
                && let Err(problem) = hold(self.inspected, &prepared.route, call).await
            {
                self.tell(&prepared.route, format_args!("skipped, {}", problem.code.as_str()));
                return Err(Failure::of(prepared, last.unwrap_or(Err(problem))));
            }
            self.is_held = true;
            call.tell(Fact::Route(&prepared.route));
            let permit = match self.permit(&prepared) {
                Ok(permit) => permit,
                Err(wait) => {
                    self.tell(&prepared.route, "left alone");
                    let failure = last.unwrap_or_else(|| Err(left_alone(&provider.name, wait)));
                    return Err(Failure::of(prepared, failure));
                }
            };
            call.forwarded();
            call.record.system.clone_from(&prepared.system);
            let mut sent = self.upstreams.send(&provider, outgoing.clone(), self.defaults.timeout).await;
            if let (Ok(answer), Some(refused)) = (&sent, generation)
                && answer.status == StatusCode::UNAUTHORIZED
                && let Some(credential) = self.upstreams.keys.in_place_of(&provider, refused).await
                && let Ok((renewed, number)) = self.outgoing(&prepared, Some(credential)).await
            {
                // A printed key may be over before its time. What is refused for its key costs nothing.
                self.tell(&prepared.route, "401, its key is printed anew");
                (outgoing, generation) = (renewed, number);
                sent = self.upstreams.send(&provider, outgoing.clone(), self.defaults.timeout).await;
            }
            if let Ok(answer) = &sent {
                call.books.quotas.read(&provider.name, &account, &answer.headers, call.now_ms());
                if let Some(generation) = generation
                    && answer.status != StatusCode::UNAUTHORIZED
                {
                    self.upstreams.keys.commands.accepted(&provider, generation);
                }
            }
            let is_last = attempt == self.defaults.retries;
            let (wait, failure) = match sent {
                Ok(answer) if !is_worth_another(answer.status) => {
                    self.succeeded(permit, &provider.name, &call.journal);
                    self.tell(&prepared.route, answer.status.as_u16());
                    return Ok((prepared, answer));
                }
                Ok(answer) => {
                    self.tell(&prepared.route, answer.status.as_u16());
                    call.came_to_nothing();
                    // Too many requests is no failure of the provider.
                    if answer.status != StatusCode::TOO_MANY_REQUESTS {
                        self.failed(permit, &provider.name, &call.journal);
                    }
                    (retry_after(&answer.headers).unwrap_or(pause), Ok(answer))
                }
                Err(error) => {
                    self.failed(permit, &provider.name, &call.journal);
                    // What never arrived costs nothing; what was sent and not answered is charged as read,
                    // to the model that read it, and the next attempt is held anew.
                    if matches!(error, UpstreamError::Broken | UpstreamError::Timeout(_)) {
                        let input = self.inspected.input_tokens;
                        call.settle(Cost::Spent(Usage { input, estimated: true, ..Usage::default() })).await;
                        self.is_held = false;
                    }
                    call.came_to_nothing();
                    self.tell(&prepared.route, &error);
                    (pause, Err(problem(&error, &provider.name)))
                }
            };
            if is_last || wait > WAIT_LIMIT {
                return Err(Failure::of(prepared, failure));
            }
            last = Some(failure);
            tokio::time::sleep(wait).await;
            pause = (pause * 2).min(WAIT_LIMIT);
        }
        unreachable!("the last attempt returns")
    }

    /// Permission of the breaker; `None` where the call has no other route, so that there is no breaker.
    fn permit(&self, prepared: &Prepared) -> Result<Option<Permit>, Duration> {
        if !self.has_alternative {
            return Ok(None);
        }
        let scope = Scope {
            provider: prepared.route.provider.name.clone(),
            model: prepared.route.sent_as().to_owned(),
            endpoint: self.face(prepared).path(),
        };
        self.upstreams.breakers.ask(scope, Instant::now()).map(Some)
    }

    /// Says to the breaker that the provider answered. The log names no model: its name may be a caller's words.
    fn succeeded(&self, permit: Option<Permit>, provider: &str, journal: &Journal) {
        if permit.is_some_and(Permit::succeeded) {
            journal.counters.breaker_closed();
            tracing::info!(provider, "a model answers again and is asked as before");
        }
    }

    /// Says to the breaker that the provider failed.
    fn failed(&self, permit: Option<Permit>, provider: &str, journal: &Journal) {
        let breaker = &self.defaults.breaker;
        if permit.is_some_and(|permit| permit.failed(breaker, Instant::now())) {
            journal.counters.breaker_opened();
            let seconds = breaker.open.as_secs();
            tracing::warn!(provider, seconds, "a model failed too often and is left alone for a while");
        }
    }

    /// The API as the provider is called by it.
    fn face(&self, prepared: &Prepared) -> Face {
        prepared.pair.map_or(self.inspected.arrived.face, Pair::provider)
    }

    /// Inspects what only this provider is sent of the caller's headers.
    fn inspect_passed_up(&self, provider: &Provider, call: &mut Call) -> Result<(), Problem> {
        let Inspected { arrived, governed, .. } = &*self.inspected;
        if provider.pass_up.is_empty() {
            return Ok(());
        }
        let findings = inspect_passed_up(&governed.policy, &provider.pass_up, &arrived.headers);
        if findings.found.is_empty() {
            return Ok(());
        }
        call.tell(Fact::Found(&governed.policy, &findings));
        // Nothing in a header can be replaced or waited for: whatever the room does more than report keeps it here.
        if findings.found.iter().all(|found| governed.policy.effect(found.rule) == Effect::Report) {
            return Ok(());
        }
        call.tell(Fact::Verdict(Verdict::Deny));
        Err(Problem::new(Code::FirewallRequest, refusal_sentence("The request", governed, &findings))
            .hint("Take it out of that header, or out of the provider's `pass_up` in routing/fleet.yml."))
    }

    /// What goes to the provider, with `credential` or with the one that the call has for it; and the number of the run that
    /// printed its key, where a command did.
    async fn outgoing(
        &self,
        prepared: &Prepared,
        credential: Option<Credential>,
    ) -> Result<(Outgoing, Option<u64>), Problem> {
        let provider = &prepared.route.provider;
        let Inspected { arrived, governed, .. } = &*self.inspected;
        let crosses = provider.api != arrived.face.api() && !provider.is_demo();
        let credential = match credential {
            Some(credential) => Some(credential),
            None => {
                let is_face_default = governed.snapshot.fleet.is_face_default(provider, arrived.face.api());
                let found = governed
                    .presented
                    .for_provider(provider, !crosses, is_face_default, &self.upstreams.keys)
                    .await;
                found.map_err(|error| no_key(&error, &provider.name))?
            }
        };
        let Some(credential) = credential else {
            return Err(absent_key(provider, crosses));
        };
        let generation = credential.generation();
        let face = self.face(prepared);
        let passed = if crosses { PASSED_ACROSS } else { PASSED };
        let mut passed = outgoing_headers(&arrived.headers, passed, face.api());
        for (name, value) in passed_up(&provider.pass_up, &arrived.headers) {
            passed.append(name, value.clone());
        }
        let headers = Departing::checked(self.access, passed, credential).map_err(|HoldsOwnSecret| {
            Problem::new(
                Code::Unauthorized,
                format!(
                    "What would go to provider \"{}\" holds a zOS key, so nothing was sent.",
                    provider.name
                ),
            )
            .hint(
                "zOS keys and the admin token are for this machine only: give the provider a key of its own.",
            )
        })?;
        let outgoing = Outgoing {
            path: upstream_path(face, if crosses { "" } else { &arrived.query }),
            headers,
            body: prepared.body.clone(),
        };
        Ok((outgoing, generation))
    }
}

/// The sentence for a key that cannot be told.
fn no_key(error: &KeyError, provider: &str) -> Problem {
    tracing::warn!(%error, provider, "there is no key");
    match error {
        KeyError::Vault(error) => Problem::new(
            Code::NoRoute,
            format!("The key of provider \"{provider}\" cannot be read from the keychain: {error}."),
        )
        .hint("Unlock the keychain, or give the key in an environment variable."),
        KeyError::Command(error) => {
            Problem::new(Code::NoRoute, format!("There is no key for provider \"{provider}\": {error}."))
                .hint(error.hint(provider))
        }
    }
}

/// The sentence for a provider whose key nobody has.
fn absent_key(provider: &Provider, crosses: bool) -> Problem {
    let name = &provider.name;
    let (message, hint) = match (provider.auth, crosses) {
        (Auth::Caller, true) => (
            format!(
                "Provider \"{name}\" takes its caller's own credential, and this client's is for another API."
            ),
            format!("Use a client that speaks the {} API and is signed in to that provider.", provider.api),
        ),
        (Auth::Caller, false) => (
            format!("Provider \"{name}\" takes its caller's own credential, and the call brought none."),
            "Sign the client in, and send its zOS key in the header x-zos-key.".to_owned(),
        ),
        _ => (
            format!("There is no key for provider \"{name}\"."),
            "Set it in Keys, in the provider's environment variable, or send your own key with the call."
                .to_owned(),
        ),
    };
    Problem::new(Code::NoRoute, message).hint(hint).status(StatusCode::UNAUTHORIZED)
}

/// Whether another attempt or another model may do better. What is wrong with the call itself is final.
fn is_worth_another(status: StatusCode) -> bool {
    status == StatusCode::TOO_MANY_REQUESTS || status.is_server_error()
}

/// How long the provider asks to wait: seconds, or a date.
fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    let text = headers.get(header::RETRY_AFTER)?.to_str().ok()?.trim();
    if let Ok(seconds) = text.parse() {
        return Some(Duration::from_secs(seconds));
    }
    let until = jiff::fmt::rfc2822::parse(text).ok()?.timestamp();
    let wait = until.duration_since(jiff::Timestamp::now());
    Some(Duration::try_from(wait).unwrap_or_default())
}

fn left_alone(provider: &str, wait: Duration) -> Problem {
    let mut problem = Problem::new(
        Code::NoRoute,
        format!("Provider \"{provider}\" failed too often and is left alone for a moment."),
    )
    .hint("Try again later, or name a fallback in routing/fleet.yml.");
    problem.retry_after_s = Some(wait.as_secs().max(1));
    problem
}

/// The path at the provider. Of a query only the switch that Claude clients send goes along: anything
/// else would be a way past inspection.
fn upstream_path(face: Face, query: &str) -> String {
    match (face.api(), query.split('&').any(|pair| pair == "beta=true")) {
        (Api::Anthropic, true) => format!("{}?beta=true", face.upstream_path()),
        _ => face.upstream_path(),
    }
}

/// What reaches the provider beside the credential: the allow-listed headers and our own content type.
fn outgoing_headers(request: &HeaderMap, passed: &[&'static str], api: Api) -> HeaderMap {
    let mut headers = HeaderMap::new();
    for name in passed {
        for value in request.get_all(*name) {
            headers.append(HeaderName::from_static(name), value.clone());
        }
    }
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    if api == Api::Anthropic {
        headers.entry("anthropic-version").or_insert(HeaderValue::from_static("2023-06-01"));
    }
    headers
}

/// The sentence for a provider that gave no answer.
pub(super) fn problem(error: &UpstreamError, provider: &str) -> Problem {
    match error {
        UpstreamError::Timeout(limit) => Problem::new(
            Code::UpstreamTimeout,
            format!("Provider \"{provider}\" sent nothing for {} s.", limit.as_secs_f32()),
        )
        .hint("Try again, or raise the limits under `upstream` in gateway/config.yml."),
        UpstreamError::Connect(why) => Problem::new(
            Code::UpstreamUnreachable,
            format!("Provider \"{provider}\" cannot be reached: {why}."),
        )
        .hint(why.hint()),
        UpstreamError::Setup(why) => Problem::new(
            Code::UpstreamUnreachable,
            format!("Provider \"{provider}\" cannot be called: {why}."),
        )
        .hint("Check its entry in routing/fleet.yml."),
        UpstreamError::Broken => Problem::new(
            Code::UpstreamUnreachable,
            format!("The connection to provider \"{provider}\" broke."),
        )
        .hint("Try again."),
        UpstreamError::Crowded => Problem::new(
            Code::UpstreamUnreachable,
            format!("The answer of provider \"{provider}\" does not fit beside those of other calls now."),
        )
        .hint("Try again in a moment.")
        .status(StatusCode::SERVICE_UNAVAILABLE),
        UpstreamError::Encoding => Problem::new(
            Code::UpstreamUnreachable,
            format!(
                "Provider \"{provider}\" compressed its answer in a way that cannot be read, so it was not passed on."
            ),
        ),
    }
}
