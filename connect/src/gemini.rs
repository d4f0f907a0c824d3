//! Gemini CLI: variables of its own `.env`; it takes plain http on this computer only.

use crate::client::{Address, Client, Run, Target, UNKNOWN};
use crate::edit::Format;
use crate::machine::Machine;
use serde_json::json;

/// Gemini CLI.
pub(crate) const CLIENT: Client = Client {
    id: "gemini",
    name: "Gemini CLI",
    programs: &["gemini"],
    signs: |machine| vec![machine.at(".gemini")],
    targets: |machine, address| {
        let file = Target::new(machine.at(".gemini/.env"), Format::Dotenv);
        vec![environment(machine, address).into_iter().fold(file, |file, (name, value)| file.key(&[name], value))]
    },
    hooks: Some(hooks),
    run: Some(|machine, address| Run { environment: environment(machine, address), ..Run::default() }),
    probe: Some(&["-p", "Say hello in one word."]),
    costs: &["A Google login is not used; the key of the provider gemini is (`zos providers key set`)."],
    ..UNKNOWN
};

fn environment(machine: &Machine, address: &Address) -> Vec<(&'static str, String)> {
    let mut variables = vec![("GOOGLE_GEMINI_BASE_URL", address.root())];
    if let Some(key) = &address.key {
        variables.push(("GEMINI_CLI_CUSTOM_HEADERS", format!("x-zos-key: {key}")));
    }
    if machine.variable("GEMINI_API_KEY").is_none() {
        variables.push(("GEMINI_API_KEY", address.key().to_owned()));
    }
    variables
}

fn hooks(machine: &Machine, address: &Address) -> Vec<Target> {
    let command = json!([{"type": "command", "command": address.hook("gemini")}]);
    vec![
        Target::new(machine.at(".gemini/settings.json"), Format::Jsonc)
            .item(&["hooks", "BeforeTool"], " hook gemini", json!({"matcher": "*", "hooks": command}))
            .item(&["hooks", "BeforeAgent"], " hook gemini", json!({"hooks": command})),
    ]
}
