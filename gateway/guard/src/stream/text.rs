//! One text of a stream: what arrives is scanned, what leaves has its redacted parts replaced and its
//! placeholders restored.

use super::tail::Tail;
use crate::destination::Destination;
use crate::findings::Sighting;
use crate::policy::Policy;
use crate::redact::Masks;
use crate::redact::restore::Restorer;
use crate::stream::arguments::{ArgumentsReader, Part};
use crate::targets::LinkReader;
use std::collections::VecDeque;
use std::ops::Range;
use zos_rules::{Scanner, StreamViolation};
use zos_wire::dialect::Channel;

/// One text, its scanner, and the reader of its escapes where it is a tool call.
pub(crate) struct Text {
    scanner: Scanner,
    arguments: Option<ArgumentsReader>,
    pub(crate) is_ended: bool,
    /// Whether it only looks at what leaves through other texts.
    pub(crate) is_onlooker: bool,
    /// Matches that the owner has yet to decide about. Nothing from the first of them on may leave.
    pub(crate) asked: Vec<(usize, Range<u64>)>,
    /// Where the first match begins that must never leave.
    blocked: Option<u64>,
    /// The call, where the room judges where it points.
    pub(crate) call: Option<HeldCall>,
    /// Its links, where the room judges them.
    pub(crate) links: Option<LinkReader>,
    /// For rooms that may redact.
    changes: Option<Changes>,
    /// For rooms with patterns and packs.
    tail: Option<Tail>,
}

/// A tool call that waits for its verdict.
pub(crate) struct HeldCall {
    pub(crate) channel: Channel,
    /// Its arguments so far.
    pub(crate) written: String,
    /// Where it points, about which the owner has yet to decide.
    pub(crate) confirm: Vec<Destination>,
    /// Nothing of it leaves before.
    pub(crate) may_leave: bool,
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
    pub(crate) fn new(policy: &Policy, is_arguments: bool, masks: Option<&Masks>) -> Text {
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
            scanner: policy.scanner(),
            arguments,
            is_ended: false,
            is_onlooker: false,
            asked: Vec::new(),
            blocked: None,
            call: None,
            links: None,
            changes,
            tail: Tail::new(policy),
        }
    }

    /// A text that goes on from here and only looks: nothing of it leaves.
    pub(crate) fn onlooker(&self) -> Text {
        Text {
            scanner: self.scanner.clone(),
            arguments: self.arguments.clone(),
            is_ended: false,
            is_onlooker: true,
            asked: Vec::new(),
            blocked: self.blocked,
            call: None,
            links: None,
            changes: None,
            tail: self.tail.clone(),
        }
    }

    /// Bytes of the decoded text that have arrived.
    pub(crate) fn pushed(&self) -> u64 {
        self.scanner.pushed()
    }

    /// Where an event that ends here ends. Inside an escape the last character is still to come.
    pub(crate) fn end(&self) -> u64 {
        let inside = self.arguments.as_ref().is_some_and(ArgumentsReader::is_inside_escape);
        self.scanner.pushed() + u64::from(inside)
    }

    /// How many bytes of the decoded text are no part of a match, or of one that is dealt with.
    pub(crate) fn safe(&self) -> u64 {
        if self.call.as_ref().is_some_and(|call| !call.may_leave) {
            return 0;
        }
        let asked = self.asked.iter().map(|(_, span)| span.start);
        let links = self.links.as_ref().map(LinkReader::safe);
        asked.chain(self.blocked).chain(links).fold(self.scanner.safe(), u64::min)
    }

    /// A match must never leave.
    pub(crate) fn block(&mut self, span: &Range<u64>) {
        self.blocked = Some(self.blocked.map_or(span.start, |first| first.min(span.start)));
    }

    /// Whether everything before `end` may leave.
    pub(crate) fn may_leave(&self, end: u64) -> bool {
        let is_open = |region: &Region| region.range.start < end && region.placeholder.is_none();
        self.safe() >= end
            && !self.changes.as_ref().is_some_and(|changes| changes.regions.iter().any(is_open))
    }

    /// Scans the next piece.
    pub(crate) fn push(&mut self, words: &str, found: &mut Vec<StreamViolation>) {
        let Text { scanner, arguments, changes, tail, .. } = self;
        let mut take = |part: Part<'_>| match part {
            Part::Text(decoded) => {
                if let Some(tail) = tail {
                    tail.push(decoded);
                }
                if let Some(changes) = changes {
                    changes.recent.push_str(decoded);
                }
                scanner.push(decoded, found);
            }
            Part::Boundary => scanner.boundary(found),
        };
        match arguments {
            None => take(Part::Text(words)),
            Some(reader) => reader.push(words, take),
        }
    }

    /// No more of this text comes.
    pub(crate) fn finish(&mut self, found: &mut Vec<StreamViolation>) {
        if std::mem::replace(&mut self.is_ended, true) {
            return;
        }
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
    }

    /// A match with the text that it stands in, for the record; with no text where none is kept.
    pub(crate) fn sighting<'a>(&'a self, found: &'a StreamViolation) -> Sighting<'a> {
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
    pub(crate) fn redact(&mut self, policy: &Policy, rule: usize, span: &Range<u64>) -> bool {
        let is_callers = self
            .changes
            .as_ref()
            .is_some_and(|changes| changes.masks.is_callers(policy, rule, self.matched(span)));
        let Some(changes) = &mut self.changes else { return false };
        if !is_callers {
            changes.add(rule, span.clone());
        }
        true
    }

    /// Every match that was found is noted.
    pub(crate) fn go_on(&mut self, policy: &Policy) {
        self.scanner.go_on();
        if let Some(tail) = &mut self.tail {
            tail.settle(&self.scanner);
        }
        let safe = self.changes.is_some().then(|| self.safe());
        if let (Some(changes), Some(safe)) = (&mut self.changes, safe) {
            changes.settle(policy, safe);
        }
    }

    /// What the caller reads of the next words that leave, and whether anything was replaced.
    pub(crate) fn leave(&mut self, words: &str) -> (String, bool) {
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
        while let Some(index) = self
            .regions
            .iter()
            .position(|region| region.range.start < added.range.end && added.range.start < region.range.end)
        {
            let Some(other) = self.regions.remove(index) else { break };
            if other.range.start < added.range.start
                || (other.range.start == added.range.start && other.range.end >= added.range.end)
            {
                added.rule = other.rule;
            }
            added.range = other.range.start.min(added.range.start)..other.range.end.max(added.range.end);
        }
        let index = self.regions.partition_point(|region| region.range.start < added.range.start);
        self.regions.insert(index, added);
    }

    /// Names the parts that nothing can overlap any more, and forgets text that is settled.
    fn settle(&mut self, policy: &Policy, safe: u64) {
        let mut needed = safe;
        for region in self.regions.iter_mut().filter(|region| region.placeholder.is_none()) {
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
        for (at, c) in words.char_indices() {
            let raw = &words[at..at + c.len_utf8()];
            let (start, end) = self.advance(raw);
            match self.regions.iter_mut().find(|region| start < region.range.end && region.range.start < end)
            {
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
        self.regions.retain(|region| region.range.end > left);
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
