//! `zos init`: a home to begin with. What is there already is never touched.

use crate::failure::{Failure, Outcome, Result};
use crate::files;
use crate::output::{Output, Tone, shown};
use crate::session::Session;
use clap::Args;
use serde_json::json;
use zos_core::starter;

/// Begin: a canon, two rooms and an example, where they are missing
#[derive(Args)]
pub(crate) struct Command;

/// Makes what is missing, and says what it made.
pub(crate) fn run(session: &Session, _command: &Command, output: &mut Output) -> Result<Outcome> {
    let home = session.home()?;
    let brain = files::brain(home)?;
    let started = starter::start(&brain).map_err(|error| Failure::environment(&error))?;
    let active = started.active.as_ref().map(ToString::to_string);
    if output.is_json() {
        output.json(&json!({
            "home": home.root().display().to_string(), "created": started.created, "kept": started.kept,
            "left_out": started.left_out, "active": active,
        }))?;
        return Ok(Outcome::Fine);
    }
    for (files, tone, word) in [
        (&started.created, Tone::Good, "made"),
        (&started.kept, Tone::Plain, "kept as it is"),
        (&started.left_out, Tone::Quiet, "left out: you have your own"),
    ] {
        for file in files {
            output.line(shown![format!("{file:<26} "), output.toned(tone, word)])?;
        }
    }
    if let Some(room) = active {
        output.line(format!(
            "\nThe room {room} is active. Each file says what it is for; change them as you like."
        ))?;
    }
    output.line("Next: `zos serve`, and `zos canon build` for what your AI is told.")?;
    Ok(Outcome::Fine)
}
