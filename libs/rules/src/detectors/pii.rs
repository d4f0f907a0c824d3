//! Contact details and national ids of persons.
//!
//! An id whose form alone is common (nine or eleven digits) is only found after a word that names
//! it. Names of persons are not found: declare them as terms.

use super::checks::{continues_number, digits, follows, remainder};
use super::{Detector, detector};
use crate::pattern::runs::Need;

pub(super) static CONTACT: [Detector; 7] = [
    detector("email", r"\b[A-Za-z0-9._%+-]{1,64}@(?:[A-Za-z0-9-]{1,63}\.){1,6}[A-Za-z]{2,24}\b", 254)
        .checked(mail)
        .needing(Need::At, 66),
    detector("phone-international", r"\+[1-9][0-9]{0,2}(?:[ .()/-]{0,2}[0-9]){6,13}\b", 48)
        .checked(international),
    detector("phone-us", r"(?:\(|\b)[2-9][0-9]{2}(?:\) ?|[ .-])[2-9][0-9]{2}[ .-][0-9]{4}\b", 15)
        .checked(north_american),
    detector("phone-national", r"\b0[0-9](?:[ ./()-]{0,2}[0-9]){6,11}\b", 40).checked(national),
    detector("ssn", r"\b[0-9]{3}-[0-9]{2}-[0-9]{4}\b", 11).checked(social_security),
    detector("ssn-unspaced", r"\b[0-9]{3} ?[0-9]{2} ?[0-9]{4}\b", 11).checked(named_social_security),
    detector("us-itin", r"\b9[0-9]{2}-(?:5[0-9]|6[0-5]|7[0-9]|8[0-8]|9[0-2]|9[4-9])-[0-9]{4}\b", 11)
        .checked(taxpayer),
];

pub(super) fn kept(matched: &str, valid: bool) -> Option<usize> {
    valid.then_some(matched.len())
}

fn mail(_: &str, matched: &str) -> Option<usize> {
    let (_, domain) = matched.rsplit_once('@')?;
    let domain = domain.to_lowercase();
    // Reserved for examples by RFC 2606, and file names such as `icon@2x.png`.
    let reserved = ["example.com", "example.org", "example.net"];
    let example = reserved.iter().any(|name| domain == *name || domain.ends_with(&format!(".{name}")));
    let top = domain.rsplit('.').next()?;
    let no_address =
        ["example", "test", "invalid", "localhost", "local", "png", "jpg", "svg", "js", "css", "html"];
    kept(matched, !example && !no_address.contains(&top))
}

fn international(before: &str, matched: &str) -> Option<usize> {
    let count = digits(matched).len();
    kept(matched, (8..=15).contains(&count) && !continues_number(before) && !is_fictional(matched))
}

fn north_american(before: &str, matched: &str) -> Option<usize> {
    kept(matched, !continues_number(before) && !is_fictional(matched))
}

/// 555-0100 to 555-0199 are kept free for fiction.
fn is_fictional(number: &str) -> bool {
    let digits: String = number.chars().filter(char::is_ascii_digit).collect();
    digits.len() >= 7 && digits[digits.len() - 7..].starts_with("55501")
}

fn national(before: &str, matched: &str) -> Option<usize> {
    let words = [
        "tel",
        "telephone",
        "phone",
        "call",
        "mobile",
        "cell",
        "fax",
        "telefon",
        "tlf",
        "handy",
        "mobil",
        "tél",
        "téléphone",
        "teléfono",
        "telefono",
        "cellulare",
        "whatsapp",
        "ring",
        "number",
        "contact",
        "at",
    ];
    kept(matched, (9..=12).contains(&digits(matched).len()) && follows(before, &words))
}

fn is_social_security(number: &[u32]) -> bool {
    let area = remainder(number[..3].iter().copied(), 1000);
    let published = [[0, 7, 8, 0, 5, 1, 1, 2, 0], [2, 1, 9, 0, 9, 9, 9, 9, 9]];
    area != 0
        && area != 666
        && area < 900
        && number[3..5] != [0, 0]
        && number[5..] != [0, 0, 0, 0]
        && !published.iter().any(|known| known == number)
}

fn social_security(before: &str, matched: &str) -> Option<usize> {
    kept(matched, is_social_security(&digits(matched)) && !continues_number(before))
}

fn named_social_security(before: &str, matched: &str) -> Option<usize> {
    let named = follows(before, &["ssn", "social security", "social security number", "soc sec"]);
    kept(matched, named && is_social_security(&digits(matched)))
}

/// A taxpayer number has the form of a social security number in areas that those never use.
fn taxpayer(before: &str, matched: &str) -> Option<usize> {
    kept(matched, !continues_number(before))
}
