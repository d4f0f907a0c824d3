//! Targets in another form: encoded commands, shares, hosts in code.

use super::super::finder::{Finder, is_host_like};
use base64::Engine;

/// Words of code that opens connections by a host's name.
const CONNECTS: &[&str] = &[
    "socket",
    "tcpclient",
    "httpconnection",
    "httpsconnection",
    "fsockopen",
    "connect(",
    "smtp",
    "ftplib",
    "gethostby",
    "getaddrinfo",
    "resolve",
    "lookup",
];

/// A word that is base64 or hexadecimal of a text.
pub(super) fn text_of(word: &str) -> Option<String> {
    if word.len() < 12 {
        return None;
    }
    [hexadecimal(word), base64(word)].into_iter().flatten().find_map(plain)
}

fn base64(word: &str) -> Option<Vec<u8>> {
    if !word.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"+/=-_".contains(&byte)) {
        return None;
    }
    let word = word.trim_end_matches('=').replace('-', "+").replace('_', "/");
    base64::engine::general_purpose::STANDARD_NO_PAD.decode(word).ok()
}

fn hexadecimal(word: &str) -> Option<Vec<u8>> {
    let digits = word.as_bytes().chunks(2).map(|pair| match pair {
        [high, low] => {
            let value = (*high as char).to_digit(16)? * 16 + (*low as char).to_digit(16)?;
            u8::try_from(value).ok()
        }
        _ => None,
    });
    digits.collect()
}

/// Bytes that are a text, in UTF-16 too, as PowerShell takes it.
fn plain(bytes: Vec<u8>) -> Option<String> {
    let is_wide = bytes.chunks(2).all(|pair| pair.get(1) == Some(&0));
    let bytes = if is_wide { bytes.into_iter().step_by(2).collect() } else { bytes };
    let text = String::from_utf8(bytes).ok()?;
    let is_text = text.chars().all(|letter| !letter.is_control() || letter.is_whitespace());
    (is_text && text.is_ascii()).then_some(text)
}

/// `\\host\share`, before a shell undoes its backslashes.
pub(super) fn shares(finder: &mut Finder, script: &str) {
    for piece in script.split(|letter: char| letter.is_whitespace() || "\"'=,;()".contains(letter)) {
        // `C:\\Users\\ann`
        if let [drive, b':', b'\\', ..] = piece.as_bytes()
            && drive.is_ascii_alphabetic()
        {
            finder.path(piece, false);
        }
        let Some(rest) = piece.strip_prefix("\\\\") else { continue };
        let host = rest.split_once('\\').map(|(host, _)| host).unwrap_or_default();
        if is_host_like(host.split('@').next().unwrap_or(host)) {
            finder.path(piece, false);
        }
    }
}

/// Hosts between quotes, where code opens connections.
pub(super) fn code(finder: &mut Finder, script: &str) {
    let lower = script.to_ascii_lowercase();
    if !CONNECTS.iter().any(|word| lower.contains(word)) {
        return;
    }
    for piece in script.split(['"', '\'', '`', '\\']) {
        let host = piece.rsplit_once(':').map_or(piece, |(host, _)| host);
        if is_host_like(host) {
            finder.host(piece, None);
        }
    }
}

/// The longest name of such a file, in bytes: a host's name has 253 at most.
const SOCKET_LIMIT: usize = 320;

/// Connections that code opens by the name of a file.
pub(super) fn sockets(finder: &mut Finder, script: &str) {
    for (at, _) in script.match_indices("/inet") {
        let rest = &script[at..script.floor_char_boundary(at + SOCKET_LIMIT)];
        let end =
            rest.find(|letter: char| letter.is_whitespace() || "\"'".contains(letter)).unwrap_or(rest.len());
        if let Some((host, port)) = socket(&rest[..end]) {
            finder.host(host, Some(port));
        }
    }
}

/// The host and the port of `/dev/tcp/host/port`, as shells open it, and of `/inet/tcp/0/host/port` of `awk`.
pub(super) fn socket(path: &str) -> Option<(&str, &str)> {
    let rest = match path.strip_prefix("/inet").and_then(|rest| rest.split_once('/')) {
        Some(("" | "4" | "6", rest)) => rest.splitn(3, '/').nth(2)?,
        _ => path.strip_prefix("/dev/tcp/").or_else(|| path.strip_prefix("/dev/udp/"))?,
    };
    Some(rest.split_once('/').unwrap_or((rest, "")))
}
