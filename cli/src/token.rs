//! `zos token`: the zOS key of an AI client, for clients that run a command to get one.
//!
//! Keys are stored hashed and shown once, so a key that is printed again and again has to be kept. It lies
//! in `gateway/tokens/`, in a file that only its owner can read, and not in the keychain: a keychain can be
//! locked or wait for its owner, and the answer must come within 50 ms without a window. Whoever can read
//! that file can call the gateway as this user anyway.
//!
//! A key that its owner revoked is not made again in silence: that would undo the revocation.

use crate::admin::Admin;
use crate::failure::{Failure, Outcome, Result};
use crate::key;
use crate::output::{Members, Output};
use crate::session::Session;
use clap::Args;
use serde::{Deserialize, Serialize};
use serde_json::json;
use std::fs;
use std::path::{Path, PathBuf};
use zos_core::{Code, ContextName, Home};
use zos_seal::ClientKeys;

/// Print the zOS key of an AI client
#[derive(Args)]
#[command(after_help = "\
The key is made at the first call and kept in a file that only you can read. Clients that run a
command to get a key (for example `apiKeyHelper`) use this one. A key that you revoke is not made
again unless you say --renew.")]
pub(crate) struct Command {
    /// The AI client, for example claude-code
    #[arg(required_unless_present = "admin")]
    client: Option<String>,
    /// Bind a new key to this room [default: the active one at each call]
    #[arg(long, short, value_name = "NAME", conflicts_with = "admin")]
    context: Option<ContextName>,
    /// Make a new key, and revoke the old one
    #[arg(long, conflicts_with = "admin")]
    renew: bool,
    /// Print the token of the admin API and the screens instead
    #[arg(long, conflicts_with = "client")]
    admin: bool,
}

/// The longest name of a client's file.
const NAME_LIMIT: usize = 64;

/// What is kept of a client.
#[derive(Serialize, Deserialize)]
struct Kept {
    id: String,
    key: String,
}

/// Prints the key of a client, or the admin token.
pub(crate) fn run(session: &Session, arguments: &Command, output: &mut Output) -> Result<Outcome> {
    let (home, admin) = (session.home()?, session.admin()?);
    let Some(client) = &arguments.client else {
        return admin_token(home, output);
    };
    let kept = kept(home, admin, client, arguments.context.as_ref(), arguments.renew)?;
    if output.is_json() {
        output.json(&kept)?
    } else {
        output.line(&kept.key)?
    }
    Ok(Outcome::Fine)
}

/// The key of a client, which is made where there is none.
///
/// # Errors
/// If it was revoked, is bound to another room, or cannot be kept.
pub(crate) fn of(home: &Home, admin: &Admin, client: &str, context: Option<&ContextName>) -> Result<String> {
    kept(home, admin, client, context, false).map(|kept| kept.key)
}

fn kept(
    home: &Home,
    admin: &Admin,
    client: &str,
    context: Option<&ContextName>,
    is_renewed: bool,
) -> Result<Kept> {
    let path = path(home, client)?;
    let kept = read(&path)?;
    Ok(match kept {
        Some(kept) if is_renewed => {
            let old = info(home, &kept.id)?;
            // A key that is renewed stays in its room.
            let bound = old.as_ref().and_then(|old| old.context.as_deref()?.parse().ok());
            let context = context.cloned().or(bound);
            if context.is_none() {
                no_bound_key(home, client)?;
            }
            let new = make(admin, client, context.as_ref(), &path)?;
            // The old one may have been revoked already.
            if old.is_some() {
                key::revoke(admin, &kept.id)?;
            }
            new
        }
        Some(kept) => {
            check(home, client, &kept, context)?;
            kept
        }
        None => {
            if context.is_none() {
                no_bound_key(home, client)?;
            }
            make(admin, client, context, &path)?
        }
    })
}

fn admin_token(home: &Home, output: &mut Output) -> Result<Outcome> {
    make_folder(&home.root().join("gateway"))?;
    let token = zos_seal::admin_token(&home.admin_token()).map_err(|error| Failure::environment(&error))?;
    if output.is_json() {
        output.json(&json!({"token": token.expose()}))?
    } else {
        output.line(token.expose())?
    }
    Ok(Outcome::Fine)
}

/// Refuses to make a key without a room for a client that has one with a room: its calls would go to another room than
/// the owner chose for it, and nobody would see that.
fn no_bound_key(home: &Home, client: &str) -> Result<()> {
    let bound = keys(home)?.into_iter().filter(|key| key.client == client).find_map(|key| key.context);
    let Some(room) = bound else { return Ok(()) };
    let message = format!("{client} has a key of the room {room}, and this one would be of no room.");
    Err(Failure::failed(Code::ContextMismatch, message).hint(format!(
        "`zos token {client} --context {room}` makes one of that room; `zos key list` shows the ones there are."
    )))
}

/// Makes a key and keeps it.
fn make(admin: &Admin, client: &str, context: Option<&ContextName>, path: &Path) -> Result<Kept> {
    let made = key::make(admin, client, context)?;
    let kept = Kept { id: made.text("id").to_owned(), key: made.text("key").to_owned() };
    let text = serde_json::to_vec(&kept).expect("two strings are JSON");
    let folder = path.parent().expect("the file lies in a folder of the home");
    let written = make_folder(folder).and_then(|()| {
        zos_seal::atomic_write(path, &text, 0o600).map_err(|error| Failure::environment(&error))
    });
    if let Err(failure) = written {
        // A key that nobody keeps is of no use to anybody.
        key::revoke(admin, &kept.id)?;
        return Err(failure);
    }
    Ok(kept)
}

/// Whether the key that is kept is still good for what was asked.
fn check(home: &Home, client: &str, kept: &Kept, context: Option<&ContextName>) -> Result<()> {
    let renew = |room: &str| format!("`zos token {client}{room} --renew` makes a new one.");
    let Some(info) = info(home, &kept.id)? else {
        return Err(
            Failure::failed(Code::UnknownKey, format!("The key of {client} was revoked.")).hint(renew(""))
        );
    };
    match context {
        Some(wanted) if info.context.as_deref() != Some(wanted.as_str()) => {
            let bound =
                info.context.map_or_else(|| "to no room".to_owned(), |name| format!("to the room {name}"));
            Err(Failure::failed(Code::ContextMismatch, format!("The key of {client} is bound {bound}."))
                .hint(renew(&format!(" --context {wanted}"))))
        }
        _ => Ok(()),
    }
}

/// What is known of a key; `None` where it was revoked.
fn info(home: &Home, id: &str) -> Result<Option<zos_seal::KeyInfo>> {
    Ok(keys(home)?.into_iter().find(|key| key.id == id))
}

/// The keys that there are.
fn keys(home: &Home) -> Result<Vec<zos_seal::KeyInfo>> {
    ClientKeys::open(&home.keys()).and_then(|keys| keys.list()).map_err(|error| Failure::environment(&error))
}

fn path(home: &Home, client: &str) -> Result<PathBuf> {
    let is_name = (1..=NAME_LIMIT).contains(&client.len())
        && !client.starts_with('.')
        && client.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"._-".contains(&byte));
    if !is_name {
        let message = format!(
            "A client's name here has 1 to {NAME_LIMIT} letters, digits, dots, dashes or underscores."
        );
        return Err(Failure::wrong(Code::InvalidRequest, message).hint("For example: zos token claude-code"));
    }
    Ok(home.root().join("gateway").join("tokens").join(format!("{client}.json")))
}

fn read(path: &Path) -> Result<Option<Kept>> {
    let text = match fs::read(path) {
        Ok(text) => text,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        Err(error) => {
            return Err(Failure::wrong(
                Code::Environment,
                format!("{} cannot be read: {error}.", path.display()),
            ));
        }
    };
    check_mode(path)?;
    serde_json::from_slice(&text).map(Some).map_err(|_| {
        Failure::wrong(Code::Environment, format!("{} is damaged.", path.display()))
            .hint("Remove it; the next call makes a new key.")
    })
}

/// A key that others could read counts as known to them.
#[cfg(unix)]
fn check_mode(path: &Path) -> Result<()> {
    use std::os::unix::fs::PermissionsExt;
    let mode = fs::metadata(path).map_or(0, |metadata| metadata.permissions().mode() & 0o777);
    if mode & 0o077 == 0 {
        return Ok(());
    }
    Err(Failure::wrong(
        Code::Environment,
        format!(
            "{} may be read by other users (mode {mode:03o}), so its key counts as known to them.",
            path.display()
        ),
    )
    .hint("Make a new one with --renew after `chmod 600` on that file."))
}

#[cfg(not(unix))]
fn check_mode(_path: &Path) -> Result<()> {
    Ok(())
}

/// Makes a folder that only its owner can read, where there is none.
fn make_folder(path: &Path) -> Result<()> {
    let mut builder = fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(path).map_err(|error| {
        Failure::wrong(Code::Environment, format!("The folder {} cannot be made: {error}.", path.display()))
    })
}
