//! Edits of the two firewall lists, and of the targets that are allowed, that leave everything else in the file as the person wrote it:
//! comments, order, quotes, unknown keys, line ends, and whether the last line ends.
//!
//! The editing is `yaml-edit`'s, a lossless syntax tree. [`set_list`] does not trust it: it reads
//! the result with our own reader, and unless the list is what was asked for, every other value is
//! unchanged, every comment is still there and every line that no change touches is the same, the
//! edit is refused. What is refused are exotic layouts, such as aliases in a list.
//!
//! A comment at the end of the line of an entry goes with that entry; one on a line of its own stays.

mod entry;
mod lossless;
mod target;
mod verify;

pub use entry::EntryText;
pub use target::allow_target;

use crate::yaml::{self, Document, MapEntry, Node, Place, Value};

/// Why an edit was refused. The file is as it was.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum EditError {
    /// The list is not `outbound_deny` or `confidential`, the two whose entries can be set.
    #[error("\"{0}\" is not a list of entries")]
    UnknownList(String),
    /// A new entry must have exactly one of term, pattern and pack, with a visible character.
    #[error("entry {0} must have exactly one of term, pattern and pack, with some text")]
    NoKind(usize),
    /// The file is not YAML, or the list in it is not a list of entries.
    #[error("line {line}: {message}")]
    Broken {
        /// Line, from 1.
        line: usize,
        /// The fault, as a part of a sentence.
        message: String,
    },
    /// The list is written in a way that cannot be changed without touching other lines.
    #[error("line {line}: the list is written in a way that cannot be changed safely; edit the file by hand")]
    TooIntricate {
        /// Line, from 1.
        line: usize,
    },
}

/// The text of a file in which the list `key` holds `entries`, in this order. Entries that were
/// there already keep their lines and what the caller does not know about them.
///
/// # Errors
/// If the file cannot be read, or the edit cannot be made without touching anything else.
pub fn set_list(yaml: &str, key: &str, entries: &[EntryText]) -> Result<String, EditError> {
    let key = match key {
        "outbound_deny" => "outbound_deny",
        "confidential" => "confidential",
        other => return Err(EditError::UnknownList(other.to_owned())),
    };
    if let Some(index) = entries.iter().position(|entry| entry.kind().is_none()) {
        return Err(EditError::NoKind(index + 1));
    }
    // Positions count from behind a byte-order mark.
    let (mark, text) = match yaml.strip_prefix('\u{feff}') {
        Some(text) => ("\u{feff}", text),
        None => ("", yaml),
    };
    let document = parse(text)?;
    let before = entries_of(&document, key)?;
    if before == entries {
        return Ok(yaml.to_owned());
    }
    let edit = Edit { text, document: &document, key, before, entries };
    let place = entry_of(&document, key).map_or(document.root.place, |found| found.place);
    let intricate = EditError::TooIntricate { line: place.line };
    let edited = lossless::edit(&edit).ok_or_else(|| intricate.clone())?;
    if verify::holds(&edit, &edited) { Ok(format!("{mark}{edited}")) } else { Err(intricate) }
}

/// The entries of a list as they stand, for a caller that wants to add or drop one.
///
/// # Errors
/// If the file cannot be read.
pub fn list(yaml: &str, key: &str) -> Result<Vec<EntryText>, EditError> {
    entries_of(&parse(yaml)?, key)
}

/// One edit in the making.
struct Edit<'a> {
    /// The file, without byte-order mark.
    text: &'a str,
    document: &'a Document,
    key: &'static str,
    /// The list as it is.
    before: Vec<EntryText>,
    /// The list as it shall be.
    entries: &'a [EntryText],
}

fn parse(text: &str) -> Result<Document, EditError> {
    let document = yaml::parse("", text.as_bytes()).map_err(|problem| EditError::Broken {
        line: problem.line.unwrap_or(1),
        message: problem.message.clone(),
    })?;
    match &document.root.value {
        Value::Map(_) | Value::Null => Ok(document),
        _ => Err(broken(document.root.place, "the file must be a map")),
    }
}

fn entry_of<'d>(document: &'d Document, key: &str) -> Option<&'d MapEntry> {
    document.root.entries()?.iter().find(|entry| entry.key == key)
}

fn entries_of(document: &Document, key: &str) -> Result<Vec<EntryText>, EditError> {
    match entry_of(document, key).map(|found| (&found.value, &found.value.value)) {
        None | Some((_, Value::Null)) => Ok(Vec::new()),
        Some((_, Value::List(items))) => items.iter().map(read_item).collect(),
        Some((node, _)) => Err(broken(node.place, "this is not a list")),
    }
}

fn read_item(node: &Node) -> Result<EntryText, EditError> {
    EntryText::read(node).ok_or_else(|| broken(node.place, "this is not an entry of the list"))
}

fn broken(place: Place, message: &str) -> EditError {
    EditError::Broken { line: place.line, message: message.to_owned() }
}

#[cfg(test)]
mod tests;
