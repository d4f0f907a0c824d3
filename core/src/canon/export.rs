//! A canon as a file of an AI client that reads its own.
//!
//! Each file is headed by the canon's digest, so that a change by hand and a canon that moved on are both
//! found, and told apart. A file that does not carry our head is
//! somebody else's and is never replaced.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use super::Canon;
use crate::context::ContextName;
use crate::files;

/// The words that our head begins with.
const MARK: &str = "<!-- zos canon ";
/// The largest file that is looked at, in bytes: four times the largest canon.
const FILE_MAX_BYTES: u64 = 4 << 20;

/// The AI clients whose files we write.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum ClientFormat {
    /// `CLAUDE.md`
    Claude,
    /// `AGENTS.md`
    Agents,
    /// `GEMINI.md`
    Gemini,
    /// `.cursor/rules/zos-canon.mdc`
    Cursor,
    /// `.github/copilot-instructions.md`
    Copilot,
    /// `zos-canon/SKILL.md`
    Skill,
}

impl ClientFormat {
    /// All formats by their words.
    pub const WORDS: [(&'static str, ClientFormat); 6] = [
        ("claude", ClientFormat::Claude),
        ("agents", ClientFormat::Agents),
        ("gemini", ClientFormat::Gemini),
        ("cursor", ClientFormat::Cursor),
        ("copilot", ClientFormat::Copilot),
        ("skill", ClientFormat::Skill),
    ];

    /// The file, relative to the folder that is exported to.
    pub fn file(self) -> &'static str {
        match self {
            Self::Claude => "CLAUDE.md",
            Self::Agents => "AGENTS.md",
            Self::Gemini => "GEMINI.md",
            Self::Cursor => ".cursor/rules/zos-canon.mdc",
            Self::Copilot => ".github/copilot-instructions.md",
            Self::Skill => "zos-canon/SKILL.md",
        }
    }

    /// Front matter that the client needs before the text.
    fn front_matter(self, name: &ContextName) -> String {
        match self {
            Self::Cursor => {
                format!("---\ndescription: Canon of the zOS context {name}\nglobs:\nalwaysApply: true\n---\n")
            }
            Self::Skill => format!(
                "---\nname: zos-canon\ndescription: Values, priorities and rules of the zOS context {name}. Use in every task.\n---\n"
            ),
            Self::Claude | Self::Agents | Self::Gemini | Self::Copilot => String::new(),
        }
    }
}

/// Relation of an exported file to the canon.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum ExportCheck {
    /// The file holds this canon.
    Current,
    /// There is no file.
    Missing,
    /// The file holds another canon, unchanged since it was written.
    Outdated {
        /// The digest of that canon.
        digest: String,
    },
    /// The file was changed by hand since it was written.
    Edited,
    /// The file was not written by zOS.
    Foreign,
}

/// Why a file was not written.
#[derive(Debug, thiserror::Error)]
pub enum ExportError {
    /// A file of that name exists and is not ours.
    #[error("{0} exists and was not written by zOS, so it is left alone")]
    Foreign(String),
    /// Ours, but someone wrote into it.
    #[error("{0} was changed by hand since zOS wrote it, so it is left alone")]
    Edited(String),
    /// The disk.
    #[error("{file} cannot be written")]
    Io {
        /// The file.
        file: String,
        /// The system's error.
        source: io::Error,
    },
}

/// The whole content of the file.
pub fn rendered(canon: &Canon, name: &ContextName, format: ClientFormat) -> String {
    format!("{}{}{}", format.front_matter(name), head(&canon.digest, name), canon.text)
}

/// Lines in front of the canon.
fn head(digest: &str, name: &ContextName) -> String {
    format!(
        "{MARK}{digest} context {name} -->\n\
         <!-- Written by `zos canon export`; change the files of the canon instead. -->\n\n"
    )
}

/// Relation of the file in this folder to the canon. Changes nothing.
///
/// # Errors
/// If it cannot be read.
pub fn check_export(
    canon: &Canon,
    name: &ContextName,
    format: ClientFormat,
    folder: &Path,
) -> Result<ExportCheck, ExportError> {
    let found = read(&path(folder, format));
    let found = found.map_err(|source| ExportError::Io { file: format.file().to_owned(), source })?;
    Ok(found.map_or(ExportCheck::Missing, |found| judge(&found, canon, name, format)))
}

/// Writes the file into the folder, whole or not at all. Returns how it stood before.
///
/// # Errors
/// If a file of that name is not ours or was changed by hand, or the disk refuses.
pub fn export(
    canon: &Canon,
    name: &ContextName,
    format: ClientFormat,
    folder: &Path,
) -> Result<ExportCheck, ExportError> {
    let file = || format.file().to_owned();
    let before = check_export(canon, name, format, folder)?;
    match before {
        ExportCheck::Foreign => return Err(ExportError::Foreign(file())),
        ExportCheck::Edited => return Err(ExportError::Edited(file())),
        ExportCheck::Current => return Ok(before),
        ExportCheck::Missing | ExportCheck::Outdated { .. } => {}
    }
    let path = path(folder, format);
    let still = |path: &Path| match read(path) {
        Ok(found) => found.map_or(ExportCheck::Missing, |found| judge(&found, canon, name, format)) == before,
        Err(_) => false,
    };
    let io_error = |source| ExportError::Io { file: file(), source };
    if let Some(folder) = path.parent() {
        fs::create_dir_all(folder).map_err(io_error)?;
    }
    if !files::replace(&path, rendered(canon, name, format).as_bytes(), still).map_err(io_error)? {
        return Err(ExportError::Edited(file()));
    }
    Ok(before)
}

fn judge(found: &str, canon: &Canon, name: &ContextName, format: ClientFormat) -> ExportCheck {
    let found = found.replace("\r\n", "\n");
    if found == rendered(canon, name, format) {
        return ExportCheck::Current;
    }
    let Some(start) = found.find(MARK) else { return ExportCheck::Foreign };
    // Ours begins with the head, or with front matter and then the head.
    let before = &found[..start];
    if !(before.is_empty() || (before.starts_with("---\n") && before.ends_with("---\n"))) {
        return ExportCheck::Foreign;
    }
    let mut words = found[start + MARK.len()..].split([' ', '\n']);
    let digest = words.next().unwrap_or_default();
    let other = words.nth(1).and_then(|name| name.parse::<ContextName>().ok());
    let Some(other) = other else { return ExportCheck::Edited };
    // What was written is known again by its digest; everything around it is written from that alone.
    let text = found[start..].strip_prefix(&head(digest, &other));
    if before == format.front_matter(&other) && text.is_some_and(|text| Canon::digest_of(text) == digest) {
        ExportCheck::Outdated { digest: digest.to_owned() }
    } else {
        ExportCheck::Edited
    }
}

fn read(path: &Path) -> io::Result<Option<String>> {
    match fs::metadata(path) {
        Ok(metadata) if metadata.len() > FILE_MAX_BYTES => {
            Err(io::Error::other("it is too large to be ours"))
        }
        Ok(_) => match files::read_bounded(path)?.map(String::from_utf8) {
            Some(Ok(text)) => Ok(Some(text)),
            // No text, so not ours.
            Some(Err(_)) | None => Ok(Some(String::new())),
        },
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

fn path(folder: &Path, format: ClientFormat) -> PathBuf {
    folder.join(format.file())
}
