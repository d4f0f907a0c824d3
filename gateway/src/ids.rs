//! Ids: of requests, as the caller sees them, and of reservations.

use std::time::{SystemTime, UNIX_EPOCH};

/// A new id: time first, so that ids sort by it, then 80 random bits. A ULID
/// (<https://github.com/ulid/spec>) in its canonical Crockford base 32.
pub(crate) fn unique() -> String {
    let mut random = [0u8; 10];
    // Without a source of randomness nothing here is safe; the standard library gives up the same way.
    getrandom::fill(&mut random).expect("the operating system gives random bytes");
    let millis = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_millis());
    let random = random.iter().fold(0u128, |bits, byte| bits << 8 | u128::from(*byte));
    let bits = millis << 80 | random;
    const ALPHABET: &[u8; 32] = b"0123456789ABCDEFGHJKMNPQRSTVWXYZ";
    (0..26).rev().map(|place| char::from(ALPHABET[(bits >> (place * 5)) as usize & 31])).collect()
}

/// The request id of a call: the caller's own where it is `[A-Za-z0-9._:-]{1,128}`, otherwise a new one.
pub(crate) fn of_request(headers: &http::HeaderMap) -> String {
    let own = headers.get("x-request-id").and_then(|value| value.to_str().ok());
    let is_plain = |id: &&str| {
        (1..=128).contains(&id.len())
            && id.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"._:-".contains(&byte))
    };
    own.filter(is_plain).map_or_else(unique, str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_unique_and_sort_by_time() {
        let (first, second) = (unique(), unique());
        assert_eq!(first.len(), 26);
        assert_ne!(first, second);
        assert!(first[..10] <= second[..10]);
    }

    #[test]
    fn only_a_plain_id_of_the_caller_is_taken() {
        let id = |value: &str| {
            let mut headers = http::HeaderMap::new();
            headers.insert("x-request-id", value.parse().unwrap());
            of_request(&headers)
        };
        assert_eq!(id("trace-1:2.3_4"), "trace-1:2.3_4");
        for bad in ["", "with space", "a/b", &"x".repeat(129)] {
            assert_eq!(id(bad).len(), 26, "{bad:?}");
        }
    }
}
