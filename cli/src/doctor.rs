//! `zos doctor`: looks at everything that a governed call needs, says what is wrong and how to fix it.
//! It changes nothing, and sends nothing to a provider.

mod files;
mod machine;
mod network;

use crate::admin::Admin;
use crate::failure::{Failure, Outcome, Result};
use crate::output::{Output, Tone, shown};
use crate::session::Session;
use clap::Args;
use serde::Serialize;
use serde_json::json;
use zos_core::Home;

/// Look for what is wrong, and say how to fix it
#[derive(Args)]
pub(crate) struct Command;

/// What a check came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
enum State {
    /// In order.
    Ok,
    /// Works, and is worth knowing.
    Note,
    /// Does not work.
    Problem,
}

/// One check.
#[derive(Debug, Serialize)]
struct Check {
    name: &'static str,
    state: State,
    /// What was found.
    message: String,
    /// What to do.
    fix: Option<String>,
}

impl Check {
    fn ok(name: &'static str, message: impl Into<String>) -> Self {
        Check { name, state: State::Ok, message: message.into(), fix: None }
    }

    fn note(name: &'static str, message: impl Into<String>, fix: impl Into<String>) -> Self {
        Check { name, state: State::Note, message: message.into(), fix: Some(fix.into()) }
    }

    fn problem(name: &'static str, message: impl Into<String>, fix: impl Into<String>) -> Self {
        Check { name, state: State::Problem, message: message.into(), fix: Some(fix.into()) }
    }
}

/// A part of the doctor's round.
type Part = fn(&Home, &Admin) -> Result<Vec<Check>>;

/// Checks everything; finds problems.
pub(crate) fn run(session: &Session, _command: &Command, output: &mut Output) -> Result<Outcome> {
    let (home, admin) = (session.home()?, session.admin()?);
    let parts: [(&'static str, Part); 11] = [
        ("home", files::home),
        ("files", files::lint),
        ("private", files::private),
        ("listener", network::listener),
        ("environment", network::environment),
        ("keychain", machine::keychain),
        ("provider", network::providers),
        ("log", files::log),
        ("ledger", files::ledger),
        ("disk", machine::disk),
        ("clock", machine::clock),
    ];
    let mut checks = Vec::new();
    for (name, part) in parts {
        let found = part(home, admin).or_else(|failure| cannot_look(name, failure))?;
        if !output.is_json() {
            // Shown as they come: the keychain may take a few seconds.
            found.iter().try_for_each(|check| show(check, output))?;
        }
        checks.extend(found);
    }
    let problems = checks.iter().filter(|check| check.state == State::Problem).count();
    if output.is_json() {
        output.json(&json!({"ok": problems == 0, "checks": checks}))?;
    } else {
        let (tone, sum) = match problems {
            0 => (Tone::Good, "zOS is well.".to_owned()),
            1 => (Tone::Bad, "1 thing needs you.".to_owned()),
            number => (Tone::Bad, format!("{number} things need you.")),
        };
        output.line(shown!["\n", output.toned(tone, &sum)])?;
    }
    Ok(if problems == 0 { Outcome::Fine } else { Outcome::Found })
}

/// What keeps us from looking is a finding itself.
fn cannot_look(name: &'static str, failure: Failure) -> Result<Vec<Check>> {
    match failure {
        Failure::Closed => Err(Failure::Closed),
        Failure::Wrong(reason) | Failure::Failed(reason) => {
            let fix = reason.hint.unwrap_or_else(|| "Fix that first.".to_owned());
            Ok(vec![Check::problem(name, reason.message, fix)])
        }
    }
}

fn show(check: &Check, output: &mut Output) -> Result<()> {
    let (tone, mark) = match check.state {
        State::Ok => (Tone::Good, "ok"),
        State::Note => (Tone::Notice, "note"),
        State::Problem => (Tone::Bad, "PROBLEM"),
    };
    let mark = output.toned(tone, &format!("{mark:<7}"));
    let name = output.toned(Tone::Strong, &format!("{:<11}", check.name));
    let message = output.toned(Tone::Plain, &check.message);
    output.line(shown![mark, "  ", name, "  ", message])?;
    if let Some(fix) = &check.fix {
        let fix = output.toned(Tone::Quiet, fix);
        output.line(shown![" ".repeat(22), fix])?;
    }
    output.flush()
}
