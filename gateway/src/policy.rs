//! The rules of a room as they hold for one call.

use std::sync::Arc;
use zos_core::{Effect, RoomPolicy};
use zos_rules::{Action, RoomRules, Scanner};

/// The rules of the room that governs a call, and whether the owner has paused the shield.
#[derive(Clone)]
pub(crate) struct Policy {
    room: Arc<RoomPolicy>,
    is_paused: bool,
}

impl Policy {
    /// The policy of one call. It is fixed when the call arrives: a pause, or its end, or a save of the
    /// room's file holds for the calls that come after.
    pub(crate) fn new(room: Arc<RoomPolicy>, is_paused: bool) -> Self {
        Policy { room, is_paused }
    }

    /// The compiled rules.
    pub(crate) fn rules(&self) -> &RoomRules {
        &self.room.rules
    }

    /// What a violation of a rule leads to.
    pub(crate) fn effect(&self, rule: usize) -> Effect {
        if self.is_paused { Effect::Report } else { self.room.effects[rule] }
    }

    /// Whether a violation of a rule must not pass.
    ///
    /// Redacting and asking are not built yet; until they are, text that asks for them does not pass.
    pub(crate) fn blocks(&self, rule: usize) -> bool {
        self.effect(rule) != Effect::Report
    }

    /// The id of a rule, safe to show.
    pub(crate) fn rule_id(&self, rule: usize) -> &str {
        &self.room.rules.rule(rule).id
    }

    /// A scanner for a text that arrives in pieces.
    pub(crate) fn scanner(&self) -> Scanner {
        self.room.rules.stream_for(|rule| !self.is_paused && rule.action != Action::Warn)
    }
}
