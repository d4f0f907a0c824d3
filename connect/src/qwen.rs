//! Qwen Code: variables of its own `.env`.

use crate::client::{Address, Client, Run, Target, UNKNOWN};
use crate::edit::Format;
use crate::machine::Machine;

/// Qwen Code.
pub(crate) const CLIENT: Client = Client {
    id: "qwen",
    name: "Qwen Code",
    programs: &["qwen"],
    signs: |machine| vec![machine.at(".qwen")],
    targets: |machine, address| {
        let file = Target::new(machine.at(".qwen/.env"), Format::Dotenv);
        vec![environment(machine, address).into_iter().fold(file, |file, (name, value)| file.key(&[name], value))]
    },
    run: Some(|machine, address| Run { environment: environment(machine, address), ..Run::default() }),
    probe: Some(&["-p", "Say hello in one word."]),
    costs: &["Qwen's own login is not used; choose the authentication \"openai\" once."],
    ..UNKNOWN
};

fn environment(machine: &Machine, address: &Address) -> Vec<(&'static str, String)> {
    let mut variables = vec![("OPENAI_BASE_URL", address.v1())];
    if machine.variable("OPENAI_API_KEY").is_none() || address.key.is_some() {
        variables.push(("OPENAI_API_KEY", address.key().to_owned()));
    }
    variables
}
