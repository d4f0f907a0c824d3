//! Reads the result of an edit and compares it with the edit: whatever the editing did, nothing
//! but the edit can come out.

use std::collections::HashMap;

use super::{Edit, EntryText, entries_of, entry_of, parse, read_item};
use crate::yaml::{Document, Node, Value};

/// Whether `edited` holds the wanted list and everything else as before.
pub(super) fn holds(edit: &Edit<'_>, edited: &str) -> bool {
    let Ok(after) = parse(edited) else { return false };
    let ends_alike = edit.text.is_empty() || edit.text.ends_with('\n') == edited.ends_with('\n');
    entries_of(&after, edit.key).is_ok_and(|list| list == edit.entries)
        && others(edit.document, edit.key) == others(&after, edit.key)
        && ends_alike
        && line_ends_hold(edit.text, edited)
        && comments_hold(edit, edited, &after)
        && lines_outside_hold(edit, edited, &after)
        && extras_hold(edit, &after)
}

/// A file whose lines all end in CR LF still has no other line end.
fn line_ends_hold(text: &str, edited: &str) -> bool {
    let bare = |text: &str| text.matches('\n').count() - text.matches("\r\n").count();
    let (crlf, bare_before) = (text.matches("\r\n").count(), bare(text));
    if crlf > 0 && bare_before == 0 { bare(edited) == 0 } else { crlf > 0 || !edited.contains('\r') }
}

/// The lines before the one with the key, and those from the next key on, are the same to the byte.
fn lines_outside_hold(edit: &Edit<'_>, edited: &str, after: &Document) -> bool {
    let (Some((head, tail)), Some((new_head, new_tail))) =
        (outside(edit.text, edit.document, edit.key), outside(edited, after, edit.key))
    else {
        // The key is new: it comes behind everything that was there.
        return edited.starts_with(edit.text.trim_end())
            || edit.document.root.style == crate::yaml::Style::Flow;
    };
    head == new_head && tail == new_tail
}

/// Text before the line of the key, and text from the next key on.
fn outside<'t>(text: &'t str, document: &Document, key: &str) -> Option<(&'t str, &'t str)> {
    let entries = document.root.entries()?;
    let index = entries.iter().position(|entry| entry.key == key)?;
    let next = entries.get(index + 1).map_or(text.len(), |next| next.range.start);
    Some((&text[..entries[index].range.start], &text[next..]))
}

/// Everything but the list, without places.
fn others(document: &Document, key: &str) -> Vec<(String, Plain)> {
    let entries = document.root.entries().unwrap_or_default();
    entries
        .iter()
        .filter(|entry| entry.key != key)
        .map(|entry| (entry.key.clone(), plain(&entry.value)))
        .collect()
}

/// A value without its places.
#[derive(PartialEq, Debug)]
pub(super) enum Plain {
    Scalar(Value),
    List(Vec<Plain>),
    Map(Vec<(String, Plain)>),
}

pub(super) fn plain(node: &Node) -> Plain {
    match &node.value {
        Value::List(items) => Plain::List(items.iter().map(plain).collect()),
        Value::Map(entries) => {
            Plain::Map(entries.iter().map(|entry| (entry.key.clone(), plain(&entry.value))).collect())
        }
        scalar => Plain::Scalar(scalar.clone()),
    }
}

/// Every comment is still there, but those at the end of a line of an entry that went or changed.
fn comments_hold(edit: &Edit<'_>, edited: &str, after: &Document) -> bool {
    let mut left: HashMap<&str, usize> = HashMap::new();
    for comment in &after.comments {
        *left.entry(&edited[comment.clone()]).or_default() += 1;
    }
    let list = entry_of(edit.document, edit.key).map(|entry| &entry.value);
    edit.document.comments.iter().all(|comment| {
        let found = left.get_mut(&edit.text[comment.clone()]).filter(|count| **count > 0);
        let kept = found.map(|count| *count -= 1).is_some();
        kept || list.is_some_and(|list| is_beside_an_entry(edit.text, list, comment.start))
    })
}

/// Whether a comment stands behind an entry of the list, on the same line.
fn is_beside_an_entry(text: &str, list: &Node, comment: usize) -> bool {
    let line_start = text[..comment].rfind('\n').map_or(0, |newline| newline + 1);
    !text[line_start..comment].trim().is_empty()
        && comment > list.range.start
        && line_start >= first_line(text, list)
}

/// Start of the line of the first entry; that of the list itself where it has none.
fn first_line(text: &str, list: &Node) -> usize {
    let first = match &list.value {
        Value::List(items) => items.first().map_or(list.range.start, |item| item.range.start),
        _ => list.range.start,
    };
    text[..first].rfind('\n').map_or(0, |newline| newline + 1)
}

/// Entries that are still wanted keep what the caller does not know of: `id`, `exact` and the like.
/// Where one of several with the same term goes, it may be the one that had more.
fn extras_hold(edit: &Edit<'_>, after: &Document) -> bool {
    let count = |entries: &[EntryText]| {
        let mut counts: HashMap<Kind, usize> = HashMap::new();
        for (word, text) in entries.iter().filter_map(EntryText::kind) {
            *counts.entry((word.to_owned(), text.to_owned())).or_default() += 1;
        }
        counts
    };
    let (before, wanted) = (count(&edit.before), count(edit.entries));
    let all_stay = |kind: &Kind| wanted.get(kind) >= before.get(kind);
    let mut now = extras(after, edit.key);
    extras(edit.document, edit.key).into_iter().filter(|(kind, _)| all_stay(kind)).all(|(kind, extra)| {
        let found = now.iter().position(|(other, more)| *other == kind && *more == extra);
        found.map(|index| now.swap_remove(index)).is_some()
    })
}

type Kind = (String, String);

fn extras(document: &Document, key: &str) -> Vec<(Kind, Vec<(String, Plain)>)> {
    let Some(Value::List(items)) = entry_of(document, key).map(|entry| &entry.value.value) else {
        return Vec::new();
    };
    let known = ["term", "pattern", "pack", "action", "note"];
    let extra = |item: &Node| {
        let entry = read_item(item).ok()?;
        let (word, text) = entry.kind()?;
        let fields = item.entries().unwrap_or_default();
        let fields = fields.iter().filter(|field| !known.contains(&field.key.as_str()));
        let fields: Vec<_> = fields.map(|field| (field.key.clone(), plain(&field.value))).collect();
        (!fields.is_empty()).then(|| ((word.to_owned(), text.to_owned()), fields))
    };
    items.iter().filter_map(extra).collect()
}
