//! What is inspected: every string of a JSON text, keys included, and what strings hold in turn.
//!
//! There is no list of fields to look at, only a short list of what is not text: images, sound, PDFs and
//! opaque signatures. Those are named as uninspected. A field that we do not know is inspected, so new
//! fields of an API fail safe. Strings that are JSON themselves are read as JSON too; base64 that turns
//! out to be text is inspected as text; consecutive text blocks are inspected joined as well, because
//! clients and models read them as one.

use crate::findings::{Findings, PLACES_LIMIT, Sighting};
use crate::policy::Policy;
use crate::redact::Spot;
use crate::redact::names;
use crate::redact::spots::{Coding, What};
use smallvec::SmallVec;
use std::ops::Range;
use zos_core::Effect;
use zos_rules::Violation;
use zos_wire::declared::{Declared, data_url};
use zos_wire::json::{self, Str, Value};

/// How many times a string may be JSON or base64 inside another before its inside is only read as text.
const NESTING_LIMIT: usize = 4;

/// Names that may stand in a field's place. Any other key is shown as `*`: keys are the caller's words
/// and may be the very thing that must not be repeated.
const KNOWN_KEYS: &[&str] = &[
    "arguments",
    "choices",
    "content",
    "data",
    "delta",
    "description",
    "document",
    "file",
    "file_data",
    "file_url",
    "function",
    "image_url",
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
];

/// Keys whose values name something: a placeholder in them would make it something else.
const IDENTIFIERS: &[&str] =
    &["call_id", "id", "item_id", "model", "name", "role", "tool_call_id", "tool_use_id", "type"];

/// Inspects every string of `value` but those that start at an offset of `skip`.
pub fn tree(policy: &Policy, value: &Value<'_>, skip: &[usize], findings: &mut Findings) {
    let mut walk = Walk {
        policy,
        skip,
        findings,
        path: SmallVec::new(),
        violations: Vec::new(),
        spots: Vec::new(),
        nesting: 0,
        is_identifier: false,
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
    violations: Vec<Violation>,
    /// Matches that can be replaced, by their place in the text that is walked: the body, or a text that
    /// one of its strings holds.
    spots: Vec<Spot>,
    nesting: usize,
    /// Whether the strings that come next name something.
    is_identifier: bool,
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
            Value::String(text) => self.string(*text),
            Value::Number(digits) => self.number(digits),
            Value::Array(elements) => self.array(elements),
            Value::Object { members, .. } => self.object(value, members),
            Value::Bool(_) | Value::Null => {}
        }
    }

    fn array(&mut self, elements: &[Value<'_>]) {
        for (index, element) in elements.iter().enumerate() {
            self.path.push(Step::Index(index));
            self.value(element);
            self.path.pop();
        }
        self.joined(elements);
    }

    fn object(&mut self, object: &Value<'_>, members: &[(Str<'_>, Value<'_>)]) {
        for (key, value) in members {
            let name = key.text();
            let shown = KNOWN_KEYS.iter().find(|known| **known == name).copied().unwrap_or("*");
            self.path.push(Step::Key(shown));
            if shown == "*" {
                self.scan(&name, Home::Fixed);
            }
            let outer = std::mem::replace(&mut self.is_identifier, IDENTIFIERS.contains(&name.as_ref()));
            match value.as_str().and_then(|text| Some((text, Declared::of(object, &name, text)?))) {
                Some((text, declared)) => self.declared(declared, text),
                None => self.value(value),
            }
            if let Some(kind) = self.remote(object, &name, value) {
                self.findings.has_attachment = true;
                self.uninspected(kind);
            }
            self.is_identifier = outer;
            self.path.pop();
        }
    }

    fn string(&mut self, text: Str<'_>) {
        if self.nesting == 0 && self.skip.contains(&text.start()) {
            return;
        }
        let decoded = text.text();
        if let Some(attachment) = data_url(&decoded) {
            return self.declared(attachment, text);
        }
        let home = if self.is_identifier { Home::Fixed } else { Home::String(text) };
        self.scan(&decoded, home);
        self.inside(&decoded, home);
    }

    /// Numbers can be what a room denies; the small ones are settings.
    fn number(&mut self, digits: &str) {
        if digits.len() >= 4 && self.path.len() > 1 {
            self.scan(digits, Home::Fixed);
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
        if elements.len() < 2 || self.policy.rules().is_empty() {
            return;
        }
        let mut text = String::new();
        let mut seams: SmallVec<[usize; 8]> = SmallVec::new();
        for element in elements {
            if let Some(part) = element.get("text").and_then(Value::as_str) {
                text.push_str(&part.text());
                seams.push(text.len());
            }
        }
        seams.pop();
        if seams.is_empty() {
            return;
        }
        self.policy.rules().scan(&text, &mut self.violations);
        for violation in std::mem::take(&mut self.violations) {
            if seams.iter().any(|seam| violation.span.start < *seam && violation.span.end > *seam) {
                let sighting = Sighting::new(&violation, &text);
                self.findings.note(self.policy, &sighting, || place(&self.path));
                if may_replace(self.policy, violation.rule) {
                    self.findings.note_fixed(violation.rule, || place(&self.path));
                }
            }
        }
    }

    fn declared(&mut self, declared: Declared, home: Str<'_>) {
        let text = match &declared.decoded {
            Some(bytes) if self.nesting < NESTING_LIMIT => std::str::from_utf8(bytes).ok(),
            _ => None,
        };
        if let Some(text) = text {
            self.nesting += 1;
            let outer = std::mem::take(&mut self.spots);
            self.scan(text, Home::Document);
            self.inside(text, Home::Document);
            let inner = std::mem::replace(&mut self.spots, outer);
            self.document(text, inner, &declared, home);
            self.nesting -= 1;
            return;
        }
        self.findings.binary_bytes += declared.encoded_bytes;
        self.findings.has_attachment |= declared.kind != "opaque";
        self.uninspected(declared.kind);
    }

    /// Notes that what the present place stands for was not read.
    fn uninspected(&mut self, kind: &str) {
        if self.findings.uninspected.len() < PLACES_LIMIT {
            let place = format!("{kind}:{}", place(&self.path));
            self.findings.uninspected.push(place);
        }
    }

    /// What kind of attachment an address stands for that the provider will fetch by itself. The address
    /// is read as text; what lies there is not.
    fn remote(&self, object: &Value<'_>, key: &str, value: &Value<'_>) -> Option<&'static str> {
        let address = value.as_str()?;
        let is_web = |text: &str| {
            let head = text.get(..8).unwrap_or(text).to_ascii_lowercase();
            head.starts_with("https://") || head.starts_with("http://")
        };
        let kind = object.get("type").and_then(Value::as_str);
        let is = |name: &str| kind.is_some_and(|kind| kind.is(name));
        let parent = self.path.iter().rev().nth(1);
        let is_below = |name: &str| matches!(parent, Some(Step::Key(key)) if *key == name);
        let kind = match key {
            "url" if is("url") && is_below("source") => "file",
            "url" if is_below("image_url") => "image",
            "image_url" if is("input_image") => "image",
            "file_url" if is("input_file") => "file",
            _ => return None,
        };
        is_web(&address.text()).then_some(kind)
    }

    /// A document is replaced as a whole, and only where its encoding gives every other byte back.
    fn document(&mut self, text: &str, spots: Vec<Spot>, declared: &Declared, home: Str<'_>) {
        if spots.is_empty() {
            return;
        }
        let decoded = home.text();
        let encoded = &decoded[declared.data_start..];
        match Coding::of(encoded, text.as_bytes()) {
            Some(coding) if !self.is_identifier => {
                let range = home.place(declared.data_start..decoded.len());
                let what = What::Document { text: text.to_owned(), spots, coding };
                self.spots.push(Spot { range, depth: 1, what });
            }
            _ => spots.iter().for_each(|spot| self.fix(spot)),
        }
    }

    fn scan(&mut self, text: &str, home: Home<'_>) {
        if self.policy.may_redact() && text.contains(names::OPEN) {
            names::look_alikes(text, &mut self.findings.look_alikes);
        }
        self.policy.rules().scan(text, &mut self.violations);
        if self.violations.is_empty() {
            return;
        }
        let field = place(&self.path);
        let mut spots = Vec::new();
        for violation in self.violations.drain(..) {
            self.findings.note(self.policy, &Sighting::new(&violation, text), || field.clone());
            if may_replace(self.policy, violation.rule) {
                let what = What::Match(violation.rule);
                spots.push(Spot { range: violation.span, depth: 0, what });
            }
        }
        self.lift(spots, home);
    }
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
