//! Signed envelopes, as DSSE has them: a payload, its type, and signatures over both.
//!
//! The signature covers the type, so that a payload of one kind cannot be passed off as another, and the
//! exact bytes, so that nothing has to be written canonically to be checked.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde::{Deserialize, Serialize};

use crate::signing::{PublicKey, SigningKey};

/// A signed payload.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Envelope {
    /// The type of the payload.
    #[serde(rename = "payloadType")]
    pub payload_type: String,
    /// The payload, in base64.
    pub payload: String,
    /// Signatures, each over type and payload.
    pub signatures: Vec<EnvelopeSignature>,
}

/// One signature.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct EnvelopeSignature {
    /// [`PublicKey::id`]; a hint only.
    pub keyid: String,
    /// The signature, in base64.
    pub sig: String,
}

/// Bytes that are signed: the pre-authentication encoding of DSSE 1.
fn encoding(payload_type: &str, payload: &[u8]) -> Vec<u8> {
    let head = format!("DSSEv1 {} {payload_type} {} ", payload_type.len(), payload.len());
    [head.as_bytes(), payload].concat()
}

impl Envelope {
    /// Signs a payload.
    pub fn sign(payload_type: &str, payload: &[u8], key: &SigningKey) -> Self {
        let sig = STANDARD.encode(key.sign(&encoding(payload_type, payload)));
        Self {
            payload_type: payload_type.to_owned(),
            payload: STANDARD.encode(payload),
            signatures: vec![EnvelopeSignature { keyid: key.public().id(), sig }],
        }
    }

    /// The payload, if it is of this type and one of its signatures is by this key.
    pub fn open(&self, payload_type: &str, key: &PublicKey) -> Option<Vec<u8>> {
        let payload = STANDARD.decode(&self.payload).ok()?;
        let signed = encoding(payload_type, &payload);
        let is_by_key = |signature: &EnvelopeSignature| {
            STANDARD.decode(&signature.sig).is_ok_and(|sig| key.verifies(&signed, &sig))
        };
        (self.payload_type == payload_type && self.signatures.iter().any(is_by_key)).then_some(payload)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_envelope_opens_for_its_key_and_type_alone() {
        let key = SigningKey::generate().unwrap();
        let envelope = Envelope::sign("text/plain", b"hello", &key);
        assert_eq!(envelope.open("text/plain", &key.public()), Some(b"hello".to_vec()));
        assert_eq!(envelope.open("text/html", &key.public()), None);
        assert_eq!(envelope.open("text/plain", &SigningKey::generate().unwrap().public()), None);
        let changed = Envelope { payload: STANDARD.encode(b"hullo"), ..envelope.clone() };
        assert_eq!(changed.open("text/plain", &key.public()), None);
        let retyped = Envelope { payload_type: "text/html".to_owned(), ..envelope };
        assert_eq!(retyped.open("text/html", &key.public()), None);
    }

    #[test]
    fn the_encoding_is_that_of_the_specification() {
        // The example of the DSSE protocol page.
        let encoded = encoding("http://example.com/HelloWorld", b"hello world");
        assert_eq!(encoded, b"DSSEv1 29 http://example.com/HelloWorld 11 hello world");
    }
}
