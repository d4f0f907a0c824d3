//! Claude Desktop: its chats go to Anthropic; a room can be offered to it over MCP.

use crate::client::{Client, Governs, Target, UNKNOWN};
use crate::edit::Format;
use serde_json::json;

/// Claude Desktop.
pub(crate) const CLIENT: Client = Client {
    id: "claude-desktop",
    name: "Claude Desktop",
    governs: Governs::Mcp("its chats go to Anthropic through its own login; it is offered what a room knows over MCP"),
    signs: |machine| vec![machine.settings("Claude")],
    targets: |machine, address| {
        // The server needs a room; `default` is the one that serves where none was made.
        let room = address.room.clone().unwrap_or_else(|| "default".to_owned());
        let server = json!({"command": address.zos, "args": ["mcp", "--context", room]});
        let path = machine.settings("Claude/claude_desktop_config.json");
        vec![Target::new(path, Format::Jsonc).key(&["mcpServers", "zos"], server)]
    },
    costs: &["Updates of the app are known to empty this file; `zos connect` tells when it happened."],
    reload: "after a full restart",
    ..UNKNOWN
};
