//! Names of namespaces: they look like addresses, and no program fetches them.

use std::borrow::Cow;

/// Beginnings of the names of well-known document types and schemas.
const KNOWN: &[&str] =
    &["http://www.w3.org/", "https://www.w3.org/", "http://json-schema.org/", "https://json-schema.org/"];

/// Text in front of such a name, and whether any name there is one: the value of `xmlns` is never fetched,
/// the address of a document type may be.
const BEFORE: &[(&str, bool)] = &[("xmlns", true), ("<!doctype", false), ("\"$schema\"", false)];

/// The most bytes between the sign that a name follows and its quote.
const GAP_LIMIT: usize = 96;

/// A text without the names of namespaces. A name with a query or a fragment counts as an address.
pub(super) fn without(text: &str) -> Cow<'_, str> {
    let lower = text.to_ascii_lowercase();
    let mut plain = String::new();
    let mut done = 0;
    let mut begins: Vec<(usize, bool)> = BEFORE
        .iter()
        .flat_map(|(sign, is_any)| lower.match_indices(sign).map(|(at, _)| (at + sign.len(), *is_any)))
        .collect();
    begins.sort_unstable();
    for (at, is_any) in begins {
        let Some(name) = name_behind(text, at, is_any) else { continue };
        if name.start < done {
            continue;
        }
        plain.push_str(&text[done..name.start]);
        done = name.end;
    }
    if done == 0 {
        return Cow::Borrowed(text);
    }
    plain.push_str(&text[done..]);
    Cow::Owned(plain)
}

/// The place of the name in quotes that follows.
fn name_behind(text: &str, at: usize, is_any: bool) -> Option<std::ops::Range<usize>> {
    let near = &text[at..text.floor_char_boundary(at + GAP_LIMIT).max(at)];
    let begin = at + near.find("http")?;
    let gap = &text[at..begin];
    let quote = gap.chars().next_back().filter(|quote| matches!(quote, '"' | '\''))?;
    // `xmlns:svg = "`: nothing but the rest of the attribute's own name.
    let is_attribute = gap.trim_end_matches(quote).trim_end().strip_suffix('=').is_some_and(|name| {
        name.trim_end().bytes().all(|byte| byte.is_ascii_alphanumeric() || b":-_.".contains(&byte))
    });
    let name =
        &text[begin..begin + text[begin..].find(|letter: char| letter == quote || letter.is_whitespace())?];
    let is_bare = text[begin + name.len()..].starts_with(quote)
        && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b":/.-_#".contains(&byte));
    let is_known = KNOWN.iter().any(|known| name.starts_with(known));
    (is_bare && (is_any && is_attribute || !is_any && is_known)).then(|| begin..begin + name.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_no_program_fetches_are_left_out() {
        for text in [
            "<svg xmlns=\"http://www.w3.org/2000/svg\" width='9'>",
            "<a xmlns:q = 'urn:x' xmlns:r='http://acme.org/ns#'>",
            "<!DOCTYPE html PUBLIC \"-//W3C//DTD HTML 4.01//EN\" \"http://www.w3.org/TR/html4/strict.dtd\">",
            "{\"$schema\": \"https://json-schema.org/draft/2020-12/schema\"}",
        ] {
            assert!(!without(text).contains("http"), "{text}");
        }
        for text in [
            "<svg xmlns=\"http://acme.org/?secret\">",
            "<!DOCTYPE x SYSTEM \"http://acme.org/x.dtd\">",
            "{\"$schema\": \"https://acme.org/x\"}",
            "xmlns <img src=\"http://acme.org/x\">",
            "xmlns=http://acme.org/x",
            "xmlns=\"http://acme.org/x",
            "see http://www.w3.org/",
        ] {
            assert_eq!(without(text), text);
        }
    }
}
