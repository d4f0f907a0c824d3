//! Reads the files of all canons from the disk, within bounds and within the home.
//!
//! Names are compared in NFC, and a file is found by listing its folder: so a name that one system
//! stores decomposed, or compares without regard to case, is the same file or missing everywhere.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use unicode_normalization::{UnicodeNormalization, is_nfc};

use super::manifest::{self, Manifest};
use super::{Finding, MANIFEST};
use crate::files::{self, FileRead};
use crate::home::Home;
use crate::problem::Problem;

/// Bounds of depth and number for listing `brain/`. Files beyond can be named in the manifest all the same.
const DEPTH_MAX: usize = 8;
const LISTED_MAX: usize = 4096;

/// Everything that canons are built from, as it was read at one moment.
pub(crate) struct CanonFiles {
    /// The raw manifest.
    pub(crate) raw_manifest: FileRead,
    /// The manifest; absent where it is broken. Without a file it is an empty one.
    pub(crate) manifest: Option<Manifest>,
    /// Findings about the manifest.
    pub(crate) manifest_findings: Vec<Finding>,
    /// The listed files and the rooms' own prose, by path in NFC.
    pub(crate) layers: BTreeMap<String, FileRead>,
    /// All Markdown files below `brain/`, by path in NFC.
    pub(crate) present: BTreeSet<String>,
}

impl CanonFiles {
    /// Reads all of them. `overlays` are the rooms' own prose, which was read already.
    pub(crate) fn read(home: &Home, overlays: BTreeMap<String, FileRead>) -> Self {
        let raw_manifest = files::read(home, &home.root().join(MANIFEST));
        let (manifest, manifest_findings) = match &raw_manifest {
            FileRead::Absent => (Some(Manifest::default()), Vec::new()),
            FileRead::Bytes(bytes) => manifest::parse(bytes),
            FileRead::Failed(problem) | FileRead::Unread(problem) => {
                (None, vec![Finding::new(super::Lint::Manifest, problem.clone())])
            }
        };
        let mut layers = overlays;
        for (path, read) in &mut layers {
            if let Some(outside) = leads_out(home, path, &home.root().join(path)) {
                *read = outside;
            }
        }
        for entry in manifest.iter().flat_map(|manifest| &manifest.entries) {
            if !layers.contains_key(&entry.path) {
                layers.insert(entry.path.clone(), read_inside(home, &entry.path));
            }
        }
        Self { raw_manifest, manifest, manifest_findings, layers, present: markdown_below(home) }
    }
}

/// The folders whose files matter to canons: `brain/` and all below it.
pub(crate) fn folders(home: &Home) -> Vec<PathBuf> {
    let mut folders = vec![home.brain()];
    let mut next = 0;
    while next < folders.len() && folders.len() < LISTED_MAX {
        let depth = folders[next].components().count() - home.root().components().count();
        if let Ok(entries) = fs::read_dir(&folders[next])
            && depth < DEPTH_MAX
        {
            let below = entries.flatten().map(|entry| entry.path()).filter(|path| path.is_dir());
            folders.extend(below);
        }
        next += 1;
    }
    folders
}

/// Reads a file below the home, if that is where it really is.
fn read_inside(home: &Home, path: &str) -> FileRead {
    match find(home, path) {
        Some(found) => leads_out(home, path, &found).unwrap_or_else(|| files::read(home, &found)),
        None => FileRead::Absent,
    }
}

/// Problem of a file that a link leads out of the home to.
fn leads_out(home: &Home, path: &str, found: &Path) -> Option<FileRead> {
    let (Ok(real), Ok(root)) = (fs::canonicalize(found), fs::canonicalize(home.root())) else { return None };
    let fix = "copy the file into the home; a canon is made of files that lie in it";
    let problem = || Problem::error(path, "this is a link that leads out of the home", fix);
    (!real.starts_with(root)).then(|| FileRead::Failed(problem()))
}

/// The file with this name in NFC, as the disk spells it.
fn find(home: &Home, path: &str) -> Option<PathBuf> {
    let mut found = home.root().to_path_buf();
    for part in path.split('/') {
        let names = fs::read_dir(&found).ok()?.flatten().map(|entry| entry.file_name());
        // Two spellings of one name may lie side by side: the smaller one is taken, whatever the order.
        let name = names.filter(|name| name.to_str().is_some_and(|name| is_same(name, part))).min()?;
        found.push(name);
    }
    Some(found)
}

fn is_same(name: &str, wanted: &str) -> bool {
    name == wanted || (!is_nfc(name) && name.nfc().eq(wanted.chars()))
}

fn markdown_below(home: &Home) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    for folder in folders(home) {
        let Ok(entries) = fs::read_dir(&folder) else { continue };
        for entry in entries.flatten() {
            let name = entry.file_name();
            let Some(name) = name.to_str().filter(|name| name.ends_with(".md") && !name.starts_with('.'))
            else {
                continue;
            };
            if found.len() < LISTED_MAX && !entry.path().is_dir() {
                found.insert(home.relative(&folder.join(name)).nfc().collect());
            }
        }
    }
    found
}

/// The lines of a text as canons hold them: NFC, no carriage returns, no blanks at the end of a line.
pub(crate) fn normalise_lines(text: &str) -> Vec<String> {
    let text =
        if text.contains('\r') { text.replace("\r\n", "\n").replace('\r', "\n") } else { text.to_owned() };
    let text = if is_nfc(&text) { text } else { text.nfc().collect() };
    text.split('\n').map(|line| line.trim_end_matches([' ', '\t']).to_owned()).collect()
}
