//! `zos budget`: what is left of each room's tokens today.

use crate::admin::{Admin, Ask, Running, deaf};
use crate::failure::{Failure, Outcome, Result};
use crate::files;
use crate::output::{Cell, Members, Output, Table, Tone, grouped, short_time};
use serde_json::Value;
use zos_core::{ContextName, Home};

/// Shows all budgets, or one.
pub(crate) fn run(
    home: &Home,
    admin: &Admin,
    context: Option<&ContextName>,
    output: &mut Output,
) -> Result<Outcome> {
    // The ledger belongs to the zOS that runs, also when that one cannot be reached.
    if let Running::Deaf(why) = admin.running()? {
        return Err(deaf(why));
    }
    let mut budgets = admin.ask_or(&Ask::get(&["budgets"]), || files::budgets(home))?;
    if let (Some(name), Some(list)) = (context, budgets["budgets"].as_array_mut()) {
        list.retain(|budget| budget.text("context") == name.as_str());
        if list.is_empty() {
            return Err(Failure::unknown_context(name.as_str()));
        }
    }
    if output.is_json() {
        output.json(&budgets)?;
    } else {
        show(budgets.list("budgets"), output)?;
    }
    Ok(Outcome::Fine)
}

fn show(budgets: &[Value], output: &mut Output) -> Result<()> {
    let mut table = Table::new(&["ROOM", ">USED TODAY", ">HELD", ">LIMIT", ">LEFT"]);
    for budget in budgets {
        let number = |key: &str| budget.number(key).map(grouped);
        let (limit, left) = (budget.number("limit"), budget.number("remaining"));
        let tone = match (limit, left) {
            (Some(_), Some(0)) => Tone::Bad,
            (Some(limit), Some(left)) if left <= limit / 5 => Tone::Notice,
            _ => Tone::Plain,
        };
        table.row(vec![
            budget.text("context").into(),
            number("used").unwrap_or_default().into(),
            number("reserved").unwrap_or_default().into(),
            number("limit").unwrap_or_else(|| "none".to_owned()).into(),
            Cell(tone, number("remaining").unwrap_or_default()),
        ]);
    }
    output.table(&table)?;
    if let Some(budget) = budgets.first() {
        let line = format!(
            "Tokens of this UTC day. All start anew at {} UTC.",
            short_time(budget.text("resets_at"))
        );
        output.line("")?;
        output.line(&output.toned(Tone::Quiet, &line))?;
    }
    Ok(())
}
