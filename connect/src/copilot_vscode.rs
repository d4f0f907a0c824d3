//! Copilot in VS Code: models of one's own, in a list that VS Code keeps.

use crate::client::{Address, Client, Target, UNKNOWN};
use crate::edit::Format;
use crate::machine::Machine;
use serde_json::{Value, json};

/// Copilot in VS Code.
pub(crate) const CLIENT: Client = Client {
    id: "copilot-vscode",
    name: "Copilot in VS Code",
    programs: &["code"],
    signs: |machine| vec![machine.settings("Code/User")],
    targets,
    needs_models: true,
    costs: &["Only the models of the group zOS are governed; those of GitHub's own plan go to GitHub and cannot be."],
    reload: "in the list of models, at times after a restart",
    ..UNKNOWN
};

fn targets(machine: &Machine, address: &Address) -> Vec<Target> {
    let model = |id: &String| {
        json!({
            "id": id, "name": id, "url": format!("{}/chat/completions", address.v1()),
            "toolCalling": true, "vision": true, "maxInputTokens": 128_000, "maxOutputTokens": 16_000,
        })
    };
    let models: Vec<Value> = address.models.iter().map(model).collect();
    let group = json!({
        "name": "zOS", "vendor": "customendpoint", "apiKey": address.key(), "apiType": "chat-completions",
        "models": models,
    });
    let path = machine.settings("Code/User/chatLanguageModels.json");
    vec![Target::new(path, Format::Jsonc).item(&[], "\"name\":\"zOS\"", group)]
}
