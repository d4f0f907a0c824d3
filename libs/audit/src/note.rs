//! Signed notes and checkpoints, as C2SP's `signed-note` and `tlog-checkpoint` have them.
//!
//! A checkpoint is a short text (origin, size, root) with an Ed25519 signature below it. Who has it and
//! the verifier key needs nothing else of ours to hold a log to it.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use ed25519_dalek::{Signature, VerifyingKey};
use sha2::{Digest, Sha256};

use crate::tree::Hash;

/// Signer of checkpoints. The private key stays inside the implementation.
pub trait Signer: Send + Sync {
    /// The Ed25519 public key.
    fn public_key(&self) -> [u8; 32];
    /// Signs a message with Ed25519.
    fn sign(&self, message: &[u8]) -> [u8; 64];
}

/// The longest note that is read.
const NOTE_BYTES: usize = 1 << 16;

/// The algorithm byte of Ed25519 in key ids and verifier keys.
const ED25519: u8 = 1;

/// A verifier key: a name and an Ed25519 public key, written `name+id+key`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VerifierKey {
    name: String,
    key: VerifyingKey,
}

/// A text that is no verifier key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(
    "this is no verifier key; one looks like `zos/1f2e…+8a9b0c1d+AQ…` and stands in the log's `log.vkey`"
)]
pub struct BadKey;

impl VerifierKey {
    /// The verifier key of a public key.
    ///
    /// # Errors
    /// When the bytes are no Ed25519 key, or the name has spaces or a plus in it.
    pub fn new(name: &str, public_key: &[u8; 32]) -> Result<Self, BadKey> {
        let key = VerifyingKey::from_bytes(public_key).map_err(|_| BadKey)?;
        let is_name = !name.is_empty() && !name.chars().any(|c| c.is_whitespace() || c == '+');
        is_name.then(|| Self { name: name.to_owned(), key }).ok_or(BadKey)
    }

    /// The name, which is the origin of the log.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The public key.
    pub fn public_key(&self) -> [u8; 32] {
        self.key.to_bytes()
    }

    /// Whether this key signed a message.
    pub(crate) fn verifies(&self, message: &[u8], signature: &[u8; 64]) -> bool {
        self.key.verify_strict(message, &Signature::from_bytes(signature)).is_ok()
    }

    /// Its id, as the verifier key has it.
    pub(crate) fn short(&self) -> String {
        format!("{:08x}", u32::from_be_bytes(self.id()))
    }

    /// Four bytes in front of a signature that name its key.
    fn id(&self) -> [u8; 4] {
        let mut hasher = Sha256::new();
        hasher.update(self.name.as_bytes());
        hasher.update([b'\n', ED25519]);
        hasher.update(self.key.as_bytes());
        let digest = hasher.finalize();
        [digest[0], digest[1], digest[2], digest[3]]
    }
}

impl std::fmt::Display for VerifierKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let id = self.short();
        let key = STANDARD.encode([&[ED25519], self.key.as_bytes().as_slice()].concat());
        write!(f, "{}+{id}+{key}", self.name)
    }
}

impl std::str::FromStr for VerifierKey {
    type Err = BadKey;

    fn from_str(text: &str) -> Result<Self, BadKey> {
        let mut parts = text.trim().splitn(3, '+');
        let (Some(name), Some(_), Some(key)) = (parts.next(), parts.next(), parts.next()) else {
            return Err(BadKey);
        };
        let key = STANDARD.decode(key).map_err(|_| BadKey)?;
        let key = key.strip_prefix(&[ED25519]).ok_or(BadKey)?;
        let key = Self::new(name, key.try_into().map_err(|_| BadKey)?)?;
        // The id must be the right one: a key that was put together by hand is not taken.
        if key.to_string() == text.trim() { Ok(key) } else { Err(BadKey) }
    }
}

/// Size and root of a log at one moment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Checkpoint {
    /// `zos/<log id>`.
    pub origin: String,
    /// Number of records that it covers.
    pub size: u64,
    /// The root of the tree over them.
    pub root: Hash,
}

/// Why a note is not the checkpoint of a log.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum BadNote {
    /// It has not the form of one.
    #[error("it is no signed checkpoint")]
    Form,
    /// It is the checkpoint of another log.
    #[error("it is the checkpoint of another log")]
    Origin,
    /// No signature of this key.
    #[error("it is not signed by this key")]
    Unsigned,
    /// Signed by a key that had been replaced, or was not in force yet.
    #[error("it is signed by a key of this log that did not sign for that size")]
    Replaced,
    /// A signature in the name of this key that is none.
    #[error("its signature is wrong")]
    Signature,
}

impl Checkpoint {
    fn text(&self) -> String {
        format!("{}\n{}\n{}\n", self.origin, self.size, STANDARD.encode(self.root))
    }

    /// The signed note.
    ///
    /// # Errors
    /// When the signer's key or the origin is none.
    pub fn sign(&self, signer: &dyn Signer) -> Result<String, BadKey> {
        let key = VerifierKey::new(&self.origin, &signer.public_key())?;
        let text = self.text();
        let signature = [key.id().as_slice(), &signer.sign(text.as_bytes())].concat();
        Ok(format!("{text}\n\u{2014} {} {}\n", self.origin, STANDARD.encode(signature)))
    }

    /// Reads a signed note and checks its signature. Signatures of others below it, such as those of
    /// witnesses, are passed over.
    ///
    /// # Errors
    /// When it is not a checkpoint of this log that this key signed.
    pub fn open(note: &[u8], key: &VerifierKey) -> Result<Self, BadNote> {
        if note.len() > NOTE_BYTES {
            return Err(BadNote::Form);
        }
        let note = std::str::from_utf8(note).map_err(|_| BadNote::Form)?;
        let split = note.rfind("\n\n").ok_or(BadNote::Form)?;
        let (text, signatures) = (&note[..=split], &note[split + 2..]);
        let mut lines = text.split('\n');
        let (Some(origin), Some(size), Some(root)) = (lines.next(), lines.next(), lines.next()) else {
            return Err(BadNote::Form);
        };
        let root: Hash =
            STANDARD.decode(root).ok().and_then(|root| root.try_into().ok()).ok_or(BadNote::Form)?;
        let checkpoint =
            Self { origin: origin.to_owned(), size: size.parse().map_err(|_| BadNote::Form)?, root };
        // The one spelling that we write: no extension lines, no leading zeros.
        if checkpoint.text() != text || !signatures.ends_with('\n') {
            return Err(BadNote::Form);
        }
        if checkpoint.origin != key.name {
            return Err(BadNote::Origin);
        }
        let mut is_signed = false;
        for line in signatures[..signatures.len() - 1].split('\n') {
            let (name, signature) =
                line.strip_prefix("\u{2014} ").and_then(|line| line.split_once(' ')).ok_or(BadNote::Form)?;
            let signature = STANDARD.decode(signature).map_err(|_| BadNote::Form)?;
            let Some((id, signature)) = signature.split_at_checked(4) else { return Err(BadNote::Form) };
            if name != key.name || id != key.id() {
                continue;
            }
            let signature = Signature::from_slice(signature).map_err(|_| BadNote::Signature)?;
            key.key.verify_strict(text.as_bytes(), &signature).map_err(|_| BadNote::Signature)?;
            is_signed = true;
        }
        if is_signed { Ok(checkpoint) } else { Err(BadNote::Unsigned) }
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use ed25519_dalek::{Signer as _, SigningKey};

    /// A signer with a fixed key.
    pub(crate) struct Fixed(SigningKey);

    impl Fixed {
        pub(crate) fn new(seed: u8) -> Self {
            Self(SigningKey::from_bytes(&[seed; 32]))
        }
    }

    impl Signer for Fixed {
        fn public_key(&self) -> [u8; 32] {
            self.0.verifying_key().to_bytes()
        }

        fn sign(&self, message: &[u8]) -> [u8; 64] {
            self.0.sign(message).to_bytes()
        }
    }

    fn signed() -> (VerifierKey, Checkpoint, String) {
        let signer = Fixed::new(7);
        let key = VerifierKey::new("zos/test", &signer.public_key()).unwrap();
        let checkpoint = Checkpoint { origin: "zos/test".to_owned(), size: 42, root: [9; 32] };
        let note = checkpoint.sign(&signer).unwrap();
        (key, checkpoint, note)
    }

    #[test]
    fn a_note_is_read_back_by_the_key_that_signed_it_alone() {
        let (key, checkpoint, note) = signed();
        assert_eq!(Checkpoint::open(note.as_bytes(), &key), Ok(checkpoint));
        assert_eq!(key.to_string().parse(), Ok(key.clone()));
        let other = VerifierKey::new("zos/test", &Fixed::new(8).public_key()).unwrap();
        assert_eq!(Checkpoint::open(note.as_bytes(), &other), Err(BadNote::Unsigned));
        let elsewhere = VerifierKey::new("zos/other", &key.public_key()).unwrap();
        assert_eq!(Checkpoint::open(note.as_bytes(), &elsewhere), Err(BadNote::Origin));
        // A witness below it does no harm.
        let witnessed = format!("{note}\u{2014} witness.example AAAAAAAA\n");
        assert!(Checkpoint::open(witnessed.as_bytes(), &key).is_ok());
    }

    #[test]
    fn no_single_byte_of_a_note_can_be_changed() {
        let (key, _, note) = signed();
        for place in 0..note.len() {
            for change in 1..=255_u8 {
                let mut changed = note.clone().into_bytes();
                changed[place] ^= change;
                assert!(Checkpoint::open(&changed, &key).is_err(), "byte {place} with {change}");
            }
            assert!(Checkpoint::open(&note.as_bytes()[..place], &key).is_err(), "cut at {place}");
        }
    }

    #[test]
    fn what_is_no_key_is_not_taken_for_one() {
        let (key, ..) = signed();
        let text = key.to_string();
        for wrong in ["", "zos/test", "a+b+c", &text[1..], &text[..text.len() - 1], &text.replace('+', "++")]
        {
            assert_eq!(wrong.parse::<VerifierKey>(), Err(BadKey), "{wrong}");
        }
        assert_eq!(VerifierKey::new("a b", &key.public_key()), Err(BadKey));
    }
}
