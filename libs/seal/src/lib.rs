//! Secrets at rest, and the small things around them.
//!
//! - [`Vault`] keeps provider keys: environment variable, OS keychain, private file, in this order.
//! - [`ClientKeys`] makes and checks the keys that zOS hands out; it stores only their hashes.
//! - [`admin_token()`] makes the token of the admin API, [`atomic_write`] writes files whole or not at all.
//! - [`OwnSecrets`] recognises what zOS hands out, in whatever form it stands in a text of others.
//! - [`Secret`] carries a secret that no log and no debug output shows.
//!
//! - [`SigningKey`] signs with Ed25519, [`Envelope`] carries what was signed, [`TermKeys`] hashes with a key.
//!
//! A key for a client is shown once and stored as a hash:
//!
//! ```
//! use zos_seal::ClientKeys;
//!
//! let home = tempfile::tempdir()?;
//! let file = home.path().join("keys.json");
//! let keys = ClientKeys::open(&file)?;
//! let (info, key) = keys.create(Some("acme".into()), "zed".into())?;
//! assert_eq!(keys.check(key.expose()), Some(info));
//! assert!(keys.check("zos_guessed").is_none());
//! assert!(!std::fs::read_to_string(&file)?.contains(key.expose().as_str()));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! An envelope opens only with the key and the type that it was signed with:
//!
//! ```
//! use zos_seal::{Envelope, SigningKey};
//!
//! let (signer, other) = (SigningKey::generate()?, SigningKey::generate()?);
//! let envelope = Envelope::sign("text/plain", b"in force", &signer);
//! assert_eq!(envelope.open("text/plain", &signer.public()).as_deref(), Some(&b"in force"[..]));
//! assert!(envelope.open("text/html", &signer.public()).is_none());
//! assert!(envelope.open("text/plain", &other.public()).is_none());
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! It encrypts nothing: what lies in a private file is protected by the file's mode alone.
//!
//! Reading order: [`secret`], [`files`], [`client_keys`], [`own_secrets`], [`key_ref`], [`vault`], [`signing`], [`dsse`],
//! [`term_keys`].

pub mod admin_token;
pub mod client_keys;
pub mod digest;
pub mod dsse;
pub mod files;
pub mod key_ref;
pub mod own_secrets;
pub mod secret;
pub mod signing;
pub mod term_keys;
pub mod vault;

pub use admin_token::{TokenError, admin_token};
pub use client_keys::{ClientKeys, Clock, KeyInfo, KeysError};
pub use digest::{sha256, sha256_hex};
pub use dsse::{Envelope, EnvelopeSignature};
pub use files::{FileError, atomic_write, open_regular, private_folder, read_regular};
pub use key_ref::{BadKeyRef, KeyRef};
pub use own_secrets::OwnSecrets;
pub use secret::Secret;
pub use signing::{KeyError, KeyPlace, PublicKey, SigningKey};
pub use term_keys::{TermKeyError, TermKeys};
pub use vault::{Backend, Source, Vault, VaultError, VaultOptions, VaultStatus};

/// Runs the example of the README.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
