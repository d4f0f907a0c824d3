//! Command lines: quoting undone, words split, and where well-known commands point.
//!
//! It runs nothing and knows no variable: a word that a shell would only make when it runs is on no allow
//! list.

use super::address::HostName;
use super::extract::Finder;
use super::text;

mod hidden;
mod options;
mod powershell;

/// How deep `sh -c "…"` is followed.
const NESTING_LIMIT: usize = 4;

/// Commands in front of other commands.
const WRAPPERS: &[&str] = &[
    "sudo",
    "doas",
    "env",
    "time",
    "nohup",
    "exec",
    "eval",
    "parallel",
    "proxycommand",
    "command",
    "builtin",
    "nice",
    "xargs",
    "stdbuf",
    "setsid",
    "then",
    "do",
    "else",
    "if",
    "while",
    "!",
    "timeout",
    "torsocks",
    "proxychains",
    "busybox",
];

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

/// One word of a command line.
#[derive(Default)]
struct Word {
    text: String,
    /// A shell decides what it is: a variable, a substitution, a brace.
    is_open: bool,
}

/// Finds the targets of a script.
pub(super) fn find(finder: &mut Finder, script: &str, depth: usize) {
    let skips = finder.skip_mail(true);
    text::addresses(finder, script);
    finder.skip_mail(skips);
    patch(finder, script);
    hidden::shares(finder, script);
    hidden::code(finder, script);
    let script = script.replace("${IFS}", " ").replace("$IFS", " ");
    for command in split(&script) {
        words(finder, &command, depth);
    }
}

/// Finds the targets of a command that comes as a list.
pub(super) fn find_list(finder: &mut Finder, list: &[String]) {
    let words: Vec<Word> = list.iter().map(|text| Word { text: text.clone(), is_open: false }).collect();
    self::words(finder, &words, 0);
}

/// The files of a patch in the form that coding agents use.
pub(super) fn patch(finder: &mut Finder, patch: &str) {
    for line in patch.lines() {
        let Some(rest) = line.trim().strip_prefix("*** ") else { continue };
        for head in ["Add File:", "Update File:", "Delete File:", "Move to:"] {
            if let Some(path) = rest.strip_prefix(head) {
                finder.path(path.trim(), false);
            }
        }
    }
}

fn words(finder: &mut Finder, words: &[Word], depth: usize) {
    let mut at = 0;
    // Assignments and wrappers in front, with their options and numbers.
    while let Some(word) = words.get(at) {
        let is_assignment = word.text.split_once('=').is_some_and(|(name, _)| {
            !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
        });
        let is_option = at > 0
            && (word.text.starts_with('-') || word.text.starts_with(|first: char| first.is_ascii_digit()));
        if is_assignment || is_option || WRAPPERS.contains(&base(&word.text)) {
            at += 1;
        } else {
            break;
        }
    }
    let name = words.get(at).map(|word| base(&word.text).to_ascii_lowercase()).unwrap_or_default();
    // `user@host` of these is an account on a machine.
    let is_remote = matches!(
        name.as_str(),
        "ssh" | "scp" | "sftp" | "rsync" | "git" | "mosh" | "ssh-copy-id" | "autossh"
    );
    let skips = finder.skip_mail(is_remote);
    for word in words {
        general(finder, word, depth);
    }
    finder.skip_mail(skips);
    let Some(rest) = words.get(at + 1..) else { return };
    let name = name.trim_end_matches(".exe");
    // What it is called with comes from elsewhere.
    if words[..at].iter().any(|word| ["xargs", "parallel"].contains(&base(&word.text)))
        && options::reaches_out(name)
    {
        finder.unreadable(&format!("xargs {name}"));
    }
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
        "find" | "fd" => {
            let options = ["-exec", "-execdir", "-ok", "-okdir", "-x", "--exec"];
            if let Some(run) = rest.iter().position(|word| options.contains(&word.text.as_str())) {
                self::words(finder, &rest[run + 1..], depth);
            }
        }
        "ssh" | "mosh" | "ssh-copy-id" | "autossh" => ssh(finder, rest),
        "scp" | "sftp" | "rsync" => {
            for word in rest.iter().filter(|word| !word.text.starts_with('-')) {
                remote(finder, word, name == "sftp", depth);
            }
        }
        "git" => options::git(finder, rest, depth),
        "nc" | "ncat" | "netcat" | "telnet" | "ftp" | "lftp" | "tftp" | "ping" | "ping6" | "dig"
        | "nslookup" | "host" | "whois" | "traceroute" | "nmap" | "rdesktop" | "proxyjump" | "hostname" => {
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
                    host(finder, &Word { text: name.to_owned(), is_open: word.is_open }, port.as_deref());
                }
            }
        }
        "openssl" => {
            for pair in rest.windows(2).filter(|pair| pair[0].text == "-connect") {
                host(finder, &pair[1], None);
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

/// What any word of any command may hold.
fn general(finder: &mut Finder, word: &Word, depth: usize) {
    let text = word.text.as_str();
    let value = text.split_once('=').map_or(text, |(_, value)| value);
    // `> /x`, `@/x` of curl, `2>/x`.
    let path = value.trim_start_matches(|letter: char| letter.is_ascii_digit() || "<>&@".contains(letter));
    if let Some(rest) = path.strip_prefix("/dev/tcp/").or_else(|| path.strip_prefix("/dev/udp/")) {
        let (name, port) = rest.split_once('/').unwrap_or((rest, ""));
        host(finder, &Word { text: name.to_owned(), is_open: word.is_open }, Some(port));
    } else if !text.contains("://") && !text.contains(char::is_whitespace) {
        let is_parent = path == ".." || path.starts_with("../") || path.contains("/../");
        if (path.len() > 1 && path.starts_with('/')
            || path.starts_with("~/")
            || path == "~"
            || is_parent
            || path.starts_with("$HOME/")
            || path.starts_with("${HOME}/"))
            && !["/dev/null", "/dev/stdin", "/dev/stdout", "/dev/stderr", "/dev/tty"].contains(&path)
        {
            finder.path(path, word.is_open && !is_home(path));
        }
    }
    text::addresses(finder, text);
    options::setting(finder, word);
    if depth >= NESTING_LIMIT {
        return;
    }
    if text.contains(char::is_whitespace) {
        find(finder, text, depth + 1);
        // `GIT_SSH_COMMAND=ssh …`, `ProxyCommand=nc …`
        if value.contains(char::is_whitespace) && value.len() < text.len() {
            find(finder, value, depth + 1);
        }
    } else if let Some(decoded) = hidden::text_of(text) {
        find(finder, &decoded, depth + 1);
    }
}

/// Whether nothing but the home is left to the shell.
fn is_home(path: &str) -> bool {
    let rest = path.strip_prefix("$HOME/").or_else(|| path.strip_prefix("${HOME}/"));
    rest.is_some_and(|rest| !rest.contains(['$', '`', '{']))
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
                    address(finder, &Word { text: value.unwrap_or_default(), is_open: word.is_open }, "http");
                }
                "resolve" | "connect-to" => {
                    let value =
                        value.map(str::to_owned).or_else(|| rest.get(at).map(|word| word.text.clone()));
                    at += usize::from(!word.text.contains('='));
                    let value = value.unwrap_or_default();
                    let parts: Vec<&str> =
                        value.splitn(if option == "resolve" { 3 } else { 4 }, ':').collect();
                    if let Some(name) = parts.get(2) {
                        host(finder, &Word { text: (*name).to_owned(), is_open: false }, None);
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
        if word.text.starts_with(['>', '<']) || word.text.ends_with('>') {
            at += usize::from(word.text.ends_with(['>', '<']));
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
                        address(
                            finder,
                            &Word { text: proxy.unwrap_or_default(), is_open: word.is_open },
                            "http",
                        );
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
                let own = Word { text: attached.to_owned(), is_open: word.is_open };
                if let Some(value) = if attached.is_empty() { rest.get(at) } else { Some(&own) } {
                    options::way(finder, value, kind);
                }
                at += usize::from(attached.is_empty());
            }
            Some(option) => at += usize::from(option.len() == 1 && "bcDEeFIilmOoQSw".contains(option)),
            None => {
                let text = port.map_or_else(|| word.text.clone(), |port| format!("{}:{port}", word.text));
                address(finder, &Word { text, is_open: word.is_open }, "ssh");
                // What follows runs over there.
                return;
            }
        }
    }
}

/// `host:path` and `user@host:path`, as git, scp and rsync read them.
fn remote(finder: &mut Finder, word: &Word, is_host_alone: bool, depth: usize) {
    let text = word.text.as_str();
    // The transport of git that runs a command.
    if let Some(script) = text.strip_prefix("ext::").filter(|_| depth < NESTING_LIMIT) {
        return find(finder, script, depth + 1);
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
            address(finder, &Word { text: name.to_owned(), is_open: word.is_open }, "ssh");
        }
    }
}

/// An address that need not state its scheme.
fn address(finder: &mut Finder, word: &Word, scheme: &str) {
    let text = word.text.trim();
    if text.is_empty() {
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

fn host(finder: &mut Finder, word: &Word, port: Option<&str>) {
    if word.is_open { finder.unreadable(&word.text) } else { finder.host(&word.text, port) }
}

fn base(command: &str) -> &str {
    command.rsplit(['/', '\\']).next().unwrap_or(command)
}

/// The commands of a script while it is read.
#[derive(Default)]
struct Commands {
    all: Vec<Vec<Word>>,
    /// The one that is read, and those that a substitution interrupts.
    current: usize,
    outer: Vec<usize>,
    word: Option<Word>,
}

impl Commands {
    fn word(&mut self) -> &mut Word {
        self.word.get_or_insert_default()
    }

    fn end_word(&mut self) {
        if let (Some(word), Some(command)) = (self.word.take(), self.all.get_mut(self.current)) {
            command.push(word);
        }
    }

    fn next(&mut self) {
        self.end_word();
        self.all.push(Vec::new());
        self.current = self.all.len() - 1;
    }

    /// A substitution or subshell begins.
    fn open(&mut self) {
        let outer = self.current;
        self.next();
        self.outer.push(outer);
    }

    /// It ends, and what it stood in goes on.
    fn close(&mut self) {
        self.end_word();
        match self.outer.pop() {
            Some(outer) => self.current = outer,
            None => self.next(),
        }
    }
}

/// Splits a script into commands and those into words, quotes and escapes undone.
fn split(script: &str) -> Vec<Vec<Word>> {
    let mut commands = Commands { all: vec![Vec::new()], ..Commands::default() };
    let mut is_in_backticks = false;
    let mut letters = script.chars().peekable();
    while let Some(letter) = letters.next() {
        match letter {
            '\'' => commands.word().text.extend(letters.by_ref().take_while(|letter| *letter != '\'')),
            '"' => quoted(&mut letters, commands.word()),
            '$' if letters.peek() == Some(&'\'') => {
                letters.next();
                ansi(&mut letters, commands.word());
            }
            '\\' => match letters.next() {
                Some('\n') | None => {}
                Some(next) => commands.word().text.push(next),
            },
            '`' if is_in_backticks => {
                is_in_backticks = false;
                commands.close();
            }
            '$' | '`' | '{' => {
                let word = commands.word();
                word.is_open = true;
                word.text.push(letter);
                is_in_backticks |= letter == '`';
                // What a substitution runs is a command of its own.
                if letter == '`' || letter == '$' && letters.next_if_eq(&'(').is_some() {
                    commands.open();
                }
            }
            '#' if commands.word.is_none() => {
                let _comment = letters.by_ref().find(|letter| *letter == '\n');
                commands.next();
            }
            '&' if commands.word.as_ref().is_some_and(|word| word.text.ends_with('>')) => {
                commands.word().text.push('&')
            }
            ';' | '|' | '&' | '\n' => commands.next(),
            '(' => commands.open(),
            ')' => commands.close(),
            _ if letter.is_whitespace() => commands.end_word(),
            _ => commands.word().text.push(letter),
        }
    }
    commands.end_word();
    commands.all.retain(|command| !command.is_empty());
    commands.all
}

fn quoted(letters: &mut std::iter::Peekable<std::str::Chars<'_>>, word: &mut Word) {
    while let Some(letter) = letters.next() {
        match letter {
            '"' => return,
            '\\' => match letters.peek() {
                Some('"' | '\\' | '$' | '`') => word.text.extend(letters.next()),
                Some('\n') => drop(letters.next()),
                _ => word.text.push('\\'),
            },
            '$' | '`' => {
                word.is_open = true;
                word.text.push(letter);
            }
            _ => word.text.push(letter),
        }
    }
}

/// `$'\x65'`.
fn ansi(letters: &mut std::iter::Peekable<std::str::Chars<'_>>, word: &mut Word) {
    while let Some(letter) = letters.next() {
        match letter {
            '\'' => return,
            '\\' => {
                let Some(kind) = letters.next() else { return };
                let (radix, most, first) = match kind {
                    'x' => (16, 2, None),
                    'u' => (16, 4, None),
                    'U' => (16, 8, None),
                    '0'..='7' => (8, 2, kind.to_digit(8)),
                    'n' => {
                        word.text.push('\n');
                        continue;
                    }
                    't' => {
                        word.text.push('\t');
                        continue;
                    }
                    other => {
                        word.text.push(other);
                        continue;
                    }
                };
                let mut code = first.unwrap_or(0);
                for _ in 0..most {
                    let Some(digit) = letters.peek().and_then(|letter| letter.to_digit(radix)) else { break };
                    code = code.wrapping_mul(radix).wrapping_add(digit);
                    letters.next();
                }
                word.text.push(char::from_u32(code).unwrap_or(char::REPLACEMENT_CHARACTER));
            }
            _ => word.text.push(letter),
        }
    }
}
