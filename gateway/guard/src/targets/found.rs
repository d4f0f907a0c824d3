//! What was found of targets in one answer: what is stopped, and what the owner has to confirm.

use crate::destination::Destination;
use crate::policy::Policy;
use zos_core::ContextName;
use zos_core::targets::{JudgedTarget, TargetVerdict, for_the_owner};

/// The most different targets that one answer can ask about. Nobody reads a longer list before deciding.
const CONFIRM_LIMIT: usize = 16;

/// The rule that stops what nobody can look over.
const LIMIT: &str = "target-limit";

/// What does not pass by itself.
#[derive(Debug, Default)]
pub struct TargetFindings {
    /// Rules that stop something, and how often.
    stopped: Vec<(String, u32)>,
    /// What waits for the owner, and how often it was met.
    confirm: Vec<(Destination, u32)>,
}

impl TargetFindings {
    /// Takes what a room's lists make of a target. `tool` is absent for a link.
    pub(crate) fn take(&mut self, room: &ContextName, tool: Option<&str>, judged: &JudgedTarget) {
        match judged.verdict {
            TargetVerdict::Allow => {}
            TargetVerdict::Deny => self.stop(&judged.rule),
            TargetVerdict::Confirm => {
                let tool = tool.map(for_the_owner);
                match (tool, judged.target.for_the_owner()) {
                    (tool @ (None | Some(Some(_))), Some(shown)) => self.ask(
                        Destination {
                            room: room.clone(),
                            rule: judged.rule.clone(),
                            tool: tool.flatten(),
                            target: judged.target.clone(),
                            shown,
                        },
                        1,
                    ),
                    _ => self.stop(LIMIT),
                }
            }
        }
    }

    /// Notes that something is more than can be looked at.
    pub(crate) fn limit(&mut self) {
        self.stop(LIMIT);
    }

    fn stop(&mut self, rule: &str) {
        count(&mut self.stopped, rule, str::to_owned, 1);
    }

    fn ask(&mut self, destination: Destination, times: u32) {
        let is_known = self.confirm.iter().any(|(known, _)| *known == destination);
        if !is_known && self.confirm.len() == CONFIRM_LIMIT {
            return self.stop(LIMIT);
        }
        count(&mut self.confirm, &destination, Destination::clone, times);
    }

    /// Takes over what was found in another part of the answer.
    pub(crate) fn absorb(&mut self, other: TargetFindings) {
        for (rule, times) in other.stopped {
            count(&mut self.stopped, &rule, String::clone, times);
        }
        for (destination, times) in other.confirm {
            self.ask(destination, times);
        }
    }

    /// Whether everything passed by itself.
    pub fn is_empty(&self) -> bool {
        self.stopped.is_empty() && self.confirm.is_empty()
    }

    /// Whether something must not pass: it is denied, or the owner said so.
    pub(crate) fn are_blocked(&self, policy: &Policy) -> bool {
        let is_refused = |(destination, _): &(Destination, u32)| policy.confirmed(destination) == Some(false);
        !policy.is_paused() && (!self.stopped.is_empty() || self.confirm.iter().any(is_refused))
    }

    /// What the owner has yet to decide.
    pub(crate) fn open(&self, policy: &Policy) -> Vec<Destination> {
        if policy.is_paused() {
            return Vec::new();
        }
        let all = self.confirm.iter().map(|(destination, _)| destination);
        all.filter(|destination| policy.confirmed(destination).is_none()).cloned().collect()
    }

    /// How often one was met.
    pub fn times(&self, destination: &Destination) -> u32 {
        self.confirm.iter().find(|(known, _)| known == destination).map_or(0, |(_, times)| *times)
    }

    /// The rules that stopped something or asked, each with how often.
    pub fn rules(&self) -> impl Iterator<Item = (&str, u32)> {
        let asked = self.confirm.iter().map(|(destination, times)| (destination.rule.as_str(), *times));
        self.stopped.iter().map(|(rule, times)| (rule.as_str(), *times)).chain(asked)
    }
}

/// Counts something in a list of few.
fn count<K: PartialEq<Q>, Q: ?Sized>(list: &mut Vec<(K, u32)>, key: &Q, own: impl Fn(&Q) -> K, times: u32) {
    match list.iter_mut().find(|(known, _)| *known == *key) {
        Some((_, known)) => *known = known.saturating_add(times),
        None => list.push((own(key), times)),
    }
}
