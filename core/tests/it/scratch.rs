//! A home of its own for each test.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use zos_core::{Brain, Context, ContextName, ContextState, Environment, Home, Problem, Snapshot};

/// A home that vanishes with the test.
pub(crate) struct Scratch {
    folder: tempfile::TempDir,
}

pub(crate) fn name(text: &str) -> ContextName {
    text.parse().unwrap()
}

impl Scratch {
    pub(crate) fn new() -> Self {
        Self { folder: tempfile::tempdir().unwrap() }
    }

    pub(crate) fn with(files: &[(&str, &str)]) -> Self {
        let scratch = Self::new();
        for (path, text) in files {
            scratch.put(path, text);
        }
        scratch
    }

    pub(crate) fn root(&self) -> PathBuf {
        // A link on the way (macOS has one) would make events name other paths.
        fs::canonicalize(self.folder.path()).unwrap().join("home")
    }

    pub(crate) fn path(&self, path: &str) -> PathBuf {
        self.root().join(path)
    }

    /// Writes a file the simple way.
    pub(crate) fn put(&self, path: &str, text: impl AsRef<[u8]>) {
        let path = self.path(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }

    pub(crate) fn read(&self, path: &str) -> String {
        fs::read_to_string(self.path(path)).unwrap()
    }

    pub(crate) fn home(&self) -> Home {
        Home::resolve_from(Some(&self.root()), None, None).unwrap()
    }

    pub(crate) fn brain(&self) -> Brain {
        Brain::open_in(self.home(), Environment::default()).unwrap()
    }
}

/// The context of this name, which must govern.
#[track_caller]
pub(crate) fn live(snapshot: &Snapshot, context: &str) -> Context {
    match snapshot.context(&name(context)) {
        Some(ContextState::Live { context, .. }) => Context::clone(context),
        other => panic!("{context}: {other:?}"),
    }
}

/// `live`, `stale`, `broken` or `absent`.
pub(crate) fn state(snapshot: &Snapshot, context: &str) -> &'static str {
    match snapshot.context(&name(context)) {
        Some(ContextState::Live { stale: false, .. }) => "live",
        Some(ContextState::Live { stale: true, .. }) => "stale",
        Some(ContextState::Broken { .. }) => "broken",
        None => "absent",
    }
}

/// The problem that says this.
#[track_caller]
pub(crate) fn problem<'s>(snapshot: &'s Snapshot, part: &str) -> &'s Problem {
    let found = snapshot.problems.iter().find(|problem| problem.to_string().contains(part));
    found.unwrap_or_else(|| panic!("no {part:?} in {:#?}", snapshot.problems))
}

/// Waits until a snapshot is as wished. The bound is far above what it takes: it is no measurement.
#[track_caller]
pub(crate) fn wait(brain: &Brain, wish: impl Fn(&Snapshot) -> bool) {
    let deadline = Instant::now() + Duration::from_secs(5);
    while !wish(&brain.snapshot()) {
        assert!(Instant::now() < deadline, "never came: {:#?}", brain.snapshot().problems);
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// How many terms the context denies; 0 where it does not govern.
pub(crate) fn denied(snapshot: &Snapshot, context: &str) -> usize {
    let context = snapshot.context(&name(context)).and_then(ContextState::context);
    context.map_or(0, |context| context.outbound_deny.len())
}

/// Saves as careful editors do: a neighbour is written and renamed over the file.
pub(crate) fn save_by_rename(path: &Path, text: &str) {
    let neighbour = path.with_extension("tmp");
    fs::write(&neighbour, text).unwrap();
    fs::rename(neighbour, path).unwrap();
}
