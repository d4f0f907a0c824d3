//! `zos key`: zOS keys, which bind an AI client to a room.

use crate::admin::{Admin, Ask};
use crate::failure::{Failure, Outcome, Result};
use crate::files;
use crate::output::{Cell, Members, Output, Table, Tone, short_time};
use crate::session::Session;
use clap::Subcommand;
use serde_json::{Value, json};
use zos_core::{Code, ContextName, Home};

/// zOS keys, which bind an AI client to a room
#[derive(Subcommand)]
pub(crate) enum Command {
    /// Make a key and show it, this once
    Add {
        /// The AI client that will use it
        client: String,
        /// Bind it to this room [default: the active one at each call]
        #[arg(long, short, value_name = "NAME")]
        context: Option<ContextName>,
    },
    /// All keys, without their values
    #[command(visible_alias = "ls")]
    List,
    /// Take a key back; it is refused from now on
    #[command(visible_alias = "rm")]
    Revoke {
        /// Its id, as `zos key list` shows it
        id: String,
    },
}

/// Does what was asked.
pub(crate) fn run(session: &Session, command: &Command, output: &mut Output) -> Result<Outcome> {
    let (home, admin) = (session.home()?, session.admin()?);
    match command {
        Command::Add { client, context } => add(admin, client, context.as_ref(), output),
        Command::List => list(home, admin, output),
        Command::Revoke { id } => {
            revoke(admin, id)?;
            if output.is_json() {
                output.json(&json!({"id": id}))?;
            } else {
                output.line("The key is revoked. Calls with it are refused from now on.")?;
            }
            Ok(Outcome::Fine)
        }
    }
}

fn add(admin: &Admin, client: &str, context: Option<&ContextName>, output: &mut Output) -> Result<Outcome> {
    let made = make(admin, client, context)?;
    if output.is_json() {
        output.json(&made)?;
        return Ok(Outcome::Fine);
    }
    let room = context.map_or_else(|| "the active room".to_owned(), |name| format!("the room {name}"));
    output.line(output.toned(Tone::Strong, made.text("key")))?;
    output.line(format!(
        "\nThis is the only time that it is shown. Calls of {client} with it are governed by {room}."
    ))?;
    output.line(format!(
        "Send it as x-zos-key, x-api-key or Authorization: Bearer. To take it back: zos key revoke {}",
        made.text("id")
    ))?;
    Ok(Outcome::Fine)
}

/// Makes a key; the answer holds its id and value.
pub(crate) fn make(admin: &Admin, client: &str, context: Option<&ContextName>) -> Result<Value> {
    let wanted = json!({"client": client, "context": context.map(ContextName::as_str)});
    admin.ask(&Ask::post(&["keys"], &wanted)).map_err(|failure| match (context, failure) {
        (Some(name), Failure::Wrong(reason)) if reason.is(Code::UnknownContext) => {
            Failure::unknown_context(name.as_str())
        }
        (_, failure) => failure,
    })
}

/// Revokes a key.
pub(crate) fn revoke(admin: &Admin, id: &str) -> Result<()> {
    admin.ask(&Ask::delete(&["keys", id])).map(drop).map_err(|failure| match failure {
        Failure::Failed(reason) if reason.is(Code::UnknownKey) => {
            Failure::failed(Code::UnknownKey, format!("There is no key with the id {id}."))
                .hint("`zos key list` shows the ids.")
        }
        failure => failure,
    })
}

fn list(home: &Home, admin: &Admin, output: &mut Output) -> Result<Outcome> {
    let keys = admin.ask_or(&Ask::get(&["keys"]), || files::keys(home))?;
    if output.is_json() {
        output.json(&keys)?;
        return Ok(Outcome::Fine);
    }
    if keys.list("keys").is_empty() {
        output.line("No keys yet. `zos key add CLIENT --context ROOM` makes one.")?;
        return Ok(Outcome::Fine);
    }
    let mut table = Table::new(&["ID", "CLIENT", "ROOM", "MADE (UTC)", "LAST USED (UTC)"]);
    for key in keys.list("keys") {
        let room = match key.text("context") {
            "" => Cell(Tone::Quiet, "the active one".to_owned()),
            name => name.into(),
        };
        let used = match key.text("last_used") {
            "" => Cell(Tone::Quiet, "never".to_owned()),
            time => short_time(time).into(),
        };
        table.row(vec![
            key.text("id").into(),
            key.text("client").into(),
            room,
            short_time(key.text("created")).into(),
            used,
        ]);
    }
    output.table(&table)?;
    Ok(Outcome::Fine)
}
