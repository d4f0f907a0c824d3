//! Holds events back until their text is known to be harmless.
//!
//! There is one rule and no list of fields: every string of every event is read. What comes in pieces has a
//! scanner for each place in which it comes, which says how much of it can no longer be part of a match. Such
//! an event waits until that reaches its own end; events leave in the order in which they came. What is said
//! at once is inspected as a whole, and over the seam to what the same place said before. Besides, views read
//! what a client reads together (`views`), also where an answer goes on from a turn of the request and where blocks
//! come out of the order of their indexes (`order`). Nothing but the end of the stream ends a scanner: where a provider
//! says that a block is over, calls are judged and what waits for more of the block is let go, but what is
//! known of it is kept.
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
//! whole for the next one. Names, ids and padding do not wait for more of them: the first part of a term
//! that is split over such strings leaves, the part that completes it does not.

pub(crate) mod arguments;
mod asking;
mod calls;
#[cfg(any(test, feature = "fuzzing"))]
pub mod client;
mod ending;
mod hearing;
mod order;
mod release;
pub mod said;
mod tail;
mod text;
mod views;

use crate::destination::Destination;
use crate::findings::Findings;
use crate::inspect;
use crate::made::Made;
use crate::policy::Policy;
use crate::redact::{Masks, Spot};
use crate::seams::Row;
use bytes::Bytes;
use order::Order;
use said::Said;
use smallvec::SmallVec;
use std::collections::{HashMap, VecDeque};
use std::ops::Range;
use std::time::{Duration, Instant};
use text::Text;
use views::Views;
use zos_core::Effect;
use zos_meter::{AnswerText, Tier, UsageReader};
use zos_wire::dialect::{Delivered, Reading};
use zos_wire::face::Face;
use zos_wire::faces::Dialect;
use zos_wire::json::{self, Value};
use zos_wire::places::{Channel, Kind, Leaf, Place, Places, Role, Words};
use zos_wire::sse::{Fields, Frame, FrameError, Stop};

/// A keep-alive passes events that have been held this long; before, the order of bytes is kept.
const KEEP_ALIVE_PASSES_AFTER: Duration = Duration::from_secs(1);

/// More texts than any real answer has. Beyond it the stream is not one that we understand.
const TEXTS_LIMIT: usize = 4096;

/// An event that waits.
struct Held {
    frame: Frame,
    /// How far texts and views must be harmless.
    needs: SmallVec<[Need; 2]>,
    /// Whether it must not leave, whatever becomes of its texts.
    is_refused: bool,
    delivered: Delivered,
    /// What would be a match if nothing came behind it.
    would_match: Option<WouldMatch>,
    /// Its pieces: what may still be said of them before a cut, and what may change in them.
    pieces: SmallVec<[HeldPiece; 1]>,
    /// Where it repeats its text token by token, and what can stand there instead.
    echoes: SmallVec<[(Range<usize>, &'static str); 1]>,
    /// Matches in its other strings that may have to be replaced.
    spots: Vec<Spot>,
    /// Rules that found something in its other strings, about which the owner has yet to decide.
    asked: SmallVec<[usize; 1]>,
    /// The tool whose call it is about, where secrets may be restored in its other strings.
    tool: Option<Box<str>>,
    /// Where calls that stand whole in it point, about which the owner has yet to decide.
    confirm: Vec<Destination>,
    since: Instant,
}

/// How far something must be harmless before an event leaves.
#[derive(Debug, Clone, Copy)]
enum Need {
    Text {
        text: usize,
        end: u64,
    },
    /// Of a view, at one time of it.
    View {
        view: usize,
        time: u32,
        end: u64,
    },
}

/// What would be a match if the answer ended behind an event, as a cut ends it: the event does not leave without the next one.
#[derive(Debug, Clone, Copy)]
struct WouldMatch {
    rule: usize,
    text: usize,
    /// Where in the text it begins.
    from: u64,
}

impl Need {
    /// The text or the time of a view.
    fn reader(&self) -> (bool, usize, u32) {
        match self {
            Need::Text { text, .. } => (true, *text, 0),
            Need::View { view, time, .. } => (false, *view, *time),
        }
    }
}

struct HeldPiece {
    role: Role,
    spoken: Option<Channel>,
    text: usize,
    start: u64,
    /// Where it stands in the event's data.
    place: Range<usize>,
    is_number: bool,
    words: String,
}

/// What is known of a place.
#[derive(Default)]
struct Seat {
    /// The text that comes there in pieces.
    text: Option<usize>,
    /// What was said there at once.
    said: Option<Box<Said>>,
}

/// The guard of one stream.
pub struct Guard {
    dialect: Dialect,
    policy: Policy,
    /// Whether what can be read in two ways is not let through.
    is_strict: bool,
    /// Whether calls wait until they are whole: for the room's lists of targets, or for secrets that come back only
    /// where they belong.
    holds_calls: bool,
    /// The placeholders of the call, in rooms that may redact.
    masks: Option<Masks>,
    places: Places,
    /// By place.
    seats: Vec<Seat>,
    /// How many places say one thing after another at once.
    changing: usize,
    /// The keys that came at a place.
    keys: HashMap<Place, Said>,
    /// The texts that choices say at once, one after another.
    rows: HashMap<Place, Row>,
    texts: Vec<Text>,
    views: Views,
    order: Order,
    queue: VecDeque<Held>,
    /// Texts and views that would hold a match if nothing more came.
    open_ends: SmallVec<[Need; 2]>,
    /// Whether no text goes on any more.
    is_finished: bool,
    /// Bytes of the events in the queue, and of calls that are kept to be judged.
    held_bytes: usize,
    call_bytes: usize,
    limit_bytes: usize,
    /// The tools of calls.
    tools: HashMap<Place, String>,
    /// Whether a call was stopped for where it points.
    is_call_stopped: bool,
    /// What was found so far, reports included.
    pub findings: Findings,
    /// Text that arrived, to be counted where the provider reports no usage.
    pub said: AnswerText,
    /// What the provider reported that it used.
    pub usage: UsageReader,
    /// The terms that the provider last said it serves at.
    pub tier: Option<Tier>,
    /// Whether the provider said that the answer is complete. What comes behind that is not passed on.
    pub is_complete: bool,
    /// Whether the provider said that it failed.
    pub is_failed: bool,
    /// Ids of what the provider keeps.
    pub made: Made,
    /// Whether words of the model were replaced.
    pub has_replaced: bool,
}

impl Guard {
    /// Guard of a stream in `dialect`; `masks` are the placeholders of the call. At most `limit_bytes` of
    /// events and calls wait at a time.
    pub fn new(dialect: Dialect, policy: Policy, masks: Option<Masks>, limit_bytes: usize) -> Self {
        Guard {
            made: Made::new(dialect.face()),
            usage: UsageReader::new(dialect.counting()),
            is_strict: policy.is_strict(),
            holds_calls: policy.judges_calls()
                || masks.as_ref().is_some_and(|masks| masks.restorable().has_secrets()),
            order: Order::new(policy.rules().seam_bytes()),
            dialect,
            policy,
            masks,
            places: Places::default(),
            seats: Vec::new(),
            changing: 0,
            keys: HashMap::new(),
            rows: HashMap::new(),
            texts: Vec::new(),
            views: Views::default(),
            queue: VecDeque::new(),
            open_ends: SmallVec::new(),
            is_finished: false,
            held_bytes: 0,
            call_bytes: 0,
            limit_bytes,
            tools: HashMap::new(),
            is_call_stopped: false,
            findings: Findings::default(),
            said: AnswerText::default(),
            tier: None,
            is_complete: false,
            is_failed: false,
            has_replaced: false,
        }
    }

    /// The same for an answer that goes on from a text of the request, given as far as a match may reach.
    #[must_use]
    pub fn going_on_from(mut self, opening: &str) -> Self {
        if !opening.is_empty() && !self.policy.rules().is_empty() {
            self.views.opening = Some(Box::new(Text::opening(&self.policy, opening)));
        }
        self
    }

    /// The face whose stream this is.
    pub fn face(&self) -> Face {
        self.dialect.face()
    }

    /// Whether a tool call is open: then an ending must not look like one that can be acted upon.
    pub fn has_open_call(&self) -> bool {
        self.is_call_stopped || self.texts.iter().any(|text| text.is_arguments() && !text.is_closed)
    }

    /// Takes one event; what may leave is appended to `out`.
    ///
    /// # Errors
    /// On `Err` everything harmless has been appended and nothing else may follow but an ending.
    pub fn take(&mut self, frame: &Frame, now: Instant, out: &mut Vec<Bytes>) -> Result<(), Stop> {
        if self.is_complete {
            self.take_late(frame);
            return Ok(());
        }
        let taken = self.inspect(frame, now, out);
        self.release(out);
        if taken.is_err() {
            self.release_start(out);
            return taken;
        }
        if !self.queue.is_empty() && self.held_bytes + self.call_bytes > self.limit_bytes {
            self.queue.clear();
            return Err(Stop::Unreadable("more of it waits to be judged than one answer may hold"));
        }
        Ok(())
    }

    /// The provider's stream is over: no text goes on.
    ///
    /// # Errors
    /// As for [`Guard::take`].
    pub fn finish(&mut self, out: &mut Vec<Bytes>) -> Result<(), Stop> {
        let ended = self.finish_all();
        self.release(out);
        if ended.is_err() {
            self.release_start(out);
        }
        ended
    }

    /// What comes behind the terminator, where no client reads on, stays here but for what it cost: nothing
    /// can turn a whole answer into an error any more.
    fn take_late(&mut self, frame: &Frame) {
        let Ok(Fields { event, data: Some(data), .. }) = frame.fields() else { return };
        if let Ok(value) = json::parse(&data) {
            let reading = self.dialect.read(&mut self.places, event, &data, &value);
            self.usage(&reading);
        }
    }

    fn usage(&mut self, reading: &Reading<'_>) {
        if let Some(usage) = reading.usage {
            self.usage.report(usage);
        }
        self.tier = reading.tier.or(self.tier);
    }

    fn inspect(&mut self, frame: &Frame, now: Instant, out: &mut Vec<Bytes>) -> Result<(), Stop> {
        let fields = frame.fields().map_err(|error| match error {
            FrameError::TooLarge(_) => Stop::Unreadable("an event is too large"),
            FrameError::NotUtf8 => Stop::Unreadable("an event is not valid UTF-8"),
        })?;
        self.comment(&fields)?;
        let mut held = Held {
            frame: frame.clone(),
            needs: SmallVec::new(),
            is_refused: false,
            would_match: None,
            delivered: Delivered::Other,
            pieces: SmallVec::new(),
            echoes: SmallVec::new(),
            spots: Vec::new(),
            asked: SmallVec::new(),
            tool: None,
            confirm: Vec::new(),
            since: now,
        };
        let Some(data) = fields.data.as_deref().filter(|data| !data.trim().is_empty()) else {
            self.name(fields.event)?;
            self.keep_alive(held, out);
            return Ok(());
        };
        if data.trim() == "[DONE]" {
            self.name(fields.event)?;
            // Elsewhere some relays send it all the same. It ends nothing there, and says nothing.
            if self.dialect.has_end_marker() {
                self.wait(held);
                self.finish_all()?;
                self.is_complete = true;
            }
            return Ok(());
        }
        let value = json::parse(data).map_err(|_| Stop::Unreadable("an event is not valid JSON"))?;
        if !matches!(value, Value::Object { .. }) {
            return Err(Stop::Unreadable("an event is not a JSON object"));
        }
        self.made.read(&value);
        let reading = self.dialect.read(&mut self.places, fields.event, data, &value);
        held.delivered = self.dialect.delivery(fields.event, &value);
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
        held.would_match = self.would_match(&held);
        self.wait(held);
        self.is_failed |= reading.is_failure;
        self.usage(&reading);
        judged?;
        for block in &reading.ended {
            self.close_block(Some(*block))?;
        }
        if reading.all_ended {
            self.close_block(None)?;
        }
        if reading.is_terminator {
            self.finish_all()?;
            self.is_complete = true;
        }
        Ok(())
    }

    fn wait(&mut self, held: Held) {
        self.held_bytes += held.frame.raw.len();
        self.queue.push_back(held);
    }

    /// Inspects what an event holds beside its name and data. Nothing in it is worth replacing or asking about.
    fn comment(&mut self, fields: &Fields<'_>) -> Result<(), Stop> {
        if fields.rest.is_empty() {
            return Ok(());
        }
        let mut comment = Findings::default();
        inspect::text(&self.policy, &fields.rest, "comment", &mut comment);
        let is_refused = comment.found.iter().any(|found| self.policy.effect(found.rule) != Effect::Report);
        self.findings.absorb(comment);
        if is_refused { Err(Stop::Refused) } else { Ok(()) }
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
        let ambiguity = reading.leaves.ambiguity.filter(|_| self.is_strict);
        held.is_refused = ambiguity.is_some();
        held.echoes.clone_from(&reading.leaves.echoes);
        let mut event = Findings::default();
        self.whole(reading, value, &mut event);
        if self.changing > TEXTS_LIMIT {
            held.is_refused = true;
            return Err(Stop::Unreadable("the answer has too many texts"));
        }
        held.spots = std::mem::take(&mut event.spots);
        held.asked.extend(event.rules_with(&self.policy, Effect::Ask));
        self.findings.absorb(event);
        // An event that is itself a violation must never leave, whatever its pieces say.
        if self.check_findings().is_err() {
            held.is_refused = true;
            return Err(Stop::Refused);
        }
        if self.holds_calls {
            held.confirm =
                self.whole_calls(&reading.leaves, value).inspect_err(|_| held.is_refused = true)?;
            if self.masks.is_some() {
                held.tool = self.tool_of(&reading.leaves).map(Box::from);
            }
        }
        for leaf in &reading.leaves.all {
            if matches!(leaf.role, Role::Piece | Role::Echo) {
                self.piece(leaf, held)?;
            }
        }
        let Some(what) = ambiguity else { return Ok(()) };
        // The stream ends here, so what is known says best why.
        self.finish_all()?;
        Err(Stop::Unreadable(what))
    }

    /// Inspects what an event says at once. What every event repeats and was harmless is not looked at again.
    fn whole(&mut self, reading: &Reading<'_>, value: &Value<'_>, event: &mut Findings) {
        let (mut skip, mut fresh) = (SmallVec::<[usize; 16]>::new(), SmallVec::<[usize; 8]>::new());
        let has_rules = !self.policy.rules().is_empty();
        for (number, leaf) in reading.leaves.all.iter().enumerate() {
            if matches!(leaf.role, Role::Piece | Role::Echo) {
                skip.extend(matches!(leaf.words, Words::String(_)).then_some(leaf.range.start));
            } else if has_rules {
                let words = leaf.text();
                let said = self.said(leaf.place, leaf.role);
                if said.is_again(&words) {
                    skip.push(leaf.range.start);
                } else {
                    fresh.push(number);
                }
            }
        }
        if has_rules && fresh.is_empty() {
            return;
        }
        for number in &fresh {
            self.over_seams(&reading.leaves.all[*number], event);
        }
        for row in self.rows.values_mut() {
            row.settle(&self.policy, &mut |sighting| said::note(&self.policy, sighting, event));
        }
        inspect::tree(&self.policy, value, &skip, event);
        if event.found.is_empty() && event.uninspected.is_empty() {
            for number in fresh {
                let leaf = &reading.leaves.all[number];
                self.said(leaf.place, leaf.role).is_harmless(&leaf.text());
            }
        }
    }

    /// Reads what is said at once on from what was said before.
    fn over_seams(&mut self, leaf: &Leaf<'_>, event: &mut Findings) {
        let words = leaf.text();
        // Its place in the guard for as long as the policy is looked at.
        let mut said = std::mem::take(self.said(leaf.place, leaf.role));
        match leaf.words {
            // Counters and times; two of them make no third.
            Words::Number(_) => said.keep(&words),
            Words::String(_) | Words::Bytes(_) => {
                self.changing += usize::from(said.take(&self.policy, &words, event));
            }
        }
        *self.said(leaf.place, leaf.role) = said;
        if leaf.role == Role::Whole && leaf.kind == Kind::Text {
            let row = self.rows.entry(leaf.scope).or_default();
            row.add(&self.policy, &words, &mut |sighting| said::note(&self.policy, sighting, event));
        }
    }

    /// What was said at once at a place, or the keys that came there.
    fn said(&mut self, place: Place, role: Role) -> &mut Said {
        if role == Role::Key {
            return self.keys.entry(place).or_default();
        }
        self.seat(place).said.get_or_insert_default()
    }

    fn seat(&mut self, place: Place) -> &mut Seat {
        if self.seats.len() <= place {
            self.seats.resize_with(place + 1, Seat::default);
        }
        &mut self.seats[place]
    }

    fn check_findings(&self) -> Result<(), Stop> {
        let is_refused =
            self.findings.are_blocked(&self.policy) || self.findings.not_replaceable(&self.policy).is_some();
        if is_refused { Err(Stop::Refused) } else { Ok(()) }
    }
}

#[cfg(test)]
mod kinds;
#[cfg(test)]
mod shapes;
#[cfg(test)]
mod tests;
