//! `zos budget`: what is left of each room's tokens and money, and when it ends at this pace.

use crate::admin::{Ask, Running, deaf};
use crate::failure::{Failure, Outcome, Result};
use crate::opening;
use crate::output::{Cell, Members, Output, Table, Tone, grouped, shape, short_time};
use crate::room::InContext;
use crate::session::Session;
use clap::Args;
use serde_json::Value;
use zos_meter::{Clock, Micros};

/// What is left of each room's tokens and money, and until when
#[derive(Args)]
pub(crate) struct Command {
    #[command(flatten)]
    context: InContext,
}

/// Shows all budgets, or one.
pub(crate) fn run(session: &Session, command: &Command, output: &mut Output) -> Result<Outcome> {
    let (home, admin) = (session.home()?, session.admin()?);
    let context = command.context.context.as_ref();
    // The ledger belongs to the zOS that runs, also when that one cannot be reached.
    if let Running::Deaf(why) = admin.running()? {
        return Err(deaf(why));
    }
    let mut budgets = admin.ask_or(&Ask::get(&["budgets"]), || {
        let (snapshot, ledger) = (opening::brain(home)?.snapshot(), opening::ledger(home)?);
        let standing = zos_gateway::budget::standing(&snapshot, ledger.as_deref(), Clock::system().now_ms());
        Ok(shape(&opening::wait(standing)?.map_err(|error| Failure::environment(&error))?))
    })?;
    if let (Some(name), Some(list)) = (context, budgets["budgets"].as_array_mut()) {
        list.retain(|budget| budget.text("context") == name.as_str());
        if list.is_empty() {
            return Err(Failure::unknown_context(name.as_str()));
        }
    }
    // Only the zOS that runs has seen answers of providers.
    let quotas = admin.ask_or(&Ask::get(&["quotas"]), || Ok(serde_json::json!({"quotas": []})))?;
    if output.is_json() {
        budgets["quotas"] = quotas["quotas"].clone();
        output.json(&budgets)?;
    } else {
        show(budgets.list("budgets"), output)?;
        show_quotas(quotas.list("quotas"), output)?;
    }
    Ok(Outcome::Fine)
}

/// Quotas of plans, as answers of providers told of them.
fn show_quotas(quotas: &[Value], output: &mut Output) -> Result<()> {
    let mut table = Table::new(&["PLAN", "ACCOUNT", "QUOTA", ">USED", "RESETS (UTC)"]);
    let mut is_empty = true;
    for quota in quotas {
        let plan = match quota.text("plan") {
            "" => quota.text("provider").to_owned(),
            plan => format!("{} {plan}", quota.text("provider")),
        };
        for window in quota.list("windows") {
            let used = window["used_percent"].as_f64().unwrap_or(0.0);
            let tone = match used {
                used if used >= 100.0 => Tone::Bad,
                used if used >= 80.0 => Tone::Notice,
                _ => Tone::Plain,
            };
            is_empty = false;
            table.row(vec![
                plan.as_str().into(),
                quota.text("account").into(),
                length(window).into(),
                Cell(tone, format!("{used:.0}%")),
                short_time(window.text("resets_at")).into(),
            ]);
        }
        let credits = &quota["credits"];
        let left = match credits.flag("unlimited") {
            true => "unlimited",
            false => credits.text("balance"),
        };
        if !left.is_empty() {
            is_empty = false;
            let account = quota.text("account").into();
            table.row(vec![plan.as_str().into(), account, "credits".into(), left.into(), "".into()]);
        }
    }
    if is_empty {
        return Ok(());
    }
    output.line("")?;
    output.table(&table)
}

/// A quota in words: its length where it is told, else the provider's name for it.
fn length(window: &Value) -> String {
    match window.number("minutes") {
        Some(minutes) if minutes > 0 && minutes % 1440 == 0 => format!("{} days", minutes / 1440),
        Some(minutes) if minutes > 0 && minutes % 60 == 0 => format!("{} hours", minutes / 60),
        Some(minutes) if minutes > 0 => format!("{minutes} minutes"),
        _ => window.text("name").to_owned(),
    }
}

fn show(budgets: &[Value], output: &mut Output) -> Result<()> {
    let mut table = Table::new(&["ROOM", "LIMIT", ">USED", ">HELD", ">OF", ">LEFT", "RESETS (UTC)"]);
    let mut forecasts = Vec::new();
    for budget in budgets {
        let room = budget.text("context");
        let limits = budget.list("limits");
        if !limits
            .iter()
            .any(|limit| limit.text("name") == "daily_tokens" && limit.text("scope") == "context")
        {
            let number = |key: &str| Cell::from(budget.number(key).map(grouped).unwrap_or_default());
            table.row(vec![
                room.into(),
                "tokens today".into(),
                number("used"),
                number("reserved"),
                "none".into(),
                "".into(),
                short_time(budget.text("resets_at")).into(),
            ]);
        }
        for limit in limits {
            let amount = |key: &str| shown(limit.text("unit"), limit.number(key).unwrap_or(0));
            let (whole, left) = (limit.number("limit").unwrap_or(0), limit.number("remaining").unwrap_or(0));
            let tone = match left {
                0 => Tone::Bad,
                left if left <= whole / 5 => Tone::Notice,
                _ => Tone::Plain,
            };
            table.row(vec![
                room.into(),
                called(limit).into(),
                amount("used").into(),
                amount("reserved").into(),
                amount("limit").into(),
                Cell(tone, amount("remaining")),
                short_time(limit.text("resets_at")).into(),
            ]);
            forecasts.extend(forecast(room, limit));
        }
    }
    output.table(&table)?;
    output.line("")?;
    for line in forecasts {
        output.line(output.toned(Tone::Notice, &line))?;
    }
    for budget in budgets {
        output.line(output.toned(Tone::Quiet, &cost(budget)))?;
    }
    Ok(())
}

/// `tokens a day`, `money a month, key of cli`.
fn called(limit: &Value) -> String {
    let unit = if limit.text("unit") == "tokens" { "tokens" } else { "money" };
    let of = match limit.text("scope") {
        "key" => format!(", key of {}", limit.text("of")),
        "model" => format!(", models {}", limit.text("of")),
        _ => String::new(),
    };
    format!("{unit} a {}{of}", limit.text("period"))
}

/// When a limit is used up at this pace, where that is before its reset.
fn forecast(room: &str, limit: &Value) -> Option<String> {
    let end = Some(limit.text("runs_out_at")).filter(|end| !end.is_empty())?;
    let (period, what) = (limit.text("period"), called(limit));
    if limit.number("remaining") == Some(0) {
        return Some(format!("{room}: the {period}'s budget is used up ({what})."));
    }
    let time = if period == "day" { end.get(11..16)?.to_owned() } else { short_time(end) };
    Some(format!("{room}: at this pace the {period}'s budget ends at {time} UTC ({what})."))
}

fn cost(budget: &Value) -> String {
    let amount = |key: &str| match budget.number(key) {
        Some(micros) => format!("${}", Micros(micros)),
        None => "an unknown amount".to_owned(),
    };
    let unpriced = match budget.number("unpriced_month").unwrap_or(0) {
        0 => String::new(),
        calls => format!("; {} calls of this month have no known price", grouped(calls)),
    };
    let (today, month) = (amount("cost_today_micros"), amount("cost_month_micros"));
    format!("{} spent {today} today and {month} this month{unpriced}.", budget.text("context"))
}

fn shown(unit: &str, amount: u64) -> String {
    if unit == "tokens" { grouped(amount) } else { format!("${}", Micros(amount)) }
}
