//! The `zos` command: everything that zOS does, without a window.
//!
//! It works on the files of a home where no zOS runs, and asks the one that runs where one does: what is
//! in force there is the truth, and its log holds the record of every decision. It makes no rules of its own.
//!
//! Reading order: [`arguments`] (the list of commands), [`session`] (what each works with), [`admin`] (the two ways to
//! the admin API), [`opening`] (the files, for when no zOS runs), then a file for each command. An answer has the shape of
//! [`zos_gateway::views`] either way, made by the same function.
//!
//! Exit codes: 0 fine, 1 found something or failed, 2 wrong use or environment.

mod admin;
mod allow;
mod arguments;
mod attest;
mod audit;
mod budget;
mod canon;
mod completions;
mod connect;
mod context;
mod disconnect;
mod doctor;
mod failure;
mod findings;
mod firewall;
mod init;
mod key;
mod lint;
mod listening;
mod mcp;
mod memory;
mod models;
mod openapi;
mod opening;
mod output;
mod port;
mod prices;
mod providers;
mod room;
mod route;
mod run;
mod serve;
mod session;
mod shield;
mod status;
mod target;
mod token;
mod usage;

use arguments::Arguments;
use failure::{Failure, Outcome};
use output::{Output, note};
use session::Session;
use std::process::ExitCode;

fn main() -> ExitCode {
    let (Arguments { everywhere, command }, rooms) = arguments::read();
    let session = Session::new(everywhere.home, rooms, arguments::command);
    let mut output = Output::new(everywhere.json);
    let done = command.run(&session, &mut output).and_then(|outcome| {
        output.flush()?;
        Ok(outcome)
    });
    match done.map_err(|failure| failure.naming(session.rooms())) {
        Ok(Outcome::Fine) => ExitCode::SUCCESS,
        Ok(Outcome::Found) => ExitCode::FAILURE,
        Err(failure) => {
            tell(&failure, everywhere.json);
            ExitCode::from(failure.exit_code())
        }
    }
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
