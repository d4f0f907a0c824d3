//! The packs that the folder `rules/` holds, and the last good version of each.

use std::collections::BTreeMap;
use std::fs;
use std::io::ErrorKind;
use std::sync::Arc;

use crate::files::{self, ContentDigest, FileRead};
use crate::home::Home;
use crate::problem::Problem;
use crate::rules::{HOME_PATTERNS_MAX_BYTES, Packs, no_room, parse_pack};
use zos_rules::Pack;

/// The folder `rules/` as it was seen.
#[derive(Default)]
pub(super) struct PackFolder {
    pub(super) files: BTreeMap<String, FileRead>,
    /// Problems of the folder itself, and of names in it.
    pub(super) stray: Vec<Problem>,
    /// The folder could not be listed, so nothing is known about what it holds.
    failed: bool,
    /// Whether it could not be listed for a reason that passes by itself.
    pub(super) is_unread: bool,
}

impl PackFolder {
    pub(super) fn read(home: &Home) -> Self {
        let folder = home.rules();
        let entries = match fs::read_dir(&folder) {
            Ok(entries) => entries,
            Err(error) if error.kind() == ErrorKind::NotFound => return Self::default(),
            Err(error) => {
                let problem = files::unreadable(home.relative(&folder), &error);
                let is_unread = files::is_passing(&error);
                return Self { stray: vec![problem], failed: true, is_unread, ..Self::default() };
            }
        };
        let mut seen = Self::default();
        let mut names: Vec<String> =
            entries.flatten().map(|entry| entry.file_name().to_string_lossy().into_owned()).collect();
        names.sort();
        for file_name in names.iter().filter(|name| !name.starts_with('.')) {
            match file_name.rsplit_once('.') {
                Some((name, "yml")) => {
                    let read = files::read(home, &folder.join(file_name));
                    if !matches!(read, FileRead::Absent) {
                        seen.files.insert(name.to_owned(), read);
                    }
                }
                Some((name, "yaml")) => {
                    let message = "the file is not read: a pack's file ends in .yml, not .yaml";
                    let fix = format!("rename it to {name}.yml");
                    seen.stray.push(Problem::error(format!("rules/{file_name}"), message, fix));
                }
                _ => {}
            }
        }
        seen
    }
}

/// All packs of the folder, with what is remembered of each.
#[derive(Default)]
pub(super) struct OwnPacks {
    kept: BTreeMap<String, Kept>,
    stray: Vec<Problem>,
    packs: Packs,
}

/// One pack: the last good version, and what is wrong with the present one.
#[derive(Default)]
struct Kept {
    good: Option<Pack>,
    /// Memory that its patterns take.
    patterns_bytes: usize,
    /// The bytes that `good` was made of.
    bytes: Option<Arc<[u8]>>,
    /// Digest of the file as it was last read; absent where it could not be read.
    read: Option<ContentDigest>,
    problems: Vec<Problem>,
}

impl OwnPacks {
    /// Takes over what the folder holds now. Returns whether a pack came, went or changed.
    pub(super) fn update(&mut self, folder: PackFolder) -> bool {
        self.stray = folder.stray;
        if folder.failed {
            return false;
        }
        self.kept.retain(|name, _| folder.files.contains_key(name));
        for (name, file) in folder.files {
            let others = self.kept.iter().filter(|(other, _)| **other != name);
            let taken: usize = others.map(|(_, kept)| kept.patterns_bytes).sum();
            let left = HOME_PATTERNS_MAX_BYTES.saturating_sub(taken);
            self.kept.entry(name.clone()).or_default().take(&name, file, left);
        }
        let good = self.kept.iter().filter_map(|(name, kept)| Some((name.clone(), kept.good.clone()?)));
        let packs = Packs::with(good.collect());
        let changed = packs != self.packs;
        self.packs = packs;
        changed
    }

    /// Memory that the patterns of all packs take.
    pub(super) fn patterns_bytes(&self) -> usize {
        self.kept.values().map(|kept| kept.patterns_bytes).sum()
    }

    /// The packs that govern.
    pub(super) fn packs(&self) -> &Packs {
        &self.packs
    }

    /// The bytes of the packs that govern, by their path in the home.
    pub(super) fn sources(&self) -> impl Iterator<Item = (String, Arc<[u8]>)> + '_ {
        self.kept.iter().filter_map(|(name, kept)| Some((format!("rules/{name}.yml"), kept.bytes.clone()?)))
    }

    /// Problems of the files.
    pub(super) fn problems(&self) -> impl Iterator<Item = Problem> {
        self.stray.iter().chain(self.kept.values().flat_map(|kept| &kept.problems)).cloned()
    }
}

impl Kept {
    fn take(&mut self, name: &str, file: FileRead, left_bytes: usize) {
        match file {
            FileRead::Absent => {}
            FileRead::Failed(problem) | FileRead::Unread(problem) => {
                self.read = None;
                self.problems = vec![problem];
            }
            FileRead::Bytes(bytes) => {
                let digest = files::digest(&bytes);
                if self.read != Some(digest) {
                    let mut parsed = parse_pack(name, &bytes);
                    if parsed.pack.is_some() && parsed.patterns_bytes > left_bytes {
                        parsed.pack = None;
                        parsed.problems.push(no_room(format!("rules/{name}.yml")));
                    }
                    self.read = Some(digest);
                    self.problems = parsed.problems;
                    if let Some(pack) = parsed.pack {
                        self.good = Some(pack);
                        self.patterns_bytes = parsed.patterns_bytes;
                        self.bytes = Some(bytes.into());
                    }
                }
            }
        }
    }
}
