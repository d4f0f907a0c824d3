//! The files of one context's memory: `memory/<context>/<year>/<id>.md`, or anywhere below
//! `memory/<context>/` where a person put them.
//!
//! Links are not followed: a link could lead into another context's folder, or out of the home.

use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};
use std::time::UNIX_EPOCH;

use tempfile::NamedTempFile;

use super::item::{Id, Item};
use super::text;
use super::time::Moment;
use crate::brain::files::{create_private_dir, sync_dir};
use crate::context::ContextName;
use crate::home::Home;
use crate::problem::Problem;

/// How deep below the context's folder memories are looked for.
const DEPTH_MAX: usize = 4;

/// The most files of one context. A folder with more is not a memory.
pub(super) const FILES_MAX: usize = 1_000_000;

/// The largest file: a text, its front matter, and what a person keeps beside them.
const FILE_MAX_BYTES: u64 = 128 << 10;

/// One context's folder.
pub(super) struct Folder {
    home: Home,
    context: ContextName,
    root: PathBuf,
}

/// What tells a file from an earlier version of itself without reading it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Stamp {
    /// When it was last written, in nanoseconds since 1970.
    pub(super) modified_ns: i64,
    /// Its size in bytes.
    pub(super) bytes: i64,
}

/// One file of the folder.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Entry {
    /// Its path below the context's folder, with `/` between folders.
    pub(super) path: String,
    /// Its version.
    pub(super) stamp: Stamp,
}

/// A memory with the version of its file, or what is wrong with it.
pub(super) type FileRead = Result<(Item, Stamp), Vec<Problem>>;

/// Held while files change, so that two programs do not supersede the same memory at once.
pub(super) struct Lock(#[expect(dead_code, reason = "the lock lives as long as the open file")] File);

impl Folder {
    pub(super) fn new(home: &Home, context: ContextName) -> Self {
        let root = home.memory().join(context.as_str());
        Self { home: home.clone(), context, root }
    }

    /// The folder itself.
    pub(super) fn root(&self) -> &Path {
        &self.root
    }

    /// The context.
    pub(super) fn context(&self) -> &ContextName {
        &self.context
    }

    /// Waits until no other program changes this memory.
    pub(super) fn lock(&self) -> io::Result<Lock> {
        self.create()?;
        let mut options = File::options();
        options.create(true).append(true);
        #[cfg(unix)]
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
        let file = options.open(self.root.join(".lock"))?;
        file.lock()?;
        Ok(Lock(file))
    }

    /// Makes the folder, for its owner alone.
    pub(super) fn create(&self) -> io::Result<()> {
        create_private_dir(&self.root)
    }

    /// All files that may be memories, in no particular order, and what is wrong with the folder.
    pub(super) fn list(&self) -> (Vec<Entry>, Vec<Problem>) {
        let (mut entries, mut problems) = (Vec::new(), Vec::new());
        self.walk(&self.root, "", 0, &mut entries, &mut problems);
        (entries, problems)
    }

    fn walk(
        &self,
        folder: &Path,
        prefix: &str,
        depth: usize,
        entries: &mut Vec<Entry>,
        problems: &mut Vec<Problem>,
    ) {
        let listed = match fs::read_dir(folder) {
            Ok(listed) => listed,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return,
            Err(error) => {
                let file = self.home.relative(folder);
                let message = format!("the folder cannot be read: {error}");
                problems.push(Problem::error(file, message, "check its permissions"));
                return;
            }
        };
        for entry in listed.flatten() {
            let name = entry.file_name();
            let Some(name) = name.to_str().filter(|name| !name.starts_with('.')) else { continue };
            let Ok(metadata) = entry.metadata() else { continue };
            if metadata.is_dir() && depth < DEPTH_MAX {
                self.walk(&entry.path(), &format!("{prefix}{name}/"), depth + 1, entries, problems);
            } else if name.ends_with(".md") {
                let path = format!("{prefix}{name}");
                if metadata.is_symlink() {
                    problems.push(Problem::error(
                        self.shown(&path),
                        "this is a link, and links are not followed in a memory",
                        "replace it by the file itself",
                    ));
                } else if metadata.is_file() && entries.len() < FILES_MAX {
                    entries.push(Entry { path, stamp: stamp(&metadata) });
                }
            }
        }
    }

    /// The version of a file; `None` where there is none.
    pub(super) fn stamp(&self, path: &str) -> io::Result<Option<Stamp>> {
        match fs::symlink_metadata(self.root.join(path)) {
            Ok(metadata) if metadata.is_file() => Ok(Some(stamp(&metadata))),
            Ok(_) => Ok(None),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Reads one memory with its version.
    ///
    /// # Errors
    /// What is wrong with the file.
    pub(super) fn read(&self, path: &str) -> FileRead {
        let (bytes, stamp) = self.bytes(path).map_err(|error| {
            let message = format!("the file cannot be read: {error}");
            vec![Problem::error(self.shown(path), message, "check its size and permissions")]
        })?;
        self.parse(path, &bytes, stamp).map(|item| (item, stamp))
    }

    fn parse(&self, path: &str, bytes: &[u8], stamp: Stamp) -> Result<Item, Vec<Problem>> {
        let name = path.rsplit('/').next().unwrap_or(path);
        let place = text::Place {
            context: &self.context,
            stem: name.strip_suffix(".md").unwrap_or(name),
            file: &self.shown(path),
            modified: Moment::from_unix_ms(stamp.modified_ns / 1_000_000),
        };
        text::parse(&place, bytes)
    }

    fn bytes(&self, path: &str) -> io::Result<(Vec<u8>, Stamp)> {
        let file = File::open(self.root.join(path))?;
        let metadata = file.metadata()?;
        let mut bytes = Vec::with_capacity(usize::try_from(metadata.len().min(FILE_MAX_BYTES)).unwrap_or(0));
        file.take(FILE_MAX_BYTES + 1).read_to_end(&mut bytes)?;
        if bytes.len() as u64 > FILE_MAX_BYTES {
            return Err(io::Error::other(format!("it is larger than {FILE_MAX_BYTES} bytes")));
        }
        Ok((bytes, stamp(&metadata)))
    }

    /// Writes a new memory; its path. It is on the disk when this returns.
    ///
    /// # Errors
    /// If the disk fails, or a file of that name exists.
    pub(super) fn add(&self, item: &Item) -> io::Result<String> {
        let year = item.created.year().to_string();
        let path = format!("{year}/{}.md", item.id);
        create_private_dir(&self.root.join(&year))?;
        let neighbour = self.neighbour(&path, text::render(item).as_bytes())?;
        neighbour.persist_noclobber(self.root.join(&path)).map_err(|error| error.error)?;
        sync_dir(&self.root.join(&year));
        Ok(path)
    }

    /// Changes a memory's file from `before` to `after`, which only our keys and the text differ in.
    ///
    /// # Errors
    /// If the disk fails, or the file is not as it was read: someone else wrote it meanwhile.
    pub(super) fn change(&self, path: &str, before: &Item, after: &Item) -> io::Result<()> {
        let (bytes, stamp) = self.bytes(path)?;
        if self.parse(path, &bytes, stamp).ok().as_ref() != Some(before) {
            return Err(io::Error::other("the file changed meanwhile"));
        }
        let old = String::from_utf8(bytes).map_err(io::Error::other)?;
        let neighbour = self.neighbour(path, text::change(&old, before, after).as_bytes())?;
        let full = self.root.join(path);
        neighbour.as_file().set_permissions(fs::metadata(&full)?.permissions())?;
        neighbour.persist(&full).map_err(|error| error.error)?;
        full.parent().map(sync_dir);
        Ok(())
    }

    /// Removes a memory's file.
    pub(super) fn remove(&self, path: &str) -> io::Result<()> {
        let full = self.root.join(path);
        fs::remove_file(&full)?;
        full.parent().map(sync_dir);
        Ok(())
    }

    fn neighbour(&self, path: &str, bytes: &[u8]) -> io::Result<NamedTempFile> {
        let full = self.root.join(path);
        let mut neighbour = NamedTempFile::with_prefix_in(".zos-", full.parent().unwrap_or(&self.root))?;
        neighbour.write_all(bytes)?;
        neighbour.as_file().sync_all()?;
        Ok(neighbour)
    }

    /// The file relative to the home.
    pub(super) fn shown(&self, path: &str) -> String {
        format!("{}/{path}", self.home.relative(&self.root))
    }

    /// Whether a file of this id could be read at `path`.
    pub(super) fn is_at(path: &str, id: &Id) -> bool {
        path.rsplit('/').next().and_then(|name| name.strip_suffix(".md")) == Some(id.as_str())
    }
}

fn stamp(metadata: &fs::Metadata) -> Stamp {
    let modified_ns = match metadata.modified().map(|time| time.duration_since(UNIX_EPOCH)) {
        Ok(Ok(since)) => i64::try_from(since.as_nanos()).unwrap_or(i64::MAX),
        // Before 1970, or a system without times: the size alone tells versions apart.
        _ => 0,
    };
    Stamp { modified_ns, bytes: i64::try_from(metadata.len()).unwrap_or(i64::MAX) }
}
