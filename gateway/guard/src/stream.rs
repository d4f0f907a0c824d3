//! Holds events back until their text is known to be harmless.
//!
//! Each channel (the text of a block, its thinking, the arguments of a tool call) has a scanner that says
//! how much of its text can no longer be part of a violation. An event waits until that reaches its own
//! end; events leave in the order in which they came. Besides its own channel, answer text is scanned as
//! one text over all consecutive text blocks, because that is how clients show it.
//!
//! In rooms that redact, an event leaves with the model's own matches replaced and the caller's texts
//! restored (`text`); every other event leaves as the bytes that came. What the owner is asked about
//! waits in its place until the guard is told the decision.
//!
//! Where the room lists targets, the arguments of a tool call wait until the call is whole and judged, and
//! where it checks links, a word that may be one waits until it ends. Targets that the owner has to confirm
//! wait in their place like words that are asked about.
//!
//! What this does not do: it does not split events. An event whose last letters might begin a term waits
//! whole for the next one.

pub(crate) mod arguments;
mod asking;
mod release;
mod tail;
mod text;

use crate::destination::Destination;
use crate::findings::Findings;
use crate::inspect;
use crate::made::Made;
use crate::policy::Policy;
use crate::redact::{Masks, Spot};
use crate::targets::{self, Court, LinkReader, TargetFindings};
use bytes::Bytes;
use smallvec::SmallVec;
use std::collections::{HashMap, VecDeque};
use std::ops::Range;
use std::time::{Duration, Instant};
use text::{HeldCall, Text};
use zos_core::Effect;
use zos_meter::{TextCount, Tier};
use zos_rules::StreamViolation;
use zos_wire::dialect::{ANY_PART, Channel, Delivered, Kind, Piece, Reading};
use zos_wire::faces::{Dialect, messages};
use zos_wire::json::{self, Value};
use zos_wire::sse::{Frame, FrameError, Stop};

/// A keep-alive passes events that have been held this long; before, the order of bytes is kept.
const KEEP_ALIVE_PASSES_AFTER: Duration = Duration::from_secs(1);

/// More channels than any real answer opens. Beyond it the stream is not one that we understand.
const CHANNELS_LIMIT: usize = 4096;

/// The longest arguments of a call that are held to be judged.
const CALL_LIMIT_BYTES: usize = 8 << 20;

/// An event that waits.
struct Held {
    frame: Frame,
    /// Texts and how far each must be harmless.
    needs: SmallVec<[(usize, u64); 2]>,
    delivered: Delivered,
    /// Its pieces: what may still be said of them before a cut, and what may change in them.
    pieces: SmallVec<[HeldPiece; 1]>,
    /// Matches in its other strings that may have to be replaced.
    spots: Vec<Spot>,
    /// Rules that found something in its other strings, about which the owner has yet to decide.
    asked: SmallVec<[usize; 1]>,
    /// Where calls that stand whole in it point, about which the owner has yet to decide.
    confirm: Vec<Destination>,
    since: Instant,
}

struct HeldPiece {
    channel: Channel,
    text: usize,
    start: u64,
    /// Where it stands in the event's data.
    place: Range<usize>,
    words: String,
}

/// The guard of one stream.
pub struct Guard {
    dialect: Dialect,
    policy: Policy,
    /// The placeholders of the call, in rooms that may redact.
    masks: Option<Masks>,
    texts: Vec<Text>,
    by_channel: HashMap<Channel, usize>,
    /// The text of all consecutive text blocks, from the end of the first on.
    joined: Option<usize>,
    /// Where in the joined text one block ends and the next begins.
    seams: Vec<u64>,
    queue: VecDeque<Held>,
    /// The tools of calls, by block and part of the channel of their arguments.
    tools: HashMap<(u64, u64), String>,
    /// Whether a call was stopped for where it points.
    is_call_stopped: bool,
    /// What was found so far, reports included.
    pub findings: Findings,
    /// Text that arrived, for an estimate.
    pub count: TextCount,
    /// The raw usage objects, in order of arrival.
    pub usage: Vec<String>,
    /// The terms that the provider last said it serves at.
    pub tier: Option<Tier>,
    /// Whether the provider said that the answer is complete.
    pub is_complete: bool,
    /// Whether the provider said that it failed.
    pub is_failed: bool,
    /// Ids of what the provider keeps.
    pub made: Made,
    /// Whether words of the model were replaced.
    pub has_replaced: bool,
}

impl Guard {
    /// Guard of a stream in `dialect`; `masks` are the placeholders of the call.
    pub fn new(dialect: Dialect, policy: Policy, masks: Option<Masks>) -> Self {
        Guard {
            made: Made::new(dialect.face()),
            dialect,
            policy,
            masks,
            texts: Vec::new(),
            by_channel: HashMap::new(),
            joined: None,
            seams: Vec::new(),
            queue: VecDeque::new(),
            tools: HashMap::new(),
            is_call_stopped: false,
            findings: Findings::default(),
            count: TextCount::default(),
            usage: Vec::new(),
            tier: None,
            is_complete: false,
            is_failed: false,
            has_replaced: false,
        }
    }

    /// The dialect, to end the stream in its words.
    pub fn dialect(&self) -> &Dialect {
        &self.dialect
    }

    /// Whether a tool call is open: then an ending must not look like one that can be acted upon.
    pub fn has_open_call(&self) -> bool {
        self.is_call_stopped
            || self
                .by_channel
                .iter()
                .any(|(channel, text)| channel.kind == Kind::Arguments && !self.texts[*text].is_ended)
    }

    /// Takes one event; what may leave is appended to `out`.
    ///
    /// # Errors
    /// On `Err` everything harmless has been appended and nothing else may follow but an ending.
    pub fn take(&mut self, frame: &Frame, now: Instant, out: &mut Vec<Bytes>) -> Result<(), Stop> {
        let taken = self.inspect(frame, now, out);
        self.release(out);
        if taken.is_err() {
            self.release_start(out);
        }
        taken
    }

    /// The provider's stream is over: no text goes on.
    ///
    /// # Errors
    /// As for [`Guard::take`].
    pub fn finish(&mut self, out: &mut Vec<Bytes>) -> Result<(), Stop> {
        let ended = self.end_all();
        self.release(out);
        if ended.is_err() {
            self.release_start(out);
        }
        ended
    }

    fn inspect(&mut self, frame: &Frame, now: Instant, out: &mut Vec<Bytes>) -> Result<(), Stop> {
        let fields = frame.fields().map_err(|error| match error {
            FrameError::TooLarge(_) => Stop::Unreadable("an event is too large"),
            FrameError::NotUtf8 => Stop::Unreadable("an event is not valid UTF-8"),
        })?;
        if !fields.rest.is_empty() {
            let mut comment = Findings::default();
            inspect::text(&self.policy, &fields.rest, "comment", &mut comment);
            // Nothing in a comment is worth replacing or asking about.
            let is_refused =
                comment.found.iter().any(|found| self.policy.effect(found.rule) != Effect::Report);
            self.findings.absorb(comment);
            if is_refused {
                return Err(Stop::Refused);
            }
        }
        let mut held = Held {
            frame: frame.clone(),
            needs: SmallVec::new(),
            delivered: Delivered::Other,
            pieces: SmallVec::new(),
            spots: Vec::new(),
            asked: SmallVec::new(),
            confirm: Vec::new(),
            since: now,
        };
        let Some(data) = fields.data.as_deref().filter(|data| !data.trim().is_empty()) else {
            self.name(fields.event)?;
            self.keep_alive(held, out);
            return Ok(());
        };
        if self.dialect.is_end_marker(data) {
            self.name(fields.event)?;
            self.is_complete = true;
            self.end_all()?;
            self.queue.push_back(held);
            return Ok(());
        }
        let value = json::parse(data).map_err(|_| Stop::Unreadable("an event is not valid JSON"))?;
        if !matches!(value, Value::Object { .. }) {
            return Err(Stop::Unreadable("an event is not a JSON object"));
        }
        self.made.read(&value);
        let reading = self.dialect.read(fields.event, &value);
        if let Dialect::Messages(_) = self.dialect {
            held.delivered = messages::dialect::delivery(fields.event, &value);
        }
        // Nearly always the name is the `type` of the data, which is inspected with it.
        if !value.get("type").and_then(Value::as_str).is_some_and(|kind| kind.is(fields.event)) {
            self.name(fields.event)?;
        }
        let judged = self.judge(&reading, &value, &mut held);
        // A ping may pass what is held, but only one that carries nothing itself.
        if fields.event == "ping" && judged.is_ok() && held.needs.is_empty() && !reading.is_terminator {
            self.keep_alive(held, out);
            return Ok(());
        }
        self.queue.push_back(held);
        self.is_complete |= reading.is_terminator;
        self.is_failed |= reading.is_failure;
        self.usage.extend(reading.usage.map(str::to_owned));
        self.tier = reading.tier.or(self.tier);
        judged
    }

    /// Inspects the name of an event, which the provider chooses.
    fn name(&mut self, event: &str) -> Result<(), Stop> {
        if event.is_empty() {
            return Ok(());
        }
        inspect::text(&self.policy, event, "event", &mut self.findings);
        self.check_findings()
    }

    /// Scans everything that an event holds, and notes what it has to wait for.
    fn judge(&mut self, reading: &Reading<'_>, value: &Value<'_>, held: &mut Held) -> Result<(), Stop> {
        let skip: SmallVec<[usize; 2]> = reading.pieces.iter().map(|piece| piece.text.start()).collect();
        let mut event = Findings::default();
        inspect::tree(&self.policy, value, &skip, &mut event);
        held.spots = std::mem::take(&mut event.spots);
        held.asked.extend(event.rules_with(&self.policy, Effect::Ask));
        self.findings.absorb(event);
        // An event that is itself a violation must never leave, whatever its pieces say.
        if self.check_findings().is_err() {
            held.needs.push((usize::MAX, 0));
            return Err(Stop::Refused);
        }
        if self.policy.judges_calls() {
            held.confirm =
                self.whole_calls(reading, value, &skip).inspect_err(|_| held.needs.push((usize::MAX, 0)))?;
        }
        for piece in &reading.pieces {
            self.piece(piece, held)?;
        }
        for block in &reading.ended {
            self.end_block(*block)?;
        }
        if reading.all_ended {
            self.end_all()?;
        }
        Ok(())
    }

    /// Remembers the tools that an event names, and judges the calls that stand whole in it; gives what the
    /// owner has to confirm of them.
    fn whole_calls(
        &mut self,
        reading: &Reading<'_>,
        value: &Value<'_>,
        skip: &[usize],
    ) -> Result<Vec<Destination>, Stop> {
        for (block, part, name) in &reading.tools {
            if self.tools.len() == CHANNELS_LIMIT {
                return Err(Stop::Unreadable("the answer opens too many channels"));
            }
            let name = name.text();
            if !name.is_empty() {
                self.tools.entry((*block, *part)).or_insert_with(|| name.into_owned());
            }
        }
        let block = value.get("output_index").and_then(Value::as_u64).unwrap_or(0);
        let tool = self.tools.get(&(block, ANY_PART)).map_or("", String::as_str);
        let mut found = TargetFindings::default();
        let court = Court { policy: &self.policy, masks: self.masks.as_ref() };
        targets::whole(court, value, skip, tool, &mut found);
        self.check_call(found)
    }

    /// After a call was judged: what the owner has to confirm of it.
    fn check_call(&mut self, found: TargetFindings) -> Result<Vec<Destination>, Stop> {
        let open = found.open(&self.policy);
        self.findings.targets.absorb(found);
        let outcome = self.check_findings();
        self.is_call_stopped |= outcome.is_err();
        outcome.map(|()| open)
    }

    fn piece(&mut self, piece: &Piece<'_>, held: &mut Held) -> Result<(), Stop> {
        let words = piece.text.text();
        self.count.add(&words);
        if self.policy.rules().is_empty() && !self.policy.judges_calls() {
            return Ok(());
        }
        let text = self.text_of(piece.channel)?;
        if piece.channel.kind == Kind::Text || self.masks.is_some() {
            let start = self.texts[text].pushed();
            let place = piece.text.start()..piece.text.start() + piece.text.raw().len();
            let words = words.clone().into_owned();
            held.pieces.push(HeldPiece { channel: piece.channel, text, start, place, words });
        }
        let pushed = self.push(text, &words);
        held.needs.push((text, self.texts[text].end()));
        pushed?;
        if let (Kind::Text, Some(joined)) = (piece.channel.kind, self.joined) {
            let pushed = self.push(joined, &words);
            held.needs.push((joined, self.texts[joined].end()));
            pushed?;
        }
        Ok(())
    }

    fn text_of(&mut self, channel: Channel) -> Result<usize, Stop> {
        if let Some(text) = self.by_channel.get(&channel)
            && !self.texts[*text].is_ended
        {
            return Ok(*text);
        }
        if self.texts.len() == CHANNELS_LIMIT {
            return Err(Stop::Unreadable("the answer opens too many channels"));
        }
        if let (Kind::Text, Some(joined)) = (channel.kind, self.joined) {
            self.seams.push(self.texts[joined].pushed());
        }
        let is_arguments = channel.kind == Kind::Arguments;
        let mut text = Text::new(&self.policy, is_arguments, self.masks.as_ref());
        text.call = (is_arguments && self.policy.judges_calls()).then(|| HeldCall {
            channel,
            written: String::new(),
            confirm: Vec::new(),
            may_leave: self.policy.is_paused(),
        });
        if is_arguments {
            self.links_end()?;
        }
        text.links = (channel.kind == Kind::Text && self.policy.judges_links()).then(LinkReader::default);
        self.texts.push(text);
        self.by_channel.insert(channel, self.texts.len() - 1);
        Ok(self.texts.len() - 1)
    }

    fn push(&mut self, text: usize, words: &str) -> Result<(), Stop> {
        let mut found = Vec::new();
        if let Some(links) = &mut self.texts[text].links {
            let court = Court { policy: &self.policy, masks: self.masks.as_ref() };
            links.push(court, words, &mut self.findings.targets);
        }
        if let Some(call) = &mut self.texts[text].call {
            if call.written.len() + words.len() > CALL_LIMIT_BYTES {
                return Err(Stop::Unreadable("the arguments of a tool call are too long"));
            }
            call.written.push_str(words);
        }
        self.texts[text].push(words, &mut found);
        self.note(text, &found)?;
        self.check_findings()
    }

    fn end_text(&mut self, text: usize) -> Result<(), Stop> {
        let mut found = Vec::new();
        let was_ended = self.texts[text].is_ended;
        if let Some(links) = self.texts[text].links.as_mut().filter(|_| !was_ended) {
            let court = Court { policy: &self.policy, masks: self.masks.as_ref() };
            links.finish(court, &mut self.findings.targets);
        }
        self.texts[text].finish(&mut found);
        self.note(text, &found)?;
        if was_ended {
            return Ok(());
        }
        // A call that ends behind something denied is not judged any more, and stays held.
        if let (Err(stop), true) = (self.check_findings(), self.texts[text].call.is_some()) {
            self.is_call_stopped = true;
            return Err(stop);
        }
        self.check_findings()?;
        self.end_call(text)
    }

    /// A call is whole: judges where it points. Before, nothing of its arguments has left.
    fn end_call(&mut self, text: usize) -> Result<(), Stop> {
        let Some(call) = &mut self.texts[text].call else { return Ok(()) };
        let Channel { block, part, .. } = call.channel;
        let tool = self.tools.get(&(block, part)).or_else(|| self.tools.get(&(block, ANY_PART)));
        let tool = tool.map_or("", String::as_str);
        let court = Court { policy: &self.policy, masks: self.masks.as_ref() };
        let mut found = TargetFindings::default();
        court.call(tool, &call.written, &mut found);
        call.written = String::new();
        let confirm = self.check_call(found)?;
        if let Some(call) = &mut self.texts[text].call {
            call.may_leave = confirm.is_empty();
            call.confirm = confirm;
        }
        Ok(())
    }

    /// A tool call begins: a link in text does not go on behind it.
    fn links_end(&mut self) -> Result<(), Stop> {
        let court = Court { policy: &self.policy, masks: self.masks.as_ref() };
        if let Some(links) = self.joined.and_then(|joined| self.texts[joined].links.as_mut()) {
            links.seam(court, &mut self.findings.targets);
        }
        self.check_findings()
    }

    fn end_block(&mut self, block: u64) -> Result<(), Stop> {
        let mut ended: SmallVec<[(Channel, usize); 4]> = self
            .by_channel
            .iter()
            .filter(|(channel, _)| channel.block == block)
            .map(|(channel, text)| (*channel, *text))
            .collect();
        ended.sort_unstable_by_key(|(_, text)| *text);
        for (channel, text) in ended {
            if channel.kind == Kind::Text
                && !self.texts[text].is_ended
                && !matches!(self.dialect, Dialect::Chat(_))
            {
                self.join(text);
            }
            self.end_text(text)?;
        }
        Ok(())
    }

    /// A text block ends, but another may follow and be read as its continuation: from here on a second
    /// scanner reads on over the seam. What the first block has pending waits for that one too.
    fn join(&mut self, text: usize) {
        if self.joined.is_some() {
            return;
        }
        let joined = self.texts.len();
        let mut onlooker = self.texts[text].onlooker();
        // Links are read over the seam as well as block by block.
        onlooker.links = self.texts[text].links.clone();
        self.texts.push(onlooker);
        self.seams.clear();
        for held in &mut self.queue {
            let ends: SmallVec<[u64; 2]> =
                held.needs.iter().filter(|(of, _)| *of == text).map(|(_, end)| *end).collect();
            held.needs.extend(ends.into_iter().map(|end| (joined, end)));
        }
        self.joined = Some(joined);
    }

    fn end_all(&mut self) -> Result<(), Stop> {
        self.joined = None;
        let mut outcome = Ok(());
        for text in 0..self.texts.len() {
            outcome = outcome.and(self.end_text(text));
        }
        outcome
    }

    /// Deals with what was found in a text: the room's rules say how.
    fn note(&mut self, text: usize, found: &[StreamViolation]) -> Result<(), Stop> {
        let mut noted = Ok(());
        for violation @ StreamViolation { rule, span, .. } in found {
            let sighting = self.texts[text].sighting(violation);
            self.findings.note(&self.policy, &sighting, || "stream".to_owned());
            let effect = self.policy.effect(*rule);
            if effect == Effect::Ask && !self.is_seen_elsewhere(text, span) {
                self.texts[text].asked.push((*rule, span.clone()));
            }
            let dealt = match effect {
                // To replace a part of it would leave the rest.
                Effect::Redact if !violation.is_whole => self.refuse(text, *rule, span),
                _ => self.deal(text, *rule, span, effect),
            };
            noted = noted.and(dealt);
        }
        self.texts[text].go_on(&self.policy);
        noted
    }

    /// Does to a match what is decided.
    fn deal(&mut self, text: usize, rule: usize, span: &Range<u64>, effect: Effect) -> Result<(), Stop> {
        match effect {
            Effect::Report | Effect::Ask => Ok(()),
            Effect::Redact => self.redact(text, rule, span),
            Effect::Block => {
                self.texts[text].block(span);
                Err(Stop::Refused)
            }
        }
    }

    fn redact(&mut self, text: usize, rule: usize, span: &Range<u64>) -> Result<(), Stop> {
        if self.is_seen_elsewhere(text, span) || self.texts[text].redact(&self.policy, rule, span) {
            return Ok(());
        }
        self.refuse(text, rule, span)
    }

    /// A match would have to be replaced and cannot be.
    fn refuse(&mut self, text: usize, rule: usize, span: &Range<u64>) -> Result<(), Stop> {
        self.findings.note_fixed(rule, || "stream".to_owned());
        self.texts[text].block(span);
        Err(Stop::Refused)
    }

    /// Whether a match of the joined text lies inside of one block, whose own text has it as well.
    fn is_seen_elsewhere(&self, text: usize, span: &Range<u64>) -> bool {
        self.texts[text].is_onlooker && !self.seams.iter().any(|seam| span.start < *seam && *seam < span.end)
    }

    fn check_findings(&self) -> Result<(), Stop> {
        let is_refused =
            self.findings.are_blocked(&self.policy) || self.findings.not_replaceable(&self.policy).is_some();
        if is_refused { Err(Stop::Refused) } else { Ok(()) }
    }
}

#[cfg(test)]
mod tests;
