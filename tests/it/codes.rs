//! Codes of refusals stand in one table, `zos_core::code`: the pages show its rows, and no other source spells a code.
//!
//! Sources are read with `syn`, without tests: a test says the code that a program would match on, so that a renamed
//! code fails. Not seen: a code that is put together from parts at run time.

use crate::layers::{files, is_test};
use std::collections::BTreeSet;
use std::fmt::Write;
use std::path::{Path, PathBuf};
use syn::visit::{self, Visit};
use zos_core::Code;
use zos_core::code::Met;

const ERRORS: &str = include_str!("../../docs/errors.md");

/// File of the table.
const TABLE: &str = "core/src/code.rs";

/// Beginnings of keys and of the admin token; codes begin as they do.
const KEY_PREFIXES: [&str; 2] = ["zos_", "zos_admin_"];

/// File that names the metrics, which begin as codes do.
const METRICS: &str = "counters.rs";

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

/// The table of one part of `docs/errors.md`.
fn rendered(met: Met) -> String {
    let has_status = met != Met::Command;
    let mut table = String::from(if has_status {
        "| Code | Status | When | Who acts | What to do |\n|---|---|---|---|---|\n"
    } else {
        "| Code | When | Who acts | What to do |\n|---|---|---|---|\n"
    });
    for code in Code::ALL.iter().filter(|code| code.met() == met) {
        let mut statuses = code.statuses().to_vec();
        statuses.sort_unstable();
        let statuses: Vec<String> = statuses.iter().map(u16::to_string).collect();
        let status = if has_status { format!(" {} |", statuses.join(", ")) } else { String::new() };
        let (actor, when, remedy) = (code.actor().name(), code.when(), code.remedy());
        writeln!(table, "| `{}` |{status} {when} | {actor} | {remedy} |", code.as_str()).unwrap();
    }
    table
}

#[test]
fn the_page_of_errors_shows_every_row_of_the_table_and_no_other() {
    let mut rows = 0;
    for met in [Met::Call, Met::Admin, Met::Command] {
        let table = rendered(met);
        rows += table.lines().count() - 2;
        assert!(ERRORS.contains(&table), "docs/errors.md lacks this table:\n\n{table}");
    }
    assert_eq!(ERRORS.lines().filter(|line| line.starts_with("| `zos_")).count(), rows);
    assert_eq!(rows, Code::ALL.len());
}

#[test]
fn no_source_but_the_table_spells_a_code() {
    let mut faults = Vec::new();
    let mut read = 0;
    for folder in source_folders() {
        for path in files(&folder) {
            if path.file_name().unwrap() == "tests.rs" || path.ends_with(TABLE) {
                continue;
            }
            let place = path.strip_prefix(root()).unwrap().display().to_string();
            let mut literals = Literals { found: Vec::new() };
            literals.visit_file(&syn::parse_file(&std::fs::read_to_string(&path).unwrap()).unwrap());
            read += literals.found.len();
            let codes = literals.found.into_iter().filter(|(_, text)| is_code(&place, text));
            faults
                .extend(codes.map(|(line, text)| format!("{place}:{line}: {text:?}; write Code::… instead")));
        }
    }
    assert!(read > 1000, "{read}");
    assert!(faults.is_empty(), "\n{}", faults.join("\n"));
}

#[test]
fn screens_and_pages_name_only_codes_that_exist() {
    let root = root();
    let known: BTreeSet<&str> = Code::ALL.iter().map(|code| code.as_str()).collect();
    let metrics = std::fs::read_to_string(
        source_folders()
            .iter()
            .flat_map(|folder| files(folder))
            .find(|path| path.ends_with(METRICS))
            .unwrap(),
    )
    .unwrap();
    let mut named = BTreeSet::new();
    for path in texts(&root.join("ui/src")).into_iter().chain(texts(&root.join("docs"))) {
        let text = std::fs::read_to_string(&path).unwrap();
        for word in words(&text).filter(|word| !metrics.contains(&format!("\"{word}\""))) {
            // A word that goes on with `_…` or `*` stands for several.
            if word.ends_with('_') || word.starts_with("zos_admin_") {
                continue;
            }
            let place = path.strip_prefix(&root).unwrap().display();
            assert!(known.contains(word), "{place} names {word}, which is no code");
            named.insert(word.to_owned());
        }
    }
    assert!(named.len() >= known.len(), "{named:?}");
}

/// Folders with sources of every crate, the desktop's included.
fn source_folders() -> Vec<PathBuf> {
    let root = root();
    let manifest = std::fs::read_to_string(root.join("Cargo.toml")).unwrap();
    let members = manifest.lines().find(|line| line.starts_with("members = ")).unwrap();
    let mut folders: Vec<PathBuf> =
        members.split('"').skip(1).step_by(2).map(|member| root.join(member).join("src")).collect();
    folders.push(root.join("src-tauri/src"));
    folders.retain(|folder| folder.exists());
    assert!(folders.len() > 9, "{folders:?}");
    folders
}

/// Whether a text names a code, or is written as one that stands in no table.
fn is_code(place: &str, text: &str) -> bool {
    let is_name = words(text).any(|word| word == text) && !KEY_PREFIXES.contains(&text);
    let is_unlisted = is_name && !place.ends_with(METRICS);
    is_unlisted || words(text).any(|word| Code::ALL.iter().any(|code| code.as_str() == word))
}

/// Words that begin as codes do.
fn words(text: &str) -> impl Iterator<Item = &str> {
    text.split(|letter: char| !letter.is_ascii_alphanumeric() && letter != '_')
        .filter(|word| word.starts_with("zos_"))
}

/// Texts that people and browsers read.
fn texts(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(texts(&path));
        } else if path
            .extension()
            .is_some_and(|ending| ["md", "ts", "svelte"].iter().any(|one| ending == *one))
        {
            found.push(path);
        }
    }
    found
}

/// Reads the texts that a file holds outside its tests and doc comments.
struct Literals {
    found: Vec<(usize, String)>,
}

impl Literals {
    fn take(&mut self, literal: &syn::Lit) {
        let text = match literal {
            syn::Lit::Str(text) => text.value(),
            syn::Lit::ByteStr(bytes) => String::from_utf8_lossy(&bytes.value()).into_owned(),
            _ => return,
        };
        self.found.push((literal.span().start().line, text));
    }

    /// Texts in what a macro is given.
    fn tokens(&mut self, tokens: proc_macro2::TokenStream) {
        for token in tokens {
            match token {
                proc_macro2::TokenTree::Literal(literal) => self.take(&syn::Lit::new(literal)),
                proc_macro2::TokenTree::Group(group) => self.tokens(group.stream()),
                _ => {}
            }
        }
    }
}

impl<'ast> Visit<'ast> for Literals {
    fn visit_item_mod(&mut self, item: &'ast syn::ItemMod) {
        if !is_test(&item.attrs) {
            visit::visit_item_mod(self, item);
        }
    }

    fn visit_attribute(&mut self, attribute: &'ast syn::Attribute) {
        if !attribute.path().is_ident("doc") {
            visit::visit_attribute(self, attribute);
        }
    }

    fn visit_lit(&mut self, literal: &'ast syn::Lit) {
        self.take(literal);
    }

    fn visit_macro(&mut self, called: &'ast syn::Macro) {
        self.tokens(called.tokens.clone());
    }
}
