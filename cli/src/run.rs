//! `zos run`: an AI client that is pointed at zOS for this one run. Nothing is written, so there is nothing to undo.
//!
//! The room is `--context`, else the one that a file `.zos` names, in the working directory or any folder above it.
//! The program takes the place of this one: its exit code and every signal are its own.

use crate::connect::{machine, origin, own_path};
use crate::failure::{Failure, Outcome, Result};
use crate::output::Output;
use crate::session::Session;
use crate::token;
use clap::Args;
use std::ffi::OsString;
use std::path::Path;
use zos_connect::{Address, Run};
use zos_core::{Code, ContextName};

/// Run an AI client through zOS, with nothing written
#[derive(Args)]
#[command(after_help = "\
For example: zos run --context acme -- codex exec \"fix the tests\"

Without --context, a file .zos in the working directory or above names the room; without one, the active room
governs. Programs that are no client of `zos connect` get the addresses that the SDKs read.")]
pub(crate) struct Command {
    /// The room that governs it
    #[arg(long, short, value_name = "NAME")]
    context: Option<ContextName>,
    /// The program and its arguments
    #[arg(required = true, last = true, value_name = "PROGRAM")]
    program: Vec<OsString>,
}

/// The longest file `.zos`.
const ROOM_BYTES: usize = 4 << 10;

/// Runs the program in place of this one.
pub(crate) fn run(session: &Session, arguments: &Command, _output: &mut Output) -> Result<Outcome> {
    let home = session.home()?;
    let (program, own) = arguments.program.split_first().expect("clap wants a program");
    let room = match &arguments.context {
        Some(room) => Some(room.clone()),
        None => room_of_folder()?,
    };
    let name = Path::new(program).file_stem().and_then(|name| name.to_str()).unwrap_or_default();
    let machine = machine()?;
    let client = zos_connect::client(name);
    let (origin, config) = origin(home)?;
    let key = match config.auth.keyless {
        true => None,
        false => {
            let of = client.map_or(name, |client| client.id);
            Some(token::of(home, session.admin()?, of, room.as_ref())?)
        }
    };
    let room = room.map(|room| room.to_string());
    let address = Address { origin, room, key, zos: own_path(), models: Vec::new() };
    let run = match client {
        None => for_any(&machine, &address),
        Some(client) => match client.run {
            Some(run) => run(&machine, &address),
            None => {
                return Err(Failure::wrong(
                    Code::InvalidRequest,
                    format!("{} takes its address from its own files only.", client.name),
                )
                .hint(format!("`zos connect {}` shows what it would write there.", client.id)));
            }
        },
    };
    let mut command = std::process::Command::new(program);
    command.envs(run.environment).args(run.arguments).args(own);
    instead(command, program)
}

/// The addresses and keys that the SDKs of the field read. A key that is set stays.
fn for_any(machine: &zos_connect::Machine, address: &Address) -> Run {
    let (root, v1) = (address.root(), address.v1());
    let mut environment = vec![
        ("ANTHROPIC_BASE_URL", root.clone()),
        ("OPENAI_BASE_URL", v1.clone()),
        ("OPENAI_API_BASE", v1),
        ("GOOGLE_GEMINI_BASE_URL", root),
    ];
    for name in ["ANTHROPIC_API_KEY", "OPENAI_API_KEY", "GEMINI_API_KEY"] {
        if machine.variable(name).is_none() || address.key.is_some() {
            environment.push((name, address.key().to_owned()));
        }
    }
    Run { environment, arguments: Vec::new() }
}

/// The room that the nearest file `.zos` names, from the working directory upwards.
fn room_of_folder() -> Result<Option<ContextName>> {
    let Ok(folder) = std::env::current_dir() else { return Ok(None) };
    for folder in folder.ancestors() {
        let path = folder.join(".zos");
        // A folder of this name is the home of zOS.
        if !path.is_file() {
            continue;
        }
        let text = zos_seal::read_regular(&path, ROOM_BYTES).map_err(|error| {
            Failure::wrong(Code::Environment, format!("{} cannot be read: {error}.", path.display()))
        })?;
        let text = String::from_utf8_lossy(&text);
        let line = text.lines().map(str::trim).find(|line| !line.is_empty() && !line.starts_with('#'));
        let name = line.map(|line| line.strip_prefix("room:").unwrap_or(line).trim());
        return match name.map(str::parse) {
            Some(Ok(room)) => Ok(Some(room)),
            _ => Err(Failure::wrong(Code::UnknownContext, format!("{} names no room.", path.display()))
                .hint("Write the name of a room into it, for example: acme")),
        };
    }
    Ok(None)
}

#[cfg(unix)]
fn instead(mut command: std::process::Command, program: &OsString) -> Result<Outcome> {
    use std::os::unix::process::CommandExt;
    let error = command.exec();
    Err(not_started(program, &error))
}

#[cfg(not(unix))]
fn instead(mut command: std::process::Command, program: &OsString) -> Result<Outcome> {
    match command.status() {
        Ok(status) => std::process::exit(status.code().unwrap_or(1)),
        Err(error) => Err(not_started(program, &error)),
    }
}

fn not_started(program: &OsString, error: &std::io::Error) -> Failure {
    Failure::wrong(Code::Environment, format!("{} cannot be started: {error}.", program.to_string_lossy()))
        .hint("Is it installed, and on the PATH?")
}
