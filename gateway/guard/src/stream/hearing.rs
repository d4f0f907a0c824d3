//! What comes in pieces: each text scanned by itself, and what views read over the seams between texts.

use super::text::{HeldCall, Text};
use super::views::Lies;
use super::{Guard, Held, HeldPiece, Need, TEXTS_LIMIT};
use crate::stream::arguments::Part;
use crate::targets::{Court, LinkReader};
use std::ops::Range;
use zos_core::Effect;
use zos_rules::StreamViolation;
use zos_wire::places::{Kind, Leaf, Place, ROOT, Role, Words};
use zos_wire::sse::Stop;

/// A part of a decoded text, to be handed to views.
enum Decoded {
    Text(String),
    Boundary,
}

impl Guard {
    /// Takes a piece of a text.
    pub(super) fn piece(&mut self, leaf: &Leaf<'_>, held: &mut Held) -> Result<(), Stop> {
        let words = leaf.text();
        if leaf.role == Role::Piece {
            self.said.add(&words);
        }
        if self.policy.rules().is_empty() && !self.policy.judges_calls() {
            return Ok(());
        }
        let text = self.text_of(leaf)?;
        // Who says nothing interrupts nobody.
        let speaks = leaf.role == Role::Piece && !words.is_empty();
        if speaks && self.views.is_interrupted(text) {
            self.go_on_with(text).inspect_err(|_| held.is_refused = true)?;
        }
        if leaf.spoken.is_some() || self.masks.is_some() {
            held.pieces.push(HeldPiece {
                role: leaf.role,
                spoken: leaf.spoken,
                text,
                start: self.texts[text].pushed(),
                place: leaf.range.clone(),
                is_number: matches!(leaf.words, Words::Number(_)),
                words: words.clone().into_owned(),
            });
        }
        let views = if speaks { self.turn_views(leaf, text, &words) } else { Vec::new() };
        let mut parts = Vec::new();
        let pushed = self.push(text, &words, (!views.is_empty()).then_some(&mut parts));
        held.needs.push(Need::Text { text, end: self.texts[text].end() });
        pushed?;
        if let Some(channel) = leaf.spoken.filter(|_| self.dialect.ends_blocks()) {
            let found = self.order.take(channel, text, &words, &self.texts);
            self.note_order(&found).inspect_err(|_| held.is_refused = true)?;
        }
        for view in views {
            let heard = self.hear(view, &parts);
            if let Some(live) = &self.views.get(view).live {
                let (time, end) = (self.views.get(view).time, live.text.pushed());
                held.needs.push(Need::View { view, time, end });
            }
            heard?;
            self.views.get_mut(view).settle();
        }
        Ok(())
    }

    /// A text goes on behind another one: what was a match where it was left is one to whoever appends what arrives.
    fn go_on_with(&mut self, text: usize) -> Result<(), Stop> {
        let interrupted = self.texts[text].interrupted();
        self.note(text, &interrupted)
    }

    /// Tells the views which text speaks; gives those that read over a seam.
    fn turn_views(&mut self, leaf: &Leaf<'_>, text: usize, words: &str) -> Vec<usize> {
        let is_letter = |c: Option<char>| c.is_some_and(|c| !c.is_whitespace());
        let is_within_word = is_letter(self.texts[text].last_char()) && is_letter(words.chars().next());
        let mut live = Vec::new();
        let scopes = [leaf.scope, ROOT];
        // Most APIs have one choice: the whole answer.
        for scope in &scopes[..if leaf.scope == ROOT { 1 } else { 2 }] {
            for number in self.views.hearing(*scope, leaf.kind) {
                if self.views.turn_to(number, text, is_within_word, &mut self.texts) {
                    live.push(number);
                }
            }
        }
        live
    }

    fn text_of(&mut self, leaf: &Leaf<'_>) -> Result<usize, Stop> {
        if let Some(text) = self.seat(leaf.place).text {
            return Ok(text);
        }
        if self.texts.len() == TEXTS_LIMIT {
            return Err(Stop::Unreadable("the answer has too many texts"));
        }
        let is_arguments = leaf.kind == Kind::Arguments && leaf.role == Role::Piece;
        let mut text = Text::new(&self.policy, leaf.block, is_arguments, self.masks.as_ref());
        text.call = (is_arguments && self.holds_calls).then(|| HeldCall {
            place: leaf.call,
            written: String::new(),
            confirm: Vec::new(),
            is_judged: false,
            may_leave: self.policy.is_paused(),
        });
        if is_arguments {
            self.cut_links()?;
        }
        let is_shown = leaf.kind == Kind::Text && leaf.role == Role::Piece;
        text.links = (is_shown && self.policy.judges_links()).then(LinkReader::default);
        self.texts.push(text);
        self.seat(leaf.place).text = Some(self.texts.len() - 1);
        Ok(self.texts.len() - 1)
    }

    fn push(&mut self, text: usize, words: &str, parts: Option<&mut Vec<Decoded>>) -> Result<(), Stop> {
        let mut found = Vec::new();
        if let Some(links) = &mut self.texts[text].links {
            let court = Court { policy: &self.policy, masks: self.masks.as_ref() };
            links.push(court, words, &mut self.findings.targets);
        }
        self.write_call(text, words)?;
        match parts {
            None => self.texts[text].push(words, &mut found, |_| {}),
            Some(parts) => self.texts[text].push(words, &mut found, |part| {
                parts.push(match part {
                    Part::Text(decoded) => Decoded::Text((*decoded).to_owned()),
                    Part::Boundary => Decoded::Boundary,
                });
            }),
        }
        self.note(text, &found)?;
        self.check_findings()
    }

    /// A view reads on.
    fn hear(&mut self, view: usize, parts: &[Decoded]) -> Result<(), Stop> {
        let mut found = Vec::new();
        let court = Court { policy: &self.policy, masks: self.masks.as_ref() };
        let Some(live) = &mut self.views.get_mut(view).live else { return Ok(()) };
        for part in parts {
            let part = match part {
                Decoded::Text(words) => Part::Text(words),
                Decoded::Boundary => Part::Boundary,
            };
            live.hear(&part, &mut found);
            if let (Some(links), Part::Text(words)) = (&mut live.text.links, part) {
                links.push(court, words, &mut self.findings.targets);
            }
        }
        self.note_view(view, &found)?;
        self.check_findings()
    }

    /// The provider says that a block is over, or all are.
    pub(super) fn close_block(&mut self, block: Option<Place>) -> Result<(), Stop> {
        for text in 0..self.texts.len() {
            let is_its = block.is_none_or(|block| self.texts[text].block == block);
            if is_its && !self.texts[text].is_closed {
                self.close(text)?;
            }
        }
        if !self.dialect.ends_blocks() {
            return Ok(());
        }
        for view in 0..self.views.len() {
            for block in block.into_iter().chain(self.last_block(view).filter(|_| block.is_none())) {
                self.views.get_mut(view).end_block(view, &mut self.texts, block);
            }
        }
        Ok(())
    }

    fn last_block(&self, view: usize) -> Option<Place> {
        self.views.get(view).last().map(|text| self.texts[text].block)
    }

    fn close(&mut self, text: usize) -> Result<(), Stop> {
        if !self.dialect.ends_blocks() {
            self.texts[text].is_closed = true;
            return Ok(());
        }
        if let Some(links) = &mut self.texts[text].links {
            let court = Court { policy: &self.policy, masks: self.masks.as_ref() };
            links.close(court, &mut self.findings.targets);
        }
        let mut found = Vec::new();
        self.texts[text].close(&mut found);
        self.note(text, &found)?;
        self.check_call_end(text)?;
        self.end_call(text)
    }

    /// The stream is over, and with it every text.
    pub(super) fn finish_all(&mut self) -> Result<(), Stop> {
        let mut outcome = Ok(());
        for text in 0..self.texts.len() {
            outcome = outcome.and(self.finish_text(text));
        }
        for view in 0..self.views.len() {
            outcome = outcome.and(self.finish_view(view));
        }
        self.is_finished = outcome.is_ok();
        outcome
    }

    fn finish_text(&mut self, text: usize) -> Result<(), Stop> {
        if let Some(links) = &mut self.texts[text].links {
            let court = Court { policy: &self.policy, masks: self.masks.as_ref() };
            links.finish(court, &mut self.findings.targets);
        }
        let mut found = Vec::new();
        self.texts[text].finish(&mut found);
        self.note(text, &found)?;
        self.check_call_end(text)?;
        self.end_call(text)
    }

    fn finish_view(&mut self, view: usize) -> Result<(), Stop> {
        let Some(live) = &mut self.views.get_mut(view).live else { return Ok(()) };
        let mut found = Vec::new();
        live.text.finish(&mut found);
        if let Some(links) = &mut live.text.links {
            let court = Court { policy: &self.policy, masks: self.masks.as_ref() };
            links.finish(court, &mut self.findings.targets);
        }
        self.note_view(view, &found)?;
        self.check_findings()
    }

    /// A call that ends behind something denied is not judged any more, and stays held.
    fn check_call_end(&mut self, text: usize) -> Result<(), Stop> {
        let checked = self.check_findings();
        self.is_call_stopped |= checked.is_err() && self.texts[text].call.is_some();
        checked
    }

    /// A tool call begins: a link in text does not go on behind it.
    fn cut_links(&mut self) -> Result<(), Stop> {
        let court = Court { policy: &self.policy, masks: self.masks.as_ref() };
        for view in self.views.all() {
            view.cut_links(court, &mut self.findings.targets);
        }
        self.check_findings()
    }

    /// Deals with what was found in a text: the room's rules say how.
    fn note(&mut self, text: usize, found: &[StreamViolation]) -> Result<(), Stop> {
        let mut noted = Ok(());
        for violation @ StreamViolation { rule, span, .. } in found {
            let sighting = self.texts[text].sighting(violation);
            self.findings.note(&self.policy, &sighting, || "stream".to_owned());
            self.texts[text].note(*rule, span.start);
            let effect = self.policy.effect(*rule);
            if effect == Effect::Ask {
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

    /// Deals with what a view found over a seam. It cannot be replaced.
    fn note_view(&mut self, view: usize, found: &[StreamViolation]) -> Result<(), Stop> {
        let Guard { views, policy, findings, texts, .. } = self;
        let Some(live) = &mut views.get_mut(view).live else { return Ok(()) };
        let mut noted = Ok(());
        for violation @ StreamViolation { rule, span, .. } in found {
            match live.place(violation) {
                Lies::Over => {}
                Lies::AtStart { text, start } if !texts[text].knows(*rule, start) => {}
                Lies::AtEnd { text, end } => {
                    let start = end.saturating_sub(span.end - span.start);
                    let own = texts[text]
                        .at_end()
                        .into_iter()
                        .find(|own| (own.rule, own.span.start) == (*rule, start));
                    match own {
                        Some(own) => {
                            texts[text].interrupt(own);
                            continue;
                        }
                        None if texts[text].knows(*rule, start) => continue,
                        None => {}
                    }
                }
                Lies::AtStart { .. } | Lies::Elsewhere => continue,
            }
            findings.note(policy, &live.text.sighting(violation), || "stream".to_owned());
            match policy.effect(*rule) {
                Effect::Report => {}
                Effect::Ask => live.text.asked.push((*rule, span.clone())),
                Effect::Redact | Effect::Block => {
                    findings.note_fixed(*rule, || "stream".to_owned());
                    live.text.block(span);
                    noted = Err(Stop::Refused);
                }
            }
        }
        live.text.go_on(policy);
        noted
    }

    /// Deals with what lies over the seams between blocks by index. A part of it has left, so it can neither be
    /// replaced nor wait for the owner.
    fn note_order(&mut self, found: &[(usize, StreamViolation)]) -> Result<(), Stop> {
        let mut noted = Ok(());
        for (text, violation) in found {
            let sighting = self.texts[*text].sighting(violation);
            self.findings.note(&self.policy, &sighting, || "stream".to_owned());
            if self.policy.effect(violation.rule) != Effect::Report {
                self.findings.note_fixed(violation.rule, || "stream".to_owned());
                noted = Err(Stop::Refused);
            }
        }
        noted
    }

    /// A match would have to be replaced and cannot be.
    fn refuse(&mut self, text: usize, rule: usize, span: &Range<u64>) -> Result<(), Stop> {
        self.findings.note_fixed(rule, || "stream".to_owned());
        self.texts[text].block(span);
        Err(Stop::Refused)
    }

    /// Does to a match what is decided.
    pub(super) fn deal(
        &mut self,
        text: usize,
        rule: usize,
        span: &Range<u64>,
        effect: Effect,
    ) -> Result<(), Stop> {
        match effect {
            Effect::Report | Effect::Ask => Ok(()),
            Effect::Redact if self.texts[text].redact(&self.policy, rule, span) => Ok(()),
            Effect::Redact => self.refuse(text, rule, span),
            Effect::Block => {
                self.texts[text].block(span);
                Err(Stop::Refused)
            }
        }
    }
}
