//! Patterns over names of models, tools, repositories and other things that have no structure of their own.

use std::fmt;

use wildmatch::WildMatch;

/// A pattern over a whole name: `*` is any run of characters, `?` is one. Upper and lower case are the same, so that a
/// denied model cannot be had by shouting.
#[derive(Clone, PartialEq)]
pub struct Glob {
    source: String,
    pattern: WildMatch,
}

impl Glob {
    /// A glob; every text is one.
    pub fn new(source: &str) -> Self {
        Self { source: source.to_owned(), pattern: WildMatch::new_case_insensitive(source) }
    }

    /// Whether the whole of `name` fits.
    pub fn matches(&self, name: &str) -> bool {
        self.pattern.matches(name)
    }

    /// The glob as it was written.
    pub fn as_str(&self) -> &str {
        &self.source
    }
}

impl fmt::Debug for Glob {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Glob({:?})", self.source)
    }
}
