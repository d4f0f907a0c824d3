//! Typed reading of a map: what has the wrong type or an unknown key becomes a finding.

use super::findings::Findings;
use super::node::{MapEntry, Node, Place, Value};
use super::suggest::closest;

/// Treatment of an unknown key.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Unknown {
    /// The key is kept and warned about: files outlive versions.
    Warn,
    /// The key is an error: a misspelt setting must not be ignored.
    Refuse,
}

/// The fields of one map. Each getter marks its key as known; [`Fields::finish`] judges the rest.
#[derive(Debug)]
pub struct Fields<'n> {
    entries: &'n [MapEntry],
    /// The way to this map, for messages: `budget`, `outbound_deny[3]`; empty at the top.
    path: String,
    known: Vec<&'static str>,
    place: Place,
    /// Whether an unknown key or word may be shown: a term that lacks quotes can become one.
    shows_words: bool,
}

impl<'n> Fields<'n> {
    /// The fields of `node`, which `path` leads to. A node without a value has no fields.
    /// Anything but a map is an error, and then there is nothing to read.
    pub fn of(node: &'n Node, path: &str, findings: &mut Findings) -> Option<Self> {
        let entries = match &node.value {
            Value::Map(entries) => entries.as_slice(),
            Value::Null => &[],
            _ => {
                let subject = if path.is_empty() { "the file".to_owned() } else { format!("`{path}`") };
                let fix =
                    if path.is_empty() { "write `key: value` on each line" } else { "write {key: value}" };
                findings.error(node.place, format!("{subject} must be a map, found {}", node.kind()), fix);
                return None;
            }
        };
        Some(Self { entries, path: path.to_owned(), known: Vec::new(), place: node.place, shows_words: true })
    }

    /// Fields whose messages repeat no unknown key or word.
    #[must_use]
    pub fn confidential(self) -> Self {
        Self { shows_words: false, ..self }
    }

    /// Place where the map begins.
    pub fn place(&self) -> Place {
        self.place
    }

    /// All keys of the map with their values, in order; marks none as known.
    pub fn entries(&self) -> &'n [MapEntry] {
        self.entries
    }

    /// The entry with this key, with or without a value.
    pub fn entry(&mut self, key: &'static str) -> Option<&'n MapEntry> {
        self.known.push(key);
        self.entries.iter().find(|entry| entry.key == key)
    }

    /// The value of this key. A key without a value counts as absent and is warned about.
    pub fn value(&mut self, key: &'static str, findings: &mut Findings) -> Option<&'n Node> {
        let entry = self.entry(key)?;
        if entry.value.value == Value::Null {
            let message = format!("`{}` has no value and counts as absent", self.name(key));
            findings.warn(entry.place, message, "give it a value, or remove the line");
            return None;
        }
        Some(&entry.value)
    }

    /// The value of this key, where having none would silently mean "no limit" or the like.
    fn stated(&mut self, key: &'static str, findings: &mut Findings) -> Option<&'n Node> {
        let entry = self.entry(key)?;
        if entry.value.value == Value::Null {
            let message = format!("`{}` has no value", self.name(key));
            findings.error(entry.place, message, "give it a value, or remove the line");
            return None;
        }
        Some(&entry.value)
    }

    /// Text.
    pub fn text(&mut self, key: &'static str, findings: &mut Findings) -> Option<&'n str> {
        let node = self.value(key, findings)?;
        match &node.value {
            Value::Text(text) => Some(text),
            _ => self.wrong(node, key, "text", quote_fix(node), findings),
        }
    }

    /// A whole number from 0.
    pub fn whole(&mut self, key: &'static str, findings: &mut Findings) -> Option<u64> {
        let node = self.stated(key, findings)?;
        let parsed = match &node.value {
            Value::Number(digits) => digits.strip_prefix('+').unwrap_or(digits).parse().ok(),
            _ => None,
        };
        if parsed.is_none() && matches!(node.value, Value::Number(_)) {
            let message = format!("`{}` must be a whole number from 0 to {}", self.name(key), u64::MAX);
            findings.error(node.place, message, "write for example 200000");
            return None;
        }
        match parsed {
            Some(number) => Some(number),
            None => {
                self.wrong(node, key, "a whole number", "write for example 200000, without quotes", findings)
            }
        }
    }

    /// An amount of money with up to six decimals, in millionths.
    pub fn money(&mut self, key: &'static str, findings: &mut Findings) -> Option<u64> {
        let node = self.stated(key, findings)?;
        let Value::Number(digits) = &node.value else {
            return self.wrong(
                node,
                key,
                "an amount",
                "write for example 5 or 2.50, without quotes",
                findings,
            );
        };
        let micros = micros(digits);
        if micros.is_none() {
            let message = format!("`{}` must be an amount from 0 with at most six decimals", self.name(key));
            findings.error(node.place, message, "write for example 5 or 2.50");
        }
        micros
    }

    /// `true` or `false`.
    pub fn flag(&mut self, key: &'static str, findings: &mut Findings) -> Option<bool> {
        let node = self.stated(key, findings)?;
        match node.value {
            Value::Bool(flag) => Some(flag),
            _ => self.wrong(node, key, "true or false", "write true or false, without quotes", findings),
        }
    }

    /// One of a few words.
    pub fn word<T: Copy>(
        &mut self,
        key: &'static str,
        words: &[(&'static str, T)],
        findings: &mut Findings,
    ) -> Option<T> {
        let node = self.stated(key, findings)?;
        let list = one_of(words);
        let Value::Text(text) = &node.value else {
            return self.wrong(node, key, &list, &format!("write {list}"), findings);
        };
        let found = words.iter().find(|(word, _)| word == text).map(|(_, meaning)| *meaning);
        if found.is_none() {
            let found = if self.shows_words { format!(", found \"{text}\"") } else { String::new() };
            let message = format!("`{}` must be {list}{found}", self.name(key));
            let fix = match closest(text, words.iter().map(|(word, _)| *word)) {
                Some(word) => format!("write {word}"),
                None => format!("write {list}"),
            };
            findings.error(node.place, message, fix);
        }
        found
    }

    /// A list of texts, each with its place. A single text is an error, not a list of one.
    pub fn texts(&mut self, key: &'static str, findings: &mut Findings) -> Option<Vec<(&'n str, Place)>> {
        let items = self.list(key, "texts", findings)?;
        let name = self.name(key);
        let texts = items.iter().enumerate().filter_map(|(index, node)| match &node.value {
            Value::Text(text) => Some((text.as_str(), node.place)),
            _ => {
                let message = format!("entry {} of `{name}` must be text, found {}", index + 1, node.kind());
                findings.error(node.place, message, quote_fix(node));
                None
            }
        });
        Some(texts.collect())
    }

    /// A list. `of` says of what, for the message.
    pub fn list(&mut self, key: &'static str, of: &str, findings: &mut Findings) -> Option<&'n [Node]> {
        let node = self.value(key, findings)?;
        match &node.value {
            Value::List(items) => Some(items),
            Value::Map(_) => {
                let fix = "write `- ` in front of each entry, on a line of its own";
                self.wrong(node, key, &format!("a list of {of}"), fix, findings)
            }
            _ => self.wrong(
                node,
                key,
                &format!("a list of {of}"),
                "write `- …` on a line of its own, or […]",
                findings,
            ),
        }
    }

    /// A map inside this one.
    pub fn map(&mut self, key: &'static str, findings: &mut Findings) -> Option<Fields<'n>> {
        let path = self.name(key);
        let node = self.value(key, findings)?;
        Fields::of(node, &path, findings)
    }

    /// Judges the keys that no getter asked for.
    pub fn finish(self, unknown: Unknown, findings: &mut Findings) {
        findings.knows(&self.path, &self.known);
        for entry in self.entries.iter().filter(|entry| !self.known.contains(&entry.key.as_str())) {
            let path = if self.path.is_empty() { String::new() } else { format!("{}.", self.path) };
            let (effect, remove) = match unknown {
                Unknown::Warn => (" and does nothing", "remove it if it is a mistake; it is kept"),
                Unknown::Refuse => ("", "remove it"),
            };
            let message = match self.shows_words {
                true => format!("the key `{path}{}` is unknown{effect}", entry.key),
                false => format!("a key of `{}` is unknown{effect}", self.path),
            };
            let fix = match closest(&entry.key, self.known.iter().copied()) {
                Some(word) => format!("did you mean `{word}`?"),
                None => remove.to_owned(),
            };
            match unknown {
                Unknown::Warn => findings.warn(entry.place, message, fix),
                Unknown::Refuse => findings.error(entry.place, message, fix),
            }
        }
    }

    /// The full name of a key, for messages.
    pub fn name(&self, key: &str) -> String {
        if self.path.is_empty() { key.to_owned() } else { format!("{}.{key}", self.path) }
    }

    fn wrong<T>(
        &self,
        node: &Node,
        key: &str,
        expected: &str,
        fix: &str,
        findings: &mut Findings,
    ) -> Option<T> {
        let message = format!("`{}`: expected {expected}, found {}", self.name(key), node.kind());
        findings.error(node.place, message, fix);
        None
    }
}

/// Fix for a value that should be text. Never shows the value: it may be a term.
pub(crate) fn quote_fix(node: &Node) -> &'static str {
    match node.value {
        Value::Number(_) | Value::Bool(_) | Value::Null => "put it in quotes: \"…\"",
        _ => "write the text itself, in quotes if it holds `: ` or starts with a sign",
    }
}

fn one_of<T>(words: &[(&'static str, T)]) -> String {
    let words: Vec<&str> = words.iter().map(|(word, _)| *word).collect();
    match words.split_last() {
        Some((last, [])) => (*last).to_owned(),
        Some((last, rest)) => format!("{} or {last}", rest.join(", ")),
        None => String::new(),
    }
}

/// A decimal amount in millionths, exactly; absent where it is negative or finer than that.
fn micros(digits: &str) -> Option<u64> {
    let unsigned = digits.strip_prefix('+').unwrap_or(digits);
    let (whole, fraction) = unsigned.split_once('.').unwrap_or((unsigned, ""));
    if fraction.len() > 6 || !fraction.bytes().chain(whole.bytes()).all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let whole: u64 = if whole.is_empty() { 0 } else { whole.parse().ok()? };
    let fraction: u64 = format!("{fraction:0<6}").parse().ok()?;
    whole.checked_mul(1_000_000)?.checked_add(fraction)
}
