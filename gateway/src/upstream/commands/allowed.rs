//! Commands that the owner lets print keys, by digest, and the rights of the file that names them.
//!
//! A fleet file names programs to run. So it must not be writable by others, and a command that is new or changed runs only
//! after the owner said yes to exactly its words.

use super::CommandError;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::path::Path;
use zos_core::Home;

/// The largest file that is read: some thousand providers.
const FILE_BYTES: usize = 1 << 20;

/// Version of the file.
const VERSION: u32 = 1;

/// The file `gateway/commands.json`.
#[derive(Serialize, Deserialize)]
struct File {
    version: u32,
    /// Digest of the allowed command, by the name of the provider.
    allowed: BTreeMap<String, String>,
}

/// Why the file cannot be used.
#[derive(Debug, thiserror::Error)]
pub(crate) enum AllowedError {
    #[error("gateway/commands.json cannot be read: {0}")]
    Read(#[from] std::io::Error),
    #[error(
        "gateway/commands.json is damaged, or of a newer zOS; without it every command has to be allowed anew"
    )]
    Shape,
    #[error("gateway/commands.json cannot be written: {0}")]
    Write(#[from] zos_seal::FileError),
}

/// Whether the owner allowed the command with this digest for a provider. What cannot be read allows nothing.
pub(crate) fn is_allowed(home: &Home, provider: &str, digest: &str) -> bool {
    match read(home) {
        Ok(file) => file.allowed.get(provider).is_some_and(|known| known == digest),
        Err(error) => {
            tracing::warn!(%error, "no command may print a key");
            false
        }
    }
}

/// Notes that the owner allows the command with this digest, in place of any before it. Blocks.
///
/// # Errors
/// When the file cannot be read or written.
pub(crate) fn allow(home: &Home, provider: &str, digest: &str) -> Result<(), AllowedError> {
    let mut file = read(home)?;
    file.allowed.insert(provider.to_owned(), digest.to_owned());
    let text = serde_json::to_vec_pretty(&file).expect("a map of strings is JSON");
    Ok(zos_seal::atomic_write(&home.key_commands(), &text, 0o600)?)
}

fn read(home: &Home) -> Result<File, AllowedError> {
    let bytes = match zos_seal::read_regular(&home.key_commands(), FILE_BYTES) {
        Ok(bytes) => bytes,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            return Ok(File { version: VERSION, allowed: BTreeMap::new() });
        }
        Err(error) => return Err(error.into()),
    };
    let file: File = serde_json::from_slice(&bytes).map_err(|_| AllowedError::Shape)?;
    if file.version == VERSION { Ok(file) } else { Err(AllowedError::Shape) }
}

/// Refuses a fleet file that others may write, or replace: the file, where it really is, and the folders above it up to
/// the home.
///
/// # Errors
/// Names what others may write, relative to the home.
#[cfg(unix)]
pub(crate) fn only_its_owner_writes(home: &Home) -> Result<(), CommandError> {
    use std::os::unix::fs::MetadataExt;
    let file = home.fleet();
    let real = std::fs::canonicalize(&file).unwrap_or_else(|_| file.clone());
    let folder = file.parent().unwrap_or(home.root());
    let looked = [real.as_path(), real.parent().unwrap_or(folder), folder, home.root()];
    let own = rustix::process::geteuid().as_raw();
    for path in looked {
        let refused = |why: String| CommandError::OthersMayWrite { what: shown(home, path), why };
        let found = std::fs::metadata(path).map_err(|error| refused(error.kind().to_string()))?;
        if found.uid() != own && found.uid() != 0 {
            return Err(refused("it belongs to another user".to_owned()));
        }
        if found.mode() & 0o022 != 0 {
            return Err(refused(format!("mode {:03o}", found.mode() & 0o777)));
        }
    }
    Ok(())
}

/// This system has no such rights.
#[cfg(not(unix))]
pub(crate) fn only_its_owner_writes(_home: &Home) -> Result<(), CommandError> {
    Ok(())
}

#[cfg(unix)]
fn shown(home: &Home, path: &Path) -> String {
    if path == home.root() {
        return "the home".to_owned();
    }
    match path.strip_prefix(home.root()) {
        Ok(inside) => inside.display().to_string(),
        // Where a link leads is nothing that a caller is told.
        Err(_) => "what routing/fleet.yml leads to".to_owned(),
    }
}

#[cfg(all(test, unix))]
mod tests {
    use super::*;
    use std::fs::{Permissions, create_dir_all, set_permissions, write};
    use std::os::unix::fs::PermissionsExt;

    fn home() -> (tempfile::TempDir, Home) {
        let folder = tempfile::tempdir().unwrap();
        let home = Home::resolve(Some(folder.path())).unwrap();
        create_dir_all(home.fleet().parent().unwrap()).unwrap();
        create_dir_all(home.root().join("gateway")).unwrap();
        write(home.fleet(), "version: 1\n").unwrap();
        for (path, mode) in
            [(home.root().to_owned(), 0o700), (home.root().join("routing"), 0o755), (home.fleet(), 0o644)]
        {
            set_permissions(path, Permissions::from_mode(mode)).unwrap();
        }
        (folder, home)
    }

    #[test]
    fn a_file_that_others_may_write_or_replace_is_refused() {
        let (_folder, home) = home();
        assert_eq!(only_its_owner_writes(&home).map_err(|error| error.to_string()), Ok(()));
        for (path, mode, usual, what) in [
            (home.fleet(), 0o664, 0o644, "fleet.yml"),
            (home.fleet(), 0o646, 0o644, "mode 646"),
            (home.root().join("routing"), 0o775, 0o755, "routing"),
            (home.root().to_owned(), 0o777, 0o700, "the home"),
        ] {
            set_permissions(&path, Permissions::from_mode(mode)).unwrap();
            let error = only_its_owner_writes(&home).unwrap_err().to_string();
            assert!(error.contains(what), "{error}");
            set_permissions(&path, Permissions::from_mode(usual)).unwrap();
        }
    }

    #[test]
    fn a_link_to_a_file_that_others_may_write_is_refused_without_its_path() {
        let (_folder, home) = home();
        let other = tempfile::tempdir().unwrap();
        set_permissions(other.path(), Permissions::from_mode(0o777)).unwrap();
        let real = other.path().join("fleet.yml");
        write(&real, "version: 1\n").unwrap();
        std::fs::remove_file(home.fleet()).unwrap();
        std::os::unix::fs::symlink(&real, home.fleet()).unwrap();
        let error = only_its_owner_writes(&home).unwrap_err().to_string();
        assert!(error.contains("leads to") && !error.contains(&*other.path().to_string_lossy()), "{error}");
    }

    #[test]
    fn one_command_of_a_provider_is_allowed_and_a_damaged_file_allows_none() {
        let (_folder, home) = home();
        assert!(!is_allowed(&home, "azure", "a"));
        allow(&home, "azure", "a").unwrap();
        allow(&home, "vertex", "b").unwrap();
        assert!(is_allowed(&home, "azure", "a") && is_allowed(&home, "vertex", "b"));
        assert!(!is_allowed(&home, "vertex", "a"));
        allow(&home, "azure", "c").unwrap();
        assert!(is_allowed(&home, "azure", "c") && !is_allowed(&home, "azure", "a"));
        for text in ["", "{}", "{\"version\": 2, \"allowed\": {\"azure\": \"c\"}}", "[]"] {
            write(home.key_commands(), text).unwrap();
            assert!(!is_allowed(&home, "azure", "c"), "{text}");
            assert!(allow(&home, "azure", "c").is_err(), "what is not understood is not overwritten: {text}");
        }
    }
}
