//! One layer file into clauses.
//!
//! A layer is Markdown. Front matter between two `---` lines is for the owner and is never sent: `level`,
//! `override`, `volatile`, `title`. Each `##` heading outside of code fences begins a clause; what stands
//! before the first one is a clause of its own, whose id is the file's path. Underlined headings are text.

use std::sync::Arc;

use super::{Finding, Level, Lint, read::normalise_lines};
use crate::problem::Problem;
use crate::yaml::{self, Fields, Findings, Unknown, Value};

/// The longest clause id, in bytes.
const ID_MAX_BYTES: usize = 128;

/// One clause as one file has it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Clause {
    pub(crate) id: Arc<str>,
    pub(crate) file: Arc<str>,
    pub(crate) level: Level,
    /// Whether it replaces what higher levels say under its id.
    pub(crate) overrides: bool,
    /// Whether its heading says so, rather than the file as a whole.
    pub(crate) overrides_by_name: bool,
    /// Whether it changes often.
    pub(crate) volatile: bool,
    /// Whether its first line is its heading.
    pub(crate) has_heading: bool,
    /// Its lines with their numbers in the file; never empty, blank at neither end.
    pub(crate) lines: Vec<(usize, String)>,
}

impl Clause {
    /// Line of its first line in the file.
    pub(crate) fn line(&self) -> usize {
        self.lines.first().map_or(1, |(number, _)| *number)
    }

    /// Lines below its heading.
    pub(crate) fn body(&self) -> &[(usize, String)] {
        let body = &self.lines[usize::from(self.has_heading)..];
        let blank = body.iter().take_while(|(_, line)| line.is_empty()).count();
        &body[blank..]
    }

    /// Whether both say the same in the same words.
    pub(crate) fn is_same_text(&self, other: &Self) -> bool {
        self.lines.iter().map(|(_, line)| line).eq(other.lines.iter().map(|(_, line)| line))
    }
}

/// Origin of a layer, with what the manifest says about it.
pub(crate) struct Origin<'o> {
    /// Relative to the home.
    pub(crate) path: &'o str,
    /// The level that the manifest states.
    pub(crate) level: Option<Level>,
}

/// Settings of the front matter, for the whole file.
#[derive(Clone, Copy, Default)]
struct Front {
    level: Option<Level>,
    overrides: bool,
    volatile: bool,
}

/// Reads a layer. Takes any bytes; where any finding is an error the clauses are of no use.
pub(crate) fn parse(origin: &Origin<'_>, bytes: &[u8]) -> (Vec<Clause>, Vec<Finding>) {
    let path = origin.path;
    let text = match yaml::decode(path, bytes) {
        Ok(text) => text,
        Err(problem) => return (Vec::new(), vec![Finding::new(Lint::Unreadable, *problem)]),
    };
    let lines = normalise_lines(text);
    let mut findings = Vec::new();
    let (front, first) = read_front(path, &lines, &mut findings);
    let level = level(origin, front.level, &mut findings);
    let mut reader =
        LayerReader { path: path.into(), level, front, clauses: Vec::new(), current: None, findings };
    reader.read(&lines, first);
    (reader.clauses, reader.findings)
}

/// Front matter and the index of the first line after it.
fn read_front(path: &str, lines: &[String], found: &mut Vec<Finding>) -> (Front, usize) {
    if lines.first().map(String::as_str) != Some("---") {
        return (Front::default(), 0);
    }
    let end = lines.iter().skip(1).position(|line| line == "---" || line == "...");
    let Some(end) = end.map(|index| index + 1) else {
        let fix = "write a line `---` after it";
        let problem = Problem::error(path, "the front matter that begins here has no end", fix).at(1, 1);
        found.push(Finding::new(Lint::FrontMatter, problem));
        return (Front::default(), lines.len());
    };
    // An empty first line in place of `---` keeps all line numbers.
    let yaml = format!("\n{}\n", lines[1..end].join("\n"));
    let mut findings = Findings::new(path);
    let mut front = Front::default();
    match yaml::parse(path, yaml.as_bytes()) {
        Ok(document) if document.root.value == Value::Null => {}
        Ok(document) => {
            if let Some(mut fields) = Fields::of(&document.root, "", &mut findings) {
                fields.text("title", &mut findings);
                front.level = fields.word("level", &Level::WORDS, &mut findings);
                front.overrides = fields.flag("override", &mut findings).unwrap_or(false);
                front.volatile = fields.flag("volatile", &mut findings).unwrap_or(false);
                fields.finish(Unknown::Warn, &mut findings);
            }
        }
        Err(problem) => findings.push(*problem),
    }
    let problems = findings.into_problems().into_iter();
    found.extend(problems.map(|problem| Finding::new(Lint::FrontMatter, problem)));
    (front, end + 1)
}

/// The level of a file's clauses: what is said of it, which must agree, else what its place means.
fn level(origin: &Origin<'_>, front: Option<Level>, findings: &mut Vec<Finding>) -> Level {
    let path = origin.path;
    let is_floor = path.rsplit('/').next() == Some("safety-floor.md") && path.starts_with("brain/");
    let is_overlay = path.starts_with("contexts/");
    let mut refuse = |message: String, fix: &str| {
        findings.push(Finding::new(Lint::FrontMatter, Problem::error(path, message, fix).at(1, 1)));
    };
    if let (Some(manifest), Some(front)) = (origin.level, front)
        && manifest != front
    {
        let message = format!("the level is {} here and {} in manifest.json", front.name(), manifest.name());
        refuse(message, "say it in one place");
    }
    let stated = origin.level.or(front);
    match stated {
        Some(stated) if is_floor && stated != Level::Floor => {
            refuse(
                "safety-floor.md is always of level floor".to_owned(),
                "remove the level, or rename the file",
            );
            Level::Floor
        }
        Some(stated) if is_overlay && stated.rank() < Level::Room.rank() => {
            let message = format!("a room's own prose cannot be of level {}", stated.name());
            refuse(message, "remove the level, or move the text to a file under brain/");
            Level::Room
        }
        Some(stated) => stated,
        None if is_floor => Level::Floor,
        None if is_overlay => Level::Room,
        None => Level::Owner,
    }
}

struct LayerReader {
    path: Arc<str>,
    level: Level,
    front: Front,
    clauses: Vec<Clause>,
    current: Option<Clause>,
    findings: Vec<Finding>,
}

impl LayerReader {
    fn read(&mut self, lines: &[String], first: usize) {
        let mut fence: Option<(u8, usize)> = None;
        self.current = Some(self.clause(Arc::clone(&self.path), false));
        for (index, line) in lines.iter().enumerate().skip(first) {
            let number = index + 1;
            fence = match fence {
                Some(open) if closes(line, open) => None,
                Some(open) => Some(open),
                None => opens(line),
            };
            match heading(line).filter(|_| fence.is_none()) {
                Some(title) => {
                    self.end_clause();
                    self.begin_clause(title, number);
                }
                None => {
                    if let Some(current) = &mut self.current {
                        current.lines.push((number, line.clone()));
                    }
                }
            }
        }
        self.end_clause();
    }

    fn clause(&self, id: Arc<str>, has_heading: bool) -> Clause {
        Clause {
            id,
            file: Arc::clone(&self.path),
            level: self.level,
            overrides: self.front.overrides,
            overrides_by_name: false,
            volatile: self.front.volatile,
            has_heading,
            lines: Vec::new(),
        }
    }

    fn begin_clause(&mut self, title: &str, number: usize) {
        let mut error = |message: String, fix: &str| {
            let problem = Problem::error(&*self.path, message, fix).at(number, 1);
            self.findings.push(Finding::new(Lint::ClauseId, problem));
        };
        let (title, attributes) = match split_attributes(title) {
            Ok(split) => split,
            Err(message) => {
                error(message, "write for example `## Be honest {#honest}`");
                (title, Vec::new())
            }
        };
        let mut id = None;
        let (mut overrides, mut volatile) = (false, false);
        for word in attributes {
            match word.strip_prefix('#') {
                Some(name) if is_id(name) => id = Some(name.to_owned()),
                Some(name) => error(
                    format!(
                        "`#{name}` is no id: letters, digits, `-`, `_` and `.` only, at most {ID_MAX_BYTES} bytes"
                    ),
                    "write for example {#honest}",
                ),
                None if word == "override" => overrides = true,
                None if word == "volatile" => volatile = true,
                None => error(
                    format!("`{word}` is unknown after an id"),
                    "write `override` or `volatile`, or remove it",
                ),
            }
        }
        let id = id.unwrap_or_else(|| slug(title));
        if id.is_empty() {
            error(
                "this heading has no letter or digit to make an id of".to_owned(),
                "give it one: {#some-id}",
            );
        }
        let mut clause = self.clause(id.into(), true);
        clause.overrides |= overrides;
        clause.overrides_by_name = overrides;
        clause.volatile |= volatile;
        clause.lines.push((number, format!("## {title}").trim_end().to_owned()));
        self.current = Some(clause);
    }

    fn end_clause(&mut self) {
        let Some(mut clause) = self.current.take() else { return };
        while clause.lines.last().is_some_and(|(_, line)| line.is_empty()) {
            clause.lines.pop();
        }
        let blank = clause.lines.iter().take_while(|(_, line)| line.is_empty()).count();
        clause.lines.drain(..blank);
        if !clause.lines.is_empty() {
            self.clauses.push(clause);
        }
    }
}

/// The title of a `##` heading: up to three blanks, two signs, and a blank.
fn heading(line: &str) -> Option<&str> {
    let inner = line.trim_start_matches(' ');
    if line.len() - inner.len() > 3 {
        return None;
    }
    let title = inner.strip_prefix("##")?;
    if title.is_empty() {
        return Some("");
    }
    title.starts_with([' ', '\t']).then(|| title.trim())
}

/// Sign and length of a code fence that this line opens.
fn opens(line: &str) -> Option<(u8, usize)> {
    let inner = line.trim_start_matches(' ');
    let sign = *inner.as_bytes().first().filter(|sign| matches!(sign, b'`' | b'~'))?;
    let length = inner.bytes().take_while(|byte| *byte == sign).count();
    let is_fence =
        line.len() - inner.len() <= 3 && length >= 3 && (sign == b'~' || !inner[length..].contains('`'));
    is_fence.then_some((sign, length))
}

/// Whether this line closes a fence.
fn closes(line: &str, (sign, least): (u8, usize)) -> bool {
    let inner = line.trim_start_matches(' ');
    let length = inner.bytes().take_while(|byte| *byte == sign).count();
    line.len() - inner.len() <= 3 && length >= least && length == inner.len()
}

/// A title without its closing `{#id …}`, and the words of that.
fn split_attributes(title: &str) -> Result<(&str, Vec<&str>), String> {
    let Some(start) = title.rfind("{#") else { return Ok((title, Vec::new())) };
    let rest = &title[start + 1..];
    match rest.find('}') {
        Some(end) if end + 1 == rest.len() => {
            Ok((title[..start].trim_end(), rest[..end].split_whitespace().collect()))
        }
        // A brace in the middle of a title is text.
        Some(_) => Ok((title, Vec::new())),
        None => Err("the `{#` of this heading has no `}`".to_owned()),
    }
}

fn is_id(name: &str) -> bool {
    !name.is_empty()
        && name.len() <= ID_MAX_BYTES
        && name.chars().all(|c| c.is_alphanumeric() || matches!(c, '-' | '_' | '.'))
}

/// The id of a heading that states none: its letters and digits in lower case, joined by `-`.
pub(super) fn slug(title: &str) -> String {
    let mut slug = String::new();
    for character in title.chars() {
        if character.is_alphanumeric() {
            slug.extend(character.to_lowercase());
        } else if !slug.is_empty() && !slug.ends_with('-') {
            slug.push('-');
        }
        if slug.len() >= ID_MAX_BYTES - 4 {
            break;
        }
    }
    slug.trim_end_matches('-').to_owned()
}
