//! What `zos lint` shows: everything that is wrong with the files of a home.
//!
//! All checks happen where files are read, so that the screens, the log, `zos doctor` and
//! `zos lint` say the same. `gateway/config.yml` is the gateway's to check.

use crate::brain::{Brain, OpenError, Snapshot};
use crate::home::Home;
use crate::problem::Problem;

/// Everything that is wrong with the files of a loaded home, errors first.
pub fn lint(snapshot: &Snapshot) -> Vec<Problem> {
    snapshot.problems.clone()
}

/// As [`lint`], for a home that is not loaded.
///
/// # Errors
/// If the home is not a folder that can be read.
pub fn lint_home(home: Home) -> Result<Vec<Problem>, OpenError> {
    Ok(lint(&Brain::open(home)?.snapshot()))
}
