//! The targets of a tool call: by its tool's schema, by the names of its arguments, by syntax elsewhere.

use super::address::{self, HostName};
use super::finder::{Finder, flat, mail, text};
use super::json::Json;
use super::path::{self, Weight, Written};
use super::shell::{self, Mode};
use super::{Form, TARGETS_LIMIT, Target, TargetKind};

mod namespaces;
mod rendered;
mod schema;

use rendered::rendered;
use schema::{Role, Schema};

/// Depth to which arguments and JSON within strings are followed.
const NESTING_LIMIT: usize = 32;

/// Depth to which calls within calls are followed. No agent wraps a call more than once.
const WRAPPERS_LIMIT: usize = 4;

/// Names, and arguments for them, that are followed in one call. A call with more is none that an agent writes.
const WRAPPED_LIMIT: usize = 8;

/// Arguments by which a tool that calls another one names it, flat.
const CALLED: &[&str] = &["name", "tool", "toolname", "function", "functionname"];

/// Arguments in which such a tool has those of the other one, flat.
const HANDED_ON: &[&str] =
    &["arguments", "args", "input", "toolinput", "parameters", "params", "toolarguments"];

/// The targets of a tool call, the tool itself first. A call whose arguments are a call, as of agents that load tools late
/// (`tool_call {"name": …, "arguments": …}`), is also one of the tool that it calls.
#[must_use]
pub fn extract(tool: &str, arguments: &str) -> Vec<Target> {
    let Some(value) = Json::parse(arguments) else { return of_text(tool, arguments) };
    let mut targets = of_value(tool, &value);
    let mut calls = wrapped(&value);
    for _ in 0..WRAPPERS_LIMIT {
        let mut inner = Vec::new();
        for (tool, value) in std::mem::take(&mut calls) {
            for target in of_value(&tool, &value) {
                if !targets.contains(&target) && targets.len() <= TARGETS_LIMIT {
                    targets.push(target);
                }
            }
            inner.extend(wrapped(&value));
        }
        calls = inner;
    }
    targets
}

/// The calls that arguments are: every name with everything that may be its arguments, since of two members of one name
/// nobody knows which is read.
fn wrapped(arguments: &Json) -> Vec<(String, Json)> {
    let Json::Map(members) = arguments else { return Vec::new() };
    let fits = |key: &str, names: &[&str]| names.contains(&flat(key).as_str());
    let names = members.iter().filter(|(key, _)| fits(key, CALLED)).filter_map(|(_, value)| match value {
        Json::Text(name) => Some(name),
        _ => None,
    });
    let handed =
        members.iter().filter(|(key, _)| fits(key, HANDED_ON)).filter_map(|(_, value)| match value {
            Json::Map(_) => Some(value.clone()),
            // Some write the arguments as a text of JSON.
            Json::Text(text) => Json::parse(text).filter(|value| matches!(value, Json::Map(_))),
            _ => None,
        });
    let handed: Vec<Json> = handed.take(WRAPPED_LIMIT).collect();
    let names = names.take(WRAPPED_LIMIT);
    names.flat_map(|name| handed.iter().map(move |handed| (name.clone(), handed.clone()))).collect()
}

/// A finder that has the tool, and the schema of its arguments.
fn begun(tool: &str) -> (Finder, Schema) {
    let mut finder = Finder::default();
    if !tool.is_empty() {
        finder.push(TargetKind::Tool, tool.to_owned(), Form::Word(tool.to_lowercase()));
    }
    (finder, Schema::of(&plain_name(tool)))
}

/// The targets of a call with these arguments.
fn of_value(tool: &str, arguments: &Json) -> Vec<Target> {
    let (mut finder, schema) = begun(tool);
    match arguments {
        Json::Text(text) => schema.plain(&mut finder, text),
        value => finder.value(schema, value, 0),
    }
    finder.found()
}

/// The targets of a call whose arguments are no JSON: of tools that take plain text; or they are broken, and then nobody
/// knows what is read.
fn of_text(tool: &str, arguments: &str) -> Vec<Target> {
    let (mut finder, schema) = begun(tool);
    if arguments.trim_start().starts_with(['{', '[']) {
        finder.unreadable("arguments that are no JSON");
        text::find(&mut finder, &arguments.replace("\\/", "/"));
    }
    schema.plain(&mut finder, arguments);
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
    finder.found()
}

/// `mcp__server__fetch` and `server.fetch` are `fetch`.
fn plain_name(tool: &str) -> String {
    let name = tool.rsplit("__").next().unwrap_or(tool);
    let name = name.rsplit(['.', '/', ':']).next().unwrap_or(name);
    flat(name)
}

impl Finder {
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

    /// A pattern of paths. One that stays in its folder counts only where lists speak of paths.
    fn pattern(&mut self, text: &str) {
        if text.contains("://") || text.trim().is_empty() {
            return self.text(Schema::Other, text, NESTING_LIMIT - 1);
        }
        let is_inside = !path::is_absolute(text.trim()) && !text.contains("..");
        let weight = if is_inside { Weight::Operand } else { Weight::Stated };
        self.path_as(text, Written { weight, is_pattern: true, ..Written::default() });
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
