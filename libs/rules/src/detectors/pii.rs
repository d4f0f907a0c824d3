//! Contact details and national ids of persons.
//!
//! An id whose form alone is common (nine or eleven digits) is only found after a word that names
//! it. Names of persons are not found: declare them as terms.

use super::{Detector, detector, mail, phone};
use crate::checks::{Find, continues_number, digits, follows, kept, remainder};

pub(super) static CONTACT: [Detector; 8] = [
    mail::DETECTOR,
    phone::DETECTORS[0],
    phone::DETECTORS[1],
    phone::DETECTORS[2],
    phone::DETECTORS[3],
    detector("ssn", r"\b[0-9]{3}-[0-9]{2}-[0-9]{4}\b", 11).checked(social_security),
    detector("ssn-unspaced", r"\b[0-9]{3} ?[0-9]{2} ?[0-9]{4}\b", 11)
        .checked(named_social_security)
        .led_by(&[SOCIAL_SECURITY_WORDS]),
    detector("us-itin", r"\b9[0-9]{2}-(?:5[0-9]|6[0-5]|7[0-9]|8[0-8]|9[0-2]|9[4-9])-[0-9]{4}\b", 11)
        .checked(taxpayer),
];

fn is_social_security(number: &[u32]) -> bool {
    let area = remainder(number[..3].iter().copied(), 1000);
    area != 0 && area != 666 && area < 900 && number[3..5] != [0, 0] && number[5..] != [0, 0, 0, 0]
}

/// Numbers that were printed on sample cards and in advertisements, and were withdrawn for it.
fn is_published(number: &[u32]) -> bool {
    [[0, 7, 8, 0, 5, 1, 1, 2, 0], [2, 1, 9, 0, 9, 9, 9, 9, 9]].iter().any(|known| known == number)
}

fn social_security(before: &str, matched: &str) -> Option<Find> {
    let number = digits(matched);
    kept(matched, is_social_security(&number) && !continues_number(before))
        .map(|find| find.example_if(is_published(&number)))
}

const SOCIAL_SECURITY_WORDS: &[&str] = &["ssn", "social security", "social security number", "soc sec"];

fn named_social_security(before: &str, matched: &str) -> Option<Find> {
    let named = follows(before, SOCIAL_SECURITY_WORDS);
    let number = digits(matched);
    kept(matched, named && is_social_security(&number)).map(|find| find.example_if(is_published(&number)))
}

/// A taxpayer number has the form of a social security number in areas that those never use.
fn taxpayer(before: &str, matched: &str) -> Option<Find> {
    kept(matched, !continues_number(before))
}
