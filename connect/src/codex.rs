//! Codex, in the terminal and in editors: a provider of our own in `config.toml`. The built-in one would try WebSockets for seconds.

use crate::client::{Address, Client, Run, Target, UNKNOWN};
use crate::edit::Format;
use crate::machine::Machine;
use serde_json::{Value, json};
use std::path::PathBuf;

/// Codex.
pub(crate) const CLIENT: Client = Client {
    id: "codex",
    name: "Codex",
    programs: &["codex"],
    signs: |machine| vec![folder(machine)],
    targets,
    hooks: Some(hooks),
    run: Some(run),
    probe: Some(&["exec", "--skip-git-repo-check", "Say hello in one word."]),
    costs: &["With a ChatGPT plan instead of an API key, the fleet needs the provider chatgpt (docs/routing.md)."],
    ..UNKNOWN
};

fn folder(machine: &Machine) -> PathBuf {
    machine.folder("CODEX_HOME", ".codex")
}

/// How the provider of ours gets a credential. These exclude each other.
fn sign_in(machine: &Machine, address: &Address) -> Option<(&'static str, Value)> {
    if machine.variable("OPENAI_API_KEY").is_some() {
        return Some(("env_key", json!("OPENAI_API_KEY")));
    }
    if folder(machine).join("auth.json").exists() {
        return Some(("requires_openai_auth", json!(true)));
    }
    address.key.as_ref().map(|_| ("auth", json!({"command": address.zos, "args": ["token", "codex"]})))
}

fn provider(machine: &Machine, address: &Address) -> Vec<(&'static str, Value)> {
    let mut keys = vec![
        ("name", json!("zOS")),
        ("base_url", json!(address.v1())),
        ("wire_api", json!("responses")),
        ("supports_websockets", json!(false)),
    ];
    let sign_in = sign_in(machine, address);
    if let (Some(key), Some(("env_key" | "requires_openai_auth", _))) = (&address.key, &sign_in) {
        keys.push(("http_headers", json!({"x-zos-key": key})));
    }
    keys.extend(sign_in);
    keys
}

fn targets(machine: &Machine, address: &Address) -> Vec<Target> {
    let file = Target::new(folder(machine).join("config.toml"), Format::Toml).key(&["model_provider"], "zos");
    let set = |file: Target, (key, value)| file.key(&["model_providers", "zos", key], value);
    vec![provider(machine, address).into_iter().fold(file, set)]
}

fn run(machine: &Machine, address: &Address) -> Run {
    // JSON texts and lists are TOML as well; a map is not, so it goes in by its members.
    let mut settings = vec!["model_provider=\"zos\"".to_owned()];
    for (key, value) in provider(machine, address) {
        match value {
            Value::Object(members) => settings
                .extend(members.iter().map(|(name, value)| format!("model_providers.zos.{key}.{name}={value}"))),
            value => settings.push(format!("model_providers.zos.{key}={value}")),
        }
    }
    Run {
        arguments: settings.into_iter().flat_map(|setting| ["-c".to_owned(), setting]).collect(),
        ..Run::default()
    }
}

fn hooks(machine: &Machine, address: &Address) -> Vec<Target> {
    let command = json!([{"type": "command", "command": address.hook("codex")}]);
    let file = Target::new(folder(machine).join("config.toml"), Format::Toml);
    vec![
        file.item(&["hooks", "PreToolUse"], " hook codex", json!({"matcher": "*", "hooks": command}))
            .item(&["hooks", "UserPromptSubmit"], " hook codex", json!({"hooks": command})),
    ]
}
