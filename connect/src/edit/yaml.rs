//! YAML: our own reader tells the bytes of every value; entries are put in and taken out by whole lines.
//!
//! What is put into a block stands behind its last entry, with the indentation of that block. Into brackets it goes
//! as JSON, which YAML can read.

use super::{EditError, Step, Way, wrapped};
use serde_json::{Map, Value};
use zos_core::yaml::{self, Node, Style, Value as Yaml};

fn parse(text: &str) -> Result<yaml::Document, EditError> {
    yaml::parse("", text.as_bytes())
        .map_err(|problem| EditError::Broken(problem.to_string().trim_start_matches(": ").to_owned()))
}

/// The values of a text.
pub(super) fn read(text: &str) -> Result<Value, EditError> {
    Ok(json(&parse(text)?.root))
}

fn json(node: &Node) -> Value {
    match &node.value {
        Yaml::Null => Value::Null,
        Yaml::Bool(value) => (*value).into(),
        Yaml::Number(number) => match serde_json::from_str::<serde_json::Number>(number) {
            Ok(number) => Value::Number(number),
            Err(_) => Value::String(number.clone()),
        },
        Yaml::Text(text) => Value::String(text.clone()),
        Yaml::List(nodes) => Value::Array(nodes.iter().map(json).collect()),
        Yaml::Map(entries) => Value::Object(
            entries.iter().map(|entry| (entry.key.clone(), json(&entry.value))).collect::<Map<_, _>>(),
        ),
    }
}

/// One step of a way that is there: where it begins in the text, and its value.
#[derive(Clone, Copy)]
struct Found<'n> {
    start: usize,
    key_end: usize,
    node: &'n Node,
}

fn step_into<'n>(node: &'n Node, step: &Step) -> Option<Found<'n>> {
    match (step, &node.value) {
        (Step::Key(key), Yaml::Map(entries)) => {
            let entry = entries.iter().find(|entry| entry.key == *key)?;
            Some(Found { start: entry.range.start, key_end: entry.range.end, node: &entry.value })
        }
        (Step::Item(text), Yaml::List(nodes)) => {
            let node = nodes.iter().find(|node| json(node).to_string().contains(text.as_str()))?;
            Some(Found { start: node.range.start, key_end: node.range.start, node })
        }
        _ => None,
    }
}

/// The end of what is written of a value: of the last thing inside it.
fn end(node: &Node) -> usize {
    match &node.value {
        _ if node.style != Style::Block => node.range.end,
        Yaml::List(nodes) => nodes.iter().map(end).max().unwrap_or(node.range.start),
        Yaml::Map(entries) => entries
            .iter()
            .map(|entry| end(&entry.value).max(entry.range.end))
            .max()
            .unwrap_or(node.range.start),
        _ => node.range.end,
    }
}

/// The end of the line in which a byte lies, behind its line break.
fn line_end(text: &str, at: usize) -> usize {
    // A block of lines ends behind its own line break already.
    if at > 0 && text.as_bytes()[at - 1] == b'\n' {
        return at;
    }
    text[at..].find('\n').map_or(text.len(), |found| at + found + 1)
}

fn line_start(text: &str, at: usize) -> usize {
    text[..at].rfind('\n').map_or(0, |found| found + 1)
}

/// Columns before the first entry of a block, which may stand behind a dash.
fn column(text: &str, at: usize) -> usize {
    text[line_start(text, at)..at].chars().count()
}

/// Sets a key.
pub(super) fn set(text: &str, way: &[Step], value: &Value) -> Result<String, EditError> {
    let document = parse(text)?;
    let (mut node, mut parent, mut at) = (&document.root, None, 0);
    while let Some(found) = way.get(at).and_then(|step| step_into(node, step)) {
        (parent, node, at) = (Some((node, found)), found.node, at + 1);
    }
    let intricate = || EditError::TooIntricate(Way(way).to_string());
    if at == way.len() {
        let (_, found) = parent.ok_or_else(intricate)?;
        let is_scalar = !matches!(found.node.value, Yaml::List(_) | Yaml::Map(_) | Yaml::Null)
            && found.node.style != Style::Alias;
        if is_scalar && !value.is_object() && !value.is_array() && found.node.style != Style::Folded {
            return Ok(replaced(text, found.node.range.clone(), &value.to_string()));
        }
        let without = remove(text, way)?;
        return set(&without, way, value);
    }
    if matches!(node.value, Yaml::Null) {
        let value = wrapped(&way[at..], value);
        let Some((_, found)) = parent else {
            return Ok(appended(text, text.len(), &block(&value, 0)));
        };
        let indent = column(text, found.start) + 2;
        return Ok(appended(text, line_end(text, found.key_end), &block(&value, indent)));
    }
    let value = wrapped(&way[at + 1..], value);
    match (&node.value, &way[at]) {
        (Yaml::Map(entries), Step::Key(key)) if node.style == Style::Block => {
            let first = entries.first().ok_or_else(intricate)?;
            let entry = Value::Object(Map::from_iter([(key.clone(), value)]));
            Ok(appended(text, line_end(text, end(node)), &block(&entry, column(text, first.range.start))))
        }
        (Yaml::List(nodes), Step::Item(_)) if node.style == Style::Block => {
            let first = nodes.first().ok_or_else(intricate)?;
            let line = line_start(text, first.range.start);
            let dash = line + text[line..first.range.start].rfind('-').ok_or_else(intricate)?;
            let items = block(&Value::Array(vec![value]), column(text, dash));
            Ok(appended(text, line_end(text, end(node)), &items))
        }
        (Yaml::Map(entries), Step::Key(key)) if node.style == Style::Flow => {
            let comma = if entries.is_empty() { "" } else { ", " };
            let close = text[..node.range.end].rfind('}').ok_or_else(intricate)?;
            Ok(replaced(text, close..close, &format!("{comma}{}: {value}", Value::String(key.clone()))))
        }
        (Yaml::List(nodes), Step::Item(_)) if node.style == Style::Flow => {
            let comma = if nodes.is_empty() { "" } else { ", " };
            let close = text[..node.range.end].rfind(']').ok_or_else(intricate)?;
            Ok(replaced(text, close..close, &format!("{comma}{value}")))
        }
        _ => Err(intricate()),
    }
}

/// Takes a key away.
pub(super) fn remove(text: &str, way: &[Step]) -> Result<String, EditError> {
    let document = parse(text)?;
    let intricate = || EditError::TooIntricate(Way(way).to_string());
    let (mut node, mut last) = (&document.root, None);
    for step in way {
        let found = step_into(node, step).ok_or_else(intricate)?;
        last = Some((node, found));
        node = found.node;
    }
    let (holder, found) = last.ok_or_else(intricate)?;
    if holder.style != Style::Block {
        return remove_from_brackets(text, holder, found).ok_or_else(intricate);
    }
    let start = line_start(text, found.start);
    // What stands before it on its line is only a dash of its own, or blanks.
    let before = text[start..found.start].trim();
    let is_alone = match &holder.value {
        Yaml::List(_) => before == "-",
        _ => before.is_empty(),
    };
    if !is_alone {
        return Err(intricate());
    }
    Ok(replaced(text, start..line_end(text, end(found.node).max(found.key_end)), ""))
}

fn remove_from_brackets(text: &str, holder: &Node, found: Found<'_>) -> Option<String> {
    let (start, stop) = (found.start, found.node.range.end.max(found.key_end));
    let behind = text[stop..holder.range.end].find(|character: char| !character.is_whitespace())? + stop;
    if text.as_bytes()[behind] == b',' {
        let next = text[behind + 1..].find(|character: char| character != ' ')? + behind + 1;
        return Some(replaced(text, start..next, ""));
    }
    let before = text[..start].trim_end();
    let start = before.strip_suffix(',').map_or(start, str::len);
    Some(replaced(text, start..stop, ""))
}

fn replaced(text: &str, range: std::ops::Range<usize>, new: &str) -> String {
    format!("{}{new}{}", &text[..range.start], &text[range.end..])
}

/// Puts lines in at the end of a line.
fn appended(text: &str, at: usize, lines: &str) -> String {
    let gap = if at == 0 || text[..at].ends_with('\n') { "" } else { "\n" };
    replaced(text, at..at, &format!("{gap}{lines}"))
}

/// A map or list as a block of lines.
fn block(value: &Value, indent: usize) -> String {
    let blanks = " ".repeat(indent);
    match value {
        Value::Object(members) => members
            .iter()
            .map(|(key, value)| format!("{blanks}{}:{}", name(key), behind(value, indent)))
            .collect(),
        Value::Array(elements) => elements
            .iter()
            .map(|element| match element {
                Value::Object(members) if !members.is_empty() => {
                    let lines = block(element, indent + 2);
                    format!("{blanks}- {}", &lines[indent + 2..])
                }
                element => format!("{blanks}- {element}\n"),
            })
            .collect(),
        other => format!("{blanks}{other}\n"),
    }
}

/// What stands behind the colon of a key.
fn behind(value: &Value, indent: usize) -> String {
    match value {
        Value::Object(members) if !members.is_empty() => format!("\n{}", block(value, indent + 2)),
        Value::Array(elements) if !elements.is_empty() => format!("\n{}", block(value, indent + 2)),
        Value::String(text) if is_plain(text) => format!(" {text}\n"),
        other => format!(" {other}\n"),
    }
}

fn name(key: &str) -> String {
    if is_plain(key) { key.to_owned() } else { Value::String(key.to_owned()).to_string() }
}

/// Whether a text can stand without quotes and is read as text.
fn is_plain(text: &str) -> bool {
    text.starts_with(|first: char| first.is_ascii_alphabetic())
        && text.chars().all(|character| character.is_ascii_alphanumeric() || "_-./".contains(character))
        && !matches!(
            text.to_ascii_lowercase().as_str(),
            "true" | "false" | "null" | "yes" | "no" | "on" | "off" | "y" | "n"
        )
}

/// A map as YAML, for tests.
#[cfg(test)]
pub(super) fn written(value: &Value) -> String {
    if super::is_nothing(value) { String::new() } else { block(value, 0) }
}
