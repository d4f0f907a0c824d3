//! Keys in private files, one a key: for machines without a keychain, when the person says so.

use std::fs;
use std::io;
use std::path::PathBuf;

use super::VaultError;
use crate::files::{self, atomic_write, failed};
use crate::secret::Secret;

/// A folder (0700) of files (0600).
#[derive(Debug)]
pub(super) struct Folder(PathBuf);

impl Folder {
    pub(super) fn new(path: PathBuf) -> Self {
        Self(path)
    }

    pub(super) fn get(&self, name: &str) -> Result<Option<Secret>, VaultError> {
        let text = files::read_private(&self.0.join(name))?;
        Ok(text.filter(|text| !text.trim().is_empty()).map(|text| Secret::from(text.trim())))
    }

    pub(super) fn set(&self, name: &str, key: &Secret) -> Result<(), VaultError> {
        let mut builder = fs::DirBuilder::new();
        builder.recursive(true);
        #[cfg(unix)]
        std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
        builder.create(&self.0).map_err(failed("make the folder", &self.0))?;
        let path = self.0.join(name);
        // A file that others may read would keep its mode; it goes first.
        if files::read_private(&path).is_err() {
            let _ = fs::remove_file(&path);
        }
        atomic_write(&path, key.expose().as_bytes(), 0o600)?;
        Ok(())
    }

    pub(super) fn delete(&self, name: &str) -> Result<bool, VaultError> {
        let path = self.0.join(name);
        match fs::remove_file(&path) {
            Ok(()) => Ok(true),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
            Err(error) => Err(failed("remove", &path)(error).into()),
        }
    }
}
