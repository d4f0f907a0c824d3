//! Files of environment variables: a line is `NAME=value`, with `export` before it or quotes around the value or not.
//! Lines that are neither that nor a comment are left alone. Where a name stands twice the last one counts.

use super::{EditError, Step};
use serde_json::{Map, Value};

/// Name and value of a line, as it was written.
fn parts(line: &str) -> Option<(&str, &str)> {
    let line = line.trim_start();
    let line = line.strip_prefix("export ").unwrap_or(line);
    let (name, value) = line.split_once('=')?;
    let name = name.trim();
    let is_name = !name.is_empty()
        && !name.starts_with(|first: char| first.is_ascii_digit())
        && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'.');
    is_name.then_some((name, value))
}

/// What a value says: without its quotes, or without the comment behind it.
fn said(value: &str) -> String {
    let value = value.trim();
    if let Some(rest) = value.strip_prefix('\'') {
        return rest.split('\'').next().unwrap_or_default().to_owned();
    }
    let Some(rest) = value.strip_prefix('"') else {
        return value.split(" #").next().unwrap_or_default().trim_end().to_owned();
    };
    let (mut text, mut characters) = (String::new(), rest.chars());
    while let Some(character) = characters.next() {
        match character {
            '"' => break,
            '\\' => match characters.next() {
                Some('n') => text.push('\n'),
                Some(other) => text.push(other),
                None => {}
            },
            other => text.push(other),
        }
    }
    text
}

/// The values of a text.
pub(super) fn read(text: &str) -> Value {
    let values = text.lines().filter_map(parts).map(|(name, value)| (name.to_owned(), said(value).into()));
    Value::Object(values.collect::<Map<String, Value>>())
}

/// Sets a variable.
pub(super) fn set(text: &str, way: &[Step], value: &Value) -> Result<String, EditError> {
    let ([Step::Key(name)], Some(value)) = (way, value.as_str()) else {
        return Err(EditError::InTheWay("a file of variables".to_owned()));
    };
    let is_plain = |character: char| character.is_ascii_alphanumeric() || "_-./:@%+,".contains(character);
    let written = match value.chars().all(is_plain) {
        true => value.to_owned(),
        false => {
            let escaped = value.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n");
            format!("\"{escaped}\"")
        }
    };
    let mut lines: Vec<String> = text.split_inclusive('\n').map(str::to_owned).collect();
    let last = lines.iter().rposition(|line| parts(line).is_some_and(|(found, _)| found == name));
    match last {
        Some(at) => {
            let line = &lines[at];
            let (front, _) = line.split_once('=').expect("it has parts, so it has an equals sign");
            let end = if line.ends_with('\n') { "\n" } else { "" };
            lines[at] = format!("{front}={written}{end}");
        }
        None => {
            let gap = if text.is_empty() || text.ends_with('\n') { "" } else { "\n" };
            lines.push(format!("{gap}{name}={written}\n"));
        }
    }
    Ok(lines.concat())
}

/// Takes a variable away.
pub(super) fn remove(text: &str, way: &[Step]) -> String {
    let is_it = |line: &&str| match way {
        [Step::Key(name)] => parts(line).is_some_and(|(found, _)| found == name),
        _ => false,
    };
    text.split_inclusive('\n').filter(|line| !is_it(line)).collect()
}
