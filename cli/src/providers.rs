//! `zos providers`: whose models are used, and the keys for them on their way into the keychain.

use crate::admin::{Admin, Ask};
use crate::failure::{Failure, Outcome, Result};
use crate::output::{Cell, Members, Output, Table, Tone, shape, shown};
use crate::session::Session;
use crate::{listening, opening};
use clap::Subcommand;
use serde_json::{Value, json};
use std::io::{BufRead, IsTerminal, Read};
use std::sync::Arc;
use zos_core::{Code, Home};
use zos_gateway::Keys;
use zos_seal::Secret;

/// Whose models you use, and your keys for them
#[derive(Subcommand)]
pub(crate) enum Command {
    /// All providers, and where their keys come from
    #[command(visible_alias = "ls")]
    List,
    /// Store or remove a provider's key in the keychain
    #[command(subcommand)]
    Key(ProviderKey),
    /// Ask a provider for its models with your key: costs nothing
    Test {
        /// The provider
        id: String,
    },
    /// Let the command that the fleet names print a provider's key
    Allow {
        /// The provider
        id: String,
        /// Do not ask
        #[arg(long, short)]
        yes: bool,
    },
    /// Look for model servers on this machine, and show their lines for the fleet
    Discover {
        /// Ask only this port of this machine; may be given several times
        #[arg(long)]
        port: Vec<u16>,
    },
}

/// `zos providers key …`.
#[derive(Subcommand)]
pub(crate) enum ProviderKey {
    /// Store a key, typed without echo or read from standard input
    Set {
        /// The provider
        id: String,
    },
    /// Remove the key
    #[command(visible_alias = "rm")]
    Delete {
        /// The provider
        id: String,
    },
}

/// The longest key that is read.
const KEY_BYTES: u64 = 64 << 10;

/// Does what was asked.
pub(crate) fn run(session: &Session, command: &Command, output: &mut Output) -> Result<Outcome> {
    let (home, admin) = (session.home()?, session.admin()?);
    match command {
        Command::List => list(home, admin, output),
        Command::Test { id } => test(admin, id, output),
        Command::Allow { id, yes } => allow(admin, id, *yes, output),
        Command::Discover { port } => discover(home, admin, port, output),
        Command::Key(ProviderKey::Set { id }) => {
            let key = read_key(id)?;
            ask(admin, id, &Ask::put(&["providers", id, "key"], &json!({"key": key.expose()})))?;
            done(output, id, &format!("The key is stored. To try it: zos providers test {id}"))
        }
        Command::Key(ProviderKey::Delete { id }) => {
            ask(admin, id, &Ask::delete(&["providers", id, "key"]))?;
            done(output, id, "The key is removed from the keychain.")
        }
    }
}

/// Asks, and names the provider where it is unknown.
fn ask(admin: &Admin, id: &str, ask: &Ask<'_>) -> Result<Value> {
    admin.ask(ask).map_err(|failure| match failure {
        Failure::Wrong(reason) if reason.is(Code::UnknownProvider) => {
            Failure::wrong(Code::UnknownProvider, format!("There is no provider called {id}."))
                .hint("`zos providers list` shows them.")
        }
        failure => failure,
    })
}

fn done(output: &mut Output, id: &str, text: &str) -> Result<Outcome> {
    if output.is_json() {
        output.json(&json!({"id": id}))?
    } else {
        output.line(text)?
    }
    Ok(Outcome::Fine)
}

fn list(home: &Home, admin: &Admin, output: &mut Output) -> Result<Outcome> {
    let providers = all(home, admin)?;
    if output.is_json() {
        output.json(&providers)?;
        return Ok(Outcome::Fine);
    }
    let mut reasons = Vec::new();
    let mut table = Table::new(&["PROVIDER", "API", "ADDRESS", "KEY"]);
    for provider in providers.list("providers") {
        let address = match provider.text("base_url") {
            "" => Cell(Tone::Quiet, "inside zOS, for trying things out".to_owned()),
            url => url.into(),
        };
        let api = if provider.flag("demo") { "both" } else { provider.text("api") };
        table.row(vec![provider.text("id").into(), api.into(), address, key_of(provider)]);
        reasons.extend(reason(provider));
    }
    output.table(&table)?;
    if !reasons.is_empty() {
        output.line("")?;
    }
    for reason in reasons {
        output.line(output.toned(Tone::Notice, &reason))?;
    }
    Ok(Outcome::Fine)
}

/// Why a provider has no key, and what to do, where that needs a sentence.
fn reason(provider: &Value) -> Option<String> {
    let (id, why) = (provider.text("id"), provider.text("reason"));
    let next = match provider.text("key") {
        "not_allowed" => format!(" See what would run, and allow it: zos providers allow {id}"),
        "failed" => " `zos doctor` shows what it complained.".to_owned(),
        _ => String::new(),
    };
    (!why.is_empty()).then(|| format!("{id}: {why}{next}"))
}

/// All providers as the admin API shows them. Asks the keychain, which may take a few seconds.
pub(crate) fn all(home: &Home, admin: &Admin) -> Result<Value> {
    admin.ask_or(&Ask::get(&["providers"]), || {
        let fleet = Arc::clone(&opening::brain(home)?.snapshot().fleet);
        opening::wait(zos_gateway::providers::all(&fleet, &Keys::of(home))).map(|all| shape(&all))
    })
}

fn key_of(provider: &Value) -> Cell {
    let name = provider.text("key_name");
    match provider.text("key") {
        "none" => Cell(Tone::Quiet, "needs none".to_owned()),
        "caller" => Cell(Tone::Plain, "the client's own sign-in".to_owned()),
        "command" => Cell(Tone::Good, format!("printed by {name}")),
        "not_allowed" => Cell(Tone::Notice, format!("{name} waits for your yes")),
        "refused" => Cell(Tone::Bad, format!("{name} is not run")),
        "failed" => Cell(Tone::Bad, format!("{name} failed")),
        "keychain" => Cell(Tone::Good, "in the keychain".to_owned()),
        "environment" => Cell(Tone::Good, format!("from ${name}")),
        "missing" => Cell(Tone::Notice, "none: clients must send their own".to_owned()),
        _ => Cell(Tone::Notice, "the keychain did not answer".to_owned()),
    }
}

fn test(admin: &Admin, id: &str, output: &mut Output) -> Result<Outcome> {
    let told = ask(admin, id, &Ask::post(&["providers", id, "test"], &json!({})))?;
    let is_fine = told.flag("ok");
    if output.is_json() {
        output.json(&told)?;
    } else {
        let tone = if is_fine { Tone::Good } else { Tone::Bad };
        let message = output.toned(tone, told.text("message"));
        output.line(shown![message, format!(" ({} ms)", told.number("ms").unwrap_or(0))])?;
    }
    Ok(if is_fine { Outcome::Fine } else { Outcome::Found })
}

/// Shows the command that would print a provider's key, and allows exactly that one.
fn allow(admin: &Admin, id: &str, yes: bool, output: &mut Output) -> Result<Outcome> {
    let state = ask(admin, id, &Ask::get(&["providers", id, "command"]))?;
    let words = state.list("command").iter().filter_map(Value::as_str).map(quoted);
    let line = words.collect::<Vec<_>>().join(" ");
    if state.flag("allowed") {
        return done(output, id, &format!("It is allowed already: {line}"));
    }
    if !yes && !agreed(id, &line, output)? {
        return Err(Failure::wrong(Code::InvalidRequest, "Nothing is changed: the command is not allowed.")
            .hint(format!("To allow it without being asked: zos providers allow {id} --yes")));
    }
    let digest = json!({"digest": state.text("digest")});
    ask(admin, id, &Ask::put(&["providers", id, "command"], &digest))?;
    done(output, id, &format!("Allowed, until a word of it changes: {line}"))
}

/// A word of a command so that its ends are seen, and nothing in it steers the terminal.
fn quoted(word: &str) -> String {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "-_./:=,@%+".contains(c);
    if !word.is_empty() && word.chars().all(is_plain) { word.to_owned() } else { format!("{word:?}") }
}

/// Asks at a terminal; elsewhere nobody can say yes.
fn agreed(id: &str, line: &str, output: &mut Output) -> Result<bool> {
    if !std::io::stdin().is_terminal() {
        return Ok(false);
    }
    let unreadable = |error: std::io::Error| {
        Failure::wrong(Code::Environment, format!("The answer cannot be read: {error}."))
    };
    output.ask(&format!(
        "zOS would run this as you, to print the key of {id}:\n\n  {line}\n\nAllow it? [y/N]"
    ))?;
    let mut answer = String::new();
    std::io::stdin().lock().take(KEY_BYTES).read_line(&mut answer).map_err(unreadable)?;
    Ok(matches!(answer.trim().to_ascii_lowercase().as_str(), "y" | "yes"))
}

/// Looks for model servers on this machine.
fn discover(home: &Home, admin: &Admin, ports: &[u16], output: &mut Output) -> Result<Outcome> {
    let own: Vec<u16> =
        listening::announced(home).map(|listening| listening.address.port()).into_iter().collect();
    let found = match ports {
        [] => opening::wait(zos_gateway::discover::discover(&[], &own))?,
        only => opening::wait(zos_gateway::discover::discover_at(only, &own))?,
    };
    let found = found.map_err(|error| Failure::environment(&error))?;
    let known = all(home, admin)?;
    let is_known = |port: u16| {
        known.list("providers").iter().any(|provider| {
            reqwest::Url::parse(provider.text("base_url")).is_ok_and(|url| {
                url.port_or_known_default() == Some(port)
                    && matches!(url.host_str(), Some("127.0.0.1" | "localhost" | "[::1]"))
            })
        })
    };
    if output.is_json() {
        let found = found.iter().map(|one| {
            let mut shown = shape(one);
            shown["in_fleet"] = is_known(one.port).into();
            shown
        });
        output.json(&json!({"found": found.collect::<Vec<_>>()}))?;
        return Ok(Outcome::Fine);
    }
    if found.is_empty() {
        output.line("No model server answers on this machine.")?;
        return Ok(Outcome::Fine);
    }
    for one in &found {
        let models = match one.some.as_slice() {
            [] => "no model".to_owned(),
            some if some.len() < one.models => format!("{} models: {}, …", one.models, some.join(", ")),
            some => some.join(", "),
        };
        let mark = if is_known(one.port) { " (in the fleet already)" } else { "" };
        output.line(output.toned(Tone::Plain, &format!("127.0.0.1:{}{mark}: {models}", one.port)))?;
    }
    let lines: Vec<&str> =
        found.iter().filter(|one| !is_known(one.port)).map(|one| one.line.as_str()).collect();
    if !lines.is_empty() {
        output.line("")?;
        output.line("To use them, add to `providers` in routing/fleet.yml:")?;
        for line in lines {
            output.line(output.toned(Tone::Strong, &format!("  {line}")))?;
        }
    }
    Ok(Outcome::Fine)
}

/// The key, typed without echo at a terminal, else read from standard input.
fn read_key(id: &str) -> Result<Secret> {
    let unreadable = |error: std::io::Error| {
        Failure::wrong(Code::Environment, format!("The key cannot be read: {error}."))
    };
    let key = if std::io::stdin().is_terminal() {
        Secret::new(
            rpassword::prompt_password(format!("Key for {id} (it is not shown): ")).map_err(unreadable)?,
        )
    } else {
        let mut text = String::new();
        std::io::stdin().lock().take(KEY_BYTES).read_to_string(&mut text).map_err(unreadable)?;
        Secret::new(text)
    };
    if key.expose().trim().is_empty() {
        return Err(Failure::wrong(Code::InvalidRequest, "The key is empty.")
            .hint(format!("Type it, or pipe it in: zos providers key set {id} < FILE")));
    }
    Ok(key)
}
