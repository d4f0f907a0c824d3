//! The name of a context, which is also the name of its file.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// A context's name: `[a-z0-9][a-z0-9_-]{0,63}`. Safe in paths, headers and records.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct ContextName(String);

/// The text is not a context's name.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("a context's name is 1 to 64 of a-z, 0-9, _ and -, and starts with a letter or digit")]
pub struct NameError;

impl ContextName {
    /// The name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// `default`, the context that governs calls while none is active.
    pub fn default_context() -> Self {
        Self("default".to_owned())
    }

    /// The name that someone who wrote `text` probably wants, if there is one.
    pub fn suggest(text: &str) -> Option<Self> {
        let mapped: String = text
            .trim()
            .chars()
            .map(|character| match character.to_ascii_lowercase() {
                kept @ ('a'..='z' | '0'..='9' | '_' | '-') => kept,
                _ => '-',
            })
            .collect();
        mapped.trim_matches(['-', '_']).parse().ok()
    }
}

impl FromStr for ContextName {
    type Err = NameError;

    fn from_str(text: &str) -> Result<Self, NameError> {
        let mut bytes = text.bytes();
        let starts_well = bytes.next().is_some_and(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit());
        let goes_on =
            bytes.all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"_-".contains(&byte));
        if starts_well && goes_on && text.len() <= 64 { Ok(Self(text.to_owned())) } else { Err(NameError) }
    }
}

impl TryFrom<String> for ContextName {
    type Error = NameError;

    fn try_from(text: String) -> Result<Self, NameError> {
        text.parse()
    }
}

impl From<ContextName> for String {
    fn from(name: ContextName) -> Self {
        name.0
    }
}

impl AsRef<str> for ContextName {
    fn as_ref(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for ContextName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_safe_short_names_are_names() {
        for good in ["a", "acme", "9-lives", "client_2", &"a".repeat(64)] {
            assert_eq!(good.parse::<ContextName>().unwrap().as_str(), good);
        }
        for bad in ["", "-a", "_a", "Acme", "a b", "a/b", "..", "a.b", "ä", "a\n", &"a".repeat(65)] {
            assert_eq!(bad.parse::<ContextName>(), Err(NameError), "{bad:?}");
        }
    }

    #[test]
    fn serde_checks_the_name_too() {
        assert!(serde_json::from_str::<ContextName>("\"acme\"").is_ok());
        assert!(serde_json::from_str::<ContextName>("\"../acme\"").is_err());
    }

    #[test]
    fn a_near_miss_gets_a_suggestion() {
        assert_eq!(ContextName::suggest("Acme Corp").unwrap().as_str(), "acme-corp");
        assert_eq!(ContextName::suggest(" Ann.Lee! ").unwrap().as_str(), "ann-lee");
        assert_eq!(ContextName::suggest("日本"), None);
    }
}
