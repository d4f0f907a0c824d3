//! Cline, in editors and in the terminal: the file of providers that both share.

use crate::client::{Address, Client, Target, UNKNOWN};
use crate::edit::Format;
use crate::machine::Machine;
use serde_json::{Value, json};
use std::path::PathBuf;

/// Cline.
pub(crate) const CLIENT: Client = Client {
    id: "cline",
    name: "Cline",
    programs: &["cline"],
    signs: |machine| vec![folder(machine)],
    targets,
    needs_models: true,
    costs: &["It has no way to name a room by header; a key or the address does."],
    ..UNKNOWN
};

fn folder(machine: &Machine) -> PathBuf {
    machine.folder("CLINE_DATA_DIR", ".cline/data")
}

fn targets(machine: &Machine, address: &Address) -> Vec<Target> {
    let model = address.models.first().cloned().unwrap_or_default();
    let settings: Value = json!({
        "provider": "openai-compatible", "model": model, "baseUrl": address.v1(), "apiKey": address.key(),
    });
    vec![
        Target::new(folder(machine).join("settings").join("providers.json"), Format::Jsonc)
            .key(&["version"], 1)
            .key(&["lastUsedProvider"], "openai-compatible")
            .key(&["providers", "openai-compatible"], json!({"settings": settings, "tokenSource": "manual"})),
    ]
}
