//! The brain of zOS: what an AI knows, obeys and remembers, as plain files that a person owns.
//!
//! This crate reads the files of a home (`ZOS_HOME`), says what is wrong with them and how to fix
//! it, watches them, and publishes what is in force as an immutable [`Snapshot`]. It knows no HTTP
//! and keeps no secret.
//!
//! Modules in reading order: [`home`] (where files are), [`problem`] (what is wrong with them), [`code`] (why
//! a request is refused, for programs),
//! [`yaml`] (reading with positions), [`context`] (one room), [`targets`] (where
//! its tools may point), [`rules`] (own detector packs), [`canon`] (what
//! its AI is told), [`memory`] (what it remembers), [`fleet`] (providers and models),
//! [`brain`] (all of it, live), [`attest`] (what governs, by digest), [`edit`] (list edits that keep comments),
//! [`mod@lint`] (all findings), [`starter`] (a home to begin with).

pub mod attest;
pub mod brain;
pub mod canon;
pub mod code;
pub mod context;
pub mod edit;
mod files;
pub mod fleet;
pub mod glob;
pub mod home;
pub mod lint;
pub mod memory;
pub mod problem;
pub mod rules;
pub mod starter;
pub mod targets;
pub mod yaml;

pub use attest::{Governing, GoverningFile};
pub use brain::{
    ActiveError, Brain, ContextState, NoContext, OpenError, Place, RoomPolicy, Snapshot, Source, WatchError,
    Watching, WriteError,
};
pub use canon::{Canon, CanonState};
pub use code::Code;
pub use context::{
    Attachments, Budget, Context, ContextName, Effect, Entry, Isolation, Limits, Micros, ModelFilter,
    ModelPrice, ProviderState,
};
pub use fleet::{Api, Environment, Fleet, KeySource, Plan, Provider, Route, RouteError, Wish};
pub use glob::Glob;
pub use home::{Home, HomeError};
pub use lint::lint;
pub use problem::{Problem, Severity};
pub use rules::Packs;
