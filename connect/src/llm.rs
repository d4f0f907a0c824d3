//! llm: models of our own in `extra-openai-models.yaml`.

use crate::client::{Address, Client, Target, UNKNOWN};
use crate::edit::Format;
use crate::machine::Machine;
use serde_json::{Value, json};

/// llm.
pub(crate) const CLIENT: Client = Client {
    id: "llm",
    name: "llm",
    programs: &["llm"],
    signs: |machine| vec![machine.settings("io.datasette.llm")],
    targets,
    needs_models: true,
    costs: &["Only the models named zos/ID are governed: `llm -m zos/ID`."],
    reload: "at its next run",
    ..UNKNOWN
};

fn targets(machine: &Machine, address: &Address) -> Vec<Target> {
    let folder = machine.variable("LLM_USER_PATH").map_or_else(|| machine.settings("io.datasette.llm"), Into::into);
    let file = Target::new(folder.join("extra-openai-models.yaml"), Format::Yaml);
    vec![address.models.iter().fold(file, |file, id| {
        let model: Value = json!({
            "model_id": format!("zos/{id}"), "model_name": id, "api_base": address.v1(),
            "supports_tools": true,
        });
        let model = match &address.key {
            Some(key) => {
                let mut model = model;
                model["headers"] = json!({"x-zos-key": key});
                model
            }
            None => model,
        };
        file.item(&[], format!("\"model_id\":\"zos/{id}\""), model)
    })]
}
