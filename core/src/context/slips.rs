//! Slips of the pen in terms: what was written is a valid term, and most likely not the one that was meant.
//!
//! A rule that never matches looks like one that has nothing to find, so each of these is told. Messages never
//! repeat a term.

use crate::yaml::{Findings, Place, Style};

/// Quotes that word processors put around a word, and those that a second pair of quotes leaves.
const QUOTES: &[(char, char)] = &[
    ('“', '”'),
    ('„', '“'),
    ('„', '”'),
    ('”', '”'),
    ('‘', '’'),
    ('‚', '‘'),
    ('‚', '’'),
    ('’', '’'),
    ('«', '»'),
    ('»', '«'),
    ('‹', '›'),
    ('›', '‹'),
    ('「', '」'),
    ('『', '』'),
    ('＂', '＂'),
    ('"', '"'),
    ('\'', '\''),
    ('`', '`'),
];

/// Signs in front of a term that only a list has.
const BULLETS: &[char] = &['•', '·', '‣', '◦', '–', '—', '*', '-', '+'];

/// A term without the quotes around it, which belong to the file and not to the word. Tells what else looks like a
/// slip.
pub(super) fn without<'t>(text: &'t str, place: Place, style: Style, findings: &mut Findings) -> &'t str {
    if style == Style::Folded {
        folded(text, place, findings);
    }
    let trimmed = text.trim();
    let inner = QUOTES.iter().find_map(|(open, close)| trimmed.strip_prefix(*open)?.strip_suffix(*close));
    if let Some(inner) = inner.filter(|inner| !inner.trim().is_empty()) {
        let message =
            "the quotes around this term would be part of it; the words between them are looked for";
        findings.warn(place, message, "leave them out, or write plain quotes: \"…\"");
        return inner;
    }
    if let Some((message, fix)) = slip(trimmed) {
        findings.warn(place, message, fix);
    }
    text
}

/// Two lines that are one term: each word of its own is not looked for.
fn folded(text: &str, place: Place, findings: &mut Findings) {
    let message = "this term goes over several lines, which are one term: their words are found only next to each other";
    if text.contains(" - ") {
        findings.error(place, message, "begin every `- ` of the list in the same column");
    } else {
        findings.warn(place, message, "put a `- ` before each, or write the phrase on one line");
    }
}

fn slip(term: &str) -> Option<(&'static str, &'static str)> {
    let is_bulleted = term.strip_prefix(BULLETS).is_some_and(|rest| rest.starts_with(char::is_whitespace));
    if is_bulleted {
        return Some(("this term begins with the sign of a list, which is part of it", "leave the sign out"));
    }
    if term.ends_with([',', ';']) {
        return Some(("the comma or semicolon at the end of this term is part of it", "leave it out"));
    }
    if is_pattern(term) {
        return Some((
            "this term looks like a pattern, and is looked for letter by letter",
            "write {pattern: '…'} for a pattern; a plain term finds plurals and other spellings by itself",
        ));
    }
    None
}

/// Whether a term is written as regular expressions and wildcards are.
fn is_pattern(term: &str) -> bool {
    let has_class = ["\\d", "\\w", "\\s", "\\b", ".*", ".+", "(?", "[0-9]", "[a-z]", "[A-Z]"];
    let is_slashed = term.len() > 2 && term.starts_with('/') && term.ends_with('/');
    let bare = term.trim_matches('*');
    has_class.iter().any(|sign| term.contains(sign))
        || is_slashed
        || bare.len() + 1 == term.len() && bare.chars().filter(|letter| letter.is_alphanumeric()).count() > 2
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::problem::Problem;

    fn told(text: &str, style: Style) -> (String, Vec<Problem>) {
        let mut findings = Findings::new("contexts/acme.yml");
        let term = without(text, Place { line: 1, column: 1 }, style, &mut findings).to_owned();
        (term, findings.into_problems())
    }

    #[test]
    fn quotes_of_a_word_processor_are_told_and_left_out() {
        for (written, term) in [
            ("“Heron”", "Heron"),
            ("„Blue Heron“", "Blue Heron"),
            ("‘Heron’", "Heron"),
            ("« Heron »", " Heron "),
            ("\"Heron\"", "Heron"),
            ("`Heron`", "Heron"),
        ] {
            let (found, problems) = told(written, Style::Plain);
            assert_eq!((found.as_str(), problems.len()), (term, 1), "{written}");
            assert!(!problems[0].to_string().contains("Heron"), "{problems:?}");
        }
        for written in ["Heron's", "5' 6\"", "Blue \"Heron\" Inc", "“”", "O’Neil"] {
            assert_eq!(told(written, Style::Plain).0, written);
        }
    }

    #[test]
    fn other_slips_are_told_and_ordinary_terms_are_not() {
        for written in
            ["• Heron", "- Heron", "Heron,", "Heron;", "Heron*", "*heron", "/heron/", "HR-\\d{4}", "her.*n"]
        {
            let (_, problems) = told(written, Style::Plain);
            assert_eq!(problems.len(), 1, "{written}");
        }
        for written in [
            "Heron",
            "Acme, Inc.",
            "C++",
            "A*",
            "C*",
            "*",
            "-9",
            "Ann Lee",
            "heron@acme.com",
            "a/b",
            "$HERON",
            "*_*",
            "Q?",
        ] {
            assert_eq!(told(written, Style::Plain).1, [], "{written}");
        }
    }

    #[test]
    fn folded_lines_are_told() {
        assert!(told("Heron - Egret", Style::Folded).1[0].is_error());
        assert!(!told("Heron Egret", Style::Folded).1[0].is_error());
        assert_eq!(told("Heron - Egret", Style::Plain).1, []);
    }
}
