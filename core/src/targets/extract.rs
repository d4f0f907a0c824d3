//! What a tool call points at: by its tool's schema, by the names of its arguments, by syntax elsewhere.

use super::address::{self, Address, HostName, Mailbox};
use super::json::Json;
use super::{Form, TARGETS_LIMIT, Target, TargetKind, path, shell, text};
use url::Url;

mod rendered;
mod schema;

use rendered::rendered;
use schema::{Role, Schema};

/// How deep arguments, addresses within addresses and JSON within strings are followed.
const NESTING_LIMIT: usize = 32;
const REDIRECTS_LIMIT: usize = 4;

/// The targets of a tool call, the tool itself first.
#[must_use]
pub fn extract(tool: &str, arguments: &str) -> Vec<Target> {
    let mut finder = Finder::default();
    let name = plain_name(tool);
    if !tool.is_empty() {
        finder.push(TargetKind::Tool, tool.to_owned(), Form::Word(tool.to_lowercase()));
    }
    let schema = Schema::of(&name);
    match Json::parse(arguments) {
        Some(Json::Text(text)) => schema.plain(&mut finder, &text),
        Some(value) => finder.value(schema, &value, 0),
        // Tools that take plain text; or arguments that are broken, and then nobody knows what is read.
        None => {
            if arguments.trim_start().starts_with(['{', '[']) {
                finder.unreadable("arguments that are no JSON");
                text::find(&mut finder, &arguments.replace("\\/", "/"));
            }
            schema.plain(&mut finder, arguments);
        }
    }
    finder.targets
}

/// The addresses of links and images in a Markdown text, with entities and escapes undone.
#[must_use]
pub fn links(markdown: &str) -> Vec<Target> {
    let mut finder = Finder::default();
    text::find(&mut finder, markdown);
    text::attributes(&mut finder, markdown);
    if markdown.contains(['&', '\\']) {
        let rendered = rendered(markdown);
        text::find(&mut finder, &rendered);
        text::attributes(&mut finder, &rendered);
    }
    finder.targets
}

/// `mcp__server__fetch` and `server.fetch` are `fetch`.
fn plain_name(tool: &str) -> String {
    let name = tool.rsplit("__").next().unwrap_or(tool);
    let name = name.rsplit(['.', '/', ':']).next().unwrap_or(name);
    flat(name)
}

/// Lower case, without `_`, `-` and spaces.
fn flat(name: &str) -> String {
    name.chars().filter(|letter| letter.is_alphanumeric()).flat_map(char::to_lowercase).collect()
}

/// A word of a kind in its normal form.
pub(super) fn word(kind: TargetKind, text: &str) -> String {
    let text = text.trim();
    match kind {
        TargetKind::Channel => text.trim_start_matches(['#', '@']).to_lowercase(),
        TargetKind::Repo => text.trim_matches('/').trim_end_matches(".git").to_lowercase(),
        _ => text.to_lowercase(),
    }
}

/// Collects targets.
#[derive(Default)]
pub(super) struct Finder {
    targets: Vec<Target>,
    /// How many addresses the present one stands in.
    redirects: usize,
    /// Whether `user@host` is no mailbox here.
    skips_mail: bool,
}

impl Finder {
    fn push(&mut self, kind: TargetKind, shown: String, form: Form) {
        if self.targets.len() > TARGETS_LIMIT {
            return;
        }
        let target = if self.targets.len() == TARGETS_LIMIT {
            Target { kind: TargetKind::Url, shown: "more than can be judged".to_owned(), form: Form::TooMany }
        } else {
            Target { kind, shown, form }
        };
        if !self.targets.contains(&target) {
            self.targets.push(target);
        }
    }

    fn value(&mut self, schema: Schema, value: &Json, depth: usize) {
        if depth == NESTING_LIMIT {
            return self.unreadable("arguments that are nested too deeply");
        }
        match value {
            Json::Map(members) => {
                let port =
                    members.iter().find(|(key, _)| flat(key) == "port").and_then(|(_, port)| match port {
                        Json::Text(port) | Json::Number(port) => Some(port.clone()),
                        _ => None,
                    });
                for (key, value) in members {
                    let key_name = flat(key);
                    if schema == Schema::Other {
                        text::find(self, key);
                    }
                    if schema.is_content(&key_name) || schema == Schema::Words {
                        // Contents of contents, as the list of edits, hold nothing either.
                        continue;
                    }
                    let role = Role::of(schema, &key_name);
                    self.argument(schema, role, value, port.as_deref(), depth);
                }
            }
            Json::List(list) => {
                for element in list {
                    self.value(schema, element, depth + 1);
                }
            }
            Json::Text(text) => self.text(schema, text, depth),
            Json::Number(_) | Json::Nothing => {}
        }
    }

    fn argument(&mut self, schema: Schema, role: Role, value: &Json, port: Option<&str>, depth: usize) {
        match value {
            Json::Text(text) | Json::Number(text) => self.string(schema, role, text, port, depth),
            Json::List(list) if role == Role::Command => {
                let words: Vec<String> = list
                    .iter()
                    .filter_map(|word| match word {
                        Json::Text(word) | Json::Number(word) => Some(word.clone()),
                        _ => None,
                    })
                    .collect();
                // A list is a command, or a list of command lines.
                match words.iter().any(|word| word.contains(' '))
                    && words.len() > 1
                    && !words[1].starts_with('-')
                {
                    true => words.iter().for_each(|script| shell::find(self, script, 0)),
                    false => shell::find_list(self, &words),
                }
            }
            Json::List(list) => {
                for element in list.iter().take(TARGETS_LIMIT * 4) {
                    self.argument(schema, role, element, port, depth + 1);
                    if depth + 1 >= NESTING_LIMIT {
                        return self.unreadable("arguments that are nested too deeply");
                    }
                }
                if list.len() > TARGETS_LIMIT * 4 {
                    self.unreadable("more arguments than can be judged");
                }
            }
            Json::Map(_) => self.value(schema, value, depth + 1),
            Json::Nothing => {}
        }
    }

    fn string(&mut self, schema: Schema, role: Role, text: &str, port: Option<&str>, depth: usize) {
        let trimmed = text.trim();
        if trimmed.is_empty() {
            return;
        }
        match role {
            Role::Url => self.url(text, true),
            Role::Host => self.host(trimmed, port),
            Role::File => self.file(text),
            Role::Mail => self.mails(trimmed),
            Role::Recipient => self.recipient(trimmed),
            Role::Repo => self.repo(trimmed),
            Role::Phone => match address::phone(trimmed) {
                Some(number) => self.push(TargetKind::Phone, number.clone(), Form::Word(number)),
                None => self.unreadable(trimmed),
            },
            Role::Channel => self.word(TargetKind::Channel, trimmed),
            Role::Model => self.word(TargetKind::Model, trimmed),
            Role::Room => self.word(TargetKind::Room, trimmed),
            Role::Command => shell::find(self, text, 0),
            Role::Patch => shell::patch(self, text),
            Role::Text => self.text(schema, text, depth),
        }
    }

    fn text(&mut self, schema: Schema, text: &str, depth: usize) {
        if text.trim_start().starts_with(['{', '['])
            && let Some(value @ (Json::Map(_) | Json::List(_))) = Json::parse(text)
        {
            return self.value(schema, &value, depth + 1);
        }
        if schema == Schema::Patch {
            return shell::patch(self, text);
        }
        text::find(self, text);
        text::attributes(self, text);
        // Percent-encoding hides an address from this search, and not from what decodes it.
        if text.contains('%') {
            let once = address::decode(text);
            text::find(self, &once);
            text::find(self, &address::decode(&once));
        }
    }

    fn word(&mut self, kind: TargetKind, text: &str) {
        let normal = word(kind, text);
        self.push(kind, normal.clone(), Form::Word(normal));
    }

    fn repo(&mut self, text: &str) {
        if text.contains("://") {
            return self.url(text, true);
        }
        match text.split_once(':') {
            Some((host, _)) if host.contains(['@', '.']) => self.url(&format!("ssh://{host}"), true),
            _ => self.word(TargetKind::Repo, text),
        }
    }

    fn recipient(&mut self, text: &str) {
        if text.contains("://") || text.to_ascii_lowercase().starts_with("mailto:") {
            self.url(text, true);
        } else if text.contains('@') && !text.starts_with('@') {
            self.mails(text);
        } else if text.starts_with(['/', '~', '.']) {
            self.file(text);
        } else if let Some(number) = address::phone(text) {
            self.push(TargetKind::Phone, number.clone(), Form::Word(number));
        } else if HostName::parse(text).is_some_and(|host| text.contains('.') && !host.shown().contains(' '))
        {
            self.host(text, None);
        } else {
            self.word(TargetKind::Channel, text);
        }
    }

    /// One mailbox, or several with commas or semicolons between them.
    fn mails(&mut self, text: &str) {
        if text.to_ascii_lowercase().starts_with("mailto:") {
            return self.url(text, true);
        }
        let parts = text.split([',', ';', '\n', '\r']).map(str::trim).filter(|part| !part.is_empty());
        for part in parts {
            // `"Lee, Ann" <ann@x.org>`: a part without an address is a name.
            if part.contains('@') || !text.contains('@') {
                self.mail(part);
            }
        }
    }

    /// Says whether `user@host` in text is no mailbox; returns what held before.
    pub(super) fn skip_mail(&mut self, skips: bool) -> bool {
        std::mem::replace(&mut self.skips_mail, skips)
    }

    /// A mailbox in text.
    pub(super) fn mail_in_text(&mut self, text: &str) {
        if !self.skips_mail {
            self.mail(text);
        }
    }

    pub(super) fn mail(&mut self, text: &str) {
        match Mailbox::parse(text) {
            Some(mailbox) => {
                // `a%b.org@c.org` goes to b.org over c.org.
                if mailbox.is_routed
                    && self.redirects < REDIRECTS_LIMIT
                    && let Some((name, domain)) = mailbox.local.clone().rsplit_once(['%', '@'])
                    && domain.contains('.')
                {
                    self.redirects += 1;
                    self.mail(&format!("{name}@{domain}"));
                    self.redirects -= 1;
                }
                self.push(TargetKind::Email, mailbox.shown(), Form::Mail(mailbox));
            }
            None => self.unreadable(text),
        }
    }

    fn file(&mut self, text: &str) {
        let lower = text.trim().to_ascii_lowercase();
        let has_scheme = lower.find(':').is_some_and(|colon| {
            colon > 1 && lower[..colon].bytes().all(|byte| byte.is_ascii_alphanumeric())
        });
        if lower.contains("://") || lower.starts_with("file:") || has_scheme && lower.starts_with("http") {
            self.url(text, true);
        } else {
            self.path(text, false);
        }
    }

    /// A path of the disk. `is_open`: a shell decides what it is.
    pub(super) fn path(&mut self, text: &str, is_open: bool) {
        if text.contains('\0') || text.is_empty() {
            return self.unreadable(text);
        }
        // `\\?\UNC\server\share` is `\\server\share`.
        if let Some((head, share)) = text.split_at_checked(8) {
            let head = head.replace('\\', "/").to_ascii_lowercase();
            if head == "//?/unc/" || head == "//./unc/" {
                return self.path(&format!("\\\\{}", share.trim_start_matches(['\\', '/'])), is_open);
            }
        }
        let forms = path::forms(text);
        // `\\server\share` is another machine.
        if text.starts_with("\\\\") && !text.starts_with("\\\\?\\") || text.starts_with("//") {
            let server = text.trim_start_matches(['\\', '/']).split(['\\', '/']).next().unwrap_or_default();
            self.host(server, Some("445"));
        }
        self.push(TargetKind::File, forms[0].clone(), Form::Path { forms, is_open });
    }

    pub(super) fn unreadable(&mut self, text: &str) {
        self.push(TargetKind::Url, text.to_owned(), Form::Unreadable);
    }

    /// A host, with or without its port.
    pub(super) fn host(&mut self, text: &str, port: Option<&str>) {
        let text = text.trim();
        if text.contains("://") || text.contains('/') && !text.starts_with('/') {
            return self.url(text, true);
        }
        let text = text.rsplit_once('@').map_or(text, |(_, host)| host);
        let (name, own) = match text.rsplit_once(':') {
            Some((name, own))
                if (!name.contains(':') || name.ends_with(']')) && own.parse::<u16>().is_ok() =>
            {
                (name, own.parse().ok())
            }
            _ => (text, None),
        };
        match HostName::parse(name) {
            Some(host) => {
                let port = own.or_else(|| port?.parse().ok());
                let kind = if matches!(host, HostName::Ip(_)) { TargetKind::Ip } else { TargetKind::Host };
                let address = Address {
                    scheme: String::new(),
                    host: Some(host),
                    port,
                    path: String::new(),
                    rest: String::new(),
                    // What a shell puts before the dot is unknown.
                    is_ambiguous: name.starts_with('.'),
                };
                self.push(kind, address.shown(), Form::Web(address));
            }
            None => self.unreadable(text),
        }
    }

    /// An address that a shell completes: no allow list admits it.
    pub(super) fn open_url(&mut self, text: &str) {
        match Url::parse(text).ok().and_then(|url| Address::of(&url, text)) {
            Some(address) => {
                // The host is certain where the open part can only begin behind it.
                let authority =
                    text.split_once("://").map_or("", |(_, rest)| rest.split('/').next().unwrap_or(rest));
                let is_open = authority.contains(['$', '`', '{', '*'])
                    || !text.contains("://")
                    || authority.len() + 3 + address.scheme.len() >= text.len();
                let address = Address { is_ambiguous: address.is_ambiguous || is_open, ..address };
                self.push(TargetKind::Url, address.shown(), Form::Web(address));
            }
            None => self.unreadable(text),
        }
    }

    /// A web address. As an argument it must be one; in text it only looks like one.
    pub(super) fn url(&mut self, raw: &str, is_argument: bool) {
        let parsed = Url::parse(raw).or_else(|error| match address::without_zone(raw) {
            Some(plain) => Url::parse(&plain),
            None => Err(error),
        });
        let Ok(url) = parsed else {
            // `acme.com/x` where an address was asked for: readers differ in what they make of it.
            let assumed = Url::parse(&format!("http://{}", raw.trim().trim_start_matches(['/', '\\'])));
            return match assumed.ok().filter(|_| is_argument).and_then(|url| Address::of(&url, raw)) {
                Some(address) => {
                    let address = Address { is_ambiguous: true, ..address };
                    self.push(TargetKind::Url, address.shown(), Form::Web(address));
                }
                None => self.unreadable(raw),
            };
        };
        match url.scheme() {
            "file" => {
                if let Some(host) = url.host_str().filter(|host| !host.is_empty() && *host != "localhost") {
                    self.host(host, Some("445"));
                }
                return self.path(url.path(), false);
            }
            "mailto" => return self.mailto(&url),
            "tel" | "sms" => {
                return match address::phone(&address::decode(url.path())) {
                    Some(number) => self.push(TargetKind::Phone, number.clone(), Form::Word(number)),
                    None => self.unreadable(raw),
                };
            }
            _ => {}
        }
        let Some(address) = Address::of(&url, raw) else { return self.unreadable(raw) };
        let is_opaque = address.host.is_none();
        // `acme.com:8080` reads as a scheme and is meant as a host.
        if is_opaque && is_argument && url.scheme().contains('.') {
            let assumed = Url::parse(&format!("http://{raw}")).ok().and_then(|url| Address::of(&url, raw));
            if let Some(address) = assumed {
                let address = Address { is_ambiguous: true, ..address };
                return self.push(TargetKind::Url, address.shown(), Form::Web(address));
            }
        }
        self.push(TargetKind::Url, address.shown(), Form::Web(address));
        if self.redirects >= REDIRECTS_LIMIT {
            return;
        }
        self.redirects += 1;
        if let Some(other) = address::other_reading(raw) {
            self.url(&other, false);
        }
        if is_opaque && !matches!(url.scheme(), "data") {
            // `view-source:https://…`, `jar:http://…!/x`, `javascript:…`
            text::find(self, &address::decode(url.path()));
        } else {
            self.within(&url);
        }
        self.redirects -= 1;
    }

    fn mailto(&mut self, url: &Url) {
        self.mails(&address::decode(url.path()));
        for (key, value) in url.query_pairs() {
            if matches!(key.to_ascii_lowercase().as_str(), "to" | "cc" | "bcc") {
                self.mails(&value);
            }
        }
    }

    /// Addresses within an address: parameters, the fragment, the path; decoded and decoded again.
    fn within(&mut self, url: &Url) {
        let pairs = url.query_pairs();
        let fragment = url.fragment().unwrap_or_default();
        let behind = url::form_urlencoded::parse(fragment.rsplit('?').next().unwrap_or_default().as_bytes());
        for (key, value) in pairs.chain(behind) {
            let is_redirect = is_redirect(&flat(&key));
            let twice = address::decode(&value);
            self.parameter(&value, is_redirect);
            if twice != value {
                self.parameter(&twice, is_redirect);
                self.parameter(&address::decode(&twice), is_redirect);
            }
            self.parameter(&key, false);
        }
        let path = address::decode(&address::decode(url.path()));
        let lower = path.to_ascii_lowercase();
        if let Some(at) = ["https:/", "http:/"].iter().filter_map(|head| lower.find(head)).min()
            && path.is_char_boundary(at)
        {
            text::find(self, &path[at..]);
        }
    }

    fn parameter(&mut self, value: &str, is_redirect: bool) {
        let value = value.trim_matches(|letter: char| letter.is_whitespace() || letter.is_control());
        // White space and controls within are dropped by browsers.
        let squeezed: String = value.chars().filter(|letter| !matches!(letter, '\t' | '\n' | '\r')).collect();
        let slashes = squeezed.bytes().take_while(|byte| matches!(byte, b'/' | b'\\')).count();
        if slashes >= 2 {
            self.url(&format!("https:{squeezed}"), false);
        } else if squeezed.contains(':') {
            text::find(self, &squeezed);
        }
        let host = squeezed.split(['/', '?', '#', ':']).next().unwrap_or_default();
        if is_redirect && slashes == 0 && !squeezed.contains("://") && is_host_like(host) {
            self.url(&format!("http://{squeezed}"), false);
        }
    }
}

/// Parameters that send their reader on.
fn is_redirect(key: &str) -> bool {
    matches!(
        key,
        "url"
            | "uri"
            | "u"
            | "q"
            | "r"
            | "to"
            | "out"
            | "link"
            | "next"
            | "continue"
            | "goto"
            | "go"
            | "target"
            | "domain"
            | "host"
            | "site"
            | "callback"
            | "forward"
            | "rurl"
            | "dest"
            | "destination"
            | "service"
            | "image"
            | "src"
            | "location"
    ) || ["redirect", "return", "redir", "callback"].iter().any(|head| key.starts_with(head))
        || key.ends_with("url")
        || key.ends_with("uri")
}

pub(super) fn is_host_like(host: &str) -> bool {
    const FILES: &[&str] = &[
        "html", "htm", "php", "asp", "aspx", "jsp", "js", "css", "json", "xml", "txt", "pdf", "png", "jpg",
        "md", "svg",
    ];
    let host = host.trim_end_matches('.');
    let Some((head, last)) = host.rsplit_once('.') else { return false };
    let is_name = last.len() >= 2
        && last.chars().all(char::is_alphabetic)
        && !FILES.contains(&last.to_ascii_lowercase().as_str());
    let is_number = last.bytes().all(|byte| byte.is_ascii_hexdigit())
        && head.bytes().all(|byte| byte.is_ascii_hexdigit() || byte == b'.' || byte == b'x');
    !head.is_empty()
        && !host.contains(char::is_whitespace)
        && (is_name || is_number)
        && HostName::parse(host).is_some()
}
