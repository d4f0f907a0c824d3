//! Entry of a list as a caller sees it: the keys that screens of lists know. All others stay in the file.

use std::collections::HashMap;

use crate::yaml::{Node, Value};

/// One entry of a list.
#[derive(Clone, PartialEq, Eq, Hash, Default, Debug)]
pub struct EntryText {
    /// A plain term. Exactly one of `term`, `pattern` and `pack` is given.
    pub term: Option<String>,
    /// A regular expression.
    pub pattern: Option<String>,
    /// The name of a detector pack.
    pub pack: Option<String>,
    /// `deny`, `redact`, `ask` or `warn`; absent for the default.
    pub action: Option<String>,
    /// The person's own note.
    pub note: Option<String>,
}

impl EntryText {
    /// A plain term without more.
    pub fn term(term: impl Into<String>) -> Self {
        Self { term: Some(term.into()), ..Self::default() }
    }

    /// The key that says what is looked for, and its text; absent unless there is exactly one.
    pub(super) fn kind(&self) -> Option<(&'static str, &str)> {
        let kinds = [("term", &self.term), ("pattern", &self.pattern), ("pack", &self.pack)];
        let mut given = kinds.into_iter().filter_map(|(key, text)| Some((key, text.as_deref()?)));
        let one = given.next()?;
        (given.next().is_none() && !one.1.trim().is_empty()).then_some(one)
    }

    /// Value of this entry for a key that callers know.
    pub(super) fn get(&self, key: &str) -> Option<&str> {
        match key {
            "term" => self.term.as_deref(),
            "pattern" => self.pattern.as_deref(),
            "pack" => self.pack.as_deref(),
            "action" => self.action.as_deref(),
            "note" => self.note.as_deref(),
            _ => None,
        }
    }

    /// The entry that a node of a list stands for; absent where it is none.
    pub(super) fn read(node: &Node) -> Option<Self> {
        if let Value::Text(term) = &node.value {
            return Some(Self::term(term)).filter(|entry| entry.kind().is_some());
        }
        let mut entry = Self::default();
        for field in node.entries()? {
            let slot = match field.key.as_str() {
                "term" => &mut entry.term,
                "pattern" => &mut entry.pattern,
                "pack" => &mut entry.pack,
                "action" => &mut entry.action,
                "note" => &mut entry.note,
                _ => continue,
            };
            match &field.value.value {
                Value::Text(text) => *slot = Some(text.clone()),
                Value::Null => {}
                _ => return None,
            }
        }
        entry.kind().is_some().then_some(entry)
    }
}

/// Old entry that each wanted one continues, for entries that keep their order. Others are
/// new, or were moved, which is a removal and an addition. Where a term stands twice, the entry
/// that is the same in everything goes first.
pub(super) fn pair(before: &[EntryText], wanted: &[EntryText]) -> Vec<Option<usize>> {
    let mut same: HashMap<&EntryText, Vec<usize>> = HashMap::new();
    let mut alike: HashMap<_, Vec<usize>> = HashMap::new();
    for (index, entry) in before.iter().enumerate().rev() {
        same.entry(entry).or_default().push(index);
        alike.entry(entry.kind()).or_default().push(index);
    }
    let mut taken = vec![false; before.len()];
    let mut candidates = vec![None; wanted.len()];
    for (candidate, entry) in candidates.iter_mut().zip(wanted) {
        *candidate = same.get_mut(entry).and_then(Vec::pop);
        if let Some(index) = *candidate {
            taken[index] = true;
        }
    }
    for (candidate, entry) in candidates.iter_mut().zip(wanted).filter(|(candidate, _)| candidate.is_none()) {
        let unused = alike.get_mut(&entry.kind());
        *candidate = unused.and_then(|unused| {
            while let Some(index) = unused.pop() {
                if !taken[index] {
                    taken[index] = true;
                    return Some(index);
                }
            }
            None
        });
    }
    longest_increasing(&candidates)
}

/// Keeps a longest increasing run of the numbers and drops the others.
fn longest_increasing(candidates: &[Option<usize>]) -> Vec<Option<usize>> {
    // `tails[n]` is the place of the smallest number that ends an increasing run of n + 1.
    let mut tails: Vec<usize> = Vec::new();
    let mut previous: Vec<Option<usize>> = vec![None; candidates.len()];
    for (place, number) in candidates.iter().enumerate() {
        let Some(number) = number else { continue };
        let length = tails.partition_point(|tail| candidates[*tail] < Some(*number));
        previous[place] = length.checked_sub(1).map(|shorter| tails[shorter]);
        match tails.get_mut(length) {
            Some(tail) => *tail = place,
            None => tails.push(place),
        }
    }
    let mut kept = vec![None; candidates.len()];
    let mut place = tails.last().copied();
    while let Some(index) = place {
        kept[index] = candidates[index];
        place = previous[index];
    }
    kept
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(before: &[&str], wanted: &[&str], expected: &[Option<usize>]) {
        let entries = |terms: &[&str]| terms.iter().copied().map(EntryText::term).collect::<Vec<_>>();
        assert_eq!(pair(&entries(before), &entries(wanted)), expected);
    }

    #[test]
    fn entries_that_keep_their_order_are_continued() {
        check(&["a", "b", "c"], &["a", "c", "d"], &[Some(0), Some(2), None]);
        check(&["a", "b", "c"], &["c", "a", "b"], &[None, Some(0), Some(1)]);
        check(&["a", "a"], &["a"], &[Some(0)]);
        check(&[], &["a"], &[None]);
        let noted = |note: &str| EntryText { note: Some(note.into()), ..EntryText::term("a") };
        let before = [noted("x"), noted("y")];
        assert_eq!(pair(&before, &[noted("y")]), [Some(1)]);
        assert_eq!(pair(&before, &[noted("z"), noted("y")]), [Some(0), Some(1)]);
    }

    #[test]
    fn a_hundred_thousand_entries_are_paired_at_once() {
        let before: Vec<_> = (0..100_000).map(|n| EntryText::term(n.to_string())).collect();
        let wanted: Vec<_> = before.iter().rev().cloned().collect();
        assert_eq!(pair(&before, &wanted).iter().flatten().count(), 1);
    }
}
