//! Step 6: the answer, inspected before the caller sees it. A plain answer is read whole; a stream is
//! guarded event by event. Its end settles the cost and writes the record.

mod streamed;

use super::forward::{Forwarded, problem as upstream_problem};
use super::headers::{self as travelling, content_type};
use super::inspect_request::refusal_sentence;
use super::waiting::Waiting;
use super::{Governed, in_turn, state};
use crate::call::{Call, Cost, Fact};
use crate::guards::Guards;
use crate::journal::millis;
use axum::body::Body;
use axum::response::Response;
use bytes::Bytes;
use http::{HeaderMap, HeaderValue, header};
use std::borrow::Cow;
use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;
use zos_audit::{Outcome, Verdict};
use zos_core::Effect;
use zos_guard::approvals::Side;
use zos_guard::findings::Findings;
use zos_guard::inspect;
use zos_guard::made::Made;
use zos_guard::redact::restore;
use zos_guard::redact::spots::Edit;
use zos_guard::stream::said;
use zos_guard::targets::{self, Court};
use zos_meter::{AnswerText, Estimate, Usage, UsageReader};
use zos_wire::charset;
use zos_wire::faces::Dialect;
use zos_wire::json::{self, Value};
use zos_wire::pair::Pair;
use zos_wire::problem::{Code, Problem};

pub(super) async fn run(
    guards: &Arc<Guards>,
    mut forwarded: Forwarded,
    call: Call,
) -> Result<Response<Body>, (Box<Call>, Problem)> {
    if forwarded.answer.status.is_success()
        && let Some(dialect) = Dialect::of(forwarded.face)
        && is_stream(&mut forwarded).await
    {
        return Ok(streamed::respond(guards, dialect, forwarded, call));
    }
    Box::pin(plain(guards, forwarded, call)).await
}

/// How long the first bytes of what is labelled a stream are waited for before the label is believed: its
/// head must not wait for a model that thinks.
const LABEL_WAIT: Duration = Duration::from_millis(500);

/// So many bytes tell the lines of an event stream from JSON.
const FORM_BYTES: usize = 8;

/// Whether a successful answer is a stream of events. Its bytes decide, not its label, which is made true.
async fn is_stream(forwarded: &mut Forwarded) -> bool {
    let answer = &mut forwarded.answer;
    let label = answer.headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or("");
    let is_labelled = label.trim_start().to_ascii_lowercase().starts_with("text/event-stream");
    let first = answer.body.begin(FORM_BYTES);
    let first = if is_labelled {
        tokio::time::timeout(LABEL_WAIT, first).await.unwrap_or_default()
    } else {
        first.await
    };
    let is_stream = form(first).unwrap_or(is_labelled);
    if is_stream != is_labelled {
        let label = if is_stream { "text/event-stream" } else { "application/json" };
        answer.headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(label));
    }
    is_stream
}

/// Whether a body that begins like this is a stream of events; `None` where it looks like neither that nor JSON.
fn form(first: &[u8]) -> Option<bool> {
    let first = first.strip_prefix(b"\xef\xbb\xbf").unwrap_or(first).trim_ascii_start();
    let fields: [&[u8]; 5] = [b":", b"data:", b"event:", b"id:", b"retry:"];
    match first {
        [b'{' | b'[', ..] => Some(false),
        _ if fields.iter().any(|field| first.starts_with(field)) => Some(true),
        _ => None,
    }
}

async fn plain(
    guards: &Arc<Guards>,
    mut forwarded: Forwarded,
    mut call: Call,
) -> Result<Response<Body>, (Box<Call>, Problem)> {
    let status = forwarded.answer.status;
    let provider = call.record.provider.clone().unwrap_or_default();
    let read_as_sent = Usage { input: forwarded.input_tokens, estimated: true, ..Usage::default() };
    let body = match whole(guards, &mut forwarded, &provider, &mut call).await {
        Ok(body) => body,
        Err(problem) => {
            call.settle(Cost::Spent(read_as_sent)).await;
            return Err((Box::new(call), problem));
        }
    };
    let mut returned = travelling::returned(
        &forwarded.governed.policy,
        &forwarded.provider.pass_down,
        &forwarded.answer.headers,
        &mut call,
    );
    let Ok(weight) = guards.inspectors.weigh(&body) else {
        call.settle(Cost::Spent(read_as_sent)).await;
        return Err((Box::new(call), too_many_values(&provider)));
    };
    let step = move |call: &mut Call| {
        let read = read(&forwarded, body, &provider, call);
        (forwarded, read)
    };
    let (mut call, (mut forwarded, read)) = in_turn(&guards.inspectors, weight, call, step).await;
    let ReadAnswer { body, untold, usage, mut made, is_json, reading } = read;
    let judged = match reading {
        Ok(judged) => judged,
        Err(look) => match ask(guards, &mut forwarded, &look.findings, &mut call).await {
            Ok(redacts) => {
                let told = body.clone();
                let step = move |call: &mut Call| {
                    let judged = decided(&forwarded, &told, *look, redacts, call);
                    (forwarded, judged)
                };
                let judged;
                (call, (forwarded, judged)) = in_turn(&guards.inspectors, weight, call, step).await;
                judged
            }
            Err(problem) => {
                call.settle(Cost::Spent(read_as_sent)).await;
                return Err((Box::new(call), problem));
            }
        },
    };
    if status.is_success()
        && let Some(kept) = state::keep(&mut made, &guards.provider_states, &forwarded.governed.name)
    {
        // The caller may refer to the answer as soon as it has it.
        let _ = kept.await;
    }
    let is_charged = status.is_success() && !forwarded.face.is_free();
    let cost = if is_charged { Cost::Spent(usage) } else { Cost::Nothing };
    if let Some(balance) = call.settle(cost).await {
        call.tell(Fact::Balance(&balance));
    }
    let body = match (judged, untold) {
        (Ok(changed), None) => changed.unwrap_or(body),
        (Err(problem), _) | (Ok(_), Some(problem)) => return Err((Box::new(call), *problem)),
    };
    call.record.bytes_out = body.len() as u64;
    let outcome = if status.is_success() { Outcome::Completed } else { Outcome::Failed };
    if let Err(problem) = call.finish(outcome, Some(status.as_u16())).await {
        return Err((Box::new(call), problem));
    }
    if !body.is_empty() {
        let said = forwarded.answer.headers.get(header::CONTENT_TYPE);
        returned.insert(header::CONTENT_TYPE, content_type(said, status.is_success() || is_json));
    }
    let mut response = Response::new(Body::from(body));
    *response.status_mut() = status;
    finish_head(response.headers_mut(), returned, call.headers(), &call.request_id);
    Ok(response)
}

/// The whole answer, in the memory that all calls share. An error may be any text: what was inspected is what is read, so
/// the caller gets it in UTF-8, and told so.
async fn whole(
    guards: &Guards,
    forwarded: &mut Forwarded,
    provider: &str,
    call: &mut Call,
) -> Result<Bytes, Problem> {
    let shared = Some((&guards.inspectors, &mut call.answer_memory));
    let body = match forwarded.answer.body.whole_within(guards.body_bytes, shared).await {
        Ok(Some(body)) => body,
        Err(error) => return Err(upstream_problem(&error, provider)),
        Ok(None) => {
            let sentence = format!("The answer of provider \"{provider}\" is too large to inspect.");
            return Err(Problem::new(Code::UpstreamUnreachable, sentence)
                .hint("Raise limits.body_bytes in gateway/config.yml if this is intended."));
        }
    };
    call.record.ttft_ms = Some(millis(call.started));
    Ok(match forwarded.answer.status.is_success() {
        true => body,
        false => match charset::in_utf8(&body, travelling::charset(&forwarded.answer.headers)) {
            Cow::Borrowed(_) => body,
            Cow::Owned(read) => read.into(),
        },
    })
}

/// A plain answer that was read: once, over one tree.
struct ReadAnswer {
    /// The answer in the caller's format.
    body: Bytes,
    /// Why it could not be carried to that format.
    untold: Option<Box<Problem>>,
    usage: Usage,
    /// Ids that it gives out of what the provider keeps.
    made: Made,
    is_json: bool,
    /// The judgement, or what the owner has to be asked about first.
    reading: Result<Judged, Box<Look>>,
}

/// The answer as it may pass, where not as it was read; or why it may not.
type Judged = Result<Option<Bytes>, Box<Problem>>;

/// Reads an answer: carries it to the caller's format, looks it over, counts it, and judges it unless the owner is asked.
fn read(forwarded: &Forwarded, body: Bytes, provider: &str, call: &mut Call) -> ReadAnswer {
    let (told, untold) = match told(forwarded, provider, &body, call.now_ms()) {
        Ok(told) => (told, None),
        Err(problem) => (body.clone(), Some(Box::new(problem))),
    };
    let text = String::from_utf8_lossy(&told);
    // What is no UTF-8 is none that we could vouch for, whatever it reads like with its bytes replaced.
    let parsed = matches!(text, Cow::Borrowed(_)).then(|| json::parse(&text).ok()).flatten();
    let look = looked_over(forwarded, &text, parsed.as_ref());
    let usage = usage(forwarded, &body, parsed.as_ref(), &look, call);
    let mut made = Made::new(forwarded.face);
    if let Some(value) = parsed.as_ref().filter(|_| zos_wire::state::keeps(forwarded.face, &told)) {
        made.read(value);
    }
    let policy = &forwarded.governed.policy;
    let verdict = readable(forwarded, provider, parsed.as_ref(), &look);
    // About what may not pass anyway nobody is asked.
    let asks = untold.is_none()
        && verdict.is_ok()
        && !look.findings.are_blocked(policy)
        && look.findings.subject(policy).is_some();
    let is_json = parsed.is_some();
    let reading = match asks {
        true => Err(Box::new(look)),
        false => {
            Ok(judge(forwarded, call, &text, parsed.as_ref(), look).and_then(|body| verdict.map(|()| body)))
        }
    };
    ReadAnswer { body: told.clone(), untold, usage, made, is_json, reading }
}

/// Judges an answer once the owner has decided about it. It is read and looked over again only where the owner chose to
/// have something replaced: what spells such a thing token by token is known only then.
fn decided(forwarded: &Forwarded, body: &Bytes, mut look: Look, redacts: bool, call: &mut Call) -> Judged {
    let text = String::from_utf8_lossy(body);
    let parsed = redacts.then(|| json::parse(&text).ok()).flatten();
    if redacts {
        look = looked_over(forwarded, &text, parsed.as_ref());
    }
    judge(forwarded, call, &text, parsed.as_ref(), look)
}

/// The refusal of an answer whose tree could never be held.
fn too_many_values(provider: &str) -> Problem {
    let sentence =
        format!("The answer of provider \"{provider}\" holds too many small values to be inspected.");
    Problem::new(Code::UpstreamUnreachable, sentence)
        .hint("Ask for less at once, or raise limits.body_bytes in gateway/config.yml.")
}

/// Asks the owner about an answer until nothing in it asks any more, and says whether anything is to be replaced for it.
async fn ask(
    guards: &Guards,
    forwarded: &mut Forwarded,
    findings: &Findings,
    call: &mut Call,
) -> Result<bool, Problem> {
    let mut redacts = false;
    while let Some(subject) = findings.subject(&forwarded.governed.policy) {
        call.tell(Fact::Found(&forwarded.governed.policy, findings));
        let side = (Side::Answer, forwarded.digest);
        let mut waiting = Waiting::begin(guards, call, &forwarded.governed, findings, subject, side);
        let effect = waiting.answer().await?;
        redacts |= effect == Effect::Redact;
        forwarded.governed.policy.decide(waiting.subject(), effect);
    }
    Ok(redacts)
}

/// What is in a plain answer.
#[derive(Default)]
struct Look {
    findings: Findings,
    /// Where it repeats its text token by token, and what can stand there instead.
    echoes: Vec<Edit>,
    /// Whether that spells something that the room replaces.
    is_spelled: bool,
    /// What two readers may read differently.
    ambiguity: Option<&'static str>,
    /// Its words, to be counted where the provider reports none.
    said: AnswerText,
}

/// Looks a plain answer over. An error page may be anything.
fn looked_over(forwarded: &Forwarded, text: &str, parsed: Option<&Value<'_>>) -> Look {
    let (policy, mut look) = (&forwarded.governed.policy, Look::default());
    let Some(value) = parsed else {
        inspect::text(policy, text, "body", &mut look.findings);
        return look;
    };
    inspect::tree(policy, value, &[], &mut look.findings);
    if !forwarded.answer.status.is_success() {
        return look;
    }
    let court = Court { policy, masks: forwarded.masks.as_ref() };
    if policy.judges_calls() {
        targets::whole(court, value, &[], "", &mut look.findings.targets);
    }
    if policy.judges_links() {
        targets::whole_links(court, value, &mut look.findings.targets);
    }
    if let Some(dialect) = Dialect::of(forwarded.face) {
        let leaves = dialect.read_whole(text, value);
        look.is_spelled = said::together(policy, &leaves, &forwarded.opening, &mut look.findings);
        look.ambiguity = leaves.ambiguity.filter(|_| policy.is_strict());
        said::counted(&leaves).for_each(|leaf| look.said.add(&leaf.text()));
        look.echoes = leaves.echoes.iter().map(|(place, new)| (place.clone(), (*new).to_owned())).collect();
    }
    look
}

/// The answer in the caller's format: the provider's own bytes unless the call was translated.
fn told(forwarded: &Forwarded, provider: &str, body: &Bytes, now_ms: u64) -> Result<Bytes, Problem> {
    let Some(pair) = forwarded.pair else { return Ok(body.clone()) };
    if !forwarded.answer.status.is_success() {
        return Ok(pair.failure(forwarded.answer.status, body));
    }
    let text = String::from_utf8_lossy(body);
    pair.answer(&text, now_ms / 1000).map_err(|error| {
        let sentence =
            format!("The answer of provider \"{provider}\" cannot be carried to this API: {error}.");
        Problem::new(Code::Untranslatable, sentence)
            .hint("Call the model through the API that its provider speaks.")
            .status(http::StatusCode::BAD_GATEWAY)
    })
}

/// What an answer cost, by the provider's own report where it has one: `body` is what the provider sent, `told` the tree of
/// the same in the caller's format.
fn usage(forwarded: &Forwarded, body: &Bytes, told: Option<&Value<'_>>, look: &Look, call: &Call) -> Usage {
    let provider_face = forwarded.pair.map_or(forwarded.face, Pair::provider);
    let mut reader = UsageReader::new(provider_face.counting());
    let read = || std::str::from_utf8(body).ok().and_then(|text| json::parse(text).ok());
    let foreign = forwarded.pair.and_then(|_| read());
    if let Some(value) = foreign.as_ref().or(told) {
        if let Some(tier) = zos_wire::usage::tier(value) {
            reader.served_at(tier);
        }
        if let Some(usage) = zos_wire::usage::reported(value) {
            reader.report(usage);
        }
    }
    let output = if reader.needs_output(false) { call.output_tokens(&look.said) } else { 0 };
    reader.finish(Estimate { input: forwarded.input_tokens, output, cut: false })
}

/// Whether an answer can be read as its API has it: one that is no JSON object is none that we could vouch for.
fn readable(
    forwarded: &Forwarded,
    provider: &str,
    parsed: Option<&Value<'_>>,
    look: &Look,
) -> Result<(), Box<Problem>> {
    if forwarded.answer.status.is_success() && !matches!(parsed, Some(Value::Object { .. })) {
        let sentence =
            format!("The answer of provider \"{provider}\" is not a JSON object, so it cannot be inspected.");
        let problem = Problem::new(Code::UpstreamUnreachable, sentence)
            .hint("Check its base_url in routing/fleet.yml.");
        return Err(Box::new(problem));
    }
    if let Some(what) = look.ambiguity {
        let sentence = format!("The answer of provider \"{provider}\" cannot be read ({what}).");
        return Err(Box::new(Problem::new(Code::UpstreamUnreachable, sentence)));
    }
    Ok(())
}

/// Whether a plain answer may reach the caller, and as what where not as it is. `parsed` is its tree where that is at hand.
fn judge(
    forwarded: &Forwarded,
    call: &mut Call,
    text: &str,
    parsed: Option<&Value<'_>>,
    look: Look,
) -> Judged {
    let (policy, findings) = (&forwarded.governed.policy, &look.findings);
    call.tell(Fact::Found(policy, findings));
    if let Some(refused) = refused(forwarded, findings) {
        return Err(refused);
    }
    let changed = change(forwarded, call, text, parsed, &look);
    if let Some((_, true)) = changed {
        call.tell(Fact::Verdict(Verdict::Redact));
    }
    Ok(changed.map(|(body, _)| body))
}

/// Why an answer with these findings may not pass; `None` where it may.
fn refused(forwarded: &Forwarded, findings: &Findings) -> Option<Box<Problem>> {
    let policy = &forwarded.governed.policy;
    if !findings.are_blocked(policy) && findings.not_replaceable(policy).is_none() {
        return None;
    }
    let sentence = refusal_sentence("The answer", &forwarded.governed, findings);
    Some(Box::new(
        Problem::new(Code::FirewallResponse, sentence).hint(unsaid("The answer", &forwarded.governed)),
    ))
}

/// The answer with what the room redacts replaced, and with what was redacted in the request restored;
/// `None` where neither is in it. Also says whether anything was replaced.
fn change(
    forwarded: &Forwarded,
    call: &mut Call,
    text: &str,
    parsed: Option<&Value<'_>>,
    look: &Look,
) -> Option<(Bytes, bool)> {
    let masks = forwarded.masks.as_ref()?;
    let replaced = masks.replaced(&forwarded.governed.policy, text, &look.findings.spots);
    let has_replaced = !replaced.is_empty() || look.is_spelled;
    if !has_replaced && !restore::may_hold(text) {
        return None;
    }
    let again = parsed.is_none().then(|| json::parse(text).ok()).flatten();
    let mut edits = masks.changed(parsed.or(again.as_ref())?, replaced, &[]);
    call.record.restored = masks.uses();
    // What repeats the text token by token would say again what was replaced.
    if has_replaced {
        let is_inside = |place: &Range<usize>| {
            look.echoes.iter().any(|(echo, _)| echo.start <= place.start && place.end <= echo.end)
        };
        edits.retain(|(place, _)| !is_inside(place));
        edits.extend(look.echoes.iter().cloned());
        edits.sort_by_key(|(place, _)| place.start);
    }
    (!edits.is_empty()).then(|| (json::replace(text, &edits).into(), has_replaced))
}

fn finish_head(into: &mut HeaderMap, returned: HeaderMap, ours: &HeaderMap, request_id: &str) {
    into.extend(returned);
    into.extend(ours.clone());
    if let Ok(value) = HeaderValue::from_str(request_id) {
        into.insert("x-request-id", value);
    }
}

/// A refusal in the middle of a stream, as its problem.
fn cut(governed: &Governed, findings: &Findings) -> Problem {
    Problem::new(Code::FirewallResponse, refusal_sentence("The answer", governed, findings))
        .hint(unsaid("The rest", governed))
}

/// What became of an answer that the room denies, and what to do about it.
fn unsaid(what: &str, governed: &Governed) -> String {
    format!(
        "{what} was not passed on. Ask differently, switch the room, or edit it (`zos context edit {}`).",
        governed.name
    )
}
