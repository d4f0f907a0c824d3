//! What `zos lint` shows: everything that is wrong with the files of a home.
//!
//! All checks happen where files are read, so that the screens, the log, `zos doctor` and
//! `zos lint` say the same. `gateway/config.yml` is the gateway's to check.

use crate::brain::{Brain, OpenError, Snapshot};
use crate::home::Home;
use crate::memory::Memories;
use crate::problem::Problem;

/// Everything that is wrong with the files of a loaded home, errors first.
pub fn lint(snapshot: &Snapshot) -> Vec<Problem> {
    snapshot.problems.clone()
}

/// What is wrong with the files of all memories, and with folders that belong to no context. Reads the
/// files that changed since their index was made.
pub fn lint_memories(snapshot: &Snapshot, home: &Home) -> Vec<Problem> {
    let memories = Memories::new(home.clone());
    let mut problems = Vec::new();
    for name in Memories::contexts(home) {
        let folder = format!("memory/{name}");
        if snapshot.context(&name).is_none() {
            problems.push(Problem::warning(
                &folder,
                "there is no context of this name, so nobody can use this memory",
                format!("make contexts/{name}.yml, or move the folder"),
            ));
        }
        match memories.room(&name).problems() {
            Ok(found) => problems.extend(found),
            Err(error) => {
                problems.push(Problem::error(
                    folder,
                    error.to_string(),
                    "check the disk and its permissions",
                ));
            }
        }
    }
    problems
}

/// As [`lint`], for a home that is not loaded.
///
/// # Errors
/// If the home is not a folder that can be read.
pub fn lint_home(home: Home) -> Result<Vec<Problem>, OpenError> {
    Ok(lint(&Brain::open(home)?.snapshot()))
}
