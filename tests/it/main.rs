//! Whole-house tests: a real gateway on a real socket, a scripted provider, and what a caller sees.

#![expect(
    clippy::unwrap_used,
    reason = "helpers of tests fail like tests do; clippy knows only the test functions"
)]

mod additions;
mod admin;
mod architecture;
mod ask;
mod audit;
mod audit_finds;
mod audit_system;
mod bad_input;
mod bad_providers;
mod budget;
mod budget_races;
mod canon;
mod codes;
mod confirm;
mod corpus;
mod deeds;
mod documents;
mod encryption;
mod exposure;
mod faces;
mod files;
mod firewall;
mod forwarding;
mod fuzz_corpus;
mod inspected;
mod isolation;
mod layers;
mod limits;
mod load;
mod mcp;
mod midflight;
mod redact;
mod refusals;
mod restore;
mod routing;
mod routing_budget;
mod seams;
#[cfg(feature = "postgres")]
mod shared_ledger;
mod state;
mod stopping;
mod streams;
mod taint;
mod targets;
mod translation;
mod translation_governed;
mod upstream_keys;
mod upstreams;
mod without_usage;
