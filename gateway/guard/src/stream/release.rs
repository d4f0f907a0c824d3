//! What leaves: events that wait for nothing, as they came or with what is replaced and restored.

use super::{Guard, Held, KEEP_ALIVE_PASSES_AFTER};
use crate::policy::Policy;
use crate::redact::spots::Edit;
use crate::redact::{Masks, Spot, restore};
use bytes::Bytes;
use smallvec::SmallVec;
use zos_core::Effect;
use zos_wire::dialect::Kind;
use zos_wire::json;
use zos_wire::sse::Frame;

impl Guard {
    /// Keep-alives hold no text. They keep their place among events, unless those wait for long.
    pub(super) fn keep_alive(&mut self, held: Held, out: &mut Vec<Bytes>) {
        self.release(out);
        match self.queue.front() {
            Some(front) if held.since.duration_since(front.since) >= KEEP_ALIVE_PASSES_AFTER => {
                out.push(held.frame.raw)
            }
            _ => self.queue.push_back(held),
        }
    }

    fn is_harmless(&self, held: &Held) -> bool {
        held.needs.iter().all(|(text, end)| self.texts.get(*text).is_some_and(|text| text.may_leave(*end)))
            && held
                .asked
                .iter()
                .all(|rule| matches!(self.policy.effect(*rule), Effect::Report | Effect::Redact))
            && held.confirm.iter().all(|target| self.policy.confirmed(target) == Some(true))
    }

    /// Lets go of every event from the front that waits for nothing.
    pub(crate) fn release(&mut self, out: &mut Vec<Bytes>) {
        while let Some(front) = self.queue.pop_front() {
            if !self.is_harmless(&front) {
                self.queue.push_front(front);
                return;
            }
            self.dialect.delivered(&front.delivered);
            out.push(self.leaving(&front));
        }
    }

    /// The bytes that the caller receives of an event: those that came, unless something in it is
    /// replaced or restored.
    fn leaving(&mut self, held: &Held) -> Bytes {
        let Some(masks) = &self.masks else { return held.frame.raw.clone() };
        let mut edits: Vec<Edit> = Vec::new();
        for piece in &held.pieces {
            let (said, has_replaced) = self.texts[piece.text].leave(&piece.words);
            self.has_replaced |= has_replaced;
            if said != piece.words {
                edits.push((piece.place.clone(), json::escape(&said)));
            }
        }
        let skip: SmallVec<[usize; 2]> = held.pieces.iter().map(|piece| piece.place.start).collect();
        let is_restorable = || std::str::from_utf8(&held.frame.raw).is_ok_and(restore::may_hold);
        if !held.spots.is_empty() || is_restorable() {
            let others = others(&held.frame, &self.policy, masks, &held.spots, &skip);
            self.has_replaced |= others.1;
            edits.extend(others.0);
        }
        if edits.is_empty() {
            return held.frame.raw.clone();
        }
        edits.sort_by_key(|(place, _)| place.start);
        held.frame.edited(&edits)
    }

    /// After a cut: the harmless start of the text of the first event that may not leave.
    pub(crate) fn release_start(&mut self, out: &mut Vec<Bytes>) {
        let Some(first) = self.queue.pop_front() else { return };
        self.queue.clear();
        if !first.asked.is_empty()
            || !first.confirm.is_empty()
            || first.needs.iter().any(|(text, _)| *text == usize::MAX)
        {
            return;
        }
        for said in first.pieces.iter().filter(|piece| piece.channel.kind == Kind::Text) {
            let mut safe = self.texts[said.text].safe().saturating_sub(said.start);
            if let Some((joined, end)) = first.needs.iter().find(|(text, _)| self.texts[*text].is_onlooker) {
                let joined_start = end.saturating_sub(said.words.len() as u64);
                safe = safe.min(self.texts[*joined].safe().saturating_sub(joined_start));
            }
            let safe = said.words.floor_char_boundary(usize::try_from(safe).unwrap_or(usize::MAX));
            let (words, has_replaced) = self.texts[said.text].leave(&said.words[..safe]);
            self.has_replaced |= has_replaced;
            if !words.is_empty() {
                out.push(self.dialect.text_event(said.channel, &words));
            }
        }
    }
}

/// The edits in the strings of an event that are no pieces, and whether any of them replaces something.
fn others(
    frame: &Frame,
    policy: &Policy,
    masks: &Masks,
    spots: &[Spot],
    skip: &[usize],
) -> (Vec<Edit>, bool) {
    let Ok(fields) = frame.fields() else { return (Vec::new(), false) };
    let data = fields.data.unwrap_or_default();
    let Ok(value) = json::parse(&data) else { return (Vec::new(), false) };
    let replaced = masks.replaced(policy, &data, spots);
    let has_replaced = !replaced.is_empty();
    (masks.changed(&value, replaced, skip), has_replaced)
}
