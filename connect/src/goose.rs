//! Goose: a provider in a file of its own.

use crate::client::{Address, Client, Target, UNKNOWN};
use crate::edit::Format;
use crate::machine::{Machine, System};
use serde_json::{Value, json};
use std::path::PathBuf;

/// Goose.
pub(crate) const CLIENT: Client = Client {
    id: "goose",
    name: "Goose",
    programs: &["goose"],
    signs: |machine| vec![folder(machine)],
    targets,
    needs_models: true,
    costs: &["Choose the provider zOS once: `goose configure`. Set ZOS_API_KEY to any text, for example zos."],
    ..UNKNOWN
};

fn folder(machine: &Machine) -> PathBuf {
    match machine.system {
        System::Windows => machine.settings("Block/goose/config"),
        _ => machine.folder("XDG_CONFIG_HOME", ".config").join("goose"),
    }
}

fn targets(machine: &Machine, address: &Address) -> Vec<Target> {
    let models: Vec<Value> = address.models.iter().map(|id| json!({"name": id, "context_limit": 128_000})).collect();
    let path = folder(machine).join("custom_providers").join("zos.json");
    vec![
        Target::new(path, Format::Jsonc)
            .key(&["name"], "zos")
            .key(&["engine"], "openai")
            .key(&["display_name"], "zOS")
            .key(&["api_key_env"], "ZOS_API_KEY")
            .key(&["base_url"], format!("{}/chat/completions", address.v1()))
            .key(&["models"], models)
            .key(&["supports_streaming"], true),
    ]
}
