//! SHA-256, as bytes and as lower-case hexadecimal.

use sha2::{Digest, Sha256};

/// The SHA-256 of some bytes.
pub fn sha256(bytes: &[u8]) -> [u8; 32] {
    Sha256::digest(bytes).into()
}

/// The SHA-256 of some bytes in lower-case hexadecimal.
pub fn sha256_hex(bytes: &[u8]) -> String {
    hex::encode(sha256(bytes))
}

/// The 32 bytes of 64 lower-case hexadecimal digits. Capitals are refused: a digest has one spelling.
pub(crate) fn parse_hex(text: &str) -> Option<[u8; 32]> {
    let mut bytes = [0; 32];
    let is_small = !text.bytes().any(|byte| byte.is_ascii_uppercase());
    (is_small && hex::decode_to_slice(text, &mut bytes).is_ok()).then_some(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_known_digest_of_abc() {
        // FIPS 180-4, example B.1.
        let expected = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
        assert_eq!(sha256_hex(b"abc"), expected);
        assert_eq!(parse_hex(expected), Some(sha256(b"abc")));
        for text in ["", "ba78", &expected.to_uppercase(), &expected.replace('b', "+")] {
            assert_eq!(parse_hex(text), None, "{text}");
        }
    }
}
