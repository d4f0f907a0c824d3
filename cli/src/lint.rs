//! `zos lint`: everything that is wrong with the files of a home.

use crate::failure::{Failure, Outcome, Result};
use crate::findings;
use crate::output::{Output, Tone};
use crate::session::Session;
use clap::Args;
use serde_json::{Value, json};
use zos_core::{Home, Problem, lint::lint_home};
use zos_gateway::admin::types::FileProblem;
use zos_gateway::config::Config;

/// Check every file, with line and fix
#[derive(Args)]
pub(crate) struct Command {
    /// Let warnings count as findings too
    #[arg(long)]
    strict: bool,
}

/// Checks all files; finds errors, and with `strict` warnings too.
pub(crate) fn run(session: &Session, command: &Command, output: &mut Output) -> Result<Outcome> {
    let (home, strict) = (session.home()?, command.strict);
    let problems = problems(home)?;
    let errors = problems.iter().filter(|problem| problem.is_error()).count();
    let warnings = problems.len() - errors;
    let shown = shapes(&problems);
    if output.is_json() {
        output.json(&json!({"problems": shown, "errors": errors, "warnings": warnings}))?;
    } else {
        findings::show(&shown, output)?;
        let sum = match (errors, warnings) {
            (0, 0) => output.toned(Tone::Good, "All files are in order."),
            (errors, warnings) => {
                format!("\n{} in {}", count(errors, warnings), home.root().display()).into()
            }
        };
        output.line(sum)?;
    }
    Ok(if errors > 0 || (strict && warnings > 0) { Outcome::Found } else { Outcome::Fine })
}

/// All findings, errors first, those of the gateway's own configuration and of the prices included.
pub(crate) fn problems(home: &Home) -> Result<Vec<Problem>> {
    let mut problems = Config::load(home).err().map(|error| error.0).unwrap_or_default();
    problems.extend(zos_gateway::prices::problem(home));
    problems.extend(lint_home(home.clone()).map_err(|error| Failure::environment(&error))?);
    problems.sort_by_key(|problem| problem.severity);
    Ok(problems)
}

/// Findings as the admin API gives them.
pub(crate) fn shapes(problems: &[Problem]) -> Vec<Value> {
    let shape = |problem| {
        serde_json::to_value(FileProblem::from(problem)).expect("a finding holds only strings and numbers")
    };
    problems.iter().map(shape).collect()
}

/// "1 error, 2 warnings".
pub(crate) fn count(errors: usize, warnings: usize) -> String {
    let some = |number: usize, word: &str| match number {
        0 => None,
        1 => Some(format!("1 {word}")),
        number => Some(format!("{number} {word}s")),
    };
    [some(errors, "error"), some(warnings, "warning")].into_iter().flatten().collect::<Vec<_>>().join(", ")
}
