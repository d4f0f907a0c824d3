//! `zos status`: what runs, where, and which room governs. Exits with 1 unless all is well.

use crate::admin::{Ask, Running};
use crate::failure::{Outcome, Result};
use crate::files;
use crate::output::{Cell, Members, Output, Tone, grouped, short_time};
use crate::session::Session;
use clap::Args;
use serde_json::Value;

/// What runs, where, and which room governs
#[derive(Args)]
pub(crate) struct Command;

/// Shows it.
pub(crate) fn run(session: &Session, _command: &Command, output: &mut Output) -> Result<Outcome> {
    let (home, admin) = (session.home()?, session.admin()?);
    let mut status = admin.ask_or(&Ask::get(&["status"]), || files::status(home))?;
    if let Running::Deaf(why) = admin.running()? {
        status["listen_error"] = why.as_str().into();
        status["health"]["problems"] = vec![why.as_str()].into();
    }
    let is_well = status["health"].flag("ok");
    if output.is_json() {
        output.json(&status)?;
    } else {
        show(&status, output)?;
    }
    Ok(if is_well { Outcome::Fine } else { Outcome::Found })
}

fn show(status: &Value, output: &mut Output) -> Result<()> {
    let address = status.text("address");
    if address.is_empty() {
        output.line(output.toned(Tone::Bad, status.text("listen_error")))?;
    } else {
        output.line(
            output.toned(Tone::Good, &format!("zOS {} listens on {address}", status.text("version"))),
        )?;
    }
    output.line("")?;
    let room = match status.text("active") {
        "" => Cell(Tone::Bad, "none: calls that name no room are refused; zos context use NAME".to_owned()),
        name if status.flag("active_is_builtin") => format!("{name}, built in until you make one").into(),
        name => Cell(Tone::Strong, name.to_owned()),
    };
    let mut facts = vec![("room", room), ("files", status.text("home").into())];
    if !address.is_empty() {
        let counts = &status["counts"];
        let count = |key: &str| grouped(counts.number(key).unwrap_or(0));
        let calls = format!(
            "{} since the start {} ago: {} denied, {} warned, {} refused, {} failed, {} in progress",
            count("calls"),
            duration(status.number("uptime_s").unwrap_or(0)),
            count("denied"),
            count("warned"),
            count("refused"),
            count("failed"),
            count("in_flight"),
        );
        facts.push(("shield", shield(&status["shield"])));
        facts.push(("calls", calls.into()));
        facts.extend(
            status["health"]
                .list("problems")
                .iter()
                .filter_map(Value::as_str)
                .map(|problem| ("problem", Cell(Tone::Bad, problem.to_owned()))),
        );
    }
    output.facts(&facts)?;
    if address.is_empty() {
        output.line("\n`zos serve` starts it; `zos doctor` looks for what is wrong.")?;
    }
    Ok(())
}

fn shield(shield: &Value) -> Cell {
    match (shield.flag("paused"), shield.text("until")) {
        (false, _) => "on".into(),
        (true, "") => {
            Cell(Tone::Bad, "paused until you resume it: rules only report, nothing is stopped".to_owned())
        }
        (true, until) => Cell(
            Tone::Bad,
            format!("paused until {} UTC: rules only report, nothing is stopped", short_time(until)),
        ),
    }
}

/// A length of time in its two largest units.
fn duration(seconds: u64) -> String {
    let (days, hours, minutes) = (seconds / 86_400, seconds / 3_600 % 24, seconds / 60 % 60);
    match (days, hours, minutes) {
        (0, 0, 0) => format!("{seconds} s"),
        (0, 0, minutes) => format!("{minutes} min"),
        (0, hours, minutes) => format!("{hours} h {minutes} min"),
        (days, hours, _) => format!("{days} d {hours} h"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_length_of_time_has_two_units_at_most() {
        for (seconds, text) in
            [(0, "0 s"), (59, "59 s"), (61, "1 min"), (3_660, "1 h 1 min"), (90_000, "1 d 1 h")]
        {
            assert_eq!(duration(seconds), text);
        }
    }
}
