//! Targets of commands that speak to the network, each read by its own rules.

use super::super::address::HostName;
use super::super::finder::Finder;
use super::{Mode, Word, nested, options, powershell};

/// Options of `curl` and `wget` that take a value, short and long.
const CURL_SHORT: &str = "oHdXuAbceTFwmCrKEQyYztPDhj";
const CURL_LONG: &[&str] = &[
    "output",
    "header",
    "data",
    "data-raw",
    "data-binary",
    "data-urlencode",
    "data-ascii",
    "json",
    "request",
    "user",
    "user-agent",
    "cookie",
    "cookie-jar",
    "form",
    "form-string",
    "upload-file",
    "write-out",
    "max-time",
    "connect-timeout",
    "retry",
    "retry-delay",
    "retry-max-time",
    "cacert",
    "cert",
    "key",
    "range",
    "config",
    "limit-rate",
    "output-document",
    "directory-prefix",
    "post-data",
    "post-file",
    "tries",
    "method",
    "body-data",
    "body-file",
    "max-redirs",
    "output-dir",
    "ciphers",
    "oauth2-bearer",
    "max-filesize",
    "interface",
    "level",
    "accept",
    "reject",
    "wait",
    "quota",
    "append-output",
    "output-file",
    "load-cookies",
    "http-user",
    "http-password",
];
const WGET_SHORT: &str = "OoPtTQwUeARDIXlYi";

/// Reads what stands behind the name of a command. Behind a word that only may be one, words that are evidently
/// places count and no others: see [`Finder::doubts`].
pub(super) fn read(finder: &mut Finder, name: &str, rest: &[Word]) {
    match name {
        "curl" => fetch(finder, rest, CURL_SHORT, CURL_LONG),
        "wget" => fetch(finder, rest, WGET_SHORT, CURL_LONG),
        "http" | "https" | "xh" | "xhs" | "aria2c" | "lynx" | "w3m" | "links" | "axel" => {
            // The first is the address; what follows are fields.
            let mut plain = rest.iter().filter(|word| !word.text.starts_with('-'));
            let mut word = plain.next();
            if word.is_some_and(|word| {
                !word.text.is_empty() && word.text.bytes().all(|byte| byte.is_ascii_uppercase())
            }) {
                word = plain.next();
            }
            if let Some(word) = word {
                address(finder, word, "http");
            }
        }
        _ if powershell::is_known(name) => powershell::find(finder, rest),
        "docker" | "podman" | "nerdctl" | "skopeo" | "crane" => options::images(finder, rest),
        "ssh" | "mosh" | "ssh-copy-id" | "autossh" => ssh(finder, rest),
        "scp" | "sftp" | "rsync" => {
            for word in rest.iter().filter(|word| !word.text.starts_with('-')) {
                remote(finder, word, name == "sftp");
            }
        }
        "git" => options::git(finder, rest),
        "gh" | "glab" => options::forge(finder, rest),
        "nc" | "ncat" | "netcat" | "telnet" | "ftp" | "lftp" | "tftp" | "ping" | "ping6" | "fping"
        | "mtr" | "dig" | "drill" | "nslookup" | "host" | "whois" | "traceroute" | "traceroute6"
        | "tracepath" | "nmap" | "rdesktop" | "proxyjump" | "hostname" => {
            let plain: Vec<&Word> =
                rest.iter().filter(|word| !word.text.starts_with(['-', '+', '>', '<'])).collect();
            let is_pair = plain.get(1).is_some_and(|word| word.text.parse::<u16>().is_ok());
            for (index, word) in plain.iter().enumerate() {
                if !(is_pair && index == 1) && word.text.parse::<u16>().is_err() {
                    let port = plain.get(1).filter(|_| is_pair && index == 0).map(|word| word.text.as_str());
                    host(finder, word, port);
                }
            }
        }
        "socat" => {
            for word in rest {
                let mut parts = word.text.split(':');
                let is_network = parts.next().is_some_and(|kind| {
                    ["tcp", "udp", "openssl", "ssl", "socks"]
                        .iter()
                        .any(|known| kind.to_ascii_lowercase().starts_with(known))
                });
                if let (true, Some(name)) = (is_network, parts.next()) {
                    let port = parts.next().map(|port| port.split(',').next().unwrap_or(port).to_owned());
                    host(finder, &word.part(name), port.as_deref());
                }
            }
        }
        "openssl" => {
            for pair in rest.windows(2).filter(|pair| pair[0].text == "-connect") {
                host(finder, &pair[1], None);
            }
        }
        // The names of its remotes stand in a file.
        "rclone" => {
            let is_remote = |word: &&Word| {
                let name = word.text.split_once(':').map_or("", |(name, _)| name);
                name.len() > 1 && !word.text.starts_with('-') && !name.contains(['/', '.', '='])
            };
            for word in rest.iter().filter(is_remote) {
                finder.unreadable(&word.text);
            }
        }
        "mail" | "mailx" | "mutt" | "sendmail" | "msmtp" => {
            for word in rest.iter().filter(|word| word.text.contains('@')) {
                finder.mail(&word.text);
            }
        }
        _ => {}
    }
}

fn fetch(finder: &mut Finder, rest: &[Word], short: &str, long: &[&str]) {
    let mut at = 0;
    while let Some(word) = rest.get(at) {
        at += 1;
        if let Some(option) = word.text.strip_prefix("--") {
            let (option, value) =
                option.split_once('=').map_or((option, None), |(name, value)| (name, Some(value)));
            match option {
                "url" | "proxy" | "preproxy" | "socks5" | "socks5-hostname" | "socks4" | "doh-url" => {
                    let value =
                        value.map(str::to_owned).or_else(|| rest.get(at).map(|word| word.text.clone()));
                    at += usize::from(!word.text.contains('='));
                    address(finder, &word.part(&value.unwrap_or_default()), "http");
                }
                "resolve" | "connect-to" => {
                    let value =
                        value.map(str::to_owned).or_else(|| rest.get(at).map(|word| word.text.clone()));
                    at += usize::from(!word.text.contains('='));
                    let value = value.unwrap_or_default();
                    let parts: Vec<&str> =
                        value.splitn(if option == "resolve" { 3 } else { 4 }, ':').collect();
                    if let Some(name) = parts.get(2) {
                        host(finder, &Word { text: (*name).to_owned(), ..Word::default() }, None);
                    }
                }
                "config" | "input-file" => {
                    finder.unreadable("addresses from a file");
                    at += usize::from(value.is_none());
                }
                _ if value.is_none() && long.contains(&option) => at += 1,
                _ => {}
            }
            continue;
        }
        match word.text.strip_prefix('-') {
            Some(cluster) => {
                let taking =
                    cluster.char_indices().find(|(_, letter)| short.contains(*letter) || *letter == 'x');
                if let Some((place, letter)) = taking {
                    let is_last = place + 1 == cluster.len();
                    if letter == 'x' && short == CURL_SHORT {
                        let proxy = if is_last {
                            rest.get(at).map(|word| word.text.clone())
                        } else {
                            Some(cluster[place + 1..].to_owned())
                        };
                        address(finder, &word.part(&proxy.unwrap_or_default()), "http");
                    }
                    if letter == (if short == CURL_SHORT { 'K' } else { 'i' }) {
                        finder.unreadable("addresses from a file");
                    }
                    at += usize::from(is_last && (letter != 'x' || short == CURL_SHORT));
                }
            }
            None => address(finder, word, "http"),
        }
    }
}

fn ssh(finder: &mut Finder, rest: &[Word]) {
    let mut at = 0;
    let mut port = None;
    while let Some(word) = rest.get(at) {
        at += 1;
        match word.text.strip_prefix('-') {
            Some("p") => {
                port = rest.get(at).map(|word| word.text.clone());
                at += 1;
            }
            Some(option) if option.starts_with(['J', 'W', 'L', 'R']) => {
                let (kind, attached) = option.split_at(1);
                let own = word.part(attached);
                if let Some(value) = if attached.is_empty() { rest.get(at) } else { Some(&own) } {
                    options::way(finder, value, kind);
                }
                at += usize::from(attached.is_empty());
            }
            Some(option) => at += usize::from(option.len() == 1 && "bcDEeFIilmOoQSw".contains(option)),
            None => {
                let text = port.map_or_else(|| word.text.clone(), |port| format!("{}:{port}", word.text));
                address(finder, &word.part(&text), "ssh");
                // What follows runs over there.
                return super::line(finder, rest.get(at..).unwrap_or_default(), Mode::Script);
            }
        }
    }
}

/// `host:path` and `user@host:path`, as git, scp and rsync read them.
pub(super) fn remote(finder: &mut Finder, word: &Word, is_host_alone: bool) {
    let text = word.text.as_str();
    // The transport of git that runs a command.
    if let Some(script) = text.strip_prefix("ext::") {
        return nested(finder, script, Mode::Script);
    }
    if text.contains("://") {
        return;
    }
    let is_remote = text.find(':').is_some_and(|colon| colon > 1 && !text[..colon].contains('/'));
    if is_remote || is_host_alone {
        let name = text.split(':').next().unwrap_or(text);
        // A refspec (`main:main`) is no host: those have a dot, a user, or a known name.
        if name.contains(['.', '@'])
            || is_host_alone
            || HostName::parse(name).is_some_and(|host| host.is_private())
        {
            address(finder, &word.part(name), "ssh");
        }
    }
}

/// An address that need not state its scheme.
pub(super) fn address(finder: &mut Finder, word: &Word, scheme: &str) {
    let text = word.text.trim();
    if text.is_empty() || !finder.may_be_a_place(word.is_open, text) {
        return;
    }
    let has_scheme = text.find("://").is_some_and(|place| {
        place > 0 && text[..place].bytes().all(|byte| byte.is_ascii_alphanumeric() || b"+.-".contains(&byte))
    }) || ["http:", "https:", "file:"]
        .iter()
        .any(|head| text.to_ascii_lowercase().starts_with(head));
    let full =
        if has_scheme { text.to_owned() } else { format!("{scheme}://{}", text.trim_start_matches('/')) };
    if word.is_open { finder.open_url(&full) } else { finder.url(&full, true) }
}

pub(super) fn host(finder: &mut Finder, word: &Word, port: Option<&str>) {
    if !finder.may_be_a_place(word.is_open, &word.text) {
        return;
    }
    if word.is_open { finder.unreadable(&word.text) } else { finder.host(&word.text, port) }
}
