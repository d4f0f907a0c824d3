//! What is inspected: every string of a JSON text, keys included, and what strings hold in turn.
//!
//! There is no list of fields to look at, only a short list of what is not text: images, sound, PDFs and
//! opaque signatures. Those are named as uninspected. A field that we do not know is inspected, so new
//! fields of an API fail safe. Strings that are JSON themselves are read as JSON too; base64 that turns
//! out to be text is inspected as text; consecutive text blocks are inspected joined as well, because
//! clients and models read them as one.

mod declared;

use crate::json::{self, Str, Value};
use crate::policy::Policy;
use crate::redact::Spot;
use crate::redact::names;
use crate::redact::spots::{Coding, What};
use crate::targets::TargetFindings;
use declared::{Declared, data_url};
use smallvec::SmallVec;
use std::collections::HashSet;
use std::ops::Range;
use std::sync::Arc;
use zos_core::Effect;
use zos_rules::{Evasion, Violation};

/// How many times a string may be JSON or base64 inside another before its inside is only read as text.
const NESTING_LIMIT: usize = 4;

/// How many places of one kind a record names.
const PLACES_LIMIT: usize = 16;

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

/// What inspection found.
#[derive(Debug, Default)]
pub(crate) struct Findings {
    /// Rules that found something and the first place of each.
    pub(crate) found: Vec<Found>,
    /// Where matches stand that can be replaced, for rules that may ask for it. In no order.
    pub(crate) spots: Vec<Spot>,
    /// Rules that may ask for a match to be replaced where that cannot be done exactly, and the first
    /// place of each: keys, numbers, identifiers, matches over two blocks, encodings that are not exact.
    pub(crate) fixed: Vec<(usize, String)>,
    /// What the text holds that looks like one of our placeholders.
    pub(crate) look_alikes: HashSet<String>,
    /// What tool calls and links point at that does not pass by itself.
    pub(crate) targets: TargetFindings,
    /// What could not be read, as `kind:place`.
    pub(crate) uninspected: Vec<String>,
    /// Whether something of `uninspected` is an attachment that the context's `attachments` speaks of.
    pub(crate) has_attachment: bool,
    /// What was found, to be hashed for the record and nothing else.
    pub(crate) matched: Matched,
    /// Bytes of declared binary data, which are no text to count.
    pub(crate) binary_bytes: usize,
}

/// How many different finds are kept, as many as a record has room for, and their bytes together.
const MATCHED_LIMIT: usize = zos_audit::record::LIST_ENTRIES;
const MATCHED_BYTES: usize = 256 << 10;

/// What patterns and packs found, as it stood there and as it reads without a disguise: wiped when it goes,
/// and shown to nobody. What a listed term found is known by its rule.
#[derive(Default)]
pub(crate) struct Matched {
    texts: Vec<zeroize::Zeroizing<String>>,
    bytes: usize,
}

impl Matched {
    fn note(&mut self, policy: &Policy, sighting: &Sighting<'_>) {
        let Sighting { rule, text, span, evasion, .. } = sighting;
        let Some(matched) = text.get(span.clone()).filter(|_| policy.term(*rule).is_none()) else { return };
        if !self.keep(matched) {
            return;
        }
        let plain =
            evasion.and_then(|evasion| policy.rules().undisguised(*rule, text, span.clone(), evasion));
        if let Some(plain) = plain {
            self.keep(&plain);
        }
    }

    /// Keeps a text; `false` where it is known or there is no room for it.
    fn keep(&mut self, text: &str) -> bool {
        let has_room = self.texts.len() < MATCHED_LIMIT && self.bytes + text.len() <= MATCHED_BYTES;
        let is_new = has_room && !text.is_empty() && !self.texts.iter().any(|known| **known == text);
        if is_new {
            self.bytes += text.len();
            self.texts.push(text.to_owned().into());
        }
        is_new
    }

    /// The texts.
    pub(crate) fn texts(&self) -> impl Iterator<Item = &str> {
        self.texts.iter().map(|text| text.as_str())
    }
}

/// A violation and the text that it stands in.
pub(crate) struct Sighting<'a> {
    pub(crate) rule: usize,
    /// The detector of a pack that found it.
    pub(crate) detector: Option<&'a Arc<str>>,
    pub(crate) evasion: Option<Evasion>,
    pub(crate) text: &'a str,
    pub(crate) span: Range<usize>,
}

impl<'a> Sighting<'a> {
    pub(crate) fn new(violation: &'a Violation, text: &'a str) -> Self {
        let Violation { rule, span, evasion, detector, .. } = violation;
        Sighting { rule: *rule, detector: detector.as_ref(), evasion: *evasion, text, span: span.clone() }
    }
}

impl std::fmt::Debug for Matched {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Matched([{} texts])", self.texts.len())
    }
}

/// A rule that found something.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Found {
    /// Index of the rule in the room's policy.
    pub(crate) rule: usize,
    /// The field, such as `messages[2].content[0].text`.
    pub(crate) field: String,
    /// How many times.
    pub(crate) count: u32,
    /// The detectors of a pack that found it, such as `secrets/aws-key`.
    pub(crate) detectors: SmallVec<[Arc<str>; 1]>,
}

impl Findings {
    /// Notes a violation and the field that it stands in.
    pub(crate) fn note(&mut self, policy: &Policy, sighting: &Sighting<'_>, field: impl FnOnce() -> String) {
        let Sighting { rule, detector, .. } = *sighting;
        let known = self.found.iter().position(|found| found.rule == rule);
        let at = known.unwrap_or_else(|| {
            let found = Found { rule, field: field(), count: 0, detectors: SmallVec::new() };
            self.found.push(found);
            self.found.len() - 1
        });
        let found = &mut self.found[at];
        found.count = found.count.saturating_add(1);
        if let Some(detector) = detector.filter(|detector| !found.detectors.contains(detector)) {
            found.detectors.push(Arc::clone(detector));
        }
        self.matched.note(policy, sighting);
    }

    /// Notes a match that cannot be replaced.
    pub(crate) fn note_fixed(&mut self, rule: usize, field: impl FnOnce() -> String) {
        if !self.fixed.iter().any(|(known, _)| *known == rule) {
            self.fixed.push((rule, field()));
        }
    }

    /// Takes over what another inspection of the same call found, but for the places to replace.
    pub(crate) fn absorb(&mut self, other: Findings) {
        for fresh in other.found {
            match self.found.iter_mut().find(|found| found.rule == fresh.rule) {
                Some(found) => {
                    found.count = found.count.saturating_add(fresh.count);
                    let new =
                        fresh.detectors.into_iter().filter(|detector| !found.detectors.contains(detector));
                    let new: SmallVec<[Arc<str>; 1]> = new.collect();
                    found.detectors.extend(new);
                }
                None => self.found.push(fresh),
            }
        }
        for (rule, field) in other.fixed {
            self.note_fixed(rule, || field);
        }
        for place in other.uninspected {
            if self.uninspected.len() < PLACES_LIMIT && !self.uninspected.contains(&place) {
                self.uninspected.push(place);
            }
        }
        other.matched.texts().for_each(|text| {
            self.matched.keep(text);
        });
        self.targets.absorb(other.targets);
        self.has_attachment |= other.has_attachment;
        self.binary_bytes += other.binary_bytes;
    }

    /// The rules with a certain effect that found something.
    pub(crate) fn rules_with(&self, policy: &Policy, effect: Effect) -> Vec<usize> {
        self.found.iter().map(|found| found.rule).filter(|rule| policy.effect(*rule) == effect).collect()
    }

    /// Whether something was found that must not pass.
    pub(crate) fn are_blocked(&self, policy: &Policy) -> bool {
        self.targets.are_blocked(policy)
            || self.found.iter().any(|found| policy.effect(found.rule) == Effect::Block)
    }

    /// The first place where a match would have to be replaced and cannot be.
    pub(crate) fn not_replaceable(&self, policy: &Policy) -> Option<&(usize, String)> {
        self.fixed.iter().find(|(rule, _)| policy.effect(*rule) == Effect::Redact)
    }
}

/// Inspects every string of `value` but those that start at an offset of `skip`.
pub(crate) fn tree(policy: &Policy, value: &Value<'_>, skip: &[usize], findings: &mut Findings) {
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

/// Whether a member of an object says something, or is declared to be an image, a sound, a file or a signature. A
/// document that is text counts as it stands, encoded, which is more than it says.
pub(crate) fn is_text(object: &Value<'_>, key: &str, value: &Value<'_>) -> bool {
    let Some(text) = value.as_str() else { return true };
    let url = || text.raw().starts_with("data:").then(|| data_url(&text.text())).flatten();
    let declared = Declared::of(object, key, text).or_else(url);
    declared.is_none_or(|declared| declared.decoded.is_some_and(|bytes| std::str::from_utf8(&bytes).is_ok()))
}

/// Inspects a text that is no JSON.
pub(crate) fn text(policy: &Policy, text: &str, field: &str, findings: &mut Findings) {
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
