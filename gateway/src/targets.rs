//! Where the tool calls of an answer point: found in the answer, judged by the room's lists.
//!
//! Only answers are judged. What a request repeats of earlier calls has been judged when it was an answer.
//! Which words are a call is told from its shape (a name beside arguments or input), not from a list of
//! fields, so that new kinds of calls fail safe.

pub(crate) mod taint;

use crate::inspect::Findings;
use crate::json::Value;
use crate::policy::Policy;
use crate::redact::restore::{self, Restorer};
use crate::redact::sessions::Masks;
use std::borrow::Cow;
use zos_core::targets::{self, Judged, TargetVerdict};

/// The longest run of text without white space that is looked at as a link, in bytes.
const LINK_LIMIT: usize = 64 << 10;

/// What decides where the calls and links of one answer may point.
#[derive(Clone, Copy)]
pub(crate) struct Court<'a> {
    /// The room's rules.
    pub(crate) policy: &'a Policy,
    /// What was redacted in the request: the client will see the words, so the words are judged.
    pub(crate) masks: Option<&'a Masks>,
}

impl Court<'_> {
    /// Judges one call.
    pub(crate) fn call(self, tool: &str, arguments: &str, findings: &mut Findings) {
        let arguments = self.restored(arguments, true);
        for room in self.policy.target_rooms() {
            note(&targets::check(&room.targets, tool, &arguments), findings);
        }
    }

    /// Judges the links of a text.
    pub(crate) fn links(self, text: &str, findings: &mut Findings) {
        let text = self.restored(text, false);
        for room in self.policy.target_rooms() {
            note(&targets::check_links(&room.targets, &text), findings);
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

fn note(judged: &Judged, findings: &mut Findings) {
    for target in judged.targets.iter().filter(|target| target.verdict != TargetVerdict::Allow) {
        findings.note_target(&target.rule);
    }
}

/// Judges the calls that stand whole in an answer or an event. Texts that start at an offset of `skip` are
/// pieces of calls and judged when these are whole; `tool` is the name of a call that does not say its own.
pub(crate) fn whole(
    court: Court<'_>,
    value: &Value<'_>,
    skip: &[usize],
    tool: &str,
    findings: &mut Findings,
) {
    for element in value.elements() {
        whole(court, element, skip, tool, findings);
    }
    let text = |key| value.get(key).and_then(Value::as_str).map(|text| text.text());
    let (name, kind) = (text("name"), text("type").unwrap_or_default());
    let is_call = name.is_some() || kind.ends_with("_call") || kind.ends_with(".done");
    for (key, member) in value.members() {
        let is_arguments = is_call
            && match key.text().as_ref() {
                "arguments" | "input" => true,
                "action" | "code" | "command" => kind.ends_with("_call"),
                _ => false,
            };
        if !is_arguments {
            whole(court, member, skip, tool, findings);
            continue;
        }
        let name = match &name {
            Some(name) => name.as_ref(),
            None if kind.ends_with("_call") => kind.as_ref(),
            None => tool,
        };
        match member {
            Value::String(text) if skip.contains(&text.start()) => {}
            Value::String(text) => court.call(name, &text.text(), findings),
            Value::Object { raw, .. } => court.call(name, raw, findings),
            _ => {
                court.call(name, "", findings);
                whole(court, member, skip, tool, findings);
            }
        }
    }
}

/// Judges the links in the text of a plain answer, block by block.
pub(crate) fn whole_links(court: Court<'_>, value: &Value<'_>, findings: &mut Findings) {
    for element in value.elements() {
        whole_links(court, element, findings);
    }
    for (key, member) in value.members() {
        match member {
            Value::String(text) if key.is("text") || key.is("content") => court.links(&text.text(), findings),
            Value::String(_) => {}
            _ => whole_links(court, member, findings),
        }
    }
}

/// The links of a text that arrives in pieces. A word that may be one is held until it ends.
#[derive(Clone, Default)]
pub(crate) struct LinkReader {
    /// The word that is not over.
    word: String,
    /// How much of the text lies before it, in bytes.
    safe: u64,
}

impl LinkReader {
    /// How much of the text holds no link that is not judged.
    pub(crate) fn safe(&self) -> u64 {
        self.safe
    }

    /// Takes the next piece.
    pub(crate) fn push(&mut self, court: Court<'_>, piece: &str, findings: &mut Findings) {
        self.word.push_str(piece);
        if let Some((at, space)) = self.word.char_indices().rev().find(|(_, letter)| letter.is_whitespace()) {
            court.links(&self.word[..at], findings);
            self.pass(court.policy, at + space.len_utf8(), findings);
        }
        // Before anything of an address was seen, a letter that no scheme has ends the candidate.
        if !self.word.contains([':', '@', '&', '\\', '/', '(', '[', '<']) {
            let foreign = self.word.char_indices().rev().find(|(_, letter)| !letter.is_ascii());
            if let Some((at, letter)) = foreign {
                self.pass(court.policy, at + letter.len_utf8(), findings);
            }
        }
        if self.word.len() > LINK_LIMIT {
            findings.note_target("target-limit");
        }
    }

    /// The text is over.
    pub(crate) fn finish(&mut self, court: Court<'_>, findings: &mut Findings) {
        court.links(&self.word, findings);
        self.pass(court.policy, self.word.len(), findings);
    }

    /// Lets go of the first bytes of the word, unless something was stopped.
    fn pass(&mut self, policy: &Policy, bytes: usize, findings: &Findings) {
        if !findings.are_blocked(policy) {
            self.word.drain(..bytes);
            self.safe += bytes as u64;
        }
    }
}
