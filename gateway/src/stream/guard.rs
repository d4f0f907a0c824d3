//! Holds events back until their text is known to be harmless.
//!
//! Each channel (the text of a block, its thinking, the arguments of a tool call) has a scanner that says
//! how much of its text can no longer be part of a violation. An event waits until that reaches its own
//! end; events leave in the order in which they came. Besides its own channel, answer text is scanned as
//! one text over all consecutive text blocks, because that is how clients show it.
//!
//! What this does not do: it does not split events. An event whose last letters might begin a term waits
//! whole for the next one.

use super::arguments::{ArgumentsReader, Part};
use super::sse::{Frame, FrameError};
use crate::inspect::{self, Findings};
use crate::json::{self, Value};
use crate::policy::Policy;
use crate::wire::{Channel, Delivered, Dialect, Kind, Piece, Reading, messages};
use bytes::Bytes;
use smallvec::SmallVec;
use std::collections::{HashMap, VecDeque};
use std::time::{Duration, Instant};
use zos_meter::TextCount;
use zos_rules::{Scanner, StreamViolation};

/// A keep-alive passes events that have been held this long; before, the order of bytes is kept.
const KEEP_ALIVE_PASSES_AFTER: Duration = Duration::from_secs(1);

/// More channels than any real answer opens. Beyond it the stream is not one that we understand.
const CHANNELS_LIMIT: usize = 4096;

/// Why a stream must not go on.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Stop {
    /// It holds something that the room denies.
    Refused,
    /// It cannot be read, so it cannot be inspected.
    Unreadable(&'static str),
}

/// One text, its scanner, and the reader of its escapes where it is a tool call.
#[derive(Clone)]
struct Text {
    scanner: Scanner,
    arguments: Option<ArgumentsReader>,
    is_ended: bool,
}

/// An event that waits.
struct Held {
    raw: Bytes,
    /// Texts and how far each must be harmless.
    needs: SmallVec<[(usize, u64); 2]>,
    delivered: Delivered,
    /// Pieces of answer text, for what may still be said before a cut.
    said: SmallVec<[Said; 1]>,
    since: Instant,
}

struct Said {
    channel: Channel,
    text: usize,
    start: u64,
    words: String,
}

/// The guard of one stream.
pub(crate) struct Guard {
    dialect: Dialect,
    policy: Policy,
    texts: Vec<Text>,
    by_channel: HashMap<Channel, usize>,
    /// The text of all consecutive text blocks, from the end of the first on.
    joined: Option<usize>,
    queue: VecDeque<Held>,
    /// What was found so far, reports included.
    pub(crate) findings: Findings,
    /// Text that arrived, for an estimate.
    pub(crate) count: TextCount,
    /// The raw usage objects, in order of arrival.
    pub(crate) usage: Vec<String>,
    /// Whether the provider said that the answer is complete.
    pub(crate) is_complete: bool,
    /// Whether the provider said that it failed.
    pub(crate) is_failed: bool,
}

impl Guard {
    pub(crate) fn new(dialect: Dialect, policy: Policy) -> Self {
        Guard {
            dialect,
            policy,
            texts: Vec::new(),
            by_channel: HashMap::new(),
            joined: None,
            queue: VecDeque::new(),
            findings: Findings::default(),
            count: TextCount::default(),
            usage: Vec::new(),
            is_complete: false,
            is_failed: false,
        }
    }

    /// The dialect, to end the stream in its words.
    pub(crate) fn dialect(&self) -> &Dialect {
        &self.dialect
    }

    /// Whether a tool call is open: then an ending must not look like one that can be acted upon.
    pub(crate) fn has_open_call(&self) -> bool {
        self.by_channel
            .iter()
            .any(|(channel, text)| channel.kind == Kind::Arguments && !self.texts[*text].is_ended)
    }

    /// Takes one event; what may leave is appended to `out`.
    ///
    /// # Errors
    /// On `Err` everything harmless has been appended and nothing else may follow but an ending.
    pub(crate) fn take(&mut self, frame: &Frame, now: Instant, out: &mut Vec<Bytes>) -> Result<(), Stop> {
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
    pub(crate) fn finish(&mut self, out: &mut Vec<Bytes>) -> Result<(), Stop> {
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
            inspect::text(&self.policy, &fields.rest, "comment", &mut self.findings);
            self.check_findings()?;
        }
        let mut held = Held {
            raw: frame.raw.clone(),
            needs: SmallVec::new(),
            delivered: Delivered::Other,
            said: SmallVec::new(),
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
        let reading = self.dialect.read(fields.event, &value);
        if let Dialect::Messages(_) = self.dialect {
            held.delivered = messages::delivery(fields.event, &value);
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
        inspect::tree(&self.policy, value, &skip, &mut self.findings);
        // An event that is itself a violation must never leave, whatever its pieces say.
        if self.check_findings().is_err() {
            held.needs.push((usize::MAX, 0));
            return Err(Stop::Refused);
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

    fn piece(&mut self, piece: &Piece<'_>, held: &mut Held) -> Result<(), Stop> {
        let words = piece.text.text();
        self.count.add(&words);
        if self.policy.rules().is_empty() {
            return Ok(());
        }
        let text = self.text_of(piece.channel)?;
        let start = self.texts[text].scanner.pushed();
        if piece.channel.kind == Kind::Text {
            let words = words.clone().into_owned();
            held.said.push(Said { channel: piece.channel, text, start, words });
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
        let arguments = (channel.kind == Kind::Arguments).then(ArgumentsReader::new);
        self.texts.push(Text { scanner: self.policy.scanner(), arguments, is_ended: false });
        self.by_channel.insert(channel, self.texts.len() - 1);
        Ok(self.texts.len() - 1)
    }

    fn push(&mut self, text: usize, words: &str) -> Result<(), Stop> {
        let mut found = Vec::new();
        let Text { scanner, arguments, .. } = &mut self.texts[text];
        match arguments {
            None => scanner.push(words, &mut found),
            Some(reader) => reader.push(words, |part| match part {
                Part::Text(decoded) => scanner.push(decoded, &mut found),
                Part::Boundary => scanner.boundary(&mut found),
            }),
        }
        self.note(&found)
    }

    fn end_text(&mut self, text: usize) -> Result<(), Stop> {
        let mut found = Vec::new();
        let Text { scanner, arguments, is_ended } = &mut self.texts[text];
        if !std::mem::replace(is_ended, true) {
            if let Some(reader) = arguments {
                reader.finish(|part| {
                    if let Part::Text(decoded) = part {
                        scanner.push(decoded, &mut found);
                    }
                });
            }
            scanner.finish(&mut found);
        }
        self.note(&found)
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
        self.texts.push(self.texts[text].clone());
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

    fn note(&mut self, found: &[StreamViolation]) -> Result<(), Stop> {
        for violation in found {
            self.findings.note(violation.rule, || "stream".to_owned());
        }
        if found.is_empty() { Ok(()) } else { self.check_findings() }
    }

    fn check_findings(&self) -> Result<(), Stop> {
        if self.findings.are_blocked(&self.policy) { Err(Stop::Refused) } else { Ok(()) }
    }

    /// Keep-alives hold no text. They keep their place among events, unless those wait for long.
    fn keep_alive(&mut self, held: Held, out: &mut Vec<Bytes>) {
        self.release(out);
        match self.queue.front() {
            Some(front) if held.since.duration_since(front.since) >= KEEP_ALIVE_PASSES_AFTER => {
                out.push(held.raw)
            }
            _ => self.queue.push_back(held),
        }
    }

    fn is_harmless(&self, held: &Held) -> bool {
        held.needs.iter().all(|(text, end)| self.texts.get(*text).is_some_and(|text| text.safe() >= *end))
    }

    /// Lets go of every event from the front that waits for nothing.
    fn release(&mut self, out: &mut Vec<Bytes>) {
        while let Some(front) = self.queue.front()
            && self.is_harmless(front)
        {
            self.dialect.delivered(&front.delivered);
            out.push(front.raw.clone());
            self.queue.pop_front();
        }
    }

    /// After a cut: the harmless start of the text of the first event that may not leave.
    fn release_start(&mut self, out: &mut Vec<Bytes>) {
        let Some(first) = self.queue.pop_front() else { return };
        self.queue.clear();
        if first.needs.iter().any(|(text, _)| *text == usize::MAX) {
            return;
        }
        for said in &first.said {
            let mut safe = self.texts[said.text].safe().saturating_sub(said.start);
            if let Some((joined, end)) =
                first.needs.iter().find(|(text, _)| self.is_joined_with(*text, said.text))
            {
                let joined_start = end.saturating_sub(said.words.len() as u64);
                safe = safe.min(self.texts[*joined].safe().saturating_sub(joined_start));
            }
            let safe = said.words.floor_char_boundary(usize::try_from(safe).unwrap_or(usize::MAX));
            if safe > 0 {
                out.push(self.dialect.text_event(said.channel, &said.words[..safe]));
            }
        }
    }

    /// Whether `text` is the joined view of what `of` is a block of. A cut clears `joined`, so this asks
    /// whether any channel owns the text.
    fn is_joined_with(&self, text: usize, of: usize) -> bool {
        text != of && !self.by_channel.values().any(|owned| *owned == text)
    }
}

impl Text {
    /// Where an event that ends here ends. Inside an escape the last character is still to come.
    fn end(&self) -> u64 {
        let inside = self.arguments.as_ref().is_some_and(ArgumentsReader::is_inside_escape);
        self.scanner.pushed() + u64::from(inside)
    }

    fn safe(&self) -> u64 {
        self.scanner.safe()
    }
}

#[cfg(test)]
mod tests;
