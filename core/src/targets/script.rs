//! The state of a command line that is being read: how deep it stands in others, and in which folders it may run.

use super::path::is_absolute;

/// The most folders that a command may run in, after all the `cd` before it.
const FOLDERS_LIMIT: usize = 8;

/// Stand-in for the name of a folder that is not known.
const UNKNOWN_FOLDER: &str = "$";

/// Whether a path leads over a folder that is not known.
pub(super) fn is_over_unknown(path: &str) -> bool {
    path.split('/').any(|part| part == UNKNOWN_FOLDER)
}

/// State of the scripts that are being read, the outer ones included.
#[derive(Clone, Debug, Default)]
pub(super) struct ScriptState {
    /// Number of scripts that the present one stands in.
    pub(super) depth: usize,
    /// Length of the present script. A word as long as that is all of it: reading it again would find nothing new.
    pub(super) length: usize,
    /// Whether something in them takes text for a script.
    pub(super) runs_text: bool,
    /// Whether that is a shell, or a program of their own.
    pub(super) runs_files: bool,
    /// Whether names of commands may mean something else here.
    pub(super) redefines: bool,
    /// The folders that a command may run in beside the one where the first did.
    folders: Vec<String>,
    /// Folders that it may run in if a `cd` failed that guards what follows.
    left: Vec<String>,
    /// Whether the folder where the first command ran is left for sure.
    has_left: bool,
}

impl ScriptState {
    /// The paths that one in a command may be, after all the `cd` before it.
    pub(super) fn resolve_all(&self, path: &str) -> Vec<String> {
        if is_absolute(path) { vec![path.to_owned()] } else { self.resolve(path) }
    }

    fn resolve(&self, path: &str) -> Vec<String> {
        let joined = self.folders.iter().map(|folder| format!("{folder}/{path}"));
        let plain = (!self.has_left).then(|| path.to_owned());
        plain.into_iter().chain(joined).collect()
    }

    /// Enters another folder; `None` is one that nobody can name. `is_sure`: the commands that follow run there or not
    /// at all.
    pub(super) fn enter(&mut self, folder: Option<&str>, is_sure: bool) {
        let folder = folder.unwrap_or(UNKNOWN_FOLDER);
        let mut entered = match is_absolute(folder) {
            true => vec![folder.to_owned()],
            false => self.resolve(folder),
        };
        if is_sure {
            let before = self.resolve("");
            self.left.extend(before);
            std::mem::swap(&mut self.folders, &mut entered);
            self.has_left = true;
        } else {
            self.folders.append(&mut entered);
        }
        self.bound();
    }

    /// A command that nothing guards follows: every folder before counts again.
    pub(super) fn unguard(&mut self) {
        self.folders.append(&mut self.left);
        self.has_left = false;
        self.bound();
    }

    fn bound(&mut self) {
        for folders in [&mut self.folders, &mut self.left] {
            folders.sort_unstable();
            folders.dedup();
            if folders.len() > FOLDERS_LIMIT {
                folders.truncate(FOLDERS_LIMIT);
                folders.push(UNKNOWN_FOLDER.to_owned());
            }
        }
    }
}
