//! Places of the person's files. Nothing else in zOS hard-codes a path.

mod exposure;

use std::ffi::OsStr;
use std::path::{Component, Path, PathBuf};

/// The folder with everything a person owns (`ZOS_HOME`), as an absolute path. It need not exist.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Home {
    root: PathBuf,
}

/// Why the home is unknown.
#[derive(Debug, thiserror::Error)]
pub enum HomeError {
    /// Neither `--home` nor `ZOS_HOME` is given and the user has no home folder.
    #[error("no home folder is known; give --home DIR or set ZOS_HOME")]
    NoUserHome,
    /// A relative path could not be made absolute.
    #[error("the current folder is unknown, so a relative home cannot be used; give an absolute path")]
    NoCurrentDir(#[source] std::io::Error),
    /// `~name` names another user's home, which we do not look up.
    #[error("\"{0}\" names another user's home; write the path in full")]
    OtherUser(String),
}

impl Home {
    /// Resolves the home: `explicit` (from `--home`), else `$ZOS_HOME`, else `~/.zos`.
    ///
    /// # Errors
    /// If none of them can be made an absolute path.
    pub fn resolve(explicit: Option<&Path>) -> Result<Self, HomeError> {
        let variable = std::env::var_os("ZOS_HOME");
        Self::resolve_from(explicit, variable.as_deref(), std::env::home_dir().as_deref())
    }

    /// Finds the home as [`Home::resolve`], with the environment as arguments. Empty values count as absent.
    ///
    /// # Errors
    /// If none of them can be made an absolute path.
    pub fn resolve_from(
        explicit: Option<&Path>,
        variable: Option<&OsStr>,
        user_home: Option<&Path>,
    ) -> Result<Self, HomeError> {
        let user_home = user_home.filter(|path| !path.as_os_str().is_empty());
        let chosen = explicit
            .map(Path::to_path_buf)
            .or_else(|| variable.map(PathBuf::from))
            .filter(|path| !path.as_os_str().is_empty())
            .unwrap_or_else(|| PathBuf::from("~/.zos"));
        let expanded = expand(&chosen, user_home)?;
        let absolute = std::path::absolute(expanded).map_err(HomeError::NoCurrentDir)?;
        Ok(Self { root: absolute })
    }

    /// The home itself.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// `contexts/`: one `.yml` and one `.md` per context.
    pub fn contexts(&self) -> PathBuf {
        self.root.join("contexts")
    }

    /// `brain/`: the layers of the canon.
    pub fn brain(&self) -> PathBuf {
        self.root.join("brain")
    }

    /// `routing/fleet.yml`: providers and models.
    pub fn fleet(&self) -> PathBuf {
        self.root.join("routing").join("fleet.yml")
    }

    /// `rules/`: the person's own detector packs.
    pub fn rules(&self) -> PathBuf {
        self.root.join("rules")
    }

    /// `gateway/config.yml`: listener, auth, durability.
    pub fn gateway_config(&self) -> PathBuf {
        self.root.join("gateway").join("config.yml")
    }

    /// `gateway/audit/`: the log.
    pub fn audit_dir(&self) -> PathBuf {
        self.root.join("gateway").join("audit")
    }

    /// `gateway/state.db`: rooms of what providers keep.
    pub fn state_db(&self) -> PathBuf {
        self.root.join("gateway").join("state.db")
    }

    /// `gateway/usage.db`: usage and reservations.
    pub fn usage_db(&self) -> PathBuf {
        self.root.join("gateway").join("usage.db")
    }

    /// `state.json`: the active context and window state; not configuration.
    pub fn state(&self) -> PathBuf {
        self.root.join("state.json")
    }

    /// `gateway/keys.json`: hashes of the zOS keys that were given out, never the keys.
    pub fn keys(&self) -> PathBuf {
        self.root.join("gateway").join("keys.json")
    }

    /// `gateway/commands.json`: digests of the commands that the owner lets print keys.
    pub fn key_commands(&self) -> PathBuf {
        self.root.join("gateway").join("commands.json")
    }

    /// `gateway/admin.token`: the token of the headless admin API.
    pub fn admin_token(&self) -> PathBuf {
        self.root.join("gateway").join("admin.token")
    }

    /// `gateway/keys/`: private keys of a machine without a keychain, and the keys of hashed terms.
    pub fn private_keys(&self) -> PathBuf {
        self.root.join("gateway").join("keys")
    }

    /// `attest/`: signed statements about what governed, and the files that they cover.
    pub fn attest(&self) -> PathBuf {
        self.root.join("attest")
    }

    /// `logs/`: what the program itself says.
    pub fn logs(&self) -> PathBuf {
        self.root.join("logs")
    }

    /// `path` relative to the home with `/` between folders, as problems show it. A path outside
    /// the home is shown as it is.
    pub fn relative(&self, path: &Path) -> String {
        match path.strip_prefix(&self.root) {
            Ok(inside) => {
                let parts: Vec<_> =
                    inside.components().map(|part| part.as_os_str().to_string_lossy()).collect();
                parts.join("/")
            }
            Err(_) => path.display().to_string(),
        }
    }
}

/// Replaces a leading `~`, which a shell leaves alone in `--home=~/x` and in service files.
fn expand(path: &Path, user_home: Option<&Path>) -> Result<PathBuf, HomeError> {
    let mut components = path.components();
    let Some(Component::Normal(first)) = components.next() else { return Ok(path.to_path_buf()) };
    let first = first.to_string_lossy();
    if first == "~" {
        let home = user_home.ok_or(HomeError::NoUserHome)?;
        return Ok(home.join(components.as_path()));
    }
    // `~foo` in a shell is another user's home; a folder really called so is written `./~foo`.
    if first.starts_with('~') {
        return Err(HomeError::OtherUser(first.into_owned()));
    }
    Ok(path.to_path_buf())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn resolve(
        explicit: Option<&str>,
        variable: Option<&str>,
        user: Option<&str>,
    ) -> Result<PathBuf, HomeError> {
        Home::resolve_from(explicit.map(Path::new), variable.map(OsStr::new), user.map(Path::new))
            .map(|home| home.root().to_path_buf())
    }

    #[test]
    fn the_flag_wins_over_the_variable_and_the_variable_over_the_default() {
        assert_eq!(resolve(Some("/a"), Some("/b"), Some("/home/ann")).unwrap(), Path::new("/a"));
        assert_eq!(resolve(None, Some("/b"), Some("/home/ann")).unwrap(), Path::new("/b"));
        assert_eq!(resolve(None, None, Some("/home/ann")).unwrap(), Path::new("/home/ann/.zos"));
        assert_eq!(resolve(None, Some(""), Some("/home/ann")).unwrap(), Path::new("/home/ann/.zos"));
    }

    #[test]
    fn a_tilde_is_expanded_and_a_relative_path_made_absolute() {
        assert_eq!(resolve(Some("~"), None, Some("/home/ann")).unwrap(), Path::new("/home/ann"));
        assert_eq!(resolve(None, Some("~/x/y"), Some("/home/ann")).unwrap(), Path::new("/home/ann/x/y"));
        let here = std::env::current_dir().unwrap();
        assert_eq!(resolve(Some("x"), None, None).unwrap(), here.join("x"));
        assert_eq!(resolve(Some("./~x"), None, None).unwrap(), here.join("~x"));
    }

    #[test]
    fn what_cannot_be_resolved_says_so() {
        assert!(matches!(resolve(None, None, None), Err(HomeError::NoUserHome)));
        assert!(matches!(resolve(None, None, Some("")), Err(HomeError::NoUserHome)));
        assert!(matches!(resolve(Some("~bob/x"), None, Some("/home/ann")), Err(HomeError::OtherUser(_))));
    }

    #[test]
    fn problems_show_paths_relative_to_the_home() {
        let home = Home::resolve_from(Some(Path::new("/z")), None, None).unwrap();
        assert_eq!(home.relative(&home.fleet()), "routing/fleet.yml");
        assert_eq!(home.relative(Path::new("/elsewhere/x.yml")), "/elsewhere/x.yml");
    }
}
