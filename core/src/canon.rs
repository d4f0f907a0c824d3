//! The canon: the ordered, hashed instructions that an AI loads in one context.
//!
//! Layers are Markdown files that `manifest.json` lists in order; each `##` heading of a layer is a
//! clause with an id and a level. A context's canon is what holds in it of all clauses: same files,
//! same bytes, on every machine. Nothing here decides how it reaches a model.
//!
//! Reading order: [`manifest`] (which files, in which order), [`layer`] (one file into clauses),
//! [`assemble`] (levels, extensions, overrides), [`build`] (all of it for one context, within its
//! token budget), [`lints`] (what is allowed and probably not meant), [`export`] (files of AI
//! clients), [`attested`] (as it was attested last), [`read`] (from the disk).

mod assemble;
mod attested;
mod build;
mod export;
mod finding;
mod layer;
mod lints;
mod manifest;
mod read;
#[cfg(test)]
mod tests;

pub use attested::{Attested, AttestedError, attested};
pub(crate) use build::{Build, build};
pub use export::{ClientFormat, ExportCheck, ExportError, check_export, export, rendered};
pub use finding::{Finding, Lint};
pub use lints::lint_canon;
pub(crate) use read::{CanonFiles, folders};

use std::sync::Arc;

use sha2::{Digest, Sha256};
use zos_meter::tokens::Vocabulary;

use crate::context::ContextName;

/// The file that lists the layers, relative to the home.
pub const MANIFEST: &str = "manifest.json";

/// The authority of a clause.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Level {
    /// What nothing else can override.
    Floor,
    /// What the owner wants everywhere. What a file under `brain/` has unless it says otherwise.
    Owner,
    /// What an organisation wants of its members.
    Org,
    /// What holds in one room. Of the same rank as [`Level::Org`]: neither overrides the other.
    Room,
    /// What one task needs.
    Task,
    /// Advice that anything may override.
    Guideline,
}

impl Level {
    /// All levels by their words.
    pub(crate) const WORDS: [(&'static str, Level); 6] = [
        ("floor", Level::Floor),
        ("owner", Level::Owner),
        ("org", Level::Org),
        ("room", Level::Room),
        ("task", Level::Task),
        ("guideline", Level::Guideline),
    ];

    /// Its word, as front matter and manifest write it.
    pub fn name(self) -> &'static str {
        Self::WORDS.iter().find(|(_, level)| *level == self).map_or("", |(word, _)| word)
    }

    /// Its place in the order of authority, from 0, the highest.
    pub(crate) fn rank(self) -> u8 {
        match self {
            Self::Floor => 0,
            Self::Owner => 1,
            Self::Org | Self::Room => 2,
            Self::Task => 3,
            Self::Guideline => 4,
        }
    }
}

/// What one context's AI is told, and where each line of it was written.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Canon {
    /// `sha256:` and the hexadecimal digest of exactly the bytes of `text`.
    pub digest: String,
    /// The whole text: UTF-8 in NFC, lines end with LF, one line break at the end.
    pub text: String,
    /// How many bytes of `text` are the stable segment. What comes after changes often, so prompt caches
    /// should end here.
    pub stable_bytes: usize,
    /// Tokens of the text, counted with [`Canon::TOKENIZER`]: exact for OpenAI's newer models, an estimate for
    /// others, because not all providers say how they count.
    pub tokens: u64,
    /// Where each line of `text` was written, in order.
    pub lines: Vec<CanonLine>,
    /// Tokens of each file's share, in the order of the text. Their sum may differ a little from `tokens`, because a
    /// token may reach over a seam.
    pub layers: Vec<LayerTokens>,
    /// What the manifest allows the whole to cost, in tokens.
    pub budget: Option<u64>,
}

/// Where one line of a canon was written.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct CanonLine {
    /// The file, relative to the home.
    pub file: Arc<str>,
    /// Line in that file, from 1. The blank line between two clauses belongs to the second.
    pub file_line: usize,
    /// Level of the clause.
    pub level: Level,
    /// Id of the clause.
    pub clause: Arc<str>,
}

/// What a file's share of a canon costs.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct LayerTokens {
    /// The file, relative to the home.
    pub file: Arc<str>,
    /// Tokens, counted like the whole.
    pub tokens: u64,
    /// What the manifest allows.
    pub budget: Option<u64>,
}

impl Canon {
    /// The vocabulary that its tokens are counted with, whatever model reads it.
    pub const TOKENIZER: Vocabulary = Vocabulary::O200k;

    /// The digest of these bytes, as canons are known by it.
    pub fn digest_of(text: &str) -> String {
        format!("sha256:{}", hex::encode(Sha256::digest(text.as_bytes())))
    }

    /// The segment that rarely changes. Together with [`Canon::volatile`] it is exactly the text.
    pub fn stable(&self) -> &str {
        &self.text[..self.stable_bytes]
    }

    /// The segment that changes often.
    pub fn volatile(&self) -> &str {
        &self.text[self.stable_bytes..]
    }

    /// The lines that hold `text`, with the number of each in the canon, from 1. A text of several lines is
    /// looked for as a whole, and then all of its lines are given.
    pub fn why(&self, text: &str) -> Vec<(usize, &CanonLine)> {
        let wanted = read::normalise_lines(text);
        let wanted = wanted.join("\n");
        let wanted = wanted.trim_matches('\n');
        if wanted.trim().is_empty() {
            return Vec::new();
        }
        let mut found = Vec::new();
        let mut number = 1;
        let mut counted = 0;
        for (start, _) in self.text.match_indices(wanted) {
            number += self.text[counted..start].matches('\n').count();
            counted = start;
            let last = number + wanted.matches('\n').count();
            let known = found.last().map_or(0, |(number, _)| *number);
            let lines = (number.max(known + 1)..=last)
                .filter_map(|number| Some((number, self.lines.get(number - 1)?)));
            found.extend(lines);
        }
        found
    }

    /// Where the line was written that holds this byte of the text.
    pub fn line_at(&self, byte: usize) -> Option<&CanonLine> {
        let before = self.text.as_bytes().get(..byte)?;
        self.lines.get(before.iter().filter(|byte| **byte == b'\n').count())
    }
}

/// What became of a context's canon.
#[derive(Clone, Debug)]
pub enum CanonState {
    /// No file says anything to this context.
    None {
        /// Warnings.
        findings: Vec<Finding>,
    },
    /// The memory is in force.
    Built {
        /// As it is in force.
        canon: Arc<Canon>,
        /// Warnings, and the errors of a newer save that is broken.
        findings: Vec<Finding>,
        /// Whether a newer save is broken, so that this is the last good version.
        stale: bool,
    },
    /// It is broken and there is no good version, or what it says must not leave this context.
    Broken {
        /// Why.
        findings: Vec<Finding>,
    },
}

impl CanonState {
    /// The canon, if one is in force.
    pub fn canon(&self) -> Option<&Arc<Canon>> {
        match self {
            Self::Built { canon, .. } => Some(canon),
            Self::None { .. } | Self::Broken { .. } => None,
        }
    }

    /// Problems of its files.
    pub fn findings(&self) -> &[Finding] {
        match self {
            Self::None { findings } | Self::Built { findings, .. } | Self::Broken { findings } => findings,
        }
    }

    /// `built`, `stale`, `none` or `broken`.
    pub fn name(&self) -> &'static str {
        match self {
            Self::None { .. } => "none",
            Self::Built { stale: false, .. } => "built",
            Self::Built { stale: true, .. } => "stale",
            Self::Broken { .. } => "broken",
        }
    }
}

/// The file with the words that belong to one context alone.
pub(crate) fn overlay_of(name: &ContextName) -> String {
    format!("contexts/{name}.md")
}
