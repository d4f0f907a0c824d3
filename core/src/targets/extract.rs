//! What a tool call points at: by its tool's schema, by the names of its arguments, by syntax elsewhere.

use super::address::{self, Address, HostName, Mailbox};
use super::json::Json;
use super::path::{Weight, Written};
use super::shell::{self, Mode, State};
use super::{Form, TARGETS_LIMIT, Target, TargetKind, names, path, text};
use std::collections::HashSet;

mod mail;
mod namespaces;
mod rendered;
mod schema;
mod web;

use rendered::rendered;
use schema::{Role, Schema};
pub(super) use web::is_host_like;

/// How deep arguments, addresses within addresses and JSON within strings are followed.
const NESTING_LIMIT: usize = 32;
const REDIRECTS_LIMIT: usize = 4;

/// The most paths of one call that no argument states, as operands and parts of words. A call with more is stopped
/// where the room lists paths.
const IMPLIED_LIMIT: usize = 1024;

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
    finder.found()
}

/// The addresses of links and images in a Markdown text, with entities and escapes undone.
#[must_use]
pub fn links(markdown: &str) -> Vec<Target> {
    let mut finder = Finder::default();
    let mut read = |text: &str| {
        let text = namespaces::without(text);
        text::find(&mut finder, &text);
        text::attributes(&mut finder, &text);
        text::shares(&mut finder, &text);
    };
    read(markdown);
    if markdown.contains(['&', '\\']) {
        read(&rendered(markdown));
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
    /// Whether only what can hardly be anything else counts as a place.
    doubts: bool,
    /// What is known of the scripts that are being read.
    shell: State,
    /// Paths that no argument states, as they were found.
    implied: HashSet<(String, bool)>,
    paths: Vec<Target>,
}

impl Finder {
    /// The targets of one address.
    pub(super) fn of_url(address: &str) -> Vec<Target> {
        let mut finder = Self::default();
        finder.url(address, true);
        finder.found()
    }

    /// The targets of one host.
    pub(super) fn of_host(host: &str) -> Vec<Target> {
        let mut finder = Self::default();
        finder.host(host, None);
        finder.found()
    }

    /// Everything that was found.
    fn found(self) -> Vec<Target> {
        let Self { mut targets, paths, .. } = self;
        let stated = |path: &Target| targets.iter().any(|target| target.form.is_same_path(&path.form));
        let paths: Vec<Target> = paths.into_iter().filter(|path| !stated(path)).collect();
        targets.extend(paths);
        targets
    }

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
                    true => words.iter().for_each(|script| shell::find(self, script, Mode::Script)),
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
            Role::Paths => self.pattern(text),
            Role::Mail => both(self, trimmed, Self::mails),
            Role::Recipient => both(self, trimmed, Self::recipient),
            Role::Repo => self.repo(trimmed),
            Role::Phone => match address::phone(trimmed) {
                Some(number) => self.push(TargetKind::Phone, number.clone(), Form::Word(number)),
                None => self.unreadable(trimmed),
            },
            Role::Channel => self.word(TargetKind::Channel, trimmed),
            Role::Model => self.word(TargetKind::Model, trimmed),
            Role::Room => self.word(TargetKind::Room, trimmed),
            Role::Command => shell::find(self, text, Mode::Script),
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
        if let Some(decoded) = mail::decoded_words(text) {
            text::find(self, &decoded);
        }
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
        let is_group = text.contains(';');
        let parts = text.split([',', ';', '\n', '\r']).map(str::trim).filter(|part| !part.is_empty());
        for part in parts {
            // The name of a group stands before its members, which may be none: `Team: ann@x.org, bob@x.org;`.
            let part = mail::without_group(part, is_group);
            // `"Lee, Ann" <ann@x.org>`: a part without an address is a name.
            if !part.is_empty() && (part.contains('@') || !text.contains('@')) {
                self.mail(part);
            }
        }
    }

    /// A pattern of paths. One that stays in its folder counts only where lists speak of paths.
    fn pattern(&mut self, text: &str) {
        if text.contains("://") || text.trim().is_empty() {
            return self.text(Schema::Other, text, NESTING_LIMIT - 1);
        }
        let is_inside = !path::is_absolute(text.trim()) && !text.contains("..");
        let weight = if is_inside { Weight::Operand } else { Weight::Stated };
        self.path_as(text, Written { weight, is_pattern: true, ..Written::default() });
    }

    /// Says whether `user@host` in text is no mailbox; returns what held before.
    pub(super) fn skip_mail(&mut self, skips: bool) -> bool {
        std::mem::replace(&mut self.skips_mail, skips)
    }

    /// Whether `user@host` in text is no mailbox.
    pub(super) fn skips_mail(&self) -> bool {
        self.skips_mail
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

    /// What is known of the scripts that are being read.
    pub(super) fn shell(&mut self) -> &mut State {
        &mut self.shell
    }

    /// Says whether only what can hardly be anything else counts as a place; returns what held before.
    pub(super) fn doubt(&mut self, doubts: bool) -> bool {
        std::mem::replace(&mut self.doubts, doubts)
    }

    /// Whether only what can hardly be anything else counts as a place.
    pub(super) fn doubts(&self) -> bool {
        self.doubts
    }

    /// Whether a word may be taken for a place here.
    pub(super) fn may_be_a_place(&self, is_open: bool, text: &str) -> bool {
        !self.doubts || is_open || names::is_evident(text)
    }

    /// A repository of a forge: `owner/name`, `host/owner/name`, or an address.
    pub(super) fn repository(&mut self, text: &str) {
        match text.split_once('/') {
            Some((host, rest))
                if !text.contains("://") && rest.contains('/') && names::is_host(host, true) =>
            {
                self.host(host, None);
                self.word(TargetKind::Repo, rest);
            }
            _ => self.repo(text),
        }
    }

    /// A path of the disk. `is_open`: a shell decides what it is.
    pub(super) fn path(&mut self, text: &str, is_open: bool) {
        self.path_as(text, Written { is_open, ..Written::default() });
    }

    /// A path of the disk, and how it was met.
    pub(super) fn path_as(&mut self, text: &str, written: Written) {
        if written.weight != Weight::Stated {
            if self.implied.len() == IMPLIED_LIMIT {
                return self.push_once(TargetKind::File, "more paths than can be judged", Form::TooManyPaths);
            }
            // The text of long commands repeats itself.
            if !self.implied.insert((text.to_owned(), written.weight == Weight::Hint)) {
                return;
            }
        }
        if text.contains('\0') || text.is_empty() {
            return self.unreadable(text);
        }
        // `\\?\UNC\server\share` is `\\server\share`.
        if let Some((head, share)) = text.split_at_checked(8) {
            let head = head.replace('\\', "/").to_ascii_lowercase();
            if head == "//?/unc/" || head == "//./unc/" {
                return self.path_as(&format!("\\\\{}", share.trim_start_matches(['\\', '/'])), written);
            }
        }
        let mut forms: Vec<String> = Vec::new();
        let mut is_open = written.is_open;
        for text in self.shell.resolve_all(text) {
            is_open |= shell::is_over_unknown(&text) || path::is_read_differently(&text);
            for form in path::forms(&text) {
                if !forms.contains(&form) {
                    forms.push(form);
                }
            }
        }
        // `\\server\share` is another machine.
        if text.starts_with("\\\\") && !text.starts_with("\\\\?\\") || text.starts_with("//") {
            let server = text.trim_start_matches(['\\', '/']).split(['\\', '/']).next().unwrap_or_default();
            self.host(server, Some("445"));
        }
        let Some(shown) = forms.first().cloned() else { return };
        let written = Written { is_open, ..written };
        let target = Target { kind: TargetKind::File, shown, form: Form::Path { forms, written } };
        match written.weight {
            Weight::Stated => self.push(target.kind, target.shown, target.form),
            // Those have a limit of their own.
            Weight::Operand | Weight::Hint => self.paths.push(target),
        }
    }

    fn push_once(&mut self, kind: TargetKind, shown: &str, form: Form) {
        let target = Target { kind, shown: shown.to_owned(), form };
        if self.paths.last() != Some(&target) {
            self.paths.push(target);
        }
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
}

/// Reads a recipient as it stands, and as it is shown where it holds encoded words.
fn both(finder: &mut Finder, text: &str, read: fn(&mut Finder, &str)) {
    match mail::decoded_words(text) {
        Some(decoded) => {
            read(finder, &decoded);
            // What stands there beside them counts as well.
            text::find(finder, text);
        }
        None => read(finder, text),
    }
}
