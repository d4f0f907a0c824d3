//! Paths in command lines: operands of commands that work on files, redirections, and what any word may hold.

use super::super::finder::Finder;
use super::super::path::{Weight, Written};
use super::Word;
use super::known::Known;

/// Files that stand for no file.
const STREAMS: &[&str] = &["/dev/null", "/dev/stdin", "/dev/stdout", "/dev/stderr", "/dev/tty"];

/// The most words that braces are unfolded to.
const BRACES_LIMIT: usize = 32;

/// The paths that the parts of any word are: behind `=`, `@`, commas, and between the colons of a list of paths.
pub(super) fn of_word(finder: &mut Finder, word: &Word, hints: bool) {
    let text = word.text.as_str();
    if text.contains("://") || text.contains(char::is_whitespace) {
        return;
    }
    for part in attached(text).split(['=', ',', ';']) {
        let part = part.trim_start_matches(['<', '>', '&', '@', '"', '\'']);
        let is_list = begins_a_path(part);
        for (index, piece) in part.split(if is_list { ':' } else { '\0' }).enumerate() {
            let is_first = index == 0;
            // `-v /etc:/x` names a folder of this machine, and then one of another.
            if is_first && is_stated(piece) {
                put(finder, word, piece, Weight::Stated);
            } else if hints && (piece.contains('/') || piece.starts_with('.') && piece.len() > 1) {
                put(finder, word, piece, Weight::Hint);
            }
        }
    }
}

/// `-T/etc/x` without its option.
fn attached(text: &str) -> &str {
    match text.strip_prefix('-') {
        Some(option) if !option.starts_with('-') => {
            let value = option.char_indices().nth(1).map_or("", |(at, _)| &option[at..]);
            if begins_a_path(value.trim_start_matches('@')) { value } else { text }
        }
        _ => text,
    }
}

fn begins_a_path(text: &str) -> bool {
    text.starts_with(['/', '~', '.', '$'])
}

/// Whether a path says itself that it leads out of the folder where the command runs.
fn is_stated(path: &str) -> bool {
    let is_parent = path == ".." || path.starts_with("../") || path.contains("/../") || path.ends_with("/..");
    path.len() > 1 && path.starts_with('/')
        || path.starts_with('~') && (path.len() == 1 || path.contains('/'))
        || is_parent
        || path.starts_with("$HOME/")
        || path.starts_with("${HOME}/")
}

/// A file that is read or written: everything that it may name is a path.
pub(super) fn file(finder: &mut Finder, word: &Word) {
    if word.text.is_empty() || word.text.contains("://") {
        return;
    }
    // What a variable holds is looked at where it is set; `{}` is what a command before it found.
    let is_nothing_but_open = word.is_open
        && (word.text.starts_with(['$', '`', '<', '>']) || word.text.starts_with("{}"))
        && !is_stated(&word.text);
    if !is_nothing_but_open {
        let weight = if is_stated(&word.text) { Weight::Stated } else { Weight::Operand };
        put(finder, word, &word.text, weight);
    }
}

fn put(finder: &mut Finder, word: &Word, path: &str, weight: Weight) {
    if STREAMS.contains(&path) || path.starts_with("/dev/fd/") {
        return;
    }
    let is_open = word.is_open && path.contains(['$', '`', '{']) && !is_home(path);
    for path in braces(path) {
        finder.path_as(&path, Written { weight, is_open, is_pattern: word.is_pattern });
    }
}

/// Whether nothing but the home is left to the shell.
fn is_home(path: &str) -> bool {
    let rest = path.strip_prefix("$HOME/").or_else(|| path.strip_prefix("${HOME}/"));
    rest.is_some_and(|rest| !rest.contains(['$', '`', '{']))
}

/// `/etc/{a,b}` as the paths that a shell makes of it, and as it is written.
fn braces(path: &str) -> Vec<String> {
    let mut paths = vec![path.to_owned()];
    let mut at = 0;
    while let Some(one) = paths.get(at).cloned() {
        at += 1;
        let Some(begin) = one.find('{').filter(|begin| !one[..*begin].ends_with('$')) else { continue };
        let Some(end) = one[begin..].find('}').map(|length| begin + length) else { continue };
        let inner = &one[begin + 1..end];
        if !inner.contains(',') {
            continue;
        }
        for choice in inner.split(',') {
            if paths.len() == BRACES_LIMIT {
                return paths;
            }
            paths.push(format!("{}{choice}{}", &one[..begin], &one[end + 1..]));
        }
    }
    paths
}

/// The operands of a command that works on files.
pub(super) fn operands(finder: &mut Finder, name: &str, rest: &[Word]) {
    let Some(Known::Files(skipped) | Known::Scripted(skipped)) = Known::of(name) else { return };
    // `grep -e x file`: what the first operand would be is said by an option.
    let is_stated =
        |word: &&Word| matches!(word.text.as_str(), "-e" | "-f" | "--expression" | "--regexp" | "--file");
    let mut skipped = if rest.iter().any(|word| is_stated(&word)) { 0 } else { skipped };
    let mut is_value = false;
    let mut ends_options = false;
    for (index, word) in rest.iter().enumerate() {
        let text = word.text.as_str();
        if !ends_options && text.starts_with('-') {
            ends_options = text == "--";
            is_value = matches!(text, "-e" | "--expression" | "--regexp");
            continue;
        }
        // `tar czf x`, `dd if=x`
        let is_cluster = name.ends_with("tar") && index == 0;
        if std::mem::take(&mut is_value) || is_cluster || text.parse::<f64>().is_ok() {
            continue;
        }
        if skipped > 0 {
            skipped -= 1;
            continue;
        }
        match text.split_once('=').filter(|_| name == "dd") {
            Some((_, value)) => file(finder, &word.part(value)),
            None => file(finder, word),
        }
    }
}
