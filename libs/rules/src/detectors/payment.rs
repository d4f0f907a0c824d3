//! Card numbers, bank accounts, and what is asked for beside them.

use super::checks::{continues_number, digits, follows, luhn, remainder, weighted};
use super::{Detector, detector};

pub(super) static DETECTORS: [Detector; 6] = [
    detector("card", r"\b[0-9](?:[ -]?[0-9]){13,18}\b", 40).checked(card),
    detector("iban", r"\b[A-Z]{2}[0-9]{2}(?: ?[A-Z0-9]){11,30}\b", 64).checked(iban),
    detector("us-routing", r"\b[0-9]{9}\b", 9).checked(routing_number),
    detector("card-track", r"[;%]B?[0-9]{13,19}[=^][A-Za-z/ .^=]*[0-9]{7,}", 96).checked(track),
    detector("uk-sort-code", r"\b[0-9]{2}[- ]?[0-9]{2}[- ]?[0-9]{2}\b", 8).checked(sort_code),
    detector("security-code", r"(?i-u:\b(?:cvv2?|cvc2?|security code))[ :=#]{1,3}[0-9]{3,4}\b", 24),
];

/// The lengths that the issuer of a number uses; ranges are those of the card schemes.
fn issuer_lengths(number: &[u32]) -> &'static [usize] {
    let first = |count: usize| number[..count].iter().fold(0, |sum, digit| sum * 10 + digit);
    match (first(1), first(2), first(3), first(4)) {
        (4, ..) => &[16, 19],
        (_, 51..=55, ..) | (.., 2221..=2720) => &[16],
        (_, 34 | 37, ..) => &[15],
        (_, 36 | 38 | 39, ..) | (_, _, 300..=305, _) => &[14],
        (.., 3528..=3589) => &[16],
        (_, 65, ..) | (_, _, 644..=649, _) | (.., 6011) => &[16],
        (_, 62 | 81, ..) => &[16, 17, 18, 19],
        (_, 50 | 56..=58, ..) | (.., 6304 | 6759 | 6761..=6763) => &[16, 18, 19],
        (.., 2200..=2204) => &[16],
        _ => &[],
    }
}

fn card(before: &str, matched: &str) -> Option<usize> {
    let number = digits(matched);
    let separators: Vec<char> = matched.chars().filter(|c| !c.is_ascii_digit()).collect();
    let one_kind = separators.windows(2).all(|pair| pair[0] == pair[1]);
    let grouped = separators.is_empty() || (2..=5).contains(&separators.len());
    let known = issuer_lengths(&number).contains(&number.len());
    let varied = number.iter().any(|digit| *digit != number[0]);
    let valid = known && varied && one_kind && grouped && luhn(&number) && !continues_number(before);
    valid.then_some(matched.len())
}

/// The lengths of the account numbers of each country, from the SWIFT IBAN registry.
const IBAN_LENGTHS: [(&str, usize); 76] = [
    ("AD", 24),
    ("AE", 23),
    ("AL", 28),
    ("AT", 20),
    ("AZ", 28),
    ("BA", 20),
    ("BE", 16),
    ("BG", 22),
    ("BH", 22),
    ("BR", 29),
    ("BY", 28),
    ("CH", 21),
    ("CR", 22),
    ("CY", 28),
    ("CZ", 24),
    ("DE", 22),
    ("DK", 18),
    ("DO", 28),
    ("EE", 20),
    ("EG", 29),
    ("ES", 24),
    ("FI", 18),
    ("FO", 18),
    ("FR", 27),
    ("GB", 22),
    ("GE", 22),
    ("GI", 23),
    ("GL", 18),
    ("GR", 27),
    ("GT", 28),
    ("HR", 21),
    ("HU", 28),
    ("IE", 22),
    ("IL", 23),
    ("IQ", 23),
    ("IS", 26),
    ("IT", 27),
    ("JO", 30),
    ("KW", 30),
    ("KZ", 20),
    ("LB", 28),
    ("LC", 32),
    ("LI", 21),
    ("LT", 20),
    ("LU", 20),
    ("LV", 21),
    ("LY", 25),
    ("MC", 27),
    ("MD", 24),
    ("ME", 22),
    ("MK", 19),
    ("MR", 27),
    ("MT", 31),
    ("MU", 30),
    ("NL", 18),
    ("NO", 15),
    ("PK", 24),
    ("PL", 28),
    ("PS", 29),
    ("PT", 25),
    ("QA", 29),
    ("RO", 24),
    ("RS", 22),
    ("SA", 24),
    ("SC", 31),
    ("SD", 18),
    ("SE", 24),
    ("SI", 19),
    ("SK", 24),
    ("SM", 27),
    ("ST", 25),
    ("SV", 28),
    ("TN", 24),
    ("TR", 26),
    ("UA", 29),
    ("VA", 22),
];

/// Takes as much of the match as the country's numbers are long: capitals may follow.
fn iban(_: &str, matched: &str) -> Option<usize> {
    let country = &matched[..2];
    let (_, length) = IBAN_LENGTHS.iter().find(|(code, _)| *code == country)?;
    let compact: Vec<(usize, char)> =
        matched.char_indices().filter(|(_, c)| *c != ' ').take(*length).collect();
    let (last, _) = *compact.last().filter(|_| compact.len() == *length)?;
    let goes_on = matched[last + 1..].starts_with(|c: char| c.is_ascii_alphanumeric());
    let turned = compact[4..].iter().chain(&compact[..4]);
    let numbers = turned.filter_map(|(_, c)| c.to_digit(36));
    let rest = numbers.fold(0, |rest, value| {
        let shift = if value > 9 { 100 } else { 10 };
        (rest * shift + value) % 97
    });
    (rest == 1 && !goes_on).then_some(last + 1)
}

/// What a magnetic stripe holds, by ISO/IEC 7813: the number stands first.
fn track(_: &str, matched: &str) -> Option<usize> {
    let number: Vec<u32> =
        matched.trim_start_matches([';', '%', 'B']).chars().map_while(|c| c.to_digit(10)).collect();
    (issuer_lengths(&number).contains(&number.len()) && luhn(&number)).then_some(matched.len())
}

/// Any six digits can be one: the words for it must stand before them.
fn sort_code(before: &str, matched: &str) -> Option<usize> {
    follows(before, &["sort code", "sort-code", "sortcode"]).then_some(matched.len())
}

/// Nine digits with a checksum are common: the words for it must stand before them.
fn routing_number(before: &str, matched: &str) -> Option<usize> {
    let number = digits(matched);
    let named = follows(before, &["routing", "aba", "rtn", "bank code"]);
    let valid = named && weighted(&number, &[3, 7, 1, 3, 7, 1, 3, 7, 1]).is_multiple_of(10);
    (valid && remainder(number, 97) > 0).then_some(matched.len())
}
