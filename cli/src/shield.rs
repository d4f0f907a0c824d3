//! `zos shield`: the owner's pause of the firewall, as the tray and the screens have it.
//!
//! A pause lives in the zOS that runs and ends with it: it is kept in no file. So nothing can be paused where none runs.

use crate::admin::{Admin, Ask, Running, deaf};
use crate::failure::{Failure, Outcome, Result};
use crate::output::{Members, Output, Tone, short_time};
use crate::session::Session;
use clap::{Args, Subcommand};
use serde_json::{Value, json};
use zos_core::Code;
use zos_gateway::views::SHIELD_MINUTES_LIMIT;

/// Pause the firewall for a while, resume it, or see whether it is on
#[derive(Subcommand)]
pub(crate) enum Command {
    /// Whether rules stop calls now. Exits with 1 while they only report
    Status,
    /// Let rules only report, in every room; each call's record says so
    Pause(Pause),
    /// Let rules stop calls again, at once
    Resume,
}

/// Arguments of `zos shield pause`. A pause without an end is asked for in words: it is easily forgotten.
#[derive(Args)]
pub(crate) struct Pause {
    /// How long: minutes, or 90m, 2h; a day at most
    #[arg(value_name = "TIME", value_parser = minutes, required_unless_present = "until_resumed")]
    minutes: Option<u64>,
    /// Until `zos shield resume`, or until zOS ends
    #[arg(long, conflicts_with = "minutes")]
    until_resumed: bool,
}

/// Does what was asked.
pub(crate) fn run(session: &Session, command: &Command, output: &mut Output) -> Result<Outcome> {
    let admin = session.admin()?;
    let change = match command {
        Command::Status => None,
        Command::Pause(Pause { minutes, .. }) => Some(json!({"paused": true, "minutes": minutes})),
        Command::Resume => Some(json!({"paused": false})),
    };
    let shield = ask(admin, change.as_ref())?;
    if output.is_json() {
        output.json(&shield)?;
    } else {
        show(&shield, output)?;
    }
    let is_asked = matches!(command, Command::Status);
    Ok(if is_asked && shield.flag("paused") { Outcome::Found } else { Outcome::Fine })
}

/// Asks the zOS that runs. One that was opened for this request would forget the pause at once.
fn ask(admin: &Admin, change: Option<&Value>) -> Result<Value> {
    match admin.running()? {
        Running::Yes(_) => {}
        Running::Deaf(why) => return Err(deaf(why)),
        Running::No => {
            return Err(Failure::failed(
                Code::NotRunning,
                "zOS does not run on this home, so there is nothing to pause: no call is passed on.",
            )
            .hint("`zos serve` starts it, with the shield on."));
        }
    }
    admin.ask(&match change {
        None => Ask::get(&["shield"]),
        Some(change) => Ask::put(&["shield"], change),
    })
}

fn show(shield: &Value, output: &mut Output) -> Result<()> {
    if !shield.flag("paused") {
        return output.line(output.toned(Tone::Good, "The shield is on: rules stop what they deny."));
    }
    let end = match shield.text("until") {
        "" => "until you resume it, or zOS ends".to_owned(),
        time => format!("until {} UTC", short_time(time)),
    };
    output.line(output.toned(Tone::Notice, &format!("The shield is paused {end}: rules only report.")))?;
    output.line("zos shield resume ends the pause.")
}

/// A time in whole minutes: `30`, `30m`, `2h`.
fn minutes(text: &str) -> std::result::Result<u64, String> {
    let (digits, unit) = match text.strip_suffix(['m', 'h']) {
        Some(digits) if text.ends_with('h') => (digits, 60),
        Some(digits) => (digits, 1),
        None => (text, 1),
    };
    let is_number = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
    let minutes =
        digits.parse::<u64>().ok().filter(|_| is_number).and_then(|number| number.checked_mul(unit));
    let limit = u64::from(SHIELD_MINUTES_LIMIT);
    minutes
        .filter(|minutes| (1..=limit).contains(minutes))
        .ok_or_else(|| "write minutes such as 15, or hours such as 2h; a day at most".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_is_minutes_or_hours_and_a_day_at_most() {
        for (text, expected) in
            [("1", 1), ("15", 15), ("90m", 90), ("2h", 120), ("24h", 1440), ("1440", 1440)]
        {
            assert_eq!(minutes(text), Ok(expected), "{text}");
        }
        for text in
            ["", "0", "0h", "h", "m", "25h", "1441", "-5", "+5", "1.5h", "2 h", "1d", "18446744073709551615h"]
        {
            assert!(minutes(text).is_err(), "{text}");
        }
    }
}
