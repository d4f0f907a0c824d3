//! National ids of persons, by the checks that their issuers publish.
//!
//! An id whose form alone is common (nine or eleven digits) is only found after a word that names
//! it.

use super::{Detector, detector};
use crate::checks::{Find, digits, follows, is_date, is_mod_11_10, kept, luhn, remainder, two, weighted};
use crate::pattern::runs::Need;

pub(super) static DETECTORS: [Detector; 27] = [
    detector("uk-nino", r"\b[A-CEGHJ-PR-TW-Z][A-CEGHJ-NPR-TW-Z] ?[0-9]{2} ?[0-9]{2} ?[0-9]{2} ?[A-D]\b", 13)
        .checked(insurance_number),
    detector("fr-nir", r"\b[12] ?[0-9]{2} ?[0-9]{2} ?(?:[0-9]{2}|2[AB]) ?[0-9]{3} ?[0-9]{3} ?[0-9]{2}\b", 21)
        .checked(nir),
    detector("es-dni", r"\b[0-9]{8}-?[A-Z]\b", 10).checked(dni),
    detector("es-nie", r"\b[XYZ]-?[0-9]{7}-?[A-Z]\b", 11).checked(dni),
    detector("it-codice-fiscale", r"\b[A-Z]{6}[0-9]{2}[A-EHLMPRST][0-9]{2}[A-Z][0-9]{3}[A-Z]\b", 16)
        .checked(codice_fiscale)
        .needing(Need::Digit, 8),
    detector("de-tax-id", r"\b[1-9][0-9](?: ?[0-9]){9}\b", 21).checked(german_tax_id).led_by(&[TAX_ID_WORDS]),
    detector("nl-bsn", r"\b[0-9]{9}\b", 9).checked(bsn).led_by(&[BSN_WORDS]),
    detector("pl-pesel", r"\b[0-9]{11}\b", 11).checked(pesel).led_by(&[PESEL_WORDS]),
    detector("be-national-number", r"\b[0-9]{2}[. ]?[0-9]{2}[. ]?[0-9]{2}[- ]?[0-9]{3}[. ]?[0-9]{2}\b", 16)
        .checked(belgian),
    detector("se-personnummer", r"\b(?:19|20)?[0-9]{6}[-+ ]?[0-9]{4}\b", 13).checked(personnummer),
    detector("fi-henkilotunnus", r"\b[0-9]{6}[-+A-FU-Y][0-9]{3}[0-9A-FHJ-NPR-Y]\b", 11)
        .checked(henkilotunnus),
    detector("dk-cpr", r"\b[0-9]{6}-[0-9]{4}\b", 11).checked(cpr).led_by(&[CPR_WORDS]),
    detector("ch-ahv", r"\b756\.?[0-9]{4}\.?[0-9]{4}\.?[0-9]{2}\b", 16).checked(ahv),
    detector("pt-nif", r"\b[0-9]{3} ?[0-9]{3} ?[0-9]{3}\b", 11).checked(nif).led_by(&[NIF_WORDS]),
    detector("uk-nhs", r"\b[0-9]{3}[ -]?[0-9]{3}[ -]?[0-9]{4}\b", 12).checked(nhs).led_by(&[NHS_WORDS]),
    detector("no-fodselsnummer", r"\b[0-9]{6} ?[0-9]{5}\b", 12)
        .checked(fodselsnummer)
        .led_by(&[FODSELSNUMMER_WORDS]),
    detector("ie-pps", r"\b[0-9]{7}[A-W][A-IW]?\b", 9).checked(pps).led_by(&[PPS_WORDS]),
    detector("at-svnr", r"\b[1-9][0-9]{3} ?[0-9]{6}\b", 11).checked(svnr).led_by(&[SVNR_WORDS]),
    detector("cz-rodne-cislo", r"\b[0-9]{6}/[0-9]{4}\b", 11).checked(rodne_cislo),
    detector("ro-cnp", r"\b[1-8][0-9]{12}\b", 13).checked(cnp).led_by(&[CNP_WORDS]),
    detector("bg-egn", r"\b[0-9]{10}\b", 10).checked(egn).led_by(&[EGN_WORDS]),
    detector("hr-oib", r"\b[0-9]{11}\b", 11).checked(oib).led_by(&[OIB_WORDS]),
    detector("ee-isikukood", r"\b[1-8][0-9]{10}\b", 11).checked(isikukood).led_by(&[ISIKUKOOD_WORDS]),
    detector("gr-amka", r"\b[0-9]{11}\b", 11).checked(amka).led_by(&[AMKA_WORDS]),
    detector("de-pension-number", r"\b[0-9]{2} ?[0-9]{6} ?[A-Z] ?[0-9]{3}\b", 15).checked(pension_number),
    detector("lu-matricule", r"\b(?:19|20)[0-9]{11}\b", 13).checked(matricule).led_by(&[MATRICULE_WORDS]),
    detector("passport", r"\b[A-Z0-9]{7,9}\b", 9)
        .checked(passport)
        .led_by(&[PASSPORT_WORDS])
        .needing(Need::Digit, 9),
];

fn insurance_number(_: &str, matched: &str) -> Option<Find> {
    kept(matched, !["BG", "GB", "KN", "NK", "NT", "TN", "ZZ"].contains(&&matched[..2]))
}

/// The key is 97 less the remainder of the thirteen digits; Corsica counts as 19 and 18.
fn nir(_: &str, matched: &str) -> Option<Find> {
    let plain = matched.replace(' ', "");
    let number = digits(&plain.replace("2A", "19").replace("2B", "18"));
    let month = number[3] * 10 + number[4];
    let real_month = (1..=12).contains(&month) || (20..=42).contains(&month) || month >= 50;
    let (body, key) = number.split_at(13);
    kept(matched, real_month && 97 - remainder(body.iter().copied(), 97) == key[0] * 10 + key[1])
}

fn dni(_: &str, matched: &str) -> Option<Find> {
    let number = matched.replace('-', "").replace('X', "0").replace('Y', "1").replace('Z', "2");
    let letters = b"TRWAGMYFPDXBNJZSQVHLCKE";
    let expected = letters[remainder(digits(&number[..8]), 23) as usize];
    kept(matched, matched.as_bytes()[matched.len() - 1] == expected)
}

/// Odd places have values of their own, by the decree of 23 December 1976.
pub(super) fn is_codice_fiscale(matched: &str) -> bool {
    const ODD: [u32; 26] =
        [1, 0, 5, 7, 9, 13, 15, 17, 19, 21, 2, 4, 18, 20, 11, 3, 6, 8, 12, 14, 16, 10, 22, 25, 24, 23];
    let value = |byte: u8| u32::from(if byte.is_ascii_digit() { byte - b'0' } else { byte - b'A' });
    let upper = matched.to_ascii_uppercase();
    let bytes = upper.as_bytes();
    let sum: u32 = bytes[..15]
        .iter()
        .enumerate()
        .map(|(place, byte)| if place % 2 == 0 { ODD[value(*byte) as usize] } else { value(*byte) })
        .sum();
    value(bytes[15]) == sum % 26
}

fn codice_fiscale(_: &str, matched: &str) -> Option<Find> {
    kept(matched, is_codice_fiscale(matched))
}

const TAX_ID_WORDS: &[&str] = &[
    "steuer-id",
    "steuerid",
    "idnr",
    "tin",
    "tax id",
    "identifikationsnummer",
    "steuernummer",
    "steuer-idnr",
    "steuer-identifikationsnummer",
];

fn german_tax_id(before: &str, matched: &str) -> Option<Find> {
    let number = digits(matched);
    let named = follows(before, TAX_ID_WORDS);
    kept(matched, named && is_mod_11_10(&number))
}

const BSN_WORDS: &[&str] = &["bsn", "burgerservicenummer", "sofinummer", "burgerservicenr"];

fn bsn(before: &str, matched: &str) -> Option<Find> {
    let number = digits(matched);
    let sum = weighted(&number[..8], &[9, 8, 7, 6, 5, 4, 3, 2]);
    let named = follows(before, BSN_WORDS);
    kept(matched, named && sum > 0 && sum % 11 == number[8])
}

const PESEL_WORDS: &[&str] = &["pesel"];

fn pesel(before: &str, matched: &str) -> Option<Find> {
    let number = digits(matched);
    let sum = weighted(&number, &[1, 3, 7, 9, 1, 3, 7, 9, 1, 3, 1]);
    let day = number[4] * 10 + number[5];
    kept(matched, follows(before, PESEL_WORDS) && sum.is_multiple_of(10) && is_date(day, 1))
}

/// The key is 97 less the remainder; who was born after 1999 puts a 2 before the number.
fn belgian(before: &str, matched: &str) -> Option<Find> {
    let words = [
        "rijksregisternummer",
        "rijksregister",
        "insz",
        "niss",
        "registre national",
        "numéro national",
        "nationaal nummer",
        "national number",
        "bis-nummer",
    ];
    let named = matched.contains('-') || follows(before, &words);
    let number = digits(matched);
    let (body, key) = number.split_at(9);
    let key = key[0] * 10 + key[1];
    let keys = [body.to_vec(), [&[2], body].concat()].map(|body| 97 - remainder(body, 97));
    kept(matched, named && keys.contains(&key) && two(&number, 2) <= 12)
}

fn personnummer(before: &str, matched: &str) -> Option<Find> {
    let words = ["personnummer", "personnr", "pnr", "samordningsnummer", "personal identity number"];
    let named = matched.contains(['-', '+']) || follows(before, &words);
    let number = digits(matched);
    let number = &number[number.len() - 10..];
    let (month, day) = (number[2] * 10 + number[3], number[4] * 10 + number[5]);
    kept(matched, named && luhn(number) && (is_date(day, month) || is_date(day.saturating_sub(60), month)))
}

fn henkilotunnus(_: &str, matched: &str) -> Option<Find> {
    kept(matched, is_henkilotunnus(matched))
}

pub(super) fn is_henkilotunnus(matched: &str) -> bool {
    let number = digits(&[&matched[..6], &matched[7..10]].concat());
    let letters = b"0123456789ABCDEFHJKLMNPRSTUVWXY";
    let (day, month) = (number[0] * 10 + number[1], number[2] * 10 + number[3]);
    let expected = letters[remainder(number, 31) as usize];
    matched.as_bytes()[10].to_ascii_uppercase() == expected && is_date(day, month)
}

const CPR_WORDS: &[&str] = &["cpr", "cpr-nummer", "cpr-nr", "personnummer"];

/// Numbers given out since 2007 have no checksum, so the word must stand before it.
fn cpr(before: &str, matched: &str) -> Option<Find> {
    let number = digits(matched);
    let valid = is_date(number[0] * 10 + number[1], number[2] * 10 + number[3]);
    kept(matched, valid && follows(before, CPR_WORDS))
}

fn ahv(_: &str, matched: &str) -> Option<Find> {
    let number = digits(matched);
    kept(matched, weighted(&number, &[1, 3, 1, 3, 1, 3, 1, 3, 1, 3, 1, 3, 1]).is_multiple_of(10))
}

const NIF_WORDS: &[&str] = &["nif", "contribuinte"];

fn nif(before: &str, matched: &str) -> Option<Find> {
    let number = digits(matched);
    let rest = weighted(&number[..8], &[9, 8, 7, 6, 5, 4, 3, 2]) % 11;
    let expected = if rest < 2 { 0 } else { 11 - rest };
    kept(matched, follows(before, NIF_WORDS) && number[8] == expected)
}

const PASSPORT_WORDS: &[&str] =
    &["passport", "passport no", "passport number", "reisepass", "passeport", "pasaporte"];

fn passport(before: &str, matched: &str) -> Option<Find> {
    let named = follows(before, PASSPORT_WORDS);
    kept(matched, named && digits(matched).len() >= 6)
}

const NHS_WORDS: &[&str] = &["nhs", "nhs number", "nhs no"];

/// The check digit is 11 less the remainder; 11 stands as 0, and a number with 10 is not given out.
fn nhs(before: &str, matched: &str) -> Option<Find> {
    let number = digits(matched);
    let rest = 11 - weighted(&number[..9], &[10, 9, 8, 7, 6, 5, 4, 3, 2]) % 11;
    kept(matched, follows(before, NHS_WORDS) && rest % 11 == number[9] && rest != 10)
}

const FODSELSNUMMER_WORDS: &[&str] = &["fødselsnummer", "fodselsnummer", "fnr", "d-nummer", "personnummer"];

/// Two check digits by 11; D numbers add 40 to the day.
fn fodselsnummer(before: &str, matched: &str) -> Option<Find> {
    let number = digits(matched);
    let first = weighted(&number[..10], &[3, 7, 6, 1, 8, 9, 4, 5, 2, 1]) % 11;
    let second = weighted(&number, &[5, 4, 3, 2, 7, 6, 5, 4, 3, 2, 1]) % 11;
    let (day, month) = (two(&number, 0), two(&number, 2));
    let real = is_date(day, month) || is_date(day.saturating_sub(40), month);
    kept(matched, first == 0 && second == 0 && real && follows(before, FODSELSNUMMER_WORDS))
}

const PPS_WORDS: &[&str] = &["pps", "ppsn", "pps number", "pps no"];

/// Weights 8 to 2, a second letter counts nine times; the letter is the remainder by 23.
fn pps(before: &str, matched: &str) -> Option<Find> {
    let named = follows(before, PPS_WORDS);
    kept(matched, named && is_pps(matched))
}

pub(super) fn is_pps(matched: &str) -> bool {
    let upper = matched.to_ascii_uppercase();
    let bytes = upper.as_bytes();
    let second = bytes.get(8).filter(|byte| **byte != b'W').map_or(0, |byte| u32::from(byte - b'A') + 1);
    let sum = weighted(&digits(matched), &[8, 7, 6, 5, 4, 3, 2]) + 9 * second;
    let expected = b"WABCDEFGHIJKLMNOPQRSTUV"[(sum % 23) as usize];
    bytes[7] == expected
}

const SVNR_WORDS: &[&str] =
    &["svnr", "sv-nr", "sv-nummer", "sozialversicherungsnummer", "versicherungsnummer"];

/// The check digit is the fourth; the date of birth follows.
fn svnr(before: &str, matched: &str) -> Option<Find> {
    let number = digits(matched);
    let rest = weighted(&number, &[3, 7, 9, 0, 5, 8, 4, 2, 1, 6]) % 11;
    kept(matched, follows(before, SVNR_WORDS) && rest == number[3])
}

/// The whole number divides by 11; women add 50 to the month.
fn rodne_cislo(_: &str, matched: &str) -> Option<Find> {
    let number = digits(matched);
    let (month, day) = (two(&number, 2), two(&number, 4));
    let month = [70, 50, 20, 0].into_iter().find(|added| month > *added).map_or(0, |added| month - added);
    kept(matched, remainder(number, 11) == 0 && is_date(day, month))
}

const CNP_WORDS: &[&str] = &["cnp", "cod numeric personal"];

fn cnp(before: &str, matched: &str) -> Option<Find> {
    let number = digits(matched);
    let rest = weighted(&number[..12], &[2, 7, 9, 1, 4, 6, 3, 5, 8, 2, 7, 9]) % 11;
    let check = if rest == 10 { 1 } else { rest };
    let real = is_date(two(&number, 5), two(&number, 3));
    let named = follows(before, CNP_WORDS);
    kept(matched, named && real && check == number[12])
}

const EGN_WORDS: &[&str] = &["egn", "егн"];

/// The century is added to the month: 20 before 1900, 40 after 1999.
fn egn(before: &str, matched: &str) -> Option<Find> {
    let number = digits(matched);
    let check = weighted(&number[..9], &[2, 4, 8, 5, 10, 9, 7, 3, 6]) % 11 % 10;
    let real = is_date(two(&number, 4), two(&number, 2) % 20);
    kept(matched, follows(before, EGN_WORDS) && real && check == number[9])
}

const OIB_WORDS: &[&str] = &["oib"];

fn oib(before: &str, matched: &str) -> Option<Find> {
    kept(matched, follows(before, OIB_WORDS) && is_mod_11_10(&digits(matched)))
}

const ISIKUKOOD_WORDS: &[&str] = &["isikukood", "asmens kodas", "personal code"];

/// Estonia and Lithuania use the same number: weights 1 to 1, then 3 to 3 where those give 10.
fn isikukood(before: &str, matched: &str) -> Option<Find> {
    let number = digits(matched);
    let first = weighted(&number[..10], &[1, 2, 3, 4, 5, 6, 7, 8, 9, 1]) % 11;
    let second = weighted(&number[..10], &[3, 4, 5, 6, 7, 8, 9, 1, 2, 3]) % 11;
    let check = if first < 10 { first } else { second % 10 };
    let real = is_date(two(&number, 5), two(&number, 3));
    let named = follows(before, ISIKUKOOD_WORDS);
    kept(matched, named && real && check == number[10])
}

const AMKA_WORDS: &[&str] = &["amka", "αμκα"];

fn amka(before: &str, matched: &str) -> Option<Find> {
    let number = digits(matched);
    let real = is_date(two(&number, 0), two(&number, 2));
    kept(matched, follows(before, AMKA_WORDS) && real && luhn(&number))
}

/// Each product counts by the sum of its digits; the letter counts by its place in the alphabet.
fn pension_number(_: &str, matched: &str) -> Option<Find> {
    let plain = matched.replace(' ', "");
    let letter = plain.as_bytes().get(8).map_or(0, |byte| u32::from(byte.saturating_sub(b'A')) + 1);
    let number = digits(&plain);
    let (before, after) = number.split_at(8);
    let all = [before, &[letter / 10, letter % 10], after].concat();
    let weights = [2, 1, 2, 5, 7, 1, 2, 1, 2, 1, 2, 1];
    let sum: u32 =
        all.iter().zip(weights).map(|(digit, weight)| digit * weight).map(|n| n / 10 + n % 10).sum();
    kept(matched, sum % 10 == all[12] && is_date(two(&number, 2), two(&number, 4)))
}

const MATRICULE_WORDS: &[&str] = &["matricule", "matricula"];

/// A date of birth, three digits, a Luhn digit over the eleven before, and another check digit.
fn matricule(before: &str, matched: &str) -> Option<Find> {
    let number = digits(matched);
    let real = is_date(two(&number, 6), two(&number, 4));
    kept(matched, follows(before, MATRICULE_WORDS) && real && luhn(&number[..12]))
}
