//! Addresses in their normal form: hosts, web addresses, mailboxes, telephone numbers.
//!
//! Web addresses are read as browsers read them (<https://url.spec.whatwg.org>). Where other readers are
//! known to read the same text differently, the address is marked as ambiguous: no allow list admits it.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use url::{Host, Url};

/// A host.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum HostName {
    Name(String),
    Ip(IpAddr),
}

/// A place in the network.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Address {
    /// Lower case; empty where none is stated.
    pub(crate) scheme: String,
    /// Absent where the scheme has none, as `data:`.
    pub(crate) host: Option<HostName>,
    /// Port, where one is stated that is not the scheme's own.
    pub(crate) port: Option<u16>,
    pub(crate) path: String,
    /// Query and fragment, with what sets them off: they take data along.
    pub(crate) rest: String,
    /// Programs do not agree on where it points, or it is not quite an address.
    pub(crate) is_ambiguous: bool,
}

/// A mailbox.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Mailbox {
    pub(crate) local: String,
    pub(crate) domain: HostName,
    /// The local part names another way (`a%b.org@c.org`, `b.org!a@c.org`).
    pub(crate) is_routed: bool,
}

/// Names that lead back to this machine or its network.
const PRIVATE_NAMES: &[&str] = &[
    "localhost",
    "localdomain",
    "local",
    "internal",
    "intranet",
    "lan",
    "home.arpa",
    "nip.io",
    "sslip.io",
    "xip.io",
    "localtest.me",
    "lvh.me",
];

impl HostName {
    /// Reads a host in any of its spellings.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let text = text.trim();
        let bare = text.strip_prefix('[').and_then(|text| text.strip_suffix(']')).unwrap_or(text);
        // A zone names an interface of this machine.
        let bare =
            bare.split_once('%').map_or(bare, |(head, _)| if head.contains(':') { head } else { bare });
        if let Ok(ip) = bare.parse::<Ipv6Addr>() {
            return Some(Self::Ip(plain(IpAddr::V6(ip))));
        }
        match Host::parse(text).ok()? {
            Host::Ipv4(ip) => Some(Self::Ip(IpAddr::V4(ip))),
            Host::Ipv6(ip) => Some(Self::Ip(plain(IpAddr::V6(ip)))),
            Host::Domain(name) => {
                let bare = name.trim_end_matches('.').to_ascii_lowercase();
                if bare.len() < name.len() {
                    // What stands before the dots is read anew: it may be an address.
                    return Self::parse(&bare);
                }
                (!bare.is_empty()).then_some(Self::Name(bare))
            }
        }
    }

    /// Whether this is `name`, or lies below it where `is_below`.
    pub(crate) fn fits(&self, name: &str, is_below: bool) -> bool {
        let Self::Name(own) = self else { return false };
        if is_below { own.strip_suffix(name).is_some_and(|rest| rest.ends_with('.')) } else { own == name }
    }

    /// Whether it leads to this machine, its network, or addresses that belong to nobody.
    pub(crate) fn is_private(&self) -> bool {
        match self {
            Self::Name(_) => PRIVATE_NAMES.iter().any(|name| self.fits(name, false) || self.fits(name, true)),
            Self::Ip(IpAddr::V4(ip)) => {
                let [a, b, c, _] = ip.octets();
                ip.is_private() || ip.is_loopback() || ip.is_link_local() || ip.is_broadcast() || ip.is_multicast()
                    || a == 0 || a >= 240
                    || (a == 100 && (64..128).contains(&b)) // carriers
                    || (a == 198 && (18..20).contains(&b)) // benchmarks
                    || (a == 192 && b == 0 && c == 0)
            }
            Self::Ip(IpAddr::V6(ip)) => {
                ip.is_loopback()
                    || ip.is_unspecified()
                    || ip.is_multicast()
                    || ip.is_unique_local()
                    || ip.is_unicast_link_local()
                    || ip.segments()[0] & 0xffc0 == 0xfec0
            }
        }
    }

    pub(crate) fn shown(&self) -> String {
        match self {
            Self::Name(name) => name.clone(),
            Self::Ip(IpAddr::V4(ip)) => ip.to_string(),
            Self::Ip(IpAddr::V6(ip)) => format!("[{ip}]"),
        }
    }
}

/// An IPv4 address that is written as IPv6 is that IPv4 address: mapped, compatible, NAT64
/// (RFC 6052) and 6to4 (RFC 3056).
pub(crate) fn plain(ip: IpAddr) -> IpAddr {
    let IpAddr::V6(v6) = ip else { return ip };
    let s = v6.segments();
    let low = || {
        let [a, b] = s[6].to_be_bytes();
        let [c, d] = s[7].to_be_bytes();
        IpAddr::V4(Ipv4Addr::new(a, b, c, d))
    };
    match s {
        [0, 0, 0, 0, 0, 0 | 0xffff, ..] if !v6.is_loopback() && !v6.is_unspecified() => low(),
        [0, 0, 0, 0, 0xffff, 0, ..] | [0x64, 0xff9b, 0, 0, 0, 0, ..] | [0x64, 0xff9b, 1, ..] => low(),
        [0x2002, high, rest, ..] => {
            let [a, b] = high.to_be_bytes();
            let [c, d] = rest.to_be_bytes();
            IpAddr::V4(Ipv4Addr::new(a, b, c, d))
        }
        _ => ip,
    }
}

impl Address {
    /// Reads an address that was parsed.
    pub(crate) fn of(url: &Url, raw: &str) -> Option<Self> {
        let host = match url.host_str().filter(|host| !host.is_empty()) {
            Some(host) => Some(HostName::parse(host).or_else(|| HostName::parse(&decode(host)))?),
            None => None,
        };
        let is_cut = matches!(&host, Some(HostName::Name(name)) if name.starts_with('.'));
        Some(Self {
            scheme: url.scheme().to_owned(),
            host,
            port: url.port(),
            path: url.path().to_owned(),
            rest: url[url::Position::AfterPath..].to_owned(),
            is_ambiguous: is_cut || without_zone(raw).is_some() || is_ambiguous(raw),
        })
    }

    /// The port that is spoken to.
    pub(crate) fn effective_port(&self) -> Option<u16> {
        self.port.or(match self.scheme.as_str() {
            "http" | "ws" => Some(80),
            "https" | "wss" => Some(443),
            "ssh" | "sftp" | "git+ssh" => Some(22),
            "git" => Some(9418),
            "ftp" => Some(21),
            _ => None,
        })
    }

    pub(crate) fn shown(&self) -> String {
        let host = self.host.as_ref().map(HostName::shown).unwrap_or_default();
        let port = self.port.map(|port| format!(":{port}")).unwrap_or_default();
        match (self.scheme.as_str(), &self.host) {
            ("", _) => format!("{host}{port}"),
            (scheme, None) => format!("{scheme}:{}{}", self.path, self.rest),
            (scheme, Some(_)) => format!("{scheme}://{host}{port}{}{}", self.path, self.rest),
        }
    }
}

/// Whether programs are known to disagree on where an address points: a backslash before its query,
/// control characters and white space within, more than one `@`, an `@` right behind `#` or `?`.
fn is_ambiguous(raw: &str) -> bool {
    let raw = raw.trim_matches(|letter: char| letter.is_ascii_whitespace());
    let rest = raw.split_once(':').map_or(raw, |(_, rest)| rest).trim_start_matches('/');
    let authority = rest.split('/').next().unwrap_or_default();
    let before = authority.split(['?', '#']).next().unwrap_or_default();
    let head = rest.split(['?', '#']).next().unwrap_or_default();
    head.contains('\\')
        || raw.chars().any(|letter| letter.is_control() || letter.is_whitespace())
        || authority.matches('@').count() > 1
        || authority.contains('@') && !before.contains('@')
}

/// An address whose numeric host names an interface (`[fe80::1%25eth0]`), without that.
pub(crate) fn without_zone(raw: &str) -> Option<String> {
    let (head, rest) = raw.split_once("://[")?;
    let (host, tail) = rest.split_once(']')?;
    let (number, _) = host.split_once('%')?;
    Some(format!("{head}://[{number}]{tail}"))
}

/// Address as another reader may read an ambiguous one: the part behind the last `@`.
pub(crate) fn other_reading(raw: &str) -> Option<String> {
    if !is_ambiguous(raw) {
        return None;
    }
    let rest = raw.split_once(':').map_or(raw, |(_, rest)| rest).trim_start_matches(['/', '\\']);
    let (_, after) = rest.rsplit_once('@')?;
    Some(format!("http://{}", after.trim_start_matches(['/', '\\'])))
}

impl Mailbox {
    /// Reads `ann@x.org`, `Ann <ann@x.org>`, `"ann"@x.org`.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let text = text.trim();
        let text = text.rsplit_once('<').map_or(text, |(_, inner)| inner.split('>').next().unwrap_or(inner));
        let text = decode(text.trim().trim_start_matches("mailto:"));
        let (local, domain) = text.rsplit_once('@')?;
        let local = local.trim().trim_matches('"').to_lowercase();
        if local.is_empty() {
            return None;
        }
        let is_routed = local.contains(['%', '!', '@', ':'])
            || local.chars().any(char::is_whitespace)
            || domain.trim().starts_with('.');
        Some(Self { local, domain: HostName::parse(domain.trim())?, is_routed })
    }

    /// The local part without `+tag` and comments.
    pub(crate) fn base(&self) -> &str {
        self.local.split(['+', '(']).next().unwrap_or_default()
    }

    pub(crate) fn shown(&self) -> String {
        format!("{}@{}", self.local, self.domain.shown())
    }
}

/// The digits of a telephone number, with `+` where it is international; absent when it is none.
pub(crate) fn phone(text: &str) -> Option<String> {
    let text = text.trim();
    let text = text.split(';').next().unwrap_or(text);
    let ok = |letter: char| letter.is_ascii_digit() || " +-()./\u{a0}".contains(letter);
    if !text.chars().all(ok) {
        return None;
    }
    let digits: String = text.chars().filter(char::is_ascii_digit).collect();
    if !(5..=20).contains(&digits.len()) {
        return None;
    }
    Some(match digits.strip_prefix("00") {
        Some(rest) => format!("+{rest}"),
        None if text.starts_with('+') => format!("+{digits}"),
        None => digits,
    })
}

/// Percent-encoding resolved once. What is no encoding stays.
pub(crate) fn decode(text: &str) -> String {
    let bytes = text.as_bytes();
    if !bytes.contains(&b'%') {
        return text.to_owned();
    }
    let digit = |at: usize| bytes.get(at).and_then(|byte| (*byte as char).to_digit(16));
    let mut decoded = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while at < bytes.len() {
        if bytes[at] == b'%'
            && let (Some(high), Some(low)) = (digit(at + 1), digit(at + 2))
        {
            decoded.push(u8::try_from(high * 16 + low).unwrap_or(b'?'));
            at += 3;
        } else {
            decoded.push(bytes[at]);
            at += 1;
        }
    }
    String::from_utf8_lossy(&decoded).into_owned()
}
