//! Arrows inside crates: a module names only modules of lower layers. The table is the map in ARCHITECTURE.md.
//!
//! Read with `syn`: every `use`, every path and what macros are given, without tests. A name that the crate's root
//! exports counts as its module. What this does not see: methods that are called on a value without a name.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use syn::visit::{self, Visit};

/// Modules of one crate, or of one module of it, from the ground up. Modules of one layer do not name each other.
struct Crate {
    /// The crate; or a folder below its `src`, whose files name each other and the file beside it.
    folder: &'static str,
    layers: &'static [&'static [&'static str]],
}

const CRATES: &[Crate] = &[
    Crate {
        folder: "libs/rules",
        layers: &[
            &["fold", "path", "terminal", "unseen", "work"],
            &["pattern"],
            &["checks", "evasion"],
            &["detector", "encoding", "reading"],
            &["detectors", "escape"],
            &["lens", "pack"],
            &["rule"],
            &["trie"],
            &["gate", "sieve"],
            &["room"],
            &["canonical", "matcher", "seek"],
            &["walks"],
            &["encoded", "seam"],
            &["scanner"],
            &["scan"],
            &["golden"],
        ],
    },
    Crate {
        folder: "libs/meter",
        layers: &[
            &["day", "estimate", "tokens"],
            &["answer", "clock", "usage"],
            &["price"],
            &["limit"],
            &["ledger"],
            &["interim", "postgres", "sqlite"],
        ],
    },
    Crate {
        folder: "libs/audit",
        layers: &[
            &["files", "record", "scan", "segment", "time", "tree"],
            &["export", "note", "read", "tiles"],
            &["follow", "keys", "witness"],
            &["checkpoints"],
            &["proof", "verify"],
            &["log"],
            &["prune"],
        ],
    },
    Crate {
        folder: "libs/audit/src/log",
        layers: &[
            &["damage", "rotation", "writer"],
            &["end", "sealer"],
            &["takeover"],
            &["opening"],
            &["flusher"],
        ],
    },
    Crate {
        folder: "libs/seal",
        layers: &[
            &["digest", "files", "key_ref", "secret"],
            &["admin_token", "client_keys", "term_keys", "vault"],
            &["own_secrets", "signing"],
            &["dsse"],
        ],
    },
    Crate {
        folder: "core",
        layers: &[
            &["code", "glob", "problem"],
            &["home", "targets", "yaml"],
            &["edit", "files", "rules"],
            &["context"],
            &["canon", "fleet", "memory"],
            &["brain"],
            &["attest", "lint", "starter"],
        ],
    },
    Crate {
        folder: "core/src/targets",
        layers: &[
            &["address", "json"],
            &["names", "path"],
            &["rules", "script"],
            &["always", "finder"],
            &["hosted", "shell"],
            &["arguments"],
            &["receive"],
        ],
    },
    Crate {
        folder: "core/src/yaml",
        layers: &[&["node", "suggest", "text"], &["errors", "findings", "scalar"], &["fields", "tree"]],
    },
    Crate {
        folder: "core/src/brain",
        layers: &[
            &["packs", "policy"],
            &["look", "snapshot"],
            &["canons", "changes", "contexts", "state"],
            &["load"],
            &["source", "watch"],
        ],
    },
    Crate {
        folder: "gateway/wire",
        layers: &[
            &["json", "clients", "blob", "charset", "spelling"],
            &["problem"],
            &[
                "sse", "declared", "envelope", "usage", "hosted", "places", "turn", "system", "prefill",
                "canon",
            ],
            &["dialect", "translate"],
            &["face"],
            &["needs", "limits", "state"],
            &["asked"],
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
    Crate {
        folder: "gateway",
        layers: &[
            &["ids", "drain", "process", "config", "inspectors", "views"],
            &["journal", "guards"],
            &["access", "books"],
            &["upstream"],
            &["call", "gateway"],
            &["pipeline"],
            &["admin", "endpoints"],
            &["routes"],
            &["listener"],
        ],
    },
    Crate {
        folder: "src-tauri",
        layers: &[
            &["admin", "arguments", "display", "log"],
            &["shared"],
            &["change", "events", "listen", "scheme"],
            &["window"],
            &["notification", "tray"],
            &["quit"],
            &["start"],
            &["notice"],
        ],
    },
    Crate {
        folder: "connect",
        layers: &[
            &["edit", "machine"],
            &["client"],
            &["plan"],
            &["journal"],
            &[
                "aider",
                "claude_code",
                "claude_desktop",
                "cline",
                "codex",
                "continue_dev",
                "copilot_cli",
                "copilot_vscode",
                "crush",
                "cursor",
                "droid",
                "gemini",
                "goose",
                "hermes",
                "jetbrains",
                "librechat",
                "llm",
                "open_webui",
                "openclaw",
                "opencode",
                "pi",
                "qwen",
                "zed",
            ],
        ],
    },
    Crate {
        folder: "cli",
        layers: &[
            &["failure", "listening", "port"],
            &["output"],
            &["opening"],
            &["admin", "findings", "prices"],
            &["room"],
            &["session"],
            &[
                "allow",
                "attest",
                "budget",
                "canon",
                "completions",
                "context",
                "firewall",
                "init",
                "key",
                "lint",
                "mcp",
                "memory",
                "models",
                "openapi",
                "providers",
                "serve",
                "shield",
                "status",
                "target",
                "usage",
            ],
            &["audit", "doctor", "route", "token"],
            &["connect"],
            &["disconnect", "run"],
            &["arguments"],
        ],
    },
];

#[test]
fn a_module_names_only_what_lies_below_it() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let mut faults: Vec<String> = CRATES.iter().flat_map(|table| breaches(&root, table)).collect();
    faults.sort();
    faults.dedup();
    assert!(faults.is_empty(), "\n{}", faults.join("\n"));
}

/// Crates that have no table yet.
const WITHOUT: &[&str] = &["bench", "tests"];

#[test]
fn a_crate_without_a_table_is_named() {
    let manifest = include_str!("../../Cargo.toml");
    let members = manifest.lines().find_map(|line| line.strip_prefix("members = ")).unwrap();
    let members: Vec<String> = serde_json::from_str(members).unwrap();
    assert!(members.len() > WITHOUT.len(), "{members:?}");
    for member in members {
        let has_table = CRATES.iter().any(|table| table.folder == member);
        assert!(has_table || WITHOUT.contains(&member.as_str()), "{member} has no table of layers");
    }
}

/// Arrows of one table that do not lead down, and modules that it lacks or that are gone.
fn breaches(root: &Path, Crate { folder, layers }: &Crate) -> Vec<String> {
    let layer_of: BTreeMap<&str, usize> = layers
        .iter()
        .enumerate()
        .flat_map(|(layer, modules)| modules.iter().map(move |module| (*module, layer)))
        .collect();
    let (of_crate, inside) = folder.split_once("/src/").unwrap_or((folder, ""));
    let source = root.join(of_crate).join("src");
    let inside: Vec<String> = inside.split('/').filter(|part| !part.is_empty()).map(str::to_owned).collect();
    let depth = inside.len();
    let exported = exported(&map_of(&source, &inside), &inside);
    let (mut faults, mut met) = (Vec::new(), BTreeSet::new());
    for path in files(&source) {
        let file = path.strip_prefix(&source).unwrap().with_extension("");
        let module: Vec<String> = file.iter().map(|part| part.to_str().unwrap().to_owned()).collect();
        let is_root = depth == 0 && ["lib", "main"].contains(&module[0].as_str());
        let Some(top) = module.get(depth).filter(|_| module.starts_with(&inside) && !is_root).cloned() else {
            continue;
        };
        if module[depth..].iter().any(|part| part == "tests") {
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
        for (line, named) in reader.named {
            let Some(name) = named.get(depth).filter(|_| named.starts_with(&inside)) else { continue };
            let other = exported.get(name).map_or(name.as_str(), String::as_str);
            let Some(layer) = layer_of.get(other) else { continue };
            if other != top && layer >= own {
                let place = path.strip_prefix(root).unwrap().display();
                faults.push(format!("{place}:{line}: {top} (layer {own}) names {other} (layer {layer})"));
            }
        }
    }
    let gone = layer_of.keys().filter(|module| !met.contains(**module));
    faults.extend(gone.map(|module| format!("{folder}: there is no module {module}")));
    faults
}

/// The file that lists the modules of a table: the root of a crate, or the file beside a folder.
fn map_of(source: &Path, inside: &[String]) -> PathBuf {
    match inside {
        [] => ["lib.rs", "main.rs"]
            .map(|name| source.join(name))
            .into_iter()
            .find(|path| path.exists())
            .unwrap(),
        [..] => source.join(inside.join("/")).with_extension("rs"),
    }
}

#[test]
fn the_map_in_architecture_md_is_the_table() {
    let map = include_str!("../../ARCHITECTURE.md");
    for Crate { folder, layers } in CRATES {
        let (of_crate, inside) = folder.split_once("/src/").unwrap_or((folder, ""));
        let name = of_crate.rsplit('/').next().unwrap_or(of_crate);
        let name = [name, inside].join("/");
        let name = name.trim_end_matches('/');
        let layers: Vec<String> = layers.iter().map(|modules| modules.join(", ")).collect();
        let line = format!("- {name}: {}", layers.join(" · "));
        assert!(map.lines().any(|written| written == line), "ARCHITECTURE.md lacks this line:\n{line}");
    }
}

/// The Rust files below a folder, in order.
pub(crate) fn files(folder: &Path) -> Vec<PathBuf> {
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

/// What the file that lists modules exports under a name of its own, and the module that it is from.
fn exported(map: &Path, inside: &[String]) -> BTreeMap<String, String> {
    let file = syn::parse_file(&std::fs::read_to_string(map).unwrap()).unwrap();
    let reader = Reader { module: inside.to_vec(), named: Vec::new() };
    let mut exported = BTreeMap::new();
    for item in &file.items {
        if let syn::Item::Use(item) = item {
            let mut paths = Vec::new();
            reader.leaves(&item.tree, &mut Vec::new(), &mut paths);
            for path in paths {
                // `use crate::…` in the file beside a folder leads elsewhere.
                if path
                    .first()
                    .is_some_and(|first| first == "super" || first == "crate" && !inside.is_empty())
                {
                    continue;
                }
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
    /// Line and path from the root of the crate: modules, or a name that the root exports.
    named: Vec<(usize, Vec<String>)>,
}

impl Reader {
    /// Takes a path that may lead through the root of the crate.
    fn path(&mut self, line: usize, parts: &[String]) {
        let Some(first) = parts.first() else { return };
        let below = match first.as_str() {
            "crate" => parts[1..].to_vec(),
            "super" => {
                let ups = parts.iter().take_while(|part| *part == "super").count();
                let mut place = self.module.clone();
                place.truncate(place.len().saturating_sub(ups));
                place.extend(parts.iter().skip(ups).cloned());
                place
            }
            _ => return,
        };
        if !below.is_empty() {
            self.named.push((line, below));
        }
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

pub(crate) fn is_test(attributes: &[syn::Attribute]) -> bool {
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
        reader.named.into_iter().map(|(_, mut name)| name.swap_remove(0)).collect::<Vec<_>>()
    };
    assert_eq!(named("use crate::{a::B, c};"), ["a", "c"]);
    assert_eq!(named("use super::super::pair::Pair;"), ["pair"]);
    assert_eq!(named("use super::messages;"), ["faces"]);
    assert_eq!(named("fn f() -> crate::a::B { crate::b::c() }"), ["a", "b"]);
    assert_eq!(named("fn f() { panic!(\"{}\", crate::a::b(super::super::c::D)) }"), ["a", "c"]);
    assert_eq!(named("#[cfg(test)] mod tests { use crate::a; }"), [""; 0]);
}
