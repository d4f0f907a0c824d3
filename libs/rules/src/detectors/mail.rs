//! Mail addresses of persons.
//!
//! An address is a local part, `@`, and a name under a top-level domain that exists. What only has its form
//! is left alone: a login of a machine (`git@host:path`, `ssh www@host`), the user of an address with a
//! password, a file name, an algorithm of SSH; and so is a mailbox that nobody reads (`noreply@`).

use std::collections::HashSet;
use std::sync::OnceLock;

use super::{Detector, detector};
use crate::checks::{Find, follows, is_unspaced};
use crate::pattern::runs::Need;

/// An address may hold letters of any script. What follows a colon tells a path on a machine.
pub(super) const DETECTOR: Detector = detector(
    "email",
    r"(?:\b[A-Za-z0-9_]|[^\x00-\x7F])(?:[A-Za-z0-9._%+'-]|[^\x00-\x7F])*@(?:(?:[A-Za-z0-9-]|[^\x00-\x7F])+\.)+(?:[A-Za-z0-9-]|[^\x00-\x7F]){2,}(?::[A-Za-z0-9._~/-]+)?",
    320,
)
.checked(mail)
.needing(Need::At, 66);

/// The most bytes of a local part, by RFC 5321.
const LOCAL_MAX_BYTES: usize = 64;

/// Domains and top-level domains that are reserved for examples and tests, by RFC 2606 and RFC 6761.
const RESERVED: [&str; 3] = ["example.com", "example.org", "example.net"];
const RESERVED_TOPS: [&str; 3] = ["example", "test", "invalid"];

/// Mailboxes that send and are read by nobody.
const UNREAD: [&str; 9] = [
    "noreply",
    "no-reply",
    "no_reply",
    "no.reply",
    "donotreply",
    "do-not-reply",
    "do_not_reply",
    "nobody",
    "mailer-daemon",
];

/// Names that are written like addresses to say who defined an algorithm (RFC 4251, section 6).
const ALGORITHMS: [&str; 3] = ["openssh.com", "libssh.org", "lysator.liu.se"];

fn top_level_domains() -> &'static HashSet<&'static str> {
    static DOMAINS: OnceLock<HashSet<&'static str>> = OnceLock::new();
    DOMAINS.get_or_init(|| {
        let lines = include_str!("domains.txt").lines().filter(|line| !line.starts_with('#'));
        lines.flat_map(str::split_whitespace).collect()
    })
}

fn is_top_level(label: &str) -> bool {
    let label = label.to_lowercase();
    top_level_domains().contains(label.as_str()) || RESERVED_TOPS.contains(&label.as_str())
}

fn mail(before: &str, matched: &str) -> Option<Find> {
    let at = matched.find('@')?;
    // Of a longer row of letters and signs only the end can be a local part.
    let first = (at.saturating_sub(LOCAL_MAX_BYTES)..at).find(|place| begins(matched, *place))?;
    let (before, first) = if first == 0 { (before, 0) } else { (&matched[..first], first) };
    let start = first + local_start(before, &matched[first..at]);
    let local = &matched[start..at];
    let rest = &matched[at + 1..];
    let (domain, path) = rest.split_once(':').unwrap_or((rest, ""));
    let domain = domain_of(domain)?;
    let is_login = path.contains('/') || is_user_of_address(before, start == 0) || is_login(before);
    if local.is_empty() || is_login || is_nobody(local, domain) {
        return None;
    }
    let lower = domain.to_lowercase();
    let reserved = RESERVED
        .iter()
        .any(|name| lower.strip_suffix(name).is_some_and(|sub| sub.is_empty() || sub.ends_with('.')));
    let top = lower.rsplit('.').next().unwrap_or_default();
    let is_example = reserved || RESERVED_TOPS.contains(&top);
    Some(Find::of(start..at + 1 + domain.len()).example_if(is_example))
}

/// Whether an address can begin at a place of a match: where a word does, and with any letter that is not ASCII.
fn begins(matched: &str, place: usize) -> bool {
    let is_word = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_';
    let bytes = matched.as_bytes();
    let starts = is_word(bytes[place]) && !place.checked_sub(1).is_some_and(|last| is_word(bytes[last]));
    matched.is_char_boundary(place) && (starts || !bytes[place].is_ascii())
}

/// Where the local part begins: not with an escape, a prefix of a literal or the end of another word.
fn local_start(before: &str, text: &str) -> usize {
    let mut start = 0;
    let mut last = ' ';
    for (place, c) in text.char_indices() {
        let is_part = c.is_alphanumeric() || matches!(c, '.' | '_' | '%' | '+' | '\'' | '-');
        // A script without spaces, or another alphabet, ends where Latin letters begin.
        let turns = c.is_ascii_alphabetic() && last.is_alphabetic() && is_foreign(last);
        if !is_part {
            start = place + c.len_utf8();
        } else if turns {
            start = place;
        }
        last = c;
    }
    if start == 0 {
        start = after_escape(before, text);
    }
    while let Some((place, skipped)) = percent_escape(&text[start..]) {
        start += place + skipped;
    }
    let local = &text[start..];
    if local.len() > 2 && local.starts_with(['f', 'b', 'r', 'u']) && local[1..].starts_with('\'') {
        start += 2;
    }
    start + (text[start..].len() - text[start..].trim_start_matches(['.', '\'', '-', '%', '+']).len())
}

fn is_foreign(c: char) -> bool {
    is_unspaced(c) || matches!(u32::from(c), 0x370..=0x6FF | 0x900..=0xDFF)
}

/// Letters at the beginning that belong to an escape sequence: `\nann@…`, `\u003cann@…`, `\x3cann@…`.
fn after_escape(before: &str, text: &str) -> usize {
    let slashes = before.len() - before.trim_end_matches('\\').len();
    if slashes == 0 {
        return 0;
    }
    let digits = |from: usize, count: usize| {
        text.get(from..from + count).is_some_and(|digits| digits.bytes().all(|byte| byte.is_ascii_hexdigit()))
    };
    match text.as_bytes().first() {
        Some(b'u') if digits(1, 4) => 5,
        Some(b'x') if digits(1, 2) => 3,
        Some(b'n' | b'r' | b't') => 1,
        _ => 0,
    }
}

/// The place and length of the last `%3C` and the like that stands for no part of an address.
fn percent_escape(text: &str) -> Option<(usize, usize)> {
    text.rmatch_indices('%').find_map(|(at, _)| {
        let code = u8::from_str_radix(text.get(at + 1..at + 3)?, 16).ok()?;
        let is_part = code.is_ascii_alphanumeric()
            || matches!(code, b'.' | b'_' | b'+' | b'-' | b'\'' | b'@' | b'%')
            || code > 127;
        (!is_part).then_some((at, 3))
    })
}

/// As much of a text as is a name under a top-level domain that exists.
fn domain_of(text: &str) -> Option<&str> {
    let is_part = |c: char| c.is_alphanumeric() || matches!(c, '-' | '.');
    let mut domain = &text[..text.find(|c| !is_part(c)).unwrap_or(text.len())];
    loop {
        let (rest, top) = domain.rsplit_once('.')?;
        let foreign = top.find(|c: char| !c.is_ascii()).unwrap_or(top.len());
        let known = [top.len(), foreign].into_iter().find(|end| is_top_level(&top[..*end]));
        if let Some(end) = known {
            let domain = &domain[..rest.len() + 1 + end];
            let label = rest.rsplit('.').next().unwrap_or_default();
            // `icon@2x.ai` is the file of an icon of twice the size.
            let is_scale = rest == label
                && label.len() == 2
                && label.ends_with('x')
                && label.as_bytes()[0].is_ascii_digit();
            let is_name = !label.is_empty() && !rest.starts_with(['-', '.']) && !rest.contains("..");
            return (is_name && !is_scale).then_some(domain);
        }
        domain = rest;
    }
}

/// Whether what stands before is the beginning of an address with a user: `https://user:`.
fn is_user_of_address(before: &str, is_joined: bool) -> bool {
    let Some(at) = before.rfind("://").filter(|_| is_joined) else { return false };
    !before[at + 3..]
        .contains(|c: char| c.is_whitespace() || matches!(c, '/' | '?' | '#' | '"' | '\'' | '<' | '>' | ','))
}

/// Whether a command stands before that logs in at a machine.
fn is_login(before: &str) -> bool {
    let line = before.rsplit(['\n', ';', '|', '&']).next().unwrap_or_default();
    follows(line, &["ssh", "scp", "sftp", "rsync", "mosh", "ssh-copy-id", "sshfs"])
        && line.ends_with([' ', '\t', '\'', '"'])
}

fn is_nobody(local: &str, domain: &str) -> bool {
    let (local, domain) = (local.to_lowercase(), domain.to_lowercase());
    let mailbox = local.split('+').next().unwrap_or_default();
    let unread = UNREAD
        .iter()
        .any(|name| mailbox.strip_prefix(name).is_some_and(|rest| !rest.starts_with(char::is_alphabetic)));
    unread
        || domain.split('.').any(|label| label == "noreply" || label == "no-reply")
        || matches!(mailbox, "git" | "hg" | "svn" | "x-access-token" | "oauth2")
        || ALGORITHMS.contains(&domain.as_str())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(before: &str, matched: &str, expected: Option<&str>) {
        assert_eq!(mail(before, matched).map(|find| &matched[find.range]), expected, "{before}{matched}");
    }

    #[test]
    fn an_address_is_taken_whole_and_nothing_beside_it() {
        check("", "käthe.groß@werk-süd.de", Some("käthe.groß@werk-süd.de"));
        check("\\", "nkim@corp.io", Some("kim@corp.io"));
        check("\\", "u003ckim@corp.io", Some("kim@corp.io"));
        check("to=", "a%3Ckim@corp.io", Some("kim@corp.io"));
        check("x", "联系kim@corp.io请", Some("kim@corp.io"));
        check("", "kim@corp.io.Then", Some("kim@corp.io"));
        check("", "kim@corp.io:secret", Some("kim@corp.io"));
        check("", "o'brien@corp.ie", Some("o'brien@corp.ie"));
        check("", "f'kim@corp.io", Some("kim@corp.io"));
        check("", "kim@xn--wgv71a.xn--p1ai", Some("kim@xn--wgv71a.xn--p1ai"));
        check("", "ольга@школа.рф", Some("ольга@школа.рф"));
    }

    #[test]
    fn logins_files_and_mailboxes_of_nobody_are_none() {
        check("", "deploy@web3.corp.io:/srv", None);
        check("", "git@code.corp.io", None);
        check("https://kim:", "pw@host.corp.io", None);
        check("ssh ", "root@box.corp.io", None);
        check("", "tile@3x.ai", None);
        check("", "left@right.transposed", None);
        check("", "chacha20-poly1305@openssh.com", None);
        check("", "no-reply+77@corp.io", None);
        check("", "12+bot@users.noreply.github.com", None);
        check("https://corp.io/?to=", "kim@corp.io", Some("kim@corp.io"));
    }

    #[test]
    fn reserved_domains_are_examples() {
        for address in ["kim@example.com", "kim@mail.example.net", "kim@corp.test", "kim@corp.example"] {
            assert!(mail("", address).is_some_and(|find| find.is_example), "{address}");
        }
        assert!(mail("", "kim@notexample.com").is_some_and(|find| !find.is_example));
    }
}
