//! What `always` writes for an ask about targets: entries of `targets.allow` in the context's file.

use super::{not_here, refusal};
use crate::admin::problem::AdminRefusal;
use crate::house::House;
use crate::views::always_entry;
use zos_core::{ContextName, edit};
use zos_guard::approvals;

/// Writes the targets of an ask into `targets.allow`, each out of `targets.confirm` where it stands there.
/// All or nothing. Gives the lines that were written.
pub(super) fn write(house: &House, asked: &approvals::Approval) -> Result<Vec<String>, AdminRefusal> {
    let name: ContextName = asked.context.parse().map_err(|_| AdminRefusal::unknown_context())?;
    let source = house.brain.source(&name).map_err(refusal)?;
    let snapshot = house.brain.snapshot();
    let mut entries: Vec<String> = Vec::new();
    for (target, _) in &asked.targets {
        let entry =
            always_entry(&snapshot, &asked.context, target).map_err(|why| not_here(&why.to_string()))?;
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
