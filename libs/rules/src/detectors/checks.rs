//! Checksums and filters that several packs use.

/// The decimal digits of a text.
pub(crate) fn digits(text: &str) -> Vec<u32> {
    text.chars().filter_map(|c| c.to_digit(10)).collect()
}

/// The Luhn sum, of ISO/IEC 7812.
pub(crate) fn luhn(digits: &[u32]) -> bool {
    let double = |digit: u32| if digit > 4 { 2 * digit - 9 } else { 2 * digit };
    let sum: u32 = digits
        .iter()
        .rev()
        .enumerate()
        .map(|(place, digit)| if place % 2 == 1 { double(*digit) } else { *digit })
        .sum();
    sum.is_multiple_of(10)
}

/// The remainder of a decimal number of any length.
pub(crate) fn remainder(digits: impl IntoIterator<Item = u32>, divisor: u32) -> u32 {
    digits.into_iter().fold(0, |rest, digit| (rest * 10 + digit) % divisor)
}

/// The sum of digits times weights.
pub(crate) fn weighted(digits: &[u32], weights: &[u32]) -> u32 {
    digits.iter().zip(weights).map(|(digit, weight)| digit * weight).sum()
}

/// Whether one of `words` stands shortly before a match. Words are in lower case.
pub(crate) fn follows(before: &str, words: &[&str]) -> bool {
    let before = before.to_lowercase();
    words.iter().any(|word| {
        before.match_indices(word).any(|(at, _)| {
            let whole = |c: Option<char>| !c.is_some_and(char::is_alphanumeric);
            whole(before[..at].chars().next_back()) && whole(before[at + word.len()..].chars().next())
        })
    })
}

/// Whether a number goes on before the match: a decimal, a longer group of digits.
pub(crate) fn continues_number(before: &str) -> bool {
    let mut last = before.chars().rev();
    match last.next() {
        Some('.' | ',' | '-' | '/' | ':' | '+') => last.next().is_some_and(|c| c.is_ascii_digit()),
        Some(c) => c.is_alphanumeric() || matches!(c, '_' | '#'),
        None => false,
    }
}

/// Whether a day and month can exist.
pub(crate) fn is_date(day: u32, month: u32) -> bool {
    (1..=31).contains(&day) && (1..=12).contains(&month) && !(month == 2 && day > 29)
}

/// Bits per character of a text, by its own frequencies.
pub(crate) fn entropy(text: &str) -> f64 {
    let mut counts = [0u32; 256];
    text.bytes().for_each(|byte| counts[usize::from(byte)] += 1);
    let total = text.len() as f64;
    counts
        .iter()
        .filter(|count| **count > 0)
        .map(|count| f64::from(*count) / total)
        .map(|p| -p * p.log2())
        .sum()
}

/// Whether a value is written to be replaced: `your_key_here`, `xxxx`, `<token>`, `EXAMPLE`.
pub(crate) fn is_placeholder(value: &str) -> bool {
    const MARKS: [&str; 18] = [
        "example",
        "placeholder",
        "your",
        "changeme",
        "change-me",
        "change_me",
        "redacted",
        "dummy",
        "sample",
        "xxxx",
        "****",
        "....",
        "insert",
        "replace",
        "<",
        "${",
        "{{",
        "abcdefghij",
    ];
    let lower = value.to_lowercase();
    let counted = lower.contains("123456789") || lower.contains("01234567");
    MARKS.iter().any(|mark| lower.contains(mark)) || (counted && entropy(value) < 4.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn checksums_hold_for_published_numbers() {
        assert!(luhn(&digits("4111 1111 1111 1111")) && !luhn(&digits("4111 1111 1111 1112")));
        assert_eq!(remainder(digits("3214282912345698765432161182"), 97), 1);
        assert_eq!(weighted(&[1, 2, 3], &[3, 2, 1]), 10);
    }

    #[test]
    fn words_before_a_match_count_as_whole_words() {
        assert!(follows("My SSN is: ", &["ssn"]) && !follows("the classness of ", &["ssn"]));
    }

    #[test]
    fn placeholders_are_told_from_keys() {
        assert!(is_placeholder("your_api_key_here") && is_placeholder("xxxxxxxxxxxxxxxx"));
        assert!(!is_placeholder("hT7q9ZkLw2Rb4Vn8Xc1M"));
        assert!(entropy("aaaa") < 0.1 && entropy("abcd") > 1.9);
    }
}
