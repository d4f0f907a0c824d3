//! Whole-house tests: a real gateway on a real socket, a scripted provider, and what a caller sees.

mod admin;
mod architecture;
mod audit;
mod budget;
mod exposure;
mod files;
mod firewall;
mod forwarding;
mod limits;
mod stopping;
mod streams;
