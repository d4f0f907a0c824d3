//! `zos firewall test`: what a room's rules make of a text. Nothing is sent anywhere.

use crate::admin::{Admin, Ask};
use crate::failure::{Failure, Outcome, Result};
use crate::files;
use crate::output::{Cell, Members, Output, Table, Tone, note, shown};
use crate::room::InContext;
use crate::session::Session;
use clap::Subcommand;
use serde_json::{Value, json};
use std::io::{IsTerminal, Read};
use zos_core::{Code, ContextName, Home};

/// Try words against a room's rules; nothing is sent
#[derive(Subcommand)]
pub(crate) enum Command {
    /// What a room's rules make of a text. Exits with 1 when it would be stopped
    ///
    /// Each finding is explained: the rule, where it stands, where in the text it was found, by which
    /// detector and behind which disguise, and what would be sent. Only the text given here is tried:
    /// records keep no text, so a new rule cannot be tried against calls of the past.
    Test {
        #[command(flatten)]
        context: InContext,
        /// The text [default: standard input]
        text: Option<String>,
    },
}

/// The largest text that is sent to a running zOS: escaped as JSON it stays below what the API reads.
/// A larger one is tried on the files.
const SENT_BYTES: usize = 512 << 10;

/// The largest text that is tried: as large as the largest call.
const TEXT_BYTES: u64 = 32 << 20;

/// How much of a finding is shown.
const SHOWN_CHARS: usize = 48;

/// Tries a text; finds what would be stopped.
pub(crate) fn run(session: &Session, command: &Command, output: &mut Output) -> Result<Outcome> {
    let (home, admin) = (session.home()?, session.admin()?);
    let Command::Test { context, text } = command;
    let context = context.context.as_ref();
    let text = match text {
        Some(text) => text.clone(),
        None => read_input()?,
    };
    let verdict = judge(home, admin, context, &text)?;
    if output.is_json() {
        output.json(&verdict)?;
    } else {
        show(&verdict, &text, output)?;
    }
    // What a person would be asked about does not pass by itself.
    Ok(if matches!(verdict.text("verdict"), "deny" | "ask") { Outcome::Found } else { Outcome::Fine })
}

fn judge(home: &Home, admin: &Admin, context: Option<&ContextName>, text: &str) -> Result<Value> {
    let from_files = || files::firewall_test(home, context, text);
    if text.len() > SENT_BYTES {
        return from_files();
    }
    let asked = json!({"context": context.map(ContextName::as_str), "text": text});
    admin.ask_or(&Ask::post(&["firewall", "test"], &asked), from_files)
}

fn show(verdict: &Value, text: &str, output: &mut Output) -> Result<()> {
    let room = verdict.text("context");
    let violations = verdict.list("violations");
    let examples = verdict.list("examples");
    let (tone, sum) = match (verdict.text("verdict"), violations.len()) {
        ("allow", _) if !examples.is_empty() => (Tone::Good, "passes: only examples were found".to_owned()),
        ("allow", _) => (Tone::Good, "passes: no rule found anything".to_owned()),
        ("warn", found) => (Tone::Notice, format!("passes with a warning: {}", findings(found))),
        ("redact", found) => (Tone::Notice, format!("passes with placeholders: {}", findings(found))),
        ("ask", found) => (Tone::Bad, format!("waits for you: {}", findings(found))),
        (_, found) => (Tone::Bad, format!("is denied: {}", findings(found))),
    };
    output.line(shown![format!("In the room {room} this "), output.toned(tone, &sum)])?;
    show_examples(examples, text, output)?;
    if violations.is_empty() {
        return Ok(());
    }
    output.line("")?;
    let mut table = Table::new(&["WOULD", "FOUND", ">BYTE", "RULE", "DETECTOR", "WRITTEN AT", "HIDDEN AS"]);
    for violation in violations {
        let action = violation.text("action");
        let tone = if matches!(action, "deny" | "ask") { Tone::Bad } else { Tone::Notice };
        let (start, end) = (violation.number("start").unwrap_or(0), violation.number("end").unwrap_or(0));
        table.row(vec![
            Cell(tone, action.to_owned()),
            excerpt(text, start, end).into(),
            start.to_string().into(),
            violation.text("rule").into(),
            violation.text("detector").into(),
            violation.text("place").into(),
            violation.text("evasion").into(),
        ]);
    }
    output.table(&table)?;
    match (verdict.text("verdict"), verdict["sent"].as_str()) {
        ("redact", Some(sent)) => output.line(format!("\nSent would be: {sent}")),
        ("deny" | "ask", _) => output.line("\nNothing would be sent."),
        _ => Ok(()),
    }
}

/// Says what was found and let pass because it is reserved for examples.
fn show_examples(examples: &[Value], text: &str, output: &mut Output) -> Result<()> {
    for example in examples {
        let (start, end) = (example.number("start").unwrap_or(0), example.number("end").unwrap_or(0));
        output.line(format!(
            "found {} ({}): an example value, which the pack lets pass; `examples: count` makes it act",
            excerpt(text, start, end),
            example.text("detector"),
        ))?;
    }
    Ok(())
}

fn findings(number: usize) -> String {
    if number == 1 { "1 finding".to_owned() } else { format!("{number} findings") }
}

/// The owner's own words, shown to the owner.
fn excerpt(text: &str, start: u64, end: u64) -> String {
    let range = usize::try_from(start).ok().zip(usize::try_from(end).ok());
    let found = range.and_then(|(start, end)| text.get(start..end)).unwrap_or_default();
    match found.char_indices().nth(SHOWN_CHARS) {
        None => found.to_owned(),
        Some((cut, _)) => format!("{}…", &found[..cut]),
    }
}

fn read_input() -> Result<String> {
    let mut input = std::io::stdin().lock();
    if input.is_terminal() {
        // Only a courtesy: whoever cannot read it loses nothing.
        note("Type the text, and end it with Ctrl-D on a line of its own.");
    }
    let mut text = Vec::new();
    let unreadable = |error: std::io::Error| {
        Failure::wrong(Code::Environment, format!("Standard input cannot be read: {error}."))
    };
    input.by_ref().take(TEXT_BYTES + 1).read_to_end(&mut text).map_err(unreadable)?;
    if text.len() as u64 > TEXT_BYTES {
        return Err(
            Failure::wrong(Code::InvalidRequest, "The text is larger than 32 MiB.").hint("Try it in parts.")
        );
    }
    String::from_utf8(text).map_err(|_| {
        Failure::wrong(Code::InvalidRequest, "The text is not UTF-8.")
            .hint("Convert it first, for example with iconv.")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_excerpt_is_short_and_never_cuts_a_character() {
        assert_eq!(excerpt("see Project Falcon", 4, 18), "Project Falcon");
        assert_eq!(excerpt("äö", 1, 2), "");
        assert_eq!(excerpt(&"ä".repeat(100), 0, 200).chars().count(), SHOWN_CHARS + 1);
    }
}
