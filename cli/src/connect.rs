//! `zos connect`: which AI clients are on this computer, and pointing one of them at the gateway.
//!
//! What would be written is shown first, also with `--yes`; nothing else is ever written. Where a client can be asked
//! one question from a command line, it is, and the record of that call is the proof.

use crate::admin::{Admin, Ask};
use crate::failure::{Failure, Outcome, Result};
use crate::listening;
use crate::opening;
use crate::output::{Cell, Members, Output, Table, Tone, note, shown};
use crate::session::Session;
use crate::token;
use clap::Args;
use serde_json::{Value, json};
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::{Duration, Instant};
use zos_connect::edit::Way;
use zos_connect::plan::plan;
use zos_connect::{Address, CLIENTS, Client, Governs, Journal, JournalError, Machine, Plan};
use zos_core::{Code, ContextName, Home};
use zos_gateway::config::Config;

/// Point an AI client at zOS, or list those that are here
#[derive(Args)]
#[command(after_help = "\
What is going to be written is shown before it is, key by key; everything else in the client's files stays
as it is. `zos disconnect` takes it back, byte for byte. Clients that take the address from their environment
can also be run without writing anything: `zos run -- codex`.")]
pub(crate) struct Command {
    /// The AI client, as the list shows it
    client: Option<String>,
    /// Pin its calls to this room [default: the active one at each call]
    #[arg(long, short, value_name = "NAME")]
    context: Option<ContextName>,
    /// Models that a client is told of which knows none by itself [default: those of the fleet]
    #[arg(long, value_name = "ID")]
    model: Vec<String>,
    /// Write without asking; what is written is shown all the same
    #[arg(long, short)]
    yes: bool,
    /// Do not ask the client for a first call
    #[arg(long)]
    no_wait: bool,
}

/// How long a client may take for its one question.
const PROBE_LIMIT: Duration = Duration::from_secs(120);

/// Records that are looked through for that of the question.
const RECORDS: usize = 20;

/// Lists clients, or connects one.
pub(crate) fn run(session: &Session, arguments: &Command, output: &mut Output) -> Result<Outcome> {
    let home = session.home()?;
    let machine = machine()?;
    let Some(name) = &arguments.client else { return list(home, &machine, output) };
    let client = named(name)?;
    match client.governs {
        Governs::Calls | Governs::Mcp(_) => {}
        Governs::Hooks(why) | Governs::Nothing(why) => {
            return Err(Failure::failed(
                Code::InvalidRequest,
                format!("{} cannot be connected: {why}.", client.name),
            )
            .hint("`zos connect` lists what is governed how; docs/clients.md has the rest."));
        }
    }
    let address = address(session, client, arguments)?;
    let journal = Journal::open(&folder(home)).map_err(|error| explain(&error))?;
    let targets = (client.targets)(&machine, &address);
    let is_known = journal.clients().map_err(|error| explain(&error))?.iter().any(|known| known == client.id);
    if is_known {
        for drift in journal.drift(client.id).map_err(|error| explain(&error))? {
            let what = drift.key.unwrap_or_else(|| "the file".to_owned());
            note(format!("{}: {what} is not what zos connect wrote.", drift.path.display()));
        }
    }
    let plan = plan(&targets, &address).map_err(|error| {
        let failure = Failure::wrong(Code::Environment, format!("{error}."));
        match is_known {
            true => failure.hint(format!("`zos disconnect {}` first takes back what is there.", client.id)),
            false => failure.hint("Nothing was written."),
        }
    })?;
    if plan.files.is_empty() {
        return done(client, "connected already", None, output);
    }
    if is_known {
        return Err(explain(&JournalError::Connected(client.id.to_owned())));
    }
    show(client, &plan, output)?;
    if !arguments.yes && !is_agreed()? {
        return done(client, "left as it was", None, output);
    }
    journal.apply_observed(client.id, &plan, &time(), &mut |_| {}).map_err(|error| explain(&error))?;
    drop(journal);
    let record = match arguments.no_wait {
        true => None,
        false => prove(session.admin()?, client, &machine)?,
    };
    done(client, "connected", record, output)
}

/// This computer.
pub(crate) fn machine() -> Result<Machine> {
    Machine::here().ok_or_else(|| {
        Failure::wrong(Code::Environment, "The home folder of this user is not known.")
            .hint("Set HOME to its full path.")
    })
}

/// The client that is meant.
pub(crate) fn named(name: &str) -> Result<&'static Client> {
    zos_connect::client(name).ok_or_else(|| {
        let names: Vec<&str> = CLIENTS.iter().map(|client| client.id).collect();
        Failure::wrong(Code::InvalidRequest, "No connector knows this client.")
            .hint(format!("These are known: {}.", names.join(", ")))
    })
}

/// Where journals of connected clients lie.
pub(crate) fn folder(home: &Home) -> PathBuf {
    home.root().join("connect")
}

/// What a journal says went wrong.
pub(crate) fn explain(error: &JournalError) -> Failure {
    Failure::failed(Code::Environment, format!("{error}."))
}

/// Where the gateway of a home is: where it said that it listens, else where it is going to.
pub(crate) fn origin(home: &Home) -> Result<(String, Config)> {
    let config = Config::load(home).map_err(|error| opening::configuration(home, &error))?;
    let mut address = match config.listen.port() {
        0 => listening::announced(home).map_or(config.listen, |listening| listening.address),
        _ => config.listen,
    };
    if address.ip().is_unspecified() {
        address.set_ip(match address.is_ipv4() {
            true => std::net::Ipv4Addr::LOCALHOST.into(),
            false => std::net::Ipv6Addr::LOCALHOST.into(),
        });
    }
    Ok((format!("{}://{address}", config.scheme()), config))
}

fn address(session: &Session, client: &Client, arguments: &Command) -> Result<Address> {
    let home = session.home()?;
    let (origin, config) = origin(home)?;
    let models = match arguments.model.is_empty() {
        false => arguments.model.clone(),
        true => {
            let snapshot = opening::brain(home)?.snapshot();
            snapshot.fleet.model_ids().map(|(id, _)| id.to_owned()).collect()
        }
    };
    if client.needs_models && models.is_empty() {
        return Err(Failure::wrong(
            Code::InvalidRequest,
            format!("{} lists its models in its own file, and the fleet names none.", client.name),
        )
        .hint(format!("Name them: zos connect {} --model claude-sonnet-4-5", client.id)));
    }
    let key = match config.auth.keyless {
        true => None,
        false => Some(token::of(home, session.admin()?, client.id, arguments.context.as_ref())?),
    };
    let room = arguments.context.as_ref().map(ToString::to_string);
    Ok(Address { origin, room, key, zos: own_path(), models })
}

/// The command that is this program: its name where a shell finds it, else its whole path.
pub(crate) fn own_path() -> String {
    let whole = std::env::current_exe().ok();
    let found = Machine::here().and_then(|machine| machine.program("zos"));
    match (found, whole) {
        (Some(found), Some(whole)) if found.canonicalize().ok() != whole.canonicalize().ok() => {
            whole.display().to_string()
        }
        (None, Some(whole)) => whole.display().to_string(),
        _ => "zos".to_owned(),
    }
}

fn list(home: &Home, machine: &Machine, output: &mut Output) -> Result<Outcome> {
    let connected =
        zos_connect::journal::connected(&folder(home)).map_err(|error| Failure::environment(&error))?;
    let is_connected = |client: &Client| connected.iter().any(|known| known == client.id);
    let here: Vec<&Client> =
        CLIENTS.iter().filter(|client| client.is_here(machine) || is_connected(client)).collect();
    let (kind, why) = (
        |client: &Client| match client.governs {
            Governs::Calls => "calls",
            Governs::Hooks(_) => "hooks",
            Governs::Mcp(_) => "mcp",
            Governs::Nothing(_) => "nothing",
        },
        |client: &Client| match client.governs {
            Governs::Calls => "",
            Governs::Hooks(why) | Governs::Mcp(why) | Governs::Nothing(why) => why,
        },
    );
    if output.is_json() {
        let rows: Vec<Value> = here
            .iter()
            .map(|client| {
                json!({
                    "client": client.id, "name": client.name, "connected": is_connected(client),
                    "governs": kind(client), "why": why(client),
                    "program": client.program(machine), "run": client.run.is_some(),
                })
            })
            .collect();
        output.json(&json!({"clients": rows}))?;
        return Ok(Outcome::Fine);
    }
    if here.is_empty() {
        let names: Vec<&str> = CLIENTS.iter().map(|client| client.id).collect();
        output.line(format!("No AI client was found here. These are known: {}.", names.join(", ")))?;
        return Ok(Outcome::Fine);
    }
    let mut table = Table::new(&["CLIENT", "NAME", "CONNECTED", "HOW"]);
    for client in &here {
        let state = match (is_connected(client), client.governs) {
            (true, _) => Cell(Tone::Good, "yes".to_owned()),
            (false, Governs::Calls | Governs::Mcp(_)) => Cell(Tone::Quiet, "no".to_owned()),
            _ => Cell(Tone::Bad, "cannot be".to_owned()),
        };
        let how = match client.governs {
            Governs::Calls => "every call of it is governed".to_owned(),
            _ => why(client).to_owned(),
        };
        table.row(vec![client.id.into(), client.name.into(), state, how.into()]);
    }
    output.table(&table)?;
    output.line("\n`zos connect CLIENT` shows what it would write, and asks.")?;
    Ok(Outcome::Fine)
}

/// Shows a plan to the person. For programs it goes to standard error, where it does not disturb.
fn show(client: &Client, plan: &Plan, output: &mut Output) -> Result<()> {
    let mut lines = Vec::new();
    for file in &plan.files {
        let new = if file.before.is_none() { " (new)" } else { "" };
        lines.push(format!("{}{new}", file.path.display()));
        for key in &file.keys {
            let before = key.before.as_ref().map_or_else(|| "-".to_owned(), brief);
            lines.push(format!("  {}: {before} -> {}", Way(&key.way), brief(&key.after)));
        }
    }
    lines.extend(client.costs.iter().map(|cost| format!("Know: {cost}")));
    lines.push(format!("The change is seen {}.", client.reload));
    match output.is_json() {
        true => lines.into_iter().for_each(note),
        false => lines.into_iter().try_for_each(|line| output.line(line))?,
    }
    Ok(())
}

/// A value on one line; keys of ours are shown by their beginning.
fn brief(value: &Value) -> String {
    let text = value.to_string();
    match text.find("zos_") {
        Some(at) => format!("{}…", &text[..at + "zos_".len()]),
        None => text,
    }
}

fn is_agreed() -> Result<bool> {
    use std::io::IsTerminal;
    if !std::io::stdin().is_terminal() {
        return Err(Failure::wrong(
            Code::InvalidRequest,
            "Nobody is here to be asked, so nothing was written.",
        )
        .hint("Say --yes to write what is shown."));
    }
    note("Write this? [y/N]");
    let mut answer = String::new();
    let _ = std::io::stdin().read_line(&mut answer);
    Ok(matches!(answer.trim(), "y" | "Y" | "yes" | "Yes"))
}

/// Seconds since 1970, for the names of copies.
fn time() -> String {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    since.map_or_else(|_| "0".to_owned(), |since| since.as_secs().to_string())
}

fn records(admin: &Admin) -> Result<Vec<Value>> {
    let page = admin.ask(&Ask::get(&["audit"]).query("limit", Some(RECORDS)))?;
    Ok(page.list("records").to_vec())
}

/// Has the client ask its model one question, and finds the record of it.
fn prove(admin: &Admin, client: &Client, machine: &Machine) -> Result<Option<Value>> {
    let (Some(probe), Some(program)) = (client.probe, client.program(machine)) else { return Ok(None) };
    if !matches!(admin.running()?, crate::admin::Running::Yes(_)) {
        note("zOS does not run, so no call was made. `zos serve` starts it.");
        return Ok(None);
    }
    let seen: Vec<String> =
        records(admin)?.iter().map(|record| record.text("request_id").to_owned()).collect();
    note(format!("{} is asked to say hello, through zOS …", client.name));
    if !has_ended(&program, probe) {
        note(format!("{} did not end its call well.", client.name));
    }
    let is_new = |record: &Value| {
        record.text("kind") == "call" && !seen.iter().any(|seen| seen == record.text("request_id"))
    };
    Ok(records(admin)?.into_iter().find(is_new))
}

/// Runs a program with nothing to read or say; whether it ended well within its time.
fn has_ended(program: &Path, arguments: &[&str]) -> bool {
    let folder = std::env::temp_dir();
    let mut command = std::process::Command::new(program);
    command.args(arguments).current_dir(folder);
    let Ok(mut child) = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn()
    else {
        return false;
    };
    let begun = Instant::now();
    while begun.elapsed() < PROBE_LIMIT {
        match child.try_wait() {
            Ok(Some(status)) => return status.success(),
            Ok(None) => std::thread::sleep(Duration::from_millis(50)),
            Err(_) => return false,
        }
    }
    let _ = child.kill();
    let _ = child.wait();
    false
}

fn done(client: &Client, what: &str, record: Option<Value>, output: &mut Output) -> Result<Outcome> {
    if output.is_json() {
        output.json(&json!({"client": client.id, "state": what, "proof": record}))?;
        return Ok(Outcome::Fine);
    }
    output.line(format!("{} is {what}.", client.name))?;
    if let Some(record) = record {
        let sum = format!("{} in the room {}", record.text("outcome"), record.text("context"));
        output.line(shown![
            output.toned(Tone::Good, "Proved: "),
            format!("its call is record {}, {sum}.", record.text("request_id"))
        ])?;
    } else if what == "connected" {
        output.line("Its first call will be in `zos audit tail`.")?;
    }
    Ok(Outcome::Fine)
}
