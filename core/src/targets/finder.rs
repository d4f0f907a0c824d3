//! The collector of targets: a place in its normal form for each word that is known to name one, and the addresses that
//! stand within an address or a text.

use super::address::{Address, HostName, Mailbox};
use super::path::{self, Weight, Written};
use super::script::{ScriptState, is_over_unknown};
use super::{Form, TARGETS_LIMIT, Target, TargetKind, names};
use std::collections::HashSet;

pub(super) mod mail;
pub(super) mod text;
mod web;

pub(super) use web::is_host_like;

/// Depth to which addresses within addresses are followed: `?next=` of a `?next=` and so on.
const REDIRECTS_LIMIT: usize = 4;

/// The most paths of one call that no argument states, as operands and parts of words. A call with more is stopped
/// where the room lists paths.
const IMPLIED_LIMIT: usize = 1024;

/// Lower case, without `_`, `-` and spaces.
pub(super) fn flat(name: &str) -> String {
    name.chars().filter(|letter| letter.is_alphanumeric()).flat_map(char::to_lowercase).collect()
}

/// Collects targets.
#[derive(Default)]
pub(super) struct Finder {
    targets: Vec<Target>,
    /// Number of addresses that the present one stands in.
    redirects: usize,
    /// Whether `user@host` is no mailbox here.
    skips_mail: bool,
    /// Whether only evident places count: words that can hardly be anything else.
    doubts: bool,
    /// State of the scripts that are being read.
    script: ScriptState,
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

    /// Targets that were found; paths that are stated elsewhere in the call are left out.
    pub(super) fn found(self) -> Vec<Target> {
        let Self { mut targets, paths, .. } = self;
        let stated = |path: &Target| targets.iter().any(|target| target.form.is_same_path(&path.form));
        let paths: Vec<Target> = paths.into_iter().filter(|path| !stated(path)).collect();
        targets.extend(paths);
        targets
    }

    pub(super) fn push(&mut self, kind: TargetKind, shown: String, form: Form) {
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

    pub(super) fn word(&mut self, kind: TargetKind, text: &str) {
        let normal = kind.normal(text);
        self.push(kind, normal.clone(), Form::Word(normal));
    }

    pub(super) fn repo(&mut self, text: &str) {
        if text.contains("://") {
            return self.url(text, true);
        }
        match text.split_once(':') {
            Some((host, _)) if host.contains(['@', '.']) => self.url(&format!("ssh://{host}"), true),
            _ => self.word(TargetKind::Repo, text),
        }
    }

    /// One mailbox, or several with commas or semicolons between them.
    pub(super) fn mails(&mut self, text: &str) {
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

    /// Sets whether `user@host` in text is no mailbox; returns the setting before.
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

    pub(super) fn file(&mut self, text: &str) {
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

    /// State of the scripts that are being read.
    pub(super) fn script(&mut self) -> &mut ScriptState {
        &mut self.script
    }

    /// Sets whether only evident places count; returns the setting before.
    pub(super) fn doubt(&mut self, doubts: bool) -> bool {
        std::mem::replace(&mut self.doubts, doubts)
    }

    /// Whether only evident places count: words that can hardly be anything else.
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
        for text in self.script.resolve_all(text) {
            is_open |= is_over_unknown(&text) || path::is_read_differently(&text);
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
