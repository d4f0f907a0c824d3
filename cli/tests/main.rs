//! The real binary on scratch homes, with and without a zOS that runs. No test needs a network or a keychain.

mod allow;
mod answers;
mod audit;
mod canon;
mod connect;
mod contexts;
mod doctor;
mod evidence;
mod full_disk;
mod isolation;
mod keys;
mod mcp;
mod memory;
mod models;
mod rules;
mod serving;
mod shell;
mod shield;
mod spending;
mod target;
mod world;
