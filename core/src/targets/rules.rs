//! A room's lists of targets, and what they make of one.

use super::address::{self, Address, HostName, Mailbox};
use super::path::{self, Weight, Written};
use super::{Form, Judged, JudgedTarget, Target, TargetKind, TargetVerdict};
use crate::glob::Glob;
use std::net::IpAddr;
use url::Url;

/// Targets of tool calls, and the verdict on each.
#[derive(Clone, PartialEq, Debug)]
pub struct Targets {
    /// Verdict on a target that no list names.
    pub default: TargetVerdict,
    /// Targets that are allowed.
    pub allow: Vec<TargetEntry>,
    /// Targets that are denied.
    pub deny: Vec<TargetEntry>,
    /// Targets that the owner confirms.
    pub confirm: Vec<TargetEntry>,
    /// Whether links in text are judged too.
    pub check_links: bool,
}

impl Default for Targets {
    fn default() -> Self {
        Self {
            default: TargetVerdict::Allow,
            allow: Vec::new(),
            deny: Vec::new(),
            confirm: Vec::new(),
            check_links: false,
        }
    }
}

/// One entry of a list.
#[derive(Clone, PartialEq, Debug)]
pub struct TargetEntry {
    pattern: TargetPattern,
}

/// Targets that an entry names.
#[derive(Clone, PartialEq, Debug)]
enum TargetPattern {
    /// `*`: every public host.
    Any,
    /// `private`: this machine and its network.
    Private,
    /// `acme.com`, `*.acme.com`, `acme.com:8443`, `10.0.0.7`.
    Host { host: HostName, is_below: bool, port: Option<u16> },
    /// `10.0.0.0/8`.
    Net { ip: IpAddr, bits: u8 },
    /// `https://acme.com/docs/**`.
    Url { address: Address, path: String },
    /// `scheme:data`.
    Scheme(String),
    /// `ann@x.org`.
    Mailbox(Mailbox),
    /// `@acme.com`, `@*.acme.com`.
    Mailboxes { host: HostName, is_below: bool },
    /// `/dir/**`, `/dir/file`.
    Path { path: String, is_tree: bool },
    /// `tool:Bash`, `#general`, `repo:acme/*`, `phone:+4930123456`, …
    Word(TargetKind, Glob),
}

/// Why an entry is none.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct EntryError {
    /// The fault, as a part of a sentence.
    pub message: &'static str,
    /// Text to write instead.
    pub fix: &'static str,
}

const WORDS: &[(&str, TargetKind)] = &[
    ("tool:", TargetKind::Tool),
    ("model:", TargetKind::Model),
    ("room:", TargetKind::Room),
    ("channel:", TargetKind::Channel),
    ("repo:", TargetKind::Repo),
    ("provider:", TargetKind::Provider),
    ("connector:", TargetKind::Connector),
];

const NO_HOST: EntryError = EntryError {
    message: "this is no host, address, mailbox, path or name",
    fix: "write `acme.com`, `*.acme.com`, `@acme.com`, `/dir/**`, `10.0.0.0/8`, `repo:owner/name` or `tool:NAME`",
};

impl std::str::FromStr for TargetEntry {
    type Err = EntryError;

    fn from_str(text: &str) -> Result<Self, EntryError> {
        read(text.trim()).map(|pattern| Self { pattern })
    }
}

fn read(text: &str) -> Result<TargetPattern, EntryError> {
    if text.is_empty() {
        return Err(EntryError { message: "the entry is empty", fix: "remove it, or name a target" });
    }
    match text {
        "*" => return Ok(TargetPattern::Any),
        "private" => return Ok(TargetPattern::Private),
        _ => {}
    }
    if let Some((kind, name)) = WORDS.iter().find_map(|(head, kind)| Some((*kind, text.strip_prefix(head)?)))
    {
        return Ok(TargetPattern::Word(kind, Glob::new(&kind.normal(name))));
    }
    if let Some(scheme) = text.strip_prefix("scheme:") {
        return Ok(TargetPattern::Scheme(scheme.trim_end_matches(':').to_ascii_lowercase()));
    }
    if text.starts_with('#') {
        return Ok(TargetPattern::Word(TargetKind::Channel, Glob::new(&TargetKind::Channel.normal(text))));
    }
    if let Some(number) = text.strip_prefix("phone:").or(text.starts_with('+').then_some(text)) {
        let number = address::phone(number)
            .ok_or(EntryError { message: "this is no telephone number", fix: "write it as +4930123456" })?;
        return Ok(TargetPattern::Word(TargetKind::Phone, Glob::new(&number)));
    }
    if text.contains("://") {
        return read_url(text);
    }
    if let Some(domain) = text.strip_prefix('@') {
        let (host, is_below) = read_host(domain)?;
        return Ok(TargetPattern::Mailboxes { host, is_below });
    }
    if path::is_absolute(text)
        || text.starts_with("./")
        || text.starts_with("../")
        || text == "."
        || text.starts_with("file:")
    {
        return read_path(text.strip_prefix("file:").unwrap_or(text));
    }
    if text.contains('@') {
        return Mailbox::parse(text)
            .filter(|mailbox| !mailbox.is_routed)
            .map(TargetPattern::Mailbox)
            .ok_or(NO_HOST);
    }
    if let Some((ip, bits)) = text.split_once('/') {
        return match (ip.trim_matches(['[', ']']).parse::<IpAddr>(), bits.parse::<u8>()) {
            (Ok(ip), Ok(bits)) if bits <= if ip.is_ipv4() { 32 } else { 128 } => {
                Ok(TargetPattern::Net { ip, bits })
            }
            _ => Err(NO_HOST),
        };
    }
    let (host, port) = match text.rsplit_once(':') {
        Some((host, port)) if !host.contains(':') || host.ends_with(']') => {
            let port = port.parse::<u16>().map_err(|_| EntryError {
                message: "the port of this entry is no number from 0 to 65535",
                fix: "write it as acme.com:8443",
            })?;
            (host, Some(port))
        }
        _ => (text, None),
    };
    let (host, is_below) = read_host(host)?;
    Ok(TargetPattern::Host { host, is_below, port })
}

fn read_host(text: &str) -> Result<(HostName, bool), EntryError> {
    let (name, is_below) = text.strip_prefix("*.").map_or((text, false), |name| (name, true));
    if name.contains(['*', '/', '@', ' ']) {
        return Err(EntryError {
            message: "a star stands only for whole labels in front of a host",
            fix: "write `*.acme.com` for its subdomains, and `acme.com` beside it for the host itself",
        });
    }
    HostName::parse(name).map(|host| (host, is_below)).ok_or(NO_HOST)
}

fn read_url(text: &str) -> Result<TargetPattern, EntryError> {
    let broken =
        EntryError { message: "this is no web address", fix: "write it as https://acme.com/docs/**" };
    let trimmed = text.trim_end_matches('*');
    let url = Url::parse(trimmed).map_err(|_| broken)?;
    let address = Address::of(&url, trimmed).filter(|address| address.host.is_some()).ok_or(broken)?;
    let path = path::normal(&address::decode(&address.path));
    Ok(TargetPattern::Url { address, path })
}

fn read_path(text: &str) -> Result<TargetPattern, EntryError> {
    let (head, is_tree) = match text.strip_suffix("/**").or_else(|| text.strip_suffix("/*")) {
        Some(head) => (if head.is_empty() { "/" } else { head }, true),
        None => (text, text.ends_with('/')),
    };
    if head.contains('*') {
        return Err(EntryError {
            message: "a star stands only at the end of a path",
            fix: "write `/dir/**` for what lies under a folder",
        });
    }
    Ok(TargetPattern::Path { path: path::normal(head), is_tree })
}

impl Targets {
    /// Whether there is anything that could stop or hold a call.
    #[must_use]
    pub fn are_active(&self) -> bool {
        self.default != TargetVerdict::Allow || !self.deny.is_empty() || !self.confirm.is_empty()
    }

    /// Verdict on a target, and the id of the rule that decides: deny, confirm, allow, default.
    pub(super) fn judge(&self, target: &Target) -> (TargetVerdict, String) {
        let first = |list: &[TargetEntry], is_wide: bool| {
            list.iter().position(|entry| entry.pattern.holds(target, is_wide))
        };
        let is_beyond = match target.form {
            Form::TooMany => Some(self.are_active()),
            Form::TooManyPaths => Some(self.lists_paths()),
            _ => None,
        };
        if let Some(is_judged) = is_beyond {
            let verdict = if is_judged { TargetVerdict::Deny } else { TargetVerdict::Allow };
            return (verdict, "target-limit".to_owned());
        }
        if let Some(index) = first(&self.deny, true) {
            return (TargetVerdict::Deny, format!("target-deny/{}", index + 1));
        }
        if let Some(index) = first(&self.confirm, true) {
            return (TargetVerdict::Confirm, format!("target-confirm/{}", index + 1));
        }
        if let Some(index) = first(&self.allow, false) {
            return (TargetVerdict::Allow, format!("target-allow/{}", index + 1));
        }
        let weight = match &target.form {
            Form::Path { written, .. } => written.weight,
            _ => Weight::Stated,
        };
        let is_judged = match weight {
            Weight::Stated => self.speaks_of(target.kind),
            Weight::Operand => self.allow.iter().any(TargetEntry::is_path),
            Weight::Hint => false,
        };
        if !is_judged {
            return (TargetVerdict::Allow, "target-unlisted".to_owned());
        }
        (self.default, "target-default".to_owned())
    }

    /// Verdicts on all targets of a call, and the strictest for the whole.
    pub(super) fn judge_all(&self, targets: Vec<Target>) -> Judged {
        let targets: Vec<JudgedTarget> = targets
            .into_iter()
            .map(|target| {
                let (verdict, rule) = self.judge(&target);
                JudgedTarget { target, verdict, rule }
            })
            .collect();
        let verdict = targets.iter().map(|target| target.verdict).max().unwrap_or(TargetVerdict::Allow);
        Judged { verdict, targets }
    }

    /// Whether any list names a path.
    fn lists_paths(&self) -> bool {
        [&self.deny, &self.confirm, &self.allow].into_iter().flatten().any(TargetEntry::is_path)
    }

    /// Whether the default holds for a kind of target. Every call has a tool: for names it does only where the
    /// allow list has one.
    pub(super) fn speaks_of(&self, kind: TargetKind) -> bool {
        let is_name = matches!(kind, TargetKind::Tool | TargetKind::Model | TargetKind::Room);
        let is_of = |entry: &TargetEntry| matches!(&entry.pattern, TargetPattern::Word(of, _) if *of == kind);
        !is_name || self.allow.iter().any(is_of)
    }
}

impl TargetEntry {
    /// The names of provider tools that it stands for, where it is an entry of these.
    pub(super) fn provider(&self) -> Option<&Glob> {
        match &self.pattern {
            TargetPattern::Word(TargetKind::Provider, glob) => Some(glob),
            _ => None,
        }
    }

    fn is_path(&self) -> bool {
        matches!(self.pattern, TargetPattern::Path { .. })
    }
}

impl TargetPattern {
    /// Whether it holds a target. To deny is wide (any scheme, any port, any reading); to allow is narrow.
    fn holds(&self, target: &Target, is_wide: bool) -> bool {
        match (&target.form, self) {
            (Form::Web(address), _) => self.holds_address(address, is_wide),
            (Form::Mail(mailbox), Self::Mailbox(own)) => {
                own.domain == mailbox.domain
                    && (own.local == mailbox.local || is_wide && own.local == mailbox.base())
                    && (is_wide || !mailbox.is_routed)
            }
            (Form::Mail(mailbox), Self::Mailboxes { host, is_below }) => {
                is_same(host, *is_below, &mailbox.domain) && (is_wide || !mailbox.is_routed)
            }
            (
                Form::Path { forms, written: Written { is_open, is_pattern, .. } },
                Self::Path { path, is_tree },
            ) => {
                let fits = |form: &String| {
                    let is_inside = if *is_tree { path::is_under(form, path) } else { form == path };
                    is_inside
                        && !(*is_pattern
                            && (path::may_climb(form) || !is_tree && form.contains(['*', '?', '['])))
                };
                if is_wide {
                    forms.iter().any(|form| path::may_be(form, path, *is_tree, *is_pattern))
                } else {
                    !is_open && forms.iter().all(fits)
                }
            }
            (Form::Word(word), Self::Word(kind, glob)) => *kind == target.kind && glob.matches(word),
            _ => false,
        }
    }

    fn holds_address(&self, address: &Address, is_wide: bool) -> bool {
        if !is_wide && address.is_ambiguous {
            return false;
        }
        let Some(host) = &address.host else {
            return matches!(self, Self::Scheme(scheme) if *scheme == address.scheme);
        };
        let is_plain = || is_wide || is_plain_web(address);
        match self {
            Self::Any => is_wide || is_plain_web(address) && !host.is_private(),
            Self::Private => host.is_private() && (is_wide || is_web(address)),
            Self::Host { host: own, is_below, port } => {
                is_same(own, *is_below, host)
                    && match port {
                        None => is_plain(),
                        Some(port) => {
                            address.effective_port() == Some(*port) && (is_wide || is_carrier(address))
                        }
                    }
            }
            Self::Net { ip, bits } => {
                matches!(host, HostName::Ip(own) if is_inside(*own, *ip, *bits)) && is_plain()
            }
            Self::Url { address: own, path } => {
                own.scheme == address.scheme
                    && own.host.as_ref() == Some(host)
                    && own.effective_port() == address.effective_port()
                    && {
                        let forms = path::forms(&address.path);
                        let under = |form: &String| path::is_under(form, path);
                        if is_wide { forms.iter().any(under) } else { forms.iter().all(under) }
                    }
            }
            Self::Scheme(scheme) => *scheme == address.scheme,
            _ => false,
        }
    }
}

fn is_same(own: &HostName, is_below: bool, host: &HostName) -> bool {
    match own {
        HostName::Name(name) => host.fits(name, is_below),
        HostName::Ip(_) => !is_below && own == host,
    }
}

/// Whether an address is of the web, or a host without a scheme.
fn is_web(address: &Address) -> bool {
    matches!(address.scheme.as_str(), "http" | "https" | "")
}

fn is_plain_web(address: &Address) -> bool {
    is_web(address)
        && (address.port.is_none() || address.scheme.is_empty() && matches!(address.port, Some(80 | 443)))
}

/// Whether a port that is named may be spoken to in the scheme of an address.
fn is_carrier(address: &Address) -> bool {
    is_web(address)
        || matches!(address.scheme.as_str(), "ws" | "wss" | "ssh" | "sftp" | "git" | "git+ssh" | "ftp")
}

fn is_inside(ip: IpAddr, net: IpAddr, bits: u8) -> bool {
    let (ip, net, width) = match (ip, net) {
        (IpAddr::V4(ip), IpAddr::V4(net)) => (u128::from(ip.to_bits()), u128::from(net.to_bits()), 32),
        (IpAddr::V6(ip), IpAddr::V6(net)) => (ip.to_bits(), net.to_bits(), 128),
        _ => return false,
    };
    let shift = u32::from(width - bits.min(width));
    ip.checked_shr(shift).unwrap_or(0) == net.checked_shr(shift).unwrap_or(0)
}
