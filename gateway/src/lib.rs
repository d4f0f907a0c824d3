//! The gateway of zOS: the checkpoint that every model call passes.
//!
//! It speaks the APIs that AI clients already speak. Each call walks one line: which context governs it,
//! may these words leave, is there budget, forward with the owner's own key, watch the answer as it
//! streams, write the record. It knows nothing of windows and trays; a shell hosts it.
//!
//! What the APIs say is the crate `zos-wire`, what may pass `zos-guard`; here stands who serves it.
//!
//! Reading order: `listener` and `routes` (which handler serves a path), `pipeline` (the walk of a call), `endpoints`
//! (models, and what a room offers through MCP), `upstream` (the way to the providers), [`Gateway`] (the
//! parts that all calls share), [`admin`] (the owner's side) with the shapes in [`views`], [`config`]. Which module may name which is a table in
//! ARCHITECTURE.md.

mod access;
pub mod admin;
mod books;
mod call;
pub mod config;
mod drain;
mod endpoints;
mod gateway;
mod guards;
mod ids;
mod inspectors;
mod journal;
mod listener;
mod pipeline;
pub mod process;
mod routes;
mod upstream;
pub mod views;

pub use access::Listening;
pub use books::{budget, ledger, prices};
pub use gateway::{Gateway, OpenError, Opening};
pub use journal::{attest, audit_head, system, terms};
pub use listener::{BindError, Server};
pub use routes::window_router;
pub use upstream::credentials::{Keys, may_be_there};
pub use upstream::{discover, install_tls, providers};
