//! Hermes: the address of its model in `config.yaml`.

use crate::client::{Address, Client, Target, UNKNOWN};
use crate::edit::Format;
use crate::machine::Machine;
use serde_json::{Value, json};

/// Hermes.
pub(crate) const CLIENT: Client = Client {
    id: "hermes",
    name: "Hermes",
    programs: &["hermes"],
    signs: |machine| vec![machine.at(".hermes")],
    targets,
    needs_models: true,
    ..UNKNOWN
};

fn targets(machine: &Machine, address: &Address) -> Vec<Target> {
    let first: Value = json!(address.models.first().cloned().unwrap_or_default());
    vec![
        Target::new(machine.at(".hermes/config.yaml"), Format::Yaml)
            .key(&["model", "provider"], "custom")
            .key(&["model", "default"], first)
            .key(&["model", "base_url"], address.v1())
            .key(&["model", "api_key"], address.key()),
    ]
}
