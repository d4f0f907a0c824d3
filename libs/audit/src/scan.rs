//! Reads one segment, forwards or backwards, line by line.
//!
//! Bytes behind the last line feed are no line: a writer may be in the middle of it, or a crash was.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Read, Seek, SeekFrom};
use std::path::Path;

/// The most bytes a line can have: every string and list at its bound, every character escaped.
pub(crate) const LINE_BYTES: usize = 1 << 20;

/// Bytes that are read at once when reading backwards.
const BLOCK_BYTES: u64 = 64 << 10;

/// Reads the lines of a segment from a place on.
#[derive(Debug)]
pub(crate) struct Forward {
    file: BufReader<File>,
    /// First byte of the next line.
    offset: u64,
    line: Vec<u8>,
}

impl Forward {
    pub(crate) fn open(path: &Path, offset: u64) -> io::Result<Self> {
        let mut file = File::open(path)?;
        file.seek(SeekFrom::Start(offset))?;
        Ok(Self { file: BufReader::with_capacity(BLOCK_BYTES as usize, file), offset, line: Vec::new() })
    }

    /// The next whole line without its line feed; `None` where there is none (yet).
    pub(crate) fn next_line(&mut self) -> io::Result<Option<&[u8]>> {
        self.line.clear();
        (&mut self.file).take(LINE_BYTES as u64 + 1).read_until(b'\n', &mut self.line)?;
        if self.line.pop_if(|last| *last == b'\n').is_some() {
            self.offset += self.line.len() as u64 + 1;
            return Ok(Some(&self.line));
        }
        if self.line.len() > LINE_BYTES {
            return Err(io::Error::new(io::ErrorKind::InvalidData, "a line is longer than any record"));
        }
        // Asked again, it reads from the beginning of the line: the rest may have come, or gone.
        self.file.seek(SeekFrom::Start(self.offset))?;
        Ok(None)
    }

    /// First byte of the next line.
    pub(crate) fn offset(&self) -> u64 {
        self.offset
    }
}

/// Reads the lines of a segment from its end to its beginning.
#[derive(Debug)]
pub(crate) struct Backward {
    file: File,
    /// First byte of `block` in the file.
    start: u64,
    /// Bytes that were read and not yet returned; ends with a line feed, or is empty at the beginning of the file.
    block: Vec<u8>,
    /// Range in `block` of the line that was returned last.
    given: std::ops::Range<usize>,
}

impl Backward {
    /// Reads backwards from `end`, the beginning of a line, or from the end of the file.
    pub(crate) fn open(path: &Path, end: Option<u64>) -> io::Result<Self> {
        let file = File::open(path)?;
        let length = file.metadata()?.len();
        let start = end.map_or(length, |end| end.min(length));
        let mut lines = Self { file, start, block: Vec::new(), given: 0..0 };
        // Whatever lies behind the last line feed is dropped, however long it is.
        while lines.start > 0 {
            lines.block.clear();
            lines.read_block()?;
            if let Some(feed) = lines.block.iter().rposition(|byte| *byte == b'\n') {
                lines.block.truncate(feed + 1);
                break;
            }
            lines.block.clear();
        }
        lines.given = lines.block.len()..lines.block.len();
        Ok(lines)
    }

    /// The line before the one that was given last, and where it begins in the file.
    pub(crate) fn next_line(&mut self) -> io::Result<Option<(u64, &[u8])>> {
        self.block.truncate(self.given.start);
        let mut searched = 0;
        loop {
            let Some(text) = self.block.len().checked_sub(1) else {
                if self.start == 0 {
                    return Ok(None);
                }
                self.read_block()?;
                continue;
            };
            // What was searched before stands at the end, behind what was read since.
            let unsearched = text.saturating_sub(searched);
            if let Some(feed) = self.block[..unsearched].iter().rposition(|byte| *byte == b'\n') {
                self.given = feed + 1..text;
            } else if self.start == 0 {
                self.given = 0..text;
            } else if text > LINE_BYTES {
                return Err(io::Error::new(io::ErrorKind::InvalidData, "a line is longer than any record"));
            } else {
                searched = text;
                self.read_block()?;
                continue;
            }
            return Ok(Some((self.start + self.given.start as u64, &self.block[self.given.clone()])));
        }
    }

    /// Puts the block before `start` in front of what is there.
    fn read_block(&mut self) -> io::Result<()> {
        let length = self.start.min(BLOCK_BYTES);
        self.file.seek(SeekFrom::Start(self.start - length))?;
        let mut block = Vec::with_capacity(length as usize + self.block.len());
        (&mut self.file).take(length).read_to_end(&mut block)?;
        if (block.len() as u64) < length {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        block.append(&mut self.block);
        self.block = block;
        self.start -= length;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn forward(path: &Path) -> Vec<(u64, Vec<u8>)> {
        let mut lines = Forward::open(path, 0).unwrap();
        let mut found = Vec::new();
        let mut offset = 0;
        while let Some(line) = lines.next_line().unwrap().map(<[u8]>::to_vec) {
            found.push((offset, line));
            offset = lines.offset();
        }
        found
    }

    fn backward(path: &Path, end: Option<u64>) -> Vec<(u64, Vec<u8>)> {
        let mut lines = Backward::open(path, end).unwrap();
        let mut found = Vec::new();
        while let Some((offset, line)) = lines.next_line().unwrap() {
            found.push((offset, line.to_vec()));
        }
        found.reverse();
        found
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]
        #[test]
        fn both_directions_see_the_same_lines(
            lengths in proptest::collection::vec(prop_oneof![0..40_usize, 60_000..140_000_usize], 0..12),
            tail in prop_oneof![0..40_usize, 60_000..140_000_usize],
        ) {
            let dir = tempfile::tempdir().unwrap();
            let path = dir.path().join("segment");
            let mut text = Vec::new();
            let mut expected = Vec::new();
            for (index, length) in lengths.iter().enumerate() {
                let line = vec![b'a' + index as u8; *length];
                expected.push((text.len() as u64, line.clone()));
                text.extend(line);
                text.push(b'\n');
            }
            text.extend(vec![b'~'; tail]);
            std::fs::write(&path, text).unwrap();
            prop_assert_eq!(&forward(&path), &expected);
            prop_assert_eq!(&backward(&path, None), &expected);
            for (index, (offset, _)) in expected.iter().enumerate() {
                prop_assert_eq!(&backward(&path, Some(*offset))[..], &expected[..index]);
            }
        }
    }
}
