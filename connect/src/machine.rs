//! The computer as a connector sees it: the person's home, the environment, and which programs can be run.
//!
//! It is given as values, so that a test can make one up and a run can be told apart from the person who runs it.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// Kind of operating system, as far as places of files depend on it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum System {
    /// Linux and its like.
    Linux,
    /// macOS.
    Mac,
    /// Windows.
    Windows,
}

/// The computer.
#[derive(Debug, Clone)]
pub struct Machine {
    /// The person's home.
    pub home: PathBuf,
    /// Variables of the environment.
    pub environment: BTreeMap<String, String>,
    /// The system.
    pub system: System,
}

impl Machine {
    /// This computer, or nothing where no home can be told.
    pub fn here() -> Option<Self> {
        let environment: BTreeMap<String, String> = std::env::vars_os()
            .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
            .collect();
        let system = match std::env::consts::OS {
            "macos" => System::Mac,
            "windows" => System::Windows,
            _ => System::Linux,
        };
        let name = if system == System::Windows { "USERPROFILE" } else { "HOME" };
        let home = PathBuf::from(environment.get(name)?);
        home.is_absolute().then_some(Machine { home, environment, system })
    }

    /// A variable that is set to something.
    pub fn variable(&self, name: &str) -> Option<&str> {
        self.environment.get(name).map(String::as_str).filter(|value| !value.is_empty())
    }

    /// A file or folder below the home.
    pub fn at(&self, path: &str) -> PathBuf {
        path.split('/').fold(self.home.clone(), |folder, part| folder.join(part))
    }

    /// The folder that a variable names, else one below the home.
    pub fn folder(&self, variable: &str, otherwise: &str) -> PathBuf {
        match self.variable(variable) {
            Some(folder) => match folder.strip_prefix("~/") {
                Some(below) => self.at(below),
                None => PathBuf::from(folder),
            },
            None => self.at(otherwise),
        }
    }

    /// A file or folder below the place where programs keep their settings.
    pub fn settings(&self, path: &str) -> PathBuf {
        let folder = match self.system {
            System::Linux => self.folder("XDG_CONFIG_HOME", ".config"),
            System::Mac => self.at("Library/Application Support"),
            System::Windows => self.folder("APPDATA", "AppData/Roaming"),
        };
        path.split('/').fold(folder, |folder, part| folder.join(part))
    }

    /// The place of a program on the search path.
    pub fn program(&self, name: &str) -> Option<PathBuf> {
        let endings: &[&str] = if self.system == System::Windows { &[".exe", ".cmd", ".bat"] } else { &[""] };
        let folders = std::env::split_paths(self.variable("PATH")?);
        let mut places = folders
            .flat_map(|folder| endings.iter().map(move |ending| folder.join(format!("{name}{ending}"))));
        places.find(|place| is_program(place))
    }
}

#[cfg(unix)]
fn is_program(path: &Path) -> bool {
    use std::os::unix::fs::PermissionsExt;
    path.metadata().is_ok_and(|metadata| metadata.is_file() && metadata.permissions().mode() & 0o111 != 0)
}

#[cfg(not(unix))]
fn is_program(path: &Path) -> bool {
    path.is_file()
}
