//! State behind the lock of a log: the segment, the next `seq`, and the last failure.

use std::fs::{File, OpenOptions, TryLockError};
use std::io;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use super::{AppendError, Health, Options};
use crate::record::{Kind, RECORD_VERSION, Record};
use crate::segment::{self, Segment, SegmentName};
use crate::time::{day_of, format_time};
use crate::tree::{Hash, leaf_hash};

/// Records after which a checkpoint is due.
const SEAL_RECORDS: u64 = 256;

/// Time after which one is due when anything was written.
const SEAL_AFTER: Duration = Duration::from_secs(60);

/// The most records that wait for a checkpoint that cannot be written (32 MiB of hashes); beyond them
/// the log takes no more.
const WAITING_LEAVES: u64 = 1 << 20;

/// Writes lines, one at a time; does not sync, except where a segment ends.
#[derive(Debug)]
pub(super) struct Writer {
    dir: PathBuf,
    options: Options,
    folder_lock: FolderLock,
    segment: Segment,
    /// The `seq` of the record that comes next.
    next_seq: u64,
    /// Every record with a smaller `seq` is on the disk.
    durable_seq: u64,
    trouble: Option<Trouble>,
    /// The leaves of the tree that the next checkpoint will cover first, where a tree is kept.
    leaves: Option<Leaves>,
    /// The line being written; kept for its memory.
    line: Vec<u8>,
}

/// Leaves that were written and are under no checkpoint yet.
#[derive(Debug)]
struct Leaves {
    /// Leaves not yet given to the sealer; the last one is that of the newest record.
    waiting: Vec<Hash>,
    /// Number of records that the newest checkpoint covers.
    sealed: u64,
    /// Time at which the first record behind the checkpoint was written.
    since: Option<Instant>,
    /// The records before this `seq` are to be covered at once.
    urgent_to: u64,
    /// Time since which no checkpoint can be written, and the error.
    trouble: Option<(String, String)>,
}

/// Why the log is failing, and since when.
#[derive(Debug)]
struct Trouble {
    since: String,
    error: String,
    /// The records that were refused since.
    lost: u64,
}

impl Writer {
    pub(super) fn new(
        dir: PathBuf,
        options: Options,
        folder_lock: FolderLock,
        newest: Option<SegmentName>,
        next_seq: u64,
        sealed: Option<u64>,
    ) -> io::Result<Self> {
        let segment = match newest {
            Some(name) => Segment::resume(&dir, name)?,
            None => {
                let day = day_of(&format_time((options.clock)())).to_owned();
                Segment::create(&dir, SegmentName { day, number: 0 })?
            }
        };
        // What was there is from an earlier life: nobody waits for it, and the next sync covers it.
        let durable_seq = next_seq;
        let line = Vec::with_capacity(1024);
        let leaves = sealed.map(|sealed| Leaves {
            waiting: Vec::new(),
            sealed,
            since: (sealed < next_seq).then(Instant::now),
            urgent_to: next_seq,
            trouble: None,
        });
        Ok(Self { dir, options, folder_lock, segment, next_seq, durable_seq, trouble: None, leaves, line })
    }

    /// Writes one record, after the `gap` record that is owed.
    pub(super) fn append(&mut self, record: Record) -> Result<u64, AppendError> {
        if !self.segment.is_linked() {
            self.note_removed();
        }
        self.recover().and_then(|()| self.write(record)).map_err(|error| {
            let trouble = self.note(&error.to_string());
            trouble.lost += 1;
            AppendError::Write(trouble.error.clone())
        })
    }

    /// Leaves trouble behind, and says which `seq` the next record has.
    pub(super) fn ready(&mut self) -> io::Result<u64> {
        self.recover()?;
        Ok(self.next_seq)
    }

    /// Writes the record that has to have this `seq`, or none.
    pub(super) fn append_at(&mut self, seq: u64, record: Record) -> io::Result<()> {
        if self.next_seq != seq || !self.segment.is_linked() {
            return Err(io::Error::other("the log changed meanwhile"));
        }
        self.write(record).map(|_| ())
    }

    /// Notices a segment that was removed or moved away, and tries to leave trouble behind.
    pub(super) fn check(&mut self) {
        if !self.segment.is_in_place() {
            self.note_removed();
        }
        if let Err(error) = self.recover() {
            self.note(&error.to_string());
        }
    }

    /// Checks as [`Writer::check`], and returns the fault that remains. A tree that cannot be signed keeps no record
    /// out.
    pub(super) fn usable(&mut self) -> Result<(), AppendError> {
        self.check();
        self.trouble.as_ref().map_or(Ok(()), |trouble| Err(AppendError::Write(trouble.error.clone())))
    }

    /// Takes trouble over from before the log could be opened; the next append tells it.
    pub(super) fn failed_before(&mut self, since: String, error: String, lost: u64) {
        self.trouble = Some(Trouble { since, error, lost });
    }

    /// Ends trouble with a `gap` record; does nothing when there is none.
    fn recover(&mut self) -> io::Result<()> {
        let Some(trouble) = &self.trouble else { return Ok(()) };
        let Trouble { since, error, lost } = trouble;
        let records = if *lost == 1 { "record" } else { "records" };
        let gap = Record::event(Kind::Gap, format!("{lost} {records} lost since {since}: {error}")).bounded();
        if !self.segment.is_in_place() {
            self.begin_segment()?;
        }
        self.write(gap)?;
        self.trouble = None;
        Ok(())
    }

    fn write(&mut self, mut record: Record) -> io::Result<u64> {
        if let Some(Leaves { sealed, trouble: Some((_, error)), .. }) = &self.leaves
            && self.next_seq - sealed >= WAITING_LEAVES
        {
            return Err(io::Error::other(error.clone()));
        }
        record.v = RECORD_VERSION;
        record.seq = self.next_seq;
        record.time = format_time((self.options.clock)());
        self.line.clear();
        record.write_line(&mut self.line);
        // A clock that was set back stays in the segment it left: names sort as the log runs.
        let day = day_of(&record.time);
        let full = self.segment.bytes() > 0
            && self.segment.bytes() + self.line.len() as u64 > self.options.rotate_bytes;
        if full || day > self.segment.name.day.as_str() {
            self.rotate()?;
        }
        self.segment.append(&self.line)?;
        self.next_seq += 1;
        if let Some(leaves) = &mut self.leaves {
            leaves.waiting.push(leaf_hash(&self.line[..self.line.len() - 1]));
            leaves.since.get_or_insert_with(Instant::now);
            if matches!(record.kind, Kind::Start | Kind::Stop | Kind::Prune) {
                leaves.urgent_to = self.next_seq;
            }
        }
        Ok(record.seq)
    }

    /// Ends the segment and begins the next; what ends is synced first, so that no crash can leave
    /// a later segment whole and an earlier one cut.
    fn rotate(&mut self) -> io::Result<()> {
        self.segment.file().sync_data()?;
        self.durable_seq = self.next_seq;
        self.seal_soon();
        self.begin_segment()
    }

    /// Begins a segment behind all that are there, in a folder that may have to be made again.
    fn begin_segment(&mut self) -> io::Result<()> {
        segment::create_folder(&self.dir)?;
        self.folder_lock.renew(&self.dir)?;
        let today = day_of(&format_time((self.options.clock)())).to_owned();
        let mut name = SegmentName { day: today.max(self.segment.name.day.clone()), number: 0 };
        if let Some(newest) = segment::list(&self.dir)?.pop().filter(|newest| *newest >= name) {
            name = SegmentName { day: newest.day, number: newest.number + 1 };
        }
        self.segment = Segment::create(&self.dir, name)?;
        Ok(())
    }

    fn note_removed(&mut self) {
        self.note("the newest segment was removed or moved away, and its records with it");
    }

    /// Remembers what is wrong; the beginning of the trouble stays.
    fn note(&mut self, error: &str) -> &mut Trouble {
        let since = || format_time((self.options.clock)());
        let trouble =
            self.trouble.get_or_insert_with(|| Trouble { since: since(), error: String::new(), lost: 0 });
        error.clone_into(&mut trouble.error);
        trouble
    }

    pub(super) fn health(&self) -> Health {
        let of_tree = self.leaves.as_ref().and_then(|leaves| leaves.trouble.as_ref());
        match (&self.trouble, of_tree) {
            (None, None) => Health::Healthy,
            (Some(Trouble { since, error, .. }), _) | (None, Some((since, error))) => {
                Health::Failing { since: since.clone(), error: error.clone() }
            }
        }
    }

    /// Lets the next checkpoint come at once.
    pub(super) fn seal_soon(&mut self) {
        if let Some(leaves) = &mut self.leaves {
            leaves.urgent_to = self.next_seq;
        }
    }

    /// Time until a checkpoint is due, zero where it is overdue; `None` where there is nothing to cover.
    pub(super) fn seal_due(&self) -> Option<Duration> {
        let leaves = self.leaves.as_ref()?;
        let since = leaves.since?;
        let is_due = leaves.sealed < leaves.urgent_to || self.next_seq - leaves.sealed >= SEAL_RECORDS;
        Some(if is_due { Duration::ZERO } else { SEAL_AFTER.saturating_sub(since.elapsed()) })
    }

    /// The leaves of all records that are on the disk, for a checkpoint; `None` where no tree is kept.
    pub(super) fn take_leaves(&mut self) -> Option<Vec<Hash>> {
        let not_durable = usize::try_from(self.next_seq - self.durable_seq).unwrap_or(usize::MAX);
        let leaves = self.leaves.as_mut()?;
        let durable = leaves.waiting.len().saturating_sub(not_durable);
        Some(leaves.waiting.drain(..durable).collect())
    }

    /// Takes note of how a checkpoint went.
    pub(super) fn sealed(&mut self, outcome: &io::Result<u64>) {
        let now = format_time((self.options.clock)());
        let Some(leaves) = &mut self.leaves else { return };
        match outcome {
            Ok(size) => {
                leaves.sealed = *size;
                leaves.since = (*size < self.next_seq).then(Instant::now);
                leaves.trouble = None;
            }
            Err(error) => {
                let since = leaves.trouble.take().map_or(now, |(since, _)| since);
                leaves.trouble = Some((since, format!("no checkpoint can be written: {error}")));
            }
        }
    }

    /// Number of records that the newest checkpoint covers; `None` without a tree.
    pub(super) fn sealed_size(&self) -> Option<u64> {
        self.leaves.as_ref().map(|leaves| leaves.sealed)
    }

    /// The `seq` of the record that comes next.
    pub(super) fn next_seq(&self) -> u64 {
        self.next_seq
    }

    /// Whether a record waits for the disk.
    pub(super) fn is_dirty(&self) -> bool {
        self.durable_seq < self.next_seq
    }

    pub(super) fn is_durable(&self, seq: u64) -> bool {
        seq < self.durable_seq
    }

    /// File to sync, and the `seq` before which all records are on the disk afterwards.
    pub(super) fn unsynced(&self) -> (std::sync::Arc<File>, u64) {
        (self.segment.file(), self.next_seq)
    }

    /// Takes note of how a sync went.
    pub(super) fn synced(&mut self, up_to: u64, outcome: &io::Result<()>) {
        match outcome {
            Ok(()) => self.durable_seq = self.durable_seq.max(up_to),
            Err(error) => {
                let from = self.durable_seq;
                let last = up_to.saturating_sub(1);
                self.note(&format!("records {from} to {last} may not have reached the disk: {error}"));
                // The system forgets what it could not write; a later sync says nothing about it.
                self.durable_seq = self.durable_seq.max(up_to);
            }
        }
    }
}

/// The lock file of a folder, held for as long as this value lives.
#[derive(Debug)]
pub(super) struct FolderLock(File);

impl FolderLock {
    const NAME: &str = ".lock";

    /// Takes the lock; `None` when another process has it.
    pub(super) fn take(dir: &Path) -> io::Result<Option<Self>> {
        let mut options = OpenOptions::new();
        options.create(true).truncate(false).write(true);
        segment::private(&mut options);
        let file = options.open(dir.join(Self::NAME))?;
        match file.try_lock() {
            Ok(()) => Ok(Some(Self(file))),
            Err(TryLockError::WouldBlock) => Ok(None),
            Err(TryLockError::Error(error)) => Err(error),
        }
    }

    /// Takes the lock of a folder that was made again; keeps the one it has where it still counts.
    fn renew(&mut self, dir: &Path) -> io::Result<()> {
        if self.is_in_place(dir) {
            return Ok(());
        }
        let busy = || io::Error::other("another process writes the log that is now in this place");
        *self = Self::take(dir)?.ok_or_else(busy)?;
        Ok(())
    }

    #[cfg(unix)]
    fn is_in_place(&self, dir: &Path) -> bool {
        use std::os::unix::fs::MetadataExt;
        match (self.0.metadata(), std::fs::symlink_metadata(dir.join(Self::NAME))) {
            (Ok(open), Ok(named)) => (open.dev(), open.ino()) == (named.dev(), named.ino()),
            _ => false,
        }
    }

    /// Elsewhere a file that is open cannot be replaced.
    #[cfg(not(unix))]
    fn is_in_place(&self, dir: &Path) -> bool {
        dir.join(Self::NAME).exists()
    }
}
