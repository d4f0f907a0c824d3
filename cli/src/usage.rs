//! `zos usage`: tokens and money by day, room, model and client.

use crate::admin::{Ask, Running, deaf};
use crate::failure::{Outcome, Result};
use crate::files;
use crate::output::{Cell, Members, Output, Table, Tone, grouped};
use crate::room::InContext;
use crate::session::Session;
use clap::{Args, ValueEnum};
use serde_json::{Value, json};
use std::collections::HashMap;
use zos_core::ContextName;
use zos_meter::{Clock, Day, HistoryQuery, Micros};

/// Tokens and money by day, room, model and client
#[derive(Args)]
pub(crate) struct Command {
    #[command(flatten)]
    context: InContext,
    /// First UTC day, YYYY-MM-DD [default: 30 days ago]
    #[arg(long, value_name = "DAY")]
    since: Option<zos_meter::Day>,
    /// Last UTC day, YYYY-MM-DD [default: today]
    #[arg(long, value_name = "DAY")]
    until: Option<zos_meter::Day>,
    /// One line for each of these instead of all details; several, separated by commas
    #[arg(long, value_enum, value_delimiter = ',', value_name = "WHAT")]
    by: Vec<UsageBy>,
    /// Print comma-separated values, for spreadsheets; amounts are in US dollars
    #[arg(long, conflicts_with = "json")]
    csv: bool,
}

/// What usage can be summed by.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum UsageBy {
    Day,
    Context,
    Model,
    Provider,
    Client,
}

/// How far back usage is shown when nothing else is asked for; as the admin API does.
const DEFAULT_DAYS: u32 = 30;

/// Shows it, newest day first.
pub(crate) fn run(session: &Session, arguments: &Command, output: &mut Output) -> Result<Outcome> {
    let (home, admin) = (session.home()?, session.admin()?);
    session.check_rooms()?;
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
    let rows = summed(history.list("rows"), &arguments.by);
    if arguments.csv {
        csv(&rows, &columns(&arguments.by), output)?;
    } else if output.is_json() {
        output.json(&json!({"rows": rows}))?;
    } else {
        show(&rows, &columns(&arguments.by), output)?;
        sparkline(history.list("rows"), since, until, output)?;
    }
    Ok(Outcome::Fine)
}

/// Columns that name a row: what was asked for, else all of them.
fn columns(by: &[UsageBy]) -> Vec<&'static str> {
    let all = [UsageBy::Day, UsageBy::Context, UsageBy::Model, UsageBy::Provider, UsageBy::Client];
    let by = if by.is_empty() { &all[..] } else { by };
    by.iter().map(|by| by.key()).collect()
}

impl UsageBy {
    fn key(self) -> &'static str {
        match self {
            UsageBy::Day => "day",
            UsageBy::Context => "context",
            UsageBy::Model => "model",
            UsageBy::Provider => "provider",
            UsageBy::Client => "client",
        }
    }
}

/// Rows of the same names as one, in the order in which they come first.
fn summed(rows: &[Value], by: &[UsageBy]) -> Vec<Value> {
    if by.is_empty() {
        return rows.to_vec();
    }
    let names = columns(by);
    let mut sums: Vec<Value> = Vec::new();
    let mut places: HashMap<Vec<&str>, usize> = HashMap::new();
    for row in rows {
        let key: Vec<&str> = names.iter().map(|name| row.text(name)).collect();
        let place = *places.entry(key).or_insert_with(|| {
            sums.push(names.iter().map(|name| ((*name).to_owned(), row[*name].clone())).collect());
            sums.len() - 1
        });
        let sum = &mut sums[place];
        for count in COUNTS {
            sum[count] = sum.number(count).unwrap_or(0).saturating_add(row.number(count).unwrap_or(0)).into();
        }
        // An amount that is known in part is said with the number of calls that it leaves out.
        sum["cost_micros"] = match (sum.number("cost_micros"), row.number("cost_micros")) {
            (Some(one), Some(two)) => one.saturating_add(two).into(),
            (one, two) => one.or(two).into(),
        };
    }
    sums
}

/// Every count of a row.
const COUNTS: [&str; 9] = [
    "calls",
    "input",
    "output",
    "cache_read",
    "cache_write",
    "reasoning",
    "expired",
    "estimated_calls",
    "unpriced_calls",
];

fn csv(rows: &[Value], names: &[&'static str], output: &mut Output) -> Result<()> {
    let heads: Vec<&str> = names.iter().copied().chain(COUNTS).chain(["cost_usd"]).collect();
    output.line(heads.join(","))?;
    for row in rows {
        let texts = names.iter().map(|name| quoted(row.text(name)));
        let counts = COUNTS.iter().map(|count| row.number(count).unwrap_or(0).to_string());
        // Unknown is an empty field, not a zero.
        let cost = row.number("cost_micros").map(|micros| Micros(micros).to_string()).unwrap_or_default();
        let fields: Vec<String> = texts.chain(counts).chain([cost]).collect();
        output.line(fields.join(","))?;
    }
    Ok(())
}

/// A field of RFC 4180. A name from outside that a spreadsheet would run as a formula gets an apostrophe.
fn quoted(text: &str) -> String {
    let text = zos_rules::shown_line(text).into_owned();
    let is_formula = text.starts_with(['=', '+', '-', '@']);
    let text = if is_formula { format!("'{text}") } else { text };
    if text.contains([',', '"', '\n', '\r']) { format!("\"{}\"", text.replace('"', "\"\"")) } else { text }
}

fn show(rows: &[Value], names: &[&'static str], output: &mut Output) -> Result<()> {
    if rows.is_empty() {
        return output.line("No calls in this time.");
    }
    let head = |name: &&'static str| match *name {
        "day" => "DAY (UTC)",
        "context" => "ROOM",
        "model" => "MODEL",
        "provider" => "PROVIDER",
        _ => "CLIENT",
    };
    let counted = [">CALLS", ">INPUT", ">OUTPUT", ">FROM CACHE", ">TO CACHE", ">COST"];
    let heads: Vec<&'static str> = names.iter().map(head).chain(counted).collect();
    let mut table = Table::new(&heads);
    let columns = ["calls", "input", "output", "cache_read", "cache_write"];
    for row in rows {
        let mut cells: Vec<Cell> = names.iter().map(|name| Cell::from(row.text(name))).collect();
        cells.extend(columns.map(|key| Cell::from(grouped(row.number(key).unwrap_or(0)))));
        cells.push(cost(row.number("cost_micros")));
        table.row(cells);
    }
    let sum = |key: &str| rows.iter().filter_map(|row| row.number(key)).fold(0, u64::saturating_add);
    let mut sums = vec![Cell(Tone::Strong, "all".to_owned())];
    sums.extend(names.iter().skip(1).map(|_| Cell::from("")));
    sums.extend(columns.map(|key| Cell(Tone::Strong, grouped(sum(key)))));
    let is_priced = rows.iter().any(|row| row.number("cost_micros").is_some());
    sums.push(cost(is_priced.then(|| sum("cost_micros"))));
    table.row(sums);
    output.table(&table)?;
    let notes = [
        (sum("estimated_calls"), "calls are estimates: their provider reported nothing"),
        (sum("unpriced_calls"), "calls have no known price, and no amount has them"),
        (sum("expired"), "more tokens were held for calls that a crash ended, and count as spent"),
    ];
    for (number, note) in notes.into_iter().filter(|(number, _)| *number > 0) {
        output.line(output.toned(Tone::Notice, &format!("{} {note}.", grouped(number))))?;
    }
    Ok(())
}

fn cost(micros: Option<u64>) -> Cell {
    match micros {
        Some(micros) => Cell::from(format!("${}", Micros(micros))),
        None => Cell(Tone::Quiet, "unknown".to_owned()),
    }
}

/// Tokens of each day as a line of bars, the last days where there are many.
fn sparkline(rows: &[Value], since: Day, until: Day, output: &mut Output) -> Result<()> {
    let mut tokens: HashMap<&str, u64> = HashMap::new();
    for row in rows {
        let sum = ["input", "output", "cache_read", "cache_write", "expired"]
            .map(|key| row.number(key).unwrap_or(0));
        let day = tokens.entry(row.text("day")).or_default();
        *day = sum.into_iter().fold(*day, u64::saturating_add);
    }
    let days = std::iter::successors(Some(until), |day| (*day > since).then(|| day.previous()));
    let mut counts: Vec<u64> =
        days.take(SPARKS_MAX).map(|day| tokens.get(day.to_string().as_str()).copied().unwrap_or(0)).collect();
    counts.reverse();
    if rows.is_empty() || counts.len() < 2 {
        return Ok(());
    }
    let most = counts.iter().copied().max().unwrap_or(0);
    let line = format!("{}  tokens a day, at most {}", bars(&counts), grouped(most));
    output.line("")?;
    output.line(output.toned(Tone::Quiet, &line))
}

/// Days in one line of bars.
const SPARKS_MAX: usize = 60;

/// One bar for each count: a day without calls is a dot, and a day with any is at least the lowest bar.
fn bars(counts: &[u64]) -> String {
    const BARS: [char; 8] = ['▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];
    let most = u128::from(counts.iter().copied().max().unwrap_or(0).max(1));
    let bar = |count: &u64| match count {
        0 => '·',
        count => BARS[usize::try_from((u128::from(*count) * 8).div_ceil(most) - 1).unwrap_or(7).min(7)],
    };
    counts.iter().map(bar).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bars_show_nothing_as_nothing_and_the_least_as_something() {
        assert_eq!(bars(&[0, 1, 500, 1000]), "·▁▄█");
        assert_eq!(bars(&[0, 0]), "··");
        assert_eq!(bars(&[u64::MAX, 1]), "█▁");
    }

    #[test]
    fn fields_are_quoted_and_no_formula_gets_into_a_spreadsheet() {
        for (text, field) in [
            ("m", "m"),
            ("a,b", "\"a,b\""),
            ("say \"x\"", "\"say \"\"x\"\"\""),
            ("=1+1", "'=1+1"),
            ("@x,y", "\"'@x,y\""),
        ] {
            assert_eq!(quoted(text), field);
        }
    }

    #[test]
    fn rows_are_summed_and_an_amount_known_in_part_is_kept() {
        let rows = [
            json!({"day": "2026-11-22", "model": "m", "calls": 1, "input": 5, "cost_micros": 7, "unpriced_calls": 0}),
            json!({"day": "2026-11-21", "model": "m", "calls": 2, "input": 6, "cost_micros": null, "unpriced_calls": 2}),
            json!({"day": "2026-11-21", "model": "n", "calls": 1, "input": 1, "cost_micros": null, "unpriced_calls": 1}),
        ];
        let sums = summed(&rows, &[UsageBy::Model]);
        assert_eq!(sums.len(), 2);
        assert_eq!(
            (&sums[0]["calls"], &sums[0]["input"], &sums[0]["cost_micros"]),
            (&json!(3), &json!(11), &json!(7))
        );
        assert_eq!((&sums[1]["cost_micros"], &sums[1]["unpriced_calls"]), (&json!(null), &json!(1)));
    }
}
