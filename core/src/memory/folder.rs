//! The files of one context's memory: `memory/<context>/<year>/<id>.md`, or anywhere below
//! `memory/<context>/` where a person put them, under any name that ends in `.md` or `.markdown`.
//!
//! Links are not followed: [`root`] is the only way to a path. What is not read is told: a link, a folder
//! that lies too deep, a name that is no text, a file of another kind. Only what begins with a dot is
//! passed over without a word, as everywhere.

mod names;
mod root;

use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};
use std::time::UNIX_EPOCH;

use tempfile::NamedTempFile;

use super::item::{Id, Item};
use super::text;
use super::time::Moment;
use crate::context::ContextName;
use crate::files::sync_dir;
use crate::home::Home;
use crate::problem::Problem;
use root::Root;
pub(super) use root::Unreached;

/// Depth below the context's folder to which memories are looked for. Deeper than people sort their notes, and
/// a bound for what a folder can make us walk.
const DEPTH_MAX: usize = 16;

/// The most files of one context. A folder with more is not a memory.
pub(super) const FILES_MAX: usize = 1_000_000;

/// The largest file: a text, its front matter, and what a person keeps beside them.
const FILE_MAX_BYTES: u64 = 128 << 10;

/// Files of another kind that are named when it is told that they are not read.
const OTHERS_NAMED: usize = 5;

/// Names of our own files in the context's folder that are no memories.
const OWN: [&str; 4] = ["index.db", "index.db-wal", "index.db-shm", "index.db-journal"];

/// One context's folder, whether or not it is there.
pub(super) struct Folder {
    home: Home,
    context: ContextName,
}

/// One context's folder that is there and no link. Everything that reads or writes a memory does it
/// through this.
pub(super) struct Opened<'f> {
    folder: &'f Folder,
    root: Root,
}

/// Version of a file by its metadata, told without reading it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Stamp {
    /// Time of the last write, in nanoseconds since 1970.
    pub(super) modified_ns: i64,
    /// Its size in bytes.
    pub(super) bytes: i64,
}

/// One file of the folder.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct MemoryFile {
    /// Its path below the context's folder, with `/` between folders.
    pub(super) path: String,
    /// Id of the memory in it.
    pub(super) id: Id,
    /// Its version.
    pub(super) stamp: Stamp,
}

impl MemoryFile {
    /// The name that a person gave the file; `None` where it is nothing but the memory's id.
    pub(super) fn title(&self) -> Option<&str> {
        names::stem(&self.path).filter(|stem| *stem != self.id.as_str())
    }
}

/// Files of a folder.
#[derive(Default)]
pub(super) struct Listed {
    /// The files that may be memories, in no particular order.
    pub(super) entries: Vec<MemoryFile>,
    /// Problems of files that are not read.
    pub(super) problems: Vec<Problem>,
}

/// A memory with the version of its file, or what is wrong with it.
pub(super) type MemoryRead = Result<(Item, Stamp), Vec<Problem>>;

/// Held while files change, so that two programs do not supersede the same memory at once.
pub(super) struct Lock(#[expect(dead_code, reason = "the lock lives as long as the open file")] File);

/// The folder of all memories: the contexts that have one, and what stands there that cannot be one.
pub(super) fn contexts(home: &Home) -> (Vec<ContextName>, Vec<Problem>) {
    let root = match Root::of_all(home) {
        Ok(Some(root)) => root,
        // No folder means that nothing is remembered yet.
        Ok(None) => return (Vec::new(), Vec::new()),
        Err(unreached) => return (Vec::new(), vec![problem("memory".to_owned(), &unreached)]),
    };
    let (mut names, mut problems) = (Vec::new(), Vec::new());
    let listed = match fs::read_dir(root.path()) {
        Ok(listed) => listed,
        Err(error) => return (names, vec![unlisted("memory".to_owned(), &error)]),
    };
    for entry in listed.flatten() {
        let Ok(kind) = entry.file_type() else { continue };
        let name = entry.file_name();
        let shown = format!("memory/{}", name.to_string_lossy());
        if name.to_string_lossy().starts_with('.') {
            continue;
        }
        if kind.is_symlink() {
            problems.push(linked(shown));
        } else if kind.is_dir() {
            match name.to_str().and_then(|name| name.parse().ok()) {
                Some(name) => names.push(name),
                None => problems.push(Problem::warning(
                    shown,
                    "this folder's name is not that of a context, so it is nobody's memory",
                    "rename it after the context in contexts/ whose memory it is",
                )),
            }
        }
    }
    names.sort();
    (names, problems)
}

/// A file in the folder of all memories; `None` where the folder is missing or a link.
pub(super) fn beside_contexts(home: &Home, name: &str) -> Option<PathBuf> {
    Root::of_all(home).ok().flatten()?.below(name).ok()
}

impl Folder {
    pub(super) fn new(home: &Home, context: ContextName) -> Self {
        Self { home: home.clone(), context }
    }

    /// The context.
    pub(super) fn context(&self) -> &ContextName {
        &self.context
    }

    /// The folder, if it is there.
    ///
    /// # Errors
    /// When it is a link, or the disk fails.
    pub(super) fn open(&self) -> Result<Option<Opened<'_>>, Unreached> {
        Ok(Root::of(&self.home, &self.context)?.map(|root| Opened { folder: self, root }))
    }

    /// The folder, made where it is missing.
    ///
    /// # Errors
    /// As for [`Folder::open`].
    pub(super) fn make(&self) -> Result<Opened<'_>, Unreached> {
        Ok(Opened { folder: self, root: Root::make(&self.home, &self.context)? })
    }
}

impl Opened<'_> {
    /// The folder itself, for what watches it.
    pub(super) fn path(&self) -> &Path {
        self.root.path()
    }

    /// The context.
    pub(super) fn context(&self) -> &ContextName {
        &self.folder.context
    }

    /// A file of our own beside the memories. A link at its place is taken away.
    pub(super) fn own_file(&self, name: &str) -> PathBuf {
        self.root.remove_link(name);
        self.root.path().join(name)
    }

    /// Waits until no other program changes this memory.
    pub(super) fn lock(&self) -> io::Result<Lock> {
        let mut options = File::options();
        options.create(true).append(true);
        #[cfg(unix)]
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
        let file = options.open(self.own_file(".lock"))?;
        file.lock()?;
        Ok(Lock(file))
    }

    /// All files that may be memories, and what is not read.
    pub(super) fn list(&self) -> Listed {
        let mut walk = Walk {
            opened: self,
            found: Vec::new(),
            problems: Vec::new(),
            others: Vec::new(),
            is_full: false,
        };
        walk.folder(self.root.path(), "", 0);
        let Walk { found, mut problems, others, .. } = walk;
        if !others.is_empty() {
            problems.push(self.unread(others));
        }
        let ids = names::assign(found.iter().map(|(path, _)| path.as_str()));
        let entries = found.into_iter().zip(ids);
        let entries = entries.map(|((path, stamp), id)| MemoryFile { path, id, stamp }).collect();
        Listed { entries, problems }
    }

    /// One warning for all files that are no Markdown.
    fn unread(&self, mut others: Vec<String>) -> Problem {
        others.sort();
        let count = others.len();
        others.truncate(OTHERS_NAMED);
        let more = if count > others.len() { ", …" } else { "" };
        let message =
            format!("{count} files are not Markdown and are not remembered: {}{more}", others.join(", "));
        let fix = "a memory is a text in a file that ends in .md or .markdown";
        Problem::warning(self.folder.home.relative(self.root.path()), message, fix)
    }

    /// The version of a file; `None` where there is none.
    pub(super) fn stamp(&self, path: &str) -> io::Result<Option<Stamp>> {
        let found = self.root.look(path)?;
        Ok(found.filter(fs::Metadata::is_file).map(|metadata| stamp(&metadata)))
    }

    /// Reads one memory with its version.
    ///
    /// # Errors
    /// What is wrong with the file.
    pub(super) fn read(&self, path: &str, id: &Id) -> MemoryRead {
        let (bytes, stamp) = self.bytes(path).map_err(|error| {
            let message = format!("the file cannot be read: {error}");
            vec![Problem::error(self.shown(path), message, "check its size and permissions")]
        })?;
        self.parse(path, id, &bytes, stamp).map(|item| (item, stamp))
    }

    fn parse(&self, path: &str, id: &Id, bytes: &[u8], stamp: Stamp) -> Result<Item, Vec<Problem>> {
        let place = text::NoteFile {
            context: &self.folder.context,
            id,
            is_named: names::stem(path) == Some(id.as_str()),
            file: &self.shown(path),
            modified: Moment::from_unix_ms(stamp.modified_ns / 1_000_000),
        };
        text::parse(&place, bytes)
    }

    fn bytes(&self, path: &str) -> io::Result<(Vec<u8>, Stamp)> {
        let file = File::open(self.root.below(path)?)?;
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
        let folder = self.root.make_below(&year)?;
        let neighbour = neighbour(&folder, text::render(item).as_bytes())?;
        neighbour.persist_noclobber(self.root.below(&path)?).map_err(|error| error.error)?;
        sync_dir(&folder);
        Ok(path)
    }

    /// Changes a memory's file from `before` to `after`, which only our keys and the text differ in.
    ///
    /// # Errors
    /// If the disk fails, or the file is not as it was read: someone else wrote it meanwhile.
    pub(super) fn change(&self, path: &str, before: &Item, after: &Item) -> io::Result<()> {
        let (bytes, stamp) = self.bytes(path)?;
        if self.parse(path, &before.id, &bytes, stamp).ok().as_ref() != Some(before) {
            return Err(io::Error::other("the file changed meanwhile"));
        }
        let old = String::from_utf8(bytes).map_err(io::Error::other)?;
        let full = self.root.below(path)?;
        let folder = full.parent().unwrap_or(self.root.path());
        let neighbour = neighbour(folder, text::change(&old, before, after).as_bytes())?;
        neighbour.as_file().set_permissions(fs::metadata(&full)?.permissions())?;
        neighbour.persist(&full).map_err(|error| error.error)?;
        sync_dir(folder);
        Ok(())
    }

    /// Removes a memory's file.
    pub(super) fn remove(&self, path: &str) -> io::Result<()> {
        let full = self.root.below(path)?;
        fs::remove_file(&full)?;
        full.parent().map(sync_dir);
        Ok(())
    }

    /// The file relative to the home.
    fn shown(&self, path: &str) -> String {
        format!("{}/{path}", self.folder.home.relative(self.root.path()))
    }
}

/// Collects what a folder and the folders in it hold.
struct Walk<'w> {
    opened: &'w Opened<'w>,
    found: Vec<(String, Stamp)>,
    problems: Vec<Problem>,
    /// Files that are no Markdown.
    others: Vec<String>,
    /// Whether it was told that there are too many files.
    is_full: bool,
}

impl Walk<'_> {
    fn folder(&mut self, folder: &Path, prefix: &str, depth: usize) {
        let listed = match fs::read_dir(folder) {
            Ok(listed) => listed,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return,
            Err(error) => {
                let shown = self.opened.folder.home.relative(folder);
                self.problems.push(unlisted(shown, &error));
                return;
            }
        };
        for entry in listed {
            match entry {
                Ok(entry) => self.entry(&entry, prefix, depth),
                Err(error) => {
                    let shown = self.opened.folder.home.relative(folder);
                    self.problems.push(unlisted(shown, &error));
                }
            }
        }
    }

    fn entry(&mut self, entry: &fs::DirEntry, prefix: &str, depth: usize) {
        let name = entry.file_name();
        let Some(name) = name.to_str() else {
            let shown = self.opened.shown(&format!("{prefix}{}", name.to_string_lossy()));
            let message = "the name of this file is no text (UTF-8), so it is not read";
            self.problems.push(Problem::error(shown, message, "rename it"));
            return;
        };
        if name.starts_with('.') || (depth == 0 && OWN.contains(&name)) {
            return;
        }
        let path = format!("{prefix}{name}");
        // Of a link itself, not of what it points to.
        let metadata = match entry.metadata() {
            Ok(metadata) => metadata,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return,
            Err(error) => {
                self.problems.push(unlisted(self.opened.shown(&path), &error));
                return;
            }
        };
        if metadata.is_symlink() {
            self.problems.push(linked(self.opened.shown(&path)));
        } else if metadata.is_dir() && depth < DEPTH_MAX {
            self.folder(&entry.path(), &format!("{path}/"), depth + 1);
        } else if metadata.is_dir() {
            let message = format!("this folder lies deeper than {DEPTH_MAX} folders, so it is not read");
            self.problems.push(Problem::error(self.opened.shown(&path), message, "move it further up"));
        } else if names::stem(&path).is_none() {
            self.others.push(path);
        } else if !metadata.is_file() {
            let message = "this is not a regular file, so it is not read";
            let fix = "replace it by a plain text file";
            self.problems.push(Problem::error(self.opened.shown(&path), message, fix));
        } else if self.found.len() < FILES_MAX {
            self.found.push((path, stamp(&metadata)));
        } else if !self.is_full {
            self.is_full = true;
            let message =
                format!("a memory holds at most {FILES_MAX} files; this and further ones are not read");
            let fix = "move some into another context's memory";
            self.problems.push(Problem::error(self.opened.shown(&path), message, fix));
        }
    }
}

/// Bytes in a file beside the one that they are for, on the disk.
fn neighbour(folder: &Path, bytes: &[u8]) -> io::Result<NamedTempFile> {
    let mut neighbour = NamedTempFile::with_prefix_in(".zos-", folder)?;
    neighbour.write_all(bytes)?;
    neighbour.as_file().sync_all()?;
    Ok(neighbour)
}

/// Problem of a folder that was not reached.
pub(super) fn problem(file: String, unreached: &Unreached) -> Problem {
    match unreached {
        Unreached::Linked(link) => linked(link.clone()),
        Unreached::Disk(error) => unlisted(file, error),
    }
}

fn linked(file: String) -> Problem {
    Problem::error(
        file,
        "this is a link, and links are not followed in a memory",
        "replace it by the file or folder itself",
    )
}

fn unlisted(file: String, error: &io::Error) -> Problem {
    Problem::error(file, format!("the folder cannot be read: {error}"), "check its permissions")
}

fn stamp(metadata: &fs::Metadata) -> Stamp {
    let modified_ns = match metadata.modified().map(|time| time.duration_since(UNIX_EPOCH)) {
        Ok(Ok(since)) => i64::try_from(since.as_nanos()).unwrap_or(i64::MAX),
        // Before 1970, or a system without times: the size alone tells versions apart.
        _ => 0,
    };
    Stamp { modified_ns, bytes: i64::try_from(metadata.len()).unwrap_or(i64::MAX) }
}
