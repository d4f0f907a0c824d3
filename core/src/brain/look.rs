//! One look at a home: everything is listed and read before anything is judged.
//!
//! A file that is missing for a moment, because an editor removes it before it writes the new one,
//! is thereby noticed before its absence has any effect: see [`Look::present`].

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io::ErrorKind;

use sha2::{Digest, Sha256};

use super::packs::PackFolder;
use crate::canon::{CanonFiles, overlay_of};
use crate::context::ContextName;
use crate::files::{self, ContentDigest, FileRead};
use crate::home::Home;
use crate::problem::Problem;

/// All files of a home that this crate reads.
pub(super) struct Look {
    pub(super) state: FileRead,
    pub(super) fleet: FileRead,
    pub(super) contexts: ContextsFolder,
    /// Files that canons are built from.
    pub(super) canon: CanonFiles,
    /// The person's own detector packs.
    pub(super) packs: PackFolder,
}

/// The folder `contexts/`.
#[derive(Default)]
pub(super) struct ContextsFolder {
    pub(super) configs: BTreeMap<ContextName, FileRead>,
    /// Prose overlays of the configs.
    pub(super) proses: BTreeMap<ContextName, FileRead>,
    /// Problems of files that belong to no room.
    pub(super) stray: Vec<Problem>,
    /// The folder could not be listed, so nothing is known about what it holds.
    pub(super) failed: bool,
    /// Whether it could not be listed for a reason that passes by itself.
    is_unread: bool,
}

impl Look {
    /// Looks at everything.
    pub(super) fn take(home: &Home) -> Self {
        let contexts = ContextsFolder::read(home);
        let overlays = contexts.proses.iter().map(|(name, read)| (overlay_of(name), read.clone())).collect();
        Self {
            state: files::read(home, &home.state()),
            fleet: files::read(home, &home.fleet()),
            canon: CanonFiles::read(home, overlays),
            contexts,
            packs: PackFolder::read(home),
        }
    }

    /// Files that could not be read for a reason that passes by itself. No event tells when, so they have to be looked at
    /// again.
    pub(super) fn unread(&self) -> Vec<Problem> {
        let single = [&self.state, &self.fleet, &self.canon.raw_manifest];
        let many = self.contexts.configs.values().chain(self.contexts.proses.values());
        let files = many.chain(self.canon.layers.values()).chain(self.packs.files.values());
        let files = single.into_iter().chain(files).filter_map(|read| match read {
            FileRead::Unread(problem) => Some(problem),
            _ => None,
        });
        let folders =
            [(self.contexts.is_unread, &self.contexts.stray), (self.packs.is_unread, &self.packs.stray)];
        let folders = folders.into_iter().filter(|(is_unread, _)| *is_unread).flat_map(|(_, stray)| stray);
        files.chain(folders).cloned().collect()
    }

    /// The files that are there. What governs depends on the absence of any of them: without a
    /// config there is no room, without a fleet the built-in one serves, without a state another
    /// room may be the one that governs, without a layer a canon says less.
    pub(super) fn present(&self) -> BTreeSet<String> {
        let single = [("state", &self.state), ("fleet", &self.fleet), ("manifest", &self.canon.raw_manifest)];
        let single = single.into_iter().filter(|(_, read)| !matches!(read, FileRead::Absent));
        let configs = self.contexts.configs.keys().map(|name| format!("context {name}"));
        let layers = self.canon.layers.iter().filter(|(_, read)| !matches!(read, FileRead::Absent));
        let layers = layers.map(|(path, _)| format!("layer {path}"));
        let packs = self.packs.files.keys().map(|name| format!("pack {name}"));
        single.map(|(name, _)| name.to_owned()).chain(configs).chain(layers).chain(packs).collect()
    }

    /// Digest of everything that was seen.
    pub(super) fn fingerprint(&self) -> ContentDigest {
        let mut hasher = Sha256::new();
        note(&mut hasher, "state", &self.state);
        note(&mut hasher, "fleet", &self.fleet);
        for (name, read) in &self.contexts.configs {
            note(&mut hasher, &format!("{name}.yml"), read);
        }
        note(&mut hasher, "manifest", &self.canon.raw_manifest);
        for (path, read) in &self.canon.layers {
            note(&mut hasher, path, read);
        }
        for path in &self.canon.present {
            note(&mut hasher, path, &FileRead::Absent);
        }
        for (name, read) in &self.packs.files {
            note(&mut hasher, &format!("rules/{name}.yml"), read);
        }
        for problem in self.contexts.stray.iter().chain(&self.packs.stray) {
            hasher.update(problem.to_string().as_bytes());
        }
        hasher.finalize().into()
    }
}

impl ContextsFolder {
    fn read(home: &Home) -> Self {
        let listing = list(home);
        let folder = home.contexts();
        let read = |name: &ContextName, extension: &str| {
            files::read(home, &folder.join(format!("{name}.{extension}")))
        };
        // A file that is gone since the folder was listed is as good as never listed.
        let is_there = |read: &FileRead| !matches!(read, FileRead::Absent);
        let configs: BTreeMap<_, _> = listing
            .configs
            .into_iter()
            .map(|name| (name.clone(), read(&name, "yml")))
            .filter(|(_, read)| is_there(read))
            .collect();
        let mut stray = listing.stray;
        let mut proses = BTreeMap::new();
        for name in listing.proses {
            if configs.contains_key(&name) {
                let prose = read(&name, "md");
                proses.insert(name, prose);
            } else {
                let message = format!("this prose belongs to no context: there is no {name}.yml");
                let fix = format!("add contexts/{name}.yml, or remove this file");
                stray.push(Problem::warning(format!("contexts/{name}.md"), message, fix));
            }
        }
        Self { configs, proses, stray, failed: listing.failed, is_unread: listing.is_unread }
    }

    /// Whether there is no sign of a context at all. A file that is not read for its name is one:
    /// its owner believes that it governs.
    pub(super) fn is_empty(&self) -> bool {
        !self.failed && self.configs.is_empty() && !self.stray.iter().any(Problem::is_error)
    }
}

/// The files of the folder by what they are. What is hidden, or an editor's leftover, is passed over.
#[derive(Default)]
struct Listing {
    configs: BTreeSet<ContextName>,
    proses: BTreeSet<ContextName>,
    stray: Vec<Problem>,
    failed: bool,
    is_unread: bool,
}

fn list(home: &Home) -> Listing {
    let mut listing = Listing::default();
    let folder = home.contexts();
    let entries = match fs::read_dir(&folder) {
        Ok(entries) => entries,
        Err(error) if error.kind() == ErrorKind::NotFound => return listing,
        Err(error) => {
            let relative = home.relative(&folder);
            listing.stray.push(match error.kind() {
                ErrorKind::NotADirectory => Problem::error(
                    relative,
                    "`contexts` must be a folder",
                    "move the file away and make a folder",
                ),
                _ => files::unreadable(relative, &error),
            });
            listing.failed = true;
            listing.is_unread = files::is_passing(&error);
            return listing;
        }
    };
    let mut names: Vec<String> = Vec::new();
    for entry in entries {
        match entry {
            Ok(entry) => names.push(entry.file_name().to_string_lossy().into_owned()),
            Err(error) => {
                listing.stray.push(files::unreadable(home.relative(&folder), &error));
                listing.failed = true;
                listing.is_unread |= files::is_passing(&error);
            }
        }
    }
    names.sort();
    for name in names {
        listing.sort_in(&name);
    }
    listing
}

impl Listing {
    fn sort_in(&mut self, file_name: &str) {
        if file_name.starts_with('.') || file_name.ends_with('~') || file_name.starts_with('#') {
            return;
        }
        let path = format!("contexts/{file_name}");
        let Some((stem, extension)) = file_name.rsplit_once('.') else { return };
        match (extension, extension.to_ascii_lowercase().as_str()) {
            ("yml", _) | ("md", _) => match stem.parse::<ContextName>() {
                Ok(name) if extension == "yml" => {
                    self.configs.insert(name);
                }
                Ok(name) => {
                    self.proses.insert(name);
                }
                Err(error) if extension == "yml" => {
                    let fix = match ContextName::suggest(stem) {
                        Some(name) => format!("rename it to {name}.yml"),
                        None => "rename it to for example acme.yml".to_owned(),
                    };
                    let message = format!("the file is not read: {error}");
                    self.stray.push(Problem::error(path, message, fix));
                }
                Err(_) => {
                    let message = "this prose belongs to no context: its name is not a context's";
                    self.stray.push(Problem::warning(path, message, "name it like its .yml, or remove it"));
                }
            },
            (_, "yaml" | "yml") => {
                let name = ContextName::suggest(stem).map_or_else(|| "NAME".to_owned(), String::from);
                let message =
                    format!("the file is not read: a context's file ends in .yml, not .{extension}");
                self.stray.push(Problem::error(path, message, format!("rename it to {name}.yml")));
            }
            _ => {}
        }
    }
}

/// Adds what was read of one file to the fingerprint.
fn note(hasher: &mut Sha256, file: &str, read: &FileRead) {
    hasher.update((file.len() as u64).to_le_bytes());
    hasher.update(file.as_bytes());
    match read {
        FileRead::Absent => hasher.update([0]),
        FileRead::Bytes(bytes) => {
            hasher.update([1]);
            hasher.update(files::digest(bytes));
        }
        FileRead::Failed(problem) | FileRead::Unread(problem) => {
            hasher.update([2]);
            hasher.update(problem.message.as_bytes());
        }
    }
}
