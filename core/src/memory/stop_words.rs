//! Words that tell nothing about what is asked for.

/// English function and question words, sorted. Negations stay searchable: they carry meaning.
const STOP_WORDS: &[&str] = &[
    "a", "about", "after", "again", "all", "also", "am", "an", "and", "any", "are", "as", "at", "be",
    "because", "been", "before", "being", "both", "but", "by", "can", "could", "d", "did", "do", "does",
    "doing", "during", "each", "else", "ever", "every", "for", "from", "had", "has", "have", "having", "he",
    "her", "here", "hers", "him", "his", "how", "i", "if", "in", "into", "is", "it", "its", "itself", "just",
    "ll", "m", "may", "me", "might", "mine", "more", "most", "much", "must", "my", "of", "off", "on", "once",
    "one", "only", "or", "other", "our", "ours", "out", "over", "own", "please", "re", "s", "same", "shall",
    "she", "should", "so", "some", "such", "t", "tell", "than", "that", "the", "their", "theirs", "them",
    "then", "there", "these", "they", "this", "those", "through", "to", "too", "under", "until", "up", "us",
    "ve", "very", "was", "we", "were", "what", "whatever", "when", "where", "which", "while", "who", "whom",
    "whose", "why", "will", "with", "would", "you", "your", "yours",
];

/// Whether a lower-case word is one of them.
pub(super) fn is_stop_word(word: &str) -> bool {
    STOP_WORDS.binary_search(&word).is_ok()
}

/// The words of a text, lower-case, cut where letters and digits end, as the index cuts them.
pub(super) fn words(text: &str) -> impl Iterator<Item = String> + '_ {
    text.split(|c: char| !c.is_alphanumeric()).filter(|word| !word.is_empty()).map(str::to_lowercase)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_list_is_sorted() {
        assert!(STOP_WORDS.is_sorted());
        assert!(is_stop_word("where") && !is_stop_word("not") && !is_stop_word("paris"));
    }

    #[test]
    fn words_end_where_letters_and_digits_end() {
        assert_eq!(words("Ann's cafe\u{301}, 3.5").collect::<Vec<_>>(), ["ann", "s", "cafe", "3", "5"]);
    }
}
