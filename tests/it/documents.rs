//! The pages of docs/ say what the program does.

use std::collections::BTreeSet;
use zos_core::ContextName;
use zos_core::context::{known_keys, parse_context};
use zos_core::yaml::{Node, Value};

const ENDPOINTS: &str = include_str!("../../docs/endpoints.md");
const CONTEXTS: &str = include_str!("../../docs/contexts.md");
const OPENAPI: &str = include_str!("../../docs/openapi.json");

#[test]
fn every_path_of_the_admin_api_is_listed() {
    let document: serde_json::Value = serde_json::from_str(OPENAPI).unwrap();
    for path in document["paths"].as_object().unwrap().keys() {
        assert!(ENDPOINTS.contains(&format!("`{path}`")), "docs/endpoints.md lacks {path}");
    }
}

/// A room's file with every key that there is; the test below says when one is missing.
const EVERY_KEY: &str = "\
name: default
title: All of it
isolation: hard
evasions: {off: [leetspeak]}
attachments: deny
state: own
attest: recorded
outbound_deny:
  - {term: Ann Lee, action: warn, note: patient, id: ann, exact: true, person: true, restore_to: [shell]}
  - {pattern: 'B-[0-9]+', max_len: 20, evasions: {off: [leetspeak]}}
  - {pack: pii, only: [email], examples: count}
  - {pack: secrets, except: [assignment]}
confidential:
  - {term: Globex merger}
budget:
  shrink: true
  daily_tokens: 200000
  daily_usd: 5
  monthly_usd: 60
  keys: {any: {daily_tokens: 1, daily_usd: 2, monthly_usd: 3}}
  models: {any: {daily_tokens: 1, daily_usd: 2, monthly_usd: 3}}
  prices: {any: {input: 1, output: 2, cache_read: 3, cache_write: 4}}
models: {allow: ['claude-*'], deny: [x]}
targets: {default: deny, allow: [acme.com], deny: [private], confirm: [pay.acme.com], links: check}
canon: {deliver: inject}
memory: {auto_accept: [fact]}
";

/// A key as the page names it: entries without their list, a name of the person's own as `*`.
fn key_name(path: &str, key: &str) -> String {
    let path = path.split_once(']').map_or(path, |(_, inside)| inside.trim_start_matches('.'));
    let path = path.replace(".any", ".*");
    if path.is_empty() { key.to_owned() } else { format!("{path}.{key}") }
}

/// Keys that a file has, named alike.
fn present(node: &Node, path: &str, found: &mut BTreeSet<String>) {
    match &node.value {
        Value::Map(entries) => {
            for entry in entries {
                found.insert(key_name(path, &entry.key));
                let inner = if path.is_empty() { entry.key.clone() } else { format!("{path}.{}", entry.key) };
                present(&entry.value, &inner, found);
            }
        }
        Value::List(items) => items.iter().for_each(|item| present(item, &format!("{path}[1]"), found)),
        _ => {}
    }
}

#[test]
fn the_page_of_contexts_names_the_keys_that_the_parser_knows_and_no_other() {
    let parsed = parse_context(&ContextName::default_context(), EVERY_KEY.as_bytes());
    assert!(parsed.context.is_some(), "{:?}", parsed.problems);
    let known = known_keys(EVERY_KEY.as_bytes());
    let known: BTreeSet<String> = known.iter().map(|(path, key)| key_name(path, key)).collect();

    // A section that the file lacked would be read by nobody, and its keys not be known.
    let mut written = BTreeSet::new();
    present(&zos_core::yaml::parse("", EVERY_KEY.as_bytes()).unwrap().root, "", &mut written);
    let missing: Vec<&String> = known.difference(&written).collect();
    assert!(missing.is_empty(), "EVERY_KEY lacks {missing:?}");

    let rows = CONTEXTS.lines().filter(|line| line.starts_with("| `"));
    let named: BTreeSet<String> = rows
        .filter_map(|row| row.split('|').nth(1))
        .flat_map(|names| names.split('`').skip(1).step_by(2).map(str::to_owned))
        .collect();
    assert_eq!(named, known);
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
