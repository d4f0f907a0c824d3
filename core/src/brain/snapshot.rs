//! Everything that is in force at one moment.

use std::collections::BTreeMap;
use std::sync::Arc;

use zos_rules::Ruleset;

use super::policy::RoomPolicy;
use crate::canon::CanonState;
use crate::context::{Context, ContextName};
use crate::fleet::Fleet;
use crate::problem::Problem;

/// Bytes of the files that a canon in force was built from, the manifest and the layers, by path in the home.
pub(super) type Sources = BTreeMap<String, Arc<[u8]>>;

/// Everything that is in force at one moment. Immutable; a call keeps the one it started with.
pub struct Snapshot {
    /// Grows with every change.
    pub revision: u64,
    /// All contexts, also those that never loaded. While there is no context file at all, the
    /// built-in one.
    pub contexts: BTreeMap<ContextName, ContextState>,
    /// The context that the owner chose, as `state.json` has it. It may not exist.
    pub active: Option<ContextName>,
    /// Providers and models.
    pub fleet: Arc<Fleet>,
    /// The rules of all contexts, compiled.
    pub rules: Arc<Ruleset>,
    /// Everything that is wrong with any file.
    pub problems: Vec<Problem>,
    /// Problems among these for a reason that passes by itself: the files' versions before govern meanwhile.
    pub unread: Vec<Problem>,
    pub(super) policies: BTreeMap<ContextName, Arc<RoomPolicy>>,
    pub(super) canons: BTreeMap<ContextName, CanonState>,
    /// The bytes of the files that govern, by their path in the home.
    pub(super) sources: BTreeMap<String, Arc<[u8]>>,
    /// The files that each canon in force was built from.
    pub(super) canon_sources: BTreeMap<ContextName, Arc<Sources>>,
    /// Whether `state.json` could never be read, so that nobody knows which context is active.
    pub(super) active_unknown: bool,
}

/// State of one context's file.
#[derive(Clone, Debug)]
pub enum ContextState {
    /// The context governs.
    Live {
        /// The version that governs.
        context: Arc<Context>,
        /// Warnings, and the errors of a newer save that is broken.
        problems: Vec<Problem>,
        /// Whether a newer save is broken, so that this is the last good version.
        stale: bool,
    },
    /// The file never loaded; calls that name the context are refused.
    Broken {
        /// Why.
        problems: Vec<Problem>,
    },
}

impl ContextState {
    /// The context, if it governs.
    pub fn context(&self) -> Option<&Arc<Context>> {
        match self {
            Self::Live { context, .. } => Some(context),
            Self::Broken { .. } => None,
        }
    }

    /// Problems of its files.
    pub fn problems(&self) -> &[Problem] {
        match self {
            Self::Live { problems, .. } | Self::Broken { problems } => problems,
        }
    }
}

/// Why no context governs a call that names none.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NoContext {
    /// No context is active and none is called `default`.
    #[error("no context is active and none is called \"default\"")]
    NoneActive,
    /// The active one has no file (any more). Falling back to another would be a guess.
    #[error("the active context \"{0}\" does not exist")]
    Missing(ContextName),
    /// `state.json` is broken, so nobody knows which one the owner chose.
    #[error("state.json is broken, so it is unknown which context is active")]
    Unknown,
}

impl Snapshot {
    /// The state of the context with this name.
    pub fn context(&self, name: &ContextName) -> Option<&ContextState> {
        self.contexts.get(name)
    }

    /// The rules that govern calls in this context; absent where it does not exist or never loaded.
    pub fn policy(&self, name: &ContextName) -> Option<Arc<RoomPolicy>> {
        self.policies.get(name).cloned()
    }

    /// The canon of this context; absent where the context does not exist or never loaded.
    pub fn canon(&self, name: &ContextName) -> Option<&CanonState> {
        self.canons.get(name)
    }

    /// The digest of the canon that is in force in this context.
    pub fn canon_digest(&self, name: &ContextName) -> Option<String> {
        Some(self.canon(name)?.canon()?.digest.clone())
    }

    /// The bytes of a file that governs: the last good version of `contexts/acme.yml`, for example.
    pub(crate) fn source(&self, path: &str) -> Option<Arc<[u8]>> {
        self.sources.get(path).cloned()
    }

    /// The files that this context's canon was built from, its own prose aside.
    pub(crate) fn canon_files(&self, name: &ContextName) -> impl Iterator<Item = (&String, &Arc<[u8]>)> {
        self.canon_sources.get(name).into_iter().flat_map(|files| files.iter())
    }

    /// The context that governs a call which names none: the active one, else `default`. It may be
    /// one that never loaded.
    ///
    /// # Errors
    /// If there is none. An active context whose file is gone is not replaced by `default`: the
    /// owner chose a stricter one, perhaps, and a doubt fails closed.
    pub fn effective_active(&self) -> Result<&ContextName, NoContext> {
        if self.active_unknown {
            return Err(NoContext::Unknown);
        }
        let name = match &self.active {
            Some(active) if self.contexts.contains_key(active) => Some(active),
            Some(missing) => return Err(NoContext::Missing(missing.clone())),
            None => None,
        };
        let default = || self.contexts.keys().find(|name| name.as_str() == "default");
        name.or_else(default).ok_or(NoContext::NoneActive)
    }

    /// Whether the built-in context serves because there is no context file.
    pub fn is_builtin(&self) -> bool {
        self.contexts.values().any(|state| state.context().is_some_and(|context| context.builtin))
    }
}
