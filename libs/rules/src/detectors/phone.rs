//! Telephone numbers.
//!
//! In international form by the codes that countries have; in the form of North America; and any national
//! number where a word says that it is one. What a word says nothing about is left alone: dates, versions,
//! invoices. Numbers that are reserved for fiction are examples.

use super::{Detector, detector};
use crate::checks::{Find, continues_number, digits, gap_after, is_dated, kept, weighted};

pub(super) const DETECTORS: [Detector; 4] = [
    detector("phone-international", r"(?:\+|\b00[ .-]?)[1-9][0-9]{0,2}(?:[ .()/-]{0,2}[0-9]){6,13}\b", 52)
        .checked(international),
    detector(
        "phone-us",
        r"(?:\b1[ .-])?(?:\(|\b)[2-9][0-9]{2}(?:\)[ .-]?|[ .-])[2-9][0-9]{2}[ .-]?[0-9]{4}\b",
        18,
    )
    .checked(north_american),
    detector("phone-national", r"\(?\b[0-9](?:[ ./()-]{0,2}[0-9]){6,12}\b", 44)
        .checked(national)
        .led_by(&[&NAMED, &HINTED, &INITIALS]),
    detector("contact-link", r"\b(?:wa\.me/|tel:|sms:|callto:|[?&]phone=)\+?[0-9][0-9().-]{5,24}", 40)
        .checked(linked),
];

/// Country codes of ITU-T E.164, by their digits.
fn is_country(number: &[u32]) -> bool {
    let code = |count: usize| number[..count].iter().fold(0, |sum, digit| sum * 10 + digit);
    match code(1) {
        1 | 7 => true,
        _ if number.len() < 3 => false,
        2 => {
            matches!(code(2), 20 | 27)
                || matches!(code(3), 211..=213 | 216 | 218 | 220..=269 | 290 | 291 | 297..=299)
        }
        3 => matches!(code(2), 30..=34 | 36 | 39) || matches!(code(3), 350..=359 | 370..=389),
        4 => matches!(code(2), 40 | 41 | 43..=49) || matches!(code(3), 420 | 421 | 423),
        5 => matches!(code(2), 51..=58) || matches!(code(3), 500..=509 | 590..=599),
        6 => matches!(code(2), 60..=66) || matches!(code(3), 670..=692),
        8 => {
            matches!(code(2), 81 | 82 | 84 | 86) || matches!(code(3), 800 | 808 | 850..=856 | 870 | 878..=888)
        }
        9 => matches!(code(2), 90..=95 | 98) || matches!(code(3), 960..=979 | 992..=998),
        _ => false,
    }
}

fn international(before: &str, matched: &str) -> Option<Find> {
    let all = digits(matched);
    let number = if matched.starts_with('+') { &all[..] } else { &all[2..] };
    let length = (8..=15).contains(&number.len());
    // The plan of North America has ten digits after its code, and none of its areas begins with 0 or 1.
    let planned = number[0] != 1 || (number.len() == 11 && number[1] > 1);
    let is_article =
        all.len() == matched.len() && all.len() == 14 && is_trade_item(&all) && !is_named(before);
    // `0042-2026-1187` counts invoices of a year.
    let is_counted = matched.len() > 9 && matched.as_bytes()[4] == b'-' && is_year(&matched[5..9]);
    let counts =
        length && planned && is_country(number) && !continues_number(before) && !is_article && !is_counted;
    kept(matched, counts).map(|find| find.example_if(is_fictional(matched)))
}

fn is_year(text: &str) -> bool {
    (text.starts_with("19") || text.starts_with("20")) && text.bytes().all(|byte| byte.is_ascii_digit())
}

/// The check digit of a GTIN with 14 digits; those often begin with 00.
fn is_trade_item(number: &[u32]) -> bool {
    weighted(number, &[3, 1, 3, 1, 3, 1, 3, 1, 3, 1, 3, 1, 3, 1]).is_multiple_of(10)
}

/// Whether a word right before says that a telephone number follows.
fn is_named(before: &str) -> bool {
    let lower = before.to_lowercase();
    NAMED.iter().any(|word| gap_after(&lower, word).is_some_and(is_joint))
}

fn north_american(before: &str, matched: &str) -> Option<Find> {
    let bare = matched.strip_prefix(['1']).map_or(matched, |rest| rest.trim_start_matches([' ', '.', '-']));
    let separators: Vec<char> = bare.chars().filter(|c| matches!(c, ' ' | '.' | '-')).collect();
    let number = digits(bare);
    // Three round numbers beside each other are measures.
    let rounded = separators == [' ', ' '] && [2, 5, 9].iter().all(|at| number[*at] == 0);
    let mixed = !bare.starts_with('(') && matches!(separators.as_slice(), [first, second] if first != second);
    let service = number[1..3] == [1, 1] || number[4..6] == [1, 1];
    let counts = !continues_number(before) && !rounded && !mixed && !service;
    kept(matched, counts).map(|find| find.example_if(is_fictional(matched)))
}

/// 555-0100 to 555-0199 are kept free for fiction.
fn is_fictional(number: &str) -> bool {
    let digits: String = number.chars().filter(char::is_ascii_digit).collect();
    digits.len() >= 7 && digits[digits.len() - 7..].starts_with("55501")
}

/// Words that say that a telephone number follows, whatever it begins with.
const NAMED: [&str; 44] = [
    "tel",
    "telephone",
    "phone",
    "telefon",
    "tlf",
    "tfno",
    "tél",
    "téléphone",
    "teléfono",
    "telefono",
    "telefone",
    "telefoon",
    "telefonnummer",
    "rufnummer",
    "durchwahl",
    "festnetz",
    "handynummer",
    "mobilnummer",
    "mobil",
    "mob",
    "mobile",
    "fax",
    "telefax",
    "whatsapp",
    "celular",
    "cellulare",
    "telemóvel",
    "telemovel",
    "móvil",
    "movil",
    "gsm",
    "puh",
    "puhelin",
    "tel no",
    "тел",
    "телефон",
    "моб",
    "電話",
    "電話番号",
    "电话",
    "手机",
    "携帯",
    "전화",
    "휴대폰",
];

/// Words that say so only where the number begins as national ones do, with 0.
const HINTED: [&str; 10] = [
    "cell",
    "call",
    "ring",
    "handy",
    "portable",
    "contact",
    "contact number",
    "my number",
    "reach me",
    "text me",
];

/// Letters of a signature that say so before a sign: `T: `, `M: `, `F. `.
const INITIALS: [&str; 3] = ["t", "m", "f"];

fn national(before: &str, matched: &str) -> Option<Find> {
    let number = digits(matched);
    let is_closed = !matched.starts_with('(') || matched.contains(')');
    let varied = number.iter().any(|digit| *digit > 1);
    if is_dated(matched) || is_timed(matched) || continues_number(before) || !is_closed || !varied {
        return None;
    }
    let begins_national = matched.trim_start_matches('(').starts_with('0');
    let led = begins_national && (9..=12).contains(&number.len());
    let counts = is_named(before) || (led && (is_initialled(before) || is_hinted(before)));
    kept(matched, counts).map(|find| find.example_if(is_fictional(matched)))
}

/// Whether a word stands nearby on the same line.
fn is_hinted(before: &str) -> bool {
    let lower = before.to_lowercase();
    let near = |gap: &str| !gap.contains('\n') && gap.len() < 24;
    HINTED.iter().chain(&NAMED).any(|word| gap_after(&lower, word).is_some_and(near))
}

/// Whether a letter of a signature says so.
fn is_initialled(before: &str) -> bool {
    let letter = before.trim_end_matches([' ', '.', ':']);
    let is_whole = |rest: &str| !rest.ends_with(|c: char| c.is_alphanumeric() || c == '_');
    let rest = letter.len().checked_sub(1).and_then(|at| letter.split_at_checked(at));
    before[letter.len()..].contains([':', '.'])
        && rest.is_some_and(|(rest, last)| {
            INITIALS.iter().any(|initial| initial.eq_ignore_ascii_case(last)) && is_whole(rest)
        })
}

/// Whether what stands between a word and a number only joins them.
fn is_joint(gap: &str) -> bool {
    const JOINTS: [&str; 17] = [
        "no", "nr", "number", "nummer", "num", "is", "ist", "direct", "work", "home", "privat", "office",
        "n", "at", "büro", "番号", "号码",
    ];
    let mut words = gap.split(|c: char| !c.is_alphabetic()).filter(|word| !word.is_empty());
    let is_short = gap.chars().count() < 24 && !gap.contains(|c: char| c.is_ascii_digit());
    is_short && words.all(|word| JOINTS.contains(&word))
}

/// Whether groups of two digits are a day, a month and an hour: `03-17 16`.
fn is_timed(text: &str) -> bool {
    let groups: Vec<&str> =
        text.split(|c: char| !c.is_ascii_digit()).filter(|part| !part.is_empty()).collect();
    let spaced = text.contains(' ') && text.contains(['-', '/']);
    spaced && groups.len() == 3 && groups.iter().all(|group| group.len() == 2)
}

fn linked(_: &str, matched: &str) -> Option<Find> {
    let start = matched.find(['/', ':', '='])? + 1;
    let number = matched[start..].trim_end_matches(['.', '-', '(']);
    let counts = (7..=15).contains(&digits(number).len());
    counts.then(|| Find::of(start..start + number.len()).example_if(is_fictional(number)))
}
