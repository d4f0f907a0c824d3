//! What is inspected: every string of a JSON text, keys included, and what strings hold in turn.
//!
//! There is no list of fields to look at, only a short list of what is not text: images, sound, PDFs and
//! opaque signatures. Those are named as uninspected. A field that we do not know is inspected, so new
//! fields of an API fail safe. Strings that are JSON themselves are read as JSON too; base64 that turns
//! out to be text is inspected as text; consecutive text blocks are inspected joined as well, because
//! clients and models read them as one.

use crate::json::{self, Str, Value};
use crate::policy::Policy;
use base64::Engine;
use smallvec::SmallVec;
use std::borrow::Cow;
use zos_rules::Violation;

/// How many times a string may be JSON or base64 inside another before its inside is only read as text.
const NESTING_LIMIT: usize = 4;

/// A base64 text shorter than this is inspected as the string it is.
const BASE64_MIN: usize = 64;

/// How many base64 characters are decoded to see whether they hold text. A multiple of four.
const PROBE_BYTES: usize = 1024;

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

/// What inspection found.
#[derive(Debug, Default)]
pub(crate) struct Findings {
    /// Rules that found something and the first place of each.
    pub(crate) found: Vec<Found>,
    /// What could not be read, as `kind:place`.
    pub(crate) uninspected: Vec<String>,
    /// Whether something of `uninspected` is an attachment that the context's `attachments` speaks of.
    pub(crate) has_attachment: bool,
    /// Bytes of declared binary data, which are no text to count.
    pub(crate) binary_bytes: usize,
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
}

impl Findings {
    /// Notes a violation.
    pub(crate) fn note(&mut self, rule: usize, field: impl FnOnce() -> String) {
        match self.found.iter_mut().find(|found| found.rule == rule) {
            Some(found) => found.count = found.count.saturating_add(1),
            None => self.found.push(Found { rule, field: field(), count: 1 }),
        }
    }

    /// Whether something was found that must not pass.
    pub(crate) fn are_blocked(&self, policy: &Policy) -> bool {
        self.found.iter().any(|found| policy.blocks(found.rule))
    }
}

/// Inspects every string of `value` but those that start at an offset of `skip`.
pub(crate) fn tree(policy: &Policy, value: &Value<'_>, skip: &[usize], findings: &mut Findings) {
    let mut walk = Walk { policy, skip, findings, path: SmallVec::new(), violations: Vec::new(), nesting: 0 };
    walk.value(value);
}

/// Inspects a text that is no JSON.
pub(crate) fn text(policy: &Policy, text: &str, field: &str, findings: &mut Findings) {
    let mut violations = Vec::new();
    policy.rules().scan(text, &mut violations);
    for violation in violations {
        findings.note(violation.rule, || field.to_owned());
    }
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
    nesting: usize,
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
                self.scan(&name);
            }
            match value.as_str().and_then(|text| Declared::of(object, &name, text)) {
                Some(declared) => self.declared(declared),
                None => self.value(value),
            }
            self.path.pop();
        }
    }

    fn string(&mut self, text: Str<'_>) {
        if self.nesting == 0 && self.skip.contains(&text.start()) {
            return;
        }
        let decoded = text.text();
        if let Some(attachment) = data_url(&decoded) {
            return self.declared(attachment);
        }
        self.scan(&decoded);
        self.inside(&decoded);
    }

    /// Numbers can be what a room denies; the small ones are settings.
    fn number(&mut self, digits: &str) {
        if digits.len() >= 4 && self.path.len() > 1 {
            self.scan(digits);
        }
    }

    /// A string that is JSON in turn, tool arguments above all.
    fn inside(&mut self, decoded: &str) {
        if self.policy.rules().is_empty() || self.nesting == NESTING_LIMIT {
            return;
        }
        if matches!(decoded.trim_start().as_bytes().first(), Some(b'{' | b'[' | b'"'))
            && decoded.contains('\\')
            && let Ok(value) = json::parse(decoded)
        {
            self.nesting += 1;
            self.value(&value);
            self.nesting -= 1;
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
                let field = self.place();
                self.findings.note(violation.rule, || field);
            }
        }
    }

    fn declared(&mut self, declared: Declared) {
        let text = match &declared.decoded {
            Some(bytes) if self.nesting < NESTING_LIMIT => std::str::from_utf8(bytes).ok(),
            _ => None,
        };
        if let Some(text) = text {
            self.nesting += 1;
            self.scan(text);
            self.inside(text);
            self.nesting -= 1;
            return;
        }
        self.findings.binary_bytes += declared.encoded_bytes;
        self.findings.has_attachment |= declared.kind != "opaque";
        if self.findings.uninspected.len() < PLACES_LIMIT {
            let place = format!("{}:{}", declared.kind, self.place());
            self.findings.uninspected.push(place);
        }
    }

    fn scan(&mut self, text: &str) {
        self.policy.rules().scan(text, &mut self.violations);
        if self.violations.is_empty() {
            return;
        }
        let field = self.place();
        for violation in self.violations.drain(..) {
            self.findings.note(violation.rule, || field.clone());
        }
    }

    fn place(&self) -> String {
        use std::fmt::Write;
        let mut place = String::new();
        for step in &self.path {
            let written = match step {
                Step::Key(key) if place.is_empty() => write!(place, "{key}"),
                Step::Key(key) => write!(place, ".{key}"),
                Step::Index(index) => write!(place, "[{index}]"),
            };
            written.expect("writing to a String never fails");
        }
        if place.is_empty() { "body".to_owned() } else { place }
    }
}

/// A string that the API declares to be no text.
struct Declared {
    /// `image`, `audio`, `pdf`, `file` or `opaque`.
    kind: &'static str,
    /// What base64 gave, where it is base64.
    decoded: Option<Vec<u8>>,
    encoded_bytes: usize,
}

impl Declared {
    /// What the string `key` of `object` is declared to be; `None` means plain text.
    fn of(object: &Value<'_>, key: &str, text: Str<'_>) -> Option<Declared> {
        let kind = match key {
            "data" => {
                let of = |name| object.get(name).and_then(Value::as_str).map(|text| text.text());
                match (of("type").as_deref(), of("media_type"), of("format")) {
                    (Some("base64"), Some(media), _) => media_kind(&media),
                    (Some("redacted_thinking"), _, _) => "opaque",
                    (_, _, Some(_)) | (Some("audio"), _, _) => "audio",
                    (None, None, None)
                        if object.get("transcript").is_some() || object.get("expires_at").is_some() =>
                    {
                        "audio"
                    }
                    _ => return None,
                }
            }
            "file_data" => "file",
            "b64_json" | "partial_image_b64" => "image",
            "signature" | "encrypted_content" | "thought_signature" | "encrypted_index" => "opaque",
            "file_id" => {
                return Some(Declared { kind: "file", decoded: None, encoded_bytes: 0 });
            }
            _ => return None,
        };
        let raw = text.text();
        if let Some(attachment) = data_url(&raw) {
            return Some(attachment);
        }
        Declared::from_base64(kind, &raw)
    }

    /// `None` when the text is too short to be worth it or no base64: then it is inspected as text.
    fn from_base64(kind: &'static str, text: &str) -> Option<Declared> {
        (text.len() >= BASE64_MIN || kind == "image").then_some(())?;
        Some(Declared { kind, decoded: Some(decode_base64(text)?), encoded_bytes: text.len() })
    }
}

fn media_kind(media: &str) -> &'static str {
    match media.split(['/', ';']).next() {
        Some("image") => "image",
        Some("audio") => "audio",
        _ if media.starts_with("application/pdf") => "pdf",
        _ => "file",
    }
}

/// `data:<media type>;base64,<data>`.
fn data_url(text: &str) -> Option<Declared> {
    let rest = text.strip_prefix("data:")?;
    let (head, data) = rest.split_at_checked(rest.find(',')?)?;
    let media = head.strip_suffix(";base64")?;
    let data = &data[1..];
    Some(Declared { kind: media_kind(media), decoded: Some(decode_base64(data)?), encoded_bytes: text.len() })
}

/// Base64 in either alphabet, padded or not, with line breaks or not.
fn decode_base64(text: &str) -> Option<Vec<u8>> {
    use base64::alphabet;
    use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
    const LENIENT: GeneralPurposeConfig = GeneralPurposeConfig::new()
        .with_decode_padding_mode(DecodePaddingMode::Indifferent)
        .with_decode_allow_trailing_bits(true);
    const STANDARD: GeneralPurpose = GeneralPurpose::new(&alphabet::STANDARD, LENIENT);
    const URL_SAFE: GeneralPurpose = GeneralPurpose::new(&alphabet::URL_SAFE, LENIENT);
    let packed: Cow<'_, str> = if text.contains(['\n', '\r', ' ']) {
        Cow::Owned(text.replace(['\n', '\r', ' '], ""))
    } else {
        Cow::Borrowed(text)
    };
    let decode = |text: &[u8]| STANDARD.decode(text).or_else(|_| URL_SAFE.decode(text)).ok();
    // What starts with bytes that are no text is no text: an image of 20 MB is not decoded to learn that.
    if let Some(head) = packed.as_bytes().get(..PROBE_BYTES) {
        let head = decode(head)?;
        if std::str::from_utf8(&head).is_err_and(|error| error.error_len().is_some()) {
            return Some(head);
        }
    }
    decode(packed.as_bytes())
}
