//! The digest of the system text that goes to a provider with a call, for its record.
//!
//! What is hashed is the text as the provider reads it: Anthropic's `system`, the leading system and developer
//! messages of a chat, and for responses `instructions` and then the leading system and developer items; each
//! text decoded from JSON, and one line feed between two of them. The hash is keyed: a short instruction
//! could be guessed from a plain one, and a record tells nothing that somebody could guess. The text of the
//! canon alone has a plain digest of its own, because the owner publishes it.

use zos_seal::{TermKeyError, TermKeys};
use zos_wire::face::Face;
use zos_wire::json::{self, Value};
use zos_wire::system::texts;

/// What sets these hashes apart from those of finds.
const PURPOSE: &str = "system text";

/// The digest of a request's system text, for the record; without one where the room's key cannot be had.
pub(crate) fn of(keys: &TermKeys, room: &str, face: Face, body: &Value<'_>) -> Option<String> {
    digest(keys, room, face, body).unwrap_or_else(|error| {
        tracing::error!(%error, "the system text of a call could not be hashed, so the record lacks it");
        None
    })
}

/// As [`of`], for a body that was changed since it was read.
pub(crate) fn of_changed(keys: &TermKeys, room: &str, face: Face, body: &[u8]) -> Option<String> {
    let value = std::str::from_utf8(body).ok().and_then(|text| json::parse(text).ok())?;
    of(keys, room, face, &value)
}

/// The digest of a request's system text; `None` where there is none.
///
/// # Errors
/// When the room's key cannot be read or made.
fn digest(keys: &TermKeys, room: &str, face: Face, body: &Value<'_>) -> Result<Option<String>, TermKeyError> {
    let texts = texts(face, body);
    if texts.iter().all(|text| text.is_empty()) {
        return Ok(None);
    }
    let parts = texts.iter().enumerate().flat_map(|(index, text)| {
        let between: &[u8] = if index == 0 { b"" } else { b"\n" };
        [between, text.as_bytes()]
    });
    keys.digest(room, PURPOSE, parts).map(|hash| Some(named(&hash)))
}

/// The digest that a record of this room has for a system text; `None` where the room has no key.
///
/// # Errors
/// When the room's key cannot be read.
pub fn digest_known(keys: &TermKeys, room: &str, text: &[u8]) -> Result<Option<String>, TermKeyError> {
    Ok(keys.digest_known(room, PURPOSE, [text])?.map(|hash| named(&hash)))
}

fn named(hash: &str) -> String {
    format!("hmac-sha256:{hash}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_api_has_its_own_place_and_the_same_text_the_same_digest() {
        let folder = tempfile::tempdir().unwrap();
        let keys = TermKeys::new(folder.path().join("terms"));
        let of = |face, body: &str| digest(&keys, "acme", face, &json::parse(body).unwrap()).unwrap();
        let said = of(Face::Messages, r#"{"system":"Be \u0062rief.\nAnd kind."}"#).unwrap();
        assert_eq!(digest_known(&keys, "acme", b"Be brief.\nAnd kind.").unwrap().as_ref(), Some(&said));
        for (face, body) in [
            (
                Face::CountTokens,
                r#"{"system":[{"type":"text","text":"Be brief."},{"type":"text","text":"And kind."}]}"#,
            ),
            (
                Face::ChatCompletions,
                r#"{"messages":[{"role":"system","content":"Be brief."},{"role":"developer","content":[{"type":"text","text":"And kind."}]},{"role":"user","content":"Hi"},{"role":"system","content":"Later"}]}"#,
            ),
            (Face::Responses, r#"{"instructions":"Be brief.\nAnd kind.","input":"Hi"}"#),
            (
                Face::Responses,
                r#"{"instructions":"Be brief.","input":[{"role":"developer","content":[{"type":"input_text","text":"And kind."}]},{"role":"user","content":"Hi"}]}"#,
            ),
            (
                Face::Responses,
                r#"{"instructions":[{"type":"message","role":"developer","content":"Be brief."},{"role":"developer","content":[{"type":"input_text","text":"And kind."}]}]}"#,
            ),
        ] {
            assert_eq!(of(face, body).as_ref(), Some(&said), "{body}");
        }
        for (face, body) in [
            (Face::Messages, r#"{"messages":[{"role":"user","content":"Be brief.\nAnd kind."}]}"#),
            (Face::Messages, r#"{"system":""}"#),
            (Face::Messages, r#"{"system":[]}"#),
            (
                Face::ChatCompletions,
                r#"{"messages":[{"role":"user","content":"Hi"},{"role":"system","content":"Be brief."}]}"#,
            ),
            (Face::ChatCompletions, r#"{"system":"Be brief."}"#),
            (Face::Embeddings, r#"{"input":"Be brief."}"#),
        ] {
            assert_eq!(of(face, body), None, "{body}");
        }
        assert_ne!(of(Face::Messages, r#"{"system":"Be brief."}"#).unwrap(), said);
        // Neither another room's key nor the hash of a find says anything about it.
        let other = digest(
            &keys,
            "other",
            Face::Messages,
            &json::parse(r#"{"system":"Be brief.\nAnd kind."}"#).unwrap(),
        );
        assert_ne!(other.unwrap().unwrap(), said);
        assert!(!said.contains(&crate::journal::terms::hash(&keys, "acme", "Be brief.\nAnd kind.").unwrap()));
    }
}
