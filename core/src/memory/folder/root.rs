//! The way to the files of a context's memory, on which no link is followed: a link could lead into another
//! context's folder, or out of the home.
//!
//! A [`Root`] is only had by walking there, and every path below it only from a [`Root`], which walks each
//! step anew. The home itself may be a link: that is its owner's choice. A program of the same user that
//! swaps a folder for a link between the look and the use is not kept out: it could read both folders itself.

use std::fs::{self, Metadata};
use std::io;
use std::path::{Path, PathBuf};

use crate::context::ContextName;
use crate::files::create_private_dir;
use crate::home::Home;

/// The folder of all memories, below the home.
const MEMORY: &str = "memory";

/// A folder that a walk without links led to.
#[derive(Debug)]
pub(super) struct Root(PathBuf);

/// Why a folder was not reached.
#[derive(Debug, thiserror::Error)]
pub(in crate::memory) enum Unreached {
    /// A step on the way is a link.
    #[error("{0} is a link, and links are not followed in a memory")]
    Linked(String),
    /// The disk.
    #[error(transparent)]
    Disk(#[from] io::Error),
}

impl Root {
    /// The folder of all memories; `None` where there is none.
    pub(super) fn of_all(home: &Home) -> Result<Option<Self>, Unreached> {
        Self::walk(home, &[MEMORY])
    }

    /// The folder of one context; `None` where nothing was ever remembered.
    pub(super) fn of(home: &Home, context: &ContextName) -> Result<Option<Self>, Unreached> {
        Self::walk(home, &[MEMORY, context.as_str()])
    }

    /// Root of a context's memory, as [`Root::of`]; makes the folder, for its owner alone, where it is missing.
    pub(super) fn make(home: &Home, context: &ContextName) -> Result<Self, Unreached> {
        if let Some(root) = Self::of(home, context)? {
            return Ok(root);
        }
        create_private_dir(&home.root().join(MEMORY).join(context.as_str()))?;
        Self::of(home, context)?.ok_or_else(|| io::Error::from(io::ErrorKind::NotFound).into())
    }

    fn walk(home: &Home, steps: &[&str]) -> Result<Option<Self>, Unreached> {
        let mut path = home.root().to_path_buf();
        for step in steps {
            path.push(step);
            match fs::symlink_metadata(&path) {
                Ok(found) if found.is_symlink() => return Err(Unreached::Linked(home.relative(&path))),
                // A file of that name holds no memories.
                Ok(found) if !found.is_dir() => return Ok(None),
                Ok(_) => {}
                Err(error) if is_absent(&error) => return Ok(None),
                Err(error) => return Err(error.into()),
            }
        }
        Ok(Some(Self(path)))
    }

    /// The folder itself, to be listed or watched.
    pub(super) fn path(&self) -> &Path {
        &self.0
    }

    /// A file or folder below, by its path with `/` between folders: no step of it is a link, nor is itself.
    ///
    /// # Errors
    /// [`io::ErrorKind::InvalidInput`] where a step is a link or no plain name; or the disk.
    pub(super) fn below(&self, path: &str) -> io::Result<PathBuf> {
        let mut full = self.0.clone();
        let mut steps = path.split('/').peekable();
        while let Some(step) = steps.next() {
            if !is_plain(step) {
                return Err(io::Error::new(io::ErrorKind::InvalidInput, "this is no path within the memory"));
            }
            full.push(step);
            let is_last = steps.peek().is_none();
            match fs::symlink_metadata(&full) {
                Ok(found) if found.is_symlink() => {
                    return Err(io::Error::new(io::ErrorKind::InvalidInput, "a link is not followed"));
                }
                Ok(_) => {}
                Err(error) if is_last && is_absent(&error) => {}
                Err(error) => return Err(error),
            }
        }
        Ok(full)
    }

    /// A folder below, made for its owner alone where it is missing.
    pub(super) fn make_below(&self, path: &str) -> io::Result<PathBuf> {
        let full = self.below(path)?;
        create_private_dir(&full)?;
        self.below(path)
    }

    /// Metadata of the file or folder at a path below; `None` where there is none.
    pub(super) fn look(&self, path: &str) -> io::Result<Option<Metadata>> {
        match self.below(path).and_then(fs::symlink_metadata) {
            Ok(found) => Ok(Some(found)),
            Err(error) if is_absent(&error) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Removes a link that stands where a file of ours belongs, which nobody may have put there but to lead
    /// us elsewhere. What it points to stays.
    pub(super) fn remove_link(&self, name: &str) {
        let path = self.0.join(name);
        if fs::symlink_metadata(&path).is_ok_and(|found| found.is_symlink()) {
            // If it cannot be removed, opening it fails and says so.
            let _ = fs::remove_file(path);
        }
    }
}

/// Whether a step of a path is a plain name, which means no other place on any system.
fn is_plain(step: &str) -> bool {
    !step.is_empty() && step != "." && step != ".." && !step.contains(['\0', std::path::MAIN_SEPARATOR])
}

fn is_absent(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory)
}
