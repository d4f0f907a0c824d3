//! Cursor: its calls go through its own servers; its prompts, commands and file reads can be judged by hooks.

use crate::client::{Address, Client, Governs, Target, UNKNOWN};
use crate::edit::Format;
use crate::machine::Machine;
use serde_json::json;

/// Cursor.
pub(crate) const CLIENT: Client = Client {
    id: "cursor",
    name: "Cursor",
    programs: &["cursor", "cursor-agent"],
    governs: Governs::Hooks("its model calls go through Cursor's own servers, so no program on this computer sees them"),
    signs: |machine| vec![machine.at(".cursor")],
    hooks: Some(hooks),
    costs: &["In Auto-review mode Cursor takes \"ask\" for \"allow\"; \"deny\" always holds."],
    reload: "at once",
    ..UNKNOWN
};

fn hooks(machine: &Machine, address: &Address) -> Vec<Target> {
    let command = json!({"command": address.hook("cursor")});
    let events = ["beforeSubmitPrompt", "beforeShellExecution", "beforeMCPExecution", "beforeReadFile"];
    let file = Target::new(machine.at(".cursor/hooks.json"), Format::Jsonc).key(&["version"], 1);
    vec![events.into_iter().fold(file, |file, event| file.item(&["hooks", event], " hook cursor", command.clone()))]
}
