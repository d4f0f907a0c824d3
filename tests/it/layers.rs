//! Arrows inside crates: a module names only modules of lower layers. The table is the map in ARCHITECTURE.md.
//!
//! Read with `syn`: every `use`, every path and what macros are given, without tests. A name that the crate's root
//! exports counts as its module. What this does not see: methods that are called on a value without a name.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use syn::visit::{self, Visit};

/// Modules of one crate, from the ground up. Modules of one layer do not name each other.
struct Crate {
    folder: &'static str,
    layers: &'static [&'static [&'static str]],
}

const CRATES: &[Crate] = &[
    Crate {
        folder: "gateway/wire",
        layers: &[
            &["json", "problem", "blob", "charset"],
            &["sse", "declared", "envelope", "usage", "hosted", "places"],
            &["face", "dialect"],
            &["needs", "limits", "state", "system", "prefill", "canon"],
            &["asked"],
            &["translate"],
            &["faces"],
            &["pair"],
        ],
    },
    Crate {
        folder: "gateway/guard",
        layers: &[
            &["destination", "shield", "made"],
            &["approvals", "policy"],
            &["redact"],
            &["targets"],
            &["findings"],
            &["seams"],
            &["inspect"],
            &["stream"],
            &["fuzzing"],
        ],
    },
];

#[test]
fn a_module_names_only_what_lies_below_it() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let mut faults = Vec::new();
    for Crate { folder, layers } in CRATES {
        let layer_of: BTreeMap<&str, usize> = layers
            .iter()
            .enumerate()
            .flat_map(|(layer, modules)| modules.iter().map(move |module| (*module, layer)))
            .collect();
        let source = root.join(folder).join("src");
        let exported = exported(&source.join("lib.rs"));
        let mut met = BTreeSet::new();
        for path in files(&source) {
            let inside = path.strip_prefix(&source).unwrap().with_extension("");
            let module: Vec<String> = inside.iter().map(|part| part.to_str().unwrap().to_owned()).collect();
            let top = module[0].clone();
            if top == "lib" || top == "main" || path.file_name().unwrap() == "tests.rs" {
                continue;
            }
            met.insert(top.clone());
            let Some(own) = layer_of.get(top.as_str()) else {
                faults.push(format!("{folder}: module {top} stands on no layer: add it to one"));
                continue;
            };
            let file = syn::parse_file(&std::fs::read_to_string(&path).unwrap()).unwrap();
            let mut reader = Reader { module, named: Vec::new() };
            reader.visit_file(&file);
            for (line, name) in reader.named {
                let other = exported.get(&name).map_or(name.as_str(), String::as_str);
                let Some(layer) = layer_of.get(other) else { continue };
                if other != top && layer >= own {
                    let place = path.strip_prefix(&root).unwrap().display();
                    faults.push(format!("{place}:{line}: {top} (layer {own}) names {other} (layer {layer})"));
                }
            }
        }
        let gone = layer_of.keys().filter(|module| !met.contains(**module));
        faults.extend(gone.map(|module| format!("{folder}: there is no module {module}")));
    }
    faults.sort();
    faults.dedup();
    assert!(faults.is_empty(), "\n{}", faults.join("\n"));
}

fn files(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(files(&path));
        } else if path.extension().is_some_and(|ending| ending == "rs") {
            found.push(path);
        }
    }
    found.sort();
    found
}

/// What the root of a crate exports under a name of its own, and the module that it is from.
fn exported(root: &Path) -> BTreeMap<String, String> {
    let file = syn::parse_file(&std::fs::read_to_string(root).unwrap()).unwrap();
    let reader = Reader { module: vec!["lib".to_owned()], named: Vec::new() };
    let mut exported = BTreeMap::new();
    for item in &file.items {
        if let syn::Item::Use(item) = item {
            let mut paths = Vec::new();
            reader.leaves(&item.tree, &mut Vec::new(), &mut paths);
            for path in paths {
                let path: Vec<_> =
                    path.into_iter().filter(|part| part != "crate" && part != "self").collect();
                if let [module, .., name] = path.as_slice() {
                    exported.insert(name.clone(), module.clone());
                }
            }
        }
    }
    exported
}

/// Reads the modules that a file names.
struct Reader {
    /// The file's own place in the crate.
    module: Vec<String>,
    /// Line and top module, or a name that the root exports.
    named: Vec<(usize, String)>,
}

impl Reader {
    /// Takes a path that may lead through the root of the crate.
    fn path(&mut self, line: usize, parts: &[String]) {
        let Some(first) = parts.first() else { return };
        let below = match first.as_str() {
            "crate" => parts.get(1).cloned(),
            "super" => {
                let ups = parts.iter().take_while(|part| *part == "super").count();
                let mut place = self.module.clone();
                place.truncate(place.len().saturating_sub(ups));
                place.extend(parts.iter().skip(ups).cloned());
                place.first().cloned()
            }
            _ => None,
        };
        self.named.extend(below.map(|name| (line, name)));
    }

    fn leaves(&self, tree: &syn::UseTree, head: &mut Vec<String>, found: &mut Vec<Vec<String>>) {
        match tree {
            syn::UseTree::Path(path) => {
                head.push(path.ident.to_string());
                self.leaves(&path.tree, head, found);
                head.pop();
            }
            syn::UseTree::Group(group) => {
                group.items.iter().for_each(|tree| self.leaves(tree, head, found));
            }
            syn::UseTree::Name(name) => found.push([head.clone(), vec![name.ident.to_string()]].concat()),
            syn::UseTree::Rename(name) => found.push([head.clone(), vec![name.ident.to_string()]].concat()),
            syn::UseTree::Glob(_) => found.push(head.clone()),
        }
    }

    /// Paths in what a macro is given.
    fn tokens(&mut self, tokens: proc_macro2::TokenStream) {
        let mut path: Vec<String> = Vec::new();
        let mut line = 0;
        for token in tokens {
            match token {
                proc_macro2::TokenTree::Ident(ident) => {
                    if path.is_empty() {
                        line = ident.span().start().line;
                    }
                    path.push(ident.to_string());
                }
                proc_macro2::TokenTree::Punct(punct) if punct.as_char() == ':' => {}
                other => {
                    self.path(line, &std::mem::take(&mut path));
                    if let proc_macro2::TokenTree::Group(group) = other {
                        self.tokens(group.stream());
                    }
                }
            }
        }
        self.path(line, &path);
    }
}

fn is_test(attributes: &[syn::Attribute]) -> bool {
    attributes.iter().any(|attribute| {
        attribute.path().is_ident("cfg")
            && attribute.meta.require_list().is_ok_and(|list| list.tokens.to_string() == "test")
    })
}

impl<'ast> Visit<'ast> for Reader {
    fn visit_item_mod(&mut self, item: &'ast syn::ItemMod) {
        if !is_test(&item.attrs) {
            visit::visit_item_mod(self, item);
        }
    }

    fn visit_item_use(&mut self, item: &'ast syn::ItemUse) {
        if is_test(&item.attrs) {
            return;
        }
        let line = item.use_token.span.start().line;
        let mut paths = Vec::new();
        self.leaves(&item.tree, &mut Vec::new(), &mut paths);
        paths.iter().for_each(|path| self.path(line, path));
    }

    fn visit_path(&mut self, path: &'ast syn::Path) {
        let parts: Vec<String> = path.segments.iter().map(|segment| segment.ident.to_string()).collect();
        if let Some(first) = path.segments.first() {
            self.path(first.ident.span().start().line, &parts);
        }
        visit::visit_path(self, path);
    }

    fn visit_macro(&mut self, item: &'ast syn::Macro) {
        self.tokens(item.tokens.clone());
        visit::visit_macro(self, item);
    }
}

#[test]
fn an_upward_arrow_is_seen_wherever_it_stands() {
    let named = |source: &str| {
        let mut reader = Reader { module: vec!["faces".to_owned(), "chat".to_owned()], named: Vec::new() };
        reader.visit_file(&syn::parse_file(source).unwrap());
        reader.named.into_iter().map(|(_, name)| name).collect::<Vec<_>>()
    };
    assert_eq!(named("use crate::{a::B, c};"), ["a", "c"]);
    assert_eq!(named("use super::super::pair::Pair;"), ["pair"]);
    assert_eq!(named("use super::messages;"), ["faces"]);
    assert_eq!(named("fn f() -> crate::a::B { crate::b::c() }"), ["a", "b"]);
    assert_eq!(named("fn f() { panic!(\"{}\", crate::a::b(super::super::c::D)) }"), ["a", "c"]);
    assert_eq!(named("#[cfg(test)] mod tests { use crate::a; }"), [""; 0]);
}
