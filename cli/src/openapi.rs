//! `zos openapi`: the document of the admin API, from which `docs/openapi.json` and the screens' types are made.

use crate::failure::{Outcome, Result};
use crate::output::Output;
use crate::session::Session;
use clap::Args;

/// Print the document of the admin API
#[derive(Args)]
#[command(hide = true)]
pub(crate) struct Command;

/// Prints it.
pub(crate) fn run(_session: &Session, _command: &Command, output: &mut Output) -> Result<Outcome> {
    output.exact(&zos_gateway::admin::openapi())?;
    Ok(Outcome::Fine)
}
