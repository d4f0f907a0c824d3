//! The arrows between crates point inward: shells, gateway, core, libs.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;

#[test]
fn arrows_point_inward() {
    let output = Command::new(env!("CARGO"))
        .args([
            "metadata",
            "--format-version",
            "1",
            "--no-deps",
            "--offline",
            "--manifest-path",
            concat!(env!("CARGO_MANIFEST_DIR"), "/../Cargo.toml"),
        ])
        .output()
        .unwrap();
    let metadata: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    let mut arrows: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for package in metadata["packages"].as_array().unwrap() {
        let name = package["name"].as_str().unwrap();
        let used = package["dependencies"]
            .as_array()
            .unwrap()
            .iter()
            .filter(|dependency| dependency["kind"].is_null());
        arrows.insert(name, used.map(|dependency| dependency["name"].as_str().unwrap()).collect());
    }
    let ours = |name: &str| -> Vec<&str> {
        arrows[name].iter().copied().filter(|used| used.starts_with("zos-")).collect()
    };
    let libraries = ["zos-rules", "zos-meter", "zos-audit", "zos-seal"];
    for library in libraries {
        assert!(ours(library).is_empty(), "{library} uses {:?}", ours(library));
    }
    assert!(ours("zos-core").iter().all(|used| libraries.contains(used)), "{:?}", ours("zos-core"));
    assert!(
        ours("zos-wire").iter().all(|used| ["zos-core", "zos-meter"].contains(used)),
        "{:?}",
        ours("zos-wire")
    );
    let below_guard = ["zos-wire", "zos-core", "zos-rules", "zos-meter", "zos-seal"];
    assert!(ours("zos-guard").iter().all(|used| below_guard.contains(used)), "{:?}", ours("zos-guard"));
    assert!(ours("zos-gateway").iter().all(|used| *used != "zos-cli" && *used != "zos-desktop"));
    for (name, uses) in &arrows {
        let uses_any = |names: &[&str]| uses.iter().any(|used| names.contains(used));
        assert!(!uses_any(&["tauri"]) || *name == "zos-desktop", "{name} uses tauri");
        assert!(
            !uses_any(&["reqwest"]) || ["zos-gateway", "zos-cli", "zos-tests", "zos-bench"].contains(name),
            "{name} uses reqwest"
        );
        assert!(
            !uses_any(&["axum"]) || ["zos-gateway", "zos-desktop", "zos-tests", "zos-bench"].contains(name),
            "{name} uses axum"
        );
    }
}

/// Every source of ours with its text.
fn sources(folders: &[&str]) -> Vec<(PathBuf, String)> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let mut folders: Vec<PathBuf> = folders.iter().map(|of| root.join(of)).collect();
    let mut sources = Vec::new();
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(&folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|ending| ending == "rs") {
                sources.push((path.clone(), std::fs::read_to_string(&path).unwrap()));
            }
        }
    }
    assert!(sources.len() > 300, "{}", sources.len());
    sources
}

/// The lint is a `deny` and no `forbid` for the sake of one module: the options of the allocator have no safe front.
#[test]
fn one_module_alone_has_leave_to_be_unsafe() {
    let sources = sources(&["core", "gateway", "cli", "src-tauri", "libs", "bench"]);
    let has_leave = |text: &str| text.contains("unsafe_code") || text.contains("unsafe {");
    let names: Vec<String> = sources
        .iter()
        .filter(|(_, text)| has_leave(text))
        .map(|(path, _)| path.file_name().unwrap().to_string_lossy().into_owned())
        .collect();
    assert_eq!(names, ["allocator.rs"]);
    let manifest = include_str!("../../Cargo.toml");
    assert!(manifest.contains("unsafe_code = \"deny\""), "elsewhere it is an error");
}

/// Which characters nobody sees is told by `zos_rules::is_unseen` alone. Whoever writes ranges of characters by their
/// numbers begins a second list, which will lack what the first one has.
#[test]
fn ranges_of_characters_by_number_are_written_in_the_rules_alone() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let mut folders: Vec<PathBuf> =
        ["core", "gateway", "cli", "src-tauri", "libs"].map(|of| root.join(of)).into();
    let (mut read, mut found) = (0, Vec::new());
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(&folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() && !path.ends_with("libs/rules") {
                folders.push(path);
            } else if path.extension().is_some_and(|ending| ending == "rs") {
                let text = std::fs::read_to_string(&path).unwrap();
                read += 1;
                let of_range = |(_, line): &(usize, &str)| line.contains("\\u{") && line.contains("}'..");
                let lines = text.lines().enumerate().filter(of_range);
                found.extend(lines.map(|(at, _)| format!("{}:{}", path.display(), at + 1)));
            }
        }
    }
    assert!(read > 300, "{read}");
    assert!(found.is_empty(), "{}", found.join("\n"));
}
