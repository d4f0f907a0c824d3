//! The pages of docs/ say what the program does.

use std::collections::BTreeSet;

const ERRORS: &str = include_str!("../../docs/errors.md");
const ENDPOINTS: &str = include_str!("../../docs/endpoints.md");
const CONTEXTS: &str = include_str!("../../docs/contexts.md");
const PROBLEM: &str = include_str!("../../gateway/wire/src/problem.rs");
const PARSE: &str = include_str!("../../core/src/context/parse.rs");
const OPENAPI: &str = include_str!("../../docs/openapi.json");

/// The words that follow `before` and end at `after`.
fn words<'t>(text: &'t str, before: &str, after: char) -> BTreeSet<&'t str> {
    text.split(before).skip(1).filter_map(|rest| rest.split(after).next()).collect()
}

#[test]
fn every_code_is_explained_and_every_explained_code_exists() {
    let exist: BTreeSet<&str> = words(PROBLEM, "=> \"zos_", '"');
    let explained: BTreeSet<&str> = words(ERRORS, "\n| `zos_", '`');
    assert!(exist.len() > 10);
    assert_eq!(exist, explained);
}

#[test]
fn every_path_of_the_admin_api_is_listed() {
    let document: serde_json::Value = serde_json::from_str(OPENAPI).unwrap();
    for path in document["paths"].as_object().unwrap().keys() {
        assert!(ENDPOINTS.contains(&format!("`{path}`")), "docs/endpoints.md lacks {path}");
    }
}

#[test]
fn every_key_of_a_context_is_documented() {
    let keys: BTreeSet<&str> = words(PARSE, "fields.text(\"", '"')
        .into_iter()
        .chain(words(PARSE, "fields.map(\"", '"'))
        .chain(words(PARSE, "(&mut fields, \"", '"'))
        .collect();
    assert!(keys.len() > 3, "{keys:?}");
    for key in keys {
        assert!(CONTEXTS.contains(&format!("`{key}`")), "docs/contexts.md lacks {key}");
    }
}

#[test]
fn every_test_that_the_list_of_promises_names_exists() {
    let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let mut named = 0;
    for row in include_str!("../../docs/testing.md").lines().filter(|line| line.starts_with('|')) {
        let mut source = String::new();
        for word in row.split('`').skip(1).step_by(2) {
            if word.contains('/') || word == "deny.toml" {
                let path = root.join(word);
                assert!(path.exists(), "{word} is not there");
                source = std::fs::read_to_string(path).unwrap_or_default();
            } else if word.contains("_") && !source.is_empty() {
                assert!(source.contains(&format!(" {word}(")), "{word} is not where docs/testing.md says");
                named += 1;
            }
        }
    }
    assert!(named > 25, "{named}");
}
