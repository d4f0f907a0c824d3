//! Collects what is wrong with one file.

use std::collections::BTreeSet;

use super::node::Place;
use crate::problem::{Problem, Severity};

/// Problems of one file, in the order in which they were found.
#[derive(Clone, Debug)]
pub struct Findings {
    file: String,
    problems: Vec<Problem>,
    /// Memory that what the file declares takes so far, in bytes.
    taken_bytes: usize,
    /// Keys that the reader of the file knows, each with the path of its map, where somebody wants to know them.
    known: Option<BTreeSet<(String, &'static str)>>,
}

/// Problems kept per file: a file with thousands of wrong lines is told by the first ones.
const PROBLEMS_MAX: usize = 100;

impl Findings {
    /// No findings yet, in the file with this path relative to the home.
    pub fn new(file: impl Into<String>) -> Self {
        Self { file: file.into(), problems: Vec::new(), taken_bytes: 0, known: None }
    }

    /// The file.
    pub fn file(&self) -> &str {
        &self.file
    }

    /// Notes from now on which keys the reader knows; off otherwise, since a list may have 100,000 maps.
    pub(crate) fn note_known_keys(&mut self) {
        self.known = Some(BTreeSet::new());
    }

    /// Keys that the reader knows in the map at a path.
    pub(super) fn knows(&mut self, path: &str, keys: &[&'static str]) {
        if let Some(known) = &mut self.known {
            known.extend(keys.iter().map(|key| (path.to_owned(), *key)));
        }
    }

    /// Keys that the reader knew in the maps that it read, each with the path of its map.
    pub(crate) fn into_known_keys(self) -> BTreeSet<(String, &'static str)> {
        self.known.unwrap_or_default()
    }

    /// Takes memory for something that the file declares. Returns whether all of it stays within the limit.
    pub(crate) fn takes(&mut self, bytes: usize, limit_bytes: usize) -> bool {
        self.taken_bytes = self.taken_bytes.saturating_add(bytes);
        self.taken_bytes <= limit_bytes
    }

    /// Memory that what the file declares takes, in bytes.
    pub(crate) fn taken_bytes(&self) -> usize {
        self.taken_bytes
    }

    /// Adds an error at a place.
    pub fn error(&mut self, place: Place, message: impl Into<String>, fix: impl Into<String>) {
        self.push(Problem::error(&self.file, message, fix).at(place.line, place.column));
    }

    /// Adds a warning at a place.
    pub fn warn(&mut self, place: Place, message: impl Into<String>, fix: impl Into<String>) {
        self.push(Problem::warning(&self.file, message, fix).at(place.line, place.column));
    }

    /// Adds a problem as it is.
    pub fn push(&mut self, problem: Problem) {
        // An error is kept even after many warnings: it decides whether the file is in force.
        if self.problems.len() < PROBLEMS_MAX || (problem.is_error() && !self.has_errors()) {
            self.problems.push(problem);
        }
    }

    /// Whether any is an error.
    pub fn has_errors(&self) -> bool {
        self.problems.iter().any(|problem| problem.severity == Severity::Error)
    }

    /// Problems that were found.
    pub fn into_problems(self) -> Vec<Problem> {
        self.problems
    }
}
