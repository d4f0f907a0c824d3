//! Paths: separators, `.` and `..`, percent-encoding, and nothing that only a disk could tell.

use super::address::decode;
use unicode_normalization::UnicodeNormalization;
use zos_rules::is_unseen;

/// Evidence in a call that a word is a path.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub(crate) enum Weight {
    /// An argument is the path, or the path says itself that it leads elsewhere.
    #[default]
    Stated,
    /// A command works on it, in the folder where it runs.
    Operand,
    /// A word looks like one. Only what lists name counts.
    Hint,
}

/// Circumstances in which a path was met.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub(crate) struct Written {
    pub(crate) weight: Weight,
    /// Whether the path is not known: a shell decides it, or programs read it differently.
    pub(crate) is_open: bool,
    /// Whether `*`, `?` and `[` in it stand for other letters.
    pub(crate) is_pattern: bool,
}

/// The forms of a path: as written, and once and twice decoded where that is something else.
pub(super) fn forms(raw: &str) -> Vec<String> {
    let mut forms = vec![normal(raw.trim())];
    let mut add = |form: String| {
        if !forms.contains(&form) {
            forms.push(form);
        }
    };
    // Some readers trim and some do not.
    add(normal(raw));
    add(normal(&tidy(raw)));
    let mut text = raw.to_owned();
    for _ in 0..2 {
        let decoded = decode(&text);
        if decoded == text {
            break;
        }
        add(normal(&decoded));
        add(normal(&tidy(&decoded)));
        text = decoded;
    }
    forms
}

/// A path as programs read it that fold its letters: full width, invisible letters and controls gone, blanks around
/// the names of folders gone.
fn tidy(raw: &str) -> String {
    let folded: String = raw
        .nfkc()
        .filter(|letter| !is_unseen(*letter))
        .map(
            |letter| if matches!(letter, '\\' | '\u{2044}' | '\u{2215}' | '\u{29f8}') { '/' } else { letter },
        )
        .collect();
    folded.split('/').map(str::trim).collect::<Vec<_>>().join("/")
}

/// Whether programs are known to disagree on which file a path names: controls within it, and folders that are `.`
/// or `..` only to a reader that drops or folds letters.
pub(super) fn is_read_differently(raw: &str) -> bool {
    let differs = |text: &str| {
        let is_step = |part: &str| !part.is_empty() && part.bytes().all(|byte| byte == b'.');
        let steps = |text: &str| text.split(['/', '\\']).filter(|part| is_step(part)).count();
        let long = |text: &str| text.split(['/', '\\']).any(|part| is_step(part) && part.len() > 2);
        text.trim().chars().any(char::is_control) || steps(text) != steps(&tidy(text)) || long(text)
    };
    if differs(raw) {
        return true;
    }
    let once = decode(raw);
    once != raw && (differs(&once) || differs(&decode(&once)))
}

/// One path in its normal form: absolute (`/a/b`, `~/a`, `c:/a`) or relative (`a/b`, `../a`, `.`).
pub(super) fn normal(raw: &str) -> String {
    let text: String = raw.nfc().map(|letter| if letter == '\\' { '/' } else { letter }).collect();
    let text = ["${HOME}", "$HOME"]
        .iter()
        .find_map(|home| text.strip_prefix(home))
        .map(|rest| format!("~{rest}"))
        .or_else(|| {
            ["${PWD}", "$PWD"].iter().find_map(|here| text.strip_prefix(here)).map(|rest| format!(".{rest}"))
        })
        .unwrap_or(text);
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

/// Whether `path` may be `base` or, where `is_tree`, lie under it, in any way in which it may be read: whatever the
/// case, the home by its own path, above the folder where it runs, by the folders of a process, and from the root where
/// `base` is relative. `is_pattern`: `*`, `?` and `[` stand for other letters.
pub(super) fn may_be(path: &str, base: &str, is_tree: bool, is_pattern: bool) -> bool {
    let base = base.to_lowercase();
    let lower = path.to_lowercase();
    let fits = |path: &str, base: &str| {
        let is_pattern = is_pattern && path.contains(['*', '?', '[']);
        let is_there = match is_pattern {
            true => pattern_reaches(path, base, is_tree),
            false if is_tree => is_under(path, base),
            false => path == base,
        };
        is_there || ends_at(path, base, is_tree, is_pattern)
    };
    if fits(&lower, &base) || readings(&lower).iter().any(|reading| fits(reading, &base)) {
        return true;
    }
    // `~/x`, where the list names the home by its path.
    lower.starts_with('~') && of_home(&base).is_some_and(|base| fits(&lower, &base))
}

/// Whether an absolute path is `base`, or lies under it, seen from one of the folders that it leads through. A relative
/// base is about the folder where a tool runs, which no call states: any folder may be it. `.` names none of them, so it
/// ends no path.
fn ends_at(path: &str, base: &str, is_tree: bool, is_pattern: bool) -> bool {
    let name = base.trim_start_matches("../");
    if !is_absolute(path) || is_absolute(base) || matches!(name, "." | "..") {
        return false;
    }
    path.match_indices('/').any(|(at, _)| {
        let seen = &path[at + 1..];
        if is_pattern {
            return parts_reach(seen, name, is_tree);
        }
        seen.strip_prefix(name).is_some_and(|rest| rest.is_empty() || is_tree && rest.starts_with('/'))
    })
}

/// Other ways to read a path in lower case.
fn readings(path: &str) -> Vec<String> {
    let mut readings: Vec<String> = of_home(path).into_iter().collect();
    if let Some(rest) = path.strip_prefix("../") {
        let mut rest = rest;
        while let Some(deeper) = rest.strip_prefix("../") {
            rest = deeper;
        }
        readings.push(format!("/{rest}"));
        readings.push(format!("~/{rest}"));
        readings.extend(of_home(&format!("/{rest}")));
    }
    if let Some(rest) = path.strip_prefix("/private/") {
        readings.push(format!("/{rest}"));
    }
    if let Some((process, rest)) = path.strip_prefix("/proc/").and_then(|rest| rest.split_once('/')) {
        let is_process =
            matches!(process, "self" | "thread-self") || process.bytes().all(|byte| byte.is_ascii_digit());
        if is_process && let Some(rest) = rest.strip_prefix("root/") {
            readings.push(format!("/{rest}"));
        } else if is_process && let Some(rest) = rest.strip_prefix("cwd/") {
            readings.push(rest.to_owned());
        }
    }
    readings
}

/// `/home/ann/x`, `/Users/ann/x`, `/root/x`, `C:/Users/ann/x` and `~ann/x` as `~/x`. Takes lower case.
fn of_home(path: &str) -> Option<String> {
    if let Some(rest) = path.strip_prefix("/root/") {
        return Some(format!("~/{rest}"));
    }
    let named = ["/home/", "/users/", "c:/users/", "~"].iter().find_map(|head| path.strip_prefix(head))?;
    let (name, rest) = named.split_once('/')?;
    (!name.is_empty()).then(|| format!("~/{rest}"))
}

/// Whether a shell may put a file in the place of a pattern that is `base` or lies under it.
fn pattern_reaches(pattern: &str, base: &str, is_tree: bool) -> bool {
    if is_absolute(pattern) != is_absolute(base) {
        return false;
    }
    if base == "." || base == "/" {
        return is_tree && !pattern.starts_with("../");
    }
    parts_reach(pattern, base, is_tree)
}

/// Whether the parts of a pattern may stand for those of `base`, one after another from the first.
fn parts_reach(pattern: &str, base: &str, is_tree: bool) -> bool {
    let mut parts = pattern.split('/');
    for own in base.split('/') {
        match parts.next() {
            // Folders at any depth: what is below may be there.
            Some("**") => return true,
            Some(part) if part_fits(part, own) => {}
            _ => return false,
        }
    }
    is_tree || parts.next().is_none()
}

/// Whether a part of a pattern may stand for a name. A dot at the beginning must be written.
fn part_fits(part: &str, name: &str) -> bool {
    let is_hidden = name.starts_with('.') && !part.starts_with('.');
    !is_hidden && fits_from(part, name)
}

/// Whether a pattern without `/` fits a name, within linear time in each star.
fn fits_from(pattern: &str, name: &str) -> bool {
    let pattern: Vec<char> = pattern.chars().collect();
    let name: Vec<char> = name.chars().collect();
    let (mut at, mut read) = (0, 0);
    let mut star: Option<(usize, usize)> = None;
    while read < name.len() {
        match pattern.get(at) {
            Some('*') => {
                star = Some((at, read));
                at += 1;
                continue;
            }
            // A set of letters is taken for any letter.
            Some('[') if pattern[at..].contains(&']') => {
                at += pattern[at..].iter().position(|letter| *letter == ']').unwrap_or(0) + 1;
                read += 1;
                continue;
            }
            Some(letter) if *letter == '?' || *letter == name[read] => {
                at += 1;
                read += 1;
                continue;
            }
            _ => {}
        }
        let Some((begin, taken)) = star else { return false };
        star = Some((begin, taken + 1));
        at = begin + 1;
        read = taken + 1;
    }
    pattern[at..].iter().all(|letter| *letter == '*')
}

/// Whether a pattern may lead out of the folders that it names: a part that fits `..`.
pub(super) fn may_climb(pattern: &str) -> bool {
    pattern
        .split('/')
        .any(|part| part.starts_with(['.', '[']) && part.contains(['*', '?', '[']) && fits_from(part, ".."))
}
