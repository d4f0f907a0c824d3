//! Ed25519 keys: made, kept, found again, and used to sign.
//!
//! A key lives in the OS keychain or, where a server has none, in a private file. It never leaves this
//! module but as signatures. Checking is strict (`verify_strict`): a signature that some libraries take
//! and others do not is refused.

use std::fmt;
use std::path::Path;

use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use ed25519_dalek::{Signature, Signer, SigningKey as Key, VerifyingKey};
use zeroize::Zeroizing;

use crate::digest::sha256_hex;
use crate::files::{self, FileError};
use crate::secret::Secret;
use crate::vault::{Vault, VaultError};

/// Prefix of a private key where it is kept.
const PREFIX: &str = "ed25519:";

/// A private key that signs.
#[derive(Clone)]
pub struct SigningKey(Key);

impl fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("SigningKey").field(&self.public().id()).finish()
    }
}

/// Why a private key cannot be had.
#[derive(Debug, thiserror::Error)]
pub enum KeyError {
    /// The system gives no random numbers.
    #[error("the system gives no random numbers: {0}")]
    Random(#[from] getrandom::Error),
    /// The stored text is no private key.
    #[error("what is kept as the private key {0} is none; bring the right one back")]
    Malformed(String),
    /// The key that signed before is gone.
    #[error("the private key {0} that signed before is not here any more; bring it back")]
    Gone(String),
    /// The private file cannot be used.
    #[error(transparent)]
    File(#[from] FileError),
    /// The keychain cannot be used.
    #[error(transparent)]
    Vault(#[from] VaultError),
}

/// Places of a private key.
#[derive(Debug, Clone, Copy)]
pub struct KeyPlace<'a> {
    /// The private file, for a machine without a keychain.
    pub file: &'a Path,
    /// The keychain.
    pub vault: &'a Vault,
    /// The name of the key in the keychain.
    pub name: &'a str,
    /// Whether a new key goes to the keychain where there is one; a server's goes to the file.
    pub prefers_keychain: bool,
}

impl SigningKey {
    /// A new key.
    ///
    /// # Errors
    /// When the system gives no random numbers.
    pub fn generate() -> Result<Self, KeyError> {
        let mut seed = Zeroizing::new([0; 32]);
        getrandom::fill(seed.as_mut_slice())?;
        Ok(Self(Key::from_bytes(&seed)))
    }

    /// The key that is kept in this place; where none is and `is_first` says that nothing was ever
    /// signed, a new one, which is kept.
    ///
    /// # Errors
    /// When the key is gone, no key, or its place cannot be used.
    pub fn find_or_make(place: KeyPlace<'_>, is_first: bool) -> Result<Self, KeyError> {
        if let Some(text) = files::read_private(place.file)? {
            return Self::parse(&text).ok_or_else(|| KeyError::Malformed(place.name.to_owned()));
        }
        if place.prefers_keychain || !is_first {
            match place.vault.get(place.name) {
                Ok(Some(secret)) => {
                    let key = Self::parse(secret.expose());
                    return key.ok_or_else(|| KeyError::Malformed(place.name.to_owned()));
                }
                Ok(None) => {}
                Err(VaultError::Unavailable { .. }) if is_first => {}
                Err(error) => return Err(error.into()),
            }
        }
        if !is_first {
            return Err(KeyError::Gone(place.name.to_owned()));
        }
        let key = Self::generate()?;
        key.keep(place)?;
        Ok(key)
    }

    /// The key that is kept in this place, where one is.
    ///
    /// # Errors
    /// When what is kept is no key, or the place cannot be used.
    pub fn find(place: KeyPlace<'_>) -> Result<Option<Self>, KeyError> {
        let malformed = || KeyError::Malformed(place.name.to_owned());
        if let Some(text) = files::read_private(place.file)? {
            return Self::parse(&text).ok_or_else(malformed).map(Some);
        }
        match place.vault.get(place.name) {
            Ok(Some(secret)) => Self::parse(secret.expose()).ok_or_else(malformed).map(Some),
            Ok(None) | Err(VaultError::Unavailable { .. }) => Ok(None),
            Err(error) => Err(error.into()),
        }
    }

    /// Forgets the key that is kept in this place, where one is.
    ///
    /// # Errors
    /// When the place cannot be used.
    pub fn forget(place: KeyPlace<'_>) -> Result<(), KeyError> {
        match std::fs::remove_file(place.file) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                return Err(files::failed("remove", place.file)(error).into());
            }
            _ => {}
        }
        match place.vault.delete(place.name) {
            Ok(_) | Err(VaultError::Unavailable { .. }) => Ok(()),
            Err(error) => Err(error.into()),
        }
    }

    /// Keeps this key in place of the one that is there.
    ///
    /// # Errors
    /// When neither keychain nor file takes it.
    pub fn keep(&self, place: KeyPlace<'_>) -> Result<(), KeyError> {
        let text = Zeroizing::new(format!("{PREFIX}{}", URL_SAFE_NO_PAD.encode(self.0.as_bytes())));
        if place.prefers_keychain {
            match place.vault.set(place.name, Secret::from(text.as_str())) {
                Ok(_) => return Ok(()),
                Err(VaultError::Unavailable { .. }) => {}
                Err(error) => return Err(error.into()),
            }
        }
        if let Some(folder) = place.file.parent() {
            files::private_folder(folder)?;
        }
        Ok(files::atomic_write(place.file, format!("{}\n", text.as_str()).as_bytes(), 0o600)?)
    }

    fn parse(text: &str) -> Option<Self> {
        let seed = Zeroizing::new(URL_SAFE_NO_PAD.decode(text.trim().strip_prefix(PREFIX)?).ok()?);
        Some(Self(Key::from_bytes(&<[u8; 32]>::try_from(seed.as_slice()).ok()?)))
    }

    /// The public key.
    pub fn public(&self) -> PublicKey {
        PublicKey(self.0.verifying_key())
    }

    /// Signs a message.
    pub fn sign(&self, message: &[u8]) -> [u8; 64] {
        self.0.sign(message).to_bytes()
    }
}

/// A public key that checks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PublicKey(VerifyingKey);

impl PublicKey {
    /// The key of 32 bytes, where they are one.
    pub fn from_bytes(bytes: &[u8; 32]) -> Option<Self> {
        VerifyingKey::from_bytes(bytes).ok().map(Self)
    }

    /// The key as its file has it: base64 of its 32 bytes.
    pub fn parse(text: &str) -> Option<Self> {
        Self::from_bytes(&STANDARD.decode(text.trim()).ok()?.try_into().ok()?)
    }

    /// Its 32 bytes.
    pub fn to_bytes(&self) -> [u8; 32] {
        self.0.to_bytes()
    }

    /// Its name: the SHA-256 of its bytes.
    pub fn id(&self) -> String {
        sha256_hex(self.0.as_bytes())
    }

    /// Whether this key signed the message.
    pub fn verifies(&self, message: &[u8], signature: &[u8]) -> bool {
        Signature::from_slice(signature)
            .is_ok_and(|signature| self.0.verify_strict(message, &signature).is_ok())
    }
}

impl fmt::Display for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&STANDARD.encode(self.0.as_bytes()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::vault::{Backend, VaultOptions};

    fn vault() -> Vault {
        Vault::new(VaultOptions {
            backend: Backend::Disabled,
            environment: |_| None,
            ..VaultOptions::default()
        })
    }

    #[test]
    fn a_key_is_made_once_kept_privately_and_missed_when_it_is_gone() {
        let folder = tempfile::tempdir().unwrap();
        let (file, vault) = (folder.path().join("keys/log"), vault());
        for prefers_keychain in [true, false] {
            let place = KeyPlace { file: &file, vault: &vault, name: "log", prefers_keychain };
            let key = SigningKey::find_or_make(place, true).unwrap();
            assert_eq!(SigningKey::find_or_make(place, false).unwrap().public(), key.public());
            #[cfg(unix)]
            assert_eq!(
                std::os::unix::fs::PermissionsExt::mode(&file.metadata().unwrap().permissions()) & 0o777,
                0o600
            );
            assert_eq!(SigningKey::find(place).unwrap().unwrap().public(), key.public());
            SigningKey::forget(place).unwrap();
            SigningKey::forget(place).unwrap();
            assert!(SigningKey::find(place).unwrap().is_none());
            assert!(SigningKey::find_or_make(place, false).is_err(), "a key that signed is not replaced");
        }
        std::fs::write(&file, "nonsense").unwrap();
        #[cfg(unix)]
        std::fs::set_permissions(&file, std::os::unix::fs::PermissionsExt::from_mode(0o600)).unwrap();
        let place = KeyPlace { file: &file, vault: &vault, name: "log", prefers_keychain: false };
        assert!(matches!(SigningKey::find_or_make(place, true), Err(KeyError::Malformed(_))));
    }

    #[test]
    fn a_signature_holds_for_its_message_and_key_alone() {
        let (key, other) = (SigningKey::generate().unwrap(), SigningKey::generate().unwrap());
        let signature = key.sign(b"message");
        assert!(key.public().verifies(b"message", &signature));
        assert!(!key.public().verifies(b"massage", &signature));
        assert!(!other.public().verifies(b"message", &signature));
        assert!(!key.public().verifies(b"message", &signature[1..]));
        assert_eq!(PublicKey::parse(&key.public().to_string()), Some(key.public()));
        assert!(!format!("{key:?}").contains(&URL_SAFE_NO_PAD.encode(key.0.as_bytes())));
    }
}
