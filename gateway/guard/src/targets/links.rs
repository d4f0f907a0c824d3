//! Links and images in the text of an answer, read as clients show it.
//!
//! Some clients show each text block by itself, some join those of one message; what is read passes only
//! where both readings do. A tool call between two blocks is a seam that no client joins over.

use super::{Court, TargetFindings};
use zos_wire::json::Value;

/// The longest run of text without white space that is looked at as a link, in bytes.
const LINK_LIMIT: usize = 64 << 10;

/// Judges the links in the text of a plain answer.
pub fn whole_links(court: Court<'_>, value: &Value<'_>, findings: &mut TargetFindings) {
    let mut blocks = Blocks { court, findings, joined: String::new(), count: 0 };
    blocks.walk(value);
    blocks.seam();
}

/// The text blocks of a plain answer while it is walked.
struct Blocks<'a, 'f> {
    court: Court<'a>,
    findings: &'f mut TargetFindings,
    /// The text since the last seam, and of how many blocks it is.
    joined: String,
    count: usize,
}

impl Blocks<'_, '_> {
    fn walk(&mut self, value: &Value<'_>) {
        for element in value.elements() {
            self.walk(element);
        }
        let is_call = value.get("type").and_then(Value::as_str).is_some_and(|kind| {
            let kind = kind.text();
            kind.ends_with("_call") || kind == "tool_use"
        });
        if is_call {
            self.seam();
        }
        for (key, member) in value.members() {
            match member {
                Value::String(text) if key.is("text") || key.is("content") => self.block(&text.text()),
                Value::String(_) => {}
                // Each of several messages is shown by itself.
                _ if key.is("message") => {
                    self.seam();
                    self.walk(member);
                    self.seam();
                }
                _ => self.walk(member),
            }
        }
    }

    fn block(&mut self, text: &str) {
        self.court.links(text, self.findings);
        self.joined.push_str(text);
        self.count += 1;
    }

    /// What follows is not shown as the continuation of what was.
    fn seam(&mut self) {
        if self.count > 1 {
            self.court.links(&self.joined, self.findings);
        }
        self.joined.clear();
        self.count = 0;
    }
}

/// The links of a text that arrives in pieces. A word that may be one is held until it ends.
#[derive(Clone, Default)]
pub struct LinkReader {
    /// The word that is not over; while the owner decides, all that came since.
    word: String,
    /// How much of the text holds no link that is not judged, in bytes.
    safe: u64,
    /// How much of the word is part of that already: its block was said to be over.
    passed: usize,
    /// Whether the owner has yet to decide about a link in it.
    is_waiting: bool,
    /// Whether its block is said to be over. More may come.
    is_closed: bool,
    /// Whether the text is over.
    is_over: bool,
}

impl LinkReader {
    /// How much of the text holds no link that is not judged.
    pub(crate) fn safe(&self) -> u64 {
        self.safe
    }

    /// Where the word begins that may go on.
    pub(crate) fn open_from(&self) -> u64 {
        self.safe - self.passed as u64
    }

    /// Takes the next piece.
    pub(crate) fn push(&mut self, court: Court<'_>, piece: &str, findings: &mut TargetFindings) {
        self.is_closed = false;
        self.word.push_str(piece);
        self.read(court, findings);
    }

    /// No word goes on over this place.
    pub(crate) fn seam(&mut self, court: Court<'_>, findings: &mut TargetFindings) {
        if !self.is_waiting {
            self.judge(court, self.word.len(), findings);
        }
    }

    /// Its block is said to be over: the word is judged as it stands, and again should it go on.
    pub(crate) fn close(&mut self, court: Court<'_>, findings: &mut TargetFindings) {
        self.is_closed = true;
        self.read(court, findings);
    }

    /// The text is over.
    pub(crate) fn finish(&mut self, court: Court<'_>, findings: &mut TargetFindings) {
        self.is_over = true;
        self.read(court, findings);
    }

    /// The owner decided about what it waited for.
    pub(crate) fn go_on(&mut self, court: Court<'_>, findings: &mut TargetFindings) {
        if std::mem::take(&mut self.is_waiting) {
            self.read(court, findings);
        }
    }

    fn read(&mut self, court: Court<'_>, findings: &mut TargetFindings) {
        if self.is_waiting {
            return;
        }
        if self.is_over {
            return self.judge(court, self.word.len(), findings);
        }
        if self.is_closed {
            court.links(&self.word, findings);
            if self.may_pass(court, findings) {
                self.safe += (self.word.len() - self.passed) as u64;
                self.passed = self.word.len();
            }
            return;
        }
        let last = self.word.char_indices().rev().find(|(_, letter)| letter.is_whitespace());
        if let Some((at, space)) = last {
            let end = at + space.len_utf8();
            self.judge(court, open_attribute(&self.word, end).unwrap_or(end), findings);
        }
        // Before anything of an address was seen, a letter that no scheme has ends the candidate.
        if !self.is_waiting && !self.word.contains([':', '@', '&', '\\', '/', '(', '[', '<', '.']) {
            let foreign = self.word.char_indices().rev().find(|(_, letter)| !letter.is_ascii());
            if let Some((at, letter)) = foreign {
                self.pass(court, at + letter.len_utf8(), findings);
            }
        }
        if self.word.len() > LINK_LIMIT && !self.is_waiting {
            findings.limit();
        }
    }

    fn judge(&mut self, court: Court<'_>, end: usize, findings: &mut TargetFindings) {
        if end > 0 {
            court.links(&self.word[..end], findings);
            self.pass(court, end, findings);
        }
    }

    /// Lets go of the first bytes of the word, unless something was stopped or is asked about.
    fn pass(&mut self, court: Court<'_>, bytes: usize, findings: &TargetFindings) {
        if self.may_pass(court, findings) {
            self.word.drain(..bytes);
            self.safe += bytes.saturating_sub(self.passed) as u64;
            self.passed = self.passed.saturating_sub(bytes);
        }
    }

    /// Whether what was judged may leave; what the owner is asked about waits.
    fn may_pass(&mut self, court: Court<'_>, findings: &TargetFindings) -> bool {
        let is_blocked = findings.are_blocked(court.policy);
        self.is_waiting |= !is_blocked && !findings.open(court.policy).is_empty();
        !is_blocked && !self.is_waiting
    }
}

/// Where an attribute of HTML begins whose value is not over at `end`: browsers drop the line breaks of an
/// address in it.
fn open_attribute(text: &str, end: usize) -> Option<usize> {
    let is_open = |at: &usize| {
        let value = text[at + 1..].trim_start();
        let start = text.len() - value.len();
        match value.chars().next() {
            Some(quote @ ('"' | '\'')) => {
                value[1..].find(quote).is_none_or(|length| start + 1 + length >= end)
            }
            Some(_) => false,
            None => true,
        }
    };
    text[..end].match_indices('=').map(|(at, _)| at).find(is_open)
}
