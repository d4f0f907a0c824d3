//! A streamed answer on its way to the caller.
//!
//! The pump pulls: bytes are read from the provider only when the caller's connection takes more, so a
//! slow caller slows its provider and nothing piles up here. The terminator of the stream is held until
//! the cost is settled and the record written. When the caller leaves, the pump is dropped, and with it
//! the connection to the provider.

use super::{Forwarded, cut, finish_head, travelling, upstream_problem};
use crate::call::{Call, Cost, Fact};
use crate::guards::Guards;
use crate::inspectors::Lent;
use crate::journal::millis;
use crate::pipeline::waiting::{PING_EVERY, Waiting};
use crate::pipeline::{Governed, state};
use crate::upstream::{AnswerBody, UpstreamError};
use axum::body::Body;
use axum::response::Response;
use bytes::Bytes;
use futures::stream;
use http::{HeaderMap, HeaderValue, StatusCode, header};
use std::convert::Infallible;
use std::sync::Arc;
use std::time::{Duration, Instant};
use zos_audit::{Outcome, Verdict};
use zos_core::Effect;
use zos_guard::approvals::Side;
use zos_guard::redact::Masks;
use zos_guard::stream::Guard;
use zos_meter::{Estimate, Usage};

use zos_wire::dialect::Cut;
use zos_wire::faces::Dialect;
use zos_wire::pair::StreamTranslator;
use zos_wire::problem::{Code, Problem};
use zos_wire::sse::Stop;
use zos_wire::sse::{Frame, Framer};

/// How long the end of the connection is waited for after the answer said that it is complete.
const END_LIMIT: Duration = Duration::from_millis(250);

/// Starts the answer to the caller.
pub(super) fn respond(
    guards: &Arc<Guards>,
    dialect: Dialect,
    forwarded: Forwarded,
    mut call: Call,
) -> Response {
    let mut response_headers = HeaderMap::new();
    let mut returned = travelling::returned(
        &forwarded.governed.policy,
        &forwarded.provider.pass_down,
        &forwarded.answer.headers,
        &mut call,
    );
    returned.insert(header::CONTENT_TYPE, HeaderValue::from_static("text/event-stream"));
    finish_head(&mut response_headers, returned, call.headers(), &call.request_id);
    response_headers.entry(header::CACHE_CONTROL).or_insert(HeaderValue::from_static("no-cache"));
    let status = forwarded.answer.status;
    let limit_bytes = guards.body_bytes;
    let guard = Guard::new(dialect, forwarded.governed.policy.clone(), forwarded.masks.clone(), limit_bytes)
        .going_on_from(&forwarded.opening);
    let now_s = call.now_ms() / 1000;
    let translator = forwarded.pair.map(|pair| pair.stream(&forwarded.request, now_s, limit_bytes));
    let pump = Pump {
        guards: guards.clone(),
        translator: Lent::new(translator),
        input_tokens: forwarded.input_tokens,
        provider: call.record.provider.clone().unwrap_or_default(),
        governed: forwarded.governed,
        masks: forwarded.masks,
        digest: forwarded.digest,
        body: Some(forwarded.answer.body),
        framer: Framer::new(limit_bytes),
        guard: Lent::new(guard),
        call,
        status,
        sent_bytes: 0,
        waiting: None,
        ended: None,
        is_over: false,
    };
    let bytes = stream::unfold(pump, |mut pump| async move {
        let bytes = pump.next().await?;
        Some((Ok::<_, Infallible>(bytes), pump))
    });
    let mut response = Response::new(Body::from_stream(bytes));
    *response.status_mut() = status;
    *response.headers_mut() = response_headers;
    response
}

struct Pump {
    guards: Arc<Guards>,
    /// Turns the provider's events into the caller's, where their formats differ.
    translator: Lent<Option<StreamTranslator>>,
    input_tokens: u64,
    provider: String,
    governed: Governed,
    masks: Option<Masks>,
    /// Digest of the request's body as it arrived.
    digest: [u8; 32],
    /// Dropped as soon as nothing more is wanted, so that no more tokens are bought.
    body: Option<AnswerBody>,
    framer: Framer,
    guard: Lent<Guard>,
    call: Call,
    status: StatusCode,
    /// What was handed to the caller's connection.
    sent_bytes: u64,
    /// The owner decides about something in the answer.
    waiting: Option<Waiting>,
    /// How the provider's side ended while the owner decides.
    ended: Option<End>,
    is_over: bool,
}

/// How the provider's side ended.
enum End {
    /// It said that the answer is complete, or that it failed itself.
    Complete,
    /// The connection ended or broke without that.
    Broken(UpstreamError),
    /// The guard stopped it.
    Stopped(Stop),
    /// The owner did not allow it.
    Denied(Problem),
    /// We are stopping.
    ShuttingDown,
}

impl Pump {
    /// The next bytes for the caller; `None` at the end.
    async fn next(&mut self) -> Option<Bytes> {
        let mut out = Vec::new();
        while !self.is_over {
            if self.is_asked() {
                // What may leave does not wait for the owner.
                if !out.is_empty() {
                    break;
                }
                match self.wait(&mut out).await {
                    None => {
                        out.push(self.guard.ping());
                        break;
                    }
                    Some(None) => continue,
                    Some(Some(end)) => self.ended = Some(end),
                }
            }
            let end = match self.ended.take() {
                Some(end) => Some(end),
                None => self.pull(&mut out).await,
            };
            if let Some(end) = end {
                if matches!(end, End::Complete | End::Broken(_)) && self.is_asked() {
                    self.ended = Some(end);
                    continue;
                }
                let ending = self.end(end, &mut out).await;
                out.extend(ending);
                self.is_over = true;
            }
            if !out.is_empty() {
                break;
            }
        }
        if out.is_empty() {
            return None;
        }
        let bytes = joined(out);
        self.sent_bytes += bytes.len() as u64;
        Some(bytes)
    }

    /// Whether the owner has yet to decide about something that the guard holds. Begins to ask.
    fn is_asked(&mut self) -> bool {
        if self.waiting.is_none()
            && let Some(subject) = self.guard.asking()
        {
            self.note();
            self.waiting = Some(Waiting::begin(
                &self.guards,
                &self.call,
                &self.governed,
                &self.guard.findings,
                subject,
                (Side::Answer, self.digest),
            ));
        }
        self.waiting.is_some()
    }

    /// Waits for the owner, but no longer than until the next ping is due: then `None`. Otherwise whether
    /// the stream has to end, and how.
    async fn wait(&mut self, out: &mut Vec<Bytes>) -> Option<Option<End>> {
        let waiting = self.waiting.as_mut()?;
        let answer = waiting.next(PING_EVERY).await?;
        let subject = self.waiting.take()?.into_subject();
        let (effect, denied) = match answer {
            Ok(effect) => (effect, None),
            Err(problem) => (Effect::Block, Some(End::Denied(problem))),
        };
        let decided = self.guard.decide(&subject, effect, out);
        Some(denied.or(decided.err().map(End::Stopped)))
    }

    /// Takes what the provider sends next; `Some` when that was the last.
    async fn pull(&mut self, out: &mut Vec<Bytes>) -> Option<End> {
        let body = self.body.as_mut()?;
        let chunk = tokio::select! {
            chunk = body.chunk() => chunk,
            () = self.guards.drain.is_cut() => return Some(End::ShuttingDown),
        };
        match chunk {
            Ok(Some(bytes)) => {
                let arrived_ms = millis(self.call.started);
                self.call.record.ttft_ms.get_or_insert(arrived_ms);
                self.framer.push(&bytes);
                let taken = self.frames(out).await;
                if let Err(stop) = taken {
                    return Some(End::Stopped(stop));
                }
                // The terminator must not leave before the record is written: it is still in `out`.
                if self.guard.is_complete { Some(self.rest(out).await) } else { None }
            }
            Ok(None) => Some(self.last(out).await),
            Err(error) => Some(End::Broken(error)),
        }
    }

    async fn frames(&mut self, out: &mut Vec<Bytes>) -> Result<(), Stop> {
        loop {
            match self.framer.next_frame() {
                Ok(Some(frame)) => self.take(frame, out).await?,
                Ok(None) => return Ok(()),
                // Behind a whole answer nothing matters any more.
                Err(_) if self.guard.is_complete => return Ok(()),
                Err(_) => return Err(Stop::Unreadable("an event is too large")),
            }
        }
    }

    /// Guards one event of the provider, in the caller's format; a large one off the workers.
    async fn take(&mut self, frame: Frame, out: &mut Vec<Bytes>) -> Result<(), Stop> {
        let Ok(weight) = self.guards.inspectors.weigh(&frame.raw) else {
            // Behind a whole answer nothing matters any more.
            if self.guard.is_complete {
                return Ok(());
            }
            return Err(Stop::Unreadable("an event holds too many small values"));
        };
        if weight.is_light() {
            return guarded(&mut self.translator, &mut self.guard, &frame, out);
        }
        let (mut translator, mut guard) = (self.translator.lend(), self.guard.lend());
        let work = move || {
            let mut pieces = Vec::new();
            let taken = guarded(&mut translator, &mut guard, &frame, &mut pieces);
            (translator, guard, pieces, taken)
        };
        let (translator, guard, pieces, taken) = self.guards.inspectors.run(weight, work).await;
        self.translator.bring_back(translator);
        self.guard.bring_back(guard);
        out.extend(pieces);
        taken
    }

    /// The answer is complete; what the provider still sends belongs to it until it closes.
    async fn rest(&mut self, out: &mut Vec<Bytes>) -> End {
        let deadline = tokio::time::Instant::now() + END_LIMIT;
        while let Some(body) = self.body.as_mut() {
            match tokio::time::timeout_at(deadline, body.chunk()).await {
                Ok(Ok(Some(bytes))) => {
                    self.framer.push(&bytes);
                    if let Err(stop) = self.frames(out).await {
                        return End::Stopped(stop);
                    }
                }
                Ok(Ok(None)) => return self.last(out).await,
                // Complete is complete, however the connection ends.
                Ok(Err(_)) | Err(_) => break,
            }
        }
        End::Complete
    }

    /// The provider closed the connection.
    async fn last(&mut self, out: &mut Vec<Bytes>) -> End {
        let taken = match self.framer.finish() {
            Some(frame) => self.take(frame, out).await,
            None => Ok(()),
        };
        match taken.and_then(|()| self.guard.finish(out)) {
            Err(stop) => End::Stopped(stop),
            Ok(()) if self.guard.is_complete || self.guard.is_failed => End::Complete,
            Ok(()) => End::Broken(UpstreamError::Broken),
        }
    }

    /// Settles, records, and says how the stream ends in the caller's own format.
    ///
    /// `out` holds what may leave before that. When no record can be written under a hard context, the
    /// terminator in it is taken back: an answer without a record must not look complete.
    async fn end(&mut self, end: End, out: &mut Vec<Bytes>) -> Option<Bytes> {
        self.body = None;
        self.note();
        if let Some(kept) =
            state::keep(&mut self.guard.made, &self.guards.provider_states, &self.governed.name)
        {
            // The caller may refer to the answer as soon as it has its end.
            let _ = kept.await;
        }
        let usage = self.usage(!matches!(end, End::Complete));
        let (outcome, ending) = match end {
            End::Complete if self.guard.is_failed => (Outcome::Failed, None),
            End::Complete => (Outcome::Completed, None),
            End::Broken(error) => {
                let mut problem = upstream_problem(&error, &self.provider);
                if matches!(error, UpstreamError::Broken) {
                    problem.message =
                        format!("The answer of provider \"{}\" broke off before its end.", self.provider);
                }
                (Outcome::Cut, Some(self.failure(&problem)))
            }
            End::ShuttingDown => {
                let problem = Problem::new(Code::ShuttingDown, "zOS is stopping, so this answer ends here.")
                    .hint("Try again in a moment.");
                (Outcome::Cut, Some(self.failure(&problem)))
            }
            End::Stopped(Stop::Unreadable(what)) => {
                let problem = Problem::new(
                    Code::UpstreamUnreachable,
                    format!(
                        "The answer of provider \"{}\" cannot be read ({what}), so the rest was not passed on.",
                        self.provider
                    ),
                );
                (Outcome::Cut, Some(self.failure(&problem)))
            }
            end @ (End::Stopped(Stop::Refused) | End::Denied(_)) => {
                let problem = match end {
                    End::Denied(problem) => problem,
                    _ => cut(&self.governed, &self.guard.findings),
                };
                self.call.note(&problem);
                let form = self.call.form;
                let problem = problem.told(self.guard.face().shape(), form);
                let in_call = self.guard.has_open_call();
                let cut = Cut { problem: &problem, request_id: &self.call.request_id, in_call, usage };
                (Outcome::Cut, Some(self.guard.cut(&cut, form)))
            }
        };
        let last_bytes: usize = out.iter().chain(&ending).map(Bytes::len).sum();
        self.call.record.bytes_out = self.sent_bytes + last_bytes as u64;
        self.call.settle(Cost::Spent(usage)).await;
        if let Err(problem) = self.call.finish(outcome, Some(self.status.as_u16())).await {
            out.clear();
            return Some(self.guard.failure(&problem, &self.call.request_id));
        }
        ending
    }

    /// Tells the record what the guard found so far.
    fn note(&mut self) {
        self.call.tell(Fact::Found(&self.governed.policy, &self.guard.findings));
        if let Some(masks) = &self.masks {
            self.call.record.restored = masks.uses();
        }
        if self.guard.has_replaced {
            self.call.tell(Fact::Verdict(Verdict::Redact));
        }
    }

    fn failure(&mut self, problem: &Problem) -> Bytes {
        self.call.note(problem);
        self.guard.failure(problem, &self.call.request_id)
    }

    /// What the provider reported, and an estimate for what it did not.
    fn usage(&self, cut: bool) -> Usage {
        let reader = self.translator.as_ref().map_or(&self.guard.usage, |translator| &translator.usage);
        let mut reader = reader.clone();
        if let Some(tier) = self.guard.tier {
            reader.served_at(tier);
        }
        let output = if reader.needs_output(cut) { self.call.output_tokens(&self.guard.said) } else { 0 };
        let estimate = Estimate { input: self.input_tokens, output, cut };
        reader.finish(estimate)
    }
}

impl Drop for Pump {
    /// The caller left in the middle of the answer.
    fn drop(&mut self) {
        if self.is_over {
            return;
        }
        self.call.record.status = Some(self.status.as_u16());
        self.call.record.bytes_out = self.sent_bytes;
        if !self.guard.is_here() {
            // It reads a large event, and nobody waits for what it finds: what was held counts.
            return self.call.abandon(Cost::Held);
        }
        self.note();
        drop(state::keep(&mut self.guard.made, &self.guards.provider_states, &self.governed.name));
        let usage = self.usage(true);
        self.call.abandon(Cost::Spent(usage));
    }
}

/// Guards one event of the provider, in the caller's format.
fn guarded(
    translator: &mut Option<StreamTranslator>,
    guard: &mut Guard,
    frame: &Frame,
    out: &mut Vec<Bytes>,
) -> Result<(), Stop> {
    let Some(translator) = translator else {
        return guard.take(frame, Instant::now(), out);
    };
    let translated = match translator.take(frame) {
        // Behind a whole answer nothing matters any more.
        Err(_) if guard.is_complete => return Ok(()),
        translated => translated?,
    };
    for frame in translated {
        guard.take(&frame, Instant::now(), out)?;
    }
    Ok(())
}

/// Many pieces as one write.
fn joined(mut pieces: Vec<Bytes>) -> Bytes {
    if pieces.len() == 1 {
        return pieces.remove(0);
    }
    pieces.concat().into()
}
