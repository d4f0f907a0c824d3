//! One text of a stream: what arrives is scanned, what leaves has its redacted parts replaced and its
//! placeholders restored.

use super::tail::Tail;
use crate::destination::Destination;
use crate::findings::Sighting;
use crate::policy::Policy;
use crate::redact::Masks;
use crate::redact::restore::Restorer;
use crate::redact::sessions::Granted;
use crate::stream::arguments::{ArgumentsReader, Part};
use crate::targets::LinkReader;
use smallvec::SmallVec;
use std::collections::VecDeque;
use std::ops::Range;
use zos_rules::{Scanner, StreamViolation};
use zos_wire::places::{Place, ROOT};

/// The most matches of a text that are kept in mind: as many as may be found between two seams of a view that are open.
const KNOWN: usize = 8;

/// One text, its scanner, and the reader of its escapes where it is a tool call.
pub(super) struct Text {
    /// The block that it belongs to.
    pub(super) block: Place,
    /// Whether the provider said that its block is over. More may come all the same.
    pub(super) is_closed: bool,
    scanner: Scanner,
    /// The last character that arrived.
    last_char: Option<char>,
    arguments: Option<ArgumentsReader>,
    /// How much of it waits no longer for more, because its block was said to be over.
    let_go: u64,
    /// What was found when its block was said to be over, not to be told again.
    told: Vec<(usize, Range<u64>)>,
    /// Rule and beginning of the last matches that were found.
    known: SmallVec<[(usize, u64); 2]>,
    /// What was a match for whoever appended what another text said to this one, to be dealt with should it go on.
    interrupted: Vec<StreamViolation>,
    /// Matches that the owner has yet to decide about. Nothing from the first of them on may leave.
    pub(super) asked: Vec<(usize, Range<u64>)>,
    /// Where the first match begins that must never leave.
    blocked: Option<u64>,
    /// The call, where the room judges where it points.
    pub(super) call: Option<HeldCall>,
    /// Its links, where the room judges them.
    pub(super) links: Option<LinkReader>,
    /// Views that read on from some place of it.
    watchers: SmallVec<[Watcher; 2]>,
    /// For rooms that may redact.
    changes: Option<Changes>,
    /// For rooms with patterns and packs.
    tail: Option<Tail>,
}

/// A view that reads a text on with what others say.
#[derive(Debug, Clone, Copy)]
pub(super) struct Watcher {
    pub(super) view: usize,
    /// The time of the view.
    pub(super) time: u32,
    /// How long the text was when it began: what came later the view is given by itself.
    pub(super) from: u64,
}

/// A tool call that waits for its verdict.
pub(super) struct HeldCall {
    /// The call that the arguments are of.
    pub(super) place: Place,
    /// Its arguments so far.
    pub(super) written: String,
    /// Where it points, about which the owner has yet to decide.
    pub(super) confirm: Vec<Destination>,
    /// Whether all that is written was judged.
    pub(super) is_judged: bool,
    /// Nothing of it leaves before.
    pub(super) may_leave: bool,
}

/// What is to change in a text between its arrival and its leaving.
struct Changes {
    masks: Masks,
    /// The decoded text from `recent_start` on: what may still be part of a match.
    recent: String,
    recent_start: u64,
    /// Parts to replace that have not left yet, in order, none touching another.
    regions: VecDeque<Region>,
    /// Bytes of the decoded text that have left.
    left: u64,
    /// Where in the escapes the text leaves.
    leaving: Option<ArgumentsReader>,
    restorer: Restorer,
}

/// A part to replace.
struct Region {
    range: Range<u64>,
    rule: usize,
    /// What takes its place, once no match that overlaps it can begin any more.
    placeholder: Option<String>,
    is_said: bool,
}

impl Text {
    pub(super) fn new(policy: &Policy, block: Place, is_arguments: bool, masks: Option<&Masks>) -> Text {
        let arguments = is_arguments.then(ArgumentsReader::new);
        let changes = masks.map(|masks| Changes {
            masks: masks.clone(),
            recent: String::new(),
            recent_start: 0,
            regions: VecDeque::new(),
            left: 0,
            leaving: arguments.clone(),
            restorer: Restorer::new(masks.restorable(), is_arguments),
        });
        Text {
            block,
            is_closed: false,
            scanner: policy.scanner(),
            last_char: None,
            arguments,
            let_go: 0,
            told: Vec::new(),
            known: SmallVec::new(),
            interrupted: Vec::new(),
            asked: Vec::new(),
            blocked: None,
            call: None,
            links: None,
            watchers: SmallVec::new(),
            changes,
            tail: Tail::new(policy),
        }
    }

    /// A text of the request, inspected there, that the answer goes on from.
    pub(super) fn opening(policy: &Policy, words: &str) -> Text {
        let mut text = Text::new(policy, ROOT, false, None);
        text.push(words, &mut Vec::new(), |_| {});
        text.scanner.go_on();
        text
    }

    /// A text that goes on from here and only looks: nothing of it leaves. It is given decoded words.
    pub(super) fn onlooker(&self) -> Text {
        Text {
            block: self.block,
            is_closed: false,
            scanner: self.scanner.clone(),
            last_char: self.last_char,
            arguments: None,
            let_go: 0,
            told: Vec::new(),
            known: SmallVec::new(),
            interrupted: Vec::new(),
            asked: Vec::new(),
            blocked: self.blocked,
            call: None,
            links: self.links.clone(),
            watchers: SmallVec::new(),
            changes: None,
            tail: self.tail.clone(),
        }
    }

    /// A view reads on from here.
    pub(super) fn watch(&mut self, view: usize, time: u32) {
        self.watchers.retain(|watcher| watcher.view != view);
        self.watchers.push(Watcher { view, time, from: self.scanner.pushed() });
    }

    pub(super) fn watchers(&self) -> &[Watcher] {
        &self.watchers
    }

    /// Whether it is the arguments of a call.
    pub(super) fn is_arguments(&self) -> bool {
        self.arguments.is_some()
    }

    /// From where on it may still become a match, or a link, with what comes next.
    pub(super) fn open_from(&self) -> u64 {
        let links = self.links.as_ref().map_or(u64::MAX, LinkReader::open_from);
        self.scanner.needed().min(links)
    }

    /// The last character that arrived.
    pub(super) fn last_char(&self) -> Option<char> {
        self.last_char
    }

    /// Bytes of the decoded text that have arrived.
    pub(super) fn pushed(&self) -> u64 {
        self.scanner.pushed()
    }

    /// Where an event that ends here ends. Inside an escape the last character is still to come.
    pub(super) fn end(&self) -> u64 {
        let inside = self.arguments.as_ref().is_some_and(ArgumentsReader::is_inside_escape);
        self.scanner.pushed() + u64::from(inside)
    }

    /// How many bytes of the decoded text are no part of a match, or of one that is dealt with.
    pub(super) fn safe(&self) -> u64 {
        if self.call.as_ref().is_some_and(|call| !call.may_leave) {
            return 0;
        }
        let asked = self.asked.iter().map(|(_, span)| span.start);
        let links = self.links.as_ref().map(LinkReader::safe);
        let scanned = self.scanner.safe().max(self.let_go);
        asked.chain(self.blocked).chain(links).fold(scanned, u64::min)
    }

    /// A match must never leave.
    pub(super) fn block(&mut self, span: &Range<u64>) {
        self.blocked = Some(self.blocked.map_or(span.start, |first| first.min(span.start)));
    }

    /// Whether everything before `end` may leave.
    pub(super) fn may_leave(&self, end: u64) -> bool {
        let is_open = |changes: &Changes| changes.open().any(|region| region.range.start < end);
        // The opening of a call says nothing of it but the name, and some clients act on that.
        let is_held = self.call.as_ref().is_some_and(|call| !call.may_leave);
        !is_held && self.safe() >= end && !self.changes.as_ref().is_some_and(is_open)
    }

    /// Scans the next piece, and hands on what it says.
    pub(super) fn push(
        &mut self,
        words: &str,
        found: &mut Vec<StreamViolation>,
        mut said: impl FnMut(&Part<'_>),
    ) {
        self.is_closed = false;
        let Text { scanner, last_char, arguments, changes, tail, .. } = self;
        let mut take = |part: Part<'_>| {
            match part {
                Part::Text(decoded) => {
                    if let Some(tail) = tail {
                        tail.push(decoded);
                    }
                    if let Some(changes) = changes {
                        changes.recent.push_str(decoded);
                    }
                    scanner.push(decoded, found);
                    *last_char = decoded.chars().next_back().or(*last_char);
                }
                Part::Boundary => scanner.boundary(found),
            }
            said(&part);
        };
        match arguments {
            None => take(Part::Text(words)),
            Some(reader) => reader.push(words, take),
        }
        self.leave_out_told(found);
    }

    /// What another text says, decoded, for one that only looks.
    pub(super) fn hear(&mut self, part: &Part<'_>, found: &mut Vec<StreamViolation>) {
        match part {
            Part::Text(words) => self.push(words, found, |_| {}),
            Part::Boundary => self.scanner.boundary(found),
        }
    }

    /// Its block is said to be over. What is a match if nothing more comes is one; the rest waits no longer.
    /// Should more come, it is read as the same text.
    pub(super) fn close(&mut self, found: &mut Vec<StreamViolation>) {
        self.is_closed = true;
        let (end, mut as_is) = (self.end(), self.scanner.clone());
        as_is.finish(found);
        self.leave_out_told(found);
        self.told.extend(found.iter().map(|violation| (violation.rule, violation.span.clone())));
        self.let_go = end;
    }

    /// What would be a match at its very end if nothing more came.
    pub(super) fn at_end(&self) -> Vec<StreamViolation> {
        let mut found = Vec::new();
        if self.scanner.needed() < self.scanner.pushed() {
            self.scanner.clone().finish(&mut found);
            found.retain(|violation| violation.span.end == self.scanner.pushed());
        }
        found
    }

    /// Whether this match was found here.
    pub(super) fn knows(&self, rule: usize, start: u64) -> bool {
        self.known.contains(&(rule, start))
            || self.told.iter().any(|(told, span)| (*told, span.start) == (rule, start))
    }

    /// Keeps in mind what was found here.
    pub(super) fn note(&mut self, rule: usize, start: u64) {
        if self.known.len() == KNOWN {
            self.known.remove(0);
        }
        self.known.push((rule, start));
    }

    /// A match at its end counts for whoever appends what came behind it, also if this text goes on.
    pub(super) fn interrupt(&mut self, violation: StreamViolation) {
        self.interrupted.push(violation);
    }

    /// The matches that it was interrupted behind, now that it goes on; none that was dealt with.
    pub(super) fn interrupted(&mut self) -> Vec<StreamViolation> {
        let mut found = std::mem::take(&mut self.interrupted);
        self.leave_out_told(&mut found);
        self.told.extend(found.iter().map(|violation| (violation.rule, violation.span.clone())));
        found
    }

    fn leave_out_told(&self, found: &mut Vec<StreamViolation>) {
        if !self.told.is_empty() {
            found.retain(|violation| {
                !self.told.iter().any(|(rule, span)| *rule == violation.rule && *span == violation.span)
            });
        }
    }

    /// No more of this text comes.
    pub(super) fn finish(&mut self, found: &mut Vec<StreamViolation>) {
        self.is_closed = true;
        if let Some(reader) = &mut self.arguments {
            let mut rest = String::new();
            reader.finish(|part| {
                if let Part::Text(decoded) = part {
                    rest.push_str(decoded);
                }
            });
            if let Some(changes) = &mut self.changes {
                changes.recent.push_str(&rest);
            }
            if let Some(tail) = &mut self.tail {
                tail.push(&rest);
            }
            self.scanner.push(&rest, found);
        }
        self.scanner.finish(found);
        self.leave_out_told(found);
    }

    /// A match with the text that it stands in, for the record; with no text where none is kept.
    pub(super) fn sighting<'a>(&'a self, found: &'a StreamViolation) -> Sighting<'a> {
        let kept = self.tail.as_ref().and_then(|tail| tail.find(&found.span));
        let (text, span) = kept.unwrap_or(("", 0..0));
        let StreamViolation { rule, evasion, detector, .. } = found;
        Sighting { rule: *rule, detector: detector.as_ref(), evasion: *evasion, text, span }
    }

    /// The text of a match; empty where the text is not kept.
    fn matched(&self, span: &Range<u64>) -> &str {
        let Some(changes) = &self.changes else { return "" };
        let place = |at: u64| usize::try_from(at.saturating_sub(changes.recent_start)).unwrap_or(usize::MAX);
        changes.recent.get(place(span.start)..place(span.end)).unwrap_or("")
    }

    /// A match is to be replaced, unless the caller said the term itself. `false` where it cannot be.
    pub(super) fn redact(&mut self, policy: &Policy, rule: usize, span: &Range<u64>) -> bool {
        let is_callers = self
            .changes
            .as_ref()
            .is_some_and(|changes| changes.masks.is_callers(policy, rule, self.matched(span)));
        let Some(changes) = &mut self.changes else { return false };
        // What has left can be replaced no more.
        if !is_callers && span.start < changes.left {
            return false;
        }
        if !is_callers {
            changes.add(rule, span.clone());
        }
        true
    }

    /// Every match that was found is noted.
    pub(super) fn go_on(&mut self, policy: &Policy) {
        self.scanner.go_on();
        if let Some(tail) = &mut self.tail {
            tail.settle(&self.scanner);
        }
        let safe = self.changes.is_some().then(|| self.safe());
        if let (Some(changes), Some(safe)) = (&mut self.changes, safe) {
            changes.settle(policy, safe);
        }
    }

    /// The call that this is of was judged: it may have these secrets back.
    pub(super) fn grant(&mut self, granted: Granted) {
        if let Some(changes) = &mut self.changes {
            changes.restorer.grant(granted);
        }
    }

    /// What the caller reads of the next words that leave, and whether anything was replaced.
    pub(super) fn leave(&mut self, words: &str) -> (String, bool) {
        match &mut self.changes {
            Some(changes) => changes.leave(words),
            None => (words.to_owned(), false),
        }
    }
}

impl Changes {
    /// Adds a part, joined with those that it overlaps.
    fn add(&mut self, rule: usize, range: Range<u64>) {
        let mut added = Region { range, rule, placeholder: None, is_said: false };
        let first = self.regions.partition_point(|region| region.range.end <= added.range.start);
        let after = self.regions.partition_point(|region| region.range.start < added.range.end);
        for other in self.regions.drain(first..after.max(first)) {
            if other.range.start < added.range.start
                || (other.range.start == added.range.start && other.range.end >= added.range.end)
            {
                added.rule = other.rule;
            }
            added.range = other.range.start.min(added.range.start)..other.range.end.max(added.range.end);
        }
        self.regions.insert(first, added);
    }

    /// The parts that have no name yet: always the last ones.
    fn open(&self) -> impl Iterator<Item = &Region> {
        let named = self.regions.partition_point(|region| region.placeholder.is_some());
        self.regions.range(named..)
    }

    /// Names the parts that nothing can overlap any more, and forgets text that is settled.
    fn settle(&mut self, policy: &Policy, safe: u64) {
        let mut needed = safe;
        let named = self.regions.partition_point(|region| region.placeholder.is_some());
        for region in self.regions.range_mut(named..) {
            if safe < region.range.end {
                needed = needed.min(region.range.start);
                continue;
            }
            let place = |at: u64| usize::try_from(at - self.recent_start).unwrap_or(usize::MAX);
            let matched = self.recent.get(place(region.range.start)..place(region.range.end));
            let named = self.masks.mask_models(policy, region.rule, matched.unwrap_or(""));
            region.placeholder = Some(named);
        }
        let cut = usize::try_from(needed.saturating_sub(self.recent_start)).unwrap_or(usize::MAX);
        let cut = self.recent.floor_char_boundary(cut);
        self.recent.drain(..cut);
        self.recent_start += cut as u64;
    }

    fn leave(&mut self, words: &str) -> (String, bool) {
        let mut said = String::with_capacity(words.len());
        let mut has_replaced = false;
        if self.regions.is_empty() && self.leaving.is_none() {
            self.left += words.len() as u64;
            self.restorer.push(words, &mut said);
            return (said, false);
        }
        // Regions are in order, and so are characters.
        let mut next = 0;
        for (at, c) in words.char_indices() {
            let raw = &words[at..at + c.len_utf8()];
            let (start, end) = self.advance(raw);
            while self.regions.get(next).is_some_and(|region| region.range.end <= start) {
                next += 1;
            }
            match self.regions.get_mut(next).filter(|region| region.range.start < end) {
                None => self.restorer.push(raw, &mut said),
                Some(region) => {
                    has_replaced = true;
                    if !std::mem::replace(&mut region.is_said, true) {
                        self.restorer.interrupt(&mut said);
                        said.push_str(region.placeholder.as_deref().unwrap_or_default());
                    }
                }
            }
        }
        let left = self.left;
        let gone = self.regions.partition_point(|region| region.range.end <= left);
        self.regions.drain(..gone);
        (said, has_replaced)
    }

    /// Moves over one character as it is written; gives the decoded bytes that it stands for. A character
    /// of an escape stands for what the escape begins at; a quote that bounds a string for none.
    fn advance(&mut self, raw: &str) -> (u64, u64) {
        let start = self.left;
        let mut is_boundary = false;
        match &mut self.leaving {
            None => self.left += raw.len() as u64,
            Some(reader) => reader.push(raw, |part| match part {
                Part::Text(decoded) => self.left += decoded.len() as u64,
                Part::Boundary => is_boundary = true,
            }),
        }
        if is_boundary { (start, start) } else { (start, self.left.max(start + 1)) }
    }
}
