//! Why zOS cannot be opened on a home, as a person reads it.

use crate::failure::{Failure, Result};
use std::path::Path;
use zos_core::{Code, Home};
use zos_gateway::config::ConfigError;
use zos_gateway::house::OpenError;

/// What is wrong, where, and what to do.
pub(crate) fn explain(home: &Home, error: &OpenError) -> Failure {
    match error {
        OpenError::InUse(_) | OpenError::Audit(zos_audit::OpenError::Locked { .. }) => {
            Failure::wrong(Code::HomeInUse, format!("Another zOS runs on {}.", home.root().display()))
                .hint("Stop that one, or give this one a folder of its own: --home DIR.")
        }
        OpenError::Audit(damage @ zos_audit::OpenError::Treeless { .. }) => Failure::environment(damage).hint(
            "Where zOS was without its key until now: `zos serve --adopt-unsigned-log` signs for them. Otherwise \
             `zos serve --set-damaged-log-aside` keeps the log as evidence and begins a new one.",
        ),
        OpenError::Audit(damage) if damage.is_damage() => Failure::environment(damage).hint(
            "`zos audit verify` tells more. `zos serve --set-damaged-log-aside` keeps the log as evidence and begins a new one.",
        ),
        OpenError::Config(error) => configuration(home, error),
        error => Failure::environment(error),
    }
}

/// What is wrong with gateway/config.yml.
pub(crate) fn configuration(home: &Home, error: &ConfigError) -> Failure {
    let findings: String = error.0.iter().map(|problem| format!("\n  {problem}")).collect();
    let sentence = format!("The configuration in {} cannot be used:{findings}", home.root().display());
    let mut failure = Failure::wrong(Code::InvalidConfig, sentence);
    if let Failure::Wrong(reason) = &mut failure {
        let problems = error.0.iter().map(zos_gateway::admin::types::FileProblem::from);
        reason.problems = problems.filter_map(|problem| serde_json::to_value(problem).ok()).collect();
    }
    failure
}

/// The home that was asked for.
pub(crate) fn home(explicit: Option<&Path>) -> Result<Home> {
    let home = Home::resolve(explicit).map_err(|error| Failure::environment(&error))?;
    if std::fs::metadata(home.root()).is_ok_and(|metadata| !metadata.is_dir()) {
        let message = format!("{} is not a folder.", home.root().display());
        return Err(
            Failure::wrong(Code::Environment, message).hint("Give another one: --home DIR or ZOS_HOME.")
        );
    }
    Ok(home)
}
