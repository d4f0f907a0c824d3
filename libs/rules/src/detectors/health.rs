//! The identifiers of the HIPAA Safe Harbor rule (45 CFR 164.514) that text can carry.
//!
//! Contact details and social security numbers come from the pack `pii`. Names, faces, prints and
//! places smaller than a state are not found: declare names as terms.

use super::{Detector, detector};
use crate::checks::{Find, digits, follows, gap_after, is_date, is_dated, kept, luhn};
use crate::pattern::runs::{Named, Need, Start};

pub(super) static DETECTORS: [Detector; 15] = [
    detector("record-number", r"\b[A-Z]{0,4}-?[0-9][0-9-]{3,13}[0-9]\b", 24).checked(record_number).led_by(&[RECORD_WORDS]).needing(Need::Digit, 6),
    detector("plan-number", r"\b[A-Z]{0,4}-?[0-9][A-Z0-9-]{4,14}[A-Z0-9]\b", 24).checked(plan_number).led_by(&[PLAN_WORDS]).needing(Need::Digit, 6),
    detector("npi", r"\b[12][0-9]{9}\b", 10).checked(provider_number),
    detector("dea", r"\b[ABCDEFGHJKLMPRSTUX][A-Z9][0-9]{7}\b", 9).checked(prescriber_number),
    detector(
        "mbi",
        r"\b[1-9][AC-HJKMNP-RT-Y][AC-HJKMNP-RT-Y0-9][0-9]-?[AC-HJKMNP-RT-Y][AC-HJKMNP-RT-Y0-9][0-9]-?[AC-HJKMNP-RT-Y]{2}[0-9]{2}\b",
        13,
    ),
    detector("mbi-word", r"(?i-u:\b(?:mbi|medicare(?: id| number| no)?))[^A-Za-z0-9]*(?i-u:[1-9][AC-HJKMNP-RT-Y][AC-HJKMNP-RT-Y0-9][0-9]-?[AC-HJKMNP-RT-Y][AC-HJKMNP-RT-Y0-9][0-9]-?[AC-HJKMNP-RT-Y]{2}[0-9]{2})\b", 60)
        .named(Named { start: Start::Word, valid: |_| true })
        .needing(Need::Digit, 60),
    detector("life-date", r"\b(?:[0-9]{1,2}[/.-][0-9]{1,2}[/.-][0-9]{2,4}|[0-9]{4}-[0-9]{2}-[0-9]{2}|[A-Z][a-z]{2,8}\.? [0-9]{1,2},? [0-9]{4}|[0-9]{1,2}\.? [A-Z][a-z]{2,8}\.? [0-9]{4})\b", 24).checked(life_date).led_by(&[LIFE_WORDS]).needing(Need::Digit, 14),
    detector("ip-address", r"\b(?:[0-9]{1,3}\.){3}[0-9]{1,3}\b", 15).checked(network_address),
    detector("vin", r"\b[A-HJ-NPR-Z0-9]{17}\b", 17).checked(vehicle_number).needing(Need::Digit, 17),
    detector("account-number", r"\b[A-Z]{0,3}-?[0-9][0-9-]{4,18}[0-9]\b", 26).checked(account_number).led_by(&[ACCOUNT_WORDS]).needing(Need::Digit, 5),
    detector("patient-url", r"\bhttps?://[A-Za-z0-9.-]+/[A-Za-z0-9/._?&=%-]*(?:patients?|members?|mrn|charts?|records?)[/=][A-Za-z0-9-]*[0-9][A-Za-z0-9-]*", 320).checked(patient_address),
    detector("ipv6-address", r"\b[23][0-9a-fA-F]{3}:(?:[0-9a-fA-F]{0,4}:){2,6}[0-9a-fA-F]{1,4}\b", 39).checked(ipv6_address).needing(Need::Assignment, 5),
    detector("age-over-89", r"\b(?:(?:9[0-9]|1[01][0-9])[- ]?(?:years?[- ]old|y/?o|yrs?[- ]old)\b|(?i-u:aged?)[ :]{1,2}(?:9[0-9]|1[01][0-9])\b(?:[ -]?(?:%|[a-z]+))?)", 40).checked(great_age),
    detector("zip-code", r"\b[0-9]{5}(?:-[0-9]{4})?\b", 10).checked(zip_code),
    detector("serial-number", r"\b[A-Z0-9][A-Z0-9-]{4,22}[A-Z0-9]\b", 24).checked(serial_number).led_by(&[SERIAL_WORDS]).needing(Need::Digit, 24),
];

fn named(before: &str, matched: &str, words: &[&str]) -> Option<Find> {
    let close = before.char_indices().rev().nth(31).map_or(before, |(at, _)| &before[at..]).to_lowercase();
    // What a line says ends with it, unless the next one begins with the value.
    let is_beside = |gap: &str| !gap.contains('\n') || !gap.contains(char::is_alphanumeric);
    kept(matched, words.iter().any(|word| gap_after(&close, word).is_some_and(is_beside)))
}

const RECORD_WORDS: &[&str] = &[
    "mrn",
    "medical record",
    "medical record number",
    "record no",
    "record number",
    "patient id",
    "patient no",
    "patient number",
    "chart",
    "chart number",
    "case number",
    "encounter",
    "accession",
    "hospital number",
    "admission number",
    "patientennummer",
    "fallnummer",
];

fn record_number(before: &str, matched: &str) -> Option<Find> {
    named(before, matched, RECORD_WORDS).filter(|_| !is_dated(matched))
}

const PLAN_WORDS: &[&str] = &[
    "member id",
    "member number",
    "policy",
    "policy number",
    "policy no",
    "subscriber",
    "subscriber id",
    "beneficiary",
    "insurance id",
    "insurance number",
    "health plan",
    "group number",
    "group no",
    "claim",
    "claim number",
    "versichertennummer",
    "nhs",
    "nhs number",
];

fn plan_number(before: &str, matched: &str) -> Option<Find> {
    named(before, matched, PLAN_WORDS).filter(|_| digits(matched).len() >= 4 && !is_dated(matched))
}

const ACCOUNT_WORDS: &[&str] = &[
    "account",
    "account number",
    "account no",
    "acct",
    "acct no",
    "patient account",
    "billing account",
    "invoice account",
    "kontonummer",
];

fn account_number(before: &str, matched: &str) -> Option<Find> {
    named(before, matched, ACCOUNT_WORDS).filter(|_| digits(matched).len() >= 6 && !is_dated(matched))
}

/// Places smaller than a state: the rule names five-digit codes.
fn zip_code(before: &str, matched: &str) -> Option<Find> {
    let right_before = before.trim_end_matches([' ', ':', '.', '#']).to_lowercase();
    let named = ["zip", "zip code", "zipcode", "postal code"].iter().any(|word| right_before.ends_with(word));
    kept(matched, named)
}

/// Documentation addresses say nothing about a person.
fn ipv6_address(_: &str, matched: &str) -> Option<Find> {
    let address: std::net::Ipv6Addr = matched.parse().ok()?;
    let documentation = address.segments()[..2] == [0x2001, 0x0db8] || address.segments()[0] == 0x3fff;
    kept(matched, true).map(|find| find.example_if(documentation))
}

/// Luhn over the number with the prefix 80840, as for health cards.
fn provider_number(before: &str, matched: &str) -> Option<Find> {
    let number = [vec![8, 0, 8, 4, 0], digits(matched)].concat();
    named(before, matched, &["npi", "provider", "national provider identifier"]).filter(|_| luhn(&number))
}

fn prescriber_number(_: &str, matched: &str) -> Option<Find> {
    let number = digits(&matched[2..]);
    let sum = number[0] + number[2] + number[4] + 2 * (number[1] + number[3] + number[5]);
    kept(matched, sum % 10 == number[6])
}

const LIFE_WORDS: &[&str] = &[
    "dob",
    "d.o.b",
    "date of birth",
    "birth date",
    "birthdate",
    "birthday",
    "born",
    "born on",
    "admitted",
    "admitted on",
    "admission",
    "admission date",
    "discharged",
    "discharge",
    "discharge date",
    "died",
    "deceased",
    "date of death",
    "date of service",
    "geboren",
    "geburtsdatum",
    "né le",
    "née le",
    "nacido",
];

fn life_date(before: &str, matched: &str) -> Option<Find> {
    let numbers: Vec<u32> =
        matched.split(|c: char| !c.is_ascii_digit()).filter_map(|part| part.parse().ok()).collect();
    let possible = match numbers.as_slice() {
        [year, month, day] if *year > 99 => is_date(*day, *month),
        [first, second, _] => is_date(*first, *second) || is_date(*second, *first),
        [day, year] => *day <= 31 && *year >= 1850,
        _ => false,
    };
    named(before, matched, LIFE_WORDS).filter(|_| possible)
}

/// Addresses that anybody may have say nothing about a person: loopback, private, reserved, and those of
/// whole networks. Those that are kept for documents (RFC 5737) are examples.
fn network_address(before: &str, matched: &str) -> Option<Find> {
    let address: std::net::Ipv4Addr = matched.parse().ok()?;
    let [first, second, third, host] = address.octets();
    let common = address.is_private()
        || address.is_loopback()
        || address.is_broadcast()
        || address.is_link_local()
        || address.is_multicast()
        || matches!(
            (first, second, third),
            (0 | 240.., ..) | (100, 64..=127, _) | (198, 18 | 19, _) | (192, 0, 0)
        )
        || host == 0;
    let version = follows(before, &["version", "v", "release", "section", "chapter"])
        || before.ends_with(['.', 'v', '§', '~', '-', '/', '@', '^', '_']);
    kept(matched, !common && !version && matched.len() > 7)
        .map(|find| find.example_if(address.is_documentation()))
}

/// The check digit is at place nine, by 49 CFR 565.
fn vehicle_number(_: &str, matched: &str) -> Option<Find> {
    const WEIGHTS: [u32; 17] = [8, 7, 6, 5, 4, 3, 2, 10, 0, 9, 8, 7, 6, 5, 4, 3, 2];
    let value = |byte: u8| match byte {
        b'0'..=b'9' => u32::from(byte - b'0'),
        b'A'..=b'H' => u32::from(byte - b'A') + 1,
        b'J'..=b'N' => u32::from(byte - b'J') + 1,
        b'P' => 7,
        b'R' => 9,
        _ => u32::from(byte - b'S') + 2,
    };
    let sum: u32 = matched.bytes().zip(WEIGHTS).map(|(byte, weight)| value(byte) * weight).sum();
    let expected = char::from_digit(sum % 11, 10).unwrap_or('X');
    let letters = matched.bytes().filter(u8::is_ascii_alphabetic).count();
    kept(matched, matched[8..].starts_with(expected) && (3..=14).contains(&letters))
}

const SERIAL_WORDS: &[&str] = &[
    "serial",
    "serial number",
    "serial no",
    "device id",
    "udi",
    "pacemaker",
    "implant serial",
    "license number",
    "licence number",
    "license plate",
    "driver's license",
    "certificate number",
];

fn serial_number(before: &str, matched: &str) -> Option<Find> {
    named(before, matched, SERIAL_WORDS).filter(|_| digits(matched).len() >= 3 && !is_dated(matched))
}

/// Shares and times are no ages.
fn great_age(_: &str, matched: &str) -> Option<Find> {
    let end = matched.rfind(|c: char| c.is_ascii_digit()).map_or(matched.len(), |at| at + 1);
    let unit = matched[end..].trim_start_matches([' ', '-']);
    if matched.as_bytes()[0].is_ascii_digit() {
        return kept(matched, true);
    }
    let units = [
        "%", "percent", "s", "sec", "secs", "second", "seconds", "ms", "min", "mins", "minute", "minutes",
        "h", "hour", "hours", "day", "days", "week", "weeks", "month", "months", "kb", "mb", "bytes", "px",
    ];
    (!units.contains(&unit)).then(|| Find::of(0..end))
}

/// The number of a record has some digits; those of lists in other places of the web begin with 1.
fn patient_address(_: &str, matched: &str) -> Option<Find> {
    let value = matched.rsplit(['/', '=']).next().unwrap_or_default();
    let medical = ["patient", "mrn", "chart"].iter().any(|word| matched.to_lowercase().contains(word));
    let count = digits(value).len();
    kept(matched, count >= if medical { 1 } else { 4 })
}
