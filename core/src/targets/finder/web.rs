//! Addresses of the web, the addresses within them, and the ones they redirect to.

use super::super::address::{self, Address, HostName};
use super::super::{Form, TargetKind};
use super::{Finder, REDIRECTS_LIMIT, flat, text};
use url::Url;

impl Finder {
    /// An address that a shell completes: no allow list admits it.
    pub(in crate::targets) fn open_url(&mut self, text: &str) {
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
    pub(in crate::targets) fn url(&mut self, raw: &str, is_argument: bool) {
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

pub(in crate::targets) fn is_host_like(host: &str) -> bool {
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
