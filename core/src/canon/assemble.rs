//! Assembly of the clauses of all layers into a canon: levels, extensions, overrides, and the two segments.

use std::collections::HashMap;
use std::sync::Arc;

use super::layer::Clause;
use super::{CanonLine, Finding, Level, Lint};
use crate::problem::Problem;

/// Lines in order, with their origins.
#[derive(Default)]
pub(crate) struct Text {
    pub(crate) text: String,
    pub(crate) lines: Vec<CanonLine>,
    pub(crate) stable_bytes: usize,
}

/// Puts together what holds. Clauses come in the order of the manifest and keep it; those that change
/// often come after all others. The text is of no use where any finding is an error.
pub(crate) fn assemble(clauses: &[Clause], findings: &mut Vec<Finding>) -> Text {
    let mut by_id: Vec<Vec<&Clause>> = Vec::new();
    let mut places: HashMap<&str, usize> = HashMap::new();
    for clause in clauses {
        let place = *places.entry(&clause.id).or_insert_with(|| {
            by_id.push(Vec::new());
            by_id.len() - 1
        });
        by_id[place].push(clause);
    }
    let held: Vec<Vec<&Clause>> = by_id.into_iter().map(|group| hold(group, findings)).collect();
    let is_volatile = |parts: &&Vec<&Clause>| parts.iter().any(|clause| clause.volatile);
    let mut text = Text::default();
    for parts in held.iter().filter(|parts| !is_volatile(parts)) {
        text.write(parts);
    }
    let has_volatile = held.iter().any(|parts| is_volatile(&parts));
    // The blank line between the segments belongs to the stable one: it does not change either.
    if has_volatile && !text.text.is_empty() {
        text.text.push('\n');
    }
    text.stable_bytes = text.text.len();
    for parts in held.iter().filter(is_volatile) {
        text.write(parts);
    }
    text
}

/// Clauses that hold under one id: the highest level first, each lower one added to it or in its place.
fn hold<'c>(mut group: Vec<&'c Clause>, findings: &mut Vec<Finding>) -> Vec<&'c Clause> {
    group.sort_by_key(|clause| clause.level.rank());
    let mut held: Vec<&Clause> = Vec::new();
    for clause in group {
        let mut error = |lint: Lint, message: String, fix: &str| {
            let problem = Problem::error(&*clause.file, message, fix).at(clause.line(), 1);
            findings.push(Finding::new(lint, problem));
        };
        let rank = clause.level.rank();
        if let Some(peer) = held.iter().find(|peer| peer.level.rank() == rank) {
            if !peer.is_same_text(clause) {
                let message = format!(
                    "two different texts for the clause \"{}\" on the level {}; the other is {}:{}",
                    clause.id,
                    clause.level.name(),
                    peer.file,
                    peer.line()
                );
                error(Lint::DuplicateId, message, "keep one of them, or give one another id: {#some-id}");
            }
            continue;
        }
        if !clause.overrides {
            held.push(clause);
        } else if let Some(floor) = held.iter().find(|above| above.level == Level::Floor) {
            let message = format!(
                "the clause \"{}\" of the floor cannot be overridden; it is {}:{}",
                clause.id,
                floor.file,
                floor.line()
            );
            error(
                Lint::FloorOverride,
                message,
                "remove `override`, so that it adds to the floor, or give it another id",
            );
        } else {
            if held.is_empty() && clause.overrides_by_name {
                let message = format!("the clause \"{}\" overrides nothing here", clause.id);
                let problem = Problem::warning(&*clause.file, message, "check its id, or remove `override`");
                findings.push(Finding::new(Lint::IdleOverride, problem.at(clause.line(), 1)));
            }
            held = vec![clause];
        }
    }
    held
}

impl Text {
    /// Writes one clause: the heading of the highest level, then what each level says.
    fn write(&mut self, parts: &[&Clause]) {
        for (index, clause) in parts.iter().enumerate() {
            let lines = if index == 0 { &clause.lines[..] } else { clause.body() };
            let Some((first, _)) = lines.first() else { continue };
            let mut origin = CanonLine {
                file: Arc::clone(&clause.file),
                file_line: *first,
                level: clause.level,
                clause: Arc::clone(&clause.id),
            };
            if !self.text.is_empty() {
                // Between the segments the line break is there already.
                if self.stable_bytes != self.text.len() {
                    self.text.push('\n');
                }
                self.lines.push(origin.clone());
            }
            for (number, line) in lines {
                self.text.push_str(line);
                self.text.push('\n');
                origin.file_line = *number;
                self.lines.push(origin.clone());
            }
        }
    }
}
