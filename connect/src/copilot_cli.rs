//! Copilot in the terminal: its own provider settings are environment only, so a run is pointed at the gateway, and hooks do the rest.

use crate::client::{Address, Client, Governs, Run, Target, UNKNOWN};
use crate::edit::Format;
use crate::machine::Machine;
use serde_json::json;

/// Copilot CLI.
pub(crate) const CLIENT: Client = Client {
    id: "copilot",
    name: "Copilot CLI",
    programs: &["copilot"],
    governs: Governs::Hooks(
        "with GitHub's own plan its calls go to GitHub; `zos run -- copilot` governs them with a provider of yours",
    ),
    signs: |machine| vec![machine.folder("COPILOT_HOME", ".copilot")],
    hooks: Some(hooks),
    run: Some(run),
    costs: &["`zos run -- copilot` needs COPILOT_MODEL, and uses your provider instead of GitHub's plan."],
    ..UNKNOWN
};

fn run(machine: &Machine, address: &Address) -> Run {
    let is_anthropic = machine.variable("COPILOT_PROVIDER_TYPE") == Some("anthropic");
    let mut environment =
        vec![("COPILOT_PROVIDER_BASE_URL", if is_anthropic { address.root() } else { address.v1() })];
    if !is_anthropic {
        environment.push(("COPILOT_PROVIDER_TYPE", "openai".to_owned()));
    }
    if let Some(key) = &address.key {
        environment.push(("COPILOT_PROVIDER_HEADERS", json!({"x-zos-key": key}).to_string()));
    }
    if machine.variable("COPILOT_PROVIDER_API_KEY").is_none() {
        environment.push(("COPILOT_PROVIDER_API_KEY", address.key().to_owned()));
    }
    Run { environment, ..Run::default() }
}

fn hooks(machine: &Machine, address: &Address) -> Vec<Target> {
    let path = machine.folder("COPILOT_HOME", ".copilot").join("hooks").join("zos.json");
    let command = |room: &str| json!([{"type": "command", "bash": room, "powershell": room, "timeoutSec": 10}]);
    let command = command(&address.hook("copilot"));
    vec![
        Target::new(path, Format::Jsonc)
            .key(&["version"], 1)
            .key(&["hooks", "preToolUse"], command.clone())
            .key(&["hooks", "userPromptSubmitted"], command),
    ]
}
