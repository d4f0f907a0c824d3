//! Reads `manifest.json`: which layers there are, in which order, and what they may cost.
//!
//! The file is an array of entries, or an object with `files` and `budget`. An entry is a path, or an
//! object with the path and what is to be said about it. JSON readers do not tell where a value stands,
//! so strictness is checked by one and the values are read by the YAML reader, which reads all of JSON.

use unicode_normalization::UnicodeNormalization;

use super::{Finding, Level, Lint, MANIFEST};
use crate::context::{ContextName, Isolation};
use crate::problem::Problem;
use crate::yaml::{self, Fields, Findings, Node, Place, Unknown, Value};

/// The most layers of a canon: a bound on files that are opened, far above what a model can follow.
const ENTRIES_MAX: usize = 1024;

/// The list of layers.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub(crate) struct Manifest {
    pub(crate) entries: Vec<ManifestEntry>,
    /// Tokens that a whole canon may cost, and where that is said.
    pub(crate) total: Option<(u64, Place)>,
    /// Tokens that single layers may cost.
    pub(crate) layers: Vec<(String, u64, Place)>,
}

/// One listed layer.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct ManifestEntry {
    /// Relative to the home, in NFC.
    pub(crate) path: String,
    pub(crate) place: Place,
    pub(crate) level: Option<Level>,
    /// Digest of the raw file in lower-case hexadecimal.
    pub(crate) sha256: Option<String>,
    pub(crate) required: bool,
    /// The contexts that it speaks to; absent means all.
    pub(crate) contexts: Option<Vec<ContextName>>,
    pub(crate) isolation: Option<Isolation>,
}

impl ManifestEntry {
    /// Whether it speaks to this context. A room's own prose speaks in that room only.
    pub(crate) fn speaks_to(&self, name: &ContextName, isolation: Isolation) -> bool {
        let own = self.path.strip_prefix("contexts/").and_then(|file| file.strip_suffix(".md"));
        own.is_none_or(|own| own == name.as_str())
            && self.contexts.as_ref().is_none_or(|contexts| contexts.contains(name))
            && self.isolation.is_none_or(|wanted| wanted == isolation)
    }
}

/// Reads the manifest. Takes any bytes; without a manifest there is nothing wrong to find.
pub(crate) fn parse(bytes: &[u8]) -> (Option<Manifest>, Vec<Finding>) {
    let mut findings = Findings::new(MANIFEST);
    let manifest = match document(bytes) {
        Ok(document) => read(&document.root, &mut findings),
        Err(problem) => {
            findings.push(*problem);
            None
        }
    };
    let manifest = manifest.filter(|_| !findings.has_errors());
    let findings = findings.into_problems().into_iter().map(|problem| Finding::new(Lint::Manifest, problem));
    (manifest, findings.collect())
}

fn document(bytes: &[u8]) -> Result<yaml::Document, Box<Problem>> {
    let text = yaml::decode(MANIFEST, bytes)?;
    if text.trim().is_empty() {
        let fix = "write for example [\"brain/values.md\"], or delete the file";
        return Err(Box::new(Problem::error(MANIFEST, "the file is empty", fix).at(1, 1)));
    }
    if let Err(error) = serde_json::from_str::<serde::de::IgnoredAny>(text) {
        // The place is in the problem already, so it is cut from the sentence.
        let sentence = error.to_string();
        let sentence = sentence.split(" at line ").next().unwrap_or_default().to_owned();
        let fix = "write JSON, for example [\"brain/values.md\"]; it has no comments and no comma at the end";
        let problem = Problem::error(MANIFEST, format!("this is not JSON: {sentence}"), fix);
        return Err(Box::new(problem.at(error.line().max(1), error.column().max(1))));
    }
    // A tab between values is white space in JSON and forbidden in YAML; inside a JSON string there is none.
    yaml::parse(MANIFEST, text.replace('\t', " ").as_bytes())
}

fn read(root: &Node, findings: &mut Findings) -> Option<Manifest> {
    let mut manifest = Manifest::default();
    match &root.value {
        Value::List(items) => read_entries(items, &mut manifest, findings),
        Value::Map(_) => {
            let mut fields = Fields::of(root, "", findings)?;
            match fields.list("files", "paths", findings) {
                Some(items) => read_entries(items, &mut manifest, findings),
                None if findings.has_errors() => {}
                None => {
                    let fix = "write {\"files\": [\"brain/values.md\"]}";
                    findings.error(fields.place(), "the object has no `files`", fix);
                }
            }
            if let Some(mut budget) = fields.map("budget", findings) {
                let place = budget.entry("total").map_or(budget.place(), |entry| entry.place);
                manifest.total = budget.whole("total", findings).map(|tokens| (tokens, place));
                read_layers(&mut budget, &mut manifest, findings);
                budget.finish(Unknown::Refuse, findings);
            }
            fields.finish(Unknown::Warn, findings);
        }
        _ => {
            let message = format!("expected a list of files, found {}", root.kind());
            findings.error(
                root.place,
                message,
                "write [\"brain/values.md\"] or {\"files\": [\"brain/values.md\"]}",
            );
        }
    }
    Some(manifest)
}

fn read_layers(budget: &mut Fields<'_>, manifest: &mut Manifest, findings: &mut Findings) {
    let Some(layers) = budget.map("layers", findings) else { return };
    for entry in layers.entries() {
        let tokens = match &entry.value.value {
            Value::Number(digits) => digits.parse::<u64>().ok(),
            _ => None,
        };
        let Some(tokens) = tokens else {
            let message =
                format!("`budget.layers`: expected a whole number of tokens, found {}", entry.value.kind());
            findings.error(entry.value.place, message, "write for example {\"brain/values.md\": 800}");
            continue;
        };
        let path: String = entry.key.nfc().collect();
        if manifest.entries.iter().any(|listed| listed.path == path) || is_overlay(&path) {
            manifest.layers.push((path, tokens, entry.place));
        } else {
            let message = format!("`budget.layers` names \"{path}\", which `files` does not list");
            findings.warn(entry.place, message, "list the file, or remove its budget");
        }
    }
}

fn is_overlay(path: &str) -> bool {
    path.strip_prefix("contexts/")
        .and_then(|file| file.strip_suffix(".md"))
        .is_some_and(|stem| stem.parse::<ContextName>().is_ok())
}

fn read_entries(items: &[Node], manifest: &mut Manifest, findings: &mut Findings) {
    if items.len() > ENTRIES_MAX {
        let message = format!("{} files are listed; at most {ENTRIES_MAX} are read", items.len());
        findings.error(items[ENTRIES_MAX].place, message, "join some of them");
        return;
    }
    for (index, item) in items.iter().enumerate() {
        let Some(entry) = read_entry(item, index, findings) else { continue };
        if let Some(first) = manifest.entries.iter().find(|known| known.path == entry.path) {
            let message = format!("\"{}\" is listed twice; first in line {}", entry.path, first.place.line);
            findings.error(entry.place, message, "remove one of the two");
            continue;
        }
        manifest.entries.push(entry);
    }
}

fn read_entry(item: &Node, index: usize, findings: &mut Findings) -> Option<ManifestEntry> {
    let plain = |path: String, place: Place| ManifestEntry {
        path,
        place,
        level: None,
        sha256: None,
        required: true,
        contexts: None,
        isolation: None,
    };
    match &item.value {
        Value::Text(path) => Some(plain(read_path(path, item.place, findings)?, item.place)),
        Value::Map(_) => {
            let mut fields = Fields::of(item, &format!("files[{}]", index + 1), findings)?;
            let place = fields.entry("path").map_or(item.place, |entry| entry.value.place);
            let path = match fields.text("path", findings) {
                Some(path) => read_path(path, place, findings)?,
                None => {
                    findings.error(
                        item.place,
                        "this entry has no `path`",
                        "write {\"path\": \"brain/values.md\"}",
                    );
                    return None;
                }
            };
            let mut entry = plain(path, place);
            entry.level = fields.word("level", &Level::WORDS, findings);
            entry.sha256 = read_pin(&mut fields, findings);
            entry.required = fields.flag("required", findings).unwrap_or(true);
            read_when(&mut fields, &mut entry, findings);
            fields.finish(Unknown::Refuse, findings);
            Some(entry)
        }
        _ => {
            let message = format!("entry {} must be a path or an object, found {}", index + 1, item.kind());
            findings.error(item.place, message, "write for example \"brain/values.md\"");
            None
        }
    }
}

fn read_pin(fields: &mut Fields<'_>, findings: &mut Findings) -> Option<String> {
    let place = fields.entry("sha256").map(|entry| entry.value.place)?;
    let stated = fields.text("sha256", findings)?;
    let digits = stated.strip_prefix("sha256:").unwrap_or(stated).to_ascii_lowercase();
    if digits.len() != 64 || !digits.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        let message = "`sha256` is not a digest of 64 hexadecimal digits";
        findings.error(place, message, "write what `sha256sum FILE` prints, or remove the pin");
        return None;
    }
    Some(digits)
}

fn read_when(fields: &mut Fields<'_>, entry: &mut ManifestEntry, findings: &mut Findings) {
    let Some(mut when) = fields.map("when", findings) else { return };
    if let Some(names) = when.texts("context", findings) {
        let own = entry.path.strip_prefix("contexts/").and_then(|file| file.strip_suffix(".md"));
        let mut contexts = Vec::new();
        for (name, place) in names {
            match name.parse::<ContextName>() {
                Ok(name) if own.is_some_and(|own| own != name.as_str()) => {
                    let message =
                        format!("\"{}\" belongs to one room and cannot speak in \"{name}\"", entry.path);
                    findings.error(place, message, "move what both need to a file under brain/");
                }
                Ok(name) => contexts.push(name),
                Err(error) => findings.error(
                    place,
                    format!("this is not a context's name: {error}"),
                    "write its file's name without .yml",
                ),
            }
        }
        entry.contexts = Some(contexts);
    }
    let words = [("open", Isolation::Open), ("hard", Isolation::Hard)];
    entry.isolation = when.word("isolation", &words, findings);
    when.finish(Unknown::Refuse, findings);
}

/// A path that lies below `brain/` or `contexts/` on every system, in NFC.
fn read_path(path: &str, place: Place, findings: &mut Findings) -> Option<String> {
    let path: String = path.nfc().collect();
    let wrong = if path.contains("://") {
        Some("a layer is a file of this home, not an address")
    } else if path.starts_with('/') || path.contains(':') {
        Some("a path is relative to the home")
    } else if path.contains(['\\', '%', '~']) || path.contains(char::is_control) {
        Some("a path holds no `\\`, `%`, `~` and no control characters")
    } else if path.split('/').any(|part| part == ".." || part == "." || part.is_empty()) {
        Some("a path holds no `..`, no `.` and no empty part")
    } else if !path.starts_with("brain/") && !path.starts_with("contexts/") {
        Some("layers lie under brain/ or contexts/")
    } else if !path.ends_with(".md") {
        Some("a layer is a Markdown file that ends in .md")
    } else if path.starts_with("contexts/") && !is_overlay(&path) {
        Some("a file under contexts/ has the name of its context: contexts/<name>.md")
    } else {
        None
    };
    match wrong {
        None => Some(path),
        Some(wrong) => {
            findings.error(
                place,
                format!("the path cannot be used: {wrong}"),
                "write for example brain/values.md",
            );
            None
        }
    }
}
