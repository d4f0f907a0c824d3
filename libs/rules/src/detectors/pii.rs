//! Contact details and national ids of persons.
//!
//! An id whose form alone is common (nine or eleven digits) is only found after a word that names
//! it. Names of persons are not found: declare them as terms.

use super::checks::{continues_number, digits, follows, is_date, luhn, remainder, weighted};
use super::{Detector, detector};
use crate::pattern::runs::Need;

pub(super) static CONTACT: [Detector; 6] = [
    detector("mail address", r"\b[A-Za-z0-9._%+-]{1,64}@(?:[A-Za-z0-9-]{1,63}\.){1,6}[A-Za-z]{2,24}\b", 254)
        .checked(mail)
        .needing(Need::At, 66),
    detector("international telephone number", r"\+[1-9][0-9]{0,2}(?:[ .()/-]{0,2}[0-9]){6,13}\b", 48)
        .checked(international),
    detector(
        "North American telephone number",
        r"(?:\(|\b)[2-9][0-9]{2}(?:\) ?|[ .-])[2-9][0-9]{2}[ .-][0-9]{4}\b",
        15,
    )
    .checked(north_american),
    detector("national telephone number", r"\b0[0-9](?:[ ./()-]{0,2}[0-9]){6,11}\b", 40).checked(national),
    detector("US social security number", r"\b[0-9]{3}-[0-9]{2}-[0-9]{4}\b", 11).checked(social_security),
    detector("US social security number, unspaced", r"\b[0-9]{3} ?[0-9]{2} ?[0-9]{4}\b", 11)
        .checked(named_social_security),
];

pub(super) static NATIONAL_IDS: [Detector; 15] = [
    detector(
        "UK national insurance number",
        r"\b[A-CEGHJ-PR-TW-Z][A-CEGHJ-NPR-TW-Z] ?[0-9]{2} ?[0-9]{2} ?[0-9]{2} ?[A-D]\b",
        13,
    )
    .checked(insurance_number),
    detector(
        "French NIR",
        r"\b[12] ?[0-9]{2} ?[0-9]{2} ?(?:[0-9]{2}|2[AB]) ?[0-9]{3} ?[0-9]{3} ?[0-9]{2}\b",
        21,
    )
    .checked(nir),
    detector("Spanish DNI", r"\b[0-9]{8}-?[A-Z]\b", 10).checked(dni),
    detector("Spanish NIE", r"\b[XYZ]-?[0-9]{7}-?[A-Z]\b", 11).checked(dni),
    detector("Italian codice fiscale", r"\b[A-Z]{6}[0-9]{2}[A-EHLMPRST][0-9]{2}[A-Z][0-9]{3}[A-Z]\b", 16)
        .checked(codice_fiscale)
        .needing(Need::Digit, 8),
    detector("German tax id", r"\b[1-9][0-9](?: ?[0-9]){9}\b", 21).checked(german_tax_id),
    detector("Dutch BSN", r"\b[0-9]{9}\b", 9).checked(bsn),
    detector("Polish PESEL", r"\b[0-9]{11}\b", 11).checked(pesel),
    detector("Belgian national number", r"\b[0-9]{2}\.?[0-9]{2}\.?[0-9]{2}-[0-9]{3}\.?[0-9]{2}\b", 15)
        .checked(belgian),
    detector("Swedish personnummer", r"\b(?:19|20)?[0-9]{6}[-+][0-9]{4}\b", 13).checked(personnummer),
    detector("Finnish henkilötunnus", r"\b[0-9]{6}[-+A-FU-Y][0-9]{3}[0-9A-FHJ-NPR-Y]\b", 11)
        .checked(henkilotunnus),
    detector("Danish CPR number", r"\b[0-9]{6}-[0-9]{4}\b", 11).checked(cpr),
    detector("Swiss AHV number", r"\b756\.?[0-9]{4}\.?[0-9]{4}\.?[0-9]{2}\b", 16).checked(ahv),
    detector("Portuguese NIF", r"\b[0-9]{3} ?[0-9]{3} ?[0-9]{3}\b", 11).checked(nif),
    detector("passport number", r"\b[A-Z0-9]{7,9}\b", 9).checked(passport).needing(Need::Digit, 9),
];

fn kept(matched: &str, valid: bool) -> Option<usize> {
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

fn insurance_number(_: &str, matched: &str) -> Option<usize> {
    kept(matched, !["BG", "GB", "KN", "NK", "NT", "TN", "ZZ"].contains(&&matched[..2]))
}

/// The key is 97 less the remainder of the thirteen digits; Corsica counts as 19 and 18.
fn nir(_: &str, matched: &str) -> Option<usize> {
    let plain = matched.replace(' ', "");
    let number = digits(&plain.replace("2A", "19").replace("2B", "18"));
    let month = number[3] * 10 + number[4];
    let real_month = (1..=12).contains(&month) || (20..=42).contains(&month) || month >= 50;
    let (body, key) = number.split_at(13);
    kept(matched, real_month && 97 - remainder(body.iter().copied(), 97) == key[0] * 10 + key[1])
}

fn dni(_: &str, matched: &str) -> Option<usize> {
    let number = matched.replace('-', "").replace('X', "0").replace('Y', "1").replace('Z', "2");
    let letters = b"TRWAGMYFPDXBNJZSQVHLCKE";
    let expected = letters[remainder(digits(&number[..8]), 23) as usize];
    kept(matched, matched.as_bytes()[matched.len() - 1] == expected)
}

/// Odd places have values of their own, by the decree of 23 December 1976.
fn codice_fiscale(_: &str, matched: &str) -> Option<usize> {
    const ODD: [u32; 26] =
        [1, 0, 5, 7, 9, 13, 15, 17, 19, 21, 2, 4, 18, 20, 11, 3, 6, 8, 12, 14, 16, 10, 22, 25, 24, 23];
    let value = |byte: u8| u32::from(if byte.is_ascii_digit() { byte - b'0' } else { byte - b'A' });
    let bytes = matched.as_bytes();
    let sum: u32 = bytes[..15]
        .iter()
        .enumerate()
        .map(|(place, byte)| if place % 2 == 0 { ODD[value(*byte) as usize] } else { value(*byte) })
        .sum();
    kept(matched, value(bytes[15]) == sum % 26)
}

/// ISO 7064, MOD 11,10.
fn german_tax_id(before: &str, matched: &str) -> Option<usize> {
    let number = digits(matched);
    let named = follows(
        before,
        &[
            "steuer-id",
            "steuerid",
            "idnr",
            "tin",
            "tax id",
            "identifikationsnummer",
            "steuernummer",
            "steuer-idnr",
            "steuer-identifikationsnummer",
        ],
    );
    let product = number[..10].iter().fold(10, |product, digit| {
        let sum = (product + digit) % 10;
        (if sum == 0 { 10 } else { sum }) * 2 % 11
    });
    kept(matched, named && (11 - product) % 10 == number[10])
}

fn bsn(before: &str, matched: &str) -> Option<usize> {
    let number = digits(matched);
    let sum = weighted(&number[..8], &[9, 8, 7, 6, 5, 4, 3, 2]);
    let named = follows(before, &["bsn", "burgerservicenummer", "sofinummer", "burgerservicenr"]);
    kept(matched, named && sum > 0 && sum % 11 == number[8])
}

fn pesel(before: &str, matched: &str) -> Option<usize> {
    let number = digits(matched);
    let sum = weighted(&number, &[1, 3, 7, 9, 1, 3, 7, 9, 1, 3, 1]);
    let day = number[4] * 10 + number[5];
    kept(matched, follows(before, &["pesel"]) && sum.is_multiple_of(10) && is_date(day, 1))
}

/// The key is 97 less the remainder; who was born after 1999 puts a 2 before the number.
fn belgian(_: &str, matched: &str) -> Option<usize> {
    let number = digits(matched);
    let (body, key) = number.split_at(9);
    let key = key[0] * 10 + key[1];
    let keys = [body.to_vec(), [&[2], body].concat()].map(|body| 97 - remainder(body, 97));
    kept(matched, keys.contains(&key) && number[2] * 10 + number[3] <= 12)
}

fn personnummer(_: &str, matched: &str) -> Option<usize> {
    let number = digits(matched);
    let number = &number[number.len() - 10..];
    let (month, day) = (number[2] * 10 + number[3], number[4] * 10 + number[5]);
    kept(matched, luhn(number) && (is_date(day, month) || is_date(day.saturating_sub(60), month)))
}

fn henkilotunnus(_: &str, matched: &str) -> Option<usize> {
    let number = digits(&[&matched[..6], &matched[7..10]].concat());
    let letters = b"0123456789ABCDEFHJKLMNPRSTUVWXY";
    let (day, month) = (number[0] * 10 + number[1], number[2] * 10 + number[3]);
    let expected = letters[remainder(number, 31) as usize];
    kept(matched, matched.as_bytes()[10] == expected && is_date(day, month))
}

/// Numbers given out since 2007 have no checksum, so the word must stand before it.
fn cpr(before: &str, matched: &str) -> Option<usize> {
    let number = digits(matched);
    let valid = is_date(number[0] * 10 + number[1], number[2] * 10 + number[3]);
    kept(matched, valid && follows(before, &["cpr", "cpr-nummer", "cpr-nr", "personnummer"]))
}

fn ahv(_: &str, matched: &str) -> Option<usize> {
    let number = digits(matched);
    kept(matched, weighted(&number, &[1, 3, 1, 3, 1, 3, 1, 3, 1, 3, 1, 3, 1]).is_multiple_of(10))
}

fn nif(before: &str, matched: &str) -> Option<usize> {
    let number = digits(matched);
    let rest = weighted(&number[..8], &[9, 8, 7, 6, 5, 4, 3, 2]) % 11;
    let expected = if rest < 2 { 0 } else { 11 - rest };
    kept(matched, follows(before, &["nif", "contribuinte"]) && number[8] == expected)
}

fn passport(before: &str, matched: &str) -> Option<usize> {
    let named = follows(
        before,
        &["passport", "passport no", "passport number", "reisepass", "passeport", "pasaporte"],
    );
    kept(matched, named && digits(matched).len() >= 6)
}
