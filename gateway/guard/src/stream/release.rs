//! What leaves: events that wait for nothing, as they came or with what is replaced and restored.

use super::text::{Text, Watcher};
use super::{Guard, Held, HeldPiece, KEEP_ALIVE_PASSES_AFTER, Need, WouldMatch};
use crate::policy::Policy;
use crate::redact::spots::Edit;
use crate::redact::{Masks, restore};
use bytes::Bytes;
use smallvec::SmallVec;
use std::ops::Range;
use zos_core::Effect;
use zos_wire::json;
use zos_wire::places::Role;

impl Guard {
    /// Keep-alives hold no text. They keep their place among events, unless those wait for long.
    pub(super) fn keep_alive(&mut self, held: Held, out: &mut Vec<Bytes>) {
        self.release(out);
        match self.queue.front() {
            Some(front) if held.since.duration_since(front.since) >= KEEP_ALIVE_PASSES_AFTER => {
                out.push(held.frame.raw)
            }
            _ => self.wait(held),
        }
    }

    fn is_harmless(&self, held: &Held) -> bool {
        !held.is_refused
            && held.needs.iter().all(|need| self.is_met(*need))
            && held
                .asked
                .iter()
                .all(|rule| matches!(self.policy.effect(*rule), Effect::Report | Effect::Redact))
            && held.confirm.iter().all(|target| self.policy.confirmed(target) == Some(true))
    }

    fn is_met(&self, need: Need) -> bool {
        match need {
            Need::View { view, time, end } => self.views.safe(view, time) >= end,
            Need::Text { text, end } => {
                let text = &self.texts[text];
                let knows =
                    |watcher: &Watcher| self.views.safe(watcher.view, watcher.time) >= end.min(watcher.from);
                text.may_leave(end) && text.watchers().iter().all(knows)
            }
        }
    }

    /// What would be a match if nothing came behind an event that is about to wait: in what the event itself goes on with,
    /// and in what stands open since an earlier one.
    pub(super) fn would_match(&mut self, held: &Held) -> Option<WouldMatch> {
        let mut open = std::mem::take(&mut self.open_ends);
        open.extend(held.needs.iter().copied().filter(|need| !self.is_met(*need)));
        let mut first = None;
        open.retain(|need| {
            let would = self.match_at_end(*need);
            first = first.or(would);
            would.is_some()
        });
        open.dedup_by_key(|need| need.reader());
        self.open_ends = open;
        first
    }

    fn match_at_end(&self, need: Need) -> Option<WouldMatch> {
        let first = |text: &Text| {
            let found = text.at_end();
            let counts =
                found.iter().filter(|violation| self.policy.effect(violation.rule) != Effect::Report);
            counts.map(|violation| (violation.rule, violation.span.start)).min_by_key(|(_, start)| *start)
        };
        match need {
            Need::Text { text, .. } => {
                first(&self.texts[text]).map(|(rule, from)| WouldMatch { rule, text, from })
            }
            // Its places are not those of a text, so nothing of the piece is said.
            Need::View { view, time, .. } => {
                let view = Some(self.views.get(view)).filter(|view| view.time == time)?;
                let (rule, _) = first(&view.live.as_ref()?.text)?;
                Some(WouldMatch { rule, text: view.last()?, from: 0 })
            }
        }
    }

    /// Whether it was no match in the end. One that was is dealt with as such.
    fn was_none(&self, would: &WouldMatch) -> bool {
        !self.texts[would.text].knows(would.rule, would.from)
    }

    /// Number of events from the front that wait for nothing.
    fn free(&self) -> usize {
        let mut free = 0;
        for (number, held) in self.queue.iter().enumerate() {
            if !self.is_harmless(held) {
                break;
            }
            if self.is_finished || !held.would_match.is_some_and(|would| self.was_none(&would)) {
                free = number + 1;
            }
        }
        free
    }

    /// Lets go of every event from the front that waits for nothing.
    pub(super) fn release(&mut self, out: &mut Vec<Bytes>) {
        for _ in 0..self.free() {
            let Some(front) = self.queue.pop_front() else { return };
            self.held_bytes -= front.frame.raw.len();
            self.dialect.delivered(&front.delivered);
            out.push(self.leaving(&front));
        }
    }

    /// The bytes that the caller receives of an event: those that came, unless something in it is
    /// replaced or restored. What repeats text that was replaced is left out.
    fn leaving(&mut self, held: &Held) -> Bytes {
        let Some(masks) = &self.masks else { return held.frame.raw.clone() };
        let mut edits: Vec<Edit> = Vec::new();
        let mut repeats_replaced = false;
        for piece in &held.pieces {
            let (said, has_replaced) = self.texts[piece.text].leave(&piece.words);
            self.has_replaced |= has_replaced;
            if piece.role == Role::Echo {
                repeats_replaced |= has_replaced || said != piece.words;
            } else if said != piece.words {
                let written = json::escape(&said);
                let written = if piece.is_number { format!("\"{written}\"") } else { written };
                edits.push((piece.place.clone(), written));
            }
        }
        let strings = held.pieces.iter().filter(|piece| !piece.place.is_empty());
        let skip: SmallVec<[usize; 2]> = strings.map(|piece| piece.place.start).collect();
        let is_restorable = || std::str::from_utf8(&held.frame.raw).is_ok_and(restore::may_hold);
        if !held.spots.is_empty() || is_restorable() {
            let others = others(held, &self.policy, masks, &skip);
            self.has_replaced |= others.1;
            edits.extend(others.0);
        }
        if repeats_replaced || self.has_replaced {
            let is_inside = |place: &Range<usize>| {
                held.echoes.iter().any(|(echo, _)| echo.start <= place.start && place.end <= echo.end)
            };
            edits.retain(|(place, _)| !is_inside(place));
            edits.extend(held.echoes.iter().map(|(echo, instead)| (echo.clone(), (*instead).to_owned())));
        }
        if edits.is_empty() {
            return held.frame.raw.clone();
        }
        edits.sort_by_key(|(place, _)| place.start);
        held.frame.edited(&edits)
    }

    /// After a cut: the harmless start of the text of the first event that may not leave.
    pub(super) fn release_start(&mut self, out: &mut Vec<Bytes>) {
        while self.is_gone_on_with() {
            let Some(front) = self.queue.pop_front() else { break };
            self.dialect.delivered(&front.delivered);
            out.push(self.leaving(&front));
        }
        let Some(first) = self.queue.pop_front() else { return };
        self.queue.clear();
        self.held_bytes = 0;
        if !first.asked.is_empty() || !first.confirm.is_empty() || first.is_refused {
            return;
        }
        for said in &first.pieces {
            let Some(channel) = said.spoken else { continue };
            let safe = self.sayable(&first, said);
            let (words, has_replaced) = self.texts[said.text].leave(&said.words[..safe]);
            self.has_replaced |= has_replaced;
            if !words.is_empty() {
                out.push(self.start(channel, &words));
            }
            // What comes behind a gap is not said.
            if safe < said.words.len() {
                return;
            }
        }
    }

    /// Whether the first event is harmless and waits only for the next one, of which enough is said to make no match of
    /// its end.
    fn is_gone_on_with(&self) -> bool {
        let (Some(first), Some(next)) = (self.queue.front(), self.queue.get(1)) else { return false };
        let Some(would) = first.would_match.filter(|would| self.was_none(would)) else { return false };
        let goes_on = next.pieces.iter().find(|said| said.spoken.is_some()).is_some_and(|said| {
            said.text == would.text && said.words[..self.sayable(next, said)].contains(char::is_alphanumeric)
        });
        let is_stopped = !next.asked.is_empty() || !next.confirm.is_empty() || next.is_refused;
        goes_on && !is_stopped && self.is_harmless(first)
    }

    /// How much of a piece may be said before a cut, in bytes: what is harmless, and ends in nothing that would be a match.
    fn sayable(&self, held: &Held, said: &HeldPiece) -> usize {
        let safe = self.safe_part(said, &held.needs);
        match held.would_match.filter(|would| would.text == said.text && self.was_none(would)) {
            Some(would) => {
                let before = usize::try_from(would.from.saturating_sub(said.start)).unwrap_or(usize::MAX);
                said.words.floor_char_boundary(safe.min(before))
            }
            None => safe,
        }
    }

    /// How much of a piece is harmless, in bytes.
    fn safe_part(&self, said: &HeldPiece, needs: &[Need]) -> usize {
        let text = &self.texts[said.text];
        let mut safe = text.safe();
        for watcher in text.watchers() {
            let known = self.views.safe(watcher.view, watcher.time);
            safe = if known < watcher.from { safe.min(known) } else { safe };
        }
        let mut safe = safe.saturating_sub(said.start);
        for need in needs {
            if let Need::View { view, time, end } = need {
                let unknown = end.saturating_sub(self.views.safe(*view, *time));
                safe = safe.min((said.words.len() as u64).saturating_sub(unknown));
            }
        }
        said.words.floor_char_boundary(usize::try_from(safe).unwrap_or(usize::MAX))
    }
}

/// The edits in the strings of an event that are no pieces, and whether any of them replaces something.
fn others(held: &Held, policy: &Policy, masks: &Masks, skip: &[usize]) -> (Vec<Edit>, bool) {
    let Ok(fields) = held.frame.fields() else { return (Vec::new(), false) };
    let data = fields.data.unwrap_or_default();
    let Ok(value) = json::parse(&data) else { return (Vec::new(), false) };
    let replaced = masks.replaced(policy, &data, &held.spots);
    let has_replaced = !replaced.is_empty();
    let tool = held.tool.as_deref().unwrap_or_default();
    (masks.changed_of(&value, replaced, skip, tool), has_replaced)
}
