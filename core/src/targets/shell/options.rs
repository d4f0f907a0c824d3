//! Where options, settings and variables lead a command.

use super::super::extract::{Finder, is_host_like};
use super::{Word, address, find, host, remote};

/// Options of `git` before its command that take a value.
const GIT_VALUES: &[&str] = &["-C", "-c", "--git-dir", "--work-tree", "--namespace", "--config-env"];

/// Whether a command speaks to where its arguments say.
pub(super) fn reaches_out(name: &str) -> bool {
    [
        "curl", "wget", "ssh", "scp", "sftp", "rsync", "nc", "ncat", "netcat", "telnet", "ping", "dig",
        "host", "nslookup", "http", "https",
    ]
    .contains(&name)
}

/// `http_proxy=…`, `--https-proxy=…`, `http.proxy=…`, `ProxyJump=…`, in any word of any command.
pub(super) fn setting(finder: &mut Finder, word: &Word) {
    let Some((key, value)) = word.text.split_once('=') else { return };
    let key = key.trim_start_matches('-').to_ascii_lowercase();
    let part = Word { text: value.to_owned(), is_open: word.is_open };
    let is_switch = ["", "on", "off", "yes", "no", "true", "false", "0", "1"].contains(&value);
    if key.ends_with("proxy") && !key.starts_with("no") && !is_switch {
        address(finder, &part, "http");
    }
    // `-oProxyJump=…` has its letter before it.
    if key.ends_with("proxyjump") || matches!(key.as_str(), "hostname" | "ohostname") {
        way(finder, &part, "J");
    }
}

/// The machines that `ssh` goes over (`-J`) or connects with (`-W`, `-L`, `-R`).
pub(super) fn way(finder: &mut Finder, value: &Word, kind: &str) {
    let part = |text: &str| Word { text: text.to_owned(), is_open: value.is_open };
    match kind {
        "J" => value.text.split(',').for_each(|hop| address(finder, &part(hop), "ssh")),
        "W" => address(finder, value, "ssh"),
        // `[bind:]port:host:port`; without a host it is a proxy that the other side steers.
        _ => match value.text.rsplit_once(':') {
            Some((head, port)) => {
                let name = match head.rfind('[').filter(|_| head.ends_with(']')) {
                    Some(begin) => &head[begin..],
                    None => head.rsplit(':').next().unwrap_or(head),
                };
                host(finder, &part(name), Some(port));
            }
            None => finder.unreadable(&value.text),
        },
    }
}

pub(super) fn git(finder: &mut Finder, rest: &[Word], depth: usize) {
    let mut at = 0;
    while let Some(word) = rest.get(at).filter(|word| word.text.starts_with('-')) {
        if word.text == "-c"
            && let Some((key, value)) = rest.get(at + 1).and_then(|pair| pair.text.split_once('='))
        {
            configuration(finder, key, value, depth);
        }
        at += 1 + usize::from(GIT_VALUES.contains(&word.text.as_str()));
    }
    let Some((command, rest)) = rest.get(at..).and_then(<[Word]>::split_first) else { return };
    let known = ["clone", "fetch", "pull", "push", "remote", "ls-remote", "submodule", "config", "archive"];
    if !known.contains(&command.text.as_str()) {
        return;
    }
    for word in rest {
        if !word.text.starts_with('-') {
            remote(finder, word, false, depth);
        } else if let Some((_, value)) = word.text.split_once('=') {
            remote(finder, &Word { text: value.to_owned(), is_open: word.is_open }, false, depth);
        }
    }
    if command.text == "config" {
        let plain: Vec<&Word> = rest.iter().filter(|word| !word.text.starts_with('-')).collect();
        for pair in plain.windows(2) {
            configuration(finder, &pair[0].text, &pair[1].text, depth);
        }
    }
}

/// One setting of git.
fn configuration(finder: &mut Finder, key: &str, value: &str, depth: usize) {
    let lower = key.to_ascii_lowercase();
    let plain = |text: &str| Word { text: text.to_owned(), is_open: text.contains(['$', '`']) };
    if lower.starts_with("url.") && (lower.ends_with(".insteadof") || lower.ends_with(".pushinsteadof")) {
        let end = key.rfind('.').unwrap_or(key.len());
        remote(finder, &plain(key.get(4..end).unwrap_or_default()), false, depth);
    } else if lower.ends_with("proxy") && lower.contains('.') && !value.is_empty() {
        address(finder, &plain(value), "http");
    } else if lower.ends_with(".url") || lower.ends_with(".pushurl") {
        remote(finder, &plain(value), false, depth);
    } else if lower.ends_with("command") && depth < super::NESTING_LIMIT {
        find(finder, value, depth + 1);
    }
}

/// Images that lie on a registry of their own: `host/image`, `host:port/image`.
pub(super) fn images(finder: &mut Finder, rest: &[Word]) {
    for word in rest.iter().filter(|word| !word.text.starts_with(['-', '/', '.', '~'])) {
        let text = word.text.strip_prefix("docker://").unwrap_or(&word.text);
        let Some((registry, _)) = text.split_once('/') else { continue };
        if is_host_like(registry.split(':').next().unwrap_or(registry)) {
            host(finder, &Word { text: registry.to_owned(), is_open: word.is_open }, Some("443"));
        }
    }
}
