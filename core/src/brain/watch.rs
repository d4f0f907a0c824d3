//! Follows the files of a home while a guard lives.
//!
//! Folders are watched, never files: a watch on a file dies with the first save by rename. Events
//! only say "look again"; what changed is found by reading. A folder that does not exist yet is
//! awaited in its nearest existing parent. Where the system refuses a watch, the home is looked at
//! every [`POLL`].

use std::collections::BTreeMap;
use std::fs;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError, Sender};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use notify::{Event, EventKind, RecommendedWatcher, RecursiveMode, Watcher};

use super::{Brain, LOOK_AGAIN};
use crate::canon;
use crate::home::Home;

/// Quiet that must pass after an event before files are read: editors write in several steps.
const SETTLE: Duration = LOOK_AGAIN;
/// The longest wait for quiet, so that a change is in force within 500 ms however busy the folder is,
/// also when a second look is needed.
const SETTLE_MAX: Duration = Duration::from_millis(200);
/// Pause between two looks at a home that cannot be watched.
const POLL: Duration = Duration::from_secs(2);
/// The wait before files are read again that could not be read, for want of file descriptors for example. Each
/// further one is twice as long, up to [`POLL`].
const RETRY: Duration = Duration::from_millis(250);

/// Why a home cannot be followed.
#[derive(Debug, thiserror::Error)]
pub enum WatchError {
    /// The system gives no watcher.
    #[error("files cannot be watched on this system")]
    Watcher(#[from] notify::Error),
    /// The system gives no thread.
    #[error("no thread for watching files")]
    Thread(#[from] std::io::Error),
}

/// Follows the files until dropped.
pub struct Watching {
    messages: Sender<Message>,
    thread: Option<JoinHandle<()>>,
}

enum Message {
    Event(notify::Result<Event>),
    Stop,
}

impl Drop for Watching {
    fn drop(&mut self) {
        // Both fail only if the thread has ended already.
        let _ = self.messages.send(Message::Stop);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

pub(super) fn start(brain: Brain) -> Result<Watching, WatchError> {
    let (messages, inbox) = mpsc::channel();
    let events = messages.clone();
    let watcher = notify::recommended_watcher(move |event| {
        // Nobody listens any more once the guard is gone.
        let _ = events.send(Message::Event(event));
    })?;
    let mut follower = Follower { watches: Watches::new(watcher, brain.home().clone()), brain, inbox };
    follower.watches.renew();
    // What changed between opening and watching.
    follower.brain.reload();
    let thread = thread::Builder::new().name("zos-files".to_owned()).spawn(move || follower.run())?;
    Ok(Watching { messages, thread: Some(thread) })
}

struct Follower {
    watches: Watches,
    brain: Brain,
    inbox: Receiver<Message>,
}

impl Follower {
    fn run(mut self) {
        let mut look_again = false;
        let mut retry = RETRY;
        loop {
            let is_short = self.brain.loader().is_short();
            let goes_on = match look_again {
                true => self.wait_for_quiet(),
                false => self.wait_for_change(is_short.then_some(retry)),
            };
            if !goes_on {
                return;
            }
            retry = if is_short { (retry * 2).min(POLL) } else { RETRY };
            self.watches.renew();
            // A panic is a bug, but it must not end the following of files.
            look_again = catch_unwind(AssertUnwindSafe(|| self.brain.look(&mut self.brain.loader())))
                .unwrap_or_else(|_| {
                    tracing::error!("loading the home failed unexpectedly; the last good versions govern");
                    false
                });
        }
    }

    /// Waits until something changed and it is quiet again, or until it is time to read what could not be read;
    /// false when it is time to stop.
    fn wait_for_change(&self, retry: Option<Duration>) -> bool {
        loop {
            let message = match retry.or((!self.watches.complete).then_some(POLL)) {
                None => self.inbox.recv().map_err(|_| RecvTimeoutError::Disconnected),
                Some(wait) => self.inbox.recv_timeout(wait),
            };
            match message {
                Ok(Message::Stop) | Err(RecvTimeoutError::Disconnected) => return false,
                Ok(Message::Event(event)) if self.watches.concerns_us(&event) => {
                    return self.wait_for_quiet();
                }
                Ok(Message::Event(_)) => {}
                Err(RecvTimeoutError::Timeout) => return true,
            }
        }
    }

    /// Waits until nothing happened for [`SETTLE`], at most [`SETTLE_MAX`]; false when it is time to stop.
    fn wait_for_quiet(&self) -> bool {
        let deadline = Instant::now() + SETTLE_MAX;
        let mut quiet_at = Instant::now() + SETTLE;
        loop {
            let wait = quiet_at.min(deadline).saturating_duration_since(Instant::now());
            match self.inbox.recv_timeout(wait) {
                Ok(Message::Stop) | Err(RecvTimeoutError::Disconnected) => return false,
                Ok(Message::Event(event)) if self.watches.concerns_us(&event) => {
                    quiet_at = Instant::now() + SETTLE;
                }
                Ok(Message::Event(_)) => {}
                Err(RecvTimeoutError::Timeout) => return true,
            }
            if Instant::now() >= deadline {
                return true;
            }
        }
    }
}

/// The folders that are watched.
struct Watches {
    watcher: RecommendedWatcher,
    home: Home,
    watched: BTreeMap<PathBuf, Identity>,
    /// Whether every folder that matters is watched.
    complete: bool,
}

/// Identity of a folder, which tells it from another of the same name that took its place. Without it every look renews
/// the watch.
type Identity = Option<(u64, u64)>;

impl Watches {
    fn new(watcher: RecommendedWatcher, home: Home) -> Self {
        Self { watcher, home, watched: BTreeMap::new(), complete: true }
    }

    /// Watches what matters now: folders come, go, and are replaced.
    fn renew(&mut self) {
        let wanted: BTreeMap<PathBuf, Identity> =
            folders(&self.home).into_iter().map(|folder| (folder.clone(), identity(&folder))).collect();
        let gone: Vec<PathBuf> = self
            .watched
            .iter()
            .filter(|(folder, identity)| identity.is_none() || wanted.get(*folder) != Some(*identity))
            .map(|(folder, _)| folder.clone())
            .collect();
        for folder in gone {
            // A folder that was removed took its watch along.
            let _ = self.watcher.unwatch(&folder);
            self.watched.remove(&folder);
        }
        self.complete = true;
        for (folder, identity) in wanted {
            if self.watched.contains_key(&folder) {
                continue;
            }
            match self.watcher.watch(&folder, RecursiveMode::NonRecursive) {
                Ok(()) => {
                    self.watched.insert(folder, identity);
                }
                Err(error) => {
                    tracing::warn!(%error, folder = %self.home.relative(&folder), "cannot watch a folder; looking now and then");
                    self.complete = false;
                }
            }
        }
    }

    /// Whether an event may be about our files. Reads are not, our own least of all.
    fn concerns_us(&self, event: &notify::Result<Event>) -> bool {
        let event = match event {
            Ok(event) => event,
            // An error may hide a change.
            Err(_) => return true,
        };
        if matches!(event.kind, EventKind::Access(_)) {
            return false;
        }
        event.need_rescan() || event.paths.is_empty() || event.paths.iter().any(|path| self.is_ours(path))
    }

    fn is_ours(&self, path: &Path) -> bool {
        let root = self.home.root();
        // A parent of the home that appears, a file in the home, or the target of a link.
        root.starts_with(path)
            || path.starts_with(root)
            || path
                .parent()
                .is_some_and(|parent| self.watched.contains_key(parent) && !root.starts_with(parent))
    }
}

/// The folders that matter, or the nearest existing parent of each, and the folders of files that
/// links point to.
fn folders(home: &Home) -> Vec<PathBuf> {
    let mut folders = vec![home.root().to_path_buf(), home.contexts(), home.rules()];
    folders.extend(home.fleet().parent().map(Path::to_path_buf));
    let mut links = vec![home.fleet(), home.state(), home.root().join(canon::MANIFEST)];
    let layers = canon::folders(home);
    for folder in layers.iter().chain([&home.contexts()]) {
        if let Ok(entries) = fs::read_dir(folder) {
            links.extend(entries.flatten().map(|entry| entry.path()));
        }
    }
    folders.extend(layers);
    for path in links {
        if fs::symlink_metadata(&path).is_ok_and(|metadata| metadata.is_symlink())
            && let Ok(target) = fs::canonicalize(&path)
        {
            folders.extend(target.parent().map(Path::to_path_buf));
        }
    }
    folders.into_iter().filter_map(nearest_existing).collect()
}

fn nearest_existing(folder: PathBuf) -> Option<PathBuf> {
    folder.ancestors().find(|ancestor| ancestor.is_dir()).map(Path::to_path_buf)
}

#[cfg(unix)]
fn identity(folder: &Path) -> Identity {
    use std::os::unix::fs::MetadataExt;
    fs::metadata(folder).ok().map(|metadata| (metadata.dev(), metadata.ino()))
}

#[cfg(not(unix))]
fn identity(_folder: &Path) -> Identity {
    None
}
