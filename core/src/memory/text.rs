//! The file of one memory: YAML front matter between two lines of `---`, and the text.
//!
//! A file without front matter is a note of the owner's. What a person wrote beside our keys stays:
//! a change of ours replaces the lines of the keys that it is about and no other byte.

use super::item::{Id, Item, Kind, LABEL_MAX_BYTES, Origin, Source, Status, TEXT_MAX_BYTES};
use super::time::Moment;
use crate::context::ContextName;
use crate::problem::Problem;
use crate::yaml::{self, Fields, Findings, Unknown};

const FENCE: &str = "---";

/// Name and last write of a file, for what its front matter leaves out.
pub(super) struct NoteFile<'p> {
    /// The context whose folder it lies in.
    pub(super) context: &'p ContextName,
    /// Id of the memory.
    pub(super) id: &'p Id,
    /// Whether the file's own name says so.
    pub(super) is_named: bool,
    /// The file, relative to the home, for problems.
    pub(super) file: &'p str,
    /// Time of the last write.
    pub(super) modified: Moment,
}

/// Reads the file of a memory.
///
/// # Errors
/// Everything that is wrong with it. Warnings do not keep a memory from being read.
pub(super) fn parse(place: &NoteFile<'_>, bytes: &[u8]) -> Result<Item, Vec<Problem>> {
    let text = yaml::decode(place.file, bytes).map_err(|problem| vec![*problem])?;
    let (front, body, body_line) = match split(text) {
        Split::None => (None, text, 1),
        Split::Front { front, body, body_line } => (Some(front), body, body_line),
        Split::Open => {
            let problem =
                Problem::error(place.file, "the front matter is not closed", "write a line `---` behind it");
            return Err(vec![problem.at(1, 1)]);
        }
    };
    let mut findings = Findings::new(place.file);
    let mut item = Item {
        id: place.id.clone(),
        context: place.context.clone(),
        kind: Kind::Fact,
        status: Status::Active,
        source: Source { origin: Origin::User, reference: None },
        created: place.modified,
        valid_from: None,
        valid_to: None,
        expires: None,
        supersedes: Vec::new(),
        subject: None,
        sensitivity: None,
        reviewed: None,
        pinned: false,
        path: None,
        delete_proposed: None,
        text: body.trim().to_owned(),
    };
    if let Some(front) = front {
        let document = yaml::parse(place.file, front.as_bytes()).map_err(|problem| vec![below(*problem)])?;
        if let Some(fields) = Fields::of(&document.root, "", &mut findings) {
            read(fields, place, &mut item, &mut findings);
        }
    }
    let mut problems: Vec<Problem> = findings.into_problems().into_iter().map(below).collect();
    problems.retain(Problem::is_error);
    if item.text.is_empty() {
        problems.push(
            Problem::error(place.file, "there is no text to remember", "write it below the front matter")
                .at(body_line, 1),
        );
    }
    if item.text.len() > TEXT_MAX_BYTES {
        let message = format!("the text is {} bytes; a memory has at most {TEXT_MAX_BYTES}", item.text.len());
        problems.push(Problem::error(place.file, message, "split it into several memories").at(body_line, 1));
    }
    if !problems.is_empty() {
        return Err(problems);
    }
    // Whoever can drop a file can claim anything: what somebody else than the owner wrote is in force only
    // once the owner accepted it.
    if item.status == Status::Active && item.source.origin != Origin::User && item.reviewed.is_none() {
        item.status = Status::Proposed;
    }
    Ok(item)
}

/// The problem with its line in the whole file: the front matter begins on the second line.
fn below(problem: Problem) -> Problem {
    Problem { line: problem.line.map(|line| line + 1), ..problem }
}

fn read(mut fields: Fields<'_>, place: &NoteFile<'_>, item: &mut Item, findings: &mut Findings) {
    if let Some(entry) = fields.entry("id")
        && let Some(stated) = scalar(&entry.value).and_then(|stated| stated.parse::<Id>().ok())
        && stated != item.id
        // Programs for notes have ids of their own, which are nobody's business here. One of ours is.
        && (place.is_named || stated.is_generated())
    {
        let message = format!("`id` differs from \"{}\", as the file is called", item.id);
        let fix = format!("remove the line, or rename the file to {stated}.md");
        findings.error(entry.value.place, message, fix);
    }
    if let Some(entry) = fields.entry("context") {
        let stated = scalar(&entry.value);
        if stated != Some(item.context.as_str()) {
            let message = format!("`context` is not the context \"{}\", whose folder this is", item.context);
            findings.error(
                entry.value.place,
                message,
                format!("write context: {}, or move the file", item.context),
            );
        }
    }
    set(&mut item.kind, fields.word("kind", Kind::WORDS, findings));
    set(&mut item.status, fields.word("status", Status::WORDS, findings));
    source(&mut fields, item, findings);
    set(&mut item.created, moment(&mut fields, "created", findings));
    item.valid_from = moment(&mut fields, "valid_from", findings);
    item.valid_to = moment(&mut fields, "valid_to", findings);
    item.expires = moment(&mut fields, "expires", findings);
    item.reviewed = moment(&mut fields, "reviewed", findings);
    item.delete_proposed = moment(&mut fields, "delete_proposed", findings);
    item.subject = label(&mut fields, "subject", findings);
    item.sensitivity = label(&mut fields, "sensitivity", findings);
    item.path = label(&mut fields, "path", findings);
    set(&mut item.pinned, fields.flag("pinned", findings));
    if let Some(ids) = fields.texts("supersedes", findings) {
        for (id, place) in ids {
            match id.parse() {
                Ok(id) => item.supersedes.push(id),
                Err(error) => findings.error(
                    place,
                    format!("`supersedes` names no memory: {error}"),
                    "write the id of a memory of this context",
                ),
            }
        }
    }
    fields.finish(Unknown::Warn, findings);
}

/// Source of a memory: a map of ours, one of its words alone, or, as programs that clip pages write
/// it, the place that the text was taken from.
fn source(fields: &mut Fields<'_>, item: &mut Item, findings: &mut Findings) {
    let stated = fields.entries().iter().find(|entry| entry.key == "source").map(|entry| &entry.value.value);
    if !matches!(stated, Some(yaml::Value::Text(_))) {
        if let Some(mut source) = fields.map("source", findings) {
            set(&mut item.source.origin, source.word("type", Origin::WORDS, findings));
            item.source.reference = label(&mut source, "ref", findings);
            source.finish(Unknown::Warn, findings);
        }
        return;
    }
    if let Some(text) = label(fields, "source", findings) {
        match text.parse() {
            Ok(origin) => item.source.origin = origin,
            // What was taken from somewhere is not the owner's own word.
            Err(_) => item.source = Source { origin: Origin::Import, reference: Some(text) },
        }
    }
}

/// A single value as it was written: an id may look like a number.
fn scalar(node: &yaml::Node) -> Option<&str> {
    match &node.value {
        yaml::Value::Text(text) | yaml::Value::Number(text) => Some(text),
        _ => None,
    }
}

fn set<T>(field: &mut T, stated: Option<T>) {
    if let Some(stated) = stated {
        *field = stated;
    }
}

fn label(fields: &mut Fields<'_>, key: &'static str, findings: &mut Findings) -> Option<String> {
    let place = fields.entries().iter().find(|entry| entry.key == key).map(|entry| entry.value.place)?;
    let text = fields.text(key, findings)?.trim();
    if text.len() > LABEL_MAX_BYTES || text.contains(['\n', '\r']) {
        findings.error(
            place,
            format!("`{key}` must be one line of at most {LABEL_MAX_BYTES} bytes"),
            "shorten it",
        );
        return None;
    }
    (!text.is_empty()).then(|| text.to_owned())
}

fn moment(fields: &mut Fields<'_>, key: &'static str, findings: &mut Findings) -> Option<Moment> {
    let place = fields.entries().iter().find(|entry| entry.key == key).map(|entry| entry.value.place)?;
    let text = fields.text(key, findings)?;
    match text.trim().parse() {
        Ok(moment) => Some(moment),
        Err(_) => {
            findings.error(
                place,
                format!("`{key}` is not a moment"),
                "write for example 2026-12-31 or 2026-12-31T18:00:00Z",
            );
            None
        }
    }
}

/// Front matter of a file, and the text behind it.
enum Split<'t> {
    /// No front matter.
    None,
    /// Front matter, and the text behind it.
    Front { front: &'t str, body: &'t str, body_line: usize },
    /// Front matter that never ends.
    Open,
}

fn split(text: &str) -> Split<'_> {
    let Some(first) = text.split_inclusive('\n').next() else { return Split::None };
    if first.trim_end() != FENCE {
        return Split::None;
    }
    let (mut offset, mut line) = (first.len(), 2);
    for row in text[first.len()..].split_inclusive('\n') {
        if row.trim_end() == FENCE {
            let front = &text[first.len()..offset];
            return Split::Front { front, body: &text[offset + row.len()..], body_line: line + 1 };
        }
        offset += row.len();
        line += 1;
    }
    Split::Open
}

/// Text of the file of a new memory.
pub(super) fn render(item: &Item) -> String {
    let mut lines = vec![
        FENCE.to_owned(),
        format!("id: {}", quoted(item.id.as_str())),
        format!("context: {}", quoted(item.context.as_str())),
    ];
    lines.extend(fields(item).into_iter().filter_map(|(key, value)| Some(format!("{key}: {}", value?))));
    lines.push(FENCE.to_owned());
    format!("{}\n\n{}\n", lines.join("\n"), item.text.trim())
}

/// The keys that a change of ours may be about, with their values as YAML.
fn fields(item: &Item) -> Vec<(&'static str, Option<String>)> {
    let moment = |moment: &Option<Moment>| moment.map(|moment| moment.to_string());
    let text = |text: &Option<String>| text.as_deref().map(quoted);
    let source = match &item.source.reference {
        Some(reference) => format!("{{type: {}, ref: {}}}", item.source.origin.name(), quoted(reference)),
        None => format!("{{type: {}}}", item.source.origin.name()),
    };
    let supersedes = item.supersedes.iter().map(|id| quoted(id.as_str())).collect::<Vec<_>>().join(", ");
    vec![
        ("kind", Some(item.kind.name().to_owned())),
        ("status", Some(item.status.name().to_owned())),
        ("source", Some(source)),
        ("subject", text(&item.subject)),
        ("created", Some(item.created.to_string())),
        ("valid_from", moment(&item.valid_from)),
        ("valid_to", moment(&item.valid_to)),
        ("expires", moment(&item.expires)),
        ("reviewed", moment(&item.reviewed)),
        ("supersedes", (!item.supersedes.is_empty()).then(|| format!("[{supersedes}]"))),
        ("sensitivity", text(&item.sensitivity)),
        ("path", text(&item.path)),
        ("pinned", item.pinned.then(|| "true".to_owned())),
        ("delete_proposed", moment(&item.delete_proposed)),
    ]
}

/// The file `old`, which holds `before`, with what `after` has otherwise. Lines of other keys,
/// comments and the text (unless it changed) stay as they are.
pub(super) fn change(old: &str, before: &Item, after: &Item) -> String {
    let old = old.strip_prefix('\u{feff}').unwrap_or(old);
    let newline = if old.contains("\r\n") { "\r\n" } else { "\n" };
    let (mut front, body) = match split(old) {
        Split::Front { front, body, .. } => {
            (front.lines().map(str::to_owned).collect::<Vec<_>>(), body.to_owned())
        }
        Split::None | Split::Open => (Vec::new(), format!("{newline}{old}")),
    };
    for ((key, was), (_, is)) in fields(before).into_iter().zip(fields(after)) {
        if was != is {
            set_line(&mut front, key, is.as_deref());
        }
    }
    let body =
        if before.text == after.text { body } else { format!("{newline}{}{newline}", after.text.trim()) };
    let mut text = format!("{FENCE}{newline}");
    for line in front {
        text.push_str(&line);
        text.push_str(newline);
    }
    format!("{text}{FENCE}{newline}{body}")
}

/// Replaces the lines of a top-level key, adds them, or takes them away.
fn set_line(front: &mut Vec<String>, key: &str, value: Option<&str>) {
    let is_key =
        |line: &String| line.strip_prefix(key).is_some_and(|rest| rest.trim_start().starts_with(':'));
    let new = value.map(|value| format!("{key}: {value}"));
    let Some(start) = front.iter().position(is_key) else {
        front.extend(new);
        return;
    };
    let goes_on = |line: &String| line.starts_with([' ', '\t', '-']);
    let end = start + 1 + front[start + 1..].iter().take_while(|line| goes_on(line)).count();
    front.splice(start..end, new);
}

/// Text as a YAML value that cannot be taken for anything else: JSON strings are YAML strings.
fn quoted(text: &str) -> String {
    let is_plain = text.starts_with(|first: char| first.is_ascii_lowercase())
        && text.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || "-_".contains(c))
        && !["true", "false", "null", "yes", "no", "on", "off"].contains(&text);
    if is_plain { text.to_owned() } else { serde_json::Value::from(text).to_string() }
}

#[cfg(test)]
mod tests;
