//! Place of a provider's key, as a person writes it in `routing/fleet.yml`.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// A place, not a key.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum KeyRef {
    /// `keychain:anthropic`: the vault, under this name.
    Keychain(String),
    /// `env:OPENAI_API_KEY`: this environment variable and nothing else.
    Env(String),
    /// `none`: the provider wants no key.
    #[default]
    None,
}

impl fmt::Display for KeyRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Keychain(name) => write!(f, "keychain:{name}"),
            Self::Env(variable) => write!(f, "env:{variable}"),
            Self::None => f.write_str("none"),
        }
    }
}

/// A text that names no place.
///
/// It does not repeat the text: people paste keys where a reference belongs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum BadKeyRef {
    /// Neither of the three forms.
    #[error("a key is named by its place, never written here: use keychain:NAME, env:VARIABLE or none")]
    Form,
    /// `keychain:` with a name that is none.
    #[error("the name behind keychain: must be 1 to 64 letters, digits, dots, dashes or underscores")]
    Name,
    /// `env:` with something that is no variable.
    #[error("the name behind env: must be that of an environment variable, such as OPENAI_API_KEY")]
    Variable,
}

impl FromStr for KeyRef {
    type Err = BadKeyRef;

    fn from_str(text: &str) -> Result<Self, BadKeyRef> {
        match text.split_once(':') {
            Some(("keychain", name)) if is_name(name) => Ok(Self::Keychain(name.to_owned())),
            Some(("keychain", _)) => Err(BadKeyRef::Name),
            Some(("env", variable)) if is_variable(variable) => Ok(Self::Env(variable.to_owned())),
            Some(("env", _)) => Err(BadKeyRef::Variable),
            None if text == "none" => Ok(Self::None),
            _ => Err(BadKeyRef::Form),
        }
    }
}

impl TryFrom<String> for KeyRef {
    type Error = BadKeyRef;

    fn try_from(text: String) -> Result<Self, BadKeyRef> {
        text.parse()
    }
}

impl From<KeyRef> for String {
    fn from(key: KeyRef) -> Self {
        key.to_string()
    }
}

/// Whether a key can have this name: it is also a file name and a part of a variable's name.
pub(crate) fn is_name(text: &str) -> bool {
    (1..=64).contains(&text.len())
        && !text.starts_with('.')
        && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"._-".contains(&byte))
}

fn is_variable(text: &str) -> bool {
    (1..=128).contains(&text.len())
        && !text.as_bytes()[0].is_ascii_digit()
        && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_three_forms_are_read_and_written_alike() {
        for (text, key) in [
            ("keychain:anthropic", KeyRef::Keychain("anthropic".into())),
            ("env:OPENAI_API_KEY", KeyRef::Env("OPENAI_API_KEY".into())),
            ("none", KeyRef::None),
        ] {
            assert_eq!(text.parse(), Ok(key.clone()));
            assert_eq!(key.to_string(), text);
            assert_eq!(serde_json::from_value::<KeyRef>(text.into()).unwrap(), key);
            assert_eq!(serde_json::to_value(&key).unwrap(), text);
        }
    }

    #[test]
    fn a_key_pasted_in_the_place_of_a_reference_is_refused_and_not_repeated() {
        for text in
            ["sk-canary-123", "sk:canary", "keychain:", "keychain:a/b", "keychain:..", "env:", "env:1A", ""]
        {
            let error = text.parse::<KeyRef>().unwrap_err();
            assert!(!error.to_string().contains("canary"), "{error}");
            assert!(error.to_string().contains("keychain:") || error.to_string().contains("env:"), "{error}");
        }
    }
}
