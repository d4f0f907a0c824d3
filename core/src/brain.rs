//! The brain: all files of a home, loaded, watched, and published as one immutable snapshot.
//!
//! A broken file never takes the last good version down. Everything here blocks on the disk and
//! compiles rules; async code calls it from a blocking thread, except [`Brain::snapshot`] and
//! [`Brain::subscribe`], which cost nanoseconds.

mod canons;
mod changes;
mod contexts;
mod load;
mod look;
mod packs;
mod policy;
mod snapshot;
mod source;
mod state;
mod watch;

pub use changes::Change;
pub use policy::{RoomPolicy, RulePlace};
pub use snapshot::{ContextState, NoContext, Snapshot};
pub use source::{ContextSource, WriteError};
pub use state::ActiveError;
pub use watch::{WatchError, Watching};

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

use arc_swap::ArcSwap;
use tokio::sync::watch as channel;

use crate::fleet::Environment;
use crate::home::Home;
use load::{Loaded, Loader};

/// Time that a file may be missing while an editor saves it, before its absence counts.
const LOOK_AGAIN: Duration = Duration::from_millis(80);

/// The loaded home. Cheap to clone; all clones are one.
#[derive(Clone)]
pub struct Brain {
    shared: Arc<Shared>,
}

struct Shared {
    home: Home,
    current: ArcSwap<Snapshot>,
    published: channel::Sender<Arc<Snapshot>>,
    /// State of loading, for one writer at a time: the last good version of every file.
    loader: Mutex<Loader>,
}

/// Why a home cannot be opened. Broken files are no reason.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// The home is a file.
    #[error("{0} is not a folder; give --home another folder")]
    NotAFolder(String),
    /// The home cannot be looked into.
    #[error("{path} cannot be read")]
    Unreadable {
        /// The home.
        path: String,
        /// Why.
        source: std::io::Error,
    },
}

impl Brain {
    /// Loads a home, which need not exist. Broken files become problems of the snapshot.
    ///
    /// # Errors
    /// If the home exists and is not a folder that can be read.
    pub fn open(home: Home) -> Result<Self, OpenError> {
        Self::open_in(home, Environment::capture())
    }

    /// Loads a home as [`Brain::open`], with the environment as an argument.
    ///
    /// # Errors
    /// If the home exists and is not a folder that can be read.
    pub fn open_in(home: Home, environment: Environment) -> Result<Self, OpenError> {
        check(&home)?;
        let mut loader = Loader::new(home.clone(), environment);
        let Loaded::New(first) = loader.load() else {
            unreachable!("the first look finds everything new");
        };
        let first = Arc::from(first);
        let (published, _) = channel::channel(Arc::clone(&first));
        let shared = Shared { home, current: ArcSwap::new(first), published, loader: Mutex::new(loader) };
        Ok(Self { shared: Arc::new(shared) })
    }

    /// The home that was opened.
    pub fn home(&self) -> &Home {
        &self.shared.home
    }

    /// Snapshot that is in force now. Costs nanoseconds.
    pub fn snapshot(&self) -> Arc<Snapshot> {
        self.shared.current.load_full()
    }

    /// Channel that tells when a new snapshot is in force.
    pub fn subscribe(&self) -> channel::Receiver<Arc<Snapshot>> {
        self.shared.published.subscribe()
    }

    /// Reads all files again and publishes a new snapshot if anything changed. Blocks, for a moment
    /// longer if a file is missing that was there.
    pub fn reload(&self) {
        self.reload_with(&mut self.loader());
    }

    /// Follows the files until the guard is dropped: a change is in force within 500 ms.
    ///
    /// # Errors
    /// If the system gives us no watcher.
    pub fn watch(&self) -> Result<Watching, WatchError> {
        watch::start(self.clone())
    }

    /// A panic while loading leaves the last good versions, which is what a lock protects here.
    fn loader(&self) -> MutexGuard<'_, Loader> {
        self.shared.loader.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Looks until it is sure what is on the disk.
    fn reload_with(&self, loader: &mut Loader) {
        while self.look(loader) {
            thread::sleep(LOOK_AGAIN);
        }
    }

    /// Looks at the files once and puts changes in force. Returns whether to look again after [`LOOK_AGAIN`].
    fn look(&self, loader: &mut Loader) -> bool {
        match loader.load() {
            Loaded::Same => false,
            Loaded::Unsure => true,
            Loaded::New(next) => {
                let next: Arc<Snapshot> = Arc::from(next);
                self.shared.current.store(Arc::clone(&next));
                self.shared.published.send_replace(next);
                false
            }
        }
    }
}

fn check(home: &Home) -> Result<(), OpenError> {
    let path = || home.root().display().to_string();
    match std::fs::metadata(home.root()) {
        Ok(metadata) if metadata.is_dir() => match std::fs::read_dir(home.root()) {
            Ok(_) => Ok(()),
            Err(source) => Err(OpenError::Unreadable { path: path(), source }),
        },
        Ok(_) => Err(OpenError::NotAFolder(path())),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(()),
        Err(source) => Err(OpenError::Unreadable { path: path(), source }),
    }
}
