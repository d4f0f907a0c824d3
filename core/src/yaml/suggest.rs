//! "Did you mean …?"

/// The word of `known` that someone who wrote `word` probably meant.
pub fn closest<'k>(word: &str, known: impl IntoIterator<Item = &'k str>) -> Option<&'k str> {
    let word = word.to_lowercase().replace('-', "_");
    let ranked = known.into_iter().map(|candidate| {
        let folded = candidate.replace('-', "_");
        (strsim::damerau_levenshtein(&word, &folded), candidate)
    });
    let (distance, candidate) = ranked.min_by_key(|(distance, _)| *distance)?;
    // One slip in short words, a third of the letters in long ones.
    (distance <= candidate.chars().count().div_ceil(3).min(4)).then_some(candidate)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slips_are_understood_and_other_words_are_not() {
        let known = ["outbound_deny", "isolation", "title"];
        assert_eq!(closest("outbound-deny", known), Some("outbound_deny"));
        assert_eq!(closest("Isolaton", known), Some("isolation"));
        assert_eq!(closest("titel", known), Some("title"));
        assert_eq!(closest("colour", known), None);
        assert_eq!(closest("x", []), None);
    }
}
