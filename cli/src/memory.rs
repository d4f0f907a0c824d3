//! `zos memory`: what a room remembers, and what waits for the owner's review.

use crate::admin::{Admin, Ask};
use crate::failure::{Failure, Outcome, Result};
use crate::output::{Cell, Members, Output, Tone, short_time, shown};
use crate::room::InContext;
use crate::session::Session;
use crate::{files, findings, lint};
use clap::Subcommand;
use serde_json::{Value, json};
use std::io::Read;
use zos_core::memory::Memories;
use zos_core::{Code, ContextName, Home, Problem};

/// What a room remembers: add, search, review, forget
#[derive(Subcommand)]
pub(crate) enum Command {
    /// Remember something in a room
    Add {
        #[command(flatten)]
        context: InContext,
        /// What it is about; a newer memory on a subject takes the place of the older one
        #[arg(long, short, value_name = "SUBJECT")]
        subject: Option<String>,
        /// What sort of thing it is
        #[arg(long, value_name = "KIND", default_value = "fact", value_parser = ["fact", "preference", "decision", "procedure", "episode"])]
        kind: String,
        /// Who says it; what is not the user's own waits for review
        #[arg(long, value_name = "WHO", default_value = "user", value_parser = ["user", "tool", "model", "import"])]
        source: String,
        /// Which call, file or page it comes from
        #[arg(long = "ref", value_name = "REF")]
        reference: Option<String>,
        /// When it must no longer be served: a day, a time, or 12h, 30d, 8w from now
        #[arg(long, value_name = "WHEN")]
        expires: Option<String>,
        /// The text; - reads standard input
        #[arg(allow_hyphen_values = true)]
        text: String,
    },
    /// Find what a room remembers
    Search {
        #[command(flatten)]
        context: InContext,
        /// How many at most
        #[arg(long, short = 'n', value_name = "N", default_value_t = 10)]
        limit: u32,
        /// What is asked for
        query: String,
    },
    /// Show what waits for you, or decide on it
    Review {
        #[command(flatten)]
        context: InContext,
        /// Accept this proposal: it is in force from now on
        #[arg(long, value_name = "ID", conflicts_with = "reject")]
        accept: Option<String>,
        /// With --accept: this memory is superseded by it, too
        #[arg(long, value_name = "ID", requires = "accept")]
        supersede: Vec<String>,
        /// Turn this proposal down
        #[arg(long, value_name = "ID")]
        reject: Option<String>,
        /// Accept everything that waits and about which nothing was noticed
        #[arg(long, conflicts_with_all = ["accept", "reject", "reject_all"])]
        accept_all: bool,
        /// Turn down everything that waits
        #[arg(long, conflicts_with_all = ["accept", "reject"])]
        reject_all: bool,
        /// Only what comes from there
        #[arg(long, value_name = "WHO", value_parser = ["tool", "model", "import"], conflicts_with_all = ["accept", "reject"])]
        source: Option<String>,
    },
    /// Show one memory, and what was so before
    Show {
        #[command(flatten)]
        context: InContext,
        /// Its id
        id: String,
    },
    /// Remove a memory and its file
    Forget {
        #[command(flatten)]
        context: InContext,
        /// Its id
        id: String,
    },
    /// Copy a memory into another room, through the firewalls of both
    Promote {
        #[command(flatten)]
        context: InContext,
        /// The other room
        #[arg(long, value_name = "NAME")]
        to: ContextName,
        /// Its id
        id: String,
    },
    /// Make the index anew from the files
    Reindex {
        #[command(flatten)]
        context: InContext,
    },
}

/// The longest text that is read from standard input, in bytes: more than a memory may have.
const TEXT_BYTES: u64 = 1 << 20;

/// Decisions in one request; the admin API takes twice as many.
const DECISIONS_AT_ONCE: usize = 500;

/// Does what was asked.
pub(crate) fn run(session: &Session, command: &Command, output: &mut Output) -> Result<Outcome> {
    let (home, admin) = (session.home()?, session.admin()?);
    match command {
        Command::Add { context, subject, kind, source, reference, expires, text } => {
            let wanted = json!({
                "context": room(home, context)?, "text": text_of(text)?, "subject": subject, "kind": kind,
                "source": source, "ref": reference, "expires": expires,
            });
            let made = admin.ask(&Ask::post(&["memory"], &wanted));
            added(&made.map_err(|failure| named(failure, wanted.text("context")))?, output)
        }
        Command::Search { context, limit, query } => {
            let room = room(home, context)?;
            let ask = Ask::get(&["memory"]);
            let ask = ask.query("context", Some(&room)).query("q", Some(query)).query("limit", Some(limit));
            let recall = admin.ask_or(&ask, || files::memory_search(home, &room, query, *limit))?;
            search(&recall, output)
        }
        Command::Review { context, accept, supersede, reject, accept_all, reject_all, source } => {
            let room = room(home, context)?;
            if let Some(id) = accept {
                return decide(admin, &room, id, "accept", supersede, output);
            }
            if let Some(id) = reject {
                return decide(admin, &room, id, "reject", &[], output);
            }
            let ask = Ask::get(&["memory", "review"]).query("context", Some(&room));
            let mut waiting = admin.ask_or(&ask, || files::memory_review(home, &room))?;
            if let (Some(source), Some(items)) = (source, waiting["items"].as_array_mut()) {
                items.retain(|item| item["source"].text("type") == source);
            }
            match (accept_all, reject_all) {
                (false, false) => review(&waiting, &room, output),
                (accept, _) => decide_all(admin, &room, &waiting, *accept, output),
            }
        }
        Command::Show { context, id } => {
            let room = room(home, context)?;
            let ask = Ask::get(&["memory", &room, id]);
            show(&admin.ask_or(&ask, || files::memory_show(home, &room, id))?, output)
        }
        Command::Forget { context, id } => {
            let answer = admin.ask(&Ask::delete(&["memory", &room(home, context)?, id]))?;
            say(&answer, "It is forgotten: the file is gone.", output)
        }
        Command::Promote { context, to, id } => {
            let wanted = json!({"to": to.as_str()});
            let made = admin.ask(&Ask::post(&["memory", &room(home, context)?, id, "promote"], &wanted));
            added(&made.map_err(|failure| named(failure, to.as_str()))?, output)
        }
        Command::Reindex { context } => reindex(home, context.context.as_ref(), output),
    }
}

/// The room that was named, else the active one.
fn room(home: &Home, context: &InContext) -> Result<String> {
    match &context.context {
        Some(name) => Ok(name.to_string()),
        None => files::active(&files::brain(home)?.snapshot()).map(|name| name.to_string()),
    }
}

/// The failure, with the name of the room where that is what is unknown.
fn named(failure: Failure, room: &str) -> Failure {
    match failure {
        Failure::Wrong(reason) if reason.is(Code::UnknownContext) => Failure::unknown_context(room),
        failure => failure,
    }
}

fn text_of(text: &str) -> Result<String> {
    if text != "-" {
        return Ok(text.to_owned());
    }
    let mut bytes = Vec::new();
    let read = std::io::stdin().lock().take(TEXT_BYTES).read_to_end(&mut bytes);
    read.map_err(|error| {
        Failure::wrong(Code::Environment, format!("Standard input cannot be read: {error}."))
    })?;
    String::from_utf8(bytes).map_err(|_| Failure::wrong(Code::InvalidRequest, "The text is not UTF-8."))
}

fn added(added: &Value, output: &mut Output) -> Result<Outcome> {
    if output.is_json() {
        output.json(added)?;
        return Ok(Outcome::Fine);
    }
    let id = added.text("id");
    let has_flag = |flag: &str| added.list("flags").iter().any(|known| known == flag);
    let (tone, sentence) = match added.text("status") {
        _ if has_flag("duplicate") => (Tone::Notice, "is remembered already"),
        "active" => (Tone::Good, "is remembered"),
        _ => (Tone::Notice, "waits for your review: zos memory review"),
    };
    output.line(shown![id, " ", output.toned(tone, sentence)])?;
    noticed(added, output)?;
    for old in added.list("supersedes") {
        output.line(format!("It takes the place of {}.", old.as_str().unwrap_or_default()))?;
    }
    Ok(Outcome::Fine)
}

/// What the gate noticed about a text.
fn noticed(item: &Value, output: &mut Output) -> Result<()> {
    for flag in item.list("flags").iter().filter_map(Value::as_str) {
        let sentence = match flag {
            "firewall" => "It holds something that this room's firewall looks for.",
            "secret" => "It holds what looks like a key, token or password.",
            "hidden_unicode" => "It holds characters that nobody sees.",
            "instruction" => "It reads like an instruction to a model.",
            "contradiction" => "It says something else than what is remembered.",
            _ => continue,
        };
        output.line(output.toned(Tone::Notice, sentence))?;
    }
    for other in item.list("contradicts") {
        output.line(format!("  compare: zos memory show {}", other.as_str().unwrap_or_default()))?;
    }
    Ok(())
}

fn search(recall: &Value, output: &mut Output) -> Result<Outcome> {
    if output.is_json() {
        output.json(recall)?;
        return Ok(Outcome::Fine);
    }
    let items = recall.list("items");
    if items.is_empty() {
        output.line("Nothing is remembered about that.")?;
    }
    for item in items {
        output.line(item.text("text"))?;
        let mut facts = vec![item.text("id").to_owned(), short_time(item.text("created"))];
        facts.extend(Some(item.text("subject").to_owned()).filter(|subject| !subject.is_empty()));
        let source = &item["source"];
        if source.text("type") != "user" {
            facts.push(format!("from a {}", source.text("type")));
        }
        output.line(output.toned(Tone::Quiet, &format!("  {}", facts.join(" · "))))?;
        for before in item.list("changed") {
            let until = short_time(before.text("until"));
            let line = format!("  before{}: {}", until_words(&until), before.text("text"));
            output.line(output.toned(Tone::Quiet, &line))?;
        }
        for other in item.list("conflicts") {
            let line = format!("  seems to disagree with {}", other.as_str().unwrap_or_default());
            output.line(output.toned(Tone::Notice, &line))?;
        }
        output.line("")?;
    }
    let total = recall.number("total").unwrap_or(0);
    if total > items.len() as u64 {
        output.line(format!("{} of {total}; --limit shows more.", items.len()))?;
    }
    Ok(Outcome::Fine)
}

fn until_words(until: &str) -> String {
    if until.is_empty() { String::new() } else { format!(" {until}") }
}

fn review(waiting: &Value, room: &str, output: &mut Output) -> Result<Outcome> {
    if output.is_json() {
        output.json(waiting)?;
        return Ok(Outcome::Fine);
    }
    let items = waiting.list("items");
    if items.is_empty() {
        output.line("Nothing waits for you.")?;
        return Ok(Outcome::Fine);
    }
    for item in items {
        if item.text("proposal") == "delete" {
            output.line(output.toned(Tone::Notice, "A model asks to delete:"))?;
        }
        output.line(item.text("text"))?;
        let line = format!("  {} · from a {}", item.text("id"), item["source"].text("type"));
        output.line(output.toned(Tone::Quiet, &line))?;
        noticed(item, output)?;
        for old in item.list("would_supersede") {
            output.line(format!("  would take the place of {}", old.as_str().unwrap_or_default()))?;
        }
        output.line("")?;
    }
    output.line(format!("zos memory review -c {room} --accept ID, or --reject ID; --accept-all takes what nothing was noticed about"))?;
    Ok(Outcome::Fine)
}

fn decide(
    admin: &Admin,
    room: &str,
    id: &str,
    decision: &str,
    supersede: &[String],
    output: &mut Output,
) -> Result<Outcome> {
    let wanted = json!({"decision": decision, "supersede": supersede});
    let item = admin.ask(&Ask::post(&["memory", room, id], &wanted))?;
    let sentence = match item.text("status") {
        "active" => "It is in force from now on.",
        "superseded" => "It is served no longer; its file stays.",
        _ => "It is turned down; its file stays.",
    };
    say(&item, sentence, output)
}

/// Decides about all that waits, as it was just shown. What was noticed about is left to a look of its own, and
/// so is what a model asks to delete.
fn decide_all(
    admin: &Admin,
    room: &str,
    waiting: &Value,
    accept: bool,
    output: &mut Output,
) -> Result<Outcome> {
    let is_taken =
        |item: &&Value| item.text("proposal") == "keep" && (!accept || item.list("flags").is_empty());
    let items = waiting.list("items");
    let ids: Vec<&str> = items.iter().filter(is_taken).map(|item| item.text("id")).collect();
    let left = items.len() - ids.len();
    let mut outcomes = Vec::new();
    for some in ids.chunks(DECISIONS_AT_ONCE) {
        let wanted = json!({"decision": if accept { "accept" } else { "reject" }, "ids": some});
        let done = admin.ask(&Ask::post(&["memory", room], &wanted))?;
        outcomes.extend(done.list("items").iter().cloned());
    }
    let failed: Vec<&Value> = outcomes.iter().filter(|one| one["problem"].is_string()).collect();
    let decided = outcomes.len() - failed.len();
    if output.is_json() {
        output.json(&json!({"decided": decided, "left": left, "items": outcomes}))?;
    } else {
        let what = if accept { "are in force from now on" } else { "are turned down" };
        output.line(format!("{decided} memories {what}."))?;
        for one in &failed {
            output.line(shown!["  ", one.text("id"), ": ", one.text("problem")])?;
        }
        if left > 0 {
            let line = format!("{left} wait for a look of their own: zos memory review -c {room}");
            output.line(output.toned(Tone::Notice, &line))?;
        }
    }
    Ok(if failed.is_empty() { Outcome::Fine } else { Outcome::Found })
}

fn show(item: &Value, output: &mut Output) -> Result<Outcome> {
    if output.is_json() {
        output.json(item)?;
        return Ok(Outcome::Fine);
    }
    output.line(item.text("text"))?;
    output.line("")?;
    let source = &item["source"];
    let from = [source.text("type"), source.text("ref")].join(" ");
    let facts: Vec<(&str, Cell)> = [
        ("id", item.text("id")),
        ("status", item.text("status")),
        ("kind", item.text("kind")),
        ("subject", item.text("subject")),
        ("from", from.trim()),
        ("written", &short_time(item.text("created"))),
        ("expires", &short_time(item.text("expires"))),
    ]
    .into_iter()
    .filter(|(_, value)| !value.is_empty())
    .map(|(name, value)| (name, value.into()))
    .collect();
    output.facts(&facts)?;
    for before in item.list("changed") {
        output.line(format!(
            "before{}: {}",
            until_words(&short_time(before.text("until"))),
            before.text("text")
        ))?;
    }
    Ok(Outcome::Fine)
}

fn reindex(home: &Home, context: Option<&ContextName>, output: &mut Output) -> Result<Outcome> {
    let contexts: Vec<ContextName> = match context {
        Some(name) => vec![name.clone()],
        None => Memories::contexts(home),
    };
    let memories = Memories::new(home.clone());
    let (mut indexed, mut told) = (0, memories.problems());
    for name in &contexts {
        let made = memories.room(name).reindex().map_err(|error| Failure::environment(&error))?;
        indexed += made.indexed;
        told.extend(made.errors.into_iter().chain(made.warnings));
    }
    let (errors, warnings): (Vec<Problem>, Vec<Problem>) = told.into_iter().partition(Problem::is_error);
    let (errors, warnings) = (lint::shapes(&errors), lint::shapes(&warnings));
    if output.is_json() {
        output.json(&json!({"indexed": indexed, "errors": errors, "warnings": warnings}))?;
    } else {
        findings::show(&errors, output)?;
        findings::show(&warnings, output)?;
        output.line(format!("{indexed} memories of {} rooms are indexed.", contexts.len()))?;
    }
    Ok(if errors.is_empty() { Outcome::Fine } else { Outcome::Found })
}

fn say(answer: &Value, sentence: &str, output: &mut Output) -> Result<Outcome> {
    if output.is_json() {
        output.json(answer)?;
    } else {
        output.line(sentence)?;
    }
    Ok(Outcome::Fine)
}
