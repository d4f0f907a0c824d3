//! Files that are written whole or not at all, and files that only their owner may read.

use std::ffi::OsString;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

/// Links that are followed before they count as a circle; Linux has the same bound.
const LINKS: usize = 40;

/// Why a file could not be read or written.
#[derive(Debug, thiserror::Error)]
pub enum FileError {
    /// The operating system said no.
    #[error("could not {doing} {}: {source}", .path.display())]
    Io {
        /// Step that failed, for the sentence.
        doing: &'static str,
        /// The file.
        path: PathBuf,
        /// The system's error.
        source: io::Error,
    },
    /// Others than the owner may read a file with a secret.
    #[error(
        "{} may be read by other users (mode {mode:03o}), so its secret counts as known to them; make it anew, or `chmod 600` it if nobody saw it",
        .path.display()
    )]
    Exposed {
        /// The file.
        path: PathBuf,
        /// Its permission bits.
        mode: u32,
    },
}

/// Names what was tried and where.
pub(crate) fn failed(doing: &'static str, path: &Path) -> impl FnOnce(io::Error) -> FileError {
    let path = path.to_owned();
    move |source| FileError::Io { doing, path, source }
}

/// Replaces the content of a file at once: neighbour, sync, rename, sync of the folder.
///
/// A reader sees the old bytes or the new ones, also after a crash. Where `path` is a link, the
/// file it points to is replaced and the link stays. An existing file keeps its mode (and, as far
/// as we may, its owner); a new one gets `mode`. The folder must exist.
///
/// # Errors
/// When any step fails; the old content is still there then.
pub fn atomic_write(path: &Path, bytes: &[u8], mode: u32) -> Result<(), FileError> {
    let target = follow_links(path).map_err(failed("follow the link", path))?;
    let neighbour = neighbour(&target).map_err(failed("name a neighbour of", path))?;
    let outcome = fill(&neighbour, &target, bytes, mode).and_then(|()| fs::rename(&neighbour, &target));
    if let Err(source) = outcome {
        let _ = fs::remove_file(&neighbour);
        return Err(failed("write", path)(source));
    }
    sync_folder_of(&target).map_err(failed("sync the folder of", path))
}

/// Makes a file with these bytes, unless there is one already; then it says `false`.
pub(crate) fn create_private(path: &Path, bytes: &[u8]) -> Result<bool, FileError> {
    let neighbour = neighbour(path).map_err(failed("name a neighbour of", path))?;
    // A link into place fails where a file is, and never shows one half written.
    let outcome = fill(&neighbour, path, bytes, 0o600).and_then(|()| fs::hard_link(&neighbour, path));
    let _ = fs::remove_file(&neighbour);
    match outcome {
        Ok(()) => sync_folder_of(path).map_err(failed("sync the folder of", path)).map(|()| true),
        Err(source) if source.kind() == io::ErrorKind::AlreadyExists => Ok(false),
        Err(source) => Err(failed("write", path)(source)),
    }
}

/// Opens a file to read it, if it is a regular one.
///
/// A pipe in its place would let the reader wait for a writer for ever, and a device might never end: neither
/// is opened for longer than it takes to see what it is.
///
/// # Errors
/// When it cannot be opened, or is no regular file.
pub fn open_regular(path: &Path) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.read(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::custom_flags(
        &mut options,
        rustix::fs::OFlags::NONBLOCK.bits().cast_signed(),
    );
    let file = options.open(path)?;
    let metadata = file.metadata()?;
    if metadata.is_file() {
        return Ok(file);
    }
    Err(match metadata.is_dir() {
        true => io::ErrorKind::IsADirectory.into(),
        false => io::Error::new(io::ErrorKind::InvalidInput, "this is not a regular file"),
    })
}

/// Reads a regular file whole, of at most `limit_bytes`.
///
/// # Errors
/// Those of [`open_regular`], and when it is larger.
pub fn read_regular(path: &Path, limit_bytes: usize) -> io::Result<Vec<u8>> {
    let file = open_regular(path)?;
    let length = file.metadata().map_or(0, |metadata| usize::try_from(metadata.len()).unwrap_or(limit_bytes));
    let mut bytes = Vec::with_capacity(length.min(limit_bytes));
    // One byte more than allowed shows that it is larger.
    io::Read::read_to_end(&mut io::Read::take(file, limit_bytes as u64 + 1), &mut bytes)?;
    match bytes.len() <= limit_bytes {
        true => Ok(bytes),
        false => {
            Err(io::Error::new(io::ErrorKind::FileTooLarge, format!("it is larger than {limit_bytes} bytes")))
        }
    }
}

/// Reads a file with a secret; `None` where there is no file.
pub(crate) fn read_private(path: &Path) -> Result<Option<zeroize::Zeroizing<String>>, FileError> {
    let mut file = match open_regular(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        other => other.map_err(failed("read", path))?,
    };
    let metadata = file.metadata().map_err(failed("read", path))?;
    let mode = permissions(&metadata).unwrap_or(0o600);
    if mode & 0o077 != 0 {
        return Err(FileError::Exposed { path: path.to_owned(), mode });
    }
    let length = usize::try_from(metadata.len()).unwrap_or(0).min(1 << 16);
    let mut text = zeroize::Zeroizing::new(String::with_capacity(length + 1));
    io::Read::read_to_string(&mut io::Read::take(&mut file, 1 << 16), &mut text)
        .map_err(failed("read", path))?;
    Ok(Some(text))
}

/// Makes a folder that only its owner can look into, where it does not exist.
///
/// # Errors
/// When it cannot be made.
pub fn private_folder(path: &Path) -> Result<(), FileError> {
    if path.is_dir() {
        return Ok(());
    }
    let mut builder = fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(path).map_err(failed("make the folder", path))
}

/// Writes and syncs the neighbour, with the mode and the owner that the target has or shall have.
fn fill(neighbour: &Path, target: &Path, bytes: &[u8], mode: u32) -> io::Result<()> {
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let mut file = options.open(neighbour)?;
    file.write_all(bytes)?;
    let present = fs::metadata(target).ok();
    #[cfg(unix)]
    {
        use std::os::unix::fs::{MetadataExt, PermissionsExt, fchown};
        let (own, wanted) = (file.metadata()?, present.as_ref());
        if let Some(wanted) = wanted.filter(|wanted| (wanted.uid(), wanted.gid()) != (own.uid(), own.gid())) {
            let _ = fchown(&file, Some(wanted.uid()), Some(wanted.gid()));
        }
        let mode = present.as_ref().and_then(permissions).unwrap_or(mode);
        file.set_permissions(fs::Permissions::from_mode(mode))?;
    }
    #[cfg(not(unix))]
    let _ = (present, mode);
    file.sync_all()
}

/// The permission bits, where the system has such.
fn permissions(metadata: &fs::Metadata) -> Option<u32> {
    #[cfg(unix)]
    return Some(std::os::unix::fs::MetadataExt::mode(metadata) & 0o7777);
    #[cfg(not(unix))]
    {
        let _ = metadata;
        None
    }
}

/// The file that a chain of links ends in, whether it exists or not.
fn follow_links(path: &Path) -> io::Result<PathBuf> {
    let mut path = path.to_owned();
    for _ in 0..LINKS {
        match fs::symlink_metadata(&path) {
            Ok(metadata) if metadata.is_symlink() => {
                let target = fs::read_link(&path)?;
                // `join` takes an absolute target as it is.
                path = path.parent().map_or_else(|| target.clone(), |folder| folder.join(&target));
            }
            Ok(_) => return Ok(path),
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(path),
            Err(error) => return Err(error),
        }
    }
    Err(io::Error::new(io::ErrorKind::InvalidInput, "the links run in a circle"))
}

/// A name in the same folder that nobody else uses.
fn neighbour(path: &Path) -> io::Result<PathBuf> {
    let name =
        path.file_name().ok_or_else(|| io::Error::new(io::ErrorKind::InvalidInput, "it names no file"))?;
    let random = getrandom::u64().map_err(io::Error::other)?;
    let mut neighbour = OsString::from(".");
    neighbour.push(name);
    neighbour.push(format!(".{random:016x}.new"));
    Ok(path.with_file_name(neighbour))
}

fn sync_folder_of(path: &Path) -> io::Result<()> {
    #[cfg(unix)]
    {
        let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
        File::open(folder.unwrap_or(Path::new(".")))?.sync_all()?;
    }
    #[cfg(not(unix))]
    let _ = path;
    Ok(())
}

#[cfg(test)]
#[cfg(unix)]
mod tests {
    use super::*;
    use std::os::unix::fs::{PermissionsExt, symlink};

    fn mode(path: &Path) -> u32 {
        fs::metadata(path).unwrap().permissions().mode() & 0o7777
    }

    fn names(dir: &Path) -> Vec<String> {
        let mut names: Vec<_> = fs::read_dir(dir)
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        names.sort();
        names
    }

    #[test]
    fn a_pipe_or_a_device_is_refused_at_once_and_a_large_file_too() {
        let dir = tempfile::tempdir().unwrap();
        let pipe = dir.path().join("pipe");
        rustix::fs::mknodat(rustix::fs::CWD, &pipe, rustix::fs::FileType::Fifo, 0o600.into(), 0).unwrap();
        for path in [&pipe, Path::new("/dev/zero"), Path::new("/dev/null")] {
            assert_eq!(read_regular(path, 100).unwrap_err().kind(), io::ErrorKind::InvalidInput);
            assert!(read_private(path).unwrap_err().to_string().contains("not a regular file"));
        }
        assert_eq!(read_regular(dir.path(), 100).unwrap_err().kind(), io::ErrorKind::IsADirectory);
        let file = dir.path().join("file");
        fs::write(&file, [b'x'; 100]).unwrap();
        assert_eq!(read_regular(&file, 100).unwrap().len(), 100);
        assert_eq!(read_regular(&file, 99).unwrap_err().kind(), io::ErrorKind::FileTooLarge);
    }

    #[test]
    fn a_new_file_gets_the_mode_and_an_old_one_keeps_its_own() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("keys.json");
        atomic_write(&path, b"one", 0o600).unwrap();
        assert_eq!((fs::read(&path).unwrap(), mode(&path)), (b"one".to_vec(), 0o600));
        fs::set_permissions(&path, fs::Permissions::from_mode(0o664)).unwrap();
        atomic_write(&path, b"two", 0o600).unwrap();
        assert_eq!((fs::read(&path).unwrap(), mode(&path)), (b"two".to_vec(), 0o664));
        assert_eq!(names(dir.path()), ["keys.json"]);
    }

    #[test]
    fn a_link_stays_a_link_also_when_it_points_nowhere_yet() {
        let dir = tempfile::tempdir().unwrap();
        fs::create_dir(dir.path().join("real")).unwrap();
        symlink("second", dir.path().join("first")).unwrap();
        symlink("real/file", dir.path().join("second")).unwrap();
        for text in ["one", "two"] {
            atomic_write(&dir.path().join("first"), text.as_bytes(), 0o600).unwrap();
            assert_eq!(fs::read_to_string(dir.path().join("real/file")).unwrap(), text);
        }
        assert!(fs::symlink_metadata(dir.path().join("first")).unwrap().is_symlink());
        assert_eq!(names(&dir.path().join("real")), ["file"]);
    }

    #[test]
    fn a_failed_write_leaves_nothing_behind_and_says_where() {
        let dir = tempfile::tempdir().unwrap();
        let folder = dir.path().join("folder");
        fs::create_dir(&folder).unwrap();
        fs::write(folder.join("inside"), "").unwrap();
        let error = atomic_write(&folder, b"text", 0o600).unwrap_err().to_string();
        assert!(error.starts_with("could not write ") && error.contains("folder"), "{error}");
        assert_eq!(names(dir.path()), ["folder"]);
        symlink("circle", dir.path().join("circle")).unwrap();
        let error = atomic_write(&dir.path().join("circle"), b"text", 0o600).unwrap_err().to_string();
        assert!(error.ends_with("the links run in a circle"), "{error}");
    }
}
