//! `zos disconnect`: what `zos connect` wrote is taken back.

use crate::connect::{explain, folder, named};
use crate::failure::{Failure, Outcome, Result};
use crate::output::Output;
use crate::session::Session;
use clap::Args;
use serde_json::json;
use zos_connect::{Journal, Undone};
use zos_core::Code;

/// Take back what connect wrote
#[derive(Args)]
#[command(after_help = "\
A file that nobody changed since is what it was, byte for byte. In one that somebody changed, only the keys
that zos connect wrote are taken back; a key that holds something else by now is left, and named.")]
pub(crate) struct Command {
    /// The AI client
    #[arg(required_unless_present = "all")]
    client: Option<String>,
    /// All that are connected
    #[arg(long, conflicts_with = "client")]
    all: bool,
}

/// Takes one client or all back. Finds keys that were left.
pub(crate) fn run(session: &Session, arguments: &Command, output: &mut Output) -> Result<Outcome> {
    let journal = Journal::open(&folder(session.home()?)).map_err(|error| explain(&error))?;
    let connected = journal.clients().map_err(|error| explain(&error))?;
    let wanted = match &arguments.client {
        None => connected,
        Some(name) => {
            let id = named(name)?.id.to_owned();
            if !connected.contains(&id) {
                return Err(Failure::failed(Code::InvalidRequest, format!("{id} is not connected."))
                    .hint("`zos connect` shows what is."));
            }
            vec![id]
        }
    };
    let (mut answers, mut outcome) = (Vec::new(), Outcome::Fine);
    for client in wanted {
        let undone = journal.undo(&client).map_err(|error| explain(&error))?;
        if !undone.left.is_empty() {
            outcome = Outcome::Found;
        }
        match output.is_json() {
            true => answers.push(answer(&client, &undone)),
            false => show(&client, &undone, output)?,
        }
    }
    if output.is_json() {
        output.json(&json!({"clients": answers}))?;
    }
    Ok(outcome)
}

fn answer(client: &str, undone: &Undone) -> serde_json::Value {
    let left: Vec<_> =
        undone.left.iter().map(|drift| json!({"file": drift.path, "key": drift.key})).collect();
    json!({"client": client, "restored": undone.restored, "edited": undone.edited, "left": left})
}

fn show(client: &str, undone: &Undone, output: &mut Output) -> Result<()> {
    output.line(format!("{client} is disconnected."))?;
    for path in &undone.restored {
        output.line(format!("  {} is as it was.", path.display()))?;
    }
    for path in &undone.edited {
        output.line(format!("  {} was changed by others; only our keys were taken back.", path.display()))?;
    }
    for drift in &undone.left {
        let what = drift.key.as_deref().unwrap_or("the file");
        output
            .line(format!("  {}: {what} holds something else by now and was left.", drift.path.display()))?;
    }
    Ok(())
}
