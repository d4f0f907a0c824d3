//! The machine: keychain, disk, clock.

use super::Check;
use crate::admin::Admin;
use crate::failure::Result;
use zos_audit::Filter;
use zos_core::Home;
use zos_meter::Clock;
use zos_seal::{Vault, VaultOptions, VaultStatus};

/// Below this the log may stop at any time.
const LITTLE_BYTES: u64 = 64 << 20;

/// Below this it is worth knowing.
const FEW_BYTES: u64 = 1 << 30;

/// 2026-01-01T00:00:00Z: no clock that is right shows an earlier time.
const BORN_MS: u64 = 1_767_225_600_000;

/// How far the clock may lie behind the newest record.
const DRIFT_MS: u64 = 120_000;

/// Whether keys can be stored.
pub(super) fn keychain(_: &Home, _: &Admin) -> Result<Vec<Check>> {
    let variable = "Until then, set keys as environment variables: ANTHROPIC_API_KEY, OPENAI_API_KEY.";
    Ok(vec![match Vault::new(VaultOptions::default()).status() {
        VaultStatus::Available => Check::ok("keychain", "answers"),
        VaultStatus::Locked => {
            Check::note("keychain", "It is locked, or waits for you.", format!("Unlock it. {variable}"))
        }
        VaultStatus::Unavailable { reason } => {
            Check::note("keychain", format!("Not usable: {reason}."), variable)
        }
    }])
}

/// Whether records still have room.
pub(super) fn disk(home: &Home, _: &Admin) -> Result<Vec<Check>> {
    let Some(free) = free_bytes(home) else { return Ok(Vec::new()) };
    let shown = if free >= FEW_BYTES {
        format!("{} GiB free", free >> 30)
    } else {
        format!("{} MiB free", free >> 20)
    };
    let fix = "Free some space: without room for its records zOS refuses the calls of hard rooms.";
    Ok(vec![match free {
        LITTLE_BYTES.. if free >= FEW_BYTES => Check::ok("disk", shown),
        LITTLE_BYTES.. => Check::note("disk", format!("{shown}."), fix),
        _ => Check::problem("disk", format!("{shown}."), fix),
    }])
}

/// Free bytes where the home is, or will be.
#[cfg(unix)]
fn free_bytes(home: &Home) -> Option<u64> {
    let existing = home.root().ancestors().find(|folder| folder.exists())?;
    let disk = rustix::fs::statvfs(existing).ok()?;
    Some(disk.f_bavail.saturating_mul(disk.f_frsize))
}

#[cfg(not(unix))]
fn free_bytes(_: &Home) -> Option<u64> {
    None
}

/// Whether the clock can be right: budgets and records depend on it.
pub(super) fn clock(home: &Home, _: &Admin) -> Result<Vec<Check>> {
    let now = Clock::system().now_ms();
    // A log that cannot be read is told by another check.
    let newest = zos_audit::recent(&home.audit_dir(), &Filter::default(), None, 1).ok();
    let newest = newest.and_then(|page| zos_audit::parse_time(&page.records.first()?.time).ok());
    Ok(vec![judge(now, newest)])
}

fn judge(now: u64, newest: Option<u64>) -> Check {
    let fix = "Set the clock, best by network time: budgets and records go by it.";
    let shown = zos_audit::format_time(now);
    match newest {
        _ if now < BORN_MS => Check::problem("clock", format!("It shows {shown}, which cannot be."), fix),
        Some(newest) if newest > now + DRIFT_MS => Check::problem(
            "clock",
            format!("It shows {shown}, and the newest record is from {}.", zos_audit::format_time(newest)),
            fix,
        ),
        _ => Check::ok("clock", shown),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::doctor::State;

    #[test]
    fn a_clock_before_our_time_or_behind_the_log_is_wrong() {
        assert_eq!(zos_audit::format_time(BORN_MS), "2026-01-01T00:00:00.000Z");
        let hour = 3_600_000;
        assert_eq!(judge(BORN_MS + hour, None).state, State::Ok);
        assert_eq!(judge(BORN_MS + hour, Some(BORN_MS + hour + 1_000)).state, State::Ok);
        assert_eq!(judge(BORN_MS + hour, Some(BORN_MS + 2 * hour)).state, State::Problem);
        assert_eq!(judge(0, None).state, State::Problem);
    }
}
