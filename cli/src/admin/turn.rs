//! Turns: commands that change a home on which no zOS runs go one after the other.
//!
//! Who works on a home holds the lock of its ledger, a zOS that serves as well as a command for the time of one
//! request. A command first takes the lock of this file, and gives it back when it is done: so whoever finds
//! the ledger held while this lock is free knows that a zOS serves, and whoever waits here knows for whom.

use std::fs::{File, OpenOptions};
use std::io::{Read, Seek, Write};
use std::path::PathBuf;
use std::time::{Duration, Instant};
use zos_core::Home;

/// How long a command waits for one before it: longer than any works, but for one that asks a provider and gets
/// no answer.
const PATIENCE: Duration = Duration::from_secs(20);

/// Time between two looks.
const BETWEEN_LOOKS: Duration = Duration::from_millis(10);

/// The most bytes of what stands in the file: a number.
const WORD_BYTES: u64 = 32;

/// This command's turn, until it is dropped or the process ends.
pub(crate) struct Turn(#[expect(dead_code, reason = "the lock lives as long as the open file")] Option<File>);

/// Another command works on the home and did not end in time; its process, where that is known.
pub(crate) struct Busy(pub(crate) Option<u32>);

impl Busy {
    /// What is told of it.
    pub(crate) fn sentence(&self, home: &Home) -> String {
        let which = self.0.map(|pid| format!(" (process {pid})")).unwrap_or_default();
        format!("Another zos command{which} is still at work on {}.", home.root().display())
    }
}

fn path(home: &Home) -> PathBuf {
    home.root().join("gateway").join("command.lock")
}

/// Waits for this command's turn. A home on which no file can be made gives it at once: what is asked there
/// fails by itself, and says why.
pub(crate) fn wait(home: &Home) -> Result<Turn, Busy> {
    let Some(mut file) = open(home, true) else { return Ok(Turn(None)) };
    let mut end = Instant::now() + PATIENCE;
    let mut before = None;
    while !matches!(file.try_lock(), Ok(())) {
        // Many short ones in a row are no reason to give up; one that does not end is.
        let now = holder(&mut file);
        if now != before {
            (before, end) = (now, Instant::now() + PATIENCE);
        }
        if Instant::now() >= end {
            return Err(Busy(now));
        }
        std::thread::sleep(BETWEEN_LOOKS);
    }
    // Only told to people, so it may fail.
    let _ =
        file.set_len(0).and_then(|()| file.rewind()).and_then(|()| write!(file, "{}", std::process::id()));
    Ok(Turn(Some(file)))
}

/// Whether some command has its turn now.
pub(crate) fn is_taken(home: &Home) -> bool {
    let Some(file) = open(home, false) else { return false };
    matches!(file.try_lock_shared(), Err(std::fs::TryLockError::WouldBlock))
}

fn open(home: &Home, make: bool) -> Option<File> {
    let path = path(home);
    let mut options = OpenOptions::new();
    options.read(true).write(make).create(make).truncate(false);
    #[cfg(unix)]
    {
        use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
        options.mode(0o600);
        if make {
            // What keeps the folder from being made is told by what opens the home.
            let _ = std::fs::DirBuilder::new().recursive(true).mode(0o700).create(path.parent()?);
        }
    }
    options.open(path).ok()
}

fn holder(file: &mut File) -> Option<u32> {
    let mut text = String::new();
    file.rewind().ok()?;
    file.take(WORD_BYTES).read_to_string(&mut text).ok()?;
    text.trim().parse().ok()
}
