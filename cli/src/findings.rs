//! How a finding about a file is shown: place, what is wrong, what to write instead.

use crate::failure::Result;
use crate::output::{Members, Output, Tone, shape, shown};
use serde_json::Value;
use zos_core::Problem;
use zos_gateway::views::FileProblem;

/// Findings as the admin API gives them.
pub(crate) fn shapes(problems: &[Problem]) -> Vec<Value> {
    problems.iter().map(|problem| shape(&FileProblem::from(problem))).collect()
}

/// A finding on one line.
pub(crate) fn line(problem: &Value) -> String {
    format!("{}: {}; {}", place(problem), problem.text("message"), problem.text("fix"))
}

/// Shows findings, two lines each.
pub(crate) fn show(problems: &[Value], output: &mut Output) -> Result<()> {
    for problem in problems {
        let severity = problem.text("severity");
        let tone = if severity == "error" { Tone::Bad } else { Tone::Notice };
        let head = output.toned(tone, &format!("{severity:<7}"));
        let place = output.toned(Tone::Strong, &place(problem));
        let message = output.toned(Tone::Plain, problem.text("message"));
        output.line(shown![head, "  ", place, "  ", message])?;
        let fix = output.toned(Tone::Quiet, problem.text("fix"));
        output.line(shown!["         ", fix])?;
    }
    Ok(())
}

fn place(problem: &Value) -> String {
    let numbers = ["line", "column"].into_iter().filter_map(|key| problem.number(key));
    numbers.fold(problem.text("file").to_owned(), |place, number| format!("{place}:{number}"))
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
