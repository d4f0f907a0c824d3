//! Takes a log over from an earlier life: finds where it ends, sets a torn tail aside, refuses damage.

use std::fs::OpenOptions;
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use super::sealer::Sealer;
use super::takeover::{Taken, Tree};
use super::witness::Witness;
use super::writer::{FolderLock, Writer};
use super::{OnDamage, Options};
use crate::record::{Head, Kind, Record};
use crate::scan::{Backward, Forward};
use crate::segment::{self, SegmentName};
use crate::tree::{Hash, leaf_hash};

/// Why a log cannot be opened for writing.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// Another process is its writer.
    #[error(
        "the audit log {} is being written by another process; stop that one first, or use another folder",
        .dir.display()
    )]
    Locked {
        /// The folder of the log.
        dir: PathBuf,
    },
    /// A line before the end is not what was written there.
    #[error(
        "the audit log is damaged: {}, line {line}: {why}; move the folder away to begin a new log, and keep it as evidence",
        .file.display()
    )]
    Damaged {
        /// The segment.
        file: PathBuf,
        /// The line, from 1.
        line: u64,
        /// What is wrong with it.
        why: String,
    },
    /// The lines and the tree are not those of one log.
    #[error(
        "the audit log in {} is damaged: {why}; move the folder away to begin a new log, and keep it as evidence",
        .dir.display()
    )]
    Broken {
        /// The folder.
        dir: PathBuf,
        /// What is wrong.
        why: String,
    },
    /// The records are under no signature, and nobody vouches that there never was one.
    #[error(
        "the audit log in {} has {records} records and no tree over them: either it was begun without a key, or its tree was taken away; \
         the owner has to say that it may be taken over as it is",
        .dir.display()
    )]
    Treeless {
        /// The folder.
        dir: PathBuf,
        /// How many records there are.
        records: u64,
    },
    /// The log was begun with another key.
    #[error(
        "the audit log in {} is signed by another key than the one that is here; bring that key back, or move the folder away to begin a new log",
        .dir.display()
    )]
    OtherKey {
        /// The folder.
        dir: PathBuf,
    },
    /// The operating system said no.
    #[error("could not {doing} the audit log at {}: {source}", .path.display())]
    Io {
        /// What was tried.
        doing: &'static str,
        /// Where.
        path: PathBuf,
        /// What it said.
        source: io::Error,
    },
}

/// Names what was tried and where.
pub(super) fn failed(doing: &'static str, path: &Path) -> impl FnOnce(io::Error) -> OpenError {
    let path = path.to_owned();
    move |source| OpenError::Io { doing, path, source }
}

/// A log that is open for writing.
#[derive(Debug)]
pub(super) struct Opened {
    pub(super) writer: Writer,
    /// The tree, where one is kept.
    pub(super) sealer: Option<Sealer>,
    /// What is wrong with the log, where it is written all the same.
    pub(super) damage: Option<String>,
}

pub(super) fn open(dir: &Path, options: &Options) -> Result<Opened, OpenError> {
    let damage = match take_over(dir, options) {
        Err(damage) if damage.is_damage() => damage,
        Ok(opened) if options.on_damage == OnDamage::SetAside => match older_damage(dir, options) {
            Some(damage) => damage,
            None => return Ok(opened),
        },
        other => return other,
    };
    match options.on_damage {
        OnDamage::Refuse => Err(damage),
        OnDamage::SetAside => begin_anew(dir, options, &damage),
        OnDamage::DangerousServe => go_on_damaged(dir, options, damage),
    }
}

/// What is wrong in segments before the newest, which opening does not look into; the owner asked for a sound log, so it
/// may take its time. A log that is not signed has nothing to be held against.
fn older_damage(dir: &Path, options: &Options) -> Option<OpenError> {
    options.signer.as_ref()?;
    let report = crate::verify(dir, None, &mut |_, _| ()).ok()?;
    let first = report.findings.first()?;
    Some(OpenError::Broken { dir: dir.to_owned(), why: first.to_string() })
}

impl OpenError {
    /// Whether the log is not as it was written.
    #[must_use]
    pub fn is_damage(&self) -> bool {
        match self {
            Self::Damaged { .. } | Self::Broken { .. } | Self::Treeless { .. } | Self::OtherKey { .. } => {
                true
            }
            Self::Locked { .. } | Self::Io { .. } => false,
        }
    }

    /// What is wrong, by its place within the log: where the home is, is nobody's business.
    fn within(&self) -> String {
        match self {
            Self::Damaged { file, line, why } => {
                format!("{}, line {line}: {why}", file.file_name().unwrap_or_default().display())
            }
            Self::Broken { why, .. } => why.clone(),
            Self::Treeless { records, .. } => format!("{records} records with no tree over them"),
            Self::OtherKey { .. } => "signed by another key".to_owned(),
            Self::Locked { .. } | Self::Io { .. } => "it cannot be used".to_owned(),
        }
    }
}

/// Renames the folder and begins a new log, which says so first.
fn begin_anew(dir: &Path, options: &Options, damage: &OpenError) -> Result<Opened, OpenError> {
    let now = crate::time::format_time((options.clock)());
    let stamp: String = now.chars().filter(char::is_ascii_alphanumeric).collect();
    let mut aside = dir.file_name().unwrap_or_default().to_owned();
    aside.push(format!(".damaged-{stamp}"));
    std::fs::rename(dir, dir.with_file_name(&aside)).map_err(failed("set aside", dir))?;
    if let Some(path) = &options.witness {
        // What it vouched for is in the other folder now.
        Witness::treeless().write(path).map_err(failed("write", path))?;
    }
    let mut opened = take_over(dir, options)?;
    let what = damage.within();
    let detail = format!("a damaged log was set aside in {} as the owner asked: {what}", aside.display());
    opened.writer.append(Record::event(Kind::Decision, detail)).map_err(unwritten(dir))?;
    Ok(opened)
}

/// Writes on behind the damage, without a tree: nothing that is wrong is signed for. What is no line of a log cannot be
/// gone on with.
fn go_on_damaged(dir: &Path, options: &Options, damage: OpenError) -> Result<Opened, OpenError> {
    let unsigned = Options { signer: None, ..options.clone() };
    let Ok(mut opened) = take_over(dir, &unsigned) else { return Err(damage) };
    let what = damage.within();
    let detail = format!("a damaged log is written on without a tree as the owner asked: {what}");
    opened.writer.append(Record::event(Kind::Decision, detail)).map_err(unwritten(dir))?;
    opened.damage = Some(what);
    Ok(opened)
}

fn unwritten(dir: &Path) -> impl FnOnce(super::AppendError) -> OpenError {
    let failed = failed("write", dir);
    move |error| failed(io::Error::other(error))
}

fn take_over(dir: &Path, options: &Options) -> Result<Opened, OpenError> {
    segment::create_folder(dir).map_err(failed("make the folder of", dir))?;
    let lock = FolderLock::take(dir)
        .map_err(failed("lock", dir))?
        .ok_or_else(|| OpenError::Locked { dir: dir.to_owned() })?;
    let mut names = segment::list(dir).map_err(failed("read", dir))?;
    let mut end = find_end(dir, &names)?;
    // What is to be told once there is a writer.
    let mut told = Vec::new();
    let mut sealer = None;
    if let Some(signer) = &options.signer {
        let now_ms = (options.clock)();
        let foreign = Tree::new(dir, &names, &end, options).foreign(signer, now_ms)?;
        if let Some(foreign) = foreign {
            told.push((Kind::Torn, foreign.told(end.next_seq)));
            foreign.set_aside(dir, &names)?;
            names = segment::list(dir).map_err(failed("read", dir))?;
            end = find_end(dir, &names)?;
        }
        let taken = Tree::new(dir, &names, &end, options).open(signer, now_ms)?;
        told.extend(taken.told());
        let Taken { sealer: taken, .. } = taken;
        sealer = Some(taken);
    } else if end.next_seq == 0
        && let Some(path) = &options.witness
        && Witness::read(path).map_err(failed("read", path))?.is_none()
    {
        Witness::treeless().write(path).map_err(failed("write", path))?;
    }
    if let Some(torn) = &end.torn {
        set_aside(dir, torn)?;
        let Torn { name, whole_bytes, length } = torn;
        let detail = format!(
            "{length} bytes behind byte {whole_bytes} of {name} were half a line; set aside in {name}.torn"
        );
        told.push((Kind::Torn, detail));
    }
    let sealed = sealer.as_ref().map(Sealer::sealed);
    let mut writer =
        Writer::new(dir.to_owned(), options.clone(), lock, names.last().cloned(), end.next_seq, sealed)
            .map_err(failed("write", dir))?;
    for (kind, detail) in told {
        writer.append(Record::event(kind, detail)).map_err(unwritten(dir))?;
    }
    Ok(Opened { writer, sealer, damage: None })
}

/// Where a log ends.
#[derive(Debug)]
pub(super) struct End {
    pub(super) next_seq: u64,
    pub(super) torn: Option<Torn>,
    /// The segment it ends in, hashed.
    pub(super) tail: Tail,
}

/// The lines of the segment that a log ends in.
#[derive(Debug, Default)]
pub(super) struct Tail {
    pub(super) path: PathBuf,
    /// The `seq` of the first line.
    pub(super) begin: u64,
    pub(super) leaves: Vec<Hash>,
}

/// Half a line at the end of a segment, or whole ones that are not the log's.
#[derive(Debug)]
pub(super) struct Torn {
    pub(super) name: SegmentName,
    pub(super) whole_bytes: u64,
    pub(super) length: u64,
}

fn find_end(dir: &Path, names: &[SegmentName]) -> Result<End, OpenError> {
    let mut next_seq = None;
    let mut torn = None;
    let mut tail = Tail::default();
    // Behind the last segment with a byte there can be empty ones: a crash right after a rotation.
    let length = |name: &SegmentName| {
        let path = dir.join(name.to_string());
        std::fs::metadata(&path).map(|metadata| metadata.len()).map_err(failed("read", &path))
    };
    let mut last = None;
    for (index, name) in names.iter().enumerate() {
        if length(name)? > 0 {
            last = Some(index);
        }
    }
    for (index, name) in names.iter().enumerate() {
        if Some(index) == last {
            (torn, tail) = check_whole(dir, name, &mut next_seq)?;
        } else {
            check_ends(dir, name, &mut next_seq)?;
        }
    }
    Ok(End { next_seq: next_seq.unwrap_or(0), torn, tail })
}

/// Reads every line of the segment the log ends in.
fn check_whole(
    dir: &Path,
    name: &SegmentName,
    next_seq: &mut Option<u64>,
) -> Result<(Option<Torn>, Tail), OpenError> {
    let path = dir.join(name.to_string());
    let mut lines = Forward::open(&path, 0).map_err(failed("read", &path))?;
    let mut leaves = Vec::new();
    let mut offset = 0;
    while let Some(line) = lines.next_line().map_err(failed("read", &path))? {
        check_line(&path, leaves.len() as u64 + 1, line, next_seq)?;
        leaves.push(leaf_hash(line));
        offset += line.len() as u64 + 1;
    }
    let length = std::fs::metadata(&path).map_err(failed("read", &path))?.len() - offset;
    let torn = (length > 0).then(|| Torn { name: name.clone(), whole_bytes: offset, length });
    let begin = next_seq.unwrap_or(0).saturating_sub(leaves.len() as u64);
    Ok((torn, Tail { path, begin, leaves }))
}

/// Reads the first and the last line of a segment that others follow.
fn check_ends(dir: &Path, name: &SegmentName, next_seq: &mut Option<u64>) -> Result<(), OpenError> {
    let path = dir.join(name.to_string());
    let read = || failed("read", &path);
    let mut lines = Forward::open(&path, 0).map_err(read())?;
    let Some(first) = lines.next_line().map_err(read())? else {
        return match std::fs::metadata(&path).map_err(read())?.len() {
            0 => Ok(()),
            _ => Err(damaged(&path, 1, "the line is cut, and later segments follow")),
        };
    };
    check_line(&path, 1, first, next_seq)?;
    let second = next_seq.unwrap_or_default();
    let first_end = lines.offset();
    let length = std::fs::metadata(&path).map_err(read())?.len();
    let mut lines = Backward::open(&path, None).map_err(read())?;
    let (begin, last) = lines
        .next_line()
        .map_err(read())?
        .map(|(begin, line)| (begin, line.to_vec()))
        .ok_or_else(|| damaged(&path, 1, "the segment became shorter while it was read"))?;
    let seq = Head::parse(&last).map(|record| record.seq).unwrap_or(second);
    let number = (seq + 2).saturating_sub(second);
    if begin + (last.len() as u64) + 1 != length {
        return Err(damaged(&path, number + 1, "the line is cut, and later segments follow"));
    }
    if begin >= first_end {
        if seq < second {
            return Err(damaged(&path, number, &format!("seq {seq} stands behind seq {}", second - 1)));
        }
        *next_seq = Some(seq);
        check_line(&path, number, &last, next_seq)?;
    }
    Ok(())
}

/// Checks that a line is a record and the one that is next.
fn check_line(path: &Path, number: u64, line: &[u8], next_seq: &mut Option<u64>) -> Result<(), OpenError> {
    let record = Head::parse(line).map_err(|error| damaged(path, number, &error.to_string()))?;
    // A log whose oldest segments were pruned begins where it begins.
    match *next_seq {
        Some(expected) if record.seq != expected => {
            Err(damaged(path, number, &format!("seq {} stands where seq {expected} belongs", record.seq)))
        }
        _ => {
            *next_seq = Some(record.seq + 1);
            Ok(())
        }
    }
}

pub(super) fn damaged(path: &Path, line: u64, why: &str) -> OpenError {
    OpenError::Damaged { file: path.to_owned(), line, why: why.to_owned() }
}

/// Moves half a line to `<segment>.torn`; first there, then away, so that a crash can only double it.
pub(super) fn set_aside(dir: &Path, torn: &Torn) -> Result<(), OpenError> {
    let path = dir.join(torn.name.to_string());
    let aside = dir.join(format!("{}.torn", torn.name));
    let mut segment = OpenOptions::new().read(true).write(true).open(&path).map_err(failed("read", &path))?;
    let mut options = OpenOptions::new();
    options.append(true).create(true);
    segment::private(&mut options);
    let mut copy = || {
        let mut file = options.open(&aside)?;
        segment.seek(SeekFrom::Start(torn.whole_bytes))?;
        io::copy(&mut (&mut segment).take(torn.length), &mut file)?;
        file.write_all(b"\n")?;
        file.sync_all()?;
        segment::sync_folder(dir)
    };
    copy().map_err(failed("set a torn line aside for", &aside))?;
    segment.set_len(torn.whole_bytes).and_then(|()| segment.sync_all()).map_err(failed("repair", &path))
}
