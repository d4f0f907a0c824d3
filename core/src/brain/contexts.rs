//! The rooms that the folder `contexts/` holds, and the last good version of each.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::look::ContextsFolder;
use super::packs::OwnPacks;
use super::snapshot::ContextState;
use crate::context::{Context, ContextName, parse_context_with};
use crate::files::{self, ContentDigest, FileRead};
use crate::problem::Problem;
use crate::rules::{HOME_PATTERNS_MAX_BYTES, Packs, no_room};

/// All rooms of the folder, with what is remembered of each.
#[derive(Default)]
pub(super) struct Rooms {
    rooms: BTreeMap<ContextName, LoadedRoom>,
    /// Problems of files that belong to no room.
    pub(super) stray: Vec<Problem>,
    /// Whether the folder holds no file that is, or is meant to be, a context.
    pub(super) none_at_all: bool,
    /// Version of the rules; grows whenever they must be compiled again.
    pub(super) rules_version: u64,
}

/// One room: the last good version, and what is wrong with the present one.
#[derive(Default)]
struct LoadedRoom {
    good: Option<Arc<Context>>,
    /// The bytes of the config and of the prose that govern.
    config: Option<Arc<[u8]>>,
    overlay: Option<Arc<[u8]>>,
    /// Digest of the config as it was last read; absent where it could not be read.
    read: Option<ContentDigest>,
    stale: bool,
    /// Memory that the patterns of `good` take.
    patterns_bytes: usize,
    problems: Vec<Problem>,
    prose_problem: Option<Problem>,
}

impl Rooms {
    /// Takes over what the folder holds now. A change of the packs that rooms can name is a change of
    /// every room.
    pub(super) fn update(&mut self, folder: ContextsFolder, packs: &OwnPacks, packs_changed: bool) {
        if packs_changed {
            self.rooms.values_mut().for_each(|room| room.read = None);
        }
        self.none_at_all = folder.is_empty();
        self.stray = folder.stray;
        // Where the folder cannot be listed, all rooms stay as they are.
        if !folder.failed {
            let before = self.rooms.len();
            self.rooms.retain(|name, _| folder.configs.contains_key(name));
            self.rules_version += u64::from(self.rooms.len() != before);
        }
        // A room that comes counts even if it is broken: the numbers of others may change.
        let is_new = |name: &ContextName| !self.rooms.contains_key(name);
        self.rules_version += u64::from(folder.configs.keys().any(is_new));
        let mut proses = folder.proses;
        for (name, config) in folder.configs {
            let others = self.rooms.iter().filter(|(other, _)| **other != name);
            let taken: usize = others.map(|(_, room)| room.patterns_bytes).sum();
            let left = HOME_PATTERNS_MAX_BYTES.saturating_sub(taken + packs.patterns_bytes());
            let room = self.rooms.entry(name.clone()).or_default();
            self.rules_version += u64::from(room.take_config(&name, config, packs.packs(), left));
            room.take_prose(&name, proses.remove(&name).unwrap_or(FileRead::Absent));
        }
    }

    /// The contexts that govern, by name.
    pub(super) fn governing(&self) -> BTreeMap<ContextName, Arc<Context>> {
        self.rooms
            .iter()
            .filter_map(|(name, room)| Some((name.clone(), Arc::clone(room.good.as_ref()?))))
            .collect()
    }

    /// The bytes of the files that govern, by their path in the home.
    pub(super) fn sources(&self) -> impl Iterator<Item = (String, Arc<[u8]>)> + '_ {
        self.rooms.iter().filter(|(_, room)| room.good.is_some()).flat_map(|(name, room)| {
            let config = room.config.clone().map(|bytes| (format!("contexts/{name}.yml"), bytes));
            let overlay = room.overlay.clone().map(|bytes| (format!("contexts/{name}.md"), bytes));
            config.into_iter().chain(overlay)
        })
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

impl LoadedRoom {
    /// Takes over the config as read, whose patterns may take what is left of the memory. Returns whether the
    /// rules changed.
    fn take_config(
        &mut self,
        name: &ContextName,
        config: FileRead,
        packs: &Packs,
        left_bytes: usize,
    ) -> bool {
        let bytes = match config {
            FileRead::Bytes(bytes) => bytes,
            FileRead::Failed(problem) | FileRead::Unread(problem) => {
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
        let mut parsed = parse_context_with(name, &bytes, packs);
        self.read = Some(digest);
        if parsed.context.is_some() && parsed.patterns_bytes > left_bytes {
            parsed.context = None;
            parsed.problems.push(no_room(format!("contexts/{name}.yml")));
        }
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
        self.patterns_bytes = parsed.patterns_bytes;
        self.config = Some(bytes.into());
        self.stale = false;
        changed
    }

    /// Takes over the prose as read; a broken one leaves the last good one.
    fn take_prose(&mut self, name: &ContextName, prose: FileRead) {
        let file = format!("contexts/{name}.md");
        self.prose_problem = None;
        let text = match prose {
            FileRead::Absent => {
                self.overlay = None;
                None
            }
            FileRead::Bytes(bytes) => match crate::yaml::decode(&file, &bytes) {
                Ok(text) => {
                    let text = text.to_owned();
                    self.overlay = Some(bytes.into());
                    Some(text)
                }
                Err(problem) => {
                    self.prose_problem = Some(*problem);
                    return;
                }
            },
            FileRead::Failed(problem) | FileRead::Unread(problem) => {
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
                    "fix the file first, or do not use other rooms for its secrets until then",
                ));
                ContextState::Broken { problems }
            }
        }
    }
}
