//! Paths: separators, `.` and `..`, percent-encoding, and nothing that only a disk could tell.

use super::address::decode;
use unicode_normalization::UnicodeNormalization;

/// The forms of a path: as written, and once and twice decoded where that is something else.
pub(super) fn forms(raw: &str) -> Vec<String> {
    let mut forms = vec![normal(raw.trim())];
    // Some readers trim and some do not.
    if raw.trim() != raw {
        forms.push(normal(raw));
    }
    let mut text = raw.to_owned();
    for _ in 0..2 {
        let decoded = decode(&text);
        if decoded == text {
            break;
        }
        let form = normal(&decoded);
        if !forms.contains(&form) {
            forms.push(form);
        }
        text = decoded;
    }
    forms
}

/// One path in its normal form: absolute (`/a/b`, `~/a`, `c:/a`) or relative (`a/b`, `../a`, `.`).
pub(super) fn normal(raw: &str) -> String {
    let text: String = raw.nfc().map(|letter| if letter == '\\' { '/' } else { letter }).collect();
    let text = ["${HOME}", "$HOME"]
        .iter()
        .find_map(|home| text.strip_prefix(home))
        .map_or(text.clone(), |rest| format!("~{rest}"));
    let (root, rest) = split_root(&text);
    let mut parts: Vec<&str> = Vec::new();
    for part in rest.split('/') {
        match part {
            "" | "." => {}
            ".." if parts.last().is_some_and(|last| *last != "..") => {
                parts.pop();
            }
            // Nothing lies above a root.
            ".." if root == "/" || root.ends_with(":/") => {}
            _ => parts.push(part),
        }
    }
    let joined = parts.join("/");
    match (root.as_str(), joined.is_empty()) {
        ("", true) => ".".to_owned(),
        ("", false) => joined,
        ("~", true) => "~".to_owned(),
        ("~", false) => format!("~/{joined}"),
        _ => format!("{root}{joined}"),
    }
}

fn split_root(text: &str) -> (String, &str) {
    // `\\?\C:\x` is `C:\x`.
    let text = text.strip_prefix("//?/").unwrap_or(text);
    let bytes = text.as_bytes();
    if let [drive, b':', ..] = bytes
        && drive.is_ascii_alphabetic()
    {
        return (format!("{}:/", drive.to_ascii_lowercase() as char), &text[2..]);
    }
    if let Some(rest) = text.strip_prefix('~')
        && (rest.is_empty() || rest.starts_with('/'))
    {
        return ("~".to_owned(), rest);
    }
    match text.strip_prefix('/') {
        Some(rest) => ("/".to_owned(), rest),
        None => (String::new(), text),
    }
}

/// Whether `path` is `base` or lies under it.
pub(super) fn is_under(path: &str, base: &str) -> bool {
    match base {
        "." => !is_absolute(path) && path != ".." && !path.starts_with("../"),
        "/" => path.starts_with('/'),
        _ => {
            path == base
                || path
                    .strip_prefix(base)
                    .is_some_and(|rest| rest.starts_with('/') || base.ends_with('/'))
                    // `~/../x` lies under nothing that is known.
                    && !path[base.len()..].split('/').any(|part| part == "..")
        }
    }
}

pub(super) fn is_absolute(path: &str) -> bool {
    path.starts_with(['/', '~']) || path.as_bytes().get(1) == Some(&b':')
}
