//! Names of hosts among words that nothing declares to be hosts.
//!
//! A name counts where its last label is a delegated top-level domain or one of private networks. That tells
//! `api.acme.com` from `os.path`, and not `main.rs` from a host in Serbia: names that end as files do need a
//! further sign.

use std::collections::HashSet;
use std::net::{Ipv4Addr, Ipv6Addr};
use std::sync::LazyLock;

use super::address::HostName;

static DELEGATED: LazyLock<HashSet<&'static str>> = LazyLock::new(|| {
    let lines = include_str!("tlds.txt").lines().filter(|line| !line.starts_with('#'));
    lines.flat_map(str::split_ascii_whitespace).collect()
});

/// Last labels that no registry delegates and that resolve all the same in some networks.
const UNDELEGATED: &[&str] = &[
    "local",
    "localhost",
    "localdomain",
    "internal",
    "intranet",
    "lan",
    "home",
    "corp",
    "private",
    "test",
    "example",
    "invalid",
    "onion",
    "i2p",
];

/// Top-level domains that are better known as ends of file names.
const FILE_ENDS: &[&str] = &[
    "ai", "am", "app", "bz", "cat", "cc", "in", "ink", "java", "la", "md", "mk", "ml", "mo", "mov", "ms",
    "pl", "pm", "ps", "pub", "py", "rs", "sc", "sh", "so", "st", "tf", "vi", "zip",
];

/// A host that a word names, with the port that it states.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Named<'t> {
    pub(super) host: &'t str,
    pub(super) port: Option<&'t str>,
}

/// Hosts that the parts of a word name: behind `=`, `@` and commas, before `:` and `/`. A word with a scheme
/// names none here: it is read as an address elsewhere.
pub(super) fn in_word(word: &str) -> impl Iterator<Item = Named<'_>> {
    let value = match word.strip_prefix('-') {
        // `--host=x`, `-hx`
        Some(option) if !option.starts_with('-') && !option.contains('=') => {
            option.char_indices().nth(1).map_or("", |(at, _)| &option[at..])
        }
        _ => word,
    };
    let parts = value.split(['=', ',', ';', '"', '\'', '(', ')', '{', '}', '<', '>', '|']);
    parts.filter(|part| !part.contains("://")).filter_map(|part| {
        // `tcp:x.org:80`
        in_part(part).or_else(|| part.split_once(':').and_then(|(_, rest)| in_part(rest)))
    })
}

/// The host of `user@host:port/path`.
pub(super) fn in_part(part: &str) -> Option<Named<'_>> {
    let (has_user, rest) = match part.split('/').next().unwrap_or(part).rfind('@') {
        Some(at) => (true, &part[at + 1..]),
        None => (false, part),
    };
    if rest.parse::<Ipv6Addr>().is_ok() {
        return Some(Named { host: rest, port: None });
    }
    if let Some(inner) = rest.strip_prefix('[') {
        let end = inner.find(']')?;
        inner[..end].parse::<Ipv6Addr>().ok()?;
        let port = inner[end + 1..].strip_prefix(':').map(digits).filter(|port| !port.is_empty());
        return Some(Named { host: &rest[..end + 2], port });
    }
    let end = rest.find([':', '/', '?', '#']).unwrap_or(rest.len());
    let host = rest[..end].trim_end_matches(['.', '!']);
    let behind = &rest[end..];
    let port = behind.strip_prefix(':').map(digits).filter(|port| !port.is_empty());
    let is_certain = has_user && host.contains('.') || behind.starts_with('/');
    is_host(host, is_certain).then_some(Named { host, port })
}

fn digits(text: &str) -> &str {
    &text[..text.find(|letter: char| !letter.is_ascii_digit()).unwrap_or(text.len())]
}

/// Whether a bare word is the name or the number of a host. `is_certain`: it cannot be the name of a file.
pub(super) fn is_host(host: &str, is_certain: bool) -> bool {
    if host.eq_ignore_ascii_case("localhost") || host.parse::<Ipv4Addr>().is_ok() {
        return true;
    }
    // Dots of other scripts are dots to whoever resolves the name.
    let dot = |letter: char| matches!(letter, '.' | '。' | '．' | '｡');
    let Some((at, width)) =
        host.char_indices().rfind(|(_, letter)| dot(*letter)).map(|(at, letter)| (at, letter.len_utf8()))
    else {
        return false;
    };
    let (head, last) = (&host[..at], &host[at + width..]);
    let is_plain =
        |letter: char| letter.is_alphanumeric() || dot(letter) || matches!(letter, '-' | '_' | '\u{ad}');
    let is_label =
        !head.is_empty() && !head.starts_with('.') && !host.contains("..") && host.chars().all(is_plain);
    let Some(last) = Some(last).filter(|_| is_label).and_then(top_level) else { return false };
    is_certain || !FILE_ENDS.contains(&last.as_str())
}

/// A last label in its ASCII form, where names can end in it.
fn top_level(last: &str) -> Option<String> {
    let last = match HostName::parse(last)? {
        HostName::Name(name) => name,
        HostName::Ip(_) => return None,
    };
    (DELEGATED.contains(last.as_str()) || UNDELEGATED.contains(&last.as_str())).then_some(last)
}

/// Whether a word can hardly be meant as anything but a place: an address, a name with a dot that resolves, a
/// number that only an address is so large as.
pub(super) fn is_evident(word: &str) -> bool {
    if word.contains("://") {
        return true;
    }
    let mut parts = word.split([',', '=']).flat_map(|part| [part, part.trim_start_matches(['@', '/', '\\'])]);
    parts.any(|part| {
        let host = part.rsplit('@').next().unwrap_or(part).split(['/', '?', '#']).next().unwrap_or_default();
        let bare =
            host.split_once(':').filter(|(_, rest)| !rest.contains(':')).map_or(host, |(head, _)| head);
        is_host(bare.trim_end_matches('.'), true)
            || in_part(part).is_some()
            || is_number(bare)
            || bare.contains('.') && matches!(HostName::parse(bare), Some(HostName::Ip(_)))
    })
}

/// A single number that programs take for an IPv4 address: below this one it is more likely a count or a port.
const LEAST_ADDRESS: u64 = 1 << 24;

fn is_number(word: &str) -> bool {
    let digits = word.strip_prefix("0x").or_else(|| word.strip_prefix("0X"));
    match digits {
        Some(digits) => digits.len() >= 7 && digits.bytes().all(|byte| byte.is_ascii_hexdigit()),
        None => word.parse::<u64>().is_ok_and(|number| (LEAST_ADDRESS..1 << 32).contains(&number)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_name_hosts_where_a_resolver_would_take_them() {
        for (word, hosts) in [
            ("api.acme.com", &["api.acme.com"][..]),
            ("eve@api.acme.org:22", &["api.acme.org"]),
            ("--host=db.acme.io", &["db.acme.io"]),
            ("-hdb.acme.io", &["db.acme.io"]),
            ("a.acme.net,b.acme.net:9", &["a.acme.net", "b.acme.net"]),
            ("acme.dev/x@latest", &["acme.dev"]),
            ("10.1.2.3:80", &["10.1.2.3"]),
            ("[fd00::7]:80", &["[fd00::7]"]),
            ("fd00::7", &["fd00::7"]),
            ("build.md/x", &["build.md"]),
            ("git@x.sh", &["x.sh"]),
            ("tcp:acme.com:80", &["acme.com"]),
            ("localhost:3000", &["localhost"]),
            ("münchen.de", &["münchen.de"]),
            ("a。acme。com", &["a。acme。com"]),
        ] {
            let found: Vec<&str> = in_word(word).map(|named| named.host).collect();
            assert_eq!(found, hosts, "{word}");
        }
        for word in [
            "os.path",
            "main.rs",
            "main.rs:12",
            "README.md",
            "./build.sh",
            "x.tar.gz",
            "1.2.3",
            "v1.2.3.4",
            "src/a.com",
            "Cargo.lock",
            "--version",
            "-la",
            ".env.example",
            "a..com",
            "s/a/b/",
            "std::fmt",
            "https://acme.com",
            "a.b.c",
        ] {
            assert_eq!(in_word(word).count(), 0, "{word}");
        }
    }

    #[test]
    fn only_places_are_evident() {
        for word in [
            "acme.com",
            "x.sh",
            "2130706433",
            "0x7f000001",
            "127.1",
            "http://x",
            "eve@acme.com:x",
            "[::1]:80",
        ] {
            assert!(is_evident(word), "{word}");
        }
        for word in ["thing", "to", "5", "443", "jq", "a/b", "x.tar.gz", "--help"] {
            assert!(!is_evident(word), "{word}");
        }
    }
}
