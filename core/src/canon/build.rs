//! One context's canon from the files that were read.

use std::collections::BTreeMap;
use std::sync::Arc;

use sha2::{Digest, Sha256};

use super::assemble::{Text, assemble};
use super::layer::{self, Clause, Origin};
use super::manifest::Manifest;
use super::read::CanonFiles;
use super::{Canon, CanonLine, Finding, LayerTokens, Lint, MANIFEST, overlay_of};
use crate::context::{ContextName, Isolation};
use crate::files::FileRead;
use crate::problem::Problem;

/// The largest canon, in bytes. It is put in front of every call, so this is far beyond any use.
const TEXT_MAX_BYTES: usize = 1 << 20;

/// Most clauses that an error about the budget names.
const NAMED_MAX: usize = 5;

/// Outcome of building a canon.
pub(crate) struct Build {
    /// The canon; absent where there is none or any finding is an error.
    pub(crate) canon: Option<Canon>,
    pub(crate) findings: Vec<Finding>,
}

impl Build {
    /// Whether the files cannot be made a canon of.
    pub(crate) fn is_broken(&self) -> bool {
        self.findings.iter().any(Finding::is_error)
    }
}

/// Builds the canon of one context.
pub(crate) fn build(files: &CanonFiles, name: &ContextName, isolation: Isolation) -> Build {
    let mut findings = files.manifest_findings.clone();
    let Some(manifest) = &files.manifest else { return Build { canon: None, findings } };
    unlisted(files, manifest, &mut findings);
    let clauses = clauses(files, manifest, name, isolation, &mut findings);
    let text = assemble(&clauses, &mut findings);
    if text.text.len() > TEXT_MAX_BYTES {
        let message = format!("the canon is {} bytes; at most {TEXT_MAX_BYTES} are allowed", text.text.len());
        findings.push(Finding::new(Lint::OverBudget, Problem::error(MANIFEST, message, "list fewer files")));
    }
    let canon = measure(text, manifest, &mut findings);
    let is_broken = findings.iter().any(Finding::is_error);
    Build { canon: canon.filter(|_| !is_broken), findings }
}

/// Warns of files that the manifest does not list: they are not in force, which their author may not know.
fn unlisted(files: &CanonFiles, manifest: &Manifest, findings: &mut Vec<Finding>) {
    for path in &files.present {
        if !manifest.entries.iter().any(|entry| entry.path == *path) {
            let fix = format!("add \"{path}\" to {MANIFEST}, or move the file out of brain/");
            let problem = Problem::warning(path, "no canon holds this file: it is not listed", fix);
            findings.push(Finding::new(Lint::UnlistedFile, problem));
        }
    }
}

fn clauses(
    files: &CanonFiles,
    manifest: &Manifest,
    name: &ContextName,
    isolation: Isolation,
    findings: &mut Vec<Finding>,
) -> Vec<Clause> {
    let mut clauses = Vec::new();
    let mut take = |path: &str, level, bytes: &[u8], findings: &mut Vec<Finding>| {
        let (read, found) = layer::parse(&Origin { path, level }, bytes);
        clauses.extend(read);
        findings.extend(found);
    };
    for entry in manifest.entries.iter().filter(|entry| entry.speaks_to(name, isolation)) {
        match files.layers.get(&entry.path).unwrap_or(&FileRead::Absent) {
            FileRead::Absent if !entry.required => {}
            FileRead::Absent => {
                let message = format!("the listed file \"{}\" does not exist", entry.path);
                let fix = "make it, remove it from the list, or write {\"path\": …, \"required\": false}";
                let problem = Problem::error(MANIFEST, message, fix).at(entry.place.line, entry.place.column);
                findings.push(Finding::new(Lint::MissingFile, problem));
            }
            FileRead::Failed(problem) | FileRead::Unread(problem) => {
                findings.push(Finding::new(Lint::Unreadable, problem.clone()))
            }
            FileRead::Bytes(bytes) => {
                let digest = hex::encode(Sha256::digest(bytes));
                if let Some(pin) = &entry.sha256
                    && *pin != digest
                {
                    let message =
                        format!("\"{}\" is not the file that was pinned: its digest is {digest}", entry.path);
                    let fix = "restore the file, or write the new digest if the change is wanted";
                    let problem =
                        Problem::error(MANIFEST, message, fix).at(entry.place.line, entry.place.column);
                    findings.push(Finding::new(Lint::Pin, problem));
                }
                take(&entry.path, entry.level, bytes, findings);
            }
        }
    }
    let overlay = overlay_of(name);
    if !manifest.entries.iter().any(|entry| entry.path == overlay) {
        match files.layers.get(&overlay) {
            Some(FileRead::Bytes(bytes)) => take(&overlay, None, bytes, findings),
            Some(FileRead::Failed(problem) | FileRead::Unread(problem)) => {
                findings.push(Finding::new(Lint::Unreadable, problem.clone()))
            }
            Some(FileRead::Absent) | None => {}
        }
    }
    clauses
}

/// Counts tokens and holds them against what the manifest allows; over it is an error, never a cut.
fn measure(text: Text, manifest: &Manifest, findings: &mut Vec<Finding>) -> Option<Canon> {
    if text.text.is_empty() {
        return None;
    }
    let tokenizer = Canon::TOKENIZER.tokenizer();
    let tokens = tokenizer.count(&text.text);
    let mut shares: Vec<(Arc<str>, u64)> = Vec::new();
    let mut by_clause: BTreeMap<(&str, &str), (u64, usize)> = BTreeMap::new();
    let lines: Vec<(&str, &CanonLine)> = text.text.split_inclusive('\n').zip(&text.lines).collect();
    // Lines of one clause are counted together, since tokens reach over the ends of lines.
    for part in lines.chunk_by(|(_, one), (_, next)| one.file == next.file && one.clause == next.clause) {
        let (_, origin) = part[0];
        let words: String = part.iter().map(|(line, _)| *line).collect();
        let count = tokenizer.count(&words);
        match shares.iter_mut().find(|(file, _)| *file == origin.file) {
            Some((_, share)) => *share += count,
            None => shares.push((Arc::clone(&origin.file), count)),
        }
        let clause = by_clause.entry((&origin.file, &origin.clause)).or_insert((0, origin.file_line));
        clause.0 += count;
    }
    let largest = |file: Option<&str>| {
        let mut clauses: Vec<_> =
            by_clause.iter().filter(|((from, _), _)| file.is_none_or(|file| *from == file)).collect();
        clauses.sort_by_key(|(_, (count, _))| std::cmp::Reverse(*count));
        let name = |((file, id), (count, line)): &(&(&str, &str), &(u64, usize))| {
            format!("\"{id}\" ({file}:{line}) {count}")
        };
        clauses.iter().take(NAMED_MAX).map(name).collect::<Vec<_>>().join(", ")
    };
    let mut over = |what: String, tokens: u64, limit: u64, place: crate::yaml::Place, file: Option<&str>| {
        let message = format!(
            "{what} costs {tokens} tokens, {} over its budget of {limit}; the largest clauses: {}",
            tokens - limit,
            largest(file)
        );
        let problem = Problem::error(MANIFEST, message, "shorten the clauses, or raise the budget");
        findings.push(Finding::new(Lint::OverBudget, problem.at(place.line, place.column)));
    };
    if let Some((limit, place)) = manifest.total
        && tokens > limit
    {
        over("the canon".to_owned(), tokens, limit, place, None);
    }
    let mut layers = Vec::new();
    for (file, tokens) in shares {
        let budget = manifest.layers.iter().find(|(path, _, _)| **path == *file);
        if let Some((_, limit, place)) = budget
            && tokens > *limit
        {
            over(format!("\"{file}\""), tokens, *limit, *place, Some(&file));
        }
        layers.push(LayerTokens { file, tokens, budget: budget.map(|(_, limit, _)| *limit) });
    }
    Some(Canon {
        digest: Canon::digest_of(&text.text),
        stable_bytes: text.stable_bytes,
        tokens,
        lines: text.lines,
        layers,
        budget: manifest.total.map(|(limit, _)| limit),
        text: text.text,
    })
}
