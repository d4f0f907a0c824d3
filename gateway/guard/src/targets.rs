//! Where the tool calls of an answer point: found in the answer, judged by the room's lists.
//!
//! Only answers are judged. What a request repeats of earlier calls has been judged when it was an answer.
//! Which words are a call is told from its shape (a name beside arguments or input), not from a list of
//! fields, so that new kinds of calls fail safe.

pub mod found;
mod links;
pub mod taint;

pub use found::TargetFindings;
pub use links::{LinkReader, whole_links};

use crate::policy::Policy;
use crate::redact::restore::{self, Restorer};
use crate::redact::sessions::Masks;
use std::borrow::Cow;
use zos_core::ContextName;
use zos_core::targets::{self, HostedTool, Judged};
use zos_wire::hosted::Reach;
use zos_wire::json::Value;

/// What decides where the calls and links of one answer may point.
#[derive(Clone, Copy)]
pub struct Court<'a> {
    /// The room's rules.
    pub policy: &'a Policy,
    /// What was redacted in the request: the client will see the words, so the words are judged.
    pub masks: Option<&'a Masks>,
}

impl Court<'_> {
    /// Judges one call.
    pub(crate) fn call(self, tool: &str, arguments: &str, findings: &mut TargetFindings) {
        let arguments = self.restored(arguments, true);
        for room in self.policy.target_rooms() {
            note(&room.name, Some(tool), &targets::check(&room.targets, tool, &arguments), findings);
        }
    }

    /// Judges the links of a text.
    pub(crate) fn links(self, text: &str, findings: &mut TargetFindings) {
        let text = self.restored(text, false);
        for room in self.policy.target_rooms() {
            note(&room.name, None, &targets::check_links(&room.targets, &text), findings);
        }
    }

    /// The text as the client will see it.
    fn restored<'t>(self, text: &'t str, is_arguments: bool) -> Cow<'t, str> {
        match self.masks.map(Masks::restorable) {
            Some(restorable) if !restorable.is_empty() && restore::may_hold(text) => {
                let mut whole = String::with_capacity(text.len());
                Restorer::new(restorable, is_arguments).push(text, &mut whole);
                Cow::Owned(whole)
            }
            _ => Cow::Borrowed(text),
        }
    }
}

/// Takes what a room makes of a call, or, where there is no tool, of links.
fn note(room: &ContextName, tool: Option<&str>, judged: &Judged, findings: &mut TargetFindings) {
    for target in &judged.targets {
        findings.take(room, tool, target);
    }
}

/// Judges what the provider would contact or run by itself for a request, before it leaves.
pub fn reach(policy: &Policy, reached: &[Reach], findings: &mut TargetFindings) {
    for room in policy.target_rooms() {
        for reach in reached {
            let (name, tool) = match reach {
                Reach::Address(address) => ("provider", HostedTool::Address(address)),
                Reach::Tool(name) => (name.as_str(), HostedTool::Provider(name)),
                Reach::Connector(name) => (name.as_str(), HostedTool::Connector(name)),
            };
            note(&room.name, Some(name), &targets::check_hosted(&room.targets, &[tool]), findings);
        }
    }
}

/// Judges the calls that stand whole in an answer or an event. Texts that start at an offset of `skip` are
/// pieces of calls and judged when these are whole; `tool` is the name of a call that does not say its own.
pub fn whole(court: Court<'_>, value: &Value<'_>, skip: &[usize], tool: &str, findings: &mut TargetFindings) {
    Calls { court, skip, tool, findings }.walk(value, false);
}

/// The calls of an answer or event while it is walked.
struct Calls<'a, 'f> {
    court: Court<'a>,
    skip: &'a [usize],
    tool: &'a str,
    findings: &'f mut TargetFindings,
}

impl Calls<'_, '_> {
    /// `is_declared` says that tools are described here, not called.
    fn walk(&mut self, value: &Value<'_>, is_declared: bool) {
        for element in value.elements() {
            self.walk(element, is_declared);
        }
        let text = |key| value.get(key).and_then(Value::as_str).map(|text| text.text());
        let (name, kind) = (text("name"), text("type").unwrap_or_default());
        let is_call = name.is_some() || kind.ends_with("_call") || kind.ends_with(".done");
        for (key, member) in value.members() {
            let key = key.text();
            let is_object = matches!(member, Value::Object { .. });
            let is_said = is_object || matches!(member, Value::String(_));
            let is_arguments = match key.as_ref() {
                "arguments" | "partial_json" => is_call || is_said,
                "input" => is_call || is_object,
                "parameters" => !is_declared && (is_call || is_object),
                "action" | "code" | "command" => kind.ends_with("_call"),
                _ => false,
            };
            if !is_arguments {
                self.walk(member, is_declared || key == "tools");
                continue;
            }
            let name = match &name {
                Some(name) => name.as_ref(),
                None if kind.ends_with("_call") => kind.as_ref(),
                None => self.tool,
            };
            match member {
                // In order of the text, like the walk over it.
                Value::String(text) if self.skip.binary_search(&text.start()).is_ok() => {}
                Value::String(text) => self.court.call(name, &text.text(), self.findings),
                Value::Object { raw, .. } => self.court.call(name, raw, self.findings),
                _ => {
                    self.court.call(name, "", self.findings);
                    self.walk(member, is_declared);
                }
            }
        }
    }
}
