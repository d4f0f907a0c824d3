//! Wrappings of an address in headers of mail: groups, and words in another encoding.

use base64::Engine;

/// A member of a list without the name of the group that it opens (RFC 5322, 3.4). What looks like a group only in
/// part is an address with a route, and stays one.
pub(super) fn without_group(part: &str, is_group: bool) -> &str {
    let Some((name, member)) = part.split_once(':').filter(|_| is_group) else { return part };
    let is_phrase = name.chars().all(|letter| letter.is_alphanumeric() || " .-_'\"".contains(letter));
    if is_phrase && !name.trim().is_empty() { member.trim() } else { part }
}

/// A text with its encoded words (`=?utf-8?q?x=40acme.com?=`, RFC 2047) in clear; absent where it has none.
pub(in crate::targets) fn decoded_words(text: &str) -> Option<String> {
    if !text.contains("=?") {
        return None;
    }
    let mut plain = String::with_capacity(text.len());
    let mut rest = text;
    let mut is_decoded = false;
    while let Some(at) = rest.find("=?") {
        let Some((word, length)) = encoded_word(&rest[at..]) else {
            plain.push_str(&rest[..at + 2]);
            rest = &rest[at + 2..];
            continue;
        };
        // Blanks between two such words are none.
        if !(is_decoded && rest[..at].trim().is_empty()) {
            plain.push_str(&rest[..at]);
        }
        plain.push_str(&word);
        rest = &rest[at + length..];
        is_decoded = true;
    }
    plain.push_str(rest);
    is_decoded.then_some(plain)
}

/// The most bytes of the names of character set and encoding together.
const HEAD_LIMIT: usize = 64;

/// The text of the encoded word that a text begins with, and its length.
fn encoded_word(text: &str) -> Option<(String, usize)> {
    let rest = text.strip_prefix("=?")?;
    let head = &rest[..rest.floor_char_boundary(HEAD_LIMIT)];
    let (_, behind) = head.split_once('?')?;
    let (encoding, _) = behind.split_once('?')?;
    let begin = 2 + (head.len() - behind.len()) + encoding.len() + 1;
    let payload = &text[begin..];
    let end = payload.find('?').filter(|end| payload[*end..].starts_with("?="))?;
    let bytes = match encoding {
        "q" | "Q" => quoted(&payload[..end]),
        "b" | "B" => base64::engine::general_purpose::STANDARD_NO_PAD
            .decode(payload[..end].trim_end_matches('='))
            .ok()?,
        _ => return None,
    };
    Some((String::from_utf8_lossy(&bytes).into_owned(), begin + end + 2))
}

fn quoted(text: &str) -> Vec<u8> {
    let bytes = text.as_bytes();
    let digit = |at: usize| bytes.get(at).and_then(|byte| char::from(*byte).to_digit(16));
    let mut plain = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while let Some(byte) = bytes.get(at) {
        match (byte, digit(at + 1), digit(at + 2)) {
            (b'=', Some(high), Some(low)) => {
                plain.push(u8::try_from(high * 16 + low).unwrap_or(b'?'));
                at += 2;
            }
            (b'_', ..) => plain.push(b' '),
            _ => plain.push(*byte),
        }
        at += 1;
    }
    plain
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn encoded_words_are_read_as_they_are_shown() {
        for (text, plain) in [
            ("=?utf-8?q?eve=40acme=2Eorg?=", Some("eve@acme.org")),
            ("=?UTF-8?B?ZXZlQGFjbWUub3Jn?= <x>", Some("eve@acme.org <x>")),
            ("=?utf-8*en?Q?eve?=\r\n =?utf-8?q?=40acme.org?=", Some("eve@acme.org")),
            ("a =?utf-8?q?b_c?= d", Some("a b c d")),
            ("=?utf-8?x?abc?=", None),
            ("=? no word", None),
            ("=?a?q?ä?", None),
            ("plain", None),
        ] {
            assert_eq!(decoded_words(text).as_deref(), plain, "{text}");
        }
    }

    #[test]
    fn only_a_group_loses_its_name() {
        assert_eq!(without_group("Team: ann@acme.com", true), "ann@acme.com");
        assert_eq!(without_group("undisclosed-recipients:", true), "");
        for part in ["@a.org,@b.org:eve@c.org", "ann@acme.com", "a!b:eve@c.org"] {
            assert_eq!(without_group(part, true), part);
        }
        assert_eq!(without_group("Team:ann@acme.com", false), "Team:ann@acme.com");
    }
}
