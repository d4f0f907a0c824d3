//! Keyed edits of configuration files: one key is set or taken away, and every other byte stays.
//!
//! JSONC and JSON5 are edited by `jsonc-parser`'s tree, TOML by `toml_edit`, YAML by the byte ranges of our own
//! reader, dotenv by lines. None of them is trusted: [`Format::set`] reads the result again, and unless it holds what
//! the file held before with exactly the wanted key changed, the edit is refused and nothing is written. A byte-order
//! mark and the kind of every line's end are kept for all formats here.

mod dotenv;
mod jsonc;
mod toml;
mod yaml;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use std::fmt;

/// The longest file that is edited. Configuration is small; a larger file is none.
pub const FILE_BYTES: usize = 4 << 20;

/// Format of a client's file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Format {
    /// JSON with comments and trailing commas, and what JSON5 adds.
    Jsonc,
    /// TOML.
    Toml,
    /// One YAML document.
    Yaml,
    /// Lines of `NAME=value`.
    Dotenv,
}

/// One step into a file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Step {
    /// A member of a map.
    Key(String),
    /// The first element of a list whose compact JSON holds this text. Where none does, setting it appends one.
    Item(String),
}

/// Why an edit was not made. The file is as it was.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum EditError {
    /// The text is not of its format.
    #[error("it cannot be read: {0}")]
    Broken(String),
    /// A key stands twice, so which one counts depends on the reader.
    #[error("\"{0}\" stands in it twice; keep one of them")]
    Twice(String),
    /// Something on the way to the key is neither a map nor a list.
    #[error("{0} holds something else than a map or a list, so nothing can be put below it")]
    InTheWay(String),
    /// The file is written in a way that cannot be changed without touching other parts.
    #[error("it is written in a way that cannot be changed safely at {0}; make this change by hand")]
    TooIntricate(String),
}

/// A way into a file, as it is shown.
pub struct Way<'a>(pub &'a [Step]);

impl fmt::Display for Way<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, step) in self.0.iter().enumerate() {
            match step {
                Step::Key(key) if at == 0 => write!(f, "{key}")?,
                Step::Key(key) => write!(f, ".{key}")?,
                Step::Item(_) => write!(f, "[+]")?,
            }
        }
        Ok(())
    }
}

impl Format {
    /// The values of a file. An empty one is an empty map.
    ///
    /// # Errors
    /// If the text is not of this format, or a key stands twice.
    pub fn read(self, text: &str) -> Result<Value, EditError> {
        let text = text.strip_prefix('\u{feff}').unwrap_or(text);
        let text = &text.replace("\r\n", "\n");
        let value = match self {
            Format::Jsonc => jsonc::read(text),
            Format::Toml => toml::read(text),
            Format::Yaml => yaml::read(text),
            Format::Dotenv => Ok(dotenv::read(text)),
        }?;
        Ok(if value.is_null() { Value::Object(Map::new()) } else { value })
    }

    /// The text with a key set; the same text where the key holds the value already.
    ///
    /// # Errors
    /// If the text is not of this format, or the key cannot be set without touching anything else.
    pub fn set(self, text: &str, way: &[Step], value: &Value) -> Result<String, EditError> {
        let mut wanted = self.read(text)?;
        if get(&wanted, way) == Some(value) {
            return Ok(text.to_owned());
        }
        put(&mut wanted, way, value, 0)?;
        self.edit(text, way, &wanted, |plain| match self {
            Format::Jsonc => jsonc::set(plain, way, value),
            Format::Toml => toml::set(plain, way, value),
            Format::Yaml => yaml::set(plain, way, value),
            Format::Dotenv => dotenv::set(plain, way, value),
        })
    }

    /// The text without a key, and without the maps and lists on the way to it that would be left empty, as far as
    /// they lie deeper than `kept` steps.
    ///
    /// # Errors
    /// As [`Format::set`].
    pub fn remove(self, text: &str, way: &[Step], kept: usize) -> Result<String, EditError> {
        let mut wanted = self.read(text)?;
        if get(&wanted, way).is_none() {
            return Ok(text.to_owned());
        }
        let mut length = way.len();
        while length > kept + 1 && get(&wanted, &way[..length - 1]).is_some_and(|value| len(value) == 1) {
            length -= 1;
        }
        let way = &way[..length];
        take(&mut wanted, way);
        self.edit(text, way, &wanted, |plain| match self {
            Format::Jsonc => jsonc::remove(plain, way),
            Format::Toml => toml::remove(plain, way),
            Format::Yaml => yaml::remove(plain, way),
            Format::Dotenv => Ok(dotenv::remove(plain, way)),
        })
    }

    /// Edits a text without mark and carriage returns, puts both back, and checks what came out.
    fn edit(
        self,
        text: &str,
        way: &[Step],
        wanted: &Value,
        edit: impl FnOnce(&str) -> Result<String, EditError>,
    ) -> Result<String, EditError> {
        let (mark, body) = match text.strip_prefix('\u{feff}') {
            Some(body) => ("\u{feff}", body),
            None => ("", text),
        };
        let plain = body.replace("\r\n", "\n");
        let edited = edit(&plain)?;
        let intricate = || EditError::TooIntricate(Way(way).to_string());
        let is_right = self.read(&edited).is_ok_and(|value| same(&value, wanted));
        if !is_right || !keeps_comments(self, &plain, &edited) {
            return Err(intricate());
        }
        Ok(format!("{mark}{}", with_ends_of(body, &edited)))
    }
}

/// Whether every line that is a comment alone is still there.
fn keeps_comments(format: Format, before: &str, after: &str) -> bool {
    let mark = if format == Format::Jsonc { "//" } else { "#" };
    let comments = |text: &str| {
        let mut lines: Vec<String> =
            text.lines().map(str::trim).filter(|line| line.starts_with(mark)).map(str::to_owned).collect();
        lines.sort();
        lines
    };
    let (before, after) = (comments(before), comments(after));
    before.iter().all(|line| after.binary_search(line).is_ok())
}

/// Gives every line of `edited` that `before` has too the end that it has there; new ones get the usual one.
fn with_ends_of(before: &str, edited: &str) -> String {
    if !before.contains("\r\n") {
        return edited.to_owned();
    }
    let old: Vec<&str> = before.split_inclusive('\n').collect();
    let new: Vec<&str> = edited.split_inclusive('\n').collect();
    let usual = 2 * before.matches("\r\n").count() >= before.matches('\n').count();
    let is_same = |old: &str, new: &str| old.trim_end_matches(['\r', '\n']) == new.trim_end_matches('\n');
    let front = old.iter().zip(&new).take_while(|(old, new)| is_same(old, new)).count();
    let most = old.len().min(new.len()) - front;
    let back =
        old.iter().rev().zip(new.iter().rev()).take(most).take_while(|(old, new)| is_same(old, new)).count();
    let mut text = String::with_capacity(edited.len() + new.len());
    for (at, line) in new.iter().enumerate() {
        let known = match at {
            at if at < front => Some(old[at]),
            at if at >= new.len() - back => Some(old[old.len() - (new.len() - at)]),
            _ => None,
        };
        // The last line before may have had no end, where now one follows.
        let is_returned =
            known.filter(|known| known.ends_with('\n')).map_or(usual, |known| known.ends_with("\r\n"));
        match line.strip_suffix('\n') {
            Some(bare) if is_returned => text.extend([bare, "\r\n"]),
            _ => text.push_str(line),
        }
    }
    text
}

/// Whether two values are the same; an empty map or list is what YAML calls nothing.
fn same(one: &Value, other: &Value) -> bool {
    match (one, other) {
        (Value::Object(one), Value::Object(other)) => {
            one.len() == other.len()
                && one.iter().all(|(key, value)| other.get(key).is_some_and(|found| same(value, found)))
        }
        (Value::Array(one), Value::Array(other)) => {
            one.len() == other.len() && one.iter().zip(other).all(|(one, other)| same(one, other))
        }
        (one, other) => one == other || (is_nothing(one) && is_nothing(other)),
    }
}

fn is_nothing(value: &Value) -> bool {
    value.is_null() || (value.is_object() || value.is_array()) && len(value) == 0
}

fn len(value: &Value) -> usize {
    match value {
        Value::Object(members) => members.len(),
        Value::Array(elements) => elements.len(),
        _ => 0,
    }
}

/// The place of an item in a list.
fn position(elements: &[Value], text: &str) -> Option<usize> {
    elements.iter().position(|element| element.to_string().contains(text))
}

/// The value at a way.
pub fn get<'v>(value: &'v Value, way: &[Step]) -> Option<&'v Value> {
    way.iter().try_fold(value, |value, step| match (step, value) {
        (Step::Key(key), Value::Object(members)) => members.get(key),
        (Step::Item(text), Value::Array(elements)) => position(elements, text).map(|at| &elements[at]),
        _ => None,
    })
}

/// How many steps of a way lead to something that is there.
pub fn depth(value: &Value, way: &[Step]) -> usize {
    (0..=way.len()).rev().find(|&steps| get(value, &way[..steps]).is_some()).unwrap_or(0)
}

/// The value that a step and those behind it would hold, where nothing is there yet.
fn wrapped(way: &[Step], value: &Value) -> Value {
    way.iter().rev().fold(value.clone(), |value, step| match step {
        Step::Key(key) => Value::Object(Map::from_iter([(key.clone(), value)])),
        Step::Item(_) => Value::Array(vec![value]),
    })
}

fn put(value: &mut Value, way: &[Step], new: &Value, at: usize) -> Result<(), EditError> {
    let Some(step) = way.get(at) else {
        *value = new.clone();
        return Ok(());
    };
    // An empty file reads as an empty map, whatever its top is going to be.
    if value.is_null() || at == 0 && matches!(step, Step::Item(_)) && value.is_object() && len(value) == 0 {
        *value = wrapped(&way[at..], new);
        return Ok(());
    }
    match (step, value) {
        (Step::Key(key), Value::Object(members)) => {
            put(members.entry(key.clone()).or_insert(Value::Null), way, new, at + 1)
        }
        (Step::Item(text), Value::Array(elements)) => match position(elements, text) {
            Some(found) => put(&mut elements[found], way, new, at + 1),
            None => {
                elements.push(wrapped(&way[at + 1..], new));
                Ok(())
            }
        },
        _ => Err(EditError::InTheWay(match at {
            0 => "the file".to_owned(),
            at => Way(&way[..at]).to_string(),
        })),
    }
}

fn take(value: &mut Value, way: &[Step]) {
    match (way, value) {
        ([Step::Key(key)], Value::Object(members)) => {
            members.shift_remove(key);
        }
        ([Step::Item(text)], Value::Array(elements)) => {
            if let Some(at) = position(elements, text) {
                elements.remove(at);
            }
        }
        ([Step::Key(key), rest @ ..], Value::Object(members)) => {
            if let Some(inner) = members.get_mut(key) {
                take(inner, rest);
            }
        }
        ([Step::Item(text), rest @ ..], Value::Array(elements)) => {
            if let Some(at) = position(elements, text) {
                take(&mut elements[at], rest);
            }
        }
        _ => {}
    }
}

#[cfg(test)]
mod tests;
