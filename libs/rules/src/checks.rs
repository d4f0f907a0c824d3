//! Checksums and filters that several packs use.

pub(crate) use crate::pattern::runs::Find;

/// The whole match as a find, where it is valid.
pub(super) fn kept(matched: &str, valid: bool) -> Option<Find> {
    valid.then(|| Find::of(0..matched.len()))
}

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

/// ISO 7064, MOD 11,10.
pub(super) fn is_mod_11_10(number: &[u32]) -> bool {
    let Some((check, body)) = number.split_last() else { return false };
    let product = body.iter().fold(10, |product, digit| {
        let sum = (product + digit) % 10;
        (if sum == 0 { 10 } else { sum }) * 2 % 11
    });
    (11 - product) % 10 == *check
}

/// The number of two digits.
pub(super) fn two(number: &[u32], at: usize) -> u32 {
    number[at] * 10 + number[at + 1]
}

/// Whether one of `words` stands shortly before a match, or its plural. Words are in lower case.
pub(crate) fn follows(before: &str, words: &[&str]) -> bool {
    let before = before.to_lowercase();
    words.iter().any(|word| gap_after(&before, word).is_some())
}

/// What stands between a match and the last whole `word` before it. Both texts are in lower case.
pub(super) fn gap_after<'t>(before: &'t str, word: &str) -> Option<&'t str> {
    before.rmatch_indices(word).find_map(|(at, _)| {
        let rest = &before[at + word.len()..];
        let rest = match rest.strip_prefix('s') {
            Some(plural) if !begins_joined(plural) => plural,
            _ => rest,
        };
        let joined = ends_joined(&before[..at]) && word.starts_with(is_spaced_letter);
        let goes_on = begins_joined(rest) && word.ends_with(is_spaced_letter);
        (!joined && !goes_on).then_some(rest)
    })
}

fn begins_joined(text: &str) -> bool {
    text.starts_with(is_spaced_letter)
}

fn ends_joined(text: &str) -> bool {
    text.ends_with(|c: char| is_spaced_letter(c) || c.is_ascii_digit())
}

/// Whether a character is a letter of a script that puts spaces between words.
pub(super) fn is_spaced_letter(c: char) -> bool {
    c.is_alphabetic() && !is_unspaced(c)
}

/// Whether a letter belongs to a script without spaces between words: Thai, Lao, Burmese, Khmer, Chinese and
/// Japanese. Korean has spaces, but glues particles to what stands before them.
pub(super) fn is_unspaced(c: char) -> bool {
    matches!(u32::from(c), 0x0E00..=0x0EFF | 0x1000..=0x109F | 0x1100..=0x11FF | 0x1780..=0x17FF
        | 0x2E80..=0x30FF | 0x3130..=0x318F | 0x31A0..=0x9FFF | 0xAC00..=0xD7AF | 0xF900..=0xFAFF
        | 0xFF66..=0xFF9F | 0x20000..=0x3FFFF)
}

/// Whether a number goes on before the match: a decimal, a longer group of digits. The separators of a
/// list end a number, and so do letters of other scripts.
pub(crate) fn continues_number(before: &str) -> bool {
    let mut last = before.chars().rev();
    match last.next() {
        Some('.' | '-' | '/' | '+') => last.next().is_some_and(|c| c.is_ascii_digit()),
        Some(c) => is_latin(c) || c.is_ascii_digit() || c == '_',
        None => false,
    }
}

fn is_latin(c: char) -> bool {
    c.is_ascii_alphabetic() || (('\u{C0}'..='\u{24F}').contains(&c) && c.is_alphabetic())
}

/// Whether a text has the form of a date with four digits of the year, or begins with one.
pub(super) fn is_dated(text: &str) -> bool {
    let groups: Vec<&str> =
        text.split(|c: char| !c.is_ascii_digit()).filter(|part| !part.is_empty()).collect();
    let is_year = |group: &str| group.len() == 4 && (group.starts_with("19") || group.starts_with("20"));
    let number = |group: &str| group.parse::<u32>().ok().filter(|_| group.len() <= 2);
    let day = |one: &str, other: &str| match (number(one), number(other)) {
        (Some(one), Some(other)) => is_date(one, other) || is_date(other, one),
        _ => false,
    };
    match groups.as_slice() {
        [year, month, date, ..] if is_year(year) && day(month, date) => true,
        [date, month, year, ..] => is_year(year) && day(date, month),
        _ => false,
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
    const MARKS: [&str; 17] = [
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
        "${",
        "{{",
        "abcdefghij",
    ];
    let lower = value.to_lowercase();
    let counted = lower.contains("123456789") || lower.contains("01234567");
    lower.starts_with('<')
        || MARKS.iter().any(|mark| lower.contains(mark))
        || (counted && entropy(value) < 4.0)
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
