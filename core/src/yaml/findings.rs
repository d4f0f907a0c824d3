//! Collects what is wrong with one file.

use super::tree::Place;
use crate::problem::{Problem, Severity};

/// What is wrong with one file, in the order in which it was found.
#[derive(Clone, Debug)]
pub struct Findings {
    file: String,
    problems: Vec<Problem>,
}

/// Problems kept per file: a file with thousands of wrong lines is told by the first ones.
const PROBLEMS_MAX: usize = 100;

impl Findings {
    /// No findings yet, in the file with this path relative to the home.
    pub fn new(file: impl Into<String>) -> Self {
        Self { file: file.into(), problems: Vec::new() }
    }

    /// The file.
    pub fn file(&self) -> &str {
        &self.file
    }

    /// Adds an error at a place.
    pub fn error(&mut self, place: Place, message: impl Into<String>, mend: impl Into<String>) {
        self.push(Problem::error(&self.file, message, mend).at(place.line, place.column));
    }

    /// Adds a warning at a place.
    pub fn warn(&mut self, place: Place, message: impl Into<String>, mend: impl Into<String>) {
        self.push(Problem::warning(&self.file, message, mend).at(place.line, place.column));
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

    /// All of them.
    pub fn into_problems(self) -> Vec<Problem> {
        self.problems
    }
}
