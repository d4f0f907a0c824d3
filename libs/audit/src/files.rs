//! Small files of a log, read whole.

use std::io;
use std::path::Path;

/// Content of a small file; `None` where there is none. A pipe in its place is refused: nobody might ever write to it.
pub(crate) fn read(path: &Path) -> io::Result<Option<Vec<u8>>> {
    let regular = std::fs::metadata(path).and_then(|metadata| match metadata.is_file() {
        true => std::fs::read(path),
        false => Err(io::Error::new(io::ErrorKind::InvalidInput, "it is not a regular file")),
    });
    match regular {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        other => other.map(Some),
    }
}
