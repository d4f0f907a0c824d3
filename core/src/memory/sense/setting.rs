//! `memory/config.yml`: which sentence model is used, if any.
//!
//! ```yaml
//! sentence_model: models/potion-base-8M
//! ```

use std::path::{Path, PathBuf};

use super::super::folder::beside_contexts;
use super::Unusable;
use crate::files::{FileRead, read as read_file};
use crate::home::Home;
use crate::problem::Problem;
use crate::yaml::{self, Fields, Findings, Place, Unknown};

/// The file, in `memory/`.
pub(super) const FILE: &str = "config.yml";

/// The longest path that is taken.
const PATH_MAX_BYTES: usize = 256;

/// A model that is set.
pub(super) struct Setting {
    /// Its folder.
    pub(super) folder: PathBuf,
    /// The file of the setting, for problems.
    file: String,
    place: Place,
}

impl Setting {
    /// Problem of the model, at the place where it is set.
    pub(super) fn problem(&self, unusable: &Unusable) -> Problem {
        Problem::error(&self.file, format!("`sentence_model`: {}", unusable.what), &unusable.fix)
            .at(self.place.line, self.place.column)
    }
}

/// Reads the setting. Without the file there is none, and nothing is wrong.
pub(super) fn read(home: &Home) -> (Option<Setting>, Vec<Problem>) {
    let Some(path) = beside_contexts(home, FILE) else { return (None, Vec::new()) };
    let file = home.relative(&path);
    let bytes = match read_file(home, &path) {
        FileRead::Absent => return (None, Vec::new()),
        FileRead::Failed(problem) | FileRead::Unread(problem) => return (None, vec![problem]),
        FileRead::Bytes(bytes) => bytes,
    };
    let document = match yaml::parse(&file, &bytes) {
        Ok(document) => document,
        Err(problem) => return (None, vec![*problem]),
    };
    let mut findings = Findings::new(&file);
    let mut setting = None;
    if let Some(mut fields) = Fields::of(&document.root, "", &mut findings) {
        let place =
            fields.entries().iter().find(|entry| entry.key == "sentence_model").map(|e| e.value.place);
        if let (Some(text), Some(place)) = (fields.text("sentence_model", &mut findings), place) {
            match below(home, text) {
                Ok(folder) => setting = Some(Setting { folder, file: file.clone(), place }),
                Err(unusable) => {
                    findings.error(place, format!("`sentence_model`: {}", unusable.what), unusable.fix)
                }
            }
        }
        fields.finish(Unknown::Warn, &mut findings);
    }
    (setting, findings.into_problems())
}

/// The folder that a relative path names, without a link on the way: a model is data of this home alone.
fn below(home: &Home, text: &str) -> Result<PathBuf, Unusable> {
    let fix = "write a folder below the home, for example models/potion-base-8M";
    let is_plain = |part: &str| {
        !part.is_empty() && !part.starts_with('.') && !part.contains(['\\', ':', '~', '%', '\0'])
    };
    if text.len() > PATH_MAX_BYTES || !text.split('/').all(is_plain) {
        return Err(Unusable::new("this is not a path below the home", fix));
    }
    let mut folder = home.root().to_path_buf();
    for part in text.split('/') {
        folder.push(part);
        match folder.symlink_metadata() {
            Ok(entry) if entry.is_symlink() => {
                return Err(Unusable::new(
                    "a folder on the way is a link, which is not followed",
                    "move the files there themselves",
                ));
            }
            Ok(entry) if entry.is_dir() => {}
            _ => return Err(Unusable::new("there is no such folder", fix)),
        }
    }
    Ok(folder)
}

/// A file of a model's folder that is a file itself, and its size.
#[cfg_attr(not(feature = "sentence-model"), expect(dead_code, reason = "only a model has files"))]
pub(super) fn size(path: &Path) -> Option<u64> {
    let file = path.symlink_metadata().ok()?;
    file.is_file().then_some(file.len())
}
