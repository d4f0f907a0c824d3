//! `zos canon` and `zos init`.

use crate::world::Scratch;
use serde_json::json;

fn home() -> Scratch {
    let home = Scratch::acme();
    home.write("manifest.json", "{\"files\": [\"brain/values.md\"], \"budget\": {\"total\": 500}}");
    home.write(
        "brain/values.md",
        "---\nlevel: owner\n---\n## Tone {#tone}\nFriendly and brief.\n\n## Now {#now volatile}\nWeek 7.\n",
    );
    home.write("contexts/acme.md", "## Names\nSay Acme.\n");
    home.write("contexts/other.yml", "isolation: open\n");
    home
}

const TEXT: &str = "## Tone\nFriendly and brief.\n\n## Names\nSay Acme.\n\n## Now\nWeek 7.\n";

#[test]
fn build_prints_exactly_the_bytes_of_the_digest() {
    let home = home();
    assert_eq!(home.zos(&["canon", "build", "--context", "acme"]).fine(), TEXT);
    assert_eq!(home.zos(&["canon", "build"]).fine(), TEXT, "the active room is taken");
    let built = home.json(&["canon", "build", "-c", "acme"]);
    assert_eq!(built["text"], TEXT);
    assert_eq!(built["digest"], json!(zos_core::Canon::digest_of(TEXT)));
    let lines = built["lines"].as_array().unwrap();
    assert_eq!(lines.len(), TEXT.lines().count());
    assert_eq!(
        lines[1],
        json!({"file": "brain/values.md", "file_line": 5, "level": "owner", "clause": "tone"})
    );
    assert_eq!(
        lines[4],
        json!({"file": "contexts/acme.md", "file_line": 2, "level": "room", "clause": "names"})
    );
    assert!(built["tokens"].as_u64().unwrap() > 10 && built["tokens_estimated"] == true);
    home.zos(&["canon", "build", "-c", "nowhere"]).fails(2, &["no room called nowhere"]);
}

#[test]
fn why_names_file_and_line_of_every_line() {
    let home = home();
    for line in TEXT.lines().filter(|line| !line.is_empty()) {
        let found = home.json(&["canon", "why", "-c", "acme", line]);
        let place = &found["matches"][0];
        let file = home.read(place["file"].as_str().unwrap());
        let written = file.lines().nth(place["file_line"].as_u64().unwrap() as usize - 1).unwrap();
        assert!(written.starts_with(line), "{line:?}: {written:?}");
    }
    assert!(home.zos(&["canon", "why", "-c", "acme", "Week"]).fine().contains("brain/values.md:8"));
    let run = home.zos(&["canon", "why", "-c", "acme", "never said", "--json"]);
    assert_eq!(
        (run.code, serde_json::from_str::<serde_json::Value>(&run.out).unwrap()),
        (1, json!({"matches": []}))
    );
}

#[test]
fn diff_tells_what_one_room_is_told_more() {
    let home = home();
    let run = home.zos(&["canon", "diff", "acme", "other"]);
    assert_eq!(run.code, 1);
    assert!(
        run.out.contains("- Say Acme.  contexts/acme.md:2") && !run.out.contains("Friendly"),
        "{}",
        run.out
    );
    let found = home.json(&["canon", "diff", "other", "acme"]);
    assert_eq!((&found["same"], &found["changes"][0]["op"]), (&json!(false), &json!("+")));
    home.write("contexts/acme.md", "");
    assert_eq!(home.json(&["canon", "diff", "other", "acme"])["same"], true);
    home.zos(&["canon", "diff", "other", "acme"]).fine();
    home.zos(&["canon", "diff", "acme"]).fails(2, &["No attested state covers the room acme"]);
}

#[test]
fn lint_and_budget_exit_with_what_they_found() {
    let home = home();
    assert_eq!(home.json(&["canon", "lint"]), json!({"findings": []}));
    assert!(home.zos(&["canon", "budget"]).fine().contains("brain/values.md"));
    home.write("brain/values.md", "## Tone\nAlways greet people.\nNever greet people.\n");
    home.write("brain/lost.md", "x");
    let run = home.zos(&["canon", "lint", "--json"]);
    let found: serde_json::Value = serde_json::from_str(&run.out).unwrap();
    assert_eq!(run.code, 1);
    let names: Vec<_> = found["findings"]
        .as_array()
        .unwrap()
        .iter()
        .map(|f| (&f["lint"], &f["severity"], &f["file"], &f["line"]))
        .collect();
    assert!(
        names.contains(&(&json!("contradiction"), &json!("warning"), &json!("brain/values.md"), &json!(3))),
        "{found}"
    );
    assert!(
        names
            .iter()
            .any(|(lint, _, file, _)| (*lint, *file) == (&json!("unlisted_file"), &json!("brain/lost.md"))),
        "{found}"
    );
    home.write("brain/values.md", &"many words ".repeat(500));
    let over = home.zos(&["canon", "budget"]);
    assert_eq!(over.code, 1);
    assert!(over.out.contains("over its budget of 500"), "{}", over.out);
    assert_eq!(home.json(&["canon", "budget"])["over"], true);
    home.zos(&["canon", "build"]).fails(1, &["manifest.json:1:", "over its budget of 500"]);
    assert_eq!(home.zos(&["lint"]).code, 1);
}

#[test]
fn export_writes_what_is_ours_and_nothing_else() {
    let home = home();
    let folder = home.path().join("project");
    let out = folder.to_str().unwrap().to_owned();
    let export = |format: &str, more: &[&str]| {
        home.zos(&[&["canon", "export", "-c", "acme", "--format", format, "--out", &out], more].concat())
    };
    for (format, file) in [
        ("claude", "CLAUDE.md"),
        ("agents", "AGENTS.md"),
        ("gemini", "GEMINI.md"),
        ("cursor", ".cursor/rules/zos-canon.mdc"),
        ("copilot", ".github/copilot-instructions.md"),
        ("skill", "zos-canon/SKILL.md"),
    ] {
        let missing = export(format, &["--check"]);
        assert_eq!((missing.code, folder.join(file).exists()), (1, false));
        export(format, &[]).fine();
        let text = std::fs::read_to_string(folder.join(file)).unwrap();
        assert!(text.contains(&zos_core::Canon::digest_of(TEXT)) && text.ends_with(TEXT), "{text}");
        export(format, &["--check"]).fine();
        std::fs::write(folder.join(file), format!("{text}By hand.\n")).unwrap();
        let edited = export(format, &["--check"]);
        assert!(edited.code == 1 && edited.out.contains("changed by hand"), "{}", edited.out);
        export(format, &[]).fails(1, &["left alone"]);
        assert!(std::fs::read_to_string(folder.join(file)).unwrap().ends_with("By hand.\n"));
    }
    std::fs::write(folder.join("CLAUDE.md"), "mine\n").unwrap();
    export("claude", &[]).fails(1, &["not written by zOS"]);
    assert_eq!(std::fs::read_to_string(folder.join("CLAUDE.md")).unwrap(), "mine\n");
}

#[test]
fn init_begins_a_home_once() {
    let home = Scratch::new();
    assert!(home.zos(&["init"]).fine().contains("The room open is active"));
    assert_eq!(home.zos(&["lint", "--strict"]).fine(), "All files are in order.\n");
    assert_eq!(home.json(&["canon", "lint"]), json!({"findings": []}));
    assert!(home.zos(&["canon", "build", "-c", "careful"]).fine().contains("confidential"));
    home.write("brain/values.md", "## Mine\nMine.\n");
    let again = home.json(&["init"]);
    assert_eq!((&again["created"], &again["active"]), (&json!([]), &json!(null)));
    assert_eq!(home.read("brain/values.md"), "## Mine\nMine.\n");
}
