//! Puts texts back in the place of their placeholders, in whole answers and in texts that arrive in
//! pieces.
//!
//! Only what may still become an issued placeholder is held back. One that never ends is dropped. A placeholder
//! stays as it is inside an address that the room does not allow, and a secret's stays everywhere but in calls that
//! take it where it belongs.

use super::address::AddressReader;
use super::names::{CLOSE, INSIDE_LIMIT, Inside, OPEN};
use super::sessions::{Granted, Restorable, Restored, Standing};
use super::spots::Edit;
use std::borrow::Cow;
use std::ops::Range;
use zos_wire::json::{self, Str, Value};

/// How often a string may be JSON inside another here.
const NESTING_LIMIT: usize = 4;

/// The restorer of one text that arrives in pieces.
#[derive(Clone)]
pub(crate) struct Restorer {
    restorable: Restorable,
    /// What is held back, as it came.
    held: String,
    /// The placeholder that began; `None` while none has.
    reading: Option<Reading>,
    /// For the arguments of a tool call, which are pieces of a JSON text.
    arguments: Option<Quoting>,
    /// Whether what comes next stands in an address.
    address: AddressReader,
    /// What the tool call may have, once it was judged.
    granted: Granted,
}

/// A placeholder that began.
#[derive(Debug, Clone, Default)]
struct Reading {
    /// Its inside so far, as it is compared.
    key: String,
    /// Characters of its inside so far.
    read: usize,
}

/// What a character makes of a placeholder that began.
enum Step<'r> {
    /// It may still become an issued one.
    Open,
    /// It is whole, and stands for this.
    Whole(Restored<'r>),
    /// It is none.
    None,
}

impl Reading {
    fn read<'r>(&mut self, c: char, restorable: &'r Restorable, standing: &Standing<'_>) -> Step<'r> {
        self.read += 1;
        let goes_on = match (c, Inside::of(c)) {
            (CLOSE, _) => return Step::Whole(restorable.get(&self.key, standing)),
            (_, Inside::Letter(letter)) => {
                self.key.push(letter);
                restorable.goes_on(&self.key)
            }
            (_, Inside::Gap) => true,
            (_, Inside::Foreign) => false,
        };
        if goes_on && self.read <= INSIDE_LIMIT { Step::Open } else { Step::None }
    }
}

/// Where in the JSON text of a tool call's arguments the restorer is.
#[derive(Debug, Clone, Default)]
struct Quoting {
    /// Whether this is JSON at all: some tools take plain text. Known from the first visible character.
    is_json: Option<bool>,
    is_inside: bool,
    /// The beginning of an escape.
    escape: String,
}

impl Restorer {
    /// A restorer for plain text, or for the arguments of a tool call.
    pub(crate) fn new(restorable: Restorable, is_arguments: bool) -> Self {
        let arguments = is_arguments.then(Quoting::default);
        Restorer {
            restorable,
            held: String::new(),
            reading: None,
            arguments,
            address: AddressReader::default(),
            granted: Granted::default(),
        }
    }

    /// The tool call that this is the text of was judged: it may have these secrets.
    pub(crate) fn grant(&mut self, granted: Granted) {
        self.granted = granted;
    }

    /// Reads the next piece and appends what may leave.
    pub(crate) fn push(&mut self, piece: &str, out: &mut String) {
        if self.restorable.is_empty() {
            out.push_str(piece);
            return;
        }
        let mut rest = piece;
        while !rest.is_empty() {
            // Most text is far from any placeholder.
            if self.arguments.is_none() && self.reading.is_none() {
                let run = rest.find(OPEN).unwrap_or(rest.len());
                out.push_str(&rest[..run]);
                rest[..run].chars().for_each(|c| self.address.push(c));
                rest = &rest[run..];
            }
            let Some(c) = rest.chars().next() else { break };
            rest = &rest[c.len_utf8()..];
            self.character(c, out);
        }
    }

    /// Words of ours come next: whatever is held was no placeholder.
    pub(crate) fn interrupt(&mut self, out: &mut String) {
        self.let_go(out);
    }

    fn character(&mut self, c: char, out: &mut String) {
        let Some(quoting) = &mut self.arguments else {
            return self.unit(c, c.encode_utf8(&mut [0; 4]), out);
        };
        if quoting.is_json.is_none() && !c.is_whitespace() {
            quoting.is_json = Some(matches!(c, '{' | '[' | '"'));
        }
        if quoting.is_json != Some(true) {
            return self.unit(c, c.encode_utf8(&mut [0; 4]), out);
        }
        if quoting.escape.is_empty() && !(quoting.is_inside && c == '\\') {
            if c == '"' {
                self.let_go(out);
                self.address.end();
                out.push(c);
                let quoting = self.arguments.get_or_insert_default();
                quoting.is_inside = !quoting.is_inside;
                return;
            }
            return self.unit(c, c.encode_utf8(&mut [0; 4]), out);
        }
        quoting.escape.push(c);
        let is_open = match quoting.escape.as_bytes() {
            [b'\\'] => true,
            [b'\\', b'u', digits @ ..] => digits.len() < 4 && digits.iter().all(u8::is_ascii_hexdigit),
            _ => false,
        };
        if is_open {
            return;
        }
        let escape = std::mem::take(&mut quoting.escape);
        let code = escape.strip_prefix("\\u").and_then(|digits| u32::from_str_radix(digits, 16).ok());
        let decoded = code.and_then(char::from_u32).unwrap_or(char::REPLACEMENT_CHARACTER);
        self.unit(decoded, &escape, out);
    }

    /// One character, and how it is written.
    fn unit(&mut self, c: char, raw: &str, out: &mut String) {
        if c == OPEN {
            self.let_go(out);
            self.held.push_str(raw);
            self.reading = Some(Reading::default());
            return;
        }
        let Some(reading) = &mut self.reading else {
            out.push_str(raw);
            self.address.push(c);
            return;
        };
        self.held.push_str(raw);
        let standing =
            Standing { address: &self.address, granted: self.arguments.is_some().then_some(&self.granted) };
        match reading.read(c, &self.restorable, &standing) {
            Step::Open => {}
            Step::Whole(Restored::Text(text)) => {
                match &self.arguments {
                    Some(Quoting { is_inside: true, .. }) => out.push_str(&json::escape(text)),
                    _ => out.push_str(text),
                }
                text.chars().for_each(|c| self.address.push(c));
                self.held.clear();
                self.reading = None;
            }
            Step::Whole(Restored::Stays | Restored::Unknown) | Step::None => self.let_go(out),
        }
    }

    /// What was held is no placeholder: it is the model's text.
    fn let_go(&mut self, out: &mut String) {
        out.push_str(&self.held);
        self.held.chars().for_each(|c| self.address.push(c));
        self.held.clear();
        self.reading = None;
    }
}

/// Whether a text may hold a placeholder, escaped or not.
pub fn may_hold(text: &str) -> bool {
    text.contains(OPEN) || text.contains("27e6") || text.contains("27E6")
}

/// The edits that restore every string of a JSON text but those that start at an offset of `skip`, in order. A
/// string that is JSON in turn is restored inside, so that it stays JSON. `tool` is the one whose call the text is
/// about where that was said elsewhere, as for the event that repeats the arguments of a call; empty for none.
pub(crate) fn edits(restorable: &Restorable, value: &Value<'_>, skip: &[usize], tool: &str) -> Vec<Edit> {
    let mut edits = Vec::new();
    if !restorable.is_empty() {
        let about = (!tool.is_empty()).then(|| Call::named(Cow::Borrowed(tool)));
        let mut walk = Walk { restorable, skip, about, granted: None, edits: &mut edits };
        walk.value(value, NESTING_LIMIT);
    }
    edits
}

/// The strings of one JSON text.
struct Walk<'a> {
    restorable: &'a Restorable,
    skip: &'a [usize],
    /// The call that the outermost object is about, where it does not say so itself.
    about: Option<Call<'a>>,
    /// What the tool call may have that the strings stand in; `None` outside of calls.
    granted: Option<Granted>,
    edits: &'a mut Vec<Edit>,
}

impl Walk<'_> {
    fn value(&mut self, value: &Value<'_>, nesting: usize) {
        match value {
            Value::String(text) if self.skip.binary_search(&text.start()).is_err() => {
                self.string(*text, nesting)
            }
            Value::Array(elements) => elements.iter().for_each(|element| self.value(element, nesting)),
            Value::Object { members, .. } => {
                // What a call carries is no call of its own, whatever its shape.
                let about = self.about.take();
                let call = self.granted.is_none().then(|| Call::of(value).or(about)).flatten();
                for (key, member) in members {
                    self.string(*key, nesting);
                    let outer = self.granted.clone();
                    if let Some(tool) = call.as_ref().filter(|call| call.has(key)).map(|call| &*call.tool) {
                        let arguments = member.as_str().map_or_else(|| raw_of(member), |text| text.text());
                        self.granted = Some(self.restorable.granted(tool, &arguments));
                    }
                    self.value(member, nesting);
                    self.granted = outer;
                }
            }
            _ => {}
        }
    }

    fn string(&mut self, text: Str<'_>, nesting: usize) {
        if !may_hold(text.raw()) {
            return;
        }
        let decoded = text.text();
        let mut inner = Vec::new();
        let is_json = nesting > 0 && matches!(decoded.trim_start().as_bytes().first(), Some(b'{' | b'['));
        match is_json.then(|| json::parse(&decoded)) {
            Some(Ok(value)) => {
                // What stands in a string is said, and never a call by itself.
                let granted = Some(self.granted.clone().unwrap_or_default());
                let mut walk =
                    Walk { restorable: self.restorable, skip: &[], about: None, granted, edits: &mut inner };
                walk.value(&value, nesting - 1);
            }
            _ => inner = found(self.restorable, &decoded, self.granted.as_ref()),
        }
        let (ranges, texts): (Vec<Range<usize>>, Vec<String>) = inner.into_iter().unzip();
        let texts = texts.into_iter().map(|text| json::escape(&text));
        self.edits.extend(text.places(&ranges).into_iter().zip(texts));
    }
}

/// A tool call that stands whole in an answer, told by its shape.
struct Call<'a> {
    tool: Cow<'a, str>,
    is_kind: bool,
}

impl<'a> Call<'a> {
    fn of(value: &'a Value<'a>) -> Option<Call<'a>> {
        let text = |key| value.get(key).and_then(Value::as_str).map(|text| text.text());
        let kind = text("type").unwrap_or_default();
        let is_kind = kind.ends_with("_call");
        let tool = text("name").or_else(|| is_kind.then_some(kind))?;
        Some(Call { tool, is_kind })
    }

    /// The call of a tool; the provider's own tools go by their kind.
    fn named(tool: Cow<'a, str>) -> Call<'a> {
        let is_kind = tool.ends_with("_call");
        Call { tool, is_kind }
    }

    fn has(&self, key: &Str<'_>) -> bool {
        let is_any = |names: &[&str]| names.iter().any(|name| key.is(name));
        is_any(&["arguments", "input", "parameters"])
            || self.is_kind && is_any(&["action", "code", "command"])
    }
}

fn raw_of<'a>(value: &Value<'a>) -> Cow<'a, str> {
    value.raw_object().map_or(Cow::Borrowed(""), Cow::Borrowed)
}

/// The placeholders in a plain text, and what they stand for.
fn found(restorable: &Restorable, text: &str, granted: Option<&Granted>) -> Vec<Edit> {
    let mut edits = Vec::new();
    let (mut address, mut read) = (AddressReader::default(), 0);
    for (start, _) in text.match_indices(OPEN) {
        text[read..start].chars().for_each(|c| address.push(c));
        read = start;
        let standing = Standing { address: &address, granted };
        let mut reading = Reading::default();
        let inside = &text[start + OPEN.len_utf8()..];
        let mut is_open = true;
        for (at, c) in inside.char_indices() {
            match reading.read(c, restorable, &standing) {
                Step::Open => continue,
                Step::Whole(Restored::Text(text)) => {
                    let end = start + OPEN.len_utf8() + at + CLOSE.len_utf8();
                    edits.push((start..end, text.to_owned()));
                }
                Step::Whole(Restored::Stays | Restored::Unknown) | Step::None => {}
            }
            is_open = false;
            break;
        }
        if is_open {
            edits.push((start..text.len(), String::new()));
        }
    }
    edits
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::policy::Policy;
    use crate::redact::sessions::{Masks, Sessions, Speaker};
    use crate::redact::spots;
    use proptest::prelude::*;
    use std::sync::Arc;
    use zos_core::{Effect, RoomPolicy};
    use zos_rules::{Room, RuleKind, RuleSpec, Ruleset, Term};

    fn policy() -> Policy {
        let term = |text| {
            let mut rule = RuleSpec::new(format!("x/{text}"), RuleKind::Term(Term::new(text).unwrap()));
            rule.action = zos_rules::Action::Redact;
            rule
        };
        let rules = ["Ann Lee", "Falcon", "Lee Corp"].map(term).to_vec();
        let ruleset = Arc::new(Ruleset::compile(&[Room { name: "acme".into(), rules }]).unwrap());
        let room = RoomPolicy {
            rules: ruleset.room("acme").unwrap(),
            effects: vec![Effect::Redact; 3],
            places: Vec::new(),
            labels: ["person", "term", "firm"].map(String::from).to_vec(),
            restore_to: Vec::new(),
        };
        Policy::new(Arc::new(room), false)
    }

    /// A body as it leaves, and the placeholders that stand in it.
    fn redacted(policy: &Policy, body: &str) -> (String, Masks) {
        let mut findings = crate::findings::Findings::default();
        crate::inspect::tree(policy, &json::parse(body).unwrap(), &[], &mut findings);
        let mut masks = Sessions::default().open("acme", None, &http::HeaderMap::new());
        masks.set_look_alikes(findings.look_alikes);
        let mut mask = |rule, text: &str| masks.mask(policy, rule, text, Speaker::Caller);
        let edits = spots::edits(body, &findings.spots, &|_, _| true, &mut mask).unwrap();
        (json::replace(body, &edits), masks)
    }

    fn restored(masks: &Masks, body: &str) -> String {
        let value = json::parse(body).unwrap();
        json::replace(body, &edits(&masks.restorable(), &value, &[], ""))
    }

    #[test]
    fn nothing_is_held_that_can_be_no_placeholder() {
        let policy = policy();
        let (_, masks) = redacted(&policy, r#"["Ann Lee"]"#);
        let mut restorer = Restorer::new(masks.restorable(), false);
        let mut push = |piece: &str| {
            let mut out = String::new();
            restorer.push(piece, &mut out);
            out
        };
        assert_eq!(push("a ⟦per"), "a ");
        assert_eq!(push("x"), "⟦perx");
        assert_eq!(push("⟦"), "");
        assert_eq!(push("⟦ Person"), "⟦");
        assert_eq!(push("-1 ⟧."), "Ann Lee.");
        assert_eq!(push("⟦person-1b⟧⟦person-1"), "⟦person-1b⟧");
        assert_eq!(push(&" ".repeat(100)).chars().count(), 109, "not more than its bound is held");
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(300))]

        #[test]
        fn redacting_and_restoring_is_the_identity(
            words in prop::collection::vec("(Ann Lee|ANN\\n LEE|ann-lee|Falcon's|FALCON|F\u{430}lcon|Fal\u{200b}con|Ann Lee Corp|Lee Corp|⟦|⟧|person-1|⟦term-1⟧|⟦Person 1⟧|[a-z\"\\\\]{0,3}| |é|\\{\"a\": \"Ann Lee\\\\n\"\\}|RmFsY29uIGlzIGhlcmU=)", 0..10),
            nested: bool,
        ) {
            // What stands beside a match may become one when the match is gone: not without a space.
            let text = words.join(" ");
            // A look-alike without its end would be dropped from an answer.
            prop_assume!(text.rfind('⟦') <= text.rfind('⟧'));
            let text = if nested { serde_json::json!({"q": [text]}).to_string() } else { text };
            let body = serde_json::json!({"messages": [{"role": "user", "content": text}]}).to_string();
            let policy = policy();
            let (sent, masks) = redacted(&policy, &body);
            let mut left = crate::findings::Findings::default();
            crate::inspect::tree(&policy, &json::parse(&sent).unwrap(), &[], &mut left);
            prop_assert!(left.found.is_empty(), "{sent}");
            let back = restored(&masks, &sent);
            let said = |body: &str| serde_json::from_str::<serde_json::Value>(body).unwrap();
            prop_assert_eq!(said(&back), said(&body), "{}", sent);
            // Again gives the very same bytes.
            prop_assert_eq!(redacted(&policy, &body).0, sent);
        }

        #[test]
        fn a_text_in_pieces_is_restored_as_the_whole_one(
            words in prop::collection::vec("(⟦person-1⟧|⟦PERSON 1⟧|⟦person-|⟦term-1⟧|⟦|⟧|1|[a-z ]{0,3})", 0..10),
            splits in prop::collection::vec(any::<prop::sample::Index>(), 0..10),
        ) {
            let text = words.concat();
            let (_, masks) = redacted(&policy(), r#"["Ann Lee, Falcon"]"#);
            let whole = json::replace(&text, &found(&masks.restorable(), &text, None));
            let mut places: Vec<usize> = splits.iter().filter(|_| !text.is_empty()).map(|split| text.floor_char_boundary(split.index(text.len()))).collect();
            places.extend([0, text.len()]);
            places.sort_unstable();
            let mut restorer = Restorer::new(masks.restorable(), false);
            let mut out = String::new();
            for pair in places.windows(2) {
                restorer.push(&text[pair[0]..pair[1]], &mut out);
            }
            prop_assert_eq!(out, whole);
        }
    }
}
