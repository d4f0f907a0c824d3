//! A sentence model beside the words: recall by what is meant, for those who provide a model's files.
//!
//! `memory/config.yml` names a folder below the home. Without that file, and in a build without the
//! feature `sentence-model`, memories are found by their words alone; so they are while the files are
//! missing or broken, which is told where all problems are. Nothing is ever fetched.
//!
//! A model is static: a text's vector is the mean of its word pieces' vectors. That takes no
//! transformer and microseconds for a sentence, and knows nothing of the order of words.

#[cfg(not(feature = "sentence-model"))]
#[path = "sense/absent.rs"]
mod model;
#[cfg(feature = "sentence-model")]
mod model;
mod setting;

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::SystemTime;

pub(super) use model::Model;

use super::folder;
use crate::home::Home;
use crate::problem::Problem;

/// The files of a model, in its folder.
const WEIGHTS: &str = "model.safetensors";
const TOKENIZER: &str = "tokenizer.json";

/// The most numbers of one vector. A vector of each part of each memory is kept.
pub(super) const DIMENSIONS_MAX: usize = 1024;

/// The direction of a text, each step a 127th of the longest one.
pub(super) type Vector = Vec<i8>;

/// The sentence model of a home, as its files have it now. It is read when a question first needs it, and
/// again when one of its files changed.
pub(super) struct Sense {
    home: Home,
    state: Mutex<SenseState>,
}

#[derive(Default)]
struct SenseState {
    /// The versions of the files that the rest was made of; empty before the first look.
    seen: Vec<ModelStamp>,
    /// The folder that the setting names.
    folder: Option<PathBuf>,
    model: Option<Arc<Model>>,
    problems: Vec<Problem>,
}

/// Version of a file by its metadata; `None` where there is no file.
type ModelStamp = Option<(u64, Option<SystemTime>)>;

impl Sense {
    /// The model of a home. Touches no file.
    pub(super) fn new(home: Home) -> Self {
        Self { home, state: Mutex::default() }
    }

    /// The model, where one is set and can be read.
    pub(super) fn model(&self) -> Option<Arc<Model>> {
        self.look(|state| state.model.clone())
    }

    /// Problems of the setting and of the files that it names.
    pub(super) fn problems(&self) -> Vec<Problem> {
        self.look(|state| state.problems.clone())
    }

    fn look<T>(&self, answer: impl FnOnce(&SenseState) -> T) -> T {
        // Whatever panicked left a state that was made of files whose versions it knows.
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        // A folder that is not there has no files to watch: the setting is looked at again.
        let lacks_folder = state.folder.is_none() && !state.problems.is_empty();
        if lacks_folder || state.seen != self.stamps(state.folder.as_deref()) {
            let before = std::mem::replace(&mut *state, self.read());
            for problem in state.problems.iter().filter(|problem| !before.problems.contains(problem)) {
                tracing::warn!(%problem, "the sentence model");
            }
        }
        answer(&state)
    }

    fn read(&self) -> SenseState {
        let (setting, mut problems) = setting::read(&self.home);
        let folder = setting.as_ref().map(|setting| setting.folder.clone());
        // Before the files are read: a change meanwhile shows at the next look.
        let seen = self.stamps(folder.as_deref());
        let model = setting.and_then(|setting| match Model::load(&setting.folder) {
            Ok(model) => Some(Arc::new(model)),
            Err(problem) => {
                problems.push(setting.problem(&problem));
                None
            }
        });
        SenseState { seen, folder, model, problems }
    }

    fn stamps(&self, folder: Option<&Path>) -> Vec<ModelStamp> {
        let stamp = |path: PathBuf| fs::metadata(path).ok().map(|file| (file.len(), file.modified().ok()));
        let mut stamps = vec![folder::beside_contexts(&self.home, setting::FILE).and_then(stamp)];
        stamps.extend(
            folder.into_iter().flat_map(|folder| [WEIGHTS, TOKENIZER].map(|file| stamp(folder.join(file)))),
        );
        stamps
    }
}

/// Why a model cannot be used: what is wrong with which of its files, and what to do.
#[derive(Debug)]
struct Unusable {
    what: String,
    fix: String,
}

impl Unusable {
    fn new(what: impl Into<String>, fix: impl Into<String>) -> Self {
        Self { what: what.into(), fix: fix.into() }
    }
}
