//! `zos completions`: the script that completes words of `zos` in a shell.

use crate::arguments;
use crate::failure::{Outcome, Result};
use crate::output::Output;
use crate::session::Session;
use clap::Args;
use clap_complete::Shell;

/// Print completions for your shell
#[derive(Args)]
pub(crate) struct Command {
    /// Your shell
    shell: Shell,
}

/// Prints it.
pub(crate) fn run(_session: &Session, command: &Command, output: &mut Output) -> Result<Outcome> {
    let mut script = Vec::new();
    clap_complete::generate(command.shell, &mut arguments::command(), "zos", &mut script);
    output.exact(&String::from_utf8_lossy(&script))?;
    Ok(Outcome::Fine)
}
