//! Continue, in editors and as `cn`: models of our own in `config.yaml`.

use crate::client::{Address, Client, Target, UNKNOWN};
use crate::edit::Format;
use crate::machine::Machine;
use serde_json::{Value, json};

/// Continue.
pub(crate) const CLIENT: Client = Client {
    id: "continue",
    name: "Continue",
    programs: &["cn"],
    signs: |machine| vec![machine.at(".continue")],
    targets,
    needs_models: true,
    costs: &["Only the models named \"... through zOS\" are governed."],
    reload: "at once",
    ..UNKNOWN
};

fn targets(machine: &Machine, address: &Address) -> Vec<Target> {
    let file = Target::new(machine.folder("CONTINUE_GLOBAL_DIR", ".continue").join("config.yaml"), Format::Yaml);
    vec![address.models.iter().fold(file, |file, id| {
        let name = format!("{id} through zOS");
        let model: Value = json!({
            "name": name, "provider": "openai", "model": id, "apiBase": address.v1(), "apiKey": address.key(),
            "roles": ["chat", "edit", "apply"],
        });
        file.item(&["models"], format!("\"name\":{}", json!(name)), model)
    })]
}
