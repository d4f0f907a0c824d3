//! The usual additions: whoever adds a pack, a detector, an endpoint of the admin API or a group of the tray finds out here
//! what belongs to it. The walks add nothing by themselves. Commands are walked in `cli/src/arguments.rs`, codes and
//! keys of a room in `codes.rs` and `documents.rs`.

use crate::layers::files;
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use zos_rules::{Pack, PackName, Room, RuleKind, RuleSpec, Ruleset};

/// What detectors find in texts that are drawn from their own expressions.
const GOLDEN: &str = "libs/rules/tests/golden/finds.txt";

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

fn read(path: &str) -> String {
    std::fs::read_to_string(root().join(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

#[test]
fn every_pack_has_its_corpus_its_row_and_a_find_for_each_detector() {
    let (page, golden) = (read("docs/firewall.md"), read(GOLDEN));
    let drawn: BTreeSet<&str> = golden.lines().filter_map(|line| line.split(' ').next()).collect();
    let mut faults = Vec::new();
    for name in PackName::ALL {
        let (pack, word) = (Pack::builtin(name), name.name());
        if !page.contains(&format!("\n- `{word}`: ")) {
            faults.push(format!("docs/firewall.md does not say what the pack {word} finds"));
        }
        if read(&format!("libs/rules/corpus/{word}/ignore.txt")).lines().count() < 60 {
            faults.push(format!("libs/rules/corpus/{word}/ignore.txt is too small"));
        }
        let rules = vec![RuleSpec::new("rule", RuleKind::Pack(name.into()))];
        let room = Room { name: "room".to_owned(), rules };
        let rules = Arc::new(Ruleset::compile(&[room]).unwrap()).room("room").unwrap();
        let mut found = BTreeSet::new();
        for line in read(&format!("libs/rules/corpus/{word}/find.txt")).lines() {
            let mut violations = Vec::new();
            rules.scan(line.split_once('\t').map_or(line, |(_, text)| text), &mut violations);
            found.extend(violations.into_iter().filter_map(|violation| violation.detector));
        }
        let is_missing = |detector: &&str| {
            let id = format!("{word}/{detector}");
            !drawn.contains(id.as_str()) && !found.iter().any(|found| **found == *id)
        };
        let missing: Vec<&str> = pack.detectors().filter(is_missing).collect();
        if !missing.is_empty() {
            faults.push(format!(
                "libs/rules/corpus/{word}/find.txt and {GOLDEN} have no line for {}",
                missing.join(", ")
            ));
        }
    }
    assert!(faults.is_empty(), "\n{}", faults.join("\n"));
}

#[test]
fn every_endpoint_of_the_admin_api_has_a_row_a_description_and_a_test() {
    let document: serde_json::Value = serde_json::from_str(&read("docs/openapi.json")).unwrap();
    let page = read("docs/endpoints.md");
    let asked = asked();
    let mut faults = Vec::new();
    for (path, methods) in document["paths"].as_object().unwrap() {
        if !page.contains(&format!("`{path}`")) {
            faults.push(format!("docs/endpoints.md lacks {path}"));
        }
        for (method, operation) in methods.as_object().unwrap() {
            if operation["summary"].as_str().is_none_or(str::is_empty) {
                faults.push(format!("{method} {path} has no doc comment"));
            }
        }
        if !asked.iter().any(|asked| fits(path, asked)) {
            faults.push(format!("no test asks for {path}"));
        }
    }
    assert!(faults.is_empty(), "\n{}", faults.join("\n"));
}

/// Paths below `/zos/v1/` that tests ask for.
fn asked() -> BTreeSet<String> {
    let mut asked = BTreeSet::new();
    for folder in ["tests/it", "cli/tests", "gateway/src"] {
        for path in files(&root().join(folder)) {
            let text = std::fs::read_to_string(&path).unwrap();
            let is_test = folder != "gateway/src" || path.file_name().unwrap() == "tests.rs";
            let tests =
                if is_test { text.as_str() } else { text.split("#[cfg(test)]").nth(1).unwrap_or_default() };
            let ends = |letter: char| letter.is_whitespace() || "\"?`'\\".contains(letter);
            asked.extend(
                tests.split("/zos/v1/").skip(1).filter_map(|rest| rest.split(ends).next()).map(str::to_owned),
            );
        }
    }
    asked
}

/// Whether a test's path is one of an endpoint. In both, `{…}` stands for any one part.
fn fits(path: &str, asked: &str) -> bool {
    let (path, asked): (Vec<&str>, Vec<&str>) =
        (path.trim_start_matches("/zos/v1/").split('/').collect(), asked.split('/').collect());
    let is_same =
        |(one, other): (&&str, &&str)| one.starts_with('{') || other.starts_with('{') || one == other;
    path.len() == asked.len() && path.iter().zip(&asked).all(is_same)
}

#[test]
fn every_group_of_the_tray_is_in_the_menu_and_clicked_in_a_test() {
    let menu = read("src-tauri/src/tray.rs");
    let tests: String = ["tray_tests.py", "start_tests.py"]
        .iter()
        .map(|file| read(&format!("tests/desktop/{file}")))
        .collect();
    let texts: Vec<&str> =
        tests.split(['"', '\'']).filter(|text| text.contains(' ') && text.len() > 6).collect();
    let (mut groups, mut faults) = (0, Vec::new());
    for path in files(&root().join("src-tauri/src/tray")) {
        let text = std::fs::read_to_string(&path).unwrap();
        let module = path.file_stem().unwrap().to_str().unwrap();
        for group in text.split("impl Group for ").skip(1).filter_map(|rest| rest.split([' ', '{']).next()) {
            groups += 1;
            if !menu.contains(&format!("Box::new({module}::{group}::add(app, &menu)?)")) {
                faults.push(format!("tray.rs does not add {module}::{group}"));
            }
        }
        let is_group = text.contains("impl Group for ");
        // An item is found by the beginning of its label, or the test is called after what it is about.
        let labels =
            text.split('"').skip(1).step_by(2).filter(|label| label.contains(' ') && label.len() > 6);
        let mut clicked = labels.filter(|label| texts.iter().any(|text| label.starts_with(text))).peekable();
        let is_named = tests.lines().any(|line| line.starts_with("def test_") && line.contains(module));
        if is_group && clicked.peek().is_none() && !is_named {
            faults.push(format!("no test of tests/desktop clicks an item of {module}"));
        }
    }
    assert!(groups > 8, "{groups}");
    assert!(faults.is_empty(), "\n{}", faults.join("\n"));
}
