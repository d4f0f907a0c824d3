//! Lints: text that a canon may have and its owner probably does not mean.
//!
//! Nothing here changes what is in force. These checks read every line against every other, so they run
//! when they are asked for, not whenever a file is saved. They are rules of thumb over English text:
//! that they find nothing proves nothing.

use std::collections::{HashMap, HashSet};
use std::path::Path;
use std::sync::{Arc, OnceLock};

use zos_rules::{PackName, Room, RoomRules, RuleKind, RuleSpec, Ruleset};

use super::{Canon, CanonLine, Finding, Lint};
use crate::home::Home;
use crate::problem::Problem;

/// Statements that are compared with each other: the time grows with the square of it.
const STATEMENTS_MAX: usize = 1000;
/// Words that a statement needs to be compared: short lines are alike by chance.
const WORDS_MIN: usize = 6;
/// Shared words, in hundredths of all words of both, from which two lines say almost the same.
const ALIKE_PERCENT: usize = 80;

/// Findings about a canon that can be built.
pub fn lint_canon(canon: &Canon, home: &Home) -> Vec<Finding> {
    let mut found = Vec::new();
    let lines: Vec<(&str, &CanonLine)> = canon.text.lines().zip(&canon.lines).collect();
    let stable = canon.stable().lines().count();
    for (index, (line, origin)) in lines.iter().enumerate() {
        if let Some(what) = hidden(line) {
            found.push(warning(Lint::HiddenUnicode, origin, what, "delete it and type the line again"));
        }
        if index < stable {
            changing(line, origin, &mut found);
        }
        dead_references(line, origin, canon, home, &mut found);
    }
    secrets(canon, &mut found);
    alike(&lines, &mut found);
    found
}

fn warning(lint: Lint, origin: &CanonLine, message: impl Into<String>, fix: impl Into<String>) -> Finding {
    Finding::new(lint, Problem::warning(&*origin.file, message, fix).at(origin.file_line, 1))
}

/// Lint for a character that no reader sees and a model reads all the same.
fn hidden(line: &str) -> Option<String> {
    let (_, character) = zos_rules::unseen(line).next()?;
    Some(format!("the line holds a hidden character (U+{:04X})", u32::from(character)))
}

const MONTHS: [&str; 12] = [
    "january",
    "february",
    "march",
    "april",
    "may",
    "june",
    "july",
    "august",
    "september",
    "october",
    "november",
    "december",
];

/// Dates and identifiers: what changes spoils the cache of everything after it.
fn changing(line: &str, origin: &CanonLine, found: &mut Vec<Finding>) {
    let fix = "move it to a clause that is marked volatile: {#some-id volatile}";
    let words: Vec<&str> =
        line.split(|c: char| !(c.is_alphanumeric() || matches!(c, '-' | '/' | '.'))).collect();
    let is_date = |index: usize, word: &str| {
        let word = word.trim_matches(['-', '/', '.']);
        let next_is_year =
            || words[index + 1..].iter().filter(|word| !word.is_empty()).take(2).any(|word| is_year(word));
        is_numeric_date(word) || (MONTHS.contains(&word.to_lowercase().as_str()) && next_is_year())
    };
    if words.iter().enumerate().any(|(index, word)| is_date(index, word)) {
        found.push(warning(Lint::Date, origin, "a date stands in the stable part of the canon", fix));
    }
    if words.iter().any(|word| is_identifier(word)) {
        let message = "what looks like an identifier stands in the stable part of the canon";
        found.push(warning(Lint::Identifier, origin, message, fix));
    }
}

fn is_year(word: &str) -> bool {
    word.len() == 4
        && (word.starts_with("19") || word.starts_with("20"))
        && word.bytes().all(|b| b.is_ascii_digit())
}

/// `2026-01-31`, `31.1.2026`, `1/31/2026`, also with a time after it.
fn is_numeric_date(word: &str) -> bool {
    ['-', '/', '.'].into_iter().any(|sign| {
        let parts: Vec<&str> = word.split(sign).collect();
        let [first, middle, last] = parts[..] else { return false };
        let last = last.split('T').next().unwrap_or(last);
        let is_small =
            |part: &str| matches!(part.len(), 1 | 2) && part.bytes().all(|byte| byte.is_ascii_digit());
        is_small(middle) && ((is_year(first) && is_small(last)) || (is_small(first) && is_year(last)))
    })
}

/// A UUID, or a long run of hexadecimal digits with letters and numbers in it.
fn is_identifier(word: &str) -> bool {
    let digits: String = word.chars().filter(|c| *c != '-').collect();
    digits.len() >= 16
        && digits.bytes().all(|byte| byte.is_ascii_hexdigit())
        && digits.bytes().any(|byte| byte.is_ascii_digit())
        && digits.bytes().any(|byte| byte.is_ascii_alphabetic())
}

/// Links to files of the home that are not there, and to clauses that the canon does not hold.
fn dead_references(line: &str, origin: &CanonLine, canon: &Canon, home: &Home, found: &mut Vec<Finding>) {
    for (start, _) in line.match_indices("](") {
        let Some(end) = line[start + 2..].find(')') else { continue };
        let target = line[start + 2..start + 2 + end].trim();
        let (path, clause) = target.split_once('#').unwrap_or((target, ""));
        let is_elsewhere = path.contains(':') || path.starts_with('/') || path.contains(char::is_whitespace);
        if is_elsewhere || target.is_empty() {
            continue;
        }
        if path.is_empty() {
            if !canon.lines.iter().any(|line| *line.clause == *clause) {
                let message = format!("the canon holds no clause \"{clause}\"");
                found.push(warning(
                    Lint::DeadReference,
                    origin,
                    message,
                    "check the id, or remove the reference",
                ));
            }
        } else if !exists(home, &origin.file, path) {
            let message = format!("there is no file \"{path}\" beside this one");
            found.push(warning(
                Lint::DeadReference,
                origin,
                message,
                "check the path, or remove the reference",
            ));
        }
    }
}

fn exists(home: &Home, from: &str, path: &str) -> bool {
    let folder = home.root().join(Path::new(from).parent().unwrap_or(Path::new("")));
    // What lies outside of the home is not looked at.
    path.split('/').any(|part| part == "..") || folder.join(path).exists()
}

fn secrets(canon: &Canon, found: &mut Vec<Finding>) {
    static RULES: OnceLock<RoomRules> = OnceLock::new();
    let rules = RULES.get_or_init(|| {
        let room = Room {
            name: "canon".to_owned(),
            rules: vec![RuleSpec::new("secrets", RuleKind::Pack(PackName::Secrets.into()))],
        };
        let rules = Arc::new(Ruleset::compile(&[room]).expect("a shipped pack compiles"));
        rules.room("canon").expect("it was just compiled")
    });
    let mut violations = Vec::new();
    rules.scan(&canon.text, &mut violations);
    for violation in violations {
        if let Some(origin) = canon.line_at(violation.span.start) {
            let fix = "take it out: a canon goes to the provider with every call";
            found.push(warning(Lint::Secret, origin, "what looks like a key or password stands here", fix));
        }
    }
}

/// A line as a statement: its words, and whether it demands or forbids.
struct Statement<'c> {
    origin: &'c CanonLine,
    words: HashSet<String>,
    forbids: bool,
}

/// Lines that say almost the same, and lines of which one demands what the other forbids.
fn alike(lines: &[(&str, &CanonLine)], found: &mut Vec<Finding>) {
    let mut in_code = false;
    let mut statements: Vec<Statement<'_>> = Vec::new();
    let mut rules: HashMap<String, (bool, &CanonLine)> = HashMap::new();
    for (line, origin) in lines {
        in_code ^= line.trim_start().starts_with("```");
        if in_code || line.starts_with('#') || statements.len() >= STATEMENTS_MAX {
            continue;
        }
        for sentence in line.split(['.', ';', '!', '?']) {
            if let Some((forbids, what)) = rule(sentence) {
                match rules.get(&what) {
                    Some((other, first)) if *other != forbids => {
                        let message = format!(
                            "this line and {}:{} demand and forbid the same",
                            first.file, first.file_line
                        );
                        found.push(warning(Lint::Contradiction, origin, message, "keep one of them"));
                    }
                    Some(_) => {}
                    None => {
                        rules.insert(what, (forbids, *origin));
                    }
                }
            }
        }
        let words: HashSet<String> = words(line).collect();
        if words.len() >= WORDS_MIN {
            let forbids = rule(line).is_some_and(|(forbids, _)| forbids);
            let twin =
                statements.iter().find(|other| other.forbids == forbids && is_alike(&other.words, &words));
            if let Some(twin) = twin {
                let message =
                    format!("this line says almost what {}:{} says", twin.origin.file, twin.origin.file_line);
                found.push(warning(
                    Lint::NearDuplicate,
                    origin,
                    message,
                    "keep one of them: twice costs twice",
                ));
            }
            statements.push(Statement { origin, words, forbids });
        }
    }
}

fn words(line: &str) -> impl Iterator<Item = String> + '_ {
    line.split(|c: char| !c.is_alphanumeric() && c != '\'')
        .filter(|word| !word.is_empty())
        .map(str::to_lowercase)
}

fn is_alike(one: &HashSet<String>, other: &HashSet<String>) -> bool {
    let (few, many) = (one.len().min(other.len()), one.len().max(other.len()));
    if few * 100 < many * ALIKE_PERCENT {
        return false;
    }
    let shared = one.intersection(other).count();
    shared * 100 >= (one.len() + other.len() - shared) * ALIKE_PERCENT
}

/// Whether a sentence demands or forbids, and what: its words without those of command and politeness.
fn rule(sentence: &str) -> Option<(bool, String)> {
    const FILL: [&str; 14] = [
        "the", "a", "an", "you", "please", "to", "any", "all", "your", "must", "should", "always", "do",
        "shall",
    ];
    const FORBID: [&str; 9] =
        ["never", "not", "don't", "dont", "mustn't", "shouldn't", "cannot", "can't", "avoid"];
    const DEMAND: [&str; 4] = ["always", "must", "should", "shall"];
    let words: Vec<String> = words(sentence).collect();
    let forbids = words.iter().any(|word| FORBID.contains(&word.as_str()));
    let demands = words.iter().any(|word| DEMAND.contains(&word.as_str()));
    let what: Vec<&str> = words
        .iter()
        .map(String::as_str)
        .filter(|word| !FILL.contains(word) && !FORBID.contains(word))
        .collect();
    ((forbids || demands) && what.len() >= 2).then(|| (forbids, what.join(" ")))
}
