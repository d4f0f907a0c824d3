//! Store of provider keys: an environment variable, the OS keychain, or a private file.
//!
//! They are asked in this order. A variable is read-only. The keychain is asked on a thread of its
//! own and with a time limit, because the call hangs for as long as a prompt to unlock it is open.
//! Private files are used only where the person names a folder for them; they are not encrypted,
//! because a program that can read the file can read the key to it as well.

mod folder;
mod keychain;

use std::collections::HashMap;
use std::fmt;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use crate::files::FileError;
use crate::key_ref::{self, KeyRef};
use crate::secret::Secret;
use folder::Folder;
use keychain::Keychain;

/// Settings of a vault.
#[derive(Clone)]
pub struct VaultOptions {
    /// The name under which the keychain shows our entries.
    pub service: String,
    /// Prefix of a key's name in the keychain, so that two homes do not share keys.
    pub account_prefix: String,
    /// The longest that one call waits for the keychain.
    pub timeout: Duration,
    /// Whether the keychain is used.
    pub backend: Backend,
    /// The folder for private files; `None` means that the person did not switch them on.
    pub folder: Option<PathBuf>,
    /// Reads an environment variable.
    pub environment: fn(&str) -> Option<String>,
}

impl Default for VaultOptions {
    fn default() -> Self {
        Self {
            service: "zos".to_owned(),
            account_prefix: String::new(),
            timeout: Duration::from_secs(3),
            backend: Backend::Auto,
            folder: None,
            environment: |variable| std::env::var(variable).ok(),
        }
    }
}

impl fmt::Debug for VaultOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("VaultOptions")
            .field("service", &self.service)
            .field("account_prefix", &self.account_prefix)
            .field("timeout", &self.timeout)
            .field("backend", &self.backend)
            .field("folder", &self.folder)
            .finish_non_exhaustive()
    }
}

/// Whether the keychain is used.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Backend {
    /// The keychain of the operating system.
    #[default]
    Auto,
    /// No keychain: a server without one, or a person who wants none.
    Disabled,
}

/// Places where a key can be found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Source {
    /// An environment variable.
    Environment,
    /// The OS keychain.
    Keychain,
    /// A private file.
    File,
}

/// Whether the keychain can be used now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum VaultStatus {
    /// It answers.
    Available,
    /// It is switched off, missing or broken.
    Unavailable {
        /// Why, as a sentence.
        reason: String,
    },
    /// It is locked, or waits for the person to unlock it.
    Locked,
}

/// Why a key could not be read or kept.
#[derive(Debug, thiserror::Error)]
pub enum VaultError {
    /// Locked, or not answering in time, which is what a prompt to unlock it looks like from here.
    #[error(
        "the keychain is locked or did not answer in time; unlock it, or set the key as an environment variable"
    )]
    Locked,
    /// No keychain to use.
    #[error("{reason}")]
    Unavailable {
        /// The failure, its cause and what to do, as a sentence.
        reason: String,
    },
    /// A name that a key cannot have.
    #[error("the name of a key must be 1 to 64 letters, digits, dots, dashes or underscores")]
    Name,
    /// A key that no provider can have given.
    #[error("the key is empty or has line breaks or other control characters in it; copy it again")]
    Malformed,
    /// The private file cannot be used.
    #[error(transparent)]
    File(#[from] FileError),
}

/// Store of provider keys. Every call blocks, at most for about the time limit.
#[derive(Debug)]
pub struct Vault {
    environment: fn(&str) -> Option<String>,
    keychain: Option<Keychain>,
    folder: Option<Folder>,
    /// Keys found in the keychain, and the count of changes made to it.
    found: Arc<Mutex<Found>>,
}

/// Last answer of the keychain for a key, kept so that a call to a provider does not ask every time.
#[derive(Debug, Default)]
struct Found {
    keys: HashMap<String, Secret>,
    /// Counts `set` and `delete`, so that an answer from before one of them is not remembered.
    changes: u64,
}

impl Vault {
    /// A vault; reaches for nothing yet.
    pub fn new(options: VaultOptions) -> Self {
        let VaultOptions { service, account_prefix, timeout, backend, folder, environment } = options;
        let keychain = (backend == Backend::Auto).then(|| Keychain::new(service, account_prefix, timeout));
        Self { environment, keychain, folder: folder.map(Folder::new), found: Arc::default() }
    }

    /// The key with this name, or `None` when nobody has kept one.
    ///
    /// # Errors
    /// When a place that may hold it cannot be asked, and none of the others has it.
    pub fn get(&self, name: &str) -> Result<Option<Secret>, VaultError> {
        Ok(self.find(name)?.map(|(key, _)| key))
    }

    /// The key with this name if it is known without asking anybody: from the environment, or because
    /// the keychain gave it before. Never blocks.
    pub fn cached(&self, name: &str) -> Option<Secret> {
        self.variable(&variable_of(name)).or_else(|| self.found().keys.get(name).cloned())
    }

    /// The key with this name and where it was found.
    ///
    /// # Errors
    /// Those of [`Vault::get`].
    pub fn find(&self, name: &str) -> Result<Option<(Secret, Source)>, VaultError> {
        check_name(name)?;
        if let Some(key) = self.variable(&variable_of(name)) {
            return Ok(Some((key, Source::Environment)));
        }
        let asked = self.in_keychain(name);
        if let Ok(Some(key)) = asked {
            return Ok(Some((key, Source::Keychain)));
        }
        if let Some(folder) = &self.folder
            && let Some(key) = folder.get(name)?
        {
            return Ok(Some((key, Source::File)));
        }
        match asked {
            // With private files switched on, a machine without a keychain is in order.
            Err(VaultError::Unavailable { .. }) if self.folder.is_some() => Ok(None),
            Err(error) => Err(error),
            Ok(_) => Ok(None),
        }
    }

    /// The key that a reference names.
    ///
    /// # Errors
    /// Those of [`Vault::get`].
    pub fn resolve(&self, key: &KeyRef) -> Result<Option<Secret>, VaultError> {
        match key {
            KeyRef::Keychain(name) => self.get(name),
            KeyRef::Env(variable) => Ok(self.variable(variable)),
            KeyRef::None => Ok(None),
        }
    }

    /// Keeps a key in the keychain or, where there is none and files are switched on, in a file.
    ///
    /// # Errors
    /// When neither works. After [`VaultError::Locked`] the keychain may still take it, once the
    /// person has answered the prompt.
    pub fn set(&self, name: &str, key: Secret) -> Result<Source, VaultError> {
        check_name(name)?;
        if key.expose().trim().is_empty() || key.expose().chars().any(char::is_control) {
            return Err(VaultError::Malformed);
        }
        let outcome = match &self.keychain {
            Some(keychain) => self.changing(name, || keychain.set(name, key.clone())),
            None => Err(switched_off()),
        };
        match (outcome, &self.folder) {
            (Ok(()), _) => Ok(Source::Keychain),
            (Err(VaultError::Unavailable { .. }), Some(folder)) => {
                folder.set(name, &key)?;
                Ok(Source::File)
            }
            (Err(error), _) => Err(error),
        }
    }

    /// Forgets a key, in the keychain and in the file; says whether there was one.
    ///
    /// # Errors
    /// When a place that may hold it cannot be asked.
    pub fn delete(&self, name: &str) -> Result<bool, VaultError> {
        check_name(name)?;
        let in_keychain = match &self.keychain {
            Some(keychain) => self.changing(name, || keychain.delete(name)),
            None => Err(switched_off()),
        };
        let in_folder = self.folder.as_ref().map(|folder| folder.delete(name)).transpose()?;
        match (in_keychain, in_folder) {
            (Err(VaultError::Unavailable { .. }), Some(there)) => Ok(there),
            (in_keychain, in_folder) => Ok(in_keychain? || in_folder == Some(true)),
        }
    }

    /// Whether the keychain can be used now; asks it.
    pub fn status(&self) -> VaultStatus {
        let asked = match &self.keychain {
            Some(keychain) => keychain.get("status"),
            None => Err(switched_off()),
        };
        match asked {
            Ok(_) => VaultStatus::Available,
            Err(VaultError::Locked) => VaultStatus::Locked,
            Err(error) => VaultStatus::Unavailable { reason: error.to_string() },
        }
    }

    fn in_keychain(&self, name: &str) -> Result<Option<Secret>, VaultError> {
        let Some(keychain) = &self.keychain else { return Err(switched_off()) };
        let changes = {
            let found = self.found();
            if let Some(key) = found.keys.get(name) {
                return Ok(Some(key.clone()));
            }
            found.changes
        };
        let key = keychain.get(name)?;
        let mut found = self.found();
        if let Some(key) = key.as_ref().filter(|_| found.changes == changes) {
            found.keys.insert(name.to_owned(), key.clone());
        }
        Ok(key)
    }

    /// Forgets what was remembered of a key before and after it is changed.
    fn changing<T>(&self, name: &str, change: impl FnOnce() -> T) -> T {
        let forget = || {
            let mut found = self.found();
            found.keys.remove(name);
            found.changes += 1;
        };
        forget();
        let outcome = change();
        forget();
        outcome
    }

    fn variable(&self, variable: &str) -> Option<Secret> {
        let value = (self.environment)(variable)?;
        (!value.trim().is_empty()).then(|| Secret::from(value.trim()))
    }

    fn found(&self) -> MutexGuard<'_, Found> {
        self.found.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The environment variable for a key of this name: `anthropic` is in `ANTHROPIC_API_KEY`.
pub fn variable_of(name: &str) -> String {
    let mut variable: String =
        name.chars().map(|c| if c.is_ascii_alphanumeric() { c.to_ascii_uppercase() } else { '_' }).collect();
    variable.push_str("_API_KEY");
    variable
}

fn check_name(name: &str) -> Result<(), VaultError> {
    if key_ref::is_name(name) { Ok(()) } else { Err(VaultError::Name) }
}

fn switched_off() -> VaultError {
    VaultError::Unavailable {
        reason: "the keychain is switched off; set the key as an environment variable".to_owned(),
    }
}

#[cfg(test)]
mod tests;
