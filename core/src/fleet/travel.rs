//! Headers that travel to or from one provider beside those that always do: `pass_up` and `pass_down`.

use crate::glob::Glob;

/// Headers that never travel, whatever a file lists: credentials, cookies, what belongs to one connection, what zOS
/// writes itself, and where a call came from.
const NEVER: &[&str] = &[
    "authorization",
    "proxy-*",
    "x-api-key",
    "api-key",
    "x-goog-api-key",
    "*cookie*",
    "*authorization*",
    "*authenticate*",
    "x-zos-*",
    "x-amz-security-token",
    "host",
    "origin",
    "referer",
    "forwarded",
    "x-forwarded-*",
    "x-real-ip",
    "connection",
    "keep-alive",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
    "expect",
    "content-*",
    "accept-encoding",
    "location",
    "access-control-*",
    "strict-transport-security",
    "x-request-id",
    "date",
    "server",
];

/// The most entries of a list, and the longest of them in bytes.
pub(super) const LIST_LIMIT: usize = 64;

/// Names of headers, `*` standing for any run of characters.
#[derive(Clone, Debug, Default)]
pub struct Headers(Vec<Glob>);

impl PartialEq for Headers {
    fn eq(&self, other: &Self) -> bool {
        self.patterns().eq(other.patterns())
    }
}

impl Eq for Headers {}

/// Why a header cannot be listed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum BadHeader {
    /// No header has such a name.
    NoName,
    /// It holds what authorises, or belongs to the connection.
    Never,
    /// The pattern fits nearly everything.
    TooWide,
}

impl Headers {
    /// Whether a header of this name, in small letters, is listed and may travel.
    pub fn have(&self, name: &str) -> bool {
        self.0.iter().any(|glob| glob.matches(name)) && !is_never(name)
    }

    /// Whether no header is listed.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The list as it was written.
    pub fn patterns(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(Glob::as_str)
    }

    /// Those of a table of ours.
    pub(super) fn of(names: &[&str]) -> Self {
        Self(names.iter().map(|name| Glob::new(name)).collect())
    }

    /// Adds one.
    ///
    /// # Errors
    /// If it names no header, or one that never travels, or nearly all.
    pub(super) fn add(&mut self, name: &str) -> Result<(), BadHeader> {
        let is_letter = |byte: u8| byte.is_ascii_alphanumeric() || b"-_*".contains(&byte);
        if name.is_empty() || name.len() > 128 || !name.bytes().all(is_letter) {
            return Err(BadHeader::NoName);
        }
        let name = name.to_ascii_lowercase();
        if !name.contains('*') && is_never(&name) {
            return Err(BadHeader::Never);
        }
        if name.contains('*') && name.bytes().filter(u8::is_ascii_alphanumeric).count() < 3 {
            return Err(BadHeader::TooWide);
        }
        self.0.push(Glob::new(&name));
        Ok(())
    }
}

fn is_never(name: &str) -> bool {
    NEVER.iter().any(|pattern| match pattern.contains('*') {
        true => Glob::new(pattern).matches(name),
        false => *pattern == name,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_names_headers_and_globs_and_never_what_authorises() {
        let mut headers = Headers::default();
        for name in ["X-Codex-*", "session_id", "originator"] {
            headers.add(name).unwrap();
        }
        for name in ["x-codex-turn-state", "session_id", "originator"] {
            assert!(headers.have(name), "{name}");
        }
        assert!(!headers.have("session-id"));
        for (name, why) in [
            ("", BadHeader::NoName),
            ("a b", BadHeader::NoName),
            ("a:b", BadHeader::NoName),
            ("*", BadHeader::TooWide),
            ("x-*", BadHeader::TooWide),
            ("Cookie", BadHeader::Never),
            ("set-cookie", BadHeader::Never),
            ("authorization", BadHeader::Never),
            ("X-API-Key", BadHeader::Never),
            ("connection", BadHeader::Never),
            ("transfer-encoding", BadHeader::Never),
            ("content-type", BadHeader::Never),
            ("x-zos-key", BadHeader::Never),
            ("proxy-authorization", BadHeader::Never),
        ] {
            assert_eq!(headers.add(name), Err(why), "{name}");
        }
    }

    #[test]
    fn a_glob_passes_by_what_never_travels() {
        let mut headers = Headers::default();
        for name in ["*auth*", "*cookie*", "x-zos*", "*-api-key", "*-encoding"] {
            headers.add(name).unwrap();
        }
        for name in
            ["authorization", "x-authorization", "cookie", "set-cookie2", "x-zos-context", "x-api-key"]
        {
            assert!(!headers.have(name), "{name}");
        }
        assert!(!headers.have("transfer-encoding") && !headers.have("accept-encoding"));
        assert!(headers.have("x-auth-mode"));
    }
}
