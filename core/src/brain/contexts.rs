//! The folder `contexts/`: which rooms there are, and the last good version of each.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io::ErrorKind;
use std::path::Path;
use std::sync::Arc;

use super::files::{self, ContentDigest, FileRead};
use super::snapshot::ContextState;
use crate::context::{Context, ContextName, parse_context};
use crate::home::Home;
use crate::problem::Problem;

/// All rooms of the folder, with what is remembered of each.
#[derive(Default)]
pub(super) struct Rooms {
    rooms: BTreeMap<ContextName, Room>,
    /// What is wrong with files that belong to no room.
    pub(super) stray: Vec<Problem>,
    /// Whether the folder holds no file that is, or is meant to be, a context.
    pub(super) none_at_all: bool,
    /// Grows whenever the rules must be compiled anew.
    pub(super) rules_version: u64,
}

/// One room: the last good version, and what is wrong with the present one.
#[derive(Default)]
struct Room {
    good: Option<Arc<Context>>,
    /// Digest of the config as it was last read; absent where it could not be read.
    read: Option<ContentDigest>,
    stale: bool,
    problems: Vec<Problem>,
    prose_problem: Option<Problem>,
}

/// The files of one look at the folder.
#[derive(Default)]
pub(super) struct Listing {
    configs: BTreeSet<ContextName>,
    proses: BTreeSet<ContextName>,
    stray: Vec<Problem>,
    /// The folder could not be listed, so nothing is known about what it holds.
    failed: bool,
}

/// Looks at the folder. What is hidden, or an editor's leftover, is passed over.
pub(super) fn list(home: &Home) -> Listing {
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
            }
        }
    }
    names.sort();
    for name in names {
        listing.sort_in(&name);
    }
    let orphans: Vec<ContextName> = listing.proses.difference(&listing.configs).cloned().collect();
    for name in orphans {
        let message = format!("this prose belongs to no context: there is no {name}.yml");
        let mend = format!("add contexts/{name}.yml, or remove this file");
        listing.stray.push(Problem::warning(format!("contexts/{name}.md"), message, mend));
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
                    let mend = match ContextName::suggest(stem) {
                        Some(name) => format!("rename it to {name}.yml"),
                        None => "rename it to for example acme.yml".to_owned(),
                    };
                    let message = format!("the file is not read: {error}");
                    self.stray.push(Problem::error(path, message, mend));
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

    /// Whether there is no sign of a context at all. A file that is not read for its name is one:
    /// its owner believes that it governs.
    fn is_empty(&self) -> bool {
        !self.failed && self.configs.is_empty() && !self.stray.iter().any(Problem::is_error)
    }
}

impl Rooms {
    /// Takes over what the folder holds now. `read` reads one file of it.
    pub(super) fn update(&mut self, listing: Listing, mut read: impl FnMut(&Path) -> FileRead, home: &Home) {
        self.none_at_all = listing.is_empty();
        self.stray = listing.stray;
        // Where the folder cannot be listed, all rooms stay as they are.
        if !listing.failed {
            let before = self.rooms.len();
            self.rooms.retain(|name, _| listing.configs.contains(name));
            self.rules_version += u64::from(self.rooms.len() != before);
        }
        for name in listing.configs {
            let config = read(&home.contexts().join(format!("{name}.yml")));
            if matches!(config, FileRead::Absent) {
                // Gone since the folder was listed.
                self.rules_version += u64::from(self.rooms.remove(&name).is_some());
                continue;
            }
            let room = self.rooms.entry(name.clone()).or_default();
            self.rules_version += u64::from(room.take_config(&name, config));
            let prose = read(&home.contexts().join(format!("{name}.md")));
            room.take_prose(&name, prose);
        }
    }

    /// The contexts that govern, by name.
    pub(super) fn governing(&self) -> BTreeMap<ContextName, Arc<Context>> {
        self.rooms
            .iter()
            .filter_map(|(name, room)| Some((name.clone(), Arc::clone(room.good.as_ref()?))))
            .collect()
    }

    /// The place of each room among all, from 1, in the order of names.
    pub(super) fn numbers(&self) -> BTreeMap<ContextName, usize> {
        self.rooms.keys().cloned().zip(1..).collect()
    }

    /// The state of every room.
    pub(super) fn states(&self) -> BTreeMap<ContextName, ContextState> {
        self.rooms.iter().map(|(name, room)| (name.clone(), room.state(name))).collect()
    }
}

impl Room {
    /// Takes over the config as read. Returns whether the rules changed.
    fn take_config(&mut self, name: &ContextName, config: FileRead) -> bool {
        let bytes = match config {
            FileRead::Bytes(bytes) => bytes,
            FileRead::Failed(problem) => {
                self.read = None;
                self.stale = self.good.is_some();
                self.problems = vec![problem];
                return false;
            }
            FileRead::Absent => return false,
        };
        let digest = files::digest(&bytes);
        if self.read == Some(digest) {
            return false;
        }
        let parsed = parse_context(name, &bytes);
        self.read = Some(digest);
        self.problems = parsed.problems;
        let Some(mut context) = parsed.context else {
            self.stale = self.good.is_some();
            return false;
        };
        let before = self.good.take();
        context.prose = before.as_ref().and_then(|before| before.prose.clone());
        let changed = before.is_none_or(|before| {
            before.isolation != context.isolation
                || before.outbound_deny != context.outbound_deny
                || before.confidential != context.confidential
        });
        self.good = Some(Arc::new(context));
        self.stale = false;
        changed
    }

    /// Takes over the prose as read; a broken one leaves the last good one.
    fn take_prose(&mut self, name: &ContextName, prose: FileRead) {
        let file = format!("contexts/{name}.md");
        self.prose_problem = None;
        let text = match prose {
            FileRead::Absent => None,
            FileRead::Bytes(bytes) => match crate::yaml::decode(&file, &bytes) {
                Ok(text) => Some(text.to_owned()),
                Err(problem) => {
                    self.prose_problem = Some(*problem);
                    return;
                }
            },
            FileRead::Failed(problem) => {
                self.prose_problem = Some(problem);
                return;
            }
        };
        if let Some(good) = &mut self.good
            && good.prose != text
        {
            Arc::make_mut(good).prose = text;
        }
    }

    fn state(&self, name: &ContextName) -> ContextState {
        let mut problems = self.problems.clone();
        problems.extend(self.prose_problem.clone());
        match &self.good {
            Some(context) => ContextState::Live { context: Arc::clone(context), problems, stale: self.stale },
            None => {
                problems.push(Problem::error(
                    format!("contexts/{name}.yml"),
                    "this room never loaded: calls to it are refused, and what is confidential to it is unknown, \
                     so other rooms cannot keep it in",
                    "mend the file first, or do not use other rooms for its secrets until then",
                ));
                ContextState::Broken { problems }
            }
        }
    }
}
