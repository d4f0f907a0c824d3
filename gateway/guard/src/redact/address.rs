//! Addresses in a text that arrives character by character: whether what comes next would stand inside one.
//!
//! An image or a link is fetched when it is shown, so a text that is put back into an address leaves this machine.
//! A run without white space is one word; inside `<…>` (a tag of HTML, an address of Markdown in angle
//! brackets) white space does not end it. A word is an address from its first mark on: `//`, a scheme that
//! needs none, `www.`, a share of Windows (`\\host\`), or a host in front of a path or a query. A mark that is
//! written as an escape counts too.
//!
//! What this does not see: a host that comes behind what is put back and has no scheme in front.

use zos_core::Context;
use zos_core::targets::{HostedTool, TargetVerdict, check_hosted};

/// The longest word that is kept. What is longer is an address that no list allows, if it is one at all.
const WORD_BYTES: usize = 4096;

/// Marks of an address, in lower case; those of letters count where a word begins. The second row is never judged.
const MARKS: &[&str] = &["//", "www.", "mailto:", "javascript:"];
const ESCAPED_MARKS: &[&str] = &["%2f", "&#", "&sol", "\\/\\/", ":\\"];

/// Reader of one text.
#[derive(Debug, Clone, Default)]
pub(crate) struct AddressReader {
    /// The word so far, in lower case.
    word: String,
    is_cut: bool,
    is_in_angles: bool,
}

impl AddressReader {
    /// Takes the next character.
    pub(crate) fn push(&mut self, c: char) {
        let begins_tag = self.word.ends_with('<') && (c.is_ascii_alphabetic() || matches!(c, '/' | '!'));
        if begins_tag {
            self.is_in_angles = true;
        }
        if c == '<' || (c == '>' && self.is_in_angles) {
            self.end();
            if c == '<' {
                self.word.push(c);
            }
            return;
        }
        if (c.is_whitespace() || c.is_control()) && !self.is_in_angles {
            return self.end();
        }
        if self.word.len() + c.len_utf8() > WORD_BYTES {
            self.is_cut = true;
        } else {
            self.word.extend(c.to_lowercase());
        }
    }

    /// The word is over: a string of the arguments of a call began or ended.
    pub(crate) fn end(&mut self) {
        self.word.clear();
        self.is_cut = false;
        self.is_in_angles = false;
    }

    /// Whether what comes next would stand in an address that these rooms do not all allow. Rooms that list no
    /// targets allow none: an address that nobody named is nobody's to fill.
    pub(crate) fn is_closed(&self, rooms: &[std::sync::Arc<Context>]) -> bool {
        let addresses = self.addresses();
        let may_have = |address: &&str| {
            let url = if address.starts_with("//") || !address.contains(':') {
                format!("https://{}", address.trim_start_matches('/'))
            } else {
                (*address).to_owned()
            };
            let allows = |room: &std::sync::Arc<Context>| {
                check_hosted(&room.targets, &[HostedTool::Address(&url)]).verdict == TargetVerdict::Allow
            };
            !rooms.is_empty() && rooms.iter().all(allows)
        };
        let is_escaped = ESCAPED_MARKS.iter().any(|mark| self.word.contains(mark));
        self.is_cut || is_escaped || self.is_share() || !addresses.iter().all(may_have)
    }

    /// Whether the word names a share of another machine, which is never judged: to look at one is to log in there.
    fn is_share(&self) -> bool {
        self.word.match_indices("\\\\").any(|(at, mark)| {
            let behind = &self.word[at + mark.len()..];
            let host = behind.split('\\').next().unwrap_or_default();
            !self.word[..at].ends_with(|c: char| c.is_alphanumeric() || c == '\\')
                && host.len() < behind.len()
                && host.starts_with(char::is_alphanumeric)
        })
    }

    /// Every address that the word holds, each from its scheme or host to the end of the word: one may stand in
    /// the query of another.
    fn addresses(&self) -> Vec<&str> {
        let word = self.word.as_str();
        let mut found: Vec<&str> = Vec::new();
        for mark in MARKS {
            for (at, _) in word.match_indices(mark) {
                let head = &word[..at];
                if *mark != "//" && head.ends_with(char::is_alphanumeric) {
                    continue;
                }
                let scheme = match *mark {
                    "//" => head.strip_suffix(':').map_or(at, |head| {
                        head.len() - head.chars().rev().take_while(char::is_ascii_alphanumeric).count()
                    }),
                    _ => at,
                };
                found.push(&word[scheme..]);
            }
        }
        if found.is_empty() {
            let after_sign = |(at, c): (usize, char)| "([{\"'=,;".contains(c).then(|| at + c.len_utf8());
            let starts = std::iter::once(0).chain(word.char_indices().filter_map(after_sign));
            found.extend(starts.map(|start| &word[start..]).find(|bare| is_host_and_more(bare)));
        }
        found
    }
}

/// `evil.example/`, `evil.example?q=`: a host name with a top-level domain of letters, and what follows one.
fn is_host_and_more(word: &str) -> bool {
    let Some(end) = word.find(['/', '?', '#', ':']) else { return false };
    let is_label = |label: &str| !label.is_empty() && label.chars().all(|c| c.is_alphanumeric() || c == '-');
    let host = &word[..end];
    let top = host.rsplit('.').next().unwrap_or_default();
    host.contains('.')
        && host.split('.').all(is_label)
        && top.chars().count() >= 2
        && top.chars().all(char::is_alphabetic)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Arc;
    use zos_core::targets::Targets;

    fn closed(text: &str, rooms: &[Arc<Context>]) -> bool {
        let mut reader = AddressReader::default();
        text.chars().for_each(|c| reader.push(c));
        reader.is_closed(rooms)
    }

    #[test]
    fn an_address_is_known_however_it_is_written() {
        for text in [
            "![i](https://evil.example/?q=",
            "see https://evil.example/a/",
            "<https://evil.example/?q=a b ",
            "<img alt=x src='https://evil.example/?q= ",
            "<img src=//evil.example/",
            "www.evil.example/?q=",
            "HTTPS://EVIL.EXAMPLE/",
            "https:&#x2f;&#x2f;evil.example/",
            "https:%2F%2Fevil.example/",
            "https:\\/\\/evil.example/",
            "evil.example/?q=",
            "{\"host\":\"evil.example:443/",
            "mailto:bob@evil.example?body=",
            "\\\\evil.example\\share\\",
            "open=\\\\10.0.0.7\\",
            "https://",
        ] {
            assert!(closed(text, &[]), "{text}");
        }
    }

    #[test]
    fn words_are_not_addresses() {
        for text in [
            "Dear ",
            "Patient:",
            "(see note 4.2/",
            "a/b/",
            "src/main.rs: ",
            "/etc/conf.d/",
            "a < b and c//d ",
            "https://evil.example/ and ",
            "<p>https://evil.example</p> by ",
            "<b>",
            "e.g. ",
            "3.14/",
            "metadata:",
            "Tel:",
            "one \\\\ ",
            "\\\\d+",
        ] {
            assert!(!closed(text, &[]), "{text}");
        }
    }

    #[test]
    fn a_room_opens_the_addresses_that_it_allows() {
        let allow = ["good.example", "@good.example"].map(|entry| entry.parse().unwrap()).to_vec();
        let targets = Targets { default: TargetVerdict::Deny, allow, ..Targets::default() };
        let mut context = Context::closed("acme".parse().unwrap());
        context.targets = targets;
        let rooms = [Arc::new(context)];
        assert!(!closed("![](https://good.example/?q=", &rooms));
        assert!(!closed("good.example/?q=", &rooms));
        for text in [
            "![](https://evil.example/?u=https://good.example/",
            "https://good.example/?u=https://evil.example/",
            "https://good.example.evil.example/",
            "//evil.example/",
        ] {
            assert!(closed(text, &rooms), "{text}");
        }
        let long = format!("https://good.example/{}", "x".repeat(WORD_BYTES));
        assert!(closed(&long, &rooms));
    }
}
