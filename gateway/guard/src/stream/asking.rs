//! What waits for the owner's decision, and what becomes of it.

use super::Guard;
use crate::destination::Subject;
use crate::targets::Court;
use bytes::Bytes;
use zos_core::Effect;
use zos_wire::sse::Stop;

impl Guard {
    /// What the owner has yet to decide before the stream can go on: words first, then targets.
    pub fn asking(&self) -> Option<Subject> {
        let rules = self.asked_rules();
        if !rules.is_empty() {
            return Some(Subject::Rules(rules));
        }
        Subject::targets(self.findings.targets.open(&self.policy))
    }

    fn asked_rules(&self) -> Vec<usize> {
        if !self.policy.may_ask() {
            return Vec::new();
        }
        let views = self.views.live().map(|live| &live.text);
        let in_texts =
            self.texts.iter().chain(views).flat_map(|text| text.asked.iter().map(|(rule, _)| *rule));
        let in_events = self.queue.iter().flat_map(|held| held.asked.iter().copied());
        let mut rules: Vec<usize> =
            in_texts.chain(in_events).filter(|rule| self.policy.effect(*rule) == Effect::Ask).collect();
        rules.sort_unstable();
        rules.dedup();
        rules
    }

    /// The owner decided what this leads to in this answer. What may leave now is appended to `out`.
    ///
    /// # Errors
    /// As for [`Guard::take`].
    pub fn decide(&mut self, subject: &Subject, effect: Effect, out: &mut Vec<Bytes>) -> Result<(), Stop> {
        self.policy.decide(subject, effect);
        let settled = match subject {
            Subject::Rules(_) => self.settle_asked(),
            Subject::Targets(_) => self.settle_targets(),
        };
        let decided = settled.and_then(|()| self.check_findings());
        if decided.is_err() && self.has_held_call() {
            self.is_call_stopped = true;
        }
        match decided {
            Ok(()) => self.release(out),
            Err(_) => self.release_start(out),
        }
        decided
    }

    /// Deals with the matches that the owner has decided about.
    fn settle_asked(&mut self) -> Result<(), Stop> {
        let mut settled = Ok(());
        for text in 0..self.texts.len() {
            for (rule, span) in std::mem::take(&mut self.texts[text].asked) {
                let effect = self.policy.effect(rule);
                if effect == Effect::Ask {
                    self.texts[text].asked.push((rule, span.clone()));
                }
                settled = settled.and(self.deal(text, rule, &span, effect));
            }
            self.texts[text].go_on(&self.policy);
        }
        for view in 0..self.views.len() {
            settled = settled.and(self.settle_view(view));
        }
        settled
    }

    /// The same for a match over a seam, which cannot be replaced.
    fn settle_view(&mut self, view: usize) -> Result<(), Stop> {
        let Guard { views, policy, findings, .. } = self;
        let Some(live) = &mut views.get_mut(view).live else { return Ok(()) };
        let mut settled = Ok(());
        for (rule, span) in std::mem::take(&mut live.text.asked) {
            match policy.effect(rule) {
                Effect::Report => {}
                Effect::Ask => live.text.asked.push((rule, span)),
                Effect::Redact | Effect::Block => {
                    findings.note_fixed(rule, || "stream".to_owned());
                    live.text.block(&span);
                    settled = Err(Stop::Refused);
                }
            }
        }
        settled
    }

    /// Lets go of the calls and links that the owner has confirmed.
    fn settle_targets(&mut self) -> Result<(), Stop> {
        self.check_findings()?;
        let views = self.views.all().filter_map(|view| view.live.as_mut()).map(|live| &mut live.text);
        for text in self.texts.iter_mut().chain(views) {
            let court = Court { policy: &self.policy, masks: self.masks.as_ref() };
            if let Some(call) = text.call.as_mut().filter(|call| !call.confirm.is_empty()) {
                call.confirm.retain(|target| self.policy.confirmed(target).is_none());
                call.may_leave = call.confirm.is_empty();
            }
            if let Some(links) = &mut text.links {
                links.go_on(court, &mut self.findings.targets);
            }
        }
        Ok(())
    }

    /// Whether a whole call waits for the owner.
    pub(crate) fn has_held_call(&self) -> bool {
        let in_texts =
            self.texts.iter().any(|text| text.call.as_ref().is_some_and(|call| !call.confirm.is_empty()));
        in_texts || self.queue.iter().any(|held| !held.confirm.is_empty())
    }
}
