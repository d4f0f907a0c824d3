//! How a finding about a file is shown: place, what is wrong, what to write instead.

use crate::failure::Result;
use crate::output::{Members, Output, Tone, shown};
use serde_json::Value;

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
