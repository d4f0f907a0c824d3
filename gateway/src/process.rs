//! What the process asks of the system before it serves: descriptors for all its connections, that no file ever
//! shows its memory, and that memory which it no longer needs goes back.
//!
//! A key that stands in an environment variable stays in the environment of the process, for it cannot be taken
//! out of there safely. On Linux only root can read it once core dumps are off; elsewhere other programs of the
//! same user can too. Only the keychain keeps a key from there.

#[cfg(all(target_os = "linux", target_env = "gnu"))]
mod allocator;

/// Descriptors that are kept for files, the log, the ledger and the watcher.
const RESERVE: usize = 64;

/// Descriptors that one call may hold: its caller's connection and its provider's.
const PER_CALL: usize = 2;

/// Raises the bound of open files to what the system allows at most, turns core dumps off, and has the allocator give
/// back what is free. What cannot be done is told in the log: none of it is a reason not to start.
pub fn prepare() {
    #[cfg(all(target_os = "linux", target_env = "gnu"))]
    if !allocator::give_back_large_blocks() {
        tracing::warn!("the allocator keeps large blocks that are free");
    }
    #[cfg(unix)]
    {
        raise_descriptors();
        no_core_dumps();
    }
}

#[cfg(unix)]
fn raise_descriptors() {
    use rustix::process::{Resource, getrlimit, setrlimit};
    let mut limit = getrlimit(Resource::Nofile);
    let before = limit.current;
    limit.current = limit.maximum;
    if let Err(error) = setrlimit(Resource::Nofile, limit) {
        tracing::warn!(%error, ?before, "the bound of open files could not be raised");
    }
}

/// A core would hold keys and what was said in calls.
#[cfg(unix)]
fn no_core_dumps() {
    use rustix::process::{Resource, Rlimit, setrlimit};
    let none = Rlimit { current: Some(0), maximum: Some(0) };
    if let Err(error) = setrlimit(Resource::Core, none) {
        tracing::warn!(%error, "core dumps could not be turned off");
    }
    // Also keeps other programs of the same user from reading this memory, and a crash handler of the system
    // from being given it, which the limit alone does not.
    #[cfg(target_os = "linux")]
    if let Err(error) = rustix::process::set_dumpable_behavior(rustix::process::DumpableBehavior::NotDumpable)
    {
        tracing::warn!(%error, "the memory of the process could not be closed to other programs");
    }
}

/// Connections that can be served at once, of those that the configuration wants: no more than there are
/// descriptors for, with some kept for everything else.
#[must_use]
pub fn connections(wanted: usize) -> usize {
    wanted.min(descriptors().map_or(usize::MAX, served_by)).max(1)
}

/// Connections that so many descriptors carry.
fn served_by(descriptors: usize) -> usize {
    descriptors.saturating_sub(RESERVE) / PER_CALL
}

/// Files that this process may have open at once; `None` where there is no bound, or none that is told.
#[cfg(unix)]
fn descriptors() -> Option<usize> {
    let limit = rustix::process::getrlimit(rustix::process::Resource::Nofile);
    limit.current.and_then(|current| usize::try_from(current).ok())
}

#[cfg(not(unix))]
fn descriptors() -> Option<usize> {
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn connections_leave_descriptors_for_files() {
        assert_eq!(served_by(200), 68);
        assert_eq!(served_by(65_536), 32_736);
        assert_eq!(served_by(10), 0);
        assert_eq!(connections(1), 1);
        assert!(connections(1024) <= 1024);
    }
}
