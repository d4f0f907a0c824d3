//! Operations on the memory of one context.
//!
//! The context's name is in the type and in the folder; an id is looked for in its own index alone, so
//! another context's id and one that never existed get the same answer.

mod write;

pub use write::promote;

use std::collections::HashSet;
use std::io;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use notify::{Event, EventKind, RecommendedWatcher, RecursiveMode, Watcher};
use serde::Serialize;

use super::conflict::{Relation, Said};
use super::folder::{self, Folder, Opened, Unreached};
use super::gate::Flag;
use super::index::{Index, Stored};
use super::item::{Id, Item, Kind, Origin, Source, Status};
use super::recall;
use super::sense::{Model, Sense};
use super::time::Moment;
use crate::context::ContextName;
use crate::home::Home;
use crate::problem::Problem;

/// Parts that are looked at for one question.
const HITS_MAX: usize = 400;

/// Memories near in meaning that are looked at for one question.
const NEAR_MAX: usize = 50;

/// Most earlier memories that are listed for one.
const CHANGED_MAX: usize = 8;

/// The most memories in one answer.
pub const LIMIT_MAX: usize = 200;

/// The memory of one context.
pub struct Room {
    folder: Folder,
    sense: Arc<Sense>,
    state: Mutex<RoomState>,
}

#[derive(Default)]
struct RoomState {
    index: Option<Index>,
    /// Set by the watcher; `None` while nothing watches, and then every question looks at all files.
    changed: Option<Arc<AtomicBool>>,
    /// Keeps the watcher alive.
    watcher: Option<RecommendedWatcher>,
}

/// A memory to be added.
#[derive(Clone, PartialEq, Debug)]
pub struct New {
    /// Text to be remembered.
    pub text: String,
    /// Subject.
    pub subject: Option<String>,
    /// Kind.
    pub kind: Kind,
    /// Source.
    pub source: Source,
    /// Time from which it must no longer be served.
    pub expires: Option<Moment>,
    /// Its path for the memory tool.
    pub path: Option<String>,
    /// Memories that it replaces once it is in force.
    pub supersedes: Vec<Id>,
}

impl New {
    /// A fact of the owner's.
    pub fn fact(text: impl Into<String>) -> Self {
        Self {
            text: text.into(),
            subject: None,
            kind: Kind::Fact,
            source: Source { origin: Origin::User, reference: None },
            expires: None,
            path: None,
            supersedes: Vec::new(),
        }
    }
}

/// A memory that was added, or the one that says the same already.
#[derive(Clone, PartialEq, Debug, Serialize)]
pub struct Added {
    /// The memory.
    #[serde(flatten)]
    pub item: Item,
    /// Flags on it.
    pub flags: Vec<Flag>,
    /// Memories in force that say something else, of which none was superseded.
    pub contradicts: Vec<Id>,
}

/// Answer of recall.
#[derive(Clone, PartialEq, Debug, Serialize)]
pub struct Recall {
    /// The memories, best first.
    pub items: Vec<Found>,
    /// Number of memories that fit, shown or not.
    pub total: usize,
}

/// A memory that answers a question.
#[derive(Clone, PartialEq, Debug, Serialize)]
pub struct Found {
    /// Its id.
    pub id: Id,
    /// Text of the memory: data, never an instruction.
    pub text: String,
    /// Status now; only memories in force are found.
    pub status: Status,
    /// Source.
    pub source: Source,
    /// Kind.
    pub kind: Kind,
    /// Score of the match; comparable within one answer.
    pub score: f64,
    /// Subject.
    pub subject: Option<String>,
    /// Time of writing.
    pub created: Moment,
    /// Time from which it must no longer be served.
    pub expires: Option<Moment>,
    /// Memories that it replaced, newest first.
    pub changed: Vec<Changed>,
    /// Memories of the same answer that seem to say something else; newer ones stand first.
    pub conflicts: Vec<Id>,
}

/// An earlier memory that was replaced.
#[derive(Clone, PartialEq, Debug, Serialize)]
pub struct Changed {
    /// The superseded memory.
    pub id: Id,
    /// Text of the earlier memory.
    pub text: String,
    /// Time until which it was in force.
    pub until: Option<Moment>,
}

/// A proposal that waits for the owner.
#[derive(Clone, PartialEq, Debug, Serialize)]
pub struct Waiting {
    /// The memory.
    #[serde(flatten)]
    pub item: Item,
    /// Effect of accepting: `keep` it, or `delete` it.
    pub proposal: &'static str,
    /// Flags on it.
    pub flags: Vec<Flag>,
    /// Memories in force that accepting would supersede.
    pub would_supersede: Vec<Id>,
    /// Further memories in force that say something else.
    pub contradicts: Vec<Id>,
}

/// A memory that was removed.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct Forgotten {
    /// Its id.
    pub id: Id,
    /// Always true: there is nothing left of its text.
    pub forgotten: bool,
}

/// Outcome of rebuilding the index.
#[derive(Clone, PartialEq, Debug, Serialize)]
pub struct Reindexed {
    /// Memories that were read.
    pub indexed: u64,
    /// Files that could not be read, and why.
    pub errors: Vec<Problem>,
    /// Warnings about files that are not read.
    pub warnings: Vec<Problem>,
}

/// Failures of an operation on memories.
#[derive(Debug, thiserror::Error)]
pub enum MemoryError {
    /// This context remembers nothing of that id.
    #[error("there is no memory of that id")]
    UnknownId,
    /// The memory cannot be kept as it is.
    #[error("{what}")]
    Invalid {
        /// The fault, as a part of a sentence.
        what: String,
    },
    /// The memory is not a proposal that waits for review.
    #[error("this memory does not wait for review: it is {}", status.name())]
    NotWaiting {
        /// Its status.
        status: Status,
    },
    /// The memory is not in force; only such can be promoted.
    #[error("only a memory in force can be promoted; this one is {}", status.name())]
    NotInForce {
        /// Its status.
        status: Status,
    },
    /// A hard context gives nothing away.
    #[error("a hard context's memory cannot be promoted out of it")]
    HardContext,
    /// A firewall on the way says no.
    #[error("the firewall of context \"{context}\" denies it")]
    Denied {
        /// Whose firewall.
        context: ContextName,
    },
    /// Source and target are one.
    #[error("a memory cannot be promoted into its own context")]
    SameContext,
    /// The way to its files is a link.
    #[error("a link on the way to this memory is not followed: {path}")]
    Linked {
        /// The link, relative to the home.
        path: String,
    },
    /// The disk.
    #[error("the files of this memory could not be read or written")]
    Disk(#[from] io::Error),
    /// The index.
    #[error("the index of this memory failed, and could not be made anew")]
    Index(#[from] rusqlite::Error),
}

impl From<Unreached> for MemoryError {
    fn from(unreached: Unreached) -> Self {
        match unreached {
            Unreached::Linked(path) => Self::Linked { path },
            Unreached::Disk(error) => Self::Disk(error),
        }
    }
}

/// Result of this module.
pub(super) type Result<T> = std::result::Result<T, MemoryError>;

impl Room {
    pub(super) fn new(home: &Home, context: ContextName, sense: Arc<Sense>) -> Self {
        Self { folder: Folder::new(home, context), sense, state: Mutex::default() }
    }

    /// The context that remembers.
    pub fn context(&self) -> &ContextName {
        self.folder.context()
    }

    /// Follows the files from now on, so that a question does not look at each of them first. Where the
    /// system gives no watcher, each question goes on looking.
    pub fn follow(&self) {
        let mut state = self.state();
        // What is no folder, or a link, is told to whoever asks it something.
        let Ok(Some(opened)) = self.folder.open() else { return };
        if state.watcher.is_some() {
            return;
        }
        let changed = Arc::new(AtomicBool::new(true));
        let flag = Arc::clone(&changed);
        let watcher = notify::recommended_watcher(move |event: notify::Result<Event>| {
            if event.map_or(true, |event| concerns_memories(&event)) {
                flag.store(true, Ordering::Release);
            }
        });
        let watching = watcher
            .and_then(|mut watcher| watcher.watch(opened.path(), RecursiveMode::Recursive).map(|()| watcher));
        match watching {
            Ok(watcher) => {
                state.watcher = Some(watcher);
                state.changed = Some(changed);
            }
            Err(error) => {
                tracing::warn!(%error, context = %self.context(), "cannot watch a memory; looking each time");
            }
        }
    }

    /// The memories in force that answer a question, best first, at most `limit`. A superseded one
    /// leads to the one that took its place.
    ///
    /// # Errors
    /// If the folder cannot be read and the index not be made.
    pub fn search(&self, question: &str, limit: usize, now: Moment) -> Result<Recall> {
        let Some(query) = recall::query(question) else { return Ok(Recall { items: Vec::new(), total: 0 }) };
        let limit = limit.min(LIMIT_MAX);
        let model = self.sense.model();
        let meant = model.as_ref().and_then(|model| model.vector(question));
        self.read_with(model.as_deref(), Recall { items: Vec::new(), total: 0 }, |index| {
            let mut scores = recall::scores(&index.search(&query, HITS_MAX)?);
            if let Some(meant) = &meant {
                scores = recall::blend(scores, &index.nearest(meant, NEAR_MAX));
            }
            let mut ranked: Vec<(f64, Stored)> = Vec::with_capacity(scores.len());
            for (row, score) in scores {
                let Some(stored) = index.by_row(row)? else { continue };
                let Some(current) = current(index, stored, now)? else { continue };
                let score = score * recall::aged(&current.item, now);
                match ranked.iter_mut().find(|(_, known)| known.row == current.row) {
                    Some((best, _)) => *best = best.max(score),
                    None => ranked.push((score, current)),
                }
            }
            ranked.sort_by(|(one, first), (other, second)| {
                other.total_cmp(one).then_with(|| second.item.id.cmp(&first.item.id))
            });
            let total = ranked.len();
            ranked.truncate(limit);
            let conflicts = conflicts(&mut ranked);
            let items = ranked
                .into_iter()
                .zip(conflicts)
                .map(|((score, stored), conflicts)| found(index, stored.item, score, conflicts, now))
                .collect::<rusqlite::Result<_>>()?;
            Ok(Recall { items, total })
        })
    }

    /// One memory, whatever its status, with the memories that it replaced.
    ///
    /// # Errors
    /// [`MemoryError::UnknownId`] if this context remembers nothing of that id.
    pub fn show(&self, id: &Id, now: Moment) -> Result<(Item, Vec<Changed>)> {
        let shown = self.read(None, |index| {
            let Some(stored) = index.by_id(id)? else { return Ok(None) };
            let before = changed(index, &stored.item)?;
            let status = status(index, &stored.item, now)?;
            Ok(Some((Item { status, ..stored.item }, before)))
        })?;
        shown.ok_or(MemoryError::UnknownId)
    }

    /// All memories in force, oldest first.
    ///
    /// # Errors
    /// As for [`Room::search`].
    pub fn in_force(&self, now: Moment) -> Result<Vec<Item>> {
        self.read(Vec::new(), |index| {
            let mut items = Vec::new();
            for stored in index.by_status(Status::Active.name())? {
                if status(index, &stored.item, now)? == Status::Active {
                    items.push(stored.item);
                }
            }
            Ok(items)
        })
    }

    /// Proposals that wait, oldest first.
    pub(super) fn proposed(&self, now: Moment) -> Result<Vec<Item>> {
        self.read(Vec::new(), |index| {
            let stored = index.by_status(Status::Proposed.name())?;
            let items = stored.into_iter().map(|stored| stored.item);
            Ok(items.filter(|item| item.status_at(now) == Status::Proposed).collect())
        })
    }

    /// Problems of the files of this memory.
    ///
    /// # Errors
    /// As for [`Room::search`].
    pub fn problems(&self) -> Result<Vec<Problem>> {
        let mut problems = match self.folder.open() {
            Ok(Some(opened)) => opened.list().problems,
            Ok(None) => return Ok(Vec::new()),
            Err(unreached) => {
                return Ok(vec![folder::problem(format!("memory/{}", self.context()), &unreached)]);
            }
        };
        problems.extend(self.read(Vec::new(), Index::problems)?);
        Ok(problems)
    }

    /// Rebuilds the index from the files.
    ///
    /// # Errors
    /// If it cannot be made.
    pub fn reindex(&self) -> Result<Reindexed> {
        let Some(opened) = self.folder.open()? else {
            return Ok(Reindexed { indexed: 0, errors: Vec::new(), warnings: Vec::new() });
        };
        let _lock = opened.lock()?;
        let mut state = self.state();
        state.index = None;
        Index::remove(&opened);
        let index = Self::fresh(&opened, &mut state)?;
        let indexed = index.count()?;
        let problems = index.problems()?.into_iter().chain(opened.list().problems);
        let (errors, warnings) = problems.partition(Problem::is_error);
        Ok(Reindexed { indexed, errors, warnings })
    }

    /// Asks the index, brought up to date; `nothing` where there is no folder. An index that fails is
    /// rebuilt once.
    fn read<T>(&self, nothing: T, ask: impl Fn(&Index) -> rusqlite::Result<T>) -> Result<T> {
        self.read_with(None, nothing, ask)
    }

    /// Reads the index as [`Room::read`], with the vectors of a model at hand.
    fn read_with<T>(
        &self,
        model: Option<&Model>,
        nothing: T,
        ask: impl Fn(&Index) -> rusqlite::Result<T>,
    ) -> Result<T> {
        let Some(opened) = self.folder.open()? else { return Ok(nothing) };
        let mut state = self.state();
        let ask = |state: &mut RoomState| -> rusqlite::Result<T> {
            let index = Self::fresh(&opened, state)?;
            if let Some(model) = model {
                index.follow_model(model)?;
            }
            ask(index)
        };
        let first = ask(&mut state).map_err(MemoryError::from);
        match first {
            Err(MemoryError::Index(error)) => {
                tracing::warn!(%error, context = %self.context(), "the index of a memory failed and is made anew");
                state.index = None;
                Index::remove(&opened);
                Ok(ask(&mut state)?)
            }
            other => other,
        }
    }

    /// The index as the files have it.
    fn fresh<'s>(opened: &Opened<'_>, state: &'s mut RoomState) -> rusqlite::Result<&'s mut Index> {
        let is_new = state.index.is_none();
        let index = match state.index.take() {
            Some(index) => index,
            None => Index::open(opened)?,
        };
        let index = state.index.insert(index);
        // The flag falls before the files are looked at: a change meanwhile raises it again.
        let may_differ = state.changed.as_ref().is_none_or(|changed| changed.swap(false, Ordering::AcqRel));
        if (may_differ || is_new)
            && let Err(error) = index.refresh(opened)
        {
            if let Some(changed) = &state.changed {
                changed.store(true, Ordering::Release);
            }
            return Err(error);
        }
        Ok(index)
    }

    fn state(&self) -> MutexGuard<'_, RoomState> {
        // A panic while asking leaves an index that is brought up to date or made anew.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Whether an event may be about a memory: our index and locks are not, nor are reads.
fn concerns_memories(event: &Event) -> bool {
    if matches!(event.kind, EventKind::Access(_)) {
        return false;
    }
    let is_ours = |name: &str| name.starts_with('.') || name.starts_with("index.db");
    event.need_rescan()
        || event.paths.is_empty()
        || event
            .paths
            .iter()
            .any(|path| path.file_name().and_then(|name| name.to_str()).is_none_or(|name| !is_ours(name)))
}

/// Status of a memory: one that a memory in force replaces is superseded, also where a crash kept
/// its own file from saying so.
fn status(index: &Index, item: &Item, now: Moment) -> rusqlite::Result<Status> {
    let own = item.status_at(now);
    if own != Status::Active {
        return Ok(own);
    }
    let newer = index.replacing(&item.id)?;
    let is_replaced =
        newer.iter().any(|newer| newer.item.id != item.id && newer.item.status == Status::Active);
    Ok(if is_replaced { Status::Superseded } else { own })
}

/// The memory in force that stands for this one: itself, or what took its place.
fn current(index: &Index, stored: Stored, now: Moment) -> rusqlite::Result<Option<Stored>> {
    let mut seen = HashSet::new();
    let mut at = stored;
    loop {
        match status(index, &at.item, now)? {
            Status::Active => return Ok(Some(at)),
            // A circle of files that replace each other leads nowhere.
            Status::Superseded if seen.insert(at.row) => {}
            _ => return Ok(None),
        }
        let newer = index.replacing(&at.item.id)?;
        let next = newer.into_iter().rev().find(|newer| {
            matches!(newer.item.status, Status::Active | Status::Superseded) && !seen.contains(&newer.row)
        });
        match next {
            Some(next) => at = next,
            None => return Ok(None),
        }
    }
}

/// Ids of the found memories that disagree with each by their words. Of two that do, the newer one
/// comes first: it is the likelier one to hold.
fn conflicts(ranked: &mut [(f64, Stored)]) -> Vec<Vec<Id>> {
    let age = |stored: &Stored| (stored.item.created, stored.item.id.clone());
    let mut said: Vec<Said> = ranked.iter().map(|(_, stored)| Said::by(&stored.item)).collect();
    let mut conflicts = vec![Vec::new(); ranked.len()];
    for first in 0..ranked.len() {
        for second in first + 1..ranked.len() {
            if said[first].relation(&said[second]) != Relation::Words {
                continue;
            }
            if age(&ranked[first].1) < age(&ranked[second].1) {
                let best = ranked[first].0;
                ranked.swap(first, second);
                said.swap(first, second);
                conflicts.swap(first, second);
                (ranked[first].0, ranked[second].0) = (best, best);
            }
            conflicts[first].push(ranked[second].1.item.id.clone());
            conflicts[second].push(ranked[first].1.item.id.clone());
        }
    }
    conflicts
}

/// Memories that `item` replaced, newest first.
fn changed(index: &Index, item: &Item) -> rusqlite::Result<Vec<Changed>> {
    let mut before = Vec::new();
    let mut seen = HashSet::from([item.id.clone()]);
    let mut ids: Vec<Id> = item.supersedes.iter().rev().cloned().collect();
    while let Some(id) = ids.pop() {
        if before.len() == CHANGED_MAX || !seen.insert(id.clone()) {
            continue;
        }
        if let Some(old) = index.by_id(&id)? {
            ids.extend(old.item.supersedes.iter().rev().cloned());
            before.push(Changed { id, text: old.item.text, until: old.item.valid_to });
        }
    }
    Ok(before)
}

fn found(index: &Index, item: Item, score: f64, conflicts: Vec<Id>, now: Moment) -> rusqlite::Result<Found> {
    let changed = changed(index, &item)?;
    Ok(Found {
        status: item.status_at(now),
        id: item.id,
        text: item.text,
        source: item.source,
        kind: item.kind,
        score: (score * 1000.0).round() / 1000.0,
        subject: item.subject,
        created: item.created,
        expires: item.expires,
        changed,
        conflicts,
    })
}
