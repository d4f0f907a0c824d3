//! The files of a log: their names, their order, and the link to the newest.
//!
//! A log is a folder of segments `YYYY-MM-DD.NNN.jsonl`, numbered from `.000` within a UTC day.
//! Their order is the order of the log.

use std::fmt;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::str::FromStr;

/// The name of a segment: the UTC day of its first record and its number within that day.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct SegmentName {
    /// `YYYY-MM-DD`; sorts like the days themselves.
    pub(crate) day: String,
    /// From 0. Three digits when written; more where a day has over a thousand segments.
    pub(crate) number: u32,
}

impl fmt::Display for SegmentName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{:03}.jsonl", self.day, self.number)
    }
}

impl FromStr for SegmentName {
    type Err = NotASegment;

    fn from_str(text: &str) -> Result<Self, NotASegment> {
        let (day, number) =
            text.strip_suffix(".jsonl").and_then(|stem| stem.split_once('.')).ok_or(NotASegment)?;
        day.parse::<jiff::civil::Date>().map_err(|_| NotASegment)?;
        let name = Self { day: day.to_owned(), number: number.parse().map_err(|_| NotASegment)? };
        // Only the one spelling: `+1`, `1` or `2026-1-1` would name a file that we never wrote.
        if name.to_string() == text && day.len() == 10 { Ok(name) } else { Err(NotASegment) }
    }
}

/// A file name that is not that of a segment.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct NotASegment;

/// The segments of the folder, oldest first. Files with other names are passed over.
pub(crate) fn list(dir: &Path) -> io::Result<Vec<SegmentName>> {
    let mut names = Vec::new();
    for entry in fs::read_dir(dir)? {
        if let Some(name) = entry?.file_name().to_str().and_then(|name| name.parse().ok()) {
            names.push(name);
        }
    }
    names.sort();
    Ok(names)
}

/// The segment that is being written.
#[derive(Debug)]
pub(crate) struct Segment {
    pub(crate) name: SegmentName,
    path: PathBuf,
    file: std::sync::Arc<File>,
    /// The length up to which every line is whole; what a failed write left lies behind it.
    bytes: u64,
    /// Whether a failed write may have left bytes behind `bytes`.
    frayed: bool,
}

impl Segment {
    /// Makes a new, empty segment and makes its name durable.
    pub(crate) fn create(dir: &Path, name: SegmentName) -> io::Result<Self> {
        let path = dir.join(name.to_string());
        let mut options = OpenOptions::new();
        options.append(true).create_new(true);
        private(&mut options);
        let file = options.open(&path)?;
        if let Err(error) = sync_folder(dir) {
            let _ = fs::remove_file(&path);
            return Err(error);
        }
        link_newest(dir, &name);
        Ok(Self { name, path, file: file.into(), bytes: 0, frayed: false })
    }

    /// Opens the newest segment to go on with it.
    pub(crate) fn resume(dir: &Path, name: SegmentName) -> io::Result<Self> {
        let path = dir.join(name.to_string());
        let file = OpenOptions::new().append(true).open(&path)?;
        let bytes = file.metadata()?.len();
        link_newest(dir, &name);
        Ok(Self { name, path, file: file.into(), bytes, frayed: false })
    }

    /// Appends whole lines with one write, or leaves the segment as it was.
    pub(crate) fn append(&mut self, lines: &[u8]) -> io::Result<()> {
        if self.frayed {
            self.file.set_len(self.bytes)?;
            self.frayed = false;
        }
        let outcome = match (&*self.file).write(lines) {
            Ok(written) if written == lines.len() => {
                self.bytes += lines.len() as u64;
                return Ok(());
            }
            // A disk that fills up takes a part; what it says about the rest tells why.
            Ok(written) => match (&*self.file).write_all(&lines[written..]) {
                Ok(()) => {
                    self.bytes += lines.len() as u64;
                    return Ok(());
                }
                Err(error) => error,
            },
            Err(error) => error,
        };
        self.frayed = self.file.set_len(self.bytes).is_err();
        Err(outcome)
    }

    /// Whether the file still has its name, so that what is written can be found again.
    ///
    /// Asked before every append: an unlinked file takes every byte and keeps none.
    #[cfg(unix)]
    pub(crate) fn is_linked(&self) -> bool {
        use std::os::unix::fs::MetadataExt;
        self.file.metadata().is_ok_and(|metadata| metadata.nlink() > 0)
    }

    /// Elsewhere an open file cannot be removed.
    #[cfg(not(unix))]
    pub(crate) fn is_linked(&self) -> bool {
        true
    }

    /// Whether the file is still the one at its path, which also tells when its folder was moved.
    #[cfg(unix)]
    pub(crate) fn is_in_place(&self) -> bool {
        use std::os::unix::fs::MetadataExt;
        match (self.file.metadata(), fs::symlink_metadata(&self.path)) {
            (Ok(open), Ok(named)) => (open.dev(), open.ino()) == (named.dev(), named.ino()),
            _ => false,
        }
    }

    /// Elsewhere neither can an open file be moved.
    #[cfg(not(unix))]
    pub(crate) fn is_in_place(&self) -> bool {
        self.path.exists()
    }

    /// The bytes of whole lines.
    pub(crate) fn bytes(&self) -> u64 {
        self.bytes
    }

    /// The file, to be synced without holding the lock of the log.
    pub(crate) fn file(&self) -> std::sync::Arc<File> {
        std::sync::Arc::clone(&self.file)
    }
}

/// Makes the folder, readable by its owner only.
pub(crate) fn create_folder(dir: &Path) -> io::Result<()> {
    if dir.is_dir() {
        return Ok(());
    }
    let mut builder = fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(dir)
}

/// Lets only the owner read and write the file that is about to be made.
pub(crate) fn private(options: &mut OpenOptions) {
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(options, 0o600);
    #[cfg(not(unix))]
    let _ = options;
}

/// Makes new names in the folder durable.
pub(crate) fn sync_folder(dir: &Path) -> io::Result<()> {
    #[cfg(unix)]
    File::open(dir)?.sync_all()?;
    #[cfg(not(unix))]
    let _ = dir;
    Ok(())
}

/// Points `<folder>.jsonl`, beside the folder, to the newest segment.
///
/// The link is a convenience for `grep`, so a failure does not count as one of the log; and a
/// file of that name that is no link is the person's own and stays.
fn link_newest(dir: &Path, name: &SegmentName) {
    #[cfg(unix)]
    {
        let Some(folder) = dir.file_name() else { return };
        let mut file = folder.to_owned();
        file.push(".jsonl");
        let link = dir.with_file_name(&file);
        if fs::symlink_metadata(&link).is_ok_and(|metadata| !metadata.is_symlink()) {
            return;
        }
        file.push(".new");
        let neighbour = dir.with_file_name(&file);
        let _ = fs::remove_file(&neighbour);
        let target = Path::new(folder).join(name.to_string());
        if std::os::unix::fs::symlink(target, &neighbour).is_ok() {
            let _ = fs::rename(&neighbour, &link);
        }
    }
    #[cfg(not(unix))]
    let _ = (dir, name);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_read_back_as_it_was_written() {
        for (day, number, text) in [
            ("2026-01-02", 0, "2026-01-02.000.jsonl"),
            ("2026-12-31", 999, "2026-12-31.999.jsonl"),
            ("2026-12-31", 1000, "2026-12-31.1000.jsonl"),
        ] {
            let name = SegmentName { day: day.to_owned(), number };
            assert_eq!(name.to_string(), text);
            assert_eq!(text.parse(), Ok(name));
        }
    }

    #[test]
    fn other_files_are_no_segments() {
        for text in [
            "2026-01-02.000.jsonl.torn",
            "2026-01-02.jsonl",
            "2026-01-02.0.jsonl",
            "2026-01-02.+00.jsonl",
            "2026-02-30.000.jsonl",
            "20260102.000.jsonl",
            "checkpoint",
            ".lock",
        ] {
            assert_eq!(text.parse::<SegmentName>(), Err(NotASegment), "{text}");
        }
    }

    #[test]
    fn segments_sort_by_day_and_number_not_by_letters() {
        let dir = tempfile::tempdir().unwrap();
        for name in ["2026-01-02.1000.jsonl", "2026-01-02.999.jsonl", "2025-12-31.001.jsonl", "notes.txt"] {
            fs::write(dir.path().join(name), "").unwrap();
        }
        let names: Vec<_> = list(dir.path()).unwrap().iter().map(ToString::to_string).collect();
        assert_eq!(names, ["2025-12-31.001.jsonl", "2026-01-02.999.jsonl", "2026-01-02.1000.jsonl"]);
    }

    #[cfg(unix)]
    #[test]
    fn a_file_of_the_person_in_the_place_of_the_link_stays() {
        let home = tempfile::tempdir().unwrap();
        let dir = home.path().join("audit");
        create_folder(&dir).unwrap();
        fs::write(home.path().join("audit.jsonl"), "mine").unwrap();
        Segment::create(&dir, "2026-01-02.000.jsonl".parse().unwrap()).unwrap();
        assert_eq!(fs::read_to_string(home.path().join("audit.jsonl")).unwrap(), "mine");
    }
}
