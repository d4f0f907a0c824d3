//! `zos context`: rooms, and which of them is active.

mod edit;

use crate::admin::{Admin, Ask, Running};
use crate::failure::{Failure, Outcome, Result, sentence};
use crate::output::{Cell, Members, Output, Table, Tone, grouped, note};
use crate::session::Session;
use crate::{files, findings};
use clap::Subcommand;
use serde_json::{Value, json};
use zos_core::{ActiveError, Code, ContextName, Home};

/// List, show, choose, make and edit rooms
#[derive(Subcommand)]
pub(crate) enum Command {
    /// All rooms; a star marks the active one
    #[command(visible_alias = "ls")]
    List,
    /// One room: its lists, its budget, its file
    Show {
        /// The room [default: the active one]
        name: Option<ContextName>,
    },
    /// Make a room the active one; the next call is governed by it
    Use {
        /// The room
        #[arg(required_unless_present = "none")]
        name: Option<ContextName>,
        /// None: calls that name no room are refused, or governed by the room `default`
        #[arg(long, conflicts_with = "name")]
        none: bool,
    },
    /// Make a room
    New {
        /// Its name: a to z, 0 to 9, - and _
        name: ContextName,
        /// What people call it
        #[arg(long)]
        title: Option<String>,
        /// Findings are only reported; without it, every doubt stops the call
        #[arg(long)]
        open: bool,
    },
    /// Edit a room's file in $EDITOR; a broken version is never put in force
    Edit {
        /// The room
        name: ContextName,
    },
}

/// Does what was asked.
pub(crate) fn run(session: &Session, command: &Command, output: &mut Output) -> Result<Outcome> {
    let (home, admin) = (session.home()?, session.admin()?);
    match command {
        Command::List => list(home, admin, output),
        Command::Show { name } => show(home, admin, name.as_ref(), output),
        Command::Use { name, .. } => activate(home, admin, name.as_ref(), output),
        Command::New { name, title, open } => new(home, admin, name, title.as_deref(), *open, output),
        Command::Edit { name } => edit::run(home, admin, name, output),
    }
}

fn list(home: &Home, admin: &Admin, output: &mut Output) -> Result<Outcome> {
    let contexts = admin.ask_or(&Ask::get(&["contexts"]), || files::contexts(home))?;
    if output.is_json() {
        output.json(&contexts)?;
        return Ok(Outcome::Fine);
    }
    let mut table =
        Table::new(&["", "ROOM", "TITLE", "ISOLATION", ">DENIES", ">CONFIDENTIAL", ">TOKENS A DAY", "STATE"]);
    let mut problems = contexts.list("problems").to_vec();
    for context in contexts.list("contexts") {
        let (tone, state) = state(context);
        let number = |key: &str| context.number(key).map(grouped).unwrap_or_default();
        table.row(vec![
            Cell(Tone::Good, if context.flag("active") { "*" } else { "" }.to_owned()),
            Cell(
                if context.flag("active") { Tone::Strong } else { Tone::Plain },
                context.text("name").to_owned(),
            ),
            context.text("title").into(),
            context.text("isolation").into(),
            number("outbound_deny").into(),
            number("confidential").into(),
            number("daily_tokens").into(),
            Cell(tone, state.to_owned()),
        ]);
        problems.extend_from_slice(context.list("problems"));
    }
    output.table(&table)?;
    if !problems.is_empty() {
        output.line("")?;
        findings::show(&problems, output)?;
    }
    Ok(Outcome::Fine)
}

fn state(context: &Value) -> (Tone, &'static str) {
    match context.text("state") {
        _ if context.flag("builtin") => (Tone::Quiet, "built in"),
        "live" => (Tone::Plain, ""),
        "stale" => (Tone::Bad, "newest save is broken"),
        _ => (Tone::Bad, "broken"),
    }
}

/// The context that was named, else the active one.
fn named(home: &Home, admin: &Admin, name: Option<&ContextName>) -> Result<String> {
    if let Some(name) = name {
        return Ok(name.to_string());
    }
    let from_files =
        || files::active(&files::brain(home)?.snapshot()).map(|name| json!({"context": name.as_str()}));
    let active = admin.ask_or(&Ask::get(&["active"]), from_files)?;
    match active.text("context") {
        "" => Err(Failure::wrong(Code::UnknownContext, "No room is active.")
            .hint("Name one, or choose one: `zos context use NAME`.")),
        name => Ok(name.to_owned()),
    }
}

fn show(home: &Home, admin: &Admin, name: Option<&ContextName>, output: &mut Output) -> Result<Outcome> {
    let name = named(home, admin, name)?;
    let parsed: ContextName = name.parse().map_err(|_| Failure::unknown_context(&name))?;
    let context = admin.ask_or(&Ask::get(&["contexts", &name]), || files::context(home, &parsed))?;
    if output.is_json() {
        output.json(&context)?;
        return Ok(Outcome::Fine);
    }
    let summary = &context["summary"];
    let active = if summary.flag("active") { ", active" } else { "" };
    output.line(output.toned(Tone::Strong, &format!("{} ({name}{active})", summary.text("title"))))?;
    let (tone, state) = state(summary);
    let tokens = summary
        .number("daily_tokens")
        .map_or_else(|| "no limit".to_owned(), |limit| format!("{} tokens a day", grouped(limit)));
    output.line("")?;
    let mut facts = vec![("isolation", summary.text("isolation").into()), ("budget", tokens.into())];
    if !state.is_empty() {
        facts.push(("state", Cell(tone, state.to_owned())));
    }
    if !summary.flag("builtin") {
        facts.push(("file", home.contexts().join(format!("{name}.yml")).display().to_string().into()));
    }
    output.facts(&facts)?;
    for (key, head) in [("outbound_deny", "Must never leave"), ("confidential", "Belongs to this room alone")]
    {
        entries(head, context.list(key), output)?;
    }
    if !summary.list("problems").is_empty() {
        output.line("")?;
        findings::show(summary.list("problems"), output)?;
    }
    Ok(Outcome::Fine)
}

fn entries(head: &str, list: &[Value], output: &mut Output) -> Result<()> {
    if list.is_empty() {
        return Ok(());
    }
    output.line(format!("\n{head}:\n"))?;
    let mut table = Table::new(&["", "WHAT", "ACTION", "RULE", "NOTE"]);
    for entry in list {
        let (kind, what) = ["term", "pattern", "pack"]
            .into_iter()
            .map(|kind| (kind, entry.text(kind)))
            .find(|(_, what)| !what.is_empty())
            .unwrap_or_default();
        let action =
            Some(entry.text("action")).filter(|action| !action.is_empty()).unwrap_or("deny, by default");
        table.row(vec![
            Cell(Tone::Quiet, kind.to_owned()),
            what.into(),
            action.into(),
            entry.text("rule").into(),
            entry.text("note").into(),
        ]);
    }
    output.table(&table)
}

fn activate(home: &Home, admin: &Admin, name: Option<&ContextName>, output: &mut Output) -> Result<Outcome> {
    let wanted = json!({"context": name.map(ContextName::as_str)});
    let done = match admin.running()? {
        // It watches `state.json`, so the switch works although the decision cannot be recorded.
        Running::Deaf(why) => activate_unrecorded(home, name, why).map(|()| wanted),
        _ => admin.ask(&Ask::put(&["active"], &wanted)),
    };
    let done = done.map_err(|failure| match (name, failure) {
        (Some(name), Failure::Wrong(reason)) if reason.is(Code::UnknownContext) => {
            Failure::unknown_context(name.as_str())
        }
        (_, failure) => failure,
    })?;
    if output.is_json() {
        output.json(&done)?;
    } else {
        match name {
            Some(name) => output.line(format!("The room {name} governs from the next call on."))?,
            None => output.line("No room is active now.")?,
        }
    }
    Ok(Outcome::Fine)
}

fn activate_unrecorded(home: &Home, name: Option<&ContextName>, why: &str) -> Result<()> {
    files::brain(home)?.set_active(name).map_err(|error| match error {
        ActiveError::Unknown(name) => Failure::unknown_context(name.as_str()),
        ActiveError::Broken(_) => Failure::failed(Code::ContextBroken, sentence(&error)),
        ActiveError::Io(_) => Failure::environment(&error),
    })?;
    // The switch is done; the note is all that is left to do.
    note(format!("zos: {why} The room is switched by its file; the log holds no record of it."));
    Ok(())
}

fn new(
    home: &Home,
    admin: &Admin,
    name: &ContextName,
    title: Option<&str>,
    open: bool,
    output: &mut Output,
) -> Result<Outcome> {
    let yaml = first_text(title, open);
    let made = admin.ask(&Ask::put(&["contexts", name.as_str()], &json!({"yaml": yaml})));
    let made = made.map_err(|failure| match failure {
        Failure::Failed(reason) if reason.is(Code::Conflict) => {
            Failure::failed(Code::Conflict, format!("There is a room called {name} already."))
                .hint(format!("`zos context edit {name}` changes it."))
        }
        failure => failure,
    })?;
    if output.is_json() {
        output.json(&made)?;
    } else {
        output.line(format!(
            "The room {name} is in {}.",
            home.contexts().join(format!("{name}.yml")).display()
        ))?;
        output.line(format!("\n  zos context edit {name}     say what must never leave it\n  zos context use {name}      let it govern calls that name no room"))?;
    }
    Ok(Outcome::Fine)
}

/// The file of a new room: what it can hold, as comments, and safe values.
fn first_text(title: Option<&str>, open: bool) -> String {
    let title = title.map(|title| format!("title: {}\n", Value::from(title))).unwrap_or_default();
    let isolation = if open {
        "open   # findings are reported, and the call goes on"
    } else {
        "hard   # every doubt stops the call"
    };
    format!(
        "{title}isolation: {isolation}
attachments: allow   # images, audio and PDFs cannot be read here: allow them, or deny

# What must never leave this room.
outbound_deny: []
#  - Project Falcon
#  - {{term: Ann Lee, action: warn, note: patient}}

# What belongs to this room: free here, denied in every other one.
confidential: []
#  - Globex merger

# budget: {{daily_tokens: 200000}}
# models: {{allow: [\"claude-*\", \"local/*\"], deny: []}}
"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_new_room_is_in_order() {
        let name: ContextName = "acme".parse().unwrap();
        for (title, open) in [(None, false), (Some("Acme: \"the\" # Corp"), true)] {
            let parsed = zos_core::context::parse_context(&name, first_text(title, open).as_bytes());
            assert_eq!(parsed.problems, []);
            let context = parsed.context.unwrap();
            assert_eq!(
                (context.title.as_deref(), context.isolation == zos_core::Isolation::Open),
                (title, open)
            );
        }
    }
}
