//! The token of the admin API: made once, kept in a file that only its owner may read.

use std::path::{Path, PathBuf};

use crate::files::{self, FileError};
use crate::secret::Secret;

/// Prefix of a new token, so that secret scanners and people know it. Homes that were made before
/// it existed have a token without it, which goes on to work.
pub const PREFIX: &str = "zos_admin_";

/// The shortest token that counts as one, in characters: 128 bits in base64.
const SHORTEST: usize = 22;

/// Why there is no usable token.
#[derive(Debug, thiserror::Error)]
pub enum TokenError {
    /// The file cannot be read or written, or others may read it.
    #[error(transparent)]
    File(#[from] FileError),
    /// The file holds something that is too short to be a token.
    #[error("{} holds no token of at least {SHORTEST} characters; remove it, and a new one is made", .path.display())]
    Short {
        /// The file.
        path: PathBuf,
    },
    /// The system gave no random bytes.
    #[error("the system gave no random bytes: {0}")]
    Random(#[from] getrandom::Error),
}

/// The token in the file at `path`; where there is none, a new one of 256 random bits.
///
/// # Errors
/// When the file may be read by others, holds no token, or cannot be read or made.
pub fn admin_token(path: &Path) -> Result<Secret, TokenError> {
    if let Some(token) = read(path)? {
        return Ok(token);
    }
    let token = Secret::random(PREFIX)?;
    if files::create_private(path, token.expose().as_bytes())? {
        return Ok(token);
    }
    // Another process was faster; its token counts.
    read(path)?.ok_or_else(|| TokenError::Short { path: path.to_owned() })
}

fn read(path: &Path) -> Result<Option<Secret>, TokenError> {
    match files::read_private(path)? {
        None => Ok(None),
        Some(text) if text.trim().len() < SHORTEST => Err(TokenError::Short { path: path.to_owned() }),
        Some(text) => Ok(Some(Secret::from(text.trim()))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    #[test]
    fn it_is_made_once_and_read_from_then_on() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("admin.token");
        let token = admin_token(&path).unwrap();
        assert_eq!(token.expose().strip_prefix(PREFIX).unwrap().len(), 43);
        assert_eq!(admin_token(&path).unwrap().expose(), token.expose());
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1);
    }

    #[test]
    fn all_who_ask_at_once_get_the_same() {
        let dir = tempfile::tempdir().unwrap();
        let path = &dir.path().join("admin.token");
        let tokens = std::thread::scope(|scope| {
            let asking: Vec<_> = (0..8).map(|_| scope.spawn(move || admin_token(path).unwrap())).collect();
            asking.into_iter().map(|one| one.join().unwrap().expose().clone()).collect::<Vec<_>>()
        });
        assert!(tokens.iter().all(|token| *token == tokens[0]), "{}", tokens.len());
    }

    #[test]
    fn a_token_of_an_older_home_goes_on_to_work() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("admin.token");
        let old = "a".repeat(43);
        assert!(files::create_private(&path, old.as_bytes()).unwrap());
        assert_eq!(*admin_token(&path).unwrap().expose(), old);
    }

    #[test]
    fn an_empty_file_is_no_token() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("admin.token");
        assert!(files::create_private(&path, b"\n").unwrap());
        let error = admin_token(&path).unwrap_err().to_string();
        assert!(error.contains("remove it, and a new one is made"), "{error}");
    }

    #[cfg(unix)]
    #[test]
    fn a_file_that_others_may_read_is_refused() {
        use std::os::unix::fs::PermissionsExt;
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("admin.token");
        admin_token(&path).unwrap();
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        for mode in [0o644, 0o640, 0o604, 0o660] {
            fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
            let error = admin_token(&path).unwrap_err().to_string();
            assert!(error.contains("may be read by other users"), "{error}");
            assert!(error.contains("chmod 600"), "{error}");
        }
    }
}
