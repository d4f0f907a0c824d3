//! `zos providers`: whose models are used, and the keys for them on their way into the keychain.

use crate::admin::{Admin, Ask};
use crate::failure::{Failure, Outcome, Result};
use crate::files;
use crate::output::{Cell, Members, Output, Table, Tone, shown};
use crate::session::Session;
use clap::Subcommand;
use serde_json::{Value, json};
use std::io::{IsTerminal, Read};
use zos_core::{Code, Home};
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
    let providers = admin.ask_or(&Ask::get(&["providers"]), || files::providers(home))?;
    if output.is_json() {
        output.json(&providers)?;
        return Ok(Outcome::Fine);
    }
    let mut table = Table::new(&["PROVIDER", "API", "ADDRESS", "KEY"]);
    for provider in providers.list("providers") {
        let address = match provider.text("base_url") {
            "" => Cell(Tone::Quiet, "inside zOS, for trying things out".to_owned()),
            url => url.into(),
        };
        let api = if provider.flag("demo") { "both" } else { provider.text("api") };
        table.row(vec![provider.text("id").into(), api.into(), address, key_of(provider)]);
    }
    output.table(&table)?;
    Ok(Outcome::Fine)
}

fn key_of(provider: &Value) -> Cell {
    let name = provider.text("key_name");
    match provider.text("key") {
        "none" => Cell(Tone::Quiet, "needs none".to_owned()),
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
