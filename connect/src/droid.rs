//! Droid: custom models in `settings.json`.

use crate::client::{Address, Client, Target, UNKNOWN};
use crate::edit::Format;
use crate::machine::Machine;
use serde_json::{Value, json};

/// Droid.
pub(crate) const CLIENT: Client = Client {
    id: "droid",
    name: "Droid",
    programs: &["droid"],
    signs: |machine| vec![machine.at(".factory")],
    targets,
    needs_models: true,
    costs: &["Only the models named \"... through zOS\" are governed."],
    ..UNKNOWN
};

fn targets(machine: &Machine, address: &Address) -> Vec<Target> {
    let file = Target::new(machine.at(".factory/settings.json"), Format::Jsonc);
    vec![address.models.iter().fold(file, |file, id| {
        let name = format!("{id} through zOS");
        let model: Value = json!({
            "model_display_name": name, "model": id, "base_url": address.v1(), "api_key": address.key(),
            "provider": "generic-chat-completion-api",
        });
        file.item(&["custom_models"], format!("\"model_display_name\":{}", json!(name)), model)
    })]
}
