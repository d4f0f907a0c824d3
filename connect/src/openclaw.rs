//! OpenClaw: a provider of our own in its JSON5 file.

use crate::client::{Address, Client, Target, UNKNOWN};
use crate::edit::Format;
use crate::machine::Machine;
use serde_json::{Value, json};

/// OpenClaw.
pub(crate) const CLIENT: Client = Client {
    id: "openclaw",
    name: "OpenClaw",
    programs: &["openclaw"],
    signs: |machine| vec![machine.at(".openclaw")],
    targets,
    needs_models: true,
    reload: "after `openclaw gateway restart`",
    ..UNKNOWN
};

fn targets(machine: &Machine, address: &Address) -> Vec<Target> {
    let model = |id: &String| json!({"id": id, "name": id, "contextWindow": 128_000, "maxTokens": 16_000});
    let models: Vec<Value> = address.models.iter().map(model).collect();
    let provider = json!({
        "baseUrl": address.v1(), "apiKey": address.key(), "api": "openai-completions", "models": models,
    });
    let first = address.models.first().cloned().unwrap_or_default();
    vec![
        Target::new(machine.at(".openclaw/openclaw.json"), Format::Jsonc)
            .key(&["models", "providers", "zos"], provider)
            .key(&["agents", "defaults", "model", "primary"], format!("zos/{first}")),
    ]
}
