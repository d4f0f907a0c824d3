//! Zed: the addresses of its own providers; its keys stay in the system's keychain.

use crate::client::{Client, Target, UNKNOWN};
use crate::edit::Format;
use crate::machine::{Machine, System};
use std::path::PathBuf;

/// Zed.
pub(crate) const CLIENT: Client = Client {
    id: "zed",
    name: "Zed",
    programs: &["zed", "zeditor"],
    signs: |machine| vec![folder(machine)],
    targets: |machine, address| {
        vec![
            Target::new(folder(machine).join("settings.json"), Format::Jsonc)
                .key(&["language_models", "anthropic", "api_url"], address.root())
                .key(&["language_models", "openai", "api_url"], address.v1()),
        ]
    },
    costs: &["Zed wants a key of its own for each provider, pasted once in Agent settings: any text will do, for example zos."],
    reload: "at once",
    ..UNKNOWN
};

fn folder(machine: &Machine) -> PathBuf {
    match machine.system {
        System::Windows => machine.settings("Zed"),
        System::Mac => machine.at(".config/zed"),
        System::Linux => machine.settings("zed"),
    }
}
