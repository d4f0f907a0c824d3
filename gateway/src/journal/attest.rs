//! Signs what governs, once for each state, and keeps it where anybody can verify it.
//!
//! `attest/<state id>.json` is an in-toto statement in a DSSE envelope; `attest/objects/<sha256>` holds the
//! files that it covers, private to the owner, because terms stand in them; `attest/keys/<id>.pub` the
//! public keys. A new key is vouched for by the one before it: `attest/keys/<id>.json`.

use serde_json::{Value, json};
use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use zos_core::{ContextName, Governing, Home, Snapshot};
use zos_seal::{Envelope, FileError, KeyError, KeyPlace, SigningKey, Vault, VaultOptions};

/// The payload type of statements, and of the word of one key about the next.
pub const STATEMENT_TYPE: &str = "application/vnd.in-toto+json";
/// The payload type of the word of one key about the next.
pub const SUCCESSOR_TYPE: &str = "application/vnd.zos.successor+json";

/// The names of the key of the log and of the one that replaces it.
const LOG: &str = "log";
const LOG_NEXT: &str = "log.next";

/// What our statements say.
pub const PREDICATE_TYPE: &str = "https://zos.dev/attestation/governing-state/v1";

/// Where private keys are kept.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Keys {
    /// In private files: a server has no keychain, and nobody to unlock it.
    #[default]
    Files,
    /// In the keychain of the owner, or in files where there is none.
    Keychain,
}

/// The private keys of a home.
pub(crate) struct PrivateKeys {
    home: Home,
    vault: Vault,
    keys: Keys,
    /// Held while the key of the log is replaced.
    rotating: Mutex<()>,
}

/// Why the key of the log was not replaced.
#[derive(Debug, thiserror::Error)]
pub enum LogKeyError {
    /// A private key cannot be made or kept.
    #[error(transparent)]
    Key(#[from] KeyError),
    /// The log did not take it.
    #[error(transparent)]
    Log(#[from] zos_audit::RotateError),
}

impl PrivateKeys {
    pub(crate) fn new(home: &Home, keys: Keys) -> Self {
        // Two homes of one owner do not share keys.
        let prefix = &zos_seal::sha256_hex(home.root().as_os_str().as_encoded_bytes())[..12];
        let vault = Vault::new(VaultOptions {
            service: "zos signing keys".to_owned(),
            account_prefix: format!("{prefix}."),
            environment: |_| None,
            ..VaultOptions::default()
        });
        Self { home: home.clone(), vault, keys, rotating: Mutex::default() }
    }

    fn place<'a>(&'a self, name: &'a str, file: &'a Path) -> KeyPlace<'a> {
        KeyPlace { file, vault: &self.vault, name, prefers_keychain: self.keys == Keys::Keychain }
    }

    /// The key that signs the log. Where a crash fell into its replacement, the one that signs from then on
    /// is put in its place.
    pub(crate) fn log(&self) -> Result<SigningKey, KeyError> {
        let folder = self.home.audit_dir();
        let (file, next_file) = self.log_files();
        let (place, next_place) = (self.place(LOG, &file), self.place(LOG_NEXT, &next_file));
        let found = SigningKey::find_or_make(place, !folder.join("log.vkey").exists());
        // What is wrong with the log is told when it is opened.
        let Ok(Some(wanted)) = zos_audit::signing_key(&folder) else { return found };
        let is_wanted = |key: &SigningKey| key.public().to_bytes() == wanted.public_key();
        if found.as_ref().is_ok_and(is_wanted) {
            return found;
        }
        match SigningKey::find(next_place) {
            Ok(Some(next)) if is_wanted(&next) => {
                next.keep(place)?;
                SigningKey::forget(next_place)?;
                Ok(next)
            }
            _ => found,
        }
    }

    /// Makes a new key for the log, which the one before vouches for. The new one is kept beside the old one
    /// until it counts, so that a crash at any moment leaves the key that the log wants.
    pub(crate) fn rotate_log(&self, log: &zos_audit::Log) -> Result<zos_audit::Rotated, LogKeyError> {
        let _rotating = self.rotating.lock().unwrap_or_else(PoisonError::into_inner);
        let (file, next_file) = self.log_files();
        let (place, next_place) = (self.place(LOG, &file), self.place(LOG_NEXT, &next_file));
        let new = SigningKey::generate()?;
        new.keep(next_place)?;
        let rotated = log.rotate_key(Arc::new(LogSigner(new.clone())));
        if !matches!(rotated, Ok(_) | Err(zos_audit::RotateError::Unsealed(_))) {
            // Kept or not: the log wants the old one.
            let _ = SigningKey::forget(next_place);
            return Ok(rotated?);
        }
        // Where this fails, the next start finds the new key beside the old one.
        if let Err(error) = new.keep(place).and_then(|()| SigningKey::forget(next_place)) {
            tracing::error!(%error, "the new key of the log is kept beside the old one until the next start");
        }
        Ok(rotated?)
    }

    fn log_files(&self) -> (PathBuf, PathBuf) {
        let folder = self.home.private_keys();
        (folder.join("log.key"), folder.join("log.next.key"))
    }

    /// The key that signs statements.
    fn attest(&self) -> Result<SigningKey, KeyError> {
        let folder = self.home.attest();
        let is_first = std::fs::read_dir(folder.join("keys")).map_or(true, |mut keys| keys.next().is_none());
        SigningKey::find_or_make(self.place("attest", &folder.join("private.key")), is_first)
    }
}

/// Signs checkpoints with the key of the log.
pub(crate) struct LogSigner(pub(crate) SigningKey);

impl zos_audit::Signer for LogSigner {
    fn public_key(&self) -> [u8; 32] {
        self.0.public().to_bytes()
    }

    fn sign(&self, message: &[u8]) -> [u8; 64] {
        self.0.sign(message)
    }
}

/// Why a state cannot be signed for.
#[derive(Debug, thiserror::Error)]
pub enum AttestError {
    /// There is no key.
    #[error(transparent)]
    Key(#[from] KeyError),
    /// A file cannot be written.
    #[error(transparent)]
    File(#[from] FileError),
    /// Nothing governs in this context.
    #[error("nothing governs in this context")]
    Nothing,
}

/// Signs states.
pub(crate) struct Attester {
    folder: PathBuf,
    keys: PrivateKeys,
    key: RwLock<Option<SigningKey>>,
    /// The ids of the states of one revision of the snapshot that are signed for.
    known: Mutex<(u64, HashMap<ContextName, Arc<str>>)>,
}

impl Attester {
    pub(crate) fn new(home: &Home, keys: PrivateKeys) -> Self {
        Self { folder: home.attest(), keys, key: RwLock::new(None), known: Mutex::default() }
    }

    /// The id of the state that governs in a context, once a statement about it is kept. Costs a look into
    /// a table for every call but the first of a state.
    ///
    /// # Errors
    /// When there is no key or the statement cannot be written; the next call tries again.
    pub(crate) fn state_id(&self, snapshot: &Snapshot, name: &ContextName) -> Result<Arc<str>, AttestError> {
        {
            let known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
            if known.0 == snapshot.revision
                && let Some(id) = known.1.get(name)
            {
                return Ok(Arc::clone(id));
            }
        }
        let governing = snapshot.governing(name).ok_or(AttestError::Nothing)?;
        self.keep(&governing)?;
        let id: Arc<str> = governing.id.into();
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        if known.0 != snapshot.revision {
            *known = (snapshot.revision, HashMap::new());
        }
        known.1.insert(name.clone(), Arc::clone(&id));
        Ok(id)
    }

    /// Writes the statement about a state and the files it covers, where they are not there yet.
    fn keep(&self, governing: &Governing) -> Result<(), AttestError> {
        let path = self.folder.join(format!("{}.json", governing.id));
        if path.exists() {
            return Ok(());
        }
        let key = self.key()?;
        let objects = self.folder.join("objects");
        zos_seal::private_folder(&objects)?;
        for file in &governing.files {
            let object = objects.join(&file.sha256);
            if !object.exists() {
                zos_seal::atomic_write(&object, &file.bytes, 0o600)?;
            }
        }
        let envelope = Envelope::sign(STATEMENT_TYPE, statement(governing).to_string().as_bytes(), &key);
        let text = serde_json::to_string_pretty(&envelope).expect("an envelope holds only strings");
        Ok(zos_seal::atomic_write(&path, (text + "\n").as_bytes(), 0o600)?)
    }

    /// The key, which is looked for when it is first needed.
    fn key(&self) -> Result<SigningKey, AttestError> {
        if let Some(key) = &*self.key.read().unwrap_or_else(PoisonError::into_inner) {
            return Ok(key.clone());
        }
        let mut slot = self.key.write().unwrap_or_else(PoisonError::into_inner);
        if let Some(key) = &*slot {
            return Ok(key.clone());
        }
        let key = self.keys.attest()?;
        self.publish(&key)?;
        *slot = Some(key.clone());
        Ok(key)
    }

    fn publish(&self, key: &SigningKey) -> Result<(), AttestError> {
        let folder = self.folder.join("keys");
        zos_seal::private_folder(&folder)?;
        let path = folder.join(format!("{}.pub", key.public().id()));
        if !path.exists() {
            zos_seal::atomic_write(&path, format!("{}\n", key.public()).as_bytes(), 0o644)?;
        }
        Ok(())
    }

    /// Makes a new key for the log; see [`PrivateKeys::rotate_log`].
    pub(crate) fn rotate_log(&self, log: &zos_audit::Log) -> Result<zos_audit::Rotated, LogKeyError> {
        self.keys.rotate_log(log)
    }

    /// Makes a new key, lets the one before vouch for it, and signs with it from now on. Gives the ids of
    /// the new and of the old one.
    ///
    /// # Errors
    /// When a key or a file cannot be had; the old key goes on then.
    pub(crate) fn rotate(&self, time: &str) -> Result<(String, String), AttestError> {
        let old = self.key()?;
        let mut slot = self.key.write().unwrap_or_else(PoisonError::into_inner);
        let new = SigningKey::generate()?;
        let (new_id, old_id) = (new.public().id(), old.public().id());
        let word = json!({
            "v": 1, "key": new_id, "public_key": new.public().to_string(), "previous": old_id, "time": time,
        });
        let envelope = Envelope::sign(SUCCESSOR_TYPE, word.to_string().as_bytes(), &old);
        let text = serde_json::to_string_pretty(&envelope).expect("an envelope holds only strings") + "\n";
        self.publish(&new)?;
        let path = self.folder.join("keys").join(format!("{new_id}.json"));
        zos_seal::atomic_write(&path, text.as_bytes(), 0o644)?;
        new.keep(self.keys.place("attest", &self.folder.join("private.key")))?;
        *slot = Some(new);
        Ok((new_id, old_id))
    }
}

/// The in-toto statement about a state.
fn statement(governing: &Governing) -> Value {
    let files: Vec<Value> =
        governing.files.iter().map(|file| json!({"path": file.path, "sha256": file.sha256})).collect();
    json!({
        "_type": "https://in-toto.io/Statement/v1",
        "subject": [{"name": "governing-state", "digest": {"sha256": governing.id}}],
        "predicateType": PREDICATE_TYPE,
        "predicate": {"state": governing.state, "files": files},
    })
}
