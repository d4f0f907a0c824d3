//! The home: is it there, is every file in order, are the secret ones private, can log and ledger be read.

use super::Check;
use crate::admin::{Admin, Running};
use crate::failure::Result;
use crate::lint;
use std::path::Path;
use zos_audit::{Filter, ReadError};
use zos_core::Home;
use zos_gateway::config::Config;

/// The folder itself.
pub(super) fn home(home: &Home, _: &Admin) -> Result<Vec<Check>> {
    let root = home.root().display();
    let check = match std::fs::metadata(home.root()) {
        Ok(_) if !is_writable(home.root()) => Check::problem(
            "home",
            format!("{root} cannot be written."),
            "Make it yours: chown and chmod u+rwx on that folder.",
        ),
        Ok(_) => match home.exposed() {
            Some(problem) => {
                Check::problem("home", format!("{root}: {}.", problem.message), format!("chmod 700 {root}"))
            }
            None => Check::ok("home", root.to_string()),
        },
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Check::note(
            "home",
            format!("{root} does not exist yet."),
            "It is made when zOS first runs: zos serve",
        ),
        Err(error) => Check::problem(
            "home",
            format!("{root} cannot be read: {error}."),
            "Make it yours: chown and chmod u+rwx on that folder.",
        ),
    };
    Ok(vec![check])
}

/// Every file of the home, as `zos lint` reads it.
pub(super) fn lint(home: &Home, _: &Admin) -> Result<Vec<Check>> {
    let problems = lint::problems(home)?;
    let errors = problems.iter().filter(|problem| problem.is_error()).count();
    let count = lint::count(errors, problems.len() - errors);
    Ok(vec![match problems.first() {
        None => Check::ok("files", "all in order"),
        Some(first) if errors == 0 => {
            Check::note("files", format!("{count}: {first}."), "See them all: zos lint")
        }
        Some(first) => Check::problem("files", format!("{count}: {first}."), "See them all: zos lint"),
    }])
}

/// Files with secrets, or with what was said about calls, which nobody else may read.
#[cfg(unix)]
pub(super) fn private(home: &Home, _: &Admin) -> Result<Vec<Check>> {
    use std::os::unix::fs::PermissionsExt;
    let gateway = home.root().join("gateway");
    let tokens = gateway.join("tokens");
    let kept = std::fs::read_dir(&tokens).into_iter().flatten().flatten().map(|entry| entry.path());
    let secret = [home.admin_token(), home.keys(), home.audit_dir(), home.usage_db(), tokens.clone()]
        .into_iter()
        .chain(kept);
    let mut checks = Vec::new();
    for path in secret {
        let Ok(metadata) = std::fs::metadata(&path) else { continue };
        let mode = metadata.permissions().mode() & 0o777;
        if mode & 0o077 != 0 {
            let right = if metadata.is_dir() { 700 } else { 600 };
            let shown = path.display();
            checks.push(Check::problem(
                "private",
                format!("{shown} is open to other users (mode {mode:03o})."),
                format!("chmod {right} {shown}"),
            ));
        }
    }
    if checks.is_empty() && gateway.exists() {
        checks.push(Check::ok("private", "keys, tokens and records are readable for you alone"));
    }
    Ok(checks)
}

#[cfg(not(unix))]
pub(super) fn private(_: &Home, _: &Admin) -> Result<Vec<Check>> {
    Ok(Vec::new())
}

/// The log: can it be written, and is it what was signed for.
pub(super) fn log(home: &Home, _: &Admin) -> Result<Vec<Check>> {
    let folder = home.audit_dir();
    let shown = folder.display();
    Ok(vec![match zos_audit::recent(&folder, &Filter::default(), None, 100) {
        Err(ReadError::Missing { .. }) => Check::ok("log", "none yet; the first run of zOS begins it"),
        Err(error @ ReadError::Damaged { .. }) => Check::problem(
            "log",
            format!("{error}."),
            "Keep the folder as evidence, move it away, and restart zOS: it begins a new log.",
        ),
        Err(error) => {
            Check::problem("log", format!("{error}."), format!("Make {shown} readable and writable for you."))
        }
        Ok(_) if !is_writable(&folder) => Check::problem(
            "log",
            format!("{shown} cannot be written: hard rooms refuse their calls."),
            format!("chmod u+rwx {shown}"),
        ),
        Ok(_) => verified(home, &folder),
    }])
}

/// What the whole log comes to when it is verified.
fn verified(home: &Home, folder: &Path) -> Check {
    let shown = folder.display();
    let witness = zos_gateway::house::audit_head(home);
    let report = match zos_audit::verify_witnessed(folder, None, Some(&witness), &mut |_, _| ()) {
        Ok(report) => report,
        Err(error) => {
            return Check::problem("log", format!("{error}."), format!("Make {shown} readable for you."));
        }
    };
    let records = format!("{} records", crate::output::grouped(report.records));
    let was_signed =
        report.key.is_some() || folder.join("tile").exists() || folder.join("checkpoint").exists();
    match report.findings.first() {
        None if report.torn.is_empty() => Check::ok("log", format!("{records} in {shown}")),
        None => Check::note(
            "log",
            format!("{records}; lines that a crash cut or that were not the log's were set aside (*.torn)."),
            "Nothing to do: the log says so itself.",
        ),
        Some(_) if !was_signed => Check::note(
            "log",
            format!("{records}, and no signature covers any of them."),
            "The next start with the key of the log signs for them.",
        ),
        Some(finding) => Check::problem(
            "log",
            format!("The log is not what was signed for: {finding}."),
            "`zos audit verify` tells more. `zos serve --set-damaged-log-aside` keeps it as evidence and begins a new log.",
        ),
    }
}

/// The ledger. While zOS runs it belongs to that process.
pub(super) fn ledger(home: &Home, admin: &Admin) -> Result<Vec<Check>> {
    let path = home.usage_db();
    let is_shared = Config::load(home).is_ok_and(|config| zos_gateway::ledger::address(&config).is_some());
    if !is_shared && !matches!(admin.running()?, Running::No) {
        return Ok(vec![Check::ok("ledger", format!("{}, kept by the zOS that runs", path.display()))]);
    }
    Ok(vec![match crate::files::ledger(home) {
        Ok(None) => Check::ok("ledger", "none yet; the first run of zOS makes it"),
        Ok(Some(_)) if is_shared => Check::ok("ledger", "the PostgreSQL of ledger.url answers"),
        Ok(Some(_)) => Check::ok("ledger", path.display().to_string()),
        Err(failure) => {
            let why = failure.reason().map_or_else(String::new, |reason| reason.message.clone());
            let fix = if is_shared {
                "Fix ledger.url or ZOS_LEDGER_URL, or see to the server that it names.".to_owned()
            } else {
                format!(
                    "Make it readable and writable for you, or move {} away: budgets then start anew.",
                    path.display()
                )
            };
            Check::problem("ledger", why, fix)
        }
    }])
}

/// Whether we may make files in a folder.
fn is_writable(folder: &Path) -> bool {
    #[cfg(unix)]
    return rustix::fs::access(folder, rustix::fs::Access::WRITE_OK | rustix::fs::Access::EXEC_OK).is_ok();
    #[cfg(not(unix))]
    return std::fs::metadata(folder).is_ok_and(|metadata| !metadata.permissions().readonly());
}
