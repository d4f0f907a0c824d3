//! Adds one entry to `targets.allow`, and takes the same entry from `targets.confirm`.
//!
//! One line of text is inserted and at most one removed, at places that our own reader gives; the result is
//! read again, and the edit is refused unless it changed exactly that.

use super::verify::{Plain, plain};
use super::{EditError, broken, entry_of, parse};
use crate::targets::TargetEntry;
use crate::yaml::{Document, MapEntry, Node, Style, Value};
use std::ops::Range;

const TARGETS: &str = "targets";

/// The text of a file whose `targets.allow` holds `entry` as well, and whose `targets.confirm` no longer
/// names the same.
///
/// # Errors
/// If the file has no `targets`, cannot be read, or cannot be changed without touching anything else.
pub fn allow_target(yaml: &str, entry: &str) -> Result<String, EditError> {
    let (mark, text) = match yaml.strip_prefix('\u{feff}') {
        Some(text) => ("\u{feff}", text),
        None => ("", yaml),
    };
    let document = parse(text)?;
    let targets = entry_of(&document, TARGETS)
        .ok_or_else(|| broken(document.root.place, "there is no `targets` to add to"))?;
    let Some(members) = targets.value.entries().filter(|members| !members.is_empty()) else {
        return Err(broken(targets.place, "`targets` says nothing, so there is nothing to add to"));
    };
    let intricate = EditError::TooIntricate { line: targets.place.line };
    let edits = edits(text, &document, &targets.value, members, entry).ok_or_else(|| intricate.clone())?;
    let mut edited = text.to_owned();
    for (range, with) in edits.iter().rev() {
        edited.replace_range(range.clone(), with);
    }
    let removed = edits.iter().filter(|(range, _)| !range.is_empty()).map(|(range, _)| range.clone());
    let removed: Vec<Range<usize>> = removed.collect();
    let holds = holds(text, &document, &removed, &edited, entry);
    if holds { Ok(format!("{mark}{edited}")) } else { Err(intricate) }
}

/// Replacements of ranges of bytes, in order.
type Edits = Vec<(Range<usize>, String)>;

fn edits(
    text: &str,
    document: &Document,
    targets: &Node,
    members: &[MapEntry],
    entry: &str,
) -> Option<Edits> {
    if document.has_aliases {
        return None;
    }
    let mut edits = vec![addition(text, targets, members, entry)?];
    if let Some(confirm) = member(members, "confirm")
        && let Value::List(items) = &confirm.value.value
    {
        let same: Vec<usize> = (0..items.len()).filter(|index| is_same(&items[*index], entry)).collect();
        match same.as_slice() {
            [] => {}
            [index] => edits.extend(removal(text, confirm, items, *index)?),
            _ => return None,
        }
    }
    edits.sort_by_key(|(range, _)| (range.start, range.end));
    Some(edits)
}

fn member<'m>(members: &'m [MapEntry], key: &str) -> Option<&'m MapEntry> {
    members.iter().find(|member| member.key == key)
}

/// Whether an item of a list names what `entry` names, however it is written.
fn is_same(item: &Node, entry: &str) -> bool {
    let Value::Text(text) = &item.value else { return false };
    match (text.parse::<TargetEntry>(), entry.parse::<TargetEntry>()) {
        (Ok(own), Ok(wanted)) => own == wanted,
        _ => false,
    }
}

fn addition(text: &str, targets: &Node, members: &[MapEntry], entry: &str) -> Option<(Range<usize>, String)> {
    let entry = quoted(entry);
    let Some(allow) = member(members, "allow") else {
        let first = members.first()?;
        return Some(if targets.style == Style::Flow {
            (first.range.start..first.range.start, format!("allow: [{entry}], "))
        } else {
            let start = line_start(text, first.range.start);
            let indent = text[start..first.range.start].to_owned();
            let at = first.range.start;
            (at..at, format!("allow: [{entry}]{}{indent}", newline(text)))
        });
    };
    match (&allow.value.value, allow.value.style) {
        (Value::List(items), Style::Flow) => {
            let (at, gap) = match items.last() {
                Some(last) => (last.range.end, ", "),
                None => (allow.value.range.start + 1, ""),
            };
            Some((at..at, format!("{gap}{entry}")))
        }
        (Value::List(items), Style::Block) => {
            let (first, last) = (items.first()?, items.last()?);
            let head = &text[line_start(text, first.range.start)..first.range.start];
            let end = line_end(text, last.range.end);
            Some((end..end, format!("{}{head}{entry}", newline(text))))
        }
        (Value::Null, Style::Plain) => {
            let colon = allow.range.end + text[allow.range.end..].find(':')? + 1;
            Some((colon..colon, format!(" [{entry}]")))
        }
        _ => None,
    }
}

fn removal(text: &str, confirm: &MapEntry, items: &[Node], index: usize) -> Option<Edits> {
    let item = &items[index];
    match confirm.value.style {
        Style::Flow => {
            let range = match (items.get(index + 1), index.checked_sub(1)) {
                (Some(next), _) => item.range.start..next.range.start,
                (None, Some(before)) => items[before].range.end..item.range.end,
                (None, None) => item.range.clone(),
            };
            Some(vec![(range, String::new())])
        }
        Style::Block => {
            let start = line_start(text, item.range.start);
            let end = line_end(text, item.range.end);
            // With the line break in front of it, so that a last line without one stays so.
            let before = text[..start].trim_end_matches('\n').trim_end_matches('\r').len();
            let before = start - (start - before).min(newline(text).len());
            let mut edits = vec![(before..end, String::new())];
            if items.len() == 1 {
                // It stays a list.
                let colon = confirm.range.end + text[confirm.range.end..item.range.start].find(':')? + 1;
                edits.push((colon..colon, " []".to_owned()));
            }
            Some(edits)
        }
        _ => None,
    }
}

fn line_start(text: &str, at: usize) -> usize {
    text[..at].rfind('\n').map_or(0, |newline| newline + 1)
}

/// End of the line, without its line break.
fn line_end(text: &str, at: usize) -> usize {
    let end = text[at..].find('\n').map_or(text.len(), |newline| at + newline);
    if text[..end].ends_with('\r') && end < text.len() { end - 1 } else { end }
}

fn newline(text: &str) -> &'static str {
    if text.contains("\r\n") { "\r\n" } else { "\n" }
}

/// An entry as YAML: in quotes where it has more than letters, digits, dots, dashes and slashes within.
fn quoted(entry: &str) -> String {
    let is_plain = entry.starts_with(|first: char| first.is_ascii_alphabetic())
        && entry.chars().all(|letter| letter.is_ascii_alphanumeric() || ".-/".contains(letter))
        && !matches!(entry, "true" | "false" | "null" | "yes" | "no" | "on" | "off");
    if is_plain { entry.to_owned() } else { serde_json::Value::from(entry).to_string() }
}

/// Whether only what was wanted is different.
fn holds(text: &str, before: &Document, removed: &[Range<usize>], edited: &str, entry: &str) -> bool {
    let Ok(after) = parse(edited) else { return false };
    let (Some(old), Some(new)) = (before.root.entries(), after.root.entries()) else { return false };
    let others_hold = old.len() == new.len()
        && old.iter().zip(new).all(|(old, new)| {
            old.key == new.key && (old.key == TARGETS || plain(&old.value) == plain(&new.value))
        });
    let inside = |document: &Document| entry_of(document, TARGETS)?.value.entries().map(<[MapEntry]>::to_vec);
    let (Some(old), Some(new)) = (inside(before), inside(&after)) else { return false };
    let has_added = member(&new, "allow").is_some_and(|allow| {
        let old = member(&old, "allow").map_or_else(Vec::new, |allow| texts(&allow.value));
        texts(&allow.value).split_last() == Some((&Plain::Scalar(Value::Text(entry.to_owned())), &old[..]))
    });
    let has_removed = match (member(&old, "confirm"), member(&new, "confirm")) {
        (Some(old), Some(new)) => {
            let kept = |node: &Node| match &node.value {
                Value::List(items) => items.iter().filter(|item| !is_same(item, entry)).map(plain).collect(),
                _ => Vec::new(),
            };
            kept(&old.value) == texts(&new.value)
        }
        (None, None) => true,
        _ => false,
    };
    let is_other = |member: &&MapEntry| !matches!(member.key.as_str(), "allow" | "confirm");
    let rest = |members: &[MapEntry]| -> Vec<(String, Plain)> {
        members.iter().filter(is_other).map(|one| (one.key.clone(), plain(&one.value))).collect()
    };
    // Comments stay, but for the one on the line of the entry that goes.
    let stays = |comment: &Range<usize>| {
        !removed.iter().any(|range| range.start <= comment.start && comment.start < range.end)
    };
    let kept: Vec<&str> = before
        .comments
        .iter()
        .filter(|comment| stays(comment))
        .map(|comment| &text[comment.clone()])
        .collect();
    let now: Vec<&str> = after.comments.iter().map(|comment| &edited[comment.clone()]).collect();
    others_hold && has_added && has_removed && rest(&old) == rest(&new) && kept == now
}

/// The items of a list; of nothing, none.
fn texts(node: &Node) -> Vec<Plain> {
    match &node.value {
        Value::List(items) => items.iter().map(plain).collect(),
        _ => Vec::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[track_caller]
    fn check(before: &str, entry: &str, after: &str) {
        assert_eq!(allow_target(before, entry).as_deref(), Ok(after));
    }

    #[test]
    fn an_entry_is_added_to_every_layout_and_nothing_else_changes() {
        check(
            "targets: {default: confirm}\n",
            "acme.com",
            "targets: {allow: [acme.com], default: confirm}\n",
        );
        check(
            "# a\ntargets: {allow: [], deny: [x.org]} # b\nfoo: [1]\n",
            "@acme.com",
            "# a\ntargets: {allow: [\"@acme.com\"], deny: [x.org]} # b\nfoo: [1]\n",
        );
        check(
            "targets: {allow: ['*.acme.com' ] , confirm: [a.org, pay.acme.com, b.org]}\n",
            "pay.acme.com",
            "targets: {allow: ['*.acme.com', pay.acme.com ] , confirm: [a.org, b.org]}\n",
        );
        check(
            "targets:\n  # mine\n  default: deny # d\n  allow:\n    - a.org   # first\n    - b.org   # second\n\n  # ask\n  confirm:\n    - PAY.acme.com. # money\n    - c.org\nfoo: 1",
            "pay.acme.com",
            "targets:\n  # mine\n  default: deny # d\n  allow:\n    - a.org   # first\n    - b.org   # second\n    - pay.acme.com\n\n  # ask\n  confirm:\n    - c.org\nfoo: 1",
        );
        check(
            "targets:\r\n  confirm:\r\n  - pay.acme.com\r\n  allow:\r\n  - a.org",
            "pay.acme.com",
            "targets:\r\n  confirm: []\r\n  allow:\r\n  - a.org\r\n  - pay.acme.com",
        );
        check(
            "targets:\n  confirm: # these\n    # one\n    - pay.acme.com\n  allow:\n",
            "pay.acme.com",
            "targets:\n  confirm: [] # these\n    # one\n  allow: [pay.acme.com]\n",
        );
        check(
            "\u{feff}targets:\n    default: confirm\n",
            "./a b",
            "\u{feff}targets:\n    allow: [\"./a b\"]\n    default: confirm\n",
        );
        check(
            "targets:\n  confirm:\n  - a.org\n  - 'b.org'",
            "b.org",
            "targets:\n  allow: [b.org]\n  confirm:\n  - a.org",
        );
    }

    #[test]
    fn what_cannot_be_changed_safely_is_refused_with_its_line() {
        for (yaml, line) in [
            ("title: x\n", 1),
            ("\ntargets:\n", 2),
            ("a: &x [b.org]\ntargets: {allow: *x}\n", 2),
            ("targets: {allow: a.org}\n", 1),
            ("targets: [\n", 1),
            ("targets: {confirm: [a.org, A.org]}\n", 1),
        ] {
            let error = allow_target(yaml, "a.org").unwrap_err();
            let (EditError::Broken { line: at, .. } | EditError::TooIntricate { line: at }) = error else {
                panic!("{error:?}")
            };
            assert!(at >= line, "{yaml:?}: {at}");
        }
    }

    proptest! {
        #[test]
        fn whatever_the_file_only_the_wanted_comes_out(
            text in "(targets:( \\{)?|(\n|, |\\}|)( {0,3}(allow|confirm|deny|default|x):( \\[?|\n? *- )?)|a\\.org|(, )?b\\.org|\\]|\n *- |\n|#c\n| |'){0,14}",
            entry in "(a\\.org|@b\\.org|/srv/x y|#c)",
        ) {
            if let Ok(edited) = allow_target(&text, &entry) {
                let count = |text: &str| text.matches("#c\n").count();
                prop_assert!(count(&edited) + 1 >= count(&text), "{text:?} {edited:?}");
                let (old, new) = (parse(&text).unwrap(), parse(&edited).unwrap());
                let kept = |document: &Document| -> Vec<String> {
                    document.root.entries().unwrap().iter().map(|entry| entry.key.clone()).collect()
                };
                prop_assert_eq!(kept(&old), kept(&new));
            }
        }
    }
}
