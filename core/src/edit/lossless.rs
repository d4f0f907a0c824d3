//! Makes an edit with `yaml-edit`. Whether it came out right is [`super::verify`]'s to say.

use std::collections::HashMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::str::FromStr;

use yaml_edit::{Mapping, Sequence, YamlFile, YamlNode};

use super::entry::pair;
use super::{Edit, EntryText, entry_of};
use crate::yaml::Value;

/// The edited text; absent where it could not be made. A panic of the library is one such case:
/// its trees are made for well-formed files, and anything may stand in a person's.
pub(super) fn edit(edit: &Edit<'_>) -> Option<String> {
    catch_unwind(AssertUnwindSafe(|| try_edit(edit))).ok().flatten()
}

fn try_edit(edit: &Edit<'_>) -> Option<String> {
    if edit.document.root.value == Value::Null {
        return Some(append_to_empty(edit));
    }
    let file = YamlFile::from_str(edit.text).ok()?;
    let root = file.document()?.as_mapping()?;
    let has_list =
        entry_of(edit.document, edit.key).is_some_and(|found| matches!(found.value.value, Value::List(_)));
    // `[]` in a file of lines becomes lines.
    if has_list && (root.is_flow_style() || !edit.before.is_empty()) {
        change(edit, &root.get_sequence(edit.key)?)?;
    } else {
        let list = if root.is_flow_style() { Sequence::new_flow() } else { Sequence::new() };
        for entry in edit.entries {
            push(&list, entry);
        }
        root.set(edit.key, list);
    }
    Some(file.to_string())
}

/// Removes what goes, then walks the wanted list and adds or changes what differs.
fn change(edit: &Edit<'_>, list: &Sequence) -> Option<()> {
    let pairs = pair(&edit.before, edit.entries);
    let mut kept = vec![false; edit.before.len()];
    for old in pairs.iter().flatten() {
        kept[*old] = true;
    }
    // An entry that only moves takes along what we do not know of it.
    let mut moved: HashMap<_, Vec<(YamlNode, &EntryText)>> = HashMap::new();
    for (index, entry) in edit.before.iter().enumerate().rev().filter(|(index, _)| !kept[*index]) {
        let node = list.remove(index)?;
        moved.entry(entry.kind()).or_default().push((node, entry));
    }
    for (index, (wanted, old)) in edit.entries.iter().zip(&pairs).enumerate() {
        let before = if let Some(old) = old {
            &edit.before[*old]
        } else if let Some((node, before)) =
            moved.get_mut(&wanted.kind()).and_then(|moved| take(moved, wanted))
        {
            match node.as_mapping().filter(|fields| !fields.is_flow_style()) {
                // One line: the lines of a map cannot be moved with their indentation.
                Some(fields) => list.insert(index, in_braces(fields)),
                None => list.insert(index, node),
            }
            before
        } else {
            insert(list, index, wanted);
            continue;
        };
        if before != wanted {
            change_entry(list, index, wanted)?;
        }
    }
    Some(())
}

/// The one of the moved entries of one term that is the wanted one, else any of them.
fn take<'e>(
    moved: &mut Vec<(YamlNode, &'e EntryText)>,
    wanted: &EntryText,
) -> Option<(YamlNode, &'e EntryText)> {
    let same = moved.iter().position(|(_, entry)| *entry == wanted);
    match same {
        Some(index) => Some(moved.swap_remove(index)),
        None => moved.pop(),
    }
}

fn in_braces(fields: &Mapping) -> Mapping {
    let map = Mapping::new_flow();
    for (key, value) in fields.iter() {
        map.set(key, value);
    }
    map
}

/// Gives an entry another action and note.
fn change_entry(list: &Sequence, index: usize, wanted: &EntryText) -> Option<()> {
    let node = list.get(index)?;
    let Some(fields) = node.as_mapping() else {
        return list.set(index, as_map(wanted)).then_some(());
    };
    for key in ["action", "note"] {
        match wanted.get(key) {
            Some(text) => fields.set(key, text),
            None => {
                fields.remove(key);
            }
        }
    }
    Some(())
}

fn push(list: &Sequence, entry: &EntryText) {
    insert(list, list.len(), entry);
}

fn insert(list: &Sequence, index: usize, entry: &EntryText) {
    match &entry.term {
        Some(term) if entry.action.is_none() && entry.note.is_none() => list.insert(index, term.as_str()),
        _ => list.insert(index, as_map(entry)),
    }
}

/// An entry in braces, on one line.
fn as_map(entry: &EntryText) -> Mapping {
    let map = Mapping::new_flow();
    for key in ["term", "pattern", "pack", "action", "note"] {
        if let Some(text) = entry.get(key) {
            map.set(key, text);
        }
    }
    map
}

/// A file without any value is at most comments: the list comes behind them.
fn append_to_empty(edit: &Edit<'_>) -> String {
    let newline = if edit.text.contains("\r\n") { "\r\n" } else { "\n" };
    let gap = if edit.text.is_empty() || edit.text.ends_with('\n') { "" } else { newline };
    let list = Sequence::new();
    for entry in edit.entries {
        push(&list, entry);
    }
    let map = Mapping::new();
    map.set(edit.key, list);
    let lines: Vec<String> = map.to_string().lines().map(str::to_owned).collect();
    let last = if gap.is_empty() { newline } else { "" };
    format!("{}{gap}{}{last}", edit.text, lines.join(newline))
}
