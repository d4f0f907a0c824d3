//! The brain of zOS: what an AI knows, obeys and remembers, as plain files that a person owns.
//!
//! This crate reads the files of a home (`ZOS_HOME`), finds what is wrong with them and how to fix it, watches them, and
//! publishes everything in force as an immutable [`Snapshot`]. It knows no HTTP and keeps no secret.
//!
//! A broken file becomes problems with line, column and fix; doubt about a room's isolation makes it hard:
//!
//! ```
//! use zos_core::Isolation;
//! use zos_core::context::parse_context;
//!
//! let parsed = parse_context(&"acme".parse()?, b"isolation: hrad\noutbound_deny: [Project Falcon]\n");
//! assert_eq!((parsed.problems[0].line, parsed.problems[0].column), (Some(1), Some(12)));
//! assert!(parsed.problems[0].fix.contains("hard"));
//! let context = parsed.context.ok_or("a warning closes no room")?;
//! assert_eq!((context.isolation, context.outbound_deny.len()), (Isolation::Hard, 1));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! A home is loaded once and asked for the room that governs a call, here for its verdict on a tool call:
//!
//! ```
//! use zos_core::targets::{TargetVerdict, check};
//! use zos_core::{Brain, Home};
//!
//! let folder = tempfile::tempdir()?;
//! let home = Home::resolve(Some(folder.path()))?;
//! std::fs::create_dir(home.contexts())?;
//! std::fs::write(home.contexts().join("acme.yml"), "targets: {default: deny, allow: [acme.com]}\n")?;
//! let snapshot = Brain::open(home)?.snapshot();
//! let state = snapshot.context(&"acme".parse()?).ok_or("it has a file")?;
//! let targets = &state.context().ok_or("its file is good")?.targets;
//! let verdict = |url: &str| check(targets, "fetch", &format!(r#"{{"url": "{url}"}}"#)).verdict;
//! assert_eq!(verdict("https://acme.com/docs"), TargetVerdict::Allow);
//! assert_eq!(verdict("https://acme.com@elsewhere.org/"), TargetVerdict::Deny);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! Modules in reading order: [`home`] (places of files), [`problem`] (their faults), [`code`] (reasons of refusals, for
//! programs), `files` (reading and replacing),
//! [`yaml`] (reading with positions), [`glob`] (patterns over names), [`context`] (one room), [`targets`] (where its tools
//! may point), [`rules`] (own detector packs), [`canon`] (instructions to its AI), [`memory`] (what it remembers),
//! [`fleet`] (providers and models), [`brain`] (all of it, live), [`attest`] (digests of what governs), [`edit`] (edits that
//! keep comments), [`mod@lint`] (all findings), [`starter`] (a home to begin with).

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
    ActiveError, Brain, ContextSource, ContextState, NoContext, OpenError, RoomPolicy, RulePlace, Snapshot,
    WatchError, Watching, WriteError,
};
pub use canon::{Canon, CanonState};
pub use code::Code;
pub use context::{
    Attachments, Budget, Context, ContextName, Effect, Entry, Isolation, Limits, Micros, ModelFilter,
    ModelPrice, ProviderState,
};
pub use fleet::{Api, Environment, Fleet, KeySource, Plan, Provider, Route, RouteError, RouteRequest};
pub use glob::Glob;
pub use home::{Home, HomeError};
pub use lint::lint;
pub use problem::{Problem, Severity};
pub use rules::Packs;
