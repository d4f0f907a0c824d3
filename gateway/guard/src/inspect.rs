//! What is inspected: every string of a JSON text, keys and numbers included, and what strings hold in turn.
//!
//! There is no list of fields to look at, and nothing that a string is declared to be takes it away: each is scanned
//! as it stands, in one place, before anybody asks what it is declared to be. What an image, a document or a signature
//! holds is added to that: the texts that its bytes may be, and its name among what was not inspected. A field that
//! we do not know is inspected, so new fields of an API fail safe. Strings that are JSON themselves are read as JSON
//! too. Consecutive text blocks are read on from one to the next, because clients and models read them as one, and so
//! are the messages of a request ([`crate::seams`]). Ids of tokens are read by [`ids`].

pub mod ids;
mod number;

use crate::findings::{Findings, PLACES_LIMIT, Sighting};
use crate::policy::Policy;
use crate::redact::Spot;
use crate::redact::names;
use crate::redact::spots::{Coding, What};
use crate::seams::{self, Neighbours, Row};
use smallvec::SmallVec;
use std::ops::Range;
use zos_core::Effect;
use zos_rules::{Evasion, Violation};
use zos_wire::declared::{Declared, Look, Mark};
use zos_wire::json::{self, Str, Value};

/// How many times a string may be JSON or base64 inside another before its inside is only read as text.
const NESTING_LIMIT: usize = 4;

/// Shorter numbers are settings.
const NUMBER_MIN_BYTES: usize = 4;

/// Lists of so many numbers are scanned as one text, so many at a time.
const NUMBERS_MIN: usize = 8;
const NUMBERS_AT_ONCE: usize = 4096;

/// Stands between the numbers of a list: no term and no detector goes over it.
const NUMBER_SEAM: &str = "\n;\n";

/// What a match in encoded bytes must measure to be more than chance: of 20 MB of pictures, one in a thousand has a
/// given word of six letters between two signs, one in four a word of four.
const CHANCE_BYTES: usize = 6;

/// Names that may stand in a field's place. Any other key is shown as `*`: keys are the caller's words
/// and may be the very thing that must not be repeated.
const KNOWN_KEYS: &[&str] = &[
    "arguments",
    "audio_url",
    "b64_json",
    "blob",
    "choices",
    "content",
    "data",
    "delta",
    "description",
    "document",
    "document_url",
    "embedding",
    "encrypted_content",
    "file",
    "file_data",
    "file_id",
    "file_url",
    "function",
    "image_url",
    "inline_data",
    "input",
    "input_audio",
    "input_schema",
    "instructions",
    "item",
    "max_tokens",
    "message",
    "messages",
    "metadata",
    "model",
    "name",
    "output",
    "parameters",
    "partial_json",
    "prompt",
    "reasoning",
    "reasoning_content",
    "refusal",
    "response",
    "schema",
    "signature",
    "source",
    "stop",
    "summary",
    "system",
    "text",
    "thinking",
    "title",
    "tool_calls",
    "tools",
    "url",
    "user",
    "video_url",
];

/// Keys whose values name something: a placeholder in them would make it something else.
const IDENTIFIERS: &[&str] =
    &["call_id", "id", "item_id", "model", "name", "role", "tool_call_id", "tool_use_id", "type"];

/// Keys under which the messages of a conversation say what a model reads, one after another.
const VOICES: &[&str] = &[
    "content",
    "input",
    "instructions",
    "output",
    "prompt",
    "reasoning",
    "reasoning_content",
    "refusal",
    "summary",
    "system",
    "text",
    "thinking",
];

/// Keys of a request that a model reads before the messages, wherever they stand.
const PREAMBLE: &[&str] = &["instructions", "system"];

/// Inspects every string of a request, and its messages read on from one to the next.
pub fn request(policy: &Policy, value: &Value<'_>, findings: &mut Findings) {
    walk(policy, value, &[], Neighbours::new(policy), findings);
}

/// Inspects every string of `value` but those that start at an offset of `skip`, which is in order.
pub fn tree(policy: &Policy, value: &Value<'_>, skip: &[usize], findings: &mut Findings) {
    walk(policy, value, skip, None, findings);
}

fn walk(
    policy: &Policy,
    value: &Value<'_>,
    skip: &[usize],
    neighbours: Option<Neighbours>,
    findings: &mut Findings,
) {
    let mut walk = Walk {
        policy,
        skip,
        findings,
        path: SmallVec::new(),
        spots: Vec::new(),
        nesting: 0,
        is_identifier: false,
        is_voice: false,
        neighbours,
        over_seams: SmallVec::new(),
    };
    walk.value(value);
    let spots = std::mem::take(&mut walk.spots);
    findings.spots.extend(spots);
}

/// Inspects a text that is no JSON.
pub fn text(policy: &Policy, text: &str, field: &str, findings: &mut Findings) {
    let mut violations = Vec::new();
    policy.rules().scan(text, &mut violations);
    for violation in violations {
        findings.note(policy, &Sighting::new(&violation, text), || field.to_owned());
        if may_replace(policy, violation.rule) {
            findings.note_fixed(violation.rule, || field.to_owned());
        }
    }
}

/// Whether a match of this rule is, or may be decided to be, replaced.
fn may_replace(policy: &Policy, rule: usize) -> bool {
    matches!(policy.effect(rule), Effect::Redact | Effect::Ask)
}

/// One step of the way to a string.
enum Step {
    Key(&'static str),
    Index(usize),
}

struct Walk<'p, 'f> {
    policy: &'p Policy,
    skip: &'p [usize],
    findings: &'f mut Findings,
    path: SmallVec<[Step; 12]>,
    /// Matches that can be replaced, by their place in the text that is walked: the body, or a text that
    /// one of its strings holds.
    spots: Vec<Spot>,
    nesting: usize,
    /// Whether the strings that come next name something.
    is_identifier: bool,
    /// Whether the strings that come next are what a message says.
    is_voice: bool,
    /// In a request: what its messages say, one after another.
    neighbours: Option<Neighbours>,
    /// Rules that found something over a seam. Each counts once, however many readings show it.
    over_seams: SmallVec<[usize; 2]>,
}

/// Where a text that is scanned stands, for what is to be replaced in it.
#[derive(Clone, Copy)]
enum Home<'a> {
    /// It is what this string of the walked text says.
    String(Str<'a>),
    /// It is the walked text itself, decoded from a document.
    Document,
    /// Nothing in it can be replaced.
    Fixed,
}

impl Walk<'_, '_> {
    fn value(&mut self, value: &Value<'_>) {
        match value {
            Value::String(text) => self.string(*text, Declared::url),
            Value::Number(digits) => self.number(digits),
            Value::Array(elements) => self.array(elements),
            Value::Object { members, .. } => self.object(value, members),
            Value::Bool(_) | Value::Null => {}
        }
    }

    fn array(&mut self, elements: &[Value<'_>]) {
        if elements.len() >= NUMBERS_MIN && elements.iter().all(|element| matches!(element, Value::Number(_)))
        {
            return self.numbers(elements);
        }
        for (index, element) in elements.iter().enumerate() {
            self.path.push(Step::Index(index));
            self.value(element);
            self.path.pop();
        }
        self.joined(elements);
    }

    /// A list of numbers, such as an embedding: each of them a text of its own, scanned many at a time.
    fn numbers(&mut self, elements: &[Value<'_>]) {
        for (list, elements) in elements.chunks(NUMBERS_AT_ONCE).enumerate() {
            let (mut said, mut ends) = (String::new(), Vec::new());
            for element in elements {
                if let Value::Number(digits) = element
                    && digits.len() >= NUMBER_MIN_BYTES
                {
                    let plain = number::plain(digits);
                    for digits in std::iter::once(*digits).chain(plain.as_deref()) {
                        said.push_str(digits);
                        ends.push(said.len());
                        said.push_str(NUMBER_SEAM);
                    }
                }
            }
            let mut found = self.found(&said, false);
            found.retain(|violation| {
                let at = ends.partition_point(|end| *end < violation.span.end);
                let start = at.checked_sub(1).map_or(0, |before| ends[before] + NUMBER_SEAM.len());
                violation.span.start >= start && at < ends.len()
            });
            self.path.push(Step::Index(list * NUMBERS_AT_ONCE));
            self.note(&said, found, Home::Fixed);
            self.path.pop();
        }
    }

    fn object(&mut self, object: &Value<'_>, members: &[(Str<'_>, Value<'_>)]) {
        let parent = match self.path.last() {
            Some(Step::Key(parent)) => Some(*parent),
            Some(Step::Index(_)) | None => None,
        };
        let is_root = self.path.is_empty() && self.nesting == 0;
        let is_first = |key: &Str<'_>| is_root && PREAMBLE.iter().any(|name| key.is(name));
        let first = members.iter().filter(|(key, _)| is_first(key));
        for (key, value) in first.chain(members.iter().filter(|(key, _)| !is_first(key))) {
            let name = key.text();
            let shown = KNOWN_KEYS.iter().find(|known| **known == name).copied().unwrap_or("*");
            self.path.push(Step::Key(shown));
            if shown == "*" {
                self.scan(&name, Home::Fixed);
            }
            let outer = (self.is_identifier, self.is_voice);
            self.is_identifier = IDENTIFIERS.contains(&name.as_ref());
            self.is_voice = self.neighbours.is_some() && VOICES.contains(&name.as_ref());
            match value {
                Value::String(text) => self.string(*text, |said| Declared::of(object, parent, &name, said)),
                _ => self.value(value),
            }
            (self.is_identifier, self.is_voice) = outer;
            self.path.pop();
        }
    }

    /// A string: first as it stands, whatever it is declared to be; then what it is declared to hold besides.
    fn string(&mut self, text: Str<'_>, declared: impl FnOnce(&str) -> Option<Declared>) {
        if self.nesting == 0 && self.skip.binary_search(&text.start()).is_ok() {
            return;
        }
        let said = text.text();
        let home = if self.is_identifier { Home::Fixed } else { Home::String(text) };
        if self.is_voice && self.nesting == 0 {
            self.neighbour(&said);
        }
        let look = declared(&said).map(|declared| declared.look(&said));
        let standing = self.found(&said, look.as_ref().is_some_and(|look| look.is_blob));
        match look {
            None => self.note(&said, standing, home),
            Some(look) => {
                let added = self.added(&look, text, &said);
                self.note_beside(&said, standing, home, &look, &added);
            }
        }
        self.inside(&said, home);
    }

    /// Numbers can be what a room denies; the small ones are settings.
    fn number(&mut self, digits: &str) {
        if digits.len() >= NUMBER_MIN_BYTES {
            self.scan(digits, Home::Fixed);
            if let Some(plain) = number::plain(digits) {
                self.scan(&plain, Home::Fixed);
            }
        }
    }

    /// A string that is JSON in turn, tool arguments above all.
    fn inside(&mut self, decoded: &str, home: Home<'_>) {
        if self.policy.rules().is_empty() || self.nesting == NESTING_LIMIT {
            return;
        }
        if matches!(decoded.trim_start().as_bytes().first(), Some(b'{' | b'[' | b'"'))
            && decoded.contains('\\')
            && let Ok(value) = json::parse(decoded)
        {
            self.nesting += 1;
            let outer = std::mem::take(&mut self.spots);
            self.value(&value);
            let inner = std::mem::replace(&mut self.spots, outer);
            self.lift(inner, home);
            self.nesting -= 1;
        }
    }

    /// What was found in the text of a string, by its place in the text that the string stands in.
    fn lift(&mut self, spots: Vec<Spot>, home: Home<'_>) {
        if spots.is_empty() {
            return;
        }
        let ranges: Vec<Range<usize>> = spots.iter().map(|spot| spot.range.clone()).collect();
        match home {
            Home::String(text) => {
                let lifted = text.places(&ranges).into_iter().zip(spots);
                self.spots.extend(lifted.map(|(range, spot)| Spot {
                    range,
                    depth: spot.depth.saturating_add(1),
                    ..spot
                }));
            }
            Home::Document => self.spots.extend(spots),
            Home::Fixed => spots.into_iter().for_each(|spot| self.fix(&spot)),
        }
    }

    /// A match turned out to stand where nothing can be replaced.
    fn fix(&mut self, spot: &Spot) {
        match &spot.what {
            What::Match(rule) => self.findings.note_fixed(*rule, || place(&self.path)),
            What::Document { spots, .. } => spots.iter().for_each(|spot| self.fix(spot)),
        }
    }

    /// Consecutive text blocks of one list, read as one text.
    fn joined(&mut self, elements: &[Value<'_>]) {
        let parts = elements.iter().filter_map(|element| element.get("text").and_then(Value::as_str));
        if elements.len() < 2 || self.policy.rules().is_empty() {
            return;
        }
        let Walk { policy, findings, path, over_seams, .. } = self;
        let mut seen = |sighting: &Sighting<'_>| note_over_seam(policy, sighting, findings, path, over_seams);
        let mut row = Row::default();
        parts.for_each(|part| row.add(policy, &part.text(), &mut seen));
        row.settle(policy, &mut seen);
    }

    /// A message says this behind what was said before.
    fn neighbour(&mut self, said: &str) {
        let Walk { policy, findings, path, over_seams, neighbours, .. } = self;
        if let Some(neighbours) = neighbours {
            let mut seen =
                |sighting: &Sighting<'_>| note_over_seam(policy, sighting, findings, path, over_seams);
            neighbours.add(policy, said, &mut seen);
        }
    }

    /// What a declaration adds: its readings are scanned, and it is named where it was not read. Gives the rules that
    /// found something in the readings.
    fn added(&mut self, look: &Look<'_>, text: Str<'_>, said: &str) -> SmallVec<[usize; 2]> {
        let mut rules = SmallVec::new();
        let is_too_deep = self.nesting == NESTING_LIMIT && !look.readings.is_empty();
        if look.is_blob {
            self.findings.binary_bytes += said.len();
        }
        if look.mark != Mark::Read || is_too_deep {
            self.findings.has_attachment |= look.mark == Mark::Attachment || is_too_deep;
            self.uninspected(look.kind);
        }
        if is_too_deep {
            return rules;
        }
        self.nesting += 1;
        for reading in &look.readings {
            let outer = std::mem::take(&mut self.spots);
            let found = self.found(reading, false);
            rules.extend(found.iter().map(|violation| violation.rule));
            self.note(reading, found, Home::Document);
            self.inside(reading, Home::Document);
            let inner = std::mem::replace(&mut self.spots, outer);
            self.document(reading, inner, look.start, text);
        }
        self.nesting -= 1;
        rules
    }

    /// Notes what was found in a declared string as it stands. What its readings gave as well is noted already, and
    /// what stands inside of an encoding cannot be replaced there.
    fn note_beside(
        &mut self,
        said: &str,
        standing: Vec<Violation>,
        home: Home<'_>,
        look: &Look<'_>,
        added: &[usize],
    ) {
        let is_encoded = |violation: &Violation| look.is_encoded && violation.span.end > look.start;
        let (encoded, plain): (Vec<_>, Vec<_>) = standing.into_iter().partition(is_encoded);
        let is_known = |violation: &Violation| is_decoded(violation) && added.contains(&violation.rule);
        self.note(said, encoded.into_iter().filter(|violation| !is_known(violation)).collect(), Home::Fixed);
        self.note(said, plain, home);
    }

    /// Notes that what the present place stands for was not read.
    fn uninspected(&mut self, kind: &str) {
        if self.findings.uninspected.len() < PLACES_LIMIT {
            let place = format!("{kind}:{}", place(&self.path));
            self.findings.uninspected.push(place);
        }
    }

    /// A document is replaced as a whole, and only where its encoding gives every other byte back.
    fn document(&mut self, reading: &str, spots: Vec<Spot>, start: usize, home: Str<'_>) {
        if spots.is_empty() {
            return;
        }
        let said = home.text();
        match Coding::of(&said[start..], reading.as_bytes()) {
            Some(coding) if !self.is_identifier => {
                let range = home.place(start..said.len());
                let what = What::Document { text: reading.to_owned(), spots, coding };
                self.spots.push(Spot { range, depth: 1, what });
            }
            _ => spots.iter().for_each(|spot| self.fix(spot)),
        }
    }

    fn scan(&mut self, text: &str, home: Home<'_>) {
        let found = self.found(text, false);
        self.note(text, found, home);
    }

    /// What the rules find in a text, wherever it comes from. In a blob, chance writes short words.
    fn found(&mut self, text: &str, is_blob: bool) -> Vec<Violation> {
        if self.policy.may_redact() && text.contains(names::OPEN) {
            names::look_alikes(text, &mut self.findings.look_alikes);
        }
        let mut found = Vec::new();
        if is_blob {
            // What the bytes say was looked at: here are only the letters that they are written with.
            self.policy.rules().scan_encoded(text, &mut found);
            found.retain(|violation| violation.span.len() >= CHANCE_BYTES);
        } else {
            self.policy.rules().scan(text, &mut found);
        }
        found
    }

    /// Notes what was found in a text that stands at `home`.
    fn note(&mut self, text: &str, found: Vec<Violation>, home: Home<'_>) {
        if found.is_empty() {
            return;
        }
        let field = place(&self.path);
        let mut spots = Vec::new();
        for violation in found {
            self.findings.note(self.policy, &Sighting::new(&violation, text), || field.clone());
            if !may_replace(self.policy, violation.rule) {
                continue;
            }
            if violation.is_whole {
                let what = What::Match(violation.rule);
                spots.push(Spot { range: violation.span, depth: 0, what });
            } else {
                self.findings.note_fixed(violation.rule, || field.clone());
            }
        }
        self.lift(spots, home);
    }
}

/// Notes what lies over a seam, each rule once.
fn note_over_seam(
    policy: &Policy,
    sighting: &Sighting<'_>,
    findings: &mut Findings,
    path: &[Step],
    known: &mut SmallVec<[usize; 2]>,
) {
    if !known.contains(&sighting.rule()) {
        known.push(sighting.rule());
        seams::note(policy, sighting, findings, || place(path));
    }
}

/// Whether a match was found by undoing an encoding.
fn is_decoded(violation: &Violation) -> bool {
    matches!(violation.evasion, Some(Evasion::Base64 | Evasion::Hex))
}

/// The way to a string, such as `messages[2].content[0].text`.
fn place(path: &[Step]) -> String {
    use std::fmt::Write;
    let mut place = String::new();
    for step in path {
        let written = match step {
            Step::Key(key) if place.is_empty() => write!(place, "{key}"),
            Step::Key(key) => write!(place, ".{key}"),
            Step::Index(index) => write!(place, "[{index}]"),
        };
        written.expect("writing to a String never fails");
    }
    if place.is_empty() { "body".to_owned() } else { place }
}

#[cfg(test)]
mod tests;
