//! Which lines two canons do not share.

use serde::Serialize;
use zos_core::Canon;

/// The most pairs of lines that are held against each other, at four bytes each. Beyond, what differs is
/// given as a whole: all lines of the one, then all of the other.
const PAIRS_MAX: usize = 4 << 20;

/// One line that only one of both has.
#[derive(Debug, PartialEq, Eq, Serialize)]
pub(super) struct Change {
    /// `-` for a line of the first canon, `+` for one of the second.
    pub(super) op: &'static str,
    pub(super) text: String,
    pub(super) file: String,
    pub(super) file_line: usize,
    pub(super) clause: String,
}

/// The lines that differ, in order; none where both are the same.
pub(super) fn between(one: Option<&Canon>, other: Option<&Canon>) -> Vec<Change> {
    let (old, new) = (lines(one), lines(other));
    let start = old.iter().zip(&new).take_while(|(a, b)| a == b).count();
    let (old_rest, new_rest) = (&old[start..], &new[start..]);
    let end = old_rest.iter().rev().zip(new_rest.iter().rev()).take_while(|(a, b)| a == b).count();
    let (old_rest, new_rest) = (&old_rest[..old_rest.len() - end], &new_rest[..new_rest.len() - end]);
    let mut changes = Vec::new();
    let mut push = |op, canon: Option<&Canon>, index: usize, text: &str| {
        let Some(place) = canon.and_then(|canon| canon.lines.get(index)) else { return };
        changes.push(Change {
            op,
            text: text.to_owned(),
            file: place.file.to_string(),
            file_line: place.file_line,
            clause: place.clause.to_string(),
        });
    };
    let lengths = common(old_rest, new_rest);
    let (mut i, mut j) = (0, 0);
    while i < old_rest.len() || j < new_rest.len() {
        let length =
            |i: usize, j: usize| lengths.as_ref().map_or(0, |table| table[i * (new_rest.len() + 1) + j]);
        if lengths.is_some() && i < old_rest.len() && j < new_rest.len() && old_rest[i] == new_rest[j] {
            (i, j) = (i + 1, j + 1);
        } else if i < old_rest.len() && (j == new_rest.len() || length(i + 1, j) >= length(i, j + 1)) {
            push("-", one, start + i, old_rest[i]);
            i += 1;
        } else {
            push("+", other, start + j, new_rest[j]);
            j += 1;
        }
    }
    changes
}

fn lines(canon: Option<&Canon>) -> Vec<&str> {
    canon.map(|canon| canon.text.lines().collect()).unwrap_or_default()
}

/// For every pair of places the length of the longest common rest; none where that would be too much.
fn common(old: &[&str], new: &[&str]) -> Option<Vec<u32>> {
    let width = new.len() + 1;
    let pairs = (old.len() + 1).checked_mul(width).filter(|pairs| *pairs <= PAIRS_MAX)?;
    let mut table = vec![0_u32; pairs];
    for i in (0..old.len()).rev() {
        for j in (0..new.len()).rev() {
            table[i * width + j] = match old[i] == new[j] {
                true => table[(i + 1) * width + j + 1] + 1,
                false => table[(i + 1) * width + j].max(table[i * width + j + 1]),
            };
        }
    }
    Some(table)
}
