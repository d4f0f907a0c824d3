//! The gateway of zOS: the checkpoint that every model call passes.
//!
//! It speaks the APIs that AI clients already speak. Each call walks one line: which context governs it,
//! may these words leave, is there budget, forward with the owner's own key, watch the answer as it
//! streams, write the record. It knows nothing of windows and trays; a shell hosts it.
//!
//! Reading order: [`server`] (which handler serves a path), `pipeline` (the walk of a call), `wire` (the
//! APIs), `translate` (calls between them), `inspect` and `stream` (what is looked at, and how a stream is guarded),
//! `redact` (what is replaced on the way out and put back on the way in),
//! `ask` (what waits for the owner), `mcp` (what a room offers to AI clients), `upstream` (the way to
//! the providers), [`house`] (what all calls share), [`admin`] (the owner's side), [`config`].

pub mod admin;
mod ask;
pub mod attest;
pub mod budget;
mod call;
mod caller;
mod canon;
pub mod config;
mod connections;
mod cors;
mod counters;
mod drain;
mod exposure;
#[cfg(feature = "fuzzing")]
#[doc(hidden)]
pub mod fuzzing;
pub mod house;
mod ids;
mod inspect;
mod inspectors;
mod json;
pub mod ledger;
mod mcp;
mod models;
mod pipeline;
mod policy;
pub mod prices;
pub mod problem;
pub mod process;
mod redact;
pub mod server;
mod shield;
mod stream;
pub mod system;
mod targets;
pub mod telemetry;
pub mod terms;
mod tls;
mod tokens;
mod translate;
mod upstream;
mod wire;

pub use house::House;
pub use server::Server;
pub use upstream::install_tls;
