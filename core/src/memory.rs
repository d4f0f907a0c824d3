//! Memory: what a context remembers, as Markdown files that a person owns.
//!
//! One folder and one index per context; no query spans two. The files are the truth: an index that
//! is missing or damaged is rebuilt from them, and a file that cannot be read is reported while
//! the rest works. What the owner writes is in force; what a model, a tool or an import proposes
//! waits for the owner's review, and supersedes nothing until then. A fact on the same subject
//! supersedes the one before it; both stay, and recall says what changed.
//!
//! What is remembered is data, never an instruction: recall hands it out with its source.
//!
//! This module blocks on the disk; async code calls it from a blocking thread.
//!
//! Reading order: [`item`] (what a memory is), `text` (its file), `folder` (the files of one
//! context), `index` (what makes them searchable), `sense` (a model of what
//! is meant, where the person provides one), `recall` (which of them answer a question),
//! `gate` (what is noticed about a text before it is kept), [`room`] (all that can be done),
//! [`tool`] (the same for a model, as Anthropic's memory tool).

mod conflict;
mod folder;
mod gate;
mod index;
pub mod item;
mod recall;
pub mod room;
mod sense;
mod stop_words;
mod text;
mod time;
pub mod tool;

pub use gate::Flag;
pub use item::{Id, Item, Kind, Origin, Source, Status};
pub use room::{Added, Changed, Forgotten, Found, MemoryError, New, Recall, Reindexed, Room, Waiting};
pub use time::{Moment, TimeError, parse_expiry};

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use crate::context::ContextName;
use crate::home::Home;
use crate::problem::Problem;
use sense::Sense;

/// The memories of all contexts of a home. Each is opened when it is first asked for; nothing reads
/// over two.
pub struct Memories {
    home: Home,
    rooms: Mutex<BTreeMap<ContextName, Arc<Room>>>,
    sense: Arc<Sense>,
}

impl Memories {
    /// The memories of a home. Touches no file.
    pub fn new(home: Home) -> Self {
        let sense = Arc::new(Sense::new(home.clone()));
        Self { home, rooms: Mutex::default(), sense }
    }

    /// The contexts whose folders are there, whether or not there is a context of that name.
    pub fn contexts(home: &Home) -> Vec<ContextName> {
        folder::contexts(home).0
    }

    /// The memory of one context. Touches no file before it is used.
    pub fn room(&self, context: &ContextName) -> Arc<Room> {
        let mut rooms = self.rooms.lock().unwrap_or_else(PoisonError::into_inner);
        let room = rooms
            .entry(context.clone())
            .or_insert_with(|| Arc::new(Room::new(&self.home, context.clone(), Arc::clone(&self.sense))));
        Arc::clone(room)
    }

    /// Problems of `memory/` itself, of `memory/config.yml` and of the sentence model that it names.
    /// Reads the model.
    pub fn problems(&self) -> Vec<Problem> {
        let mut problems = folder::contexts(&self.home).1;
        problems.extend(self.sense.problems());
        problems
    }
}
