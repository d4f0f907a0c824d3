//! Entries of the two firewall lists.
//!
//! An entry is a bare term or a map with `term`, `pattern` or `pack`. Everything of the format is
//! read; what cannot be understood is an error with a place, never silently ignored.
//! Messages never repeat a term.

use std::collections::HashMap;

use zos_rules::{Action, Evasion, Evasions, Pack, PatternError, RuleKind, RuleSpec, Term, TermError};

use super::slips;
use crate::rules::{Packs, PatternRefusal, pattern};
use crate::targets::RestoreTo;
use crate::yaml::{Fields, Findings, MapEntry, Node, Place, Style, Unknown, Value, closest};

/// One entry of `outbound_deny` or `confidential`.
#[derive(Clone, PartialEq, Debug)]
pub struct Entry {
    /// Pattern and action of the rule.
    pub rule: RuleSpec,
    /// Line in the file, from 1.
    pub line: usize,
    /// The person's own note.
    pub note: Option<String>,
    /// Targets that may receive redacted text in clear again, where the file names them.
    pub restore_to: Option<RestoreTo>,
    /// Whether the action was written; one that was not is softened in an open context.
    pub explicit_action: bool,
}

/// The words for actions.
const ACTIONS: [(&str, Action); 4] =
    [("deny", Action::Deny), ("redact", Action::Redact), ("ask", Action::Ask), ("warn", Action::Warn)];

/// Settings that entries of a context are read with.
pub(super) struct EntryDefaults<'p> {
    /// The packs that an entry may name.
    pub(super) packs: &'p Packs,
    /// The evasions of an entry that says nothing about them.
    pub(super) evasions: Evasions,
    /// The evasions that an entry's `off` takes some from.
    pub(super) all: Evasions,
}

/// The list under `key`; `prefix` begins the ids of entries that give none.
pub(super) fn read_list(
    fields: &mut Fields<'_>,
    key: &'static str,
    prefix: &str,
    defaults: &EntryDefaults<'_>,
    findings: &mut Findings,
) -> Vec<Entry> {
    let Some(items) = fields.list(key, "terms", findings) else { return Vec::new() };
    let mut entries = Vec::with_capacity(items.len());
    let mut places = Vec::with_capacity(items.len());
    for (index, node) in items.iter().enumerate() {
        let path = format!("{key}[{}]", index + 1);
        let default_id = format!("{prefix}/{}", index + 1);
        if let Some(entry) = read_entry(node, &path, default_id, defaults, findings) {
            entries.push(entry);
            places.push(node.place);
        }
    }
    report_repetitions(&entries, &places, findings);
    entries
}

fn read_entry(
    node: &Node,
    path: &str,
    default_id: String,
    defaults: &EntryDefaults<'_>,
    findings: &mut Findings,
) -> Option<Entry> {
    match &node.value {
        Value::Text(text) => {
            let kind = RuleKind::Term(read_term(text, node.place, node.style, findings)?);
            let rule = RuleSpec { evasions: defaults.evasions, ..RuleSpec::new(default_id, kind) };
            Some(Entry { rule, line: node.place.line, note: None, restore_to: None, explicit_action: false })
        }
        Value::Map(_) => read_map(node, path, default_id, defaults, findings),
        Value::Null => {
            let message = format!("`{path}` is empty");
            findings.error(node.place, message, "write the term after the dash, or remove the line");
            None
        }
        Value::Number(_) | Value::Bool(_) => {
            let message = format!("`{path}` must be text, found {}", node.kind());
            findings.error(node.place, message, "put the term in quotes: - \"…\"");
            None
        }
        Value::List(_) => {
            let message = format!("`{path}` must be a term, found a list");
            findings.error(node.place, message, "write one `- term` a line, all with the same indentation");
            None
        }
    }
}

fn read_map(
    node: &Node,
    path: &str,
    default_id: String,
    defaults: &EntryDefaults<'_>,
    findings: &mut Findings,
) -> Option<Entry> {
    let mut fields = Fields::of(node, path, findings)?.confidential();
    let kind = read_kind(&mut fields, node, path, defaults.packs, findings);
    let action = fields.word("action", &ACTIONS, findings);
    let note = fields.text("note", findings).map(str::to_owned);
    let id = read_id(&mut fields, findings).unwrap_or(default_id);
    let exact = fields.flag("exact", findings).unwrap_or(false);
    let person = read_person(&mut fields, findings);
    let evasions = read_evasions(&mut fields, defaults.all, findings).unwrap_or(defaults.evasions);
    let restore_to = read_restore_to(&mut fields, findings);
    fields.finish(Unknown::Warn, findings);

    let kind = kind?;
    let rule = RuleSpec { id, kind, action: action.unwrap_or_default(), exact, person, evasions };
    Some(Entry { rule, line: node.place.line, note, restore_to, explicit_action: action.is_some() })
}

/// `restore_to: [github.com, shell]` names the places that what was redacted may be put back for.
fn read_restore_to(fields: &mut Fields<'_>, findings: &mut Findings) -> Option<RestoreTo> {
    let mut places = RestoreTo::default();
    for (word, place) in fields.texts("restore_to", findings)? {
        if let Err(error) = places.add(word) {
            findings.error(place, format!("`restore_to`: {error}"), error.fix);
        }
    }
    Some(places)
}

/// `person: true` says that a term is somebody's name.
fn read_person(fields: &mut Fields<'_>, findings: &mut Findings) -> bool {
    let entry = fields.entry("person").map(|entry| entry.place);
    let person = entry.is_some() && fields.flag("person", findings).unwrap_or(false);
    if let Some(place) = entry.filter(|_| fields.entry("term").is_none()) {
        findings.error(place, "`person` is for terms only", "remove it, or name the person with `term`");
    }
    person
}

fn read_kind(
    fields: &mut Fields<'_>,
    node: &Node,
    path: &str,
    packs: &Packs,
    findings: &mut Findings,
) -> Option<RuleKind> {
    let mut kinds = Vec::new();
    for key in ["term", "pattern", "pack"] {
        // The place of a value that is not there is nowhere useful.
        let place =
            |entry: &MapEntry| if entry.value.value == Value::Null { entry.place } else { entry.value.place };
        kinds.extend(fields.entry(key).map(|entry| (key, place(entry))));
    }
    let selections = ["only", "except"].map(|key| read_selection(fields, key, findings));
    let counts_examples = read_examples(fields, findings);
    let max_len = fields.entry("max_len").is_some().then(|| fields.whole("max_len", findings)).flatten();
    let (key, place) = match kinds.as_slice() {
        [one] => *one,
        [] => {
            // The usual slip is `- Some: phrase`, a term with a colon that became a map.
            let message = format!("`{path}` has no `term`, `pattern` or `pack`");
            findings.error(
                node.place,
                message,
                "write {term: \"…\"}; a plain term that holds `: ` needs quotes: - \"…: …\"",
            );
            return None;
        }
        [_, second, ..] => {
            let message = format!("`{path}` has more than one of `term`, `pattern` and `pack`");
            findings.error(second.1, message, "make two entries of it");
            return None;
        }
    };
    let text = fields.text(key, findings);
    if text.is_none() {
        if fields.entry(key).is_some_and(|entry| entry.value.value == Value::Null) {
            findings.error(place, format!("`{path}.{key}` is empty"), "write the text after the colon");
        }
        return None;
    }
    let text = text?;
    match key {
        "term" => {
            let style = fields.entry(key).map_or(Style::Plain, |entry| entry.value.style);
            Some(RuleKind::Term(read_term(text, place, style, findings)?))
        }
        "pattern" => {
            let max_len = max_len.map(|bytes| usize::try_from(bytes).unwrap_or(usize::MAX));
            match pattern(text, max_len, findings) {
                Ok(pattern) => Some(RuleKind::Pattern(pattern)),
                Err(error) => {
                    let fix = match error {
                        PatternRefusal::Pattern(PatternError::Syntax { .. }) => {
                            "look-around and back-references are not possible; fix it or write plain terms: - …"
                        }
                        PatternRefusal::Pattern(PatternError::Unbounded) => {
                            "write for example [0-9]{1,64} instead of [0-9]+, or add max_len: 64"
                        }
                        PatternRefusal::NoRoom => {
                            "use smaller repetitions, or ASCII classes such as [0-9] instead of \\d"
                        }
                        _ => "fix it, or write the words it should find as plain terms: - …",
                    };
                    // A parser may draw its message over several lines.
                    let message = error.to_string().split_whitespace().collect::<Vec<_>>().join(" ");
                    findings.error(place, message, fix);
                    None
                }
            }
        }
        _ => {
            let pack = read_pack(text, place, packs, findings)?;
            let [only, except] = selections;
            let pack = select(pack, only, Pack::only, findings)?;
            let pack = select(pack, except, Pack::except, findings)?;
            Some(RuleKind::Pack(if counts_examples { pack.counting_examples() } else { pack }))
        }
    }
}

fn read_term(text: &str, place: Place, style: Style, findings: &mut Findings) -> Option<Term> {
    match Term::new(slips::without(text, place, style, findings)) {
        Ok(term) => Some(term),
        Err(error) => {
            let fix = match error {
                TermError::Empty => "write the word or phrase, or remove the entry",
                TermError::TooLong { .. } => "keep the part of it that gives it away",
                _ => "write a term that holds letters or digits",
            };
            findings.error(place, error.to_string(), fix);
            None
        }
    }
}

/// The names under `only` or `except`, which narrow a pack.
fn read_selection<'n>(
    fields: &mut Fields<'n>,
    key: &'static str,
    findings: &mut Findings,
) -> Option<Vec<(&'n str, Place)>> {
    let place = fields.entry(key)?.place;
    let names = fields.texts(key, findings)?;
    if fields.entry("pack").is_none() {
        findings.error(place, format!("`{key}` is for packs only"), "remove it");
    } else if names.is_empty() {
        let fix = "name some of its detectors, or remove the line";
        findings.error(place, format!("`{key}` names no detector"), fix);
    }
    Some(names)
}

/// `examples: count` says that addresses, numbers and keys that are reserved for examples act too.
fn read_examples(fields: &mut Fields<'_>, findings: &mut Findings) -> bool {
    let place = fields.entry("examples").map(|entry| entry.place);
    let counts = fields.word("examples", &[("ignore", false), ("count", true)], findings).unwrap_or(false);
    if let Some(place) = place.filter(|_| fields.entry("pack").is_none()) {
        findings.error(place, "`examples` is for packs only", "remove it");
    }
    counts
}

/// Narrows a pack, if a selection was made.
fn select(
    pack: Pack,
    names: Option<Vec<(&str, Place)>>,
    narrow: impl Fn(Pack, &[&str]) -> Result<Pack, zos_rules::UnknownDetector>,
    findings: &mut Findings,
) -> Option<Pack> {
    let Some(names) = names else { return Some(pack) };
    let known: Vec<String> = pack.detectors().map(str::to_owned).collect();
    let mut narrowed = Some(pack.clone());
    for (name, place) in &names {
        if narrow(pack.clone(), &[name]).is_err() {
            let fix = match closest(name, known.iter().map(String::as_str)) {
                Some(near) => format!("write {near}"),
                None => format!("write some of {}", known.join(", ")),
            };
            findings.error(*place, format!("the pack \"{}\" has no such detector", pack.name()), fix);
            narrowed = None;
        }
    }
    let names: Vec<&str> = names.iter().map(|(name, _)| *name).collect();
    narrow(narrowed?, &names).ok()
}

fn read_pack(name: &str, place: Place, packs: &Packs, findings: &mut Findings) -> Option<Pack> {
    let found = packs.find(name);
    if found.is_none() {
        let names = packs.names();
        let fix = match closest(name, names.iter().copied()) {
            Some(near) => format!("write {near}"),
            None => format!("write one of {}, or add rules/NAME.yml", names.join(", ")),
        };
        findings.error(place, "there is no detector pack of this name", fix);
    }
    found
}

fn read_id(fields: &mut Fields<'_>, findings: &mut Findings) -> Option<String> {
    let id = fields.text("id", findings)?;
    let mut bytes = id.bytes();
    let plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
    if bytes.next().is_some_and(plain)
        && bytes.all(|byte| plain(byte) || b"._-".contains(&byte))
        && id.len() <= 64
    {
        return Some(id.to_owned());
    }
    let place = fields.entry("id").map_or(fields.place(), |entry| entry.value.place);
    findings.error(
        place,
        "`id` must be 1 to 64 of a-z, 0-9, `.`, `_` and `-`, and start with a letter or digit",
        "write for example id: project-1; it is shown to clients, so it must not hold the term",
    );
    None
}

/// The name in files of every disguise together, and in `off` of the deep ones alone.
const DEEP: &str = "deep";

/// `evasions: [names]` looks for these only, `evasions: {off: [names]}` for all but these, `evasions: [deep]` for
/// everything. `all` is what the room looks for where nothing is said.
pub(super) fn read_evasions(
    fields: &mut Fields<'_>,
    all: Evasions,
    findings: &mut Findings,
) -> Option<Evasions> {
    let entry = fields.entry("evasions")?;
    if !matches!(entry.value.value, Value::Map(_)) {
        let names = fields.texts("evasions", findings)?;
        return Some(read_evasion_names(&names, Evasions::ALL, findings));
    }
    let mut inner = fields.map("evasions", findings)?;
    let off = inner.texts("off", findings).unwrap_or_default();
    inner.finish(Unknown::Refuse, findings);
    Some(all.without_all(read_evasion_names(&off, Evasions::DEEP, findings)))
}

/// The evasions that are named; `deep` is what that name stands for here.
fn read_evasion_names(names: &[(&str, Place)], deep: Evasions, findings: &mut Findings) -> Evasions {
    let mut evasions = Evasions::NONE;
    for (name, place) in names {
        match Evasion::ALL.into_iter().find(|evasion| evasion.name() == *name) {
            Some(evasion) => evasions = evasions.with(evasion),
            None if *name == DEEP => evasions = evasions.union(deep),
            None => {
                let known: Vec<&str> =
                    Evasion::ALL.iter().map(|evasion| evasion.name()).chain([DEEP]).collect();
                let fix = match closest(name, known.iter().copied()) {
                    Some(near) => format!("write {near}"),
                    None => format!("write some of {}", known.join(", ")),
                };
                findings.error(*place, format!("there is no evasion called \"{name}\""), fix);
            }
        }
    }
    evasions
}

fn report_repetitions(entries: &[Entry], places: &[Place], findings: &mut Findings) {
    let mut ids: HashMap<&str, usize> = HashMap::new();
    let mut terms: HashMap<String, usize> = HashMap::new();
    for (entry, place) in entries.iter().zip(places) {
        if let Some(first) = ids.insert(&entry.rule.id, entry.line) {
            let message = format!("the id \"{}\" stands twice, first on line {first}", entry.rule.id);
            findings.error(*place, message, "give one of the two another id");
        }
        if let RuleKind::Term(term) = &entry.rule.kind
            && let Some(first) = terms.insert(term.text().trim().to_lowercase(), entry.line)
        {
            let message = format!("this entry repeats the term of line {first}");
            findings.warn(*place, message, "remove one of the two");
        }
    }
}
