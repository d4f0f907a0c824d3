//! Step 6: the answer, inspected before the caller sees it. A plain answer is read whole; a stream is
//! guarded event by event. Its end settles the cost and writes the record.

mod streamed;

use super::forward::{Forwarded, problem as upstream_problem};
use super::headers::{self as travelling, content_type};
use super::in_turn;
use super::inspect_request::{note, raise_verdict, refusal_sentence};
use super::reserve::write_remaining;
use super::state;
use crate::call::{Call, Cost};
use crate::house::House;
use crate::pipeline::waiting::Waiting;
use axum::body::Body;
use axum::response::Response;
use bytes::Bytes;
use http::{HeaderMap, HeaderValue, header};
use std::borrow::Cow;
use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;
use zos_audit::{Outcome, Verdict};
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
    house: &Arc<House>,
    mut forwarded: Forwarded,
    call: Call,
    headers: &mut HeaderMap,
) -> Result<Response<Body>, (Box<Call>, Problem)> {
    let may_stream = forwarded.answer.status.is_success() && forwarded.face.streams();
    if may_stream && is_stream(&mut forwarded).await {
        return Ok(streamed::respond(house, forwarded, call, headers));
    }
    Box::pin(plain(house, forwarded, call, headers)).await
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
    house: &Arc<House>,
    mut forwarded: Forwarded,
    mut call: Call,
    headers: &mut HeaderMap,
) -> Result<Response<Body>, (Box<Call>, Problem)> {
    let status = forwarded.answer.status;
    let provider = call.record.provider.clone().unwrap_or_default();
    let read_as_sent = Usage { input: forwarded.input_tokens, estimated: true, ..Usage::default() };
    let shared = Some((&house.inspectors, &mut call.answer_memory));
    let body = match forwarded.answer.body.whole_within(house.config.limits.body_bytes, shared).await {
        Ok(Some(body)) => body,
        failed => {
            call.settle(Cost::Spent(read_as_sent)).await;
            let problem = match failed {
                Err(error) => upstream_problem(&error, &provider),
                _ => Problem::new(
                    Code::UpstreamUnreachable,
                    format!("The answer of provider \"{provider}\" is too large to inspect."),
                )
                .hint("Raise limits.body_bytes in gateway/config.yml if this is intended."),
            };
            return Err((Box::new(call), problem));
        }
    };
    call.record.ttft_ms = Some(crate::house::millis(call.started));
    // An error may be any text. What was inspected is what is read: the caller gets it in UTF-8, and told so.
    let body = match status.is_success() {
        true => body,
        false => match charset::in_utf8(&body, travelling::charset(&forwarded.answer.headers)) {
            Cow::Borrowed(_) => body,
            Cow::Owned(read) => read.into(),
        },
    };
    let mut returned = travelling::returned(&forwarded.policy, &forwarded.answer.headers, &mut call, headers);
    let Ok(weight) = house.inspectors.weigh(&body) else {
        call.settle(Cost::Spent(read_as_sent)).await;
        return Err((Box::new(call), too_many_values(&provider)));
    };
    let arrived = (provider.clone(), body.clone());
    let (call, (mut forwarded, told, untold, asks)) =
        in_turn(house, weight, call, headers, move |house, _, _| {
            let (provider, body) = arrived;
            let (told, untold) = match told(house, &forwarded, &provider, &body) {
                Ok(told) => (told, None),
                Err(problem) => (body, Some(problem)),
            };
            let asks = asks(&forwarded, &told);
            (forwarded, told, untold, asks)
        })
        .await;
    let mut call = call;
    if let Some(findings) = asks
        && let Err(problem) = ask(house, &mut forwarded, &findings, &mut call, headers).await
    {
        call.settle(Cost::Spent(read_as_sent)).await;
        return Err((Box::new(call), problem));
    }
    let answer = told.clone();
    let (mut call, (forwarded, judged, mut made)) =
        in_turn(house, weight, call, headers, move |_, call, headers| {
            let judged = judge(&forwarded, &provider, &body, &answer, call, headers);
            let made = made(&forwarded, &answer);
            (forwarded, judged, made)
        })
        .await;
    if status.is_success()
        && let Some(kept) = state::keep(&mut made, house, &forwarded.resolved.name)
    {
        // The caller may refer to the answer as soon as it has it.
        let _ = kept.await;
    }
    let is_charged = status.is_success() && !forwarded.face.is_free();
    let cost = match &judged {
        Ok((usage, _)) if is_charged => Cost::Spent(*usage),
        Err(refused) if is_charged => Cost::Spent(refused.0),
        _ => Cost::Nothing,
    };
    if let Some(balance) = call.settle(cost).await {
        write_remaining(&balance, headers);
    }
    let body = match (judged, untold) {
        (Ok((_, changed)), None) => changed.unwrap_or(told),
        (Err(refused), _) => return Err((Box::new(call), refused.1)),
        (Ok(_), Some(problem)) => return Err((Box::new(call), problem)),
    };
    call.record.bytes_out = body.len() as u64;
    let outcome = if status.is_success() { Outcome::Completed } else { Outcome::Failed };
    if let Err(problem) = call.finish(outcome, Some(status.as_u16())).await {
        return Err((Box::new(call), problem));
    }
    if !body.is_empty() {
        let is_json =
            status.is_success() || std::str::from_utf8(&body).is_ok_and(|text| json::parse(text).is_ok());
        let said = forwarded.answer.headers.get(header::CONTENT_TYPE);
        returned.insert(header::CONTENT_TYPE, content_type(said, is_json));
    }
    let mut response = Response::new(Body::from(body));
    *response.status_mut() = status;
    finish_head(response.headers_mut(), returned, headers, &call.request_id);
    Ok(response)
}

/// Ids that the answer gives out of what the provider keeps.
fn made(forwarded: &Forwarded, told: &Bytes) -> Made {
    let mut made = Made::new(forwarded.face);
    if zos_wire::state::keeps(forwarded.face, told)
        && let Ok(value) = json::parse(&String::from_utf8_lossy(told))
    {
        made.read(&value);
    }
    made
}

/// The refusal of an answer whose tree could never be held.
fn too_many_values(provider: &str) -> Problem {
    let sentence =
        format!("The answer of provider \"{provider}\" holds too many small values to be inspected.");
    Problem::new(Code::UpstreamUnreachable, sentence)
        .hint("Ask for less at once, or raise limits.body_bytes in gateway/config.yml.")
}

/// What the owner may have to be asked about in an answer; `None` where no rule asks, or it is refused anyway.
fn asks(forwarded: &Forwarded, body: &Bytes) -> Option<Findings> {
    if !forwarded.policy.may_ask() && !forwarded.policy.may_confirm() {
        return None;
    }
    let parsed = std::str::from_utf8(body).ok().and_then(|text| json::parse(text).ok());
    let findings = looked_over(forwarded, &String::from_utf8_lossy(body), parsed.as_ref()).findings;
    (!findings.are_blocked(&forwarded.policy)).then_some(findings)
}

/// Asks the owner about an answer that meets an `ask` rule.
async fn ask(
    house: &House,
    forwarded: &mut Forwarded,
    findings: &Findings,
    call: &mut Call,
    headers: &mut HeaderMap,
) -> Result<(), Problem> {
    while let Some(subject) = findings.subject(&forwarded.policy) {
        note(&forwarded.policy, findings, call, headers);
        let mut waiting = Waiting::begin(house, call, &forwarded.resolved, findings, subject, Side::Answer);
        let effect = waiting.answer(house).await?;
        forwarded.policy.decide(waiting.subject(), effect);
    }
    Ok(())
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
    let (policy, mut look) = (&forwarded.policy, Look::default());
    let Some(value) = parsed else {
        inspect::text(policy, text, "body", &mut look.findings);
        return look;
    };
    inspect::tree(policy, value, &[], &mut look.findings);
    if !forwarded.answer.status.is_success() {
        return look;
    }
    let court = Court { policy, masks: forwarded.resolved.masks.as_ref() };
    if policy.judges_calls() {
        targets::whole(court, value, &[], "", &mut look.findings.targets);
    }
    if policy.judges_links() {
        targets::whole_links(court, value, &mut look.findings.targets);
    }
    if forwarded.face.streams() {
        let leaves = Dialect::of(forwarded.face).read_whole(text, value);
        look.is_spelled = said::together(policy, &leaves, &forwarded.resolved.opening, &mut look.findings);
        look.ambiguity = leaves.ambiguity.filter(|_| policy.is_strict());
        said::counted(&leaves).for_each(|leaf| look.said.add(&leaf.text()));
        look.echoes = leaves.echoes.iter().map(|(place, new)| (place.clone(), (*new).to_owned())).collect();
    }
    look
}

/// The answer in the caller's format: the provider's own bytes unless the call was translated.
fn told(house: &House, forwarded: &Forwarded, provider: &str, body: &Bytes) -> Result<Bytes, Problem> {
    let Some(pair) = forwarded.pair else { return Ok(body.clone()) };
    if !forwarded.answer.status.is_success() {
        return Ok(pair.failure(forwarded.answer.status, body));
    }
    let text = String::from_utf8_lossy(body);
    pair.answer(&text, house.now_ms() / 1000).map_err(|error| {
        let sentence =
            format!("The answer of provider \"{provider}\" cannot be carried to this API: {error}.");
        Problem::new(Code::Untranslatable, sentence)
            .hint("Call the model through the API that its provider speaks.")
            .status(http::StatusCode::BAD_GATEWAY)
    })
}

/// What an answer cost, and the body where not as it is; or what it cost and why it may not pass.
type Judged = Result<(Usage, Option<Bytes>), Box<(Usage, Problem)>>;

/// What a plain answer cost, whether it may reach the caller, and as what where not as it is. `body` is what
/// the provider sent, `told` the same in the caller's format.
fn judge(
    forwarded: &Forwarded,
    provider: &str,
    body: &Bytes,
    told: &Bytes,
    call: &mut Call,
    headers: &mut HeaderMap,
) -> Judged {
    let is_success = forwarded.answer.status.is_success();
    let provider_face = forwarded.pair.map_or(forwarded.face, Pair::provider);
    let mut reader = UsageReader::new(provider_face.meter());
    let text = String::from_utf8_lossy(told);
    let read = |bytes| std::str::from_utf8(bytes).ok().and_then(|text| json::parse(text).ok());
    let parsed = read(told.as_ref());
    let Look { findings, echoes, is_spelled, ambiguity, said } =
        looked_over(forwarded, &text, parsed.as_ref());
    let foreign = forwarded.pair.and_then(|_| read(body.as_ref()));
    if let Some(value) = foreign.as_ref().or(parsed.as_ref()) {
        if let Some(tier) = zos_wire::usage::tier(value) {
            reader.served_at(tier);
        }
        if let Some(usage) = zos_wire::usage::reported(value) {
            reader.report(usage);
        }
    }
    let output = if reader.needs_output(false) { call.output_tokens(&said) } else { 0 };
    let usage = reader.finish(Estimate { input: forwarded.input_tokens, output, cut: false });
    note(&forwarded.policy, &findings, call, headers);
    if findings.are_blocked(&forwarded.policy) || findings.not_replaceable(&forwarded.policy).is_some() {
        let sentence = refusal_sentence("The answer", &forwarded.resolved, &findings);
        let problem = Problem::new(Code::FirewallResponse, sentence).hint("The answer was not passed on.");
        return Err(Box::new((usage, problem)));
    }
    // An answer that is no JSON is none that we could vouch for.
    if is_success && !matches!(parsed, Some(Value::Object { .. })) {
        let sentence =
            format!("The answer of provider \"{provider}\" is not a JSON object, so it cannot be inspected.");
        let problem = Problem::new(Code::UpstreamUnreachable, sentence)
            .hint("Check its base_url in routing/fleet.yml.");
        return Err(Box::new((usage, problem)));
    }
    if let Some(what) = ambiguity {
        let sentence = format!("The answer of provider \"{provider}\" cannot be read ({what}).");
        return Err(Box::new((usage, Problem::new(Code::UpstreamUnreachable, sentence))));
    }
    let changed = change(forwarded, call, &text, parsed.as_ref(), &findings, (echoes, is_spelled));
    if let Some((_, true)) = changed {
        raise_verdict(Verdict::Redact, call, headers);
    }
    Ok((usage, changed.map(|(body, _)| body)))
}

/// The answer with what the room redacts replaced, and with what was redacted in the request restored;
/// `None` where neither is in it. Also says whether anything was replaced.
fn change(
    forwarded: &Forwarded,
    call: &mut Call,
    text: &str,
    parsed: Option<&Value<'_>>,
    findings: &Findings,
    (echoes, is_spelled): (Vec<Edit>, bool),
) -> Option<(Bytes, bool)> {
    let (Some(masks), Some(value)) = (&forwarded.resolved.masks, parsed) else { return None };
    let replaced = masks.replaced(&forwarded.policy, text, &findings.spots);
    let has_replaced = !replaced.is_empty() || is_spelled;
    if !has_replaced && !restore::may_hold(text) {
        return None;
    }
    let mut edits = masks.changed(value, replaced, &[]);
    call.record.restored = masks.uses();
    // What repeats the text token by token would say again what was replaced.
    if has_replaced {
        let is_inside = |place: &Range<usize>| {
            echoes.iter().any(|(echo, _)| echo.start <= place.start && place.end <= echo.end)
        };
        edits.retain(|(place, _)| !is_inside(place));
        edits.extend(echoes);
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
fn cut(forwarded: &super::Resolved, findings: &Findings) -> Problem {
    Problem::new(Code::FirewallResponse, refusal_sentence("The answer", forwarded, findings))
        .hint("The rest was not passed on.")
}

/// Updates the record with what a stream's guard found.
fn note_stream(forwarded: &super::Resolved, findings: &Findings, has_replaced: bool, call: &mut Call) {
    let mut unused = HeaderMap::new();
    note(&forwarded.policy, findings, call, &mut unused);
    if let Some(masks) = &forwarded.masks {
        call.record.restored = masks.uses();
    }
    if has_replaced {
        raise_verdict(Verdict::Redact, call, &mut unused);
    }
}
