//! aider: its file of options in the home.

use crate::client::{Address, Client, Run, Target, UNKNOWN};
use crate::edit::Format;
use crate::machine::Machine;

/// aider.
pub(crate) const CLIENT: Client = Client {
    id: "aider",
    name: "aider",
    programs: &["aider"],
    signs: |machine| vec![machine.at(".aider.conf.yml")],
    targets: |machine, address| {
        let file = Target::new(machine.at(".aider.conf.yml"), Format::Yaml).key(&["openai-api-base"], address.v1());
        vec![match machine.variable("OPENAI_API_KEY") {
            Some(_) if address.key.is_none() => file,
            _ => file.key(&["openai-api-key"], address.key()),
        }]
    },
    run: Some(run),
    costs: &["Models are named openai/ID; those that aider reaches by other ways are not governed."],
    reload: "at its next run",
    ..UNKNOWN
};

fn run(machine: &Machine, address: &Address) -> Run {
    let mut environment = vec![("OPENAI_API_BASE", address.v1()), ("ANTHROPIC_API_BASE", address.root())];
    for name in ["OPENAI_API_KEY", "ANTHROPIC_API_KEY"] {
        if machine.variable(name).is_none() || address.key.is_some() {
            environment.push((name, address.key().to_owned()));
        }
    }
    Run { environment, ..Run::default() }
}
