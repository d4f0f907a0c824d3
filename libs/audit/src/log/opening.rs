//! Takes a log over from an earlier life, and does with a damaged one what the owner chose.

use std::io;
use std::path::Path;

use super::damage::{OpenError, failed};
use super::end::{Torn, find_end, set_aside};
use super::sealer::Sealer;
use super::takeover::{Taken, Tree};
use super::writer::{FolderLock, Writer};
use super::{OnDamage, Options};
use crate::record::{Kind, Record};
use crate::segment;
use crate::witness::Witness;

/// A log that is open for writing.
#[derive(Debug)]
pub(super) struct Opened {
    pub(super) writer: Writer,
    /// The tree, where one is kept.
    pub(super) sealer: Option<Sealer>,
    /// Damage of the log, where it is written all the same.
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

/// First damage in segments before the newest, which opening does not read; the owner asked for a sound log, so it
/// may take its time. A log that is not signed has nothing to be compared with.
fn older_damage(dir: &Path, options: &Options) -> Option<OpenError> {
    options.signer.as_ref()?;
    let report = crate::verify::verify(dir, None, &mut |_, _| ()).ok()?;
    let first = report.findings.first()?;
    Some(OpenError::Broken { dir: dir.to_owned(), why: first.to_string() })
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
