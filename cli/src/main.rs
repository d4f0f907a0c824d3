//! The `zos` command: everything that zOS does, without a window.
//!
//! It works on the files of a home where no zOS runs, and asks the one that runs where one does: what is
//! in force there is the truth, and its log holds the record of every decision. It makes no rules of its own.
//!
//! Reading order: [`arguments`] (what can be asked for), [`admin`] (the two ways to the admin API),
//! [`files`] (the same answers without one), then a file for each command.
//!
//! Exit codes: 0 fine, 1 found something or failed, 2 wrong use or environment.

mod admin;
mod allow;
mod arguments;
mod attest;
mod audit;
mod budget;
mod canon;
mod context;
mod doctor;
mod failure;
mod files;
mod findings;
mod firewall;
mod init;
mod key;
mod lint;
mod listening;
mod mcp;
mod memory;
mod models;
mod opening;
mod output;
mod port;
mod prices;
mod providers;
mod route;
mod serve;
mod status;
mod target;
mod token;
mod usage;

use admin::Admin;
use arguments::{Arguments, Everywhere, What};
use failure::{Failure, Outcome, Result};
use output::{Output, note};
use std::process::ExitCode;
use zos_core::ContextName;

fn main() -> ExitCode {
    let (Arguments { everywhere, command }, rooms) = arguments::read();
    let is_json = everywhere.json;
    match run(&everywhere, command, &rooms).map_err(|failure| failure.naming(&rooms)) {
        Ok(Outcome::Fine) => ExitCode::SUCCESS,
        Ok(Outcome::Found) => ExitCode::FAILURE,
        Err(failure) => {
            tell(&failure, is_json);
            ExitCode::from(failure.exit_code())
        }
    }
}

fn run(everywhere: &Everywhere, command: What, rooms: &[ContextName]) -> Result<Outcome> {
    let mut output = Output::new(everywhere.json);
    match command {
        What::Completions { shell } => {
            let mut script = Vec::new();
            clap_complete::generate(shell, &mut arguments::command(), "zos", &mut script);
            output.exact(&String::from_utf8_lossy(&script))?;
            return Ok(Outcome::Fine);
        }
        What::Openapi => {
            output.exact(&zos_gateway::admin::openapi())?;
            return Ok(Outcome::Fine);
        }
        _ => {}
    }
    let home = opening::home(everywhere.home.as_deref())?;
    let admin = Admin::new(&home);
    if let What::Audit(_) | What::Usage(_) = command {
        // An empty answer would read as one about a room that there is.
        rooms.iter().try_for_each(|room| files::check_known(&home, room))?;
    }
    let outcome = match command {
        What::Serve(arguments) => serve::run(&home, &arguments, &mut output),
        What::Status => status::run(&home, &admin, &mut output),
        What::Doctor => doctor::run(&home, &admin, &mut output),
        What::Lint { strict } => lint::run(&home, strict, &mut output),
        What::Init => init::run(&home, &mut output),
        What::Canon(command) => canon::run(&home, &command, &mut output),
        What::Context(command) => context::run(&home, &admin, &command, &mut output),
        What::Firewall(command) => firewall::run(&home, &admin, &command, &mut output),
        What::Target(command) => target::run(&home, &admin, &command, &mut output),
        What::Memory(command) => memory::run(&home, &admin, &command, &mut output),
        What::Mcp { context } => mcp::run(&home, &context),
        What::Allow(arguments) => allow::run(&admin, &arguments, &mut output),
        What::Models(of) => models::run(&home, &of, &mut output),
        What::Route(command) => route::run(&home, &admin, &command, &mut output),
        What::Providers(command) => providers::run(&home, &admin, &command, &mut output),
        What::Key(command) => key::run(&home, &admin, &command, &mut output),
        What::Token(arguments) => token::run(&home, &admin, &arguments, &mut output),
        What::Budget(of) => budget::run(&home, &admin, of.context.as_ref(), &mut output),
        What::Usage(arguments) => usage::run(&home, &admin, &arguments, &mut output),
        What::Audit(command) => audit::run(&home, &admin, &command, &mut output),
        What::Attest(command) => attest::run(&home, &admin, &command, &mut output),
        What::Completions { .. } | What::Openapi => unreachable!("these need no home and are done"),
    }?;
    output.flush()?;
    Ok(outcome)
}

/// Says why: on standard error for people, as JSON on standard output for programs.
fn tell(failure: &Failure, is_json: bool) {
    let Some(reason) = failure.reason() else { return };
    if is_json {
        // Nothing better can be done when this cannot be written.
        let _ = Output::new(true).json(&reason.json());
        return;
    }
    note(format!("zos: {}", reason.message));
    for problem in reason
        .problems
        .iter()
        .filter(|problem| !reason.message.contains(problem["message"].as_str().unwrap_or_default()))
    {
        note(format!("  {}", findings::line(problem)));
    }
    if let Some(hint) = &reason.hint {
        note(format!("     {hint}"));
    }
}
