//! A context's memory as the files that Anthropic's memory tool works on (`view`, `create`,
//! `str_replace`, `insert`, `delete`, `rename` under `/memories`). Commands and answers:
//! <https://docs.claude.com/en/docs/agents-and-tools/tool-use/memory-tool>.
//!
//! A model's changes are proposals: a file it creates or edits, and a file it deletes, waits for
//! the owner's review. Until then nobody is shown a word of it, its name included, and what was in
//! force stays so. Deleting keeps the file on the disk, marked.
//!
//! Every output that shows a memory ends in its source, as MCP's recall has it: a model call that holds one has read this
//! room's memory.

use serde::Deserialize;
use zos_rules::RoomRules;

use super::item::{Item, Kind, LABEL_MAX_BYTES, Origin, Source, Status};
use super::room::{MemoryError, New, Room};
use super::time::Moment;

/// Folder of the tool's files, as models name it.
const ROOT: &str = "/memories";

/// One call of the tool.
#[derive(Clone, PartialEq, Debug, Deserialize)]
#[serde(tag = "command", rename_all = "snake_case")]
pub enum Command {
    /// Shows the list of files, or one of them with line numbers.
    View {
        /// The folder or file.
        path: String,
        /// First and last line, from 1; -1 as the last is the end.
        #[serde(default)]
        view_range: Option<[i64; 2]>,
    },
    /// Writes a new file.
    Create {
        /// The file.
        path: String,
        /// Its text.
        file_text: String,
    },
    /// Replaces a text that stands once in the file.
    StrReplace {
        /// The file.
        path: String,
        /// Text to be replaced.
        old_str: String,
        /// Text in its place.
        #[serde(default)]
        new_str: String,
    },
    /// Inserts lines.
    Insert {
        /// The file.
        path: String,
        /// Number of the line behind which the text goes; 0 is the beginning.
        insert_line: usize,
        /// Text to be inserted.
        #[serde(alias = "new_str")]
        insert_text: String,
    },
    /// Deletes a file.
    Delete {
        /// The file.
        path: String,
    },
    /// Renames a file.
    Rename {
        /// The file.
        old_path: String,
        /// Its new name.
        new_path: String,
    },
}

/// Caller of the tool, and the time of the call.
pub struct Caller<'c> {
    /// The rules of the context.
    pub rules: Option<&'c RoomRules>,
    /// Kinds that are accepted without review, as the context's file has it.
    pub auto_accept: &'c [String],
    /// The call, for the provenance of what it proposes.
    pub reference: Option<String>,
    /// Time of the call.
    pub now: Moment,
}

/// Does what the model asked for; the text for the model. A mistake of the model's is such a text too,
/// beginning with `Error:`.
///
/// # Errors
/// If the disk fails, or a text cannot be kept.
pub fn run(room: &Room, caller: &Caller<'_>, command: &Command) -> Result<String, MemoryError> {
    let answer = match command {
        Command::View { path, view_range } => view(room, caller, path, *view_range),
        Command::Create { path, file_text } => create(room, caller, path, file_text),
        Command::StrReplace { path, old_str, new_str } => {
            edit(room, caller, path, |text| replaced(text, path, old_str, new_str))
        }
        Command::Insert { path, insert_line, insert_text } => {
            edit(room, caller, path, |text| inserted(text, *insert_line, insert_text))
        }
        Command::Delete { path } => delete(room, caller, path),
        Command::Rename { old_path, new_path } => rename(room, caller, old_path, new_path),
    };
    match answer {
        Ok(text) => Ok(text),
        Err(Trouble::Model(text)) => Ok(format!("Error: {text}")),
        Err(Trouble::Ours(error)) => Err(error),
    }
}

enum Trouble {
    /// A mistake of the model, told to it in this text.
    Model(String),
    /// The memory could not be read or written.
    Ours(MemoryError),
}

impl From<MemoryError> for Trouble {
    fn from(error: MemoryError) -> Self {
        match error {
            MemoryError::Invalid { what } => Self::Model(what),
            other => Self::Ours(other),
        }
    }
}

type Answer = Result<String, Trouble>;

fn view(room: &Room, caller: &Caller<'_>, path: &str, range: Option<[i64; 2]>) -> Answer {
    let wanted = name(path)?;
    let files = Files::of(room, caller.now)?;
    let source = format!("zos://memory/{}/", room.context());
    if let Some(file) = files.in_force(&wanted) {
        return Ok(format!("{}\n\nSource: {source}{}", numbered(path, &file.text, range), file.id));
    }
    let prefix = if wanted.is_empty() { String::new() } else { format!("{wanted}/") };
    let mut listed: Vec<String> = files
        .in_force
        .iter()
        .map(|item| (item, file_name(item)))
        .filter(|(_, name)| name.starts_with(&prefix))
        .map(|(item, name)| format!("{}\t{ROOT}/{name}", size(item.text.len())))
        .collect();
    listed.sort();
    if listed.is_empty() && !wanted.is_empty() {
        return Err(match files.proposed(&wanted) {
            Some(_) => Trouble::Model(format!("{path} waits for the owner's review and cannot be read yet.")),
            None => missing(path),
        });
    }
    let mut text = format!("Here are the files in {path}:\n{}", listed.join("\n"));
    if wanted.is_empty() && !files.proposed.is_empty() {
        text.push_str(&format!("\n({} more wait for the owner's review)", files.proposed.len()));
    }
    if !listed.is_empty() {
        text.push_str(&format!("\n\nSource: {source}"));
    }
    Ok(text)
}

fn numbered(path: &str, text: &str, range: Option<[i64; 2]>) -> String {
    let count = text.lines().count();
    let [first, last] = range.unwrap_or([1, -1]);
    let first = usize::try_from(first).unwrap_or(1).max(1);
    let last = usize::try_from(last).unwrap_or(count).min(count);
    let lines = text.lines().enumerate().skip(first - 1).take((last + 1).saturating_sub(first));
    let lines: Vec<String> = lines.map(|(at, line)| format!("{:>6}\t{line}", at + 1)).collect();
    format!("Here is the content of {path} with line numbers:\n{}", lines.join("\n"))
}

fn create(room: &Room, caller: &Caller<'_>, path: &str, text: &str) -> Answer {
    let wanted = file(path)?;
    let files = Files::of(room, caller.now)?;
    if files.in_force(&wanted).is_some() || files.proposed(&wanted).is_some() {
        return Err(Trouble::Model(format!("{path} exists already.")));
    }
    propose(room, caller, &wanted, text, None)
}

fn propose(room: &Room, caller: &Caller<'_>, name: &str, text: &str, over: Option<&Item>) -> Answer {
    let new = New {
        text: text.to_owned(),
        subject: over.and_then(|item| item.subject.clone()),
        kind: over.map_or(Kind::Fact, |item| item.kind),
        source: Source { origin: Origin::Model, reference: caller.reference.clone() },
        expires: None,
        path: Some(name.to_owned()),
        supersedes: over.map(|item| item.id.clone()).into_iter().collect(),
    };
    let added = room.add(new, caller.rules, caller.auto_accept, caller.now)?;
    Ok(match added.item.status {
        Status::Active => format!("{ROOT}/{name} is written and in force."),
        _ => format!(
            "{ROOT}/{name} is written. It waits for the owner's review and is not in force until then."
        ),
    })
}

/// Edits the proposal of that name, or proposes an edit of the file in force.
fn edit(
    room: &Room,
    caller: &Caller<'_>,
    path: &str,
    change: impl Fn(&str) -> Result<String, Trouble>,
) -> Answer {
    let wanted = file(path)?;
    let files = Files::of(room, caller.now)?;
    if let Some(proposal) = files.proposed(&wanted) {
        let text = change(&proposal.text)?;
        room.amend(&proposal.id, |item| Some(Item { text: text.trim().to_owned(), ..item.clone() }))?;
        return Ok(format!("{path} is edited. It waits for the owner's review."));
    }
    let Some(current) = files.in_force(&wanted) else { return Err(missing(path)) };
    propose(room, caller, &wanted, &change(&current.text)?, Some(current))
}

fn replaced(text: &str, path: &str, old: &str, new: &str) -> Result<String, Trouble> {
    let lines: Vec<String> = text
        .match_indices(old)
        .filter(|_| !old.is_empty())
        .map(|(at, _)| (text[..at].matches('\n').count() + 1).to_string())
        .collect();
    match lines.len() {
        1 => Ok(text.replacen(old, new, 1)),
        0 => Err(Trouble::Model(format!("Nothing was replaced: old_str does not stand in {path}."))),
        _ => Err(Trouble::Model(format!(
            "Nothing was replaced: old_str stands in lines {} of {path}. Make it unique.",
            lines.join(", ")
        ))),
    }
}

fn inserted(text: &str, line: usize, new: &str) -> Result<String, Trouble> {
    let mut lines: Vec<&str> = text.lines().collect();
    if line > lines.len() {
        return Err(Trouble::Model(format!("insert_line must be from 0 to {}.", lines.len())));
    }
    lines.splice(line..line, new.trim_end_matches('\n').split('\n'));
    Ok(lines.join("\n"))
}

fn delete(room: &Room, caller: &Caller<'_>, path: &str) -> Answer {
    let wanted = file(path)?;
    let files = Files::of(room, caller.now)?;
    let now = caller.now;
    if let Some(proposal) = files.proposed(&wanted) {
        room.amend(&proposal.id, |item| Some(Item { status: Status::Rejected, ..item.clone() }))?;
        return Ok(format!("{path} is deleted."));
    }
    let Some(current) = files.in_force(&wanted) else { return Err(missing(path)) };
    room.amend(&current.id, |item| Some(Item { delete_proposed: Some(now), ..item.clone() }))?;
    Ok(format!("{path} is to be deleted. It stays in force until the owner agrees."))
}

fn rename(room: &Room, caller: &Caller<'_>, old: &str, new: &str) -> Answer {
    let (from, to) = (file(old)?, file(new)?);
    let files = Files::of(room, caller.now)?;
    if files.in_force(&to).is_some() || files.proposed(&to).is_some() {
        return Err(Trouble::Model(format!("{new} exists already.")));
    }
    if let Some(proposal) = files.proposed(&from) {
        room.amend(&proposal.id, |item| Some(Item { path: Some(to.clone()), ..item.clone() }))?;
        return Ok(format!("{old} is renamed to {new}."));
    }
    Err(match files.in_force(&from) {
        Some(_) => Trouble::Model(format!("{old} is in force, and only the owner can rename it.")),
        None => missing(old),
    })
}

/// The memories as files.
struct Files {
    in_force: Vec<Item>,
    proposed: Vec<Item>,
}

impl Files {
    fn of(room: &Room, now: Moment) -> Result<Self, MemoryError> {
        let in_force = room.in_force(now)?;
        let proposed = room.proposed(now)?;
        Ok(Self { in_force, proposed })
    }

    fn in_force(&self, name: &str) -> Option<&Item> {
        self.in_force.iter().rev().find(|item| file_name(item) == name)
    }

    fn proposed(&self, name: &str) -> Option<&Item> {
        self.proposed.iter().rev().find(|item| file_name(item) == name)
    }
}

fn file_name(item: &Item) -> String {
    item.path.clone().unwrap_or_else(|| format!("{}.md", item.id))
}

/// The path of a file below [`ROOT`].
fn file(path: &str) -> Result<String, Trouble> {
    match name(path)? {
        name if name.is_empty() => Err(Trouble::Model(format!("{ROOT} is a folder; name a file in it."))),
        name => Ok(name),
    }
}

/// The path below [`ROOT`]; empty for the root itself. It is a name only, and never leads to a file of
/// that path; what could mean another place is refused all the same.
fn name(path: &str) -> Result<String, Trouble> {
    let wrong =
        || Trouble::Model(format!("paths begin with {ROOT}/ and hold neither `..` nor `\\` nor `%`."));
    let inside = path.strip_prefix(ROOT).ok_or_else(wrong)?;
    if !inside.is_empty() && !inside.starts_with('/') {
        return Err(wrong());
    }
    let inside = inside.trim_matches('/');
    let is_wrong = |part: &str| part.is_empty() || part == "." || part == "..";
    if inside.len() > LABEL_MAX_BYTES
        || inside.contains(['\\', '%', '\n', '\r', '\0'])
        || (!inside.is_empty() && inside.split('/').any(is_wrong))
    {
        return Err(wrong());
    }
    Ok(inside.to_owned())
}

fn missing(path: &str) -> Trouble {
    Trouble::Model(format!("The path {path} does not exist."))
}

fn size(bytes: usize) -> String {
    if bytes < 1024 { format!("{bytes}B") } else { format!("{:.1}K", bytes as f64 / 1024.0) }
}
