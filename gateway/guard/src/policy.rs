//! The rules of a room as they hold for one call.

use crate::destination::{Destination, Subject};
use smallvec::SmallVec;
use std::sync::Arc;
use zos_core::targets::RestoreTo;
use zos_core::{Context, Effect, RoomPolicy};
use zos_rules::{Action, RoomRules, RuleKind, Scanner};

/// The rules of the room that governs a call, whether the owner has paused the shield, and what the
/// owner decided about this call.
#[derive(Clone)]
pub struct Policy {
    room: Arc<RoomPolicy>,
    is_paused: bool,
    /// Whether any rule may replace text of a call, and whether any may ask. Looked up once a call.
    may_redact: bool,
    may_ask: bool,
    /// What the owner decided, by rule.
    decided: SmallVec<[(usize, Effect); 2]>,
    /// Targets of which the owner said whether they pass.
    confirmed: Vec<(Destination, bool)>,
    /// The rooms whose lists say where tool calls may point: the one that governs, and those whose memory
    /// the conversation has read. Only those that list anything.
    target_rooms: Arc<[Arc<Context>]>,
    checks_links: bool,
}

impl Policy {
    /// The policy of one call. It is fixed when the call arrives: a pause, or its end, or a save of the
    /// room's file holds for the calls that come after. Only what the owner decides about this very call
    /// changes it.
    pub fn new(room: Arc<RoomPolicy>, is_paused: bool) -> Self {
        let may_ask = !is_paused && room.effects.contains(&Effect::Ask);
        let may_redact = may_ask || (!is_paused && room.effects.contains(&Effect::Redact));
        Policy {
            room,
            is_paused,
            may_redact,
            may_ask,
            decided: SmallVec::new(),
            confirmed: Vec::new(),
            target_rooms: Arc::new([]),
            checks_links: false,
        }
    }

    /// The same with the target lists of these rooms, the one that governs first.
    pub fn with_targets(mut self, rooms: impl IntoIterator<Item = Arc<Context>>) -> Self {
        let mut rooms = rooms.into_iter().peekable();
        self.checks_links = rooms.peek().is_some_and(|governing| governing.targets.check_links);
        self.target_rooms = rooms.filter(|room| room.targets.are_active()).collect();
        self
    }

    /// The rooms whose target lists hold for the call.
    pub(crate) fn target_rooms(&self) -> &[Arc<Context>] {
        &self.target_rooms
    }

    /// Whether tool calls are judged by where they point.
    pub fn judges_calls(&self) -> bool {
        !self.target_rooms.is_empty()
    }

    /// Whether links in text are judged too.
    pub fn judges_links(&self) -> bool {
        self.checks_links && self.judges_calls()
    }

    /// Whether the owner has paused the shield: then all is reported and nothing is stopped.
    pub fn is_paused(&self) -> bool {
        self.is_paused
    }

    /// The compiled rules.
    pub fn rules(&self) -> &RoomRules {
        &self.room.rules
    }

    /// What a violation of a rule leads to.
    pub fn effect(&self, rule: usize) -> Effect {
        if self.is_paused {
            return Effect::Report;
        }
        let decided = self.decided.iter().find(|(of, _)| *of == rule);
        decided.map_or(self.room.effects[rule], |(_, effect)| *effect)
    }

    /// What the owner said of a target; `None` where nothing yet.
    pub(crate) fn confirmed(&self, target: &Destination) -> Option<bool> {
        let known = self.confirmed.iter().find(|(known, _)| known == target);
        known.map(|(_, passes)| *passes)
    }

    /// The owner decided what the subject of an ask leads to in this call.
    pub fn decide(&mut self, subject: &Subject, effect: Effect) {
        match subject {
            Subject::Rules(rules) => {
                self.decided.retain(|(rule, _)| !rules.contains(rule));
                self.decided.extend(rules.iter().map(|rule| (*rule, effect)));
            }
            Subject::Targets(targets) => {
                self.confirmed.retain(|(known, _)| !targets.contains(known));
                let passes = effect == Effect::Report;
                self.confirmed.extend(targets.iter().map(|target| (target.clone(), passes)));
            }
        }
    }

    /// Whether any rule replaces text of a call, or may be decided to.
    pub fn may_redact(&self) -> bool {
        self.may_redact
    }

    /// Whether anything may be stopped or replaced. Then what can be read in two ways is not let through.
    pub fn is_strict(&self) -> bool {
        !self.is_paused
            && (self.judges_calls() || self.room.effects.iter().any(|effect| *effect != Effect::Report))
    }

    /// Whether any rule may ask the owner.
    pub fn may_ask(&self) -> bool {
        self.may_ask
    }

    /// Whether any target may have to be confirmed by the owner.
    pub fn may_confirm(&self) -> bool {
        !self.is_paused && self.target_rooms.iter().any(|room| room.targets.may_confirm())
    }

    /// The id of a rule, safe to show.
    pub fn rule_id(&self, rule: usize) -> &str {
        &self.room.rules.rule(rule).id
    }

    /// What a match of a rule is called in its placeholder.
    pub(crate) fn label(&self, rule: usize) -> &str {
        self.room.labels.get(rule).map_or("text", String::as_str)
    }

    /// The kind of a secret that a rule found, and the places that it may be put back for; `None` where it is none.
    /// A secret that only its surroundings told is of the kind `secrets`.
    pub(crate) fn secret(&self, rule: usize, matched: &str) -> Option<(Arc<str>, Arc<RestoreTo>)> {
        let own = self.room.restore_to.get(rule).and_then(Option::as_ref);
        let is_pack =
            matches!(&self.rules().rule(rule).kind, RuleKind::Pack(pack) if pack.name() == "secrets");
        if !is_pack {
            return own.map(|own| (self.rule_id(rule).into(), Arc::new(own.clone())));
        }
        let mut found = Vec::new();
        self.rules().scan(matched, &mut found);
        let known = found.into_iter().filter(|found| found.rule == rule).find_map(|found| found.detector);
        let kind = known.unwrap_or_else(|| "secrets".into());
        let to = own.cloned().unwrap_or_else(|| RestoreTo::of_kind(&kind));
        Some((kind, Arc::new(to)))
    }

    /// The term that a rule lists; `None` for patterns and packs. Never to be shown.
    pub fn term(&self, rule: usize) -> Option<&str> {
        match &self.room.rules.rule(rule).kind {
            RuleKind::Term(term) => Some(term.text()),
            RuleKind::Pattern(_) | RuleKind::Pack(_) => None,
        }
    }

    /// A scanner for a text that arrives in pieces.
    pub(crate) fn scanner(&self) -> Scanner {
        self.room.rules.stream_for(|rule| !self.is_paused && rule.action != Action::Warn)
    }
}
