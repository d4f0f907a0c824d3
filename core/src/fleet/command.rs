//! Keys that a program prints, such as the token of a cloud's own command line.
//!
//! Nothing is run here: this says what would be, and under which digest the owner allows it.

use std::fmt;
use std::time::Duration;

use sha2::{Digest, Sha256};

/// The most words of a command, and the longest of them in bytes.
pub(super) const WORDS_LIMIT: usize = 64;
/// See [`WORDS_LIMIT`].
pub(super) const WORD_LIMIT_BYTES: usize = 4096;

/// How long a printed key is used where the file does not say: below the hour that most tokens live.
pub(super) const USUAL_TTL: Duration = Duration::from_secs(50 * 60);

/// The longest time that a printed key may be used.
pub(super) const TTL_LIMIT: Duration = Duration::from_secs(24 * 60 * 60);

/// A program and its arguments, never a shell's line, that prints a key.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct KeyCommand {
    /// The program, by its name alone or its full path, then its arguments.
    pub argv: Vec<String>,
    /// Time for which what it printed is used.
    pub ttl: Duration,
}

impl KeyCommand {
    /// Digest of the command for the provider of this name, in hex: what the owner allows. Another word of the command,
    /// or the same command elsewhere, is another one; how often it runs is not part of it.
    pub fn digest(&self, provider: &str) -> String {
        let mut hasher = Sha256::new();
        for word in std::iter::once(provider).chain(self.argv.iter().map(String::as_str)) {
            hasher.update((word.len() as u64).to_be_bytes());
            hasher.update(word.as_bytes());
        }
        hex::encode(hasher.finalize())
    }

    /// The program alone.
    pub fn program(&self) -> &str {
        self.argv.first().map_or("", String::as_str)
    }
}

/// Shows the program alone: an argument may name an account.
impl fmt::Debug for KeyCommand {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "KeyCommand({:?}, {} arguments)", self.program(), self.argv.len().saturating_sub(1))
    }
}

/// Whether a program is named in a way that always means the same one: by its name alone, which the search path of zOS
/// decides, or by its full path.
pub(super) fn is_program(word: &str) -> bool {
    !word.is_empty()
        && (std::path::Path::new(word).is_absolute() || !word.contains(['/', '\\']))
        && !matches!(word, "." | "..")
}

/// A time as the file writes it: a whole number and `s`, `m` or `h`.
pub(super) fn parse_time(text: &str) -> Option<Duration> {
    let (digits, unit) = text.split_at_checked(text.len().checked_sub(1)?)?;
    let seconds = match unit {
        "s" => 1,
        "m" => 60,
        "h" => 3600,
        _ => return None,
    };
    if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    digits.parse::<u64>().ok()?.checked_mul(seconds).map(Duration::from_secs)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_digest_tells_every_word_and_the_provider_apart_and_not_how_often_it_runs() {
        let command = |argv: &[&str], ttl| KeyCommand {
            argv: argv.iter().map(|word| (*word).to_owned()).collect(),
            ttl: Duration::from_secs(ttl),
        };
        let first = command(&["az", "token"], 1).digest("azure");
        assert_eq!(first, command(&["az", "token"], 99).digest("azure"));
        for other in [
            command(&["az", "token"], 1).digest("azur"),
            command(&["az", "token", ""], 1).digest("azure"),
            command(&["aztoken"], 1).digest("azure"),
            command(&["azt", "oken"], 1).digest("azure"),
        ] {
            assert_ne!(first, other);
        }
    }

    #[test]
    fn a_time_is_a_number_and_a_unit() {
        for (text, seconds) in [("50m", Some(3000)), ("8h", Some(28_800)), ("1s", Some(1)), ("0s", Some(0))] {
            assert_eq!(parse_time(text), seconds.map(Duration::from_secs), "{text}");
        }
        for text in
            ["", "m", "50", "-1m", "1.5h", "50 m", "99999999999999999999h", "18446744073709551615h", "é"]
        {
            assert_eq!(parse_time(text), None, "{text}");
        }
    }

    #[test]
    fn a_program_is_a_name_or_a_full_path() {
        assert!(is_program("az") && is_program("/usr/bin/op"));
        for word in ["", ".", "..", "./az", "bin/az", "../az", "~/bin/az"] {
            assert!(!is_program(word), "{word}");
        }
    }
}
