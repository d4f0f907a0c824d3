//! Claude Code: `settings.json`. It keeps its own login; only the address changes, and a zOS key goes in a header of its own.

use crate::client::{Address, Client, Run, Target, UNKNOWN};
use crate::edit::Format;
use crate::machine::{Machine, System};
use serde_json::json;
use std::path::PathBuf;

/// Claude Code.
pub(crate) const CLIENT: Client = Client {
    id: "claude-code",
    name: "Claude Code",
    programs: &["claude"],
    signs: |machine| vec![folder(machine).join("settings.json"), machine.at(".claude.json")],
    targets,
    hooks: Some(hooks),
    run: Some(run),
    probe: Some(&["-p", "Say hello in one word."]),
    costs: &["Remote Control is off while the address is not Anthropic's own."],
    reload: "in sessions that begin from now on",
    ..UNKNOWN
};

fn folder(machine: &Machine) -> PathBuf {
    machine.folder("CLAUDE_CONFIG_DIR", ".claude")
}

/// Whether somebody is signed in, or a key is in the environment: then nothing but the address is needed.
fn has_login(machine: &Machine) -> bool {
    let names = ["ANTHROPIC_API_KEY", "ANTHROPIC_AUTH_TOKEN", "CLAUDE_CODE_OAUTH_TOKEN"];
    // On a Mac the login is in the keychain, which is not asked.
    machine.system == System::Mac
        || names.iter().any(|name| machine.variable(name).is_some())
        || folder(machine).join(".credentials.json").exists()
}

/// Variables of its environment. What is off behind a foreign address is switched on again.
fn environment(machine: &Machine, address: &Address) -> Vec<(&'static str, String)> {
    let mut variables = vec![("ANTHROPIC_BASE_URL", address.root())];
    if let Some(key) = &address.key {
        variables.push(("ANTHROPIC_CUSTOM_HEADERS", format!("x-zos-key: {key}")));
    }
    if !has_login(machine) {
        variables.push(("ANTHROPIC_AUTH_TOKEN", address.key().to_owned()));
    }
    variables.push(("ENABLE_TOOL_SEARCH", "true".to_owned()));
    variables.push(("CLAUDE_CODE_ENABLE_FINE_GRAINED_TOOL_STREAMING", "1".to_owned()));
    variables
}

fn targets(machine: &Machine, address: &Address) -> Vec<Target> {
    let file = Target::new(folder(machine).join("settings.json"), Format::Jsonc);
    vec![environment(machine, address).into_iter().fold(file, |file, (name, value)| file.key(&["env", name], value))]
}

fn run(machine: &Machine, address: &Address) -> Run {
    Run { environment: environment(machine, address), ..Run::default() }
}

fn hooks(machine: &Machine, address: &Address) -> Vec<Target> {
    let command = json!([{"type": "command", "command": address.hook("claude-code")}]);
    let file = Target::new(folder(machine).join("settings.json"), Format::Jsonc);
    vec![
        file.item(&["hooks", "PreToolUse"], " hook claude-code", json!({"matcher": "*", "hooks": command}))
            .item(&["hooks", "UserPromptSubmit"], " hook claude-code", json!({"hooks": command})),
    ]
}
