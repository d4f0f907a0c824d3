//! Who listens on a port of this machine, as far as the system tells: `/proc` on Linux, nothing elsewhere.

/// A program that listens.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Holder {
    /// The user it runs as.
    pub(crate) uid: u32,
    /// Its process and name; absent where we may not look.
    pub(crate) process: Option<(u32, String)>,
}

impl std::fmt::Display for Holder {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match &self.process {
            Some((pid, name)) => write!(f, "{name} (process {pid})"),
            None => write!(f, "a program of user {}", self.uid),
        }
    }
}

/// Who listens on this port; empty where nobody does, or where the system does not tell.
#[cfg(target_os = "linux")]
pub(crate) fn holders(port: u16) -> Vec<Holder> {
    let tables = ["/proc/net/tcp", "/proc/net/tcp6"];
    let sockets = tables.iter().filter_map(|path| std::fs::read_to_string(path).ok());
    let sockets: Vec<(u32, u64)> = sockets.flat_map(|table| listening(&table, port)).collect();
    sockets.into_iter().map(|(uid, inode)| Holder { uid, process: process_of(inode) }).collect()
}

/// Who listens on this port: this system is not asked.
#[cfg(not(target_os = "linux"))]
pub(crate) fn holders(_port: u16) -> Vec<Holder> {
    Vec::new()
}

/// Whether a secret of ours may be sent to whoever listens there: not to another user's program.
#[cfg(unix)]
pub(crate) fn is_trusted(port: u16) -> bool {
    let own = rustix::process::geteuid().as_raw();
    holders(port).iter().all(|holder| holder.uid == own || holder.uid == 0)
}

/// Whether a secret of ours may be sent to whoever listens there.
#[cfg(not(unix))]
pub(crate) fn is_trusted(_port: u16) -> bool {
    true
}

/// User and inode of the sockets of a `/proc/net/tcp` table that listen on a port.
#[cfg(target_os = "linux")]
fn listening(table: &str, port: u16) -> Vec<(u32, u64)> {
    const LISTEN: &str = "0A";
    let socket = |line: &str| {
        let fields: Vec<&str> = line.split_whitespace().collect();
        let (_, local) = fields.get(1)?.rsplit_once(':')?;
        let is_it = u16::from_str_radix(local, 16) == Ok(port) && *fields.get(3)? == LISTEN;
        is_it.then_some((fields.get(7)?.parse().ok()?, fields.get(9)?.parse().ok()?))
    };
    table.lines().skip(1).filter_map(socket).collect()
}

/// The process that has a socket open. Other users' processes cannot be looked into.
#[cfg(target_os = "linux")]
fn process_of(inode: u64) -> Option<(u32, String)> {
    let wanted = format!("socket:[{inode}]");
    for entry in std::fs::read_dir("/proc").ok()?.flatten() {
        let Some(pid) = entry.file_name().to_str().and_then(|name| name.parse().ok()) else { continue };
        let Ok(open) = std::fs::read_dir(entry.path().join("fd")) else { continue };
        if open.flatten().any(|file| {
            std::fs::read_link(file.path()).is_ok_and(|target| target.as_os_str() == wanted.as_str())
        }) {
            let name = std::fs::read_to_string(entry.path().join("comm")).ok()?;
            return Some((pid, name.trim().to_owned()));
        }
    }
    None
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::*;

    #[test]
    fn a_listener_of_ours_is_found_and_trusted() {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let holder = &holders(port)[0];
        assert_eq!(holder.process.as_ref().unwrap().0, std::process::id());
        assert!(is_trusted(port));
        drop(listener);
        assert_eq!(holders(port), []);
    }

    #[test]
    fn only_sockets_that_listen_on_the_port_count() {
        let table = "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode\n\
            0: 0100007F:2254 00000000:0000 0A 00000000:00000000 00:00000000 00000000  1000        0 4242 1\n\
            1: 0100007F:2254 0100007F:8000 01 00000000:00000000 00:00000000 00000000  1000        0 4343 1\n\
            2: 0100007F:2255 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 4444 1\n";
        assert_eq!(listening(table, 8788), [(1000, 4242)]);
    }
}
