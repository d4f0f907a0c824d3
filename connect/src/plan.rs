//! A plan: every file that a connector would change, with its bytes before and after, and every key of it. Making one
//! writes nothing.

use crate::client::{Address, Target};
use crate::edit::{self, EditError, FILE_BYTES, Format, Step, Way};
use serde_json::Value;
use std::io;
use std::path::{Path, PathBuf};

/// One key of a file.
#[derive(Debug, Clone)]
pub struct KeyChange {
    /// The way to it.
    pub way: Vec<Step>,
    /// Its value before; absent where there was none.
    pub before: Option<Value>,
    /// Its value after.
    pub after: Value,
    /// Steps of the way that led somewhere before.
    pub kept: usize,
}

/// One file.
#[derive(Debug, Clone)]
pub struct FileChange {
    /// The file.
    pub path: PathBuf,
    /// Its format.
    pub format: Format,
    /// Its bytes before; absent where there was none.
    pub before: Option<Vec<u8>>,
    /// Its bytes after.
    pub after: Vec<u8>,
    /// Keys that change.
    pub keys: Vec<KeyChange>,
}

/// Everything that a connector would change.
#[derive(Debug, Clone, Default)]
pub struct Plan {
    /// Files that change. Empty where the client is connected already.
    pub files: Vec<FileChange>,
}

/// Why there is no plan. Nothing was written.
#[derive(Debug, thiserror::Error)]
pub enum PlanError {
    /// A file cannot be read.
    #[error("{} cannot be read: {source}", .path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// The system's error.
        source: io::Error,
    },
    /// A file may not be written by us.
    #[error("{} is read-only; make it writable, or change it by hand", .0.display())]
    ReadOnly(PathBuf),
    /// A file is no text in UTF-8.
    #[error("{} is not UTF-8 text; save it as UTF-8", .0.display())]
    NoText(PathBuf),
    /// A file cannot be edited.
    #[error("{}: {source}", .path.display())]
    Edit {
        /// The file.
        path: PathBuf,
        /// Why.
        source: EditError,
    },
    /// A file points at zOS without our having written that.
    #[error("{}: {key} points at zOS already, and zos connect has not written it; remove it and connect again", .path.display())]
    Foreign {
        /// The file.
        path: PathBuf,
        /// The key.
        key: String,
    },
}

/// The bytes of a file, or nothing where there is none.
///
/// # Errors
/// If it is no regular file, too large, or the system says no.
pub(crate) fn bytes(path: &Path) -> io::Result<Option<Vec<u8>>> {
    match zos_seal::read_regular(path, FILE_BYTES) {
        Ok(bytes) => Ok(Some(bytes)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

/// The plan that makes files say what `targets` ask for.
///
/// # Errors
/// If a file cannot be read or edited, or points at zOS already by other hands.
pub fn plan(targets: &[Target], address: &Address) -> Result<Plan, PlanError> {
    let mut files: Vec<FileChange> = Vec::new();
    for target in targets {
        let path = &target.path;
        let place = files.iter().position(|file| file.path == *path);
        let mut file = match place {
            Some(at) => files.remove(at),
            None => {
                let before =
                    bytes(path).map_err(|source| PlanError::Unreadable { path: path.clone(), source })?;
                let after = before.clone().unwrap_or_default();
                FileChange { path: path.clone(), format: target.format, before, after, keys: Vec::new() }
            }
        };
        change(&mut file, target, address)?;
        if !file.keys.is_empty() {
            if is_read_only(path) {
                return Err(PlanError::ReadOnly(path.clone()));
            }
            files.push(file);
        }
    }
    Ok(Plan { files })
}

/// A file that its owner made read-only is one that they want to stay; a rename over it would not ask.
fn is_read_only(path: &Path) -> bool {
    path.metadata().is_ok_and(|metadata| metadata.permissions().readonly())
}

fn change(file: &mut FileChange, target: &Target, address: &Address) -> Result<(), PlanError> {
    let failed = |source| PlanError::Edit { path: target.path.clone(), source };
    let mut text = String::from_utf8(std::mem::take(&mut file.after))
        .map_err(|_| PlanError::NoText(target.path.clone()))?;
    for (way, wanted) in &target.keys {
        let values = target.format.read(&text).map_err(failed)?;
        let before = edit::get(&values, way).cloned();
        if before.as_ref() == Some(wanted) {
            continue;
        }
        if before.as_ref().and_then(Value::as_str).is_some_and(|text| address.is_ours(text)) {
            return Err(PlanError::Foreign { path: target.path.clone(), key: Way(way).to_string() });
        }
        let kept = edit::depth(&values, way);
        text = target.format.set(&text, way, wanted).map_err(failed)?;
        file.keys.push(KeyChange { way: way.clone(), before, after: wanted.clone(), kept });
    }
    file.after = text.into_bytes();
    Ok(())
}
