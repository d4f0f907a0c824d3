//! Reading files within bounds and replacing them whole.

use std::fs::{self, File};
use std::io::{self, ErrorKind, Read, Write};
use std::path::{Path, PathBuf};

use sha2::{Digest, Sha256};
use tempfile::NamedTempFile;

use crate::home::Home;
use crate::problem::Problem;
use crate::yaml::{MAX_BYTES, too_large};

/// Digest of a file's content.
pub(crate) type ContentDigest = [u8; 32];

/// Outcome of reading a file.
#[derive(Clone)]
pub(crate) enum FileRead {
    /// There is no file.
    Absent,
    /// Content of the file.
    Bytes(Vec<u8>),
    /// The file exists and cannot be read.
    Failed(Problem),
    /// The file could not be read now, for a reason that passes by itself: it has to be read again.
    Unread(Problem),
}

/// Reads a file whole, if it is a file and not too large.
pub(crate) fn read(home: &Home, path: &Path) -> FileRead {
    let file = home.relative(path);
    match read_bounded(path) {
        Ok(Some(bytes)) => FileRead::Bytes(bytes),
        Ok(None) => {
            FileRead::Failed(too_large(&file, fs::metadata(path).map_or(0, |metadata| metadata.len())))
        }
        Err(error) if error.kind() == ErrorKind::NotFound && fs::symlink_metadata(path).is_ok() => {
            let fix = "restore the file it points to, or remove the link";
            FileRead::Failed(Problem::error(file, "this is a link to a file that does not exist", fix))
        }
        // A folder on the way that is a file: what it holds does not exist either.
        Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) => {
            FileRead::Absent
        }
        Err(error) if is_passing(&error) => FileRead::Unread(unreadable(file, &error)),
        Err(error) => FileRead::Failed(unreadable(file, &error)),
    }
}

/// Whether a failure says nothing about the file: the system was short of something, or the disk had trouble.
/// No event tells when that is over.
pub(crate) fn is_passing(error: &io::Error) -> bool {
    /// EIO, ENFILE and EMFILE, which have no names in the standard library and the same numbers everywhere.
    #[cfg(unix)]
    const NUMBERS: [i32; 3] = [5, 23, 24];
    /// ERROR_TOO_MANY_OPEN_FILES and ERROR_SHARING_VIOLATION.
    #[cfg(not(unix))]
    const NUMBERS: [i32; 2] = [4, 32];
    let kinds = [
        ErrorKind::Interrupted,
        ErrorKind::WouldBlock,
        ErrorKind::TimedOut,
        ErrorKind::OutOfMemory,
        ErrorKind::ResourceBusy,
        ErrorKind::StaleNetworkFileHandle,
    ];
    kinds.contains(&error.kind()) || error.raw_os_error().is_some_and(|number| NUMBERS.contains(&number))
}

/// Problem of a file or folder that cannot be read.
pub(crate) fn unreadable(file: String, error: &io::Error) -> Problem {
    let (message, fix) = match error.kind() {
        ErrorKind::IsADirectory => ("this is a folder, not a file".to_owned(), "rename or move the folder"),
        ErrorKind::InvalidInput => {
            ("this is not a regular file".to_owned(), "replace it by a plain text file")
        }
        ErrorKind::PermissionDenied => (
            "the file cannot be read: permission denied".to_owned(),
            "make it readable for you, for example: chmod u+r",
        ),
        _ if is_passing(error) => (
            format!("the file cannot be read now: {error}"),
            "nothing: it is read again by itself, and its last good version governs until then",
        ),
        _ => (format!("the file cannot be read: {error}"), "check the disk and the permissions of the file"),
    };
    Problem::error(file, message, fix)
}

/// The content; `None` where it is larger than what we read. Anything but a file is an error: a
/// pipe would block for ever.
pub(crate) fn read_bounded(path: &Path) -> io::Result<Option<Vec<u8>>> {
    let metadata = fs::metadata(path)?;
    if metadata.is_dir() {
        return Err(ErrorKind::IsADirectory.into());
    }
    if !metadata.is_file() {
        return Err(ErrorKind::InvalidInput.into());
    }
    let mut bytes = Vec::with_capacity(usize::try_from(metadata.len()).unwrap_or(0).min(MAX_BYTES));
    // One byte more than allowed shows that the file grew past it meanwhile.
    File::open(path)?.take(MAX_BYTES as u64 + 1).read_to_end(&mut bytes)?;
    Ok((bytes.len() <= MAX_BYTES).then_some(bytes))
}

/// Digest of a content.
pub(crate) fn digest(bytes: &[u8]) -> ContentDigest {
    Sha256::digest(bytes).into()
}

/// Replaces a file whole: a neighbour is written, synced, and renamed over it, if `still` holds
/// right before. A link stays a link; its target is replaced. Returns whether it was replaced.
///
/// New files are for the owner's eyes only: they hold what must not leak.
pub(crate) fn replace(path: &Path, bytes: &[u8], still: impl FnOnce(&Path) -> bool) -> io::Result<bool> {
    let target = match fs::symlink_metadata(path) {
        Ok(metadata) if metadata.is_symlink() => fs::canonicalize(path)?,
        _ => path.to_path_buf(),
    };
    let folder = target.parent().map_or_else(|| PathBuf::from("."), Path::to_path_buf);
    create_private_dir(&folder)?;
    let mut neighbour = NamedTempFile::with_prefix_in(".zos-", &folder)?;
    neighbour.write_all(bytes)?;
    if let Ok(metadata) = fs::metadata(&target) {
        neighbour.as_file().set_permissions(metadata.permissions())?;
    }
    neighbour.as_file().sync_all()?;
    if !still(&target) {
        return Ok(false);
    }
    neighbour.persist(&target).map_err(|error| error.error)?;
    sync_dir(&folder);
    Ok(true)
}

/// Makes a rename or removal in a folder last through a power cut, where the system can.
pub(crate) fn sync_dir(folder: &Path) {
    if let Ok(folder) = File::open(folder) {
        // Not all file systems can sync a folder; the rename itself has happened.
        let _ = folder.sync_all();
    }
}

/// Makes a folder, and those above it, for its owner's eyes only.
pub(crate) fn create_private_dir(folder: &Path) -> io::Result<()> {
    let mut builder = fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(folder)
}
