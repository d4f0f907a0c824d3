//! Points AI clients at the gateway, and back again.
//!
//! A [`Client`] is a row of [`CLIENTS`]: how it is found, and which keys of which files point it at an [`Address`].
//! [`plan`](plan::plan) turns that into a [`Plan`] that can be shown, [`Journal`] writes it so that it can be taken
//! back, and `edit` changes one key of a file and no other byte. It knows no gateway and no HTTP, asks nobody and
//! writes nothing that is not in a plan.
//!
//! Reading order: [`client`], [`plan`], [`journal`], [`edit`], [`machine`], then any client.

pub mod client;
pub mod edit;
pub mod journal;
pub mod machine;
pub mod plan;

pub use client::{Address, Client, Governs, Run, Target};
pub use journal::{Drift, Journal, JournalError, Undone};
pub use machine::{Machine, System};
pub use plan::{Plan, PlanError};

macro_rules! clients {
    ($($module:ident),+ $(,)?) => {
        $(mod $module;)+

        /// All clients, those that most people use first.
        pub const CLIENTS: &[Client] = &[$($module::CLIENT),+];
    };
}

clients! {
    claude_code, codex, opencode, copilot_cli, copilot_vscode, cursor, pi, openclaw, cline, qwen, gemini, jetbrains,
    zed, continue_dev, open_webui, hermes, droid, goose, claude_desktop, aider, llm, crush, librechat,
}

/// The client of this name, or whose program has it.
pub fn client(name: &str) -> Option<&'static Client> {
    let by_id = CLIENTS.iter().find(|client| client.id == name);
    by_id.or_else(|| CLIENTS.iter().find(|client| client.programs.contains(&name)))
}
