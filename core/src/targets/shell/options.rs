//! Targets in options, settings and variables of commands.

use super::super::finder::{Finder, is_host_like};
use super::network::{address, host, remote};
use super::{Mode, Word, nested};

/// Options of `git` before its command that take a value.
const GIT_VALUES: &[&str] = &["-C", "-c", "--git-dir", "--work-tree", "--namespace", "--config-env"];

/// `http_proxy=…`, `--https-proxy=…`, `http.proxy=…`, `ProxyJump=…`, in any word of any command.
pub(super) fn setting(finder: &mut Finder, word: &Word) {
    let Some((key, value)) = word.text.split_once('=') else { return };
    let key = key.trim_start_matches('-').to_ascii_lowercase();
    let part = word.part(value);
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
    let part = |text: &str| value.part(text);
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

pub(super) fn git(finder: &mut Finder, rest: &[Word]) {
    let mut at = 0;
    while let Some(word) = rest.get(at).filter(|word| word.text.starts_with('-')) {
        if word.text == "-c"
            && let Some((key, value)) = rest.get(at + 1).and_then(|pair| pair.text.split_once('='))
        {
            configuration(finder, key, value);
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
            remote(finder, word, false);
        } else if let Some((_, value)) = word.text.split_once('=') {
            remote(finder, &word.part(value), false);
        }
    }
    if command.text == "config" {
        let plain: Vec<&Word> = rest.iter().filter(|word| !word.text.starts_with('-')).collect();
        for pair in plain.windows(2) {
            configuration(finder, &pair[0].text, &pair[1].text);
        }
    }
}

/// One setting of git.
fn configuration(finder: &mut Finder, key: &str, value: &str) {
    let lower = key.to_ascii_lowercase();
    let plain =
        |text: &str| Word { text: text.to_owned(), is_open: text.contains(['$', '`']), ..Word::default() };
    if lower.starts_with("url.") && (lower.ends_with(".insteadof") || lower.ends_with(".pushinsteadof")) {
        let end = key.rfind('.').unwrap_or(key.len());
        remote(finder, &plain(key.get(4..end).unwrap_or_default()), false);
    } else if lower.ends_with("proxy") && lower.contains('.') && !value.is_empty() {
        address(finder, &plain(value), "http");
    } else if lower.ends_with(".url") || lower.ends_with(".pushurl") {
        remote(finder, &plain(value), false);
    } else if lower.ends_with("command") {
        nested(finder, value, Mode::Script);
    }
}

/// Images that lie on a registry of their own: `host/image`, `host:port/image`.
pub(super) fn images(finder: &mut Finder, rest: &[Word]) {
    for word in rest.iter().filter(|word| !word.text.starts_with(['-', '/', '.', '~'])) {
        let text = word.text.strip_prefix("docker://").unwrap_or(&word.text);
        let Some((registry, _)) = text.split_once('/') else { continue };
        if is_host_like(registry.split(':').next().unwrap_or(registry)) {
            host(finder, &word.part(registry), Some("443"));
        }
    }
}

/// Commands of `gh` whose operand is a repository.
const REPOSITORY_COMMANDS: &[&str] = &["repo", "extension", "ext"];

/// Repositories that `gh` and `glab` work on: by option, by operand, by the path of a call.
pub(super) fn forge(finder: &mut Finder, rest: &[Word]) {
    let mut repository = |word: &Word, text: &str| match word.is_open {
        true => finder.unreadable(text),
        false => finder.repository(text),
    };
    let mut at = 0;
    let mut plain: Vec<&Word> = Vec::new();
    while let Some(word) = rest.get(at) {
        at += 1;
        let text = word.text.as_str();
        if let Some(value) = text.strip_prefix("--repo=").or_else(|| text.strip_prefix("-R=")) {
            repository(word, value);
        } else if matches!(text, "--repo" | "-R") {
            if let Some(value) = rest.get(at) {
                repository(value, &value.text);
            }
            at += 1;
        } else if let Some(value) = text.strip_prefix("-R") {
            repository(word, value);
        } else if !text.starts_with('-') {
            plain.push(word);
        }
    }
    let Some((command, operands)) = plain.split_first() else { return };
    if command.text == "api" {
        for word in operands {
            let path = word.text.trim_start_matches('/');
            let mut parts = path.split(['/', '?']);
            if matches!(parts.next(), Some("repos" | "projects"))
                && let (Some(owner), Some(name)) = (parts.next(), parts.next())
            {
                repository(word, &format!("{owner}/{name}"));
            }
        }
    } else if REPOSITORY_COMMANDS.contains(&command.text.as_str()) {
        let is_named = |word: &&&Word| {
            let slashes = word.text.matches('/').count();
            (1..=2).contains(&slashes) && !word.text.starts_with(['.', '/', '~']) && !word.text.contains(':')
        };
        for word in operands.iter().filter(is_named) {
            repository(word, &word.text);
        }
    }
}

/// Long options whose value is a host, in commands of which nothing else is known.
const HOST_OPTIONS: &[&str] = &[
    "--host",
    "--hostname",
    "--server",
    "--broker",
    "--brokers",
    "--bootstrap-server",
    "--address",
    "--addr",
    "--endpoint",
    "--registry",
    "--nameserver",
    "--remote-host",
    "--peer",
    "--dns",
];

/// Clients of databases and queues, whose `-h` is a host.
const SHORT_HOST: &[&str] = &[
    "psql",
    "pg_dump",
    "pg_restore",
    "createdb",
    "dropdb",
    "mysql",
    "mysqldump",
    "mariadb",
    "mysqladmin",
    "redis-cli",
    "valkey-cli",
    "mosquitto_pub",
    "mosquitto_sub",
    "ldapsearch",
    "influx",
    "cqlsh",
    "clickhouse-client",
    "mongodump",
];

/// Hosts without a dot behind an option that names one.
pub(super) fn named_hosts(finder: &mut Finder, name: &str, rest: &[Word]) {
    let is_host = |option: &str| {
        HOST_OPTIONS.contains(&option.to_ascii_lowercase().as_str())
            || option == "-h" && SHORT_HOST.contains(&name)
    };
    for (at, word) in rest.iter().enumerate() {
        let (option, own) =
            word.text.split_once('=').map_or((word.text.as_str(), None), |(key, value)| (key, Some(value)));
        if !is_host(option) {
            continue;
        }
        let own = own.map(|own| word.part(own));
        if let Some(value) =
            own.as_ref().or_else(|| rest.get(at + 1)).filter(|value| !value.text.starts_with('-'))
        {
            if value.text.is_empty() || value.text.contains("://") {
                continue;
            }
            host(finder, value, None);
        }
    }
}
