//! OpenCode 1: the addresses of its own two providers, so that its models and logins stay.

use crate::client::{Address, Client, Run, Target, UNKNOWN};
use crate::edit::Format;
use crate::machine::Machine;
use serde_json::json;
use std::path::PathBuf;

/// OpenCode.
pub(crate) const CLIENT: Client = Client {
    id: "opencode",
    name: "OpenCode",
    programs: &["opencode"],
    signs: |machine| vec![folder(machine)],
    targets,
    run: Some(run),
    probe: Some(&["run", "Say hello in one word."]),
    costs: &["Its other providers (Copilot, Zen, local ones) are not governed."],
    ..UNKNOWN
};

fn folder(machine: &Machine) -> PathBuf {
    machine.folder("XDG_CONFIG_HOME", ".config").join("opencode")
}

fn providers(machine: &Machine, address: &Address) -> Vec<(&'static str, &'static str, String)> {
    let login = machine.folder("XDG_DATA_HOME", ".local/share").join("opencode/auth.json");
    let logins = std::fs::read_to_string(login).unwrap_or_default();
    let mut keys = Vec::new();
    for (provider, variable) in [("anthropic", "ANTHROPIC_API_KEY"), ("openai", "OPENAI_API_KEY")] {
        keys.push((provider, "baseURL", address.v1()));
        if machine.variable(variable).is_none() && !logins.contains(&format!("\"{provider}\"")) {
            keys.push((provider, "apiKey", address.key().to_owned()));
        }
    }
    keys
}

fn targets(machine: &Machine, address: &Address) -> Vec<Target> {
    // Whichever of its two names is there.
    let (plain, commented) = (folder(machine).join("opencode.json"), folder(machine).join("opencode.jsonc"));
    let path = if commented.exists() && !plain.exists() { commented } else { plain };
    let file = Target::new(path, Format::Jsonc);
    let set = |file: Target, (provider, key, value)| file.key(&["provider", provider, "options", key], value);
    let file = providers(machine, address).into_iter().fold(file, set);
    vec![match &address.key {
        Some(key) => ["anthropic", "openai"].into_iter().fold(file, |file, provider| {
            file.key(&["provider", provider, "options", "headers", "x-zos-key"], key.clone())
        }),
        None => file,
    }]
}

fn run(machine: &Machine, address: &Address) -> Run {
    let mut content = json!({"provider": {"anthropic": {"options": {}}, "openai": {"options": {}}}});
    for (provider, key, value) in providers(machine, address) {
        content["provider"][provider]["options"][key] = value.into();
        if let Some(key) = &address.key {
            content["provider"][provider]["options"]["headers"] = json!({"x-zos-key": key});
        }
    }
    Run { environment: vec![("OPENCODE_CONFIG_CONTENT", content.to_string())], ..Run::default() }
}
