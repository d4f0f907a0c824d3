//! Findings that `zos lint` shows: everything that is wrong with the files of a home.
//!
//! All checks but those of a canon's text happen where files are read, so that the screens, the log,
//! `zos doctor` and `zos lint` say the same. `gateway/config.yml` is the gateway's to check.

use crate::brain::{Brain, OpenError, Snapshot};
use crate::canon::{Attested, CanonState, Finding, Lint, MANIFEST, attested, lint_canon};
use crate::context::ContextName;
use crate::home::Home;
use crate::memory::Memories;
use crate::problem::Problem;

/// Problems of the files of a loaded home, errors first.
pub fn lint(snapshot: &Snapshot) -> Vec<Problem> {
    snapshot.problems.clone()
}

/// Problems of the files of all memories, and of folders that belong to no context. Reads the
/// files that changed since their index was made.
pub fn lint_memories(snapshot: &Snapshot, home: &Home) -> Vec<Problem> {
    let memories = Memories::new(home.clone());
    let mut problems = memories.problems();
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

/// Problems of a home that is not loaded, as [`lint`] gives them, with those of its canons and memories.
///
/// # Errors
/// If the home is not a folder that can be read.
pub fn lint_home(home: Home) -> Result<Vec<Problem>, OpenError> {
    let brain = Brain::open(home)?;
    let mut problems = lint(&brain.snapshot());
    for finding in lint_canons(&brain, None) {
        if !problems.contains(&finding.problem) {
            problems.push(finding.problem);
        }
    }
    problems.extend(lint_memories(&brain.snapshot(), brain.home()));
    problems.extend(brain.home().exposed());
    problems.sort_by_key(|problem| problem.severity);
    Ok(problems)
}

/// Findings about the canon of one context, or of all: a finding in a file that several of
/// them hold is said once.
pub fn lint_canons(brain: &Brain, only: Option<&ContextName>) -> Vec<Finding> {
    let snapshot = brain.snapshot();
    let mut findings: Vec<Finding> = Vec::new();
    for name in snapshot.contexts.keys().filter(|name| only.is_none_or(|only| only == *name)) {
        let Some(state) = snapshot.canon(name) else { continue };
        let said = state.canon().map(|canon| lint_canon(canon, brain.home())).unwrap_or_default();
        let drift = drift(brain.home(), name, state);
        for finding in state.findings().iter().cloned().chain(said).chain(drift) {
            if !findings.contains(&finding) {
                findings.push(finding);
            }
        }
    }
    findings.sort_by(|one, other| {
        let place = |finding: &Finding| {
            (finding.problem.severity, finding.problem.file.clone(), finding.problem.line)
        };
        place(one).cmp(&place(other))
    });
    findings
}

/// Finding about a canon that is not the one of the last attested state. While a gateway runs, every
/// state is attested, so this tells of changes that no call was made with yet.
fn drift(home: &Home, name: &ContextName, state: &CanonState) -> Option<Finding> {
    let Ok(Some(Attested { canon, .. })) = attested(home, name) else { return None };
    let before = canon.as_ref().map(|canon| &canon.digest);
    let now = state.canon().map(|canon| &canon.digest);
    let message = format!("the canon of \"{name}\" changed since it was attested last");
    let fix = format!("see what changed: `zos canon diff {name}`");
    (before != now).then(|| Finding::new(Lint::Drift, Problem::warning(MANIFEST, message, fix)))
}
