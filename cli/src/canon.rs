//! `zos canon …`: what an AI is told in a room, and who wrote it where. Only files are asked: what they say
//! is what the gateway puts in force within half a second.

mod changes;

use crate::failure::{Failure, Outcome, Result, sentence};
use crate::lint::{count, shapes};
use crate::output::{Cell, Output, Table, Tone, grouped, shown};
use crate::room::InContext;
use crate::session::Session;
use crate::{files, findings};
use clap::{Subcommand, ValueEnum, ValueHint};
use serde_json::{Value, json};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use zos_core::canon::{
    ClientFormat, ExportCheck, ExportError, Finding, Lint, attested, check_export, export, rendered,
};
use zos_core::lint::lint_canons;
use zos_core::{Brain, Canon, CanonState, Code, Context, ContextName, Problem};
use zos_gateway::admin::types::{CanonFinding, CanonView, CanonWhy};

/// What your AI is told in a room, and which file says it
#[derive(Subcommand)]
pub(crate) enum Command {
    /// Print it, byte for byte as it is delivered
    Build(InContext),
    /// Which file and line says this. Exits with 1 when none does
    Why {
        #[command(flatten)]
        context: InContext,
        /// A part of a line, or several lines
        text: String,
    },
    /// Lines that one room is told and another is not, or was not when it was attested last. Exits with 1
    /// when there are any
    Diff {
        /// The one room
        #[arg(value_name = "ROOM")]
        one: ContextName,
        /// The other room [default: the same one, as it was attested last]
        #[arg(value_name = "OTHER")]
        other: Option<ContextName>,
    },
    /// What is wrong with it, or probably not meant; of all rooms unless one is named
    Lint(InContext),
    /// What it costs, file by file. Exits with 1 when that is too much
    Budget(InContext),
    /// Write it into the file that an AI client reads
    Export {
        #[command(flatten)]
        context: InContext,
        /// The client
        #[arg(long, value_enum)]
        format: ClientFile,
        /// The folder to write to: a project, mostly
        #[arg(long, value_name = "DIR", default_value = ".", value_hint = ValueHint::DirPath)]
        out: PathBuf,
        /// Write nothing; exit with 1 when the file does not hold this canon
        #[arg(long)]
        check: bool,
    },
}

/// The AI clients that read a file of their own.
#[derive(Debug, Clone, Copy, ValueEnum)]
pub(crate) enum ClientFile {
    /// CLAUDE.md
    Claude,
    /// AGENTS.md
    Agents,
    /// GEMINI.md
    Gemini,
    /// .cursor/rules/zos-canon.mdc
    Cursor,
    /// .github/copilot-instructions.md
    Copilot,
    /// zos-canon/SKILL.md
    Skill,
}

/// Runs one of them.
pub(crate) fn run(session: &Session, command: &Command, output: &mut Output) -> Result<Outcome> {
    let brain = files::brain(session.home()?)?;
    match command {
        Command::Build(of) => build(&brain, of, output),
        Command::Why { context, text } => why(&brain, context, text, output),
        Command::Diff { one, other: Some(other) } => diff(&brain, one, other, output),
        Command::Diff { one, other: None } => diff_attested(&brain, one, output),
        Command::Lint(of) => lint(&brain, of, output),
        Command::Budget(of) => budget(&brain, of, output),
        Command::Export { context, format, out, check } => {
            export_to(&brain, context, *format, out, *check, output)
        }
    }
}

/// A room and its canon as the files have it.
struct Room {
    context: Arc<Context>,
    state: CanonState,
}

impl Room {
    fn of(brain: &Brain, name: Option<&ContextName>) -> Result<Self> {
        let snapshot = brain.snapshot();
        let name = match name {
            Some(name) => name.clone(),
            None => files::active(&snapshot)?,
        };
        let state = snapshot.context(&name).ok_or_else(|| Failure::unknown_context(name.as_str()))?;
        match (state.context(), snapshot.canon(&name)) {
            (Some(context), Some(canon)) => Ok(Room { context: Arc::clone(context), state: canon.clone() }),
            _ => Err(Failure::failed(
                Code::ContextBroken,
                format!("The file of the room {name} cannot be used."),
            )
            .hint("`zos lint` says why.")),
        }
    }

    fn name(&self) -> &ContextName {
        &self.context.name
    }

    /// The canon, none where no file says anything to the room.
    fn canon(&self) -> Result<Option<&Canon>> {
        match &self.state {
            CanonState::Broken { findings } => {
                let mut failure = Failure::failed(
                    Code::CanonInvalid,
                    format!("The canon of the room {} cannot be built.", self.name()),
                );
                if let Failure::Failed(reason) = &mut failure {
                    let errors: Vec<Problem> = findings
                        .iter()
                        .filter(|finding| finding.is_error())
                        .map(|f| f.problem.clone())
                        .collect();
                    reason.problems = shapes(&errors);
                }
                Err(failure)
            }
            state => Ok(state.canon().map(AsRef::as_ref)),
        }
    }
}

fn build(brain: &Brain, of: &InContext, output: &mut Output) -> Result<Outcome> {
    let room = Room::of(brain, of.context.as_ref())?;
    let canon = room.canon()?;
    if output.is_json() {
        output.json(&CanonView::new(&room.context, &room.state, room.state.findings()))?;
    } else {
        // Exactly the bytes that the digest is of, but on a screen, which they could rewrite.
        output.exact(canon.map(|canon| canon.text.as_str()).unwrap_or_default())?;
        if output.is_read() && canon.is_none() {
            output.line("No file says anything to this room. `zos init` makes some to begin with.")?;
        }
    }
    Ok(Outcome::Fine)
}

fn why(brain: &Brain, of: &InContext, text: &str, output: &mut Output) -> Result<Outcome> {
    let room = Room::of(brain, of.context.as_ref())?;
    let found = CanonWhy::new(room.canon()?, text);
    if output.is_json() {
        output.json(&found)?;
    } else if found.matches.is_empty() {
        output.line(output.toned(Tone::Bad, &format!("The canon of {} does not say that.", room.name())))?;
    } else {
        for line in &found.matches {
            let place = output.toned(Tone::Strong, &format!("{}:{}", line.place.file, line.place.file_line));
            output.line(shown![place, format!("  {} clause {}", line.place.level, line.place.clause)])?;
        }
    }
    Ok(if found.matches.is_empty() { Outcome::Found } else { Outcome::Fine })
}

fn diff(brain: &Brain, one: &ContextName, other: &ContextName, output: &mut Output) -> Result<Outcome> {
    let (one, other) = (Room::of(brain, Some(one))?, Room::of(brain, Some(other))?);
    let changes = changes::between(one.canon()?, other.canon()?);
    let side = |room: &Room| {
        let digest = CanonView::new(&room.context, &room.state, &[]).digest;
        json!({"context": room.name().as_str(), "digest": digest})
    };
    let same = format!("{} and {} are told the same.", one.name(), other.name());
    show_changes(&changes, &side(&one), &side(&other), &same, output)
}

/// What changed since the state that was attested last.
fn diff_attested(brain: &Brain, name: &ContextName, output: &mut Output) -> Result<Outcome> {
    let room = Room::of(brain, Some(name))?;
    let now = room.canon()?;
    let before = attested(brain.home(), name).map_err(|error| Failure::environment(&error))?;
    let before = before.ok_or_else(|| {
        Failure::wrong(Code::NoAttestedState, format!("No attested state covers the room {name} yet."))
            .hint("Name another room to compare with, or serve once: `zos serve` attests what is in force.")
    })?;
    let changes = changes::between(before.canon.as_ref(), now);
    let digest =
        |canon: Option<&Canon>| canon.map_or_else(|| Canon::digest_of(""), |canon| canon.digest.clone());
    let from = json!({"context": name.as_str(), "digest": digest(before.canon.as_ref()), "state_id": before.state_id});
    let to = json!({"context": name.as_str(), "digest": digest(now)});
    let same = format!("{name} is told what was attested last.");
    show_changes(&changes, &from, &to, &same, output)
}

fn show_changes(
    changes: &[changes::Change],
    from: &Value,
    to: &Value,
    same: &str,
    output: &mut Output,
) -> Result<Outcome> {
    let is_same = changes.is_empty();
    if output.is_json() {
        output.json(&json!({"from": from, "to": to, "same": is_same, "changes": changes}))?;
    } else if is_same {
        output.line(same)?;
    } else {
        for change in changes {
            let tone = if change.op == "-" { Tone::Bad } else { Tone::Good };
            let line = output.toned(tone, &format!("{} {}", change.op, change.text));
            let place = output.toned(Tone::Quiet, &format!("{}:{}", change.file, change.file_line));
            output.line(shown![line, "  ", place])?;
        }
    }
    Ok(if is_same { Outcome::Fine } else { Outcome::Found })
}

fn lint(brain: &Brain, of: &InContext, output: &mut Output) -> Result<Outcome> {
    if let Some(name) = &of.context {
        Room::of(brain, Some(name))?;
    }
    let found = lint_canons(brain, of.context.as_ref());
    let shown: Vec<Value> = found
        .iter()
        .map(|finding| {
            serde_json::to_value(CanonFinding::from(finding)).expect("it holds only strings and numbers")
        })
        .collect();
    if output.is_json() {
        output.json(&json!({ "findings": shown }))?;
    } else if found.is_empty() {
        output.line(output.toned(Tone::Good, "The canon is in order."))?;
    } else {
        findings::show(&shown, output)?;
        let errors = found.iter().filter(|finding| finding.is_error()).count();
        output.line(format!("\n{}", count(errors, found.len() - errors)))?;
    }
    Ok(if found.is_empty() { Outcome::Fine } else { Outcome::Found })
}

fn budget(brain: &Brain, of: &InContext, output: &mut Output) -> Result<Outcome> {
    let room = Room::of(brain, of.context.as_ref())?;
    let is_over = |finding: &&Finding| finding.lint == Lint::OverBudget;
    let over: Vec<Problem> =
        room.state.findings().iter().filter(is_over).map(|finding| finding.problem.clone()).collect();
    // What is over its budget is not built; anything else that is broken is another matter.
    if over.is_empty() {
        room.canon()?;
    }
    let view = CanonView::new(&room.context, &room.state, &[]);
    if output.is_json() {
        output.json(&json!({
            "context": view.context, "tokens": view.tokens, "tokens_estimated": view.tokens_estimated,
            "tokenizer": Canon::TOKENIZER.name(),
            "budget": view.budget, "over": !over.is_empty(), "layers": view.layers, "problems": shapes(&over),
        }))?;
    } else if over.is_empty() {
        let allowed = |budget: Option<u64>| budget.map_or_else(|| "no limit".to_owned(), grouped);
        let mut table = Table::new(&["FILE", ">TOKENS", ">BUDGET"]);
        for layer in &view.layers {
            table.row(vec![
                layer.file.as_str().into(),
                grouped(layer.tokens).into(),
                allowed(layer.budget).into(),
            ]);
        }
        table.row(vec![
            Cell(Tone::Strong, "all".to_owned()),
            Cell(Tone::Strong, grouped(view.tokens)),
            allowed(view.budget).into(),
        ]);
        output.table(&table)?;
        let tokenizer = Canon::TOKENIZER.name();
        output.line(format!(
            "Counted with {tokenizer}: exact for OpenAI's newer models, an estimate for others."
        ))?;
    } else {
        findings::show(&shapes(&over), output)?;
    }
    Ok(if over.is_empty() { Outcome::Fine } else { Outcome::Found })
}

fn export_to(
    brain: &Brain,
    of: &InContext,
    format: ClientFile,
    folder: &Path,
    check: bool,
    output: &mut Output,
) -> Result<Outcome> {
    let room = Room::of(brain, of.context.as_ref())?;
    let Some(canon) = room.canon()? else {
        return Err(Failure::failed(
            Code::CanonInvalid,
            format!("No file says anything to the room {}.", room.name()),
        )
        .hint("`zos init` makes some to begin with."));
    };
    let format = ClientFormat::from(format);
    let result = match check {
        true => check_export(canon, room.name(), format, folder),
        false => export(canon, room.name(), format, folder),
    };
    let before = result.map_err(|error| match &error {
        ExportError::Foreign(_) | ExportError::Edited(_) => {
            Failure::failed(Code::ExportRefused, sentence(&error))
                .hint("Move it away, or export to another folder with --out.")
        }
        ExportError::Io { .. } => Failure::environment(&error),
    })?;
    let (state, words) = match &before {
        ExportCheck::Current => ("current", "holds this canon"),
        ExportCheck::Missing if check => ("missing", "does not exist"),
        ExportCheck::Outdated { .. } if check => ("outdated", "holds an older canon"),
        ExportCheck::Edited => ("edited", "was changed by hand"),
        ExportCheck::Foreign => ("foreign", "was not written by zOS"),
        ExportCheck::Missing | ExportCheck::Outdated { .. } => ("written", "is written"),
    };
    let is_fine = !check || before == ExportCheck::Current;
    if output.is_json() {
        output.json(&json!({
            "file": format.file(), "state": state, "digest": canon.digest,
            "bytes": rendered(canon, room.name(), format).len(),
        }))?;
    } else {
        let tone = if is_fine { Tone::Good } else { Tone::Bad };
        output.line(shown![format.file(), " ", output.toned(tone, words), "."])?;
    }
    Ok(if is_fine { Outcome::Fine } else { Outcome::Found })
}

impl From<ClientFile> for ClientFormat {
    fn from(file: ClientFile) -> Self {
        match file {
            ClientFile::Claude => ClientFormat::Claude,
            ClientFile::Agents => ClientFormat::Agents,
            ClientFile::Gemini => ClientFormat::Gemini,
            ClientFile::Cursor => ClientFormat::Cursor,
            ClientFile::Copilot => ClientFormat::Copilot,
            ClientFile::Skill => ClientFormat::Skill,
        }
    }
}
