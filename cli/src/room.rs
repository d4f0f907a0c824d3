//! Rooms that commands are about: the option that names one, the active one, and why one cannot be used.

use crate::failure::{Failure, Result};
use crate::findings::shapes;
use crate::opening;
use clap::Args;
use zos_core::{Code, ContextName, ContextState, Home, NoContext, Snapshot};

/// Option `--context`; without it most commands take the active room.
#[derive(Args)]
pub(crate) struct InContext {
    /// The room
    #[arg(long, short, value_name = "NAME")]
    pub(crate) context: Option<ContextName>,
}

/// The room that was named, else the active one.
///
/// # Errors
/// When none was named and none is active.
pub(crate) fn named_or_active(snapshot: &Snapshot, name: Option<&ContextName>) -> Result<ContextName> {
    match name {
        Some(name) => Ok(name.clone()),
        None => active(snapshot),
    }
}

/// The active room.
///
/// # Errors
/// When there is none, with the reason.
pub(crate) fn active(snapshot: &Snapshot) -> Result<ContextName> {
    snapshot.effective_active().cloned().map_err(|why| match why {
        NoContext::NoneActive => none_active(),
        NoContext::Missing(name) => none_governs(format!("The active room {name} has no file any more.")),
        NoContext::Unknown => none_governs("state.json is broken, so it is unknown which room is active.")
            .hint("Choose it again, which fixes the file: `zos context use NAME`."),
    })
}

/// No room is active, and none was named.
pub(crate) fn none_active() -> Failure {
    none_governs("No room is active, and none is called default.")
}

fn none_governs(message: impl Into<String>) -> Failure {
    Failure::wrong(Code::UnknownContext, message).hint(
        "Name one with --context NAME, or choose one: `zos context use NAME`. `zos context list` shows them.",
    )
}

/// The name of a room to make, as clap reads it.
///
/// # Errors
/// When it is none, with the name that was probably meant.
pub(crate) fn new_name(text: &str) -> std::result::Result<ContextName, String> {
    text.parse().map_err(|_| {
        let rule = "use 1 to 64 of a to z, 0 to 9, - and _, beginning with a letter or digit";
        match ContextName::suggest(text) {
            Some(near) => format!("{rule}, for example {near}; --title takes any text"),
            None => rule.to_owned(),
        }
    })
}

/// Why nothing can be asked of a room: there is none of that name, or its file never loaded.
pub(crate) fn unusable(snapshot: &Snapshot, name: &ContextName) -> Failure {
    snapshot
        .context(name)
        .map_or_else(|| Failure::unknown_context(name.as_str()), |state| broken(name, state))
}

/// The file of a room never loaded.
fn broken(name: &ContextName, state: &ContextState) -> Failure {
    let mut failure =
        Failure::failed(Code::ContextBroken, format!("The file of the room {name} cannot be used."))
            .hint(format!("Fix it: `zos context edit {name}`."));
    if let Failure::Failed(reason) = &mut failure {
        reason.problems = shapes(state.problems());
    }
    failure
}

/// Refuses a room that neither the files nor the log know.
pub(crate) fn check_known(home: &Home, name: &ContextName) -> Result<()> {
    if opening::brain(home)?.snapshot().context(name).is_some() {
        return Ok(());
    }
    let filter = zos_audit::Filter { context: Some(name.to_string()), ..zos_audit::Filter::default() };
    let is_recorded = match zos_audit::recent(&home.audit_dir(), &filter, None, 1) {
        Ok(page) => !page.records.is_empty(),
        Err(zos_audit::ReadError::Missing { .. }) => false,
        // What cannot be read says nothing about the room; the command will tell.
        Err(_) => true,
    };
    if is_recorded { Ok(()) } else { Err(Failure::unknown_context(name.as_str())) }
}
