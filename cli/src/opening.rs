//! What commands open of a home on which no zOS runs: its files and its ledger. Reading changes nothing, and makes no
//! folder that is not there. Why zOS itself cannot be opened is put into words here, too.

use crate::failure::{Failure, Result};
use crate::output::shape;
use std::path::Path;
use std::sync::Arc;
use zos_core::{Brain, Code, Home};
use zos_gateway::OpenError;
use zos_gateway::config::{Config, ConfigError};
use zos_gateway::views::FileProblem;
use zos_meter::{Ledger, SqliteLedger, SqliteOptions};

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
    let problems = error.0.iter().map(|problem| shape(&FileProblem::from(problem)));
    Failure::wrong(Code::InvalidConfig, sentence).problems(problems.collect())
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

/// Loads the files of a home.
pub(crate) fn brain(home: &Home) -> Result<Brain> {
    Brain::open(home.clone()).map_err(|error| Failure::environment(&error))
}

/// The ledger of a home on which nothing runs; `None` where no call was ever made.
pub(crate) fn ledger(home: &Home) -> Result<Option<Arc<dyn Ledger>>> {
    let config = Config::load(home).map_err(|error| Failure::environment(&error))?;
    if let Some(address) = zos_gateway::ledger::address(&config) {
        let shared = zos_gateway::ledger::open_shared(&address);
        return shared.map(Some).map_err(|error| Failure::environment(&error));
    }
    let path = home.usage_db();
    if !path.exists() {
        return Ok(None);
    }
    // Shared, so that two commands at once do not get in each other's way.
    let options = SqliteOptions { exclusive: false, ..SqliteOptions::default() };
    let ledger = SqliteLedger::open_with(&path, options).map_err(|error| Failure::environment(&error))?;
    Ok(Some(Arc::new(ledger)))
}

/// Waits for an answer of the ledger or the keychain, whose threads are their own, or of servers of this machine.
pub(crate) fn wait<T>(answer: impl Future<Output = T>) -> Result<T> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    Ok(runtime.map_err(|error| Failure::environment(&error))?.block_on(answer))
}
