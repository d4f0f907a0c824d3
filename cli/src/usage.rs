//! `zos usage`: tokens by day, room, model and client.

use crate::admin::{Admin, Ask, Running, deaf};
use crate::arguments;
use crate::failure::{Outcome, Result};
use crate::files;
use crate::output::{Cell, Members, Output, Table, Tone, grouped};
use serde_json::Value;
use zos_core::{ContextName, Home};
use zos_meter::{Clock, HistoryQuery};

/// How far back usage is shown when nothing else is asked for; as the admin API does.
const DEFAULT_DAYS: u32 = 30;

/// Shows it, newest day first.
pub(crate) fn run(
    home: &Home,
    admin: &Admin,
    arguments: &arguments::Usage,
    output: &mut Output,
) -> Result<Outcome> {
    if let Running::Deaf(why) = admin.running()? {
        return Err(deaf(why));
    }
    let today = Clock::system().today();
    let context = arguments.context.context.as_ref().map(ContextName::to_string);
    let since = arguments.since.unwrap_or_else(|| (0..DEFAULT_DAYS).fold(today, |day, _| day.previous()));
    let until = arguments.until.unwrap_or(today);
    let ask = Ask::get(&["usage"])
        .query("context", context.as_ref())
        .query("since", Some(since))
        .query("until", Some(until));
    let history = admin.ask_or(&ask, || files::usage(home, HistoryQuery { context, since, until }))?;
    if output.is_json() {
        output.json(&history)?;
    } else {
        show(history.list("rows"), output)?;
    }
    Ok(Outcome::Fine)
}

fn show(rows: &[Value], output: &mut Output) -> Result<()> {
    if rows.is_empty() {
        return output.line("No calls in this time.");
    }
    let mut table = Table::new(&[
        "DAY (UTC)",
        "ROOM",
        "MODEL",
        "PROVIDER",
        "CLIENT",
        ">CALLS",
        ">INPUT",
        ">OUTPUT",
        ">FROM CACHE",
        ">TO CACHE",
    ]);
    let columns = ["calls", "input", "output", "cache_read", "cache_write"];
    for row in rows {
        let texts = ["day", "context", "model", "provider", "client"].map(|key| Cell::from(row.text(key)));
        let mut cells = Vec::from(texts);
        cells.extend(columns.map(|key| Cell::from(grouped(row.number(key).unwrap_or(0)))));
        table.row(cells);
    }
    let sum = |key: &str| rows.iter().filter_map(|row| row.number(key)).fold(0, u64::saturating_add);
    let mut sums = vec![Cell(Tone::Strong, "all".to_owned()), "".into(), "".into(), "".into(), "".into()];
    sums.extend(columns.map(|key| Cell(Tone::Strong, grouped(sum(key)))));
    table.row(sums);
    output.table(&table)?;
    let notes = [
        (sum("estimated_calls"), "calls are estimates: their provider reported nothing"),
        (sum("expired"), "more tokens were held for calls that a crash ended, and count as spent"),
    ];
    for (number, note) in notes.into_iter().filter(|(number, _)| *number > 0) {
        output.line(&output.toned(Tone::Notice, &format!("{} {note}.", grouped(number))))?;
    }
    Ok(())
}
