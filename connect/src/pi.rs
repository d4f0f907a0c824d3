//! Pi: a provider of our own in `models.json`.

use crate::client::{Address, Client, Target, UNKNOWN};
use crate::edit::Format;
use crate::machine::Machine;
use serde_json::{Value, json};

/// Pi.
pub(crate) const CLIENT: Client = Client {
    id: "pi",
    name: "Pi",
    programs: &["pi"],
    signs: |machine| vec![machine.at(".pi/agent")],
    targets,
    needs_models: true,
    probe: Some(&["--provider", "zos", "-p", "Say hello in one word."]),
    costs: &["Only models of the provider zos are governed; choose one with /model."],
    ..UNKNOWN
};

fn targets(machine: &Machine, address: &Address) -> Vec<Target> {
    let models: Vec<Value> = address.models.iter().map(|id| json!({"id": id})).collect();
    let provider = json!({
        "baseUrl": address.v1(), "api": "openai-completions", "apiKey": address.key(), "models": models,
    });
    let folder = machine.folder("PI_CODING_AGENT_DIR", ".pi/agent");
    let models = Target::new(folder.join("models.json"), Format::Jsonc).key(&["providers", "zos"], provider);
    let settings = Target::new(folder.join("settings.json"), Format::Jsonc).key(&["defaultProvider"], "zos");
    let first = address.models.first().cloned().unwrap_or_default();
    vec![models, settings.key(&["defaultModel"], first)]
}
