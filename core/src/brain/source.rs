//! A context's file as text: read with a digest, written only over what was seen.

use std::io;
use std::path::{Path, PathBuf};

use super::Brain;
use crate::context::{ContextName, parse_context_with};
use crate::files;
use crate::problem::Problem;

/// A context's file as it stands on disk.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ContextSource {
    /// Its text.
    pub yaml: String,
    /// Digest of the text: send it back with a change.
    pub etag: String,
}

/// Why a context's file could not be read, written or removed.
#[derive(Debug, thiserror::Error)]
pub enum WriteError {
    /// There is no such file.
    #[error("there is no context called \"{0}\"")]
    Unknown(ContextName),
    /// The file is not the one that was seen: someone else changed, made or removed it.
    #[error("the file changed since it was read")]
    Conflict {
        /// The file as it stands now; absent where there is none, or none that is text.
        current: Option<ContextSource>,
    },
    /// The new text is no context. The file is untouched.
    #[error("the text is not a valid context")]
    Invalid {
        /// Problems of the new text.
        problems: Vec<Problem>,
    },
    /// The disk.
    #[error("the file could not be read or written")]
    Io(#[from] io::Error),
}

impl ContextSource {
    fn new(yaml: String) -> Self {
        let etag = etag(yaml.as_bytes());
        Self { yaml, etag }
    }
}

impl Brain {
    /// A context's file as it stands on disk, also where it is broken.
    ///
    /// # Errors
    /// If there is none, or it cannot be read as text.
    pub fn source(&self, name: &ContextName) -> Result<ContextSource, WriteError> {
        match read_text(&self.config_path(name))? {
            Some(yaml) => Ok(ContextSource::new(yaml)),
            None => Err(WriteError::Unknown(name.clone())),
        }
    }

    /// Writes a context's file and puts it in force. `etag` is the digest of the text that the
    /// change was made on; `None` makes a new file and never replaces one. Blocks.
    ///
    /// # Errors
    /// If the text is not a valid context, or the file is not the one that was seen.
    pub fn write(
        &self,
        name: &ContextName,
        yaml: &str,
        etag: Option<&str>,
    ) -> Result<ContextSource, WriteError> {
        let mut loader = self.loader();
        let parsed = parse_context_with(name, yaml.as_bytes(), loader.packs());
        if parsed.context.is_none() {
            return Err(WriteError::Invalid { problems: parsed.problems });
        }
        let path = self.config_path(name);
        let seen = |path: &Path| is_as_seen(path, etag);
        if !seen(&path) || !files::replace(&path, yaml.as_bytes(), seen)? {
            return Err(WriteError::Conflict { current: current(&path) });
        }
        self.reload_with(&mut loader);
        Ok(ContextSource::new(yaml.to_owned()))
    }

    /// Removes a context's file, if it is the one that was seen. Its prose overlay stays: the
    /// person wrote it and `etag` does not cover it. Blocks.
    ///
    /// # Errors
    /// If there is none, or it is not the one that was seen.
    pub fn delete(&self, name: &ContextName, etag: &str) -> Result<(), WriteError> {
        let mut loader = self.loader();
        let path = self.config_path(name);
        if std::fs::symlink_metadata(&path).is_err() {
            return Err(WriteError::Unknown(name.clone()));
        }
        if !is_as_seen(&path, Some(etag)) {
            return Err(WriteError::Conflict { current: current(&path) });
        }
        std::fs::remove_file(&path)?;
        files::sync_dir(&self.home().contexts());
        self.reload_with(&mut loader);
        Ok(())
    }

    fn config_path(&self, name: &ContextName) -> PathBuf {
        self.home().contexts().join(format!("{name}.yml"))
    }
}

/// Whether the file at `path` is the one with this digest; without one, whether there is no file.
fn is_as_seen(path: &Path, expected: Option<&str>) -> bool {
    match (files::read_bounded(path), expected) {
        (Ok(Some(bytes)), Some(expected)) => etag(&bytes) == expected,
        (Err(error), None) => {
            error.kind() == io::ErrorKind::NotFound && std::fs::symlink_metadata(path).is_err()
        }
        _ => false,
    }
}

fn current(path: &Path) -> Option<ContextSource> {
    read_text(path).ok().flatten().map(ContextSource::new)
}

fn read_text(path: &Path) -> io::Result<Option<String>> {
    match files::read_bounded(path) {
        Ok(Some(bytes)) => {
            let text = String::from_utf8(bytes).map_err(|_| io::Error::other("the file is not UTF-8"))?;
            Ok(Some(text))
        }
        Ok(None) => Err(io::Error::other("the file is too large")),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

fn etag(bytes: &[u8]) -> String {
    hex::encode(&files::digest(bytes)[..16])
}
