//! Who is at the other end of a connection: a program of the owner, or of another user of this machine.
//!
//! Without a key anybody who reaches the port would spend with the owner's keys. On Linux the kernel tells
//! which user a socket of this machine belongs to; it is asked once for each connection, right after it was
//! accepted. A caller that has closed its socket by then belongs to nobody and counts as a stranger.
//!
//! macOS and Windows are not asked: there every program of the machine may call without a key, unless
//! `auth.keyless` is false. Neither is anybody told apart who runs as the same user.

use http::request::Parts;
use std::net::SocketAddr;

/// The user whose program calls.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) enum Caller {
    /// The owner, or root, who could do everything anyway.
    Owner,
    /// Another user of this machine.
    Other,
    /// Nobody can tell: the caller is gone already, or of another machine, or the system does not say.
    #[default]
    Unknown,
    /// This system is not asked.
    #[cfg(not(target_os = "linux"))]
    Unchecked,
}

impl Caller {
    /// The caller of a request, as its connection was accepted; unknown where it came by no connection.
    pub(crate) fn of(parts: &Parts) -> Self {
        parts.extensions.get::<Caller>().copied().unwrap_or_default()
    }

    /// Why this caller has to show a key; `None` where it need not.
    pub(crate) fn keyless_refusal(self) -> Option<&'static str> {
        match self {
            Caller::Owner => None,
            #[cfg(not(target_os = "linux"))]
            Caller::Unchecked => None,
            Caller::Other => Some("the call comes from a program of another user of this machine"),
            Caller::Unknown => Some("the system does not tell which user's program calls"),
        }
    }

    /// The caller of a connection from `peer` to `local`. Takes some 10 µs; 10 ms on a Linux without
    /// `sock_diag`, whose tables are read instead.
    #[cfg(target_os = "linux")]
    pub(crate) fn at(peer: SocketAddr, local: SocketAddr) -> Self {
        match linux::owner(peer, local) {
            Some(uid) if uid == rustix::process::geteuid().as_raw() || uid == 0 => Caller::Owner,
            Some(_) => Caller::Other,
            None => Caller::Unknown,
        }
    }

    /// The caller of a connection: this system is not asked.
    #[cfg(not(target_os = "linux"))]
    pub(crate) fn at(_peer: SocketAddr, _local: SocketAddr) -> Self {
        Caller::Unchecked
    }
}

#[cfg(target_os = "linux")]
mod linux {
    //! Two ways to the owner of a socket: `sock_diag(7)`, and the tables of `/proc/net`.

    use rustix::net::{
        AddressFamily, RecvFlags, SendFlags, SocketFlags, SocketType, netlink, recv, sendto, socket_with,
    };
    use std::io;
    use std::net::{IpAddr, SocketAddr};
    use std::sync::atomic::{AtomicBool, Ordering};

    /// `SOCK_DIAG_BY_FAMILY`, of the request and of its answer.
    const BY_FAMILY: u16 = 20;

    /// `NLM_F_REQUEST`: one socket is asked for, not all of them.
    const REQUEST: u16 = 1;

    /// Bytes of the header of a message, and of the id of a socket.
    const HEADER_BYTES: usize = 16;
    const SOCKET_ID_BYTES: usize = 48;

    /// Where the owner and the inode stand in an answer: header, four bytes of state, the id, three numbers.
    const UID_AT: usize = HEADER_BYTES + 4 + SOCKET_ID_BYTES + 12;
    const INODE_AT: usize = UID_AT + 4;

    /// Whether `sock_diag` ever answered: then "no such socket" is meant, and no table is read for it.
    static ANSWERS: AtomicBool = AtomicBool::new(false);

    /// The user that the socket at `peer` belongs to, seen from the other end at `local`.
    pub(super) fn owner(peer: SocketAddr, local: SocketAddr) -> Option<u32> {
        let (peer, local) = (canonical(peer), canonical(local));
        match by_diag(peer, local) {
            Ok(found) => {
                ANSWERS.store(true, Ordering::Relaxed);
                found
            }
            Err(_) if ANSWERS.load(Ordering::Relaxed) => None,
            Err(_) => by_table(peer, local),
        }
    }

    fn canonical(address: SocketAddr) -> SocketAddr {
        SocketAddr::new(address.ip().to_canonical(), address.port())
    }

    /// Asks the kernel for this one socket.
    fn by_diag(peer: SocketAddr, local: SocketAddr) -> io::Result<Option<u32>> {
        let socket = socket_with(
            AddressFamily::NETLINK,
            SocketType::DGRAM,
            SocketFlags::CLOEXEC,
            Some(netlink::SOCK_DIAG),
        )?;
        let kernel = netlink::SocketAddrNetlink::new(0, 0);
        sendto(&socket, &request(peer, local), SendFlags::empty(), &kernel)?;
        let mut answer = [0; 512];
        // The kernel has answered by now; a worker must not wait for it.
        let (_, length) = recv(&socket, &mut answer, RecvFlags::DONTWAIT)?;
        let answer = &answer[..length.min(answer.len())];
        match number(answer, 4).map(|kind| kind & 0xffff) {
            Some(kind) if kind == u32::from(BY_FAMILY) => {}
            _ => return Err(io::ErrorKind::NotFound.into()),
        }
        Ok(alive(number(answer, UID_AT), number(answer, INODE_AT)))
    }

    /// A socket without an inode is one that its program has closed; the kernel gives those to root.
    fn alive(uid: Option<u32>, inode: Option<u32>) -> Option<u32> {
        uid.filter(|_| inode.is_some_and(|inode| inode != 0))
    }

    /// `inet_diag_req_v2` for one TCP socket.
    fn request(peer: SocketAddr, local: SocketAddr) -> Vec<u8> {
        const TCP: u8 = 6;
        const ANY_STATE: u32 = u32::MAX;
        const NO_COOKIE: [u8; 8] = [0xff; 8];
        let family = match peer {
            SocketAddr::V4(_) => AddressFamily::INET,
            SocketAddr::V6(_) => AddressFamily::INET6,
        };
        let family = u8::try_from(family.as_raw()).expect("families of the internet are small numbers");
        let mut body = vec![family, TCP, 0, 0];
        body.extend(ANY_STATE.to_ne_bytes());
        body.extend(peer.port().to_be_bytes());
        body.extend(local.port().to_be_bytes());
        body.extend(address(peer.ip()));
        body.extend(address(local.ip()));
        body.extend(0u32.to_ne_bytes());
        body.extend(NO_COOKIE);
        let length = u32::try_from(HEADER_BYTES + body.len()).expect("72 bytes");
        let mut message = Vec::with_capacity(HEADER_BYTES + body.len());
        message.extend(length.to_ne_bytes());
        message.extend(BY_FAMILY.to_ne_bytes());
        message.extend(REQUEST.to_ne_bytes());
        message.extend(1u32.to_ne_bytes());
        message.extend(0u32.to_ne_bytes());
        message.extend(body);
        message
    }

    fn address(ip: IpAddr) -> [u8; 16] {
        match ip {
            IpAddr::V4(v4) => {
                let mut bytes = [0; 16];
                bytes[..4].copy_from_slice(&v4.octets());
                bytes
            }
            IpAddr::V6(v6) => v6.octets(),
        }
    }

    fn number(bytes: &[u8], at: usize) -> Option<u32> {
        let bytes = bytes.get(at..at + 4)?;
        Some(u32::from_ne_bytes(bytes.try_into().ok()?))
    }

    /// Looks for it in the tables of all sockets.
    pub(super) fn by_table(peer: SocketAddr, local: SocketAddr) -> Option<u32> {
        ["/proc/net/tcp", "/proc/net/tcp6"].iter().find_map(|path| {
            let table = std::fs::read_to_string(path).ok()?;
            in_table(&table, peer, local)
        })
    }

    /// The owner of the socket between two addresses in a table of `/proc/net`.
    pub(super) fn in_table(table: &str, peer: SocketAddr, local: SocketAddr) -> Option<u32> {
        table.lines().skip(1).find_map(|line| {
            let mut fields = line.split_whitespace();
            let (own, other) = (fields.nth(1)?, fields.next()?);
            if written(own)? != peer || written(other)? != local {
                return None;
            }
            let (uid, inode) = (fields.nth(4)?, fields.nth(1)?);
            Some(alive(uid.parse().ok(), inode.parse().ok()))
        })?
    }

    /// An address as those tables write it: words of four bytes in the machine's own order, then the port.
    fn written(text: &str) -> Option<SocketAddr> {
        let (address, port) = text.split_once(':')?;
        let port = u16::from_str_radix(port, 16).ok()?;
        let mut bytes = Vec::with_capacity(16);
        for at in (0..address.len()).step_by(8) {
            let word = u32::from_str_radix(address.get(at..at + 8)?, 16).ok()?;
            bytes.extend(word.to_ne_bytes());
        }
        let ip = match *bytes.as_slice() {
            [a, b, c, d] => IpAddr::from([a, b, c, d]),
            _ => IpAddr::from(<[u8; 16]>::try_from(bytes).ok()?),
        };
        Some(canonical(SocketAddr::new(ip, port)))
    }
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::*;
    use std::net::{TcpListener, TcpStream};

    fn pair(address: &str) -> Option<(TcpStream, TcpStream)> {
        let listener = TcpListener::bind(address).ok()?;
        let client = TcpStream::connect(listener.local_addr().ok()?).ok()?;
        Some((client, listener.accept().ok()?.0))
    }

    #[test]
    fn a_program_of_ours_is_known_by_both_ways() {
        let own = rustix::process::geteuid().as_raw();
        let pairs = ["127.0.0.1:0", "[::1]:0"].into_iter().filter_map(pair).collect::<Vec<_>>();
        assert!(!pairs.is_empty());
        for (client, served) in pairs {
            let (peer, local) = (served.peer_addr().unwrap(), served.local_addr().unwrap());
            assert_eq!(linux::owner(peer, local), Some(own), "{peer}");
            assert_eq!(linux::by_table(peer, local), Some(own), "{peer}");
            assert_eq!(Caller::at(peer, local), Caller::Owner);
            drop(client);
            drop(served);
        }
    }

    #[test]
    fn a_socket_that_its_program_has_closed_is_nobodys() {
        let (client, served) = pair("127.0.0.1:0").unwrap();
        let (peer, local) = (served.peer_addr().unwrap(), served.local_addr().unwrap());
        drop(client);
        assert_eq!(Caller::at(peer, local), Caller::Unknown);
        assert_eq!(linux::by_table(peer, local), None);
    }

    #[test]
    fn the_tables_are_read_with_owner_and_inode() {
        let table = "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode\n\
            0: 0100007F:2254 00000000:0000 0A 00000000:00000000 00:00000000 00000000  1000        0 4242 1\n\
            1: 0100007F:8000 0100007F:2254 01 00000000:00000000 00:00000000 00000000    33        0 4343 1\n\
            2: 0100007F:8001 0100007F:2254 06 00000000:00000000 00:00000000 00000000     0        0 0 1\n";
        let zos = "127.0.0.1:8788".parse().unwrap();
        assert_eq!(linux::in_table(table, "127.0.0.1:32768".parse().unwrap(), zos), Some(33));
        assert_eq!(linux::in_table(table, "127.0.0.1:32769".parse().unwrap(), zos), None);
        assert_eq!(linux::in_table(table, "127.0.0.1:32770".parse().unwrap(), zos), None);
    }

    #[test]
    fn only_the_owner_needs_no_key_where_the_system_tells() {
        assert_eq!(Caller::Owner.keyless_refusal(), None);
        for caller in [Caller::Other, Caller::Unknown, Caller::default()] {
            assert!(caller.keyless_refusal().is_some(), "{caller:?}");
        }
    }
}
