//! Card numbers, bank accounts, and what is asked for beside them.

use super::{Detector, detector};
use crate::checks::{Find, continues_number, digits, follows, kept, luhn, remainder, weighted};
use crate::pattern::runs::Need;

pub(super) static DETECTORS: [Detector; 6] = [
    detector("card", r"\b[0-9](?:[ -]?[0-9]){11,18}\b", 40).checked(card),
    detector("iban", r"\b[A-Za-z]{2}[0-9]{2}(?:[ -]{0,2}[A-Za-z0-9]){11,30}\b", 100)
        .checked(iban)
        .needing(Need::Digit, 3),
    detector("us-routing", r"\b[0-9]{9}\b", 9).checked(routing_number).led_by(&[ROUTING_WORDS]),
    detector("card-track", r"[;%]B?[0-9]{13,19}[=^][A-Za-z/ .^=]*[0-9]{7,}", 96).checked(track),
    detector("uk-sort-code", r"\b[0-9]{2}[- ]?[0-9]{2}[- ]?[0-9]{2}\b", 8)
        .checked(sort_code)
        .led_by(&[SORT_CODE_WORDS]),
    detector("security-code", r"(?i-u:\b(?:cvv2?|cvc2?|security code))[ :=#]{1,3}[0-9]{3,4}\b", 24),
];

/// A range of issuers of ISO/IEC 7812 by the first digits of a number, and the lengths that it uses.
struct Network {
    /// The lowest and the highest beginning, of as many digits.
    begins: [u32; 2],
    lengths: &'static [usize],
    /// Whether so many other numbers begin so that a word for a card has to stand before it.
    wants_word: bool,
}

const fn network(low: u32, high: u32, lengths: &'static [usize]) -> Network {
    Network { begins: [low, high], lengths, wants_word: false }
}

const fn weak(low: u32, high: u32, lengths: &'static [usize]) -> Network {
    Network { begins: [low, high], lengths, wants_word: true }
}

/// The ranges that the card schemes publish.
const NETWORKS: [Network; 38] = [
    network(4, 4, &[16, 19]), // Visa
    weak(4, 4, &[13, 18]),
    network(51, 55, &[16]), // Mastercard
    network(2221, 2720, &[16]),
    network(34, 34, &[15]), // American Express
    network(37, 37, &[15]),
    network(36, 36, &[14]), // Diners Club
    network(38, 39, &[14, 16]),
    network(300, 305, &[14, 16]),
    network(3095, 3095, &[14, 16]),
    weak(30, 39, &[16, 17, 18, 19]),
    network(3528, 3589, &[16, 19]), // JCB
    network(6011, 6011, &[16, 19]), // Discover
    network(644, 649, &[16, 19]),
    network(65, 65, &[16, 19]),         // Discover, RuPay, Troy, Verve
    network(62, 62, &[16, 17, 18, 19]), // UnionPay
    network(81, 82, &[16, 17, 18, 19]), // UnionPay, RuPay
    network(60, 60, &[16]),             // RuPay, Hipercard
    network(508, 508, &[16]),
    network(353, 353, &[16]),
    network(356, 356, &[16]),
    network(50, 50, &[16, 18, 19]), // Maestro, Elo, Verve
    network(56, 58, &[16, 18, 19]),
    weak(50, 50, &[12, 13, 14, 15, 17]),
    weak(56, 69, &[12, 13, 14, 15, 17]),
    network(6304, 6304, &[16, 18, 19]),
    network(6759, 6763, &[16, 18, 19]),
    network(636, 639, &[16, 17, 18, 19]), // InterPayment, InstaPayment, Elo
    weak(672, 672, &[16, 19]),            // girocard
    weak(67, 67, &[16, 18, 19]),
    network(2200, 2204, &[16, 17, 18, 19]), // Mir
    network(2205, 2205, &[16]),             // Borica
    network(9792, 9792, &[16]),             // Troy
    network(8600, 8600, &[16]),             // UzCard
    network(9860, 9860, &[16]),             // Humo
    network(9704, 9704, &[16, 19]),         // NAPAS
    weak(1, 1, &[15]),                      // UATP
    weak(94, 94, &[16]),                    // BC Card
];

/// Whether a number has a length that one of the issuers of its range uses.
fn is_issued(number: &[u32], is_named: bool) -> bool {
    NETWORKS.iter().any(|network| {
        let [low, high] = network.begins;
        let count = low.ilog10() as usize + 1;
        let begin = number[..count].iter().fold(0, |sum, digit| sum * 10 + digit);
        (low..=high).contains(&begin)
            && network.lengths.contains(&number.len())
            && (is_named || !network.wants_word)
    })
}

/// Lengths in the order in which they are tried: what is read after a number (a month, an amount, another
/// number) may look like more of its digits.
const LENGTHS: [usize; 8] = [16, 15, 14, 19, 18, 17, 13, 12];

/// Words for a card.
const CARD_WORDS: [&str; 24] = [
    "card",
    "pan",
    "visa",
    "mastercard",
    "maestro",
    "amex",
    "american express",
    "diners",
    "uatp",
    "girocard",
    "bc",
    "card number",
    "creditcard",
    "karte",
    "kartennummer",
    "kreditkarte",
    "carte",
    "tarjeta",
    "carta",
    "cartão",
    "карта",
    "卡号",
    "銀行卡",
    "カード",
];

/// A number of the length of its issuer that ends with a group, as people and machines write it.
fn card(before: &str, matched: &str) -> Option<Find> {
    if continues_number(before) {
        return None;
    }
    let is_named = follows(before, &CARD_WORDS);
    let places: Vec<usize> =
        matched.char_indices().filter(|(_, c)| c.is_ascii_digit()).map(|(at, _)| at).collect();
    let number = digits(matched);
    LENGTHS.into_iter().filter(|length| *length <= number.len()).find_map(|length| {
        let end = places[length - 1] + 1;
        let ends_group = !matched[end..].starts_with(|c: char| c.is_ascii_digit());
        let (text, number) = (&matched[..end], &number[..length]);
        let varied = number.iter().any(|digit| *digit != number[0]);
        let counts = ends_group
            && varied
            && is_grouped(text)
            && is_issued(number, is_named)
            && luhn(number)
            && (length < 17 || is_named || !is_serial(before, text));
        counts.then(|| Find::of(0..end))
    })
}

/// Whether a number stands in one piece or in groups that cards are printed in, with one separator.
fn is_grouped(text: &str) -> bool {
    let mut separators = text.chars().filter(|c| !c.is_ascii_digit());
    let first = separators.next();
    let one_kind = separators.all(|separator| Some(separator) == first);
    let groups: Vec<usize> = text.split([' ', '-']).map(str::len).collect();
    let printed = match groups.as_slice() {
        [_] | [8, 8] => true,
        [4, 6, 4 | 5] | [4, 4, 4, 4] | [4, 4, 5, 4] | [4, 5, 6] | [6, 13] | [4, 4, 4] | [8, 11] => true,
        [4, 4, 4, 4, last] => *last < 4,
        [4, 4, 4, last] | [5, 4, 4, last] | [5, 5, last] => *last < 7,
        _ => false,
    };
    one_kind && printed
}

/// Whether a long number in one piece is what programs count with: negative, or the value of an id.
fn is_serial(before: &str, text: &str) -> bool {
    if text.contains([' ', '-']) {
        return false;
    }
    let name = before.trim_end_matches(['"', '\'', ' ', ':', '=', '[', '(']);
    let word = name.rsplit(|c: char| !c.is_ascii_alphanumeric()).next().unwrap_or_default().to_lowercase();
    const COUNTED: [&str; 18] = [
        "id",
        "ids",
        "blk",
        "block",
        "snowflake",
        "trace",
        "span",
        "hash",
        "seq",
        "sequence",
        "offset",
        "cursor",
        "key",
        "ref",
        "timestamp",
        "ts",
        "uid",
        "oid",
    ];
    before.ends_with('-') || COUNTED.iter().any(|counted| word == *counted) || name.ends_with("Id")
}

/// The lengths of the account numbers of each country, from the SWIFT IBAN registry.
const IBAN_LENGTHS: [(&str, usize); 89] = [
    ("AD", 24),
    ("AE", 23),
    ("AL", 28),
    ("AT", 20),
    ("AZ", 28),
    ("BA", 20),
    ("BE", 16),
    ("BG", 22),
    ("BH", 22),
    ("BI", 27),
    ("BR", 29),
    ("BY", 28),
    ("CH", 21),
    ("CR", 22),
    ("CY", 28),
    ("CZ", 24),
    ("DE", 22),
    ("DJ", 27),
    ("DK", 18),
    ("DO", 28),
    ("EE", 20),
    ("EG", 29),
    ("ES", 24),
    ("FI", 18),
    ("FK", 18),
    ("FO", 18),
    ("FR", 27),
    ("GB", 22),
    ("GE", 22),
    ("GI", 23),
    ("GL", 18),
    ("GR", 27),
    ("GT", 28),
    ("HN", 28),
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
    ("MN", 20),
    ("MR", 27),
    ("MT", 31),
    ("MU", 30),
    ("NI", 28),
    ("NL", 18),
    ("NO", 15),
    ("OM", 23),
    ("PK", 24),
    ("PL", 28),
    ("PS", 29),
    ("PT", 25),
    ("QA", 29),
    ("RO", 24),
    ("RS", 22),
    ("RU", 33),
    ("SA", 24),
    ("SC", 31),
    ("SD", 18),
    ("SE", 24),
    ("SI", 19),
    ("SK", 24),
    ("SM", 27),
    ("SO", 23),
    ("ST", 25),
    ("SV", 28),
    ("TL", 23),
    ("TN", 24),
    ("TR", 26),
    ("UA", 29),
    ("VA", 22),
    ("VG", 24),
    ("XK", 20),
    ("YE", 30),
];

/// Takes as much of the match as the country's numbers are long: more letters and digits may follow. In
/// lower case it has to be written in one piece or after its name, for two letters begin many words.
fn iban(before: &str, matched: &str) -> Option<Find> {
    let country = matched[..2].to_ascii_uppercase();
    let (_, length) = IBAN_LENGTHS.iter().find(|(code, _)| *code == country)?;
    let compact: Vec<(usize, char)> =
        matched.char_indices().filter(|(_, c)| !matches!(c, ' ' | '-')).take(*length).collect();
    let (last, _) = *compact.last().filter(|_| compact.len() == *length)?;
    let text = &matched[..=last];
    let goes_on = matched[last + 1..].starts_with(|c: char| c.is_ascii_alphanumeric());
    let turned = compact[4..].iter().chain(&compact[..4]);
    let numbers = turned.filter_map(|(_, c)| c.to_digit(36));
    let rest = numbers.fold(0, |rest, value| {
        let shift = if value > 9 { 100 } else { 10 };
        (rest * shift + value) % 97
    });
    let is_upper = !text.contains(|c: char| c.is_ascii_lowercase());
    let stands_alone =
        text.len() == *length || follows(before, &["iban", "konto", "account", "compte", "rekening"]);
    (rest == 1 && !goes_on && (is_upper || stands_alone)).then(|| Find::of(0..last + 1))
}

/// What a magnetic stripe holds, by ISO/IEC 7813: the number stands first.
fn track(_: &str, matched: &str) -> Option<Find> {
    let number: Vec<u32> =
        matched.trim_start_matches([';', '%', 'B']).chars().map_while(|c| c.to_digit(10)).collect();
    kept(matched, is_issued(&number, true) && luhn(&number))
}

const SORT_CODE_WORDS: &[&str] = &["sort code", "sort-code", "sortcode"];

/// Any six digits can be one: the words for it must stand before them.
fn sort_code(before: &str, matched: &str) -> Option<Find> {
    kept(matched, follows(before, SORT_CODE_WORDS))
}

const ROUTING_WORDS: &[&str] = &["routing", "aba", "rtn", "bank code"];

/// Nine digits with a checksum are common: the words for it must stand before them.
fn routing_number(before: &str, matched: &str) -> Option<Find> {
    let number = digits(matched);
    let named = follows(before, ROUTING_WORDS);
    let valid = named && weighted(&number, &[3, 7, 1, 3, 7, 1, 3, 7, 1]).is_multiple_of(10);
    kept(matched, valid && remainder(number, 97) > 0)
}
