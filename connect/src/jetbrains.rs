//! JetBrains AI Assistant: its providers are set by hand in its settings.

use crate::client::{Client, Governs, UNKNOWN};

/// JetBrains AI Assistant.
pub(crate) const CLIENT: Client = Client {
    id: "jetbrains",
    name: "JetBrains AI Assistant",
    governs: Governs::Nothing(
        "enter the address by hand: Settings, Tools, AI Assistant, Providers, OpenAI-compatible; it takes no header, so put /rooms/NAME before /v1 to name a room",
    ),
    signs: |machine| vec![machine.settings("JetBrains")],
    ..UNKNOWN
};
