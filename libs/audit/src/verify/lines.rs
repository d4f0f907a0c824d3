//! The lines of a log in their order, hashed by two threads while a third reads.

use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::sync::mpsc;

use crate::record::{Head, Kind, Record};
use crate::scan::LINE_BYTES;
use crate::segment::SegmentName;
use crate::tree::{Hash, leaf_hash};

/// Bytes that are read and hashed at once.
const BLOCK_BYTES: usize = 1 << 20;

/// Threads that hash, and blocks that wait for each of them.
const WORKERS: usize = 2;
const BLOCKS: usize = 4;

/// Result of reading one line.
#[derive(Debug, Clone)]
pub(super) struct Line {
    /// Its `seq`, and the record where it is about pruning or a key; or why it is no record.
    pub(super) record: Result<(u64, Option<Box<Record>>), String>,
    pub(super) leaf: Hash,
}

impl Line {
    pub(super) fn of(line: &[u8]) -> Self {
        let record = Head::parse(line).map_err(|error| error.to_string()).and_then(|head| {
            let record = match head.kind {
                Kind::Prune | Kind::Key => {
                    Some(Box::new(Record::parse(line).map_err(|error| error.to_string())?))
                }
                _ => None,
            };
            Ok((head.seq, record))
        });
        Self { record, leaf: leaf_hash(line) }
    }
}

/// Whole lines of one segment, or what stands behind the last one.
pub(super) struct Batch {
    /// Index of the segment.
    pub(super) segment: usize,
    pub(super) bytes: u64,
    pub(super) lines: Vec<Line>,
    /// Bytes behind the last line feed of the segment, where there are any.
    pub(super) cut: u64,
}

/// A block as it was read.
struct Block {
    segment: usize,
    text: Vec<u8>,
    cut: u64,
}

/// Gives all lines of these segments to `take`, in order, until it says stop.
pub(super) fn each(
    dir: &Path,
    names: &[SegmentName],
    mut take: impl FnMut(Batch) -> bool,
) -> Result<(), (PathBuf, io::Error)> {
    std::thread::scope(|scope| {
        let mut blocks = Vec::new();
        let mut batches = Vec::new();
        for _ in 0..WORKERS {
            let (block, todo) = mpsc::sync_channel::<Block>(BLOCKS);
            let (done, batch) = mpsc::sync_channel::<Batch>(BLOCKS);
            scope.spawn(move || todo.iter().map(hash).try_for_each(|batch| done.send(batch)));
            blocks.push(block);
            batches.push(batch);
        }
        let reader = scope.spawn(move || read(dir, names, &blocks));
        // The reader deals blocks out in turn, so that they come back in their order in turn.
        for batch in batches.iter().cycle() {
            let Ok(batch) = batch.recv() else { break };
            if !take(batch) {
                break;
            }
        }
        drop(batches);
        reader.join().unwrap_or_else(|_| Err((dir.to_owned(), io::Error::other("the reader failed"))))
    })
}

fn hash(block: Block) -> Batch {
    let lines = block.text.split_inclusive(|byte| *byte == b'\n');
    let lines = lines.map(|line| Line::of(&line[..line.len() - 1])).collect();
    Batch { segment: block.segment, bytes: block.text.len() as u64 + block.cut, lines, cut: block.cut }
}

fn read(
    dir: &Path,
    names: &[SegmentName],
    workers: &[mpsc::SyncSender<Block>],
) -> Result<(), (PathBuf, io::Error)> {
    let mut turn = 0;
    // An error only means that nobody asks any more.
    let mut send = |block| {
        let sent = workers[turn].send(block).is_ok();
        turn = (turn + 1) % workers.len();
        sent
    };
    for (segment, name) in names.iter().enumerate() {
        let path = dir.join(name.to_string());
        let mut file = std::fs::File::open(&path).map_err(|error| (path.clone(), error))?;
        let mut rest = Vec::new();
        loop {
            let mut text = std::mem::take(&mut rest);
            let before = text.len();
            let got = (&mut file).take(BLOCK_BYTES as u64).read_to_end(&mut text);
            let got = got.map_err(|error| (path.clone(), error))?;
            if got == 0 {
                if before > 0 && !send(Block { segment, text: Vec::new(), cut: before as u64 }) {
                    return Ok(());
                }
                break;
            }
            let whole = text.iter().rposition(|byte| *byte == b'\n').map_or(0, |feed| feed + 1);
            rest = text.split_off(whole);
            if rest.len() > LINE_BYTES + BLOCK_BYTES {
                let error = io::Error::new(io::ErrorKind::InvalidData, "a line is longer than any record");
                return Err((path, error));
            }
            if whole > 0 && !send(Block { segment, text, cut: 0 }) {
                return Ok(());
            }
        }
    }
    Ok(())
}
