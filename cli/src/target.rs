//! `zos target check`: where a tool call points, and what a room makes of it. Nothing is called.

use crate::admin::Ask;
use crate::failure::{Failure, Outcome, Result};
use crate::files;
use crate::output::{Cell, Members, Output, Table, Tone, shown};
use crate::room::InContext;
use crate::session::Session;
use clap::Subcommand;
use serde_json::{Value, json};
use std::io::Read;
use zos_core::{Code, ContextName, Home};

/// Try where a tool call points against a room's lists; nothing is called
#[derive(Subcommand)]
pub(crate) enum Command {
    /// Where a tool call points, and what the room makes of it. Exits with 1 when it would not pass by itself
    Check {
        #[command(flatten)]
        context: InContext,
        /// The tool's name
        #[arg(long, value_name = "TOOL")]
        tool: String,
        /// Its arguments, as JSON; - reads standard input
        #[arg(long, value_name = "JSON", default_value = "{}", allow_hyphen_values = true)]
        args: String,
    },
}

/// The longest arguments that are tried: what the admin API reads, escaped as JSON.
const ARGUMENTS_BYTES: u64 = 1 << 20;

/// Tries a tool call; finds what would not pass by itself.
pub(crate) fn run(session: &Session, command: &Command, output: &mut Output) -> Result<Outcome> {
    let (home, admin) = (session.home()?, session.admin()?);
    let Command::Check { context, tool, args } = command;
    let arguments = if args == "-" { read_input()? } else { args.clone() };
    let context = context.context.as_ref();
    let asked = json!({"context": context.map(ContextName::as_str), "tool": tool, "arguments": arguments});
    let ask = Ask::post(&["targets", "check"], &asked);
    let verdict = admin.ask_or(&ask, || from_files(home, context, tool, &arguments));
    let verdict = verdict.map_err(|failure| match (context, failure) {
        // The room by its name, as without a zOS that runs.
        (Some(name), Failure::Wrong(reason)) if reason.is(Code::UnknownContext) => {
            Failure::unknown_context(name.as_str())
        }
        (_, failure) => failure,
    })?;
    if output.is_json() {
        output.json(&verdict)?;
    } else {
        show(&verdict, output)?;
    }
    Ok(if verdict.text("verdict") == "allow" { Outcome::Fine } else { Outcome::Found })
}

fn from_files(home: &Home, context: Option<&ContextName>, tool: &str, arguments: &str) -> Result<Value> {
    let snapshot = files::brain(home)?.snapshot();
    let name = match context {
        Some(name) => name.clone(),
        None => files::active(&snapshot)?,
    };
    let Some(state) = snapshot.context(&name) else { return Err(Failure::unknown_context(name.as_str())) };
    let verdict = zos_gateway::admin::targets::verdict(&snapshot, &name, tool, arguments);
    verdict.map(|verdict| files::value(&verdict)).ok_or_else(|| files::broken(&name, state))
}

fn show(verdict: &Value, output: &mut Output) -> Result<()> {
    let (tone, sum) = match verdict.text("verdict") {
        "allow" => (Tone::Good, "passes"),
        "confirm" => (Tone::Bad, "waits for you"),
        _ => (Tone::Bad, "is stopped"),
    };
    let room = verdict.text("context");
    output.line(shown![format!("In the room {room} this call "), output.toned(tone, sum)])?;
    output.line("")?;
    let mut table = Table::new(&["WOULD", "KIND", "TARGET", "RULE"]);
    for target in verdict.list("targets") {
        let word = target.text("verdict");
        let tone = if word == "allow" { Tone::Good } else { Tone::Bad };
        table.row(vec![
            Cell(tone, word.to_owned()),
            target.text("kind").into(),
            target.text("target").into(),
            target.text("rule").into(),
        ]);
    }
    output.table(&table)
}

fn read_input() -> Result<String> {
    let mut text = String::new();
    // One more than is tried, so that nothing behind it is left out of the verdict unsaid.
    std::io::stdin().lock().take(ARGUMENTS_BYTES + 1).read_to_string(&mut text).map_err(|error| {
        Failure::wrong(Code::Environment, format!("Standard input cannot be read: {error}."))
    })?;
    if text.len() as u64 > ARGUMENTS_BYTES {
        let message = "The arguments are longer than 1 MiB; a part of them would not be judged.";
        return Err(
            Failure::wrong(Code::InvalidRequest, message).hint("Try the call with shorter arguments.")
        );
    }
    Ok(text)
}
