//! The gateway of zOS: the checkpoint that every model call passes.
//!
//! It speaks the APIs that AI clients already speak. Each call walks one line: which context governs it,
//! may these words leave, is there budget, forward with the owner's own key, watch the answer as it
//! streams, write the record. It knows nothing of windows and trays; a shell hosts it.
//!
//! What the APIs say is the crate `zos-wire`, what may pass `zos-guard`; here stands who serves it.
//!
//! Reading order: [`server`] (which handler serves a path), `pipeline` (the walk of a call), `mcp` (what a room
//! offers to AI clients), `upstream` (the way to the providers), [`house`] (what all calls share), [`admin`]
//! (the owner's side), [`config`].

pub mod admin;
pub mod attest;
pub mod budget;
mod call;
mod caller;
pub mod config;
mod connections;
mod cors;
mod counters;
mod deed_notes;
mod drain;
mod exposure;
pub mod house;
mod ids;
mod inspectors;
pub mod ledger;
mod log_damage;
mod mcp;
mod models;
mod pipeline;
pub mod prices;
pub mod process;
mod provider_state;
pub mod server;
pub mod system;
pub mod telemetry;
pub mod terms;
mod tls;
mod tokens;
mod upstream;

pub use house::House;
pub use server::Server;
pub use upstream::install_tls;
