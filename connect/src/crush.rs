//! Crush: the addresses of its own two providers.

use crate::client::{Client, Target, UNKNOWN};
use crate::edit::Format;

/// Crush.
pub(crate) const CLIENT: Client = Client {
    id: "crush",
    name: "Crush",
    programs: &["crush"],
    signs: |machine| vec![machine.folder("XDG_CONFIG_HOME", ".config").join("crush")],
    targets: |machine, address| {
        let path = machine.folder("XDG_CONFIG_HOME", ".config").join("crush").join("crush.json");
        let mut file = Target::new(path, Format::Jsonc);
        let providers =
            [("anthropic", "ANTHROPIC_API_KEY", address.root()), ("openai", "OPENAI_API_KEY", address.v1())];
        for (provider, variable, base) in providers {
            file = file.key(&["providers", provider, "base_url"], base);
            if machine.variable(variable).is_none() || address.key.is_some() {
                file = file.key(&["providers", provider, "api_key"], address.key());
            }
        }
        vec![file]
    },
    probe: Some(&["run", "Say hello in one word."]),
    costs: &["Its other providers are not governed."],
    ..UNKNOWN
};
