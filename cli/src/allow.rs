//! `zos allow`: what waits for the owner, and the owner's decision.

use crate::admin::{Admin, Ask};
use crate::failure::{Outcome, Result};
use crate::output::{Cell, Members, Output, Table, Tone, short_time};
use crate::session::Session;
use clap::Args;
use serde_json::{Value, json};

/// Answer what waits for you, or list it
#[derive(Args)]
#[command(after_help = "\
A call that meets a rule with `action: ask` waits for you. Without an option it may pass this once; a
call that no longer waits may pass once when the same words are sent again within ten minutes.")]
pub(crate) struct Command {
    /// What waits, as the refusal and the list name it [default: list what waits]
    id: Option<String>,
    /// Send placeholders in the place of what was found
    #[arg(long, requires = "id", group = "decision")]
    redact: bool,
    /// Refuse it
    #[arg(long, requires = "id", group = "decision")]
    deny: bool,
    /// Let the rule only report from now on: changes the room's file, and says how
    #[arg(long, requires = "id", group = "decision")]
    always: bool,
}

/// Does what was asked.
pub(crate) fn run(session: &Session, arguments: &Command, output: &mut Output) -> Result<Outcome> {
    let admin = session.admin()?;
    match &arguments.id {
        None => list(admin, output),
        Some(id) => decide(admin, id, arguments, output),
    }
}

fn decide(admin: &Admin, id: &str, arguments: &Command, output: &mut Output) -> Result<Outcome> {
    let decision = match arguments {
        Command { redact: true, .. } => "redact",
        Command { deny: true, .. } => "deny",
        Command { always: true, .. } => "always",
        _ => "allow_once",
    };
    let decided = admin.ask(&Ask::post(&["approvals", id], &json!({"decision": decision})))?;
    if output.is_json() {
        output.json(&decided)?;
        return Ok(Outcome::Fine);
    }
    let waiting = decided["approval"]["waiting"].as_u64().unwrap_or(0);
    let calls = match waiting {
        0 => "The same words may pass once within ten minutes: send them again".to_owned(),
        1 => "The call goes on".to_owned(),
        calls => format!("{calls} calls go on"),
    };
    match decision {
        "deny" => output.line("Denied.")?,
        "redact" => output.line(format!("{calls}, with placeholders."))?,
        _ => output.line(format!("{calls}."))?,
    }
    for line in decided.list("written") {
        let said = match decided["approval"].list("targets").is_empty() {
            true => "From now on the rule only reports",
            false => "Allowed from now on",
        };
        output.line(format!("{said}: {}", line.as_str().unwrap_or_default()))?;
    }
    Ok(Outcome::Fine)
}

fn list(admin: &Admin, output: &mut Output) -> Result<Outcome> {
    let waiting = admin.ask(&Ask::get(&["approvals"]))?;
    if output.is_json() {
        output.json(&waiting)?;
        return Ok(Outcome::Fine);
    }
    if waiting.list("approvals").is_empty() {
        output.line("Nothing waits for you.")?;
        return Ok(Outcome::Fine);
    }
    let mut table = Table::new(&["ID", "ROOM", "RULE", "IN", "CALLS", "WAITING", "ASKED (UTC)"]);
    for ask in waiting.list("approvals") {
        let of =
            |key: &str| ask.list("rules").iter().map(|rule| rule.text(key)).collect::<Vec<_>>().join(", ");
        let held = match ask["waiting"].as_u64().unwrap_or(0) {
            0 => Cell(Tone::Quiet, "no more".to_owned()),
            calls => calls.to_string().into(),
        };
        table.row(vec![
            Cell(Tone::Strong, ask.text("id").to_owned()),
            ask.text("context").into(),
            of("rule").into(),
            place(ask, &of("field")).into(),
            ask["calls"].to_string().into(),
            held,
            short_time(ask.text("asked")).into(),
        ]);
    }
    output.table(&table)?;
    for ask in waiting.list("approvals") {
        for target in ask.list("targets") {
            let tool =
                target["tool"].as_str().map_or_else(|| "a link".to_owned(), |tool| format!("tool {tool}"));
            output.line(format!(
                "{}: {tool} points at {} {}",
                ask.text("id"),
                target.text("kind"),
                target.text("target")
            ))?;
        }
    }
    // A target passes or not: there is nothing to redact.
    let is_redactable = waiting.list("approvals").iter().any(|ask| ask.list("targets").is_empty());
    let others = if is_redactable { "--redact, --deny and --always" } else { "--deny and --always" };
    output.line(format!("\nzos allow ID lets it pass once; {others} are the other answers."))?;
    Ok(Outcome::Fine)
}

/// Where it was found, as a person says it.
fn place(ask: &Value, fields: &str) -> String {
    match ask.text("side") {
        "answer" => "the answer".to_owned(),
        _ => fields.to_owned(),
    }
}
