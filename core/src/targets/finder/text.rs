//! Addresses in running text: everything with a scheme, `//host`, mailboxes.

use super::super::names;
use super::Finder;

/// Schemes that need no `//` behind them.
const BARE: &[&str] = &[
    "http",
    "https",
    "ws",
    "wss",
    "ftp",
    "file",
    "data",
    "mailto",
    "javascript",
    "vbscript",
    "tel",
    "sms",
    "blob",
    "view-source",
    "jar",
    "feed",
];

/// Finds the addresses of a text, and those that readers make links of although they state no scheme.
pub(in crate::targets) fn find(finder: &mut Finder, text: &str) {
    scan(finder, text, true);
}

/// Finds the addresses of a command line, where `www.x.org` is what its command makes of it.
pub(in crate::targets) fn addresses(finder: &mut Finder, text: &str) {
    scan(finder, text, false);
}

/// Finds the addresses in attributes of HTML that a line break or tab stands in: browsers drop it.
pub(in crate::targets) fn attributes(finder: &mut Finder, text: &str) {
    let mut rest = text;
    while let Some(at) = rest.find('=') {
        rest = &rest[at + 1..];
        let value = rest.trim_start();
        let Some(quote) = value.chars().next().filter(|first| matches!(first, '"' | '\'')) else { continue };
        let Some(length) = value[1..].find(quote) else { continue };
        let value = value[1..=length].trim();
        if value.contains(['\t', '\n', '\r']) {
            find(finder, &value.replace(['\t', '\n', '\r'], ""));
        }
    }
}

/// Finds the hosts of shares (`\\\\host\\share`), which mail and chat programs of Windows make links of.
pub(in crate::targets) fn shares(finder: &mut Finder, text: &str) {
    for (at, _) in text.match_indices("\\\\") {
        if text[..at].ends_with('\\') {
            continue;
        }
        let rest = &text[at + 2..];
        let end = rest.find(|letter: char| !(letter.is_alphanumeric() || ".-@_".contains(letter)));
        let host = &rest[..end.unwrap_or(rest.len())];
        let name = host.split('@').next().unwrap_or(host);
        if rest[host.len()..].starts_with('\\') && names::is_host(name, true) {
            finder.host(name, Some("445"));
        }
    }
}

fn scan(finder: &mut Finder, text: &str, is_prose: bool) {
    let bytes = text.as_bytes();
    let mut done = 0;
    let mut at = 0;
    while at < bytes.len() {
        if at >= done {
            let found = match bytes[at] {
                b':' => with_scheme(finder, text, at, done),
                b'/' if text[at..].starts_with("//") => without_scheme(finder, text, at),
                b'@' => mailbox(finder, text, at),
                b'w' | b'W' if is_prose => bare_web(finder, text, at),
                _ => None,
            };
            done = found.unwrap_or(done);
        }
        at += 1;
    }
}

fn with_scheme(finder: &mut Finder, text: &str, colon: usize, done: usize) -> Option<usize> {
    let bytes = text.as_bytes();
    let is_scheme = |byte: &u8| byte.is_ascii_alphanumeric() || b"+.-".contains(byte);
    let mut start =
        colon - bytes[done..colon].iter().rev().take(32).take_while(|byte| is_scheme(byte)).count();
    while start < colon && !bytes[start].is_ascii_alphabetic() {
        start += 1;
    }
    let scheme = text[start..colon].to_ascii_lowercase();
    let rest = &text[colon + 1..];
    let is_slashed = rest.starts_with("//")
        || rest.starts_with("\\\\")
        || rest.starts_with("/\\")
        || rest.starts_with("\\/");
    let is_bare = BARE.contains(&scheme.as_str());
    if scheme.len() < 2 || !(is_slashed || is_bare) {
        return None;
    }
    // What stands before `http` belongs to the sentence: `see.https://…`.
    if is_slashed && !is_bare && !scheme.contains('+') {
        for known in ["https", "http"] {
            if scheme.ends_with(known) {
                start = colon - known.len();
                break;
            }
        }
    }
    let end = colon + 1 + word_end(rest);
    let body = text[colon + 1..end].trim_start_matches(['/', '\\']);
    let is_meant = !body.is_empty()
        && match scheme.as_str() {
            "data" => body.contains(','),
            "mailto" => body.contains('@') || body.contains('%'),
            "tel" | "sms" => body.starts_with(|first: char| first == '+' || first.is_ascii_digit()),
            "file" => rest.starts_with(['/', '\\']),
            _ => true,
        };
    if !is_meant {
        return None;
    }
    finder.url(&text[start..end], false);
    Some(end)
}

/// `//host.tld/…`, which takes the scheme of the page it stands in.
fn without_scheme(finder: &mut Finder, text: &str, at: usize) -> Option<usize> {
    let before = text[..at].chars().next_back();
    if before.is_some_and(|before| !before.is_whitespace() && !"(<\"'=[`".contains(before)) {
        return None;
    }
    let rest = &text[at + 2..];
    // What stands behind the host is looked at once it is known that this is one.
    let head = &rest
        [..rest.find(|letter: char| letter.is_whitespace() || "/?#".contains(letter)).unwrap_or(rest.len())];
    let authority = &head[..word_end(head)];
    let host = authority.rsplit('@').next().unwrap_or(authority);
    let host = host.split(':').next().unwrap_or(host).trim_end_matches('.');
    let is_host = host.chars().all(|letter| letter.is_alphanumeric() || ".-%".contains(letter));
    let (_, last) = host.rsplit_once('.')?;
    if !is_host || last.len() < 2 && !last.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let end = at + 2 + word_end(rest);
    finder.url(&format!("https:{}", &text[at..end]), false);
    Some(end)
}

/// `www.host/…`, which readers of text make a link of.
fn bare_web(finder: &mut Finder, text: &str, at: usize) -> Option<usize> {
    let rest = &text[at..];
    let head = rest.get(..4).filter(|head| head.eq_ignore_ascii_case("www."))?;
    let before = text[..at].chars().next_back();
    let is_inside = before.is_some_and(|before| before.is_alphanumeric() || "./\\-@:%".contains(before));
    if is_inside || !rest[head.len()..].starts_with(char::is_alphanumeric) {
        return None;
    }
    let end = at + word_end(rest);
    // `www.x@y.org` is a mailbox.
    let authority = text[at..end].split(['/', '?', '#']).next().unwrap_or_default();
    if authority.contains('@') {
        return None;
    }
    finder.url(&format!("http://{}", &text[at..end]), false);
    Some(end)
}

fn mailbox(finder: &mut Finder, text: &str, at: usize) -> Option<usize> {
    let is_local = |letter: char| letter.is_alphanumeric() || ".!#$%&'*+/=?^_`{|}~-".contains(letter);
    let is_domain = |letter: char| letter.is_alphanumeric() || ".-。．｡".contains(letter);
    let start = text[..at]
        .rfind(|letter| !is_local(letter))
        .map_or(0, |place| place + text[place..].chars().next().map_or(1, char::len_utf8));
    let end = text[at + 1..].find(|letter| !is_domain(letter)).map_or(text.len(), |length| at + 1 + length);
    let domain = text[at + 1..end].trim_end_matches(['.', '-']);
    let (_, last) = domain.rsplit_once(['.', '。', '．', '｡'])?;
    if start == at || last.chars().count() < 2 || last.chars().all(|letter| letter.is_ascii_digit()) {
        return None;
    }
    let local = text[start..at].trim_start_matches(['.', '/', '`', '\'', '{', '=', '|']);
    if local.is_empty() {
        return None;
    }
    finder.mail_in_text(&format!("{local}@{domain}"));
    Some(end)
}

/// End of an address: at white space and quotes, at a bracket that it did not open, and before the
/// punctuation of the sentence.
fn word_end(text: &str) -> usize {
    let mut depth = 0_i32;
    let mut end = text.len();
    for (at, letter) in text.char_indices() {
        match letter {
            '(' => depth += 1,
            ')' if depth == 0 => {
                end = at;
                break;
            }
            ')' => depth -= 1,
            '"' | '<' | '>' | '`' | '\'' | '{' | '}' | '|' => {
                end = at;
                break;
            }
            // `http://[::1]/`
            ']' if !text[..at].contains('[') => {
                end = at;
                break;
            }
            _ if letter.is_whitespace() || letter.is_control() => {
                end = at;
                break;
            }
            _ => {}
        }
    }
    text[..end].trim_end_matches(['.', ',', ';', ':', '!', '?', '*', '_']).len()
}
