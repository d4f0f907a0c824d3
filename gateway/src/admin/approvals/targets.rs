//! What `always` writes for an ask about targets: entries of `targets.allow` in the context's file.

use super::{not_here, refusal};
use crate::admin::problem::AdminRefusal;
use crate::house::House;
use zos_core::targets::NotAlways;
use zos_core::{ContextName, edit};
use zos_guard::approvals;
use zos_guard::destination::Destination;

/// Why a target cannot be allowed for good from here.
#[derive(Debug, thiserror::Error)]
pub(super) enum NotHere {
    #[error("context \"{0}\" asks about it, whose memory the conversation has read")]
    OfAnother(ContextName),
    #[error("the context's file cannot be read just now")]
    Unread,
    #[error(transparent)]
    Never(#[from] NotAlways),
}

/// The entry that lets a target pass from now on, as the context's file stands now.
pub(super) fn entry(house: &House, context: &str, asked: &Destination) -> Result<String, NotHere> {
    if asked.room.as_str() != context {
        return Err(NotHere::OfAnother(asked.room.clone()));
    }
    let snapshot = house.brain.snapshot();
    let context = snapshot.context(&asked.room).and_then(|state| state.context());
    Ok(context.ok_or(NotHere::Unread)?.targets.always(&asked.target)?)
}

/// Writes the targets of an ask into `targets.allow`, each out of `targets.confirm` where it stands there.
/// All or nothing. Gives the lines that were written.
pub(super) fn write(house: &House, asked: &approvals::Approval) -> Result<Vec<String>, AdminRefusal> {
    let name: ContextName = asked.context.parse().map_err(|_| AdminRefusal::unknown_context())?;
    let source = house.brain.source(&name).map_err(refusal)?;
    let mut entries: Vec<String> = Vec::new();
    for (target, _) in &asked.targets {
        let entry = entry(house, &asked.context, target).map_err(|why| not_here(&why.to_string()))?;
        if !entries.contains(&entry) {
            entries.push(entry);
        }
    }
    let mut yaml = source.yaml.clone();
    for entry in &entries {
        yaml = edit::allow_target(&yaml, entry).map_err(|error| not_here(&error.to_string()))?;
    }
    house.brain.write(&name, &yaml, Some(&source.etag)).map_err(refusal)?;
    Ok(entries.iter().map(|entry| format!("contexts/{name}.yml, targets.allow: {entry}")).collect())
}
