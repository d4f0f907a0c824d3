//! Texts that are read on from one to the next: what lies over the seam between two of them.
//!
//! Each text is inspected as a whole elsewhere. Here only the seams are read, within a window on both sides, so that
//! it costs nothing where a text stands alone and little where texts are long. A [`Row`] serves the texts of one place
//! of a stream, the blocks of a message and the strings of a whole answer; [`Neighbours`] the messages of a request.
//!
//! What lies over a seam cannot be replaced: a part of it stands in either text.

use crate::findings::{Findings, Sighting};
use crate::policy::Policy;
use smallvec::SmallVec;
use zos_core::Effect;
use zos_rules::{Evasion, RuleKind, Violation};

/// Window on both sides of a seam, in bytes: the longest term. A longer match of a pattern, or one that
/// is padded with what cannot be seen, is not found over a seam.
pub const SEAM_BYTES: usize = zos_rules::TERM_MAX_BYTES;

/// Ways of reading the last few messages of a conversation that are followed at a time. Only those count that may
/// still become a term, and a message as long as the longest term ends all but one.
const LINES_LIMIT: usize = 8;

/// Signs that end a sentence or a part of one.
const SENTENCE_ENDS: &str = ".,;:!?…)]}\"'”’»。、，；：！？）」』";

/// Texts one after another with nothing between them, as far as a match may lie over a seam.
#[derive(Debug, Default)]
pub struct Row {
    text: String,
    /// Where one text ends and the next begins.
    seams: SmallVec<[usize; 4]>,
    /// Whether `text` begins in the middle of a text: a match at its very beginning may be a part of a word.
    is_cut: bool,
}

impl Row {
    /// A row that goes on from a text, of which this is the end.
    pub fn going_on_from(opening: &str) -> Row {
        Row { text: opening.to_owned(), is_cut: true, ..Row::default() }
    }

    /// The next text.
    pub fn add(&mut self, policy: &Policy, words: &str, seen: &mut impl FnMut(&Sighting<'_>)) {
        if words.is_empty() {
            return;
        }
        if !self.text.is_empty() {
            self.seams.push(self.text.len());
        }
        if words.len() <= 2 * SEAM_BYTES {
            self.text.push_str(words);
            return;
        }
        // Its middle is no part of any seam.
        if !self.seams.is_empty() {
            self.text.push_str(&words[..words.floor_char_boundary(SEAM_BYTES)]);
            self.scan(policy, true, seen);
        }
        self.text.clear();
        self.text.push_str(end(words, SEAM_BYTES));
        self.is_cut = true;
    }

    /// Tells what lies over a seam, and keeps no more than the next seam needs.
    pub fn settle(&mut self, policy: &Policy, seen: &mut impl FnMut(&Sighting<'_>)) {
        self.scan(policy, false, seen);
        let cut = self.text.len() - end(&self.text, SEAM_BYTES).len();
        self.text.drain(..cut);
        self.is_cut |= cut > 0;
    }

    /// Tells what lies over a seam. `goes_on` says that the last text is longer than what was taken of it.
    fn scan(&mut self, policy: &Policy, goes_on: bool, seen: &mut impl FnMut(&Sighting<'_>)) {
        if self.seams.is_empty() {
            return;
        }
        for violation in whole(policy, &self.text, self.is_cut, goes_on) {
            let first = self.seams.partition_point(|seam| *seam <= violation.span.start);
            let after = self.seams.partition_point(|seam| *seam < violation.span.end);
            let over = self.seams.get(first..after).unwrap_or_default();
            let is_chance =
                |seam: &usize| is_chance(violation.evasion, self.text[..*seam].chars().next_back());
            if !over.is_empty() && !over.iter().any(is_chance) {
                seen(&Sighting::new(&violation, &self.text));
            }
        }
        self.seams.clear();
    }
}

/// Messages of a request one after another, as a model reads them: with nothing between the end of one and the
/// beginning of the next, and with a blank. Only terms and own patterns are looked for: two numbers in two messages are
/// not one number.
#[derive(Debug)]
pub struct Neighbours {
    reach_bytes: usize,
    /// Ways of reading what was said last.
    lines: SmallVec<[Line; 1]>,
}

/// One way of reading the end of a conversation.
#[derive(Debug)]
struct Line {
    text: String,
    /// Whether it begins in the middle of a text.
    is_cut: bool,
}

impl Line {
    fn of(text: &str, reach_bytes: usize) -> Line {
        let kept = end(text, reach_bytes);
        Line { text: kept.to_owned(), is_cut: kept.len() < text.len() }
    }
}

impl Neighbours {
    /// Neighbours of a room; `None` where it looks for nothing.
    pub fn new(policy: &Policy) -> Option<Neighbours> {
        let rules = policy.rules();
        (!rules.is_empty()).then(|| Neighbours { reach_bytes: rules.seam_bytes(), lines: SmallVec::new() })
    }

    /// The next text.
    pub fn add(&mut self, policy: &Policy, words: &str, seen: &mut impl FnMut(&Sighting<'_>)) {
        if words.is_empty() {
            return;
        }
        let reach_bytes = self.reach_bytes;
        let head = &words[..words.floor_char_boundary(reach_bytes)];
        let goes_on = head.len() < words.len();
        // What comes next may also begin a term with this very text.
        let mut lines: SmallVec<[Line; 1]> = SmallVec::new();
        lines.push(Line::of(words, reach_bytes));
        for line in self.lines.iter().filter(|line| policy.rules().may_span(&line.text, head)) {
            let is_apart = line.text.ends_with(char::is_whitespace) || head.starts_with(char::is_whitespace);
            for between in if is_apart { &[""][..] } else { &["", " "] } {
                let joined = [line.text.as_str(), between, head].concat();
                let (seam, last) = (line.text.len(), line.text.chars().next_back());
                for violation in whole(policy, &joined, line.is_cut, goes_on) {
                    let is_over = violation.span.start < seam && seam < violation.span.end;
                    let is_pack = matches!(policy.rules().rule(violation.rule).kind, RuleKind::Pack(_));
                    let is_chance = between.is_empty() && is_chance(violation.evasion, last);
                    if is_over && !is_pack && !is_chance {
                        seen(&Sighting::new(&violation, &joined));
                    }
                }
                // Behind a sentence nothing goes on without a blank.
                let is_over = between.is_empty() && last.is_some_and(|c| SENTENCE_ENDS.contains(c));
                if !goes_on && !is_over && lines.len() < LINES_LIMIT {
                    let kept = Line::of(&joined, reach_bytes);
                    lines.push(Line { is_cut: kept.is_cut || line.is_cut, ..kept });
                }
            }
        }
        self.lines = lines;
    }
}

/// The end of a text.
fn end(text: &str, bytes: usize) -> &str {
    &text[text.ceil_char_boundary(text.len().saturating_sub(bytes))..]
}

/// Violations in a part of texts. One that touches a cut may be a part of another word.
fn whole(policy: &Policy, text: &str, is_cut: bool, goes_on: bool) -> Vec<Violation> {
    let mut violations = Vec::new();
    policy.rules().scan(text, &mut violations);
    violations.retain(|violation| {
        let Violation { span, .. } = violation;
        !(is_cut && span.start == 0 || goes_on && span.end == text.len())
    });
    violations
}

/// Whether what lies over a seam is two texts that only touch: a sentence ends before it, and nothing else makes one
/// term of both sides.
pub fn is_chance(evasion: Option<Evasion>, before: Option<char>) -> bool {
    evasion == Some(Evasion::Joined) && before.is_some_and(|c| SENTENCE_ENDS.contains(c))
}

/// Notes a match over a seam: what it does to the text is the room's to say, but it cannot be replaced.
pub fn note(policy: &Policy, sighting: &Sighting<'_>, findings: &mut Findings, place: impl Fn() -> String) {
    findings.note(policy, sighting, &place);
    if matches!(policy.effect(sighting.rule), Effect::Redact | Effect::Ask) {
        findings.note_fixed(sighting.rule, place);
    }
}
