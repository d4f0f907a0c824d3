//! Ratio of each model family's token count to that of `o200k_base`, learned from what providers report.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

/// Factors are whole numbers of this part.
const ONE: u64 = 1024;

/// Before anything is known: half as much again. Anthropic has said of its newer vocabulary that it takes up to 1.35
/// times the tokens of the one before it; a budget that is guessed too low is overspent.
const UNKNOWN: u64 = ONE * 3 / 2;

/// A provider that reports too little cannot bring a factor below three quarters.
const LOWEST: u64 = ONE * 3 / 4;

/// Highest ratio that is believed. More is no matter of vocabularies (results of a search that the provider made,
/// or nonsense), and says nothing about the next call.
const HIGHEST: u64 = ONE * 4;

/// Shorter texts say more about the frame of a message than about its words.
const LEARNED_FROM: u64 = 256;

/// A factor falls by this part of the difference with each report, and rises at once.
const FALL: u64 = 8;

/// Families that are remembered. Names come from callers; what comes after the last is scaled as unknown.
const FAMILIES: usize = 64;

/// Longest name of a family, in bytes.
const FAMILY_BYTES: usize = 32;

/// Learned ratios, by family. They are kept in memory only: a new process learns them in a few calls.
#[derive(Debug, Default)]
pub struct Factors {
    known: Mutex<HashMap<String, u64>>,
}

impl Factors {
    /// Count of tokens for a model of this family, from a count with `o200k_base`.
    #[must_use]
    pub fn scale(&self, family: &str, counted: u64) -> u64 {
        let known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        let factor = known.get(family).copied().unwrap_or(UNKNOWN);
        let scaled = (u128::from(counted) * u128::from(factor)).div_ceil(u128::from(ONE));
        u64::try_from(scaled).unwrap_or(u64::MAX)
    }

    /// Takes in that a provider reported so many input tokens for a text that was counted so high.
    pub fn learn(&self, family: &str, counted: u64, reported: u64) {
        if counted < LEARNED_FROM {
            return;
        }
        let seen = (u128::from(reported) * u128::from(ONE)).div_ceil(u128::from(counted));
        let Some(seen) = u64::try_from(seen).ok().filter(|seen| (1..=HIGHEST).contains(seen)) else { return };
        let seen = seen.max(LOWEST);
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        if known.len() >= FAMILIES && !known.contains_key(family) {
            return;
        }
        let factor = known.entry(family.to_owned()).or_insert(UNKNOWN);
        *factor = if seen >= *factor { seen } else { *factor - (*factor - seen).div_ceil(FALL) };
    }
}

/// The family of a model: the word that its name begins with, past the maker's name (`anthropic/claude-sonnet-4`
/// is `claude`, `qwen3:8b` is `qwen`).
#[must_use]
pub fn family(model: &str) -> String {
    let name = model.rsplit('/').next().unwrap_or(model);
    let letters = name.bytes().take_while(u8::is_ascii_alphabetic).take(FAMILY_BYTES);
    letters.map(|letter| char::from(letter.to_ascii_lowercase())).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_factor_rises_at_once_and_falls_slowly() {
        let factors = Factors::default();
        assert_eq!(factors.scale("claude", 1000), 1500, "before anything is known");
        factors.learn("claude", 1000, 2000);
        assert_eq!(factors.scale("claude", 1000), 2000);
        factors.learn("claude", 1000, 1200);
        assert_eq!(factors.scale("claude", 1000), 1900);
        for _ in 0..100 {
            factors.learn("claude", 1000, 1200);
        }
        assert_eq!(factors.scale("claude", 1000), 1201, "rounded up");
        assert_eq!(factors.scale("gemini", 1000), 1500, "each family has its own");
    }

    #[test]
    fn what_a_short_text_or_an_absurd_report_says_is_not_learned() {
        let factors = Factors::default();
        for (counted, reported) in [(255, 1000), (1000, 4001), (1000, u64::MAX), (u64::MAX, 0), (1000, 0)] {
            factors.learn("m", counted, reported);
            assert_eq!(factors.scale("m", 1000), 1500, "{counted} {reported}");
        }
    }

    #[test]
    fn names_without_end_take_no_memory_without_end() {
        let factors = Factors::default();
        for number in 0..1000 {
            factors.learn(&number.to_string(), 1000, 2000);
        }
        assert_eq!(factors.known.lock().unwrap().len(), FAMILIES);
        assert_eq!(factors.scale("999", 1000), 1500);
        assert_eq!(family(&"x".repeat(1000)).len(), FAMILY_BYTES);
    }

    #[test]
    fn a_family_is_the_word_that_a_name_begins_with() {
        for (model, wanted) in [
            ("claude-sonnet-4-5", "claude"),
            ("anthropic/Claude-3", "claude"),
            ("meta-llama/Llama-3-70b", "llama"),
            ("qwen3:8b", "qwen"),
            ("4ever", ""),
            ("", ""),
        ] {
            assert_eq!(family(model), wanted, "{model}");
        }
    }

    proptest::proptest! {
        /// Whatever providers report, a factor stays within its bounds.
        #[test]
        fn no_provider_drives_a_factor_out_of_its_bounds(
            reports in proptest::collection::vec((0..=u64::MAX, 0..=u64::MAX), 0..40),
            near in proptest::collection::vec((256..5000_u64, 0..20_000_u64), 0..40),
        ) {
            let factors = Factors::default();
            for (counted, reported) in reports.into_iter().chain(near) {
                factors.learn("m", counted, reported);
                let scaled = factors.scale("m", 1024);
                proptest::prop_assert!((LOWEST..=HIGHEST).contains(&scaled), "{}", scaled);
            }
        }
    }
}
